//! Requests without sockets: what is answered, and with which status.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use serde_json::{Value, json};

use super::commands::COMMANDS;
use super::given::{Given, Taken, Wanted};
use super::probes::Confirmed;
use super::reply::Reply;
use super::request::{Method, Request};
use super::server::{AdminFacts, AdminServer, Served, Step};
use super::shed;
use crate::acl::Policy;
use crate::admin::words::{Commands, ShownSettings, Whitelist};
use crate::codec::txn::{Op, Txn};
use crate::metrics::gauges::Gauges;
use crate::tree::{Tree, TreeOptions};
use crate::types::{Acl, ConnId, Millis, Perms, Zxid};

fn facts() -> AdminFacts {
    AdminFacts {
        url: "/commands".into(),
        snapshots: true,
        last_zxid_section: true,
        snapshot_interval_ms: 300,
        trusts_proxy: false,
        live_ms: 10_000,
        ready_ms: 2_000,
        initial_configuration: Some("tickTime=2000\n".into()),
        properties: vec![("zookeeper.snapCount".into(), "7".into())],
    }
}

fn commands(tree: Arc<Tree>) -> Arc<Commands> {
    let facts = ShownSettings { data_dir: "/d".into(), log_dir: "/l".into(), ..Default::default() };
    let gauges = Arc::new(Gauges::new(1, Millis(0)));
    Arc::new(Commands { gauges, tree, whitelist: Whitelist::new(""), facts })
}

/// A server whose root has this list.
fn server_with(facts: AdminFacts, list: Option<Vec<Acl>>) -> AdminServer {
    let (tree, mut writer) = Tree::new(TreeOptions::default());
    if let Some(list) = list {
        set_acl(&mut writer, list);
    }
    let server = AdminServer::new(facts, commands(tree.clone()), Millis(0));
    let (policy, slow) = (Arc::new(Policy::default()), None);
    server.serve(Served { commands: commands(tree), policy, slow });
    server
}

fn set_acl(writer: &mut crate::tree::TreeWriter, list: Vec<Acl>) {
    use crate::codec::txn::TxnHeader;
    use crate::tree::NoSink;
    use crate::types::{SessionId, WallMillis};
    let (session, zxid, time) = (SessionId(1), Zxid(1), WallMillis(0));
    let header = TxnHeader { session, cxid: 1, zxid, time };
    let txn = Txn::Op(Op::SetAcl { path: "/".into(), acl: list.into(), version: 1 });
    writer.apply(&header, &txn, &mut NoSink);
}

fn server() -> AdminServer {
    server_with(facts(), None)
}

fn request(method: Method, target: &str, authorization: Option<&str>) -> Request {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Request {
        method,
        path: path.into(),
        query: query.into(),
        authorization: authorization.map(Into::into),
        forwarded_for: None,
        is_secure: false,
        subject: None,
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
    }
}

fn done(step: Step) -> Reply {
    match step {
        Step::Done(reply) => reply,
        Step::Answer(_)
        | Step::Ask(..)
        | Step::Snapshot { .. }
        | Step::Shed
        | Step::Live
        | Step::Ready => {
            panic!("{step:?}")
        }
    }
}

fn get(server: &AdminServer, target: &str) -> Reply {
    done(server.begin(Millis(900), &request(Method::Get, target, None)))
}

fn body(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap()
}

#[test]
fn every_command_is_found_by_each_of_its_names_and_answers_to_its_first() {
    let server = server();
    for entry in COMMANDS {
        for name in entry.names {
            let method = if entry.is_post { Method::Post } else { Method::Get };
            let request = request(method, &format!("/commands/{name}"), Some("digest a:b"));
            let reply = match server.begin(Millis(900), &request) {
                Step::Done(reply) => reply,
                Step::Answer(entry) | Step::Ask(entry, _) => {
                    server.finish(Millis(900), entry, &Given::default())
                }
                Step::Snapshot { .. } => server.snapshot_taken(None),
                Step::Shed => shed::reply(0, 0),
                Step::Live | Step::Ready => panic!("{name} is no probe"),
            };
            // The second name of `snapshot` comes within its interval.
            let limited = reply.status == 429;
            assert!(limited || body(&reply)["command"] == entry.names[0], "{name}: {reply:?}");
        }
    }
}

#[test]
fn paths_and_methods_are_answered_as_jetty_answers_them() {
    // Goal: the statuses that Java 3.9.5 gave to the same requests.
    let server = server();
    for (method, target, status) in [
        // Ours: the page for people.
        (Method::Get, "/", 200),
        (Method::Get, "/other", 404),
        (Method::Get, "/commandsx", 404),
        (Method::Get, "/commands", 200),
        (Method::Post, "/commands/", 200),
        (Method::Head, "/commands/ruok", 200),
        (Method::Get, "/commands/%72uok", 200),
        (Method::Put, "/commands/ruok", 405),
        (Method::Delete, "/commands/ruok", 405),
        (Method::Options, "/commands/ruok", 200),
        (Method::Trace, "/commands/ruok", 403),
        (Method::Trace, "/", 403),
        (Method::Other, "/commands/ruok", 501),
        (Method::Post, "/commands/ruok", 500),
        (Method::Post, "/commands/nosuch", 200),
    ] {
        let reply = done(server.begin(Millis(0), &request(method, target, None)));
        assert_eq!(reply.status, status, "{method:?} {target}");
    }
    let links = String::from_utf8(get(&server, "/commands/").body).unwrap();
    assert!(links.starts_with("<a href=\"/commands/configuration\">configuration</a>\n<br/>\n"));
    assert_eq!(links.lines().count(), 2 * COMMANDS.len());
}

#[test]
fn probes_have_a_status_and_a_reason() {
    let (tree, _writer) = Tree::new(TreeOptions::default());
    let starting = commands(tree);
    starting.gauges.running.store(false, std::sync::atomic::Ordering::Relaxed);
    let server = AdminServer::new(facts(), starting, Millis(0));
    let told = |reply: &Reply| (reply.status, body(reply));
    let live = json!({"live": true, "reason": null});
    assert_eq!(told(&get(&server, "/live")), (200, live.clone()));
    let starts = json!({"ready": false, "reason": "the server starts"});
    assert_eq!(told(&get(&server, "/ready")), (503, starts));
    let server = self::server();
    for (target, step) in [("/live", "Live"), ("/ready", "Ready")] {
        let begun = server.begin(Millis(0), &request(Method::Get, target, None));
        assert_eq!(format!("{begun:?}"), step);
        let posted = done(server.begin(Millis(0), &request(Method::Post, target, None)));
        assert_eq!(posted.status, 405);
    }
    assert_eq!(told(&server.live(&[])), (200, live));
    let stuck = ["control".to_owned(), "network 1".to_owned()];
    let reason = "no turn was taken for 10000 ms by: control, network 1";
    let expected = json!({"live": false, "reason": reason});
    assert_eq!(told(&server.live(&stuck)), (503, expected));
    let ready = json!({"ready": true, "reason": null, "behind_ms": 3, "state": "standalone"});
    assert_eq!(told(&server.ready(Confirmed::After(3))), (200, ready));
    let reason = "behind by more than 2000 ms, or its leader has no quorum";
    let late = json!({"ready": false, "reason": reason, "state": "standalone"});
    assert_eq!(told(&server.ready(Confirmed::Late)), (503, late));
    assert_eq!(server.ready(Confirmed::Dropped).status, 503);
    server.commands().gauges.quorum.looking(Millis(0));
    let reason = "there is no leader: an election is under way";
    let looking = json!({"ready": false, "reason": reason});
    assert_eq!(told(&server.ready(Confirmed::After(3))), (503, looking.clone()));
    assert_eq!(told(&get(&server, "/ready")), (503, looking));
    server.commands().gauges.quorum.read_only(Millis(0));
    assert_eq!(get(&server, "/ready").status, 503);
}

#[test]
fn errors_are_told_as_java_tells_them() {
    let server = server();
    for (target, expected) in [
        ("nosuch", json!({"command": "nosuch", "error": "Unknown command: nosuch"})),
        ("a%2Fb", json!({"command": "a/b", "error": "Unknown command: a/b"})),
        ("leader", json!({"error": "server is not initialized", "command": "leader"})),
        (
            "stmk",
            json!({
                "error": "setTraceMask requires long traceMask argument",
                "command": "set_trace_mask"
            }),
        ),
        (
            "stmk?traceMask=x",
            json!({
                "error": "setTraceMask requires long traceMask argument, got x",
                "command": "set_trace_mask"
            }),
        ),
        ("stmk?traceMask=5", json!({"tracemask": 5, "command": "set_trace_mask", "error": null})),
        ("gtmk", json!({"tracemask": 5, "command": "get_trace_mask", "error": null})),
    ] {
        assert_eq!(body(&get(&server, &format!("/commands/{target}"))), expected, "{target}");
    }
}

#[test]
fn before_it_serves_only_some_commands_are_run() {
    let (tree, _writer) = Tree::new(TreeOptions::default());
    let starting = commands(tree);
    starting.gauges.running.store(false, std::sync::atomic::Ordering::Relaxed);
    let server = AdminServer::new(facts(), starting, Millis(0));
    let refused = "This ZooKeeper instance is not currently serving requests";
    for entry in COMMANDS {
        let name = entry.names[0];
        let method = if entry.is_post { Method::Post } else { Method::Get };
        let request = request(method, &format!("/commands/{name}"), Some("digest a:b"));
        let reply = done(server.begin(Millis(900), &request));
        assert_eq!(body(&reply)["error"] == refused, entry.needs_service, "{name}");
        assert_eq!(reply.status, 200, "{name}");
    }
}

#[test]
fn an_answer_of_a_role_that_has_ended_says_so() {
    // Goal: whatever a command had to ask for first, no answer shows a role that serves nothing.
    let (tree, _writer) = Tree::new(TreeOptions::default());
    let starting = commands(tree);
    let server = AdminServer::new(facts(), starting.clone(), Millis(0));
    let Step::Ask(entry, _) =
        server.begin(Millis(900), &request(Method::Get, "/commands/stats", None))
    else {
        panic!("stats asks for the folders");
    };
    starting.gauges.running.store(false, std::sync::atomic::Ordering::Relaxed);
    let reply = server.finish(Millis(901), entry, &Given::default());
    assert_eq!(body(&reply)["error"], "This ZooKeeper instance is not currently serving requests");
}

#[test]
fn whoever_may_not_hears_why() {
    // Goal: the statuses and texts that Java 3.9.5 gave to the same headers; every bit is needed
    // (CVE-2025-58457).
    let ask = |server: &AdminServer, header| {
        server.begin(Millis(900), &request(Method::Get, "/commands/snapshot", header))
    };
    let server = server();
    for (header, status, error) in [
        (None, 401, "Auth info is missing for the command"),
        (Some(""), 401, "Auth info is missing for the command"),
        (Some("digest"), 401, "Not authenticated"),
        (Some("digest a b"), 401, "Not authenticated"),
        (Some("world anyone"), 401, "Not authenticated"),
        (Some("x509"), 401, "Not authenticated"),
        (Some("Basic abc"), 401, "Not authenticated"),
    ] {
        let reply = done(ask(&server, header));
        assert_eq!((reply.status, &body(&reply)["error"]), (status, &json!(error)), "{header:?}");
    }
    for header in ["ip", "ip x", "digest a:b", "digest a:b "] {
        let step = ask(&server_with(facts(), None), Some(header));
        assert!(matches!(step, Step::Snapshot { streaming: true }), "{header}");
    }
    let list = |perms| vec![Acl::new(perms, "ip", "127.0.0.1")];
    for bit in [1, 2, 4, 8, 16] {
        let server = server_with(facts(), Some(list(Perms(31 & !bit))));
        let reply = done(ask(&server, Some("ip")));
        assert_eq!(
            (reply.status, &body(&reply)["error"]),
            (403, &json!("Not authorized")),
            "{bit}"
        );
    }
    let server = server_with(facts(), Some(list(Perms::ALL)));
    assert!(matches!(ask(&server, Some("ip")), Step::Snapshot { .. }));
}

#[test]
fn a_proxys_word_is_its_last_and_only_where_it_is_trusted() {
    let list = vec![Acl::new(Perms::ALL, "ip", "10.0.0.9")];
    let ask = |trusts_proxy, forwarded: &str| {
        let server = server_with(AdminFacts { trusts_proxy, ..facts() }, Some(list.clone()));
        let mut request = request(Method::Get, "/commands/snapshot", Some("ip"));
        request.forwarded_for = Some(forwarded.into());
        matches!(server.begin(Millis(900), &request), Step::Snapshot { .. })
    };
    assert!(ask(true, "1.2.3.4, 10.0.0.9"));
    assert!(!ask(true, "10.0.0.9, 1.2.3.4"), "the first is the client's own word");
    assert!(!ask(false, "10.0.0.9"), "nobody said that there is a proxy");
}

#[test]
fn snapshots_have_their_rate_and_their_switch() {
    let at = |server: &AdminServer, now, target: &str| {
        let request = request(Method::Get, target, Some("digest a:b"));
        server.begin(Millis(now), &request)
    };
    let server = server();
    assert!(matches!(
        at(&server, 0, "/commands/snapshot?streaming=false"),
        Step::Snapshot { streaming: false }
    ));
    assert_eq!(done(at(&server, 300, "/commands/snap")).status, 429);
    assert!(matches!(at(&server, 301, "/commands/snap"), Step::Snapshot { streaming: true }));
    let off = server_with(AdminFacts { snapshots: false, ..facts() }, None);
    assert_eq!(done(at(&off, 0, "/commands/snapshot")).status, 503);
    let no_zxid = server_with(AdminFacts { last_zxid_section: false, ..facts() }, None);
    assert_eq!(done(at(&no_zxid, 0, "/commands/snapshot")).status, 500);
    let taken = server.snapshot_taken(Some(Taken { zxid: Zxid(0x130), bytes: 767 }));
    let headers = vec![("last_zxid", "0x130".into()), ("snapshot_size", "767".into())];
    assert_eq!((taken.status, taken.headers), (200, headers));
    let reply = done(
        server.begin(Millis(0), &request(Method::Post, "/commands/restore", Some("digest a:b"))),
    );
    assert_eq!(reply.status, 503, "as where admin.restore.enabled is false");
}

#[test]
fn what_needs_the_roles_or_the_disk_says_so() {
    let server = server();
    for (name, wanted) in [
        ("dirs", Wanted::Folders),
        ("srvr", Wanted::Folders),
        ("lsnp", Wanted::LastSnapshot),
        ("dump", Wanted::Sessions),
        ("wchc", Wanted::Watches),
        ("obsr", Wanted::Observers),
    ] {
        let target = format!("/commands/{name}");
        let step = server.begin(Millis(0), &request(Method::Get, &target, None));
        assert!(matches!(step, Step::Ask(_, of) if of == wanted), "{name}: {step:?}");
    }
    let entry = super::commands::find("dump").unwrap();
    let cut = Given { is_cut: true, ..Given::default() };
    assert_eq!(
        body(&server.finish(Millis(0), entry, &cut))["error"],
        "and more: this answer is cut"
    );
}

#[test]
fn a_share_of_the_connections_is_asked_for_in_json() {
    for (text, percentage) in [
        ("{\"percentage\": 0}", 0),
        ("{\"percentage\": 100}", 100),
        ("{\"percentage\": \"25\"}", 25),
        ("{\"percentage\": 1.9}", 1),
        ("{\"percentage\": null}", 0),
        ("{\"percentage\": [5]}", 0),
    ] {
        assert_eq!(shed::percentage(text.as_bytes()).unwrap(), percentage, "{text}");
    }
    for (text, error) in [
        ("{}", "Missing required field: percentage"),
        ("{\"percentage\": 101}", "Percentage must be between 0 and 100"),
        ("{\"percentage\": -1}", "Percentage must be between 0 and 100"),
        ("{\"percentage\": 1e300}", "Percentage must be between 0 and 100"),
    ] {
        let reply = shed::percentage(text.as_bytes()).unwrap_err();
        assert_eq!((reply.status, &body(&reply)["error"]), (400, &json!(error)), "{text}");
    }
    let reply = shed::percentage(b"{").unwrap_err();
    let error = body(&reply)["error"].as_str().unwrap().to_owned();
    assert!(error.starts_with("Invalid JSON or failed to read request body: "), "{error}");
    let conns: Vec<ConnId> = (0..1000).map(|slot| ConnId { slot, generation: 0 }).collect();
    let mut chance = crate::testing::rng::Rng::new(7);
    let mut throws = || chance.u64();
    assert_eq!(shed::choose(conns.clone(), 0, &mut throws).len(), 0);
    assert_eq!(shed::choose(conns.clone(), 100, &mut throws).len(), 1000);
    let half = shed::choose(conns, 50, &mut throws).len();
    assert!((400..600).contains(&half), "{half}");
}
