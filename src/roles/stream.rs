//! The commit stream towards one network core.

use std::sync::Arc;

pub use super::stream_state::Stream;
use crate::roles::message::ToNetwork;
use crate::runtime::mailbox::Sender;
use crate::tree::{Change, ChangeKind, ChangeSink};
use crate::types::Zxid;

/// The control core's end.
pub struct StreamSender {
    sender: Sender<ToNetwork>,
    stream: Arc<Stream>,
    /// Answers of this turn, not yet pushed; bounded by one turn's applies.
    batch: Vec<ToNetwork>,
}

impl StreamSender {
    /// `at`: what the core's stream has come to.
    pub fn new(sender: Sender<ToNetwork>, stream: Arc<Stream>, at: Zxid) -> StreamSender {
        stream.publish(at);
        StreamSender { sender, stream, batch: Vec::new() }
    }

    /// Whether one more transaction may be sent.
    pub fn has_room(&self) -> bool {
        self.sender.has_room()
    }

    /// An answer: leaves with the batch.
    pub fn send(&mut self, message: ToNetwork) {
        self.batch.push(message);
    }
}

/// Sends what waits for every core. All changes up to `published` have left before, or are not
/// wanted.
pub fn flush(stream_senders: &mut [StreamSender], published: Zxid) {
    for stream_sender in stream_senders.iter() {
        stream_sender.stream.publish(published);
    }
    for stream_sender in
        stream_senders.iter_mut().filter(|stream_sender| !stream_sender.batch.is_empty())
    {
        stream_sender.sender.push_all(&mut stream_sender.batch);
    }
}

/// Hands changes to the cores that watch.
pub struct Publisher<'a> {
    /// Every core's.
    pub stream_senders: &'a mut [StreamSender],
    /// The transaction before this one.
    pub before: Zxid,
    /// Collects the paths of removed nodes, where the audit log is to be told of them.
    pub removed: Option<Vec<Arc<str>>>,
}

impl ChangeSink for Publisher<'_> {
    fn wants_changes(&self) -> bool {
        self.stream_senders.iter().any(|stream_sender| stream_sender.stream.is_watching())
            || self.removed.is_some()
    }

    fn change(&mut self, change: Change) {
        if let Some(removed) = &mut self.removed
            && change.kind == ChangeKind::Deleted
        {
            removed.push(change.path.clone());
        }
        for stream_sender in self
            .stream_senders
            .iter_mut()
            .filter(|stream_sender| stream_sender.stream.is_watching())
        {
            stream_sender.batch.push(ToNetwork::Change(change.clone()));
        }
    }

    /// Changes leave at once, behind the answers before them: the shards' locks are still held,
    /// and whoever reads next must find the changes in the mailbox (I7).
    fn publish(&mut self) {
        flush(self.stream_senders, self.before);
    }
}
