//! Sessions: who holds a lease, until when, and through which connection.
//!
//! Lives on the control core. Touches come from the network cores; expiry is only ever *decided*
//! here, and takes effect as a committed closeSession transaction (I12).
//!
//! * [`tracker`]: the table and its deadlines (SessionTrackerImpl)
//! * [`ids`]: where session ids come from
//! * [`expiry`]: the buckets (ExpiryQueue)

mod expiry;
mod ids;
mod tracker;

pub use ids::IdSource;
pub use tracker::{Scope, SessionView, Sessions, UnknownSessions};
