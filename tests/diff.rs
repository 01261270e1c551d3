//! `rk diff` against Java and ours: each of many random differences is found, and none where there is none, at
//! rest and under load; it goes on where it was stopped.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use support::client::Session;
use support::ensemble::{Ensemble, Plan};
use support::rk::rk;
use support::server::{Kind, Server, free_port};
use support::wire::{OPEN, Out, RawAcl};
use support::{Rng, scratch, setting};

const READ: &[RawAcl<'static>] =
    &[(1, Some("world"), Some("anyone")), (31, Some("ip"), Some("127.0.0.1"))];

fn diff(words: &[&str]) -> (Vec<String>, i32) {
    let output = Command::new(rk()).arg("diff").args(words).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    let code = output.status.code().unwrap();
    assert!(code != 2 || !errors.is_empty(), "it says why");
    (text.lines().map(str::to_owned).collect(), code)
}

/// Ends whoever writes, also where the test fails before.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn at(server: &Server) -> String {
    format!("127.0.0.1:{}", server.port)
}

fn create(session: &mut Session, path: &str, data: &[u8], acl: &[RawAcl<'_>], flags: i32) {
    let body = Out::new().str(path).buffer(Some(data)).acls(Some(acl)).i32(flags);
    assert_eq!(session.call(1, body).err, 0, "{path}");
}

fn set(session: &mut Session, path: &str, data: &[u8]) {
    let body = Out::new().str(path).buffer(Some(data)).i32(-1);
    assert_eq!(session.call(5, body).err, 0, "{path}");
}

fn delete(session: &mut Session, path: &str) {
    assert_eq!(session.call(2, Out::new().str(path).i32(-1)).err, 0, "{path}");
}

fn set_acl(session: &mut Session, path: &str, acl: &[RawAcl<'_>]) {
    let body = Out::new().str(path).acls(Some(acl)).i32(-1);
    assert_eq!(session.call(7, body).err, 0, "{path}");
}

/// The same tree in both, of so many leaves.
fn fill(sessions: &mut [Session; 2], leaves: usize) -> Vec<String> {
    let mut rng = Rng::new(11);
    let mut paths = Vec::new();
    for folder in 0..leaves / 25 {
        let folder = format!("/f{folder}");
        sessions.iter_mut().for_each(|session| create(session, &folder, b"", OPEN, 0));
        for leaf in 0..25 {
            let path = format!("{folder}/n{leaf}");
            let data = vec![b'd'; rng.below(200_u64) as usize];
            let acl = if rng.one_in(5_u64) { READ } else { OPEN };
            sessions.iter_mut().for_each(|session| create(session, &path, &data, acl, 0));
            paths.push(path);
        }
    }
    paths
}

/// Plants differences in nodes that are chosen by chance, and gives what has to be said.
fn plant(sessions: &mut [Session; 2], paths: &[String], count: usize) -> BTreeSet<String> {
    let mut rng = Rng::new(setting("RK_DIFF_SEED", 3));
    let mut said = BTreeSet::new();
    let mut chosen = BTreeSet::new();
    while chosen.len() < count {
        let path = rng.any_of(paths).unwrap();
        if !chosen.insert(path) {
            continue;
        }
        let side = rng.below(2_u64) as usize;
        let session = &mut sessions[side];
        let text = match rng.below(5_u64) {
            0 => {
                let (data, _) = session.get(path).unwrap();
                set(session, path, &[data.unwrap(), b"!".to_vec()].concat());
                let (a, b) = (sessions[0].get(path).unwrap().0, sessions[1].get(path).unwrap().0);
                format!("{path}: data ({} and {} bytes)", a.unwrap().len(), b.unwrap().len())
            }
            1 => {
                delete(session, path);
                format!("{path}: only in {}", ["B", "A"][side])
            }
            2 => {
                let child = format!("{path}/new");
                create(session, &child, b"x", OPEN, 0);
                format!("{child}: only in {}", ["A", "B"][side])
            }
            3 => {
                set_acl(session, path, &READ[..1]);
                format!("{path}: access list")
            }
            _ => {
                let (data, _) = session.get(path).unwrap();
                delete(session, path);
                create(session, path, &data.unwrap(), OPEN, 1);
                // The list may have been the other one.
                format!("{path}: *ephemeral on one side alone")
            }
        };
        said.insert(text);
    }
    said
}

/// The lines that name nodes, without what the last kind of difference cannot know.
fn named(lines: &[String]) -> BTreeSet<String> {
    let lines = lines.iter().filter(|line| line.starts_with('/'));
    lines
        .map(|line| match line.split_once(": ") {
            Some((path, text)) if text.ends_with("ephemeral on one side alone") => {
                format!("{path}: *ephemeral on one side alone")
            }
            _ => line.clone(),
        })
        .collect()
}

fn two_servers(name: &str, leaves: usize) -> ([Server; 2], [Session; 2], Vec<String>) {
    let kinds = [Kind::Java, Kind::under_test()];
    let more = [("extendedTypesEnabled", "true"), ("maxSessionTimeout", "120000")];
    let servers =
        kinds.map(|kind| Server::start(kind, &scratch(&format!("{name}-{kind:?}")), &more));
    let mut sessions = servers.each_ref().map(|server| Session::open(server.port, 120_000));
    let paths = fill(&mut sessions, leaves);
    (servers, sessions, paths)
}

#[test]
fn every_difference_is_found_and_none_where_there_is_none() {
    // Goal: random differences of each kind between a server of Java's and one of ours, at rest.
    let (servers, mut sessions, paths) = two_servers("diff-rest", 500);
    let [a, b] = servers.each_ref().map(at);
    assert_eq!(diff(&[&a, &b]), (vec![format!("{} nodes, 0 differ", 500 + 20 + 3)], 0));
    let said = plant(&mut sessions, &paths, 80);
    let (lines, code) = diff(&[&a, &b]);
    assert_eq!((named(&lines), code), (said.clone(), 1));
    assert!(lines.last().unwrap().ends_with("nodes, 80 differ"), "{lines:?}");
    let (lines, code) = diff(&[&a, &b, "--connections", "1", "--throttle", "2000", "/f3"]);
    let beneath = said.iter().filter(|line| line.starts_with("/f3/") || line.starts_with("/f3:"));
    let beneath: BTreeSet<String> = beneath.cloned().collect();
    assert_eq!((named(&lines), code), (beneath.clone(), i32::from(!beneath.is_empty())));
    let [a, b] = [format!("{a}/f3"), format!("{b}/f3")];
    let (lines, _) = diff(&[&a, &b]);
    assert_eq!(named(&lines).len(), beneath.len());
}

#[test]
fn what_cannot_be_compared_is_an_error() {
    // Goal: no server, no right to read, wrong words: never a zero.
    let (servers, mut sessions, _) = two_servers("diff-errors", 25);
    let [a, b] = servers.each_ref().map(at);
    let nobody = format!("127.0.0.1:{}", free_port());
    assert_eq!(diff(&[&a, &nobody, "--timeout", "1000"]).1, 2);
    assert_eq!(diff(&[&a]).1, 2);
    assert_eq!(diff(&[&a, &b, "relative"]).1, 2);
    assert_eq!(diff(&[&a, "@nobody"]).1, 2);
    assert_eq!(diff(&[&a, &b]).1, 0);
    set_acl(&mut sessions[0], "/f0/n3", &[(31, Some("digest"), Some("u:x"))]);
    let (lines, code) = diff(&[&a, &b]);
    assert_eq!((lines.last().unwrap().as_str(), code), ("29 nodes, 0 differ, 1 not compared", 2));
}

#[test]
fn stats_are_compared_where_both_have_one_history() {
    // Goal: a folder of Java's, and a copy of it under ours: all Stats agree, until one is changed and put back.
    let folders = ["diff-stat-a", "diff-stat-b"].map(scratch);
    let mut first = Server::start(Kind::Java, &folders[0], &[]);
    let mut session = Session::open(first.port, 30_000);
    for path in ["/a", "/a/b", "/a/c"] {
        create(&mut session, path, b"x", OPEN, 0);
    }
    session.close();
    first.terminate();
    let mut cp = Command::new("cp");
    cp.arg("-a").args([folders[0].join("data"), folders[1].clone()]);
    assert!(cp.status().unwrap().success());
    let a = Server::start(Kind::Java, &folders[0], &[]);
    let b = Server::start(Kind::under_test(), &folders[1], &[]);
    let words = [at(&a), at(&b), "--stat".to_owned()];
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    assert_eq!(diff(&words), (vec!["7 nodes, 0 differ".to_owned()], 0));
    set(&mut Session::open(b.port, 30_000), "/a/b", b"x");
    let (lines, code) = diff(&words);
    assert_eq!(code, 1);
    assert!(
        lines[0].starts_with("/a/b: mzxid ") && lines[0].contains("version 0x0 and 0x1"),
        "{lines:?}"
    );
    assert_eq!(diff(&words[..2]).1, 0);
}

#[test]
fn members_under_load_do_not_differ() {
    // Goal: two members of an ensemble while others write: all their Stats agree, as often as it is asked.
    let plan = Plan::new(&[Kind::Java, Kind::under_test(), Kind::under_test()]);
    let mut ensemble = Ensemble::start("diff-members", &plan);
    ensemble.wait_all();
    let ports = ensemble.ports();
    let mut session = Session::open(ports[2], 30_000);
    for node in 0..200 {
        create(&mut session, &format!("/n{node}"), b"x", OPEN, 0);
    }
    let is_over = AtomicBool::new(false);
    let written = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut session = Session::open(ports[0], 30_000);
            let mut rng = Rng::new(4);
            while !is_over.load(Ordering::SeqCst) {
                set(&mut session, &format!("/n{}", rng.below(200_u64)), b"y");
                written.fetch_add(1, Ordering::SeqCst);
            }
        });
        let _ending = Ending(&is_over);
        let sides = [ports[0], ports[1]].map(|port| format!("127.0.0.1:{port}"));
        for _ in 0..3 {
            let before = written.load(Ordering::SeqCst);
            let (lines, code) = diff(&[&sides[0], &sides[1], "--stat"]);
            assert_eq!((lines.len(), code), (1, 0), "{lines:?}");
            assert!(written.load(Ordering::SeqCst) > before, "nobody wrote");
        }
    });
}

#[test]
fn differences_are_found_under_load() {
    // Goal: while every write goes to the one and a moment later to the other, just what was planted is found.
    let (servers, mut sessions, paths) = two_servers("diff-load", 500);
    let [a, b] = servers.each_ref().map(at);
    let (busy, still) = paths.split_at(250);
    let said = plant(&mut sessions, still, 40);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut sessions = servers.each_ref().map(|server| Session::open(server.port, 60_000));
            let mut rng = Rng::new(9);
            let mut count = 0u64;
            while !is_over.load(Ordering::SeqCst) {
                // The one is some writes ahead of the other.
                let some: Vec<&String> = (0..25).map(|_| rng.any_of(busy).unwrap()).collect();
                count += 1;
                for session in &mut sessions {
                    some.iter().for_each(|path| set(session, path, &count.to_be_bytes()));
                }
            }
        });
        let _ending = Ending(&is_over);
        for _ in 0..3 {
            let (lines, code) = diff(&[&a, &b, "--settle", "2000"]);
            assert_eq!((named(&lines), code), (said.clone(), 1));
        }
    });
}

#[test]
fn a_comparison_goes_on_where_it_was_stopped() {
    // Goal: killed in the middle, as often as that: all differences are told by one of the runs, and each node
    // is counted once by the last.
    let (servers, mut sessions, paths) = two_servers("diff-resume", 750);
    let [a, b] = servers.each_ref().map(at);
    let said = plant(&mut sessions, &paths, 30);
    let folder = scratch("diff-resume-state");
    let state = folder.join("state");
    let state_name = state.to_str().unwrap();
    let whole = diff(&[&a, &b]).0.pop().unwrap();
    let mut lines = Vec::new();
    for _ in 0..2 {
        let before = std::fs::read(&state).ok();
        let mut child = Command::new(rk())
            .args(["diff", &a, &b, "--state", state_name, "--throttle", "150", "--settle", "50"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Until it has written down how far it is; then it is killed.
        let deadline = Instant::now() + Duration::from_secs(60);
        while std::fs::read(&state).ok() == before {
            assert!(Instant::now() < deadline, "nothing is written down");
            std::thread::sleep(Duration::from_millis(10));
        }
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        lines.extend(text.lines().map(str::to_owned));
    }
    let other = diff(&[&b, &a, "--state", state_name]);
    assert_eq!(other.1, 2, "a state of another comparison");
    let (rest, code) = diff(&[&a, &b, "--state", state_name]);
    assert_eq!((rest.last(), code), (Some(&whole), 1));
    assert!(!state.exists());
    lines.extend(rest);
    assert_eq!(named(&lines), said);
    let alone = lines.iter().filter(|line| line.starts_with('/')).count();
    assert!(alone < said.len() + 10, "{alone} lines for {} differences", said.len());
}
