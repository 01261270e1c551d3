//! Snapshots through the admin server, who may take them, and connections that are shed.

use super::support::client::{Received, Session};
use super::support::http::{self, Answer};
use super::support::scratch;
use super::support::server::{Kind, Server};
use super::support::wire::{OPEN, Out};
use super::{Side, start, with_doings};

const AUTH: (&str, &str) = ("Authorization", "digest a:b");

fn snapshot(side: &Side, query: &str, headers: &[(&str, &str)]) -> Answer {
    http::ask(side.admin, "GET", &format!("/commands/snapshot{query}"), headers, b"")
}

/// `snapshot` is let through once in 300 ms: asks until it is.
fn snapshot_let_through(side: &Side, query: &str) -> Answer {
    loop {
        let answer = snapshot(side, query, &[AUTH]);
        if answer.status != 429 {
            return answer;
        }
        // Not synchronisation: the rate that is asked at.
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn a_streamed_snapshot_is_a_file_that_java_loads() {
    // Goal: a backup by `curl` as ZooKeeper's documentation has it, and Java starts on it.
    let side = with_doings(start(Kind::under_test(), "snapshot", &[]));
    let taken = snapshot_let_through(&side, "");
    assert_eq!(taken.status, 200, "{taken:?}");
    assert_eq!(taken.header("content-type"), Some("application/octet-stream"));
    let size = taken.body.len().to_string();
    assert_eq!(taken.header("snapshot_size"), Some(size.as_str()));
    let zxid = taken.header("last_zxid").unwrap().trim_start_matches("0x").to_string();
    let folder = scratch("plane/snapshot-java");
    let version = folder.join("data/version-2");
    std::fs::create_dir_all(&version).unwrap();
    std::fs::write(version.join(format!("snapshot.{zxid}")), &taken.body).unwrap();
    let java = Server::start(Kind::Java, &folder, &[("snapshot.trust.empty", "true")]);
    let mut session = Session::open(java.port, 40_000);
    for path in ["/a", "/a/b"] {
        let found = session.call(3, Out::new().str(path).bool(false));
        assert_eq!(found.err, 0, "{path}");
    }
    let only_said = snapshot_let_through(&side, "?streaming=false");
    assert_eq!(only_said.json()["command"], "snapshot");
    assert!(only_said.header("last_zxid").is_some());
    let last = http::get(side.admin, "/commands/last_snapshot").json();
    assert_eq!(last["zxid"], zxid.as_str(), "{last}");
}

#[test]
fn a_snapshot_has_all_that_was_answered_before() {
    // Goal: also where one is being written already: what comes has what its requester has seen.
    let side = with_doings(start(Kind::Ringkeeper, "seen", &[]));
    let mut session = Session::open(side.server.port, 40_000);
    for n in 0..5 {
        let create = Out::new().str(&format!("/n{n}")).buffer(None).acls(Some(OPEN)).i32(0);
        let zxid = session.call(1, create).zxid;
        let taken = snapshot_let_through(&side, "?streaming=false");
        let last = taken.header("last_zxid").unwrap().trim_start_matches("0x").to_string();
        assert!(i64::from_str_radix(&last, 16).unwrap() >= zxid, "{last} after {zxid:x}");
    }
}

#[test]
fn who_may_not_is_told_so_as_java_tells_it() {
    // Goal: statuses and texts for every header, with an open root and with one that is not.
    let headers: [&[(&str, &str)]; 8] = [
        &[],
        &[("Authorization", "digest")],
        &[("Authorization", "digest a b")],
        &[("Authorization", "x509")],
        &[("Authorization", "world anyone")],
        &[("Authorization", "Basic abc")],
        &[AUTH],
        &[("Authorization", "ip")],
    ];
    let pair = [(Kind::Java, "auth-java"), (Kind::under_test(), "auth-ours")];
    let [java, ours] = pair.map(|(kind, name)| {
        let side = start(kind, name, &[]);
        let mut session = Session::open(side.server.port, 40_000);
        // "/" is left with everything but its last permission for everybody.
        let body = Out::new().str("/").acls(Some(&[(15, Some("world"), Some("anyone"))])).i32(-1);
        assert_eq!(session.call(7, body).err, 0);
        headers.map(|headers| {
            let answer = snapshot(&side, "", headers);
            (answer.status, answer.json())
        })
    });
    assert_eq!(java, ours);
    assert!(ours[6..].iter().all(|(status, _)| *status == 403), "{ours:?}");
}

#[test]
fn too_many_snapshots_are_refused() {
    let settings = [("admin.snapshot.intervalInMS", "600000")];
    let side = start(Kind::Ringkeeper, "rate", &settings);
    assert_eq!(snapshot(&side, "?streaming=false", &[AUTH]).status, 200);
    let second = snapshot(&side, "?streaming=false", &[AUTH]);
    assert_eq!((second.status, second.json()["error"].is_null()), (429, true));
    let monitor = http::get(side.admin, "/commands/monitor").json();
    assert_eq!(monitor["snapshot_rate_limited_count"], 1);
    let off = start(Kind::Ringkeeper, "snapshot-off", &[("admin.snapshot.enabled", "false")]);
    assert_eq!(snapshot(&off, "", &[AUTH]).status, 503);
}

#[test]
fn connections_are_shed_and_their_sessions_live() {
    // Goal: 100 closes all, 0 none, and a session that is shed is resumed.
    let side = start(Kind::Ringkeeper, "shed", &[]);
    let sessions: Vec<Session> = (0..20).map(|_| Session::open(side.server.port, 40_000)).collect();
    let shed = |body: &str| {
        http::ask(side.admin, "POST", "/commands/shed_connections", &[AUTH], body.as_bytes())
    };
    let none = shed("{\"percentage\": 0}").json();
    assert_eq!((&none["connections_shed"], &none["percentage_requested"]), (&0.into(), &0.into()));
    assert_eq!(shed("{\"percentage\": 101}").status, 400);
    assert_eq!(shed("nothing").status, 400);
    let all = shed("{\"percentage\": 100}").json();
    assert_eq!(all["connections_shed"], 20, "{all}");
    for mut session in sessions {
        assert!(matches!(session.conn.receive(), Received::Closed), "its connection has ended");
        let resumed = Session::resume(side.server.port, &session.grant, 40_000);
        assert!(resumed.is_some(), "its session lives");
    }
    let without = http::ask(side.admin, "POST", "/commands/shed_connections", &[], b"{}");
    assert_eq!(without.status, 401);
}
