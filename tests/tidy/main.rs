//! The rules of the house that a compiler does not know: layer edges, file sizes, where unsafe
//! may be, words that may not stay, no fixed ports.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod imports;
mod lengths;
mod mutants;
mod permits;
mod promises;
mod words;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Lines past which a file has two subjects.
const LINES_MAX: usize = 700;

/// Lines of the whole room `node`.
const NODE_LINES_MAX: usize = 3000;

/// Deterministic state machines: no IO, clock or thread, and no knowledge of a shell. They may
/// use each other, `types` and `codec`.
const CORES: &[&str] = &[
    "types",
    "codec",
    "tree",
    "watch",
    "acl",
    "sasl",
    "session",
    "order",
    "prep",
    "membership",
    "election",
    "zab",
    "client",
];

/// Rooms whose deciding part is a core and whose files below are shells of theirs.
const SHELLS: &[&str] = &[
    "runtime", "tls", "net", "disk", "config", "history", "recovery", "admin", "roles", "plane",
    "node",
];

fn sources(folders: &[&str]) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                if !matches!(name, "target" | "node_modules" | ".git" | ".cache" | "corpus") {
                    folders.push(path);
                }
            } else if name.ends_with(".rs") {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty());
    found
}

/// Files that hold nothing but unit tests and what they share: they may use threads and clocks, and
/// are in no server.
fn is_test(name: &str) -> bool {
    name.contains("/tests/") || name.ends_with("/tests.rs") || name.starts_with("src/testing/")
}

/// The room of a source: `src/tree/node.rs` and `src/tree.rs` are in `tree`.
fn room(name: &str) -> &str {
    let inside = name.strip_prefix("src/").unwrap_or("");
    inside.split('/').next().unwrap_or("").trim_end_matches(".rs")
}

/// The code without its comments, and without its tests, which may do as they like.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
    lines
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .map(|(at, line)| (at, line.split("//").next().unwrap_or("")))
}

fn assert_none(what: &str, found: Vec<String>) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

#[test]
fn a_build_of_the_workspace_makes_the_server_that_ships() {
    // Goal: cargo unites the features that members of a workspace ask of the server's crate, so a
    // member that asked for one would change the binary that `compare` measures and people run.
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let members =
        ["perf/Cargo.toml", "tools/fuzz/Cargo.toml", "tools/rk/Cargo.toml", "tools/sim/Cargo.toml"];
    let asked: Vec<String> = members
        .iter()
        .flat_map(|member| {
            let text = fs::read_to_string(root.join(member)).unwrap();
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.into_iter().map(move |line| format!("{member}: {line}"))
        })
        .filter(|line| line.contains("ringkeeper = {") && line.contains("features = ["))
        .collect();
    assert_none("members that build the server with features", asked);
}

#[test]
fn nothing_is_printed_past_the_one_writer_that_cannot_fail() {
    // Goal: no output of a diagnostic can end the server: `eprintln!` and its like panic when nobody reads.
    let past =
        ["eprintln!", "println!", "eprint!", "print!", "dbg!", "io::stdout()", "with_writer(io"];
    let mut found = Vec::new();
    for (name, text) in sources(&["src"]).iter().filter(|(name, _)| !is_test(name)) {
        for (at, line) in code(text) {
            if past.iter().any(|word| line.contains(word)) {
                found.push(format!("{name}:{at} {}", line.trim()));
            }
        }
    }
    assert_none("output that can panic", found);
}

#[test]
fn operators_read_words() {
    // Goal: no line of a log shows how Rust prints a value for programmers; texts may be quoted so.
    let quoted = ["text", "parent", "0"];
    let mut found = Vec::new();
    for (name, text) in sources(&["src"]).iter().filter(|(name, _)| !is_test(name)) {
        for (at, line) in code(text).filter(|(_, line)| !line.contains("assert")) {
            let printed = line.match_indices(":?}").map(|(end, _)| {
                let begin = line[..end].rfind('{').map_or(0, |begin| begin + 1);
                &line[begin..end]
            });
            let field = line.contains("tracing::") && line.contains(" ?");
            if field || printed.into_iter().any(|name| !quoted.contains(&name)) {
                found.push(format!("{name}:{at} {}", line.trim()));
            }
        }
    }
    assert_none("values printed as Rust's Debug does", found);
}

#[test]
fn cores_know_no_shell_and_no_world() {
    // Goal: a core can be driven by a simulator: nothing in it reaches the machine.
    let world = [
        "std::net::Tcp",
        "std::net::Udp",
        "std::fs",
        "std::thread",
        "std::process",
        "std::time::Instant",
        "std::time::SystemTime",
        "Instant::now",
        "SystemTime",
        "std::env",
        "std::io::stdin",
        "RandomState",
        "std::collections::HashMap",
        "std::collections::HashSet",
        "socket2",
        "io_uring",
        "tokio",
        "libc::",
        "core_affinity",
    ];
    let mut found = Vec::new();
    for (name, text) in
        sources(&["src"]).iter().filter(|(name, _)| CORES.contains(&room(name)) && !is_test(name))
    {
        for (at, line) in code(text) {
            let shell = SHELLS.iter().find(|shell| {
                line.contains(&format!("crate::{shell}::"))
                    || line.contains(&format!("crate::{shell};"))
            });
            if let Some(shell) = shell {
                found.push(format!("{name}:{at} uses the shell {shell}: {}", line.trim()));
            }
            if let Some(word) = world.iter().find(|word| line.contains(*word)) {
                found.push(format!("{name}:{at} uses {word}: {}", line.trim()));
            }
        }
    }
    assert_none("cores that see a shell or the world", found);
}

#[test]
fn snapshots_are_made_and_read_without_threads_and_clocks() {
    // Goal: `snapshot` knows the disk, through its trait, and nothing else of the machine.
    let world =
        ["std::fs", "std::thread", "std::env", "Instant", "SystemTime", "RandomState", "libc::"];
    let mut found = Vec::new();
    for (name, text) in
        sources(&["src"]).iter().filter(|(name, _)| room(name) == "snapshot" && !is_test(name))
    {
        for (at, line) in code(text) {
            if let Some(word) = world.iter().find(|word| line.contains(*word)) {
                found.push(format!("{name}:{at} uses {word}: {}", line.trim()));
            }
        }
    }
    assert_none("snapshots that see the world", found);
}

#[test]
fn shells_know_no_core() {
    // Goal: runtime, net and disk carry bytes; only `node` and `admin` see both sides.
    let cores = ["tree", "watch", "acl", "session", "order", "prep", "zab", "election", "node"];
    let mut found = Vec::new();
    for (name, text) in sources(&["src"]) {
        if !matches!(room(&name), "runtime" | "net" | "disk") {
            continue;
        }
        for (at, line) in code(&text) {
            if cores.iter().any(|core| line.contains(&format!("crate::{core}::"))) {
                found.push(format!("{name}:{at}: {}", line.trim()));
            }
        }
    }
    assert_none("shells that see a core", found);
}

#[test]
fn only_node_composes() {
    // Goal: nothing but `node`, `admin` and the front doors uses `node`.
    let mut found = Vec::new();
    for (name, text) in sources(&["src"]) {
        if matches!(room(&name), "node" | "roles" | "admin" | "main" | "lib") {
            continue;
        }
        for (at, line) in code(&text) {
            if line.contains("crate::node::") {
                found.push(format!("{name}:{at}: {}", line.trim()));
            }
        }
    }
    assert_none("rooms that use the composition", found);
}

#[test]
fn files_have_one_subject() {
    // Goal: no source over 700 lines; each has a front comment.
    let mut found = Vec::new();
    for (name, text) in sources(&["src", "tests", "perf", "tools", "benches"]) {
        let lines = text.lines().count();
        if lines > LINES_MAX {
            found.push(format!("{name} has {lines} lines"));
        }
        if !text.starts_with("//!") && !text.starts_with("#!") && lines > 20 {
            found.push(format!("{name} has no front comment"));
        }
    }
    assert_none("files", found);
}

#[test]
fn the_composition_stays_small() {
    // Goal: `node` puts together what other rooms hold. What grows there belongs to one of them.
    let lines = sources(&["src"])
        .iter()
        .filter(|(name, _)| room(name) == "node")
        .map(|(_, text)| text.lines().count())
        .sum::<usize>();
    assert!(lines <= NODE_LINES_MAX, "node has {lines} lines, at most {NODE_LINES_MAX}");
}

#[test]
fn unsafe_lives_in_the_runtime() {
    // Goal: `unsafe` only under src/runtime, each block under a SAFETY comment.
    let mut found = Vec::new();
    // Spelled in two pieces: this file is read too.
    let word = ["uns", "afe"].concat();
    let calls = [format!("{word} {{"), format!("{word} fn"), format!("{word} impl")];
    for (name, text) in sources(&["src", "tests", "perf", "tools", "benches"]) {
        // The load driver is no part of the server and has a ring of its own.
        let inside = name.starts_with("src/runtime/") || name == "perf/src/ring.rs";
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let bare = line.split("//").next().unwrap_or("");
            if !calls.iter().any(|call| bare.contains(call.as_str())) {
                continue;
            }
            if !inside {
                found.push(format!("{name}:{} is outside the runtime", at + 1));
            } else if !bare.contains(" fn ")
                && !lines[at.saturating_sub(12)..=at].iter().any(|line| line.contains("SAFETY:"))
            {
                found.push(format!("{name}:{} has no SAFETY comment", at + 1));
            }
        }
    }
    assert_none("unsafe code", found);
}

#[test]
fn nothing_is_left_for_later() {
    // Goal: no marks of unfinished work, no tests that are switched off.
    let words: Vec<String> =
        [["TO", "DO"], ["FIX", "ME"], ["XX", "X:"], ["#[ign", "ore"]].map(|w| w.concat()).to_vec();
    let mut found = Vec::new();
    for (name, text) in sources(&["src", "tests", "perf", "tools", "benches"]) {
        for (at, line) in text.lines().enumerate() {
            if let Some(word) = words.iter().find(|word| line.contains(word.as_str())) {
                found.push(format!("{name}:{} {word}", at + 1));
            }
        }
    }
    assert_none("marks of unfinished work", found);
}

#[test]
fn tests_take_free_ports() {
    // Goal: no test binds or connects to a port that somebody chose.
    let mut found = Vec::new();
    for (name, text) in sources(&["tests"]) {
        for (at, line) in text.lines().enumerate() {
            let mut rest = line;
            for address in ["127.0.0.1:", "localhost:", "0.0.0.0:", "[::1]:", "(\"127.0.0.1\", "] {
                while let Some(found_at) = rest.find(address) {
                    rest = &rest[found_at + address.len()..];
                    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                    if digits > 0 && &rest[..digits] != "0" && !line.contains("loopback name") {
                        found.push(format!("{name}:{}: {}", at + 1, line.trim()));
                    }
                }
                rest = line;
            }
        }
    }
    assert_none("fixed ports", found);
}

/// Rooms that hold or walk what clients make: trees, paths, requests, lists.
const CLIENTS_ROOMS: &[&str] = &[
    "types",
    "codec",
    "tree",
    "watch",
    "acl",
    "session",
    "order",
    "prep",
    "snapshot",
    "membership",
    "admin",
];

/// What names itself without going deeper than one level, and why.
const ONE_LEVEL: &[(&str, &str, &str)] = &[
    ("src/tree/outcome.rs", "Outcome", "results of a multi, none of which is a multi's"),
    ("src/snapshot/directory.rs", "open", "a constructor calls the function of its name"),
];

/// The text from an opening bracket to its closing one.
fn bracketed(text: &str) -> &str {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' | '(' => depth += 1,
            '}' | ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 && at > 0 {
            return &text[..at];
        }
    }
    text
}

/// Names that `word` introduces in a source, each with what stands in its braces.
fn bodies(text: &str, words: &[&str]) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    for word in words {
        for (at, _) in text.match_indices(word) {
            let rest = &text[at + word.len()..];
            let name: String = rest.chars().take_while(|c| is_name(*c)).collect();
            let starts = text[..at].chars().next_back().is_none_or(|c| !is_name(c));
            let opens = if *word == "fn " { rest.find('{') } else { rest.find(['{', '(']) };
            if let Some(opens) = opens.filter(|_| starts && !name.is_empty()) {
                found.entry(name).or_default().push_str(bracketed(&rest[opens..]));
            }
        }
    }
    found
}

/// Those of the names that lead back to themselves, by way of each other.
fn cycles(bodies: &BTreeMap<String, String>, uses: impl Fn(&str, &str) -> bool) -> Vec<&String> {
    let leads_to = |from: &str| -> Vec<&String> {
        bodies.keys().filter(|to| uses(&bodies[from], to)).collect()
    };
    let is_cyclic = |name: &&String| {
        let mut seen: Vec<&String> = Vec::new();
        let mut open = leads_to(name);
        while let Some(next) = open.pop() {
            if next == *name {
                return true;
            }
            if !seen.contains(&next) {
                seen.push(next);
                open.extend(leads_to(next));
            }
        }
        false
    };
    bodies.keys().filter(is_cyclic).collect()
}

/// Whether a body calls a function of its own file, by its bare name or as its own method.
fn calls(body: &str, name: &str) -> bool {
    body.match_indices(&format!("{name}(")).any(|(at, _)| {
        let before = &body[..at];
        let bare = !before.ends_with(|c: char| c.is_alphanumeric() || "_.:".contains(c));
        bare || before.ends_with("self.") || before.ends_with("Self::")
    })
}

fn mentions(body: &str, name: &str) -> bool {
    body.match_indices(name).any(|(at, _)| {
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        !body[..at].ends_with(is_name) && !body[at + name.len()..].starts_with(is_name)
    })
}

#[test]
fn nothing_recurses_over_what_clients_make() {
    // Goal: a tree half a million levels deep overflows no stack: no function of these rooms comes
    // back to itself, and no type holds itself, whose drop, clone and comparison would.
    let mut found = Vec::new();
    for (name, text) in sources(&["src"]) {
        let network = name.starts_with("src/roles/network/");
        if !(CLIENTS_ROOMS.contains(&room(&name)) || network) || is_test(&name) {
            continue;
        }
        let text: String = code(&text).flat_map(|(_, line)| [line, "\n"]).collect();
        let functions = bodies(&text, &["fn "]);
        let types = bodies(&text, &["struct ", "enum "]);
        let mut cyclic = cycles(&functions, calls);
        cyclic.extend(cycles(&types, mentions));
        for cyclic in cyclic {
            if !ONE_LEVEL.iter().any(|(file, known, _)| (*file, *known) == (&name, cyclic)) {
                found.push(format!("{name}: {cyclic} comes back to itself"));
            }
        }
    }
    assert_none("recursion over what clients make", found);
}

#[test]
fn recursion_is_found_where_it_is() {
    // Goal: the test above can fail: it sees a function that calls itself by way of another, and a
    // type that holds itself by way of another.
    let text = "struct Trie { root: Branch }\nstruct Branch { children: Vec<Twig> }\n\
        enum Twig { Of(Branch), Leaf }\nfn prune(b: &mut Branch) { cut(b) }\n\
        fn cut(b: &mut Branch) { prune(b) }\nfn walk(&self) { self.walk() }\n\
        fn flat(&self) { self.other.flat(); prune(x) }\n";
    assert_eq!(cycles(&bodies(text, &["fn "]), calls), ["cut", "prune", "walk"]);
    assert_eq!(cycles(&bodies(text, &["struct ", "enum "]), mentions), ["Branch", "Twig"]);
}
