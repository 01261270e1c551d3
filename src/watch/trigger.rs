//! From a change to the events it causes, in the order of DataTree.createNode, deleteNode and
//! setData, through WatchManager.triggerWatch.
//!
//! ```text
//! create P/c    data table of P/c: NodeCreated     child table of P: NodeChildrenChanged
//! delete P/c    data table of P/c: NodeDeleted     child table of P/c: NodeDeleted, to whom the
//!               first step did not tell            child table of P: NodeChildrenChanged
//! setData       data table: NodeDataChanged
//! ```

use std::sync::Arc;

use crate::acl::Permit;
use crate::mutants::{self, Mutant};
use crate::tree::{Change, ChangeKind};
use crate::types::{AclList, ConnId, EventKind, Zxid};

use super::set::{Members, Modes, Set, Watcher};
use super::table::{Table, Watches};

/// One event for one connection. Can be made only where a [`Permit`] is at hand.
#[derive(Debug)]
pub struct Event {
    /// Who hears it.
    pub conn: ConnId,
    /// What has happened to the node.
    pub kind: EventKind,
    /// Of the node, which is not always the one watched.
    pub path: Arc<str>,
    _permit: Permit,
}

impl Event {
    /// What a watch that is taken up again has missed (DataTree.setWatches).
    pub fn missed(conn: ConnId, kind: EventKind, path: &str, permit: Permit) -> Event {
        Event { conn, kind, path: Arc::from(path), _permit: permit }
    }
}

/// Asks whether a connection may read a node with this ACL.
pub type Readable<'a> = &'a mut dyn FnMut(ConnId, &AclList) -> Option<Permit>;

/// One step: what happened, where, and who may hear of it.
struct Step<'a> {
    table: usize,
    kind: EventKind,
    path: &'a str,
    /// The text to send, when somebody has it already.
    shared: Option<&'a Arc<str>>,
    acl: &'a AclList,
    zxid: Zxid,
}

impl Watches {
    /// One change of the commit stream, which must come in the stream's order. Appends the events
    /// it causes to `out`; `readable` decides who may hear of it.
    pub fn trigger(&mut self, change: &Change, readable: Readable<'_>, out: &mut Vec<Event>) {
        let (zxid, path, acl) = (change.zxid, &change.path, &change.acl);
        let parent_acl = change.parent_acl.as_ref().unwrap_or(acl);
        match change.kind {
            ChangeKind::Created => self.created(zxid, path, acl, parent_acl, readable, out),
            ChangeKind::Deleted => self.deleted(zxid, path, acl, parent_acl, readable, out),
            ChangeKind::DataChanged => self.data_changed(zxid, path, acl, readable, out),
        }
    }

    /// A node has come into being. `acl` is its own, `parent_acl` its parent's.
    fn created(
        &mut self,
        zxid: Zxid,
        path: &Arc<str>,
        acl: &AclList,
        parent_acl: &AclList,
        readable: Readable<'_>,
        out: &mut Vec<Event>,
    ) {
        if !self.begin(zxid) {
            return;
        }
        let step = Step {
            table: Table::Data as usize,
            kind: EventKind::NodeCreated,
            path,
            shared: Some(path),
            acl,
            zxid,
        };
        self.steps += 1;
        self.fire(&step, readable, out);
        self.children_changed(zxid, path, parent_acl, readable, out);
    }

    /// A node has gone. `acl` was its own, `parent_acl` is its parent's.
    fn deleted(
        &mut self,
        zxid: Zxid,
        path: &Arc<str>,
        acl: &AclList,
        parent_acl: &AclList,
        readable: Readable<'_>,
        out: &mut Vec<Event>,
    ) {
        if !self.begin(zxid) {
            return;
        }
        // Both tables of the node share one step number: whom the data table told (or would have,
        // but for the ACL) the child table passes over.
        self.steps += 1;
        for table in [Table::Data, Table::Child] {
            let step = Step {
                table: table as usize,
                kind: EventKind::NodeDeleted,
                path,
                shared: Some(path),
                acl,
                zxid,
            };
            self.fire(&step, readable, out);
        }
        self.children_changed(zxid, path, parent_acl, readable, out);
    }

    /// A node's data has been replaced.
    fn data_changed(
        &mut self,
        zxid: Zxid,
        path: &Arc<str>,
        acl: &AclList,
        readable: Readable<'_>,
        out: &mut Vec<Event>,
    ) {
        if !self.begin(zxid) {
            return;
        }
        let step = Step {
            table: Table::Data as usize,
            kind: EventKind::NodeDataChanged,
            path,
            shared: Some(path),
            acl,
            zxid,
        };
        self.steps += 1;
        self.fire(&step, readable, out);
    }

    /// The commit stream has been drained up to `zxid`, whole: watches of later reads need not
    /// remember what they have seen.
    pub fn settle(&mut self, zxid: Zxid) {
        self.settled = self.settled.max(zxid);
        if !self.young.is_empty() {
            let settled = self.settled;
            self.young.retain(|y| y.since > settled);
        }
    }

    /// Every transaction before this change's is through; others of its own may follow (multi).
    /// False when nobody watches anything.
    fn begin(&mut self, zxid: Zxid) -> bool {
        self.settle(Zxid(zxid.0 - 1));
        !self.is_empty()
    }

    fn children_changed(
        &mut self,
        zxid: Zxid,
        path: &str,
        parent_acl: &AclList,
        readable: Readable<'_>,
        out: &mut Vec<Event>,
    ) {
        let step = Step {
            table: Table::Child as usize,
            kind: EventKind::NodeChildrenChanged,
            path: parent_of(path).unwrap_or("/"),
            shared: None,
            acl: parent_acl,
            zxid,
        };
        self.steps += 1;
        self.fire(&step, readable, out);
    }

    fn fire(&mut self, step: &Step<'_>, readable: Readable<'_>, out: &mut Vec<Event>) {
        if let Some(at) = self.paths.find(step.path) {
            self.fire_here(at, step, readable, out);
        }
        if step.table == Table::Data as usize && !self.recursive.is_empty() {
            let mut len = step.path.len();
            while let Some(ancestor) = self.recursive.ancestor(step.path, len) {
                if let Some(at) = self.paths.find(ancestor) {
                    self.fire_above(at, step, readable, out);
                }
                len = ancestor.len();
            }
        }
    }

    /// The watched path itself: every mode hears, one-shot watches are used up.
    fn fire_here(
        &mut self,
        at: u32,
        step: &Step<'_>,
        readable: Readable<'_>,
        out: &mut Vec<Event>,
    ) {
        let mut set = self.paths.set(at, step.table);
        let text = match (step.shared, self.paths.shared_text(at)) {
            (Some(text), _) | (None, Some(text)) => text.clone(),
            (None, None) => return,
        };
        let young = self.young.iter().any(|y| y.path == at && y.table == step.table);
        match set.members() {
            Members::Nobody => return,
            Members::One(watcher) => {
                let after = self.hear(at, watcher, young, step, &text, readable, out);
                set = if after.is_none() {
                    Set::default()
                } else {
                    Set::one(Watcher::new(watcher.slot(), after))
                };
            }
            Members::Crowd(crowd) => {
                // Out of its place while the walk needs the rest of the tables.
                let mut crowds = std::mem::take(&mut self.crowds);
                crowds.walk(&mut set, crowd, |watcher| {
                    self.hear(at, watcher, young, step, &text, readable, out)
                });
                self.crowds = crowds;
            }
        }
        self.count_path(step.table, false, set.is_empty());
        self.paths.put(at, step.table, set);
    }

    /// Tells one watcher of the path itself; returns the modes it keeps.
    #[expect(clippy::too_many_arguments)]
    fn hear(
        &mut self,
        at: u32,
        watcher: Watcher,
        any_young: bool,
        step: &Step<'_>,
        text: &Arc<str>,
        readable: Readable<'_>,
        out: &mut Vec<Event>,
    ) -> Modes {
        let mut awake = watcher.modes();
        if any_young {
            awake = awake.without(self.asleep(at, watcher.slot(), step));
            if awake.is_none() {
                return watcher.modes();
            }
        }
        self.tell(watcher.slot(), step, text, readable, out);
        let after = match awake.has(Modes::STANDARD) {
            true if mutants::on(Mutant::WatchKept) => watcher.modes(),
            true => watcher.modes().without(Modes::STANDARD),
            false => watcher.modes(),
        };
        self.count(at, step.table, watcher.slot(), watcher.modes(), after);
        after
    }

    /// An ancestor of the path: recursive watches alone hear.
    fn fire_above(
        &mut self,
        at: u32,
        step: &Step<'_>,
        readable: Readable<'_>,
        out: &mut Vec<Event>,
    ) {
        let set = self.paths.set(at, step.table);
        let young = self.young.iter().any(|y| y.path == at && y.table == step.table);
        let text = match step.shared {
            Some(text) => text.clone(),
            None => Arc::from(step.path),
        };
        let crowds = std::mem::take(&mut self.crowds);
        crowds.each(set, |watcher| {
            let asleep = young && self.asleep(at, watcher.slot(), step).has(Modes::RECURSIVE);
            if watcher.modes().has(Modes::RECURSIVE) && !asleep {
                self.tell(watcher.slot(), step, &text, readable, out);
            }
        });
        self.crowds = crowds;
    }

    /// Modes whose read has already seen this change.
    fn asleep(&self, at: u32, slot: u32, step: &Step<'_>) -> Modes {
        let mine = self.young.iter().filter(|y| {
            (y.path, y.slot, y.table) == (at, slot, step.table) && y.since >= step.zxid
        });
        mine.fold(Modes::NONE, |modes, y| modes.with(y.modes))
    }

    /// One event a connection and step. Whoever may not read the node counts as told.
    fn tell(
        &mut self,
        slot: u32,
        step: &Step<'_>,
        text: &Arc<str>,
        readable: Readable<'_>,
        out: &mut Vec<Event>,
    ) {
        let conn = &mut self.conns[slot as usize];
        if conn.notified == self.steps {
            return;
        }
        conn.notified = self.steps;
        let conn = self.conn_id(slot);
        if let Some(permit) = readable(conn, step.acl) {
            out.push(Event { conn, kind: step.kind, path: text.clone(), _permit: permit });
        }
    }
}

/// The parent's path as watches know it: the root is "/".
fn parent_of(path: &str) -> Option<&str> {
    match path.rfind('/') {
        None => None,
        Some(0) if path.len() == 1 => None,
        Some(0) => Some("/"),
        Some(slash) => Some(&path[..slash]),
    }
}
