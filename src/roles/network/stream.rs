//! The commit stream, as a network core takes it: events and answers in zxid order.

use super::{Client, NetworkRole, Stage, Transport, outcome as answers};
use crate::admin::slow::Stations;
use crate::codec::reply;
use crate::net::How;
use crate::order::{Ticket, TicketKind};
use crate::roles::message::ToNetwork;
use crate::tree::Outcome;
use crate::types::limits::{self, reached};
use crate::types::{ConnId, Millis, Xid, Zxid};

impl<N: Transport> NetworkRole<N> {
    /// Takes everything there is, or as much as makes a turn's bytes of events: one transaction may
    /// have many changes, and each of them many who watch. The rest is taken in the next turn, or by
    /// a read that has seen it.
    pub(super) fn drain_all(&mut self) {
        self.event_bytes = 0;
        // Read before the mailbox is drained: every change up to it is then in `arrived`.
        let published = self.stream.published();
        self.inbox.drain_into(&mut self.arrived);
        loop {
            // Waiting reads run between two messages, never inside one: a read may itself have to
            // drain the stream, and nesting would go as deep as the stream is long.
            if let Some(conn) = self.advancing.pop_front() {
                self.advance(conn);
            } else if self.event_bytes >= limits::TURN_EVENTS {
                break;
            } else if let Some(message) = self.arrived.pop_front() {
                self.take(message);
            } else {
                break;
            }
        }
        // A role that began meanwhile may stand on an older tree than was published before it.
        if !std::mem::take(&mut self.began_anew) && self.arrived.is_empty() {
            self.drained = self.drained.max(published);
        }
    }

    /// Takes the stream up to what a read has seen, and no further: an event newer than the read
    /// must come after the read's answer, which tells the client of its watch.
    pub(super) fn drain_upto(&mut self, seen: Zxid) {
        self.inbox.drain_into(&mut self.arrived);
        while let Some(message) = self.arrived.front() {
            if message.zxid().is_some_and(|zxid| zxid > seen) {
                break;
            }
            if let Some(message) = self.arrived.pop_front() {
                self.take(message);
            }
        }
        self.drained = self.drained.max(seen);
    }

    fn take(&mut self, message: ToNetwork) {
        if let Some(zxid) = message.zxid() {
            self.drained = self.drained.max(zxid);
        }
        match message {
            ToNetwork::Change(change) => self.fire(&change),
            ToNetwork::Reply { conn, zxid, outcome, stations } => {
                self.answer(conn, zxid, &outcome, &stations);
            }
            ToNetwork::Synced { conn, zxid } => self.synced(conn, zxid),
            ToNetwork::SessionReady { conn, session, timeout, local, pulse, zxid } => {
                if let Some(client) = self.clients.get(conn) {
                    client.local = local;
                }
                self.session_ready(conn, session, timeout, pulse, zxid);
            }
            ToNetwork::SessionGone { conn, .. } => self.session_gone(conn),
            ToNetwork::Drop { conn, .. } => self.close(conn, How::Now),
            ToNetwork::Serving { service, zxid, epoch } => {
                self.epoch = epoch;
                self.set_service(service, zxid);
            }
            ToNetwork::Adopt { fd, peer, security } => self.adopt(fd, peer, security),
            ToNetwork::Listen { from, to, backlog, security } => {
                self.relisten((from, to), backlog, security);
            }
            ToNetwork::TellWatches(ask) => self.tell_watches(&ask),
            ToNetwork::Probe(end) => end.answer(),
            ToNetwork::TellTop(answer) => self.tell_top(&answer),
            ToNetwork::Shed(conns) => {
                for conn in conns {
                    self.close(conn, How::AfterFlush);
                }
            }
            ToNetwork::BoundOutput => self.look_at_output(),
            ToNetwork::WordAnswered { conn, text } => self.word_answered(conn, &text),
            ToNetwork::Stop => self.stop(),
        }
    }

    fn answer(&mut self, conn: ConnId, zxid: Zxid, outcome: &Outcome, stations: &Stations) {
        let answered = self.clients.get(conn).and_then(Client::answered);
        let Some((ticket, brief)) = answered else { return };
        self.give_back(&ticket);
        if let Some(out) = self.net.output(conn) {
            let start = out.len();
            answers::reply(out, ticket.xid, zxid, outcome);
            let bytes = out.len() - start;
            self.count_reply(conn, ticket.xid, zxid, bytes, ticket.received, true);
        }
        self.note_if_slow(conn, brief, ticket.received, zxid, stations);
        if ticket.kind == TicketKind::CloseSession {
            return self.close(conn, How::AfterFlush);
        }
        self.advancing.push_back(conn);
    }

    /// One request is under way no more.
    fn give_back(&mut self, ticket: &Ticket) {
        self.open.give_back(1, ticket.bytes);
        self.shared.throttles.large_ends(ticket.frame);
    }

    fn synced(&mut self, conn: ConnId, zxid: Zxid) {
        let Some(client) = self.clients.get(conn) else { return };
        let Some((ticket, brief)) = client.answered() else { return };
        let path = client.sync_paths.pop_front().unwrap_or_default();
        self.give_back(&ticket);
        if let Some(out) = self.net.output(conn) {
            let start = out.len();
            reply::sync(out, ticket.xid, zxid, path.as_deref());
            let bytes = out.len() - start;
            self.count_reply(conn, ticket.xid, zxid, bytes, ticket.received, true);
        }
        self.note_if_slow(conn, brief, ticket.received, zxid, &Stations::NONE);
        self.advancing.push_back(conn);
    }

    /// The front of the line is answered: what waited behind it may run, as far as the connection's
    /// share of the turn goes.
    pub(super) fn advance(&mut self, conn: ConnId) {
        let until = self.work + limits::TURN_WORK;
        loop {
            let Some(client) = self.clients.get(conn) else { return };
            if client.stage != Stage::Live || client.deferred {
                return;
            }
            if reached(self.work, until) {
                return self.defer(conn);
            }
            if reached(self.net.unsent(conn), self.settings.outbound_pause) {
                // `Drained` comes.
                return;
            }
            let Some(held) = client.line.take_next() else { break };
            let kept = client.kept.saturating_sub(held.frame.len());
            self.keep(conn, kept);
            self.run_held(conn, held);
        }
        self.unstall(conn);
        self.leave_if_done(conn);
    }

    /// Input left unread may be looked at again, if the reasons for it are gone.
    pub(super) fn unstall(&mut self, conn: ConnId) {
        if let Some(client) = self.clients.get(conn)
            && client.stalled
        {
            client.stalled = false;
            self.net.throttle(conn, false);
            self.retry.push_back(conn);
        }
    }

    pub(super) fn count_reply(
        &mut self,
        conn: ConnId,
        xid: Xid,
        zxid: Zxid,
        bytes: usize,
        received: Millis,
        is_write: bool,
    ) {
        let latency = self.now.0 - received.0;
        self.gauges.sent.add(1);
        // Without the frame's length.
        self.gauges.response(bytes as i64 - 4);
        if is_write {
            self.update_run.record(latency, &self.gauges.update_latency);
        } else {
            self.read_run.record(latency, &self.gauges.read_latency);
        }
        if let Some(client) = self.clients.look(conn) {
            client.gauges.sent.add(1);
            client.gauges.answered(i64::from(xid.0), zxid.0, latency, self.now);
        }
    }
}
