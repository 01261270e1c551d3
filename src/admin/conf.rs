//! What `conf` tells of an ensemble.

use std::fmt::Write;

use crate::membership::{PeerAddress, Role};
use crate::metrics::quorum::{Mode, QuorumGauges};

/// Settings of an ensemble shown by `conf`.
#[derive(Clone, Debug)]
pub struct EnsembleFacts {
    /// Ticks.
    pub init_limit: i64,
    /// Ticks.
    pub sync_limit: i64,
    /// This server's own, as its line has them.
    pub addresses: Vec<PeerAddress>,
    /// Its line says that it does not vote.
    pub observer: bool,
    /// `localSessionsEnabled`.
    pub local_sessions: bool,
}

impl EnsembleFacts {
    /// QuorumZooKeeperServer.dumpConf and ReadOnlyZooKeeperServer.dumpConf.
    pub fn write(&self, out: &mut String, gauges: &QuorumGauges) {
        let own = gauges.own();
        let addresses = own.as_ref().map_or(&self.addresses, |own| &own.addresses);
        let observer = own.as_ref().map_or(self.observer, |own| own.role == Role::Observer);
        let ports = |of: fn(&PeerAddress) -> u16| {
            let mut ports: Vec<String> = Vec::new();
            for port in addresses.iter().map(|address| of(address).to_string()) {
                if !ports.contains(&port) {
                    ports.push(port);
                }
            }
            ports.join("|")
        };
        let _ = writeln!(out, "initLimit={}\nsyncLimit={}", self.init_limit, self.sync_limit);
        let _ = writeln!(out, "electionAlg=3\nelectionPort={}", ports(|a| a.election));
        let _ = writeln!(out, "quorumPort={}", ports(|a| a.quorum));
        let _ = writeln!(out, "peerType={}", i32::from(observer));
        if gauges.mode() != Mode::ReadOnly {
            let _ = write!(out, "membership: \n{}", gauges.members());
        }
    }
}
