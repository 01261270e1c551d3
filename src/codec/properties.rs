//! The syntax of Java Properties (java.util.Properties.load), as configuration files and the
//! configuration texts between servers have it.

/// A logical line: key and value without their escapes. A key may come more than once; the last
/// one counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Where it begins, from 1.
    pub number: usize,
    /// Never empty but where the line begins with a separator.
    pub key: String,
    /// May be empty.
    pub value: String,
}

/// A line no reading can make sense of.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct SyntaxError {
    /// Where the logical line begins, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: EscapeError,
}

/// The one thing a line can be wrong in: what stands behind `\u`.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("\\u{digits} is not an escape: four hexadecimal digits must follow \\u")]
pub struct EscapeError {
    /// What stands there, four characters at most.
    pub digits: String,
}

/// All lines that say something, in their order.
pub fn parse(text: &str) -> Result<Vec<Line>, SyntaxError> {
    let parsed = logical_lines(text).into_iter().map(|(number, line)| {
        let (key, value) = split_key(&line);
        let unescape = |raw: &str| unescape(raw).map_err(|what| SyntaxError { line: number, what });
        Ok(Line { number, key: unescape(key)?, value: unescape(value)? })
    });
    parsed.collect()
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

/// Joins continued lines and drops blank and comment lines (Properties.LineReader). A comment is
/// never continued, and a continuation that looks like a comment is none, unless there is nothing
/// yet that it would continue.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut out = Vec::new();
    let mut start = 0;
    let mut joined = String::new();
    for (at, line) in natural_lines(text).into_iter().enumerate() {
        let line = line.trim_start_matches(is_blank);
        if joined.is_empty() {
            if line.is_empty() || line.starts_with(['#', '!']) {
                continue;
            }
            start = at + 1;
        }
        let continued = is_continued(line);
        joined.push_str(if continued { &line[..line.len() - 1] } else { line });
        if !continued {
            out.push((start, std::mem::take(&mut joined)));
        }
    }
    // A backslash as the last character continues nothing, but what stands before it counts.
    if !joined.is_empty() {
        out.push((start, joined));
    }
    out
}

/// A key or a value as a file has it, with its escapes.
pub fn put_escaped(out: &mut String, text: &str, is_key: bool) {
    for (at, c) in text.chars().enumerate() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{c}' => out.push_str("\\f"),
            ' ' | '=' | ':' if is_key => out.extend(['\\', c]),
            '#' | '!' if is_key && at == 0 => out.extend(['\\', c]),
            c if c > '\u{ff}' => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => out.push(c),
        }
    }
}

/// Whether the line behind this one belongs to it.
pub(crate) fn is_continued(line: &str) -> bool {
    line.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1
}

/// Lines as they stand, without their ends; [`Line::number`] counts these.
pub(crate) fn natural_lines(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(end) = rest.find(['\n', '\r']) {
        out.push(&rest[..end]);
        let two = rest[end..].starts_with("\r\n");
        rest = &rest[end + 1 + usize::from(two)..];
    }
    if !rest.is_empty() {
        out.push(rest);
    }
    out
}

/// Key and value of a logical line, still escaped: the key ends at the first unescaped `=`, `:` or
/// blank; blanks and one separator follow.
fn split_key(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line
        .find(|c| {
            let ends = !escaped && (matches!(c, '=' | ':') || is_blank(c));
            escaped = !escaped && c == '\\';
            ends
        })
        .unwrap_or(line.len());
    let (key, rest) = line.split_at(end);
    let rest = rest.trim_start_matches(is_blank);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, value.trim_start_matches(is_blank))
}

fn unescape(raw: &str) -> Result<String, EscapeError> {
    // UTF-16 units, because a character above U+FFFF is written as two \u escapes.
    let mut units: Vec<u16> = Vec::with_capacity(raw.len());
    let mut rest = raw.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            units.extend(c.encode_utf16(&mut [0; 2]).iter());
            continue;
        }
        match rest.next() {
            None => {}
            Some('t') => units.push(u16::from(b'\t')),
            Some('n') => units.push(u16::from(b'\n')),
            Some('r') => units.push(u16::from(b'\r')),
            Some('f') => units.push(0x0c),
            Some('u') => {
                let digits: String = rest.by_ref().take(4).collect();
                let unit = Some(digits.as_str())
                    .filter(|d| d.len() == 4 && d.bytes().all(|b| b.is_ascii_hexdigit()))
                    .and_then(|d| u16::from_str_radix(d, 16).ok());
                units.push(unit.ok_or(EscapeError { digits })?);
            }
            Some(other) => units.extend(other.encode_utf16(&mut [0; 2]).iter()),
        }
    }
    Ok(String::from_utf16_lossy(&units))
}
