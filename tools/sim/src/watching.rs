//! The events one client must hear, in their order: the checker's own watch tables.

use std::collections::{BTreeMap, VecDeque};

use ringkeeper::types::{EventKind, Identity, Perms, Zxid};

use crate::history::{Change, History, allows, parent_of};

/// How one path is watched in one table.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Modes {
    pub once: bool,
    pub lasting: bool,
    pub recursive: bool,
}

impl Modes {
    fn any(self) -> bool {
        self.once || self.lasting || self.recursive
    }
}

/// An event: when, what, where. The zxid is -1 for what `setWatches` tells at once.
pub type Heard = (Zxid, EventKind, String);

/// One client's watches and what it has to hear of them.
#[derive(Clone, Debug, Default)]
pub struct Watching {
    pub data: BTreeMap<String, Modes>,
    pub child: BTreeMap<String, Modes>,
    /// Changes looked at, by number in the history.
    next_change: usize,
    /// Events due and not heard yet.
    pub due: VecDeque<Heard>,
}

impl Watching {
    /// A new connection: the server knows of no watch, and nothing before `zxid` will be heard.
    pub fn forget(&mut self, history: &History, zxid: Zxid) {
        *self = Watching::default();
        self.skip(history, zxid);
    }

    /// Passes over changes up to `zxid`.
    pub fn skip(&mut self, history: &History, zxid: Zxid) {
        self.next_change = history.changes.partition_point(|change| change.zxid <= zxid);
    }

    pub fn is_empty(&self) -> bool {
        self.data.is_empty() && self.child.is_empty()
    }

    /// Every change up to `zxid` has happened: what was to be heard is due.
    pub fn advance(&mut self, history: &History, zxid: Zxid, who: &[Identity]) {
        while let Some(change) = history.changes.get(self.next_change) {
            if change.zxid > zxid {
                break;
            }
            self.next_change += 1;
            if !self.is_empty() {
                self.change(change, who);
            }
        }
    }

    fn change(&mut self, change: &Change, who: &[Identity]) {
        let (kind, path) = (change.kind, &*change.path);
        let mut told = self.fire(true, path);
        if kind == EventKind::NodeDeleted {
            told |= self.fire(false, path);
        }
        if told && allows(&change.acl, Perms::READ, who) {
            self.due.push_back((change.zxid, kind, path.to_owned()));
        }
        if kind != EventKind::NodeDataChanged {
            let parent = parent_of(path);
            if self.fire(false, parent) && allows(&change.parent_acl, Perms::READ, who) {
                let kind = EventKind::NodeChildrenChanged;
                self.due.push_back((change.zxid, kind, parent.to_owned()));
            }
        }
    }

    /// Whether anybody hears; watches that are for once are used up.
    fn fire(&mut self, data: bool, path: &str) -> bool {
        let mut heard = false;
        let table = if data { &mut self.data } else { &mut self.child };
        if let Some(modes) = table.get_mut(path) {
            heard = modes.any();
            modes.once = false;
            if !modes.any() {
                table.remove(path);
            }
        }
        if data {
            let mut above = path;
            while above != "/" {
                above = parent_of(above);
                heard |= self.data.get(above).is_some_and(|modes| modes.recursive);
            }
        }
        heard
    }

    pub fn once(&mut self, data: bool, path: &str) {
        let table = if data { &mut self.data } else { &mut self.child };
        table.entry(path.to_owned()).or_default().once = true;
    }

    /// addWatch: persistent in both tables, recursive in the data table.
    pub fn lasting(&mut self, path: &str, recursive: bool) {
        if recursive {
            self.data.entry(path.to_owned()).or_default().recursive = true;
        } else {
            self.data.entry(path.to_owned()).or_default().lasting = true;
            self.child.entry(path.to_owned()).or_default().lasting = true;
        }
    }

    /// checkWatches: whether there is one of this kind (1 children, 2 data, 3 any, 4 persistent,
    /// 5 recursive).
    pub fn has(&self, path: &str, kind: i32) -> bool {
        let modes = |table: &BTreeMap<String, Modes>| table.get(path).copied().unwrap_or_default();
        let (data, child) = (modes(&self.data), modes(&self.child));
        match kind {
            1 => child.once,
            2 => data.once,
            3 => data.any() || child.any(),
            4 => data.lasting,
            _ => data.recursive,
        }
    }

    /// removeWatches: whether anything was taken.
    pub fn remove(&mut self, path: &str, kind: i32) -> bool {
        let mut removed = false;
        for is_data in [true, false] {
            let table = if is_data { &mut self.data } else { &mut self.child };
            let Some(modes) = table.get_mut(path) else { continue };
            let before = *modes;
            match kind {
                1 if !is_data => modes.once = false,
                2 if is_data => modes.once = false,
                3 => *modes = Modes::default(),
                4 => modes.lasting = false,
                5 if is_data => modes.recursive = false,
                _ => {}
            }
            removed |= *modes != before;
            if !modes.any() {
                table.remove(path);
            }
        }
        removed
    }
}
