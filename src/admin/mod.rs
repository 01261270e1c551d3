//! What operators see: figures and four-letter words.
//!
//! * [`gauges`]: counters every role feeds; each has one writer, readers are anybody
//! * [`quorum`]: those of a server of an ensemble
//! * [`metrics`]: the names of `mntr`
//! * [`listings`]: the long answers, from what the roles tell
//! * [`words`]: the four-letter words' texts
//! * [`report`](mod@report): what SIGQUIT has told
//!
//! Reads figures and settings; changes nothing but its own counters.

pub mod gauges;
pub mod listings;
pub mod metrics;
pub mod quorum;
pub mod report;
pub mod words;

#[cfg(test)]
mod tests;
