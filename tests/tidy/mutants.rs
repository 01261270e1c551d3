//! Bugs that can be planted: each has its place in the product and somebody who looks for it.

use ringkeeper::mutants::Mutant;

use super::{assert_none, is_test, sources};

/// Where mutants are hunted: the simulator's list, contract suites, and tests beside the code.
fn hunts(name: &str) -> bool {
    is_test(name) || name.starts_with("tests/") || name == "tools/sim/src/mutants.rs"
}

#[test]
fn every_mutant_is_planted_and_hunted() {
    // Goal: a bug that nobody planted or nobody looks for would pass for one that is found.
    let all = sources(&["src", "tests", "tools/sim"]);
    let others = || all.iter().filter(|(name, _)| name != "src/mutants.rs");
    let mut found = Vec::new();
    for mutant in Mutant::ALL {
        let (name, planted) = (mutant.name(), format!("mutants::on(Mutant::{mutant:?})"));
        if !others().any(|(_, text)| text.contains(&planted)) {
            found.push(format!("{name} is planted nowhere"));
        }
        let one = format!("Mutant::{mutant:?}");
        let hunted = others().any(|(file, text)| {
            let named = |(at, _): (usize, &str)| text[at + one.len()..].starts_with([')', ',']);
            hunts(file) && text.match_indices(&one).any(named)
        });
        if !hunted {
            found.push(format!("{name} is hunted nowhere"));
        }
    }
    assert_none("mutants", found);
}

#[test]
fn a_mutant_has_one_name() {
    // Goal: what a command line and a document call it is what the code calls it.
    for mutant in Mutant::ALL {
        let mut name = String::new();
        for c in format!("{mutant:?}").chars() {
            if c.is_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.extend(c.to_lowercase());
        }
        assert_eq!(mutant.name(), name);
    }
}
