//! Plays: exchanges between servers as text, with what must come of each input.
//!
//! [`play`] reads and runs them, [`words`] turns packets into text and back.

mod leader;
mod learner;
pub(crate) mod play;
mod sync;
mod together;
pub(crate) mod words;
