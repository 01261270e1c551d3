//! The management plane: HTTP for those who run a server, on a thread of its own beside the roles.
//!
//! What is asked and answered is [`crate::admin`]'s: [`crate::admin::http`] and
//! [`crate::admin::prometheus`]. Here are the sockets, with limits of their own for connections, heads,
//! bodies and times ([`crate::types::limits`]), and what has to be asked of the roles and the disk
//! first. Roles are asked in slices, with rests between them, one question at a time; the thread has a
//! lower priority than theirs. Whoever floods this plane waits for himself.
//!
//! * [`start`](mod@start): settings into its own words, and the ports
//! * [`thread`]: the thread and its runtime; [`listen`]: where it listens
//! * [`secure`]: TLS, where a port has it
//! * [`connections`]: who may connect, and for how long; [`idle`]: when a byte went either way last;
//!   [`busy`]: whether a request is under way
//! * [`service`]: an HTTP request → an answer; [`body`]: what is sent behind its head
//! * [`gather`]: what is asked of the roles and the disk; [`probes`]: whether they live, and are behind
//! * [`audit`]: the audit log, on a thread of its own: a disk that hangs under it stops no answer here

pub mod audit;
mod body;
mod busy;
mod connections;
mod gather;
mod idle;
mod listen;
mod probes;
mod secure;
mod service;
mod start;
mod thread;

pub use gather::Sources;
pub use start::{StartError, start};
pub use thread::Handle;
