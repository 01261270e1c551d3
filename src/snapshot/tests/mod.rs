//! Snapshots under test: Java's files, fuzzy ones, damaged ones, and whole starts.

mod crash;
mod damage;
mod deep;
mod fuzzy;
mod java;
mod start;
mod stream;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::load::{Batch, LoadError, Loaded, Pipeline, load, sequential};
use super::pack::Compression;
use super::write::{WriteOptions, write};
use crate::tree::{Node, Tree, TreeOptions, TreeWriter};
use crate::types::{SessionId, TypeRules, Zxid};

const TYPES: TypeRules = TypeRules { extended_types: true, emulate_353_ttl: false };
const FIELD_MAX: usize = 1 << 20;

fn new_tree() -> (Arc<Tree>, TreeWriter) {
    Tree::new(TreeOptions { shards: 16, hash_seed: 1, types: TYPES, digest: true })
}

fn options(at: Zxid) -> WriteOptions {
    WriteOptions {
        at,
        restored_upto: Zxid::ZERO,
        quiet: false,
        digest: true,
        last_zxid: true,
        compression: Compression::None,
    }
}

/// A snapshot of a tree that does not change.
fn written(tree: &Tree, sessions: &[(SessionId, i32)], options: &WriteOptions) -> Vec<u8> {
    write(tree, sessions, options, Vec::new(), &mut |_| true).unwrap().1
}

fn loaded(bytes: &[u8], zxid: Zxid, writer: &mut TreeWriter) -> Result<Loaded, LoadError> {
    load(bytes, zxid, FIELD_MAX, sequential, writer)
}

/// Everything a tree holds, one line a node, as TreeDump.java prints it.
fn dump(tree: &Tree) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open = vec![String::new()];
    while let Some(path) = open.pop() {
        tree.read(&path, |node| {
            let node = node.unwrap_or_else(|| panic!("{path:?} is a child and no node"));
            open.extend(node.children().map(|name| format!("{path}/{name}")));
            lines.push(line(&node));
        });
    }
    lines.sort();
    lines
}

fn line(node: &Node<'_>) -> String {
    let mut out = format!("node {} ", if node.path().is_empty() { "/" } else { node.path() });
    match node.data() {
        None => out.push_str("null"),
        Some(data) => {
            out.push('x');
            data.iter().for_each(|b| write!(out, "{b:02x}").unwrap());
        }
    }
    let s = node.stored();
    let (times, versions) = ([s.ctime.0, s.mtime.0], [s.version, s.cversion, s.aversion]);
    write!(out, " {} {} {} {}", s.czxid.0, s.mzxid.0, times[0], times[1]).unwrap();
    versions.iter().for_each(|v| write!(out, " {v}").unwrap());
    write!(out, " {} {}", s.owner, s.pzxid.0).unwrap();
    for acl in node.acl().iter() {
        write!(out, " {}:{}:{}", acl.scheme, acl.id, acl.perms.0).unwrap();
    }
    out
}

/// Digest, nodes, bytes of data, and who owns ephemerals.
type Figures = (u64, usize, i64, BTreeMap<SessionId, Vec<String>>);

fn figures(tree: &Tree) -> Figures {
    let owners = tree.sessions_with_ephemerals().into_iter().map(|session| {
        let mut paths = tree.ephemerals_of(session);
        paths.sort();
        (session, paths)
    });
    (tree.digest(), tree.node_count(), tree.data_bytes(), owners.collect())
}
