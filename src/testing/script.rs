//! Runs a script: an exchange between servers, step by step.
//!
//! ```text
//! # What it shows.
//! learner me=1 leader=3 last=4:7      the set-up, one line or more
//! connect                             what comes of it
//!
//! > connected                         an input; `> @250 tick` also moves the clock, in ms
//! send followerinfo accepted=4 …      what comes of it, in order; nothing: no line
//! ```
//!
//! Set-up lines are those before the first blank line or input that the subject takes; it is given
//! all of them and answers with effects. What the subject says and what the script expects must be
//! the same, line by line. With `RINGKEEPER_WRITE_SCRIPTS=1` the scripts are written anew with what the
//! subjects say, to be read in the diff.

use std::fmt::Write as _;
use std::path::Path;

use crate::types::Millis;

/// What a script drives.
pub trait Subject {
    /// One input; gives the effects, a line each.
    fn hear(&mut self, now: Millis, line: &str) -> Vec<String>;
}

/// Makes a subject; gives it with the effects of its making.
pub type Begin = fn(&str) -> (Box<dyn Subject>, Vec<String>);

/// Runs every `*.txt` of `src/zab/tests/scripts/<folder>`. `begin` makes a subject from the first
/// set-up line (words `key=value` behind its name), and gives the effects of its making. Gives the
/// number of scripts.
pub fn run_all(folder: &str, begin: Begin) -> usize {
    run_folder(&format!("src/zab/tests/scripts/{folder}"), begin)
}

/// The same for a folder of the repository.
pub fn run_folder(folder: &str, begin: Begin) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "txt"));
    files.sort();
    let mut wrong = String::new();
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        let came = run(&text, begin);
        if came == text {
            continue;
        }
        if std::env::var_os("RINGKEEPER_WRITE_SCRIPTS").is_some() {
            std::fs::write(file, came).unwrap();
            continue;
        }
        let name = file.file_name().unwrap().to_string_lossy();
        writeln!(wrong, "{name}: {}", difference(&text, &came)).unwrap();
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    files.len()
}

/// The script as it went: the same text if all went as expected.
pub fn run(text: &str, begin: Begin) -> String {
    let mut now = Millis(0);
    let mut subject: Option<Box<dyn Subject>> = None;
    let mut out = String::new();
    // Effects belong right behind their input: those of the text are left out, and blank lines and
    // comments kept.
    for line in text.lines() {
        let effects = if line.is_empty() || line.starts_with('#') {
            Vec::new()
        } else if let Some(input) = line.strip_prefix("> ") {
            let subject = subject.as_mut().unwrap_or_else(|| panic!("no set-up before {line:?}"));
            let mut input = input;
            if let Some(timed) = input.strip_prefix('@') {
                let (at, rest) = timed.split_once(' ').unwrap();
                (now, input) = (Millis(at.parse().unwrap()), rest);
            }
            subject.hear(now, input)
        } else if subject.is_none() {
            let (made, effects) = begin(line);
            subject = Some(made);
            effects
        } else {
            continue;
        };
        writeln!(out, "{line}").unwrap();
        for effect in effects {
            writeln!(out, "{effect}").unwrap();
        }
    }
    out
}

/// The first line that differs, with the line before it.
fn difference(expected: &str, came: &str) -> String {
    let (mut a, mut b) = (expected.lines(), came.lines());
    let mut number = 0;
    let mut input = "";
    loop {
        number += 1;
        match (a.next(), b.next()) {
            (Some(x), Some(y)) if x == y => {
                if x.starts_with('>') {
                    input = x;
                }
            }
            (x, y) => {
                let text = |line: Option<&str>| line.unwrap_or("(end)").to_owned();
                return format!(
                    "line {number}, after {input:?}\n  expected {}\n  came     {}",
                    text(x),
                    text(y)
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Echo;

    impl Subject for Echo {
        fn hear(&mut self, now: Millis, line: &str) -> Vec<String> {
            if line == "nothing" { Vec::new() } else { vec![format!("{} {line}", now.0)] }
        }
    }

    fn begin(setup: &str) -> (Box<dyn Subject>, Vec<String>) {
        (Box::new(Echo), vec![format!("made of {setup}")])
    }

    #[test]
    fn a_script_that_goes_as_written_reads_the_same() {
        let text = "# goal\necho x=1\nmade of echo x=1\n\n> a\n0 a\n\n> nothing\n> @20 b\n20 b\n";
        assert_eq!(run(text, begin), text);
    }

    #[test]
    fn a_line_too_many_or_too_few_is_seen() {
        let text = "echo\nmade of echo\n> a\n0 a\n0 b\n";
        let came = run(text, begin);
        assert_eq!(came, "echo\nmade of echo\n> a\n0 a\n");
        assert!(difference(text, &came).contains("expected 0 b"));
        assert_ne!(run("echo\n> nothing\n", begin), "echo\n> nothing\n");
    }
}
