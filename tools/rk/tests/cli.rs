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

#[test]
fn the_reference_is_what_the_code_gives() {
    // Goal: tools/docs/rk.md is not behind; RK_WRITE_REFERENCE=1 writes it anew.
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let file = root.join("tools/docs/rk.md");
    let mut command = Command::new(env!("CARGO_BIN_EXE_rk"));
    for name in ["RK_SERVER", "RK_CONTEXT"] {
        command.env_remove(name);
    }
    let made = text(&command.arg("reference").output().unwrap().stdout);
    if std::env::var_os("RK_WRITE_REFERENCE").is_some() {
        std::fs::write(&file, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == made,
        "tools/docs/rk.md is behind: RK_WRITE_REFERENCE=1 cargo test -p ringkeeper-rk --test cli"
    );
}

#[test]
fn recipes_without_a_server_say_so() {
    // Goal: a recipe does not wait for a server for good before it has begun.
    let output = rk(&["-s", "127.0.0.1:1", "--timeout", "500", "lock", "/l", "--", "true"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("connecting took longer than 500 ms"), "{output:?}");
}
