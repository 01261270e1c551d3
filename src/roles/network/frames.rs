//! From received bytes to requests: frames, the order they run in, and what bad ones cost.

use std::mem;
use std::sync::Arc;

use super::client::{Client, Stage};
use super::dispatch::{self, Handled, Turn, handle};
use super::framing::{LENGTH_BYTES, whole_frame};
use super::prefetch::prefetch_pipelined;
use super::reads::ReadContext;
use super::throttles::Verdict;
use super::{NetworkRole, NetworkSettings, Parts, Transport, limits};
use crate::admin::words;
use crate::codec::request;
use crate::metrics::gauges::Tally;
use crate::net::How;
use crate::order::{Held, PendingRequests};
use crate::roles::message::ToControl;
use crate::runtime::mailbox::Sender;
use crate::tree::PREFETCH;
use crate::types::limits::{TURN_WORK, reached};
use crate::types::{ConnId, CoreId, Millis};

impl<N: Transport> NetworkRole<N> {
    /// Handles all whole frames a connection has sent, as far as its limits and its share of the turn
    /// allow.
    pub(super) fn serve(&mut self, conn: ConnId) {
        self.bound_output();
        let until = self.work + TURN_WORK;
        while let Some(client) = self.clients.get(conn) {
            match client.stage {
                Stage::Fresh => {
                    if !self.serve_first(conn) {
                        return;
                    }
                }
                Stage::Live => {
                    if !self.serve_frames(conn, until) {
                        return;
                    }
                }
                Stage::Asking | Stage::Opening | Stage::Closing => return,
            }
        }
    }

    /// Leaves a connection's input unread, and notes who wakes it.
    fn stall(&mut self, conn: ConnId, why: Stall) {
        let Some(client) = self.clients.get(conn) else { return };
        if client.stalled {
            return;
        }
        client.stalled = true;
        match why {
            Stall::Output => {}
            Stall::Work => self.defer(conn),
            Stall::PendingRequests => self.net.throttle(conn, true),
            Stall::Shared | Stall::Throttle => {
                self.net.throttle(conn, true);
                self.over_limit.push_back(conn);
            }
        }
    }

    /// A connection has had its share of this turn: it goes on in a later one, behind all that is
    /// heard by then.
    pub(super) fn defer(&mut self, conn: ConnId) {
        let Some(client) = self.clients.get(conn).filter(|client| !client.deferred) else { return };
        client.deferred = true;
        self.deferred.push_back(conn);
        self.gauges.requests_deferred.add(1);
    }

    /// Those that were deferred go on in turns, with one share for all of them.
    pub(super) fn take_deferred(&mut self) {
        let until = self.work + TURN_WORK;
        for _ in 0..self.deferred.len() {
            if reached(self.work, until) {
                return;
            }
            let Some(conn) = self.deferred.pop_front() else { return };
            if let Some(client) = self.clients.get(conn) {
                client.deferred = false;
                self.advance(conn);
            }
            while let Some(conn) = self.retry.pop_front() {
                self.serve(conn);
            }
        }
    }

    /// Connections stopped by the shared limits go on when there is room again.
    pub(super) fn release_over_limit(&mut self) {
        if self.open.is_full(&self.settings) || !self.to_control.has_room() {
            return;
        }
        // Of many that wait for the throttle as many are served as have room, or each answer would cost a look
        // at all of them. Whoever needs none is served too, and the turn behind that comes here again.
        let room = self
            .settings
            .throttle
            .map_or(usize::MAX, |throttle| throttle.max.saturating_sub(self.open.tickets));
        let upto = self.retry.len().saturating_add(room);
        while self.retry.len() < upto
            && let Some(conn) = self.over_limit.pop_front()
        {
            self.unstall(conn);
        }
    }

    /// The first bytes: a four-letter word or the connect request. False: wait for more.
    fn serve_first(&mut self, conn: ConnId) -> bool {
        let input = self.net.input(conn);
        let Some(first) = input.first_chunk::<4>() else { return false };
        if let Some(word) = words::recognise(*first) {
            self.take_word(conn, word);
            return false;
        }
        let Some(frame) = whole_frame(input, self.settings.frame_max) else {
            let kept = input.len();
            self.keep(conn, kept);
            return false;
        };
        let frame = match frame {
            Ok(frame) => frame,
            Err(length) => {
                self.refuse_length(conn, length);
                return false;
            }
        };
        let length = frame.len() + LENGTH_BYTES;
        self.gauges.bytes_received.add(length as i64);
        let decoded = request::decode_connect(frame);
        self.net.consume(conn, length);
        self.keep(conn, 0);
        match decoded {
            Ok(connect) => self.connect(conn, connect),
            Err(error) => {
                tracing::debug!(%error, "connect request refused");
                self.close(conn, How::Now);
            }
        }
        true
    }

    /// Frames of a live connection, answered straight from its input into its output as far as
    /// nothing else is needed for that, and until the turn's work is `until`. False: wait for more,
    /// or the connection is closing.
    fn serve_frames(&mut self, conn: ConnId, until: usize) -> bool {
        let share = until.saturating_sub(self.work);
        let Some(run) = self.run_frames(conn, share) else { return false };
        self.work += run.work;
        self.count_run(conn, &run);
        if self.top.is_some() {
            self.sample(conn, (run.frames, run.used, run.made));
        }
        self.net.consume(conn, run.used);
        self.keep(conn, run.kept);
        match run.end {
            End::Wait => {
                self.leave_if_done(conn);
                false
            }
            End::Stall(why) => {
                self.stall(conn, why);
                false
            }
            End::TooLong(length) => {
                self.refuse_length(conn, length);
                false
            }
            End::TooMuch(length) => {
                self.refuse_large(conn, length);
                false
            }
            End::Late => {
                self.hang_up(conn, How::Now);
                false
            }
            End::Needs(handled) => self.finish(conn, handled, self.now),
        }
    }

    fn run_frames(&mut self, conn: ConnId, share: usize) -> Option<Run> {
        let Parts { context, net, clients, settings, open, to_control, outgoing, staged, core } =
            self.parts();
        let unsent = net.unsent(conn);
        let client = clients.get(conn)?;
        // A connection that has failed still tells what it wanted done; its answers go nowhere.
        let mut nowhere = Vec::new();
        let (input, out, hears) = match net.split(conn) {
            Some((input, out)) => (input, out, true),
            None => (net.input(conn), &mut nowhere, false),
        };
        let mut frames = Frames {
            context,
            client,
            core,
            settings,
            open,
            to_control,
            outgoing,
            staged,
            hears,
            unsent,
            share,
        };
        let mut run = frames.run(input, out);
        frames.client.unserved = matches!(run.end, End::Stall(_));
        run.kept = input.len() - run.used + frames.client.line.held_bytes();
        Some(run)
    }

    /// What a run over a connection's frames leaves in the figures.
    fn count_run(&mut self, conn: ConnId, run: &Run) {
        self.made_bytes += run.made;
        let Some(client) = self.clients.look(conn) else { return };
        if run.frames > 0 {
            client.gauges.received.add(run.frames);
            self.gauges.received.add(run.frames);
            self.gauges.bytes_received.add(run.used as i64);
            if let Some(pulse) = &client.pulse {
                pulse.touch(self.now);
            }
        }
        if run.others > 0 {
            self.gauges.sent.add(run.others);
            client.gauges.sent.add(run.others);
        }
        let tally = &run.tally;
        if tally.count > 0 {
            self.gauges.sent.add(tally.count);
            self.gauges.responses(tally);
            self.read_run.record_many(0, tally.count as u32, &self.gauges.read_latency);
            client.gauges.sent.add(tally.count);
            client.gauges.answered_at_once(tally, self.drained.0, self.now);
        }
    }

    /// A frame whose turn has come. It is judged by what its connection had proven when it came
    /// (Request.authInfo).
    pub(super) fn run_held(&mut self, conn: ConnId, held: Held) {
        let received = held.received;
        let hears = self.net.output(conn).is_some();
        let Parts { mut context, clients, staged, core, .. } = self.parts();
        let Some(client) = clients.get(conn) else { return };
        let proven = held.proven.map(|count| {
            let then = client.identities.iter().take(count).cloned().collect();
            mem::replace(&mut client.identities, Arc::new(then))
        });
        let turn = Turn::Called(received);
        let handled = match held.throttled {
            true => dispatch::refuse_throttled(&context, client, &held.frame, turn, staged),
            false => handle(&mut context, client, core, (turn, hears), &held.frame, staged),
        };
        if matches!(handled, Handled::Forward(..)) {
            context.shared.throttles.large_begins(held.frame.len());
        }
        let work = context.work(held.frame.len(), staged.len());
        self.work += work;
        let is_read = matches!(handled, Handled::Read(_) | Handled::Rewatch(..));
        self.finish(conn, handled, received);
        if is_read {
            self.note_if_slow_read(conn, &held.frame, received);
        }
        if let (Some(now), Some(client)) = (proven, self.clients.get(conn)) {
            client.identities = now;
        }
    }

    fn finish(&mut self, conn: ConnId, handled: Handled, received: Millis) -> bool {
        match handled {
            Handled::Done => {
                self.flush_answer(conn);
                true
            }
            Handled::Read(read) => {
                self.finish_read(conn, read, received);
                true
            }
            Handled::Forward(message, bytes) => {
                self.outgoing.push(message);
                self.open.take(bytes);
                true
            }
            Handled::Rewatch(body, header) => {
                self.rewatch(conn, header, &body, received);
                true
            }
            Handled::AuthFailed(how) => {
                self.gauges.auth_failed.add(1);
                self.flush_answer(conn);
                self.hang_up(conn, how);
                false
            }
            Handled::Close(how) => {
                self.flush_answer(conn);
                self.hang_up(conn, how);
                false
            }
        }
    }

    /// A frame that can never become whole: its connection ends here, as in Java.
    fn refuse_length(&mut self, conn: ConnId, length: i32) {
        let limit = self.settings.frame_max;
        if let Some(client) = self.clients.look(conn) {
            limits::tell_frame(client, length, limit);
        }
        if length > 0 {
            self.gauges.large_requests_rejected.add(1);
        }
        self.hang_up(conn, How::Now);
    }

    /// A frame for which there is no room beside the large ones under way: its connection ends here,
    /// as in Java.
    fn refuse_large(&mut self, conn: ConnId, length: usize) {
        if let (Some(client), Some(large)) = (self.clients.look(conn), &self.shared.throttles.large)
        {
            limits::tell_large(client, length, large.bytes_max());
        }
        self.gauges.large_requests_rejected.add(1);
        self.hang_up(conn, How::Now);
    }

    /// What was staged is an answer of its own, which no read's figures count.
    fn flush_answer(&mut self, conn: ConnId) {
        if !self.staged.is_empty() {
            self.count_sent(conn);
        }
        self.flush_staged(conn);
    }

    /// One packet more has been sent to a connection.
    pub(super) fn count_sent(&self, conn: ConnId) {
        self.gauges.sent.add(1);
        if let Some(client) = self.clients.look(conn) {
            client.gauges.sent.add(1);
        }
    }

    /// What was staged joins the connection's output.
    pub(super) fn flush_staged(&mut self, conn: ConnId) {
        if self.staged.is_empty() {
            return;
        }
        if let Some(out) = self.net.output(conn) {
            out.extend_from_slice(&self.staged);
            self.made_bytes += self.staged.len();
        }
        self.staged.clear();
    }
}

/// Which bound keeps a connection's input unread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stall {
    /// Its line: it goes on when that is shorter.
    PendingRequests,
    /// Its output: it goes on when its answers have left.
    Output,
    /// Its share of the turn: it goes on in a later one.
    Work,
    /// The core's or the control core's.
    Shared,
    /// So many requests are under way as may be.
    Throttle,
}

/// Why a run over a connection's frames has ended.
enum End {
    /// No frame is whole.
    Wait,
    Stall(Stall),
    TooLong(i32),
    /// As many bytes of large requests are under way as may be.
    TooMuch(usize),
    /// What waited for the throttle is too late for its session.
    Late,
    /// The last frame needs more than input and output; what it has answered is staged.
    Needs(Handled),
}

/// A run over a connection's frames, as far as it came.
pub(super) struct Run {
    end: End,
    /// Bytes of input.
    used: usize,
    frames: i64,
    /// Bytes of requests that are left, in the input and in line.
    kept: usize,
    /// Bytes of output.
    made: usize,
    work: usize,
    /// Answers to reads.
    tally: Tally,
    /// Answers that are no read's: to pings, to authentication, and refusals.
    others: i64,
}

impl Run {
    /// A frame has been dealt with, with an answer that is no read's or without one.
    pub(super) fn answered(&mut self, has_answer: bool) {
        self.others += i64::from(has_answer);
    }
}

/// What a run works with.
pub(super) struct Frames<'a> {
    pub(super) context: ReadContext<'a>,
    pub(super) client: &'a mut Client,
    core: CoreId,
    pub(super) settings: &'a NetworkSettings,
    pub(super) open: &'a mut Open,
    to_control: &'a Sender<ToControl>,
    outgoing: &'a mut Vec<ToControl>,
    staged: &'a mut Vec<u8>,
    /// Somebody takes the answers.
    pub(super) hears: bool,
    /// Bytes of output that waited before.
    unsent: usize,
    /// Work that it may be.
    share: usize,
}

impl Frames<'_> {
    fn run(&mut self, input: &[u8], out: &mut Vec<u8>) -> Run {
        let began = out.len();
        let end = End::Wait;
        let tally = Tally::default();
        let mut run = Run { end, used: 0, frames: 0, kept: 0, made: 0, work: 0, tally, others: 0 };
        run.end = loop {
            // What goes nowhere never leaves: nobody would say that there is room again.
            let unsent = if self.hears { self.unsent + (out.len() - began) } else { 0 };
            let limits = (self.settings, *self.open, self.to_control);
            if let Some(why) = must_stall(&self.client.line, unsent, limits) {
                break End::Stall(why);
            }
            let next = &input[run.used..];
            if let Some(length) = self.too_much(next) {
                break End::TooMuch(length);
            }
            let frame = match whole_frame(next, self.settings.frame_max) {
                None => {
                    self.client.throttled_since = None;
                    break End::Wait;
                }
                Some(Err(length)) => break End::TooLong(length),
                Some(Ok(frame)) => frame,
            };
            if reached(run.work, self.share) {
                break End::Stall(Stall::Work);
            }
            if run.frames % PREFETCH as i64 == 0 {
                let tree = &self.context.shared.tree;
                prefetch_pipelined(tree, &input[run.used..], self.settings.frame_max);
            }
            let verdict = self.throttle(frame);
            match verdict {
                Verdict::Waits => break End::Stall(Stall::Throttle),
                Verdict::Late => break End::Late,
                Verdict::Passes(_) | Verdict::Refused(_) | Verdict::Dropped => {}
            }
            run.used += frame.len() + LENGTH_BYTES;
            run.frames += 1;
            let end = match verdict {
                Verdict::Dropped => None,
                Verdict::Refused(_) => {
                    self.refuse_throttled(frame, out, &mut run);
                    None
                }
                _ => self.take(frame, out, &mut run),
            };
            if let Some(end) = end {
                break end;
            }
        };
        run.made = out.len() - began;
        run
    }

    /// One frame. Gives the run's end where the frame needs more than is here.
    fn take(&mut self, frame: &[u8], out: &mut Vec<u8>, run: &mut Run) -> Option<End> {
        let start = out.len();
        let turn = (Turn::Arrived(self.context.now), self.hears);
        let handled = handle(&mut self.context, self.client, self.core, turn, frame, out);
        run.work += self.context.work(frame.len(), out.len() - start);
        match handled {
            Handled::Done => run.answered(out.len() > start),
            Handled::Read(read) if read.may_leave(self.context.drained) => {
                let xid = read.xid();
                read.seal(&mut out[start..], &mut self.context, self.client.id);
                run.tally.count(i64::from(xid.0), (out.len() - start - LENGTH_BYTES) as i64);
            }
            Handled::Forward(message, bytes) => {
                self.outgoing.push(message);
                self.open.take(bytes);
                self.context.shared.throttles.large_begins(frame.len());
            }
            other => {
                self.staged.extend_from_slice(&out[start..]);
                out.truncate(start);
                return Some(End::Needs(other));
            }
        }
        None
    }
}

/// The core's requests with the control core.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Open {
    pub tickets: usize,
    pub bytes: usize,
}

impl Open {
    fn is_full(self, limits: &NetworkSettings) -> bool {
        reached(self.tickets, limits.outstanding_max)
            || reached(self.bytes, limits.budgets.open_bytes_all)
    }

    /// One more, of so many bytes.
    fn take(&mut self, bytes: usize) {
        self.tickets += 1;
        self.bytes += bytes;
    }

    /// So many are no more.
    pub(super) fn give_back(&mut self, tickets: usize, bytes: usize) {
        self.tickets -= tickets;
        self.bytes -= bytes;
    }
}

/// Whether more of a connection's input may be looked at.
fn must_stall(
    line: &PendingRequests,
    unsent: usize,
    (limits, open, to_control): (&NetworkSettings, Open, &Sender<ToControl>),
) -> Option<Stall> {
    if reached(unsent, limits.outbound_pause) {
        return Some(Stall::Output);
    }
    if reached(line.work(), limits.line_max)
        || reached(line.held_bytes(), limits.held_bytes_max)
        || reached(line.open_bytes(), limits.budgets.open_bytes)
    {
        return Some(Stall::PendingRequests);
    }
    let shared = line.open_tickets() > 0 && (open.is_full(limits) || !to_control.has_room());
    shared.then_some(Stall::Shared)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::{Ticket, TicketKind, Waits};
    use crate::roles::network::Budgets;
    use crate::runtime::mailbox::mailbox;
    use crate::runtime::waker;
    use crate::types::Xid;

    const SETTINGS: NetworkSettings = NetworkSettings {
        session_timeout_min: 1000,
        session_timeout_max: 1000,
        sessionless_ms: 1000,
        frame_max: 100,
        outstanding_max: 3,
        line_max: 5,
        held_bytes_max: 50,
        outbound_pause: 1000,
        events_max: 1000,
        throttle: None,
        local_sessions: false,
        budgets: Budgets { open_bytes: 1000, open_bytes_all: 100, ..Budgets::USUAL },
    };

    fn ticket(bytes: usize) -> Ticket {
        Ticket {
            xid: Xid(1),
            kind: TicketKind::Write,
            work: 1,
            received: Millis(0),
            frame: 1,
            bytes,
        }
    }

    fn line(tickets: usize, held: &[usize]) -> PendingRequests {
        let mut line = PendingRequests::default();
        (0..tickets).for_each(|_| line.open(ticket(1)));
        held.iter().for_each(|n| line.hold(&vec![0; *n], Millis(0), Waits::ForAnswers));
        line
    }

    #[test]
    fn a_connection_is_stopped_from_exactly_its_bounds_on() {
        // Goal: one below, at, and one above each; whoever wakes it asks the same.
        let (sender, _receiver) = mailbox(16, waker::for_ring().unwrap().1);
        let stops = |line: &PendingRequests, unsent, tickets| {
            must_stall(line, unsent, (&SETTINGS, Open { tickets, bytes: 0 }, &sender))
        };
        for (unsent, stop) in
            [(999, None), (1000, Some(Stall::Output)), (1001, Some(Stall::Output))]
        {
            assert_eq!(stops(&line(0, &[]), unsent, 0), stop, "{unsent} bytes unsent");
        }
        for (tickets, stop) in
            [(4, None), (5, Some(Stall::PendingRequests)), (6, Some(Stall::PendingRequests))]
        {
            assert_eq!(stops(&line(tickets, &[]), 0, 0), stop, "{tickets} requests in line");
        }
        for (bytes, stop) in
            [(49, None), (50, Some(Stall::PendingRequests)), (51, Some(Stall::PendingRequests))]
        {
            assert_eq!(stops(&line(0, &[bytes]), 0, 0), stop, "{bytes} bytes held");
        }
        for (open, stop) in [(2, None), (3, Some(Stall::Shared)), (4, Some(Stall::Shared))] {
            assert_eq!(stops(&line(1, &[]), 0, open), stop, "{open} requests of the core");
            assert_eq!(stops(&line(0, &[]), 0, open), None, "none of its own");
        }
        for (bytes, stop) in [
            (999, None),
            (1000, Some(Stall::PendingRequests)),
            (1001, Some(Stall::PendingRequests)),
        ] {
            let mut line = PendingRequests::default();
            line.open(ticket(bytes));
            assert_eq!(stops(&line, 0, 0), stop, "{bytes} bytes with the control core");
        }
        for (bytes, stop) in [(99, None), (100, Some(Stall::Shared)), (101, Some(Stall::Shared))] {
            let full = (&SETTINGS, Open { tickets: 0, bytes }, &sender);
            assert_eq!(must_stall(&line(1, &[]), 0, full), stop, "{bytes} bytes of the core's");
            let full = (&SETTINGS, Open { tickets: 0, bytes }, &sender);
            assert_eq!(must_stall(&line(0, &[]), 0, full), None, "none of its own");
        }
    }

    #[test]
    fn a_frame_of_exactly_the_limit_is_taken() {
        let framed = |length: i32| {
            let mut bytes = length.to_be_bytes().to_vec();
            bytes.resize(4 + length.clamp(0, 200) as usize, 7);
            whole_frame(&bytes, 100).map(|frame| frame.map(<[u8]>::len))
        };
        assert_eq!((framed(99), framed(100)), (Some(Ok(99)), Some(Ok(100))));
        assert_eq!((framed(101), framed(i32::MAX)), (Some(Err(101)), Some(Err(i32::MAX))));
        assert_eq!((framed(-1), framed(0)), (Some(Err(-1)), Some(Ok(0))));
        assert_eq!(whole_frame(&[0, 0, 0, 5, 1, 2], 100), None);
    }
}
