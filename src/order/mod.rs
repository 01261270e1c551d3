//! Each session's line: what may run now, what waits, and replies back in request order (I8).
//!
//! Stands between decoding and everything else on a network core. A write, a sync or a close goes
//! on at once and leaves a [`Ticket`]; a read that arrives behind an open ticket waits as the frame
//! it came in, and is decoded again when its turn comes. A write behind a waiting read waits too:
//! were it applied first, the read would show a later state than the client asked for.
//! Pure: knows no socket, no tree.

use std::collections::VecDeque;

use crate::types::{Millis, Xid};

/// A request that has gone to the control core and whose answer is awaited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ticket {
    pub xid: Xid,
    pub kind: TicketKind,
    /// When it was received: latency is counted from here.
    pub received: Millis,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TicketKind {
    Write,
    Sync,
    CloseSession,
}

enum Place {
    Open(Ticket),
    /// A whole frame, header included, without its length.
    Held(Box<[u8]>, Millis),
}

/// What may leave the line next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// The front waits for its answer, or nobody is there.
    Wait,
    /// This frame's turn has come.
    Run(Box<[u8]>, Millis),
}

/// One connection's line. Its length is bounded by whoever feeds it: see [`Line::len`].
#[derive(Default)]
pub struct Line {
    places: VecDeque<Place>,
    held: usize,
    held_bytes: usize,
}

impl Line {
    /// Whether a read that arrives now may be answered now.
    pub fn is_clear(&self) -> bool {
        self.places.is_empty()
    }

    /// Whether a write that arrives now may go on to the control core.
    pub fn may_pass(&self) -> bool {
        self.held == 0
    }

    /// Requests not yet answered.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Bytes of waiting frames.
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Whether anything waits for the control core (held frames aside).
    pub fn open_tickets(&self) -> usize {
        self.places.len() - self.held
    }

    /// A request has gone to the control core.
    pub fn open(&mut self, ticket: Ticket) {
        assert!(self.may_pass(), "I8: a write overtook a waiting read");
        self.places.push_back(Place::Open(ticket));
    }

    /// A request must wait behind what is there.
    pub fn hold(&mut self, frame: &[u8], received: Millis) {
        self.held += 1;
        self.held_bytes += frame.len();
        self.places.push_back(Place::Held(frame.into(), received));
    }

    /// The control core has answered the front. `None` when the front is no ticket: an answer
    /// nobody asked for, which only a fault of ours can make.
    pub fn answered(&mut self) -> Option<Ticket> {
        match self.places.front() {
            Some(Place::Open(ticket)) => {
                let ticket = *ticket;
                self.places.pop_front();
                Some(ticket)
            }
            Some(Place::Held(..)) | None => None,
        }
    }

    /// Takes the frame whose turn has come, if the front is one.
    pub fn take_next(&mut self) -> Next {
        match self.places.front() {
            Some(Place::Held(..)) => match self.places.pop_front() {
                Some(Place::Held(frame, received)) => {
                    self.held -= 1;
                    self.held_bytes -= frame.len();
                    Next::Run(frame, received)
                }
                Some(Place::Open(_)) | None => Next::Wait,
            },
            Some(Place::Open(_)) | None => Next::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(xid: i32) -> Ticket {
        Ticket { xid: Xid(xid), kind: TicketKind::Write, received: Millis(0) }
    }

    #[test]
    fn a_read_behind_a_write_runs_only_after_the_writes_answer() {
        let mut line = Line::default();
        line.open(write(1));
        line.hold(b"read", Millis(5));
        assert_eq!(line.take_next(), Next::Wait);
        assert_eq!(line.answered(), Some(write(1)));
        assert_eq!(line.take_next(), Next::Run(b"read".as_slice().into(), Millis(5)));
        assert!(line.is_clear());
    }

    #[test]
    fn a_write_behind_a_waiting_read_may_not_pass() {
        let mut line = Line::default();
        line.open(write(1));
        assert!(line.may_pass());
        line.open(write(2));
        line.hold(b"a", Millis(0));
        assert!(!line.may_pass());
        line.hold(b"set", Millis(0));
        assert_eq!(line.answered(), Some(write(1)));
        assert_eq!(line.take_next(), Next::Wait);
        assert_eq!(line.answered(), Some(write(2)));
        assert_eq!(line.take_next(), Next::Run(b"a".as_slice().into(), Millis(0)));
        assert_eq!(line.take_next(), Next::Run(b"set".as_slice().into(), Millis(0)));
        assert_eq!(line.held_bytes(), 0);
        assert!(line.may_pass());
    }

    #[test]
    fn an_answer_without_a_ticket_is_noticed() {
        let mut line = Line::default();
        assert_eq!(line.answered(), None);
        line.hold(b"a", Millis(0));
        assert_eq!(line.answered(), None);
    }
}
