//! `/commands/slow`: what operations waited for, as a leader tells it whose followers stand still.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::start;
use super::support::client::Session;
use super::support::ensemble::{Ensemble, Plan};
use super::support::http;
use super::support::server::{Kind, free_port};
use super::support::wire::{OPEN, Out};

/// How long the operations are made to wait, at least.
const WAIT: Duration = Duration::from_millis(400);

fn slow(port: u16) -> Value {
    http::get(port, "/commands/slow").json()
}

fn create(path: &str) -> Out {
    Out::new().str(path).buffer(Some(b"secret data")).acls(Some(OPEN)).i32(0)
}

#[test]
fn nothing_is_kept_unless_it_is_asked_for() {
    let side = start(Kind::Ringkeeper, "slow-off", &[]);
    let mut session = Session::open(side.server.port, 30_000);
    assert_eq!(session.create("/a", b""), 0);
    let told = slow(side.admin);
    assert_eq!((&told["slow_ms"], &told["total"]), (&Value::from(0), &Value::from(0)));
    assert_eq!(told["operations"], Value::Array(Vec::new()));
}

#[test]
fn a_slow_operation_is_told_with_what_it_waited_for() {
    // Goal: a write that waits for its quorum is told so, with client, session, principal, path and size;
    // the read behind it, which waited in line, too; quick ones are not.
    let plan = Plan::new(&[Kind::Ringkeeper; 3])
        .set("ringkeeper.slow.ms", "250")
        .set("syncLimit", "60")
        .set("tickTime", "1000")
        .set("admin.enableServer", "true")
        .set("admin.serverAddress", "127.0.0.1");
    let mut ensemble = Ensemble::lay_out("plane-slow", &plan);
    let ports: Vec<u16> = ensemble.members.iter().map(|_| free_port()).collect();
    for (member, port) in ensemble.members.iter_mut().zip(&ports) {
        member.set("admin.serverPort", &port.to_string());
        member.spawn();
    }
    let leader = ensemble.wait_all();
    let admin = ports[leader as usize - 1];
    let mut session = Session::open(ensemble.port(leader), 40_000);
    assert_eq!(session.auth("digest", "bob:pass word"), 0);
    assert_eq!(session.create("/quick", b""), 0);
    let others: Vec<u64> = ensemble.ids().into_iter().filter(|id| *id != leader).collect();
    others.iter().for_each(|id| ensemble.member(*id).pause());
    let began = Instant::now();
    let body = create("/waits");
    session.conn.send_request(100, 1, &body.0);
    session.conn.send_request(101, 3, &Out::new().str("/quick").bool(false).0);
    // Not synchronisation: so long the operations are to take.
    std::thread::sleep(WAIT);
    others.iter().for_each(|id| ensemble.member(*id).proceed());
    for xid in [100, 101] {
        let reply = session.conn.reply().expect("an answer");
        assert_eq!((reply.xid, reply.err), (xid, 0));
    }
    let took = began.elapsed().as_millis() as i64 + 50;
    let told = slow(admin);
    let operations = told["operations"].as_array().unwrap();
    assert_eq!((&told["total"], operations.len()), (&Value::from(2), 2), "{told}");
    let [read, write] = [&operations[0], &operations[1]];
    assert_eq!(write["operation"], "create");
    assert_eq!(write["path"], "/waits");
    assert_eq!(read["operation"], "exists");
    assert_eq!(read["path"], "/quick");
    assert_eq!(write["principal"], "digest:bob");
    assert_eq!(write["bytes"], body.0.len() + 8);
    assert_eq!(write["session"], format!("0x{:x}", session.grant.session));
    assert!(write["client"].as_str().unwrap().starts_with("127.0.0.1:"), "{write}");
    let ms = write["ms"].as_i64().unwrap();
    assert!((WAIT.as_millis() as i64 - 50..took).contains(&ms), "{write}");
    let stage = |name: &str| write["stages_ms"][name].as_i64().unwrap();
    let all: i64 = ["queue", "log", "quorum", "apply", "reply"].into_iter().map(stage).sum();
    assert_eq!(all, ms, "{write}");
    assert!(stage("quorum") > 300 && stage("queue") + stage("reply") < 100, "{write}");
    assert!(read["stages_ms"]["queue"].as_i64().unwrap() > 300, "{read}");
    let log = ensemble.member(leader).log();
    assert!(log.contains("slow operation: ") && log.contains("create /waits of "), "{log}");
    assert!(!log.contains("pass word") && !told.to_string().contains("secret data"));
}
