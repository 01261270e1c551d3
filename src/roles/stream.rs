//! The commit stream towards one network core.

use std::sync::Arc;

pub use super::stream_state::Stream;
use crate::roles::message::ToNetwork;
use crate::runtime::mailbox::Sender;
use crate::tree::{Change, ChangeSink};
use crate::types::Zxid;

/// The control core's end.
pub struct Outlet {
    sender: Sender<ToNetwork>,
    stream: Arc<Stream>,
    /// Answers of this turn, not yet pushed; bounded by one turn's applies.
    batch: Vec<ToNetwork>,
}

impl Outlet {
    pub fn new(sender: Sender<ToNetwork>, stream: Arc<Stream>, at: Zxid) -> Outlet {
        stream.publish(at);
        Outlet { sender, stream, batch: Vec::new() }
    }

    pub fn has_room(&self) -> bool {
        self.sender.has_room()
    }

    /// An answer: leaves with the batch.
    pub fn send(&mut self, message: ToNetwork) {
        self.batch.push(message);
    }
}

/// Sends what waits on every outlet. All changes up to `published` have left before, or are not
/// wanted.
pub fn flush(outlets: &mut [Outlet], published: Zxid) {
    for outlet in outlets.iter() {
        outlet.stream.publish(published);
    }
    for outlet in outlets.iter_mut().filter(|outlet| !outlet.batch.is_empty()) {
        outlet.sender.push_all(&mut outlet.batch);
    }
}

/// Hands changes to the cores that watch.
pub struct Publisher<'a> {
    pub outlets: &'a mut [Outlet],
    /// The transaction before this one.
    pub before: Zxid,
}

impl ChangeSink for Publisher<'_> {
    fn wants_changes(&self) -> bool {
        self.outlets.iter().any(|outlet| outlet.stream.is_watching())
    }

    fn change(&mut self, change: Change) {
        for outlet in self.outlets.iter_mut().filter(|outlet| outlet.stream.is_watching()) {
            outlet.batch.push(ToNetwork::Change(change.clone()));
        }
    }

    /// Changes leave at once, behind the answers before them: the shards' locks are still held,
    /// and whoever reads next must find the changes in the mailbox (I7).
    fn publish(&mut self) {
        flush(self.outlets, self.before);
    }
}
