//! What [`super::stream_state`] needs of threads. tests/shown_loom.rs puts loom's in this place.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
