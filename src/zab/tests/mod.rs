//! Plays: exchanges between servers as text, with what must come of each input.
//!
//! [`play`] reads and runs them, [`words`] turns packets into text and back.

mod learner;
pub(crate) mod play;
pub(crate) mod words;
