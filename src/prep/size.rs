//! How long a transaction is as a log entry or proposal
//! (tools/docs/reference/storage.md section 2), in bytes.
//!
//! A reader refuses entries longer than `jute.maxbuffer` plus the extra size; what it would refuse
//! must not be proposed (I14, ZOOKEEPER-3496).

use crate::codec::txn::{CreateTxnKind, Op, SubTxn, Txn};
use crate::types::{Acl, Data};

/// Header and digest: what every entry has beside its transaction.
const FRAME: usize = 32 + 12;

/// Length of the whole entry. Never less than it is on any server's disk.
pub(super) fn entry_len(txn: &Txn) -> usize {
    FRAME
        + match txn {
            Txn::CreateSession { .. } | Txn::Error(_) => 4,
            Txn::CloseSession { paths } => {
                4 + paths.iter().flatten().map(|path| string_len(path)).sum::<usize>()
            }
            Txn::Op(op) => op_len(op),
            Txn::Multi(subs) => 4 + subs.iter().map(sub_len).sum::<usize>(),
            Txn::Reconfig { config, .. } => 4 + 64 + data_len(config),
        }
}

/// One step of a multi: type and length before the record.
pub(super) fn sub_len(sub: &SubTxn) -> usize {
    8 + match sub {
        SubTxn::Op(op) => op_len(op),
        SubTxn::Error(_) => 4,
    }
}

/// A closeSession transaction without paths.
pub(super) const CLOSE_LEN: usize = FRAME + 4;

/// Strings go out as Java writes them: a character beyond the 16-bit ones takes six bytes there,
/// not four.
pub(super) fn string_len(text: &str) -> usize {
    4 + if text.is_ascii() { text.len() } else { text.len() + text.len() / 2 }
}

fn data_len(data: &Data) -> usize {
    4 + data.as_ref().map_or(0, |data| data.len())
}

fn acl_len(list: &[Acl]) -> usize {
    4 + list.iter().map(|acl| 4 + string_len(&acl.scheme) + string_len(&acl.id)).sum::<usize>()
}

fn op_len(op: &Op) -> usize {
    match op {
        Op::Create(create) => {
            let kind = match create.kind {
                CreateTxnKind::Create { .. } | CreateTxnKind::Create2 { .. } => 1,
                CreateTxnKind::Container => 0,
                CreateTxnKind::Ttl(_) => 8,
            };
            string_len(&create.path) + data_len(&create.data) + acl_len(&create.acl) + 4 + kind
        }
        Op::Delete { path } | Op::DeleteContainer { path } => string_len(path),
        Op::SetData { path, data, .. } => string_len(path) + data_len(data) + 4,
        Op::SetAcl { path, acl, .. } => string_len(path) + acl_len(acl) + 4,
        Op::Check { path, .. } => string_len(path) + 4,
    }
}
