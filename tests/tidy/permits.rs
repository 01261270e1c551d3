//! What is told of a node passes by a `Permit`.

use super::{assert_none, code, is_test, room, sources};

/// The tree's questions whose answers have something of nodes in them.
const QUESTIONS: &[&str] = &[
    ".read(",
    ".read_or_gone(",
    ".read_many(",
    ".ephemerals_of(",
    ".ephemerals_seen(",
    ".acl_table(",
    ".quota_of(",
    ".descendants(",
];

/// Who asks them where answers are made, and why they may.
const ASKED: &[(&str, &str)] = &[
    // Gives nodes to those alone who have a permit.
    ("src/roles/network/permitted.rs", ".read("),
    // Makes events, and each of them needs a permit.
    ("src/roles/network/rewatch.rs", ".read_or_gone("),
    // getEphemerals: the paths that the session itself has made. ZooKeeper asks for no permission.
    ("src/roles/network/reads.rs", ".ephemerals_seen("),
    // A number, and a permit for the node that it is asked of.
    ("src/roles/network/reads.rs", ".descendants("),
    // The root's list decides who may run a command, and is shown to nobody.
    ("src/admin/http/authorize.rs", ".read("),
    // The page's browser of the tree: what shows a node there takes a permit.
    ("src/admin/http/page/tree.rs", ".read("),
    // The words and commands `dump`: operators', behind the whitelist and the plane's address.
    ("src/roles/queries.rs", ".ephemerals_of("),
];

#[test]
fn nothing_is_told_of_a_node_without_a_permit() {
    // Goal: where answers are made (roles, admin, plane) nobody reads the tree past the permit: a new reader
    // has a line here, with its reason.
    let mut found = Vec::new();
    let mut seen = vec![false; ASKED.len()];
    for (name, text) in sources(&["src"]).iter().filter(|(name, _)| !is_test(name)) {
        if !["roles", "admin", "plane"].contains(&room(name)) {
            continue;
        }
        for (at, line) in code(text).filter(|(_, line)| line.contains("tree")) {
            for question in QUESTIONS.iter().filter(|question| line.contains(*question)) {
                match ASKED.iter().position(|asked| *asked == (name.as_str(), *question)) {
                    Some(place) => seen[place] = true,
                    None => found.push(format!("{name}:{at} {}", line.trim())),
                }
            }
        }
    }
    let unused = ASKED.iter().zip(&seen).filter(|(_, seen)| !**seen);
    found.extend(unused.map(|((name, question), _)| format!("{name} no longer asks {question}")));
    assert_none("reads of the tree past a permit", found);
}
