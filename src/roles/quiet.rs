//! Log lines that strangers can cause as often as they like: the first is printed, those of the
//! next while are counted, and one line then says how many there were, with the newest of them.
//! A flood costs a few lines, not a full disk, and no line of its own is lost without a count.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::types::Millis;

/// How long lines of one kind are gathered, in ms.
pub const GATHERED_MS: i64 = 10_000;

/// One kind of such lines.
#[derive(Default, Debug)]
pub struct Quiet {
    /// Lines are being gathered, or wait to be told: a look without the lock.
    busy: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default, Debug)]
struct State {
    until: Millis,
    gathered: u64,
    newest: String,
}

impl Quiet {
    /// What is to be printed now, if anything. `line` is only made when it may be.
    pub fn note(&self, now: Millis, line: impl FnOnce() -> String) -> Option<String> {
        let mut state = self.state.lock();
        if now < state.until {
            state.gathered += 1;
            state.newest = line();
            return None;
        }
        let before = std::mem::take(&mut state.gathered);
        state.until = now + GATHERED_MS;
        // Relaxed: whoever misses it looks again.
        self.busy.store(true, Ordering::Relaxed);
        Some(summed(line(), before))
    }

    /// To be asked now and then: the sum of a while that is over.
    pub fn settle(&self, now: Millis) -> Option<String> {
        if !self.is_busy() {
            return None;
        }
        let mut state = self.state.lock();
        if now < state.until {
            return None;
        }
        self.busy.store(false, Ordering::Relaxed);
        let gathered = std::mem::take(&mut state.gathered);
        let newest = std::mem::take(&mut state.newest);
        (gathered > 0).then(|| summed(newest, gathered - 1))
    }

    /// Whether [`Quiet::settle`] may have something to say, now or later.
    pub fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed)
    }
}

/// `others` of the same kind were counted and not printed.
fn summed(line: String, others: u64) -> String {
    match others {
        0 => line,
        1 => format!("{line} (and 1 more like it)"),
        n => format!("{line} (and {n} more like it)"),
    }
}

/// Kinds of lines that clients cause, over all network cores.
#[derive(Default, Debug)]
pub struct ClientLogLines {
    /// A connection that admission turned away.
    pub refused: Quiet,
    /// A client that has seen more than this server holds.
    pub ahead: Quiet,
    /// A proof of identity that proved nothing.
    pub auth_failed: Quiet,
    /// A request before what `enforce.auth.schemes` asks for was proven.
    pub unproven: Quiet,
    /// A client that would hold more than it may.
    pub over_bound: Quiet,
    /// An operation that took long.
    pub slow: Quiet,
    /// A TLS session that failed.
    pub tls_failed: Quiet,
}

impl ClientLogLines {
    fn all(&self) -> [&Quiet; 7] {
        let ClientLogLines { refused, ahead, auth_failed, unproven, over_bound, slow, tls_failed } =
            self;
        [refused, ahead, auth_failed, unproven, over_bound, slow, tls_failed]
    }

    /// Lines of any kind are being gathered.
    pub fn is_busy(&self) -> bool {
        self.all().iter().any(|quiet| quiet.is_busy())
    }

    /// Prints the sums that are due.
    pub fn settle(&self, now: Millis) {
        for line in self.all().into_iter().filter_map(|quiet| quiet.settle(now)) {
            tracing::warn!("{line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_printed_and_the_others_are_counted() {
        let quiet = Quiet::default();
        let note = |now, n: u32| quiet.note(Millis(now), || format!("line {n}"));
        assert_eq!(note(0, 1).as_deref(), Some("line 1"));
        assert_eq!((note(1, 2), note(9_999, 3)), (None, None));
        assert_eq!(quiet.settle(Millis(9_999)), None);
        assert_eq!(quiet.settle(Millis(10_000)).as_deref(), Some("line 3 (and 1 more like it)"));
        assert!(!quiet.is_busy());
        assert_eq!(quiet.settle(Millis(50_000)), None);
        assert_eq!(note(50_000, 4).as_deref(), Some("line 4"));
        assert_eq!((note(50_001, 5), note(50_002, 6)), (None, None));
        // Nobody has asked meanwhile: the next line brings the count along.
        assert_eq!(note(70_000, 7).as_deref(), Some("line 7 (and 2 more like it)"));
    }

    #[test]
    fn a_line_alone_is_said_once() {
        let quiet = Quiet::default();
        assert!(quiet.note(Millis(5), || "alone".into()).is_some());
        assert!(quiet.is_busy());
        assert_eq!(quiet.settle(Millis(20_000)), None);
        assert!(!quiet.is_busy());
    }
}
