//! Transaction logs: printed, copied with their checksums made right, cut off, read to their ends
//! (org.apache.zookeeper.server.persistence.TxnLogToolkit, org.apache.zookeeper.server.util.LogChopper).

use std::fs::File as StdFile;
use std::io::{self, BufRead, BufWriter, Read, Write, stdin};
use std::path::Path;
use std::sync::Arc;

use ringkeeper::codec::txn::decode_entry;
use ringkeeper::codec::txnlog::{FILE_HEADER, MARKER};
use ringkeeper::disk::{File, read_full};
use ringkeeper::log::frame::{self, Header};
use ringkeeper::log::name::zxid_of_log;
use ringkeeper::log::scan::{Cause, Scanner, Step, Verdict};
use ringkeeper::log::side::SideRecord;
use ringkeeper::types::Zxid;

use super::fault::OfflineError;
use super::{open, padding, place, txn_text, usage};
use crate::options::{Group, Opt, Parsed, flag, parse, valued};
use crate::out::Out;

const SYNTAX: &str = "TxnLogToolkit [-dhrvc] <txn_log_file_name> (-z <zxid>)";

const OPTIONS: &[Opt] = &[
    flag("h", "Print help message").long("help"),
    flag("r", "Recovery mode. Re-calculate CRC for broken entries.").long("recover"),
    flag("v", "Be verbose in recovery mode: print all entries, not just fixed ones.").long("verbose"),
    flag("d", "Dump mode. Dump all entries of the log file with printing the content of a nodepath (default)").long("dump"),
    flag("y", "Non-interactive mode: repair all CRC errors without asking").long("yes"),
    flag("c", "Chop mode. Chop txn file to a zxid.").long("chop"),
    valued("z", "Used with chop. Zxid to which to chop.").long("zxid"),
];

type Done = Result<(), OfflineError>;

/// TxnLogToolkit.main. `mode`: the option that the command stands for.
pub(super) fn toolkit(words: &[String], mode: Option<&str>, limit: usize, out: &mut Out) -> Done {
    let mut line = vec!["log".to_owned()];
    line.extend(mode.map(str::to_owned));
    line.extend_from_slice(words);
    let help = || usage::help(SYNTAX, OPTIONS, &[]);
    let parsed = parse(OPTIONS, Group::None, &line).map_err(|error| OfflineError::HelpFor {
        error: format!("{}\n", error.message()),
        text: help(),
        code: 1,
    })?;
    if parsed.has("h") {
        return Err(OfflineError::Help { text: help(), code: 0 });
    }
    let Some(file) = parsed.args.get(1) else {
        return Err(OfflineError::Help { text: help(), code: 1 });
    };
    match parsed.value("z").filter(|_| parsed.has("c")) {
        Some(zxid) => chop(file, zxid, limit, out),
        None => Dump::open(file, &parsed, limit)?.run(out),
    }
}

/// A log and what stands at its beginning.
struct Opened {
    path: String,
    file: Arc<dyn File>,
    head: [u8; 16],
}

impl Opened {
    fn open(path: &str) -> Result<Opened, OfflineError> {
        let unreadable = |_| OfflineError::NotReadable(path.to_owned());
        let file = open(path).map_err(unreadable)?;
        Ok(Opened { path: path.to_owned(), file, head: [0; 16] })
    }

    fn name(&self) -> String {
        let name = Path::new(&self.path).file_name();
        name.map_or(self.path.clone(), |name| name.to_string_lossy().into_owned())
    }

    fn io(&self, error: io::Error) -> OfflineError {
        OfflineError::Io { file: self.path.clone(), error }
    }

    /// Reads the file header, which says `Ok(None)` if it is another file's.
    fn begin(&mut self, limit: usize) -> Result<Option<(String, Scanner)>, OfflineError> {
        let got = read_full(self.file.as_ref(), &mut self.head, 0).map_err(|e| self.io(e))?;
        if got < self.head.len() {
            let cause = Cause::NoHeader;
            return Err(OfflineError::Record { file: self.path.clone(), offset: 0, cause });
        }
        if self.head[..4] != FILE_HEADER[..4] {
            return Ok(None);
        }
        let version = frame::u32_at(&self.head, 4) as i32;
        let dbid = frame::u64_at(&self.head, 8) as i64;
        let text = format!(
            "ZooKeeper Transactional Log File with dbid {dbid} txnlog format version {version}"
        );
        let scanner = Scanner::open(Arc::clone(&self.file), limit).map_err(|e| self.io(e))?;
        Ok(Some((text, scanner)))
    }

    fn line(&self, entry: &[u8], offset: u64, limit: usize) -> Result<String, OfflineError> {
        txn_text::line(entry, limit).map_err(|error| OfflineError::Entry {
            file: self.path.clone(),
            offset,
            error,
        })
    }
}

/// One record as a reader sees it that asks only whether it is whole.
struct Frame {
    offset: u64,
    entry: Vec<u8>,
    stored: u64,
    computed: u32,
    /// `None`: the file ends before it.
    marker: Option<u8>,
}

/// The next record, sound or not; `None` where Java's tools say that the file ends.
fn next_frame(log: &Opened, scanner: &mut Scanner) -> Result<Option<Frame>, OfflineError> {
    let io = |error| log.io(error);
    let (offset, cause) = match scanner.next_step().map_err(io)? {
        Step::Record { offset, entry } => {
            let (entry, computed) = (entry.to_vec(), frame::adler(entry));
            let stored = u64::from(computed);
            return Ok(Some(Frame { offset, entry, stored, computed, marker: Some(MARKER) }));
        }
        Step::End { offset, cause } => (offset, cause),
    };
    if let Some(found) = scanner.unsound().map_err(io)? {
        let entry = found.entry.to_vec();
        let (stored, computed, marker) = (found.stored, found.computed, found.marker);
        return Ok(Some(Frame { offset, entry, stored, computed, marker }));
    }
    match cause {
        Cause::FileEnd | Cause::Zero | Cause::Cut => Ok(None),
        Cause::Marker(_)
        | Cause::Length(_)
        | Cause::TooLong(_)
        | Cause::Checksum
        | Cause::Short(_)
        | Cause::NoHeader => Err(OfflineError::Record { file: log.path.clone(), offset, cause }),
    }
}

/// A text that may end its own line.
fn print(out: &mut Out, text: &str) {
    out.line(text.strip_suffix('\n').unwrap_or(text));
}

/// TxnLogToolkit.dump: printing, or copying with sums made right.
struct Dump {
    log: Opened,
    limit: usize,
    is_verbose: bool,
    is_forced: bool,
    copy: Option<Fixed>,
}

impl Dump {
    fn open(path: &str, parsed: &Parsed, limit: usize) -> Result<Dump, OfflineError> {
        let log = Opened::open(path)?;
        let copy =
            if parsed.has("r") { Some(Fixed::create(format!("{path}.fixed"))?) } else { None };
        let (is_verbose, is_forced) = (parsed.has("v"), parsed.has("y"));
        Ok(Dump { log, limit, is_verbose, is_forced, copy })
    }

    fn run(mut self, out: &mut Out) -> Done {
        let Some((head, mut scanner)) = self.log.begin(self.limit)? else {
            return Err(OfflineError::Magic(self.log.name()));
        };
        out.line(head);
        if let Some(copy) = &mut self.copy {
            copy.header(&self.log.head)?;
        }
        let (mut count, mut fixed) = (0u64, 0u64);
        while let Some(mut record) = next_frame(&self.log, &mut scanner)? {
            if record.stored != u64::from(record.computed) && self.is_to_be_fixed(&record, out)? {
                record.stored = u64::from(record.computed);
                fixed += 1;
            }
            if self.copy.is_none() || self.is_verbose {
                print(out, &self.log.line(&record.entry, record.offset, self.limit)?);
            }
            if record.marker != Some(MARKER) {
                return Err(OfflineError::Partial);
            }
            if let Some(copy) = &mut self.copy {
                copy.record(&record)?;
            }
            count += 1;
            scanner.pass_over();
            if out.is_broken() {
                return Ok(());
            }
        }
        out.line(format_args!("EOF reached after {count} txns."));
        if let Some(copy) = self.copy {
            let path = copy.finish()?;
            out.line(format_args!(
                "Recovery file {path} has been written with {fixed} fixed CRC error(s)"
            ));
        }
        Ok(())
    }

    /// Prints a record whose checksum is wrong; whether to make that right.
    fn is_to_be_fixed(&self, record: &Frame, out: &mut Out) -> Result<bool, OfflineError> {
        let line = self.log.line(&record.entry, record.offset, self.limit)?;
        let is_fixed_unasked = self.copy.is_some() && self.is_forced;
        let fault = if is_fixed_unasked { "CRC FIXED" } else { "CRC ERROR" };
        print(out, &format!("{fault} - {line}"));
        match self.copy {
            Some(_) if !self.is_forced => ask(out),
            _ => Ok(is_fixed_unasked),
        }
    }
}

/// TxnLogToolkit.askForFix: the first letter of the next word.
fn ask(out: &mut Out) -> Result<bool, OfflineError> {
    loop {
        out.text("Would you like to fix it (Yes/No/Abort) ? ");
        out.flush();
        let word = next_word(&mut stdin().lock()).ok_or(OfflineError::NoAnswer)?;
        match word.chars().next().map(|c| c.to_ascii_uppercase()) {
            Some('Y') => return Ok(true),
            Some('N') => return Ok(false),
            Some('A') => return Err(OfflineError::Aborted),
            _ => {}
        }
    }
}

/// Takes no more of the input than the word and the blank behind it.
fn next_word(input: &mut impl BufRead) -> Option<String> {
    let mut word = String::new();
    for byte in input.by_ref().bytes() {
        match byte.ok()? {
            b if b.is_ascii_whitespace() && word.is_empty() => {}
            b if b.is_ascii_whitespace() => return Some(word),
            // More than any answer has is as good as its beginning.
            b if word.len() < 64 => word.push(char::from(b)),
            _ => {}
        }
    }
    Some(word).filter(|word| !word.is_empty())
}

/// A log that is being written. It is as long as Java's would be.
struct Fixed {
    path: String,
    file: BufWriter<StdFile>,
    at: u64,
    length: u64,
}

impl Fixed {
    fn create(path: String) -> Result<Fixed, OfflineError> {
        match StdFile::create_new(&path) {
            Ok(file) => Ok(Fixed { path, file: BufWriter::new(file), at: 0, length: 0 }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(OfflineError::RecoveryExists(path))
            }
            Err(error) => Err(OfflineError::Io { file: path, error }),
        }
    }

    fn put(&mut self, bytes: &[u8]) -> Done {
        let written = self.file.write_all(bytes);
        written.map_err(|error| OfflineError::Io { file: self.path.clone(), error })?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn header(&mut self, head: &[u8; 16]) -> Done {
        self.put(head)?;
        self.length = self.at;
        Ok(())
    }

    fn record(&mut self, record: &Frame) -> Done {
        self.length = padding::padded(self.at, self.length);
        self.put(&record.stored.to_be_bytes())?;
        self.put(&(record.entry.len() as u32).to_be_bytes())?;
        self.put(&record.entry)?;
        self.put(&[MARKER])
    }

    /// Durable before it is spoken of.
    fn finish(self) -> Result<String, OfflineError> {
        let Fixed { path, file, at, length } = self;
        let io = |error| OfflineError::Io { file: path.clone(), error };
        let file = file.into_inner().map_err(|error| io(error.into_error()))?;
        file.set_len(length.max(at)).and_then(|()| file.sync_all()).map_err(io)?;
        Ok(path)
    }
}

/// TxnLogToolkit.chop, which says on standard output why it failed, and ends well all the same.
fn chop(path: &str, zxid: &str, limit: usize, out: &mut Out) -> Done {
    let mut log = Opened::open(path)?;
    let zxid = long(zxid)?;
    if zxid.0 < 0 {
        // Java then takes it for a dump, without a file.
        return Err(OfflineError::NegativeZxid(zxid.0));
    }
    let target = format!("{path}.chopped{}", zxid.0);
    let why = match StdFile::create(&target) {
        Err(error) => Some(error.to_string()),
        Ok(file) => {
            let mut file = BufWriter::new(file);
            let done = copy_upto(&mut log, zxid, limit, &mut file, out);
            let flushed = file.flush().and_then(|()| file.get_ref().sync_all());
            match (done, flushed) {
                (Err(error), _) => Some(error.to_string()),
                (_, Err(error)) => Some(error.to_string()),
                (Ok(false), _) => Some(format!("Failed to chop {}", log.name())),
                (Ok(true), _) => None,
            }
        }
    };
    if let Some(why) = why {
        out.line(format_args!("Got exception: {why}"));
    }
    Ok(())
}

/// Long.decode.
fn long(text: &str) -> Result<Zxid, OfflineError> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let hex = ["0x", "0X", "#"].iter().find_map(|prefix| digits.strip_prefix(prefix));
    let (digits, radix) = match (hex, digits.strip_prefix('0').filter(|rest| !rest.is_empty())) {
        (Some(hex), _) => (hex, 16),
        (None, Some(octal)) => (octal, 8),
        (None, None) => (digits, 10),
    };
    i64::from_str_radix(&format!("{sign}{digits}"), radix)
        .map(Zxid)
        .map_err(|error| OfflineError::Zxid { text: text.to_owned(), error })
}

/// LogChopper.chop: whether the log went on behind the transaction.
fn copy_upto(
    log: &mut Opened,
    upto: Zxid,
    limit: usize,
    copy: &mut impl Write,
    out: &mut Out,
) -> Result<bool, OfflineError> {
    let Some((head, mut scanner)) = log.begin(limit)? else {
        out.note("Invalid magic number in txn log file");
        return Ok(false);
    };
    out.line(head);
    let written = |result: io::Result<()>| {
        result.map_err(|error| OfflineError::Io { file: log.path.clone(), error })
    };
    written(copy.write_all(&log.head))?;
    let (mut count, mut has_it, mut before) = (0u64, false, None);
    while let Some(record) = next_frame(log, &mut scanner)? {
        let Frame { entry, stored, computed, marker, offset } = record;
        if stored != u64::from(computed) {
            return Err(OfflineError::Checksum { stored, computed });
        }
        // For its error alone: what cannot be understood is not copied.
        log.line(&entry, offset, limit)?;
        if marker != Some(MARKER) {
            out.line("Last transaction was partial.");
            return Err(OfflineError::Partial);
        }
        let zxid = frame::zxid_of_entry(&entry);
        has_it |= zxid == upto;
        if let Some(gap) = before.and_then(|before| gap(before, zxid)) {
            out.line(gap);
        }
        before = Some(zxid);
        if zxid > upto {
            if count == 0 || !has_it {
                out.line(format_args!("This log does not contain zxid {:x}", upto.0));
                return Ok(false);
            }
            out.line(format_args!("Chopping at {:x} new log has {count} records", upto.0));
            return Ok(true);
        }
        written(copy.write_all(&stored.to_be_bytes()))?;
        written(copy.write_all(&(entry.len() as u32).to_be_bytes()))?;
        written(copy.write_all(&entry))?;
        written(copy.write_all(&[MARKER]))?;
        count += 1;
    }
    out.line(format_args!("EOF reached after {count} txns."));
    Ok(false)
}

/// What is missing between two transactions, as LogChopper says it.
fn gap(before: Zxid, zxid: Zxid) -> Option<String> {
    let (epoch, counter) = (zxid.0 >> 32, zxid.0 & 0xffff_ffff);
    let follows = before.0.wrapping_add(1) == zxid.0 || before.0 == -1;
    let kind = match epoch == before.0 >> 32 {
        _ if follows => return None,
        true => "intra",
        false if counter != 1 => "inter",
        false => return None,
    };
    Some(format!("There is {kind}-epoch gap between {:x} and {:x}", before.0, zxid.0))
}

/// `rk log verify`: each file to its end, the record beside it, and each transaction.
pub(super) fn verify(files: &[String], limit: usize, out: &mut Out) -> Done {
    if files.is_empty() {
        return Err(OfflineError::Usage { text: usage::OVERVIEW.to_owned(), code: 2 });
    }
    let mut is_sound = true;
    for file in files {
        match verify_one(file, limit) {
            Ok(text) => out.line(format_args!("{file}: {text}")),
            Err(error) => {
                is_sound = false;
                out.line(format_args!("{file}: damaged: {error}"));
            }
        }
    }
    if is_sound { Ok(()) } else { Err(OfflineError::Found) }
}

/// What a log holds, in words; the error says why it is damaged.
pub(super) fn verify_one(path: &str, limit: usize) -> Result<String, String> {
    let text = |error: OfflineError| error.to_string();
    let mut log = Opened::open(path).map_err(text)?;
    let begun = log.begin(limit).map_err(text)?;
    let (_, mut scanner) = begun.ok_or("it does not begin with ZKLG")?;
    let (mut count, mut first, mut last) = (0u64, None, Zxid(-1));
    let (offset, cause) = loop {
        match scanner.next_step().map_err(|e| e.to_string())? {
            Step::End { offset, cause } => break (offset, cause),
            Step::Record { offset, entry } => {
                decode_entry(entry, limit).map_err(|e| format!("record at byte {offset}: {e}"))?;
                let zxid = frame::zxid_of_entry(entry);
                first.get_or_insert(zxid);
                last = last.max(zxid);
                count += 1;
            }
        }
    };
    if let Cause::TooLong(length) = cause {
        return Err(format!("record at byte {offset} has {length} bytes, more than {limit}"));
    }
    let end = match scanner.judge(last).map_err(|e| e.to_string())? {
        Verdict::Clean => String::new(),
        Verdict::Torn => format!(", torn at byte {offset} ({cause}): a start cuts that off"),
        Verdict::Shortened => return Err(format!("it ends within the record at byte {offset}")),
        Verdict::Damaged { evidence } => {
            return Err(format!(
                "byte {offset}: {cause}; what was written later, at {evidence}, is there"
            ));
        }
    };
    let vouched = side_record(path, &scanner)?;
    let Some(first) = first else { return Ok(format!("no transaction{end}")) };
    Ok(format!("{count} transactions, {first} to {last}{vouched}{end}"))
}

/// Whether a record beside it vouches for the file.
fn side_record(path: &str, scanner: &Scanner) -> Result<&'static str, String> {
    let Header::Ours { nonce, .. } = scanner.header() else { return Ok("") };
    let (dir, name) = place(path).map_err(|e| e.to_string())?;
    let Some(first) = zxid_of_log(&name) else { return Ok("") };
    let side = SideRecord::read(dir.as_ref(), first).map_err(|e| e.to_string())?;
    match side.filter(|side| side.nonce == nonce) {
        None => Ok(""),
        Some(side) if (side.length, side.crc) == (scanner.offset(), scanner.crc()) => {
            Ok(", as its side record says")
        }
        Some(side) => Err(format!(
            "it has {} bytes of records with crc32c {:08x}, and was closed with {} and {:08x}",
            scanner.offset(),
            scanner.crc(),
            side.length,
            side.crc
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    #[test]
    fn zxids_are_read_as_java_reads_them() {
        let read = |text: &str| long(text).map(|zxid| zxid.0).ok();
        assert_eq!(read("0x10"), Some(16));
        assert_eq!(read("#1f"), Some(31));
        assert_eq!(read("017"), Some(15));
        assert_eq!(read("-0x1"), Some(-1));
        assert_eq!(read("0"), Some(0));
        assert_eq!((read("x"), read(""), read("0x")), (None, None, None));
    }

    #[test]
    fn gaps_are_told_within_an_epoch_and_at_its_beginning() {
        assert_eq!(gap(Zxid(4), Zxid(5)), None);
        assert_eq!(gap(Zxid(4), Zxid(0x1_0000_0001)), None);
        assert!(gap(Zxid(4), Zxid(6)).is_some_and(|text| text.contains("intra-epoch")));
        assert!(gap(Zxid(4), Zxid(0x1_0000_0002)).is_some_and(|text| text.contains("inter-epoch")));
    }

    #[test]
    fn a_word_is_taken_and_no_more() {
        let mut input = BufReader::new(&b"  yes no\n"[..]);
        assert_eq!(next_word(&mut input).as_deref(), Some("yes"));
        assert_eq!(next_word(&mut input).as_deref(), Some("no"));
        assert_eq!(next_word(&mut input), None);
    }
}
