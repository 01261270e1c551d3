//! Where a frame ends: a length of four bytes, and so many behind it.

/// In front of a frame; not counted in figures of answers and events.
pub(super) const LENGTH_BYTES: usize = 4;

/// The length in front of a frame, once it has come.
pub(super) fn length_of(input: &[u8]) -> Option<i32> {
    Some(i32::from_be_bytes(*input.first_chunk::<4>()?))
}

/// A frame's payload: `None` until it is whole, its length when that is out of bounds.
pub(super) fn whole_frame(input: &[u8], frame_max: usize) -> Option<Result<&[u8], i32>> {
    let length = length_of(input)?;
    match usize::try_from(length) {
        Ok(length) if length <= frame_max => input.get(4..4 + length).map(Ok),
        Ok(_) | Err(_) => Some(Err(length)),
    }
}
