//! Configurations that change while the server runs (QuorumPeer.processReconfig).
//!
//! ```text
//!            proposed, announced           agreed on, gossiped
//!   files:   .dynamic.next                 .dynamic.<version>, zoo.cfg
//!   then:    electorate.next ────────────► electorate.committed ──► peers, election, client port
//!                                                               └─► the role, if it is another now
//! ```
//!
//! Files are written here and now, like the epoch files: a reconfiguration is as rare as an
//! election, and everything behind it waits for it anyway.

use std::net::SocketAddr;
use std::sync::Arc;

use super::base::Base;
use super::ensemble::Ensemble;
use super::origin::Origin;
use super::reason::RoleEnd;
use super::role::Role;
use crate::codec::request::ReconfigOp;
use crate::election::ElectionInput;
use crate::history::ConfigFile;
use crate::membership::{self, ChangeRules, ClientAddress, Members};
use crate::prep::{Requester, Seats};
use crate::roles::peer_message::PeerCommand;
use crate::types::{ServerId, Zxid};
use crate::zab::LeaderInput;

/// Serves clients at another address from now on.
pub type MoveClients = Box<dyn FnMut(&ClientAddress) + Send>;

/// What a server is told of changes of its ensemble.
pub struct Reconfig {
    /// `reconfigEnabled`: configurations of others are passed over without it.
    pub enabled: bool,
    /// What the next configuration must be like.
    pub rules: ChangeRules,
    /// `None`: changes are kept in memory alone.
    pub file: Option<ConfigFile>,
    /// Where clients are served; `None` if that cannot change.
    pub clients: Option<ClientPort>,
}

/// Where clients are served.
pub struct ClientPort {
    /// As configured.
    pub at: SocketAddr,
    /// Serves them elsewhere.
    pub move_to: MoveClients,
}

impl Default for Reconfig {
    fn default() -> Reconfig {
        let rules = ChangeRules { standalone: true, several_addresses: false };
        Reconfig { enabled: false, rules, file: None, clients: None }
    }
}

impl Reconfig {
    /// Makes a configuration that is proposed survive a crash; false if that cannot be done.
    fn propose(&self, members: &Members) -> bool {
        let Some(file) = &self.file else { return true };
        let kept = file.propose(members);
        if let Err(error) = &kept {
            let file = file.show();
            tracing::error!(%error, file, "cannot write the proposed configuration beside it");
        }
        kept.is_ok()
    }

    /// What cannot be written is kept in memory, as in Java: the ensemble has agreed on it.
    fn commit(&self, members: &Members, me: ServerId, next: Option<&Members>) {
        let version = format!("{:x}", members.version());
        let Some(file) = &self.file else {
            return tracing::warn!(version, "no configuration file: a restart forgets this one");
        };
        let erase = members.get(me).is_some_and(|member| member.client.is_some());
        if let Err(error) = file.commit(members, erase, next) {
            let file = file.show();
            tracing::error!(%error, file, version, "cannot write it: a restart begins with the old");
        }
    }

    fn withdraw(&self) {
        if let Some(Err(error)) = self.file.as_ref().map(ConfigFile::withdraw) {
            tracing::error!(%error, "cannot remove the file of a configuration that came to nothing");
        }
    }
}

/// How a configuration came into force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ConfigSource {
    /// A reconfiguration was agreed on, and names who leads.
    Committed { leader: ServerId },
    /// With a leader's reign: nothing is served yet.
    NewLeader,
    /// Another server that looks has it.
    Vote,
}

impl ConfigSource {
    fn text(self) -> String {
        match self {
            ConfigSource::Committed { leader } => format!("agreed on, server {} leads", leader.0),
            ConfigSource::NewLeader => "announced by the leader".to_owned(),
            ConfigSource::Vote => "told by a server that looks for a leader".to_owned(),
        }
    }
}

/// A role that ends when a reconfiguration is applied here: who asked for it is answered before.
pub(super) struct Leaving {
    upto: Zxid,
    pub leader: ServerId,
}

impl Ensemble {
    /// A leader's client, or another server's, wants another configuration.
    pub(super) fn reconfigure(
        &mut self,
        base: &mut Base,
        requester: &Requester<'_>,
        op: &ReconfigOp,
        origin: Origin,
    ) {
        let Role::Leading(leading) = &self.role else { return };
        let seats = Seats {
            electorate: &self.electorate,
            rules: self.reconfig.rules,
            has_quorum: &|members| leading.leader.has_synced_quorum(members),
            keep: &mut |members| self.reconfig.propose(members),
        };
        let place = (&*base.pipeline.tree, &base.sessions.table);
        let (entry, next) = base.pipeline.prep.reconfigure(place, base.wall, requester, op, seats);
        match next {
            Ok(members) => {
                let text = members.text().replace('\n', " ");
                tracing::info!(zxid = %entry.header.zxid, text, "reconfiguration proposed");
                let members = Arc::new(members);
                self.lead(base, LeaderInput::Reconfiguring { members: Arc::clone(&members) });
                self.await_next(base, Some(members));
            }
            Err(why) => tracing::warn!(%why, "reconfiguration refused"),
        }
        self.propose(base, entry, origin);
    }

    /// The leader has proposed it (QuorumPeer.setLastSeenQuorumVerifier).
    pub(super) fn config_proposed(&mut self, base: &mut Base, text: &str) {
        let Some(members) = self.readable(text) else { return };
        let electorate = &self.electorate;
        let known = electorate.next.as_ref().is_some_and(|n| n.version() == members.version());
        if known || members.version() <= electorate.committed.version() {
            return;
        }
        // As Java's learner, it goes on where that cannot be written, and says so.
        self.reconfig.propose(&members);
        self.await_next(base, Some(Arc::new(members)));
    }

    /// NEWLEADER's: what was seen before and is not this came to nothing.
    pub(super) fn config_announced(&mut self, base: &mut Base, text: &str) {
        let Some(members) = self.readable(text) else { return };
        let electorate = &self.electorate;
        if members.version() > electorate.committed.version() {
            return self.config_proposed(base, text);
        }
        if electorate.next.is_some() {
            self.reconfig.withdraw();
            self.await_next(base, None);
        }
    }

    fn await_next(&mut self, base: &mut Base, next: Option<Arc<Members>>) {
        self.electorate.next = next;
        self.tell_electorate(base);
    }

    /// A leader's word that a configuration is in force.
    pub(super) fn config_in_force(
        &mut self,
        base: &mut Base,
        text: &str,
        leader: Option<ServerId>,
    ) {
        if let Some(members) = self.readable(text) {
            let whence =
                leader.map_or(ConfigSource::NewLeader, |leader| ConfigSource::Committed { leader });
            self.activate(base, Arc::new(members), whence);
        }
    }

    /// `None` where configurations do not change, too.
    fn readable(&self, text: &str) -> Option<Members> {
        if !self.reconfig.enabled {
            return None;
        }
        let parsed = Members::parse(text);
        if let Err(error) = &parsed {
            tracing::error!(%error, text, "the leader's configuration cannot be read: passed over");
        }
        parsed.ok()
    }

    /// QuorumPeer.processReconfig.
    pub(super) fn activate(
        &mut self,
        base: &mut Base,
        members: Arc<Members>,
        whence: ConfigSource,
    ) {
        let electorate = &mut self.electorate;
        let version = members.version();
        if !self.reconfig.enabled || version <= electorate.committed.version() {
            return;
        }
        tracing::info!(
            version = format_args!("{version:x}"),
            whence = whence.text(),
            text = members.text().replace('\n', " "),
            "configuration in force"
        );
        electorate.next = electorate.next.take().filter(|next| next.version() > version);
        self.reconfig.commit(&members, self.settings.me, electorate.next.as_deref());
        let before = std::mem::replace(&mut electorate.committed, Arc::clone(&members));
        let own = members.get(self.settings.me);
        let client = own.and_then(|member| member.client.as_ref());
        let was = before.get(self.settings.me).and_then(|member| member.client.as_ref());
        if let Some(client) = client.filter(|client| Some(*client) != was)
            && let Some(port) = &mut self.reconfig.clients
        {
            port.follow(client);
        }
        base.gauges.quorum.set_members(&members, own);
        // A reconfiguration's transaction brings the node itself.
        if !matches!(whence, ConfigSource::Committed { .. }) {
            self.init_config(base);
        }
        self.tell_electorate(base);
        self.judge_role(base, &before, &members, whence);
        self.count_learners(base);
    }

    /// Whether the role can go on.
    fn judge_role(
        &mut self,
        base: &mut Base,
        before: &Members,
        members: &Members,
        whence: ConfigSource,
    ) {
        let observes = members
            .get(self.settings.me)
            .is_some_and(|member| member.role == membership::Role::Observer);
        let (leads_on, current) = match &self.role {
            Role::Leading(leading) => (leading.leader.is_serving(), self.settings.me),
            Role::Learning(learning) => {
                (learning.learner.is_observer() == observes, learning.learner.leader())
            }
            Role::Settling | Role::Looking => return,
        };
        match whence {
            ConfigSource::Committed { leader } if !leads_on || leader != current => {
                let upto = Zxid(members.version());
                tracing::info!(leader = leader.0, "role changed by reconfiguration");
                self.leaving = Some(Leaving { upto, leader });
            }
            // Without a word on who leads, an election says it.
            ConfigSource::NewLeader
                if self.learns() && (!leads_on || !members.leads_as_in(before, current)) =>
            {
                self.leave_role(base, RoleEnd::OtherRole);
            }
            ConfigSource::Committed { .. } | ConfigSource::NewLeader | ConfigSource::Vote => {}
        }
    }

    /// Once a turn, when all that is due is applied.
    pub(super) fn leave_when_applied(&mut self, base: &mut Base) {
        let applied = base.pipeline.tree.applied();
        if self.leaving.as_ref().is_some_and(|leaving| leaving.upto <= applied) {
            self.leave_role(base, RoleEnd::Reconfigured);
        }
    }

    /// Sockets and election know the configurations too.
    fn tell_electorate(&mut self, base: &mut Base) {
        let electorate = self.electorate.clone();
        self.command(PeerCommand::Electorate(electorate.clone()));
        self.elect(base, ElectionInput::Members(electorate));
    }
}

impl ClientPort {
    fn follow(&mut self, client: &ClientAddress) {
        let port = client.port;
        let same_host = match client.host.parse::<std::net::IpAddr>() {
            Ok(ip) if ip.is_unspecified() => self.at.ip().is_unspecified(),
            Ok(ip) => ip == self.at.ip(),
            // A name: looked up when the port is opened.
            Err(_) => false,
        };
        if port != self.at.port() || !same_host {
            (self.move_to)(client);
            self.at.set_port(port);
            if let Ok(ip) = client.host.parse() {
                self.at.set_ip(ip);
            }
        }
    }
}
