//! What commands print: text as zkCli's, or JSON, a value a line.

use std::fmt::Display;
use std::io::{BufWriter, Stdout, Write, stderr, stdout};

use serde_json::Value;

/// Bytes gathered before they are written.
const BUFFER: usize = 64 << 10;

/// Standard output, and standard error for what is no result.
pub(crate) struct Out {
    is_json: bool,
    has_colour: bool,
    stdout: BufWriter<Stdout>,
    is_broken: bool,
}

/// What a piece of text is, for terminals with colours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ink {
    Plain,
    Key,
    Bad,
}

impl Out {
    pub(crate) fn new(is_json: bool, has_colour: bool) -> Out {
        let stdout = BufWriter::with_capacity(BUFFER, stdout());
        Out { is_json, has_colour, stdout, is_broken: false }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.is_json
    }

    /// Nobody reads any more: whoever has much to say may stop.
    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// A line of text, where text was asked for.
    pub(crate) fn line(&mut self, text: impl Display) {
        if !self.is_json {
            self.write(&text);
        }
    }

    /// A value, where JSON was asked for.
    pub(crate) fn value(&mut self, value: impl FnOnce() -> Value) {
        if self.is_json {
            self.write(&value());
        }
    }

    /// Text that ends no line.
    pub(crate) fn text(&mut self, text: impl Display) {
        if !self.is_json {
            self.is_broken |= write!(self.stdout, "{text}").is_err();
        }
    }

    fn write(&mut self, text: &impl Display) {
        self.is_broken |= writeln!(self.stdout, "{text}").is_err();
    }

    /// A line of bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.is_broken |=
            self.stdout.write_all(bytes).and_then(|()| self.stdout.write_all(b"\n")).is_err();
    }

    /// A line for people alone, on standard error: it is no result.
    pub(crate) fn note(&mut self, text: impl Display) {
        self.flush();
        // Nobody may be there to read it.
        let _ = writeln!(stderr(), "{text}");
    }

    /// The text in a colour, on a terminal.
    pub(crate) fn ink(&self, ink: Ink, text: &str) -> String {
        let code = match ink {
            _ if !self.has_colour => return text.to_owned(),
            Ink::Plain => return text.to_owned(),
            Ink::Key => "36",
            Ink::Bad => "31",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    pub(crate) fn flush(&mut self) {
        self.is_broken |= self.stdout.flush().is_err();
    }
}
