//! Primitive encodings (tools/docs/reference/client-protocol.md section 1), in both directions.
//!
//! Reproduces `org.apache.jute.BinaryInputArchive` and `BinaryOutputArchive`, oddities included: a
//! vector count below -1 reads as an empty vector, any non-zero byte is `true`, ill-formed UTF-8
//! becomes U+FFFD. Strings leave as plain UTF-8, which Java reads back whole; Java itself writes a
//! supplementary character as two three-byte surrogates, and reads each of them as one U+FFFD.

use std::borrow::Cow;

/// Why bytes are not the record they should be. Offsets count from the start of the slice given to
/// the [`Reader`]. The decoder's caller decides what follows: an answer, a closed connection, a
/// refused file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum DecodeError {
    /// What Java reports as EOF.
    #[error("{field}: {wanted} bytes wanted at byte {at}, {left} left")]
    Short { field: &'static str, at: usize, wanted: usize, left: usize },
    #[error("{field}: unreasonable length {length} at byte {at}, allowed are -1 to {max}")]
    Length { field: &'static str, at: usize, length: i32, max: usize },
    #[error("{field} is null")]
    Null { field: &'static str },
    #[error("{field} is {value}, which is not allowed here")]
    Value { field: &'static str, value: i32 },
    #[error("reads and writes are mixed in one multi")]
    Mixed,
}

impl DecodeError {
    /// Whether the bytes ended too early, as opposed to being wrong.
    pub fn is_short(&self) -> bool {
        matches!(self, DecodeError::Short { .. })
    }
}

/// Takes fields off the front of a slice. Never panics, never reads past the end.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Longest string or buffer accepted, in bytes.
    field_max: usize,
}

impl<'a> Reader<'a> {
    /// A reader whose fields are limited by the slice alone.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader::with_limit(bytes, usize::MAX)
    }

    /// A reader that refuses strings and buffers longer than `field_max` bytes
    /// (`jute.maxbuffer` + `zookeeper.jute.maxbuffer.extrasize` in Java).
    pub fn with_limit(bytes: &'a [u8], field_max: usize) -> Reader<'a> {
        Reader { bytes, at: 0, field_max }
    }

    /// Bytes consumed so far.
    pub fn position(&self) -> usize {
        self.at
    }

    /// What has not been consumed.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// How many bytes have not been consumed.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Consumes all that is left.
    pub fn skip_rest(&mut self) {
        self.at = self.bytes.len();
    }

    /// A reader of another slice under this one's limit.
    pub fn within<'b>(&self, bytes: &'b [u8]) -> Reader<'b> {
        Reader::with_limit(bytes, self.field_max)
    }

    /// The next `n` bytes as they are.
    pub fn take(&mut self, field: &'static str, n: usize) -> Result<&'a [u8], DecodeError> {
        let Some(taken) = self.rest().get(..n) else {
            return Err(DecodeError::Short { field, at: self.at, wanted: n, left: self.left() });
        };
        self.at += n;
        Ok(taken)
    }

    /// The next `N` bytes as they are.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let Some(taken) = self.rest().first_chunk::<N>() else {
            return Err(DecodeError::Short { field, at: self.at, wanted: N, left: self.left() });
        };
        self.at += N;
        Ok(*taken)
    }

    /// One byte, of which Java takes all but 0 for true.
    pub fn bool(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        Ok(self.array::<1>(field)?[0] != 0)
    }

    /// One byte.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        Ok(self.array::<1>(field)?[0])
    }

    /// Four bytes, big-endian.
    pub fn i32(&mut self, field: &'static str) -> Result<i32, DecodeError> {
        Ok(i32::from_be_bytes(self.array(field)?))
    }

    /// Eight bytes, big-endian.
    pub fn i64(&mut self, field: &'static str) -> Result<i64, DecodeError> {
        Ok(i64::from_be_bytes(self.array(field)?))
    }

    /// A buffer; `None` is null (length -1), distinct from empty.
    pub fn buffer(&mut self, field: &'static str) -> Result<Option<&'a [u8]>, DecodeError> {
        let at = self.at;
        let length = self.i32(field)?;
        if length == -1 {
            return Ok(None);
        }
        match usize::try_from(length) {
            Ok(n) if n <= self.field_max => self.take(field, n).map(Some),
            _ => Err(DecodeError::Length { field, at, length, max: self.field_max }),
        }
    }

    /// A string; `None` is null. Ill-formed UTF-8 becomes U+FFFD, at most tripling its length.
    pub fn str(&mut self, field: &'static str) -> Result<Option<Cow<'a, str>>, DecodeError> {
        Ok(self.buffer(field)?.map(java_text))
    }

    /// A string that is kept; `None` is null.
    pub fn string(&mut self, field: &'static str) -> Result<Option<String>, DecodeError> {
        Ok(self.str(field)?.map(Cow::into_owned))
    }

    /// A string that must not be null.
    pub fn some_string(&mut self, field: &'static str) -> Result<String, DecodeError> {
        self.string(field)?.ok_or(DecodeError::Null { field })
    }

    /// The count of a vector whose items take at least `item_min` bytes each; `None` is null.
    ///
    /// A count that the bytes left cannot hold is refused here, so that the caller may reserve
    /// room for as many items as this returns (I10).
    pub fn vector(
        &mut self,
        field: &'static str,
        item_min: usize,
    ) -> Result<Option<usize>, DecodeError> {
        let count = self.i32(field)?;
        if count == -1 {
            return Ok(None);
        }
        // BinaryIndex.done() is true at once for any count that is not positive.
        let count = usize::try_from(count).unwrap_or(0);
        if count > self.left() / item_min.max(1) {
            let wanted = count.saturating_mul(item_min);
            return Err(DecodeError::Short { field, at: self.at, wanted, left: self.left() });
        }
        debug_assert!(
            count * item_min <= self.left(),
            "I10: room for {count} items of {field}, which the bytes left cannot hold"
        );
        Ok(Some(count))
    }
}

/// `new String(bytes, UTF_8)`. Rust replaces each byte of an encoded surrogate, Java the whole of
/// it; all servers of an ensemble must read the same text out of the same bytes.
pub fn java_text(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Err(error) = std::str::from_utf8(rest) {
        let (good, bad) = rest.split_at(error.valid_up_to());
        text.push_str(&String::from_utf8_lossy(good));
        text.push(char::REPLACEMENT_CHARACTER);
        let skip = match bad {
            [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..] => 3,
            [0xed, 0xa0..=0xbf, ..] => 2,
            _ => error.error_len().unwrap_or(bad.len()),
        };
        rest = &bad[skip..];
    }
    text.push_str(&String::from_utf8_lossy(rest));
    Cow::Owned(text)
}

/// One byte.
pub fn put_bool(out: &mut Vec<u8>, value: bool) {
    out.push(u8::from(value));
}

/// Four bytes, big-endian.
pub fn put_i32(out: &mut Vec<u8>, value: i32) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Eight bytes, big-endian.
pub fn put_i64(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// A count or length. What reaches a writer came through a reader or a limit far below 2 GiB.
pub fn put_len(out: &mut Vec<u8>, len: usize) {
    debug_assert!(i32::try_from(len).is_ok(), "a jute length has 31 bits");
    put_i32(out, len as i32);
}

/// The count or buffer length of null.
pub fn put_null(out: &mut Vec<u8>) {
    put_i32(out, -1);
}

/// Its length, and the bytes.
pub fn put_buffer(out: &mut Vec<u8>, bytes: &[u8]) {
    put_len(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// `None`: a length of -1.
pub fn put_opt_buffer(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => put_buffer(out, bytes),
        None => put_null(out),
    }
}

/// Its length in bytes, and UTF-8.
pub fn put_str(out: &mut Vec<u8>, text: &str) {
    put_buffer(out, text.as_bytes());
}

/// `None`: a length of -1.
pub fn put_opt_str(out: &mut Vec<u8>, text: Option<&str>) {
    put_opt_buffer(out, text.map(str::as_bytes));
}

/// Reserves a length field; [`patch_len`] fills it in once what it counts has been written.
pub fn open_len(out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(&[0; 4]);
    out.len()
}

/// Writes into the field reserved by [`open_len`] how many bytes follow it.
pub fn patch_len(out: &mut [u8], opened: usize) {
    let len = out.len() - opened;
    patch_i32(out, opened - 4, len as i32);
}

/// Overwrites the four bytes at `at`.
pub fn patch_i32(out: &mut [u8], at: usize, value: i32) {
    out[at..at + 4].copy_from_slice(&value.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let mut out = Vec::new();
        put_bool(&mut out, true);
        put_i32(&mut out, -7);
        put_i64(&mut out, i64::MIN);
        put_str(&mut out, "ü漢😀");
        put_opt_str(&mut out, None);
        put_buffer(&mut out, b"");
        put_opt_buffer(&mut out, None);
        let opened = open_len(&mut out);
        put_i32(&mut out, 1);
        patch_len(&mut out, opened);
        let mut r = Reader::new(&out);
        assert_eq!(r.bool("a"), Ok(true));
        assert_eq!(r.i32("b"), Ok(-7));
        assert_eq!(r.i64("c"), Ok(i64::MIN));
        assert_eq!(r.string("d"), Ok(Some("ü漢😀".to_string())));
        assert_eq!(r.str("e"), Ok(None));
        assert_eq!(r.buffer("f"), Ok(Some(&b""[..])));
        assert_eq!(r.buffer("g"), Ok(None));
        assert_eq!(r.buffer("h"), Ok(Some(&[0, 0, 0, 1][..])));
        assert_eq!(r.left(), 0);
    }

    #[test]
    fn lengths_are_refused_by_name_value_and_limit() {
        let mut r = Reader::with_limit(&[0, 0, 0, 9, 0], 8);
        let error = r.buffer("data").unwrap_err();
        assert_eq!(error, DecodeError::Length { field: "data", at: 0, length: 9, max: 8 });
        assert!(error.to_string().contains("data: unreasonable length 9 at byte 0"));
        assert!(Reader::new(&[0xff, 0xff, 0xff, 0xfe]).buffer("data").is_err());
        let error = Reader::new(&[0, 0, 0, 9, 0]).buffer("data").unwrap_err();
        assert_eq!(error, DecodeError::Short { field: "data", at: 4, wanted: 9, left: 1 });
    }

    #[test]
    fn a_vector_never_promises_more_than_its_bytes_can_hold() {
        let claim = |n: i32, tail: usize| {
            let mut bytes = n.to_be_bytes().to_vec();
            bytes.resize(4 + tail, 0);
            Reader::new(&bytes).vector("v", 4)
        };
        assert_eq!(claim(-1, 0), Ok(None));
        assert_eq!(claim(-2, 0), Ok(Some(0)));
        assert_eq!(claim(i32::MIN, 0), Ok(Some(0)));
        assert_eq!(claim(2, 8), Ok(Some(2)));
        assert!(claim(2, 7).is_err());
        assert!(claim(i32::MAX, 1000).is_err());
    }

    /// Expectations from OpenJDK 17.
    #[test]
    fn ill_formed_utf8_is_replaced_as_java_does() {
        for (bytes, replaced) in [
            (&b"/\xffa"[..], "/?a"),
            (b"\xed\xa0\xbd\xed\xb8\x80", "??"),
            (b"\xed\xa0", "?"),
            (b"\xed\xbfA", "?A"),
            (b"\xed", "?"),
            (b"\xe0\x80\x80", "???"),
            (b"\xf0\x90\x80", "?"),
            (b"\xf4\x90\x80\x80", "????"),
            (b"\xc3\xbc\xc3", "ü?"),
        ] {
            let mut out = Vec::new();
            put_buffer(&mut out, bytes);
            let expected = replaced.replace('?', "\u{fffd}");
            assert_eq!(Reader::new(&out).string("p"), Ok(Some(expected)), "{bytes:02x?}");
        }
    }
}
