//! Bytes from a server, cut into frames.

/// A length that no frame has, or that is more than this client takes. The connection is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a frame of {length} bytes from the server, at most {max} are taken")]
pub(super) struct FrameLength {
    length: i32,
    max: usize,
}

/// What has arrived and is not whole.
#[derive(Clone, Debug, Default)]
pub(super) struct Inbound {
    bytes: Vec<u8>,
    at: usize,
}

impl Inbound {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.at == self.bytes.len() {
            self.clear();
        }
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.at = 0;
    }

    /// The next whole frame's payload. Memory grows with what arrives, never with what is announced.
    pub(super) fn next(&mut self, max: usize) -> Result<Option<Vec<u8>>, FrameLength> {
        let rest = &self.bytes[self.at..];
        let Some((head, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        let length = i32::from_be_bytes(*head);
        let refused = FrameLength { length, max };
        let wanted = usize::try_from(length).map_err(|_| refused)?;
        if wanted > max {
            return Err(refused);
        }
        let Some(payload) = rest.get(..wanted) else {
            // What was taken is dropped before more comes, or a long answer would be moved again and again.
            self.bytes.drain(..self.at);
            self.at = 0;
            return Ok(None);
        };
        let payload = payload.to_vec();
        self.at += 4 + wanted;
        Ok(Some(payload))
    }
}
