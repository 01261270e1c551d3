//! TLS between servers: Apache ZooKeeper 3.9.5 and ours on the same stores, in one ensemble.
//!
//! * [`contract`]: what a quorum link promises holds over TLS; bounds count a role's own bytes
//! * [`identity`]: which certificates are believed, for which names, by whoever connects and by whoever
//!   accepts
//! * [`mixtures`]: ensembles of both, each leading in turn; OpenSSL at both ports
//! * [`rolling`]: from plain to TLS alone, a member at a time, under load
//! * [`renewal`]: stores that change under a running ensemble
//! * [`stores`]: what a member presents and whom it trusts
//! * [`strangers`]: wrong certificates, plain connections, half handshakes and garbage cost no election

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/mod.rs"]
mod support;

#[allow(dead_code, reason = "clients' stores are among them")]
#[path = "../tls/pki.rs"]
mod pki;

mod contract;
mod identity;
mod mixtures;
mod renewal;
mod rolling;
mod stores;
mod strangers;

use std::process::{Command, Stdio};

use pki::pki;
use stores::quorum_stores as stores;

/// What OpenSSL's client makes of a port: whether there was a session, and what it says of it.
fn s_client(port: u16, options: &[&str]) -> (bool, String) {
    let output = Command::new("openssl")
        .args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-brief"])
        .args(["-CAfile", "ca.pem", "-verify_return_error", "-verify_ip", "127.0.0.1"])
        .args(options)
        .current_dir(&pki().folder)
        .stdin(Stdio::null())
        .output()
        .expect("openssl");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}
