//! Which processors this process may use, and pinning threads to them.

use std::io;

/// The processors the process may run on (sched_getaffinity), ascending. Empty when the kernel
/// does not say; the caller then pins nothing.
pub fn allowed() -> Vec<usize> {
    let mut ids: Vec<usize> =
        core_affinity::get_core_ids().unwrap_or_default().into_iter().map(|core| core.id).collect();
    ids.sort_unstable();
    ids
}

/// Binds the calling thread to one processor.
pub fn pin(cpu: usize) -> io::Result<()> {
    let allowed = allowed();
    // Asked first: the set that the kernel takes has no room for any number one may configure.
    if allowed.contains(&cpu) && core_affinity::set_for_current(core_affinity::CoreId { id: cpu }) {
        return Ok(());
    }
    Err(io::Error::other(format!("cannot pin a thread to cpu {cpu}; allowed are {allowed:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_can_be_pinned_to_an_allowed_cpu_and_to_no_other() {
        let cpus = allowed();
        assert!(!cpus.is_empty());
        // In a thread of its own: the test runner's must stay free.
        std::thread::spawn(move || {
            pin(cpus[0]).unwrap();
            assert_eq!(allowed(), vec![cpus[0]]);
            assert!(pin(1 << 20).is_err());
        })
        .join()
        .unwrap();
    }
}
