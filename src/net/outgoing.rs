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
    /// How many of the role's bytes `bytes` carries, and how many of these have been counted as taken.
    plain: usize,
    counted: usize,
    pub(super) sending: Option<OperationId>,
    /// Bytes of the role's that the kernel has taken, ever, and what they came to on the wire.
    taken: u64,
    wire: u64,
}

impl Outgoing {
    /// Bytes of the role's that the kernel has not taken.
    pub(super) fn unsent(&self) -> usize {
        self.plain - self.counted + self.output.len()
    }

    /// Something is to be sent or being sent, if only the protocol's own.
    pub(super) fn has_bytes(&self) -> bool {
        self.at < self.end || !self.output.is_empty()
    }

    /// Bytes of the role's that the kernel has taken, ever.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Bytes the kernel has taken, ever, as they go over the wire.
    pub(super) fn wire(&self) -> u64 {
        self.wire
    }

    /// The same with those that are on their way to it. What is not sealed yet counts as it is.
    pub(super) fn queued(&self) -> u64 {
        self.wire + (self.end - self.at + self.output.len()) as u64
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
            let (output, plain) = self.next(tls, spare);
            if output.is_empty() {
                spare.put(output);
                return;
            }
            (self.at, self.end) = (0, output.len());
            (self.plain, self.counted) = (plain, 0);
            self.bytes = output;
        }
        let step = self.at..self.end.min(self.at + STEP);
        let more = ending && step.end == self.end && self.output.is_empty();
        self.sending = Some(ring.send(socket, mem::take(&mut self.bytes), step, more, token));
    }

    /// What is sent next, and how many of the role's bytes are in it.
    fn next(&mut self, tls: Option<&mut Session>, spare: &mut BufferPool) -> (Vec<u8>, usize) {
        let Some(tls) = tls else {
            let output = mem::take(&mut self.output);
            let plain = output.len();
            return (output, plain);
        };
        // What a role says before the handshake is done waits here, where it is counted.
        let output = if tls.is_handshaking() { Vec::new() } else { mem::take(&mut self.output) };
        let plain = output.len();
        (sealed(tls, output, spare), plain)
    }

    /// The send has completed with so many bytes.
    pub(super) fn sent(&mut self, n: usize, bytes: Vec<u8>, spare: &mut BufferPool) {
        self.sending = None;
        self.at += n;
        self.wire += n as u64;
        assert!(self.at <= self.end, "sent {} bytes of {}", self.at, self.end);
        if self.at == self.end {
            self.count(self.plain);
            spare.put(bytes);
        } else {
            // Records are of one size but for the last: a part of the ciphertext is the same part of what
            // is in it, but for a record's head.
            let part = self.plain as u128 * self.at as u128 / self.end as u128;
            self.count(part as usize);
            self.bytes = bytes;
        }
    }

    fn count(&mut self, upto: usize) {
        self.taken += (upto - self.counted) as u64;
        self.counted = upto;
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
        (self.plain, self.counted) = (0, 0);
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
