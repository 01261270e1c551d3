//! What is on its way to a connection's peer: the bytes being sent and those behind them.

use std::mem;

use crate::runtime::{OperationId, Ring, Socket, Token};

use super::spare::BufferPool;
use crate::tls::Session;

/// Bytes of one send. Smaller steps would cost system calls; larger ones would hide how far a slow
/// reader has come, which is known only when a send completes.
const STEP: usize = 256 << 10;

#[derive(Default)]
pub(super) struct Outgoing {
    /// What the role appends to.
    pub(super) output: Vec<u8>,
    /// What is being sent; with the operation while there is one.
    bytes: Vec<u8>,
    /// How much of `bytes` has been sent, of how much.
    at: usize,
    end: usize,
    pub(super) sending: Option<OperationId>,
    /// Bytes the kernel has taken, ever.
    taken: u64,
}

impl Outgoing {
    pub(super) fn unsent(&self) -> usize {
        self.end - self.at + self.output.len()
    }

    /// Bytes the kernel has taken, ever.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Where what is appended next begins, counted as [`Outgoing::taken`] is.
    pub(super) fn position(&self) -> u64 {
        self.taken + self.unsent() as u64
    }

    /// One send in flight at a time: TCP is a stream, and two could overtake each other. `ending`:
    /// our direction ends behind what is here, and the end travels in the last packet. `tls`: what is
    /// output is sealed first.
    pub(super) fn send_some(
        &mut self,
        ending: bool,
        tls: Option<&mut Session>,
        ring: &mut Ring,
        socket: &Socket,
        token: Token,
        spare: &mut BufferPool,
    ) {
        if self.sending.is_some() {
            return;
        }
        if self.at == self.end {
            let mut output = mem::take(&mut self.output);
            if let Some(tls) = tls {
                output = sealed(tls, output, spare);
            }
            if output.is_empty() {
                spare.put(output);
                return;
            }
            (self.at, self.end) = (0, output.len());
            self.bytes = output;
        }
        let step = self.at..self.end.min(self.at + STEP);
        let more = ending && step.end == self.end && self.output.is_empty();
        self.sending = Some(ring.send(socket, mem::take(&mut self.bytes), step, more, token));
    }

    /// The send has completed with so many bytes.
    pub(super) fn sent(&mut self, n: usize, bytes: Vec<u8>, spare: &mut BufferPool) {
        self.sending = None;
        self.at += n;
        self.taken += n as u64;
        assert!(self.at <= self.end, "sent {} bytes of {}", self.at, self.end);
        if self.at == self.end { spare.put(bytes) } else { self.bytes = bytes }
    }

    /// The send has failed; nothing more will be sent.
    pub(super) fn failed(&mut self, bytes: Vec<u8>, spare: &mut BufferPool) {
        self.sending = None;
        spare.put(bytes);
        self.clear(spare);
    }

    /// Forgets all that is not in flight.
    pub(super) fn clear(&mut self, spare: &mut BufferPool) {
        spare.put(mem::take(&mut self.output));
        spare.put(mem::take(&mut self.bytes));
        (self.at, self.end) = (0, 0);
    }
}

fn sealed(tls: &mut Session, plain: Vec<u8>, spare: &mut BufferPool) -> Vec<u8> {
    if plain.is_empty() && !tls.wants_write() {
        return plain;
    }
    let mut ciphertext = spare.take();
    tls.seal(&plain, &mut ciphertext);
    spare.put(plain);
    ciphertext
}
