//! Two snapshots side by side, level by level (org.apache.zookeeper.server.SnapshotComparer).

use std::cmp::Ordering;
use std::io::{BufRead, stdin};
use std::time::Instant;

use super::Done;
use crate::offline::fault::OfflineError;
use crate::offline::tree::{Keep, SnapshotTree, file_name};
use crate::offline::usage;
use crate::options::{Group, Opt, flag, parse, valued};
use crate::out::Out;

const SYNTAX: &str = "java -cp <classPath> org.apache.zookeeper.server.SnapshotComparer";

const OPTIONS: &[Opt] = &[
    valued("l", "(Required) The left snapshot file.").long("left").required(),
    valued("r", "(Required) The right snapshot file.").long("right").required(),
    valued("b", "(Required) The node data delta size threshold, in bytes, for printing the node.")
        .long("bytes")
        .required(),
    valued(
        "n",
        "(Required) The descendant node delta size threshold, in nodes, for printing the node.",
    )
    .long("nodes")
    .required(),
    flag("d", "Use debug output.").long("debug"),
    flag("i", "Enter interactive mode.").long("interactive"),
];

const VALUES: &[(&str, &str)] =
    &[("l", "LEFT"), ("r", "RIGHT"), ("b", "BYTETHRESHOLD"), ("n", "NODETHRESHOLD")];

const CHOICES: &str = "- Press enter to move to print current depth layer;
- Type a number to jump to and print all nodes at a given depth;
- Enter an ABSOLUTE path to print the immediate subtree of a node. Path must start with '/'.";

/// Bytes of an answer that are looked at.
const ANSWER_MAX: u64 = 1 << 20;

/// What is printed.
#[derive(Clone, Copy)]
struct Shown {
    bytes: i64,
    nodes: i64,
    is_debug: bool,
    is_interactive: bool,
}

/// A tree with what lies beneath each node, and the nodes of each level by path.
struct Side {
    tree: SnapshotTree,
    /// Bytes of it and all beneath, nodes beneath.
    sums: Vec<(i64, i64)>,
    levels: Vec<Vec<u32>>,
}

/// SnapshotComparer.main.
pub(crate) fn compare(words: &[String], limit: usize, out: &mut Out) -> Done {
    let mut line = vec!["compare".to_owned()];
    line.extend_from_slice(words);
    let parsed = parse(OPTIONS, Group::None, &line).map_err(|error| OfflineError::HelpFor {
        error: error.message(),
        text: usage::help(SYNTAX, OPTIONS, VALUES),
        code: 2,
    })?;
    let number = |name: &str| {
        let text = parsed.value(name).unwrap_or_default();
        let number: Result<i32, _> = text.parse();
        number.map(i64::from).map_err(|_| OfflineError::Number(text.to_owned()))
    };
    let shown = Shown {
        bytes: number("b")?,
        nodes: number("n")?,
        is_debug: parsed.has("d"),
        is_interactive: parsed.has("i"),
    };
    out.line("Successfully parsed options!");
    let [left, right] = ["l", "r"].map(|name| parsed.value(name).unwrap_or_default());
    let left_side = Side::read(left, limit, out)?;
    let right_side = Side::read(right, limit, out)?;
    out.line(left_side.about());
    out.line(right_side.about());
    let sides = (&left_side, &right_side);
    match shown.is_interactive {
        false => all_levels(sides, shown, out),
        true => interactive(sides, shown, &mut stdin().lock(), out)?,
    }
    out.line("All layers compared.");
    super::is_sound(left, left_side.tree)?;
    super::is_sound(right, right_side.tree)
}

impl Side {
    fn read(path: &str, limit: usize, out: &mut Out) -> Result<Side, OfflineError> {
        let begun = Instant::now();
        let tree = SnapshotTree::read(path, Keep::Lengths, limit)?;
        let taken = begun.elapsed().as_secs_f64();
        out.line(format_args!(
            "Deserialized snapshot in {} in {taken:.6} seconds",
            file_name(path)
        ));
        let begun = Instant::now();
        let side = Side::of(tree);
        let taken = begun.elapsed().as_secs_f64();
        out.line(format_args!("Processed data tree in {taken:.6} seconds"));
        Ok(side)
    }

    fn of(tree: SnapshotTree) -> Side {
        // A node is not beneath itself.
        let sums = tree.sums().into_iter().map(|(nodes, bytes)| (bytes as i64, nodes as i64 - 1));
        let sums = sums.collect();
        let mut levels = vec![vec![0]];
        while let Some(last) = levels.last() {
            let next: Vec<u32> =
                last.iter().flat_map(|at| tree.unordered_children(*at)).copied().collect();
            if next.is_empty() {
                break;
            }
            levels.push(next);
        }
        for level in &mut levels {
            level.sort_by(|a, b| by_units(&tree.node(*a).path, &tree.node(*b).path));
        }
        Side { tree, sums, levels }
    }

    /// TreeInfo.toString.
    fn about(&self) -> String {
        let mut text = format!(
            "Node count: {}\nTotal size: {}\nMax depth: {}\n",
            self.tree.nodes.len(),
            self.sums[0].0,
            self.levels.len()
        );
        for (depth, level) in self.levels.iter().enumerate() {
            text.push_str(&format!("Count of nodes at depth {depth}: {}\n", level.len()));
        }
        text
    }

    fn level(&self, depth: usize) -> &[u32] {
        self.levels.get(depth).map_or(&[], Vec::as_slice)
    }

    /// Of a node that is named, by path.
    fn children(&self, path: &str) -> Option<Vec<u32>> {
        // Java knows the root as "" alone, and that cannot be typed.
        let at = self.tree.find(path).filter(|_| path != "/")?;
        let mut children = self.tree.unordered_children(at).to_vec();
        children.sort_by(|a, b| by_units(&self.tree.node(*a).path, &self.tree.node(*b).path));
        Some(children)
    }
}

/// String.compareTo.
fn by_units(a: &str, b: &str) -> Ordering {
    a.encode_utf16().cmp(b.encode_utf16())
}

fn thresholds(shown: Shown, out: &mut Out) {
    out.line(format_args!(
        "Printing analysis for nodes difference larger than {} bytes or node count difference larger \
         than {}.",
        shown.bytes, shown.nodes
    ));
}

fn all_levels((left, right): (&Side, &Side), shown: Shown, out: &mut Out) {
    thresholds(shown, out);
    for depth in 0..left.levels.len().max(right.levels.len()) {
        out.line(format_args!("Analysis for depth {depth}"));
        nodes((left, left.level(depth)), (right, right.level(depth)), shown, out);
        if out.is_broken() {
            return;
        }
    }
}

fn interactive(
    (left, right): (&Side, &Side),
    shown: Shown,
    input: &mut impl BufRead,
    out: &mut Out,
) -> Done {
    let depths = left.levels.len().max(right.levels.len());
    let mut depth = 0;
    while depth < depths {
        out.line(format_args!("Current depth is {depth}"));
        out.line(CHOICES);
        out.flush();
        let mut answer = Vec::new();
        let read = std::io::Read::take(&mut *input, ANSWER_MAX).read_until(b'\n', &mut answer);
        if !matches!(read, Ok(1..)) {
            return Err(OfflineError::NoInput);
        }
        let answer = String::from_utf8_lossy(&answer);
        let answer = answer.strip_suffix('\n').unwrap_or(&answer);
        let answer = answer.strip_suffix('\r').unwrap_or(answer);
        thresholds(shown, out);
        if answer.is_empty() {
            out.line(format_args!("Analysis for depth {depth}"));
            nodes((left, left.level(depth)), (right, right.level(depth)), shown, out);
            depth += 1;
        } else if answer.starts_with('/') {
            out.line(format_args!("Analysis for node {answer}"));
            subtree((left, right), answer, shown, out);
        } else {
            match answer.parse::<i32>().map(|wanted| (usize::try_from(wanted), wanted)) {
                Ok((Ok(wanted), _)) if wanted < depths => {
                    depth = wanted;
                    out.line(format_args!("Analysis for depth {depth}"));
                    nodes((left, left.level(depth)), (right, right.level(depth)), shown, out);
                }
                Ok(_) => {
                    out.line(format_args!("Depth must be in range [0, {}]", depths - 1));
                    continue;
                }
                Err(_) => out.line(format_args!(
                    "Input {answer} is not valid. Depth must be in range [0, {}]. Path must be an \
                     absolute path which starts with '/'.",
                    depths - 1
                )),
            }
        }
        out.line("");
    }
    Ok(())
}

fn subtree((left, right): (&Side, &Side), path: &str, shown: Shown, out: &mut Out) {
    let (left_nodes, right_nodes) = (left.children(path), right.children(path));
    if left_nodes.is_none() && right_nodes.is_none() {
        out.line(format_args!("Path {path} is neither found in left tree nor right tree."));
        return;
    }
    let (left_nodes, right_nodes) =
        (left_nodes.unwrap_or_default(), right_nodes.unwrap_or_default());
    nodes((left, &left_nodes), (right, &right_nodes), shown, out);
}

/// Nodes of both sides, sorted, one beside the other.
fn nodes(
    (left, mut left_nodes): (&Side, &[u32]),
    (right, mut right_nodes): (&Side, &[u32]),
    shown: Shown,
    out: &mut Out,
) {
    loop {
        let order = match (left_nodes.first(), right_nodes.first()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(l), Some(r)) => {
                let (l, r) = (&left.tree.node(*l).path, &right.tree.node(*r).path);
                let order = by_units(l, r);
                if shown.is_debug {
                    out.line(format_args!("Comparing {l} to {r}"));
                    out.line(match order {
                        Ordering::Less => "left is less",
                        Ordering::Greater => "right is less",
                        Ordering::Equal => "same",
                    });
                }
                order
            }
        };
        if order != Ordering::Greater {
            let (first, rest) = left_nodes.split_at(1);
            left_nodes = rest;
            if order == Ordering::Less {
                one(left, first[0], "left", shown, out);
                continue;
            }
            let (second, rest) = right_nodes.split_at(1);
            right_nodes = rest;
            both((left, first[0]), (right, second[0]), shown, out);
        } else {
            let (first, rest) = right_nodes.split_at(1);
            right_nodes = rest;
            one(right, first[0], "right", shown, out);
        }
    }
}

fn one(side: &Side, at: u32, which: &str, shown: Shown, out: &mut Out) {
    let path = &side.tree.node(at).path;
    let (bytes, nodes) = side.sums[at as usize];
    if bytes > shown.bytes || nodes > shown.nodes {
        out.line(format_args!(
            "Node {path} found only in {which} tree. Descendant size: {bytes}. Descendant count: {nodes}"
        ));
    } else if shown.is_debug || shown.is_interactive {
        out.line(format_args!("Filtered {which} node {path} of size {bytes}"));
    }
}

fn both((left, l): (&Side, u32), (right, r): (&Side, u32), shown: Shown, out: &mut Out) {
    let path = &left.tree.node(l).path;
    let ((left_bytes, left_nodes), (bytes, nodes)) =
        (left.sums[l as usize], right.sums[r as usize]);
    let (more_bytes, more_nodes) = (bytes - left_bytes, nodes - left_nodes);
    if more_bytes.abs() > shown.bytes || more_nodes.abs() > shown.nodes {
        out.line(format_args!(
            "Node {path} found in both trees. Delta: {more_bytes} bytes, {more_nodes} descendants"
        ));
    } else if shown.is_debug || shown.is_interactive {
        out.line(format_args!(
            "Filtered node {path} of left size {left_bytes}, right size {bytes}"
        ));
    }
}
