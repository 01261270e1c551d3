//! What io_uring can do here.

use io_uring::{IoUring, Probe, cqueue, opcode, squeue};
use serde::Serialize;

use super::read;
use crate::ring::Ring;

#[derive(Serialize)]
pub struct Kernel {
    pub release: String,
    pub features: Vec<(&'static str, bool)>,
    #[serde(skip)]
    forbidden: Option<String>,
}

pub fn examine() -> Kernel {
    let release = read("/proc/sys/kernel/osrelease").unwrap_or_default();
    let disabled = read("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
    let ring = match IoUring::new(8) {
        Ok(ring) => ring,
        Err(e) => {
            let hint = match disabled.as_str() {
                "1" | "2" => {
                    "kernel.io_uring_disabled forbids it: sysctl -w kernel.io_uring_disabled=0"
                }
                _ => {
                    "a container's seccomp profile may forbid it: allow io_uring_setup, io_uring_enter, io_uring_register"
                }
            };
            let forbidden = Some(format!("io_uring cannot be used: {e}; {hint}"));
            return Kernel { release, features: vec![("io_uring", false)], forbidden };
        }
    };
    let mut probe = Probe::new();
    let probed = ring.submitter().register_probe(&mut probe).is_ok();
    let known = |code: u8| probed && probe.is_supported(code);
    let p = ring.params();
    let mut builder = IoUring::<squeue::Entry, cqueue::Entry>::builder();
    let tasks = builder.setup_single_issuer().setup_defer_taskrun().build(8).is_ok();
    let features = vec![
        ("io_uring", true),
        ("DEFER_TASKRUN and SINGLE_ISSUER (6.1): completions when the thread asks", tasks),
        // Only a ring that does it tells: this driver's own.
        ("provided buffer rings (5.19)", Ring::new(1).is_ok()),
        ("multishot receive (6.0)", at_least(&release, (6, 0))),
        ("send and receive bundles (6.10)", p.is_feature_recvsend_bundle()),
        ("zero-copy send (6.0)", known(opcode::SendZc::CODE)),
        ("minimum wait timeouts (6.12)", p.is_feature_min_timeout()),
        ("messages between rings (5.18)", known(opcode::MsgRingData::CODE)),
        ("futex operations (6.7)", known(opcode::FutexWait::CODE)),
        ("no completion is dropped", p.is_feature_nodrop()),
    ];
    Kernel { release, features, forbidden: None }
}

/// Whether `6.18.44-x` is at least `wanted`.
fn at_least(release: &str, wanted: (u32, u32)) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    let version: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    version >= wanted
}

impl Kernel {
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks: Vec<String> = self.forbidden.iter().cloned().collect();
        if self.forbidden.is_none() && !at_least(&self.release, (6, 1)) {
            let release = &self.release;
            remarks.push(format!("kernel {release} is too old: the server's ring needs 6.1"));
        }
        remarks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_compare_by_number() {
        assert!(at_least("6.18.44-fc", (6, 1)));
        assert!(at_least("6.1.0", (6, 1)));
        assert!(!at_least("5.15.0-91-generic", (6, 1)));
        assert!(!at_least("", (6, 1)));
    }
}
