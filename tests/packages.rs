//! What people install: the entry point of the container image, the packaged configuration, and the
//! lists of files that the packages are made of. `tools/packaging/try.sh` installs the Debian package in
//! clean systems, which takes longer than a test may.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test may.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use ringkeeper::metrics::catalogue::{self, Kind, Unit};
use rustix::process::{Pid, Signal, kill_process};
use support::client::{Conn, Handshake, Session};
use support::server::free_port;
use support::{root, scratch};

/// Folders of a container, and a server that only says how it was started.
struct Container {
    folder: PathBuf,
}

impl Container {
    fn new(name: &str) -> Container {
        let folder = scratch(&format!("packages-{name}"));
        for part in ["conf", "data", "datalog", "bin"] {
            fs::create_dir_all(folder.join(part)).unwrap();
        }
        let container = Container { folder };
        container.program("ringkeeper", "echo ringkeeper \"$@\"");
        // Not root, whoever runs the test: root becomes a user whom only the image has.
        container.program("id", "echo 1000");
        container
    }

    fn program(&self, name: &str, does: &str) {
        let path = self.folder.join("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{does}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn entry(&self, env: &[(&str, &str)], arguments: &[&str]) -> Command {
        let mut command = Command::new(root().join("tools/packaging/container/entrypoint.sh"));
        let path = format!("{}:/usr/bin:/bin", self.folder.join("bin").display());
        command.args(arguments).env_clear().env("PATH", path);
        for (name, folder) in
            [("ZOO_CONF_DIR", "conf"), ("ZOO_DATA_DIR", "data"), ("ZOO_DATA_LOG_DIR", "datalog")]
        {
            command.env(name, self.folder.join(folder));
        }
        command.envs(env.iter().copied());
        command
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder.join(file)).unwrap()
    }
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The configuration, line by line, without the folders.
fn lines(container: &Container) -> BTreeSet<String> {
    let config = container.read("conf/zoo.cfg");
    let known = |line: &&str| !line.starts_with("dataDir=") && !line.starts_with("dataLogDir=");
    config.lines().filter(known).map(str::to_owned).collect()
}

/// What the official image writes without a word from its user.
const DEFAULTS: [&str; 9] = [
    "tickTime=2000",
    "initLimit=5",
    "syncLimit=2",
    "autopurge.snapRetainCount=3",
    "autopurge.purgeInterval=0",
    "maxClientCnxns=60",
    "standaloneEnabled=true",
    "admin.enableServer=true",
    "server.1=localhost:2888:3888;2181", // a loopback name, of which nobody binds a port here
];

/// Variables; lines of the default configuration that are not there then, and those that are in their place;
/// and the member's number.
type Row = (
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
    &'static [&'static str],
    &'static str,
);

#[test]
fn the_entry_point_makes_a_configuration_of_the_official_images_variables() {
    // Goal: whoever changes the image's name in a compose file gets the same server.
    let rows: [Row; 6] = [
        (&[], &[], &[], "1"),
        (
            &[("ZOO_TICK_TIME", "500"), ("ZOO_INIT_LIMIT", "9"), ("ZOO_SYNC_LIMIT", "8")],
            &["tickTime=2000", "initLimit=5", "syncLimit=2"],
            &["tickTime=500", "initLimit=9", "syncLimit=8"],
            "1",
        ),
        (
            &[("ZOO_AUTOPURGE_PURGEINTERVAL", "1"), ("ZOO_AUTOPURGE_SNAPRETAINCOUNT", "7")],
            &["autopurge.purgeInterval=0", "autopurge.snapRetainCount=3"],
            &["autopurge.purgeInterval=1", "autopurge.snapRetainCount=7"],
            "1",
        ),
        (
            &[
                ("ZOO_MAX_CLIENT_CNXNS", "0"),
                ("ZOO_STANDALONE_ENABLED", "false"),
                ("ZOO_ADMINSERVER_ENABLED", "false"),
            ],
            &["maxClientCnxns=60", "standaloneEnabled=true", "admin.enableServer=true"],
            &["maxClientCnxns=0", "standaloneEnabled=false", "admin.enableServer=false"],
            "1",
        ),
        (
            &[
                ("ZOO_MY_ID", "2"),
                ("ZOO_SERVERS", "server.1=zoo1:2888:3888;2181 server.2=zoo2:2888:3888;2181"),
            ],
            &DEFAULTS[8..],
            &["server.1=zoo1:2888:3888;2181", "server.2=zoo2:2888:3888;2181"],
            "2",
        ),
        (
            &[
                ("ZOO_4LW_COMMANDS_WHITELIST", "srvr, ruok"),
                ("ZOO_CFG_EXTRA", "metricsProvider.httpPort=7000 reconfigEnabled=true"),
            ],
            &[],
            &[
                "4lw.commands.whitelist=srvr, ruok",
                "metricsProvider.httpPort=7000",
                "reconfigEnabled=true",
            ],
            "1",
        ),
    ];
    for (at, (env, without, with, id)) in rows.into_iter().enumerate() {
        let container = Container::new(&format!("env-{at}"));
        let started = text(&container.entry(env, &["ringkeeper"]).output().unwrap());
        let config = container.folder.join("conf/zoo.cfg");
        assert_eq!(started, format!("ringkeeper {}", config.display()), "{env:?}");
        let mut expected: BTreeSet<String> = DEFAULTS.map(str::to_owned).into();
        without.iter().for_each(|line| assert!(expected.remove(*line), "{line}"));
        expected.extend(with.iter().map(|line| (*line).to_owned()));
        assert_eq!(lines(&container), expected, "{env:?}");
        assert_eq!(container.read("data/myid").trim(), id, "{env:?}");
        let folders = container.read("conf/zoo.cfg");
        for (key, folder) in [("dataDir", "data"), ("dataLogDir", "datalog")] {
            let line = format!("{key}={}", container.folder.join(folder).display());
            assert!(folders.lines().any(|found| found == line), "{folders}");
        }
    }
}

#[test]
fn the_entry_point_leaves_what_is_there_and_runs_what_it_is_given() {
    let container = Container::new("kept");
    fs::write(container.folder.join("conf/zoo.cfg"), "mine=1\n").unwrap();
    fs::write(container.folder.join("data/myid"), "7\n").unwrap();
    let config = container.folder.join("conf/zoo.cfg").display().to_string();
    let server = format!("ringkeeper {config}");
    for arguments in [&[][..], &["ringkeeper"], &["zkServer.sh", "start-foreground"]] {
        let output = container.entry(&[("ZOO_MY_ID", "3")], arguments).output().unwrap();
        assert_eq!(text(&output), server, "{arguments:?}");
    }
    let other = container.entry(&[], &["echo", "a b", "c"]).output().unwrap();
    assert_eq!(text(&other), "a b c");
    let given = container.entry(&[], &["ringkeeper", "2999", "/tmp/x"]).output().unwrap();
    assert_eq!(text(&given), "ringkeeper 2999 /tmp/x");
    assert_eq!(container.read("conf/zoo.cfg"), "mine=1\n");
    assert_eq!(container.read("data/myid"), "7\n");
}

/// Opens a session once the server serves.
fn serves(port: u16) {
    let until = Instant::now() + Duration::from_secs(60);
    let grants = || Conn::open(port).ok()?.handshake(&Handshake::new(10_000));
    while grants().is_none() {
        assert!(Instant::now() < until, "nobody serves on {port}");
        // Not synchronisation: between two questions to a server that starts.
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut session = Session::open(port, 10_000);
    assert_eq!(session.create("/packaged", b"it serves"), 0);
}

/// A process that does not outlive its test.
struct Running(Child);

impl Running {
    /// As a container's runtime ends it, and systemd.
    fn stop(mut self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.try_wait().unwrap().is_none() {
            self.0.kill().unwrap();
            self.0.wait().unwrap();
        }
    }
}

#[test]
fn the_server_takes_the_entry_points_configuration() {
    let container = Container::new("serves");
    let binary = container.folder.join("bin/ringkeeper");
    fs::remove_file(&binary).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_ringkeeper"), &binary).unwrap();
    let port = free_port();
    let servers = format!("server.1=localhost:{}:{};{port}", free_port(), free_port());
    let env = [("ZOO_SERVERS", servers.as_str()), ("ZOO_ADMINSERVER_ENABLED", "false")];
    let server = Running(container.entry(&env, &["ringkeeper"]).spawn().unwrap());
    serves(port);
    server.stop();
}

#[test]
fn the_packaged_configuration_serves() {
    let folder = scratch("packages-conf");
    let packaged = fs::read_to_string(root().join("tools/packaging/conf/zoo.cfg")).unwrap();
    let port = free_port();
    let here = [
        ("dataDir=/var/lib/ringkeeper", format!("dataDir={}", folder.display())),
        ("clientPort=2181", format!("clientPort={port}")),
        ("admin.serverPort=8080", format!("admin.serverPort={}", free_port())),
    ];
    let config = here.iter().fold(packaged, |config, (theirs, ours)| {
        assert!(config.contains(theirs), "{theirs}");
        config.replacen(theirs, ours, 1)
    });
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("zoo.cfg");
    fs::write(&file, config).unwrap();
    let server = Command::new(env!("CARGO_BIN_EXE_ringkeeper")).arg(&file).spawn();
    let server = Running(server.unwrap());
    serves(port);
    server.stop();
}

/// Paths in quotes of the lines between two others.
fn quoted(text: &str, from: &str) -> Vec<String> {
    let rest = text.split_once(from).unwrap().1;
    let until = rest.find("\n]").unwrap();
    let lines = rest[..until].lines();
    lines.filter_map(|line| line.split('"').nth(1)).map(str::to_owned).collect()
}

#[test]
fn the_packages_lists_name_files_that_are_there() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let assets = quoted(&manifest, "\nassets = [");
    assert!(assets.len() > 4, "{assets:?}");
    for asset in &assets {
        let is_built = asset.starts_with("target/");
        assert!(is_built || root().join(asset).is_file(), "{asset} of Cargo.toml is not there");
    }
    let unit = root().join("tools/packaging/systemd/ringkeeper.service");
    let unit = fs::read_to_string(unit).unwrap();
    let command = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    assert_eq!(command, "/usr/bin/ringkeeper /etc/ringkeeper/zoo.cfg");
    let installed = |file: &str, to: &str| {
        let line = format!("[\"{file}\", \"{to}\", ");
        assert!(manifest.contains(&line), "Cargo.toml does not install {file} to {to}");
    };
    installed("target/release/ringkeeper", "usr/bin/");
    installed("target/release/rk", "usr/bin/");
    installed("tools/packaging/conf/zoo.cfg", "etc/ringkeeper/");
    assert!(manifest.contains("conf-files = [\"/etc/ringkeeper/zoo.cfg\"]"));
}

/// What the page of metrics can show, sample by sample.
fn samples() -> BTreeSet<String> {
    let mut known = BTreeSet::from(["up".to_owned()]);
    for metric in catalogue::all().filter(|metric| metric.kind != Kind::Text) {
        known.insert(metric.name.to_owned());
        if matches!(metric.kind, Kind::Summary | Kind::Percentiles) {
            known.extend(["count", "sum"].map(|part| format!("{}_{part}", metric.name)));
        }
        if metric.kind == Kind::Percentiles && metric.unit == Unit::Milliseconds {
            let name = metric.name.trim_end_matches("_ms");
            known.insert(format!("ringkeeper_{name}_histogram_ms_bucket"));
        }
    }
    known
}

/// The names in front of a choice of the job: all that a query reads.
fn queried(text: &str) -> BTreeSet<&str> {
    let of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let name = |(at, _): (usize, &str)| {
        let before = &text[..at];
        &before[before.trim_end_matches(of_name).len()..]
    };
    text.match_indices("{job=").map(name).collect()
}

#[test]
fn alerts_and_dashboard_ask_for_metrics_that_there_are() {
    let known = samples();
    for (file, at_least) in [("alerts.yml", 15), ("dashboard.json", 25)] {
        let path = root().join("tools/packaging/monitoring").join(file);
        let text = fs::read_to_string(path).unwrap();
        let queried = queried(&text);
        assert!(queried.len() >= at_least, "{file}: {queried:?}");
        let unknown: Vec<_> = queried.iter().filter(|name| !known.contains(**name)).collect();
        assert!(unknown.is_empty(), "{file} asks for {unknown:?}, which no server shows");
    }
}

#[test]
fn scripts_are_shell() {
    let mut scripts: Vec<PathBuf> =
        ["build.sh", "try.sh", "try-inside.sh", "try-image-inside.sh", "container/entrypoint.sh"]
            .map(PathBuf::from)
            .into();
    scripts.extend(["debian/postinst", "debian/postrm"].map(PathBuf::from));
    for script in scripts {
        let path = root().join("tools/packaging").join(&script);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{} cannot be run", script.display());
        let shell = shell_of(&path);
        let checked = Command::new(shell).arg("-n").arg(&path).output().unwrap();
        assert!(checked.status.success(), "{checked:?}");
    }
}

fn shell_of(script: &Path) -> &'static str {
    match fs::read_to_string(script).unwrap().lines().next() {
        Some("#!/bin/sh") => "sh",
        Some("#!/bin/bash") => "bash",
        Some("#!/usr/bin/env bash") => "bash",
        other => panic!("{}: {other:?}", script.display()),
    }
}
