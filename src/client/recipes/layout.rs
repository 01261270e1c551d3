//! How nodes are named, so that Curator's recipes, kazoo's and these take turns at the same ones.
//!
//! | | Curator | kazoo |
//! |---|---|---|
//! | lock | `_c_<uuid>-lock-0000000001` | `<hex>__lock__0000000001` |
//! | read, write | `_c_<uuid>-__READ__...`, `_c_<uuid>-__WRIT__...` | `<hex>__rlock__...`, `<hex>__lock__...` |
//! | election | `_c_<uuid>-latch-...` | `<hex>__lock__...` |
//! | semaphore | `locks/`, `leases/_c_<uuid>-lease-...` | `<path>-__lock__/`, `<hex>` |
//! | queue | `qn-0000000001` | `entry-100-0000000001` |
//!
//! A contender of either kind is seen, whichever is the own: so one that has the other's names waits its
//! turn, too. Curator sees kazoo's nodes only where they end in `lock-` and a number, kazoo Curator's only with
//! `extra_lock_patterns`.

use super::parents::Parent;
use super::protection::ProtectionId;

/// Whose names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Layout {
    /// Curator's.
    #[default]
    Curator,
    /// kazoo's.
    Kazoo,
}

/// What is contended for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Contest {
    /// A lock that one has (InterProcessMutex, LeaderSelector; kazoo's Lock and Election).
    Lock,
    /// Together with other readers (InterProcessReadWriteLock; kazoo's ReadLock).
    Read,
    /// Alone (the same; kazoo's WriteLock).
    Write,
    /// Leadership (LeaderLatch; kazoo's Election).
    Latch,
}

/// Whether a contender keeps all others out, or those alone that do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Share {
    /// Nobody is in with it.
    Exclusive,
    /// Others that share are.
    Shared,
}

/// What stands before a contender's number.
const MARKS: [(&str, Share); 6] = [
    ("__lock__", Share::Exclusive),
    ("__rlock__", Share::Shared),
    ("__WRIT__", Share::Exclusive),
    ("__READ__", Share::Shared),
    ("latch-", Share::Exclusive),
    ("lock-", Share::Exclusive),
];

/// A contender's place in the line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seat {
    /// Whom it keeps out.
    pub share: Share,
    /// As the server has given it: who has a lower one is before it.
    pub number: i32,
}

/// The place of a contender of either layout; `None`: it is none.
pub fn seat(name: &str) -> Option<Seat> {
    MARKS.iter().find_map(|(mark, share)| {
        let (_, digits) = name.rsplit_once(mark)?;
        Some(Seat { share: *share, number: number(digits)? })
    })
}

/// The number of a sequential node: ten digits at least, the sign one of them (`%010d`).
fn number(digits: &str) -> Option<i32> {
    digits.parse().ok().filter(|_| digits.len() >= 10)
}

impl Layout {
    /// A contender's name up to its number.
    pub(super) fn contender(self, id: &ProtectionId, contest: Contest) -> String {
        match self {
            Layout::Curator => format!("_c_{}-{}", id.uuid(), self.mark(contest)),
            Layout::Kazoo => format!("{}{}", id.hex(), self.mark(contest)),
        }
    }

    fn mark(self, contest: Contest) -> &'static str {
        match (self, contest) {
            (Layout::Curator, Contest::Lock) => "lock-",
            (Layout::Curator, Contest::Read) => "__READ__",
            (Layout::Curator, Contest::Write) => "__WRIT__",
            (Layout::Curator, Contest::Latch) => "latch-",
            (Layout::Kazoo, Contest::Read) => "__rlock__",
            (Layout::Kazoo, Contest::Lock | Contest::Write | Contest::Latch) => "__lock__",
        }
    }

    /// How a recipe's folders are made: Curator has the server remove them when they are empty, and makes them
    /// again; kazoo makes them once.
    pub(super) fn parent(self) -> Parent {
        match self {
            Layout::Curator => Parent::Container,
            Layout::Kazoo => Parent::Persistent,
        }
    }
}

/// An element's number in a queue; `None`: it is none of this layout.
pub(super) fn element(layout: Layout, name: &str) -> Option<(u32, i32)> {
    match layout {
        Layout::Curator => Some((0, number(name.strip_prefix("qn-")?)?)),
        Layout::Kazoo => {
            let (priority, digits) = name.strip_prefix("entry-")?.split_once('-')?;
            Some((priority.parse().ok()?, number(digits)?))
        }
    }
}

/// What stands before an element's number.
pub(super) fn element_begin(layout: Layout, priority: u32) -> String {
    match layout {
        Layout::Curator => "qn-".into(),
        Layout::Kazoo => format!("entry-{priority:03}-"),
    }
}

/// A child's path.
pub(super) fn join(parent: &str, name: &str) -> String {
    match parent {
        "/" => format!("/{name}"),
        _ => format!("{parent}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contenders_of_both_layouts_are_known() {
        // Goal: names that Curator 5.8 and kazoo 2.11 have made, and strangers.
        let seat_of = |name: &str| seat(name).map(|seat| (seat.share, seat.number));
        let uuid = "_c_58af4b33-e2d4-4f0c-b26e-0d1d8c3d0b4f";
        for (name, expected) in [
            (format!("{uuid}-lock-0000000003"), Some((Share::Exclusive, 3))),
            (format!("{uuid}-__READ__0000000004"), Some((Share::Shared, 4))),
            (format!("{uuid}-__WRIT__0000000005"), Some((Share::Exclusive, 5))),
            (format!("{uuid}-latch-0000000006"), Some((Share::Exclusive, 6))),
            ("93c1ff__lock__0000000007".into(), Some((Share::Exclusive, 7))),
            ("93c1ff__rlock__0000000008".into(), Some((Share::Shared, 8))),
            ("lock-2147483647".into(), Some((Share::Exclusive, i32::MAX))),
            ("lock--2147483648".into(), Some((Share::Exclusive, i32::MIN))),
            ("lock-".into(), None),
            ("lock-12".into(), None),
            ("leases".into(), None),
            ("block-0000000001x".into(), None),
        ] {
            assert_eq!(seat_of(&name), expected, "{name}");
        }
    }

    #[test]
    fn names_are_made_as_they_are_read() {
        let id = ProtectionId::new([0xab; 16]);
        assert_eq!(id.uuid(), "abababab-abab-4bab-abab-abababababab");
        for layout in [Layout::Curator, Layout::Kazoo] {
            for contest in [Contest::Lock, Contest::Read, Contest::Write, Contest::Latch] {
                let name = format!("{}0000000009", layout.contender(&id, contest));
                let seat = seat(&name).unwrap();
                let is_shared = contest == Contest::Read;
                assert_eq!((seat.share == Share::Shared, seat.number), (is_shared, 9), "{name}");
            }
            let name = format!("{}0000000009", element_begin(layout, 7));
            assert_eq!(element(layout, &name).unwrap().1, 9);
        }
        assert_eq!(element(Layout::Kazoo, "entry-007-0000000001"), Some((7, 1)));
        assert_eq!(element(Layout::Curator, "entry-007-0000000001"), None);
    }
}
