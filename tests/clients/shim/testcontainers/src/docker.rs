//! Server processes in the place of containers.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::marker::PhantomData;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::image::RunnableImage;

/// The port every image listens on inside.
const INSIDE: u16 = 2181;
/// Ports given out: below those the system gives to the connecting side (32768 on).
const PORTS: std::ops::Range<u32> = 20_000..32_000;
/// The zoo.cfg of the official image, for a container that mounts none.
const IMAGE_CFG: &str = "tickTime=2000\ninitLimit=5\nsyncLimit=2\nautopurge.snapRetainCount=3\n\
    autopurge.purgeInterval=0\nmaxClientCnxns=60\nclientPort=2181\ndataDir=/data\n";

/// Starts servers.
#[derive(Debug, Default)]
pub struct Cli;

impl Cli {
    /// Starts the server and returns when it serves.
    pub fn run<'d, I>(&'d self, image: impl Into<RunnableImage<I>>) -> Container<'d, I> {
        let image = image.into();
        let port = free_port();
        let root = std::env::var_os("RK_TEST_FOLDER")
            .expect("RK_TEST_FOLDER: where servers keep their data");
        let folder = PathBuf::from(root).join(port.to_string());
        fs::create_dir_all(folder.join("data")).expect("a folder for the server");
        let mut cfg = IMAGE_CFG.to_owned();
        for (host, inside) in &image.volumes {
            assert_eq!(inside, "/conf/zoo.cfg", "the only file that can be mounted");
            cfg = fs::read_to_string(host).expect("the mounted zoo.cfg");
        }
        fs::write(folder.join("zoo.cfg"), placed(&cfg, port, &folder)).expect("zoo.cfg");
        let flags = image.image.env.iter().filter(|(key, _)| key == "SERVER_JVMFLAGS");
        let flags =
            flags.flat_map(|(_, value)| value.split_whitespace().map(str::to_owned)).collect();
        let patience = image.image.healthcheck.patience();
        let container = Container {
            folder,
            port,
            flags,
            patience,
            process: RefCell::default(),
            kind: PhantomData,
        };
        container.start();
        container
    }
}

/// The configuration with the container's port and folder replaced by the server's own.
fn placed(cfg: &str, port: u16, folder: &Path) -> String {
    let own = |line: &str| match line.split_once('=') {
        Some(("clientPort", _)) => format!("clientPort={port}\nclientPortAddress=127.0.0.1\n"),
        Some(("dataDir", _)) => format!("dataDir={}\n", folder.join("data").display()),
        _ => format!("{line}\n"),
    };
    let lines: String = cfg.lines().map(own).collect();
    lines + "admin.enableServer=false\n"
}

/// A port of 127.0.0.1 that no one listens on, each given out once a process.
fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(61);
    loop {
        let next = first.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = (PORTS.start + next % (PORTS.end - PORTS.start)) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// One server. Dropping it ends the process.
#[derive(Debug)]
pub struct Container<'d, I> {
    folder: PathBuf,
    port: u16,
    flags: Vec<String>,
    patience: Duration,
    process: RefCell<Option<Child>>,
    kind: PhantomData<(&'d Cli, fn() -> I)>,
}

impl<I> Container<'_, I> {
    /// The port of the host that a port of the container is reached at.
    pub fn get_host_port(&self, inside: u16) -> u16 {
        assert_eq!(inside, INSIDE, "the only port there is");
        self.port
    }

    /// Starts the server again after [`stop`](Self::stop), on the same port and data.
    pub fn start(&self) {
        let log =
            File::options().create(true).append(true).open(self.log()).expect("the server's log");
        let mut process = Command::new("java")
            .args(&self.flags)
            .arg("org.apache.zookeeper.server.quorum.QuorumPeerMain")
            .arg(self.folder.join("zoo.cfg"))
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the server's log"))
            .stderr(log)
            .spawn()
            .expect("`java`, the stand-in that starts a server");
        fs::write(self.pid(), process.id().to_string()).expect("server.pid");
        let deadline = Instant::now() + self.patience;
        while !serves(self.port) {
            let ended = process.try_wait().expect("the server's state");
            if ended.is_some() || Instant::now() > deadline {
                self.process.replace(Some(process));
                self.stop();
                panic!("no server on port {} ({ended:?}); see {}", self.port, self.log().display());
            }
            sleep(Duration::from_millis(50));
        }
        self.process.replace(Some(process));
    }

    /// Ends the server at once and waits for its end. Its data stays.
    pub fn stop(&self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("a process of our own to kill");
            process.wait().expect("its end");
            fs::remove_file(self.pid()).expect("server.pid");
        }
    }

    /// What the server wrote so far and will write.
    pub fn stdout(&self) -> LogStream {
        LogStream { log: self.log(), patience: self.patience }
    }

    fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    fn pid(&self) -> PathBuf {
        self.folder.join("server.pid")
    }
}

impl<I> Drop for Container<'_, I> {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Whether a server on this port says over `srvr` that it serves.
fn serves(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let asked =
        TcpStream::connect_timeout(&address, Duration::from_secs(1)).and_then(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            stream.write_all(b"srvr")?;
            let mut text = String::new();
            stream.read_to_string(&mut text)?;
            Ok(text)
        });
    asked.is_ok_and(|text| text.contains("Mode: "))
}

/// A server's output.
#[derive(Debug)]
pub struct LogStream {
    log: PathBuf,
    patience: Duration,
}

impl LogStream {
    /// Waits until the server has written this.
    pub fn wait_for_message(&self, message: &str) -> std::io::Result<()> {
        let deadline = Instant::now() + self.patience;
        while !String::from_utf8_lossy(&fs::read(&self.log)?).contains(message) {
            if Instant::now() > deadline {
                return Err(std::io::Error::new(
                    std::io::ErrorKind::TimedOut,
                    format!("no {message:?} in the log"),
                ));
            }
            sleep(Duration::from_millis(100));
        }
        Ok(())
    }
}
