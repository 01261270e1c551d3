//! The management plane of whole servers: the admin server and the page of metrics, Apache
//! ZooKeeper 3.9.5 and ours beside one another.
//!
//! * [`commands`]: every command, GET and POST, by status, keys, types and, where they must agree,
//!   values
//! * [`metrics`]: the page of metrics, by Prometheus' own Python client
//! * [`page`]: the page for people
//! * [`ports`]: where it listens, and what becomes of a start where it cannot
//! * [`hostile`]: those who send too much, too slowly, or too often harm the plane alone
//! * [`probes`]: what orchestrators ask
//! * [`slow`]: operations that took long
//! * [`snapshots`]: taken, streamed, and loaded by Java; connections that are shed
//! * [`top`]: who asks for what, most often
//!
//! `RK_TEST_SERVER=java` compares Java with Java.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/mod.rs"]
mod support;

mod commands;
mod hostile;
mod metrics;
mod page;
mod ports;
mod probes;
mod slow;
mod snapshots;
mod top;

use support::client::Session;
use support::ensemble::{Ensemble, Plan};
use support::scratch;
use support::server::{Kind, Server, free_port};
use support::wire::{OPEN, Out};

/// A server with its admin server's port, and the sessions of the doings, still open.
struct Side {
    server: Server,
    admin: u16,
    metrics: u16,
    sessions: Vec<Session>,
}

const PROMETHEUS: &str = "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider";

fn start(kind: Kind, name: &str, settings: &[(&str, &str)]) -> Side {
    let (admin, metrics) = (free_port(), free_port());
    let (admin_text, metrics_text) = (admin.to_string(), metrics.to_string());
    let mut all = vec![
        ("admin.enableServer", "true"),
        ("admin.serverAddress", "127.0.0.1"),
        ("admin.serverPort", admin_text.as_str()),
        ("metricsProvider.httpHost", "127.0.0.1"),
        ("metricsProvider.httpPort", metrics_text.as_str()),
    ];
    all.extend(settings);
    let server = Server::start(kind, &scratch(&format!("plane/{name}")), &all);
    Side { server, admin, metrics, sessions: Vec::new() }
}

/// The same on every server; waits for each answer, so that all counts are settled.
fn with_doings(mut side: Side) -> Side {
    side.server.word("srst");
    let mut session = Session::open(side.server.port, 40_000);
    let mut call = |opcode: i32, body: Out| {
        // A watch on what is not there is set by -101.
        assert!(matches!((opcode, session.call(opcode, body).err), (_, 0) | (3, -101)));
    };
    let create = |path: &str, flags| {
        Out::new().str(path).buffer(Some(b"some data")).acls(Some(OPEN)).i32(flags)
    };
    for (path, flags) in [("/a", 0), ("/a/b", 0), ("/a/e", 1)] {
        call(1, create(path, flags));
    }
    for (opcode, path) in [(4, "/a"), (12, "/a"), (3, "/none")] {
        call(opcode, Out::new().str(path).bool(true));
    }
    // Transactions enough for the digest's history.
    for _ in 0..150 {
        call(5, Out::new().str("/a/b").buffer(Some(b"x")).i32(-1));
    }
    side.sessions.push(session);
    side
}

/// An ensemble whose members have an admin server each, and its ports.
fn with_admin_ports(name: &str, plan: Plan) -> (Ensemble, Vec<u16>) {
    let plan = plan.set("admin.enableServer", "true").set("admin.serverAddress", "127.0.0.1");
    let mut ensemble = Ensemble::lay_out(name, &plan);
    let ports: Vec<u16> = ensemble.members.iter().map(|_| free_port()).collect();
    for (member, port) in ensemble.members.iter_mut().zip(&ports) {
        member.set("admin.serverPort", &port.to_string());
        member.spawn();
    }
    ensemble.wait_all();
    (ensemble, ports)
}
