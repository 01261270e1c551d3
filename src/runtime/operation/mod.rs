//! Operations on the ring, one a file, and the slab of those in flight.

mod accept;
mod connect;
mod flight;
mod receive;
mod send;
mod watch;

pub use flight::{Completion, OperationId, Received, Socket, Token};
pub(super) use flight::{Flight, Operation};
