//! What an operator asks for and looks at: settings that are honoured, refused or said; log lines,
//! words and signals that tell what a server does.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use support::client::{Handshake, Received, Session};
use support::ensemble::{Ensemble, Plan, Role};
use support::server::{Kind, Server, free_port};
use support::wire::{OPEN, Out};
use support::{root, scratch};

/// Every `.rs` file below a folder of the repository that is not configuration's own, without its
/// unit tests.
fn readers(folder: &Path, texts: &mut Vec<String>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            if !path.ends_with("src/config") && !path.ends_with("tests") {
                readers(&path, texts);
            }
        } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]"));
            let code: Vec<&str> = code.map(|line| line.split("//").next().unwrap()).collect();
            texts.push(code.join("\n"));
        }
    }
}

/// Public fields of the structs of a source, by struct: name and type.
fn fields(text: &str) -> BTreeMap<String, Vec<(String, String)>> {
    let mut structs: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    let mut inside = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("pub struct ") {
            let name = rest.split([' ', '(', ';']).next().unwrap().to_owned();
            inside = Some(name);
        } else if line == "}" {
            inside = None;
        } else if let (Some(name), Some(rest)) = (&inside, line.strip_prefix("    pub ")) {
            let (field, kind) = rest.split_once(": ").expect("a field has a type");
            let field = (field.to_owned(), kind.trim_end_matches(',').to_owned());
            structs.entry(name.clone()).or_default().push(field);
        }
    }
    structs
}

/// The fields of `structs` that no text reads. A field counts as read where `.field` stands behind
/// something that is called as the group of settings it belongs to, or as an ensemble's settings
/// are called where they are taken apart.
fn unread(structs: &BTreeMap<String, Vec<(String, String)>>, texts: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, fields) in structs {
        // What a value of this type is called: the fields that hold one, and usual names.
        let mut called: Vec<String> = vec!["settings".into(), "all".into()];
        for (field, kind) in structs.values().flatten() {
            if kind.contains(name.as_str()) {
                called.push(field.clone());
                called.extend(field.split('_').next_back().map(str::to_owned));
            }
        }
        called.extend(["sync", "auth", "words", "noted"].map(String::from));
        for (field, _) in fields {
            let read = called.iter().any(|called| {
                let access = format!("{called}.{field}");
                texts.iter().any(|text| {
                    text.match_indices(&access).any(|(at, _)| {
                        let before = text[..at].chars().next_back();
                        let after = text[at + access.len()..].chars().next();
                        let part =
                            |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
                        !part(before) && !part(after)
                    })
                })
            });
            if !read {
                found.push(format!("{name}.{field}"));
            }
        }
    }
    found
}

#[test]
fn every_setting_has_a_reader() {
    // Goal: nothing is parsed, typed and then read by nobody: a setting is in force, or it is
    // refused or named at the start.
    let text = fs::read_to_string(root().join("src/config/settings.rs")).unwrap();
    let structs = fields(&text);
    assert!(structs["Settings"].len() > 10 && structs.len() > 10, "the source is understood");
    let mut texts = Vec::new();
    readers(&root().join("src"), &mut texts);
    // What is asked of several settings at once is a method of theirs.
    texts.extend(
        text.split("\nimpl ")
            .skip(1)
            .filter_map(|of| Some(of.split("\n}").next()?.replace("self.", "all."))),
    );
    // Which line a value came from is no setting: `config check` shows it.
    let found = |structs: &BTreeMap<String, Vec<(String, String)>>| {
        let mut found = unread(structs, &texts);
        found.retain(|field| field != "Settings.origins");
        found
    };
    assert_eq!(found(&structs), Vec::<String>::new(), "settings without a reader");
    // The test can fail: a field that nobody has heard of is found.
    let planted = text.replace("    pub autocreate_dirs: bool,", "    pub autocreate_dirt: bool,");
    assert_eq!(found(&fields(&planted)), ["Settings.autocreate_dirt"]);
}

/// What comes of a start of our server on these settings: its exit code, its log, and whether it
/// has written anything.
fn refused(settings: &[(&str, &str)]) -> (Option<i32>, String, bool) {
    let folder = scratch("operators/guards");
    let mut server = Server::spawn(Kind::Ringkeeper, &folder, settings, free_port());
    let code = server.wait();
    (code, server.log(), folder.join("data/version-2").exists())
}

#[test]
fn protection_that_is_not_served_ends_the_start() {
    // Goal: exit code 2, and a line with key, value, place and what to do; nothing is written.
    for (key, value) in [
        ("authProvider.1", "org.apache.zookeeper.server.auth.EnsembleAuthenticationProvider"),
        ("authProvider.2", "org.apache.zookeeper.server.auth.KeyAuthenticationProvider"),
    ] {
        let (code, log, written) = refused(&[(key, value)]);
        assert_eq!(code, Some(2), "{key}: {log}");
        assert!(log.contains(&format!("{key}={value} in ")), "{key}: {log}");
        assert!(log.contains("is not served by this version; "), "{key}: {log}");
        assert!(!written, "{key}: nothing is written before");
    }
}

#[test]
fn a_client_that_proves_nothing_is_told_and_closed_as_in_java() {
    // Goal: with enforce.auth.enabled every request but authentication is answered with -124 and
    // the connection ends; who has proven the scheme is served.
    let settings = [("enforce.auth.enabled", "true"), ("enforce.auth.schemes", "digest")];
    let told = [Kind::Java, Kind::Ringkeeper].map(|kind| {
        let folder = scratch(&format!("operators/enforce-{kind:?}"));
        let server = Server::start(kind, &folder, &settings);
        let create = || Out::new().str("/e").buffer(Some(b"x")).acls(Some(OPEN)).i32(0);
        let path = || Out::new().str("/").bool(false);
        let mut told = Vec::new();
        // create, getData, getChildren, exists, ping, sync, closeSession
        for (opcode, body) in [
            (1, create()),
            (4, path()),
            (8, path()),
            (3, path()),
            (11, Out::new()),
            (9, Out::new().str("/")),
            (-11, Out::new()),
        ] {
            let mut conn = server.connect();
            conn.handshake(&Handshake::new(8000));
            conn.send_request(7, opcode, &body.0);
            // A second request must not be looked at.
            conn.send_request(8, 1, &create().0);
            let mut answers = Vec::new();
            loop {
                match conn.receive() {
                    Received::Frame(frame) => answers.push(frame),
                    Received::Closed => break,
                    other => panic!("{kind:?}: {other:?}"),
                }
            }
            told.push((opcode, answers));
        }
        let mut proven = server.connect();
        proven.handshake(&Handshake::new(8000));
        let auth = Out::new().i32(0).str("digest").buffer(Some(b"a:b"));
        proven.send_request(-4, 100, &auth.0);
        assert!(matches!(proven.receive(), Received::Frame(_)));
        proven.send_request(1, 1, &create().0);
        let Received::Frame(frame) = proven.receive() else { panic!("no answer") };
        assert_eq!(i32::from_be_bytes(frame[12..16].try_into().unwrap()), 0, "{kind:?}");
        told
    });
    for (java, ours) in told[0].iter().zip(&told[1]) {
        assert_eq!(java, ours, "opcode {}", java.0);
        assert_eq!(java.1.len(), 1, "opcode {}: one answer, then the end", java.0);
        assert_eq!(java.1[0][12..16], (-124i32).to_be_bytes(), "opcode {}", java.0);
    }
}

#[test]
fn a_level_that_is_none_is_refused() {
    // Goal: a slip in RINGKEEPER_LOG or --log-level never silences a server.
    let run = |argument: Option<&str>, variable: Option<&str>| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ringkeeper"));
        command.args(argument.map(|level| format!("--log-level={level}")));
        command.env_remove("RINGKEEPER_LOG").envs(variable.map(|level| ("RINGKEEPER_LOG", level)));
        // There is no such file: a server that takes the level says so in its log.
        let output = command.arg("/nowhere/zoo.cfg").output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for (argument, variable) in [(Some("infos"), None), (None, Some("infos"))] {
        let (code, text) = run(argument, variable);
        assert_eq!(code, Some(2));
        assert!(text.contains("\"infos\" is no level: error, warn, info, debug"), "{text}");
    }
    let (code, text) = run(None, Some("warn,ringkeeper::lgo=debug"));
    assert_eq!(code, Some(2));
    assert!(text.contains("\"ringkeeper::lgo\" is no part of this server"), "{text}");
    let (code, text) = run(None, Some("error,ringkeeper::log=debug"));
    assert_eq!(code, Some(2));
    assert!(text.contains("cannot read /nowhere/zoo.cfg"), "{text}");
}

const LARGE: usize = 3_500_000;

/// Three voters, each with its `jute.maxbuffer`, if any; the last one leads.
fn with_limits(name: &str, kinds: [Kind; 3], limits: [Option<&str>; 3]) -> Ensemble {
    let mut ensemble = Ensemble::lay_out(name, &Plan::new(&kinds));
    for (member, limit) in ensemble.members.iter_mut().zip(limits) {
        if let Some(limit) = limit {
            member.set("jute.maxbuffer", limit);
        }
        member.spawn();
    }
    ensemble.make_leader(3);
    ensemble
}

/// Every member serves as before, and agrees.
fn all_is_well(ensemble: &Ensemble, told: &str) {
    let roles: Vec<Role> = ensemble.members.iter().map(|member| member.role()).collect();
    let expected = [Role::Following, Role::Following, Role::Leading];
    assert_eq!(roles, expected, "{told}\n{}", ensemble.logs());
    for id in ensemble.ids() {
        let mut session = Session::open(ensemble.port(id), 20_000);
        assert_eq!(session.create(&format!("/small-{told}-{id}"), b"x"), 0);
        session.close();
    }
    ensemble.assert_equal_trees(told);
}

#[test]
fn nothing_is_proposed_that_a_member_could_not_read() {
    // Goal: a write that a member of ours could not read is refused to its client, through the
    // leader and through a follower, and costs nobody its role.
    let r = Kind::under_test();
    let ensemble =
        with_limits("operators/limits", [r; 3], [None, Some("8000000"), Some("8000000")]);
    for id in [3, 2] {
        let mut session = Session::open(ensemble.port(id), 20_000);
        assert_eq!(session.create(&format!("/large-{id}"), &vec![7; LARGE]), -5);
        // What everybody reads is written.
        assert_eq!(session.create(&format!("/middle-{id}"), &vec![7; 2_000_000]), 0);
        session.close();
        all_is_well(&ensemble, &format!("through-{id}"));
    }
}

#[test]
fn a_learner_asks_nothing_that_its_leader_could_not_read() {
    // Goal: a client's request that is too long for the leader is refused by the learner, in its
    // place of the line, whoever leads.
    for leader in [Kind::under_test(), Kind::Java] {
        let kinds = [Kind::under_test(), Kind::under_test(), leader];
        let name = format!("operators/leader-{leader:?}");
        let ensemble = with_limits(&name, kinds, [None, Some("8000000"), None]);
        let mut session = Session::open(ensemble.port(2), 20_000);
        let create = |path: &str, data: &[u8]| {
            Out::new().str(path).buffer(Some(data)).acls(Some(OPEN)).i32(0).0
        };
        // Three at once: the answers keep their order.
        session.conn.send_request(1, 1, &create("/before", b"x"));
        session.conn.send_request(2, 1, &create("/large", &vec![7; LARGE]));
        session.conn.send_request(3, 1, &create("/behind", b"x"));
        for expected in [(1, 0), (2, -5), (3, 0)] {
            let reply = session.conn.reply().expect("an answer");
            assert_eq!((reply.xid, reply.err), expected, "{leader:?}\n{}", ensemble.logs());
        }
        session.close();
        all_is_well(&ensemble, "asked");
    }
}

#[test]
fn a_zookeeper_member_is_taken_for_its_default_unless_told() {
    // Goal: our leader with a larger limit proposes nothing that a Java member could not read; told
    // that they have the larger limit too, it does.
    let kinds = [Kind::Java, Kind::Java, Kind::under_test()];
    let ensemble = with_limits("operators/untold", kinds, [None, None, Some("8000000")]);
    let mut session = Session::open(ensemble.port(3), 20_000);
    assert_eq!(session.create("/large", &vec![7; LARGE]), -5);
    assert_eq!(session.create("/middle", &vec![7; 2_000_000]), 0);
    session.close();
    all_is_well(&ensemble, "untold");
    drop(ensemble);
    let mut ensemble = Ensemble::lay_out("operators/told", &Plan::new(&kinds));
    for member in &mut ensemble.members {
        member.set("jute.maxbuffer", "8000000");
        if member.kind != Kind::Java {
            member.set("ringkeeper.zookeeper.maxbuffer", "8000000");
        }
        member.spawn();
    }
    ensemble.make_leader(3);
    let mut session = Session::open(ensemble.port(3), 20_000);
    assert_eq!(session.create("/large", &vec![7; LARGE]), 0);
    session.close();
    all_is_well(&ensemble, "told");
    let mut reader = Session::open(ensemble.port(1), 20_000);
    assert_eq!(reader.get("/large").unwrap().0.map(|data| data.len()), Some(LARGE));
}

#[test]
fn a_member_that_meets_too_long_an_entry_says_what_to_do() {
    // Goal: started again with a smaller limit than the history needs, a member names the key, the
    // bytes and the remedy; with the limit raised it is back.
    let r = Kind::under_test();
    let large = Some("8000000");
    let mut ensemble = with_limits("operators/lowered", [r; 3], [large; 3]);
    ensemble.member(1).terminate();
    let mut session = Session::open(ensemble.port(3), 20_000);
    assert_eq!(session.create("/large", &vec![7; LARGE]), 0);
    session.close();
    ensemble.member(1).set("jute.maxbuffer", "1048575");
    ensemble.member(1).spawn();
    let deadline = Instant::now() + Duration::from_secs(60);
    let told = loop {
        let log = ensemble.member(1).log();
        let line =
            log.lines().find(|l| l.contains("bytes: this server reads 2097150, its jute.max"));
        if let Some(line) = line {
            break line.to_owned();
        }
        assert!(Instant::now() < deadline, "{log}");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(told.contains("set jute.maxbuffer as large as on the server that wrote it"), "{told}");
    ensemble.member(1).kill();
    ensemble.member(1).set("jute.maxbuffer", "8000000");
    ensemble.member(1).spawn();
    ensemble.wait_all();
    all_is_well(&ensemble, "raised");
}

/// Waits until the log of a server has this text; fails with the log.
fn says(log: impl Fn() -> String, text: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let log = log();
        if log.contains(text) {
            return log;
        }
        assert!(Instant::now() < deadline, "{text:?} is not said:\n{log}");
        // Not synchronisation: the space between two looks at a file.
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn sigquit_tells_and_the_server_goes_on() {
    // Goal: roles, queues, sessions, threads and figures are in the log, as often as asked, and
    // nobody is disturbed.
    let folder = scratch("operators/sigquit");
    let mut server = Server::start(Kind::Ringkeeper, &folder, &[]);
    let mut session = Session::open(server.port, 8000);
    for asked in 1..=2 {
        assert_eq!(session.create(&format!("/n{asked}"), b"x"), 0);
        server.signal(rustix::process::Signal::QUIT);
        // Root, its own three nodes, and what was created: figures of this very moment.
        says(|| server.log(), &format!("zk_znode_count\t{}", 5 + asked));
    }
    let log = server.log();
    for part in [
        "SIGQUIT: what this server is and does",
        "role: standalone, serves clients",
        "network core 0: 1 connections",
        "queues: ",
        "sessions: 1 of the ensemble",
        " batches, ",
        "thread network: ",
    ] {
        assert_eq!(log.matches(part).count(), 2, "{part}: {log}");
    }
    assert!(session.get("/n2").is_ok() && server.is_running());
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn a_member_that_waits_says_for_whom_and_every_line_says_who_speaks() {
    // Goal: "serving clients" is said when clients are served, before that what is missing; myid
    // is in every line; no line has Rust's own names for things.
    let r = Kind::under_test();
    let mut ensemble = Ensemble::lay_out("operators/waiting", &Plan::new(&[r; 3]));
    ensemble.member(1).spawn();
    let log = says(
        || ensemble.members[0].log(),
        "listening; waiting for a leader (2 of 3 needed, heard: nobody)",
    );
    assert!(!log.contains("serving clients"), "{log}");
    ensemble.member(2).spawn();
    says(|| ensemble.members[0].log(), "serving clients");
    ensemble.member(3).spawn();
    ensemble.wait_all();
    for member in &ensemble.members {
        let log = member.log();
        let mark = format!("Z [myid:{}] ", member.id);
        for line in log.lines() {
            assert!(line.contains(&mark), "{line}");
            for debug in ["ServerId(", "Some(", "Zxid(", "Epoch(", " {", "Millis("] {
                assert!(!line.contains(debug), "{line}");
            }
        }
    }
}

#[test]
fn the_version_names_a_commit_and_its_day() {
    // Goal: --version, the start line and srvr say which source this is.
    let command = std::process::Command::new(env!("CARGO_BIN_EXE_ringkeeper"));
    let output = { command }.arg("--version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (commit, built) = text
        .strip_prefix(concat!("ringkeeper ", env!("CARGO_PKG_VERSION"), " ("))
        .and_then(|rest| rest.split_once(", built on "))
        .expect("a commit and a date");
    let built = built.strip_suffix(", compatible with ZooKeeper 3.9.5)\n").expect("an end");
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new("git").args(arguments).current_dir(root()).output();
        output.ok().filter(|output| output.status.success())
    };
    if git(&["rev-parse", "HEAD"]).is_some() {
        assert!(commit.len() >= 12 && commit.bytes().all(|b| b.is_ascii_hexdigit()), "{text}");
        assert!(built.ends_with(" UTC") && built.len() == "2026-11-30 04:30 UTC".len(), "{text}");
    }
    let server = Server::start(Kind::Ringkeeper, &scratch("operators/version"), &[]);
    let version = concat!("3.9.5-ringkeeper-", env!("CARGO_PKG_VERSION"));
    let told = format!("Zookeeper version: {version}-{commit}, built on {built}\n");
    assert!(server.word("srvr").unwrap().starts_with(&told));
    let log = server.log();
    assert!(log.contains(&format!("commit=\"{commit}\" built=\"{built}\"")), "{log}");
}

#[test]
fn words_are_answered_while_a_tree_is_loaded() {
    // Goal: from the moment the port takes connections ruok says imok, and the other words that
    // nothing is served yet; a handshake is closed; then all is served on the same port.
    let folder = scratch("operators/loading");
    let mut server = Server::start(Kind::Ringkeeper, &folder, &[]);
    let mut session = Session::open(server.port, 30_000);
    let nodes = 20_000;
    for n in 0..nodes {
        let path = format!("/node-{n}");
        let body = Out::new().str(&path).buffer(Some(&[7; 100])).acls(Some(OPEN)).i32(0);
        session.conn.send_request(n, 1, &body.0);
        if n % 500 == 499 {
            for _ in 0..500 {
                assert_eq!(session.conn.reply().expect("an answer").err, 0);
            }
        }
    }
    server.kill();
    // All of it is in the log, which is read again.
    let server = Server::spawn(Kind::Ringkeeper, &folder, &[], server.port);
    let deadline = Instant::now() + Duration::from_secs(90);
    let (mut alive, mut idle, mut closed) = (0, 0, 0);
    loop {
        assert!(Instant::now() < deadline, "not serving:\n{}", server.log());
        let Some(answer) = server.word_within("ruok", 20) else {
            assert_eq!(alive, 0, "refused after it was answered:\n{}", server.log());
            continue;
        };
        if answer.is_empty() && alive == 0 {
            // The socket of the killed server may outlive it a little, and take a connection with it.
            continue;
        }
        assert_eq!(answer, "imok");
        alive += 1;
        let told = server.word_within("srvr", 20).expect("a connection");
        if told.contains("Mode: standalone") {
            break;
        }
        assert_eq!(told, "This ZooKeeper instance is not currently serving requests\n");
        idle += 1;
        if let Ok(mut conn) = support::client::Conn::open(server.port)
            && conn.handshake(&Handshake::new(8000)).is_none()
        {
            closed += 1;
        }
    }
    assert!(idle > 0 && closed > 0, "{alive} {idle} {closed}\n{}", server.log());
    let mut session = Session::open(server.port, 8000);
    assert!(session.get(&format!("/node-{}", nodes - 1)).is_ok());
}
