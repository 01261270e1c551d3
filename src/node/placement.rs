//! Which role runs where.
//!
//! With few CPUs the network core and the control role share a thread, and small batches of the log
//! are flushed there too while the disk is quick: a request then crosses no thread at all. With
//! many, each has a CPU of its own. The log thread blocks in flushes and is pinned only where CPUs
//! are plentiful or the operator says so.

use std::fmt;

use crate::config::{Cores, PlacementSettings};
use crate::runtime::affinity;

/// Which role has a thread of its own, and on which CPU.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Placement {
    /// One entry a network core: the CPU it is pinned to.
    pub network: Vec<Option<usize>>,
    /// Where the control role lives.
    pub control: ControlPlace,
    /// The CPU that the log's thread is pinned to.
    pub log: Option<usize>,
}

/// Where the control role lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ControlPlace {
    /// On network core 0's thread.
    WithNetwork,
    /// On a thread of its own.
    Alone(Option<usize>),
}

/// CPUs from which on control and log have their own.
const PLENTY: usize = 4;

/// A setting that the machine cannot meet.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum PlacementError {
    #[error("{key} names cpu {cpu}; this process may use {}", affinity::list(allowed))]
    NotAllowed { key: &'static str, cpu: usize, allowed: Vec<usize> },
    #[error("ringkeeper.cores.network names no cpu")]
    NoNetwork,
}

impl Placement {
    /// Derives what the settings leave open from the CPUs this process may use.
    pub fn derive(
        settings: &PlacementSettings,
        allowed: &[usize],
    ) -> Result<Placement, PlacementError> {
        let check = |key: &'static str, cpu: usize| {
            if allowed.is_empty() || allowed.contains(&cpu) {
                return Ok(cpu);
            }
            Err(PlacementError::NotAllowed { key, cpu, allowed: allowed.to_vec() })
        };
        let plenty = allowed.len() >= PLENTY;
        let control = match settings.control {
            Some(cpu) => ControlPlace::Alone(Some(check("ringkeeper.cores.control", cpu)?)),
            None if plenty => ControlPlace::Alone(allowed.first().copied()),
            None => ControlPlace::WithNetwork,
        };
        let log = match settings.log {
            Some(cpu) => Some(check("ringkeeper.cores.log", cpu)?),
            None if plenty => allowed.last().copied(),
            None => None,
        };
        let free: Vec<usize> = allowed
            .iter()
            .copied()
            .filter(|cpu| control != ControlPlace::Alone(Some(*cpu)) && log != Some(*cpu))
            .collect();
        let network: Vec<Option<usize>> = match &settings.network {
            Cores::Cpus(cpus) => cpus
                .iter()
                .map(|cpu| check("ringkeeper.cores.network", *cpu).map(Some))
                .collect::<Result<_, _>>()?,
            Cores::Count(count) => (0..*count).map(|n| free.get(n).copied()).collect(),
            Cores::Auto if plenty => free.iter().copied().map(Some).collect(),
            // One core serves more than two shared CPUs can load; unpinned, the kernel can let
            // the log and the clients' own work move around it.
            Cores::Auto => vec![None],
        };
        if network.is_empty() {
            return Err(PlacementError::NoNetwork);
        }
        Ok(Placement { network, control, log })
    }

    /// Whether the control role does the log's work where that is quick ([`crate::roles::log::lend`]).
    pub fn flushes_inline(&self) -> bool {
        self.control == ControlPlace::WithNetwork && self.log.is_none()
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cpu = |cpu: &Option<usize>| cpu.map_or("any".to_string(), |cpu| cpu.to_string());
        let network: Vec<String> = self.network.iter().map(cpu).collect();
        write!(f, "network {}", network.join(","))?;
        match &self.control {
            ControlPlace::WithNetwork => write!(f, "; control with network core 0")?,
            ControlPlace::Alone(at) => write!(f, "; control {}", cpu(at))?,
        }
        write!(f, "; log {}", cpu(&self.log))?;
        if self.flushes_inline() { write!(f, ", quick batches with control") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_cpus_share_and_eight_are_dealt_out() {
        let auto = PlacementSettings::default();
        let two = Placement::derive(&auto, &[0, 1]).unwrap();
        assert_eq!(
            two.to_string(),
            "network any; control with network core 0; log any, quick batches with control"
        );
        let eight = Placement::derive(&auto, &[0, 1, 2, 3, 4, 5, 6, 7]).unwrap();
        assert_eq!(eight.to_string(), "network 1,2,3,4,5,6; control 0; log 7");
    }

    #[test]
    fn what_is_named_is_kept_and_what_is_not_there_is_refused() {
        let named = PlacementSettings {
            network: Cores::Cpus(vec![0, 1]),
            control: Some(1),
            ..PlacementSettings::default()
        };
        let placed = Placement::derive(&named, &[0, 1]).unwrap();
        assert_eq!(placed.to_string(), "network 0,1; control 1; log any");
        let named = PlacementSettings { log: Some(9), ..PlacementSettings::default() };
        let error = Placement::derive(&named, &[0, 1]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "ringkeeper.cores.log names cpu 9; this process may use 0, 1"
        );
    }
}
