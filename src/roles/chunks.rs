//! Byte strings that share memory.
//!
//! A transaction's bytes are shared by the log, the line of what may be applied, the window and the
//! packets to learners. One of its own costs two allocations, and two more calls when the last of
//! them lets go; cut from a chunk it costs a copy and a count.

use bytes::{Bytes, BytesMut};

/// Bytes of a chunk. It is freed when the last string cut from it goes, so those that live long
/// should come from chunks of their own.
const CHUNK: usize = 64 << 10;

/// Longer strings get memory of their own: they would keep a chunk, or leave most of one unused.
const SHARED_MAX: usize = CHUNK / 16;

/// Where the next ones are copied to.
#[derive(Debug, Default)]
pub struct Chunks {
    rest: BytesMut,
}

impl Chunks {
    /// The same bytes, in memory that others share.
    pub fn copy(&mut self, bytes: &[u8]) -> Bytes {
        if bytes.len() > SHARED_MAX {
            return Bytes::copy_from_slice(bytes);
        }
        if self.rest.capacity() < bytes.len() {
            self.rest = BytesMut::with_capacity(CHUNK);
        }
        self.rest.extend_from_slice(bytes);
        self.rest.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_outlive_their_chunk_and_long_ones_need_none() {
        let mut chunks = Chunks::default();
        let lens = (0..500).map(|n| n * 37 % (2 * SHARED_MAX));
        let strings: Vec<Bytes> = lens.map(|len| chunks.copy(&vec![len as u8; len])).collect();
        drop(chunks);
        for (n, string) in strings.iter().enumerate() {
            let len = n * 37 % (2 * SHARED_MAX);
            assert_eq!(string[..], vec![len as u8; len]);
        }
    }

    #[test]
    fn neighbours_share_a_chunk() {
        let mut chunks = Chunks::default();
        let (first, second) = (chunks.copy(b"abc"), chunks.copy(b"de"));
        assert_eq!(first.as_ptr().wrapping_add(3), second.as_ptr());
    }
}
