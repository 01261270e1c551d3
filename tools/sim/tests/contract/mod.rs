//! The promises, and the two sides that must keep them.

mod promises;
mod sides;

pub use promises::*;
pub use sides::{Real, Simulated};
