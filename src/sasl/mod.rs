//! SASL: who a connection is, proven by tokens that both ends exchange. Sans-IO: a token in, a token or an
//! end out. The one mechanism is DIGEST-MD5 (RFC 2831), as Java's `javax.security.sasl` speaks it with
//! the settings that ZooKeeper gives it: quality of protection `auth`, one realm, UTF-8.
//!
//! ```text
//!   client                                server
//!     │ empty token                         │ Fresh
//!     │ ──────────────────────────────────► │
//!     │ realm, nonce                        │ Challenged: this nonce, once
//!     │ ◄────────────────────────────────── │
//!     │ user, nonce, cnonce, response       │
//!     │ ──────────────────────────────────► │
//!     │ rspauth: the server knows it, too   │ Over: whatever comes now fails
//!     │ ◄────────────────────────────────── │
//! ```
//!
//! An exchange holds a nonce of 44 bytes between two tokens, and nothing else; a token has
//! [`limits::SASL_TOKEN_BYTES`] at most.
//!
//! * [`jaas`]: the file that tells a server its users, and a client who it is, as Java reads it
//! * [`login`]: what of it a server or a client needs
//! * [`digest`]: the mechanism, both ends
//! * [`principal`]: a proven name into the one that access lists have
//! * [`failure`]: why nothing was proven
//! * [`servers`]: the exchange between servers of an ensemble
//!
//! [`limits::SASL_TOKEN_BYTES`]: crate::types::limits::SASL_TOKEN_BYTES

mod digest;
mod failure;
pub mod jaas;
mod login;
mod principal;
mod secret;
mod servers;

pub use digest::{Accepted, Acceptor, CLIENTS, Initiator, Next, Nonce, SERVERS, Service};
pub use failure::Failure;
pub use login::{Credentials, LoginError, ServerLogin, client_login, server_login};
pub use principal::{Names, Removed, RuleError};
pub use secret::Secret;
pub use servers::{PeerAcceptor, PeerInitiator, Progress, Unproven};
