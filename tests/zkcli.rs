//! Apache ZooKeeper's own command line on us: the same session of two shells is run against
//! Java 3.9.5 and against ours, and must print the same.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use support::scratch;
use support::server::{Kind, Server};
use support::shell::{Shell, zkcli};

/// What the two shells do: `A` owns the lock first.
const BEFORE: &[(char, &str)] = &[
    ('A', "ls /"),
    ('A', "ls -R /"),
    ('A', "create /myZnode \"my znode\""),
    ('A', "get -s /myZnode"),
    ('A', "set /myZnode \"another value\""),
    ('A', "set -s -v 1 /myZnode third"),
    ('A', "set -v 1 /myZnode stale"),
    ('A', "get /myZnode"),
    ('A', "create /myZnode again"),
    ('A', "create /no/parent x"),
    ('A', "get /nothing"),
    ('A', "create -e /lock owner-a"),
    ('B', "create -e /lock owner-b"),
    ('B', "stat -w /lock"),
    ('A', "getEphemerals"),
];

const AFTER: &[&str] = &[
    "create -e /lock owner-b",
    "get -s /lock",
    "getEphemerals /",
    "create /lock/child x",
    "create -s /sequence- one",
    "create -s /sequence- two",
    "create -s -e /sequence- three",
    "create -c /container",
    "create /container/child",
    "stat /container",
    "create -t 100000000 /ttl x",
    "create -t 100000000 -s /ttl- x",
    "ls -s /",
    "ls -w /container",
    "create /container/second",
    "getAcl /myZnode",
    "getAcl -s /myZnode",
    "addauth digest user:password",
    "setAcl /myZnode auth:user:password:cdrwa",
    "getAcl /myZnode",
    "get /myZnode",
    "setAcl -s -v 9 /myZnode world:anyone:r",
    "setAcl /myZnode ip:127.0.0.1:cdrwa,world:anyone:r",
    "getAcl /myZnode",
    "setAcl /nothing world:anyone:r",
    "setAcl /myZnode digest:broken:r",
    "create /private secret digest:user:bad:cdrwa",
    "setquota -n 5 /container",
    "listquota /container",
    "setquota -b 100 /myZnode",
    "listquota /myZnode",
    "setquota -N 3 -B 20 /container",
    "listquota /container",
    "create /container/third x",
    "create /container/fourth x",
    "listquota /container",
    "delquota -n /container",
    "listquota /container",
    "delquota /myZnode",
    "listquota /myZnode",
    "listquota /nothing",
    "ls -R /zookeeper",
    "getAllChildrenNumber /",
    "getAllChildrenNumber /container",
    "addWatch -m PERSISTENT_RECURSIVE /container",
    "set /container/child x",
    "delete /container/child",
    "removewatches /container -a",
    "delete /container",
    "delete -v 7 /container/second",
    "deleteall /container",
    "deleteall /nothing",
    "delete /nothing",
    "delete /zookeeper/quota",
    "stat /container",
    "sync /",
    "sync /nothing",
    "whoami",
    "config",
    "reconfig -remove 1",
    "create /a//b x",
    "create /trailing/ x",
    "create /ünï漢 \"ünï漢\"",
    "get /ünï漢",
    "history",
    "version",
    "close",
    "ls /",
];

/// The transcript of the whole session against one server.
fn transcript(kind: Kind, extended: bool) -> Vec<String> {
    let folder = scratch(&format!("zkcli-{kind:?}-{extended}"));
    let value = if extended { "true" } else { "false" };
    let more = [("extendedTypesEnabled", value), ("znode.container.checkIntervalMs", "100000000")];
    let server = Server::start(kind, &folder, &more);
    let mut a = Shell::open(zkcli(server.port), server.port);
    let mut b = Shell::open(zkcli(server.port), server.port);
    let mut lines = Vec::new();
    let mut tell = |shell: char, command: &str, printed: Vec<String>| {
        lines.push(format!("{shell}> {command}"));
        lines.extend(printed);
    };
    for (shell, command) in BEFORE {
        let printed = if *shell == 'A' { a.run(command) } else { b.run(command) };
        tell(*shell, command, printed);
    }
    // The owner leaves: the other shell is told.
    a.quit();
    tell('A', "quit", Vec::new());
    tell('B', "(hears)", b.until("NodeDeleted"));
    for command in AFTER {
        let mut printed = b.run(command);
        if *command == "whoami" {
            // Java lists a connection's ids in the order of a hash table.
            printed.sort();
        }
        tell('B', command, printed);
    }
    b.quit();
    lines
}

fn compare(extended: bool) {
    let java = transcript(Kind::Java, extended);
    let ours = transcript(Kind::under_test(), extended);
    if std::env::var("RK_SHOW").is_ok() {
        println!("{}", java.join("\n"));
    }
    let mut command = "";
    let mut differences = Vec::new();
    for at in 0..java.len().max(ours.len()) {
        let theirs = java.get(at).map_or("(nothing)", String::as_str);
        let own = ours.get(at).map_or("(nothing)", String::as_str);
        if theirs.contains("> ") {
            command = theirs;
        }
        if theirs != own {
            differences.push(format!("after {command:?}\n  java: {theirs}\n  ours: {own}"));
        }
    }
    assert!(
        differences.is_empty(),
        "{} lines differ\n{}\nall of ours:\n{}",
        differences.len(),
        differences[..differences.len().min(12)].join("\n"),
        ours.join("\n")
    );
}

#[test]
fn zkcli_prints_what_it_prints_against_java() {
    // Goal: the issue's session, two shells, line for line (TTL nodes refused).
    compare(false);
}

#[test]
fn zkcli_with_extended_types() {
    // Goal: the same with TTL nodes allowed.
    compare(true);
}
