//! tools/docs/compatibility.md: every feature of the list has a state, and what shows it is there.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test may.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const LIST: &str = "tools/docs/compatibility.md";
const FEATURES: &str = "tools/docs/reference/features.md";
const LAST: u32 = 239;
const STATES: [&str; 5] = ["served", "differs", "not served", "the client's own", "not tested"];

/// A row: number, feature, state, what shows it.
type Row = (u32, String, String, String);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Cells of the rows that begin with a number.
fn cells(text: &str) -> Vec<Vec<String>> {
    let rows = text.lines().filter(|line| line.starts_with("| F"));
    rows.map(|line| {
        line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()
    })
    .collect()
}

/// What is wrong with the list.
fn faults(text: &str, features: &str) -> Vec<String> {
    let number = |cell: &str| cell.strip_prefix('F').and_then(|number| number.parse::<u32>().ok());
    let mut found = Vec::new();
    let mut seen: BTreeMap<u32, usize> = BTreeMap::new();
    for row in cells(text) {
        let (Some(number), [_, feature, state, shown]) = (number(&row[0]), &row[..]) else {
            found.push(format!("{}: a row of {} cells", row[0], row.len()));
            continue;
        };
        let (feature, state, shown) = (feature.clone(), state.clone(), shown.clone());
        *seen.entry(number).or_default() += 1;
        found.extend(faults_of(&(number, feature, state, shown)));
    }
    found.extend(
        (1..=LAST).filter(|n| seen.get(n) != Some(&1)).map(|n| format!("F{n} is not there once")),
    );
    found.extend(
        seen.keys().filter(|n| !(1..=LAST).contains(*n)).map(|n| format!("F{n} is no feature")),
    );
    // Both lists name the same features.
    let named = |text: &str| -> BTreeSet<(String, String)> {
        cells(text).into_iter().map(|row| (row[0].clone(), row[1].clone())).collect()
    };
    let differing = named(text).symmetric_difference(&named(features)).cloned().collect::<Vec<_>>();
    found.extend(
        differing.iter().map(|(number, name)| format!("{number} {name}: in one list alone")),
    );
    found
}

fn faults_of((number, _, state, shown): &Row) -> Vec<String> {
    let mut found = Vec::new();
    if !STATES.contains(&state.as_str()) {
        found.push(format!("F{number}: {state} is no state"));
    }
    let named: Vec<&str> =
        shown.split('`').skip(1).step_by(2).filter(|name| name.contains('/')).collect();
    if ["served", "differs"].contains(&state.as_str()) && named.is_empty() {
        found.push(format!("F{number} is {state}, and nothing shows it"));
    }
    if state != "served" && shown.split('`').next().is_none_or(str::is_empty) {
        found.push(format!("F{number} is {state}, without a word why"));
    }
    for name in named {
        if !root().join(name).exists() {
            found.push(format!("F{number}: {name} is not there"));
        }
    }
    found
}

#[test]
fn every_feature_has_a_state_and_what_shows_it() {
    // Goal: nobody who asks whether something is served finds no answer, or one that nothing stands behind.
    let read = |name: &str| fs::read_to_string(root().join(name)).unwrap();
    let (text, features) = (read(LIST), read(FEATURES));
    assert_eq!(faults(&text, &features), Vec::<String>::new());
    // The test can fail: a row that is gone, one that is there twice, a state, a test that are none.
    let row = |number: u32| {
        text.lines().find(|line| line.starts_with(&format!("| F{number} |"))).unwrap()
    };
    assert_eq!(faults(&text.replace(row(7), ""), &features).len(), 2);
    assert_eq!(
        faults(&text.replace(row(7), &format!("{}\n{}", row(7), row(7))), &features).len(),
        1
    );
    assert_eq!(faults(&text.replacen("| served |", "| perhaps |", 2), &features).len(), 2);
    assert_eq!(
        faults(&text.replace(row(1), &row(1).replace("tests/", "tasts/")), &features).len(),
        2
    );
}
