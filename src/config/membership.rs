//! Who the servers are: the membership lines, this server's number, and what they mean.
//!
//! Exactly one voter with `standaloneEnabled=true` is a standalone server (the official container
//! image writes just that), and its line may say which client port to open. More than that is an
//! ensemble.

use std::path::{Path, PathBuf};

use super::source::{Found, Source, not_served};
use super::{ConfigError, Conflict, Properties};
use crate::membership::{Members, MembersError, Role};
use crate::types::ServerId;

/// What the membership lines mean.
pub(super) struct Membership {
    /// The client part of the line of the server named by `myid`.
    pub client: Option<ClientPart>,
    pub server_id: Option<i64>,
    /// `None`: a standalone server.
    pub ensemble: Option<Ensemble>,
}

pub(super) struct Ensemble {
    pub me: ServerId,
    pub members: Members,
    /// Seen and perhaps not committed when the server stopped.
    pub next: Option<Members>,
    /// `standaloneEnabled`.
    pub standalone: bool,
    /// The members are in the configuration file itself.
    pub in_one_file: bool,
}

/// `[<host>:]<port>` after the semicolon.
pub(super) struct ClientPart {
    pub host: String,
    pub port: u16,
    pub line: Found,
}

/// Lines of a configuration, and where they stand.
struct Lines {
    whence: String,
    found: Vec<Found>,
}

/// QuorumPeerConfig.parseDynamicConfig, setupMyId, setupClientPort and checkValidity.
pub(super) fn read(
    s: &mut Source<'_>,
    data_dir: &Path,
    remarks: &mut Vec<String>,
) -> Result<Membership, ConfigError> {
    let standalone = s.file("standaloneEnabled").map_or(Ok(true), |f| f.strict_bool())?;
    let several = s.property("multiAddress.enabled").is_some_and(|f| f.is_true());
    let lines = match s.file("dynamicConfigFile") {
        None => static_lines(s),
        Some(file) => {
            if let Some(stray) = static_lines(s).found.iter().find(|f| is_membership(f)) {
                let (key, place) = (stray.key.clone(), stray.place.clone());
                return Err(Conflict::StaticMember { key, place, dynamic: file.value }.into());
            }
            dynamic_lines(Path::new(&file.value))?
        }
    };
    let server_id = my_id(data_dir)?;
    let alone = Membership { client: None, server_id, ensemble: None };
    if !lines.found.iter().any(|f| f.key.starts_with("server.")) {
        if standalone {
            return Ok(alone);
        }
        return Err(Conflict::NoServers { whence: lines.whence }.into());
    }
    let members = lines.members()?;
    if !several {
        lines.refuse_several_addresses(&members)?;
    }
    let client = server_id.map(|id| lines.client_part(&members, ServerId(id))).transpose()?;
    let membership = Membership { client: client.flatten(), ..alone };
    let (voters, observers) = (members.voters().count(), members.observers().count());
    match (voters, observers) {
        (1, 0) if standalone => return Ok(membership),
        (1, observers) if standalone => {
            let whence = lines.whence;
            return Err(Conflict::ObserversAlone { whence, observers }.into());
        }
        _ => {}
    }
    let me = lines.find_me(&members, server_id, data_dir)?;
    if let Err(error) = members.validate() {
        return Err(Conflict::Unworkable { whence: lines.whence, error }.into());
    }
    remark_on_size(voters, remarks);
    remark_on_role(s, &members, me, remarks)?;
    let next = match s.file("reconfigEnabled").map_or(Ok(false), |f| f.strict_bool())? {
        // A crash may have left one that is in force by now.
        true => next_members(s)?.filter(|next| next.version() > members.version()),
        false => None,
    };
    let in_one_file = s.file("dynamicConfigFile").is_none();
    let ensemble = Ensemble { me, members, next, standalone, in_one_file };
    Ok(Membership { ensemble: Some(ensemble), ..membership })
}

fn is_membership(found: &Found) -> bool {
    crate::membership::is_membership(&found.key)
}

/// The whole file, since all of its keys decide about the order of the lines in Java's texts.
fn static_lines(s: &mut Source<'_>) -> Lines {
    let file = s.file;
    let mut found: Vec<Found> = all_of(file).collect();
    // `server.principal` and `server.realm` are Kerberos settings, not members.
    found.retain(|l| l.key != "server.principal" && l.key != "server.realm");
    for line in found.iter().filter(|f| is_membership(f) || f.key == "version") {
        // Marks it as read.
        s.file(&line.key);
    }
    Lines { whence: file.path().display().to_string(), found }
}

fn all_of(file: &Properties) -> impl Iterator<Item = Found> {
    file.iter().map(|property| Found {
        key: property.key.clone(),
        value: property.value.clone(),
        place: file.place(property),
    })
}

fn dynamic_lines(path: &Path) -> Result<Lines, ConfigError> {
    let (properties, _) = Properties::read(path)?;
    let mut found: Vec<Found> = all_of(&properties).collect();
    if let Some(stray) = found.iter().find(|f| !is_membership(f)) {
        return Err(stray.refuse(
            "absent: a dynamic configuration file holds server., group and weight keys only, and \
             its name ends in its version",
        ));
    }
    // QuorumPeerConfig.getVersionFromFilename: what follows the last point, if it is hexadecimal.
    let name = path.to_string_lossy();
    let version = name.rsplit_once('.').and_then(|(_, end)| i64::from_str_radix(end, 16).ok());
    if let Some(version) = version.filter(|version| *version >= 0) {
        let key = "version".to_owned();
        let place = super::Place::Line(path.into(), 0);
        found.push(Found { key, value: format!("{version:x}"), place });
    }
    Ok(Lines { whence: path.display().to_string(), found })
}

/// `<configuration file>.dynamic.next`: a configuration a leader proposed.
fn next_members(s: &mut Source<'_>) -> Result<Option<Members>, ConfigError> {
    let mut name = s.file.path().as_os_str().to_owned();
    name.push(".dynamic.next");
    let path = PathBuf::from(name);
    if !path.is_file() || s.file("dynamicConfigFile").is_none() {
        return Ok(None);
    }
    let (properties, _) = Properties::read(&path)?;
    let found = all_of(&properties).collect();
    Lines { whence: path.display().to_string(), found }.members().map(Some)
}

impl Lines {
    fn members(&self) -> Result<Members, ConfigError> {
        let lines = self.found.iter().map(|f| (f.key.as_str(), f.value.as_str()));
        Members::from_lines(lines).map_err(|error| {
            if let MembersError::Value { key, allowed, .. } = &error
                && let Some(found) = self.line(key)
            {
                return found.refuse(allowed.to_string());
            }
            Conflict::Members { whence: self.whence.clone(), error }.into()
        })
    }

    fn line(&self, key: &str) -> Option<&Found> {
        self.found.iter().find(|f| f.key == key)
    }

    /// The line of a server. Its number may be written with leading zeros.
    fn line_of(&self, server: ServerId) -> Option<&Found> {
        self.found.iter().find(|f| {
            let number = f.key.strip_prefix("server.").and_then(|n| n.parse::<i64>().ok());
            number == Some(server.0)
        })
    }

    fn refuse_several_addresses(&self, members: &Members) -> Result<(), ConfigError> {
        let several = members.iter().find(|member| member.addresses.len() > 1);
        let line = several.and_then(|member| self.line_of(member.id));
        line.map_or(Ok(()), |line| {
            Err(line.refuse("a line with one address, unless multiAddress.enabled=true"))
        })
    }

    fn client_part(
        &self,
        members: &Members,
        me: ServerId,
    ) -> Result<Option<ClientPart>, ConfigError> {
        let (Some(member), Some(line)) = (members.get(me), self.line_of(me)) else {
            return Ok(None);
        };
        if member.secure_client.is_some() {
            return Err(not_served(
                line.clone(),
                "a second client part",
                "set secureClientPort instead, which each server has for itself",
            ));
        }
        let part = |client: &crate::membership::ClientAddress| ClientPart {
            host: client.host.clone(),
            port: client.port,
            line: line.clone(),
        };
        Ok(member.client.as_ref().map(part))
    }

    fn find_me(
        &self,
        members: &Members,
        server_id: Option<i64>,
        data_dir: &Path,
    ) -> Result<ServerId, ConfigError> {
        let (path, whence) = (data_dir.join("myid"), self.whence.clone());
        let ids = || {
            let mut ids: Vec<i64> = members.iter().map(|member| member.id.0).collect();
            ids.sort_unstable();
            ids.iter().map(|id| id.to_string()).collect::<Vec<_>>().join(", ")
        };
        match server_id {
            Some(id) if members.get(ServerId(id)).is_some() => Ok(ServerId(id)),
            Some(id) => Err(Conflict::UnknownMyId { path, id, ids: ids(), whence }.into()),
            None => Err(Conflict::NoMyId { path, ids: ids(), whence }.into()),
        }
    }
}

fn remark_on_size(voters: usize, remarks: &mut Vec<String>) {
    if voters <= 2 {
        remarks.push(format!("{voters} voters: the ensemble survives no failure; 3 survive one"));
    } else if voters.is_multiple_of(2) {
        let fewer = voters - 1;
        remarks.push(format!("{voters} voters survive as many failures as {fewer} would"));
    }
}

/// QuorumPeerConfig.setupPeerType: the line decides.
fn remark_on_role(
    s: &mut Source<'_>,
    members: &Members,
    me: ServerId,
    remarks: &mut Vec<String>,
) -> Result<(), ConfigError> {
    let Some(found) = s.file("peerType") else { return Ok(()) };
    let role = match found.value.to_ascii_lowercase().as_str() {
        "participant" => Role::Participant,
        "observer" => Role::Observer,
        _ => return Err(found.refuse("participant or observer")),
    };
    if members.get(me).is_some_and(|member| member.role != role) {
        remarks.push(format!(
            "peerType={} in {}: the line of server.{} says otherwise, and it decides",
            found.value, found.place, me.0
        ));
    }
    Ok(())
}

/// The first line of `<dataDir>/myid`, when there is such a file.
fn my_id(data_dir: &Path) -> Result<Option<i64>, ConfigError> {
    let path = data_dir.join("myid");
    if !path.is_file() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path)
        .map_err(|cause| ConfigError::Read { path: path.clone(), cause })?;
    let line = text.lines().next().unwrap_or_default().trim();
    match line.parse() {
        Ok(id) => Ok(Some(id)),
        Err(_) => Err(Conflict::NoNumber { path, text: line.to_owned() }.into()),
    }
}
