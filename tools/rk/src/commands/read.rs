//! Commands that look.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Command, Context, Done};
use crate::acl;
use crate::client::CallError;
use crate::error::CliError;
use crate::hexdump::hexdump;
use crate::options::{Opt, Parsed, flag};
use crate::path::{join, validate};
use crate::stat;
use crate::walk::{Order, Walk};
use ringkeeper::types::{ErrorCode, Stat};

pub(super) const GET: &[Opt] = &[
    flag("s", "Print znode stats additionally"),
    flag("w", "Watch for changes on the znode"),
    flag("b", "Output data in base64 format"),
    flag("x", "Output data in hexdump format"),
];
pub(super) const LS: &[Opt] =
    &[flag("?", "help"), flag("s", "stat"), flag("w", "watch"), flag("R", "recurse")];
pub(super) const STAT: &[Opt] = &[flag("w", "watch")];
pub(super) const STATS: &[Opt] = &[flag("s", "stats")];

/// SyncCommand.SYNC_TIMEOUT.
const SYNC_TIMEOUT: Duration = Duration::from_secs(30);

/// The word behind the command's name.
pub(super) fn path(parsed: &Parsed) -> &str {
    parsed.args.get(1).map_or("", String::as_str)
}

/// A Stat's lines.
pub(super) fn print_stat(context: &mut Context<'_>, stat: &Stat) {
    for line in stat::lines(stat) {
        let line = match line.split_once(" = ") {
            Some((key, value)) => {
                format!("{} = {value}", context.out.ink(crate::out::Ink::Key, key))
            }
            None => line,
        };
        context.out.line(line);
    }
}

/// Data for JSON: a text where it is one, else base64.
pub(super) fn data_json(data: Option<&[u8]>) -> (&'static str, Value) {
    match data.map(std::str::from_utf8) {
        None => ("data", Value::Null),
        Some(Ok(text)) => ("data", text.into()),
        Some(Err(_)) => ("data64", STANDARD.encode(data.unwrap_or_default()).into()),
    }
}

/// GetCommand.
pub(super) fn get(context: &mut Context<'_>, parsed: &Parsed) -> Done {
    let path = path(parsed);
    validate(path)?;
    let (data, stat) = context.client.get(path, parsed.has("w"))?;
    context.out.value(|| {
        let (key, data) = data_json(data.as_deref());
        let mut value = json!({ "path": path, key: data });
        if parsed.has("s") {
            value["stat"] = stat::json(&stat);
        }
        value
    });
    if context.out.is_json() {
        return Ok(());
    }
    let data = data.unwrap_or_else(|| b"null".to_vec());
    if parsed.has("x") {
        context.out.line(hexdump(&data));
    } else if parsed.has("b") {
        context.out.line(STANDARD.encode(&data));
    } else {
        context.out.bytes(&data);
    }
    if parsed.has("s") {
        print_stat(context, &stat);
    }
    Ok(())
}

/// LsCommand.
pub(super) fn ls(context: &mut Context<'_>, parsed: &Parsed) -> Done {
    let command = Command::find("ls");
    if parsed.has("?") {
        let lines = command.map(Command::option_lines).unwrap_or_default();
        context.out.line(format!("usage: ls [options] path\n{lines}"));
    }
    if let Some(command) = command.filter(|_| parsed.args.len() < 2) {
        return Err(CliError::Usage(command));
    }
    let path = path(parsed);
    validate(path)?;
    if parsed.has("R") {
        return ls_recursive(context, path, parsed.has("w"));
    }
    let (mut names, stat) = context.client.children(path, parsed.has("w"))?;
    names.sort();
    context.out.value(|| {
        let mut value = json!({ "path": path, "children": names });
        if parsed.has("s") {
            value["stat"] = stat::json(&stat);
        }
        value
    });
    context.out.line(format!("[{}]", names.join(", ")));
    if parsed.has("s") {
        print_stat(context, &stat);
    }
    Ok(())
}

/// ZKUtil.visitSubTreeDFS: a node's children are named before what is beneath them.
fn ls_recursive(context: &mut Context<'_>, path: &str, watch: bool) -> Done {
    // The root's data is watched, of the others the children.
    context.client.get(path, watch)?;
    let mut walk = Walk::new(context.client, path, Order::Depth, watch);
    let out = &mut *context.out;
    out.line(path);
    out.value(|| json!({ "path": path }));
    while let Some(node) = walk.next() {
        let node = node?;
        for name in &node.children {
            let path = join(&node.path, name);
            out.line(&path);
            out.value(|| json!({ "path": path }));
        }
        if out.is_broken() {
            break;
        }
    }
    Ok(())
}

/// StatCommand.
pub(super) fn stat(context: &mut Context<'_>, parsed: &Parsed) -> Done {
    let path = path(parsed);
    validate(path)?;
    let stat = context.client.exists(path, parsed.has("w"))?;
    let stat = stat.ok_or_else(|| CallError::keeper(ErrorCode::NoNode, path))?;
    context.out.value(|| json!({ "path": path, "stat": stat::json(&stat) }));
    print_stat(context, &stat);
    Ok(())
}

/// GetAclCommand.
pub(super) fn get_acl(context: &mut Context<'_>, parsed: &Parsed) -> Done {
    let path = path(parsed);
    validate(path)?;
    let (list, stat) = context.client.acl(path)?;
    context.out.value(|| {
        let list: Vec<String> = list.iter().map(acl::text).collect();
        let mut value = json!({ "path": path, "acl": list });
        if parsed.has("s") {
            value["stat"] = stat::json(&stat);
        }
        value
    });
    for entry in list.iter() {
        context.out.line(acl::line(entry));
    }
    if parsed.has("s") {
        print_stat(context, &stat);
    }
    Ok(())
}

/// GetAllChildrenNumberCommand.
pub(super) fn all_children_number(context: &mut Context<'_>, parsed: &Parsed) -> Done {
    let path = path(parsed);
    validate(path)?;
    let number = context.client.all_children_number(path)?;
    context.out.value(|| json!({ "path": path, "allChildrenNumber": number }));
    context.out.line(number);
    Ok(())
}

/// GetEphemeralsCommand.
pub(super) fn ephemerals(context: &mut Context<'_>, parsed: &Parsed) -> Done {
    let prefix = parsed.args.get(1).map(String::as_str);
    if let Some(prefix) = prefix {
        validate(prefix)?;
    }
    let paths = context.client.ephemerals(prefix)?;
    context.out.value(|| json!({ "ephemerals": paths }));
    context.out.line(format!("[{}]", paths.join(", ")));
    Ok(())
}

/// SyncCommand.
pub(super) fn sync(context: &mut Context<'_>, parsed: &Parsed) -> Done {
    let path = path(parsed);
    validate(path)?;
    let answer = match context.client.sync(path)?.wait_for(SYNC_TIMEOUT) {
        Some(answer) => answer.map_err(CallError::Ask)?,
        None => return Err(CallError::keeper(ErrorCode::OperationTimeout, path).into()),
    };
    context.out.value(|| json!({ "path": path, "code": answer.error }));
    match answer.is_ok() {
        true => context.out.line("Sync is OK"),
        false => context.out.line(format!("Sync has failed. rc={}", answer.error)),
    }
    Ok(())
}
