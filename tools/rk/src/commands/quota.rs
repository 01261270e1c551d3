//! Quotas: nodes beneath /zookeeper/quota, written as any other (SetQuotaCommand, ListQuotaCommand,
//! DelQuotaCommand).

use ringkeeper::types::ErrorCode;
use serde_json::json;

use super::read::path;
use super::{Context, Done};
use crate::client::{CallError, Client, NewNode};
use crate::error::{CliError, Fault};
use crate::options::{Opt, Parsed, flag, valued};
use crate::out::Out;
use crate::path::validate;
use crate::quota_text::{
    BYTES, BYTES_HARD, COUNT, COUNT_HARD, LIMITS, Quota, ROOT, limits, place, stats,
};
use crate::walk::{Order, Walk};

pub(super) const SET: &[Opt] = &[
    valued("n", "num soft quota"),
    valued("b", "bytes soft quota"),
    valued("N", "num hard quota"),
    valued("B", "bytes hard quota"),
];
pub(super) const DELETE: &[Opt] = &[
    flag("n", "num soft quota"),
    flag("b", "bytes soft quota"),
    flag("N", "num hard quota"),
    flag("B", "bytes hard quota"),
];

/// Which number of a quota an option is, and the least it may be.
const NUMBERS: [(&str, &str); 4] =
    [("n", COUNT), ("b", BYTES), ("N", COUNT_HARD), ("B", BYTES_HARD)];

/// What is wrong with a number, in zkCli's words; it is told, and the command has not failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
enum NumberFault {
    #[error("NumberFormatException happens when parsing the option value")]
    Number,
    #[error("the num quota must be greater than zero")]
    Count,
    #[error("the bytes quota must be greater than or equal to zero")]
    Bytes,
}

/// What the options ask for (SetQuotaCommand.checkOptionValue).
fn asked(parsed: &Parsed) -> Result<Quota, NumberFault> {
    let mut quota = Quota::unlimited();
    for (option, number) in NUMBERS {
        let Some(text) = parsed.value(option) else { continue };
        let is_count = option.eq_ignore_ascii_case("n");
        let value: i64 = match is_count {
            true => text.parse::<i32>().map_err(|_| NumberFault::Number)?.into(),
            false => text.parse().map_err(|_| NumberFault::Number)?,
        };
        match is_count {
            true if value <= 0 => return Err(NumberFault::Count),
            false if value < 0 => return Err(NumberFault::Bytes),
            _ => quota.set(number, value),
        }
    }
    Ok(quota)
}

/// SetQuotaCommand.
pub(super) fn set(context: &mut Context<'_>, parsed: &Parsed) -> Done {
    let path = path(parsed);
    if path.starts_with(ROOT) {
        context.out.note(format!("cannot set a quota under the path: {ROOT}"));
        return Ok(());
    }
    let quota = match asked(parsed) {
        Ok(quota) => quota,
        Err(fault) => {
            context.out.note(fault);
            return Ok(());
        }
    };
    validate(path)?;
    let client = context.client;
    client.exists(path, false)?.ok_or_else(|| Fault::NoNodeForQuota(path.to_owned()))?;
    has_no_child_quota(client, path)?;
    has_no_parent_quota(client, path)?;
    make_places(client, path)?;
    if client.exists(&limits(path), false)?.is_none() {
        client.create(&limits(path), NewNode::of(Some(quota.text().into())))?;
        client.create(&stats(path), NewNode::of(Some(Quota::zero().text().into())))?;
        let (limits, stats) = (read(client, &limits(path))?, read(client, &stats(path))?);
        warn(context.out, &limits, &stats);
    } else {
        let mut changed = read(client, &limits(path))?;
        for (_, number) in NUMBERS {
            if quota.get(number) > -1 {
                changed.set(number, quota.get(number));
            }
        }
        let stats = read(client, &stats(path))?;
        warn(context.out, &changed, &stats);
        client.set(&limits(path), changed.text().into(), -1)?;
    }
    context.out.value(|| json!({ "path": path }));
    Ok(())
}

fn read(client: &Client, path: &str) -> Result<Quota, CliError> {
    let (data, _) = client.get(path, false)?;
    Ok(Quota::parse(&data.unwrap_or_default())?)
}

/// SetQuotaCommand.checkQuota.
fn warn(out: &mut Out, limits: &Quota, stats: &Quota) {
    let is_less = |soft, hard, count: i64| {
        [soft, hard].into_iter().any(|limit| (0..count).contains(&limits.get(limit)))
    };
    let (count, bytes) = (stats.get(COUNT), stats.get(BYTES));
    if is_less(COUNT, COUNT_HARD, count) {
        out.line(format!(
            "[Warning]: the count quota you create is less than the existing count:{count}"
        ));
    }
    if is_less(BYTES, BYTES_HARD, bytes) {
        out.line(format!(
            "[Warning]: the bytes quota you create is less than the existing bytes:{bytes}"
        ));
    }
}

/// SetQuotaCommand.checkIfChildQuota.
fn has_no_child_quota(client: &Client, path: &str) -> Result<(), CliError> {
    let own = place(path);
    // The root's place ends with a slash, and Java's client refuses it as a path.
    validate(&own)?;
    let mut walk = Walk::new(client, &own, Order::Depth, false);
    while let Some(node) = walk.next() {
        let node = match node {
            Ok(node) => node,
            Err(error) if error.is(ErrorCode::NoNode) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if node.path != own && node.children.iter().any(|name| name == LIMITS) {
            let other = node.path[ROOT.len()..].to_owned();
            return Err(Fault::ChildQuota { path: path.to_owned(), other }.into());
        }
    }
    Ok(())
}

/// SetQuotaCommand.checkIfParentQuota.
fn has_no_parent_quota(client: &Client, path: &str) -> Result<(), CliError> {
    for (at, _) in path.match_indices('/').skip(1) {
        let other = &path[..at];
        let names = match client.children(&place(other), false) {
            Ok((names, _)) => names,
            Err(error) if error.is(ErrorCode::NoNode) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if names.iter().any(|name| name == LIMITS) {
            let (path, other) = (path.to_owned(), other.to_owned());
            return Err(Fault::ParentQuota { path, other }.into());
        }
    }
    Ok(())
}

/// The nodes under which the limits will lie.
fn make_places(client: &Client, path: &str) -> Result<(), CallError> {
    let ends = path.match_indices('/').skip(1).map(|(at, _)| at).chain([path.len()]);
    let places = ["/zookeeper".to_owned(), ROOT.to_owned()];
    for place in places.into_iter().chain(ends.map(|end| place(&path[..end]))) {
        if client.exists(&place, false)?.is_some() {
            continue;
        }
        match client.create(&place, NewNode::of(None)) {
            Err(error) if !error.is(ErrorCode::NodeExists) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// ListQuotaCommand.
pub(super) fn list(context: &mut Context<'_>, parsed: &Parsed) -> Done {
    let path = path(parsed);
    if !context.out.is_json() {
        context.out.note(format!("absolute path is {}", limits(path)));
    }
    validate(&limits(path))?;
    let both = read(context.client, &limits(path))
        .and_then(|limits| Ok((limits, read(context.client, &stats(path))?)));
    let (limits, stats) = match both {
        Ok(both) => both,
        Err(CliError::Call(error)) if error.is(ErrorCode::NoNode) => {
            context.out.note(format!("quota for {path} does not exist."));
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    context.out.line(format!("Output quota for {path} {}", limits.text()));
    context.out.line(format!("Output stat for {path} {}", stats.text()));
    context.out.value(|| {
        let of = |quota: &Quota| {
            let all = NUMBERS.map(|(_, number)| (number.to_owned(), quota.get(number).into()));
            serde_json::Value::Object(all.into_iter().collect())
        };
        json!({ "path": path, "limits": of(&limits), "stats": of(&stats) })
    });
    Ok(())
}

/// DelQuotaCommand.
pub(super) fn delete(context: &mut Context<'_>, parsed: &Parsed) -> Done {
    let path = path(parsed);
    validate(&limits(path))?;
    if context.client.exists(&limits(path), false)?.is_none() {
        context.out.line(format!("Quota does not exist for {path}"));
        return Ok(());
    }
    match delete_some(context.client, parsed, path) {
        Err(CliError::Call(error)) if error.is(ErrorCode::NoNode) => {
            context.out.note(format!("quota for {path} does not exist."));
            Ok(())
        }
        other => other,
    }
}

fn delete_some(client: &Client, parsed: &Parsed, path: &str) -> Done {
    let mut quota = read(client, &limits(path))?;
    let numbers: Vec<&str> =
        NUMBERS.into_iter().filter(|(option, _)| parsed.has(option)).map(|(_, n)| n).collect();
    if !numbers.is_empty() {
        for number in numbers {
            quota.set(number, -1);
        }
        client.set(&limits(path), quota.text().into(), -1)?;
        return Ok(());
    }
    let own = place(path);
    for name in client.children(&own, false)?.0 {
        client.delete(&format!("{own}/{name}"), -1)?;
    }
    // Places above that are empty now go as well (DelQuotaCommand.trimProcQuotas).
    let mut at = own.as_str();
    while at != ROOT && client.children(at, false)?.0.is_empty() {
        client.delete(at, -1)?;
        at = at.rsplit_once('/').map_or(ROOT, |(parent, _)| parent);
    }
    Ok(())
}
