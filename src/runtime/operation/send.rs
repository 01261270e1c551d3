//! Sending: the bytes go in with the operation and come back with its completion.

use std::ops::Range;

use io_uring::opcode;

use super::{Operation, OperationId, Socket, Token};
use crate::runtime::Ring;

impl Ring {
    /// Sends `bytes[range]`, all of it (MSG_WAITALL: the kernel waits for room itself), and
    /// completes with [`super::Completion::Sent`]. Two sends of one socket must not be in flight
    /// at once: the kernel may interleave them. `more`: something follows at once, and the last
    /// packet waits for it.
    pub fn send(
        &mut self,
        socket: &Socket,
        bytes: Vec<u8>,
        range: Range<usize>,
        more: bool,
        token: Token,
    ) -> OperationId {
        let part = &bytes[range];
        let len = u32::try_from(part.len()).unwrap_or(u32::MAX);
        // The vector's bytes stay where they are when the vector moves into the slab.
        let flags = libc::MSG_WAITALL | libc::MSG_NOSIGNAL | if more { libc::MSG_MORE } else { 0 };
        let entry = opcode::Send::new(socket.raw(), part.as_ptr(), len).flags(flags).build();
        let operation = Operation::Send { _socket: socket.clone(), bytes };
        let id = self.flight.insert(token, operation);
        self.push(entry.user_data(id.0));
        id
    }
}
