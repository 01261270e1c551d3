//! The command line `rk`, and a port before a server's that breaks its connections.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use super::client::Grant;
use super::root;
use super::server::target;

/// The binary, which is another package's: it is built with a test of that package, by the whole
/// workspace's choice of features. Where that is what is being tested, it is there already.
pub fn rk() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let ringkeeper = Path::new(env!("CARGO_BIN_EXE_ringkeeper"));
        let mut build = Command::new(env!("CARGO"));
        build
            .args(["test", "--quiet", "--workspace", "--test", "cli", "--no-run", "--target-dir"])
            .arg(target());
        if ringkeeper.parent().is_some_and(|folder| folder.ends_with("release")) {
            build.arg("--release");
        }
        let status = build.current_dir(root()).status().expect("cargo");
        assert!(status.success(), "rk could not be built");
        ringkeeper.with_file_name("rk")
    })
}

/// A port before the server's that can be shut and opened again.
pub struct Relay {
    pub port: u16,
    is_shut: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    grants: Arc<Mutex<Vec<Grant>>>,
}

impl Relay {
    pub fn open(to: u16) -> Relay {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let is_shut = Arc::new(AtomicBool::new(false));
        let (open, grants) = (Arc::default(), Arc::default());
        let relay = Relay { port, is_shut, open, grants };
        let (is_shut, open, grants) =
            (Arc::clone(&relay.is_shut), Arc::clone(&relay.open), Arc::clone(&relay.grants));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // A server that is being restarted is shut, too.
                let server = TcpStream::connect(("127.0.0.1", to));
                let Ok(server) = server else { continue };
                if is_shut.load(Ordering::SeqCst) {
                    continue;
                }
                for (from, to) in [(&client, &server), (&server, &client)] {
                    open.lock().unwrap().push(from.try_clone().unwrap());
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let grants = Arc::clone(&grants);
                    let is_server = from.peer_addr().is_ok_and(|peer| peer.port() != port)
                        && from.local_addr().is_ok_and(|own| own.port() != port);
                    std::thread::spawn(move || pass(from, to, is_server.then_some(grants)));
                }
            }
        });
        relay
    }

    /// Breaks what is open, and takes nothing new.
    pub fn shut(&self) {
        self.is_shut.store(true, Ordering::SeqCst);
        self.cut();
    }

    pub fn reopen(&self) {
        self.is_shut.store(false, Ordering::SeqCst);
    }

    /// Breaks what is open.
    pub fn cut(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// The sessions that were granted here, ids and passwords, each time they were.
    pub fn grants(&self) -> Vec<Grant> {
        self.grants.lock().unwrap().clone()
    }
}

/// Carries bytes one way; the first frame of a server is its answer to a handshake.
fn pass(mut from: TcpStream, mut to: TcpStream, grants: Option<Arc<Mutex<Vec<Grant>>>>) {
    let mut bytes = vec![0; 65_536];
    let mut first = Some(Vec::new()).filter(|_| grants.is_some());
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if let Some(frame) = &mut first {
            frame.extend_from_slice(&bytes[..count]);
            let length = frame.first_chunk::<4>().map(|head| u32::from_be_bytes(*head) as usize);
            if let Some(payload) = length.and_then(|length| frame.get(4..4 + length)) {
                let grant = Grant::decode(payload);
                grants.iter().zip(grant).for_each(|(all, grant)| all.lock().unwrap().push(grant));
                first = None;
            }
        }
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
