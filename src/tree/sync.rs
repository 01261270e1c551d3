//! What [`super::shown`] needs of threads. tests/shown_loom.rs puts loom's in this place.

pub(crate) use parking_lot::Mutex;
pub(crate) use std::sync::atomic::{AtomicI64, Ordering};
