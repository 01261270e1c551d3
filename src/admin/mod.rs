//! What operators see: figures and four-letter words.
//!
//! * [`metrics`]: `mntr`, the list of [`crate::metrics`] in ZooKeeper's form
//! * [`listings`]: the long answers, from what the roles tell
//! * [`words`]: the four-letter words' texts; [`conf`]: what one of them tells of an ensemble
//! * [`machine`]: what the system says of this machine and this process; [`version`]: which server this is
//! * [`http`]: the admin server without its sockets; [`prometheus`]: the list of metrics in Prometheus' form
//! * [`audit`]: the audit log without its file; [`slow`]: operations that took long;
//!   [`top`]: who asks for what, most often
//! * [`report`](mod@report): what SIGQUIT has told
//!
//! Reads figures and settings; changes nothing but its own counters.

pub mod audit;
pub mod conf;
pub mod http;
pub mod listings;
pub mod machine;
pub mod metrics;
pub mod prometheus;
pub mod report;
pub mod slow;
pub mod top;
pub mod version;
pub mod words;

#[cfg(test)]
mod tests;
