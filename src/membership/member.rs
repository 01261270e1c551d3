//! One server's line (QuorumPeer.QuorumServer).
//!
//! `<host>:<quorum port>:<election port>[|…][:participant|:observer][;[<host>:]<client port>]`,
//! and since 3.10 a second client part for TLS. An IPv6 address stands in brackets.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use super::error::Allowed;
use crate::types::ServerId;

/// Votes, or only listens (LearnerType).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    /// Votes, and may lead.
    Participant,
    /// Learns what is committed.
    Observer,
}

/// Where other servers find one: an address of a server that may have several.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PeerAddress {
    /// A name as written, or an address as Java prints it: without brackets, IPv6 not shortened.
    pub host: String,
    /// Learners connect here to the leader.
    pub quorum: u16,
    /// Servers hold elections here.
    pub election: u16,
}

/// Where clients find a server.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ClientAddress {
    /// As [`PeerAddress::host`]; `0.0.0.0` where none was given.
    pub host: String,
    /// Of TCP.
    pub port: u16,
}

/// A server, as its line has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// The number behind `server.`.
    pub id: ServerId,
    /// As all its addresses say.
    pub role: Role,
    /// At least one; sorted by host.
    pub addresses: Vec<PeerAddress>,
    /// The client part of the line. A `clientPort` beside the lines is not part of them.
    pub client: Option<ClientAddress>,
    /// The second client part (3.10).
    pub secure_client: Option<ClientAddress>,
}

impl Member {
    /// The value of a `server.<id>` line. The error says what it must be.
    pub(super) fn parse(id: ServerId, value: &str) -> Result<Member, Allowed> {
        // String.split drops what is empty at the end.
        let mut parts = value.trim_end_matches(';').split(';');
        let servers = parts.next().unwrap_or_default();
        let mut client = || match parts.next() {
            None | Some("") => Ok(None),
            Some(part) => ClientAddress::parse(part).map(Some),
        };
        let (plain, secure) = (client()?, client()?);
        if parts.next().is_some() {
            return Err(Allowed::Member);
        }
        let mut addresses: Vec<PeerAddress> = Vec::new();
        let mut role = None;
        for part in servers.split('|') {
            let (address, its_role) = PeerAddress::parse(part)?;
            if its_role.is_some() && role.is_some() && its_role != role {
                return Err(Allowed::OneRole);
            }
            role = role.or(its_role);
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        addresses.sort_by(|a, b| a.host.encode_utf16().cmp(b.host.encode_utf16()));
        let role = role.unwrap_or(Role::Participant);
        Ok(Member { id, role, addresses, client: plain, secure_client: secure })
    }

    /// Learners find it, leading, at the same places.
    pub fn has_quorum_addresses_of(&self, other: &Member) -> bool {
        self.places(|address| address.quorum) == other.places(|address| address.quorum)
    }

    /// Sorted, each once, names in lower case.
    fn places(&self, port: fn(&PeerAddress) -> u16) -> Vec<(String, u16)> {
        let mut places: Vec<(String, u16)> =
            self.addresses.iter().map(|a| (a.host.to_lowercase(), port(a))).collect();
        places.sort();
        places.dedup();
        places
    }

    /// QuorumServer.equals, with names compared where Java compares what they resolve to.
    pub fn is_same_as(&self, other: &Member) -> bool {
        let same_set = |of: fn(&PeerAddress) -> u16| self.places(of) == other.places(of);
        let same_client = match (&self.client, &other.client) {
            (None, None) => true,
            (Some(a), Some(b)) => a.port == b.port && a.host.eq_ignore_ascii_case(&b.host),
            _ => false,
        };
        self.id == other.id
            && self.role == other.role
            && same_set(|address| address.quorum)
            && same_set(|address| address.election)
            && same_client
    }
}

/// QuorumServer.toString.
impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, address) in self.addresses.iter().enumerate() {
            let bar = if at == 0 { "" } else { "|" };
            let (host, quorum) = (Bracketed(&address.host), address.quorum);
            write!(f, "{bar}{host}:{quorum}:{}", address.election)?;
        }
        f.write_str(match self.role {
            Role::Participant => ":participant",
            Role::Observer => ":observer",
        })?;
        match (&self.client, &self.secure_client) {
            (None, None) => Ok(()),
            (Some(client), None) => write!(f, ";{client}"),
            (Some(client), Some(secure)) => write!(f, ";{client};{secure}"),
            (None, Some(secure)) => write!(f, ";;{secure}"),
        }
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", Bracketed(&self.host), self.port)
    }
}

impl PeerAddress {
    /// `host:quorum`, as messages between servers name an address.
    pub fn quorum_text(&self) -> String {
        format!("{}:{}", Bracketed(&self.host), self.quorum)
    }
    /// `host:election`, as above.
    pub fn election_text(&self) -> String {
        format!("{}:{}", Bracketed(&self.host), self.election)
    }

    fn parse(text: &str) -> Result<(PeerAddress, Option<Role>), Allowed> {
        let (host, rest) = split_host(text).ok_or(Allowed::Member)?;
        let mut rest = rest.split(':');
        let (quorum, election) = (port(rest.next())?, port(rest.next())?);
        let role = rest.next().filter(|role| !role.is_empty());
        let role = match role.map(|role| role.trim().to_ascii_lowercase()).as_deref() {
            None => None,
            Some("participant") => Some(Role::Participant),
            Some("observer") => Some(Role::Observer),
            Some(_) => return Err(Allowed::Member),
        };
        if rest.any(|part| !part.is_empty()) {
            return Err(Allowed::Member);
        }
        if quorum == election {
            return Err(Allowed::TwoPorts);
        }
        Ok((PeerAddress { host: canonical(host)?, quorum, election }, role))
    }
}

impl ClientAddress {
    fn parse(text: &str) -> Result<ClientAddress, Allowed> {
        let (host, port_text) = split_host(text).unwrap_or(("0.0.0.0", text));
        Ok(ClientAddress { host: canonical(host)?, port: port(Some(port_text))? })
    }
}

/// Host and what follows its colon (ConfigUtils.getHostAndPort).
fn split_host(text: &str) -> Option<(&str, &str)> {
    match text.trim().strip_prefix('[') {
        Some(rest) => rest.split_once("]:"),
        None => text.trim().split_once(':'),
    }
}

fn port(text: Option<&str>) -> Result<u16, Allowed> {
    text.and_then(|text| text.trim().parse().ok()).ok_or(Allowed::Member)
}

/// InetSocketAddress.getHostString: names stay, addresses are written out in full.
fn canonical(host: &str) -> Result<String, Allowed> {
    // A text is printed without escapes, so what would need one is no name; brackets stand around
    // addresses only.
    let unprintable = |c: char| c.is_whitespace() || c.is_control() || "\\[]".contains(c);
    if host.is_empty() || host.contains(unprintable) {
        return Err(Allowed::Member);
    }
    let (address, scope) = match host.split_once('%') {
        Some((address, scope)) => (address, Some(scope)),
        None => (host, None),
    };
    let Ok(ip) = address.parse::<Ipv6Addr>() else { return Ok(host.to_owned()) };
    if let Some(v4) = ip.to_ipv4_mapped() {
        return Ok(IpAddr::V4(v4).to_string());
    }
    let groups = ip.segments().map(|group| format!("{group:x}")).join(":");
    Ok(match scope {
        Some(scope) => format!("{groups}%{scope}"),
        None => groups,
    })
}

/// QuorumServer.delimitedHostString.
struct Bracketed<'a>(&'a str);

impl fmt::Display for Bracketed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains(':') { write!(f, "[{}]", self.0) } else { f.write_str(self.0) }
    }
}
