//! The program's own command line, where no server is asked. What needs one stands in the workspace's
//! `tests/rk.rs`, which has this binary built by building this test.

#![allow(clippy::unwrap_used)] // A test may.

use std::process::{Command, Output};

fn rk(line: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rk")).args(line).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_server_that_is_not_there_is_a_lost_connection() {
    // Goal: zkCli's words and a code that scripts see, and no waiting for a port that refuses.
    let output = rk(&["-s", "127.0.0.1:1", "ls", "/"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("KeeperErrorCode = ConnectionLoss for /"), "{output:?}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_wrong_address_is_named() {
    let output = rk(&["-s", "a:b", "ls", "/"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("\"a:b\""), "{output:?}");
}

#[test]
fn options_that_nobody_knows_are_refused() {
    let output = rk(&["--nonsense"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--nonsense"), "{output:?}");
}

#[test]
fn version_and_help_need_no_server() {
    let version = format!("rk {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(text(&rk(&["--version"]).stdout), version);
    let help = rk(&["--help"]);
    assert!(help.status.success() && text(&help.stdout).contains("--context"));
}
