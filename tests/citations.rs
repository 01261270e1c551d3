//! What comments and documents point to is there: sections of the reference, numbers of features and
//! invariants, files, modules, tests and links.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Where comments are looked at, and where the documents are.
const SOURCES: [&str; 5] = ["src", "tools", "tests", "perf", "benches"];
const DOCUMENTS: [&str; 5] =
    ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "perf/README.md", "tools/docs"];

const FEATURES: &str = "tools/docs/reference/features.md";
const INVARIANTS: &str = "ARCHITECTURE.md";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of the repository by its path, with its text if it is one that people write.
fn files() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders: Vec<PathBuf> = SOURCES.map(|folder| root().join(folder)).to_vec();
    folders.push(root().join(".ci"));
    folders.push(root().join(".cargo"));
    let mut paths: Vec<PathBuf> =
        fs::read_dir(root()).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_file()).collect();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_str().unwrap();
            match path.is_dir() {
                true if matches!(name, "target" | "node_modules" | ".cache") => {}
                true => folders.push(path),
                false => paths.push(path),
            }
        }
    }
    for path in paths {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        let written = ["rs", "md", "sh", "py", "js", "toml", "txt", "run"];
        let text = match name.rsplit(['.', '/']).next() {
            Some(kind) if written.contains(&kind) => fs::read_to_string(&path).unwrap_or_default(),
            _ => String::new(),
        };
        found.insert(name, text);
    }
    found
}

/// The text of comments in one line, so that a citation may be broken anywhere.
fn in_one_line(text: &str) -> String {
    let bare = text.lines().map(|line| line.trim().trim_start_matches(['/', '!', '#', '*']).trim());
    bare.collect::<Vec<_>>().join(" ")
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether a text has this word, and not as part of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(is_word) && !text[at + word.len()..].starts_with(is_word)
    })
}

/// Numbers behind a letter that stands by itself: `F234`, `I7`.
fn numbered(text: &str, letter: char) -> Vec<u32> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(letter) {
        let rest = &text[at + 1..];
        let digits = rest.chars().take_while(char::is_ascii_digit).count();
        let alone = !text[..at].ends_with(|c: char| is_word(c) || "#$\\&<".contains(c))
            && !rest[digits..].starts_with(is_word);
        if alone && (1..=3).contains(&digits) {
            found.push(rest[..digits].parse().unwrap());
        }
    }
    found
}

/// The numbers of "section 2", "sections 2, 4 and 8" at the beginning of a text.
fn sections(text: &str) -> Vec<u32> {
    let Some(rest) = text.strip_prefix("section") else { return Vec::new() };
    let mut found = Vec::new();
    for word in rest.trim_start_matches('s').split([' ', ',', ';', ')', '(']) {
        match word.trim_end_matches(['.', ':']).parse() {
            Ok(number) => {
                found.push(number);
                // The end of a sentence.
                if word.ends_with('.') {
                    break;
                }
            }
            Err(_) if word.is_empty() || word == "and" || word == "to" => {}
            Err(_) => break,
        }
    }
    found
}

/// Whether a document has the heading `## 7. …`.
fn has_section(document: &str, number: u32) -> bool {
    document.lines().any(|line| line.starts_with(&format!("## {number}. ")))
}

/// Places where a text speaks of a section: the document it names before, if any, and the number.
fn cited(text: &str) -> Vec<(Option<&str>, u32)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("section") {
        if text[..at].ends_with(is_word) {
            continue;
        }
        let before = text[..at].trim_end();
        let last = before.rsplit([' ', '(', '`']).find(|word| !word.is_empty());
        let last = last.map(|word| word.trim_end_matches(['`', ',']).trim_end_matches("'s"));
        let document = last.filter(|word| word.ends_with(".md"));
        found.extend(sections(&text[at..]).into_iter().map(|number| (document, number)));
    }
    found
}

/// What is wrong with the sections, features and invariants that a file speaks of.
fn broken_citations(files: &BTreeMap<String, String>, name: &str, text: &str) -> Vec<String> {
    let text = in_one_line(text);
    let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
    let beside = |document: &str| format!("{folder}/{document}");
    let is_reference = name.starts_with("tools/docs/reference/");
    let mut broken = Vec::new();
    for (document, number) in cited(&text) {
        let (known, what) = match document {
            Some(document) => {
                let found = files.get(document).or_else(|| files.get(&beside(document)));
                (found.is_some_and(|found| has_section(found, number)), document)
            }
            // A document may speak of its own sections.
            None => (is_reference && has_section(&files[name], number), "no document"),
        };
        if !known {
            broken.push(format!("{name}: section {number} of {what}"));
        }
    }
    let features = numbered(&text, 'F').into_iter().map(|n| (format!("F{n}"), FEATURES));
    let invariants = numbered(&text, 'I').into_iter().map(|n| (format!("I{n}"), INVARIANTS));
    for (cited, list) in features.chain(invariants) {
        let listed = |line: &str| {
            line.starts_with(&format!("| {cited} |"))
                || line.starts_with(&format!("| **{cited}** |"))
        };
        if !files[list].lines().any(listed) {
            broken.push(format!("{name}: {cited} is not in {list}"));
        }
    }
    broken
}

/// Where in `src` the path of a module ends, and what of it is left: `roles::network::budget`.
fn module<'a>(files: &BTreeMap<String, String>, path: &[&'a str]) -> (String, Vec<&'a str>) {
    let mut place = String::from("src");
    for (at, part) in path.iter().enumerate() {
        let folder = format!("{place}/{part}");
        let file = format!("{folder}.rs");
        if files.contains_key(&file) {
            return (file, path[at + 1..].to_vec());
        }
        if !files.keys().any(|name| name.starts_with(&format!("{folder}/"))) {
            return (place, path[at..].to_vec());
        }
        place = folder;
    }
    (place, Vec::new())
}

/// Whether what a document names in backticks is there; `None` where it names nothing of ours.
fn is_there(files: &BTreeMap<String, String>, document: &str, name: &str) -> Option<bool> {
    let within = |place: &str, word: &str| {
        let mut texts = files.iter().filter(|(file, _)| file.starts_with(place));
        texts.any(|(_, text)| has_word(text, word))
    };
    if name.contains("::") && !name.contains([' ', '(', '{', '*']) {
        let path: Vec<&str> = name.trim_end_matches(['…', '!']).split("::").collect();
        let test = format!("tests/{}.rs", path[0]);
        if path[0] == "limits" {
            return Some(path[1..].iter().all(|word| within("src/types/limits.rs", word)));
        }
        if let Some(text) = files.get(&test) {
            return Some(text.contains(&format!("fn {}", path[1])));
        }
        if path[0].starts_with(char::is_uppercase) {
            return Some(path.iter().all(|word| within("src", word)));
        }
        let (place, rest) = module(files, &path);
        // Of another crate, or one of the tools.
        if place == "src" {
            return None;
        }
        let begun = |word: &str| {
            let mut texts = files.iter().filter(|(file, _)| file.starts_with(&place));
            texts.any(|(_, text)| text.contains(&format!("fn {word}")))
        };
        return Some(rest.iter().all(|word| within(&place, word) || begun(word)));
    }
    let top = name.split('/').next()?;
    let is_path = name.contains('/') && (SOURCES.contains(&top) || matches!(top, ".ci" | ".cargo"));
    let is_file = [".rs", ".md"].iter().any(|end| name.ends_with(end));
    if !(is_path || is_file) || name.contains([' ', '<', '*', '{', '…', '$', '|']) {
        return None;
    }
    let folder = document.rsplit_once('/').map_or("", |(folder, _)| folder);
    let name = name.trim_end_matches('/');
    let below = |place: &str| files.keys().any(|file| file.starts_with(&format!("{place}/")));
    let known = files.contains_key(name)
        || below(name)
        || files.contains_key(&format!("{folder}/{name}"))
        || is_file && !is_path && files.keys().any(|file| file.ends_with(&format!("/{name}")));
    Some(known)
}

/// What a document names: what stands in backticks, words that are names of files, and the targets of
/// links.
fn names(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
            continue;
        }
        let quoted = line.split('`').skip(1).step_by(2).filter(|_| !fenced);
        found.extend(quoted.map(str::to_owned));
        let ends = |c: char| c.is_whitespace() || "`()[],;:\"'│|".contains(c);
        let words = line.split(ends).map(|word| word.trim_end_matches('.'));
        found.extend(words.filter(|word| word.contains('.')).map(str::to_owned));
        for (at, _) in line.match_indices("](") {
            let target = line[at + 2..].split([')', '#']).next().unwrap_or("");
            if !target.is_empty() && !target.contains("://") {
                found.push(target.to_owned());
            }
        }
    }
    found
}

fn assert_none(what: &str, mut found: Vec<String>) {
    found.sort();
    found.dedup();
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

#[test]
fn every_section_feature_and_invariant_that_is_cited_exists() {
    // Goal: who follows a comment to its source arrives.
    let files = files();
    let mut found = Vec::new();
    for (name, text) in &files {
        let top = name.split('/').next().unwrap();
        // This file has examples of what is wrong.
        if (SOURCES.contains(&top) || name.ends_with(".md")) && name != "tests/citations.rs" {
            found.extend(broken_citations(&files, name, text));
            for word in in_one_line(text).split([' ', '(', ')', '`', ',', ';', '"', '\'', ':']) {
                let word = word.trim_end_matches('.');
                if word.ends_with(".md") && is_there(&files, name, word) == Some(false) {
                    found.push(format!("{name}: {word}"));
                }
            }
        }
    }
    assert_none("citations that lead nowhere", found);
}

#[test]
fn every_name_in_a_document_is_that_of_something() {
    // Goal: a file, module, constant or test that moves takes its mentions with it.
    let files = files();
    let is_document =
        |name: &str| name.ends_with(".md") && DOCUMENTS.iter().any(|place| name.starts_with(place));
    let mut found = Vec::new();
    for (document, text) in files.iter().filter(|(name, _)| is_document(name)) {
        for name in names(text) {
            if is_there(&files, document, &name) == Some(false) {
                found.push(format!("{document}: {name}"));
            }
        }
    }
    assert_none("names of nothing", found);
}

#[test]
fn the_map_has_every_room() {
    // Goal: a room that is added, moved or gone is so in the map of ARCHITECTURE.md.
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, map) = text.split_once("## Map\n").unwrap();
    let block = map.split("```").nth(1).unwrap();
    // A line that goes on is indented.
    let is_room = |line: &&str| line.starts_with(|c: char| c.is_ascii_lowercase());
    let first = |line: &str| line.split(' ').next().unwrap().to_owned();
    let mut mapped: Vec<String> = block.lines().filter(is_room).map(first).collect();
    let entries = fs::read_dir(root().join("src")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut rooms: Vec<String> = names
        .filter(|name| !matches!(name.as_str(), "lib.rs" | "main.rs"))
        .map(|name| name.trim_end_matches(".rs").to_owned())
        .collect();
    mapped.sort();
    rooms.sort();
    assert_eq!(mapped, rooms, "rooms of the map, rooms of src");
}

#[test]
fn what_leads_nowhere_is_found() {
    // Goal: the tests above can fail.
    let mut files = BTreeMap::new();
    let reference = "tools/docs/reference/storage.md";
    files.insert(reference.to_owned(), "## 2. The log\n".to_owned());
    files.insert(FEATURES.to_owned(), "| F7 | a | b |\n".to_owned());
    files.insert(INVARIANTS.to_owned(), "| **I4** | c | d |\n".to_owned());
    files.insert("src/log/core.rs".to_owned(), "fn step() {}\n".to_owned());
    let good =
        format!("//! As in {reference} section\n//! 2 (F7, I4; {reference} sections 2 and 2).");
    assert_eq!(broken_citations(&files, "src/a.rs", &good), Vec::<String>::new());
    let bad = format!("/// {reference} sections 2, 3; section 2; F8, I5, storage.md section 2");
    let broken = broken_citations(&files, "src/a.rs", &bad);
    let expected = [
        format!("section 3 of {reference}"),
        "section 2 of no document".to_owned(),
        "section 2 of storage.md".to_owned(),
        format!("F8 is not in {FEATURES}"),
        format!("I5 is not in {INVARIANTS}"),
    ];
    assert_eq!(broken, expected.map(|what| format!("src/a.rs: {what}")));
    let there = |name: &str| is_there(&files, "ARCHITECTURE.md", name);
    for name in ["src/log/core.rs", "src/log", "core.rs", "log::core", "log::core::step"] {
        assert_eq!(there(name), Some(true), "{name}");
    }
    for name in ["src/log/cores.rs", "src/logs", "cores.rs", "log::cores", "log::core::steps"] {
        assert_eq!(there(name), Some(false), "{name}");
    }
    for name in ["dataDir", "std::fs", "zoo.cfg"] {
        assert_eq!(there(name), None, "{name}");
    }
    assert_eq!(names("[a](b/c.md#d), `e::f` and g.rs."), ["e::f", "b/c.md#d", "g.rs", "b/c.md"]);
}
