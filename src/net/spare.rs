//! Byte vectors between two uses. Connections hold one only while it has bytes in it, so idle
//! connections cost no buffers, and busy ones find theirs warm.

/// Capacity of a new vector: a batch of small replies.
const FRESH: usize = 1024;

/// A vector that a burst has blown up beyond this is given back to the allocator.
const KEPT_EACH: usize = 64 << 10;

/// Bytes of capacity kept at most.
const KEPT_ALL: usize = 4 << 20;

#[derive(Default)]
pub(super) struct BufferPool {
    vectors: Vec<Vec<u8>>,
    bytes: usize,
}

impl BufferPool {
    /// An empty vector with room in it.
    pub(super) fn take(&mut self) -> Vec<u8> {
        match self.vectors.pop() {
            Some(vector) => {
                self.bytes -= vector.capacity();
                vector
            }
            None => Vec::with_capacity(FRESH),
        }
    }

    /// Takes back what is no longer needed.
    pub(super) fn put(&mut self, mut vector: Vec<u8>) {
        let capacity = vector.capacity();
        if capacity == 0 || capacity > KEPT_EACH || self.bytes + capacity > KEPT_ALL {
            return;
        }
        vector.clear();
        self.bytes += capacity;
        self.vectors.push(vector);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded() {
        let mut spare = BufferPool::default();
        for _ in 0..1000 {
            spare.put(Vec::with_capacity(KEPT_EACH));
        }
        assert_eq!(spare.bytes, KEPT_ALL);
        spare.put(Vec::with_capacity(KEPT_EACH + 1));
        assert_eq!(spare.vectors.len(), KEPT_ALL / KEPT_EACH);
        let mut vector = spare.take();
        vector.push(1);
        let before = spare.bytes;
        spare.put(vector);
        assert!(spare.bytes > before && spare.take().is_empty());
    }
}
