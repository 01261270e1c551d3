//! Sockets towards the other servers of the ensemble: the election's mesh, learners' links, the
//! link to the leader.

mod message;

pub use message::{PeerCommand, PeerEvent};
