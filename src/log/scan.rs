//! Reading one log file from its start, record by record, through a buffer of bounded size; and
//! the judgement on how it ends.

use super::frame::{
    self, ENTRY_MIN, HEADER, Header, Nonce, RECORD_END, RECORD_EXTRA, RECORD_HEAD, TRAILER,
    TRAILER_MAGIC,
};
use crate::disk::{self, File};
use crate::types::Zxid;
use std::fmt;
use std::io;
use std::sync::Arc;

/// Bytes read at a time. A longer record makes the buffer grow to its own size.
const CHUNK: usize = 1 << 20;

/// Why the records of a file end where they end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// The file ends, exactly after a record.
    FileEnd,
    /// A record of length zero: prepared space.
    Zero,
    /// The file ends within a record.
    Cut,
    /// The end-of-record marker is another byte.
    Marker(u8),
    /// A length that no record has.
    Length(i32),
    /// A whole, sound record of so many bytes, more than this reader takes.
    TooLong(usize),
    /// The entry is not what was written.
    Checksum,
    /// The entry is shorter than a transaction header.
    Short(usize),
    /// There is no file header, or one that begins and does not end.
    NoHeader,
}

impl Cause {
    /// Where Java's reader goes on with the next file without a word
    /// (FileTxnLog.FileTxnIterator.next); it refuses to start at the others.
    pub fn is_silent_in_java(self) -> bool {
        match self {
            Cause::FileEnd | Cause::Zero | Cause::Cut | Cause::Marker(_) | Cause::Short(_) => true,
            Cause::Length(_) | Cause::TooLong(_) | Cause::Checksum | Cause::NoHeader => false,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::FileEnd => write!(f, "end of file"),
            Cause::Zero => write!(f, "zeros"),
            Cause::Cut => write!(f, "file ends within the record"),
            Cause::Marker(byte) => write!(f, "end-of-record marker is 0x{byte:02x}, not 0x42"),
            Cause::Length(n) => write!(f, "impossible record length {n}"),
            Cause::TooLong(n) => write!(f, "sound record of {n} bytes"),
            Cause::Checksum => write!(f, "checksum does not match"),
            Cause::Short(n) => write!(f, "entry of {n} bytes has no transaction header"),
            Cause::NoHeader => write!(f, "file header is missing"),
        }
    }
}

/// What [`Scanner::next`] finds.
#[derive(PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "a variant says what its parts are")]
pub enum Step<'a> {
    /// A sound one.
    Record { offset: u64, entry: &'a [u8] },
    /// No more records; asked again it says the same.
    End { offset: u64, cause: Cause },
}

/// What lies where the records end badly. Tools show it; whoever serves believes none of it.
#[derive(PartialEq, Eq, Debug)]
pub struct Unsound<'a> {
    /// As it lies there.
    pub entry: &'a [u8],
    /// The checksum before it.
    pub stored: u64,
    /// The entry's own.
    pub computed: u32,
    /// What stands in the end-of-record marker's place; `None`: the file ends there.
    pub marker: Option<u8>,
}

/// What the bytes behind the last good record mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "a variant says what its parts are")]
pub enum Verdict {
    /// Nothing is there but prepared space.
    Clean,
    /// A write that was never reported done.
    Torn,
    /// Something was written, later, at this offset: what ends here had been flushed by then.
    Damaged { evidence: u64 },
    /// The file ends within a record, and was longer before there was any record in it.
    Shortened,
}

/// One file being read.
#[derive(Debug)]
pub struct Scanner {
    file: Arc<dyn File>,
    header: Header,
    size: u64,
    entry_max: usize,
    buffer: Vec<u8>,
    /// The part of `buffer` that has been read and not used.
    used: usize,
    filled: usize,
    /// Offset in the file of `buffer[used]`.
    offset: u64,
    /// crc32c of everything before `offset`.
    crc: u32,
    entry_length: usize,
    end: Option<Cause>,
}

impl Scanner {
    /// `entry_max`: bytes of the largest entry to accept (jute.maxbuffer + extrasize).
    pub fn open(file: Arc<dyn File>, entry_max: usize) -> io::Result<Scanner> {
        let size = file.size()?;
        let mut first = [0; HEADER];
        let got = disk::read_full(file.as_ref(), &mut first, 0)?;
        let header = if got < HEADER { Header::Blank } else { frame::read_header(&first) };
        let crc = match header {
            Header::Ours { nonce, .. } => frame::header_crc(nonce),
            Header::Foreign | Header::Blank | Header::Unknown => crc32c::crc32c(&first),
        };
        Ok(Scanner {
            file,
            header,
            size,
            entry_max,
            buffer: Vec::new(),
            used: 0,
            filled: 0,
            offset: HEADER as u64,
            crc,
            entry_length: 0,
            end: (header == Header::Blank || got < HEADER).then_some(Cause::NoHeader),
        })
    }

    /// As the file began when it was opened.
    pub fn header(&self) -> Header {
        self.header
    }
    /// Bytes, when it was opened.
    pub fn size(&self) -> u64 {
        self.size
    }
    /// End of the last record returned.
    pub fn offset(&self) -> u64 {
        self.offset
    }
    /// crc32c of the file up to [`Scanner::offset`].
    pub fn crc(&self) -> u32 {
        self.crc
    }

    /// Offset and entry of the record returned last.
    pub fn current(&self) -> (u64, &[u8]) {
        let end = self.used.saturating_sub(1);
        let entry = &self.buffer[end.saturating_sub(self.entry_length)..end];
        (self.offset - (self.entry_length + RECORD_EXTRA) as u64, entry)
    }

    /// The next record, or the end.
    pub fn next_step(&mut self) -> io::Result<Step<'_>> {
        if let Some(cause) = self.end {
            let offset = if cause == Cause::NoHeader { 0 } else { self.offset };
            return Ok(Step::End { offset, cause });
        }
        match self.whole_record()? {
            Err(cause) => {
                self.end = Some(cause);
                Ok(Step::End { offset: self.offset, cause })
            }
            Ok(length) => {
                let offset = self.offset;
                let record = &self.buffer[self.used..self.used + length];
                self.crc = crc32c::crc32c_append(self.crc, record);
                self.used += length;
                self.entry_length = length - RECORD_EXTRA;
                self.offset += length as u64;
                Ok(Step::Record { offset, entry: &record[RECORD_HEAD..length - 1] })
            }
        }
    }

    /// The record at an end that [`Scanner::next_step`] gave, if all of its entry is there.
    pub fn unsound(&mut self) -> io::Result<Option<Unsound<'_>>> {
        match self.end {
            Some(Cause::Checksum | Cause::Marker(_) | Cause::Short(_) | Cause::Cut) => {}
            Some(_) | None => return Ok(None),
        }
        if self.have(RECORD_HEAD)? < RECORD_HEAD {
            return Ok(None);
        }
        let head = &self.buffer[self.used..self.used + RECORD_HEAD];
        let (stored, length) = (frame::u64_at(head, 0), frame::u32_at(head, 8) as usize);
        let behind = RECORD_HEAD + length;
        // As in `whole_record`: no memory before the bytes are known to be there.
        if length > self.entry_max
            || self.offset + behind as u64 > self.size
            || self.have(behind)? < behind
        {
            return Ok(None);
        }
        let is_marked = self.have(behind + 1)? > behind;
        let entry = &self.buffer[self.used + RECORD_HEAD..self.used + behind];
        let marker = is_marked.then(|| self.buffer[self.used + behind]);
        Ok(Some(Unsound { entry, stored, computed: frame::adler(entry), marker }))
    }

    /// Goes on behind a record whose only fault is its checksum; whether there was one.
    pub fn pass_over(&mut self) -> bool {
        if self.end != Some(Cause::Checksum) {
            return false;
        }
        let head = &self.buffer[self.used..self.used + RECORD_HEAD];
        let length = frame::u32_at(head, 8) as usize + RECORD_EXTRA;
        let record = &self.buffer[self.used..self.used + length];
        self.crc = crc32c::crc32c_append(self.crc, record);
        self.used += length;
        self.entry_length = length - RECORD_EXTRA;
        self.offset += length as u64;
        self.end = None;
        true
    }

    /// The length of the good record at the cursor, all of it in the buffer.
    fn whole_record(&mut self) -> io::Result<Result<usize, Cause>> {
        match self.have(RECORD_HEAD)? {
            0 => return Ok(Err(Cause::FileEnd)),
            n if n < RECORD_HEAD => {
                let is_space = is_zero(&self.buffer[self.used..self.used + n]);
                return Ok(Err(if is_space { Cause::Zero } else { Cause::Cut }));
            }
            _ => {}
        }
        let head = &self.buffer[self.used..self.used + RECORD_HEAD];
        let (sum, length) = (frame::u64_at(head, 0), frame::u32_at(head, 8) as i32);
        let entry_length = match usize::try_from(length) {
            Ok(0) => return Ok(Err(Cause::Zero)),
            Ok(n) if n <= self.entry_max => n,
            // Most likely no length at all. If it is one, the record was acknowledged under another
            // limit, and must not pass for a torn one.
            Ok(n) if self.is_sound(n, sum)? => return Ok(Err(Cause::TooLong(n))),
            Ok(_) | Err(_) => return Ok(Err(Cause::Length(length))),
        };
        // Before any memory is taken for it: the record must lie within the file (I10).
        let whole = entry_length + RECORD_EXTRA;
        if self.offset + whole as u64 > self.size || self.have(whole)? < whole {
            return Ok(Err(Cause::Cut));
        }
        let record = &self.buffer[self.used..self.used + whole];
        let entry = &record[RECORD_HEAD..whole - 1];
        Ok(if record[whole - 1] != RECORD_END {
            Err(Cause::Marker(record[whole - 1]))
        } else if u64::from(frame::adler(entry)) != sum {
            Err(Cause::Checksum)
        } else if entry_length < ENTRY_MIN {
            Err(Cause::Short(entry_length))
        } else {
            Ok(whole)
        })
    }

    /// Whether a record of so many bytes is here, whole and with this checksum. Looked at piece by
    /// piece: the length is not believed before (I10).
    fn is_sound(&self, entry_length: usize, sum: u64) -> io::Result<bool> {
        let mut at = self.offset + RECORD_HEAD as u64;
        let end = at + entry_length as u64;
        let mut marker = [0];
        if end >= self.size
            || disk::read_full(self.file.as_ref(), &mut marker, end)? == 0
            || marker[0] != RECORD_END
        {
            return Ok(false);
        }
        let mut adler = simd_adler32::Adler32::new();
        let mut piece = vec![0; CHUNK];
        while at < end {
            let len = usize::try_from(end - at).unwrap_or(CHUNK).min(CHUNK);
            if disk::read_full(self.file.as_ref(), &mut piece[..len], at)? < len {
                return Ok(false);
            }
            adler.write(&piece[..len]);
            at += len as u64;
        }
        Ok(u64::from(adler.finish()) == sum)
    }

    /// Reads on until `wanted` bytes are in the buffer, or the file ends; says how many are.
    fn have(&mut self, wanted: usize) -> io::Result<usize> {
        if self.filled - self.used < wanted {
            self.buffer.copy_within(self.used..self.filled, 0);
            self.filled -= self.used;
            self.used = 0;
            let left = usize::try_from(self.size.saturating_sub(self.offset)).unwrap_or(CHUNK);
            let room = wanted.max(CHUNK.min(left));
            if self.buffer.len() < room {
                self.buffer.resize(room, 0);
            }
            let at = self.offset + self.filled as u64;
            let into = &mut self.buffer[self.filled..];
            self.filled += disk::read_full(self.file.as_ref(), into, at)?;
        }
        Ok((self.filled - self.used).min(wanted))
    }

    /// Judges the end that [`Scanner::next`] found. `last`: the newest transaction before it.
    pub fn judge(&self, last: Zxid) -> io::Result<Verdict> {
        let Some(cause) = self.end else { return Ok(Verdict::Clean) };
        match (cause, self.header) {
            (Cause::FileEnd, _) => Ok(Verdict::Clean),
            (Cause::Cut, Header::Ours { prepared: true, .. }) => Ok(Verdict::Shortened),
            (_, Header::Ours { nonce, .. }) => self.judge_ours(nonce, cause),
            (_, Header::Foreign | Header::Blank | Header::Unknown) => self.judge_foreign(last),
        }
    }

    /// See [`frame`]: only a batch that began behind this end proves that the end is damage.
    fn judge_ours(&self, nonce: Nonce, cause: Cause) -> io::Result<Verdict> {
        let mut verdict = if cause == Cause::Zero { Verdict::Clean } else { Verdict::Torn };
        let offset = self.offset;
        let from = self.end_of_own_trailer(nonce)?.unwrap_or(offset);
        self.look_behind(from, TRAILER - RECORD_HEAD - 1, |at, window, fresh| {
            if verdict == Verdict::Clean && !is_zero(fresh) {
                verdict = Verdict::Torn;
            }
            for found in memchr::memmem::find_iter(window, &TRAILER_MAGIC) {
                let here = at + found as u64;
                match frame::read_trailer(&window[found..], here, nonce) {
                    Some(start) if start > offset => {
                        verdict = Verdict::Damaged { evidence: here };
                        return false;
                    }
                    Some(_) | None => {}
                }
            }
            true
        })?;
        Ok(verdict)
    }

    /// Where a file of ours may end once nothing more is written to it: behind the trailer that belongs
    /// right behind the last record, or behind that record.
    pub fn needed(&self) -> io::Result<u64> {
        let behind_trailer = match self.header {
            Header::Ours { nonce, .. } => self.end_of_own_trailer(nonce)?,
            Header::Foreign | Header::Blank | Header::Unknown => None,
        };
        Ok(behind_trailer.unwrap_or(self.offset))
    }

    /// Where the trailer ends that belongs right behind the last record, if it is there.
    fn end_of_own_trailer(&self, nonce: Nonce) -> io::Result<Option<u64>> {
        let mut bytes = [0; TRAILER];
        let got = disk::read_full(self.file.as_ref(), &mut bytes, self.offset)?;
        let magic_at = self.offset + RECORD_HEAD as u64;
        let is_whole = got == TRAILER
            && is_zero(&bytes[..RECORD_HEAD])
            && frame::read_trailer(&bytes[RECORD_HEAD..], magic_at, nonce).is_some();
        Ok(is_whole.then_some(self.offset + TRAILER as u64))
    }

    /// ZooKeeper's files say nothing of batches: a good record behind the end, newer than all
    /// before, is damage (its writer would refuse such a file too, or lose the record).
    fn judge_foreign(&self, last: Zxid) -> io::Result<Verdict> {
        let mut verdict = Verdict::Clean;
        self.look_behind(self.offset, RECORD_EXTRA + self.entry_max, |at, window, fresh| {
            if verdict == Verdict::Clean && !is_zero(fresh) {
                verdict = Verdict::Torn;
            }
            match find_newer_record(window, last) {
                Some(found) => {
                    verdict = Verdict::Damaged { evidence: at + found as u64 };
                    false
                }
                None => true,
            }
        })?;
        Ok(verdict)
    }

    /// Shows `look` everything from `from` to the end of the file: the offset of a window, the
    /// window, and the part of it not shown before; consecutive windows share `overlap` bytes.
    /// Stretches of zeros longer than a window are passed over.
    fn look_behind(
        &self,
        from: u64,
        overlap: usize,
        mut look: impl FnMut(u64, &[u8], &[u8]) -> bool,
    ) -> io::Result<()> {
        let left = usize::try_from(self.size.saturating_sub(from)).unwrap_or(usize::MAX);
        let overlap = overlap.min(left);
        let mut window = vec![0; overlap + CHUNK.min(left)];
        let (mut at, mut kept) = (from, 0);
        loop {
            let got = disk::read_full(self.file.as_ref(), &mut window[kept..], at + kept as u64)?;
            if got == 0 {
                return Ok(());
            }
            let whole = kept + got;
            if !look(at, &window[..whole], &window[kept..whole]) {
                return Ok(());
            }
            let keep = overlap.min(whole);
            window.copy_within(whole - keep..whole, 0);
            at += (whole - keep) as u64;
            kept = keep;
        }
    }
}

/// Where a record begins that a writer put there after `last`.
fn find_newer_record(window: &[u8], last: Zxid) -> Option<usize> {
    let mut at = 0;
    while at + RECORD_EXTRA + ENTRY_MIN <= window.len() {
        if is_newer_record(&window[at..], last) {
            return Some(at);
        }
        // A record's twelfth byte at the latest is not zero.
        at = match window[at..].iter().position(|b| *b != 0)? {
            zeros @ 12.. => at + zeros - 11,
            _ => at + 1,
        };
    }
    None
}

fn is_newer_record(bytes: &[u8], last: Zxid) -> bool {
    // The cheap tests first: this is asked at every byte.
    if bytes.len() < RECORD_EXTRA + ENTRY_MIN || bytes[..4] != [0; 4] {
        return false;
    }
    let length = frame::u32_at(bytes, 8) as usize;
    if length < ENTRY_MIN || bytes.len() - RECORD_EXTRA < length {
        return false;
    }
    let entry = &bytes[RECORD_HEAD..RECORD_HEAD + length];
    bytes[RECORD_HEAD + length] == RECORD_END
        && frame::zxid_of_entry(entry) > last
        && u64::from(frame::adler(entry)) == frame::u64_at(bytes, 0)
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(256).all(|chunk| chunk.iter().fold(0, |all, b| all | b) == 0)
}
