//! Sessions that outlive their connections: what an ensemble is for.
//!
//! * [`client`]: one session, blocking; its writes, and its way back after a lost connection
//! * [`writers`]: sessions that write without end; which writes were acknowledged when
//! * [`herd`]: many sessions in one thread, each with one write to have acknowledged
//!
//! The engine's loads end with the first lost connection; these expect it. They are kept apart
//! from it because they measure outages, not throughput: nothing here is on a hot path.

pub mod client;
pub mod herd;
pub mod writers;

/// Of the sessions here: far above any outage, so that none expires in it, and below the most a
/// server with a tickTime of 2 s grants (20 ticks).
pub const SESSION_TIMEOUT_MS: i32 = 30_000;
