//! Each session's line: what may run now, what waits, and replies back in request order (I8).
//!
//! Stands between decoding and everything else on a network core. A write, a sync or a close goes
//! on at once and leaves a [`Ticket`]; a read that arrives behind an open ticket waits as the frame
//! it came in, and is decoded again when its turn comes. A write behind a waiting read waits too:
//! if it were applied first, the read would show a later state than the client asked for.
//! Pure: knows no socket, no tree.
//!
//! ```text
//!   answered ◄── [ticket][ticket][ticket] │ [held read][held write][held read] ◄── arrives
//!                with the control core    │ all tickets are before all held frames
//! ```

use std::collections::VecDeque;

use crate::mutants::{self, Mutant};
use crate::types::{Millis, Xid};

/// A request that has gone to the control core and whose answer is awaited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ticket {
    /// The client's number of the request, for its answer.
    pub xid: Xid,
    /// What the answer will be.
    pub kind: TicketKind,
    /// Operations in it: the control core is busy with it for so long.
    pub work: usize,
    /// When it was received: latency is counted from here.
    pub received: Millis,
    /// Length of its frame.
    pub frame: usize,
    /// About what it takes until it is answered.
    pub bytes: usize,
}

/// Kinds of requests that the control core answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TicketKind {
    /// A transaction's outcome.
    Write,
    /// A client sync: the path comes back.
    Sync,
    /// Nothing follows it on its connection.
    CloseSession,
}

/// What a waiting frame waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waits {
    /// A read: for the answers of everything before it.
    ForAnswers,
    /// A write, sync or close: only for the reads before it.
    ForReads,
}

/// A frame that waits: whole, header included, without its length.
#[derive(Debug, PartialEq, Eq)]
pub struct Held {
    /// Header and body.
    pub frame: Box<[u8]>,
    /// When all of it had come.
    pub received: Millis,
    /// How many identities its connection had when it came: the first so many of those it has now.
    /// `None`: all of them. A number, not a list: a copy for each would be the square of them.
    pub proven: Option<usize>,
    /// Its turn brings a refusal: it has waited too long already.
    pub throttled: bool,
    waits: Waits,
}

/// One connection's line. Its length is bounded by whoever feeds it: see [`PendingRequests::len`].
#[derive(Default)]
pub struct PendingRequests {
    tickets: VecDeque<Ticket>,
    /// Of the tickets.
    work: usize,
    open_bytes: usize,
    held: VecDeque<Held>,
    held_bytes: usize,
}

impl PendingRequests {
    /// Whether a read that arrives now may be answered now.
    pub fn is_clear(&self) -> bool {
        (self.tickets.is_empty() && self.held.is_empty()) || mutants::on(Mutant::ReadOvertakes)
    }

    /// Whether a write that arrives now may go on to the control core.
    pub fn may_pass(&self) -> bool {
        self.held.is_empty()
    }

    /// Requests not yet answered.
    pub fn len(&self) -> usize {
        self.tickets.len() + self.held.len()
    }

    /// Nothing is awaited and nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Operations not yet answered; a waiting frame counts as one.
    pub fn work(&self) -> usize {
        self.work + self.held.len()
    }

    /// Bytes of waiting frames.
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Requests with the control core.
    pub fn open_tickets(&self) -> usize {
        self.tickets.len()
    }

    /// Lengths of the frames of those.
    pub fn open_frames(&self) -> impl Iterator<Item = usize> {
        self.tickets.iter().map(|ticket| ticket.frame)
    }

    /// Bytes of the requests with the control core.
    pub fn open_bytes(&self) -> usize {
        self.open_bytes
    }

    /// A request has gone to the control core: one that may pass, or the one just taken.
    pub fn open(&mut self, ticket: Ticket) {
        self.work += ticket.work;
        self.open_bytes += ticket.bytes;
        self.tickets.push_back(ticket);
    }

    /// A request must wait behind what is there.
    pub fn hold(&mut self, frame: &[u8], received: Millis, waits: Waits) {
        self.hold_as(frame, received, waits, false);
    }

    /// A request that will be refused: its answer must wait behind what is there.
    pub fn hold_refusal(&mut self, frame: &[u8], received: Millis) {
        self.hold_as(frame, received, Waits::ForAnswers, true);
    }

    fn hold_as(&mut self, frame: &[u8], received: Millis, waits: Waits, throttled: bool) {
        self.held_bytes += frame.len();
        let frame = frame.into();
        self.held.push_back(Held { frame, received, proven: None, throttled, waits });
    }

    /// The connection proves more from now on: what waits is judged by the `before` identities it
    /// had until then.
    pub fn proves_more_than(&mut self, before: usize) {
        // Those in front have fewer already.
        for held in self.held.iter_mut().rev().take_while(|held| held.proven.is_none()) {
            held.proven = Some(before);
        }
    }

    /// The control core has answered its oldest request. `None` when it has none of this line: an
    /// answer nobody asked for, which only a fault of ours can make.
    pub fn answered(&mut self) -> Option<Ticket> {
        let ticket = self.tickets.pop_front()?;
        self.work -= ticket.work;
        self.open_bytes -= ticket.bytes;
        Some(ticket)
    }

    /// Takes the frame whose turn has come, if there is one. It must be run before the next is
    /// taken; if it becomes a ticket, that ticket is the line's last.
    pub fn take_next(&mut self) -> Option<Held> {
        let may_run = match self.held.front()?.waits {
            Waits::ForAnswers => self.tickets.is_empty(),
            Waits::ForReads => true,
        };
        if !may_run {
            return None;
        }
        let held = self.held.pop_front()?;
        self.held_bytes -= held.frame.len();
        Some(held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(xid: i32) -> Ticket {
        Ticket {
            xid: Xid(xid),
            kind: TicketKind::Write,
            work: 1,
            received: Millis(0),
            frame: 5,
            bytes: 7,
        }
    }

    fn frame(line: &mut PendingRequests) -> Option<Vec<u8>> {
        line.take_next().map(|held| held.frame.into_vec())
    }

    #[test]
    fn a_read_behind_writes_runs_only_after_their_answers() {
        let mut line = PendingRequests::default();
        line.open(write(1));
        line.open(write(2));
        assert_eq!(line.open_bytes(), 14);
        line.hold(b"read", Millis(5), Waits::ForAnswers);
        assert_eq!(frame(&mut line), None);
        assert_eq!(line.answered(), Some(write(1)));
        assert_eq!(line.open_bytes(), 7);
        assert_eq!(frame(&mut line), None);
        assert_eq!(line.answered(), Some(write(2)));
        assert_eq!(frame(&mut line), Some(b"read".to_vec()));
        assert!(line.is_clear());
    }

    #[test]
    fn a_write_behind_a_waiting_read_waits_for_it_and_no_longer() {
        let mut line = PendingRequests::default();
        line.open(write(1));
        line.hold(b"read a", Millis(0), Waits::ForAnswers);
        assert!(!line.may_pass());
        line.hold(b"write 2", Millis(0), Waits::ForReads);
        line.hold(b"write 3", Millis(0), Waits::ForReads);
        line.hold(b"read b", Millis(0), Waits::ForAnswers);
        assert_eq!(frame(&mut line), None);
        assert_eq!(line.answered(), Some(write(1)));
        assert_eq!(frame(&mut line), Some(b"read a".to_vec()));
        // Both writes go on, one behind the other; the second read waits for both.
        assert_eq!(frame(&mut line), Some(b"write 2".to_vec()));
        line.open(write(2));
        assert_eq!(frame(&mut line), Some(b"write 3".to_vec()));
        line.open(write(3));
        assert_eq!(frame(&mut line), None);
        assert_eq!((line.answered(), line.answered()), (Some(write(2)), Some(write(3))));
        assert_eq!(frame(&mut line), Some(b"read b".to_vec()));
        assert!(line.is_clear() && line.may_pass() && line.held_bytes() == 0);
    }

    #[test]
    fn what_waits_is_judged_by_what_was_proven_before() {
        let mut line = PendingRequests::default();
        line.open(write(1));
        line.hold(b"a", Millis(0), Waits::ForAnswers);
        line.proves_more_than(1);
        line.hold(b"b", Millis(0), Waits::ForAnswers);
        line.proves_more_than(2);
        line.hold(b"c", Millis(0), Waits::ForAnswers);
        line.answered();
        let proven = [(); 3].map(|()| line.take_next().and_then(|held| held.proven));
        assert_eq!(proven, [Some(1), Some(2), None]);
    }

    #[test]
    fn a_long_request_weighs_as_much_as_many() {
        let mut line = PendingRequests::default();
        line.open(Ticket { work: 58_000, ..write(1) });
        line.open(write(2));
        line.hold(b"a", Millis(0), Waits::ForAnswers);
        assert_eq!((line.len(), line.work()), (3, 58_002));
        line.answered();
        assert_eq!((line.len(), line.work()), (2, 2));
    }

    #[test]
    fn an_answer_without_a_ticket_is_noticed() {
        let mut line = PendingRequests::default();
        assert_eq!(line.answered(), None);
        line.hold(b"a", Millis(0), Waits::ForAnswers);
        assert_eq!(line.answered(), None);
    }
}
