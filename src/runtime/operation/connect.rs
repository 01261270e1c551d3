//! Connecting: the address goes in with the operation and stays until its completion.

use io_uring::opcode;
use socket2::SockAddr;

use super::{Operation, OperationId, Socket, Token};
use crate::runtime::Ring;

impl Ring {
    /// Completes with [`super::Completion::Connected`]. The kernel tries for minutes; whoever has
    /// less patience cancels.
    pub fn connect(&mut self, socket: &Socket, address: SockAddr, token: Token) -> OperationId {
        // In a box, the address stays where it is when the operation moves into the slab.
        let address = Box::new(address);
        let entry = opcode::Connect::new(socket.raw(), address.as_ptr().cast(), address.len());
        let entry = entry.build();
        let operation = Operation::Connect { _socket: socket.clone(), _address: address };
        let id = self.flight.insert(token, operation);
        self.push(entry.user_data(id.0));
        id
    }
}
