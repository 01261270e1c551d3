//! Scripts: exchanges between servers as text, with what must come of each input.
//!
//! [`crate::testing::script`] reads and runs them, [`words`] turns packets into text and back.

mod leader;
mod learner;
mod sync;
mod together;
pub(crate) mod words;
