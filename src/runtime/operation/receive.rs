//! Receiving: asked once, completes for every piece that comes, each in a buffer of the ring.

use io_uring::opcode;

use super::{Operation, OperationId, Socket, Token};
use crate::runtime::Ring;
use crate::runtime::buffers::{Filled, GROUP};

impl Ring {
    /// Completes with [`super::Completion::Received`] until the peer's end, an error, a cancel or
    /// a lack of buffers ends it.
    pub fn receive(&mut self, socket: &Socket, token: Token) -> OperationId {
        let id = self.flight.insert(token, Operation::Receive { _socket: socket.clone() });
        let entry = opcode::RecvMulti::new(socket.raw(), GROUP).build();
        self.push(entry.user_data(id.0));
        id
    }

    /// The bytes of a received piece; none for a ring without buffers, which receives nothing.
    pub fn bytes<'a>(&'a self, filled: &'a Filled) -> &'a [u8] {
        self.buffers.as_ref().map_or(&[], |buffers| buffers.bytes(filled))
    }

    /// Buffers filled and not yet given back.
    pub fn buffers_out(&self) -> usize {
        self.buffers.as_ref().map_or(0, |buffers| buffers.out())
    }

    /// Lets the kernel fill the buffer again.
    pub fn give_back(&mut self, filled: Filled) {
        if let Some(buffers) = &mut self.buffers {
            buffers.give_back(filled);
        }
    }
}
