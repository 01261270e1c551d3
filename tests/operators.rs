//! What an operator asks for and looks at: settings that are honoured, refused or said; log lines,
//! words and signals that tell what a server does.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use support::client::{Handshake, Received};
use support::server::{Kind, Server, free_port};
use support::wire::{OPEN, Out};
use support::{root, scratch};

/// Every `.rs` file below a folder of the repository that is not configuration's own, without its
/// unit tests.
fn readers(folder: &Path, texts: &mut Vec<String>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            if !path.ends_with("node/config") && !path.ends_with("tests") {
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
    let text = fs::read_to_string(root().join("src/node/config/settings.rs")).unwrap();
    let structs = fields(&text);
    assert!(structs["Settings"].len() > 10 && structs.len() > 10, "the source is understood");
    let mut texts = Vec::new();
    readers(&root().join("src"), &mut texts);
    assert_eq!(unread(&structs, &texts), Vec::<String>::new(), "settings without a reader");
    // The test can fail: a field that nobody has heard of is found.
    let planted = text.replace("    pub autocreate_dirs: bool,", "    pub autocreate_dirt: bool,");
    assert_eq!(unread(&fields(&planted), &texts), ["Settings.autocreate_dirt"]);
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
        ("connection_throttle_tokens", "5"),
        ("requestThrottleLimit", "1"),
        ("throttled_op_wait_time", "1"),
        ("largeRequestThreshold", "1000"),
        ("audit.enable", "true"),
        ("authProvider.1", "org.apache.zookeeper.server.auth.EnsembleAuthenticationProvider"),
        ("sessionRequireClientSASLAuth", "true"),
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
