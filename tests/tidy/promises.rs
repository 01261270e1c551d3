//! What the documents promise and the code must keep: limits that bind, invariants that are asserted.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::{assert_none, code, is_test, sources};

#[test]
fn every_limit_binds_something() {
    // Goal: a bound that nobody asks for reads as a promise (I9).
    let all = sources(&["src", "tools", "perf"]);
    let (limits, others): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|(name, _)| name == "src/types/limits.rs");
    let text = &limits[0].1;
    let names = code(text).filter_map(|(_, line)| {
        let rest = line.trim().strip_prefix("pub const ")?;
        Some(rest.split(':').next()?.to_owned()).filter(|name| !name.starts_with("fn "))
    });
    let mut unused = Vec::new();
    for name in names {
        let path = format!("limits::{name}");
        let uses = |text: &str| {
            code(text).any(|(_, line)| {
                line.match_indices(&path).any(|(at, _)| {
                    !line[at + path.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_')
                })
            })
        };
        // One limit may be made of another.
        let inside = code(text).filter(|(_, line)| {
            line.contains(&name) && !line.contains(&format!("pub const {name}:"))
        });
        if !others.iter().any(|(_, text)| uses(text)) && inside.count() == 0 {
            unused.push(name);
        }
    }
    assert_none("limits that bind nothing", unused);
}

#[test]
fn no_room_does_without_documentation() {
    // Goal: the lint `missing_docs` asks everywhere. A type may say why its parts need no words beside
    // their names; nothing larger may.
    let mut found = Vec::new();
    for (name, text) in sources(&["src"]) {
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate().filter(|(_, l)| l.contains("allow(missing_docs"))
        {
            let next = lines.get(at + 1).unwrap_or(&"").trim_start();
            let of_tests = next == "pub mod testing;" || next == "pub mod opcode {";
            if !line.contains("reason = ")
                || line.contains("#!")
                || next.starts_with("pub mod") && !of_tests
            {
                found.push(format!("{name}:{}: {next}", at + 1));
            }
        }
    }
    assert_none("what has no documentation", found);
}

#[test]
fn a_server_agrees_with_its_own_log_only_where_it_has_no_ensemble() {
    // Goal: I6: in an ensemble, a server that took its own log for a quorum's word would lose what was
    // acknowledged. Whoever holds an `Alone` can; one place makes it, for a server without members.
    let mut made = Vec::new();
    for (name, text) in sources(&["src", "tools", "perf"]).iter().filter(|(name, _)| !is_test(name))
    {
        made.extend(
            code(text).filter(|(_, line)| line.contains("Alone::configured")).map(|_| name.clone()),
        );
    }
    assert_eq!(made, ["src/roles/control/mod.rs"]);
}

#[test]
fn every_invariant_is_cited_where_it_is_held() {
    // Goal: ARCHITECTURE.md's invariants are each in an assert, or in a check of the simulator.
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let invariants: BTreeSet<u32> = (1..=14).collect();
    let mut held = BTreeSet::new();
    for (_, text) in sources(&["src", "tools/sim/src"]) {
        for (at, _) in text.match_indices('I') {
            let before = text[..at].chars().next_back();
            let digits: String = text[at + 1..].chars().take_while(char::is_ascii_digit).collect();
            if digits.is_empty() || before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                continue;
            }
            // In a string, as an assert or a verdict has it; a comment holds nothing.
            let line = text[..at].rsplit('\n').next().unwrap_or("");
            if line.contains('"') && !line.trim_start().starts_with("//") {
                held.extend(digits.parse::<u32>().ok());
            }
        }
    }
    let named = |n: &&u32| text.contains(&format!("\n| **I{n}** |"));
    let missing: Vec<String> = invariants
        .iter()
        .filter(|n| !held.contains(n))
        .map(|n| format!("I{n} is in no assert"))
        .chain(invariants.iter().filter(|n| !named(n)).map(|n| format!("I{n} is not explained")))
        .collect();
    assert_none("invariants", missing);
}
