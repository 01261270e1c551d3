//! The names of the Apache package, in its layout: every verb and variable of `zkServer.sh` and its like, as
//! tools/docs/reference/operations.md section 9 has them. What is said on purpose otherwise: there is no JMX and
//! no class path, and the version names this server.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use support::rk::rk;
use support::server::free_port;
use support::{root, scratch};

/// A package laid out in a folder of its own; what it has started ends with it.
struct Package {
    folder: PathBuf,
    port: u16,
}

/// What a script printed, and its exit code.
#[derive(PartialEq, Eq, Debug)]
struct Said {
    out: String,
    errors: String,
    code: i32,
}

impl Package {
    fn new(name: &str) -> Package {
        let folder = scratch(&format!("launchers-{name}"));
        for part in ["bin", "conf"] {
            fs::create_dir(folder.join(part)).unwrap();
            for file in fs::read_dir(root().join("tools/packaging").join(part)).unwrap() {
                let file = file.unwrap();
                fs::copy(file.path(), folder.join(part).join(file.file_name())).unwrap();
            }
        }
        symlink(env!("CARGO_BIN_EXE_ringkeeper"), folder.join("bin/ringkeeper")).unwrap();
        symlink(rk(), folder.join("bin/rk")).unwrap();
        let package = Package { folder, port: free_port() };
        package.config("conf/zoo.cfg", "data", &format!("clientPort={}\n", package.port));
        package
    }

    fn at(&self, path: &str) -> String {
        self.folder.join(path).display().to_string()
    }

    fn config(&self, file: &str, data: &str, more: &str) {
        let data = self.at(data);
        let text = format!(
            "tickTime=500\ndataDir={data}\nadmin.enableServer=false\n4lw.commands.whitelist=*\n{more}"
        );
        fs::write(self.folder.join(file), text).unwrap();
    }

    fn command(&self, script: &str, words: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(self.folder.join("bin").join(script));
        command.args(words).current_dir(&self.folder);
        for name in
            ["ZOOCFGDIR", "ZOOCFG", "ZOO_LOG_DIR", "ZOOPIDFILE", "SERVER_JVMFLAGS", "JVMFLAGS"]
        {
            command.env_remove(name);
        }
        command.env("USER", "tester").env("HOSTNAME", "here").envs(variables.iter().copied());
        command
    }

    fn run(&self, script: &str, words: &[&str], variables: &[(&str, &str)]) -> Said {
        let output = self.command(script, words, variables).stdin(Stdio::null()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let code = output.status.code().unwrap();
        Said { out: text(output.stdout), errors: text(output.stderr), code }
    }

    fn server(&self, words: &[&str], variables: &[(&str, &str)]) -> Said {
        self.run("zkServer.sh", words, variables)
    }

    /// Starts, and waits until it serves.
    fn start(&self, words: &[&str], variables: &[(&str, &str)]) {
        let said = self.server(&[words, &["start"][..]].concat(), variables);
        assert_eq!(
            (said.out.as_str(), said.code),
            ("Starting zookeeper ... STARTED\n", 0),
            "{said:?}"
        );
        self.wait(words, variables);
    }

    fn wait(&self, words: &[&str], variables: &[(&str, &str)]) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let said = self.server(&[words, &["status"][..]].concat(), variables);
            if said.code == 0 {
                return;
            }
            assert!(Instant::now() < deadline, "{said:?}");
        }
    }

    fn pid(&self, file: &str) -> i32 {
        let text = fs::read_to_string(self.folder.join(file)).unwrap();
        assert!(!text.ends_with('\n'), "the file has the number alone");
        text.parse().unwrap()
    }

    fn word(&self, word: &str) -> String {
        let port = self.port.to_string();
        let output = Command::new(rk()).args(["word", "127.0.0.1", &port, word]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Package {
    fn drop(&mut self) {
        for file in ["data/zookeeper_server.pid", "other/zookeeper_server.pid", "run/pid"] {
            let pid =
                fs::read_to_string(self.folder.join(file)).ok().and_then(|text| text.parse().ok());
            if let Some(pid) = pid.and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

fn is_running(pid: i32) -> bool {
    test_kill_process(Pid::from_raw(pid).unwrap()).is_ok()
}

#[test]
fn a_server_is_started_asked_and_stopped() {
    // Goal: start, start again, status, restart, stop, stop again: texts, exit codes, the pid file.
    let package = Package::new("verbs");
    let (port, config) = (package.port, package.at("bin/../conf/zoo.cfg"));
    let found =
        format!("Client port found: {port}. Client address: localhost. Client SSL: false.\n");
    let silent = format!("{found}Error contacting service. It is probably not running.\n");
    let said = package.server(&["status"], &[]);
    assert_eq!(said, Said { out: silent, errors: format!("Using config: {config}\n"), code: 1 });
    package.start(&[], &[]);
    let pid = package.pid("data/zookeeper_server.pid");
    assert!(is_running(pid));
    assert!(fs::metadata(package.folder.join("logs/zookeeper-tester-server-here.out")).is_ok());
    let said = package.server(&["status"], &[]);
    assert_eq!((said.out, said.code), (format!("{found}Mode: standalone\n"), 0));
    let said = package.server(&["start"], &[]);
    let already = format!("Starting zookeeper ... already running as process {pid}.\n");
    assert_eq!((said.out, said.code), (already, 1));
    let said = package.server(&["restart"], &[]);
    let both = "Stopping zookeeper ... STOPPED\nStarting zookeeper ... STARTED\n";
    assert_eq!((said.out.as_str(), said.code), (both, 0));
    let next = package.pid("data/zookeeper_server.pid");
    assert!(next != pid && !is_running(pid) && is_running(next));
    package.wait(&[], &[]);
    let said = package.server(&["stop"], &[]);
    assert_eq!((said.out.as_str(), said.code), ("Stopping zookeeper ... STOPPED\n", 0));
    let file = package.at("data/zookeeper_server.pid");
    assert!(!Path::new(&file).exists());
    let deadline = Instant::now() + Duration::from_secs(20);
    while is_running(next) {
        assert!(Instant::now() < deadline, "it does not end");
    }
    let said = package.server(&["stop"], &[]);
    let nothing =
        format!("Stopping zookeeper ... no zookeeper to stop (could not find file {file})\n");
    assert_eq!((said.out, said.code), (nothing, 0));
}

#[test]
fn other_verbs_print_and_start_nothing() {
    // Goal: version, print-cmd, what is no verb; a server that cannot start.
    let package = Package::new("words");
    let said = package.server(&["version"], &[]);
    assert!(said.out.contains("Apache ZooKeeper, version 3.9.5") && said.code == 0, "{said:?}");
    let said = package.server(&["print-cmd"], &[]);
    assert!(said.out.starts_with('"') && said.out.contains("/ringkeeper\" \"") && said.code == 0);
    for words in [&["upgrade"][..], &[]] {
        let said = package.server(words, &[]);
        let usage =
            "[--config <conf-dir>] {start|start-foreground|stop|version|restart|status|print-cmd}";
        assert!(said.errors.contains("Usage: ") && said.errors.contains(usage) && said.code == 0);
        assert_eq!(said.out, "");
    }
    package.config("conf/zoo.cfg", "data", "clientPort=nonsense\n");
    let said = package.server(&["start"], &[]);
    assert_eq!((said.out.as_str(), said.code), ("Starting zookeeper ... FAILED TO START\n", 1));
}

#[test]
fn variables_have_their_meaning() {
    // Goal: where the configuration, the log and the pid file are; flags; what the two env files set.
    let package = Package::new("variables");
    let port = package.port.to_string();
    fs::create_dir(package.folder.join("elsewhere")).unwrap();
    package.config("elsewhere/my.cfg", "other", &format!("clientPort={port}\n"));
    fs::write(package.folder.join("elsewhere/zookeeper-env.sh"), "ZOOCFG=my.cfg\n").unwrap();
    // The word conf is answered only if the flag has reached the server.
    let without = fs::read_to_string(package.folder.join("elsewhere/my.cfg")).unwrap();
    let without = without.replace("4lw.commands.whitelist=*\n", "");
    fs::write(package.folder.join("elsewhere/my.cfg"), without).unwrap();
    let flag = "-Dzookeeper.4lw.commands.whitelist=conf,srvr";
    let java_env = format!("export SERVER_JVMFLAGS=\"-Xmx64m {flag} $SERVER_JVMFLAGS\"\n");
    fs::write(package.folder.join("elsewhere/java.env"), java_env).unwrap();
    let (pid_file, log_dir) = (package.at("run/pid"), package.at("log/here"));
    let elsewhere = package.at("elsewhere");
    let variables = [
        ("ZOOPIDFILE", pid_file.as_str()),
        ("ZOO_LOG_DIR", log_dir.as_str()),
        ("JVMFLAGS", "-Dzookeeper.globalOutstandingLimit=123"),
    ];
    let config = ["--config", elsewhere.as_str()];
    package.start(&config, &variables);
    package.pid("run/pid");
    assert!(Path::new(&log_dir).join("zookeeper-tester-server-here.out").exists());
    assert!(package.word("conf").contains(&format!("dataDir={}", package.at("other"))));
    assert_eq!(package.server(&[&config[..], &["stop"]].concat(), &variables).code, 0);
    // The same by ZOOCFGDIR and ZOOCFG, by a name behind the verb, and by a whole path.
    for (words, variables) in [
        (&["print-cmd"][..], &[("ZOOCFGDIR", elsewhere.as_str())][..]),
        (&["print-cmd", "my.cfg"], &[("ZOOCFGDIR", elsewhere.as_str())]),
        (&["print-cmd", &package.at("elsewhere/my.cfg")], &[]),
    ] {
        let said = package.server(words, variables);
        assert!(said.errors.ends_with("elsewhere/my.cfg\n"), "{words:?}: {said:?}");
    }
    let disabled = [("ZOO_DATADIR_AUTOCREATE_DISABLE", "1")];
    let said = package.server(&["start"], &disabled);
    let missing = format!(
        "ZooKeeper data directory is missing at {} fix the path or run initialize\n",
        package.at("data")
    );
    assert_eq!((said.out, said.code), (missing, 1));
    assert_eq!(package.run("zkServer-initialize.sh", &[], &[]).code, 0);
    package.start(&[], &disabled);
    assert_eq!(package.server(&["stop"], &[]).code, 0);
    let said = package.server(&["print-cmd"], &[("JMXPORT", "9999")]);
    assert!(said.errors.contains("JMXPORT is not used"), "{said:?}");
}

#[test]
fn in_the_foreground_it_is_the_servers_process() {
    // Goal: the script's process becomes the server, unless ZOO_NOEXEC says otherwise; a SIGTERM ends it well.
    let package = Package::new("foreground");
    let foreground = |variables: &[(&str, &str)]| {
        let mut command = package.command("zkServer.sh", &["start-foreground"], variables);
        let log = fs::File::create(package.folder.join("log")).unwrap();
        command.stderr(log.try_clone().unwrap()).stdout(log).spawn().unwrap()
    };
    let mut child = foreground(&[]);
    package.wait(&[], &[]);
    let name = fs::read_to_string(format!("/proc/{}/comm", child.id())).unwrap();
    assert!(name.starts_with("ringkeeper"), "{name}");
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut child = foreground(&[("ZOO_NOEXEC", "1")]);
    package.wait(&[], &[]);
    let name = fs::read_to_string(format!("/proc/{}/comm", child.id())).unwrap();
    assert!(!name.starts_with("ringkeeper"), "{name}");
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let server: i32 = fs::read_to_string(children).unwrap().trim().parse().unwrap();
    kill_process(Pid::from_raw(server).unwrap(), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_clients_port_is_found_wherever_it_stands() {
    // Goal: clientPortAddress, a server's line with and without an address, the dynamic file, TLS, nowhere.
    let package = Package::new("ports");
    fs::create_dir(package.folder.join("data")).unwrap();
    let status = |more: &str| {
        package.config("conf/zoo.cfg", "data", more);
        let said = package.server(&["status"], &[]);
        assert_eq!(said.code, 1);
        said.out
    };
    let found = |port: &str, address: &str, tls: bool| {
        format!("Client port found: {port}. Client address: {address}. Client SSL: {tls}.\n")
    };
    let end = "Error contacting service. It is probably not running.\n";
    let plain = status("clientPort=1\nclientPortAddress=127.0.0.1\n");
    assert_eq!(plain, format!("{}{end}", found("1", "127.0.0.1", false)));
    let no_id =
        "myid could not be determined, will not able to locate clientPort in the server configs.\n";
    let no_port = "Client port not found. Looking for secureClientPort in the static config.\n";
    let nowhere =
        "Unable to find either secure or unsecure client port in any configs. Terminating.\n";
    assert_eq!(status(""), format!("{no_id}{no_port}{nowhere}"));
    let tls = status("secureClientPort=2\nsecureClientPortAddress=::1\n");
    assert!(tls.starts_with(&format!("{no_id}{no_port}{}", found("2", "::1", true))), "{tls}");
    assert!(tls.ends_with(end));
    fs::write(package.folder.join("data/myid"), "3\n").unwrap();
    for (line, port, address) in [
        ("server.3=a:1:2;7", "7", "localhost"),
        ("server.3=a:1:2:participant;HOST:8", "8", "127.0.0.1"),
        ("server.3=a:1:2:participant;[HOST]:9", "9", "::1"),
    ] {
        let line = line.replace("HOST", address);
        assert_eq!(status(&format!("{line}\n")), format!("{}{end}", found(port, address, false)));
    }
    let dynamic = package.at("conf/dynamic");
    fs::write(&dynamic, "server.3=a:1:2:participant;6\n").unwrap();
    let elsewhere =
        "Client port not found in static config file. Looking in dynamic config file.\n";
    let said = status(&format!("dynamicConfigFile={dynamic}\n"));
    assert_eq!(said, format!("{elsewhere}{}{end}", found("6", "localhost", false)));
    fs::write(&dynamic, "server.4=a:1:2:participant;6\n").unwrap();
    let said = status(&format!("dynamicConfigFile={dynamic}\n"));
    assert_eq!(
        said,
        format!("{elsewhere}Client port not found in the server configs\n{no_port}{nowhere}")
    );
}

#[test]
fn folders_are_made_for_a_server() {
    // Goal: zkServer-initialize.sh: its options, what it makes, what it refuses to empty, its usage.
    let package = Package::new("initialize");
    let (data, logs) = (package.at("data"), package.at("txn"));
    package.config("conf/zoo.cfg", "data", &format!("dataLogDir={logs}\n"));
    let run = |words: &[&str]| {
        let said = package.run("zkServer-initialize.sh", words, &[]);
        (said.out, said.code)
    };
    let without =
        format!("No myid provided, be sure to specify it in {data}/myid if using non-standalone\n");
    assert_eq!(run(&[]), (without, 0));
    for path in ["data/version-2", "txn/version-2", "data/initialize"] {
        assert!(package.folder.join(path).exists(), "{path}");
    }
    let refused = format!(
        "ZooKeeper data directory already exists at {data} (or use --force to force re-initialization)\n"
    );
    assert_eq!(run(&["--myid=4"]), (refused, 1));
    fs::write(package.folder.join("data/version-2/log.1"), "x").unwrap();
    let forced = "Force enabled, data/txnlog directories will be re-initialized\nUsing myid of 4\n";
    assert_eq!(run(&["--force", "--myid", "4"]), (forced.to_owned(), 0));
    assert_eq!(fs::read_to_string(package.folder.join("data/myid")).unwrap(), "4\n");
    assert!(!package.folder.join("data/version-2/log.1").exists());
    fs::remove_dir_all(package.folder.join("data/version-2")).unwrap();
    let (text, code) = run(&[]);
    assert!(
        text.starts_with("ZooKeeper txnlog directory already exists at") && code == 1,
        "{text}"
    );
    let (text, code) = run(&["--configfile=missing"]);
    assert_eq!((text.as_str(), code), ("Unable to find config file at missing\n", 1));
    fs::write(package.folder.join("none.cfg"), "clientPort=1\n").unwrap();
    let (text, code) = run(&["--configfile", "none.cfg"]);
    assert_eq!((text.as_str(), code), ("Unable to determine dataDir from none.cfg\n", 1));
    for words in [&["-h"][..], &["--help"], &["--nonsense"]] {
        let (text, code) = run(words);
        assert!(
            text.contains("<parameters>") && text.contains("Set the myid") && code == 1,
            "{text}"
        );
    }
}

#[test]
fn tools_are_found_by_their_old_names() {
    // Goal: zkCli.sh against a server that runs; toolkits and cleanup on its files once it is stopped.
    let package = Package::new("tools");
    package.start(&[], &[]);
    let server = format!("127.0.0.1:{}", package.port);
    let said = package.run("zkCli.sh", &["-server", &server, "create", "/a", "x"], &[]);
    assert!(said.out.contains("Created /a") || said.errors.contains("Created /a"), "{said:?}");
    let said = package.run("zkCli.sh", &["-server", &server, "get", "/none"], &[]);
    assert_eq!(said.code, 1);
    let flags = [("CLIENT_JVMFLAGS", "-Xmx64m -Dzookeeper.client.secure=true")];
    let said = package.run("zkCli.sh", &["-server", &server, "get", "/a"], &flags);
    assert!(said.errors.contains("rk does not take -Dzookeeper.client.secure=true"), "{said:?}");
    assert_eq!(package.server(&["stop"], &[]).code, 0);
    let name = |prefix: &str| {
        let names = fs::read_dir(package.folder.join("data/version-2")).unwrap();
        let mut names = names.map(|e| e.unwrap().file_name().into_string().unwrap());
        let found = names.find(|name| name.starts_with(prefix)).unwrap();
        package.at(&format!("data/version-2/{found}"))
    };
    let (log, snapshot) = (name("log."), name("snapshot."));
    let said = package.run("zkTxnLogToolkit.sh", &["-d", &log], &[]);
    assert!(
        said.out.contains(" create ") && said.out.contains("EOF reached after") && said.code == 0
    );
    // A smaller limit than the file's records need.
    let said = package.run("zkTxnLogToolkit.sh", &[&log], &[("JVMFLAGS", "-Djute.maxbuffer=16")]);
    assert_eq!(said.code, 1, "{said:?}");
    let said = package.run("zkSnapShotToolkit.sh", &[&snapshot], &[]);
    assert!(said.out.starts_with("ZNode Details") && said.code == 0, "{said:?}");
    let words = ["-l", &snapshot, "-r", &snapshot, "-b", "1", "-n", "1"];
    let said = package.run("zkSnapshotComparer.sh", &words, &[]);
    assert!(said.out.ends_with("All layers compared.\n") && said.code == 0, "{said:?}");
    let said = package.run("zkSnapshotRecursiveSummaryToolkit.sh", &[&snapshot, "/", "1"], &[]);
    assert!(said.out.contains("children:") && said.code == 0, "{said:?}");
    let version = package.folder.join("data/version-2");
    for number in 0x100..0x105 {
        fs::copy(&snapshot, version.join(format!("snapshot.{number:x}"))).unwrap();
    }
    let said = package.run("zkCleanup.sh", &["-n", "3"], &[]);
    let gone = said.out.lines().filter(|line| line.starts_with("Removing file: ")).count();
    assert!(gone >= 2 && said.code == 0, "{said:?}");
    assert!(!version.join("snapshot.101").exists() && version.join("snapshot.102").exists());
    let said = package.run("zkCleanup.sh", &["-n", "2"], &[]);
    assert_eq!(said.code, 1, "{said:?}");
}

#[test]
fn what_is_missing_is_named() {
    // Goal: without the programs nothing is guessed.
    let package = Package::new("missing");
    fs::remove_file(package.folder.join("bin/rk")).unwrap();
    let said = package.run("zkServer.sh", &["status"], &[("PATH", "/usr/bin:/bin")]);
    assert!(said.errors.contains("rk is neither in") && said.code == 1, "{said:?}");
    let elsewhere = rk().display().to_string();
    let said = package.run("zkServer.sh", &["print-cmd"], &[("RK", &elsewhere)]);
    assert_eq!(said.code, 0, "{said:?}");
}
