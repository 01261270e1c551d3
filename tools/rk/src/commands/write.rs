//! Commands that change nodes.

use std::collections::VecDeque;
use std::io::{Write, stderr};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use ringkeeper::codec::request::{MultiOp, RawAcl};
use ringkeeper::types::{CreateMode, ErrorCode};
use serde_json::json;

use super::read::{path, print_stat};
use super::{Context, Done};
use crate::acl;
use crate::client::{CallError, NewNode, open_acl};
use crate::connection::Pending;
use crate::error::{CliError, Fault};
use crate::options::{Opt, Parsed, flag, valued};
use crate::path::{PathFault, validate};
use crate::stat;
use crate::walk::{Order, Walk};

pub(super) const CREATE_USAGE: &str = "[-s] [-e] [-c] [-t ttl] path [data] [acl]";
pub(super) const CREATE: &[Opt] =
    &[flag("e", "ephemeral"), flag("s", "sequential"), flag("c", "container"), valued("t", "ttl")];
pub(super) const SET: &[Opt] = &[
    flag("s", "Print znode stats additionally"),
    valued("v", "Set with an expected version"),
    flag("b", "Supply data in base64 format"),
];
pub(super) const SET_ACL: &[Opt] =
    &[flag("s", "stats"), valued("v", "version"), flag("R", "recursive")];
pub(super) const DELETE: &[Opt] = &[valued("v", "version")];
pub(super) const DELETE_ALL: &[Opt] = &[valued("b", "batch size")];

/// Multis of deleteall under way (ZKUtil.deleteInBatch).
const BATCHES: usize = 10;

/// Between two words of progress.
const PROGRESS: Duration = Duration::from_millis(200);

/// CreateMode of the options, and the time to live.
fn mode(parsed: &Parsed) -> Result<(CreateMode, Option<i64>), Fault> {
    let (e, s, c) = (parsed.has("e"), parsed.has("s"), parsed.has("c"));
    let has_ttl = parsed.has("t");
    if c && (e || s) {
        return Err(Fault::Container);
    }
    let ttl = parsed.value("t").map(str::parse::<i64>).transpose().map_err(|_| Fault::TtlNumber)?;
    if has_ttl && e {
        return Err(Fault::TtlEphemeral);
    }
    if has_ttl && c {
        return Err(Fault::TtlContainer);
    }
    let mode = match (e, s, c, has_ttl) {
        (true, true, ..) => CreateMode::EphemeralSequential,
        (true, false, ..) => CreateMode::Ephemeral,
        (_, true, _, true) => CreateMode::TtlSequential,
        (_, true, _, false) => CreateMode::PersistentSequential,
        (_, _, true, _) => CreateMode::Container,
        (_, _, _, true) => CreateMode::Ttl,
        _ => CreateMode::Persistent,
    };
    if ttl.is_some_and(|ttl| !(1..=CreateMode::TTL_MS_MAX).contains(&ttl)) {
        return Err(Fault::TtlRange);
    }
    Ok((mode, ttl))
}

/// A list, with a word about each part that is passed over.
fn read_acl(context: &mut Context<'_>, text: &str) -> Vec<RawAcl> {
    let (list, faults) = acl::parse(text);
    for fault in faults {
        context.out.note(fault);
    }
    list
}

/// ZooKeeper.validateACL: an empty list is not sent.
fn is_some_acl(list: &[RawAcl]) -> Result<(), CallError> {
    match list.is_empty() {
        true => Err(CallError::Keeper { code: ErrorCode::InvalidAcl.code(), path: None }),
        false => Ok(()),
    }
}

/// PathUtils.validatePath of a path that is given its number.
fn validate_new(path: &str, mode: CreateMode) -> Result<(), PathFault> {
    match mode.is_sequential() {
        true => validate(&format!("{path}1")),
        false => validate(path),
    }
}

/// CreateCommand.
pub(super) fn create(context: &mut Context<'_>, parsed: &Parsed) -> Done {
    let (mode, ttl) = mode(parsed)?;
    let path = path(parsed);
    let data = parsed.args.get(2).map(|data| Bytes::copy_from_slice(data.as_bytes()));
    let acl = match parsed.args.get(3) {
        Some(text) => read_acl(context, text),
        None => open_acl(),
    };
    validate_new(path, mode)?;
    let made = is_some_acl(&acl)
        .and_then(|()| context.client.create(path, NewNode { data, acl, mode, ttl }));
    let made = match made {
        Ok(made) => made,
        Err(error) => {
            if error.is(ErrorCode::EphemeralOnLocalSession) {
                context.out.note("Unable to create ephemeral node on a local session");
            } else if error.is(ErrorCode::InvalidAcl) {
                context.out.note(&error);
            }
            return Err(error.into());
        }
    };
    context.out.value(|| json!({ "path": made }));
    if !context.out.is_json() {
        context.out.note(format!("Created {made}"));
    }
    Ok(())
}

/// The version asked for, -1 for any.
fn version(parsed: &Parsed) -> Result<i32, Fault> {
    parsed.value("v").map_or(Ok(-1), |text| text.parse().map_err(|_| Fault::Version))
}

/// SetCommand.
pub(super) fn set(context: &mut Context<'_>, parsed: &Parsed) -> Done {
    let path = path(parsed);
    let text = parsed.args.get(2).map_or("", String::as_str);
    let data = match parsed.has("b") {
        true => STANDARD.decode(text).map_err(|_| Fault::Base64)?,
        false => text.as_bytes().to_vec(),
    };
    let version = version(parsed)?;
    validate(path)?;
    let stat = context.client.set(path, data.into(), version)?;
    context.out.value(|| json!({ "path": path, "stat": stat::json(&stat) }));
    if parsed.has("s") {
        print_stat(context, &stat);
    }
    Ok(())
}

/// DeleteCommand.
pub(super) fn delete(context: &mut Context<'_>, parsed: &Parsed) -> Done {
    if parsed.args.len() > 2 {
        context.out.note(
            "'delete path [version]' has been deprecated. Please use 'delete [-v version] path' \
             instead.",
        );
    }
    let path = path(parsed);
    let version = version(parsed)?;
    validate(path)?;
    context.client.delete(path, version)?;
    context.out.value(|| json!({ "deleted": path }));
    Ok(())
}

/// SetAclCommand.
pub(super) fn set_acl(context: &mut Context<'_>, parsed: &Parsed) -> Done {
    let path = path(parsed);
    let list = parsed.args.get(2).cloned().unwrap_or_default();
    let acl = read_acl(context, &list);
    let version = version(parsed)?;
    validate(path)?;
    if parsed.has("R") {
        return set_acl_recursive(context, path, &acl, version);
    }
    is_some_acl(&acl)?;
    let stat = context.client.set_acl(path, acl, version)?;
    context.out.value(|| json!({ "path": path, "stat": stat::json(&stat) }));
    if parsed.has("s") {
        print_stat(context, &stat);
    }
    Ok(())
}

/// ZKUtil.visitSubTreeDFS, an ACL for each. What fails is told, and is passed over.
fn set_acl_recursive(context: &mut Context<'_>, path: &str, acl: &[RawAcl], version: i32) -> Done {
    context.client.get(path, false)?;
    let mut walk = Walk::new(context.client, path, Order::Depth, false);
    let mut paths = Vec::new();
    while let Some(node) = walk.next() {
        paths.push(node?.path);
    }
    for path in paths {
        let set = is_some_acl(acl)
            .and_then(|()| context.client.set_acl(&path, acl.to_vec(), version).map(drop));
        if let Err(error) = set {
            context.out.line(&error);
            context.out.value(|| json!({ "path": path, "error": error.to_string() }));
        }
    }
    Ok(())
}

/// rmr, which ZooKeeper had until 3.6.
pub(super) fn rmr(context: &mut Context<'_>, parsed: &Parsed) -> Done {
    context.out.note("The command 'rmr' has been deprecated. Please use 'deleteall' instead.");
    delete_all(context, parsed)
}

/// DeleteAllCommand.
pub(super) fn delete_all(context: &mut Context<'_>, parsed: &Parsed) -> Done {
    let batch = match parsed.value("b") {
        Some(text) => text.parse::<i32>().map_err(|_| Fault::Batch)?,
        None => 1000,
    };
    let path = path(parsed);
    validate(path)?;
    let mut walk = Walk::new(context.client, path, Order::Breadth, false);
    let mut progress = Progress::new(context.is_watched, "found");
    let mut tree = Vec::new();
    while let Some(node) = walk.next() {
        tree.push(node?.path);
        progress.at(tree.len());
    }
    let count = tree.len();
    let is_whole = match usize::try_from(batch).ok().filter(|batch| *batch > 0) {
        Some(batch) => delete_in_batches(context, tree, batch)?,
        None => {
            for path in tree.iter().rev() {
                context.client.delete(path, -1)?;
            }
            true
        }
    };
    context.out.value(|| json!({ "path": path, "found": count, "isDeleted": is_whole }));
    if !is_whole {
        context.out.note("Failed to delete some node(s) in the subtree!");
    }
    Ok(())
}

/// Leaves first. Whether all was deleted; after the first failure no more is sent.
fn delete_in_batches(
    context: &Context<'_>,
    mut tree: Vec<String>,
    batch: usize,
) -> Result<bool, CliError> {
    let mut progress = Progress::new(context.is_watched, "deleted");
    let mut under_way: VecDeque<(usize, Pending)> = VecDeque::new();
    let (mut is_whole, mut deleted) = (true, 0);
    while is_whole && !tree.is_empty() {
        if under_way.len() >= BATCHES
            && let Some((count, pending)) = under_way.pop_front()
        {
            is_whole = is_done(context, pending)?;
            deleted += count;
            progress.at(deleted);
            continue;
        }
        let paths = tree.split_off(tree.len().saturating_sub(batch));
        let count = paths.len();
        let steps = paths.into_iter().rev();
        let steps = steps.map(|path| MultiOp::Delete { path: Some(path), version: -1 }).collect();
        under_way.push_back((count, context.client.multi(steps)?));
    }
    for (_, pending) in under_way {
        is_whole &= is_done(context, pending)?;
    }
    Ok(is_whole)
}

/// Whether all of a multi was done. One that was refused as a whole was not.
fn is_done(context: &Context<'_>, pending: Pending) -> Result<bool, CliError> {
    match context.client.multi_done(pending) {
        Ok(failed) => Ok(failed.is_none()),
        Err(CallError::Keeper { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// How far it is, for whoever looks on.
pub(super) struct Progress {
    is_shown: bool,
    verb: &'static str,
    last: Instant,
    is_dirty: bool,
}

impl Progress {
    pub(super) fn new(is_shown: bool, verb: &'static str) -> Progress {
        Progress { is_shown, verb, last: Instant::now(), is_dirty: false }
    }

    pub(super) fn at(&mut self, count: usize) {
        if self.is_shown && self.last.elapsed() >= PROGRESS {
            self.last = Instant::now();
            self.is_dirty = true;
            let _ = write!(stderr(), "\r{count} {}", self.verb);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_dirty {
            let _ = write!(stderr(), "\r\u{1b}[K");
        }
    }
}
