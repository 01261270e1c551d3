//! `ringkeeper config migrate`: a Java host's files become one that gives the same server.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test may.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::client::Session;
use support::scratch;
use support::server::{Kind, Server, free_port};

/// Standard output, standard error, exit code.
fn migrate(words: &[&Path]) -> (String, String, i32) {
    let output = Command::new(env!("CARGO_BIN_EXE_ringkeeper"))
        .args(["config", "migrate"])
        .args(words)
        .env_remove("SERVER_JVMFLAGS")
        .env_remove("JVMFLAGS")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

/// A folder with these files; the first is the configuration.
fn host(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = scratch(name);
    for (name, text) in files {
        fs::write(folder.join(name), text.replace("HERE", folder.to_str().unwrap())).unwrap();
    }
    folder.join(files[0].0)
}

fn assert_says(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.contains(line), "no {line:?} in\n{text}");
    }
}

#[test]
fn everything_a_java_host_was_told_is_carried_over_or_named() {
    // Goal: flags become keys, the later one winning; what has no meaning, what is misspelt and what only a shell
    // could tell are each named with their places; no secret is in the report.
    let file = host(
        "migrate/named",
        &[
            (
                "zoo.cfg",
                "# kept\ndataDir=HERE/data\nclientPort=2181\nmaxCnxns=7\nreadonlymode.enabled=false\n",
            ),
            (
                "zookeeper-env.sh",
                "ZK_SERVER_HEAP=4096\nJMXPORT=9999\nexport ZOO_LOG_DIR=/var/log/zookeeper\n\
                 SERVER_JVMFLAGS=\"-Xmx4g -Djute.maxbuffer=2097152 -Dzookeeper.snapCount=1000 $SERVER_JVMFLAGS\"\n\
                 if [ -n \"$X\" ]; then\n  JVMFLAGS=-Dzookeeper.snapCount=7\nfi\nJVMFLAGS=\n",
            ),
            (
                "java.env",
                "JVMFLAGS=\"-Dzookeeper.DigestAuthenticationProvider.superDigest=super:s3cret= \\\n\
                 -Dzookeeper.snapCount=5000 -Dzookeeper.maxCnxns=9\"\n\
                 JVMFLAGS+=\" -Dzookeeper.tickTime=1 -Dzookeeper.extendedTypsEnabled=true -Dhost=$(hostname)\"\n\
                 JVMFLAGS=\"${JVMFLAGS:-} -Dreadonlymode.enabled=true -javaagent:/opt/agent.jar=7000\"\n",
            ),
        ],
    );
    let (new, report, code) = migrate(&[&file]);
    assert_eq!(code, 1, "{report}");
    // The second assignment is not certain, so neither is what it adds.
    assert_says(&report, &["java.env line 3: JVMFLAGS: "]);
    // Without it everything is.
    let text = fs::read_to_string(file.with_file_name("java.env")).unwrap();
    fs::write(file.with_file_name("java.env"), text.replace(" -Dhost=$(hostname)", "")).unwrap();
    let (unclear, (new, report, code)) = (new, migrate(&[&file]));
    assert_ne!(new, unclear);
    assert_eq!(code, 1, "a misspelt flag: {report}");
    assert!(new.starts_with("# kept\ndataDir="), "{new}");
    assert_says(
        &new,
        &[
            "\njute.maxbuffer=2097152\n",
            "\nsnapCount=5000\n",
            "\nDigestAuthenticationProvider.superDigest=super:s3cret=\n",
            "\nreadonlymode.enabled=true\n",
        ],
    );
    // The file's own value is stronger there, and the other is no key of the file's.
    assert!(!new.contains("maxCnxns=9") && !new.contains("tickTime"), "{new}");
    assert_says(
        &report,
        &[
            "-Djute.maxbuffer (",
            "zookeeper-env.sh line 4): jute.maxbuffer=2097152",
            "java.env line 2): snapCount=5000",
            "superDigest=(not shown)",
            "readonlymode.enabled=true, in place of the file's own line",
            "zookeeper-env.sh line 5: `if` is not run",
            "zookeeper-env.sh line 6: JVMFLAGS is set under a condition",
            "ZK_SERVER_HEAP (",
            "JMXPORT (",
            "ZOO_LOG_DIR (",
            "-Xmx4g (",
            "-javaagent:/opt/agent.jar=7000 (",
            "zookeeper.tickTime (",
            "zookeeper.extendedTypsEnabled (",
        ],
    );
    assert!(!report.contains("s3cret") && !report.contains("NOT THE SAME"), "{report}");
}

#[test]
fn what_was_migrated_needs_nothing_more() {
    // Goal: a file that came of it, alone, is itself again, and nothing is left to say.
    let digest = "JVMFLAGS='-Dzookeeper.DigestAuthenticationProvider.superDigest=super:a= -Dz=1'\n";
    let plain = "dataDir=HERE\nclientPort=2181\n# caf\u{e9}\n";
    let file = host("migrate/first", &[("zoo.cfg", plain), ("java.env", digest)]);
    let output = Command::new(env!("CARGO_BIN_EXE_ringkeeper"))
        .args(["config", "migrate"])
        .arg(&file)
        .output()
        .unwrap();
    // The bytes of the file are what they were.
    let before = fs::read(&file).unwrap();
    assert_eq!(output.stdout[..before.len()], before);
    let new = String::from_utf8(output.stdout).unwrap();
    let alone = host("migrate/again", &[("zoo.cfg", &new)]);
    let (once_more, report, code) = migrate(&[&alone]);
    assert_eq!((once_more.as_str(), code), (new.as_str(), 0), "{report}");
}

#[test]
fn a_server_on_the_new_file_does_what_the_flags_asked_for() {
    // Goal: a limit and a super user that only flags had are in force on the file alone, as on Java's with both.
    let digest = "DigestAuthenticationProvider.superDigest=super:lK75jTNcA+U9vtVEw5vB51mj/w4=";
    let environment = format!("SERVER_JVMFLAGS=\"-Djute.maxbuffer=5000 -Dzookeeper.{digest}\"\n");
    let plain = "dataDir=HERE\nclientPort=2181\n";
    let file = host("migrate/run", &[("zoo.cfg", plain), ("java.env", environment.as_str())]);
    let (new, report, code) = migrate(&[&file]);
    assert_eq!(code, 0, "{report}");
    let added: Vec<(&str, &str)> = new
        .lines()
        .filter(|line| !line.starts_with('#') && !plain.contains(*line))
        .filter_map(|line| line.split_once('='))
        .filter(|(key, _)| *key != "dataDir")
        .collect();
    assert_eq!(added.len(), 2, "{new}");
    let folder = scratch("migrate/server");
    let server = Server::start(Kind::Ringkeeper, &folder, &added);
    let mut session = Session::open(server.port, 10_000);
    assert_eq!(session.create("/within", &[1; 4000]), 0);
    assert_eq!(session.auth("digest", "super:secret"), 0);
    let mut conn = server.connect();
    conn.handshake(&support::client::Handshake::new(8000));
    conn.send(&6000i32.to_be_bytes());
    conn.send(&[0; 6000]);
    assert!(
        matches!(conn.receive(), support::client::Received::Closed),
        "a longer request is closed"
    );
}

#[test]
fn what_is_refused_stays_refused() {
    // Goal: a Kerberos login and a provider that is not served: each is named, the new file has them, and a start
    // on it ends; none of its protection is dropped on the way.
    let file = host(
        "migrate/refused",
        &[
            ("zoo.cfg", "dataDir=HERE\nclientPort=2181\nsnapCount=none\n"),
            (
                "java.env",
                "JVMFLAGS=\"-Djava.security.auth.login.config=$ZOOCFGDIR/jaas.conf \
                 -Dzookeeper.authProvider.1=org.apache.zookeeper.server.auth.KeyAuthenticationProvider\"\n",
            ),
            (
                "jaas.conf",
                "Server {\n  com.sun.security.auth.module.Krb5LoginModule required\n  useKeyTab=true;\n};\n\
                 Client {\n  org.apache.zookeeper.server.auth.DigestLoginModule required\n  username=\"a\"\n  \
                 password=\"s3cret\";\n};\n",
            ),
        ],
    );
    let (new, report, code) = migrate(&[&file]);
    assert_eq!(code, 2, "{report}");
    assert_says(
        &report,
        &[
            "GSSAPI (Kerberos) is not served",
            "authProvider.1=org.apache.zookeeper.server.auth.KeyAuthenticationProvider",
            "java.env line 1: the scheme",
            "snapCount=none in ",
            "section Client of ",
            "read by clients, not by servers",
        ],
    );
    assert!(!report.contains("s3cret"), "{report}");
    assert_says(
        &new,
        &["\njava.security.auth.login.config=", "\nauthProvider.1=", "\nsnapCount=none\n"],
    );
    let started = scratch("migrate/refused-start").join("zoo.cfg");
    fs::write(&started, &new).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_ringkeeper")).arg(&started).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn files_that_are_named_are_read_and_no_others() {
    // Goal: an environment file of another name; one that is not there ends it; a port is free to choose.
    let port = free_port();
    let text = format!("dataDir=HERE\nclientPort={port}\n");
    let file = host(
        "migrate/files",
        &[
            ("zoo.cfg", text.as_str()),
            ("java.env", "JVMFLAGS=-Dzookeeper.snapCount=11\n"),
            ("environment", "JVMFLAGS=-Dzookeeper.snapCount=22\n"),
        ],
    );
    let (new, _, code) = migrate(&[&file, &file.with_file_name("environment")]);
    assert!(code == 0 && new.contains("snapCount=22") && !new.contains("11"), "{new}");
    let (new, report, code) = migrate(&[&file, &file.with_file_name("absent")]);
    assert!(code == 2 && new.is_empty() && report.contains("cannot read"), "{report}");
}
