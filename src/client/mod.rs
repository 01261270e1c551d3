//! A client of ZooKeeper's protocol: a session that outlives its connections. A core: the shell (`tools/rk`
//! has one) gives it the time, what arrived and what is asked for, and carries out its effects.
//!
//! ```text
//!             Open(host)          Opened, request sent       response
//!   Waiting ────────────► Opening ─────────────────► Handshake ───────► Established
//!      ▲                     │                           │  │               │
//!      └─────────────────────┴──── lost, too late ───────┘  │               │ closed, or
//!      └────────────────────────────────────────────────────┼── lost ───────┤ authentication
//!                                                  expired  ▼               ▼ failed
//!                                                         Ended ◄───────────┘
//! ```
//!
//! With a SASL user there is an exchange of tokens between Handshake and Established, before anything else.
//!
//! * [`hosts`]: a connect string, its servers in turn
//! * [`chroot`]: the part of the tree that a client takes for the whole
//! * [`watches`]: what is watched, to be watched again at the next server
//! * [`settings`]: a session's wishes and bounds
//! * [`session`]: the core; [`inbound`]: bytes to frames
//! * [`recipes`]: locks, elections, queues and their like, over a session

pub mod chroot;
pub mod hosts;
mod inbound;
pub mod recipes;
pub mod session;
pub mod settings;
pub mod watches;

pub use chroot::Chroot;
pub use hosts::{ConnectString, ConnectStringError, Host};
pub use session::{Answer, Effect, Input, Refusal, Session, State, Ticket};
pub use settings::{SaslLogin, Settings};
pub use watches::{Removal, WatcherType};

#[cfg(test)]
mod tests;
