//! Assignments of a shell's file, read and never run.
//!
//! `NAME=value`, `NAME+=value` and `export`, with quotes and with variables that the same files have set, are
//! read for certain. Everything else (commands, conditions, what another program would print) is named with
//! its place, and a variable that it may have set is unknown from there on.

use std::collections::BTreeMap;

/// Between these stands the name of a variable whose value is not known. No shell's file has it.
const UNKNOWN: char = '\u{1}';

/// What is not read for certain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Unclear {
    pub(super) place: String,
    pub(super) why: String,
}

/// A value, and which part of it was written where.
#[derive(Clone, Default, Debug)]
struct Value {
    text: String,
    /// From this byte on.
    places: Vec<(usize, String)>,
}

impl Value {
    fn push(&mut self, c: char, place: &str) {
        if self.places.last().is_none_or(|(_, last)| last != place) {
            self.places.push((self.text.len(), place.to_owned()));
        }
        self.text.push(c);
    }

    fn append(&mut self, other: &Value) {
        for (at, c) in other.text.char_indices() {
            let place = other.place_at(at).to_owned();
            self.push(c, &place);
        }
    }

    fn place_at(&self, at: usize) -> &str {
        let place = self.places.iter().rev().find(|(from, _)| *from <= at);
        place.map_or("", |(_, place)| place.as_str())
    }
}

/// The variables, after all files.
#[derive(Default, Debug)]
pub(super) struct Shell {
    variables: BTreeMap<String, Value>,
    pub(super) unclear: Vec<Unclear>,
}

impl Shell {
    /// One that is set before.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        let value = Value { text: value.to_owned(), places: Vec::new() };
        self.variables.insert(name.to_owned(), value);
    }

    /// A variable's value and place, if it is known.
    pub(super) fn value(&self, name: &str) -> Option<(String, String)> {
        let value = self.variables.get(name)?;
        Some((value.text.clone(), value.place_at(0).to_owned()))
    }

    /// Its words, as a shell parts them where it is not quoted; those with something unknown in them are
    /// named.
    pub(super) fn words(&mut self, name: &str) -> Vec<(String, String)> {
        let Some(value) = self.variables.get(name) else { return Vec::new() };
        let mut words = Vec::new();
        for word in value.text.split_ascii_whitespace() {
            // The word is a part of the text: its place is the distance between the two.
            let at = word.as_ptr() as usize - value.text.as_ptr() as usize;
            let place = value.place_at(at).to_owned();
            match word.split(UNKNOWN).nth(1) {
                None => words.push((word.to_owned(), place)),
                Some(variable) => self.unclear.push(Unclear {
                    why: format!(
                        "{}: ${variable} is not set in these files, or not for certain",
                        before_value(word)
                    ),
                    place,
                }),
            }
        }
        words
    }

    /// Reads a file. `name` is how it is called in places.
    pub(super) fn read(&mut self, name: &str, text: &str) {
        let chars: Vec<char> = text.replace("\\\n", "\u{2}").chars().collect();
        let mut reader = Reader { shell: self, file: name, chars, at: 0, line: 1, depth: 0 };
        while reader.at < reader.chars.len() {
            reader.command();
        }
    }
}

/// A flag without what may be a secret.
fn before_value(word: &str) -> String {
    let name = word.split(['=', UNKNOWN]).next().unwrap_or(word);
    if name.is_empty() { "a word".to_owned() } else { name.to_owned() }
}

struct Reader<'a> {
    shell: &'a mut Shell,
    file: &'a str,
    /// A line that is continued is joined by the character 2.
    chars: Vec<char>,
    at: usize,
    line: usize,
    /// Conditions, loops and functions that are open.
    depth: usize,
}

/// A word that no reading can be certain of, and why.
type Doubt = &'static str;

const OPENS: [&str; 7] = ["if", "for", "while", "until", "case", "{", "function"];
const CLOSES: [&str; 4] = ["fi", "done", "esac", "}"];
const BETWEEN: [&str; 4] = ["then", "else", "do", "elif"];

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        if c == '\n' || c == '\u{2}' {
            self.line += 1;
        }
        Some(c)
    }

    fn place(&self, line: usize) -> String {
        format!("{} line {line}", self.file)
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(|c| matches!(c, ' ' | '\t' | '\r' | '\u{2}')) {
            self.next();
        }
    }

    /// A comment is not continued, whatever it ends in.
    fn skip_comment(&mut self) {
        while self.peek().is_some_and(|c| c != '\n' && c != '\u{2}') {
            self.next();
        }
    }

    /// The rest of a line that is not certain: what it may set is not known any more.
    fn skip_rest(&mut self, assigned: &mut Vec<(String, bool, Value)>) {
        let mut rest = String::new();
        while let Some(c) = self.peek().filter(|c| *c != '\n') {
            rest.push(c);
            self.next();
        }
        let parts = |c: char| c.is_whitespace() || c == '\u{2}' || ";&|()`\"'".contains(c);
        for word in rest.split(parts) {
            self.count(word);
            let name = word.split('=').next().unwrap_or(word).trim_end_matches('+');
            if word.contains('=') && is_name(name) {
                assigned.push((name.to_owned(), false, unknown(name)));
            }
        }
    }

    /// Opens or closes a condition, a loop or a function.
    fn count(&mut self, word: &str) {
        if OPENS.contains(&word) {
            self.depth += 1;
        } else if CLOSES.contains(&word) {
            self.depth = self.depth.saturating_sub(1);
        }
    }

    /// One command with its end: assignments, or something else.
    fn command(&mut self) {
        let first = self.line;
        let mut assigned: Vec<(String, bool, Value)> = Vec::new();
        let mut is_export = false;
        let mut doubt: Option<String> = None;
        loop {
            self.skip_blanks();
            match self.peek() {
                None | Some('\n' | ';') => break,
                Some('#') => {
                    self.skip_comment();
                    break;
                }
                Some(_) => {}
            }
            let line = self.line;
            if let Some((name, appends)) = self.assignment() {
                let value = self.word(line);
                match value {
                    Ok(value) => assigned.push((name, appends, value)),
                    Err(why) => {
                        assigned.push((name.clone(), false, unknown(&name)));
                        doubt = Some(format!("{name}: {why}"));
                        self.skip_rest(&mut assigned);
                        break;
                    }
                }
                continue;
            }
            let word = self.bare_word();
            if word == "export" && assigned.is_empty() {
                is_export = true;
            } else if BETWEEN.contains(&word.as_str()) && assigned.is_empty() && !is_export {
                // What follows is a command of its own.
            } else if !(is_export && is_name(&word)) {
                self.count(&word);
                // The end of what was named at its beginning says nothing new.
                if !CLOSES.contains(&word.as_str()) {
                    doubt = Some(format!("`{}` is not run", shown(&word)));
                }
                self.skip_rest(&mut assigned);
                break;
            }
        }
        self.next();
        self.finish(first, assigned, doubt);
    }

    fn finish(&mut self, line: usize, assigned: Vec<(String, bool, Value)>, doubt: Option<String>) {
        let place = self.place(line);
        let names: Vec<&str> = assigned.iter().map(|(name, ..)| name.as_str()).collect();
        let why = match doubt {
            None if self.depth == 0 || names.is_empty() => None,
            None => Some(format!(
                "{} is set under a condition, in a loop or in a function",
                names.join(", ")
            )),
            doubt => doubt,
        };
        let is_certain = why.is_none();
        self.shell.unclear.extend(why.map(|why| Unclear { place, why }));
        for (name, appends, value) in assigned {
            let mut value = if is_certain { value } else { unknown(&name) };
            if appends && let Some(before) = self.shell.variables.get(&name) {
                let mut whole = before.clone();
                whole.append(&value);
                value = whole;
            }
            self.shell.variables.insert(name, value);
        }
    }

    /// `NAME=` or `NAME+=`, if that comes next.
    fn assignment(&mut self) -> Option<(String, bool)> {
        let rest = &self.chars[self.at..];
        let length = rest.iter().take_while(|c| c.is_ascii_alphanumeric() || **c == '_').count();
        let name: String = rest[..length].iter().collect();
        let appends = rest.get(length) == Some(&'+');
        if !is_name(&name) || rest.get(length + usize::from(appends)) != Some(&'=') {
            return None;
        }
        self.at += length + usize::from(appends) + 1;
        Some((name, appends))
    }

    /// Up to a blank, as it stands.
    fn bare_word(&mut self) -> String {
        let mut word = String::new();
        while let Some(c) = self.peek().filter(|c| !c.is_whitespace() && *c != ';' && *c != '\u{2}')
        {
            word.push(c);
            self.next();
        }
        if word.is_empty() {
            self.next();
        }
        word
    }

    /// A value: quotes and variables taken out.
    fn word(&mut self, line: usize) -> Result<Value, Doubt> {
        let mut value = Value::default();
        let place = self.place(line);
        let mut quoted = false;
        loop {
            let Some(c) = self.peek() else {
                return if quoted { Err("a quote is not closed") } else { Ok(value) };
            };
            // A quoted text may go over lines; each of its flags has its own.
            let here = if quoted { self.place(self.line) } else { place.clone() };
            match c {
                ' ' | '\t' | '\r' | '\n' | ';' if !quoted => return Ok(value),
                '\u{2}' => drop(self.next()),
                '&' | '|' | '<' | '>' | '(' | ')' if !quoted => {
                    return Err("it is more than an assignment");
                }
                '"' => {
                    self.next();
                    quoted = !quoted;
                }
                '\'' if !quoted => self.literal(&mut value)?,
                '`' => return Err("what a command would print is not known"),
                '\\' => {
                    self.next();
                    let Some(c) = self.next() else { return Err("nothing follows a backslash") };
                    if quoted && !matches!(c, '$' | '`' | '"' | '\\') {
                        value.push('\\', &here);
                    }
                    value.push(c, &here);
                }
                '$' => self.variable(&mut value, &here)?,
                c => {
                    self.next();
                    value.push(c, &here);
                }
            }
        }
    }

    /// Between single quotes everything stands for itself.
    fn literal(&mut self, value: &mut Value) -> Result<(), Doubt> {
        self.next();
        loop {
            let here = self.place(self.line);
            match self.next() {
                None => return Err("a quote is not closed"),
                Some('\'') => return Ok(()),
                Some('\u{2}') => {
                    value.push('\\', &here);
                    value.push('\n', &here);
                }
                Some(c) => value.push(c, &here),
            }
        }
    }

    /// `$NAME`, `${NAME}`, `${NAME-otherwise}` and `${NAME:-otherwise}`.
    fn variable(&mut self, value: &mut Value, place: &str) -> Result<(), Doubt> {
        self.next();
        let is_braced = self.peek() == Some('{');
        if is_braced {
            self.next();
        }
        let mut name = String::new();
        while let Some(c) = self.peek().filter(|c| c.is_ascii_alphanumeric() || *c == '_') {
            name.push(c);
            self.next();
        }
        if !is_name(&name) {
            return Err("what it expands to is not known");
        }
        let mut otherwise = None;
        if is_braced {
            let mut rest = String::new();
            loop {
                match self.next() {
                    None | Some('\n') => return Err("a brace is not closed"),
                    Some('}') => break,
                    Some(c) => rest.push(c),
                }
            }
            otherwise = match rest.strip_prefix(":-").or_else(|| rest.strip_prefix('-')) {
                Some(text) if !text.contains(['$', '`', '"', '\'', '\\']) => Some(text.to_owned()),
                None if rest.is_empty() => None,
                Some(_) | None => return Err("what it expands to is not known"),
            };
        }
        match (self.shell.variables.get(&name), otherwise) {
            (Some(known), None) => value.append(&known.clone()),
            (Some(known), Some(_)) if !known.text.is_empty() => value.append(&known.clone()),
            (_, Some(text)) => text.chars().for_each(|c| value.push(c, place)),
            // What the scripts are called with is empty unless somebody has set it; the usual line adds to it.
            (None, None) if matches!(name.as_str(), "SERVER_JVMFLAGS" | "JVMFLAGS") => {}
            (None, None) => unknown(&name).text.chars().for_each(|c| value.push(c, place)),
        }
        Ok(())
    }
}

fn unknown(name: &str) -> Value {
    Value { text: format!("{UNKNOWN}{name}{UNKNOWN}"), places: Vec::new() }
}

fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A command's name, and nothing behind it: there may be secrets.
fn shown(word: &str) -> String {
    word.chars().take(32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<(String, String)>, Vec<Unclear>) {
        let mut shell = Shell::default();
        shell.set("ZOOCFGDIR", "/conf");
        shell.read("java.env", text);
        let words = shell.words("JVMFLAGS");
        (words, shell.unclear)
    }

    #[test]
    fn assignments_are_read_with_quotes_and_variables() {
        // Goal: what every shell makes of these lines, with the line of each flag.
        let text = "# comment\nexport A=1 B='two $A' # more\nC=\"x${A}y\"; D=${NONE:-d}\n\
                    JVMFLAGS=\"$JVMFLAGS -Da=$A \\\n -Db='$C' -Dc=\\\"$D\\\"\"\nJVMFLAGS+=\" -Dd=$ZOOCFGDIR/j\"\n\
                    export JVMFLAGS\nE=a\\ b\n";
        let (words, unclear) = read(text);
        let at = |word: &str, line: usize| (word.to_owned(), format!("java.env line {line}"));
        assert_eq!(unclear, []);
        let expected =
            [at("-Da=1", 4), at("-Db='x1y'", 5), at("-Dc=\"d\"", 5), at("-Dd=/conf/j", 6)];
        assert_eq!(words, expected);
    }

    #[test]
    fn what_would_have_to_be_run_is_named_and_not_guessed() {
        // Goal: a command, a condition, an unknown variable: each is named by its place, without values; flags
        // that do not depend on it are read.
        let text = "HOST=$(hostname)\nif [ -f x ]; then\n  JMXPORT=1\n  JVMFLAGS=-Dno\nfi\n. /etc/other\n\
                    JVMFLAGS=\"-Da=1 -Dpassword=s3cret$HOST -Dc=$UNSET\"\nX=`date`\nY=1 run s3cret\n\
                    JVMFLAGS=\"$JVMFLAGS -Dd=4\"\n";
        let (words, unclear) = read(text);
        let words: Vec<&str> = words.iter().map(|(word, _)| word.as_str()).collect();
        assert_eq!(words, ["-Da=1", "-Dd=4"]);
        let places: Vec<&str> =
            unclear.iter().map(|u| u.place.trim_start_matches("java.env line ")).collect();
        assert_eq!(places, ["1", "2", "3", "4", "6", "8", "9", "7", "7"], "{unclear:?}");
        assert!(unclear.iter().all(|unclear| !unclear.why.contains("s3cret")), "{unclear:?}");
        assert!(unclear[7].why.starts_with("-Dpassword: $HOST"), "{unclear:?}");
    }

    #[test]
    fn any_text_is_read_to_its_end() {
        // Goal: no text of a few characters that mean something stops or breaks the reader.
        let parts = [
            "A=", "\"", "'", "$", "{", "}", "\\", "\n", ";", "if ", "fi", "`", "(", "#", "export ",
        ];
        let mut text = String::new();
        for seed in 0..20_000u32 {
            text.clear();
            let mut rest = seed.wrapping_mul(2_654_435_761);
            for _ in 0..8 {
                text.push_str(parts[rest as usize % parts.len()]);
                rest = rest / 15 + seed;
            }
            read(&text);
        }
    }
}
