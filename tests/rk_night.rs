//! What `rk` tells whoever was called at night: slow operations, what this machine allows, and all of it in one
//! file without secrets.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test may.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use support::client::Session;
use support::rk::rk;
use support::server::{Kind, Server, free_port, super_settings};
use support::{http, scratch};

fn run(words: &[&str]) -> Output {
    Command::new(rk()).args(words).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap()
}

/// A server with an admin server that keeps slow operations.
fn start(name: &str, more: &[(&str, &str)]) -> (Server, u16) {
    let admin = free_port();
    let port = admin.to_string();
    let mut settings = vec![
        ("admin.enableServer", "true"),
        ("admin.serverAddress", "127.0.0.1"),
        ("admin.serverPort", port.as_str()),
        ("ringkeeper.slow.ms", "1"),
    ];
    settings.extend(more);
    (Server::start(Kind::Ringkeeper, &scratch(name), &settings), admin)
}

#[test]
fn slow_operations_are_told_as_the_server_tells_them() {
    // Goal: as text and as JSON what `/commands/slow` has; a server whose admin server is not there is named, and
    // where none answers the exit code says so.
    let (server, admin) = start("rk-night/slow", &[]);
    let mut session = Session::open(server.port, 30_000);
    for n in 0..5 {
        assert_eq!(session.create(&format!("/n{n}"), &[7; 100_000]), 0);
    }
    let at = format!("127.0.0.1:{}", server.port);
    let (there, gone) = (format!("127.0.0.1:{admin}"), format!("127.0.0.1:{}", free_port()));
    let both = format!("{there},{gone}");
    let told = http::get(admin, "/commands/slow").json();
    // rk's own sessions may be slow, too; they come in front of what was there.
    let output = run(&["-s", &at, "slow", "--admin", &both]);
    let seen = text(&output);
    assert!(output.status.success(), "{seen}");
    assert!(seen.starts_with(&format!("--- {there}: ")), "{seen}");
    assert!(seen.contains(" took 1 ms or more since it started\n"), "{seen}");
    assert!(seen.contains(&format!("{gone}: its admin server does not answer")), "{seen}");
    let operations = told["operations"].as_array().unwrap();
    assert!(!operations.is_empty(), "a write of 100,000 bytes is flushed within a millisecond");
    for operation in operations {
        let path = operation["path"].as_str().unwrap();
        assert!(
            seen.lines().any(|line| line.contains(&format!(" create {path} of 1000"))),
            "{path} in\n{seen}"
        );
    }
    let output = run(&["-s", &at, "--json", "slow", "--admin", &there]);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["server"], there.as_str());
    assert!(value["slow"]["operations"].as_array().unwrap().ends_with(operations));
    assert!(!run(&["-s", &at, "slow", "--admin", &gone]).status.success());
}

/// Files of a bundle by name, their first folder left out; unpacked by tar itself.
fn unpacked(bundle: &Path) -> BTreeMap<String, String> {
    let into = bundle.with_extension("unpacked");
    fs::create_dir_all(&into).unwrap();
    let tar = Command::new("tar").arg("xzf").arg(bundle).arg("-C").arg(&into).status().unwrap();
    assert!(tar.success());
    let mut found = BTreeMap::new();
    let mut open = vec![into.clone()];
    while let Some(folder) = open.pop() {
        for path in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let name = path.strip_prefix(&into).unwrap().to_str().unwrap();
            let name = name.split_once('/').unwrap().1.to_owned();
            found.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
    found
}

/// Where each stands on a host: a digest, a value, a file, a JAAS user, a flag, a word of a log, a key.
const SECRETS: [&str; 7] = [
    "lK75jTNcA+U9vtVEw5vB51mj/w4=",
    "plain-in-the-file",
    "in-a-password-file",
    "of-a-jaas-user",
    "of-a-jvm-flag",
    "that-nobody-knows",
    "MIIEvQIBADANBgkqhkiG9w0B",
];

/// The files of a host that has them, and a log that quotes them.
fn plant(folder: &Path, server: &Server) {
    let [digest, plain, of_file, of_jaas, of_flag, unknown, of_key] = SECRETS;
    let place = |name: &str| folder.join(name).display().to_string();
    let (key, _) = super_settings();
    let config = format!(
        "dataDir={}\nclientPort={}\n{key}=super:{digest}\nssl.keyStore.password={plain}\n\
         ssl.trustStore.passwordPath={}\njava.security.auth.login.config={}\n",
        server.folder.join("data").display(),
        server.port,
        place("password"),
        place("jaas.conf"),
    );
    let flags = format!("JVMFLAGS=\"-Dzookeeper.ssl.quorum.keyStore.password={of_flag} -Da=b\"\n");
    let log = format!(
        "old line\nstarting with {plain} and {of_file} and {of_jaas} and {of_flag}\n\
         token={unknown}\nacl digest:super:{digest}\n-----BEGIN PRIVATE KEY-----\n{of_key}\n\
         -----END PRIVATE KEY-----\nlast line\n"
    );
    let jaas = format!("Server {{ a.B required user_bob=\"{of_jaas}\"; }};\n");
    for (name, text) in [
        ("zoo.cfg", config),
        ("password", format!("{of_file}\n")),
        ("jaas.conf", jaas),
        ("java.env", flags),
        ("server.log", log),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
}

#[test]
fn a_bundle_has_what_is_needed_and_no_secret() {
    // Goal: configuration, words, commands, listings and the log's end are in it; of seven secrets that were planted
    // where they usually stand, and quoted by a log, none is.
    let (server, admin) = start("rk-night/bundle", &[super_settings()]);
    let folder = scratch("rk-night/host");
    plant(&folder, &server);
    let at = format!("127.0.0.1:{}", server.port);
    let (bundle, admin) = (folder.join("bundle.tar.gz"), format!("127.0.0.1:{admin}"));
    let path = |name: &str| folder.join(name).display().to_string();
    let (made, config, log) = (path("bundle.tar.gz"), path("zoo.cfg"), path("server.log"));
    let words = [
        "-s", &at, "debug", "bundle", "--out", &made, "--config", &config, "--log", &log,
        "--admin", &admin,
    ];
    let output = run(&words);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(fs::metadata(&bundle).unwrap().permissions().mode() & 0o777, 0o600);
    let parts = unpacked(&bundle);
    for (name, text) in &parts {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} in {name}:\n{text}");
        }
    }
    let part = |end: &str| {
        let found: Vec<_> = parts.iter().filter(|(name, _)| name.ends_with(end)).collect();
        assert_eq!(found.len(), 1, "{end} in {:?}", parts.keys());
        found[0].1
    };
    assert!(part("zoo.cfg").contains("ssl.keyStore.password=***\n"));
    assert!(part("java.env").contains("password=*** -Da=b"));
    assert!(part("_mntr").contains("zk_version") && part("_srvr").contains("Mode: standalone"));
    assert!(part("data_version-2").contains(" snapshot.0\n"));
    assert!(part("_configuration").contains("client_port"));
    assert!(part("machine").contains("/proc/self/limits"));
    assert!(part("server.log").starts_with("old line\n"));
    assert!(part("server.log").ends_with("last line\n"));
    // One that is there is not written over.
    let output = run(&words);
    assert!(!output.status.success() && text(&output).contains("exists"), "{}", text(&output));
}

#[test]
fn a_bundle_needs_no_server_and_takes_a_logs_end() {
    let folder = scratch("rk-night/offline");
    let path = |name: &str| folder.join(name).display().to_string();
    fs::write(folder.join("long.log"), format!("{}last\n", "x".repeat(4096))).unwrap();
    let (made, log) = (path("short.tar.gz"), path("long.log"));
    let output =
        run(&["debug", "bundle", "--offline", "--out", &made, "--log", &log, "--log-kib", "1"]);
    assert!(output.status.success(), "{}", text(&output));
    let parts = unpacked(Path::new(&made));
    assert_eq!(parts.len(), 2, "{:?}", parts.keys());
    let end = parts.iter().find(|(name, _)| name.starts_with("log/")).unwrap().1;
    assert!(end.len() == 1024 && end.ends_with("last\n"));
}

#[test]
fn a_machine_is_examined_and_left_as_it_was() {
    // Goal: a line for each thing that ends or slows a server; a member without an address and a folder that is none
    // are BAD and the exit code says so; no file stays.
    let folder = scratch("rk-night/doctor");
    let config = folder.join("zoo.cfg");
    let port = free_port();
    let lines = format!("server.1=127.0.0.1:{port}:2\nserver.2=no.such.host.invalid:1:2\n");
    fs::write(&config, lines).unwrap();
    let (log_dir, config) = (folder.display().to_string(), config.display().to_string());
    let output = run(&["doctor", "--log-dir", &log_dir, "--disk-ms", "20", "--config", &config]);
    let seen = text(&output);
    assert_eq!(output.status.code(), Some(1), "{seen}");
    for what in
        ["kernel: ", "open files: ", "CPUs: ", "memory: ", "clock", "log's disk: ", "free space: "]
    {
        assert!(seen.lines().any(|line| line.contains(what)), "{what} in\n{seen}");
    }
    assert!(seen.contains("ok     name of server 1: 127.0.0.1 is 127.0.0.1"), "{seen}");
    assert!(seen.contains("BAD    name of server 2: no.such.host.invalid"), "{seen}");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    let absent = folder.join("absent").display().to_string();
    let output = run(&["--json", "doctor", "--log-dir", &absent, "--disk-ms", "1"]);
    assert_eq!(output.status.code(), Some(1));
    let values = String::from_utf8(output.stdout).unwrap();
    let disk = values
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .find(|value| value["what"] == "log's disk")
        .unwrap();
    assert_eq!(disk["state"], "bad", "{disk}");
}
