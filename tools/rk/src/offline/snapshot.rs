//! Snapshots: printed, summed up, compared, read to their ends (org.apache.zookeeper.server.SnapshotFormatter,
//! SnapshotRecursiveSummary, SnapshotComparer). Java looks at no checksum; where one is wrong the same is
//! printed here, then what is wrong with the file is said, and the command fails.

mod compare;

use std::fmt::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ringkeeper::codec::txn::TxnDigest;
use ringkeeper::snapshot::directory::SnapshotFile;
use ringkeeper::snapshot::load::sequential;
use ringkeeper::snapshot::name::zxid_of_snapshot;
use ringkeeper::snapshot::{RestoreOptions, load_file};
use ringkeeper::tree::{Tree, TreeOptions};
use ringkeeper::types::{NodeKind, TypeRules, Zxid};

use super::fault::OfflineError;
use super::tree::{Keep, SnapshotTree, file_name, name};
use super::{place, usage};
use crate::out::Out;
use crate::stat;

pub(super) use compare::compare;

const FORMAT_USAGE: &str = "USAGE: SnapshotFormatter [-d|-json] snapshot_file
       -d dump the data for each znode
       -json dump znode info in json format";

const SUMMARY_USAGE: &str = "USAGE:


SnapshotRecursiveSummary  <snapshot_file>  <starting_node>  <max_depth>


snapshot_file:    path to the zookeeper snapshot
starting_node:    the path in the zookeeper tree where the traversal should begin
max_depth:        defines the depth where the tool still writes to the output. 0 means there is no depth limit, every non-leaf node's stats will be displayed, 1 means it will only contain the starting node's and it's children's stats, 2 ads another level and so on. This ONLY affects the level of details displayed, NOT the calculation.";

/// The number of the first node in ncdu's format, less one.
const FIRST_INODE: u64 = 1000;

type Done = Result<(), OfflineError>;

/// SnapshotFormatter.main.
pub(super) fn format(words: &[String], limit: usize, out: &mut Out) -> Done {
    let usage = || OfflineError::Usage { text: FORMAT_USAGE.to_owned(), code: 2 };
    let (mut with_data, mut as_json, mut rest) = (false, false, words);
    let file = loop {
        let Some((word, behind)) = rest.split_first() else { return Err(usage()) };
        rest = behind;
        match word.as_str() {
            "-d" => with_data = true,
            "-json" => as_json = true,
            file => break file,
        }
    };
    if !rest.is_empty() {
        return Err(usage());
    }
    if let Some(fault) = no_file(file) {
        return Err(OfflineError::NotAFile(fault));
    }
    if with_data && as_json {
        return Err(OfflineError::DataAndJson);
    }
    let keep = if with_data { Keep::Data } else { Keep::Lengths };
    let tree = SnapshotTree::read(file, keep, limit)?;
    match as_json {
        true => print_json(&tree, out),
        false => print_details(&tree, zxid_of_snapshot(&file_name(file)), with_data, out),
    }
    is_sound(file, tree)
}

/// The same with -json.
pub(super) fn json(words: &[String], limit: usize, out: &mut Out) -> Done {
    let mut all = vec!["-json".to_owned()];
    all.extend_from_slice(words);
    format(&all, limit, out)
}

/// After what was printed, whether it can be trusted.
fn is_sound(file: &str, tree: SnapshotTree) -> Done {
    match tree.unsound {
        None => Ok(()),
        Some(error) => Err(OfflineError::Snapshot { file: file.to_owned(), error }),
    }
}

/// ZKUtil.validateFileInput.
fn no_file(path: &str) -> Option<String> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| Path::new(path).to_owned());
    let absolute = absolute.display();
    match std::fs::metadata(path) {
        Err(_) => Some(format!("File '{absolute}' does not exist.")),
        Ok(meta) if meta.is_dir() => {
            Some(format!("'{absolute}' is a directory. it must be a file."))
        }
        Ok(_) if std::fs::File::open(path).is_err() => {
            Some(format!("Read permission is denied on the file '{absolute}'"))
        }
        Ok(_) => None,
    }
}

/// The path as it is printed: the root's is "/".
fn shown(path: &str) -> &str {
    if path.is_empty() { "/" } else { path }
}

/// Java's `%#016x`: two characters are the 0x.
fn hex(number: i64) -> String {
    format!("{number:#016x}")
}

fn print_details(tree: &SnapshotTree, of_name: Option<Zxid>, with_data: bool, out: &mut Out) {
    // The root stands in Java's table under two names.
    out.line(format_args!("ZNode Details (count={}):", tree.nodes.len() + 1));
    let mut open = vec![0];
    while let Some(at) = open.pop() {
        let node = tree.node(at);
        let stat = &node.stat;
        out.line("----");
        out.line(shown(&node.path));
        out.line(format_args!("  cZxid = {}", hex(stat.czxid.0)));
        out.line(format_args!("  ctime = {}", stat::date(stat.ctime)));
        out.line(format_args!("  mZxid = {}", hex(stat.mzxid.0)));
        out.line(format_args!("  mtime = {}", stat::date(stat.mtime)));
        out.line(format_args!("  pZxid = {}", hex(stat.pzxid.0)));
        out.line(format_args!("  cversion = {}", stat.cversion));
        out.line(format_args!("  dataVersion = {}", stat.version));
        out.line(format_args!("  aclVersion = {}", stat.aversion));
        out.line(format_args!("  ephemeralOwner = {}", hex(stat.owner)));
        match &node.data {
            Some(data) if with_data => out.line(format_args!("  data = {}", STANDARD.encode(data))),
            _ => out.line(format_args!("  dataLength = {}", node.data_length)),
        }
        open.extend(tree.children(at).into_iter().rev());
        if out.is_broken() {
            return;
        }
    }
    out.line("----");
    out.line("Session Details (sid, timeout, ephemeralCount):");
    let with_ttl = TypeRules::default();
    for (session, timeout, owned) in tree.sessions() {
        // Containers and nobody's nodes are no session's.
        let owns = matches!(with_ttl.kind_of(session.0), NodeKind::Ephemeral(_));
        let owned = if owns { owned } else { 0 };
        out.line(format_args!("{}, {timeout}, {owned}", hex(session.0)));
    }
    let newest = tree.newest().max(of_name.unwrap_or(Zxid(-1)));
    out.line(format_args!("----\nLast zxid: {newest}"));
}

fn print_json(tree: &SnapshotTree, out: &mut Out) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis());
    let program = "\"progname\":\"SnapshotFormatter.java\",\"progver\":\"0.01\"";
    out.text(format_args!("[1,0,{{{program},\"timestamp\":{now}}}"));
    let mut inode = FIRST_INODE;
    // A node, or the end of one with children.
    let mut open = vec![Some(0)];
    while let Some(next) = open.pop() {
        let Some(at) = next else {
            out.text("]");
            continue;
        };
        let node = tree.node(at);
        inode += 1;
        let children = tree.children(at);
        let begin = if children.is_empty() { "," } else { ",[" };
        let name = match node.path.as_str() {
            "" => "/",
            path => name(path),
        };
        let length = node.data_length;
        out.text(format_args!(
            "{begin}{{\"name\":\"{}\",\"asize\":{length},\"dsize\":{length},\"dev\":0,\"ino\":{inode}}}",
            escaped(name)
        ));
        if !children.is_empty() {
            open.push(None);
        }
        open.extend(children.into_iter().rev().map(Some));
        if out.is_broken() {
            return;
        }
    }
    out.text("]");
}

/// JsonStringEncoder.quoteAsString.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if c < ' ' => {
                // A String takes everything.
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// SnapshotRecursiveSummary.main.
pub(super) fn summary(words: &[String], limit: usize, out: &mut Out) -> Done {
    let usage = || OfflineError::Usage { text: SUMMARY_USAGE.to_owned(), code: 2 };
    let [file, start, depth] = words else { return Err(usage()) };
    let depth: i64 = depth.parse::<i32>().map_err(|_| usage())?.into();
    let tree = SnapshotTree::read(file, Keep::Lengths, limit)?;
    let Some(root) = tree.find(start) else {
        return Err(OfflineError::NoNode { file: file.clone(), path: start.clone() });
    };
    let sums = tree.sums();
    // Each with its level and the path that it is printed under: the first one's as it was given.
    let mut open = vec![(root, 0i64)];
    while let Some((at, level)) = open.pop() {
        let children = tree.children(at);
        if children.is_empty() {
            continue;
        }
        if depth == 0 || level <= depth {
            let tab = "--".repeat(usize::try_from(level).unwrap_or(0));
            let (nodes, bytes) = sums[at as usize];
            let path = if level == 0 { start } else { &tree.node(at).path };
            out.line(format_args!("{tab} {path}"));
            out.line(format_args!("{tab}   children: {}", nodes - 1));
            out.line(format_args!("{tab}   data: {bytes}"));
            open.extend(children.into_iter().rev().map(|child| (child, level + 1)));
        }
        if out.is_broken() {
            break;
        }
    }
    out.line("");
    is_sound(file, tree)
}

/// How a server would load it.
pub(super) fn options(limit: usize) -> RestoreOptions {
    RestoreOptions {
        trust_empty: false,
        autocreate: true,
        digest: true,
        field_max: limit,
        types: TypeRules::default(),
        kill_lost_sessions: false,
        pipeline: sequential,
    }
}

/// `rk snapshot verify`: each file loaded as a start would, with the record beside it, and the digest of what
/// was not changed while it was written.
pub(super) fn verify(files: &[String], limit: usize, out: &mut Out) -> Done {
    if files.is_empty() {
        return Err(OfflineError::Usage { text: usage::OVERVIEW.to_owned(), code: 2 });
    }
    let mut is_sound = true;
    for file in files {
        match verify_one(file, limit) {
            Ok(text) => out.line(format_args!("{file}: {text}")),
            Err(error) => {
                is_sound = false;
                out.line(format_args!("{file}: damaged: {error}"));
            }
        }
    }
    if is_sound { Ok(()) } else { Err(OfflineError::Found) }
}

pub(super) fn verify_one(path: &str, limit: usize) -> Result<String, String> {
    let (dir, name) = place(path).map_err(|e| e.to_string())?;
    let zxid = zxid_of_snapshot(&name);
    let zxid = zxid.ok_or("its name is not snapshot.<zxid in hexadecimal digits>")?;
    let file = SnapshotFile { zxid, name, size: 0 };
    let (tree, mut writer) = Tree::new(TreeOptions::default());
    let loaded = load_file(dir.as_ref(), &file, &options(limit), &mut writer);
    let (loaded, about) = loaded.map_err(|e| e.to_string())?;
    let mut text =
        format!("{} nodes, {} sessions, as of {zxid}", about.nodes, loaded.sessions.len());
    let reach = loaded.reach();
    match loaded.digest {
        Some(digest)
            if digest.zxid == zxid && reach <= zxid && digest.version == TxnDigest::VERSION =>
        {
            let found = tree.digest();
            if found != digest.digest {
                return Err(format!("its digest says {:x}, its tree has {found:x}", digest.digest));
            }
            text.push_str(", digest as it says");
        }
        _ if reach > zxid => {
            // A String takes everything.
            let _ =
                write!(text, ", with effects of transactions up to {reach}: the log completes it");
        }
        _ => {}
    }
    if about.vouched {
        text.push_str(", as its side record says");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_printed_as_java_prints_them() {
        assert_eq!(hex(0), "0x00000000000000");
        assert_eq!(hex(0x1_0000_0005), "0x00000100000005");
        assert_eq!(hex(-1), "0xffffffffffffffff");
        assert_eq!(escaped("a\"\\\u{1}\t/ü"), "a\\\"\\\\\\u0001\\t/ü");
        assert_eq!((shown(""), shown("/a")), ("/", "/a"));
    }
}
