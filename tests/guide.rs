//! Every command block of tools/docs/operations.md, run as it is written, one after another in one place.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test may.

mod support;

use support::guide::{blocks, run, script};

#[test]
fn an_operator_can_follow_the_guide() {
    // Goal: an ensemble is made, judged, restarted member by member, joined, left, checked, backed up and mended by
    // the commands as they stand.
    let blocks = blocks("tools/docs/operations.md");
    assert!(blocks.len() > 15, "{} blocks", blocks.len());
    let body: String = blocks.iter().map(script).collect();
    run("guide", &body);
}
