//! Who may do what, by a generated matrix: every operation of a client on every kind of node, with every
//! kind of list and by every kind of client, of Apache ZooKeeper 3.9.5 and of ours, held against an oracle.
//!
//! * [`oracle`]: ZooKeeper's rules, as a function
//! * [`requests`]: the operations on the wire
//! * [`known`]: where Java 3.9.5 differs, with the reason
//! * [`matrix`]: what each is answered
//! * [`events`]: what watches tell, at once and when they are taken up again
//!
//! Lists of x509 and who proves what by SASL have their comparisons in `tests/tls` and `tests/sasl`.
//! `RK_TEST_SERVER=java` puts Java in the place of ours.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/mod.rs"]
mod support;

mod events;
mod known;
mod matrix;
mod oracle;
mod requests;

use oracle::IDENTITIES;
use support::client::{Reply, Session};
use support::scratch;
use support::server::{Kind, Server, super_settings};
use support::wire::{Out, request};

const TIMEOUT: i32 = 40_000;

/// A server, a super user's session, and one of each identity's.
struct Side {
    server: Server,
    admin: Session,
    sessions: Vec<Session>,
}

/// A session that has proven this.
fn prove(server: &Server, proofs: &[&str]) -> Session {
    let mut session = Session::open(server.port, TIMEOUT);
    for proof in proofs {
        assert_eq!(session.auth("digest", proof), 0);
    }
    session
}

/// Java's server and ours, with these settings besides.
fn both(name: &str, settings: &[(&str, &str)]) -> [Side; 2] {
    let mut all = vec![
        super_settings(),
        ("extendedTypesEnabled", "true"),
        ("znode.container.checkIntervalMs", "100000000"),
        ("authProvider.sasl", "org.apache.zookeeper.server.auth.SASLAuthenticationProvider"),
        ("forceSync", "no"),
        ("preAllocSize", "1024"),
    ];
    all.extend_from_slice(settings);
    let start = |kind: Kind, whose: &str| {
        let server = Server::start(kind, &scratch(&format!("permissions/{name}-{whose}")), &all);
        let admin = prove(&server, &["super:secret"]);
        let sessions = IDENTITIES.iter().map(|who| prove(&server, who.proofs)).collect();
        Side { server, admin, sessions }
    };
    std::thread::scope(|scope| {
        let java = scope.spawn(|| start(Kind::Java, "java"));
        let ours = start(Kind::under_test(), "ours");
        [java.join().expect("Java's server"), ours]
    })
}

/// Sends requests, one behind the other.
fn send(session: &mut Session, requests: &[(i32, Out)]) {
    let mut bytes = Vec::new();
    for (opcode, body) in requests {
        session.xid += 1;
        bytes.extend(request(session.xid, *opcode, &body.0));
    }
    assert!(session.conn.send(&bytes));
}

/// The answers to the last so many requests; events between them are passed over.
fn receive(session: &mut Session, count: usize) -> Vec<Reply> {
    let first = session.xid + 1 - count as i32;
    let last = session.xid;
    let next = |xid: i32| {
        let reply = session.conn.reply().expect("an answer");
        assert_eq!(reply.xid, xid, "answers in order");
        reply
    };
    (first..=last).map(next).collect()
}
