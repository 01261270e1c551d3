//! Where clients come to.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};

use super::membership::ClientPart;
use super::source::{Found, Source};
use super::value::{ANY, flag, number, strict};
use super::{ClientSettings, ConfigError, Conflict, Listen};

/// Connections that wait to be accepted when `clientPortListenBacklog` is not set. Java's 50 is
/// overrun by any reconnecting fleet, whose clients then wait a second for their next attempt.
const BACKLOG: i32 = 4096;

fn port(found: &Found) -> Result<u16, ConfigError> {
    found.number(0..=i64::from(u16::MAX), "a port").map(|p| p as u16)
}

/// Names are looked up once, at start, as InetAddress.getByName does.
pub(super) fn address(found: Option<Found>) -> Result<Option<IpAddr>, ConfigError> {
    let Some(found) = found.filter(|f| !f.value.is_empty()) else { return Ok(None) };
    host(&found.value).map_err(|why| found.refuse(format!("an address or a host name: {why}")))
}

/// Why a host is nowhere to listen at.
#[derive(Debug, thiserror::Error)]
enum HostError {
    #[error("{0}")]
    LookUp(io::Error),
    #[error("it has no address")]
    NoAddress,
}

fn host(name: &str) -> Result<Option<IpAddr>, HostError> {
    let name = name.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = name.parse::<IpAddr>() {
        // Java listens on addresses of both kinds for either wildcard.
        return Ok(if ip.is_unspecified() { None } else { Some(ip) });
    }
    let mut found = (name, 0u16).to_socket_addrs().map_err(HostError::LookUp)?;
    found.next().map(|a| Some(a.ip())).ok_or(HostError::NoAddress)
}

pub(super) fn client(
    s: &mut Source<'_>,
    part: Option<ClientPart>,
    whence: &str,
) -> Result<ClientSettings, ConfigError> {
    let secure = secure(s)?;
    let from_file = s.file("clientPort");
    let at = s.file("clientPortAddress");
    let listen = match (from_file, part) {
        (Some(found), part) => {
            let listen = Listen { ip: address(at)?, port: port(&found)? };
            match part {
                Some(part) => Some(joined(&found, listen, part)?),
                None => Some(listen),
            }
        }
        (None, Some(part)) => Some(listen_of(&part)?),
        (None, None) => match at {
            Some(at) => return Err(at.refuse("absent while clientPort is not set")),
            None if secure.is_some() => None,
            None => {
                return Err(ConfigError::Missing {
                    key: "clientPort",
                    whence: whence.to_owned(),
                    why: "the port for clients, usually 2181",
                });
            }
        },
    };
    let backlog = number(s.file("clientPortListenBacklog"), ANY, "connections", -1)? as i32;
    Ok(ClientSettings {
        listen,
        secure,
        unification: strict(s.property("client.portUnification"), false)?,
        // ServerSocket.bind takes 50 for anything below 1.
        backlog: if backlog < 1 { BACKLOG } else { backlog },
        tcp_keep_alive: flag(s.property("clientTcpKeepAlive"), false),
    })
}

/// The port that speaks nothing but TLS.
fn secure(s: &mut Source<'_>) -> Result<Option<Listen>, ConfigError> {
    let (found, at) = (s.file("secureClientPort"), s.file("secureClientPortAddress"));
    match (found, at) {
        (Some(found), at) => Ok(Some(Listen { ip: address(at)?, port: port(&found)? })),
        (None, Some(at)) => Err(at.refuse("absent while secureClientPort is not set")),
        (None, None) => Ok(None),
    }
}

/// Which key has a port of the clients' speak TLS.
pub(super) fn speaks_tls(s: &mut Source<'_>) -> Option<Found> {
    let unified = s.property("client.portUnification").filter(Found::is_true);
    s.file("secureClientPort").or(unified)
}

fn listen_of(part: &ClientPart) -> Result<Listen, ConfigError> {
    let ip = host(&part.host)
        .map_err(|why| part.line.refuse(format!("a line with a known client host: {why}")))?;
    Ok(Listen { ip, port: part.port })
}

/// QuorumPeerConfig.setupClientPort: both may be given if they say the same.
fn joined(found: &Found, listen: Listen, part: ClientPart) -> Result<Listen, ConfigError> {
    let other = listen_of(&part)?;
    let same = listen.port == other.port && (listen.ip.is_none() || listen.ip == other.ip);
    if !same {
        let line = part.line;
        return Err(Conflict::ClientPorts {
            port: found.value.clone(),
            place: found.place.clone(),
            line: line.key,
            value: line.value,
            line_place: line.place,
        }
        .into());
    }
    Ok(other)
}
