//! The tables against Java's rules, and against a plain model under random use.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::acl::{Permit, Policy, check};
use crate::testing::rng::Rng;
use crate::tree::{Change, ChangeKind};
use crate::types::{Acl, AclList, ConnId, EventKind, Perms, WatchMode, Zxid, open_acl, read_acl};

use super::*;

use EventKind::*;
use WatchMode::*;

fn conn(slot: u32) -> ConnId {
    ConnId { slot, generation: 1 }
}

fn anyone(_: ConnId, acl: &AclList) -> Option<Permit> {
    check(&Policy::default(), acl, Perms::READ, &[]).ok()
}

type Told = Vec<(u32, EventKind, String)>;

fn told(events: Vec<Event>) -> Told {
    events.into_iter().map(|e| (e.conn.slot, e.kind, e.path.to_string())).collect()
}

fn change(watches: &mut Watches, zxid: i64, kind: ChangeKind, path: &str) -> Told {
    let mut out = Vec::new();
    let parent_acl = (kind != ChangeKind::DataChanged).then(open_acl);
    let change = Change { zxid: Zxid(zxid), kind, path: path.into(), acl: open_acl(), parent_acl };
    watches.trigger(&change, &mut anyone, &mut out);
    told(out)
}

fn created(watches: &mut Watches, zxid: i64, path: &str) -> Told {
    change(watches, zxid, ChangeKind::Created, path)
}

fn deleted(watches: &mut Watches, zxid: i64, path: &str) -> Told {
    change(watches, zxid, ChangeKind::Deleted, path)
}

fn data_changed(watches: &mut Watches, zxid: i64, path: &str) -> Told {
    change(watches, zxid, ChangeKind::DataChanged, path)
}

fn event(slot: u32, kind: EventKind, path: &str) -> (u32, EventKind, String) {
    (slot, kind, path.to_string())
}

#[test]
fn a_create_tells_the_node_s_watchers_before_the_parent_s() {
    let mut w = Watches::new(1);
    w.add("/p", Standard, Table::Child, conn(1), Zxid(0));
    w.add("/p/c", Standard, Table::Data, conn(2), Zxid(0));
    let events = created(&mut w, 1, "/p/c");
    assert_eq!(events, [event(2, NodeCreated, "/p/c"), event(1, NodeChildrenChanged, "/p")]);
    assert!(w.is_empty(), "one-shot watches are used up");
    assert_eq!(created(&mut w, 2, "/p/d"), []);
}

#[test]
fn a_delete_tells_each_connection_once_of_the_node() {
    let mut w = Watches::new(1);
    w.add("/p/c", Standard, Table::Data, conn(1), Zxid(0));
    w.add("/p/c", Standard, Table::Child, conn(1), Zxid(0));
    w.add("/p/c", Standard, Table::Child, conn(2), Zxid(0));
    w.add("/p", Standard, Table::Child, conn(1), Zxid(0));
    let events = deleted(&mut w, 1, "/p/c");
    let expected = [
        event(1, NodeDeleted, "/p/c"),
        event(2, NodeDeleted, "/p/c"),
        event(1, NodeChildrenChanged, "/p"),
    ];
    assert_eq!(events, expected);
    assert!(w.is_empty(), "the passed-over watch is used up all the same");
}

#[test]
fn children_of_the_root_tell_the_root() {
    let mut w = Watches::new(1);
    w.add("/", Standard, Table::Child, conn(1), Zxid(0));
    assert_eq!(created(&mut w, 1, "/a"), [event(1, NodeChildrenChanged, "/")]);
}

#[test]
fn modes_of_one_path_and_connection_stand_side_by_side() {
    let mut w = Watches::new(1);
    w.add("/a", Standard, Table::Data, conn(1), Zxid(0));
    w.add_watch("/a", Persistent, conn(1), Zxid(0));
    w.add_watch("/a", PersistentRecursive, conn(1), Zxid(0));
    assert_eq!(w.counts().watches, 2, "a watch is path and connection in a table");
    let mut remaining = Vec::new();
    for zxid in 1..4 {
        assert_eq!(data_changed(&mut w, zxid, "/a"), [event(1, NodeDataChanged, "/a")]);
        remaining.push(w.has("/a", WatcherKind::Data, conn(1)));
    }
    assert_eq!(remaining, [false, false, false], "the first event used the one-shot watch");
    assert!(w.remove("/a", WatcherKind::Persistent, conn(1)));
    assert!(!w.has("/a", WatcherKind::Persistent, conn(1)));
    assert_eq!(created(&mut w, 4, "/a/b/c"), [event(1, NodeCreated, "/a/b/c")]);
    assert!(w.remove("/a", WatcherKind::PersistentRecursive, conn(1)));
    assert!(w.is_empty());
    assert_eq!(created(&mut w, 5, "/a/b/d"), []);
}

#[test]
fn recursive_watches_hear_of_descendants_and_never_of_children_changed() {
    let mut w = Watches::new(1);
    w.add_watch("/", PersistentRecursive, conn(1), Zxid(0));
    w.add_watch("/a", PersistentRecursive, conn(1), Zxid(0));
    w.add_watch("/a", PersistentRecursive, conn(2), Zxid(0));
    let events = created(&mut w, 1, "/a/b");
    assert_eq!(events, [event(1, NodeCreated, "/a/b"), event(2, NodeCreated, "/a/b")]);
    assert_eq!(data_changed(&mut w, 2, "/ab"), [event(1, NodeDataChanged, "/ab")]);
    assert_eq!(deleted(&mut w, 3, "/a").len(), 2);
    assert_eq!(data_changed(&mut w, 4, "/"), [event(1, NodeDataChanged, "/")]);
}

#[test]
fn whoever_may_not_read_is_not_told_and_loses_the_watch() {
    let mut w = Watches::new(1);
    w.add("/a", Standard, Table::Data, conn(1), Zxid(0));
    w.add("/a", Standard, Table::Child, conn(1), Zxid(0));
    w.add("/", Standard, Table::Child, conn(1), Zxid(0));
    let secret: AclList = Arc::from([Acl::new(Perms::WRITE, "world", "anyone")]);
    let mut out = Vec::new();
    let change = Change {
        zxid: Zxid(1),
        kind: ChangeKind::Deleted,
        path: "/a".into(),
        acl: secret,
        parent_acl: Some(read_acl()),
    };
    w.trigger(&change, &mut anyone, &mut out);
    assert_eq!(told(out), [event(1, NodeChildrenChanged, "/")], "the parent's list counts there");
    assert!(w.is_empty());
}

#[test]
fn a_watch_sleeps_through_changes_its_read_has_seen() {
    let mut w = Watches::new(1);
    w.add_watch("/a", Persistent, conn(1), Zxid(0));
    // The read behind this one saw zxid 7; the stream is still before 5.
    w.add("/a", Standard, Table::Data, conn(1), Zxid(7));
    w.add("/a", Standard, Table::Data, conn(2), Zxid(7));
    w.add_watch("/", PersistentRecursive, conn(3), Zxid(6));
    assert_eq!(data_changed(&mut w, 5, "/a"), [event(1, NodeDataChanged, "/a")]);
    assert!(w.has("/a", WatcherKind::Data, conn(1)), "not used up by an older change");
    let events = data_changed(&mut w, 7, "/a");
    assert_eq!(events, [event(1, NodeDataChanged, "/a"), event(3, NodeDataChanged, "/a")]);
    assert_eq!(data_changed(&mut w, 7, "/a").len(), 2, "a multi may change a node twice");
    assert_eq!(data_changed(&mut w, 8, "/a").len(), 3);
    assert!(!w.has("/a", WatcherKind::Data, conn(1)));
    w.settle(Zxid(20));
    w.add("/b", Standard, Table::Data, conn(2), Zxid(20));
    assert!(w.young.is_empty(), "what is settled need not be remembered");
}

#[test]
fn check_and_remove_follow_the_kinds() {
    let mut w = Watches::new(1);
    let kinds = [1, 2, 3, 4, 5].map(|k| WatcherKind::from_wire(k).unwrap());
    let has = |w: &Watches| kinds.map(|kind| w.has("/a", kind, conn(1)));
    assert_eq!((WatcherKind::from_wire(0), WatcherKind::from_wire(6)), (None, None));
    assert_eq!(has(&w), [false; 5]);
    w.add("/a", Standard, Table::Child, conn(1), Zxid(0));
    assert_eq!(has(&w), [true, false, true, false, false]);
    w.add("/a", Standard, Table::Data, conn(1), Zxid(0));
    assert_eq!(has(&w), [true, true, true, false, false]);
    assert!(w.remove("/a", WatcherKind::Children, conn(1)));
    assert!(!w.remove("/a", WatcherKind::Children, conn(1)));
    w.add_watch("/a", Persistent, conn(1), Zxid(0));
    w.add_watch("/a", PersistentRecursive, conn(1), Zxid(0));
    assert_eq!(has(&w), [false, true, true, true, true]);
    assert!(w.remove("/a", WatcherKind::Data, conn(1)));
    assert_eq!(has(&w), [false, false, true, true, true]);
    assert!(!w.remove("/a", WatcherKind::Any, conn(2)), "another connection's");
    assert!(w.remove("/a", WatcherKind::Any, conn(1)));
    assert_eq!(has(&w), [false; 5]);
    assert!(w.is_empty());
}

#[test]
fn a_slot_s_next_user_inherits_nothing() {
    let mut w = Watches::new(1);
    let (old, new) = (conn(3), ConnId { slot: 3, generation: 2 });
    w.add("/a", Standard, Table::Data, old, Zxid(0));
    assert!(!w.has("/a", WatcherKind::Any, new));
    w.remove_conn(new);
    assert_eq!(w.counts().watches, 1, "a stale id removes nothing");
    w.add("/b", Standard, Table::Data, new, Zxid(0));
    assert_eq!(data_changed(&mut w, 1, "/a"), []);
    assert_eq!(data_changed(&mut w, 2, "/b").len(), 1);
}

#[test]
fn dumps_and_counts_show_the_data_table() {
    let mut w = Watches::new(1);
    w.add("/a", Standard, Table::Data, conn(1), Zxid(0));
    w.add("/a", Standard, Table::Data, conn(2), Zxid(0));
    w.add("/b", Standard, Table::Data, conn(1), Zxid(0));
    w.add("/c", Standard, Table::Child, conn(5), Zxid(0));
    let counts = w.counts();
    let expected = WatchCounts { watches: 4, data_watches: 3, data_paths: 2, data_connections: 2 };
    assert_eq!(counts, expected);
    let by_path: Vec<_> = w.by_path().collect();
    assert_eq!(by_path, [("/a", vec![conn(1), conn(2)]), ("/b", vec![conn(1)])]);
    let (first, next) = w.by_path_slice(0, 1);
    assert_eq!((first.count(), next), (1, Some(1)));
    let (rest, next) = w.by_path_slice(1, 100);
    assert_eq!((rest.collect::<Vec<_>>(), next), (by_path[1..].to_vec(), None));
    let by_connection: Vec<_> = w.by_connection().collect();
    assert_eq!(by_connection, [(conn(1), vec!["/a", "/b"]), (conn(2), vec!["/a"])]);
}

#[test]
fn five_thousand_watchers_come_and_go_in_order() {
    let mut w = Watches::new(1);
    for round in 0..3 {
        for slot in 0..5000 {
            assert!(w.add("/a", Standard, Table::Data, conn(slot), Zxid(round)));
            assert!(!w.add("/a", Standard, Table::Data, conn(slot), Zxid(round)));
        }
        for slot in (0..5000).step_by(7) {
            w.remove_conn(conn(slot));
        }
        let events = data_changed(&mut w, round + 1, "/a");
        assert_eq!(events.len(), 5000 - 715);
        assert!(w.is_empty());
        assert!(w.conns.iter().all(|c| c.notified == 0 || c.notified <= w.steps));
    }
}

/// WatchManager, plainly: per table, path and slot to mode bits (1, 2, 4).
#[derive(Default)]
struct Model([BTreeMap<(String, u32), u8>; 2]);

impl Model {
    fn fire(&mut self, table: usize, path: &str, supress: &[u32]) -> Vec<u32> {
        let mut told = Vec::new();
        self.0[table].retain(|(watched, slot), modes| {
            let above = watched == "/"
                || path.strip_prefix(watched.as_str()).is_some_and(|r| r.starts_with('/'));
            if watched == path {
                told.push(*slot);
                *modes &= !1;
            } else if above && *modes & 4 != 0 {
                told.push(*slot);
            }
            *modes != 0
        });
        told.sort_unstable();
        told.dedup();
        told.retain(|slot| !supress.contains(slot));
        told
    }
}

/// The tables and the model, which are told the same.
struct Both {
    w: Watches,
    model: Model,
    /// Seed and step, for messages.
    at: String,
}

impl Both {
    fn add(&mut self, random: &mut Rng, path: &str, slot: u32) {
        let modes = [Standard, Persistent, PersistentRecursive];
        let bit = random.below(3) as usize;
        let table = random.below(if bit == 2 { 1 } else { 2 }) as usize;
        let wire = if table == 0 { Table::Data } else { Table::Child };
        let fresh = self.w.add(path, modes[bit], wire, conn(slot), Zxid(0));
        let known = self.model.0[table].entry((path.into(), slot)).or_default();
        assert_eq!(fresh, *known & (1 << bit) == 0);
        *known |= 1 << bit;
    }

    fn remove(&mut self, random: &mut Rng, path: &str, slot: u32) {
        let kind: i32 = 1 + random.below(5);
        let wire = WatcherKind::from_wire(kind).unwrap();
        let masks = [[0, 1], [1, 0], [7, 7], [2, 2], [4, 0]][kind as usize - 1];
        let mut removed = false;
        for (table, mask) in masks.into_iter().enumerate() {
            if let Some(bits) = self.model.0[table].get_mut(&(path.into(), slot)) {
                removed |= *bits & mask != 0;
                *bits &= !mask;
            }
            self.model.0[table].retain(|_, bits| *bits != 0);
        }
        assert_eq!(self.w.remove(path, wire, conn(slot)), removed);
    }

    fn remove_conn(&mut self, slot: u32) {
        self.w.remove_conn(conn(slot));
        self.model.0.iter_mut().for_each(|t| t.retain(|(_, s), _| *s != slot));
    }

    fn change_data(&mut self, zxid: i64, path: &str) {
        let events = data_changed(&mut self.w, zxid, path);
        let mut events: Vec<_> = events.into_iter().map(|e| e.0).collect();
        events.sort_unstable();
        assert_eq!(events, self.model.fire(0, path, &[]), "{}", self.at);
    }

    fn create_or_delete(&mut self, zxid: i64, path: &str, gone: bool) {
        let mut events = match gone {
            true => deleted(&mut self.w, zxid, path),
            false => created(&mut self.w, zxid, path),
        };
        let first = self.model.fire(0, path, &[]);
        let mut expected: Told = Vec::new();
        let own = if gone { NodeDeleted } else { NodeCreated };
        expected.extend(first.iter().map(|s| event(*s, own, path)));
        if gone {
            let second = self.model.fire(1, path, &first);
            expected.extend(second.iter().map(|s| event(*s, own, path)));
        }
        let parent = match path.rfind('/') {
            Some(0) | None => "/",
            Some(at) => &path[..at],
        };
        let last = self.model.fire(1, parent, &[]);
        let edge = expected.len();
        expected.extend(last.iter().map(|s| event(*s, NodeChildrenChanged, parent)));
        assert_eq!(events.len(), expected.len(), "{}", self.at);
        // Of several connections that hear of one thing, none comes first.
        events[..first.len()].sort_by_key(|e| e.0);
        events[first.len()..edge].sort_by_key(|e| e.0);
        events[edge..].sort_by_key(|e| e.0);
        assert_eq!(events, expected, "{}", self.at);
    }

    fn assert_equal(&self, slot: u32) {
        let (w, model) = (&self.w, &self.model);
        let counts = w.counts();
        assert_eq!(counts.watches, model.0[0].len() + model.0[1].len());
        assert_eq!(counts.data_watches, model.0[0].len());
        assert_eq!(w.by_path().map(|(_, c)| c.len()).sum::<usize>(), model.0[0].len());
        assert_eq!(w.by_connection().map(|(_, p)| p.len()).sum::<usize>(), model.0[0].len());
        assert_eq!(w.by_path().count(), counts.data_paths);
        assert_eq!(w.by_connection().count(), counts.data_connections);
        let all = model.0.iter().flat_map(|table| table.keys());
        let own = all.filter(|(_, s)| *s == slot).map(|(path, _)| Watches::cost(path));
        assert_eq!(w.bytes_of(conn(slot)), own.sum::<usize>(), "{}", self.at);
        let texts = (0..40).map(|slot| w.bytes_of(conn(slot))).sum::<usize>();
        assert!(w.bytes() <= texts, "each path is stored once");
    }
}

#[test]
fn random_use_agrees_with_a_plain_model() {
    let paths = ["/", "/a", "/a/b", "/a/b/c", "/a/bc", "/d"];
    for seed in 0..40 {
        let mut random = Rng::new(seed);
        let (w, model) = (Watches::new(seed), Model::default());
        let mut both = Both { w, model, at: String::new() };
        for step in 1..600 {
            both.at = format!("seed {seed} step {step}");
            let path = paths[random.below(6) as usize];
            let slot = random.below(if seed % 2 == 0 { 4 } else { 40 }) as u32;
            match random.below(12) {
                0..=5 => both.add(&mut random, path, slot),
                6 => both.remove(&mut random, path, slot),
                7 if random.below(4) == 0 => both.remove_conn(slot),
                7 | 8 => both.change_data(step, path),
                kind if path != "/" => both.create_or_delete(step, path, kind == 9),
                _ => {}
            }
            both.assert_equal(slot);
        }
    }
}

#[test]
fn a_change_at_any_depth_asks_watched_ancestors_alone() {
    // A path 80,000 levels deep has 80,000 ancestors of 80 KB on average: hashing each of them at
    // every change read 6 GB. What is asked is what is watched.
    let deep = "/a".repeat(80_000);
    let mut w = Watches::new(1);
    w.add_watch("/", PersistentRecursive, conn(1), Zxid(0));
    w.add_watch(&deep[..40_000], PersistentRecursive, conn(2), Zxid(0));
    w.add_watch("/b", PersistentRecursive, conn(3), Zxid(0));
    let began = std::time::Instant::now();
    for zxid in 1..=100 {
        let events = data_changed(&mut w, zxid, &deep);
        assert_eq!(events.iter().map(|e| e.0).collect::<Vec<_>>(), [2, 1], "the nearest first");
    }
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    for n in 1..=3 {
        w.remove_conn(conn(n));
    }
    assert_eq!((w.bytes(), data_changed(&mut w, 101, &deep)), (0, vec![]));
}

#[test]
fn a_slice_of_a_listing_ends_at_its_bytes_too() {
    let mut w = Watches::new(1);
    for n in 0..10 {
        let path = format!("/{n}{}", "p".repeat(500_000));
        w.add(&path, Standard, Table::Data, conn(1), Zxid(0));
    }
    let (mut from, mut lens) = (Some(0), Vec::new());
    while let Some(at) = from {
        let (slice, next) = w.by_path_slice(at, 2000);
        lens.push(slice.count());
        from = next;
    }
    assert_eq!(lens, [3, 3, 3, 1]);
}
