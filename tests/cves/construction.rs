//! What cannot happen, as that in which it happened is not there.

use std::path::PathBuf;

use crate::support::root;

#[test]
fn cve_2016_5017_no_c_is_shipped() {
    // Goal: no shell, library or server of ours has C in which a line could overflow a buffer, and unsafe
    // code is where `tests/tidy` lets it be.
    let shipped = ["src", "tools", "perf", "benches"];
    let mut folders: Vec<PathBuf> = shipped.map(|folder| root().join(folder)).to_vec();
    let (mut rust, mut others) = (0, Vec::new());
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            let kind = path.extension().and_then(|kind| kind.to_str()).unwrap_or_default();
            match path.is_dir() {
                true if path.ends_with("target") => {}
                true => folders.push(path),
                false if kind == "rs" => rust += 1,
                false if ["c", "h", "cc", "cpp", "s", "S"].contains(&kind) => others.push(path),
                false => {}
            }
        }
    }
    assert!(rust > 500, "{rust} files of Rust: not all was looked at");
    assert!(others.is_empty(), "{others:?}");
}
