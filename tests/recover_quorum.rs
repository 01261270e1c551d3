//! A majority that is gone for good: what the survivors are told, and that they go on with all that the newest
//! of them has.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test may.

mod support;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use support::client::Session;
use support::ensemble::{Ensemble, PATIENCE, Plan, Role};
use support::server::{Kind, SUPER_AUTH};
use support::wire::Out;

const TIMEOUT: i32 = 30_000;
const OURS: Kind = Kind::Ringkeeper;

/// What `ringkeeper recover-quorum` says, and its exit code.
fn recover(words: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_ringkeeper"))
        .arg("recover-quorum")
        .args(words)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

fn zoo_cfg(ensemble: &mut Ensemble, id: u64) -> PathBuf {
    ensemble.member(id).folder.join("zoo.cfg")
}

/// The line that a survivor prints of itself.
fn described(ensemble: &mut Ensemble, id: u64) -> String {
    let file = zoo_cfg(ensemble, id);
    let (code, text) = recover(&["--config", file.to_str().unwrap(), "--describe"]);
    assert!(code == 0 && text.lines().count() == 1, "{text}");
    text.trim().to_owned()
}

/// The command on one survivor, with the others' lines.
fn recover_on(ensemble: &mut Ensemble, id: u64, lines: &[String], more: &[&str]) -> (i32, String) {
    let file = zoo_cfg(ensemble, id);
    let mut words = vec!["--config", file.to_str().unwrap()];
    for line in lines {
        words.extend(["--survivor", line.as_str()]);
    }
    words.extend(more);
    recover(&words)
}

fn create(ensemble: &Ensemble, id: u64, path: &str) {
    let mut session = Session::open(ensemble.port(id), TIMEOUT);
    assert_eq!(session.create(path, path.as_bytes()), 0, "{path}");
    session.close();
}

/// Whether a member serves these nodes, and not those.
fn assert_serves(ensemble: &Ensemble, id: u64, there: &[&str], gone: &[&str]) {
    let mut session = Session::open(ensemble.port(id), TIMEOUT);
    session.sync("/");
    for path in there {
        let (data, _) = session.get(path).unwrap_or_else(|e| panic!("member {id}: {path}: {e}"));
        assert_eq!(data.unwrap(), path.as_bytes());
    }
    for path in gone {
        assert!(session.get(path).is_err(), "member {id} serves {path}");
    }
    session.close();
}

fn config_of(ensemble: &Ensemble, id: u64) -> String {
    let mut session = Session::open(ensemble.port(id), TIMEOUT);
    session.sync("/");
    let (data, _) = session.get("/zookeeper/config").unwrap();
    session.close();
    String::from_utf8(data.unwrap()).unwrap()
}

fn servers_in(text: &str) -> Vec<&str> {
    let mut ids: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("server.")?.split('=').next()).collect();
    ids.sort_unstable();
    ids
}

/// `/early` is everywhere, `/late` not at 1, `/gone` with the lost alone; then nobody runs but 5.
fn lose_three_of_five(ensemble: &mut Ensemble) {
    create(ensemble, 1, "/early");
    // What one member has heard of the others may hear of a moment later.
    for id in 1..=5 {
        assert_serves(ensemble, id, &["/early"], &[]);
    }
    ensemble.member(1).kill();
    ensemble.wait_all();
    create(ensemble, 2, "/late");
    for id in 2..=5 {
        assert_serves(ensemble, id, &["/late"], &[]);
    }
    ensemble.member(2).kill();
    ensemble.wait_all();
    create(ensemble, 3, "/gone");
    for id in [3, 4] {
        ensemble.member(id).kill();
    }
}

/// Files of a survivor's folder by name.
fn files_beside(ensemble: &mut Ensemble, id: u64) -> Vec<String> {
    let folder = ensemble.member(id).folder.clone();
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.starts_with("zoo.cfg"));
    names.sort();
    names
}

/// Servers 1 and 2 are an ensemble, led by 2, the newer, with what it had.
fn start_the_two(ensemble: &mut Ensemble) {
    for id in [1, 2] {
        ensemble.member(id).spawn();
    }
    assert_eq!(ensemble.wait_all(), 2, "the newest leads");
    for id in [1, 2] {
        assert_serves(ensemble, id, &["/early", "/late"], &["/gone"]);
        assert_eq!(servers_in(&config_of(ensemble, id)), ["1", "2"]);
    }
}

#[test]
fn two_of_five_go_on_with_all_that_the_newer_has() {
    // Goal: static files. Nothing while a lost member answers, runs, or a quorum is left; nothing written unless
    // asked for; the newest is named, what may be lost is said, the lagging one is brought up to the newest.
    let plan = Plan { changes: true, ..Plan::new(&[OURS; 5]) };
    let mut ensemble = Ensemble::start("recover/static", &plan);
    lose_three_of_five(&mut ensemble);
    let lines = [1, 2].map(|id| described(&mut ensemble, id));
    let (code, text) = recover_on(&mut ensemble, 2, &lines, &["--write"]);
    assert!(code == 1 && text.contains("server 5 answers at 127.0.0.1 port"), "{code} {text}");
    let (code, text) = recover_on(&mut ensemble, 2, &lines, &["--write", "--force", "4"]);
    assert!(code == 1 && text.contains("server 5 answers"), "another one is named: {text}");
    let (code, text) = recover_on(&mut ensemble, 5, &lines, &[]);
    assert!(code == 1 && text.contains("server 5 runs: "), "{code} {text}");
    ensemble.member(5).kill();
    let third = described(&mut ensemble, 3);
    let all = [lines[0].clone(), lines[1].clone(), third];
    let (code, text) = recover_on(&mut ensemble, 2, &all, &[]);
    assert!(code == 1 && text.contains("servers 1, 2, 3 are a quorum"), "{code} {text}");
    for id in 3..=5 {
        ensemble.member(id).wipe();
    }
    let before = std::fs::read_to_string(zoo_cfg(&mut ensemble, 2)).unwrap();
    let (code, text) = recover_on(&mut ensemble, 2, &lines, &[]);
    assert_eq!(code, 0, "{text}");
    for told in [
        "newest: server 2, ",
        "lost: servers 3, 4, 5 of configuration 0 (5 voters, a quorum is 3)",
        "MAY BE LOST: every acknowledged write behind 0x",
        "the lost voters (3, 4, 5) are a quorum by themselves",
        "members from now on (2 voters, a quorum is 2):",
        "nothing was written: --write does it",
    ] {
        assert!(text.contains(told), "{told} in\n{text}");
    }
    assert_eq!(std::fs::read_to_string(zoo_cfg(&mut ensemble, 2)).unwrap(), before);
    assert_eq!(files_beside(&mut ensemble, 2), ["zoo.cfg"]);
    for id in [1, 2] {
        let (code, text) = recover_on(&mut ensemble, id, &lines, &["--write"]);
        assert!(code == 0 && text.contains("wrote "), "{text}");
    }
    let after = std::fs::read_to_string(zoo_cfg(&mut ensemble, 2)).unwrap();
    assert_eq!(servers_in(&after), ["1", "2"], "{after}");
    assert!(after.contains("# server.4=") && after.contains("tickTime=500\n"), "{after}");
    let kept = files_beside(&mut ensemble, 2);
    assert!(kept.len() == 2 && kept[1].starts_with("zoo.cfg.before-recovery."), "{kept:?}");
    assert_eq!(ensemble.member(2).file(&kept[1]).unwrap(), before);
    start_the_two(&mut ensemble);
    create(&ensemble, 1, "/afterwards");
    ensemble.assert_equal_trees("recovered");
    // They are an ensemble: there is nothing to recover.
    for id in [1, 2] {
        ensemble.member(id).terminate();
    }
    let lines = [1, 2].map(|id| described(&mut ensemble, id));
    let (code, text) = recover_on(&mut ensemble, 2, &lines, &["--write"]);
    assert!(code == 1 && text.contains("servers 1, 2 are a quorum"), "{code} {text}");
}

#[test]
fn a_java_server_and_ours_go_on_from_what_was_written_for_both() {
    // Goal: dynamic files, written here and read by Java; the newest is Java's, and brings ours up to it.
    let kinds = [OURS, Kind::Java, OURS, OURS, OURS];
    let mut ensemble = Ensemble::start("recover/java", &Plan::changing(&kinds));
    lose_three_of_five(&mut ensemble);
    ensemble.member(5).kill();
    for id in 3..=5 {
        ensemble.member(id).wipe();
    }
    // Folders in the place of lines, as where copies were fetched.
    let folders = [1, 2].map(|id| format!("{id}={}", ensemble.member(id).data().display()));
    let mut written = Vec::new();
    for id in [1, 2] {
        let (code, text) = recover_on(&mut ensemble, id, &folders, &["--write"]);
        assert!(code == 0 && text.contains("newest: server 2, "), "{text}");
        let file = ensemble.member(id).file("zoo.cfg").unwrap();
        let named = file.lines().find_map(|line| line.strip_prefix("dynamicConfigFile=")).unwrap();
        written.push((
            named.rsplit('/').next().unwrap().to_owned(),
            std::fs::read_to_string(named).unwrap(),
        ));
        // What was in force before is there still.
        assert!(ensemble.member(id).file("zoo.cfg.dynamic.100000000").is_some());
    }
    assert_eq!(written[0], written[1], "the same members under the same version");
    assert_eq!(servers_in(&written[0].1), ["1", "2"]);
    start_the_two(&mut ensemble);
    ensemble.assert_equal_trees("recovered");
}

#[test]
fn one_of_three_goes_on_and_grows_again() {
    // Goal: a single survivor is an ensemble of one, and who was lost comes back by a reconfiguration, whose
    // version is newer than the one that was made up.
    let plan = Plan::changing(&[OURS; 3]).set("standaloneEnabled", "false");
    let mut ensemble = Ensemble::start("recover/one", &plan);
    create(&ensemble, 1, "/kept");
    for id in 1..=3 {
        assert_serves(&ensemble, id, &["/kept"], &[]);
    }
    for id in 1..=3 {
        ensemble.member(id).kill();
    }
    for id in [1, 2] {
        ensemble.member(id).wipe();
    }
    let (code, text) = recover_on(&mut ensemble, 3, &[], &["--write"]);
    assert!(code == 0 && text.contains("MAY BE LOST"), "{text}");
    ensemble.member(3).spawn();
    assert_eq!(ensemble.wait_all(), 3);
    assert_serves(&ensemble, 3, &["/kept"], &[]);
    ensemble.member(1).spawn();
    let deadline = Instant::now() + PATIENCE;
    while ensemble.member(1).role() != Role::Following {
        assert!(Instant::now() < deadline, "{}", ensemble.logs());
        std::thread::sleep(Duration::from_millis(20));
    }
    let line = ensemble.member(1).line("participant");
    let mut session = Session::open(ensemble.port(3), TIMEOUT);
    assert_eq!(session.auth("digest", SUPER_AUTH), 0);
    let body = Out::new().string(Some(&line)).string(None).string(None).i64(-1);
    let reply = session.call(16, body);
    assert_eq!(reply.err, 0);
    ensemble.wait_all();
    assert_eq!(servers_in(&config_of(&ensemble, 1)), ["1", "3"]);
    assert_serves(&ensemble, 1, &["/kept"], &[]);
}

#[test]
fn what_is_not_understood_says_so() {
    // Goal: a cut line, a folder that is none, a server on its own: one line, nothing written, the right code.
    let folder = support::scratch("recover/words");
    let file = folder.join("zoo.cfg");
    let data = folder.join("data");
    std::fs::create_dir_all(&data).unwrap();
    let text = format!("dataDir={}\nclientPort=2181\n", data.display());
    std::fs::write(&file, &text).unwrap();
    let name = file.to_str().unwrap();
    let (code, said) = recover(&["--config", name]);
    assert!(code == 1 && said.contains("no ensemble's"), "{said}");
    let members = "initLimit=5\nsyncLimit=5\nserver.1=a.invalid:1:2\nserver.2=b.invalid:1:2\n\
                   server.3=c.invalid:1:2\n";
    std::fs::write(&file, format!("{text}{members}")).unwrap();
    std::fs::write(data.join("myid"), "1\n").unwrap();
    std::fs::create_dir_all(data.join("version-2")).unwrap();
    let (code, said) = recover(&["--config", name]);
    assert!(code == 1 && said.contains("server 1 has no history"), "{said}");
    for (survivor, words) in [
        ("2", "must be ID=DATADIR"),
        ("x=/nowhere", "must be ID=DATADIR"),
        ("survivor id=2 current=1 accepted=1 last=1 sum=00000000", "sum does not agree"),
    ] {
        let (code, said) = recover(&["--config", name, "--survivor", survivor]);
        assert!(code == 2 && said.contains(words), "{survivor}: {said}");
    }
    let absent = folder.join("absent");
    let (code, said) =
        recover(&["--config", name, "--survivor", &format!("1={}", absent.display())]);
    assert!(code == 1 && said.contains("server 1: cannot open"), "{said}");
    let other = folder.join("other");
    std::fs::create_dir_all(&other).unwrap();
    std::fs::write(other.join("myid"), "3\n").unwrap();
    let named = format!("1={}", other.display());
    let (code, said) = recover(&["--config", name, "--survivor", &named]);
    assert!(code == 1 && said.contains("holds the id 3"), "{said}");
    assert_eq!(recover(&[]).0, 2);
    assert_eq!(recover(&["--help"]).0, 0);
    assert_eq!(std::fs::read_dir(data.join("version-2")).unwrap().count(), 0);
}
