//! The end of a transaction: what it changed is published, then it shows, then it is called applied.
//!
//! Readers on other threads look at any moment. In another order they would see a change whose event
//! is in no stream yet (I7), or would be told of a change and then not find it (I8).
//! `tests/shown_loom.rs` runs this file under every interleaving of a writer and a reader.

use super::sync::{AtomicI64, Mutex, Ordering};
use crate::mutants::{self, Mutant};

/// What readers see of the whole tree, as of one transaction.
#[derive(Debug, Default)]
pub(super) struct Shown<T> {
    whole: Mutex<T>,
    applied: AtomicI64,
}

impl<T> Shown<T> {
    /// Ends the transaction `zxid`. Who looks meanwhile waits: what is read then has been published,
    /// and what had been published before is in it.
    pub(crate) fn reveal(&self, zxid: i64, publish: impl FnOnce(), show: impl FnOnce(&mut T)) {
        if mutants::on(Mutant::AppliedBeforePublished) {
            self.applied.store(zxid, Ordering::SeqCst);
        }
        let mut whole = self.whole.lock();
        if mutants::on(Mutant::ShownBeforePublished) {
            show(&mut whole);
            drop(whole);
            publish();
        } else {
            publish();
            show(&mut whole);
        }
        self.applied.store(zxid, Ordering::SeqCst);
    }

    pub(crate) fn look<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        f(&self.whole.lock())
    }

    /// The last transaction that has ended.
    pub(crate) fn applied(&self) -> i64 {
        self.applied.load(Ordering::SeqCst)
    }

    /// Begins anew. Nobody reads meanwhile.
    pub(crate) fn reset(&self, whole: T) {
        *self.whole.lock() = whole;
        self.applied.store(0, Ordering::SeqCst);
    }
}
