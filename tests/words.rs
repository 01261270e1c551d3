//! Four-letter words: the texts of Apache ZooKeeper 3.9.5 and ours after the same doings, line by
//! line. What must differ between two servers (times, ids, sizes of files) is masked; counts that
//! the doings decide are compared.
//!
//! `RK_TEST_SERVER=java` compares Java with Java.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use support::client::{Received, Session};
use support::ensemble::{Ensemble, Plan};
use support::left_out::is_left_out;
use support::scratch;
use support::server::{Kind, Server};
use support::wire::{OPEN, Out};

/// A server and the sessions of the doings, still open.
struct Side {
    server: Server,
    sessions: Vec<Session>,
}

fn call(session: &mut Session, opcode: i32, body: Out) {
    assert_eq!(session.call(opcode, body).err, 0, "op {opcode}");
}

/// The same on every server; waits for each answer, so that all counts are settled.
fn side(kind: Kind, name: &str, settings: &[(&str, &str)]) -> Side {
    let server = Server::start(kind, &scratch(&format!("words/{name}")), settings);
    // However often the server was asked whether it serves by now.
    server.word("srst");
    let mut sessions: Vec<Session> = (0..3).map(|_| Session::open(server.port, 40_000)).collect();
    let create = |path: &str, flags| {
        Out::new().str(path).buffer(Some(b"some data")).acls(Some(OPEN)).i32(flags)
    };
    let [one, two, _idle] = &mut sessions[..] else { unreachable!() };
    for path in ["/a", "/a/b", "/c"] {
        call(one, 1, create(path, 0));
    }
    for path in ["/a/e1", "/a/e2"] {
        call(one, 1, create(path, 1));
    }
    call(two, 15, create("/c/e", 1));
    for (opcode, path) in [(4, "/a"), (12, "/a"), (3, "/a/b"), (8, "/c")] {
        call(one, opcode, Out::new().str(path).bool(true));
    }
    for (opcode, path) in [(4, "/a"), (4, "/c")] {
        call(two, opcode, Out::new().str(path).bool(true));
    }
    call(two, 106, Out::new().str("/a/b").i32(1));
    // Two events: a child of /a, which is watched by one; and the data of /c, watched by two.
    call(two, 1, create("/a/new", 0));
    call(two, 5, Out::new().str("/c").buffer(Some(b"other data")).i32(-1));
    // Transactions enough for the digest's history.
    for _ in 0..300 {
        call(one, 5, Out::new().str("/a/b").buffer(Some(b"x")).i32(-1));
    }
    Side { server, sessions }
}

fn sides(name: &str, settings: &[(&str, &str)]) -> [Side; 2] {
    std::thread::scope(|scope| {
        let java = scope.spawn(move || side(Kind::Java, &format!("{name}-java"), settings));
        let ours = side(Kind::under_test(), &format!("{name}-ours"), settings);
        [java.join().expect("a started server"), ours]
    })
}

impl Side {
    fn word(&self, word: &str) -> String {
        self.server.word(word).expect("an answer")
    }

    /// The text with what must differ replaced: sessions and ports of clients by their number,
    /// folders, dates, versions. Lines of lists without an order are sorted by the caller.
    fn masked(&self, word: &str) -> String {
        let mut text = self.word(word);
        for (n, session) in self.sessions.iter().enumerate() {
            text = text.replace(&format!("{:x}", session.grant.session), &format!("session-{n}"));
        }
        let folder = self.server.folder.display().to_string();
        text.replace(&folder, "FOLDER").replace(&self.server.port.to_string(), "PORT")
    }
}

/// Digits become `9`s of one, so that only the form is left.
fn form(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c.is_ascii_digit() {
            true if out.ends_with('9') => {}
            true => out.push('9'),
            false => out.push(c),
        }
    }
    out
}

#[test]
fn answers_read_like_javas() {
    // Goal: every word's answer has Java's lines in Java's form, with Java's counts.
    let [mut java, mut ours] = sides("plain", &[]);
    for word in ["ruok", "isro", "gtmk", "wchs"] {
        assert_eq!(java.word(word), ours.word(word), "{word}");
    }
    monitored(&java, &ours);
    served(&java, &ours);
    for side in [&mut java, &mut ours] {
        // Answers that are neither a read's nor a write's count as sent, too.
        let session = &mut side.sessions[0];
        assert_eq!(session.auth("digest", "a:b"), 0);
        assert!(session.conn.call(-2, 11, &[]).is_some(), "a ping is answered");
        assert!(session.get("/a").is_ok());
    }
    connections(&java, &ours);
    configured(&java, &ours);
    watched(&java, &ours);
    dumped(&java, &ours);
    hashed(&java, &ours);
    trace_mask(&java, &ours);
    for word in ["crst", "srst", "crst"] {
        assert_eq!(java.word(word), ours.word(word), "{word}");
    }
    for side in [&mut java, &mut ours] {
        let monitor = side.word("mntr");
        let counts = values(&monitor);
        assert_eq!(counts["zk_cnt_updatelatency"], "0", "srst forgets: {monitor}");
        let session = &mut side.sessions[0];
        assert!(session.get("/a").is_ok(), "the server serves on");
    }
}

fn values(text: &str) -> BTreeMap<&str, &str> {
    text.lines().map(|line| line.split_once('\t').expect("a tab")).collect()
}

/// Figures that the doings decide, to the last digit.
const COUNTED: &[&str] = &[
    "zk_server_state",
    "zk_ephemerals_count",
    "zk_num_alive_connections",
    "zk_outstanding_requests",
    "zk_znode_count",
    "zk_global_sessions",
    "zk_local_sessions",
    "zk_packets_received",
    "zk_packets_sent",
    "zk_watch_count",
    "zk_approximate_data_size",
    "zk_last_client_response_size",
    "zk_max_client_response_size",
    "zk_min_client_response_size",
    "zk_auth_failed_count",
    "zk_bytes_received_count",
    "zk_response_bytes",
    "zk_watch_bytes",
    "zk_connection_request_count",
    "zk_connection_revalidate_count",
    "zk_cnt_updatelatency",
    "zk_cnt_readlatency",
    "zk_cnt_node_created_watch_count",
    "zk_sum_node_created_watch_count",
    "zk_cnt_node_changed_watch_count",
    "zk_sum_node_changed_watch_count",
    "zk_cnt_node_children_watch_count",
    "zk_sum_node_children_watch_count",
    "zk_connection_drop_probability",
    "zk_non_mtls_remote_conn_count",
    "zk_non_mtls_local_conn_count",
    "zk_outstanding_tls_handshake",
];

/// What clients make the server hold, and what they were refused: Java has no such bounds.
const OURS: &[&str] = &[
    "zk_watch_bytes_held",
    "zk_identity_bytes_held",
    "zk_open_request_bytes",
    "zk_output_bytes_held",
    "zk_watches_refused",
    "zk_identities_refused",
    "zk_multi_reads_refused",
    "zk_sessions_refused",
    "zk_request_bytes_held",
    "zk_requests_deferred",
    "zk_audit_records",
    "zk_audit_records_lost",
];

/// Figures that Java moves and ours has at zero.
fn flat(java: &str, ours: &str) -> Vec<String> {
    let (theirs, own) = (values(java), values(ours));
    let counts = |key: &str| {
        let name = key.strip_prefix("zk_").unwrap_or(key);
        // Times may well be zero milliseconds; how often they were measured may not.
        !["avg_", "min_", "max_", "sum_", "p50_", "p95_", "p99_", "p999_"]
            .iter()
            .any(|part| name.starts_with(part))
            && !name.ends_with("latency")
            // Java writes a snapshot at every start, and sends one where ours sends a DIFF.
            && !["cnt_snapshottime", "snap_count", "diff_count"].contains(&name)
    };
    let zero = |value: &str| value.parse::<f64>() == Ok(0.0);
    let keys = theirs.iter().filter(|(key, value)| counts(key) && !zero(value));
    keys.filter(|(key, _)| own.get(*key).is_some_and(|value| zero(value)))
        .map(|(key, value)| format!("{key} {value}"))
        .collect()
}

fn kind_of(value: &str) -> &'static str {
    match value {
        _ if value.parse::<i64>().is_ok() => "whole",
        _ if value.parse::<f64>().is_ok() && value.contains(['.', 'N']) => "fraction",
        _ => "text",
    }
}

fn monitored(java: &Side, ours: &Side) {
    let (java, ours) = (java.word("mntr"), ours.word("mntr"));
    let (theirs, own) = (values(&java), values(&ours));
    let keys: BTreeSet<&str> = theirs.keys().chain(own.keys()).copied().collect();
    let mut differences = Vec::new();
    for key in keys.into_iter().filter(|key| !is_left_out(key)) {
        let alike = match (theirs.get(key), own.get(key)) {
            (Some(java), Some(ours)) if COUNTED.contains(&key) => java == ours,
            (Some(java), Some(ours)) => kind_of(java) == kind_of(ours),
            (None, Some(_)) => OURS.contains(&key),
            _ => false,
        };
        if !alike {
            differences.push(format!("{key}: {:?} {:?}", theirs.get(key), own.get(key)));
        }
    }
    assert!(differences.is_empty(), "mntr, Java's and ours:\n  {}", differences.join("\n  "));
    let missing: Vec<&&str> = own.keys().filter(|key| is_left_out(key)).collect();
    assert_eq!(missing, Vec::<&&str>::new(), "said to be left out");
    assert_eq!(flat(&java, &ours), Vec::<String>::new(), "zero with us and not with Java");
    for part in ["min", "max"] {
        let batch = own[format!("zk_{part}_sync_processor_batch_size").as_str()];
        assert_ne!(batch, "0", "the {part} of batches that were written");
    }
    let missing = COUNTED.iter().find(|key| !theirs.contains_key(*key));
    assert_eq!(missing, None, "Java has every figure that is counted here");
}

fn served(java: &Side, ours: &Side) {
    let told = |side: &Side, word: &str| {
        let text = side.word(word);
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for line in &mut lines {
            // An answer of Java's mntr, which has more lines, counts as more packets.
            if ["Latency", "Sent", " /"].iter().any(|start| line.starts_with(start)) {
                *line = form(line);
            }
            if let Some(rest) = line.strip_prefix("Zookeeper version: 3.9.5-") {
                let (_, built) = rest.split_once(',').expect("a date");
                *line = format!("Zookeeper version: 3.9.5,{}", form(built));
            }
        }
        // Connections, in no order.
        if word == "stat" {
            lines[2..].sort_by_key(|line| !line.starts_with(" /"));
        }
        lines
    };
    for word in ["srvr", "stat"] {
        assert_eq!(told(java, word), told(ours, word), "{word}");
    }
}

fn connections(java: &Side, ours: &Side) {
    let told = |side: &Side| {
        let text = side.masked("cons");
        assert!(text.ends_with(")\n\n"), "a blank line at the end: {text:?}");
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for line in &mut lines {
            // Client ports, and times: when it was established, when answered, how long it took.
            let fields = line.split(',').map(|field| match field.split_once('=') {
                Some((key, _)) if key.ends_with("lat") || matches!(key, "est" | "lresp") => {
                    format!("{key}=9")
                }
                _ if field.starts_with(" /") => field.replace(|c: char| c.is_ascii_digit(), ""),
                _ => field.to_string(),
            });
            *line = fields.collect::<Vec<_>>().join(",");
        }
        lines.sort();
        lines
    };
    assert_eq!(told(java), told(ours), "cons");
    // The last answer is told by the clock that has no date.
    for side in [java, ours] {
        let text = side.word("cons");
        let at = text.find("lresp=").expect("an answered connection") + "lresp=".len();
        let digits: String = text[at..].chars().take_while(char::is_ascii_digit).collect();
        assert!(digits.len() < 12, "{digits} is no time since the start");
    }
}

fn configured(java: &Side, ours: &Side) {
    // Sizes of files differ, and how many connections wait for accept (on purpose).
    let masked = ["dataDirSize", "dataLogSize", "clientPortListenBacklog"];
    let told = |side: &Side| -> Vec<String> {
        let text = side.masked("conf").replace("plain-java", "NAME").replace("plain-ours", "NAME");
        let lines = text.lines().map(|line| match line.split_once('=') {
            Some((key, _)) if masked.contains(&key) => format!("{key}=9"),
            _ => line.to_string(),
        });
        lines.collect()
    };
    assert_eq!(told(java), told(ours), "conf");
    assert_eq!(form(&java.word("dirs")), form(&ours.word("dirs")), "dirs");
    let keys = |side: &Side| -> Vec<String> {
        let text = side.word("envi");
        text.lines().map(|line| line.split('=').next().unwrap().to_string()).collect()
    };
    assert_eq!(keys(java), keys(ours), "envi");
    let of = |side: &Side, key: &str| {
        let text = side.word("envi");
        let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        value.unwrap_or_default().to_string()
    };
    for key in ["java.io.tmpdir", "os.name", "os.arch", "os.version", "user.name", "user.home"] {
        assert_eq!(of(java, key), of(ours, key), "envi {key}");
    }
}

/// A head line and the indented lines below it.
fn blocks(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut blocks: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut head = String::new();
    for line in text.lines() {
        match line.strip_prefix('\t') {
            Some(item) => {
                assert!(blocks.entry(head.clone()).or_default().insert(item.to_string()));
            }
            None => {
                head = line.to_string();
                assert!(blocks.insert(head.clone(), BTreeSet::new()).is_none(), "{head:?} twice");
            }
        }
    }
    blocks
}

fn watched(java: &Side, ours: &Side) {
    for word in ["wchc", "wchp"] {
        let (theirs, own) = (java.masked(word), ours.masked(word));
        assert_eq!(blocks(&theirs), blocks(&own), "{word}");
        assert!(own.ends_with("\n\n") && theirs.ends_with("\n\n"), "{word}: a blank line ends it");
        assert!(own.contains("session-1") && own.contains("/a/b"), "{word}: {own}");
    }
}

/// The parts of a dump, without the expiry times that its groups stand under.
fn dumped(java: &Side, ours: &Side) {
    let told = |side: &Side| {
        let text = side.masked("dump");
        let mut counts = Vec::new();
        let mut rest = BTreeSet::new();
        for line in text.lines() {
            if let Some((count, date)) = line.split_once(" expire at ") {
                counts.push((count.parse::<usize>().unwrap(), form_of_date(date)));
            } else if let Some((what, all)) = line.split_once("Sets (") {
                // Java counts sets that are empty by now, too.
                let (_, all) = all.split_once(")/(").expect("two counts");
                rest.insert(format!("{what}{all}"));
            } else if line.contains("ip: ") && line.ends_with(" 0x0") {
                rest.insert("the connection that asks".into());
            } else {
                rest.insert(line.replace(|c: char| c.is_ascii_digit() && line.contains("ip:"), ""));
            }
        }
        counts.retain(|(count, _)| *count > 0);
        let all: usize = counts.iter().map(|(count, _)| count).sum();
        let forms: BTreeSet<String> = counts.into_iter().map(|(_, date)| date).collect();
        (all, forms, rest)
    };
    let (theirs, own) = (told(java), told(ours));
    assert_eq!(theirs, own, "dump");
    assert_eq!(own.0, 3 + 3 + 1, "sessions, their connections, and the one that asks");
}

/// `Sat Nov 21 04:29:31 UTC 2026` as `Aaa Aaa 99 99:99:99 UTC 9999:`.
fn form_of_date(date: &str) -> String {
    let words: Vec<&str> = date.split(' ').collect();
    assert_eq!(words.len(), 6, "{date}");
    let digits = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "9");
    format!("{} {} {} {}", digits(words[2]), digits(words[3]), words[4], digits(words[5]))
}

fn hashed(java: &Side, ours: &Side) {
    // The digests cover times of creation; the zxids they are told for are the same.
    let told = |side: &Side| -> Vec<String> {
        let text = side.word("hash");
        let lines = text.lines().map(|line| {
            let (zxid, digest) = line.split_once(": ").expect("zxid: digest");
            assert!(digest.parse::<i64>().is_ok_and(|digest| digest != 0), "{line}");
            zxid.to_string()
        });
        lines.collect()
    };
    assert_eq!(told(java), told(ours), "hash");
    assert_eq!(told(ours), ["80", "100"], "every 128th");
}

fn trace_mask(java: &Side, ours: &Side) {
    for side in [java, ours] {
        let mut stream = TcpStream::connect(("127.0.0.1", side.server.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(b"stmk\0\0\0\0\0\0\x01\x02").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), side.word("gtmk").as_str()), ("258", "258"));
    }
}

#[test]
fn words_that_are_not_allowed_say_so() {
    // Goal: the whitelist covers the words that are answered away from the network core as well.
    let settings = [("4lw.commands.whitelist", "srvr, wchc")];
    let [java, ours] = sides("whitelist", &settings);
    for word in ["ruok", "mntr", "dump", "wchp", "hash", "conf", "stmk"] {
        assert_eq!(java.word(word), ours.word(word), "{word}");
    }
    assert_eq!(blocks(&java.masked("wchc")), blocks(&ours.masked("wchc")));
}

#[test]
fn cores_tell_their_watches_together() {
    // Goal: with several network cores, and more watches than one slice holds, the lists are whole,
    // and the server answers its clients meanwhile.
    if Kind::under_test() == Kind::Java {
        return;
    }
    let settings = [("ringkeeper.cores.network", "x3"), ("ringkeeper.cores.control", "0")];
    let server = Server::start(Kind::Ringkeeper, &scratch("words/cores"), &settings);
    let mut sessions: Vec<Session> = (0..6).map(|_| Session::open(server.port, 30_000)).collect();
    let each = 1_500;
    for session in &mut sessions {
        let own = session.grant.session;
        for n in 0..each {
            // Half of the paths are watched by everybody.
            let path = if n % 2 == 0 { format!("/all-{n}") } else { format!("/{own:x}-{n}") };
            session.conn.send_request(n, 3, &Out::new().str(&path).bool(true).0);
        }
        for _ in 0..each {
            assert!(matches!(session.conn.receive(), Received::Frame(_)));
        }
    }
    let by_path = blocks(&server.word("wchp").unwrap());
    let by_session = blocks(&server.word("wchc").unwrap());
    assert!(sessions[0].get("/").is_ok());
    assert_eq!(by_session.len(), sessions.len() + 1, "and the blank line");
    for session in &sessions {
        let own = format!("0x{:x}", session.grant.session);
        assert_eq!(by_session[&own].len(), each as usize);
        for path in &by_session[&own] {
            assert!(by_path[path].contains(&own), "{path} {own}");
        }
    }
    let all: usize = by_path.values().map(BTreeSet::len).sum();
    assert_eq!(all, sessions.len() * each as usize);
    let dump = server.word("dump").unwrap();
    assert!(dump.contains(")/(6):"), "{dump}");
}

/// What `mntr` says on the leader and on a follower after writes, reads and a session through each.
fn monitored_members(kind: Kind) -> [String; 2] {
    let mut ensemble = Ensemble::start(&format!("words/members-{kind:?}"), &Plan::new(&[kind; 3]));
    let leader = ensemble.wait_all();
    let follower = ensemble.ids().into_iter().find(|id| *id != leader).unwrap();
    let members = [leader, follower];
    for id in members {
        let mut session = Session::open(ensemble.port(id), 8000);
        for n in 0..20 {
            assert_eq!(session.create(&format!("/of-{id}-{n}"), b"data"), 0);
            assert!(session.get("/").is_ok());
        }
        session.sync("/");
        session.close();
    }
    // Everything is applied where it is looked at.
    members.map(|id| {
        Session::open(ensemble.port(id), 8000).sync("/");
        ensemble.members[id as usize - 1].word("mntr").expect("an answer")
    })
}

#[test]
fn figures_of_members_move_where_javas_do() {
    // Goal: no figure of a leader or a follower stays zero where a Java member's moves: it is fed
    // or it is not there.
    let [java, ours] = [Kind::Java, Kind::under_test()].map(monitored_members);
    for (role, (java, ours)) in ["leader", "follower"].iter().zip(java.iter().zip(&ours)) {
        assert_eq!(flat(java, ours), Vec::<String>::new(), "{role}\n{ours}");
    }
    let count = |text: &str, name: &str| values(text)[format!("zk_cnt_{name}").as_str()].to_owned();
    assert_ne!(count(&ours[0], "quorum_ack_latency"), "0", "{}", ours[0]);
    assert_ne!(count(&ours[1], "proposal_latency"), "0", "{}", ours[1]);
    for text in &ours {
        assert_ne!(count(text, "propagation_latency"), "0", "{text}");
    }
}
