//! What the whole-program tests share: servers to ask (ours and Apache ZooKeeper 3.9.5) and a raw
//! client that knows nothing of the program's own codec, so that the two check each other.
//!
//! `RK_TEST_SERVER=java` puts the Java server in the place of ours: a test that is wrong about
//! ZooKeeper fails there.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

pub mod client;
pub mod disks;
pub mod ensemble;
pub mod guide;
pub mod http;
pub mod learner;
pub mod left_out;
pub mod load;
pub mod proxy;
pub mod rk;
#[path = "../../src/testing/rng.rs"]
pub mod rng;
pub mod roaming;
pub mod scratch;
pub mod server;
pub mod shell;
pub mod tree;
pub mod wire;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub use rng::Rng;
pub use scratch::scratch;

/// A number from the environment, or `default`.
pub fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")),
        Err(_) => default,
    }
}

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A Python that has kazoo, and what else the clients' suites need; made by the first that asks.
pub fn python() -> PathBuf {
    let made = Command::new("python3")
        .arg(root().join("tests/clients/run.py"))
        .arg("--venv")
        .env("CARGO_TARGET_DIR", server::target())
        .stderr(Stdio::inherit())
        .output()
        .expect("python3");
    assert!(made.status.success(), "no environment with kazoo");
    PathBuf::from(String::from_utf8(made.stdout).unwrap().trim())
}
