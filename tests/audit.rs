//! The audit log of whole servers: where its file is, what stands in it of what a server does by itself,
//! and what becomes of it where servers end. That it says what Java's says of clients' requests is shown
//! by `tests/side_by_side/audit.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use support::client::Session;
use support::ensemble::{Ensemble, Plan};
use support::scratch;
use support::server::{Kind, Server, free_port};
use support::wire::{OPEN, Out};

const FILE: &str = "zookeeper_audit.log";
const ON: (&str, &str) = ("audit.enable", "true");

/// The lines of a file, each by its keys.
fn read(file: &Path) -> Vec<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let fields = |line: &str| {
        let (_, fields) = line.split_once("Slf4jAuditLogger: ").expect("an audit line");
        let pairs = fields.split('\t').map(|field| field.split_once('=').expect("key=value"));
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    };
    // The last may be on its way.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(fields).collect()
}

/// Waits until the file has a line that will do, and gives all.
fn await_line(
    file: &Path,
    wanted: impl Fn(&BTreeMap<String, String>) -> bool,
) -> Vec<BTreeMap<String, String>> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let lines = read(file);
        if lines.iter().any(&wanted) {
            return lines;
        }
        assert!(Instant::now() < deadline, "{}: {lines:?}", file.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn is(line: &BTreeMap<String, String>, operation: &str, znode: &str) -> bool {
    line["operation"] == operation && line.get("znode").is_some_and(|own| own == znode)
}

fn create(path: &str, flags: i32) -> Out {
    Out::new().str(path).buffer(Some(b"secret data")).acls(Some(OPEN)).i32(flags)
}

#[test]
fn starts_stops_and_the_servers_own_deletions_are_audited() {
    // Goal: the server's own doings stand in the log under its own user, removed containers among them,
    // of which Java's tells nothing; nothing in it is what a client keeps secret.
    let folder = scratch("audit/own");
    let settings = [ON, ("znode.container.checkIntervalMs", "100")];
    let mut server = Server::start(Kind::Ringkeeper, &folder, &settings);
    let mut session = Session::open(server.port, 30_000);
    assert_eq!(session.auth("digest", "bob:pass word"), 0);
    assert_eq!(session.call(19, create("/c", 4)).err, 0);
    assert_eq!(session.call(1, create("/c/child", 0)).err, 0);
    assert_eq!(session.call(2, Out::new().str("/c/child").i32(-1)).err, 0);
    let file = folder.join(FILE);
    await_line(&file, |line| is(line, "delete", "/c"));
    assert_eq!(server.terminate(), Some(0));
    let lines = read(&file);
    let told: Vec<(&str, &str)> = lines
        .iter()
        .map(|line| (line["operation"].as_str(), line.get("znode").map_or("", String::as_str)))
        .collect();
    let expected = [
        ("serverStart", ""),
        ("create", "/c"),
        ("create", "/c/child"),
        ("delete", "/c/child"),
        ("delete", "/c"),
        ("serverStop", ""),
    ];
    assert_eq!(told, expected);
    assert_eq!((lines[0]["result"].as_str(), lines[5]["result"].as_str()), ("success", "invoked"));
    assert!(!lines[4].contains_key("session") && lines[4]["user"] == lines[0]["user"]);
    assert_eq!(lines[1]["user"], "127.0.0.1,bob");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains("pass word") && !text.contains("secret data"), "{text}");
}

#[test]
fn a_server_that_is_to_be_audited_does_not_start_without_its_log() {
    // Goal: a folder that is missing ends the start before anything is touched; a start that fails
    // later is told in the log.
    let folder = scratch("audit/nowhere");
    let settings = [ON, ("ringkeeper.audit.file", "missing/audit.log")];
    let mut server = Server::spawn(Kind::Ringkeeper, &folder, &settings, free_port());
    assert_eq!(server.wait(), Some(1), "{}", server.log());
    assert!(server.log().contains("audit log: cannot write ./missing/audit.log: "));
    assert!(!folder.join("data/version-2").exists());
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut server = Server::spawn(Kind::Ringkeeper, &folder, &[ON], port);
    assert_eq!(server.wait(), Some(1), "{}", server.log());
    let lines = read(&folder.join(FILE));
    assert_eq!(
        (lines[0]["operation"].as_str(), lines[0]["result"].as_str()),
        ("serverStart", "failure")
    );
}

#[test]
fn the_log_is_rotated_and_whole() {
    // Goal: every request has its line, in order, across files.
    let folder = scratch("audit/rotated");
    let settings = [ON, ("ringkeeper.audit.max", "20k"), ("ringkeeper.audit.keep", "99")];
    let mut server = Server::start(Kind::Ringkeeper, &folder, &settings);
    let mut session = Session::open(server.port, 30_000);
    for n in 0..2000 {
        assert_eq!(session.call(1, create(&format!("/n{n}"), 0)).err, 0);
    }
    assert!(server.word("mntr").unwrap().contains("zk_audit_records_lost\t0\n"));
    assert_eq!(server.terminate(), Some(0));
    let count = std::fs::read_dir(&folder).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name().into_string().unwrap();
        name.starts_with(FILE)
    });
    let count = count.count();
    assert!(count > 5, "{count} files");
    let mut paths = Vec::new();
    for number in (1..count).rev() {
        let file = folder.join(format!("{FILE}.{number}"));
        assert!(std::fs::metadata(&file).unwrap().len() <= 20 << 10);
        paths.extend(read(&file).iter().filter_map(|line| line.get("znode").cloned()));
    }
    paths.extend(read(&folder.join(FILE)).iter().filter_map(|line| line.get("znode").cloned()));
    let expected: Vec<String> = (0..2000).map(|n| format!("/n{n}")).collect();
    assert_eq!(paths, expected);
}

#[test]
fn in_an_ensemble_each_server_audits_its_clients_and_all_the_ends_of_sessions() {
    // Goal: Java's division (AuditHelper: whoever has the connection; DataTree.deleteNodes: everybody).
    let plan = Plan::new(&[Kind::Ringkeeper; 3]).set(ON.0, ON.1);
    let ensemble = Ensemble::start("audit-ensemble", &plan);
    let files: Vec<_> = ensemble.members.iter().map(|member| member.folder.join(FILE)).collect();
    let mut sessions = Vec::new();
    for (at, port) in ensemble.ports().into_iter().enumerate() {
        let mut session = Session::open(port, 30_000);
        assert_eq!(session.call(1, create(&format!("/e{at}"), 1)).err, 0);
        assert_eq!(session.call(1, create(&format!("/none{at}/x"), 0)).err, -101);
        sessions.push(session);
    }
    sessions.iter_mut().for_each(Session::close);
    let ended = "ephemeralZNodeDeletionOnSessionCloseOrExpire";
    for (at, file) in files.iter().enumerate() {
        for other in 0..3 {
            await_line(file, |line| is(line, ended, &format!("/e{other}")));
        }
        let lines = read(file);
        let creates = lines.iter().filter(|line| line["operation"] == "create");
        let told: Vec<(&str, &str)> =
            creates.map(|line| (line["znode"].as_str(), line["result"].as_str())).collect();
        let expected = [(format!("/e{at}"), "success"), (format!("/none{at}/x"), "failure")];
        let expected: Vec<(&str, &str)> =
            expected.iter().map(|(path, result)| (path.as_str(), *result)).collect();
        assert_eq!(told, expected, "server {}", at + 1);
    }
}

#[test]
fn no_request_is_without_a_line_where_a_leader_dies() {
    // Goal: what was on its way when the leader went is in the follower's log as well: as "invoked", for
    // nobody here knows what has become of it.
    let plan = Plan::new(&[Kind::Ringkeeper; 3]).set(ON.0, ON.1);
    let mut ensemble = Ensemble::start("audit-leader-dies", &plan);
    let leader = ensemble.wait_all();
    let follower = ensemble.ids().into_iter().find(|id| *id != leader).unwrap();
    let mut session = Session::open(ensemble.port(follower), 30_000);
    assert_eq!(session.call(1, create("/first", 0)).err, 0);
    // A leader that stands still answers nothing of this.
    ensemble.member(leader).pause();
    let received =
        |ensemble: &mut Ensemble| ensemble.member(follower).figure("zk_packets_received").unwrap();
    let before = received(&mut ensemble);
    let count = 200;
    for n in 0..count {
        session.conn.send_request(1_000 + n, 1, &create(&format!("/n{n}"), 0).0);
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while received(&mut ensemble) < before + i64::from(count) {
        assert!(Instant::now() < deadline, "the follower takes the requests");
    }
    ensemble.member(leader).kill();
    assert!(session.conn.reply().is_none(), "the connection ends with the role");
    let file = ensemble.members[follower as usize - 1].folder.join(FILE);
    let last = format!("/n{}", count - 1);
    let lines = await_line(&file, |line| is(line, "create", &last));
    let results = lines.iter().filter(|line| line["operation"] == "create");
    let results: Vec<(String, String)> =
        results.map(|line| (line["znode"].clone(), line["result"].clone())).collect();
    let on_their_way = (0..count).map(|n| (format!("/n{n}"), "invoked".to_owned()));
    let first = ("/first".to_owned(), "success".to_owned());
    let expected: Vec<(String, String)> = std::iter::once(first).chain(on_their_way).collect();
    assert_eq!(results, expected);
}
