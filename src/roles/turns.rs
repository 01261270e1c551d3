//! Whether the control role takes turns.
//!
//! It never waits, but its thread may: for a disk that hangs under a batch of a lent log or under an
//! epoch's file, or for a CPU. Then nobody here hears that another leads, nobody can resign, and network
//! cores on other threads would go on telling clients the past; so would its own thread, for a moment,
//! when it goes on. Somebody else has to look ([`super::standstill`]), and everybody asks here.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

/// Shared by the control role, the network cores, and whoever looks.
#[derive(Default, Debug)]
pub struct Turns {
    taken: Counted,
    stands_still: AtomicBool,
}

/// Written at every turn of one core, and apart from what the others read at every turn of theirs.
#[derive(Default, Debug)]
#[repr(align(128))]
struct Counted(AtomicU64);

impl Turns {
    /// The control role begins a turn. True: it had taken none for too long, and clients may have been
    /// sent away already.
    pub fn begin(&self) -> bool {
        self.taken.0.fetch_add(1, SeqCst);
        self.stands_still.load(SeqCst) && self.stands_still.swap(false, SeqCst)
    }

    /// Turns until now.
    pub fn taken(&self) -> u64 {
        self.taken.0.load(SeqCst)
    }

    /// It has been looked at for long enough: what is served here may be the past.
    pub fn stand_still(&self) {
        self.stands_still.store(true, SeqCst);
    }

    /// Whether nothing may be served until the control role has gone on.
    pub fn is_standing_still(&self) -> bool {
        self.stands_still.load(SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_stood_still_is_told_once() {
        let turns = Turns::default();
        assert!(!turns.begin());
        turns.stand_still();
        assert!(turns.is_standing_still());
        assert!(turns.begin(), "told");
        assert!(!turns.is_standing_still() && !turns.begin(), "once");
        assert_eq!(turns.taken(), 3);
    }
}
