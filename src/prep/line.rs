//! The way of every write: a zxid, the checks, the digest, an entry.

use crate::acl::{Decisions, Policy};
use crate::codec::request::WriteOp;
use crate::codec::txn::{Entry, Txn, TxnDigest, TxnHeader};
use crate::mutants::{self, Mutant};
use crate::session::Sessions;
use crate::tree::Tree;
use crate::types::{
    ErrorCode, Identity, NodeKind, Owner, SessionId, TypeRules, WallMillis, Xid, Zxid,
    parent_and_name,
};

use super::overlay::{Mark, Overlay};
use super::quota::InFlight;
use super::size;

/// Settings that decide what is legal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PrepSettings {
    /// Schemes of authentication, and who is a superuser.
    pub policy: Policy,
    /// How an ephemeral owner tells a node's kind.
    pub types: TypeRules,
    /// `zookeeper.digest.enabled`; must be what the tree was made with.
    pub digest: bool,
    /// `zookeeper.enforceQuota`.
    pub enforce_quota: bool,
    /// `reconfigEnabled`.
    pub reconfig_enabled: bool,
    /// `zookeeper.closeSessionTxn.enabled`: closeSession lists the ephemerals that go with it.
    pub close_lists_paths: bool,
    /// Bytes an entry may have: `jute.maxbuffer` plus its extra size (I14).
    pub entry_len_max: usize,
    /// Drawn at random by the shell: clients must not be able to choose paths that collide.
    pub hash_seed: u64,
}

/// Who asks for a write.
#[derive(Clone, Copy, Debug)]
pub struct Requester<'a> {
    /// 0 for the server's own container deletions.
    pub session: SessionId,
    /// The client's number of the request; it stands in the transaction.
    pub xid: Xid,
    /// What its connection has proven.
    pub identities: &'a [Identity],
    /// Whoever the request came by, to be compared with the session's owner.
    pub from: Option<Owner>,
}

/// What an operation's checks have at hand.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub tree: &'a Tree,
    pub sessions: &'a Sessions,
    pub requester: &'a Requester<'a>,
    pub zxid: Zxid,
    pub now: WallMillis,
}

/// The validation core. See the module's front page.
pub struct Prep {
    pub(super) settings: PrepSettings,
    pub(super) overlay: Overlay,
    pub(super) quota: InFlight,
    pub(super) last: Zxid,
    /// Bytes that "auth" entries of the request in hand may still become.
    pub(super) acl_room: usize,
    /// What has been decided about it.
    pub(super) decisions: Decisions,
    /// Entries of access lists that were read or judged since [`Prep::take_entries`].
    pub(super) entries: usize,
}

/// Where a transaction began, to go back there.
pub(super) struct Start {
    overlay: Mark,
    quota: usize,
}

impl Prep {
    /// `last`: the zxid before the first that is given out.
    pub fn new(settings: PrepSettings, last: Zxid) -> Prep {
        let overlay = Overlay::new(settings.hash_seed, settings.digest);
        Prep {
            settings,
            overlay,
            quota: InFlight::default(),
            last,
            acl_room: 0,
            decisions: Decisions::default(),
            entries: 0,
        }
    }

    /// The last zxid given out.
    pub fn last(&self) -> Zxid {
        self.last
    }

    /// Entries of access lists that were read or judged since this was last asked: work that no
    /// transaction shows.
    pub fn take_entries(&mut self) -> usize {
        std::mem::take(&mut self.entries) + self.decisions.next_request()
    }

    /// Paths with changes in flight.
    pub fn outstanding(&self) -> usize {
        self.overlay.len()
    }

    /// Judges a write. Failures are entries too: an error transaction, or a multi whose steps
    /// from the culprit on are errors.
    pub fn write(
        &mut self,
        tree: &Tree,
        sessions: &Sessions,
        now: WallMillis,
        requester: &Requester<'_>,
        op: &WriteOp,
    ) -> Entry {
        let start = self.begin(tree);
        let turn = Context { tree, sessions, requester, zxid: self.last, now };
        let judged = match op {
            WriteOp::Create(op) => self.create(&turn, op).map(Txn::Op),
            WriteOp::Delete { path, version } => {
                self.delete(&turn, path.as_deref(), *version).map(Txn::Op)
            }
            WriteOp::SetData { path, data, version } => {
                self.set_data(&turn, path.as_deref(), data, *version).map(Txn::Op)
            }
            WriteOp::SetAcl { path, acl, version } => {
                self.set_acl(&turn, path.as_deref(), acl.as_deref(), *version).map(Txn::Op)
            }
            WriteOp::Multi(ops) => self.multi(&turn, ops),
            // Of a server on its own; a leader's go through [`Prep::reconfigure`].
            WriteOp::Reconfig(_) => match self.may_reconfigure(&turn) {
                Ok(()) => Err(ErrorCode::Unimplemented),
                Err(code) => Err(code),
            },
            WriteOp::DeleteContainer { path } => {
                self.delete_container(&turn, path.as_deref()).map(Txn::Op)
            }
        };
        self.conclude(start, &turn, judged)
    }

    /// The longest entry that its readers take, in bytes.
    pub fn entry_len_max(&self) -> usize {
        self.settings.entry_len_max
    }
    /// From now on: a leader's learners may read less than it does (bytes).
    pub fn set_entry_len_max(&mut self, max: usize) {
        self.settings.entry_len_max = max;
    }

    /// The entry of what was judged.
    pub(super) fn conclude(
        &mut self,
        start: Start,
        turn: &Context<'_>,
        judged: Result<Txn, ErrorCode>,
    ) -> Entry {
        // Too long for its readers (I14). Java proposes it, and then nobody can read the log. It
        // answers MarshallingError to whatever it cannot make a transaction of.
        let judged = match judged {
            Ok(txn) if size::entry_len(&txn) > self.settings.entry_len_max => {
                Err(ErrorCode::MarshallingError)
            }
            other => other,
        };
        let txn = match judged {
            // A multi that failed leaves nothing behind either, but goes on record as one.
            Ok(txn) => {
                if is_failed_multi(&txn) && !mutants::on(Mutant::FailedMultiStays) {
                    self.roll_back(&start);
                }
                txn
            }
            Err(code) => {
                self.roll_back(&start);
                Txn::Error(code)
            }
        };
        let (session, cxid) = (turn.requester.session, turn.requester.xid.0);
        let header = TxnHeader { session, cxid, zxid: turn.zxid, time: turn.now };
        self.entry(header, txn)
    }

    /// A request that cannot even be read: an error transaction all the same, because its learner
    /// waits for one.
    pub fn refuse(
        &mut self,
        tree: &Tree,
        now: WallMillis,
        session: SessionId,
        xid: Xid,
        code: ErrorCode,
    ) -> Entry {
        self.begin(tree);
        let header = TxnHeader { session, cxid: xid.0, zxid: self.last, time: now };
        self.entry(header, Txn::Error(code))
    }

    /// A new session. The caller has it tracked from here on, before the transaction commits.
    pub fn create_session(
        &mut self,
        tree: &Tree,
        now: WallMillis,
        session: SessionId,
        timeout: i32,
    ) -> Entry {
        self.begin(tree);
        let header = TxnHeader { session, cxid: 0, zxid: self.last, time: now };
        self.entry(header, Txn::CreateSession { timeout })
    }

    /// The end of a session: its own wish (`cxid` is its request's), or its time is up (0). The
    /// transaction names the session's ephemerals as they will be when it is applied. The caller
    /// marks the session closing.
    pub fn close_session(
        &mut self,
        tree: &Tree,
        now: WallMillis,
        session: SessionId,
        cxid: i32,
    ) -> Entry {
        self.begin(tree);
        let zxid = self.last;
        let mut paths = tree.ephemerals_of(session);
        if !mutants::on(Mutant::CloseMissesInFlight) {
            paths.extend(self.overlay.ephemerals_of(session).map(str::to_owned));
        }
        paths.sort_unstable();
        paths.dedup();
        let types = self.settings.types;
        paths.retain(|path| {
            let pending = self.overlay.get(tree, path);
            let Some(node) = &pending.node else { return false };
            let mine = types.kind_of(node.stat.owner) == NodeKind::Ephemeral(session);
            if !mine {
                return false;
            }
            let data_len = node.data_len as i64;
            self.overlay.set(pending, path, zxid, None);
            self.unlink(tree, zxid, path);
            if self.settings.enforce_quota {
                self.quota.note(tree, zxid, path, -1, -data_len);
            }
            true
        });
        let header = TxnHeader { session, cxid, zxid, time: now };
        let paths = self.settings.close_lists_paths.then(|| self.cut_to_size(paths));
        self.entry(header, Txn::CloseSession { paths })
    }

    /// Appliers remove what a closeSession's list leaves out as well, so one that would make the
    /// entry unreadable can be cut (I14; Java writes it whole, ZOOKEEPER-4306).
    fn cut_to_size(&self, mut paths: Vec<String>) -> Vec<String> {
        let mut len = size::CLOSE_LEN;
        let fits = paths.iter().position(|path| {
            len += size::string_len(path);
            len > self.settings.entry_len_max
        });
        paths.truncate(fits.unwrap_or(paths.len()));
        paths
    }

    /// The transactions up to `zxid` are in the tree now; what was kept for them can go.
    pub fn applied(&mut self, zxid: Zxid) {
        self.overlay.applied(zxid);
        self.quota.applied(zxid);
    }

    /// Draws the next zxid, whatever becomes of it: the log must have no gaps.
    pub(super) fn begin(&mut self, tree: &Tree) -> Start {
        self.last = Zxid(self.last.0 + 1);
        // No transaction may be longer, so neither may its lists together (I14).
        self.acl_room = self.settings.entry_len_max;
        self.entries += self.decisions.next_request();
        Start { overlay: self.overlay.begin(tree), quota: self.quota.mark() }
    }

    fn roll_back(&mut self, start: &Start) {
        self.overlay.roll_back(&start.overlay);
        self.quota.roll_back(start.quota);
    }

    /// Plain error transactions carry no digest; all others carry the one after them.
    fn entry(&self, header: TxnHeader, txn: Txn) -> Entry {
        let carries = match txn {
            Txn::Error(_) => false,
            Txn::CreateSession { .. }
            | Txn::CloseSession { .. }
            | Txn::Op(_)
            | Txn::Multi(_)
            | Txn::Reconfig { .. } => self.settings.digest,
        };
        let digest = carries
            .then(|| TxnDigest { version: TxnDigest::VERSION, digest: self.overlay.digest() });
        Entry { header, txn, digest }
    }

    /// Takes a node that goes out of its parent's figures (DataTree.deleteNode).
    pub(super) fn unlink(&mut self, tree: &Tree, zxid: Zxid, path: &str) {
        let Some((parent_path, _)) = parent_and_name(path) else { return };
        let pending = self.overlay.get(tree, parent_path);
        let Some(mut parent) = pending.node.clone() else { return };
        parent.children = parent.children.saturating_sub(1);
        parent.stat.pzxid = parent.stat.pzxid.max(zxid);
        self.overlay.set(pending, parent_path, zxid, Some(parent));
    }
}

fn is_failed_multi(txn: &Txn) -> bool {
    use crate::codec::txn::SubTxn;
    matches!(txn, Txn::Multi(subs) if matches!(subs.last(), Some(SubTxn::Error(_))))
}
