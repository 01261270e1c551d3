//! Functions that fit a screen.

use super::{assert_none, sources};

/// Lines past which a function has two subjects.
const LINES_MAX: usize = 70;

/// Functions of a source, with their lines.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let bare = line.trim_start();
        let indent = &line[..line.len() - bare.len()];
        let mut words = bare.split_whitespace().skip_while(|word| {
            word.starts_with("pub") || ["const", "async", "unsafe", "extern"].contains(word)
        });
        let Some(name) = (words.next() == Some("fn")).then(|| words.next()).flatten() else {
            continue;
        };
        let name: String = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let close = format!("{indent}}}");
        let ends = |end: &str| end == close || end.ends_with(';') && end.starts_with(bare);
        let Some(end) = lines[at..].iter().position(|end| ends(end)) else { continue };
        found.push((name, end + 1));
    }
    found
}

#[test]
fn functions_fit_a_screen() {
    // Goal: a function has one subject.
    let mut found = Vec::new();
    for (name, text) in sources(&["src", "tests", "perf", "tools", "benches"]) {
        for (function, lines) in functions(&text) {
            if lines > LINES_MAX {
                found.push(format!("{name}: {function} has {lines} lines, at most {LINES_MAX}"));
            }
        }
    }
    assert_none("functions", found);
}

#[test]
fn a_function_is_as_long_as_its_braces() {
    let text =
        "impl A {\n    fn one(&self) -> u8 {\n        1\n    }\n\n    pub(super) fn two() {}\n}\n";
    assert_eq!(functions(text), [("one".to_owned(), 3)]);
}
