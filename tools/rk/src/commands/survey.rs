//! find and tree: what is in a subtree, and what fills it.

use std::time::{SystemTime, UNIX_EPOCH};

use clap::{CommandFactory, Parser};
use ringkeeper::types::{Acl, ErrorCode, Perms, SessionId};
use serde_json::json;
use wildmatch::WildMatch;

use super::{Context, Done};
use crate::acl;
use crate::error::{CliError, Fault};
use crate::out::Ink;
use crate::path::validate;
use crate::stat;
use crate::walk::{Order, Visited, Walk};

/// A number, or a bound: `+n` more, `-n` less.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Amount {
    Exactly(i64),
    Over(i64),
    Under(i64),
}

impl Amount {
    fn holds(self, value: i64) -> bool {
        match self {
            Amount::Exactly(amount) => value == amount,
            Amount::Over(amount) => value > amount,
            Amount::Under(amount) => value < amount,
        }
    }
}

/// `+10k` and its like, by the units' letters.
fn amount(text: &str, units: &[(char, i64)], expected: &'static str) -> Result<Amount, Fault> {
    let fault = || Fault::Number { text: text.to_owned(), expected };
    let (bound, rest) = match text.split_at_checked(1) {
        Some(("+", rest)) => (Amount::Over as fn(i64) -> Amount, rest),
        Some(("-", rest)) => (Amount::Under as fn(i64) -> Amount, rest),
        _ => (Amount::Exactly as fn(i64) -> Amount, text),
    };
    let unit = units.iter().find(|(letter, _)| rest.ends_with(*letter));
    let digits = unit.map_or(rest, |(letter, _)| rest.trim_end_matches(*letter));
    let number: i64 = digits.parse().map_err(|_| fault())?;
    let factor = unit.map_or(1, |(_, factor)| *factor);
    Ok(bound(number.checked_mul(factor).ok_or_else(fault)?))
}

fn bytes(text: &str) -> Result<Amount, Fault> {
    let units = [('k', 1 << 10), ('M', 1 << 20), ('G', 1 << 30)];
    amount(text, &units, "a size is [+-]number[k|M|G], in bytes")
}

fn seconds(text: &str) -> Result<Amount, Fault> {
    let units = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400)];
    amount(text, &units, "an age is [+-]number[s|m|h|d]")
}

fn count(text: &str) -> Result<Amount, Fault> {
    amount(text, &[], "a count is [+-]number")
}

fn session(text: &str) -> Result<SessionId, Fault> {
    let expected = "a session is 0x and hexadecimal digits";
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let id = u64::from_str_radix(digits, 16);
    id.map(|id| SessionId(id as i64)).map_err(|_| Fault::Number { text: text.to_owned(), expected })
}

/// Nodes of a subtree that are as asked for.
#[derive(Parser, Debug)]
#[command(name = "find")]
struct Find {
    /// Where to look
    #[arg(default_value = "/")]
    path: String,
    /// The name matches; * stands for any text, ? for a character
    #[arg(long)]
    name: Option<String>,
    /// Ephemerals
    #[arg(long)]
    ephemeral: bool,
    /// Bytes of data: 100, +10k (more), -1M (less)
    #[arg(long, value_parser = bytes, allow_hyphen_values = true)]
    size: Option<Amount>,
    /// Time since the last change of its data: +7d (longer ago), -10m
    #[arg(long, value_parser = seconds, allow_hyphen_values = true)]
    age: Option<Amount>,
    /// Children: 0, +1000
    #[arg(long, value_parser = count, allow_hyphen_values = true)]
    children: Option<Amount>,
    /// Ephemerals of this session
    #[arg(long, value_parser = session)]
    session: Option<SessionId>,
    /// An entry of its access list, as scheme:id:perms, holds this text
    #[arg(long)]
    acl: Option<String>,
    /// Anybody may change it, its children or its access list
    #[arg(long)]
    world_writable: bool,
    /// Size, children, last change and owner before each path
    #[arg(short, long)]
    long: bool,
}

pub(super) fn find_line() -> clap::Command {
    Find::command()
}

/// `find`: those that are as asked for, a path a line.
pub(super) fn find(context: &mut Context<'_>, words: &[String]) -> Done {
    let find = Find::try_parse_from(words)?;
    validate(&find.path)?;
    let pattern = find.name.as_deref().map(WildMatch::new);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis() as i64);
    let mut walk = Walk::new(context.client, &find.path, Order::Depth, false);
    let mut is_first = true;
    while let Some(node) = walk.next() {
        let node = match node {
            Ok(node) => node,
            // What may not be read is passed over, and said.
            Err(error) if !is_first && error.is(ErrorCode::NoAuth) => {
                context.out.note(CliError::Call(error));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        is_first = false;
        let name = node.path.rsplit('/').next().unwrap_or_default();
        let is_named = pattern.as_ref().is_none_or(|pattern| pattern.matches(name));
        if is_named && find.is_met(&node, now) && find.is_met_by_acl(context, &node.path)? {
            print_found(context, &find, &node);
        }
        if context.out.is_broken() {
            break;
        }
    }
    Ok(())
}

impl Find {
    fn is_met(&self, node: &Visited, now: i64) -> bool {
        let stat = &node.stat;
        let age = (now - stat.mtime.0) / 1000;
        let session = stat::session(stat);
        (!self.ephemeral || session.is_some())
            && self.size.is_none_or(|size| size.holds(stat.data_length.into()))
            && self.age.is_none_or(|wanted| wanted.holds(age))
            && self.children.is_none_or(|count| count.holds(stat.num_children.into()))
            && self.session.is_none_or(|wanted| session == Some(wanted))
    }

    /// Asked last: it is a request of its own.
    fn is_met_by_acl(&self, context: &Context<'_>, path: &str) -> Result<bool, CliError> {
        if self.acl.is_none() && !self.world_writable {
            return Ok(true);
        }
        let list = match context.client.acl(path) {
            Ok((list, _)) => list,
            Err(error) if error.is(ErrorCode::NoNode) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let is_open = |entry: &Acl| {
            let changing = Perms::WRITE.or(Perms::CREATE).or(Perms::DELETE).or(Perms::ADMIN);
            &*entry.scheme == "world" && entry.perms.intersects(changing)
        };
        let has = |wanted: &String| list.iter().any(|entry| acl::text(entry).contains(wanted));
        Ok(self.acl.as_ref().is_none_or(has) && (!self.world_writable || list.iter().any(is_open)))
    }
}

fn print_found(context: &mut Context<'_>, find: &Find, node: &Visited) {
    let Visited { path, stat, .. } = node;
    context.out.value(|| json!({ "path": path, "stat": stat::json(stat) }));
    match find.long {
        false => context.out.line(path),
        true => context.out.line(format!(
            "{:>9} {:>7} {} {} {path}",
            stat.data_length,
            stat.num_children,
            stat::date(stat.mtime),
            stat::session(stat).map_or_else(|| "-".to_owned(), |session| session.to_string())
        )),
    }
}

/// A subtree as a tree, with what lies beneath each node.
#[derive(Parser, Debug)]
#[command(name = "tree")]
struct Tree {
    /// Its root
    #[arg(default_value = "/")]
    path: String,
    /// Bytes and nodes beneath each node, the largest child first
    #[arg(long)]
    size: bool,
    /// Levels that are shown; sums are of all of them
    #[arg(long, default_value_t = 3)]
    depth: usize,
}

/// A node that is shown.
struct Shown {
    path: String,
    depth: usize,
    parent: Option<usize>,
    /// Of it and all beneath it.
    nodes: u64,
    bytes: u64,
}

pub(super) fn tree_line() -> clap::Command {
    Tree::command()
}

/// `tree`.
pub(super) fn tree(context: &mut Context<'_>, words: &[String]) -> Done {
    let tree = Tree::try_parse_from(words)?;
    validate(&tree.path)?;
    let mut shown: Vec<Shown> = Vec::new();
    // The shown nodes above the one that comes.
    let mut above: Vec<usize> = Vec::new();
    let mut walk = Walk::new(context.client, &tree.path, Order::Depth, false);
    while let Some(node) = walk.next() {
        let node = node?;
        above.truncate(node.depth);
        if node.depth <= tree.depth {
            let (parent, depth) = (above.last().copied(), node.depth);
            above.push(shown.len());
            shown.push(Shown { path: node.path, depth, parent, nodes: 0, bytes: 0 });
        }
        for at in &above {
            shown[*at].nodes += 1;
            shown[*at].bytes += u64::try_from(node.stat.data_length).unwrap_or(0);
        }
    }
    for at in order(&shown, tree.size) {
        print_shown(context, &tree, &shown[at]);
    }
    Ok(())
}

/// Parents before children; of children the largest first if `by_size`.
fn order(shown: &[Shown], by_size: bool) -> Vec<usize> {
    let mut children: Vec<Vec<usize>> = shown.iter().map(|_| Vec::new()).collect();
    for (at, node) in shown.iter().enumerate() {
        if let Some(parent) = node.parent {
            children[parent].push(at);
        }
    }
    let mut out = Vec::new();
    let mut open: Vec<usize> = if shown.is_empty() { Vec::new() } else { vec![0] };
    while let Some(at) = open.pop() {
        out.push(at);
        let below = &mut children[at];
        if by_size {
            below.sort_by_key(|child| std::cmp::Reverse(shown[*child].bytes));
        }
        open.extend(below.iter().rev());
    }
    out
}

fn print_shown(context: &mut Context<'_>, tree: &Tree, node: &Shown) {
    let Shown { path, depth, nodes, bytes, .. } = node;
    context.out.value(|| json!({ "path": path, "nodes": nodes, "bytes": bytes }));
    let name = match depth {
        0 => path.as_str(),
        _ => path.rsplit('/').next().unwrap_or_default(),
    };
    let name = context.out.ink(if *depth == 0 { Ink::Key } else { Ink::Plain }, name);
    let indent = "  ".repeat(*depth);
    match tree.size {
        true => context.out.line(format!("{bytes:>12} bytes {nodes:>9} nodes  {indent}{name}")),
        false => context.out.line(format!("{indent}{name}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_bounds_and_units() {
        assert_eq!(bytes("+10k"), Ok(Amount::Over(10_240)));
        assert_eq!(bytes("-1M"), Ok(Amount::Under(1 << 20)));
        assert_eq!(seconds("7d"), Ok(Amount::Exactly(604_800)));
        assert_eq!(count("0"), Ok(Amount::Exactly(0)));
        assert!(bytes("").is_err() && bytes("+k").is_err() && count("1k").is_err());
        assert!(bytes("9223372036854775807G").is_err());
        assert!(Amount::Over(1).holds(2) && !Amount::Over(1).holds(1));
        assert_eq!(session("0x100000a"), Ok(SessionId(0x100_000a)));
    }

    #[test]
    fn the_largest_child_comes_first() {
        let node =
            |parent, depth, bytes| Shown { path: String::new(), depth, parent, nodes: 1, bytes };
        let shown =
            [node(None, 0, 9), node(Some(0), 1, 2), node(Some(1), 2, 1), node(Some(0), 1, 5)];
        assert_eq!(order(&shown, true), [0, 3, 1, 2]);
        assert_eq!(order(&shown, false), [0, 1, 2, 3]);
    }
}
