//! Commands in, events out, and whose a connection is.

use std::collections::{BTreeMap, VecDeque};

use super::calls::{Called, CallsAround, Dials, Target};
use super::election::Mesh;
use super::error::ListenError;
use super::listeners::{BindError, Listener, Port};
use super::proofs::Proofs;
use super::quorum::QuorumLinks;
use super::resolver::{Answer, Asked, Resolver};
use super::settings::{ELECTION_RETRY_MS, PeerSettings, QUORUM_RETRY_MS};
use crate::election::links::{Links, LinksInput};
use crate::membership::PeerAddress;
use crate::mutants::{self, Mutant};
use crate::net::{CloseReason, How, Net, NetEvent};
use crate::roles::chunks::Chunks;
use crate::roles::peer_message::{PeerCommand, PeerEvent};
use crate::roles::quiet::Quiet;
use crate::types::{ConnId, Link, Millis};

/// What this server cannot live without.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum PeersError {
    /// The process ends (ExitCode.UNABLE_TO_BIND_QUORUM_PORT).
    #[error("cannot listen for elections after {tries} tries: {why}")]
    Election { tries: u32, why: ListenError },
}

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Use {
    /// Being made.
    Call,
    Election(Link),
    Quorum(Link),
    /// Nobody wants to hear of it; it has still to end.
    Leaving,
}

/// All sockets towards other servers. Lives on one thread, on whose transport others may live, too.
pub struct Peers {
    pub(super) settings: PeerSettings,
    pub(super) now: Millis,
    pub(super) mesh: Mesh,
    pub(super) quorum: QuorumLinks,
    pub(super) proofs: Proofs,
    /// For what packets carry.
    pub(super) chunks: Chunks,
    pub(super) uses: BTreeMap<ConnId, Use>,
    pub(super) quorum_listener: Listener,
    election_listener: Listener,
    calls: Dials,
    resolver: Resolver,
    answers: VecDeque<Answer>,
    last_link: u64,
    /// TLS sessions and SASL exchanges that have failed.
    pub(super) tls_failed: Quiet,
    pub(super) sasl_failed: Quiet,
    /// The election port has not been opened yet.
    is_new: bool,
}

impl Peers {
    /// Begins to listen and to connect with the first turn.
    pub fn new(settings: PeerSettings, resolver: Resolver, now: Millis) -> Peers {
        let links = Links::new(settings.links, &settings.electorate, now);
        let accepts = settings.accepts();
        Peers {
            settings,
            now,
            mesh: Mesh::new(links),
            quorum: QuorumLinks::new(),
            proofs: Proofs::default(),
            chunks: Chunks::default(),
            uses: BTreeMap::new(),
            quorum_listener: Listener::new(Port::Quorum, QUORUM_RETRY_MS, accepts),
            election_listener: Listener::new(Port::Election, ELECTION_RETRY_MS, accepts),
            calls: Dials::default(),
            resolver,
            answers: VecDeque::new(),
            last_link: 0,
            tls_failed: Quiet::default(),
            sasl_failed: Quiet::default(),
            is_new: true,
        }
    }

    /// One turn over the transport's events: takes those that are its own out of `events` and
    /// leaves the others, in order.
    pub fn turn(
        &mut self,
        net: &mut Net,
        events: &mut Vec<NetEvent>,
        now: Millis,
        out: &mut Vec<PeerEvent>,
    ) -> Result<(), PeersError> {
        self.now = now;
        if std::mem::take(&mut self.is_new) {
            self.name_peers(net);
            self.listen_for_elections(net)?;
        }
        // Whose an event is can change with the one before it only from ours to nobody's.
        let own: Vec<NetEvent> = events.extract_if(.., |event| self.is_own(event)).collect();
        own.into_iter().for_each(|event| self.event(net, event, out));
        self.take_answers(net)?;
        let tried = self.election_listener.tick(net, &self.resolver, now);
        self.judge(tried)?;
        let tried = self.quorum_listener.tick(net, &self.resolver, now);
        self.judge(tried)?;
        let mut around = around(&self.settings, &self.resolver, net, now);
        self.calls.tick(&mut around);
        let (begun, given_up) = (around.begun, around.given_up);
        self.own_calls(begun, given_up);
        self.end_late_proofs(net, out);
        if self.mesh.links.deadline().is_some_and(|at| at <= now) {
            self.elect(net, LinksInput::Tick, out);
        }
        for line in [&self.tls_failed, &self.sasl_failed].iter().filter_map(|of| of.settle(now)) {
            tracing::warn!("{line}");
        }
        self.end_calls(net, out);
        Ok(())
    }

    /// Carries one command out. What it answers with comes with this or a later turn.
    pub fn command(
        &mut self,
        net: &mut Net,
        command: PeerCommand,
        out: &mut Vec<PeerEvent>,
    ) -> Result<(), PeersError> {
        match command {
            PeerCommand::Electorate(electorate) => {
                self.elect(net, LinksInput::Members(&electorate), out);
                self.settings.electorate = electorate;
                self.name_peers(net);
                self.listen_for_elections(net)?;
            }
            PeerCommand::Elect { to, notification } => {
                self.elect(net, LinksInput::Send { to, notification }, out);
            }
            PeerCommand::Greeting(vote) => self.elect(net, LinksInput::Greeting(vote), out),
            PeerCommand::ReconnectElection => self.elect(net, LinksInput::Reconnect, out),
            PeerCommand::ListenQuorum => {
                let places = self.places(|address| address.quorum);
                let tried = self.quorum_listener.open(net, &self.resolver, places, self.now);
                self.judge(tried)?;
            }
            PeerCommand::StopQuorum => self.stop_quorum(net),
            PeerCommand::ConnectLeader { server } => self.connect_leader(net, server),
            PeerCommand::Send { link, packet } => self.send_packet(net, link, &packet),
            PeerCommand::SendRaw { link, bytes } => self.send_raw(net, link, &bytes),
            PeerCommand::WhenDrained { link } => self.when_drained(net, link),
            PeerCommand::AskMoved { link } => self.ask_moved(net, link, out),
            PeerCommand::Reading { link, on } => self.reading(net, link, on),
            PeerCommand::Close { link } => self.leave_quorum(net, link, How::AfterFlush),
        }
        self.end_calls(net, out);
        Ok(())
    }

    /// When there is something to do that no event brings.
    pub fn deadline(&self) -> Option<Millis> {
        let own = [
            self.is_new.then_some(self.now),
            self.mesh.links.deadline(),
            self.calls.deadline(),
            self.proofs.deadline(),
            self.election_listener.deadline(),
            self.quorum_listener.deadline(),
        ];
        own.into_iter().flatten().min()
    }

    /// Names have been looked up: a turn is wanted.
    pub fn has_mail(&self) -> bool {
        self.resolver.has_answers()
    }

    /// Where the election port listens; nowhere before it does.
    pub fn election_addresses(&self) -> &[std::net::SocketAddr] {
        self.election_listener.open_at()
    }

    /// Where the quorum port listens; nowhere while this server does not lead.
    pub fn quorum_addresses(&self) -> &[std::net::SocketAddr] {
        self.quorum_listener.open_at()
    }

    /// Quorum links, and connections between election ports.
    pub fn connections(&self) -> usize {
        self.uses.len()
    }

    fn is_own(&self, event: &NetEvent) -> bool {
        match event {
            NetEvent::Accepted { listener, .. } => {
                self.election_listener.is_at(*listener) || self.quorum_listener.is_at(*listener)
            }
            NetEvent::Connected(conn)
            | NetEvent::Received(conn)
            | NetEvent::Drained(conn)
            | NetEvent::Ended(conn)
            | NetEvent::Closed(conn, _) => self.uses.contains_key(conn),
            NetEvent::Woken => false,
        }
    }

    fn event(&mut self, net: &mut Net, event: NetEvent, out: &mut Vec<PeerEvent>) {
        match event {
            NetEvent::Accepted { fd, peer, listener, security }
                if self.election_listener.is_at(listener) =>
            {
                self.election_accepted(net, fd, peer, security, out);
            }
            NetEvent::Accepted { fd, peer, listener, security }
                if self.quorum_listener.is_at(listener) =>
            {
                self.quorum_accepted(net, fd, peer, security, out);
            }
            // Nobody leads here any more.
            NetEvent::Accepted { .. } => {}
            NetEvent::Connected(conn) => self.calls.connected(conn),
            NetEvent::Received(conn) => match self.uses.get(&conn) {
                Some(Use::Election(link)) => self.election_received(net, conn, *link, out),
                Some(Use::Quorum(link)) => self.quorum_received(net, *link, out),
                Some(Use::Call | Use::Leaving) | None => {}
            },
            NetEvent::Drained(conn) => match self.uses.get(&conn) {
                Some(Use::Election(link)) => self.election_drained(net, conn, *link, out),
                Some(Use::Quorum(link)) => self.quorum_drained(net, *link, out),
                Some(Use::Call | Use::Leaving) | None => {}
            },
            // Nothing that comes is answered behind the peer's end: between servers both directions
            // end together.
            NetEvent::Ended(conn) => net.close(conn, How::AfterFlush),
            NetEvent::Closed(conn, reason) => self.closed(net, conn, reason, out),
            NetEvent::Woken => {}
        }
        self.end_calls(net, out);
    }

    fn closed(
        &mut self,
        net: &mut Net,
        conn: ConnId,
        reason: CloseReason,
        out: &mut Vec<PeerEvent>,
    ) {
        self.note_failed_session(net, conn, reason);
        match self.uses.remove(&conn) {
            Some(Use::Call) => {
                let mut around = around(&self.settings, &self.resolver, net, self.now);
                self.calls.closed(&mut around, conn, reason);
                let (begun, given_up) = (around.begun, around.given_up);
                self.own_calls(begun, given_up);
            }
            Some(Use::Election(link)) => self.election_closed(net, link, out),
            Some(Use::Quorum(link)) => self.quorum_closed(net, link, reason, out),
            Some(Use::Leaving) | None => {}
        }
        if !mutants::on(Mutant::IdsNeverReturn) {
            net.release(conn);
        }
    }

    /// What names mean has become known.
    fn take_answers(&mut self, net: &mut Net) -> Result<(), PeersError> {
        self.resolver.answers(&mut self.answers);
        while let Some(answer) = self.answers.pop_front() {
            match answer.asked {
                Asked::Call(id) => {
                    let mut around = around(&self.settings, &self.resolver, net, self.now);
                    self.calls.answered(&mut around, id, answer);
                    let (begun, given_up) = (around.begun, around.given_up);
                    self.own_calls(begun, given_up);
                }
                Asked::Listener(attempt) => {
                    let of_port = match attempt.port {
                        Port::Election => &mut self.election_listener,
                        Port::Quorum => &mut self.quorum_listener,
                    };
                    let tried = of_port.answered(net, attempt, answer, self.now);
                    self.judge(tried)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn call(
        &mut self,
        net: &mut Net,
        whom: Target,
        names: impl IntoIterator<Item = (String, u16)>,
        timeout_ms: i64,
    ) {
        let mut around = around(&self.settings, &self.resolver, net, self.now);
        self.calls.begin(&mut around, whom, names, timeout_ms);
        let (begun, given_up) = (around.begun, around.given_up);
        self.own_calls(begun, given_up);
    }

    fn own_calls(&mut self, begun: Vec<ConnId>, given_up: Vec<ConnId>) {
        self.uses.extend(begun.into_iter().map(|conn| (conn, Use::Call)));
        self.uses.extend(given_up.into_iter().map(|conn| (conn, Use::Leaving)));
    }

    pub(super) fn cancel_dial(&mut self, net: &mut Net, whom: Target) {
        if let Some(conn) = self.calls.cancel(net, whom) {
            self.uses.insert(conn, Use::Leaving);
        }
    }

    /// Tells what became of calls.
    fn end_calls(&mut self, net: &mut Net, out: &mut Vec<PeerEvent>) {
        while let Some(called) = self.calls.take_ended() {
            match called {
                Called::Connected { whom: Target::Election(dial), conn, .. } => {
                    self.election_connected(net, dial, conn, out);
                }
                Called::Connected { whom: Target::Leader, conn, address } => {
                    self.leader_connected(net, conn, address, out);
                }
                Called::Failed { whom: Target::Election(dial), why } => {
                    tracing::debug!(%why, "no election connection");
                    self.elect(net, LinksInput::ConnectFailed { dial }, out);
                }
                Called::Failed { whom: Target::Leader, why } => {
                    out.push(PeerEvent::ConnectFailed { why: why.to_string() });
                }
            }
        }
    }

    fn listen_for_elections(&mut self, net: &mut Net) -> Result<(), PeersError> {
        let places = self.places(|address| address.election);
        // A server that has been left out keeps the port it has.
        if places.is_empty() {
            return Ok(());
        }
        let tried = self.election_listener.open(net, &self.resolver, places, self.now);
        self.judge(tried)
    }

    /// Our own addresses: those in force, or where we are to be let in.
    fn places(&self, port: fn(&PeerAddress) -> u16) -> Vec<(String, u16)> {
        let electorate = &self.settings.electorate;
        let configurations = std::iter::once(&electorate.committed).chain(&electorate.next);
        let member = configurations.filter_map(|members| members.get(self.settings.me)).next();
        let addresses = member.map_or(&[][..], |member| &member.addresses);
        let mut places: Vec<(String, u16)> = addresses
            .iter()
            .map(|address| match self.settings.listen_on_all_addresses {
                true => ("::".to_owned(), port(address)),
                false => (address.host.clone(), port(address)),
            })
            .collect();
        places.sort();
        places.dedup();
        places
    }

    /// A try to listen that has failed is followed by another, for the election port so many times.
    fn judge(&self, tried: Result<(), BindError>) -> Result<(), PeersError> {
        let Err(BindError { port, failures, why }) = tried else { return Ok(()) };
        tracing::error!(port = port.word(), %why, "cannot listen for other servers; trying again");
        match (port, self.settings.bind_retries) {
            (Port::Election, Some(tries)) if failures >= tries.max(1) => {
                Err(PeersError::Election { tries: failures, why })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn next_link(&mut self) -> Link {
        self.last_link += 1;
        Link(self.last_link)
    }
}

fn around<'a>(
    settings: &PeerSettings,
    resolver: &'a Resolver,
    net: &'a mut Net,
    now: Millis,
) -> CallsAround<'a> {
    let (options, mesh_options) = (settings.options(), settings.mesh_options());
    CallsAround {
        net,
        resolver,
        options,
        mesh_options,
        secured: settings.dials_secured(),
        now,
        begun: Vec::new(),
        given_up: Vec::new(),
    }
}
