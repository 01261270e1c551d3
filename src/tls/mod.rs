//! TLS between a connection's bytes and its role's. Sans-IO: ciphertext in, plain bytes out, and back.
//!
//! ```text
//!   socket ──► net ── ciphertext ─► Session ─ plain ─► input ──► role
//!   socket ◄── net ◄─ ciphertext ── Session ◄─ plain ─ output ◄── role
//! ```
//!
//! Roles see plain bytes, whatever the connection. A plain connection has no [`Session`] and pays one
//! look at an empty pointer. What a session may cost:
//!
//! * Of the handshake: [`limits::HANDSHAKES_PER_TURN`] steps of all connections in a turn of the
//!   transport, each over what one client has sent by then; the rest waits for the next turn, behind
//!   the sockets. [`limits::HANDSHAKE_BYTES`] of ciphertext wait for their step, then the connection is
//!   not read; a handshake that is not done in time ends.
//! * Of what comes: one record that is not whole yet. What is whole is opened at once, and stands in the
//!   connection's input, which has its bound.
//! * Of what goes: output is sealed when it is sent; nothing is kept.
//!
//! Between servers a session may be begun from here, too ([`Session::dial`]). What a peer's certificate
//! names is looked at when the handshake is done, before a byte of its role's is taken or sent.
//!
//! [`files`] is the only part that reads the disk, and has the only thread.
//!
//! [`limits::HANDSHAKES_PER_TURN`]: crate::types::limits::HANDSHAKES_PER_TURN
//! [`limits::HANDSHAKE_BYTES`]: crate::types::limits::HANDSHAKE_BYTES

mod context;
mod failure;
mod session;

mod names;
mod subject;
mod verify;

pub mod files;
mod stores;

pub use context::{ClientAuth, Context, ContextError, Current, Dialer, Dials, Material, Options};
pub use failure::Failure;
pub use names::{SUITES, Suite, Version, suite};
pub use session::{Session, is_client_hello};
pub use stores::{KeyEntry, StoreError, StoreKind, keys, trusted};
pub use subject::{name, of as subject};
