//! No number without its test.

use std::collections::BTreeSet;

use crate::support::root;

/// What is known of ZooKeeper, on 2026-11-30.
const NUMBERS: [&str; 19] = [
    "2016-5017",
    "2017-5637",
    "2018-8012",
    "2019-0201",
    "2023-44981",
    "2024-23944",
    "2024-51504",
    "2025-58457",
    "2026-24281",
    "2026-24308",
    "2026-59739",
    "2026-59969",
    "2026-79993",
    "2026-84439",
    "2026-84501",
    "2026-100235",
    "2026-100300",
    "2026-100302",
    "2026-115448",
];

/// Lines of a test in which its number has to be: its name, and its goal.
const GOAL_LINES: usize = 6;

/// What is wrong with a row, if anything.
fn judge(number: &str, rows: &[Vec<&str>]) -> Option<String> {
    let name = format!("CVE-{number}");
    let row = rows.iter().find(|row| row.get(1) == Some(&name.as_str()));
    let Some((file, test)) = row.and_then(|row| row.get(4)?.split_once("::")) else {
        return Some(format!("{name} has no row"));
    };
    let Ok(text) = std::fs::read_to_string(root().join(file)) else {
        return Some(format!("{name}: there is no {file}"));
    };
    let Some(at) = text.find(&format!("#[test]\nfn {test}()")) else {
        return Some(format!("{name}: {file} has no test {test}"));
    };
    let lines: Vec<&str> = text[at..].lines().take(1 + GOAL_LINES).collect();
    let named = lines.join("\n");
    let in_name = format!("cve_{}", number.replace('-', "_"));
    let is_named = named.contains(&name) || named.contains(&in_name);
    (!is_named).then(|| format!("{name}: {test} in {file} does not name it"))
}

#[test]
fn every_number_has_its_test() {
    // Goal: the table names for each of the nineteen a test that is there and says which it is about.
    let table = include_str!("main.rs");
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with("//! | CVE-"))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    let listed: BTreeSet<&str> = rows.iter().filter_map(|row| row.get(1).copied()).collect();
    assert_eq!((listed.len(), rows.len()), (NUMBERS.len(), NUMBERS.len()), "one row each");
    let wrong: Vec<String> = NUMBERS.iter().filter_map(|number| judge(number, &rows)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
