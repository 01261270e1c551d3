//! How a connection between election ports begins (QuorumCnxManager.InitialMessage).

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::codec::jute::{java_text, put_buffer, put_i64};
use crate::types::ServerId;

/// The id of an observer that tells none (QuorumPeer.OBSERVER_ID).
pub const ANONYMOUS: ServerId = ServerId(i64::MAX);

const V1: i64 = -65_536;
const V2: i64 = -65_535;

/// Bytes of the address (QuorumCnxManager.maxBuffer).
const ADDRESS_MAX: usize = 2048;

/// Where a server hears of elections, as it says itself. The host is a name or an address, the
/// latter without the brackets of IPv6.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct ElectionAddress {
    pub host: String,
    pub port: u16,
}

/// What a connection begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeaderProtocol {
    /// A 3.4 server: its id is all it sends.
    Legacy,
    /// One address.
    V1,
    /// Only where `multiAddress.enabled` says so: servers before 3.6 do not know it
    /// (ZOOKEEPER-3720).
    V2,
}

/// Who opened the connection, and where it can be called back. A wildcard address, which tells
/// nobody where to go, is not among `addresses`.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names; tools/docs/reference/quorum-protocol.md")]
pub struct Header {
    pub protocol: HeaderProtocol,
    pub server: ServerId,
    pub addresses: Vec<ElectionAddress>,
}

/// No server's header. The caller closes the connection.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum HeaderError {
    #[error("election protocol {0}, known are -65536 and -65535")]
    Protocol(i64),
    #[error("election address of {0} bytes, allowed are 1 to 2048")]
    Length(i32),
    #[error("election address {0:?} is not host:port")]
    Address(String),
}

/// Takes the header off the front of `bytes`, and says how many they were. `None`: it goes on
/// behind them.
pub fn decode_header(bytes: &[u8]) -> Result<Option<(Header, usize)>, HeaderError> {
    let Some((protocol, rest)) = split_i64(bytes) else { return Ok(None) };
    let protocol = match protocol {
        V1 => HeaderProtocol::V1,
        V2 => HeaderProtocol::V2,
        server @ 0.. => {
            let header = Header {
                protocol: HeaderProtocol::Legacy,
                server: ServerId(server),
                addresses: Vec::new(),
            };
            return Ok(Some((header, 8)));
        }
        unknown => return Err(HeaderError::Protocol(unknown)),
    };
    let Some((server, rest)) = split_i64(rest) else { return Ok(None) };
    let Some((length, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
    let length = i32::from_be_bytes(*length);
    let n = match usize::try_from(length) {
        Ok(n @ 1..=ADDRESS_MAX) => n,
        Ok(_) | Err(_) => return Err(HeaderError::Length(length)),
    };
    let Some(text) = rest.get(..n) else { return Ok(None) };
    let addresses = addresses(&java_text(text))?;
    Ok(Some((Header { protocol, server: ServerId(server), addresses }, 20 + n)))
}

/// Appends the header, which must leave in one write: Java takes the address with a single read.
/// Version 1 carries the first address only; the legacy form none.
pub fn encode_header(header: &Header, out: &mut Vec<u8>) {
    let (number, count) = match header.protocol {
        HeaderProtocol::Legacy => return put_i64(out, header.server.0),
        HeaderProtocol::V1 => (V1, 1),
        HeaderProtocol::V2 => (V2, usize::MAX),
    };
    put_i64(out, number);
    put_i64(out, header.server.0);
    let text: Vec<String> = header.addresses.iter().take(count).map(show).collect();
    put_buffer(out, text.join("|").as_bytes());
}

fn show(address: &ElectionAddress) -> String {
    let ElectionAddress { host, port } = address;
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn addresses(text: &str) -> Result<Vec<ElectionAddress>, HeaderError> {
    let mut addresses = Vec::new();
    // As String.split: empty pieces at the end are none.
    for one in text.trim_end_matches('|').split('|') {
        let address = parse(one).ok_or_else(|| HeaderError::Address(one.to_owned()))?;
        if !is_wildcard(&address.host) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

/// ConfigUtils.getHostAndPort.
fn parse(text: &str) -> Option<ElectionAddress> {
    let (host, port) = match text.strip_prefix('[') {
        Some(inner) => inner.split_once("]:")?,
        None => text.split_once(':')?,
    };
    let usable = !host.is_empty() && !host.contains(['[', ']']);
    let port = port.parse().ok()?;
    usable.then(|| ElectionAddress { host: host.to_owned(), port })
}

fn is_wildcard(host: &str) -> bool {
    host.parse().is_ok_and(|ip: Ipv4Addr| ip.is_unspecified())
        || host.parse().is_ok_and(|ip: Ipv6Addr| ip.is_unspecified())
}

fn split_i64(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (first, rest) = bytes.split_first_chunk::<8>()?;
    Some((i64::from_be_bytes(*first), rest))
}
