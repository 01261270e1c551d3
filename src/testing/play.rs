//! Runs a play.
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
//! Set-up lines are those before the first blank line or input that the actor takes; it is given
//! all of them and answers with effects. What the actor says and what the play expects must be
//! the same, line by line. With `RINGKEEPER_WRITE_PLAYS=1` the plays are written anew with what the
//! actors say, to be read in the diff.

use std::fmt::Write as _;
use std::path::Path;

use crate::types::Millis;

/// Something that plays.
pub trait Actor {
    /// One input; gives the effects, a line each.
    fn hear(&mut self, now: Millis, line: &str) -> Vec<String>;
}

/// Makes an actor; gives it with the effects of its making.
pub type Begin = fn(&str) -> (Box<dyn Actor>, Vec<String>);

/// Plays every `*.txt` of `src/zab/tests/plays/<folder>`. `begin` makes an actor from the first
/// set-up line (words `key=value` behind its name), and gives the effects of its making. Gives the
/// number of plays.
pub fn play_all(folder: &str, begin: Begin) -> usize {
    play_folder(&format!("src/zab/tests/plays/{folder}"), begin)
}

/// The same for a folder of the repository.
pub fn play_folder(folder: &str, begin: Begin) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "txt"));
    files.sort();
    let mut wrong = String::new();
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        let played = play(&text, begin);
        if played == text {
            continue;
        }
        if std::env::var_os("RINGKEEPER_WRITE_PLAYS").is_some() {
            std::fs::write(file, played).unwrap();
            continue;
        }
        let name = file.file_name().unwrap().to_string_lossy();
        writeln!(wrong, "{name}: {}", difference(&text, &played)).unwrap();
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    files.len()
}

/// The play as it went: the same text if all went as expected.
pub fn play(text: &str, begin: Begin) -> String {
    let mut now = Millis(0);
    let mut actor: Option<Box<dyn Actor>> = None;
    let mut out = String::new();
    // Effects belong right behind their input: those of the text are left out, and blank lines and
    // comments kept.
    for line in text.lines() {
        let said = if line.is_empty() || line.starts_with('#') {
            Vec::new()
        } else if let Some(input) = line.strip_prefix("> ") {
            let actor = actor.as_mut().unwrap_or_else(|| panic!("no set-up before {line:?}"));
            let mut input = input;
            if let Some(timed) = input.strip_prefix('@') {
                let (at, rest) = timed.split_once(' ').unwrap();
                (now, input) = (Millis(at.parse().unwrap()), rest);
            }
            actor.hear(now, input)
        } else if actor.is_none() {
            let (made, said) = begin(line);
            actor = Some(made);
            said
        } else {
            continue;
        };
        writeln!(out, "{line}").unwrap();
        for effect in said {
            writeln!(out, "{effect}").unwrap();
        }
    }
    out
}

/// The first line that differs, with the line before it.
fn difference(expected: &str, played: &str) -> String {
    let (mut a, mut b) = (expected.lines(), played.lines());
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
                    "line {number}, after {input:?}\n  expected {}\n  played   {}",
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

    impl Actor for Echo {
        fn hear(&mut self, now: Millis, line: &str) -> Vec<String> {
            if line == "nothing" { Vec::new() } else { vec![format!("{} {line}", now.0)] }
        }
    }

    fn begin(setup: &str) -> (Box<dyn Actor>, Vec<String>) {
        (Box::new(Echo), vec![format!("made of {setup}")])
    }

    #[test]
    fn a_play_that_goes_as_written_reads_the_same() {
        let text = "# goal\necho x=1\nmade of echo x=1\n\n> a\n0 a\n\n> nothing\n> @20 b\n20 b\n";
        assert_eq!(play(text, begin), text);
    }

    #[test]
    fn a_line_too_many_or_too_few_is_seen() {
        let text = "echo\nmade of echo\n> a\n0 a\n0 b\n";
        let played = play(text, begin);
        assert_eq!(played, "echo\nmade of echo\n> a\n0 a\n");
        assert!(difference(text, &played).contains("expected 0 b"));
        assert_ne!(play("echo\n> nothing\n", begin), "echo\n> nothing\n");
    }
}
