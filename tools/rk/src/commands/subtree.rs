//! cp, mv, export, import: subtrees with their data, access lists and kinds.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, stdin};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clap::{CommandFactory, Parser};
use ringkeeper::codec::request::{CreateOp, MultiOp, RawAcl, Request, WriteOp};
use ringkeeper::types::{AclList, CreateMode, ErrorCode, Stat};
use serde_json::{Value, json};

use super::read::data_json;
use super::{Context, Done};
use crate::acl;
use crate::client::{self, CallError, Client, NewNode, acl_request, data_request, open_acl};
use crate::connection::Pending;
use crate::error::{CliError, Fault, ImportFault};
use crate::path::{join, validate};
use crate::stat;
use crate::walk::{Order, Visited, Walk};

/// Nodes whose data and lists are asked for at once.
const BATCH: usize = 128;

/// Creates under way.
const WINDOW: usize = 256;

/// Nodes that move in one transaction: a create and a delete each.
const MOVED_MAX: usize = 1000;

/// The server's own subtree, which is no data of anybody's.
const SYSTEM: &str = "/zookeeper";

/// A node, whole.
struct Content {
    path: String,
    data: Option<Vec<u8>>,
    acl: AclList,
    stat: Stat,
}

impl Content {
    /// As it is made anew; `None` for an ephemeral, which belongs to its session. What else it was no client is
    /// told: containers and nodes with a time to live become persistent ones.
    fn copy(self, with_acl: bool) -> Option<NewNode> {
        if stat::session(&self.stat).is_some() {
            return None;
        }
        let acl = match with_acl {
            true => self.acl.iter().map(RawAcl::from).collect(),
            false => open_acl(),
        };
        let data = self.data.map(Bytes::from);
        Some(NewNode { data, acl, mode: CreateMode::Persistent, ttl: None })
    }
}

/// What nodes hold. Those that are gone meanwhile are left out.
fn contents(client: &Client, nodes: Vec<Visited>) -> Result<Vec<Content>, CallError> {
    let mut pending = Vec::new();
    for node in nodes {
        let both =
            (client.ask(data_request(&node.path, false))?, client.ask(acl_request(&node.path))?);
        pending.push((node.path, both));
    }
    let mut contents = Vec::new();
    for (path, (data, acl)) in pending {
        let data = client.read(data, Some(&path), client::data);
        let acl = client.read(acl, Some(&path), client::acl);
        match (data, acl) {
            (Ok((data, stat)), Ok((acl, _))) => contents.push(Content { path, data, acl, stat }),
            (Err(error), _) | (_, Err(error)) if !error.is(ErrorCode::NoNode) => return Err(error),
            _ => {}
        }
    }
    Ok(contents)
}

/// Every node of a subtree, parents first.
fn each(
    client: &Client,
    path: &str,
    mut visit: impl FnMut(Content) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let mut walk = Walk::new(client, path, Order::Depth, false);
    loop {
        let mut batch = Vec::new();
        while batch.len() < BATCH
            && let Some(node) = walk.next()
        {
            let node = node?;
            if path != "/" || node.path != SYSTEM && !node.path.starts_with("/zookeeper/") {
                batch.push(node);
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        for content in contents(client, batch)? {
            visit(content)?;
        }
    }
}

/// Creates on their way; the first that fails ends it.
struct Creates<'a> {
    client: &'a Client,
    under_way: VecDeque<(String, Pending)>,
    made: usize,
}

impl<'a> Creates<'a> {
    fn new(client: &'a Client) -> Creates<'a> {
        Creates { client, under_way: VecDeque::new(), made: 0 }
    }

    fn create(&mut self, path: String, node: NewNode) -> Result<(), CallError> {
        let request = Request::Write(WriteOp::Create(node.at(&path)));
        self.under_way.push_back((path, self.client.ask(request)?));
        match self.under_way.len() >= WINDOW {
            true => self.next(),
            false => Ok(()),
        }
    }

    fn next(&mut self) -> Result<(), CallError> {
        let Some((path, pending)) = self.under_way.pop_front() else { return Ok(()) };
        self.client.read(pending, Some(&path), |_| Some(()))?;
        self.made += 1;
        Ok(())
    }

    fn finish(mut self) -> Result<usize, CallError> {
        while !self.under_way.is_empty() {
            self.next()?;
        }
        Ok(self.made)
    }
}

/// A path of one subtree in another.
fn moved(path: &str, source: &str, target: &str) -> String {
    match path.strip_prefix(source).unwrap_or_default().trim_start_matches('/') {
        "" => target.to_owned(),
        rest => join(target, rest),
    }
}

fn is_apart(source: &str, target: &str) -> Result<(), Fault> {
    let beneath = format!("{}/", source.trim_end_matches('/'));
    if target == source || target.starts_with(&beneath) {
        let (source_path, target) = (source.to_owned(), target.to_owned());
        return Err(Fault::IntoItself { source_path, target });
    }
    Ok(())
}

/// A subtree again at another path, which must not be there. Ephemerals are left out; containers and nodes with a
/// time to live become persistent, for no client is told what they are.
#[derive(Parser, Debug)]
#[command(name = "cp")]
struct Cp {
    /// Open access lists in place of the source's
    #[arg(long)]
    no_acl: bool,
    source: String,
    target: String,
}

pub(super) fn cp_line() -> clap::Command {
    Cp::command()
}

/// `cp`.
pub(super) fn cp(context: &mut Context<'_>, words: &[String]) -> Done {
    let cp = Cp::try_parse_from(words)?;
    validate(&cp.source)?;
    validate(&cp.target)?;
    is_apart(&cp.source, &cp.target)?;
    let mut creates = Creates::new(context.client);
    let mut left_out = 0;
    each(context.client, &cp.source, |content| {
        let path = moved(&content.path, &cp.source, &cp.target);
        match content.copy(!cp.no_acl) {
            Some(node) => creates.create(path, node)?,
            None => left_out += 1,
        }
        Ok(())
    })?;
    let made = creates.finish()?;
    if left_out > 0 {
        context
            .out
            .note(format!("{left_out} ephemerals belong to their sessions and are left out"));
    }
    context.out.line(format!("{made} nodes copied"));
    context.out.value(|| json!({ "copied": made, "ephemerals": left_out }));
    Ok(())
}

/// A subtree to another path, in one transaction: all of it moves or nothing, and nothing that changes meanwhile
/// is lost. Containers and nodes with a time to live become persistent.
#[derive(Parser, Debug)]
#[command(name = "mv")]
struct Mv {
    source: String,
    target: String,
}

pub(super) fn mv_line() -> clap::Command {
    Mv::command()
}

/// `mv`.
pub(super) fn mv(context: &mut Context<'_>, words: &[String]) -> Done {
    let mv = Mv::try_parse_from(words)?;
    validate(&mv.source)?;
    validate(&mv.target)?;
    is_apart(&mv.source, &mv.target)?;
    let (mut creates, mut deletes): (Vec<CreateOp>, Vec<MultiOp>) = (Vec::new(), Vec::new());
    each(context.client, &mv.source, |content| {
        if creates.len() >= MOVED_MAX {
            let (path, nodes) = (mv.source.clone(), creates.len());
            return Err(Fault::TooManyToMove { path, nodes, limit: MOVED_MAX }.into());
        }
        let version = content.stat.version;
        deletes.push(MultiOp::Delete { path: Some(content.path.clone()), version });
        let source = content.path.clone();
        let node = content.copy(true);
        let node = node.ok_or(Fault::Ephemeral { path: source.clone(), verb: "moved" })?;
        creates.push(node.at(&moved(&source, &mv.source, &mv.target)));
        Ok(())
    })?;
    let count = creates.len();
    let creates = creates.into_iter().map(MultiOp::Create);
    let steps: Vec<MultiOp> = creates.chain(deletes.into_iter().rev()).collect();
    let paths: Vec<Option<String>> = steps.iter().map(path_of).collect();
    let pending = context.client.multi(steps)?;
    if let Some((step, code)) = context.client.multi_done(pending)? {
        let path = paths.get(step).cloned().flatten();
        return Err(CallError::Keeper { code, path }.into());
    }
    context.out.line(format!("{count} nodes moved"));
    context.out.value(|| json!({ "moved": count }));
    Ok(())
}

fn path_of(step: &MultiOp) -> Option<String> {
    match step {
        MultiOp::Create(op) => op.path.clone(),
        MultiOp::Delete { path, .. }
        | MultiOp::SetData { path, .. }
        | MultiOp::Check { path, .. } => path.clone(),
    }
}

/// A subtree as JSON, a node a line, parents first. Of the root without /zookeeper. Containers and nodes with a
/// time to live are shown as persistent, for no client is told what they are.
#[derive(Parser, Debug)]
#[command(name = "export")]
struct Export {
    path: String,
}

pub(super) fn export_line() -> clap::Command {
    Export::command()
}

/// `export`.
pub(super) fn export(context: &mut Context<'_>, words: &[String]) -> Done {
    let export = Export::try_parse_from(words)?;
    validate(&export.path)?;
    let client = context.client;
    let out = &mut *context.out;
    each(client, &export.path, |content| {
        // The same in either form of output: it is data.
        out.bytes(json_of(&content).to_string().as_bytes());
        Ok(())
    })
}

fn json_of(content: &Content) -> Value {
    let (key, data) = data_json(content.data.as_deref());
    let list: Vec<String> = content.acl.iter().map(acl::text).collect();
    let mut value = json!({ "path": content.path, key: data, "acl": list });
    value["type"] = "persistent".into();
    if let Some(session) = stat::session(&content.stat) {
        value["type"] = "ephemeral".into();
        value["session"] = session.to_string().into();
    }
    value
}

/// Nodes of an export. Parents have to be there or come first; ephemerals are passed over. A line's type may be
/// container or ttl, with "ttl" in milliseconds, where it was written by hand.
#[derive(Parser, Debug)]
#[command(name = "import")]
struct Import {
    /// Nodes that are there get the data and the access list of the export
    #[arg(long)]
    overwrite: bool,
    /// The export; standard input if there is none, or -
    file: Option<String>,
}

pub(super) fn import_line() -> clap::Command {
    Import::command()
}

/// `import`.
pub(super) fn import(context: &mut Context<'_>, words: &[String]) -> Done {
    let import = Import::try_parse_from(words)?;
    let file = import.file.clone().filter(|file| file != "-");
    let failed = |error| CliError::File { file: file.clone().unwrap_or("-".into()), error };
    let lines: Box<dyn BufRead> = match &file {
        Some(file) => Box::new(BufReader::new(File::open(file).map_err(failed)?)),
        None => Box::new(stdin().lock()),
    };
    let mut under_way: VecDeque<(usize, String, NewNode, Pending)> = VecDeque::new();
    let (mut made, mut left_out) = (0, 0);
    for (at, text) in lines.lines().enumerate() {
        let text = text.map_err(failed)?;
        if text.trim().is_empty() {
            continue;
        }
        let line = at + 1;
        let read = node_of(&text).map_err(|reason| Fault::Import { line, reason })?;
        let Some((path, node)) = read else {
            left_out += 1;
            continue;
        };
        validate(&path)?;
        let op = node.clone().at(&path);
        let pending = context.client.ask(Request::Write(WriteOp::Create(op)))?;
        under_way.push_back((line, path, node, pending));
        if under_way.len() >= WINDOW
            && let Some(oldest) = under_way.pop_front()
        {
            imported(context, &import, oldest)?;
            made += 1;
        }
    }
    for next in under_way {
        imported(context, &import, next)?;
        made += 1;
    }
    if left_out > 0 {
        context
            .out
            .note(format!("{left_out} ephemerals belong to their sessions and are left out"));
    }
    context.out.line(format!("{made} nodes imported"));
    context.out.value(|| json!({ "imported": made, "ephemerals": left_out }));
    Ok(())
}

/// A create's end; a node that is there gets the data, if that was asked for.
fn imported(
    context: &Context<'_>,
    import: &Import,
    (line, path, node, pending): (usize, String, NewNode, Pending),
) -> Result<(), CliError> {
    match context.client.read(pending, Some(&path), |_| Some(())) {
        // The root is always there.
        Err(error) if error.is(ErrorCode::NodeExists) && (import.overwrite || path == "/") => {
            context.client.set(&path, node.data.unwrap_or_default(), -1)?;
            context.client.set_acl(&path, node.acl, -1)?;
            Ok(())
        }
        Err(error) if error.is(ErrorCode::NodeExists) => {
            Err(Fault::Import { line, reason: ImportFault::Exists(path) }.into())
        }
        other => Ok(other?),
    }
}

/// A line of an export; `None` for an ephemeral.
fn node_of(line: &str) -> Result<Option<(String, NewNode)>, ImportFault> {
    let value: Value = serde_json::from_str(line).map_err(|_| ImportFault::Shape)?;
    let path = value["path"].as_str().ok_or(ImportFault::Shape)?.to_owned();
    let ttl = value["ttl"].as_i64();
    let mode = match value["type"].as_str().unwrap_or("persistent") {
        "persistent" => CreateMode::Persistent,
        "container" => CreateMode::Container,
        "ttl" if ttl.is_some() => CreateMode::Ttl,
        "ephemeral" => return Ok(None),
        other => return Err(ImportFault::Kind(other.to_owned())),
    };
    let data = match (value["data"].as_str(), value["data64"].as_str()) {
        (Some(text), _) => Some(text.as_bytes().to_vec()),
        (None, Some(text)) => Some(STANDARD.decode(text).map_err(|_| ImportFault::Base64)?),
        (None, None) => None,
    };
    let acl = match value["acl"].as_array() {
        None => open_acl(),
        Some(entries) => {
            let mut list = Vec::new();
            for entry in entries {
                let (read, faults) = acl::parse(entry.as_str().unwrap_or_default());
                if !faults.is_empty() || read.len() != 1 {
                    return Err(ImportFault::Acl);
                }
                list.extend(read);
            }
            list
        }
    };
    let ttl = ttl.filter(|_| mode == CreateMode::Ttl);
    Ok(Some((path, NewNode { data: data.map(Bytes::from), acl, mode, ttl })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_reads_back() {
        let acl: AclList = ringkeeper::types::open_acl();
        let stat = Stat::default();
        for data in [None, Some(b"text".to_vec()), Some(vec![0xff, 0])] {
            let content = Content { path: "/a".into(), data, acl: acl.clone(), stat };
            let text = json_of(&content).to_string();
            let (path, node) = node_of(&text).unwrap().unwrap();
            assert_eq!((path.as_str(), Some(node)), ("/a", content.copy(true)));
        }
        let refused = |line: &str| node_of(line).unwrap_err();
        assert_eq!(refused("{}"), ImportFault::Shape);
        assert_eq!(refused("x"), ImportFault::Shape);
        assert_eq!(refused(r#"{"path":"/a","data64":"?"}"#), ImportFault::Base64);
        assert_eq!(refused(r#"{"path":"/a","type":"odd"}"#), ImportFault::Kind("odd".into()));
        assert_eq!(refused(r#"{"path":"/a","acl":["x"]}"#), ImportFault::Acl);
        assert!(matches!(node_of(r#"{"path":"/a","type":"ephemeral"}"#), Ok(None)));
    }

    #[test]
    fn paths_move_with_their_subtree() {
        assert_eq!(moved("/a/b/c", "/a", "/x"), "/x/b/c");
        assert_eq!(moved("/a", "/a", "/x/y"), "/x/y");
        assert_eq!(moved("/a/b", "/", "/x"), "/x/a/b");
        assert!(is_apart("/a", "/ab").is_ok() && is_apart("/a/b", "/a").is_ok());
        assert!(is_apart("/a", "/a/b").is_err() && is_apart("/a", "/a").is_err());
        assert!(is_apart("/", "/a").is_err());
    }
}
