//! Servers that replicate one tree: started together, and killed, stopped and started again one by
//! one.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use super::instance::{Instance, Seat, Setting};
use super::moments::Recording;
use super::{Served, Target, probe};
use crate::cost::Meter;
use crate::fault::Fault;

/// Below the range from which the kernel takes the ports of outgoing connections: nobody takes a
/// member's port while it is down.
const PORTS: Range<u16> = 25_100..25_900;
/// How long an ensemble may take until it has a leader.
const ELECTION: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub struct Ensemble {
    target: Target,
    pub members: Vec<Instance>,
}

impl Ensemble {
    /// Configures and starts `size` members with empty folders below `data` and `log`; returns
    /// when all of them serve.
    pub fn start(
        target: &Target,
        size: usize,
        setting: &Setting,
        data: &Path,
        log: &Path,
    ) -> Result<Ensemble, Fault> {
        let ports = free_ports(3 * size)?;
        let mut lines = "initLimit=10\nsyncLimit=5\n".to_owned();
        for (n, port) in ports.chunks(3).enumerate() {
            lines += &format!("server.{}=127.0.0.1:{}:{}\n", n + 1, port[1], port[2]);
        }
        let mut members = Vec::new();
        for (id, port) in (1..).zip(ports.chunks(3)) {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port[0]));
            let seat = Seat { id, address, lines: lines.clone() };
            members.push(Instance::place(target, setting, Some(seat), data, log)?);
        }
        let mut ensemble = Ensemble { target: target.clone(), members };
        for member in &mut ensemble.members {
            member.spawn()?;
        }
        for member in &mut ensemble.members {
            member.wait("/")?;
        }
        Ok(ensemble)
    }

    /// The member that says it leads.
    pub fn leader(&self) -> Result<usize, Fault> {
        let began = Instant::now();
        loop {
            let leads = |m: &Instance| probe::mode(m.address).is_some_and(|mode| mode == "leader");
            if let Some(at) = self.members.iter().position(leads) {
                return Ok(at);
            }
            if crate::interrupted() {
                return Err(Fault::Interrupted);
            }
            if began.elapsed() > ELECTION {
                let (name, secs) = (&self.target.name, ELECTION.as_secs());
                return Err(Fault::Server(format!("{name}: no leader within {secs} s")));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Starts a member that was ended, and returns when it serves.
    pub fn start_again(&mut self, at: usize) -> Result<(), Fault> {
        self.members[at].spawn()?;
        self.members[at].wait("/")
    }
}

impl Served for Ensemble {
    fn name(&self) -> &str {
        &self.target.name
    }
    fn servers(&self) -> Vec<SocketAddr> {
        self.members.iter().map(|m| m.address).collect()
    }
    fn meters(&self) -> Vec<Meter> {
        self.members.iter().filter_map(Instance::meter).collect()
    }
    fn recording(&self) -> Result<Option<Recording>, Fault> {
        Ok(None)
    }
}

/// Ports nobody uses, all different.
fn free_ports(count: usize) -> Result<Vec<u16>, Fault> {
    let mut held = Vec::new();
    let first = fastrand::u16(PORTS);
    for port in (first..PORTS.end).chain(PORTS.start..first) {
        if held.len() == count {
            break;
        }
        // Held until all are found; a connection that ended lately does not keep a server away.
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            held.push((port, listener));
        }
    }
    if held.len() < count {
        let (from, to) = (PORTS.start, PORTS.end);
        return Err(Fault::Server(format!("no {count} free ports between {from} and {to}")));
    }
    Ok(held.into_iter().map(|(port, _)| port).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_free_different_and_not_the_kernels() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 25_500));
        let mut ports = free_ports(30).unwrap();
        assert!(ports.iter().all(|p| PORTS.contains(p)));
        assert!(taken.is_err() || !ports.contains(&25_500));
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 30);
    }
}
