//! Recipes of `rk` together with Curator's and kazoo's at the same nodes, against Java's server and ours; and on
//! their own while connections are cut, sessions end, servers are killed.
//!
//! A turn is a file that cannot be made twice, and a line in another: with fencing tokens that grow from line to
//! line nobody was in beside another, and nobody before its turn. That all come to an end is that no wake-up was
//! lost. `RK_ROUNDS` is the number of turns of each.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use support::client::Session;
use support::ensemble::{Ensemble, Plan};
use support::rk::{Relay, rk};
use support::server::{Kind, Server, jars};
use support::{python, root, scratch, setting};

/// Turns of each contender.
const ROUNDS: u64 = 4;

/// Seconds after which something has been waiting for nothing.
const PATIENCE: &str = "120";

fn rounds() -> u64 {
    setting("RK_ROUNDS", ROUNDS)
}

/// A turn, as a shell's: alone in the file, and its token in the list.
const TURN: &str = "set -C; : > inside || exit 9; echo \"$RK_TOKEN rk\" >> order; rm inside";

/// A command of rk's in this folder, with a limit to its time.
fn rk_at(hosts: &str, folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new("timeout");
    command.arg(PATIENCE).arg(rk()).args(["-s", hosts]).args(words);
    command.current_dir(folder).stdin(Stdio::null());
    command
}

fn ends_well(mut command: Command) -> String {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}{errors}", output.status);
    out
}

/// Curator's part, on its way.
fn curator(hosts: &str, what: &str, path: &str, rounds: u64, folder: &Path) -> Command {
    let mut command = Command::new("timeout");
    command.args([PATIENCE, "java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
    command.arg("-cp").arg(format!("{}/*", jars("curator").display()));
    command.arg(root().join("tests/java/curator/Together.java"));
    command.args([hosts, what, path, &rounds.to_string()]).arg(folder);
    command
}

/// kazoo's.
fn kazoo(hosts: &str, what: &str, path: &str, rounds: u64, folder: &Path) -> Command {
    let mut command = Command::new("timeout");
    command.arg(PATIENCE).arg(python()).arg(root().join("tests/clients/together.py"));
    command.args([hosts, what, path, &rounds.to_string()]).arg(folder);
    command
}

/// A server of this kind that only this test has.
fn server(kind: Kind, name: &str) -> (Server, PathBuf, String) {
    let folder = scratch(&format!("recipes-{name}-{kind:?}"));
    let more = [("extendedTypesEnabled", "true")];
    let server = Server::start(kind, &folder, &more);
    let hosts = format!("127.0.0.1:{}", server.port);
    // Persistent, for a client that makes its folders once: the server removes empty containers.
    assert_eq!(Session::open(server.port, 30_000).create("/t", b""), 0);
    (server, folder, hosts)
}

const BOTH: [Kind; 2] = [Kind::Java, Kind::Ringkeeper];

/// All of these at once: rk's one command after another, others as they are.
fn together(rks: &[Vec<&str>], hosts: &str, folder: &Path, others: Vec<Command>) {
    std::thread::scope(|scope| {
        for words in rks {
            scope.spawn(move || {
                for _ in 0..rounds() {
                    ends_well(rk_at(hosts, folder, words));
                }
            });
        }
        for other in others {
            scope.spawn(move || ends_well(other));
        }
    });
}

/// Who has had turns, by name; tokens grow from each to the next.
fn turns(folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("order")).unwrap();
    let mut last = 0;
    let mut names = Vec::new();
    for line in text.lines() {
        let (token, name) = line.split_once(' ').unwrap();
        if token != "-" {
            let token: i64 = token.parse().unwrap();
            assert!(token > last, "{token} after {last} in\n{text}");
            last = token;
        }
        names.push(name.to_owned());
    }
    names
}

/// Each has had this many.
fn assert_turns(folder: &Path, expected: &[(&str, u64)]) {
    let names = turns(folder);
    for (name, count) in expected {
        let had = names.iter().filter(|had| had == name).count() as u64;
        assert_eq!(had, *count, "{name} of {names:?}");
    }
}

#[test]
fn three_libraries_take_turns_at_a_lock() {
    // Goal: InterProcessMutex, kazoo's Lock with Curator's names, and rk, at one node.
    for kind in BOTH {
        let (_server, folder, hosts) = server(kind, "lock");
        let n = rounds();
        let turn: Vec<&str> = vec!["lock", "/t", "--", "sh", "-c", TURN];
        let others = vec![
            curator(&hosts, "mutex", "/t", n, &folder),
            kazoo(&hosts, "mutex", "/t", n, &folder),
        ];
        together(&[turn.clone(), turn], &hosts, &folder, others);
        assert_turns(&folder, &[("rk", 2 * n), ("curator", n), ("kazoo", n)]);
        let left = Session::open(_server.port, 30_000).children("/t").unwrap();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn kazoos_own_names_are_an_option() {
    // Goal: `--layout kazoo` and kazoo's Lock and Election as they are; and a default rk waits for kazoo's, too.
    let (_server, folder, hosts) = server(Kind::under_test(), "kazoo-lock");
    let n = rounds();
    let turn = vec!["lock", "--layout", "kazoo", "/t", "--", "sh", "-c", TURN];
    let others = vec![
        kazoo(&hosts, "own-lock", "/t", n, &folder),
        kazoo(&hosts, "election", "/t", n, &folder),
    ];
    let election = vec!["elect", "--layout", "kazoo", "/t", "--", "sh", "-c", TURN];
    together(&[turn, election], &hosts, &folder, others);
    assert_turns(&folder, &[("rk", 2 * n), ("kazoo", 2 * n)]);
}

#[test]
fn readers_and_writers_of_both_libraries() {
    // Goal: a writer alone, in either layout; readers beside no writer.
    let writes = TURN.replace("$RK_TOKEN", "-");
    let reads = "[ ! -e inside ]";
    for (layout, other) in [("curator", "curator"), ("kazoo", "kazoo")] {
        let (_server, folder, hosts) = server(Kind::under_test(), &format!("rw-{layout}"));
        let n = rounds();
        let of =
            |way, script| vec!["lock", way, "--layout", layout, "/t", "--", "sh", "-c", script];
        let other = match other {
            "curator" => curator(&hosts, "readers-writers", "/t", n, &folder),
            _ => kazoo(&hosts, "readers-writers", "/t", n, &folder),
        };
        together(&[of("--write", &writes), of("--read", reads)], &hosts, &folder, vec![other]);
        assert_turns(&folder, &[("rk", n), (layout, n)]);
    }
}

#[test]
fn leases_of_both_libraries() {
    // Goal: never more than two at once, whoever has them.
    let script = "touch lease-$$; n=$(ls | grep -c '^lease-'); rm lease-$$; [ \"$n\" -le 2 ]";
    for layout in ["curator", "kazoo"] {
        let (_server, folder, hosts) = server(Kind::under_test(), &format!("semaphore-{layout}"));
        let n = rounds();
        let words = ["semaphore", "--leases", "2", "--layout", layout, "/t/s", "--", "sh", "-c"];
        let words: Vec<&str> = words.into_iter().chain([script]).collect();
        let other = match layout {
            "curator" => curator(&hosts, "semaphore", "/t/s", n, &folder),
            _ => kazoo(&hosts, "semaphore", "/t/s", n, &folder),
        };
        together(&[words.clone(), words], &hosts, &folder, vec![other]);
    }
}

#[test]
fn leaders_of_both_of_curators_elections() {
    for (layout, what) in [("latch", "latch"), ("selector", "selector")] {
        let (_server, folder, hosts) = server(Kind::under_test(), &format!("elect-{layout}"));
        let n = rounds();
        let turn = TURN.replace("$RK_TOKEN", "-");
        let words = vec!["elect", "--layout", layout, "/t", "--", "sh", "-c", &turn];
        let other = curator(&hosts, what, "/t", n, &folder);
        together(&[words.clone(), words], &hosts, &folder, vec![other]);
        assert_turns(&folder, &[("rk", 2 * n), ("curator", n)]);
    }
}

#[test]
fn queues_of_both_libraries() {
    // Goal: what one puts the other takes, in order; the empty queue says so.
    for layout in ["curator", "kazoo"] {
        let (_server, folder, hosts) = server(Kind::under_test(), &format!("queue-{layout}"));
        let n = rounds();
        let run = |words: &[&str]| ends_well(rk_at(&hosts, &folder, words));
        for at in 0..n {
            run(&["queue", "put", "--layout", layout, "/t/q", &format!("rk-{at}")]);
        }
        let other = match layout {
            "curator" => curator(&hosts, "queue", "/t/q", n, &folder),
            _ => kazoo(&hosts, "queue", "/t/q", n, &folder),
        };
        let lines = |who: &str| (0..n).map(|at| format!("{who}-{at}\n")).collect::<String>();
        assert_eq!(ends_well(other), lines("rk"), "{layout}");
        let count = n.to_string();
        let take = ["queue", "take", "--layout", layout, "--count", &count, "/t/q"];
        assert_eq!(run(&take), lines(layout), "{layout}");
        let take = ["queue", "take", "--layout", layout, "--wait", "0", "/t/q"];
        let empty = rk_at(&hosts, &folder, &take).output().unwrap();
        assert_eq!(empty.status.code(), Some(75), "{empty:?}");
        assert_eq!(Session::open(_server.port, 30_000).children("/t").unwrap(), ["q"]);
    }
}

#[test]
fn counters_of_both_libraries() {
    // Goal: additions at once by three, each counted once.
    let (_server, folder, hosts) = server(Kind::under_test(), "counters");
    let n = rounds();
    let add = |layout, path| vec!["counter", "--add", "1", "--layout", layout, path];
    let rks = [add("long", "/t/long"), add("int", "/t/int"), add("kazoo", "/t/text")];
    let others = vec![
        curator(&hosts, "counters", "/t", n, &folder),
        kazoo(&hosts, "counters", "/t", n, &folder),
    ];
    together(&rks, &hosts, &folder, others);
    for (layout, path, value) in
        [("long", "/t/long", 2 * n), ("int", "/t/int", 3 * n), ("kazoo", "/t/text", 2 * n)]
    {
        let read = ends_well(rk_at(&hosts, &folder, &["counter", "--layout", layout, path]));
        assert_eq!(read, format!("{value}\n"), "{path}");
    }
    let set = ["counter", "--set", "-7", "/t/int"];
    assert_eq!(ends_well(rk_at(&hosts, &folder, &set)), "-7\n");
    let wrong = rk_at(&hosts, &folder, &["counter", "/t/long"]).output().unwrap();
    let text = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(text.contains("/t/long holds 8 bytes") && !wrong.status.success(), "{text}");
}

fn lines_of(child: &mut Child) -> BufReader<ChildStdout> {
    BufReader::new(child.stdout.take().unwrap())
}

fn next_line(lines: &mut impl BufRead) -> String {
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

#[test]
fn barriers_of_three_libraries() {
    // Goal: rk opens what Curator waits for; three enter and leave together, one of each library.
    let (_server, folder, hosts) = server(Kind::under_test(), "barriers");
    let n = rounds();
    ends_well(rk_at(&hosts, &folder, &["barrier", "set", "/t/simple"]));
    let closed = ["barrier", "wait", "--wait", "0", "/t/simple"];
    assert_eq!(rk_at(&hosts, &folder, &closed).status().unwrap().code(), Some(75));
    let mut java = curator(&hosts, "barriers", "/t", n, &folder);
    let mut java = java.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = lines_of(&mut java);
    assert_eq!(next_line(&mut lines), "waits");
    ends_well(rk_at(&hosts, &folder, &["barrier", "remove", "/t/simple"]));
    std::thread::scope(|scope| {
        let python = kazoo(&hosts, "barriers", "/t", n, &folder);
        scope.spawn(move || ends_well(python));
        for at in 0..n {
            let path = format!("/t/double-{at}");
            let script = "echo in >> entered";
            let words = ["barrier", "double", &path, "3", "--", "sh", "-c", script];
            ends_well(rk_at(&hosts, &folder, &words));
        }
    });
    assert!(java.wait().unwrap().success());
    assert_eq!(fs::read_to_string(folder.join("entered")).unwrap().lines().count() as u64, n);
}

#[test]
fn members_and_services_of_both_libraries() {
    // Goal: Curator finds rk's member and instance, rk finds Curator's; both go with the command.
    let (_server, folder, hosts) = server(Kind::under_test(), "members");
    let mut java = curator(&hosts, "members", "/t", 1, &folder);
    let mut java = java.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = lines_of(&mut java);
    assert_eq!(next_line(&mut lines), "joined");
    // A command that is a service and a member until its standard input ends.
    let inner = format!(
        "exec {} -s {hosts} group join --id rk --data there /t/group -- cat",
        rk().display()
    );
    let register = ["service", "register", "--id", "rk", "--address", "10.0.0.1", "--port", "26"];
    let mut service = rk_at(&hosts, &folder, &register);
    service.args(["/t/services", "mail", "--", "sh", "-c", &inner]);
    let mut service = service.stdin(Stdio::piped()).spawn().unwrap();
    let found = wait_for(&hosts, &folder, &["service", "discover", "/t/services", "mail"], 2);
    assert!(found.contains("\"id\":\"curator\"") && found.contains("\"port\":25"), "{found}");
    let members = wait_for(&hosts, &folder, &["group", "ls", "/t/group"], 2);
    assert_eq!(members, "curator here\nrk there\n");
    let names = ends_well(rk_at(&hosts, &folder, &["service", "discover", "/t/services"]));
    assert_eq!(names, "mail\n");
    ends_well(rk_at(&hosts, &folder, &["create", "/t/seen"]));
    assert_eq!(next_line(&mut lines), "there");
    let mut instances = [next_line(&mut lines), next_line(&mut lines)];
    instances.sort();
    assert_eq!(instances, ["curator h 25 true", "rk 10.0.0.1 26 true"]);
    assert!(java.wait().unwrap().success());
    service.stdin.take().unwrap().flush().unwrap();
    assert!(service.wait().unwrap().success());
    assert_eq!(ends_well(rk_at(&hosts, &folder, &["group", "ls", "/t/group"])), "");
    // A party of kazoo's, whose names are its own.
    let join = ["group", "join", "--layout", "kazoo", "--id", "rk", "/t/party", "--"];
    let mut inside = rk_at(&hosts, &folder, &join);
    let python = kazoo(&hosts, "party", "/t/party", 1, &folder);
    inside.arg(python.get_program()).args(python.get_args());
    assert_eq!(ends_well(inside), "kazoo rk\n");
}

/// Asks until so many lines come.
fn wait_for(hosts: &str, folder: &Path, words: &[&str], lines: usize) -> String {
    for _ in 0..600 {
        let text = ends_well(rk_at(hosts, folder, words));
        if text.lines().count() == lines {
            return text;
        }
    }
    panic!("never {lines} lines of {words:?}");
}

#[test]
fn a_configuration_is_followed() {
    // Goal: each value that stays is printed, through a node that goes and comes; the last one always.
    let (_server, folder, hosts) = server(Kind::under_test(), "config");
    let mut watch = rk_at(&hosts, &folder, &["config", "watch", "--count", "4", "/t/config"]);
    let mut watch = watch.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = lines_of(&mut watch);
    assert_eq!(next_line(&mut lines), "");
    assert_eq!(Session::open(_server.port, 30_000).create("/t/config", b"one"), 0);
    assert_eq!(next_line(&mut lines), "one");
    ends_well(rk_at(&hosts, &folder, &["set", "/t/config", "two"]));
    assert_eq!(next_line(&mut lines), "two");
    ends_well(rk_at(&hosts, &folder, &["delete", "/t/config"]));
    assert_eq!(next_line(&mut lines), "");
    assert!(watch.wait().unwrap().success());
}

#[test]
fn turns_go_on_over_cut_connections() {
    // Goal: connections that break at any moment: turns are as before, and each write is made once.
    for kind in BOTH {
        let (server, folder, _) = server(kind, "cuts");
        let relay = Relay::open(server.port);
        let hosts = format!("127.0.0.1:{}", relay.port);
        let turn = vec!["lock", "/t", "--", "sh", "-c", TURN];
        let add = vec!["counter", "--add", "1", "/t-count"];
        let put = vec!["queue", "put", "/t-queue", "x"];
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_done.load(Ordering::SeqCst) {
                    relay.cut();
                    // What a client does is seldom done within so little, and sometimes.
                    std::thread::sleep(std::time::Duration::from_millis(15));
                }
            });
            together(&[turn.clone(), turn, add, put], &hosts, &folder, Vec::new());
            is_done.store(true, Ordering::SeqCst);
        });
        let n = rounds();
        assert_turns(&folder, &[("rk", 2 * n)]);
        let direct = format!("127.0.0.1:{}", server.port);
        let counted = ends_well(rk_at(&direct, &folder, &["counter", "/t-count"]));
        assert_eq!(counted, format!("{n}\n"));
        let mut session = Session::open(server.port, 30_000);
        assert_eq!(session.children("/t-queue").unwrap().len() as u64, n);
        // Sessions whose end was cut off end by themselves, and so do their nodes: none is looked for here.
    }
}

/// A holder whose command says when it runs, and which is held up from ending by its standard input.
fn holder(hosts: &str, folder: &Path) -> (Child, BufReader<ChildStdout>) {
    let words = ["lock", "--grace", "1000", "/t", "--", "sh", "-c", "echo $RK_TOKEN; exec cat"];
    let mut command = rk_at(hosts, folder, &words);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = lines_of(&mut child);
    (child, lines)
}

/// Waits for its end without letting the command end by itself.
fn end_of(mut holder: Child) -> (Option<i32>, String) {
    let input = holder.stdin.take();
    let Output { status, stderr, .. } = holder.wait_with_output().unwrap();
    drop(input);
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

#[test]
fn a_lost_session_ends_the_command() {
    // Goal: the session is ended by another connection of it: the command gets SIGTERM, rk says so and ends with
    // 75, the next has a larger token.
    for kind in BOTH {
        let (server, folder, direct) = server(kind, "expired");
        let relay = Relay::open(server.port);
        let hosts = format!("127.0.0.1:{}", relay.port);
        let (first, mut first_lines) = holder(&hosts, &folder);
        let token: i64 = next_line(&mut first_lines).parse().unwrap();
        let (mut second, mut second_lines) = holder(&direct, &folder);
        let grant = relay.grants().remove(0);
        // Otherwise the two would take the session from one another.
        relay.shut();
        let mut own = Session::resume(server.port, &grant, 30_000).expect("the session lives");
        own.close();
        relay.reopen();
        let (code, text) = end_of(first);
        assert_eq!(code, Some(75), "{text}");
        assert!(text.contains("/t is lost"), "{text}");
        let next: i64 = next_line(&mut second_lines).parse().unwrap();
        assert!(next > token, "{next} after {token}");
        drop(second.stdin.take());
        assert!(second.wait().unwrap().success());
    }
}

#[test]
fn a_deleted_node_and_a_silent_server_end_the_command() {
    // Goal: whoever deletes the node takes the lock away; without a server the command ends before the session
    // can be over.
    let (server, folder, direct) = server(Kind::under_test(), "taken");
    let (first, mut lines) = holder(&direct, &folder);
    next_line(&mut lines);
    let mut session = Session::open(server.port, 30_000);
    let name = session.children("/t").unwrap().remove(0);
    ends_well(rk_at(&direct, &folder, &["delete", &format!("/t/{name}")]));
    let (code, text) = end_of(first);
    assert_eq!(code, Some(75), "{text}");

    let relay = Relay::open(server.port);
    let hosts = format!("127.0.0.1:{}", relay.port);
    let mut command = Command::new("timeout");
    command.arg(PATIENCE).arg(rk()).args(["-s", &hosts, "--timeout", "30000", "lock", "/t", "--"]);
    command.args(["sh", "-c", "echo in; exec cat"]).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    assert_eq!(next_line(&mut lines_of(&mut child)), "in");
    relay.shut();
    let (code, text) = end_of(child);
    assert!(code == Some(75) && text.contains("no server answers"), "{text}");
    // The session is not over yet, by twenty seconds: its node is still there.
    let mut session = Session::open(server.port, 30_000);
    assert_eq!(session.children("/t").unwrap().len(), 1);
}

#[test]
fn turns_go_on_over_a_restart_of_the_server() {
    // Goal: kill -9 in the midst of turns, and the server again on its data.
    for kind in BOTH {
        let (mut server, folder, hosts) = server(kind, "restart");
        let turn = vec!["lock", "/t", "--", "sh", "-c", TURN];
        let port = server.port;
        std::thread::scope(|scope| {
            let (folder, hosts) = (&folder, &hosts);
            let turns =
                scope.spawn(move || together(&[turn.clone(), turn], hosts, folder, Vec::new()));
            // Some turns are had, or all.
            while !folder.join("order").exists() && !turns.is_finished() {
                std::thread::yield_now();
            }
            server.kill();
            let more = [("extendedTypesEnabled", "true")];
            server = Server::spawn(kind, folder, &more, port);
            turns.join().unwrap();
        });
        assert_turns(&folder, &[("rk", 2 * rounds())]);
    }
}

#[test]
fn turns_go_on_over_a_leaders_end() {
    // Goal: the leader is killed in the midst of turns, and comes back.
    let mut ensemble = Ensemble::start("recipes-leader", &Plan::new(&[Kind::Ringkeeper; 3]));
    let leader = ensemble.wait_all();
    let folder = scratch("recipes-leader-turns");
    let hosts: Vec<String> =
        ensemble.ports().iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let hosts = hosts.join(",");
    let turn = vec!["lock", "/deep/t", "--", "sh", "-c", TURN];
    let add = vec!["counter", "--add", "1", "/deep/count"];
    std::thread::scope(|scope| {
        let (folder, hosts) = (&folder, &hosts);
        let turns = scope.spawn(move || {
            together(&[turn.clone(), turn, add], hosts, folder, Vec::new());
        });
        while !folder.join("order").exists() && !turns.is_finished() {
            std::thread::yield_now();
        }
        ensemble.member(leader).kill();
        ensemble.member(leader).spawn();
        turns.join().unwrap();
    });
    assert_turns(&folder, &[("rk", 2 * rounds())]);
    let counted = ends_well(rk_at(&hosts, &folder, &["counter", "/deep/count"]));
    assert_eq!(counted, format!("{}\n", rounds()));
}
