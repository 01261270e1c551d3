//! Another configuration of the ensemble (PrepRequestProcessor, case reconfig).

use crate::acl;
use crate::codec::request::ReconfigOp;
use crate::codec::txn::{Entry, Txn};
use crate::membership::{ChangeError, ChangeRules, Electorate, Members};
use crate::session::Sessions;
use crate::tree::{CONFIG_PATH, Tree};
use crate::types::{Data, ErrorCode, Perms, WallMillis};

use super::line::{Context, Prep, Requester};

/// What a leader judges a reconfiguration by.
pub struct Seats<'a> {
    /// The configurations in force.
    pub electorate: &'a Electorate,
    /// What the next one must be like.
    pub rules: ChangeRules,
    /// A quorum of these members follows and has this leader's history.
    pub has_quorum: &'a dyn Fn(&Members) -> bool,
    /// Puts the configuration where a restart finds it: whoever acknowledges it must know of it
    /// after a crash. Asked when nothing else is wrong; false if that cannot be done.
    pub keep: &'a mut dyn FnMut(&Members) -> bool,
}

/// Why a reconfiguration is not made; the client is told the code.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// A check that Java makes too; no more is to be said.
    #[error("{0:?}")]
    Code(ErrorCode),
    /// The configuration asked for is none, or cannot follow.
    #[error("{0}")]
    Change(ChangeError),
}

impl Refusal {
    /// What the client is answered.
    pub fn code(&self) -> ErrorCode {
        match self {
            Refusal::Code(code) => *code,
            Refusal::Change(ChangeError::Refused(_)) => ErrorCode::BadArguments,
            Refusal::Change(ChangeError::Unreadable(_)) => ErrorCode::MarshallingError,
        }
    }
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Refusal {
        Refusal::Code(code)
    }
}

impl Prep {
    /// A leader's judgement: the entry, and the configuration in it, whose version is its zxid.
    pub fn reconfigure(
        &mut self,
        (tree, sessions): (&Tree, &Sessions),
        now: WallMillis,
        requester: &Requester<'_>,
        op: &ReconfigOp,
        seats: Seats<'_>,
    ) -> (Entry, Result<Members, Refusal>) {
        let start = self.begin(tree);
        let turn = Context { tree, sessions, requester, zxid: self.last, now };
        let next = self.next_members(&turn, op, seats);
        let judged = next.as_ref().map_err(Refusal::code).map(|next| Txn::Reconfig {
            config: Some(next.text().into_bytes().into()),
            version: -1,
        });
        let entry = self.conclude(start, &turn, judged);
        // It may still have been too long.
        let next = match &entry.txn {
            Txn::Error(code) => next.and(Err(Refusal::Code(*code))),
            _ => next,
        };
        (entry, next)
    }

    fn next_members(
        &mut self,
        turn: &Context<'_>,
        op: &ReconfigOp,
        seats: Seats<'_>,
    ) -> Result<Members, Refusal> {
        self.may_reconfigure(turn)?;
        if seats.electorate.next.is_some() {
            return Err(ErrorCode::ReconfigInProgress.into());
        }
        let committed = &seats.electorate.committed;
        if op.config_version != -1 && op.config_version != committed.version() {
            return Err(ErrorCode::BadVersion.into());
        }
        let next = match &op.new_members {
            Some(text) => Members::replaced(text),
            None => committed.changed(op.joining.as_deref(), op.leaving.as_deref()),
        };
        let next = next.and_then(|next| {
            next.may_follow(seats.rules)?;
            Ok(next)
        });
        let next = next.map_err(Refusal::Change)?.with_version(turn.zxid.0);
        if !(seats.has_quorum)(&next) {
            return Err(ErrorCode::NewConfigNoQuorum.into());
        }
        self.write_config(turn, &next)?;
        match (seats.keep)(&next) {
            true => Ok(next),
            false => Err(ErrorCode::SystemError.into()),
        }
    }

    /// The checks that servers on their own make too. They have no configuration to change.
    pub(super) fn may_reconfigure(&self, turn: &Context<'_>) -> Result<(), ErrorCode> {
        if !self.settings.reconfig_enabled {
            return Err(ErrorCode::ReconfigDisabled);
        }
        turn.sessions.check(turn.requester.session, turn.requester.from)
    }

    /// The node as the transaction leaves it. It is not in the digest.
    fn write_config(&mut self, turn: &Context<'_>, next: &Members) -> Result<(), ErrorCode> {
        let pending = self.overlay.get(turn.tree, CONFIG_PATH);
        let mut node = pending.node.clone().ok_or(ErrorCode::NoNode)?;
        let policy = &self.settings.policy;
        let _permit = acl::check(policy, &node.acl, Perms::WRITE, turn.requester.identities)?;
        let data: Data = Some(next.text().into_bytes().into());
        node.stat.version = -1;
        node.stat.mtime = turn.now;
        node.stat.mzxid = turn.zxid;
        node.data_len = data.as_ref().map_or(0, bytes::Bytes::len);
        node.content_crc = self.content_crc(CONFIG_PATH, &data);
        self.overlay.set(pending, CONFIG_PATH, turn.zxid, Some(node));
        Ok(())
    }
}
