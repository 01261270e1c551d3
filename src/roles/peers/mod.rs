//! Sockets towards the other servers of the ensemble: the election's mesh, learners' links, the
//! link to the leader. A shell on the control role's thread and on that thread's transport.
//!
//! ```text
//!   control ──PeerCommand──► Peers ──► Links (core) ──► election port, one connection a server
//!           ◄──PeerEvent────   │
//!                              └─ quorum port, while leading; or one link to the leader
//! ```
//!
//! It decides nothing: which connection lasts is [`crate::election::Links`]' to say, what a packet
//! means the control role's. It cuts streams into packets, looks names up anew for every
//! connection, on threads that nobody waits for, and keeps every link within bounds.
//!
//! * [`Peers`]: commands and events, and whose a connection is
//! * `election`: the mesh's effects; `quorum`: links that carry packets
//! * `proofs`, `proving`: SASL before either
//! * `secure`: TLS between servers
//! * `calls`: connections on their way; `listeners`: listening, and trying again to
//! * [`Resolver`]: names into addresses
//! * `error`: why there is no connection, or none any more
//! * `contract`: what a quorum link promises, for these sockets and for the simulator's

mod settings;

mod shell;

mod election;
mod proofs;
mod proving;
mod quorum;
mod secure;

mod calls;
mod listeners;
mod resolver;

mod error;

pub use error::{ListenError, LookUpError};
pub use resolver::Resolver;
pub use settings::{PeerSasl, PeerSettings, PeerTls};
pub use shell::{Peers, PeersError};

pub mod contract;

#[cfg(test)]
mod tests;
