//! The next configuration, from what a client asks for (PrepRequestProcessor, case reconfig).

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::error::{ChangeError, Refused, Unworkable};
use super::{Member, Members};
use crate::types::ServerId;

/// What a configuration must be like, beyond what [`Members`] is always.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChangeRules {
    /// `standaloneEnabled`: one voter alone would be no ensemble.
    pub standalone: bool,
    /// `multiAddress.enabled`.
    pub several_addresses: bool,
}

impl Members {
    /// Without the `leaving` (ids, parted by commas) and with the `joining` (`server.<id>=…`, parted
    /// by commas); who joins under an id that is there takes its place.
    pub fn changed(
        &self,
        joining: Option<&str>,
        leaving: Option<&str>,
    ) -> Result<Members, ChangeError> {
        if self.is_hierarchical() {
            return Err(Refused::Groups.into());
        }
        let mut next = self.clone();
        next.servers = self.servers.copied();
        for text in parts(leaving.unwrap_or_default(), ',') {
            next.servers.remove(id_of(text)?);
        }
        for text in parts(joining.unwrap_or_default(), ',') {
            let joiner = joiner(text)?;
            let others = next.servers.iter().filter(|(id, _)| *id != joiner.id.0);
            for (_, other) in others {
                refuse_same_address(&joiner, other)?;
            }
            let id = joiner.id.0;
            next.servers.remove(id);
            next.servers.insert(id, joiner);
        }
        Ok(next)
    }

    /// A configuration as a whole; lines are parted by commas or ends of lines.
    pub fn replaced(text: &str) -> Result<Members, ChangeError> {
        Members::parse(&text.replace(',', "\n")).map_err(|error| Refused::from(error).into())
    }

    /// Whether a leader may propose it.
    pub fn may_follow(&self, rules: ChangeRules) -> Result<(), Refused> {
        let least = if rules.standalone { 2 } else { 1 };
        let voters = self.voters().count();
        if voters < least {
            return Err(Refused::Voters { voters, least });
        }
        if let Some(member) = self.iter().find(|member| member.secure_client.is_some()) {
            return Err(Refused::Tls { server: member.id.0 });
        }
        let several = |member: &&Member| member.addresses.len() > 1;
        if let Some(member) = self.iter().find(several).filter(|_| !rules.several_addresses) {
            return Err(Refused::Addresses { server: member.id.0 });
        }
        Ok(self.validate()?)
    }

    /// Whether it can work.
    pub fn validate(&self) -> Result<(), Unworkable> {
        let mut bytes: BTreeMap<u8, ServerId> = BTreeMap::new();
        let mut ports: BTreeMap<(String, u16), ServerId> = BTreeMap::new();
        let mut sorted: Vec<&Member> = self.iter().collect();
        sorted.sort_by_key(|member| member.id);
        for member in sorted {
            let id = member.id;
            if let Some(other) = bytes.insert(id.0 as u8, id) {
                return Err(Unworkable::SessionIds { first: other.0, second: id.0 });
            }
            for address in &member.addresses {
                let wildcard = address.host == "0.0.0.0" || address.host == "0:0:0:0:0:0:0:0";
                for port in [address.quorum, address.election].into_iter().filter(|_| !wildcard) {
                    let place = (address.host.to_lowercase(), port);
                    if let Some(other) = ports.insert(place, id) {
                        let (first, second, host) = (other.0, id.0, address.host.clone());
                        return Err(Unworkable::OnePlace { first, second, host, port });
                    }
                }
            }
        }
        Ok(())
    }
}

/// StringUtils.split: trimmed, empty ones left out.
fn parts(text: &str, by: char) -> impl Iterator<Item = &str> {
    text.split(by).map(|part| part.trim_matches(|c| c <= ' ')).filter(|part| !part.is_empty())
}

fn id_of(text: &str) -> Result<i64, ChangeError> {
    text.parse().map_err(|_| ChangeError::Unreadable(text.to_owned()))
}

/// `server.<id>=<host>:<quorum port>:<election port>[:<role>];[<host>:]<client port>`.
fn joiner(text: &str) -> Result<Member, ChangeError> {
    let line = || text.to_owned();
    let mut sides = parts(text, '=');
    let (Some(key), Some(value), None) = (sides.next(), sides.next(), sides.next()) else {
        return Err(Refused::Line { text: line() }.into());
    };
    let id = id_of(key.rsplit_once('.').map_or(key, |(_, id)| id))?;
    let member = match Member::parse(ServerId(id), value) {
        Ok(member) => member,
        Err(allowed) => return Err(Refused::Value { text: line(), allowed }.into()),
    };
    match member.client {
        Some(_) => Ok(member),
        None => Err(Refused::NoClientPort { text: line() }.into()),
    }
}

/// QuorumServer.checkAddressDuplicate: of any two ports, wildcards and loopback left out.
fn refuse_same_address(joiner: &Member, other: &Member) -> Result<(), Refused> {
    let theirs = places(other);
    match places(joiner).into_iter().find(|place| theirs.contains(place)) {
        None => Ok(()),
        Some((host, port)) => {
            Err(Refused::Taken { joiner: joiner.id.0, host, port, other: other.id.0 })
        }
    }
}

fn places(member: &Member) -> Vec<(String, u16)> {
    let peers = member
        .addresses
        .iter()
        .flat_map(|address| [(&address.host, address.quorum), (&address.host, address.election)]);
    let client = member.client.iter().map(|client| (&client.host, client.port));
    let is_anywhere =
        |host: &str| host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified() || ip.is_loopback());
    peers
        .chain(client)
        .filter(|(host, _)| !is_anywhere(host))
        .map(|(host, port)| (host.to_lowercase(), port))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: &str = "server.1=a:1:2:participant;3\nserver.2=b:1:2:participant;3\n\
                         server.3=c:1:2:participant\nversion=100000000";
    const RULES: ChangeRules = ChangeRules { standalone: true, several_addresses: false };

    fn three() -> Members {
        Members::parse(THREE).unwrap()
    }

    fn change(joining: &str, leaving: &str) -> Result<Members, ChangeError> {
        three().changed(Some(joining), Some(leaving))
    }

    fn ids(members: &Members) -> Vec<i64> {
        members.iter().map(|member| member.id.0).collect()
    }

    #[test]
    fn servers_join_leave_and_take_their_own_places() {
        assert_eq!(ids(&change("", "3, 1").unwrap()), [2]);
        let next = change(" server.4 = d:1:2 ; 3 , server.5=e:1:2:observer;f:3", "1").unwrap();
        assert_eq!(
            next.with_version(0x1_0000_0005).text(),
            "server.2=b:1:2:participant;0.0.0.0:3\nserver.3=c:1:2:participant\n\
             server.4=d:1:2:participant;0.0.0.0:3\nserver.5=e:1:2:observer;f:3\nversion=100000005"
        );
        let next = change("server.3=x:7:8:observer;9", "").unwrap();
        assert!(!next.is_voter(ServerId(3)) && next.voters().count() == 2);
        // Nobody leaves who is not there, and nothing at all is a change too.
        assert_eq!(ids(&change("", "7").unwrap()), [1, 2, 3]);
        assert_eq!(ids(&three().changed(None, None).unwrap()), [1, 2, 3]);
        // Java looks at what stands behind the last point only.
        assert_eq!(ids(&change("anything.9=n:1:2;3", "").unwrap()), [1, 9, 2, 3]);
    }

    #[test]
    fn lines_stand_in_the_order_of_a_copied_map() {
        // Three ids are copied to a map of eight places, where 9 is in the place of 1 (JDK 17).
        let next = change("server.9=n:1:2;3", "").unwrap();
        assert_eq!(ids(&next), [1, 9, 2, 3]);
    }

    #[test]
    fn what_java_refuses_is_refused() {
        for joining in [
            "some thing",
            "server.4",
            "server.4=",
            "server.4=d:1:2",
            "server.4=d:1;3",
            "server.4=d:1:1;3",
            "server.4=d:1:2;3;4;5",
            "server.4=d:1:2;3=5",
            "server.4=a:1:9;3",
            "server.4=d:1:2;b:1",
        ] {
            let refused = |error| matches!(error, ChangeError::Refused(_));
            assert!(change(joining, "").is_err_and(refused), "{joining}");
        }
        for (joining, leaving) in [("", "x"), ("", "1;2"), ("server.x=d:1:2;3", "")] {
            let unreadable = |error| matches!(error, ChangeError::Unreadable(_));
            assert!(change(joining, leaving).is_err_and(unreadable), "{joining} {leaving}");
        }
        // Of loopback addresses Java says nothing.
        let near = Members::parse("server.1=127.0.0.1:1:2;3\nserver.2=b:1:2;3").unwrap();
        assert!(near.changed(Some("server.4=127.0.0.1:1:2;3"), None).is_ok());
        let groups = "server.1=a:1:2\nserver.2=b:1:2\ngroup.1=1:2";
        assert!(Members::parse(groups).unwrap().changed(None, Some("1")).is_err());
    }

    #[test]
    fn a_whole_configuration_has_lines_or_commas() {
        let text = "server.1=a:1:2,server.2=b:1:2;3\nserver.3=c:1:2:observer;0.0.0.0:5";
        let next = Members::replaced(text).unwrap();
        assert_eq!(ids(&next), [1, 2, 3]);
        assert!(next.may_follow(RULES).is_ok());
        for text in ["", "server.1=a:1", "clientPort=1,server.1=a:1:2", "server.1=a:1:2:observer"] {
            assert!(Members::replaced(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_could_not_work_may_not_follow() {
        let judge = |text: &str, rules| Members::replaced(text).unwrap().may_follow(rules);
        let one = "server.1=a:1:2;3";
        assert!(judge(one, RULES).is_err());
        assert!(judge(one, ChangeRules { standalone: false, ..RULES }).is_ok());
        let several = "server.1=a:1:2|b:1:2;3,server.2=c:1:2;3";
        assert!(judge(several, RULES).is_err());
        assert!(judge(several, ChangeRules { several_addresses: true, ..RULES }).is_ok());
        assert!(judge("server.1=a:1:2;3,server.257=b:1:2;3", RULES).is_err());
        assert!(judge("server.1=a:1:2;3,server.2=A:2:4;3", RULES).is_err());
        assert!(judge("server.1=a:1:2;3;4,server.2=b:1:2;3", RULES).is_err());
    }
}
