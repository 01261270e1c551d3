//! The clients' port, taken before anything else is touched: a server that cannot have it has not
//! written to a folder that another one may be serving from.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use super::listener::{Bound, bind};
use super::settings::Security;

/// The kernel takes the ring of a killed server apart behind the process's end, and its listener with
/// it: up to half a second has been seen.
const PATIENCE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(50);

/// A port of the clients' that is taken.
pub struct TakenPort {
    /// As it was asked for.
    pub address: SocketAddr,
    /// Has it.
    pub bound: Bound,
    /// What is to be spoken there.
    pub security: Security,
}

/// An address that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {cause}")]
pub struct NotTaken {
    /// Which.
    pub address: SocketAddr,
    /// Why not.
    pub cause: io::Error,
}

/// Takes every one.
pub fn take_all(ports: &[(SocketAddr, Security)]) -> Result<Vec<TakenPort>, NotTaken> {
    let of = |&(address, security): &(SocketAddr, Security)| {
        take(address).map(|bound| TakenPort { address, bound, security })
    };
    ports.iter().map(of).collect()
}

/// Takes the address. One that is in use is tried for a while.
fn take(address: SocketAddr) -> Result<Bound, NotTaken> {
    let began = Instant::now();
    let mut is_logged = false;
    loop {
        match bind_any(address) {
            Ok(bound) => return Ok(bound),
            Err(e) if e.kind() == io::ErrorKind::AddrInUse && began.elapsed() < PATIENCE => {
                if !is_logged {
                    tracing::info!(%address, "the clients' port is in use: tried again for 3 s");
                }
                is_logged = true;
                // What is waited for is another process's end.
                thread::sleep(PAUSE);
            }
            Err(cause) => return Err(NotTaken { address, cause }),
        }
    }
}

/// Where there is no IPv6, the wildcard is IPv4's.
fn bind_any(address: SocketAddr) -> io::Result<Bound> {
    bind(address).or_else(|error| {
        let is_any = address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        if !is_any || error.raw_os_error() != Some(libc::EAFNOSUPPORT) {
            return Err(error);
        }
        bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_port_that_is_let_go_of_is_taken_and_one_that_is_kept_is_refused_by_name() {
        // Goal: a killed server's port is waited for, another server's not for ever.
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap();
        let refused = take(address).map(drop).unwrap_err().to_string();
        let expected = format!("cannot listen on {address}: Address already in use");
        assert!(refused.starts_with(&expected), "{refused}");
        let (trying, tries) = std::sync::mpsc::channel();
        let taken = thread::spawn(move || {
            trying.send(bind(address).is_err()).unwrap();
            take(address).is_ok()
        });
        assert!(tries.recv().unwrap(), "it is still held");
        drop(other);
        assert!(taken.join().unwrap());
    }
}
