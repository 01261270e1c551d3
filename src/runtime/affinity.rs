//! Which processors this process may use, and pinning threads to them.

use std::io;
use std::sync::OnceLock;

use rustix::thread::{CpuSet, sched_setaffinity};

/// The processors the process may run on (sched_getaffinity), ascending: as it was when this was
/// first asked, which must be before a thread is pinned. A thread inherits the set of the thread that
/// starts it, and a pinned one starts others (the log's, after a change of history). Empty when the
/// kernel does not say; the caller then pins nothing.
pub fn allowed() -> &'static [usize] {
    static ALLOWED: OnceLock<Vec<usize>> = OnceLock::new();
    ALLOWED.get_or_init(present)
}

/// The processors this thread may run on.
fn present() -> Vec<usize> {
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
    let allowed = list(allowed);
    Err(io::Error::other(format!("cannot pin a thread to cpu {cpu}; allowed are {allowed}")))
}

/// Processors for a message.
pub fn list(cpus: &[usize]) -> String {
    cpus.iter().map(ToString::to_string).collect::<Vec<String>>().join(", ")
}

/// Lets the calling thread run wherever the process may, whoever has started it. If that fails it
/// stays where it is, which costs speed alone.
pub fn unpin() {
    let mut set = CpuSet::new();
    allowed().iter().filter(|cpu| **cpu < CpuSet::MAX_CPU).for_each(|cpu| set.set(*cpu));
    if set.count() > 0 {
        let _ = sched_setaffinity(None, &set);
    }
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
            assert_eq!(present(), [cpus[0]]);
            assert!(pin(1 << 20).is_err());
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_thread_that_a_pinned_one_starts_has_all_cpus_to_choose_from() {
        let (first, last) = (allowed()[0], allowed()[allowed().len() - 1]);
        let beneath = move || {
            assert_eq!(present(), [first], "inherited");
            pin(last).unwrap();
            assert_eq!(present(), [last]);
            unpin();
            assert_eq!(present(), allowed());
        };
        let pinned = move || {
            pin(first).unwrap();
            std::thread::spawn(beneath).join().unwrap();
        };
        std::thread::spawn(pinned).join().unwrap();
    }
}
