//! Writes that are refused where they arrive, without a transaction: what the tree there already
//! denies (ZooKeeperServer.authWriteRequest, `zookeeper.enableEagerACLCheck`). Only servers of an
//! ensemble do so; whatever passes is judged again by the leader.

use crate::acl::{self, Decisions, Policy};
use crate::codec::request::{CreateCall, RawAcl, WriteOp};
use crate::tree::Tree;
use crate::types::{ErrorCode, Identity, Perms, Zxid, parent_and_name};

/// What the client is told at once; `None`: the leader decides, as it does wherever the node is
/// not there, more than its list has to be looked at, or it shows changes newer than `heard_upto`,
/// of which the client may not have heard (I7).
pub fn refusal(
    policy: &Policy,
    tree: &Tree,
    op: &WriteOp,
    identities: &[Identity],
    decisions: &mut Decisions,
    heard_upto: Zxid,
) -> Option<ErrorCode> {
    let ill_formed = |list: Option<&[RawAcl]>| acl::ill_formed(policy, list, identities);
    let above = |path: &'_ Option<String>| Some(parent_and_name(path.as_deref()?)?.0.to_owned());
    let (path, needed) = match op {
        WriteOp::Create(create) => match create.call {
            CreateCall::Create | CreateCall::Create2 => {
                if let Some(code) = ill_formed(create.acl.as_deref()) {
                    return Some(code);
                }
                (above(&create.path)?, Perms::CREATE)
            }
            CreateCall::Container | CreateCall::Ttl => return None,
        },
        WriteOp::Delete { path, .. } => (above(path)?, Perms::DELETE),
        WriteOp::SetData { path, .. } => (path.clone()?, Perms::WRITE),
        WriteOp::SetAcl { path, acl, .. } => {
            if let Some(code) = ill_formed(acl.as_deref()) {
                return Some(code);
            }
            (path.clone()?, Perms::ADMIN)
        }
        WriteOp::Multi(_) | WriteOp::Reconfig(_) | WriteOp::DeleteContainer { .. } => return None,
    };
    let (denied, seen) = tree.read(&path, |node| {
        node.and_then(|node| decisions.decide(policy, node.acl(), needed, identities).err())
    });
    denied.filter(|_| seen <= heard_upto)
}
