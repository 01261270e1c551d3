//! A configuration: its servers, and which sets of them are a quorum (QuorumVerifier, QuorumMaj,
//! QuorumHierarchical).

use std::fmt::Write;

use super::error::{Allowed, FORM, GROUP, MembersError};
use super::order::{self, JavaMap};
use super::{Member, Role};
use crate::codec::properties;
use crate::types::ServerId;
use crate::types::limits::CONFIGURATION_LINES;

/// One configuration. Made from text or lines only, so it always has a voter, and with groups
/// every voter is in one.
#[derive(Clone, Debug)]
pub struct Members {
    pub(super) servers: JavaMap<Member>,
    pub(super) groups: Option<Groups>,
    pub(super) version: i64,
}

/// Groups win by weight, and the ensemble by groups (QuorumHierarchical).
#[derive(Clone, Debug)]
pub(super) struct Groups {
    /// Server to group.
    group_of: JavaMap<i64>,
    weights: JavaMap<i64>,
    /// Each group's whole weight, by number.
    totals: Vec<(i64, i128)>,
    /// Groups that have a weight.
    counted: usize,
}

impl Members {
    /// A configuration text, as peers send it and `/zookeeper/config` holds it.
    pub fn parse(text: &str) -> Result<Members, MembersError> {
        let lines = properties::parse(text)?;
        let trim = |text: &str| text.trim_matches(|c| c <= ' ').to_owned();
        let lines: Vec<(String, String)> =
            lines.iter().map(|line| (trim(&line.key), trim(&line.value))).collect();
        for (key, value) in &lines {
            if !is_membership(key) && key != "version" {
                return Err(wrong(key, value, Allowed::Nothing));
            }
        }
        Members::from_lines(lines.iter().map(|(key, value)| (key.as_str(), value.as_str())))
    }

    /// From keys and values in the order of their file, the last of equal keys counting. Keys that
    /// say nothing about members are passed over, and yet all must be given: in Java they move the
    /// others about, which shows in the order of [`Members::text`].
    pub fn from_lines<'a>(
        lines: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Members, MembersError> {
        let lines: Vec<(&str, &str)> = lines.into_iter().take(CONFIGURATION_LINES + 1).collect();
        if lines.len() > CONFIGURATION_LINES {
            return Err(MembersError::TooLong);
        }
        let keys: Vec<&str> = lines.iter().map(|(key, _)| *key).collect();
        let mut parts = Parts::new();
        for at in order::properties(&keys) {
            let key = keys[at];
            let value = lines.iter().rev().find(|(k, _)| *k == key).map_or("", |(_, v)| *v);
            parts.take(key, value)?;
        }
        parts.finish()
    }

    /// The configuration as Java prints it (QuorumVerifier.toString): what NEWLEADER, election
    /// messages and `/zookeeper/config` hold.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for (id, member) in self.servers.iter() {
            let _ = writeln!(out, "server.{id}={member}");
        }
        if let Some(groups) = &self.groups {
            let mut lists: JavaMap<String> = JavaMap::new();
            for (server, group) in groups.group_of.iter() {
                let list = match lists.get(*group) {
                    None => server.to_string(),
                    Some(list) => format!("{list}:{server}"),
                };
                lists.insert(*group, list);
            }
            for (group, list) in lists.iter() {
                let _ = writeln!(out, "group.{group}={list}");
            }
            for (server, weight) in groups.weights.iter() {
                let _ = writeln!(out, "weight.{server}={weight}");
            }
        }
        let _ = write!(out, "version={:x}", self.version);
        out
    }

    /// The zxid of the reconfiguration that made it; 0 for one that came from a static file.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// The same, under another version.
    pub fn with_version(mut self, version: i64) -> Members {
        self.version = version;
        self
    }

    /// The line of this server; `None`: it is no member.
    pub fn get(&self, server: ServerId) -> Option<&Member> {
        self.servers.get(server.0)
    }

    /// In the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.servers.iter().map(|(_, member)| member)
    }

    /// How many there are, observers too; never 0.
    pub fn count(&self) -> usize {
        self.servers.len()
    }

    /// False for an observer, and for who is no member.
    pub fn is_voter(&self, server: ServerId) -> bool {
        self.get(server).is_some_and(|member| member.role == Role::Participant)
    }

    /// In the order of the text.
    pub fn voters(&self) -> impl Iterator<Item = ServerId> {
        self.iter().filter(|member| member.role == Role::Participant).map(|member| member.id)
    }

    /// In the order of the text.
    pub fn observers(&self) -> impl Iterator<Item = ServerId> {
        self.iter().filter(|member| member.role == Role::Observer).map(|member| member.id)
    }

    /// 1 unless there are groups. A server of weight 0 never leads.
    pub fn weight(&self, server: ServerId) -> i64 {
        match &self.groups {
            None => 1,
            Some(groups) => groups.weights.get(server.0).copied().unwrap_or(0),
        }
    }

    /// There are groups (QuorumHierarchical); else every voter weighs the same (QuorumMaj).
    pub fn is_hierarchical(&self) -> bool {
        self.groups.is_some()
    }

    /// Whether the voters for which `acks` is true are a quorum. Other servers do not count.
    pub fn has_quorum(&self, acks: impl Fn(ServerId) -> bool) -> bool {
        let Some(groups) = &self.groups else {
            let (mut count, mut voters) = (0, 0);
            for voter in self.voters() {
                voters += 1;
                count += usize::from(acks(voter));
            }
            return count > voters / 2;
        };
        let won = groups.totals.iter().filter(|(group, total)| {
            let acked = self
                .voters()
                .filter(|voter| groups.group_of.get(voter.0) == Some(group) && acks(*voter));
            acked.map(|voter| i128::from(self.weight(voter))).sum::<i128>() > total / 2
        });
        won.count() > groups.counted / 2
    }

    /// The server is where it was towards other servers' learners, and may lead both times.
    pub fn leads_as_in(&self, before: &Members, server: ServerId) -> bool {
        let (Some(now), Some(then)) = (self.get(server), before.get(server)) else { return false };
        let vote = self.is_voter(server) && before.is_voter(server);
        vote && now.has_quorum_addresses_of(then)
    }

    /// QuorumMaj.equals, QuorumHierarchical.equals: the same version, or the same servers in the
    /// same roles, at the same addresses, with the same groups and weights.
    pub fn is_same_as(&self, other: &Members) -> bool {
        let kind = self.is_hierarchical() == other.is_hierarchical();
        kind && (self.version == other.version || self.has_same_members(other))
    }

    /// The same servers in the same roles, at the same addresses, with the same groups and weights,
    /// whatever the versions.
    pub fn has_same_members(&self, other: &Members) -> bool {
        let servers = self.servers.len() == other.servers.len()
            && self.iter().all(|a| other.get(a.id).is_some_and(|b| a.is_same_as(b)));
        let same = |a: &JavaMap<i64>, b: &JavaMap<i64>| {
            a.len() == b.len() && a.iter().all(|(key, value)| b.get(key) == Some(value))
        };
        servers
            && match (&self.groups, &other.groups) {
                (None, None) => true,
                (Some(a), Some(b)) => {
                    same(&a.group_of, &b.group_of) && same(&a.weights, &b.weights)
                }
                _ => false,
            }
    }
}

/// Equal texts. Whether two servers mean the same is [`Members::is_same_as`].
impl PartialEq for Members {
    fn eq(&self, other: &Members) -> bool {
        self.text() == other.text()
    }
}

/// A key that a configuration text may hold, `version` apart.
pub(crate) fn is_membership(key: &str) -> bool {
    key.starts_with("server.") || key.starts_with("group") || key.starts_with("weight")
}

fn wrong(key: &str, value: &str, allowed: Allowed) -> MembersError {
    MembersError::Value { key: key.to_owned(), value: value.to_owned(), allowed }
}

/// The number behind a key's first point.
fn number_of(key: &str, value: &str, form: &'static str) -> Result<i64, MembersError> {
    let name = key.split('.').next().unwrap_or(key).to_owned();
    let number = key.split_once('.').and_then(|(_, number)| number.parse().ok());
    number.ok_or_else(|| wrong(key, value, Allowed::Numbered { name, form }))
}

/// Lines on their way to a configuration.
struct Parts {
    servers: JavaMap<Member>,
    group_of: JavaMap<i64>,
    weights: JavaMap<i64>,
    group_lines: usize,
    hierarchical: bool,
    version: i64,
}

impl Parts {
    fn new() -> Parts {
        Parts {
            servers: JavaMap::new(),
            group_of: JavaMap::new(),
            weights: JavaMap::new(),
            group_lines: 0,
            hierarchical: false,
            version: 0,
        }
    }

    fn take(&mut self, key: &str, value: &str) -> Result<(), MembersError> {
        if key.starts_with("server.") {
            let id = number_of(key, value, FORM)?;
            let member = Member::parse(ServerId(id), value);
            self.servers.insert(id, member.map_err(|allowed| wrong(key, value, allowed))?);
        } else if key.starts_with("group") {
            self.hierarchical = true;
            self.group_lines += 1;
            self.take_group(key, value)?;
        } else if key.starts_with("weight") {
            self.hierarchical = true;
            let server = number_of(key, value, "<weight>")?;
            // Below zero, two sets without a server in common could both be quorums.
            let weight = value.parse().ok().filter(|weight| *weight >= 0);
            let weight = weight.ok_or_else(|| wrong(key, value, Allowed::Weight))?;
            self.weights.insert(server, weight);
        } else if key == "version" {
            let version = i64::from_str_radix(value, 16).ok().filter(|version| *version >= 0);
            self.version = version.ok_or_else(|| wrong(key, value, Allowed::Version))?;
        }
        Ok(())
    }

    fn take_group(&mut self, key: &str, value: &str) -> Result<(), MembersError> {
        let group = number_of(key, value, GROUP)?;
        for server in value.trim_end_matches(':').split(':') {
            if self.group_of.len() >= CONFIGURATION_LINES {
                return Err(wrong(key, value, Allowed::FewerInGroups));
            }
            let server = server.parse().map_err(|_| wrong(key, value, Allowed::Group))?;
            if let Some(&group) = self.group_of.get(server) {
                return Err(wrong(key, value, Allowed::OneGroup { server, group }));
            }
            self.group_of.insert(server, group);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Members, MembersError> {
        let is_voter = |member: &Member| member.role == Role::Participant;
        if !self.servers.iter().any(|(_, member)| is_voter(member)) {
            return Err(MembersError::NoVoter { servers: self.servers.len() });
        }
        let groups = if self.hierarchical { Some(self.groups()?) } else { None };
        Ok(Members { servers: self.servers, groups, version: self.version })
    }

    /// QuorumHierarchical.parse and computeGroupWeight.
    fn groups(&mut self) -> Result<Groups, MembersError> {
        for (id, member) in self.servers.iter() {
            if member.role == Role::Observer {
                continue;
            }
            if self.group_of.get(id).is_none() {
                return Err(MembersError::NoGroup { voter: id });
            }
            if self.weights.get(id).is_none() {
                self.weights.insert(id, 1);
            }
        }
        let mut totals: Vec<(i64, i128)> = Vec::new();
        for (server, group) in self.group_of.iter() {
            let Some(weight) = self.weights.get(server) else {
                return Err(MembersError::NoWeight { group: *group, server });
            };
            let weight = i128::from(*weight);
            match totals.iter_mut().find(|(other, _)| other == group) {
                Some((_, total)) => *total += weight,
                None => totals.push((*group, weight)),
            }
        }
        let empty = totals.iter().filter(|(_, total)| *total == 0).count();
        Ok(Groups {
            group_of: std::mem::replace(&mut self.group_of, JavaMap::new()),
            weights: std::mem::replace(&mut self.weights, JavaMap::new()),
            totals,
            counted: self.group_lines.saturating_sub(empty),
        })
    }
}
