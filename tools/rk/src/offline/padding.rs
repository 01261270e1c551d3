//! How long a file is whose space Java lays out ahead of what it writes (FilePadding).

/// `preAllocSize`'s default.
const PIECE: u64 = 64 << 20;

/// What is nearer to the end than this gets more room.
const NEAR: u64 = 4096;

/// The file's length once what comes next is written at `at`. `length`: what it was.
pub(super) fn padded(at: u64, length: u64) -> u64 {
    if at + NEAR < length {
        return length;
    }
    match at > length {
        true => (at + PIECE) / PIECE * PIECE,
        false => length + PIECE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_laid_out_in_pieces() {
        let first = padded(16, 16);
        assert_eq!(first, PIECE + 16);
        assert_eq!(padded(1 << 20, first), first);
        assert_eq!(padded(first - 4096, first), first + PIECE);
        assert_eq!(padded(first + 1, first), 2 * PIECE);
    }
}
