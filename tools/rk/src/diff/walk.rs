//! The nodes of two sides in one order, each asked of both, with many requests under way. A node comes before
//! what is beneath it, siblings by name; children are those of either side.

use std::cmp::Ordering;
use std::collections::{BTreeSet, VecDeque};

use super::reading::Found;
use super::side::{Asked, Side};
use crate::connection::Pending;
use crate::error::CliError;
use crate::path::join;

/// Nodes asked for ahead of the one that comes.
const WINDOW: usize = 1024;

/// Fewer where nodes are large.
const WINDOW_MIN: usize = 16;

/// Bytes of data that may be waiting on both sides, as far as the nodes before tell.
const AHEAD_BYTES: usize = 64 << 20;

/// Differs on purpose where two ensembles are no one's copy.
const CONFIG: &str = "/zookeeper/config";

/// Whether a node's Stat is compared. That of the configuration is each server's own: it is made anew with the
/// time of the start.
pub(super) fn has_stat(path: &str, with_stat: bool) -> bool {
    with_stat && path != CONFIG
}

/// A node, read on both sides.
pub(super) struct Pair {
    pub(super) path: String,
    pub(super) slot: usize,
    pub(super) found: [Found; 2],
    /// It was compared before the comparison was taken up again.
    pub(super) is_done: bool,
}

impl Pair {
    /// Why it cannot be compared, if it may not be read.
    pub(super) fn refusal(&self) -> Option<String> {
        self.found.iter().find_map(|found| match found {
            Found::Refused(error) => Some(error.to_string()),
            Found::Nothing | Found::There(_) => None,
        })
    }
}

enum Stage {
    New,
    Asked([Asked; 2]),
    Read { found: [Found; 2], children: [Option<Pending>; 2] },
}

struct Ahead {
    path: String,
    slot: usize,
    stage: Stage,
}

/// A walk that has begun.
pub(super) struct Walk<'a> {
    sides: &'a [Side; 2],
    /// The next one first.
    ahead: VecDeque<Ahead>,
    /// All up to here, in this walk's order, is done.
    after: Option<String>,
    with_config: bool,
    next_slot: usize,
    /// Nodes that may come before it is looked ahead again.
    fresh: usize,
    /// Bytes of a large node, of those that came last.
    large: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        sides: &'a [Side; 2],
        path: &str,
        after: Option<String>,
        with_config: bool,
    ) -> Walk<'a> {
        let root = Ahead { path: path.to_owned(), slot: 0, stage: Stage::New };
        let ahead = VecDeque::from([root]);
        Walk { sides, ahead, after, with_config, next_slot: 1, fresh: 0, large: 0 }
    }

    /// The next node; `None` after the last.
    pub(super) fn next(&mut self) -> Option<Result<Pair, CliError>> {
        if self.ahead.is_empty() {
            return None;
        }
        Some(self.try_next())
    }

    fn try_next(&mut self) -> Result<Pair, CliError> {
        let is_new = self.ahead.front().is_some_and(|next| matches!(next.stage, Stage::New));
        if is_new || self.fresh == 0 {
            self.look_ahead()?;
        }
        self.fresh = self.fresh.saturating_sub(1);
        let Some(mut next) = self.ahead.pop_front() else {
            return Err(CliError::Call(crate::client::CallError::Unexpected));
        };
        ask_children(self.sides, &mut next)?;
        let Ahead { path, slot, stage } = next;
        let Stage::Read { found, children } = stage else {
            return Err(CliError::Call(crate::client::CallError::Unexpected));
        };
        let bytes = |found: &Found| found.node().and_then(|n| n.data.as_ref()).map_or(0, Vec::len);
        let size = bytes(&found[0]) + bytes(&found[1]);
        self.large = size.max(self.large - self.large / 64);
        let mut names = BTreeSet::new();
        for (side, pending) in self.sides.iter().zip(children) {
            if let Some(pending) = pending {
                names.extend(side.children(slot, &path, pending)?);
            }
        }
        for name in names.iter().rev() {
            let child = join(&path, name);
            let is_wanted = self.with_config || child != CONFIG;
            if is_wanted && self.after.as_deref().is_none_or(|after| is_open(&child, after)) {
                let slot = self.next_slot;
                self.next_slot = self.next_slot.wrapping_add(1);
                self.ahead.push_front(Ahead { path: child, slot, stage: Stage::New });
            }
        }
        let done = |after: &str| order(&path, after) != Ordering::Greater;
        let is_done = self.after.as_deref().is_some_and(done);
        Ok(Pair { path, slot, found, is_done })
    }

    /// Asks for those that come next, and for the children of those that have been read.
    fn look_ahead(&mut self) -> Result<(), CliError> {
        let window = (AHEAD_BYTES / self.large.max(1)).clamp(WINDOW_MIN, WINDOW);
        for next in self.ahead.iter_mut().take(window) {
            if matches!(next.stage, Stage::New) {
                let ask = |side: &Side| side.ask(next.slot, &next.path);
                next.stage = Stage::Asked([ask(&self.sides[0])?, ask(&self.sides[1])?]);
            }
        }
        for next in self.ahead.iter_mut().take(window / 2) {
            ask_children(self.sides, next)?;
        }
        self.fresh = window / 4;
        Ok(())
    }
}

/// Waits for a node, and asks for its children where it has some.
fn ask_children(sides: &[Side; 2], next: &mut Ahead) -> Result<(), CliError> {
    let (path, slot) = (&next.path, next.slot);
    let [a, b] = match std::mem::replace(&mut next.stage, Stage::New) {
        Stage::Asked(asked) => asked,
        other => {
            next.stage = other;
            return Ok(());
        }
    };
    let found = [sides[0].found(path, a)?, sides[1].found(path, b)?];
    let mut children = [None, None];
    for ((side, found), children) in sides.iter().zip(&found).zip(&mut children) {
        if found.node().is_some_and(|node| node.stat.num_children > 0) {
            *children = Some(side.ask_children(slot, path)?);
        }
    }
    next.stage = Stage::Read { found, children };
    Ok(())
}

/// The parts of a path.
fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty())
}

/// The order of a walk.
pub(super) fn order(a: &str, b: &str) -> Ordering {
    parts(a).cmp(parts(b))
}

/// Whether something at or beneath the path comes after that one.
fn is_open(path: &str, after: &str) -> bool {
    let is_above = parts(path).zip(parts(after)).all(|(a, b)| a == b)
        && parts(path).count() <= parts(after).count();
    is_above || order(path, after) == Ordering::Greater
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_passed_over_and_nothing_else() {
        for (path, expected) in [
            ("/", true),
            ("/a", false),
            ("/b", true),
            ("/b/a", false),
            ("/b/c", true),
            ("/b/c/a", true),
            ("/b!", true),
            ("/b/d", true),
            ("/c", true),
        ] {
            assert_eq!(is_open(path, "/b/c"), expected, "{path}");
        }
        assert_eq!(order("/b", "/b/c"), Ordering::Less);
        assert_eq!(order("/b!", "/b/c"), Ordering::Greater);
        assert_eq!(order("/", "/b"), Ordering::Less);
    }
}
