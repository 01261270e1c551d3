//! Names into addresses. A lookup may take many seconds when a name server is away; so each has a
//! short-lived thread of its own, and none waits behind another.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::calls::CallId;
use super::doors::Attempt;
use crate::runtime::{Receiver, Sender, Waker, mailbox};

/// Lookups at once. A server asks for one or two names of each other server at a time.
const LOOKUPS_MAX: usize = 64;

/// What a lookup is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    Call(CallId),
    Door(Attempt),
}

/// Addresses in the order in which they are to be tried; at least one.
pub(super) struct Answer {
    pub asked: Asked,
    pub found: Result<Vec<SocketAddr>, String>,
}

/// Asked on one thread, which the answers wake.
pub struct Resolver {
    answers: Sender<Answer>,
    answered: Receiver<Answer>,
    running: Arc<AtomicUsize>,
}

impl Resolver {
    /// `waker`: of the thread that will ask.
    pub fn new(waker: Waker) -> Resolver {
        let (answers, answered) = mailbox(LOOKUPS_MAX, waker);
        Resolver { answers, answered, running: Arc::default() }
    }

    /// Answers now where the host is an address, and later otherwise. A name is looked up each time
    /// (ZOOKEEPER-4708).
    pub(super) fn ask(&self, asked: Asked, host: &str, port: u16) -> Option<Answer> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Some(Answer { asked, found: Ok(vec![SocketAddr::new(ip, port)]) });
        }
        // SeqCst, for this is no hot path: the count is only a bound.
        if self.running.fetch_add(1, Ordering::SeqCst) >= LOOKUPS_MAX {
            self.running.fetch_sub(1, Ordering::SeqCst);
            let found = Err(format!("{host}: {LOOKUPS_MAX} names are being looked up"));
            return Some(Answer { asked, found });
        }
        let (answers, running) = (self.answers.clone(), self.running.clone());
        let name = host.to_owned();
        let lookup = move || {
            let found = look_up(&name, port).map_err(|error| format!("{name}: {error}"));
            running.fetch_sub(1, Ordering::SeqCst);
            answers.push(Answer { asked, found });
        };
        match std::thread::Builder::new().name("resolver".into()).spawn(lookup) {
            Ok(_) => None,
            Err(error) => {
                self.running.fetch_sub(1, Ordering::SeqCst);
                Some(Answer { asked, found: Err(format!("{host}: {error}")) })
            }
        }
    }

    pub(super) fn answers(&mut self, into: &mut VecDeque<Answer>) {
        self.answered.drain_into(into);
    }

    pub(super) fn has_answers(&self) -> bool {
        !self.answered.is_empty()
    }
}

/// IPv4 first, as Java has it unless told otherwise.
fn look_up(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let mut found: Vec<SocketAddr> = (name, port).to_socket_addrs()?.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    found.dedup();
    match found.is_empty() {
        true => Err(io::Error::new(io::ErrorKind::NotFound, "has no address")),
        false => Ok(found),
    }
}
