//! What both ends of the commit stream towards a network core look at. `tests/shown_loom.rs` runs it
//! under every interleaving.

use super::sync::{AtomicBool, AtomicI64, Ordering};
use crate::types::Zxid;

/// What both ends of a stream look at.
#[derive(Default, Debug)]
pub struct Stream {
    /// Whether the core has a watch, or is about to set one. The core raises it *before* it reads
    /// the node it will watch, the control core looks at it while it holds that node's lock: so
    /// either the read saw the change, or the change is sent.
    watching: AtomicBool,
    /// Every change up to this zxid that concerns the core is in its mailbox. Raised on all
    /// streams before an answer that shows the zxid leaves for any: what one client has been told,
    /// no other core's next answer is older than.
    published: AtomicI64,
}

impl Stream {
    /// The core has watches, or none any more.
    pub fn set_watching(&self, watching: bool) {
        // SeqCst, with the shard's lock between store and load.
        self.watching.store(watching, Ordering::SeqCst);
    }
    /// Whether changes are wanted there.
    pub fn is_watching(&self) -> bool {
        self.watching.load(Ordering::SeqCst)
    }
    /// To be read *before* the mailbox is drained.
    pub fn published(&self) -> Zxid {
        Zxid(self.published.load(Ordering::SeqCst))
    }
    /// Everything up to here is in the stream.
    pub fn publish(&self, upto: Zxid) {
        self.published.store(upto.0, Ordering::SeqCst);
    }
}
