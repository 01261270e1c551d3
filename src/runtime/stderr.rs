//! What the process says of itself, on standard error.
//!
//! Nothing that is said may end the server, or hold it up. Whoever read the pipe may be gone, its disk
//! may be full, or it may not read any more: a line that cannot leave is lost, and the number of lost
//! lines is told when one can. A line waits for a reader only shortly, and while none reads not at all.

use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::backtrace::{Backtrace, BacktraceStatus};
use std::borrow::Cow;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::panic;
use std::time::Duration;

/// What a pipe with room takes without waiting (PIPE_BUF).
const PIECE: usize = 4096;

/// How long a line waits for a reader that has been keeping up.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// How long a panic waits for a line that is being written.
const PANIC_PATIENCE: Duration = Duration::from_millis(200);

#[derive(Debug, Default)]
struct State {
    /// Lines lost since one could be written.
    lost: u64,
    /// The last line ended early: the next begins on a line of its own.
    in_a_line: bool,
}

static STATE: Mutex<State> = Mutex::new(State { lost: 0, in_a_line: false });

/// Takes whole lines, one a call, and never fails.
#[derive(Clone, Copy, Debug, Default)]
pub struct Diagnostics;

impl Write for Diagnostics {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        STATE.lock().say(io::stderr(), line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// As [`Diagnostics`], for the log: what is written by one call stays one line, whoever has had a part in
/// its text. Strangers name schemes, users, hosts and paths, and none of them is to write lines of its own
/// (CVE-2026-84501).
#[derive(Clone, Copy, Debug, Default)]
pub struct LogLines;

impl Write for LogLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        Diagnostics.write_all(one_line(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The text with all escaped that would end a line or move a terminal's cursor back, but for its own end.
/// Colours pass: the subscriber makes them, and escapes what looks like them in texts. So do tabs, which
/// figures have behind their names.
fn one_line(text: &str) -> Cow<'_, str> {
    const ESC: char = '\u{1b}';
    let moves = |c: char| match c {
        ESC | '\t' => false,
        other => other.is_control() || matches!(other, '\u{2028}' | '\u{2029}'),
    };
    let (line, end) = text.strip_suffix('\n').map_or((text, ""), |line| (line, "\n"));
    if !line.contains(moves) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in line.chars() {
        match moves(c) {
            true => out.extend(c.escape_unicode()),
            false => out.push(c),
        }
    }
    out.push_str(end);
    Cow::Owned(out)
}

impl State {
    fn say(&mut self, out: impl AsFd, line: &[u8]) {
        let patience = if self.lost == 0 { PATIENCE } else { Timespec { tv_sec: 0, tv_nsec: 0 } };
        let mut text = Vec::with_capacity(line.len() + 64);
        if self.in_a_line {
            text.push(b'\n');
        }
        if self.lost > 0 {
            // Into memory; it cannot fail.
            let _ = writeln!(text, "({} lines before this one could not be written)", self.lost);
        }
        text.extend_from_slice(line);
        let written = put(&out, &text, patience);
        if written == text.len() {
            *self = State::default();
        } else {
            self.lost += 1;
            self.in_a_line |= written > 0;
        }
    }
}

/// How many bytes could be written before nobody took any more.
fn put(out: &impl AsFd, text: &[u8], patience: Timespec) -> usize {
    let mut written = 0;
    while written < text.len() {
        let piece = &text[written..text.len().min(written + PIECE)];
        let mut ready = [PollFd::new(out, PollFlags::OUT)];
        match poll(&mut ready, Some(&patience)) {
            Ok(0) => return written,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return written,
        }
        match rustix::io::write(out, piece) {
            Ok(0) => return written,
            Ok(n) => written += n,
            Err(rustix::io::Errno::INTR) => {}
            // Nobody reads it any more, the disk is full, or room that there was is gone.
            Err(_) => return written,
        }
    }
    written
}

/// A panic is told the same way, so that its end comes whoever reads.
pub fn tell_panics() {
    panic::set_hook(Box::new(|info| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("unnamed").to_owned();
        let backtrace = Backtrace::capture();
        let backtrace = match backtrace.status() {
            BacktraceStatus::Captured => format!("{backtrace}\n"),
            _ => String::new(),
        };
        if let Some(mut state) = STATE.try_lock_for(PANIC_PATIENCE) {
            let text = format!("thread '{name}' {info}\n{backtrace}");
            state.say(io::stderr(), text.as_bytes());
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;
    use std::io::Read;

    #[test]
    fn a_line_of_the_log_is_one_line() {
        // Goal: what a stranger's text has in it ends no line (CVE-2026-84501); colours and other
        // languages stay.
        assert_eq!(
            one_line("user \"x\nERROR all is lost\"\n"),
            "user \"x\\u{a}ERROR all is lost\"\n"
        );
        assert_eq!(one_line("\r\u{85}\u{2028}\u{2029}\t\u{8}\n"), {
            "\\u{d}\\u{85}\\u{2028}\\u{2029}\t\\u{8}\n"
        });
        let plain = "\u{1b}[33m WARN\u{1b}[0m ключ 鍵 🔑\n";
        assert!(matches!(one_line(plain), Cow::Borrowed(text) if text == plain));
        assert_eq!(one_line("no end\n\n"), "no end\\u{a}\n");
    }

    #[test]
    fn a_reader_that_is_gone_a_full_disk_and_one_that_does_not_read_cost_lines_only() {
        // Goal: nothing fails, nothing waits for long, and what was lost is told.
        let mut state = State::default();
        state.say(OpenOptions::new().write(true).open("/dev/full").unwrap(), b"one\n");
        assert_eq!(state.lost, 1);
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        state.say(&writer, b"two\n");
        assert_eq!(state.lost, 2);
        let (mut reader, writer) = io::pipe().unwrap();
        // As much as a pipe holds, and more.
        let lines = (0..1000).take_while(|_| {
            state.say(&writer, &[b'x'; 1000]);
            state.lost == 0
        });
        assert!(lines.count() > 10);
        assert_eq!(state.lost, 1, "a pipe holds only so much");
        let began = std::time::Instant::now();
        for _ in 0..1000 {
            state.say(&writer, b"nobody reads this\n");
        }
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        let mut half = vec![0; 1 << 15];
        reader.read_exact(&mut half).unwrap();
        state.say(&writer, b"last\n");
        drop(writer);
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        let end = "\n(1001 lines before this one could not be written)\nlast\n";
        let first = "(2 lines before this one could not be written)\n";
        assert!(String::from_utf8_lossy(&half).starts_with(first));
        assert!(rest.ends_with(&end[1..]), "{}", &rest[rest.len().saturating_sub(80)..]);
    }
}
