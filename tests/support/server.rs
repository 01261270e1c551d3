//! Starting and stopping servers: Apache ZooKeeper 3.9.5 or ours, on a free port, from a
//! `zoo.cfg` written here.

use super::{client::Conn, root};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Lines that put each role of a server of ours on the thread and CPU that the test run asks for:
/// with `RK_TEST_PLACEMENT=apart` control and log have threads of their own, as they have from four
/// CPUs on, on however few there are.
fn placement() -> String {
    match std::env::var("RK_TEST_PLACEMENT").as_deref() {
        Ok("apart") => {}
        Ok("derived" | "") | Err(_) => return String::new(),
        Ok(other) => panic!("RK_TEST_PLACEMENT={other}: it is apart or derived"),
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    let mut cpus = allowed.trim().split([',', '-']).map(|cpu| cpu.parse::<usize>().unwrap());
    let first = cpus.next().unwrap();
    let last = cpus.next_back().unwrap_or(first);
    format!(
        "ringkeeper.cores.network={first}\nringkeeper.cores.control={last}\n\
         ringkeeper.cores.log={first}\n"
    )
}

/// Whose server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Java,
    /// Apache ZooKeeper of an older line, by its version: `tests/java` has its jars' list.
    JavaOf(&'static str),
    Ringkeeper,
}

impl Kind {
    /// The server that the tests are about: ours, or Java's with `RK_TEST_SERVER=java`.
    pub fn under_test() -> Kind {
        match std::env::var("RK_TEST_SERVER").as_deref() {
            Ok("java") => Kind::Java,
            Ok("ringkeeper" | "") | Err(_) => Kind::Ringkeeper,
            Ok(other) => panic!("RK_TEST_SERVER={other}: it is java or ringkeeper"),
        }
    }
}

/// Digest of "super:secret", for [`super_settings`].
pub const SUPER_AUTH: &str = "super:secret";

/// Settings that make `super:secret` a super user.
pub fn super_settings() -> (&'static str, &'static str) {
    ("DigestAuthenticationProvider.superDigest", "super:lK75jTNcA+U9vtVEw5vB51mj/w4=")
}

/// A running server; killed when dropped.
pub struct Server {
    pub kind: Kind,
    pub port: u16,
    pub folder: PathBuf,
    child: Child,
}

/// Folder of the jars of `tests/java/<name>/pom.xml`, fetched on first use.
pub fn jars(name: &str) -> PathBuf {
    let output = Command::new(root().join("tests/support/fetch-jars.sh"))
        .arg(name)
        .env("CARGO_TARGET_DIR", target())
        .stderr(Stdio::inherit())
        .output()
        .expect("bash");
    assert!(output.status.success(), "the jars of tests/java/{name} could not be fetched");
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

/// The build folder.
pub fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap()
}

/// Class path of ZooKeeper 3.9.5.
pub fn zookeeper_jars() -> &'static str {
    static JARS: OnceLock<String> = OnceLock::new();
    JARS.get_or_init(|| format!("{}/*", jars("zookeeper").display()))
}

/// The same of an older version.
fn jars_of(version: &'static str) -> String {
    static JARS: Mutex<BTreeMap<&str, String>> = Mutex::new(BTreeMap::new());
    let mut known = JARS.lock().unwrap_or_else(PoisonError::into_inner);
    let find = || format!("{}/*", jars(&format!("zookeeper-{version}")).display());
    known.entry(version).or_insert_with(find).clone()
}

/// A Java command with the memory and start-up settings that suit a small machine; it logs nothing.
pub fn java(main: &str) -> Command {
    let mut command = Command::new("java");
    let flags = ["-Xmx512m", "-Xms64m", "-XX:+UseSerialGC", "-Djava.net.preferIPv4Stack=true"];
    let quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=off";
    command.args(flags).arg(quiet).arg("-cp").arg(zookeeper_jars()).arg(main);
    command
}

/// A Java server for a file with these settings. A member of an ensemble is one of several: it
/// has a small heap, starts quickly, and tells what it does.
fn java_server(jars: &str, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new("java");
    command.args(["-XX:+UseSerialGC", "-Djava.net.preferIPv4Stack=true"]);
    // Java takes these as system properties alone, whatever its file says.
    let prefixes = ["znode.", "readonlymode.", "jute.", "java.security."];
    let alone = settings.iter().filter(|(key, _)| prefixes.iter().any(|p| key.starts_with(p)));
    command.args(alone.map(|(key, value)| format!("-D{key}={value}")));
    if settings.iter().any(|(key, _)| *key == "audit.enable") {
        let logger = "org.apache.zookeeper.audit.Slf4jAuditLogger=info";
        command.arg(format!("-Dorg.slf4j.simpleLogger.log.{logger}"));
        command.args(["-Dfile.encoding=UTF-8", "-Dsun.stderr.encoding=UTF-8"]);
    }
    let member = settings.iter().any(|(key, _)| key.starts_with("server."));
    let (flags, main) = if member {
        (["-Xmx256m", "-Xms32m", "-XX:TieredStopAtLevel=1"], "quorum.QuorumPeerMain")
    } else {
        let quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=off";
        (["-Xmx512m", "-Xms64m", quiet], "ZooKeeperServerMain")
    };
    if member {
        let logger = "-Dorg.slf4j.simpleLogger";
        command.arg(format!("{logger}.showDateTime=true"));
        command.arg(format!("{logger}.dateTimeFormat=HH:mm:ss.SSS"));
        // One of the ways a TRUNC is chosen is told at this level only.
        let handler = "log.org.apache.zookeeper.server.quorum.LearnerHandler";
        command.arg(format!("{logger}.{handler}=debug"));
    }
    command.args(flags).arg("-cp").arg(jars);
    command.arg(format!("org.apache.zookeeper.server.{main}"));
    command
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

impl Server {
    /// Starts a server on the data in `folder`/data with `settings` added to a plain `zoo.cfg`.
    /// A setting given here replaces the plain one.
    pub fn start(kind: Kind, folder: &Path, settings: &[(&str, &str)]) -> Server {
        // The port could be taken between its choice and the server's bind: try again then.
        for attempt in 0.. {
            let port = free_port();
            match Server::try_start(kind, folder, settings, port) {
                Ok(server) => return server,
                Err(log) if attempt < 2 && log.contains("Address already in use") => {}
                Err(log) => panic!("{kind:?} did not start in {}:\n{log}", folder.display()),
            }
        }
        unreachable!()
    }

    fn try_start(
        kind: Kind,
        folder: &Path,
        settings: &[(&str, &str)],
        port: u16,
    ) -> Result<Server, String> {
        let mut server = Server::spawn(kind, folder, settings, port);
        let deadline = Instant::now() + Duration::from_secs(90);
        while Instant::now() < deadline {
            if server.word_within("srvr", 1).is_some_and(|text| text.contains("Mode: standalone")) {
                return Ok(server);
            }
            if server.child.try_wait().unwrap().is_some() {
                return Err(server.log());
            }
            // Not synchronisation: the space between two questions to a starting process.
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(format!("not serving after 90 s\n{}", server.log()))
    }

    /// Starts a server without waiting for it to serve.
    pub fn spawn(kind: Kind, folder: &Path, settings: &[(&str, &str)], port: u16) -> Server {
        Server::spawn_under(&[], kind, folder, settings, port)
    }

    /// The same, its command run by another one that ends in executing it.
    pub fn spawn_under(
        wrapper: &[String],
        kind: Kind,
        folder: &Path,
        settings: &[(&str, &str)],
        port: u16,
    ) -> Server {
        let data = folder.join("data");
        std::fs::create_dir_all(&data).unwrap();
        let cfg = folder.join("zoo.cfg");
        let data = data.display().to_string();
        let port_text = port.to_string();
        let plain = [
            ("tickTime", "2000"),
            ("dataDir", data.as_str()),
            ("clientPort", port_text.as_str()),
            ("clientPortAddress", "127.0.0.1"),
            ("maxClientCnxns", "0"),
            ("admin.enableServer", "false"),
            ("4lw.commands.whitelist", "*"),
        ];
        let mut text = String::new();
        for (key, value) in plain.iter().filter(|(key, _)| !settings.iter().any(|s| s.0 == *key)) {
            text.push_str(&format!("{key}={value}\n"));
        }
        for (key, value) in settings {
            text.push_str(&format!("{key}={value}\n"));
        }
        if kind == Kind::Ringkeeper && !text.contains("ringkeeper.cores.") {
            text.push_str(&placement());
        }
        std::fs::write(&cfg, text).unwrap();
        Server::spawn_on_file(wrapper, kind, folder, settings, port)
    }

    /// The same on the file that is there, which the server may have rewritten; `settings` are those
    /// that it was written with.
    pub fn spawn_on_file(
        wrapper: &[String],
        kind: Kind,
        folder: &Path,
        settings: &[(&str, &str)],
        port: u16,
    ) -> Server {
        let cfg = folder.join("zoo.cfg");
        let mut command = match kind {
            Kind::Java => java_server(zookeeper_jars(), settings),
            Kind::JavaOf(version) => java_server(&jars_of(version), settings),
            Kind::Ringkeeper => Command::new(env!("CARGO_BIN_EXE_ringkeeper")),
        };
        if let [first, rest @ ..] = wrapper {
            let mut wrapped = Command::new(first);
            wrapped.args(rest).arg(command.get_program()).args(command.get_args());
            command = wrapped;
        }
        let log = File::create(folder.join("server.log")).unwrap();
        let child = command
            .arg(&cfg)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|e| panic!("{kind:?}: {e}"));
        Server { kind, port, folder: folder.to_path_buf(), child }
    }

    /// What the process printed.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.folder.join("server.log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn connect(&self) -> Conn {
        Conn::open(self.port).unwrap_or_else(|e| panic!("{:?}: {e}\n{}", self.kind, self.log()))
    }

    /// The answer to a four-letter word, when the server takes connections.
    pub fn word(&self, word: &str) -> Option<String> {
        self.word_within(word, 20)
    }

    /// A Java server that is just starting may leave a connection without an answer for good.
    pub fn word_within(&self, word: &str, seconds: u64) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(seconds))).unwrap();
        stream.write_all(word.as_bytes()).ok()?;
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text);
        Some(String::from_utf8_lossy(&text).into_owned())
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for the process to end by itself.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM, then the exit status.
    pub fn terminate(&mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.wait()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a process");
        kill_process(pid, signal).expect("it runs");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
