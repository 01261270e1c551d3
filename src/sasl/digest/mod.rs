//! DIGEST-MD5 (RFC 2831).
//!
//! * [`directives`]: `name="value"`, in a row
//! * [`response`]: what both ends compute
//! * [`acceptor`]: the server's end; [`initiator`]: the client's

mod acceptor;
mod directives;
mod initiator;
mod response;

pub use acceptor::{Accepted, Acceptor};
pub use initiator::{Initiator, Next};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Which service is asked for: both ends must have the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Service {
    /// SecurityUtils' `protocol`.
    pub protocol: &'static str,
    /// Its `serverName`, which is the realm as well.
    pub name: &'static str,
}

/// A server's, towards its clients (ZooKeeperSaslServer).
pub const CLIENTS: Service = Service { protocol: "zookeeper", name: "zk-sasl-md5" };

/// A server's, towards the others of its ensemble (QuorumAuth).
pub const SERVERS: Service = Service { protocol: "zookeeper-quorum", name: "zk-quorum-sasl-md5" };

impl Service {
    fn uri(&self) -> String {
        format!("{}/{}", self.protocol, self.name)
    }
}

/// A number that nobody can guess and nobody is given twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nonce(pub [u64; 4]);

impl Nonce {
    fn text(self) -> String {
        let mut bytes = [0; 32];
        for (place, word) in bytes.chunks_exact_mut(8).zip(self.0) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        STANDARD.encode(bytes)
    }
}

#[cfg(test)]
mod tests;
