//! Words that the field has other words for, and that have left the code.

use super::{assert_none, code, is_test, sources};

/// The word, and what is said in its place.
const BANNED: &[(&str, &str)] = &[
    ("actor", "subject (of a script)"),
    ("beside", "pipelined, others"),
    ("desk", "commands, context"),
    ("door", "listener, port"),
    ("doors", "listeners"),
    ("owed", "pending"),
    ("play", "script"),
    ("plays", "scripts"),
    ("porch", "startup words"),
    ("reign", "epoch"),
    ("reigns", "epochs"),
    ("said", "reported, logged"),
    ("sight", "pending"),
    ("told", "reported, sent, heard"),
    ("untold", "unknown"),
    ("warm", "prefetch"),
];

/// The words of which an identifier is made.
fn words_of(identifier: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for c in identifier.chars() {
        if c == '_' || c.is_uppercase() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c != '_') {
            word.extend(c.to_lowercase());
        }
    }
    words
}

/// What a line of code names, texts in quotes left out. `in_text`: it begins within one.
fn identifiers(line: &str, in_text: bool) -> Vec<&str> {
    let bare = line.split('"').skip(usize::from(in_text)).step_by(2);
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    bare.flat_map(|part| part.split(move |c| !is_name(c))).filter(|name| !name.is_empty()).collect()
}

#[test]
fn the_field_has_a_word_for_it() {
    // Goal: whoever knows the field can search the code in its words.
    let mut found = Vec::new();
    for (name, text) in sources(&["src"]).iter().filter(|(name, _)| !is_test(name)) {
        let mut in_text = false;
        for (at, line) in code(text) {
            for identifier in identifiers(line, in_text) {
                let words = words_of(identifier);
                if let Some((word, instead)) =
                    BANNED.iter().find(|(banned, _)| words.iter().any(|word| word == banned))
                {
                    found.push(format!("{name}:{at} {identifier}: {word} is {instead} here"));
                }
            }
            in_text = line.trim_end().ends_with('\\');
        }
    }
    assert_none("words that the field has others for", found);
}

#[test]
fn an_identifier_is_taken_apart() {
    assert_eq!(words_of("end_said"), ["end", "said"]);
    assert_eq!(words_of("ReadDesk"), ["", "read", "desk"]);
    assert_eq!(identifiers("let a_b = f(\"told {x}\", c);", false), ["let", "a_b", "f", "c"]);
    assert_eq!(identifiers("told\", said);", true), ["said"]);
}
