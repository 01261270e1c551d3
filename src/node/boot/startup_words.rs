//! The clients' port while the tree is loaded: four-letter words are answered, handshakes end.
//!
//! A large tree takes a while, and whoever watches over the server must be able to tell that from a
//! server that is gone. Connections are taken and answered one small step at a time, on a thread of
//! its own that ends before the network cores take the port over; what has not been accepted by then
//! waits for them in the kernel.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::admin::words::{self, Commands};
use crate::metrics::gauges::ConnGauges;
use crate::runtime::clock;

/// Connections held at a time; a new one beyond is closed.
const GUESTS_MAX: usize = 256;
/// A connection that has not sent four bytes by then is closed.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long those are waited for that have connected when the tree is there.
const LEAVE: Duration = Duration::from_millis(50);
/// Between two looks at the sockets: a word is answered within a few of these.
const PAUSE: Duration = Duration::from_millis(5);

pub(super) struct StartupWords {
    over: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<()>>,
}

impl StartupWords {
    /// `listener`: a second handle of the socket that the network cores get later. `commands` is one of
    /// a server that does not serve.
    pub(super) fn open(listener: TcpListener, commands: Commands) -> io::Result<StartupWords> {
        listener.set_nonblocking(true)?;
        let over = Arc::new(AtomicBool::new(false));
        let seen = over.clone();
        let body = move || {
            let mut guests = Vec::new();
            while !seen.load(Ordering::SeqCst) {
                take_in(&listener, &mut guests);
                guests.retain_mut(|guest: &mut Guest| guest.attend(&commands));
                std::thread::sleep(PAUSE);
            }
            // Pending words are answered; silent connections are closed, so that the start does not wait for them.
            let until = Instant::now() + LEAVE;
            while !guests.is_empty() && Instant::now() < until {
                guests.retain_mut(|guest: &mut Guest| guest.attend(&commands));
                std::thread::sleep(PAUSE);
            }
            // Both handles share this.
            listener.set_nonblocking(false)
        };
        let thread = std::thread::Builder::new().name("startup words".into()).spawn(body)?;
        Ok(StartupWords { over, thread })
    }

    /// Ends it. Nobody accepts at the socket any more.
    pub(super) fn close(self) -> io::Result<()> {
        self.over.store(true, Ordering::SeqCst);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// A connection that has not been answered.
struct Guest {
    stream: TcpStream,
    peer: SocketAddr,
    since: Instant,
    first: [u8; 4],
    have: usize,
}

fn take_in(listener: &TcpListener, guests: &mut Vec<Guest>) {
    // Whatever is wrong is tried again, as the listener of a serving core does.
    while let Ok((stream, peer)) = listener.accept() {
        if guests.len() < GUESTS_MAX && stream.set_nonblocking(true).is_ok() {
            guests.push(Guest { stream, peer, since: Instant::now(), first: [0; 4], have: 0 });
        }
    }
}

impl Guest {
    /// Whether it stays.
    fn attend(&mut self, commands: &Commands) -> bool {
        match self.stream.read(&mut self.first[self.have..]) {
            Ok(0) => return false,
            Ok(count) => self.have += count,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return self.since.elapsed() < PATIENCE;
            }
            Err(_) => return false,
        }
        if self.have < self.first.len() {
            return true;
        }
        // Anything else is a handshake, which ends here as on a server that looks for a leader.
        if let Some(word) = words::recognise(self.first) {
            let text =
                commands.answer(word, clock::now(), &ConnGauges::new(self.peer, clock::wall()));
            // It fits into the socket's buffer, or its reader is gone.
            let _ = self.stream.write_all(text.as_bytes());
            let _ = self.stream.shutdown(Shutdown::Write);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::admin::words::{ShownSettings, Whitelist};
    use crate::metrics::gauges::Gauges;
    use crate::tree::{Tree, TreeOptions};
    use crate::types::Millis;

    fn commands() -> Commands {
        let gauges = Arc::new(Gauges::new(1, Millis(0)));
        gauges.running.store(false, Ordering::Relaxed);
        let (tree, _) = Tree::new(TreeOptions::default());
        Commands { gauges, tree, whitelist: Whitelist::new("*"), facts: ShownSettings::default() }
    }

    fn ask(address: SocketAddr, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(bytes).unwrap();
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text);
        text
    }

    #[test]
    fn words_are_answered_and_handshakes_end_until_it_is_closed() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let startup_words = StartupWords::open(listener.try_clone().unwrap(), commands()).unwrap();
        // Somebody who says nothing keeps nobody else from being answered.
        let silent = TcpStream::connect(address).unwrap();
        assert_eq!(ask(address, b"ruok"), "imok");
        assert_eq!(ask(address, b"isro"), "null");
        let not_serving = "This ZooKeeper instance is not currently serving requests\n";
        for word in [b"srvr", b"mntr", b"stat", b"cons", b"conf"] {
            assert_eq!(ask(address, word), not_serving);
        }
        assert_eq!(ask(address, &[0, 0, 0, 44, 0, 0, 0, 0]), "");
        drop(silent);
        startup_words.close().unwrap();
        // The socket is as it was: an accept waits, and finds who has come meanwhile.
        let later = TcpStream::connect(address).unwrap();
        let (found, peer) = listener.accept().unwrap();
        assert_eq!(peer, later.local_addr().unwrap());
        drop(found);
    }
}
