//! `rk` beside zkCli: the same commands to both, against the same kind of server, must print the same and
//! end with the same exit code, but for what [`INTENDED`] lists. And its session through lost connections.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use support::client::Session;
use support::ensemble::{Ensemble, Plan};
use support::rk::{Relay, rk};
use support::scratch;
use support::server::{Kind, Server, free_port};
use support::shell::{Shell, plain, zkcli};

/// Commands whose output differs on purpose, by how they begin, and why.
const INTENDED: &[(&str, &str)] = &[
    ("nonsense", "the usage lists more commands and names rk"),
    ("version", "its own version"),
    (
        "addauth nonsense",
        "zkCli does not wait for the verdict: it says nothing, and is not connected later",
    ),
    ("setAcl -R -v 99", "zkCli writes refusals without ends of lines"),
    ("delete -v x", "zkCli ends with a stack trace"),
    ("set -b /a ?", "zkCli ends with a stack trace"),
    ("redo x", "zkCli ends with a stack trace"),
    ("rmr", "3.9 has no rmr; here it is deleteall with a word about it"),
];

/// Every command with its options, errors and edge cases.
const COMMANDS: &[&str] = &[
    "ls /",
    "ls -R /",
    "ls",
    "ls -?",
    "ls -s /zookeeper",
    "ls / watch",
    "ls -q /",
    "create /a",
    "create /a again",
    "create",
    "create relative x",
    "create /a/b/c x",
    "create /a/./b x",
    "create -s",
    "create /data \"with spaces\"",
    "create /quoted 'it is \"so\"'",
    "create /open \"open quote",
    "create -e /e x",
    "create /e/child x",
    "create -s /s- x",
    "create -s -e /se- x",
    "create -s /",
    "create -c /c",
    "create -c -e /ce",
    "create -c -s /cs",
    "create -t 1000000 /ttl x",
    "create -t x /ttl2",
    "create -t 0 /ttl2",
    "create -t -5 /ttl2",
    "create -t 1099511627776 /ttl2",
    "create -t 5 -e /ttl2",
    "create -t 5 -c /ttl2",
    "create -t",
    "create /acl x world:anyone:cdrwa",
    "create /acl2 x broken",
    "create /acl3 x world:anyone:xr",
    "create /acl4 x digest:u:bad:r",
    "create /acl5 x digest:u:p:r:r,ip:127.0.0.1:cdrwa",
    "get /a",
    "get",
    "get /data",
    "get -s /data",
    "get -b /data",
    "get -x /data",
    "get -sbx /data",
    "get /nothing",
    "get relative",
    "get /a/",
    "get /a watch",
    "get -w /data",
    "get -q /data",
    "get --s /data",
    "get -s",
    "set /a value",
    "set /a \"\"",
    "get /a",
    "set /a",
    "set -s /a third",
    "set -v 3 /a fourth",
    "set -v 1 /a stale",
    "set -v",
    "set -b /a aGVsbG8=",
    "get /a",
    "set /nothing x",
    "set /data changed",
    "stat /a",
    "stat /nothing",
    "stat",
    "stat /a watch",
    "stat -w /nothing",
    "create /nothing now",
    "getAcl /a",
    "getAcl -s /acl",
    "getAcl /acl5",
    "getAcl /missing",
    "getAcl",
    "setAcl /a world:anyone:cdrwa",
    "setAcl -s /a world:anyone:cdrwa",
    "setAcl -v 9 /a world:anyone:r",
    "setAcl /a",
    "setAcl /a broken",
    "setAcl -R /data world:anyone:cdrwa",
    "setAcl -R -v 99 /data world:anyone:r",
    "getAcl -s /data",
    "setAcl /a auth:any:cdrwa",
    "addauth digest user:password",
    "whoami",
    "setAcl /a auth:any:cdrwa",
    "getAcl /a",
    "addauth",
    "getEphemerals",
    "getEphemerals /e",
    "getEphemerals relative",
    "getAllChildrenNumber /",
    "getAllChildrenNumber",
    "getAllChildrenNumber /missing",
    "sync /",
    "sync",
    "sync relative",
    "create /q x",
    "create /q/1 x",
    "create /q/1/2 x",
    "setquota -n 5 /q",
    "listquota /q",
    "setquota -b 100 /q",
    "setquota -N 1 /q",
    "setquota -B 0 /q",
    "listquota /q",
    "setquota -n 5 -b 3 /q",
    "setquota /q",
    "setquota -n x /q",
    "setquota -n 0 /q",
    "setquota -b -1 /q",
    "setquota -n 5",
    "setquota -n 5 /missing",
    "setquota -n 5 /q/1",
    "setquota -n 5 /zookeeper/quota/q",
    "setquota -n 2 /q/1/2",
    "listquota /q/1",
    "listquota",
    "delquota -n /q",
    "listquota /q",
    "delquota -n -b /q",
    "delquota /q",
    "delquota /q",
    "delquota",
    "listquota /q",
    "ls -R /zookeeper",
    "setquota -n 4 /q/1/2",
    "setquota -n 4 /q",
    "delquota /q/1/2",
    "ls -R /zookeeper",
    "addWatch /q",
    "create /q/3 x",
    "set /q/1/2 y",
    "addWatch -m PERSISTENT /q",
    "addWatch -m persistent_recursive /c",
    "addWatch -m nonsense /q",
    "addWatch",
    "addWatch /q /q",
    "create /c/1",
    "removewatches /q",
    "removewatches /q",
    "removewatches /c -r",
    "removewatches",
    "get -w /q",
    "ls -w /q",
    "removewatches /q -d",
    "removewatches /q -c -l",
    "printwatches off",
    "get -w /q/1",
    "set /q/1 unheard",
    "printwatches on",
    "delete /q",
    "delete",
    "delete /missing",
    "delete -v 7 /q/3",
    "delete /q/3 0",
    "delete /",
    "delete relative",
    "deleteall /q",
    "deleteall /missing",
    "deleteall",
    "deleteall -b x /c",
    "deleteall -b 0 /c",
    "deleteall relative",
    "config",
    "config -c",
    "config -s",
    "config -w",
    "reconfig",
    "reconfig -add",
    "reconfig -remove 1",
    "reconfig -members server.1=a:1:2;3 -remove 1",
    "reconfig -file nothing -members x",
    "reconfig -v x -remove 1",
    "history",
    "redo 1",
    "redo 100000",
    "redo",
    "nonsense",
    "rmr /open",
    "version",
    "version x",
    "close",
    "ls /",
    "whoami",
    "connect",
    "whoami",
];

fn rk_shell(port: u16) -> Command {
    let mut command = Command::new(rk());
    command.args(["--zkcli", "-s", &format!("127.0.0.1:{port}")]);
    command
}

/// What a shell prints for each of the commands.
fn transcript(kind: Kind, name: &str, shell: fn(u16) -> Command) -> Vec<(String, Vec<String>)> {
    let folder = scratch(&format!("rk-{kind:?}-{name}"));
    let more = [("extendedTypesEnabled", "true"), ("znode.container.checkIntervalMs", "100000000")];
    let server = Server::start(kind, &folder, &more);
    let mut shell = Shell::open(shell(server.port), server.port);
    let mut lines = Vec::new();
    for command in COMMANDS {
        let mut printed = match *command {
            // Nothing is left to print the mark at once.
            "connect" => {
                let mut printed = shell.run("connect");
                printed.retain(|line| !line.contains("WatchedEvent") && !line.contains("WATCHER"));
                printed
            }
            command => shell.run(command),
        };
        // Java prints events from a thread of their own, and identities in a hash table's order.
        if *command == "whoami" || printed.iter().any(|line| line.contains("WatchedEvent")) {
            printed.sort();
        }
        printed.retain(|line| !line.contains("type:None") && !line.starts_with("Connecting"));
        let printed: Vec<String> = printed.into_iter().filter(|line| line != "WATCHER::").collect();
        lines.push(((*command).to_owned(), printed));
    }
    shell.quit();
    lines
}

fn is_intended(command: &str) -> bool {
    INTENDED.iter().any(|(begin, _)| command.starts_with(begin))
}

fn compare(expected: &[(String, Vec<String>)], came: &[(String, Vec<String>)]) {
    let mut differences = Vec::new();
    for ((command, java), (_, ours)) in expected.iter().zip(came) {
        if java != ours && !is_intended(command) {
            differences.push(format!("{command}\n  zkCli: {java:#?}\n  rk: {ours:#?}"));
        }
    }
    assert!(
        differences.is_empty(),
        "{} of {} commands differ\n{}",
        differences.len(),
        expected.len(),
        differences.join("\n")
    );
}

#[test]
fn every_command_prints_what_zkcli_prints() {
    // Goal: one session, every command: rk against Java's server, and against ours, as zkCli against Java's.
    let java = transcript(Kind::Java, "zkcli", zkcli);
    if std::env::var("RK_SHOW").is_ok() {
        println!("{java:#?}");
    }
    compare(&java, &transcript(Kind::Java, "rk", rk_shell));
    compare(&java, &transcript(Kind::Ringkeeper, "rk", rk_shell));
}

/// Output, errors and exit code of one command.
fn one_shot(mut command: Command, port: u16, words: &[&str]) -> (Vec<String>, Vec<String>, i32) {
    let output = command.args(words).stdin(Stdio::null()).output().expect("it runs");
    let lines = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let mut lines: Vec<String> = text.lines().map(|line| plain(line, port)).collect();
        // The connection's events come from a thread of their own, or not at all any more.
        lines.retain(|line| {
            !line.is_empty() && line != "WATCHER::" && !line.starts_with("WatchedEvent state:")
        });
        lines
    };
    (lines(&output.stdout), lines(&output.stderr), output.status.code().unwrap_or(-1))
}

#[test]
fn a_single_command_ends_as_zkclis_does() {
    // Goal: output, errors and exit code of one-shot commands, zkCli's own options among them.
    let servers = ["zkcli", "rk"]
        .map(|name| Server::start(Kind::Java, &scratch(&format!("rk-one-shot-{name}")), &[]));
    let nobody = free_port();
    let [theirs, ours] = servers.each_ref().map(|server| server.port);
    let running = [theirs, ours];
    for (ports, words) in [
        (running, &["-timeout", "5000", "-waitforconnection", "ls", "/"][..]),
        (running, &["-r", "get", "/zookeeper"]),
        (running, &["create", "/one", "a b", "world:anyone:r"]),
        (running, &["create", "/one"]),
        (running, &["get", "/nothing"]),
        (running, &["get"]),
        (running, &["set", "-q"]),
        (running, &["delete", "-v", "x", "/one"]),
        (running, &["set", "-b", "/a", "?"]),
        (running, &["nonsense"]),
        (running, &["redo", "x"]),
        (running, &["addauth", "nonsense", "x"]),
        ([nobody; 2], &["get", "/a"]),
    ] {
        let [theirs, ours] = ports;
        let mut rk = Command::new(rk());
        rk.args(["-server", &format!("127.0.0.1:{ours}")]);
        let (out, errors, code) = one_shot(zkcli(theirs), theirs, words);
        let (our_out, our_errors, our_code) = one_shot(rk, ours, words);
        if is_intended(&words.join(" ")) {
            assert_ne!(our_code, 0, "{words:?}");
            continue;
        }
        assert_eq!((&out, code), (&our_out, our_code), "{words:?}: {errors:?}, {our_errors:?}");
        assert_eq!(errors, our_errors, "{words:?}");
    }
}

fn watches_outlive_a_connection(kind: Kind) {
    let folder = scratch(&format!("rk-watches-{kind:?}"));
    let server = Server::start(kind, &folder, &[]);
    let relay = Relay::open(server.port);
    let mut other = Session::open(server.port, 30_000);
    for path in ["/d", "/c", "/p", "/r", "/r/below"] {
        assert_eq!(other.create(path, b"x"), 0);
    }
    let mut shell = Shell::open(rk_shell(relay.port), relay.port);
    shell.run("create -e /mine x");
    for command in ["addauth digest me:secret", "create /secret x auth:x:cdrwa"] {
        shell.run(command);
    }
    for command in
        ["get -w /d", "stat -w /e", "ls -w /c", "addWatch -m PERSISTENT /p", "addWatch /r"]
    {
        shell.run(command);
    }
    relay.shut();
    shell.until("state:Disconnected");
    set(&mut other, "/d");
    assert_eq!(other.create("/e", b"x"), 0);
    assert_eq!(other.create("/c/new", b"x"), 0);
    set(&mut other, "/r");
    relay.reopen();
    // What happened meanwhile is told to those that fire once, not to those that stay.
    let heard: Vec<String> =
        shell.until("/c zxid").into_iter().filter(|l| l.contains("Node")).collect();
    assert_eq!(
        heard,
        [
            "WatchedEvent state:SyncConnected type:NodeDataChanged path:/d zxid: -1",
            "WatchedEvent state:SyncConnected type:NodeCreated path:/e zxid: -1",
            "WatchedEvent state:SyncConnected type:NodeChildrenChanged path:/c zxid: -1",
        ]
    );
    set(&mut other, "/p");
    shell.until("NodeDataChanged path:/p");
    set(&mut other, "/r/below");
    shell.until("NodeDataChanged path:/r/below");
    // The session is the same, and so is who it is.
    assert_eq!(shell.run("getEphemerals"), ["[/mine]"]);
    assert_eq!(shell.run("get /secret"), ["x"]);
    shell.quit();
}

fn set(session: &mut Session, path: &str) {
    let body = support::wire::Out::new().str(path).buffer(Some(b"y")).i32(-1);
    assert_eq!(session.call(5, body).err, 0);
}

#[test]
fn watches_outlive_a_connection_to_java() {
    // Goal: after a lost connection the session, its identities and every kind of watch go on.
    watches_outlive_a_connection(Kind::Java);
}

#[test]
fn watches_outlive_a_connection_to_ours() {
    // Goal: the same at a server of ours.
    watches_outlive_a_connection(Kind::Ringkeeper);
}

/// A command of ours and its output.
fn run(port: u16, line: &[&str], input: &str) -> (String, i32) {
    let mut child = Command::new(rk())
        .args(["-s", &format!("127.0.0.1:{port}")])
        .args(line)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.code().unwrap())
}

#[test]
fn scripts_chroots_json_and_subtrees() {
    // Goal: lines of the standard input, a chroot, JSON, find, tree, cp, mv, export and import, check, status.
    let folder = scratch("rk-own");
    let server = Server::start(Kind::under_test(), &folder, &[]);
    let port = server.port;
    let script = "create /app x\ncreate /app/a \"some data\"\ncreate -c /app/c\ncreate -e /app/e\n\
                  get /app/a\nget /none\n";
    assert_eq!(run(port, &[], script), ("some data\n".into(), 1));
    let chroot = format!("127.0.0.1:{port}/app");
    let ls = Command::new(rk()).args(["-s", &chroot, "ls", "/"]).output().unwrap();
    assert_eq!(String::from_utf8(ls.stdout).unwrap(), "[a, c]\n");
    let (json, _) = run(port, &["--json", "get", "/app/a"], "");
    assert_eq!(json, "{\"path\":\"/app/a\",\"data\":\"some data\"}\n");
    assert_eq!(run(port, &["cp", "/app", "/copy"], "").0, "3 nodes copied\n");
    assert_eq!(run(port, &["mv", "/copy", "/moved"], "").0, "3 nodes moved\n");
    assert_eq!(run(port, &["ls", "-R", "/moved"], "").0, "/moved\n/moved/a\n/moved/c\n");
    let (exported, _) = run(port, &["export", "/moved"], "");
    assert_eq!(exported.lines().count(), 3);
    run(port, &["deleteall", "/moved"], "");
    assert_eq!(run(port, &["import"], &exported), ("3 nodes imported\n".into(), 0));
    assert_eq!(run(port, &["export", "/moved"], "").0, exported);
    assert_eq!(run(port, &["import"], &exported).1, 1);
    assert_eq!(run(port, &["import", "--overwrite"], &exported).1, 0);
    let (found, _) = run(port, &["find", "/", "--name", "a", "--size", "+8"], "");
    assert_eq!(found, "/app/a\n/moved/a\n");
    assert_eq!(run(port, &["find", "/", "--ephemeral"], ""), (String::new(), 0));
    assert_eq!(run(port, &["find", "/moved", "--world-writable"], "").0.lines().count(), 3);
    let (tree, _) = run(port, &["tree", "/moved", "--size"], "");
    let rows: Vec<Vec<&str>> = tree.lines().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["10", "bytes", "3", "nodes", "/moved"]);
    let (status, _) = run(port, &["status"], "");
    assert!(status.contains("standalone"), "{status}");
    let (check, code) = run(port, &["check", "--warn", "60000", "--critical", "60000"], "");
    assert!(check.starts_with("ZOOKEEPER OK - 1 of 1 servers answer") && code == 0, "{check}");
    let mut reads = Session::open(port, 30_000);
    let stop = AtomicBool::new(false);
    let (top, code) = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                reads.get("/moved/a").unwrap();
            }
        });
        let told = run(port, &["top", "--every", "1"], "");
        stop.store(true, Ordering::SeqCst);
        told
    });
    assert!(top.starts_with(&format!("--- 127.0.0.1:{port}\nRequests per second: ")), "{top}");
    assert!(top.contains("\t/moved/a\n") && code == 0, "{top}");
    let watch = ["watch", "-r", "--count", "2", "/moved"];
    let mut watch = Command::new(rk())
        .args(["--json", "-s", &format!("127.0.0.1:{port}")])
        .args(watch)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut session = Session::open(port, 30_000);
    // Until it has begun to watch nothing is heard: changes go on until two are.
    while watch.try_wait().unwrap().is_none() {
        set(&mut session, "/moved/a");
    }
    let mut heard = String::new();
    watch.stdout.take().unwrap().read_to_string(&mut heard).unwrap();
    assert_eq!(heard.matches("\"event\":\"NodeDataChanged\"").count(), 2, "{heard}");
}

#[test]
fn a_context_has_servers_and_a_secret() {
    // Goal: a name stands for servers and an identity; the secret is in a file that others cannot read, and in
    // no listing.
    let folder = scratch("rk-contexts");
    let server = Server::start(Kind::under_test(), &folder, &[]);
    let rk = |words: &[&str], input: &str| {
        let mut command = Command::new(rk());
        command.env("XDG_CONFIG_HOME", folder.join("config")).args(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that fails early reads nothing.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (String::from_utf8(text).unwrap(), output.status.code().unwrap())
    };
    let at = format!("127.0.0.1:{}", server.port);
    let add = ["context", "add", "here", "--server", &at, "--auth", "digest"];
    assert_eq!(rk(&add, "me:secret\n"), (String::new(), 0));
    assert_eq!(rk(&add, "").1, 1);
    assert_eq!(rk(&["context", "ls"], "").0, format!("here {at} digest\n"));
    assert_eq!(rk(&["-c", "here", "create", "/own", "x", "auth:me:cdrwa"], "").1, 0);
    assert_eq!(rk(&["-c", "here", "get", "/own"], ""), ("x\n".into(), 0));
    let refused = "Insufficient permission : /own\n";
    assert_eq!(rk(&["-s", &at, "get", "/own"], ""), (refused.into(), 1));
    let file = folder.join("config/ringkeeper/contexts.json");
    let mode = |mode| std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    mode(0o644);
    let (text, code) = rk(&["-c", "here", "get", "/own"], "");
    assert!(text.contains("can be read by others") && code == 1, "{text}");
    mode(0o600);
    assert_eq!(rk(&["context", "rm", "here"], "").1, 0);
    assert_eq!(rk(&["-c", "here", "ls", "/"], "").1, 1);
}

#[test]
fn a_server_is_checked_that_allows_srvr_alone_and_whose_peers_are_gone() {
    // Goal: a probe of one server needs no more than the default whitelist, and another member's end is
    // not its own.
    let mut ensemble = Ensemble::start(
        "rk-check",
        &Plan::new(&[Kind::under_test(); 3]).set("4lw.commands.whitelist", "srvr"),
    );
    let leader = ensemble.wait_all();
    let (gone, kept) = match leader {
        3 => (1, 2),
        _ => (3, leader),
    };
    let check = |ports: &[u16], option: &[&str]| {
        let servers: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let mut rk = Command::new(rk());
        rk.args(["-s", &servers.join(","), "check", "--warn", "60000", "--critical", "60000"]);
        let output = rk.args(option).output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), output.status.code().unwrap())
    };
    let (port, ports) = (ensemble.port(kept), ensemble.ports());
    let (all, code) = check(&ports, &[]);
    assert!(all.starts_with("ZOOKEEPER OK - 3 of 3 servers answer") && code == 0, "{all}");
    ensemble.member(gone).kill();
    let (all, code) = check(&ports, &[]);
    assert!(all.starts_with("ZOOKEEPER WARNING - 2 of 3") && code == 1, "{all}");
    let (own, code) = check(&[port], &["--local"]);
    assert!(own.starts_with("ZOOKEEPER OK - 1 of 1 servers answer") && code == 0, "{own}");
}
