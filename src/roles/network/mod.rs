//! The network role: a core's clients, from bytes to answers.
//!
//! ```text
//!  Net ──bytes──► frames ──► line ──► reads: tree, watches ──► output ──► Net
//!                              │                                  ▲
//!                              └──ToControl──► control ──ToNetwork┘ (the stream, in zxid order)
//! ```
//!
//! Reads are answered on the spot. Before a read's answer leaves, the core has drained its stream
//! up to the zxid the read has seen, so no answer reveals a change whose event still waits (I7),
//! and the zxids a client sees never go back (I8).

mod budget;
mod client;
mod dispatch;
mod events;
mod frames;
mod framing;
mod handshake;
mod limits;
mod outcome;
mod permitted;
mod prefetch;
mod reads;
mod rewatch;
mod sasl;
mod slow;
mod stream;
mod throttles;
mod top;
mod transport;
mod words;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

pub use budget::{Budgets, Pool, Pools, Share};
pub use client::{Client, Clients, Stage};
pub use limits::{Admission, Refused};
pub use sasl::SaslRules;
pub use throttles::SharedThrottles;
pub use transport::Transport;

use budget::Grant;
use frames::Open;
use reads::ReadContext;

use super::insight::Insight;
use super::message::{Query, Service, ServingEpoch, ToControl, ToNetwork};
use super::quiet::ClientLogLines;
use super::stream::Stream;
use super::turns::Turns;
use crate::acl::{self, Policy};
use crate::admin::top::Sampler;
use crate::admin::words::Commands;
use crate::metrics::figure::Run;
use crate::metrics::gauges::CoreGauges;
use crate::mutants::{self, Mutant};
use crate::net::{CloseReason, How, Net, NetEvent, Security};
use crate::runtime::mailbox::{Receiver, Sender};
use crate::tree::{PREFETCH, Tree};
use crate::types::throttles::RequestThrottle;
use crate::types::{ConnId, ConnRef, CoreId, Millis, WallMillis, Zxid};
use crate::watch::{Event, Watches};

/// Limits and settings of a network core.
#[derive(Clone, Debug)]
pub struct NetworkSettings {
    /// Milliseconds.
    pub session_timeout_min: i32,
    /// Milliseconds.
    pub session_timeout_max: i32,
    /// A connection without a session ends after so long.
    pub sessionless_ms: i64,
    /// Frames longer than this end their connection.
    pub frame_max: usize,
    /// Tickets open on this core before connections that have one are no longer read.
    pub outstanding_max: usize,
    /// Requests one connection may have waiting.
    pub line_max: usize,
    /// Bytes of waiting frames one connection may hold.
    pub held_bytes_max: usize,
    /// Bytes unsent from which on a connection's requests wait.
    pub outbound_pause: usize,
    /// Bytes of events one connection may have unsent: their cause cannot be made to wait.
    pub events_max: usize,
    /// What requests may cost, and connections hold.
    pub budgets: Budgets,
    /// `max`: this core's part.
    pub throttle: Option<RequestThrottle>,
    /// New sessions are this server's alone.
    pub local_sessions: bool,
}

/// What a network core shares with the others.
pub struct Shared {
    /// For reads.
    pub tree: Arc<Tree>,
    /// Who may do what.
    pub policy: Arc<Policy>,
    /// Writes that the tree here denies are refused here.
    pub eager_acl_check: bool,
    /// SASL; `None`: there is none, and each token is answered with none.
    pub sasl: Option<SaslRules>,
    /// The four-letter words.
    pub commands: Arc<Commands>,
    /// Who may connect.
    pub admission: Arc<Admission>,
    /// What they do at once.
    pub throttles: SharedThrottles,
    /// The server's bytes, of which cores are granted some.
    pub pools: Pools,
    /// Log lines that clients cause.
    pub lines: ClientLogLines,
    /// What operators are told of requests.
    pub insight: Insight,
    /// The control role's.
    pub turns: Arc<Turns>,
    /// Takes the words that take time.
    pub slow_commands: SyncSender<Query>,
    /// The mailboxes of all network cores: accepted sockets are dealt out in turn.
    pub peers: Vec<Sender<ToNetwork>>,
}

/// A network core: its clients, from the handshake to the last answer.
pub struct NetworkRole<N = Net> {
    core: CoreId,
    settings: NetworkSettings,
    net: N,
    clients: Clients,
    watches: Watches,
    shared: Arc<Shared>,
    gauges: Arc<CoreGauges>,
    stream: Arc<Stream>,
    inbox: Receiver<ToNetwork>,
    arrived: VecDeque<ToNetwork>,
    /// Everything up to here has been taken from the stream.
    drained: Zxid,
    to_control: Sender<ToControl>,
    outgoing: Vec<ToControl>,
    /// Requests with the control core.
    open: Open,
    /// Text of all connections' identities.
    identity_bytes: usize,
    /// What of the server's bytes of either kind this core may hold.
    identities_granted: Grant,
    watches_granted: Grant,
    requests_granted: Grant,
    /// Requests of all connections that are not begun with.
    kept_bytes: usize,
    /// What has been done for clients in this turn, as [`limits::TURN_WORK`] counts it.
    work: usize,
    /// Bytes of output since it was last looked at how much waits.
    made_bytes: usize,
    /// From which change on the control core sends this core all, as it must while there are
    /// watches here: what a recursive watch may not have heard of is not newer. `None`: not asked
    /// for since there were none.
    heard_from: Option<Zxid>,
    /// Connections whose line's front has been answered.
    advancing: VecDeque<ConnId>,
    /// Connections whose unread input may be looked at again.
    retry: VecDeque<ConnId>,
    /// Connections that have had their share of a turn.
    deferred: VecDeque<ConnId>,
    /// Connections left unread because of the core's or the control core's limits.
    over_limit: VecDeque<ConnId>,
    /// Answers of the connection being served, before they join its output.
    staged: Vec<u8>,
    /// Scratch of [`NetworkRole::fire`].
    fired: Vec<Event>,
    verdicts: acl::Verdicts,
    /// Bytes of events since the stream was last taken.
    event_bytes: usize,
    event: Vec<u8>,
    read_run: Run,
    update_run: Run,
    /// What is counted of requests, while somebody looks.
    top: Option<Box<Sampler>>,
    top_until: Millis,
    hash_seed: u64,
    next_core: usize,
    next_sweep: Millis,
    /// What clients get at present.
    service: Service,
    /// The epoch it is served in, in an ensemble.
    epoch: Option<ServingEpoch>,
    /// `drained` was set back to where a new role began.
    began_anew: bool,
    stopping: bool,
    now: Millis,
    wall: WallMillis,
}

/// What a run over frames needs of the role, side by side.
struct Parts<'a, N> {
    context: ReadContext<'a>,
    net: &'a mut N,
    clients: &'a mut Clients,
    settings: &'a NetworkSettings,
    open: &'a mut Open,
    to_control: &'a Sender<ToControl>,
    outgoing: &'a mut Vec<ToControl>,
    staged: &'a mut Vec<u8>,
    core: CoreId,
}

/// Everything the role is made of.
pub struct NetworkParts<N = Net> {
    /// Which it is.
    pub core: CoreId,
    /// The same for all cores.
    pub settings: NetworkSettings,
    /// Its transport.
    pub net: N,
    /// What it shares with the others.
    pub shared: Arc<Shared>,
    /// Its own figures.
    pub gauges: Arc<CoreGauges>,
    /// How far control has come for it.
    pub stream: Arc<Stream>,
    /// Its mailbox.
    pub inbox: Receiver<ToNetwork>,
    /// Control's mailbox.
    pub to_control: Sender<ToControl>,
    /// What the tree has come to.
    pub drained: Zxid,
    /// False until the ensemble has a leader.
    pub serving: bool,
    /// The monotonic clock.
    pub now: Millis,
    /// Keeps clients from choosing watched paths that collide.
    pub hash_seed: u64,
}

/// How often connections without a session are looked at, in ms.
const SWEEP_MS: i64 = 500;

impl<N: Transport> NetworkRole<N> {
    /// Without a client.
    pub fn new(parts: NetworkParts<N>) -> NetworkRole<N> {
        let pools = &parts.shared.pools;
        let [identities_granted, watches_granted, requests_granted] =
            [&pools.identities, &pools.watches, &pools.requests].map(Grant::new);
        NetworkRole {
            core: parts.core,
            settings: parts.settings,
            net: parts.net,
            clients: Clients::default(),
            watches: Watches::new(parts.hash_seed),
            shared: parts.shared,
            gauges: parts.gauges,
            stream: parts.stream,
            inbox: parts.inbox,
            arrived: VecDeque::new(),
            drained: parts.drained,
            to_control: parts.to_control,
            outgoing: Vec::new(),
            open: Open::default(),
            identity_bytes: 0,
            identities_granted,
            watches_granted,
            requests_granted,
            kept_bytes: 0,
            work: 0,
            made_bytes: 0,
            heard_from: None,
            advancing: VecDeque::new(),
            retry: VecDeque::new(),
            deferred: VecDeque::new(),
            over_limit: VecDeque::new(),
            staged: Vec::new(),
            fired: Vec::new(),
            verdicts: acl::Verdicts::default(),
            event_bytes: 0,
            event: Vec::new(),
            read_run: Run::default(),
            update_run: Run::default(),
            top: None,
            top_until: Millis(0),
            hash_seed: parts.hash_seed,
            next_core: 0,
            next_sweep: parts.now + SWEEP_MS,
            service: if parts.serving { Service::All } else { Service::Off },
            epoch: None,
            began_anew: false,
            stopping: false,
            now: parts.now,
            wall: WallMillis(0),
        }
    }

    fn parts(&mut self) -> Parts<'_, N> {
        Parts {
            context: ReadContext {
                shared: &self.shared,
                stream: &self.stream,
                watches: &mut self.watches,
                drained: self.drained,
                budgets: &self.settings.budgets,
                heard_from: &mut self.heard_from,
                identity_bytes: &mut self.identity_bytes,
                identities_granted: &mut self.identities_granted,
                watches_granted: &mut self.watches_granted,
                decisions: acl::Decisions::default(),
                looked_at: 0,
                gauges: &self.gauges,
                now: self.now,
            },
            net: &mut self.net,
            clients: &mut self.clients,
            settings: &self.settings,
            open: &mut self.open,
            to_control: &self.to_control,
            outgoing: &mut self.outgoing,
            staged: &mut self.staged,
            core: self.core,
        }
    }

    /// Its transport, for whoever gives it its events.
    pub fn net(&mut self) -> &mut N {
        &mut self.net
    }

    /// Its mailbox, for whoever sleeps for it.
    pub fn inbox(&mut self) -> &mut Receiver<ToNetwork> {
        &mut self.inbox
    }

    /// A turn would find something.
    pub fn has_mail(&self) -> bool {
        !self.inbox.is_empty()
            || !self.arrived.is_empty()
            || !self.retry.is_empty()
            || !self.advancing.is_empty()
            || !self.deferred.is_empty()
    }

    /// When the role next wants a turn without being woken.
    pub fn deadline(&self) -> Option<Millis> {
        if !self.outgoing.is_empty() {
            return Some(self.now + 1);
        }
        (!self.clients.is_empty() || self.shared.lines.is_busy()).then_some(self.next_sweep)
    }

    /// It takes no clients any more, and ends when its output is out.
    pub fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// Stopped, and everything written has left.
    pub fn is_finished(&self) -> bool {
        self.stopping && self.clients.is_empty()
    }

    /// One turn over the events of the transport, then over the stream.
    pub fn turn(&mut self, events: &mut Vec<NetEvent>, now: Millis, wall: WallMillis) {
        self.now = now;
        self.wall = wall;
        self.work = 0;
        self.take_stream();
        if self.service == Service::All
            && self.shared.turns.is_standing_still()
            && !mutants::on(Mutant::ServesWhileHung)
        {
            // The control role's word for it comes behind, when it goes on.
            self.set_service(Service::Off, self.drained);
        }
        let mut events = events.drain(..);
        for at in 0.. {
            if at % PREFETCH == 0 {
                self.prefetch_heard(events.as_slice());
            }
            let Some(event) = events.next() else { break };
            match event {
                NetEvent::Accepted { fd, peer, security, .. } => self.accepted(fd, peer, security),
                NetEvent::Received(conn) => self.heard(conn),
                // Waiting reads are asked first: they were before what is unserved.
                NetEvent::Drained(conn) => self.drained(conn),
                NetEvent::Ended(conn) => self.ended(conn),
                NetEvent::Closed(conn, reason) => self.closed(conn, reason),
                // Nobody connects out of a network role.
                NetEvent::Connected(_) | NetEvent::Woken => {}
            }
        }
        self.take_deferred();
        self.take_stream();
        self.sweep();
    }

    /// Takes what the control core has sent, and serves what that has set free.
    pub fn take_stream(&mut self) {
        self.drain_all();
        while let Some(conn) = self.retry.pop_front() {
            self.serve(conn);
        }
        self.bound_output();
        self.release_over_limit();
        if !self.outgoing.is_empty() && self.to_control.has_room() {
            self.to_control.push_all(&mut self.outgoing);
        }
        self.publish_gauges();
    }

    fn accepted(&mut self, fd: OwnedFd, peer: SocketAddr, security: Security) {
        if self.stopping {
            return;
        }
        if let Err(refused) = self.shared.admission.enter(peer.ip().to_canonical()) {
            let line = || format!("connection of {peer} refused: {refused}");
            if let Some(line) = self.shared.lines.refused.note(self.now, line) {
                tracing::warn!("{line}");
            }
            self.gauges.connections_rejected.add(1);
            let conn = self.net.adopt(fd, peer, Security::Plain);
            self.net.close(conn, How::Reset);
            return;
        }
        self.next_core = (self.next_core + 1) % self.shared.peers.len();
        if self.next_core == usize::from(self.core.0) {
            self.adopt(fd, peer, security);
        } else {
            self.shared.peers[self.next_core].push(ToNetwork::Adopt { fd, peer, security });
        }
    }

    fn adopt(&mut self, fd: OwnedFd, peer: SocketAddr, security: Security) {
        let conn = self.net.adopt(fd, peer, security);
        self.welcome(conn, peer);
    }

    /// The transport has a new connection, which admission has counted.
    pub fn welcome(&mut self, conn: ConnId, peer: SocketAddr) {
        let mut client = Client::new(conn, peer, self.now, self.wall);
        client.briefs = self.shared.insight.slow.as_ref().map(|_| VecDeque::new());
        self.gauges.conns.lock().insert(conn, client.gauges.clone());
        self.clients.insert(client);
    }

    /// The client has sent something: it lives, whatever is waiting to leave.
    fn heard(&mut self, conn: ConnId) {
        let Some(client) = self.clients.get(conn) else { return };
        if let Some(pulse) = &client.pulse {
            pulse.touch(self.now);
        }
        // Whoever stalled it serves it again.
        if !client.stalled {
            return self.serve(conn);
        }
        let kept = client.line.held_bytes() + self.net.input(conn).len();
        self.keep(conn, kept);
    }

    /// There is room in a connection's output again.
    fn drained(&mut self, conn: ConnId) {
        self.advancing.push_back(conn);
    }

    /// The client has ended its direction: what it asked for before is carried out and answered.
    fn ended(&mut self, conn: ConnId) {
        if let Some(client) = self.clients.get(conn) {
            client.ended = true;
            // NIOServerCnxn.handleFailedRead: it goes without closing its session.
            if client.stage != Stage::Closing {
                self.gauges.connections_dropped.add(1);
            }
            if mutants::on(Mutant::WaitingForgottenAtEnd) {
                return self.close(conn, How::AfterFlush);
            }
            self.leave_if_done(conn);
        }
    }

    /// The connection is gone. What its client asked for is still carried out.
    fn closed(&mut self, conn: ConnId, reason: CloseReason) {
        let Some(client) = self.clients.get(conn) else {
            // One that was turned away.
            return self.net.release(conn);
        };
        (client.ended, client.gone) = (true, true);
        limits::tell_end(client, reason);
        if let CloseReason::Tls(failure) = reason {
            let peer = client.peer;
            self.gauges.handshakes_failed.add(1);
            let line = || format!("TLS connection of {peer} closed: {failure}");
            if let Some(line) = self.shared.lines.tls_failed.note(self.now, line) {
                tracing::warn!("{line}");
            }
        }
        if matches!(client.stage, Stage::Fresh | Stage::Asking | Stage::Closing) {
            return self.forget(conn);
        }
        // Reads that waited for room in the output wait no longer.
        self.advancing.push_back(conn);
        self.leave_if_done(conn);
    }

    /// Ends a connection whose client has ended, once nothing is owed.
    fn leave_if_done(&mut self, conn: ConnId) {
        if self.clients.look(conn).is_some_and(|client| client.ended && client.is_done()) {
            self.close(conn, How::AfterFlush);
        }
    }

    fn forget(&mut self, conn: ConnId) {
        self.net.release(conn);
        let Some(client) = self.clients.remove(conn) else { return };
        self.shared.admission.leave(client.peer.ip().to_canonical());
        self.gauges.conns.lock().remove(&client.id);
        self.open.give_back(client.line.open_tickets(), client.line.open_bytes());
        client.line.open_frames().for_each(|length| self.shared.throttles.large_ends(length));
        self.identity_bytes -= client.identity_bytes;
        self.kept_bytes -= client.kept;
        if client.has_watches {
            self.watches.remove_conn(client.id);
            self.verdicts.forget();
        }
    }

    /// Closes a connection of ours; the transport reports it when the socket is gone.
    fn close(&mut self, conn: ConnId, how: How) {
        let Some(client) = self.clients.get(conn) else { return };
        if client.gone {
            return self.forget(conn);
        }
        client.stage = Stage::Closing;
        self.net.close(conn, how);
    }

    /// Closes a connection for what has come last; what came before is still carried out.
    fn hang_up(&mut self, conn: ConnId, how: How) {
        let Some(client) = self.clients.get(conn) else { return };
        (client.ended, client.unserved) = (true, false);
        if client.line.is_empty() || client.stage != Stage::Live {
            return self.close(conn, how);
        }
        self.net.close(conn, how);
    }

    fn conn_ref(&self, conn: ConnId) -> ConnRef {
        ConnRef { core: self.core, conn }
    }

    /// Drops connections that have not finished the handshake in time.
    fn sweep(&mut self) {
        if self.now < self.next_sweep {
            return;
        }
        self.next_sweep = self.now + SWEEP_MS;
        self.shared.lines.settle(self.now);
        // Other cores count what waits here, though it may have left since.
        self.look_at_output();
        let oldest = self.now + -self.settings.sessionless_ms;
        let late: Vec<ConnId> = self
            .clients
            .iter()
            .filter(|c| c.stage == Stage::Fresh && c.accepted <= oldest)
            .map(|c| c.id)
            .collect();
        let fresh = self.clients.iter().filter(|c| c.stage == Stage::Fresh);
        let handshaking = fresh.filter(|c| self.net.is_handshaking(c.id)).count();
        self.gauges.handshakes.set(handshaking as i64);
        for conn in late {
            self.gauges.sessionless_expired.add(1);
            self.close(conn, How::Now);
        }
    }

    /// A role of this server has begun or ended. Java closes its clients at every change, and they
    /// come back to where there is a leader; their sessions live on.
    fn set_service(&mut self, service: Service, zxid: Zxid) {
        self.service = service;
        self.drained = zxid;
        self.began_anew = true;
        // It may be of the tree before.
        self.heard_from = None;
        if service != Service::Off {
            return;
        }
        let all: Vec<ConnId> =
            self.clients.iter().filter(|c| c.stage != Stage::Fresh).map(|c| c.id).collect();
        // What was answered before still leaves: the answer to a reconfiguration may be what ended
        // the role.
        for conn in all {
            self.close(conn, How::AfterFlush);
        }
    }

    /// Clients come to another address from now on; those that are here stay. One port at two
    /// addresses may not be had at once, so the old one goes first then.
    fn relisten(&mut self, (from, to): (SocketAddr, SocketAddr), backlog: u32, security: Security) {
        let same_port = from.port() == to.port();
        if same_port {
            self.net.stop_listening_at(from);
        }
        match self.net.listen(to, backlog, security) {
            Ok(address) => {
                tracing::info!(%address, "listening for clients");
                if !same_port {
                    self.net.stop_listening_at(from);
                }
            }
            Err(error) => {
                tracing::error!(%error, %to, "cannot serve clients there");
                if same_port && let Err(error) = self.net.listen(from, backlog, security) {
                    tracing::error!(%error, %from, "previous client port not available either");
                }
            }
        }
    }

    /// Stops accepting and reading; what has been answered still leaves.
    fn stop(&mut self) {
        self.stopping = true;
        self.net.stop_listening();
        let all: Vec<ConnId> = self.clients.iter().map(|c| c.id).collect();
        for conn in all {
            self.close(conn, How::AfterFlush);
        }
    }

    fn publish_gauges(&mut self) {
        self.read_run.flush(&self.gauges.read_latency);
        self.update_run.flush(&self.gauges.update_latency);
        let counts = self.watches.counts();
        if self.gauges.watches.get() != counts.watches as i64 {
            self.gauges.watches.set(counts.watches as i64);
            self.gauges.watched_paths.set(counts.data_paths as i64);
            self.gauges.watching_conns.set(counts.data_connections as i64);
            self.gauges.data_watches.set(counts.data_watches as i64);
        }
        self.gauges.watch_bytes_held.set(self.watches.bytes() as i64);
        self.gauges.identity_bytes.set(self.identity_bytes as i64);
        self.watches_granted.settle(self.watches.bytes());
        self.identities_granted.settle(self.identity_bytes);
        self.requests_granted.settle(self.kept_bytes);
        self.gauges.request_bytes.set(self.kept_bytes as i64);
        self.gauges.open_bytes.set(self.open.bytes as i64);
        if self.watches.is_empty() {
            self.heard_from = None;
        }
        self.stream.set_watching(!self.watches.is_empty());
    }
}
