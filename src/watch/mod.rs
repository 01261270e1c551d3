//! Who must hear of a change: one network core's watch tables.
//!
//! A connection's watches live on the core that owns the connection, so nothing here needs a
//! lock. The core feeds every change of the commit stream through [`Watches::trigger`] in zxid
//! order and sends the [`Event`]s it gets back before any reply that could reveal the change (I7).
//! No event exists without a [`Permit`](crate::acl::Permit): whoever may not read the node is not
//! told of it (ZOOKEEPER-4799).
//!
//! Behaviour is WatchManager's and DataTree's of 3.9: a *data* and a *child* table, in which the
//! modes of one path and connection stand side by side (ZOOKEEPER-4466).
//!
//! * [`table`]: the tables, adding, asking, removing, counting
//! * [`trigger`]: from a change to events, in the order clients rely on
//! * [`set`]: the watchers of one path, small when there is one and quick when there are many
//! * [`paths`]: the watched paths, each stored once
//! * [`lengths`]: which ancestors of a path can have recursive watches

mod lengths;
mod paths;
mod set;
mod table;
#[cfg(test)]
mod tests;
mod trigger;

pub use table::{Table, WatchCounts, WatcherKind, Watches};
pub use trigger::{Event, Readable};
