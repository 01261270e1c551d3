//! From received bytes to requests: frames, the order they run in, and what bad ones cost.

use std::mem;
use std::sync::Arc;

use super::client::{Client, Stage};
use super::reads::Read;
use super::{NetworkRole, NetworkSettings, Transport, limits, reads};
use crate::acl;
use crate::admin::words;
use crate::codec::reply::{self, NO_ZXID, UNKNOWN_ZXID};
use crate::codec::request::{self, BodyError, OpCode, Request, RequestHeader, opcode};
use crate::metrics::gauges::Tally;
use crate::net::How;
use crate::order::{Held, Line, Ticket, TicketKind, Waits};
use crate::roles::message::ToControl;
use crate::runtime::mailbox::Sender;
use crate::tree::{Tree, WARM};
use crate::types::limits::reached;
use crate::types::{ConnId, ConnRef, CoreId, ErrorCode, Millis, Xid, Zxid};

/// Why a frame is looked at now, and when it was received.
#[derive(Clone, Copy)]
enum Turn {
    /// It has just come; others may be before it.
    Arrived(Millis),
    /// It has waited in line, and nothing it waits for is before it any more.
    Called(Millis),
}

impl Turn {
    fn received(self) -> Millis {
        match self {
            Turn::Arrived(at) | Turn::Called(at) => at,
        }
    }

    fn may_answer(self, client: &Client) -> bool {
        matches!(self, Turn::Called(_)) || client.line.is_clear()
    }

    fn may_pass(self, client: &Client) -> bool {
        matches!(self, Turn::Called(_)) || client.line.may_pass()
    }
}

/// A frame's length is not counted in figures of answers.
const LENGTH_BYTES: usize = 4;

/// What came of one frame.
enum Handled {
    /// Nothing more to do, or it waits in line.
    Done,
    /// A read, executed: see [`NetworkRole::finish_read`].
    Read(Read),
    /// The control core's business, and the bytes it counts for there.
    Forward(ToControl, usize),
    Rewatch(Vec<u8>, RequestHeader),
    Close(How),
    AuthFailed(How),
}

impl<N: Transport> NetworkRole<N> {
    /// Handles all whole frames a connection has sent, as far as its limits allow.
    pub(super) fn serve(&mut self, conn: ConnId) {
        self.bound_output();
        while let Some(client) = self.clients.get(conn) {
            match client.stage {
                Stage::Fresh => {
                    if !self.serve_first(conn) {
                        return;
                    }
                }
                Stage::Live => {
                    if !self.serve_frames(conn) {
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
        if why != Stall::Output {
            self.net.throttle(conn, true);
        }
        if why == Stall::Shared {
            self.over_limit.push_back(conn);
        }
    }

    /// Connections stopped by the shared limits go on when there is room again.
    pub(super) fn release_over_limit(&mut self) {
        let open = Open { tickets: self.open_tickets, bytes: self.open_bytes };
        if open.is_full(&self.settings) || !self.to_control.has_room() {
            return;
        }
        for _ in 0..self.over_limit.len() {
            if let Some(conn) = self.over_limit.pop_front() {
                self.unstall(conn);
            }
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
            return false;
        };
        let frame = match frame {
            Ok(frame) => frame,
            Err(length) => {
                self.refuse_length(conn, length);
                return false;
            }
        };
        let length = frame.len() + 4;
        self.gauges.bytes_received.add(length as i64);
        let decoded = request::decode_connect(frame);
        self.net.consume(conn, length);
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
    /// nothing else is needed for that. False: wait for more, or the connection is closing.
    fn serve_frames(&mut self, conn: ConnId) -> bool {
        let unsent = self.net.unsent(conn);
        let Some(client) = self.clients.get(conn) else { return false };
        // A connection that has failed still tells what it wanted done; its answers go nowhere.
        let mut nowhere = Vec::new();
        let (input, out, hears) = match self.net.split(conn) {
            Some((input, out)) => (input, out, true),
            None => (self.net.input(conn), &mut nowhere, false),
        };
        let mut desk = reads::ReadDesk {
            commons: &self.commons,
            stream: &self.stream,
            watches: &mut self.watches,
            drained: self.drained,
            budgets: &self.settings.budgets,
            told_from: &mut self.told_from,
            identity_bytes: &mut self.identity_bytes,
            gauges: &self.gauges,
            now: self.now,
        };
        let began = out.len();
        let (mut used, mut frames) = (0, 0);
        let mut tally = Tally::default();
        // Answers that are no read's: to pings, to authentication, and refusals.
        let mut others = 0;
        let end = loop {
            // What goes nowhere never leaves: nobody would say that there is room again.
            let unsent = if hears { unsent + (out.len() - began) } else { 0 };
            let open = Open { tickets: self.open_tickets, bytes: self.open_bytes };
            let limits = (&self.settings, open, &self.to_control);
            if let Some(why) = must_stall(&client.line, unsent, limits) {
                break End::Stall(why);
            }
            let frame = match whole_frame(&input[used..], self.settings.frame_max) {
                None => break End::Wait,
                Some(Err(length)) => break End::TooLong(length),
                Some(Ok(frame)) => frame,
            };
            if frames % WARM as i64 == 0 {
                warm(&desk.commons.tree, &input[used..], self.settings.frame_max);
            }
            let start = out.len();
            used += frame.len() + 4;
            frames += 1;
            let turn = Turn::Arrived(self.now);
            match handle(&mut desk, client, self.core, (turn, hears), frame, out) {
                Handled::Done => others += i64::from(out.len() > start),
                Handled::Read(read) if read.may_leave(desk.drained) => {
                    let xid = read.xid();
                    read.seal(&mut out[start..], &mut desk, conn);
                    tally.count(i64::from(xid.0), (out.len() - start - LENGTH_BYTES) as i64);
                }
                Handled::Forward(message, bytes) => {
                    self.outgoing.push(message);
                    self.open_tickets += 1;
                    self.open_bytes += bytes;
                }
                other => {
                    self.staged.extend_from_slice(&out[start..]);
                    out.truncate(start);
                    break End::Needs(other);
                }
            }
        };
        self.made_bytes += out.len() - began;
        if frames > 0 {
            client.gauges.received.add(frames);
            self.gauges.received.add(frames);
            self.gauges.bytes_received.add(used as i64);
            if let Some(pulse) = &client.pulse {
                pulse.beat(self.now);
            }
        }
        if others > 0 {
            self.gauges.sent.add(others);
            client.gauges.sent.add(others);
        }
        if tally.count > 0 {
            self.gauges.sent.add(tally.count);
            self.gauges.responses(&tally);
            self.read_run.record_many(0, tally.count as u32, &self.gauges.read_latency);
            client.gauges.sent.add(tally.count);
            client.gauges.answered_at_once(&tally, self.drained.0, self.now);
        }
        client.unserved = matches!(end, End::Stall(_));
        let ended = client.ended;
        self.net.consume(conn, used);
        match end {
            End::Wait => {
                if ended {
                    self.leave_if_done(conn);
                }
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
            End::Needs(handled) => self.finish(conn, handled, self.now),
        }
    }

    /// A frame whose turn has come. It is judged by what its connection had proven when it came
    /// (Request.authInfo).
    pub(super) fn run_held(&mut self, conn: ConnId, held: Held) {
        let received = held.received;
        let hears = self.net.output(conn).is_some();
        let Some(client) = self.clients.get(conn) else { return };
        let proven = held.proven.map(|count| {
            let then = client.identities.iter().take(count).cloned().collect();
            mem::replace(&mut client.identities, Arc::new(then))
        });
        let mut desk = reads::ReadDesk {
            commons: &self.commons,
            stream: &self.stream,
            watches: &mut self.watches,
            drained: self.drained,
            budgets: &self.settings.budgets,
            told_from: &mut self.told_from,
            identity_bytes: &mut self.identity_bytes,
            gauges: &self.gauges,
            now: self.now,
        };
        let turn = Turn::Called(received);
        let frame = &held.frame;
        let handled = handle(&mut desk, client, self.core, (turn, hears), frame, &mut self.staged);
        self.finish(conn, handled, received);
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
                self.open_tickets += 1;
                self.open_bytes += bytes;
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
    Line,
    /// Its output: it goes on when its answers have left.
    Output,
    /// The core's or the control core's.
    Shared,
}

/// Why a run over a connection's frames has ended.
enum End {
    /// No frame is whole.
    Wait,
    Stall(Stall),
    TooLong(i32),
    /// The last frame needs more than input and output; what it has answered is staged.
    Needs(Handled),
}

/// The core's requests with the control core.
#[derive(Clone, Copy)]
struct Open {
    tickets: usize,
    bytes: usize,
}

impl Open {
    fn is_full(self, limits: &NetworkSettings) -> bool {
        reached(self.tickets, limits.outstanding_max)
            || reached(self.bytes, limits.budgets.open_bytes_all)
    }
}

/// Whether more of a connection's input may be looked at.
fn must_stall(
    line: &Line,
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
        return Some(Stall::Line);
    }
    let shared = line.open_tickets() > 0 && (open.is_full(limits) || !to_control.has_room());
    shared.then_some(Stall::Shared)
}

/// A frame's payload: `None` until it is whole, its length when that is out of bounds.
fn whole_frame(input: &[u8], frame_max: usize) -> Option<Result<&[u8], i32>> {
    let told = i32::from_be_bytes(*input.first_chunk::<4>()?);
    match usize::try_from(told) {
        Ok(length) if length <= frame_max => input.get(4..4 + length).map(Ok),
        Ok(_) | Err(_) => Some(Err(told)),
    }
}

/// Pipelined reads wait for their nodes together.
fn warm(tree: &Tree, input: &[u8], frame_max: usize) {
    let mut paths: [&[u8]; WARM] = [&[]; WARM];
    let (mut count, mut rest) = (0, input);
    for _ in 0..WARM {
        let Some(Ok(frame)) = whole_frame(rest, frame_max) else { break };
        if let Some(path) = request::path_to_read(frame) {
            paths[count] = path;
            count += 1;
        }
        rest = &rest[frame.len() + 4..];
    }
    if count > 1 {
        tree.warm(&paths[..count]);
    }
}

/// Decodes a frame and does what can be done on the spot. `hears`: somebody takes the answer; for
/// nobody nothing is read.
fn handle(
    desk: &mut reads::ReadDesk<'_>,
    client: &mut Client,
    core: CoreId,
    (turn, hears): (Turn, bool),
    frame: &[u8],
    out: &mut Vec<u8>,
) -> Handled {
    let conn = ConnRef { core, conn: client.id };
    let Ok((header, body)) = request::decode_header(frame) else {
        return Handled::Close(How::Now);
    };
    client.gauges.last_op.set(i64::from(header.opcode));
    if !matches!(header.opcode, opcode::AUTH | opcode::SASL)
        && !acl::has_proven_enough(&desk.commons.policy, &client.identities)
    {
        // AuthenticationHelper.enforceAuthentication: whatever it is, and before it is read.
        let unproven = desk.commons.lines.unproven.note(turn.received(), || {
            format!("{} has proven none of enforce.auth.schemes: closed", client.peer)
        });
        if let Some(line) = unproven {
            tracing::warn!("{line}");
        }
        reply::error(out, header.xid, Zxid::ZERO, ErrorCode::SessionClosedRequireSaslAuth);
        return Handled::Close(How::AfterFlush);
    }
    if client.read_only && OpCode::try_from(header.opcode).is_ok_and(OpCode::needs_leader) {
        if turn.may_answer(client) {
            reply::error(out, header.xid, desk.drained, ErrorCode::NotReadOnly);
        } else {
            client.line.hold(frame, turn.received(), Waits::ForAnswers);
        }
        return Handled::Done;
    }
    let request = match request::decode_body(header.opcode, body) {
        Ok(request) => request,
        Err(error) => return refuse(client, header, frame, error, turn, desk.drained, out),
    };
    match request {
        Request::Auth { scheme, auth } => {
            match authenticate(desk, client, header, scheme.as_deref(), auth, out) {
                Ok(()) => Handled::Done,
                Err(how) => {
                    let failed = desk.commons.lines.auth_failed.note(turn.received(), || {
                        let scheme = scheme.as_deref().unwrap_or_default().escape_debug();
                        format!("{}: authentication by \"{scheme:.40}\" failed", client.peer)
                    });
                    if let Some(line) = failed {
                        tracing::warn!("{line}");
                    }
                    Handled::AuthFailed(how)
                }
            }
        }
        Request::Sasl { .. } => {
            // No SASL server is configured: Java answers with a null token and no error.
            reply::sasl(out, header.xid, ErrorCode::Ok, None);
            Handled::Done
        }
        Request::Write(op) => {
            if let Some(code) = desk.refusal(client, &op) {
                if turn.may_answer(client) {
                    reply::error(out, header.xid, desk.drained, code);
                } else {
                    // Judged again in its turn: what is before it may change the list.
                    client.line.hold(frame, turn.received(), Waits::ForAnswers);
                }
                return Handled::Done;
            }
            let ticket = (TicketKind::Write, op.steps());
            forward(client, frame, header.xid, turn, ticket, |c| ToControl::Write {
                conn,
                session: c.session,
                xid: header.xid,
                op: Box::new(op),
                identities: c.identities.clone(),
            })
        }
        // The end of a session that no transaction knows must not overtake the answers before it.
        Request::CloseSession if client.local && !turn.may_answer(client) => {
            client.line.hold(frame, turn.received(), Waits::ForAnswers);
            Handled::Done
        }
        Request::CloseSession => {
            forward(client, frame, header.xid, turn, (TicketKind::CloseSession, 1), |c| {
                ToControl::Close { conn, session: c.session, xid: header.xid }
            })
        }
        Request::Sync { path } => {
            let path = path.map(|path| path.into_owned());
            forward(client, frame, header.xid, turn, (TicketKind::Sync, 1), |c| {
                c.sync_paths.push_back(path);
                ToControl::Sync { conn, session: c.session }
            })
        }
        Request::Ping | Request::Read(_) if !hears => Handled::Done,
        Request::Ping | Request::Read(_) if !turn.may_answer(client) => {
            client.line.hold(frame, turn.received(), Waits::ForAnswers);
            Handled::Done
        }
        Request::Ping => {
            reply::ping(out, desk.drained);
            Handled::Done
        }
        Request::Read(request::ReadOp::SetWatches(_)) => Handled::Rewatch(body.to_vec(), header),
        Request::Read(read) => Handled::Read(desk.read(client, header, read, out)),
    }
}

/// Passes a request to the control core, unless something before it must run here first.
fn forward(
    client: &mut Client,
    frame: &[u8],
    xid: Xid,
    turn: Turn,
    (kind, work): (TicketKind, usize),
    message: impl FnOnce(&mut Client) -> ToControl,
) -> Handled {
    if !turn.may_pass(client) {
        client.line.hold(frame, turn.received(), Waits::ForReads);
        return Handled::Done;
    }
    let bytes = frame.len();
    client.line.open(Ticket { xid, kind, work, received: turn.received(), bytes });
    Handled::Forward(message(client), bytes)
}

/// A request that cannot be acted on: what its client hears, in its place of the line where the
/// connection goes on.
fn refuse(
    client: &mut Client,
    header: RequestHeader,
    frame: &[u8],
    error: BodyError,
    turn: Turn,
    zxid: Zxid,
    out: &mut Vec<u8>,
) -> Handled {
    tracing::debug!(%error, opcode = header.opcode, peer = %client.peer, "request refused");
    match error {
        BodyError::Unknown(_) => {
            // ZooKeeperServer.submitRequestNow: answered at once, ahead of the line.
            reply::error(out, header.xid, UNKNOWN_ZXID, ErrorCode::Unimplemented);
            return Handled::Close(How::AfterFlush);
        }
        BodyError::Fatal(_) => return Handled::Close(How::Now),
        BodyError::Malformed(_) | BodyError::WriteInMultiRead(_) | BodyError::Refused(_)
            if !turn.may_answer(client) =>
        {
            client.line.hold(frame, turn.received(), Waits::ForAnswers);
        }
        BodyError::Malformed(_) => {
            reply::error(out, header.xid, zxid, ErrorCode::MarshallingError);
        }
        BodyError::WriteInMultiRead(_) => reply::write_in_multi_read(out, header.xid, zxid),
        BodyError::Refused(code) => reply::error(out, header.xid, zxid, code),
    }
    Handled::Done
}

/// Auth packets are handled when received, ahead of whatever waits (ZooKeeperServer.processPacket).
fn authenticate(
    desk: &mut reads::ReadDesk<'_>,
    client: &mut Client,
    header: RequestHeader,
    scheme: Option<&str>,
    auth: Option<&[u8]>,
    out: &mut Vec<u8>,
) -> Result<(), How> {
    let code = match acl::authenticate(&desk.commons.policy, scheme, auth) {
        Ok(identities) => {
            match client.add_identities(identities, desk.budgets, desk.identity_bytes) {
                Ok(()) => {
                    reply::empty(out, header.xid, NO_ZXID);
                    return Ok(());
                }
                Err(too_many) => {
                    desk.gauges.identities_refused.add(1);
                    desk.tell_over_bound(|| {
                        format!("{}: authentication refused: {too_many}", client.peer)
                    });
                    ErrorCode::AuthFailed
                }
            }
        }
        Err(code) => code,
    };
    reply::error(out, header.xid, NO_ZXID, code);
    Err(How::AfterFlush)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roles::network::Budgets;
    use crate::runtime::mailbox::mailbox;
    use crate::runtime::waker;

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
        budgets: Budgets { open_bytes: 1000, open_bytes_all: 100, ..Budgets::USUAL },
    };

    fn ticket(bytes: usize) -> Ticket {
        Ticket { xid: Xid(1), kind: TicketKind::Write, work: 1, received: Millis(0), bytes }
    }

    fn line(tickets: usize, held: &[usize]) -> Line {
        let mut line = Line::default();
        (0..tickets).for_each(|_| line.open(ticket(1)));
        held.iter().for_each(|n| line.hold(&vec![0; *n], Millis(0), Waits::ForAnswers));
        line
    }

    #[test]
    fn a_connection_is_stopped_from_exactly_its_bounds_on() {
        // Goal: one below, at, and one above each; whoever wakes it asks the same.
        let (sender, _receiver) = mailbox(16, waker::for_ring().unwrap().1);
        let stops = |line: &Line, unsent, tickets| {
            must_stall(line, unsent, (&SETTINGS, Open { tickets, bytes: 0 }, &sender))
        };
        for (unsent, stop) in
            [(999, None), (1000, Some(Stall::Output)), (1001, Some(Stall::Output))]
        {
            assert_eq!(stops(&line(0, &[]), unsent, 0), stop, "{unsent} bytes unsent");
        }
        for (tickets, stop) in [(4, None), (5, Some(Stall::Line)), (6, Some(Stall::Line))] {
            assert_eq!(stops(&line(tickets, &[]), 0, 0), stop, "{tickets} requests in line");
        }
        for (bytes, stop) in [(49, None), (50, Some(Stall::Line)), (51, Some(Stall::Line))] {
            assert_eq!(stops(&line(0, &[bytes]), 0, 0), stop, "{bytes} bytes held");
        }
        for (open, stop) in [(2, None), (3, Some(Stall::Shared)), (4, Some(Stall::Shared))] {
            assert_eq!(stops(&line(1, &[]), 0, open), stop, "{open} requests of the core");
            assert_eq!(stops(&line(0, &[]), 0, open), None, "none of its own");
        }
        for (bytes, stop) in [(999, None), (1000, Some(Stall::Line)), (1001, Some(Stall::Line))] {
            let mut line = Line::default();
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
