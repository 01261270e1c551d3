//! A transaction as the toolkit prints it (TxnLogToolkit.printTxn; org.apache.jute.ToStringOutputArchive).

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ringkeeper::codec::jute::{DecodeError, Reader, java_text};
use ringkeeper::codec::txn::{
    CreateTxn, CreateTxnKind, Op, SubTxn, Txn, decode_entry, decode_entry_header, kind, multi_steps,
};
use ringkeeper::codec::txnlog::ENTRY_BYTES_MIN;
use ringkeeper::types::{Acl, WallMillis};

/// The path of every reconfig.
const CONFIG_NODE: &str = "/zookeeper/config";

/// One entry of a log. Its text ends without an end of line; there may be some within it.
pub(super) fn line(entry: &[u8], limit: usize) -> Result<String, DecodeError> {
    let (header, number) = decode_entry_header(entry)?;
    let body = match number {
        // Java shows a step's bytes as they are, whatever they are.
        kind::MULTI => {
            let steps = multi_steps(entry, limit)?;
            let step = |(number, data): (i32, Option<&[u8]>)| {
                format!("{}:{}", op(number), java_text(data.unwrap_or_default()))
            };
            steps.into_iter().map(step).collect::<Vec<_>>().join(";")
        }
        // As it lies there: nobody has a word for every number.
        kind::ERROR => {
            let code = entry.get(ENTRY_BYTES_MIN..).unwrap_or_default();
            Reader::new(code).i32("err")?.to_string()
        }
        _ => body(&decode_entry(entry, limit)?.txn),
    };
    let text = format!(
        "{} session 0x{:x} cxid 0x{:x} zxid 0x{:x} {} {body}",
        date(header.time),
        header.session.0,
        header.cxid,
        header.zxid.0,
        op(number)
    );
    Ok(text)
}

/// DateFormat's SHORT date and LONG time, in English.
fn date(time: WallMillis) -> String {
    shown(time, "%-m/%-d/%y, %-I:%M:%S %p %Z")
}

/// DateFormat's MEDIUM date and time, in English.
pub(super) fn medium_date(time: WallMillis) -> String {
    shown(time, "%b %-d, %Y, %-I:%M:%S %p")
}

fn shown(time: WallMillis, format: &str) -> String {
    let Ok(at) = Timestamp::from_millisecond(time.0) else {
        // Java counts further than any calendar.
        return format!("{} ms since 1970", time.0);
    };
    let zone = TimeZone::try_system().unwrap_or(TimeZone::UTC);
    at.to_zoned_datetime(zone).strftime(format).to_string()
}

/// TxnLogToolkit.getFormattedTxnStr.
fn body(txn: &Txn) -> String {
    match txn {
        Txn::CreateSession { timeout } => timeout.to_string(),
        Txn::CloseSession { paths: None } => String::new(),
        Txn::CloseSession { paths: Some(paths) } => {
            let paths: Vec<String> = paths.iter().map(|path| quoted(path)).collect();
            format!("v{{{}}}", paths.join(","))
        }
        Txn::Error(code) => code.code().to_string(),
        Txn::Op(op) => operation(op),
        // Only what `multi_steps` was not asked for comes here.
        Txn::Multi(steps) => steps.iter().map(step).collect::<Vec<_>>().join(";"),
        Txn::Reconfig { config, version } => {
            format!("{CONFIG_NODE},{},{version}", data(config.as_deref()))
        }
    }
}

fn step(step: &SubTxn) -> String {
    match step {
        SubTxn::Op(op) => operation(op),
        SubTxn::Error(code) => code.code().to_string(),
    }
}

fn operation(op: &Op) -> String {
    match op {
        Op::Create(create) => created(create),
        Op::Delete { path } | Op::DeleteContainer { path } => quoted(path),
        Op::SetData { path, data: bytes, version } => {
            format!("{path},{},{version}", data(bytes.as_deref()))
        }
        Op::SetAcl { path, acl, version } => {
            let entries: Vec<String> =
                acl.iter().map(|acl| format!("s{{{}}}", entry(acl))).collect();
            format!("{},v{{{}}},{version}", quoted(path), entries.join(","))
        }
        Op::Check { path, version } => format!("{},{version}", quoted(path)),
    }
}

fn created(create: &CreateTxn) -> String {
    let CreateTxn { kind, path, data: bytes, acl, parent_cversion } = create;
    // List.toString of records, each of which ends its line.
    let acl: Vec<String> = acl.iter().map(|acl| format!("{}\n", entry(acl))).collect();
    let begin = format!("{path},{},[{}]", data(bytes.as_deref()), acl.join(", "));
    match kind {
        CreateTxnKind::Create { ephemeral } | CreateTxnKind::Create2 { ephemeral } => {
            format!("{begin},{ephemeral},{parent_cversion}")
        }
        CreateTxnKind::Container => format!("{begin},{parent_cversion}"),
        CreateTxnKind::Ttl(ttl) => format!("{begin},{parent_cversion},{ttl}"),
    }
}

fn data(bytes: Option<&[u8]>) -> std::borrow::Cow<'_, str> {
    java_text(bytes.unwrap_or_default())
}

/// An entry of an access list.
fn entry(acl: &Acl) -> String {
    format!("{},s{{{},{}}}", acl.perms.0, quoted(&acl.scheme), quoted(&acl.id))
}

/// ToStringOutputArchive.escapeString.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 1);
    out.push('\'');
    for c in text.chars() {
        match c {
            '\0' => out.push_str("%00"),
            '\n' => out.push_str("%0A"),
            '\r' => out.push_str("%0D"),
            ',' => out.push_str("%2C"),
            '}' => out.push_str("%7D"),
            '%' => out.push_str("%25"),
            other => out.push(other),
        }
    }
    out
}

/// Request.op2String.
fn op(number: i32) -> String {
    let name = match number {
        0 => "notification",
        1 => "create",
        2 => "delete",
        3 => "exists",
        4 => "getData",
        5 => "setData",
        6 => "getACL",
        7 => "setACL",
        8 => "getChildren",
        9 => "sync",
        11 => "ping",
        12 => "getChildren2",
        13 => "check",
        14 => "multi",
        15 => "create2",
        16 => "reconfig",
        17 => "checkWatches",
        18 => "removeWatches",
        19 => "createContainer",
        20 => "deleteContainer",
        21 => "createTTL",
        22 => "multiRead",
        100 => "auth",
        101 => "setWatches",
        102 => "sasl",
        103 => "getEphemerals",
        104 => "getAllChildrenNumber",
        105 => "setWatches2",
        106 => "addWatch",
        107 => "whoAmI",
        -10 => "createSession",
        -11 => "closeSession",
        -1 => "error",
        _ => return format!("unknown {number}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringkeeper::types::Perms;

    #[test]
    fn texts_are_escaped_and_lists_end_their_lines() {
        assert_eq!(quoted("/a,b}%\n"), "'/a%2Cb%7D%25%0A");
        let acl = [Acl::new(Perms::ALL, "world", "anyone"), Acl::new(Perms::READ, "ip", "::1")];
        let create = CreateTxn {
            kind: CreateTxnKind::Create { ephemeral: true },
            path: "/a".into(),
            data: None,
            acl: acl.to_vec().into(),
            parent_cversion: 3,
        };
        let expected = "/a,,[31,s{'world,'anyone}\n, 1,s{'ip,'::1}\n],true,3";
        assert_eq!(created(&create), expected);
        let acl = acl[..1].to_vec().into();
        let set = Op::SetAcl { path: "/a".into(), acl, version: 2 };
        assert_eq!(operation(&set), "'/a,v{s{31,s{'world,'anyone}}},2");
        assert_eq!(
            body(&Txn::CloseSession { paths: Some(vec!["/e".into(), "/f".into()]) }),
            "v{'/e,'/f}"
        );
    }
}
