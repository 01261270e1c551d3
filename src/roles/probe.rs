//! A question to a role whose whole answer is that the role has come to it: whether it lives, or whether
//! what it serves is the present.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};

/// How a question stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProbeState {
    /// The role has it, or it waits in the role's mailbox.
    Pending,
    /// The role has come to it.
    Answered,
    /// It cannot be answered any more: what it was about has ended.
    Dropped,
}

const PENDING: u8 = 0;
const ANSWERED: u8 = 1;
const DROPPED: u8 = 2;

/// The end of whoever asks.
#[derive(Clone, Debug)]
pub struct Probe(Arc<AtomicU8>);

/// The role's end.
#[derive(Debug)]
pub struct ProbeEnd(Arc<AtomicU8>);

/// A new question.
pub fn probe() -> (Probe, ProbeEnd) {
    let state = Arc::new(AtomicU8::new(PENDING));
    (Probe(state.clone()), ProbeEnd(state))
}

impl Probe {
    /// At this moment.
    pub fn state(&self) -> ProbeState {
        match self.0.load(SeqCst) {
            PENDING => ProbeState::Pending,
            ANSWERED => ProbeState::Answered,
            _ => ProbeState::Dropped,
        }
    }
}

impl ProbeEnd {
    /// The role has come to it.
    pub fn answer(self) {
        self.0.store(ANSWERED, SeqCst);
    }
}

impl Drop for ProbeEnd {
    fn drop(&mut self) {
        // What is answered stays so.
        let _ = self.0.compare_exchange(PENDING, DROPPED, SeqCst, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_answered_or_dropped_once() {
        let (asked, end) = probe();
        assert_eq!(asked.state(), ProbeState::Pending);
        end.answer();
        assert_eq!(asked.clone().state(), ProbeState::Answered);
        let (asked, end) = probe();
        drop(end);
        assert_eq!(asked.state(), ProbeState::Dropped);
    }
}
