//! Names into addresses. A lookup may take many seconds when a name server is away; so each has a
//! short-lived thread of its own, and none waits behind another. What a name meant is remembered,
//! also if the answer came too late for who had asked.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::calls::CallId;
use super::error::LookUpError;
use super::listeners::Attempt;
use crate::runtime::{Receiver, Sender, Waker, mailbox};

/// A request for a name that is being looked up waits for that lookup. One that takes longer than this is
/// not waited for: another is begun beside it.
const LOOKUP_MAX: Duration = Duration::from_secs(15);

/// Names whose addresses are remembered: more than ensembles have members. Beyond, all are forgotten.
const KNOWN_MAX: usize = 1024;

/// Lookups at once. A server asks for one or two names of each other server at a time.
pub(super) const LOOKUPS_MAX: usize = 64;

/// What a lookup is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    Call(CallId),
    Listener(Attempt),
}

/// Addresses in the order in which they are to be tried; at least one.
pub(super) struct Answer {
    pub asked: Asked,
    pub found: Result<Vec<SocketAddr>, LookUpError>,
}

/// What a name means, in the order in which addresses are to be tried.
pub(super) type Meaning = Result<Vec<IpAddr>, LookUpError>;

/// Looks a name up, however long that takes.
pub(super) type LookUp = Arc<dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync>;

/// Asked on one thread, which the answers wake.
pub struct Resolver {
    answers: Sender<(String, Meaning)>,
    answered: Receiver<(String, Meaning)>,
    running: Arc<AtomicUsize>,
    look_up: LookUp,
    names: RefCell<Names>,
}

#[derive(Default)]
struct Names {
    /// The last good answers.
    known: BTreeMap<String, Vec<IpAddr>>,
    /// Being looked up: since when, and for whom.
    asked: BTreeMap<String, (Instant, Vec<(Asked, u16)>)>,
}

impl Resolver {
    /// `waker`: of the thread that will ask.
    pub fn new(waker: Waker) -> Resolver {
        Resolver::with(waker, Arc::new(look_up))
    }

    pub(super) fn with(waker: Waker, look_up: LookUp) -> Resolver {
        let (answers, answered) = mailbox(LOOKUPS_MAX, waker);
        let names = RefCell::default();
        Resolver { answers, answered, running: Arc::default(), look_up, names }
    }

    /// Answers now where the host is an address, and later otherwise. A name is looked up each time
    /// (ZOOKEEPER-4708).
    pub(super) fn ask(&self, asked: Asked, host: &str, port: u16) -> Option<Answer> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Some(Answer { asked, found: Ok(vec![SocketAddr::new(ip, port)]) });
        }
        let names = &mut self.names.borrow_mut().asked;
        if let Some((since, waiting)) = names.get_mut(host)
            && since.elapsed() < LOOKUP_MAX
            && waiting.len() < LOOKUPS_MAX
        {
            waiting.push((asked, port));
            return None;
        }
        // SeqCst, for this is no hot path: the count is only a bound.
        if self.running.fetch_add(1, Ordering::SeqCst) >= LOOKUPS_MAX {
            self.running.fetch_sub(1, Ordering::SeqCst);
            let found = Err(LookUpError::TooMany { host: host.to_owned() });
            return Some(Answer { asked, found });
        }
        let (answers, running) = (self.answers.clone(), self.running.clone());
        let (name, look_up) = (host.to_owned(), self.look_up.clone());
        let lookup = move || {
            let found = look_up(&name).map_err(|error| failed(&name, error));
            running.fetch_sub(1, Ordering::SeqCst);
            answers.push((name, found));
        };
        match std::thread::Builder::new().name("resolver".into()).spawn(lookup) {
            Ok(_) => {
                let (since, waiting) =
                    names.entry(host.to_owned()).or_insert_with(|| (Instant::now(), Vec::new()));
                *since = Instant::now();
                waiting.push((asked, port));
                None
            }
            Err(error) => {
                self.running.fetch_sub(1, Ordering::SeqCst);
                Some(Answer { asked, found: Err(failed(host, error)) })
            }
        }
    }

    /// What the name meant when that was last known.
    pub(super) fn known(&self, host: &str, port: u16) -> Vec<SocketAddr> {
        let names = self.names.borrow();
        let ips = names.known.get(host).into_iter().flatten();
        ips.map(|ip| SocketAddr::new(*ip, port)).collect()
    }

    pub(super) fn answers(&mut self, into: &mut VecDeque<Answer>) {
        let mut meanings = VecDeque::new();
        self.answered.drain_into(&mut meanings);
        let names = self.names.get_mut();
        for (name, meaning) in meanings {
            let waiting = names.asked.remove(&name).map_or_else(Vec::new, |(_, waiting)| waiting);
            for (asked, port) in waiting {
                let found = meaning.clone();
                let found = found.map(|ips| ips.iter().map(|ip| (*ip, port).into()).collect());
                into.push_back(Answer { asked, found });
            }
            if let Ok(ips) = meaning {
                if names.known.len() >= KNOWN_MAX {
                    names.known.clear();
                }
                names.known.insert(name, ips);
            }
        }
    }

    pub(super) fn has_answers(&self) -> bool {
        !self.answered.is_empty()
    }
}

fn failed(host: &str, error: io::Error) -> LookUpError {
    LookUpError::Failed { host: host.to_owned(), error: Arc::new(error) }
}

/// IPv4 first, as Java has it unless told otherwise.
fn look_up(name: &str) -> io::Result<Vec<IpAddr>> {
    let found = (name, 0).to_socket_addrs()?;
    let mut found: Vec<IpAddr> = found.map(|address| address.ip()).collect();
    found.sort_by_key(IpAddr::is_ipv6);
    found.dedup();
    match found.is_empty() {
        true => Err(io::Error::new(io::ErrorKind::NotFound, "has no address")),
        false => Ok(found),
    }
}
