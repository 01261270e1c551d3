//! The executor's parts: what touches the kernel, the clock and other threads.
//!
//! The only module with unsafe code. Everything it offers is safe to call: buffers belong to the
//! operation that uses them until the kernel has let go of them, and what must stay on one thread
//! is not `Send`. It knows nothing of connections, sessions or transactions; roles and shells
//! ([`crate::net`], [`crate::node`]) are built from it.

pub mod blockio;
mod buffers;
mod operation;
pub mod probe;
mod ring;

mod eventfd;
pub mod mailbox;
mod sync;
pub mod waker;

pub mod affinity;
pub mod clock;
mod entropy;
pub mod open_files;
mod pipelined;
pub mod stderr;

pub use buffers::Filled;
pub use entropy::entropy;
pub use mailbox::{Receiver, Sender, mailbox};
pub use operation::{Completion, OperationId, Received, Socket, Token};
pub use pipelined::pipelined;
pub use probe::probe;
pub use ring::{Ring, RingSettings};
pub use waker::{RingSleeper, ThreadSleeper, Waker};

#[cfg(test)]
mod tests;
