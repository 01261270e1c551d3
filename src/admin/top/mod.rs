//! Who asks for what, by rate and bytes: a sample of each network core's requests in bounded memory.
//!
//! * [`sketch`]: the most frequent of any number of names, and how wrong their counts may be
//! * [`sampler`]: which requests are looked at, and what is counted of each
//! * [`view`]: the cores' parts merged, as JSON and as lines

mod sampler;
mod sketch;
mod view;

pub use sampler::{Asker, Sampled, Sampler, Slice};
pub use sketch::{Counted, Part};
pub use view::{Held, Ranking, json, text};
