//! The promises, and the two sides that must keep them.

mod promises;
mod sides;

pub(crate) use promises::*;
pub(crate) use sides::{Real, Simulated};
