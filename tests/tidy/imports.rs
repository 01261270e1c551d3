//! Who uses whom: rooms in one order, roles that do not know one another, circles of files.

use std::collections::{BTreeMap, BTreeSet};

use super::{assert_none, code, is_test, room, sources};

/// Every room of `src`, each in exactly one place: a room uses only those above it.
const ROOMS: &[&str] = &[
    "types",
    "mutants",
    "runtime",
    "disk",
    "codec",
    "session",
    "order",
    "tree",
    "log",
    "membership",
    "acl",
    "sasl",
    "tls",
    "net",
    "prep",
    "watch",
    "election",
    "zab",
    "snapshot",
    "client",
    "metrics",
    "admin",
    "config",
    "history",
    "recovery",
    "roles",
    "plane",
    "node",
];

/// The roles, which stand beside one another.
const ROLES: &[&str] = &["network", "control", "peers", "log"];

/// Circles of files that use each other: no more than there are.
const CIRCLES_MAX: usize = 6;

/// A path that starts at the crate's root: `["tree", "store", "Tree"]`.
type ModPath = Vec<String>;

/// The module that a file is.
fn module(name: &str) -> ModPath {
    let inside = name.strip_prefix("src/").unwrap_or(name).trim_end_matches(".rs");
    let parts = inside.split('/').map(str::to_owned);
    parts.filter(|part| part != "mod" && part != "lib" && part != "main").collect()
}

/// The parts of a list at its outermost level.
fn split_list(text: &str) -> Vec<&str> {
    let (mut depth, mut from, mut parts) = (0, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// The paths of a use tree, spelled out.
fn spell_out(tree: &str) -> Vec<String> {
    let mut open = vec![(String::new(), tree.trim().to_owned())];
    let mut paths = Vec::new();
    while let Some((before, tree)) = open.pop() {
        match tree.split_once('{') {
            Some((head, rest)) => {
                let inner = rest.trim_end().trim_end_matches('}');
                let inner = &rest[..rest.rfind('}').unwrap_or(inner.len())];
                let before = format!("{before}{head}");
                open.extend(
                    split_list(inner).into_iter().map(|part| (before.clone(), part.into())),
                );
            }
            None => {
                let path = tree.split(" as ").next().unwrap_or("").trim();
                paths.push(format!("{before}{path}"));
            }
        }
    }
    paths
}

/// What a path means in a module, from the crate's root; `None` for other crates.
fn resolve(path: &str, module: &[String]) -> Option<ModPath> {
    let parts = path.split("::").map(|part| part.trim().to_owned());
    let mut at = module.to_vec();
    let mut rest = parts.peekable();
    match rest.peek()?.as_str() {
        "crate" => {
            at.clear();
            rest.next();
        }
        "self" => {
            rest.next();
        }
        "super" => {
            while rest.peek().is_some_and(|part| part == "super") {
                at.pop();
                rest.next();
            }
        }
        _ => return None,
    }
    at.extend(rest);
    Some(at)
}

/// Every path that a source names, `use` trees spelled out, tests left away.
fn paths(name: &str, text: &str) -> Vec<ModPath> {
    let text: String = code(text).flat_map(|(_, line)| [line, "\n"]).collect();
    let module = module(name);
    let mut found = Vec::new();
    for (at, _) in text.match_indices("use ") {
        let starts = text[..at].trim_end_matches(' ').chars().next_back();
        if !starts.is_none_or(|c| c == '\n' || c == ')' || text[..at].ends_with("pub ")) {
            continue;
        }
        let Some(end) = text[at..].find(';') else { continue };
        let tree = &text[at + 4..at + end];
        found.extend(spell_out(tree).iter().filter_map(|path| resolve(path, &module)));
    }
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    for word in ["crate::", "super::"] {
        for (at, _) in text.match_indices(word) {
            if text[..at].ends_with(is_path) {
                continue;
            }
            let path: String = text[at..].chars().take_while(|c| is_path(*c)).collect();
            found.extend(resolve(path.trim_end_matches(':'), &module));
        }
    }
    found
}

fn shipping() -> Vec<(String, String)> {
    sources(&["src"]).into_iter().filter(|(name, _)| !is_test(name)).collect()
}

#[test]
fn use_trees_are_read_whole() {
    // Goal: the tests below see grouped, nested, renamed and relative imports.
    let text =
        "use super::{a, b::{c, d as e}};\npub use crate::tree::Tree;\nfn f() { crate::log::g() }\n";
    let mut found = paths("src/zab/leader/core.rs", text);
    found.sort();
    let spelled: Vec<String> = found.iter().map(|path| path.join("::")).collect();
    let expected =
        ["log::g", "tree::Tree", "zab::leader::a", "zab::leader::b::c", "zab::leader::b::d"];
    let spelled: BTreeSet<&str> = spelled.iter().map(String::as_str).collect();
    for path in expected {
        assert!(spelled.contains(path), "{path} in {spelled:?}");
    }
}

#[test]
fn no_room_uses_one_that_stands_on_it() {
    // Goal: 0 arrows up, and every room of the source has its place.
    let place = |room: &str| ROOMS.iter().position(|known| *known == room);
    let mut found = Vec::new();
    for (name, text) in shipping() {
        let from = room(&name);
        if matches!(from, "main" | "lib") {
            continue;
        }
        let Some(from_place) = place(from) else {
            found.push(format!("{name}: the room {from} has no place"));
            continue;
        };
        for path in paths(&name, &text) {
            let Some(to) = path.first().filter(|to| place(to).is_some()) else { continue };
            if place(to).is_some_and(|place| place > from_place) {
                found.push(format!("{name} uses {}", path.join("::")));
            }
        }
    }
    assert_none("arrows up", found);
    let unique: BTreeSet<&&str> = ROOMS.iter().collect();
    assert_eq!(unique.len(), ROOMS.len(), "each room once");
}

#[test]
fn no_role_knows_another() {
    // Goal: network, control, peers and log meet only in what they say to one another.
    let mut found = Vec::new();
    for (name, text) in shipping() {
        let Some(role) = ROLES.iter().find(|r| name.starts_with(&format!("src/roles/{r}/"))) else {
            continue;
        };
        for path in paths(&name, &text) {
            if path.first().is_some_and(|room| room == "roles")
                && path.get(1).is_some_and(|to| ROLES.contains(&to.as_str()) && to != role)
            {
                found.push(format!("{name} uses {}", path.join("::")));
            }
        }
    }
    assert_none("roles that use one another", found);
}

/// Files by module path, and which of them each uses.
fn file_graph() -> BTreeMap<String, BTreeSet<String>> {
    let files = shipping();
    let by_module: BTreeMap<ModPath, &String> =
        files.iter().map(|(name, _)| (module(name), name)).collect();
    let mut graph = BTreeMap::new();
    for (name, text) in &files {
        let mut uses = BTreeSet::new();
        for path in paths(name, text) {
            // The longest beginning that is a file.
            let to = (1..=path.len()).rev().find_map(|n| by_module.get(&path[..n]));
            if let Some(to) = to.filter(|to| **to != name) {
                uses.insert((*to).clone());
            }
        }
        graph.insert(name.clone(), uses);
    }
    graph
}

/// What can be reached from a file.
fn reached(graph: &BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&String> = graph[from].iter().collect();
    while let Some(next) = open.pop() {
        if seen.insert(next.clone()) {
            open.extend(&graph[next]);
        }
    }
    seen
}

#[test]
fn circles_of_files_do_not_become_more() {
    // Goal: what uses each other is a few groups that are known, and no new one.
    let graph = file_graph();
    let reach: BTreeMap<&String, BTreeSet<String>> =
        graph.keys().map(|name| (name, reached(&graph, name))).collect();
    let mut circles: BTreeSet<Vec<&String>> = BTreeSet::new();
    for name in graph.keys().filter(|name| reach[name].contains(*name)) {
        let with = graph.keys().filter(|to| reach[name].contains(*to) && reach[to].contains(name));
        circles.insert(with.collect());
    }
    assert!(circles.len() <= CIRCLES_MAX, "{} circles: {circles:#?}", circles.len());
}
