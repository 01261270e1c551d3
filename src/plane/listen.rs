//! Where the plane listens.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use super::secure::PlaneTls;
use crate::admin::prometheus::Names;

/// What is served at a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Role {
    /// The admin server.
    Admin,
    /// The page of metrics.
    Metrics(Page),
}

/// How the page of metrics is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Page {
    /// With the process's own figures.
    pub process: bool,
    /// The form of names.
    pub names: Names,
}

/// A port that is listened at.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) socket: TcpListener,
    pub(super) role: Role,
    /// A connection ends when so long no byte has gone either way.
    pub(super) idle: Duration,
    /// `None`: plain HTTP.
    pub(super) tls: Option<PlaneTls>,
}

/// The port cannot be had: for the admin server of a server on its own the start ends, as with a page
/// of metrics; else the server goes on without.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {cause}")]
pub struct ListenError {
    /// Where.
    pub address: SocketAddr,
    /// Why not.
    pub cause: io::Error,
}

impl Listener {
    /// At `ip`, or at every address of the machine, of both kinds where it has both.
    pub(super) fn bind(
        ip: Option<IpAddr>,
        port: u16,
        role: Role,
        idle: Duration,
        tls: Option<PlaneTls>,
    ) -> Result<Listener, ListenError> {
        let ips = ip.map_or(
            vec![IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)],
            |ip| vec![ip],
        );
        let addresses: Vec<SocketAddr> = ips.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
        let bound = TcpListener::bind(addresses.as_slice()).and_then(|socket| {
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        match bound {
            Ok(socket) => Ok(Listener { socket, role, idle, tls }),
            Err(cause) => {
                let address = addresses.last().copied().unwrap_or(SocketAddr::from(([0; 4], port)));
                Err(ListenError { address, cause })
            }
        }
    }

    /// Its address, with the port that the kernel chose where 0 was asked for.
    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}
