//! What both servers wrote into their transaction logs, entry beside entry: at a difference, the
//! first entry in which they part tells which request was judged differently, however much later
//! it showed.
//!
//! Not compared, as in `reading`: session ids (told in the order in which they appear), times,
//! and the error transactions of requests answered with -5, for which only Java draws a zxid.

use crate::support::server::Server;
use ringkeeper::codec::txn::{Entry, Op, SubTxn, Txn, decode_entry};
use ringkeeper::disk::RealDir;
use ringkeeper::log::Replay;
use ringkeeper::types::{AclList, ErrorCode, Perms, SessionId, Zxid};
use std::collections::HashMap;
use std::fmt::Write;

/// Longest entry that is read: more than any request of the streams makes.
const ENTRY_MAX: usize = 1 << 24;

/// Entries told before the first in which the logs part, and after it.
const AROUND: usize = 5;

/// One log entry: as it was, and as it is compared.
struct Line {
    told: String,
    compared: String,
}

/// The list that stood on a path last, as far as the log tells: of a node that is there or was.
pub(crate) fn last_list(server: &Server, path: &str) -> Option<AclList> {
    let dir = RealDir::open(server.folder.join("data/version-2")).ok()?;
    let mut replay = Replay::open(&dir, Zxid(1), ENTRY_MAX).ok()?;
    let mut last = None;
    while let Some(record) = replay.next_record().ok()? {
        let steps = match decode_entry(record.entry, ENTRY_MAX).ok()?.txn {
            Txn::Op(op) => vec![op],
            Txn::Multi(steps) if !steps.iter().any(|step| matches!(step, SubTxn::Error(_))) => {
                let op = |step| if let SubTxn::Op(op) = step { Some(op) } else { None };
                steps.into_iter().filter_map(op).collect()
            }
            _ => continue,
        };
        for op in steps {
            match op {
                Op::Create(create) if create.path == path => last = Some(create.acl),
                Op::SetAcl { path: of, acl, .. } if of == path => last = Some(acl),
                _ => {}
            }
        }
    }
    last
}

/// Whether such a list lets everybody read.
pub(crate) fn is_open(list: &AclList) -> bool {
    list.iter().any(|acl| acl.perms.0 & Perms::READ.0 != 0 && &*acl.scheme == "world")
}

/// Where the logs of the two servers part, as text.
pub(crate) fn parting(java: &Server, ours: &Server) -> String {
    let (theirs, own) = match (lines(java), lines(ours)) {
        (Ok(theirs), Ok(own)) => (theirs, own),
        (Err(why), _) => return format!("  Java's log cannot be read: {why}\n"),
        (_, Err(why)) => return format!("  our log cannot be read: {why}\n"),
    };
    let alike = theirs.iter().zip(&own).take_while(|(a, b)| a.compared == b.compared).count();
    if alike == theirs.len() && alike == own.len() {
        return format!("  the logs agree: {alike} transactions\n");
    }
    let mut text = format!("  the logs part after {alike} transactions:\n");
    for (name, lines) in [("java", &theirs), ("ours", &own)] {
        let from = alike.saturating_sub(AROUND);
        for (at, line) in lines.iter().enumerate().skip(from).take(2 * AROUND) {
            let mark = if at == alike { ">" } else { " " };
            let _ = writeln!(text, "  {mark} {name}: {}", line.told);
        }
    }
    text
}

fn lines(server: &Server) -> Result<Vec<Line>, String> {
    let folder = server.folder.join("data/version-2");
    let dir = RealDir::open(folder).map_err(|e| e.to_string())?;
    let mut replay = Replay::open(&dir, Zxid(1), ENTRY_MAX).map_err(|e| e.to_string())?;
    let mut sessions: HashMap<SessionId, usize> = HashMap::new();
    let mut lines = Vec::new();
    while let Some(record) = replay.next_record().map_err(|e| e.to_string())? {
        let entry = decode_entry(record.entry, ENTRY_MAX).map_err(|e| e.to_string())?;
        let next = sessions.len();
        let session = *sessions.entry(entry.header.session).or_insert(next);
        if matches!(entry.txn, Txn::Error(ErrorCode::MarshallingError)) {
            continue;
        }
        let cxid = entry.header.cxid;
        let compared = format!("#{session} cxid {cxid} {}", describe(&entry));
        lines.push(Line { told: format!("{} {compared}", entry.header.zxid), compared });
    }
    Ok(lines)
}

fn describe(entry: &Entry) -> String {
    match &entry.txn {
        Txn::CloseSession { paths: Some(paths) } => {
            let mut paths = paths.clone();
            // Java takes them from a hash table.
            paths.sort();
            format!("closeSession {paths:?}")
        }
        Txn::Op(op) => describe_op(op),
        Txn::Multi(steps) => {
            let steps = steps.iter().map(|step| match step {
                SubTxn::Op(op) => format!("[{}]", describe_op(op)),
                SubTxn::Error(code) => format!("[error {}]", code.code()),
            });
            format!("multi {}", steps.collect::<String>())
        }
        other => format!("{other:?}"),
    }
}

/// Without the data, which may be long; its length stays. ACLs are as the servers list them, and
/// what `auth` stands for is in no order (see `intended`).
fn describe_op(op: &Op) -> String {
    match op {
        Op::Create(create) => format!(
            "create {:?} {:?} {:?} bytes parent cversion {}",
            create.kind,
            create.path,
            create.data.as_ref().map(|data| data.len()),
            create.parent_cversion
        ),
        Op::SetData { path, data, version } => {
            format!("setData {path:?} {:?} bytes {version}", data.as_ref().map(|data| data.len()))
        }
        Op::SetAcl { path, acl: _, version } => format!("setACL {path:?} {version}"),
        Op::Delete { .. } | Op::DeleteContainer { .. } | Op::Check { .. } => format!("{op:?}"),
    }
}
