//! Watching the bell of a waker: a thread that sleeps in the ring can be woken by others.

use std::os::fd::AsRawFd;

use io_uring::{opcode, types::Fd};

use super::{Operation, Token};
use crate::runtime::{Ring, RingSleeper};

impl Ring {
    /// Completes with [`super::Completion::Rang`] at every ring of the bell. The counter behind it
    /// is never read: each write wakes the poll anew, and the waker keeps the state.
    pub fn watch(&mut self, sleeper: &RingSleeper) {
        let operation = Operation::Watch { _bell: sleeper.waker() };
        let id = self.flight.insert(Token(0), operation);
        let bell = Fd(sleeper.bell().as_raw_fd());
        let entry = opcode::PollAdd::new(bell, libc::POLLIN as u32).multi(true).build();
        self.push(entry.user_data(id.0));
    }
}
