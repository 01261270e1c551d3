//! What a connection has received and its role has not consumed.
//!
//! The common case costs no copy: everything lies in one buffer of the kernel's, is consumed in
//! the turn it came, and the buffer goes back. Otherwise:
//!
//! ```text
//!   held ── more arrives, or the turn ends ──► rest (own vector, contiguous)
//! ```

use crate::runtime::{Filled, Ring};

use super::spare::BufferPool;

#[derive(Default)]
pub(super) struct Input {
    /// A buffer of the kernel's, and how much of it is consumed. Then `rest` is empty.
    held: Option<(Filled, usize)>,
    rest: Vec<u8>,
    /// How much of `rest` is consumed.
    from: usize,
}

impl Input {
    pub(super) fn bytes<'a>(&'a self, ring: &'a Ring) -> &'a [u8] {
        match &self.held {
            Some((filled, from)) => &ring.bytes(filled)[*from..],
            None => &self.rest[self.from..],
        }
    }

    pub(super) fn len(&self) -> usize {
        match &self.held {
            Some((filled, from)) => filled.len() - from,
            None => self.rest.len() - self.from,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends a received piece.
    pub(super) fn arrive(&mut self, filled: Filled, ring: &mut Ring, spare: &mut BufferPool) {
        if self.is_empty() {
            self.clear(ring, spare);
            self.held = Some((filled, 0));
            return;
        }
        self.settle(ring, spare);
        if self.from > self.rest.len() / 2 {
            self.rest.drain(..self.from);
            self.from = 0;
        }
        self.rest.extend_from_slice(ring.bytes(&filled));
        ring.give_back(filled);
    }

    /// Where what comes by another way than a buffer of the kernel's is appended.
    pub(super) fn appended(&mut self, ring: &mut Ring, spare: &mut BufferPool) -> &mut Vec<u8> {
        self.settle(ring, spare);
        if self.rest.capacity() == 0 {
            self.rest = spare.take();
        }
        if self.from > self.rest.len() / 2 {
            self.rest.drain(..self.from);
            self.from = 0;
        }
        &mut self.rest
    }

    pub(super) fn consume(&mut self, n: usize, ring: &mut Ring, spare: &mut BufferPool) {
        assert!(n <= self.len(), "consumed {n} bytes of {}", self.len());
        match &mut self.held {
            Some((_, from)) => *from += n,
            None => self.from += n,
        }
        if self.is_empty() {
            self.clear(ring, spare);
        }
    }

    /// Frees the kernel's buffer for others, at the end of a turn; what is left moves.
    pub(super) fn settle(&mut self, ring: &mut Ring, spare: &mut BufferPool) {
        let Some((filled, from)) = self.held.take() else { return };
        assert!(self.rest.is_empty(), "a held buffer is all there is");
        self.rest = spare.take();
        self.from = 0;
        self.rest.extend_from_slice(&ring.bytes(&filled)[from..]);
        ring.give_back(filled);
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self, ring: &mut Ring, spare: &mut BufferPool) {
        if let Some((filled, _)) = self.held.take() {
            ring.give_back(filled);
        }
        spare.put(std::mem::take(&mut self.rest));
        self.from = 0;
    }
}
