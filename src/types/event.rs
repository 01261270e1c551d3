//! Watch events and the ways to watch.

/// What happened to the watched path (Watcher.Event.EventType).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(i32)]
#[allow(missing_docs, reason = "ZooKeeper's names (Watcher.Event.EventType)")]
pub enum EventKind {
    NodeCreated = 1,
    NodeDeleted = 2,
    NodeDataChanged = 3,
    NodeChildrenChanged = 4,
}

/// How a watch listens. A path and connection may hold several modes at once (ZOOKEEPER-4466).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum WatchMode {
    /// Fires once, then is gone.
    Standard,
    /// addWatch mode 0: stays; in the data and the child table.
    Persistent,
    /// addWatch mode 1: stays, and hears of all descendants; in the data table only.
    PersistentRecursive,
}
