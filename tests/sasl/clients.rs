//! Clients that others wrote, and rk.

use std::path::Path;
use std::process::{Command, Output};

use crate::raw::BOB;
use crate::support::rk::rk as rk_binary;
use crate::support::server::{Kind, Server, zookeeper_jars};
use crate::support::shell::Shell;
use crate::support::{python, root};
use crate::{client_section, jaas, scratch, start};

/// Java's command line, which has Java's client below it. FIPS mode is its default, and knows no MD5.
fn zkcli(file: &Path, port: u16) -> Command {
    let mut command = Command::new("java");
    command.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
    command.args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=off", "-Dzookeeper.fips-mode=false"]);
    command.arg(format!("-Djava.security.auth.login.config={}", file.display()));
    command.arg("-cp").arg(zookeeper_jars()).arg("org.apache.zookeeper.ZooKeeperMain");
    command.args(["-server", &format!("127.0.0.1:{port}")]);
    command
}

const COMMANDS: &[&str] = &[
    "whoami",
    "create /s one",
    "create /mine x sasl:bob:cdrwa",
    "getAcl /mine",
    "get /mine",
    "create /auth x auth::cdrwa",
    "getAcl /auth",
    "create /ops x sasl:ops:r",
    "get /ops",
    "setAcl /s sasl:a@b@c:r",
    "ls /",
];

fn transcript(kind: Kind, name: &str) -> Vec<String> {
    let settings = [("sessionRequireClientSASLAuth", "true")];
    let server = start(kind, &format!("zkcli-{name}"), &settings);
    let folder = scratch(&format!("sasl/zkcli-files-{name}"));
    let file = jaas(&folder, "client.conf", &client_section(BOB.0, "bob's \\\"secret\\\""));
    let mut shell = Shell::open(zkcli(&file, server.port), server.port);
    let mut lines = Vec::new();
    for command in COMMANDS {
        lines.push(format!("> {command}"));
        let mut printed = shell.run(command);
        printed.sort();
        lines.extend(printed);
    }
    shell.quit();
    lines
}

#[test]
fn javas_client_prints_what_it_prints_against_java() {
    // Goal: zkCli with a JAAS file where SASL is demanded: who one is, lists, refusals, line for line.
    let java = transcript(Kind::Java, "java");
    assert_eq!(transcript(Kind::under_test(), "ours"), java);
    assert!(java.iter().any(|line| line.contains("sasl: bob")), "{java:#?}");
}

fn kazoo(server: &Server, user: &str, password: &str) -> String {
    let output = Command::new(python())
        .arg(root().join("tests/sasl/kazoo_session.py"))
        .args([&format!("127.0.0.1:{}", server.port), user, password])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(!printed.is_empty(), "{said}");
    printed
}

#[test]
fn kazoo_has_a_session() {
    // Goal: kazoo over pure-sasl: a node of its own, a lock, and a wrong password, as against Java.
    let settings = [("sessionRequireClientSASLAuth", "true")];
    let told = |kind, name: &str| {
        let server = start(kind, name, &settings);
        [kazoo(&server, BOB.0, BOB.1), kazoo(&server, BOB.0, "wrong"), kazoo(&server, "eve", "x")]
    };
    let java = told(Kind::Java, "kazoo");
    assert_eq!(told(Kind::under_test(), "kazoo-ours"), java);
    assert_eq!(java[0], "mine sasl bob\nlocked\nreconnected mine\n");
}

fn rk_says(server: &Server, home: &Path, options: &[&str], command: &str) -> (i32, String) {
    let Output { status, stdout, stderr } = Command::new(rk_binary())
        .env("XDG_CONFIG_HOME", home)
        .args(options)
        .args(["--server", &format!("127.0.0.1:{}", server.port), "--timeout", "10000"])
        .args(command.split(' '))
        .output()
        .unwrap();
    let text = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (status.code().unwrap(), text)
}

#[test]
fn rk_is_who_its_file_says() {
    // Goal: --jaas against both servers, where SASL is demanded: proven, refused, and a file that is none.
    let settings = [("sessionRequireClientSASLAuth", "true")];
    for kind in [Kind::Java, Kind::under_test()] {
        let server = start(kind, "rk", &settings);
        let folder = scratch(&format!("sasl/rk-files-{kind:?}"));
        let good = jaas(&folder, "good", &client_section(BOB.0, "bob's \\\"secret\\\""));
        let wrong = jaas(&folder, "wrong", &client_section(BOB.0, "wrong"));
        let with = |file: &Path, command| {
            rk_says(&server, &folder, &["--jaas", file.to_str().unwrap()], command)
        };
        let (code, text) = with(&good, "whoami");
        assert!(code == 0 && text.contains("sasl: bob"), "{kind:?}: {code} {text}");
        let (code, text) = with(&wrong, "ls /");
        assert!(code != 0 && text.contains("AuthFailed"), "{kind:?}: {code} {text}");
        let (code, text) = with(&folder.join("none"), "ls /");
        assert!(code != 0 && text.contains("No such file"), "{kind:?}: {code} {text}");
        let (code, text) = rk_says(&server, &folder, &[], "ls /");
        assert!(code != 0, "{kind:?}: {code} {text}");
    }
}

#[test]
fn rk_is_who_its_context_says() {
    // Goal: a context's secret, which stands on no command line, proves a SASL user.
    use std::io::Write;
    let settings = [("sessionRequireClientSASLAuth", "true")];
    let server = start(Kind::under_test(), "rk-context", &settings);
    let home = scratch("sasl/rk-home");
    let address = format!("127.0.0.1:{}", server.port);
    let rk = |words: &[&str], input: &str| {
        let mut child = Command::new(rk_binary())
            .env("XDG_CONFIG_HOME", &home)
            .args(words)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let secret = format!("{}:{}\n", BOB.0, BOB.1);
    rk(&["context", "add", "here", "--server", &address, "--auth", "sasl"], &secret);
    let told = rk(&["-c", "here", "whoami"], "");
    assert!(told.contains("sasl: bob"), "{told}");
}
