//! Accepting connections: asked once, completes for every one that comes.

use io_uring::opcode;

use super::{Operation, OperationId, Socket, Token};
use crate::runtime::Ring;

impl Ring {
    /// Completes with [`super::Completion::Accepted`] until an error, or a cancel, ends it. The
    /// sockets block, as the ring wants them, and are closed on exec.
    pub fn accept(&mut self, listener: &Socket, token: Token) -> OperationId {
        let id = self.flight.insert(token, Operation::Accept { _listener: listener.clone() });
        let entry = opcode::AcceptMulti::new(listener.raw()).flags(libc::SOCK_CLOEXEC).build();
        self.push(entry.user_data(id.0));
        id
    }
}
