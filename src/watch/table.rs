//! The tables: adding, asking, removing, counting (WatchManager, DataTree.addWatch,
//! DataTree.containsWatcher, DataTree.removeWatch).

use crate::types::limits::WATCH_COST;
use crate::types::{ConnId, WatchMode, Zxid};

use super::lengths::Lengths;
use super::paths::Paths;
use super::set::{Crowds, Modes};

/// Which of the two tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Table {
    /// Set by getData, exists and addWatch.
    Data,
    /// Set by getChildren, getChildren2 and persistent addWatch.
    Child,
}

const DATA: usize = Table::Data as usize;
const CHILD: usize = Table::Child as usize;

/// What checkWatches and removeWatches ask about (Watcher.WatcherType).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WatcherKind {
    /// One-shot watches of the child table.
    Children,
    /// One-shot watches of the data table.
    Data,
    /// Whatever there is.
    Any,
    /// Persistent ones of this path.
    Persistent,
    /// Persistent ones of this path and all beneath.
    PersistentRecursive,
}

impl WatcherKind {
    /// `None` for a number Java does not know (answered with MarshallingError).
    pub fn from_wire(kind: i32) -> Option<WatcherKind> {
        Some(match kind {
            1 => WatcherKind::Children,
            2 => WatcherKind::Data,
            3 => WatcherKind::Any,
            4 => WatcherKind::Persistent,
            5 => WatcherKind::PersistentRecursive,
            _ => return None,
        })
    }

    /// What is taken from the (data, child) table.
    fn removes(self) -> [Modes; 2] {
        match self {
            WatcherKind::Children => [Modes::NONE, Modes::STANDARD],
            WatcherKind::Data => [Modes::STANDARD, Modes::NONE],
            WatcherKind::Any => [Modes::ANY, Modes::ANY],
            WatcherKind::Persistent => [Modes::PERSISTENT, Modes::PERSISTENT],
            WatcherKind::PersistentRecursive => [Modes::RECURSIVE, Modes::NONE],
        }
    }

    /// What is looked for: Java looks for persistent watches in the data table alone.
    fn looks_for(self) -> [Modes; 2] {
        match self {
            WatcherKind::Persistent => [Modes::PERSISTENT, Modes::NONE],
            other => other.removes(),
        }
    }
}

/// Bytes of paths and watchers after which a slice of a listing ends.
const SLICE_BYTES: usize = 1 << 20;

/// Figures of `mntr` and `wchs`. A watch is a pair of path and connection in one table, however
/// many modes it has (IWatchManager.size).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WatchCounts {
    /// Watches of both tables: `watch_count`.
    pub watches: usize,
    /// Watches of the data table: all that `wchs`, `wchp` and `wchc` show.
    pub data_watches: usize,
    /// Paths with a data watch.
    pub data_paths: usize,
    /// Connections with a data watch.
    pub data_connections: usize,
}

/// One connection's side of the tables.
#[derive(Default)]
pub(super) struct Conn {
    pub generation: u32,
    /// The last trigger step that told this connection, so that none tells it twice.
    pub notified: u64,
    /// Its watches, by table.
    live: [u32; 2],
    /// What they count for: see [`Watches::bytes_of`].
    bytes: usize,
    /// Numbers of its watched paths. A watch that fired leaves its number behind until the list
    /// is swept, because a walk over five thousand watchers must not edit five thousand lists.
    paths: Vec<u32>,
}

/// A watch whose read has seen changes that this core has yet to take from the commit stream.
/// It must sleep through those (ARCHITECTURE.md, "Order across cores").
#[derive(Clone, Copy)]
pub(super) struct Young {
    pub path: u32,
    pub slot: u32,
    pub table: usize,
    pub modes: Modes,
    pub since: Zxid,
}

/// One network core's watches. See the module's front page.
pub struct Watches {
    pub(super) paths: Paths,
    pub(super) crowds: Crowds,
    pub(super) conns: Vec<Conn>,
    pub(super) young: Vec<Young>,
    /// Watches that need ancestors to be looked up.
    pub(super) recursive: Lengths,
    /// Number of trigger steps so far.
    pub(super) steps: u64,
    /// Every change up to here has been through `trigger`, whole.
    pub(super) settled: Zxid,
    watches: [usize; 2],
    data_paths: usize,
    data_connections: usize,
}

impl Watches {
    /// `hash_seed` keeps clients from choosing paths that collide.
    pub fn new(hash_seed: u64) -> Watches {
        Watches {
            paths: Paths::new(hash_seed),
            crowds: Crowds::default(),
            conns: Vec::new(),
            young: Vec::new(),
            recursive: Lengths::default(),
            steps: 0,
            settled: Zxid::ZERO,
            watches: [0; 2],
            data_paths: 0,
            data_connections: 0,
        }
    }

    /// Registers a watch in one table. `since`: the zxid the read behind it observed; the watch
    /// fires on newer changes only. False when it was there already.
    pub fn add(
        &mut self,
        path: &str,
        mode: WatchMode,
        table: Table,
        conn: ConnId,
        since: Zxid,
    ) -> bool {
        self.welcome(conn);
        let (mode, table) = (Modes::of(mode), table as usize);
        let at = self.paths.find_or_add(path);
        let before = self.modes(at, table, conn.slot);
        if before.has(mode) {
            return false;
        }
        let elsewhere = self.modes(at, 1 - table, conn.slot);
        self.set_modes(at, table, conn.slot, before.with(mode));
        if before.is_none() && elsewhere.is_none() {
            self.remember(at, conn.slot);
        }
        if since > self.settled {
            self.young.push(Young { path: at, slot: conn.slot, table, modes: mode, since });
        }
        true
    }

    /// The addWatch request (DataTree.addWatch): a persistent watch sits in both tables, a
    /// recursive one in the data table alone.
    pub fn add_watch(&mut self, path: &str, mode: WatchMode, conn: ConnId, since: Zxid) {
        self.add(path, mode, Table::Data, conn, since);
        match mode {
            WatchMode::PersistentRecursive => {}
            WatchMode::Standard | WatchMode::Persistent => {
                self.add(path, mode, Table::Child, conn, since);
            }
        }
    }

    /// The checkWatches request; false is answered with NoWatcher.
    pub fn has(&self, path: &str, kind: WatcherKind, conn: ConnId) -> bool {
        let Some(at) = self.paths.find(path).filter(|_| self.knows(conn)) else { return false };
        let [data, child] = kind.looks_for();
        self.modes(at, DATA, conn.slot).has(data) || self.modes(at, CHILD, conn.slot).has(child)
    }

    /// The removeWatches request; false (nothing was there) is answered with NoWatcher.
    pub fn remove(&mut self, path: &str, kind: WatcherKind, conn: ConnId) -> bool {
        let Some(at) = self.paths.find(path).filter(|_| self.knows(conn)) else { return false };
        let mut removed = false;
        for (table, gone) in kind.removes().into_iter().enumerate() {
            let before = self.modes(at, table, conn.slot);
            if before.has(gone) {
                self.set_modes(at, table, conn.slot, before.without(gone));
                self.young.retain_mut(|y| {
                    if (y.path, y.slot, y.table) == (at, conn.slot, table) {
                        y.modes = y.modes.without(gone);
                    }
                    !y.modes.is_none()
                });
                removed = true;
            }
        }
        removed
    }

    /// The connection is gone, and its watches with it.
    pub fn remove_conn(&mut self, conn: ConnId) {
        if self.knows(conn) {
            self.forget(conn.slot);
        }
    }

    /// Nobody watches anything here.
    pub fn is_empty(&self) -> bool {
        self.watches == [0; 2]
    }

    /// What a connection's watches count for: each with the whole text of its path, whoever else
    /// watches it.
    pub fn bytes_of(&self, conn: ConnId) -> usize {
        if self.knows(conn) { self.conns[conn.slot as usize].bytes } else { 0 }
    }

    /// About what all watches take here, where each path is stored once.
    pub fn bytes(&self) -> usize {
        self.paths.bytes() + (self.watches[DATA] + self.watches[CHILD]) * WATCH_COST
    }

    /// What one more watch counts for.
    pub fn cost(path: &str) -> usize {
        path.len() + WATCH_COST
    }

    /// For `mntr` and `wchs`.
    pub fn counts(&self) -> WatchCounts {
        WatchCounts {
            watches: self.watches[DATA] + self.watches[CHILD],
            data_watches: self.watches[DATA],
            data_paths: self.data_paths,
            data_connections: self.data_connections,
        }
    }

    /// The data table for `wchp`: every watched path and its connections.
    pub fn by_path(&self) -> impl Iterator<Item = (&str, Vec<ConnId>)> {
        self.by_path_among(0, self.paths.end())
    }

    /// A slice of it: up to `max` places from the place `from` on, or as many as take up
    /// [`SLICE_BYTES`], and the place that comes after them, if there is one. A path that is watched
    /// all along is in one of the slices.
    pub fn by_path_slice(
        &self,
        from: u32,
        max: usize,
    ) -> (impl Iterator<Item = (&str, Vec<ConnId>)>, Option<u32>) {
        let to = from.saturating_add(u32::try_from(max).unwrap_or(u32::MAX)).min(self.paths.end());
        let mut bytes = 0;
        let is_full = |at: &u32| {
            let before = bytes;
            bytes += self.paths.text(*at).len() + size_of::<ConnId>() * self.watchers(*at);
            before > SLICE_BYTES
        };
        let to = (from..to).find(is_full).unwrap_or(to);
        let next = (to < self.paths.end()).then_some(to);
        (self.by_path_among(from, to), next)
    }

    fn watchers(&self, at: u32) -> usize {
        self.crowds.len(self.paths.set(at, DATA))
    }

    fn by_path_among(&self, from: u32, to: u32) -> impl Iterator<Item = (&str, Vec<ConnId>)> {
        self.paths.range(from, to).filter_map(|(at, text)| {
            let set = self.paths.set(at, DATA);
            let mut conns = Vec::with_capacity(self.crowds.len(set));
            self.crowds.each(set, |watcher| conns.push(self.conn_id(watcher.slot())));
            (!conns.is_empty()).then_some((text, conns))
        })
    }

    /// The data table for `wchc`: every watching connection and its paths.
    pub fn by_connection(&self) -> impl Iterator<Item = (ConnId, Vec<&str>)> {
        let watching = self.conns.iter().enumerate().filter(|(_, conn)| conn.live[DATA] > 0);
        watching.map(|(slot, conn)| {
            let slot = slot as u32;
            let mut paths = conn.paths.clone();
            paths.sort_unstable();
            paths.dedup();
            paths.retain(|at| !self.modes(*at, DATA, slot).is_none());
            (self.conn_id(slot), paths.into_iter().map(|at| self.paths.text(at)).collect())
        })
    }

    pub(super) fn conn_id(&self, slot: u32) -> ConnId {
        ConnId { slot, generation: self.conns[slot as usize].generation }
    }

    fn modes(&self, at: u32, table: usize, slot: u32) -> Modes {
        self.crowds.modes(self.paths.set(at, table), slot)
    }

    fn set_modes(&mut self, at: u32, table: usize, slot: u32, modes: Modes) {
        let mut set = self.paths.set(at, table);
        let before = self.crowds.modes(set, slot);
        let was_empty = set.is_empty();
        self.crowds.put(&mut set, slot, modes);
        self.count(at, table, slot, before, modes);
        self.count_path(table, was_empty, set.is_empty());
        self.paths.put(at, table, set);
    }

    /// Keeps the figures when a watcher's modes change.
    pub(super) fn count(&mut self, at: u32, table: usize, slot: u32, before: Modes, after: Modes) {
        let text = self.paths.text(at);
        match (before.has(Modes::RECURSIVE), after.has(Modes::RECURSIVE)) {
            (false, true) => self.recursive.add(text.len()),
            (true, false) => self.recursive.remove(text.len()),
            (true, true) | (false, false) => {}
        }
        let conn = &mut self.conns[slot as usize];
        let live = &mut conn.live[table];
        match (before.is_none(), after.is_none()) {
            (true, false) => {
                *live += 1;
                conn.bytes += Watches::cost(text);
                self.watches[table] += 1;
                self.data_connections += (table == DATA && *live == 1) as usize;
            }
            (false, true) => {
                *live -= 1;
                conn.bytes -= Watches::cost(text);
                self.watches[table] -= 1;
                self.data_connections -= (table == DATA && *live == 0) as usize;
            }
            (true, true) | (false, false) => {}
        }
    }

    /// Keeps the number of paths with data watches when a set fills or empties.
    pub(super) fn count_path(&mut self, table: usize, was_empty: bool, is_empty: bool) {
        if table == DATA {
            self.data_paths += (was_empty && !is_empty) as usize;
            self.data_paths -= (!was_empty && is_empty) as usize;
        }
    }

    fn knows(&self, conn: ConnId) -> bool {
        self.conns.get(conn.slot as usize).is_some_and(|c| c.generation == conn.generation)
    }

    /// Makes room for a connection. Whatever an earlier user of the slot left is dropped.
    fn welcome(&mut self, conn: ConnId) {
        let slot = conn.slot as usize;
        if self.conns.len() <= slot {
            self.conns.resize_with(slot + 1, Conn::default);
        }
        if self.conns[slot].generation != conn.generation {
            self.forget(conn.slot);
            self.conns[slot].generation = conn.generation;
        }
    }

    fn forget(&mut self, slot: u32) {
        for at in std::mem::take(&mut self.conns[slot as usize].paths) {
            for table in [DATA, CHILD] {
                if !self.modes(at, table, slot).is_none() {
                    self.set_modes(at, table, slot, Modes::NONE);
                }
            }
        }
        self.young.retain(|y| y.slot != slot);
        assert!(self.conns[slot as usize].live == [0; 2], "watches of slot {slot} left behind");
    }

    fn remember(&mut self, at: u32, slot: u32) {
        let conn = &mut self.conns[slot as usize];
        conn.paths.push(at);
        let live = (conn.live[DATA] + conn.live[CHILD]) as usize;
        if conn.paths.len() <= 2 * live + 64 {
            return;
        }
        let mut paths = std::mem::take(&mut conn.paths);
        paths.sort_unstable();
        paths.dedup();
        paths.retain(|at| {
            [DATA, CHILD].iter().any(|table| !self.modes(*at, *table, slot).is_none())
        });
        self.conns[slot as usize].paths = paths;
    }
}
