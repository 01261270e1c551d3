//! Whether anybody answers at the members' ports. A connection that is taken is an answer, whoever takes it;
//! silence is none, and a network that is cut looks the same: only people know that a machine is gone.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::membership::lost_quorum::Survivor;
use crate::membership::{Member, Members};
use crate::types::ServerId;

/// Ports asked at once.
const AT_ONCE: usize = 32;
/// How long a name server may take on top.
const LOOK_UP: Duration = Duration::from_secs(10);

/// A port of a server.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Target {
    server: ServerId,
    what: &'static str,
    host: String,
    port: u16,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) server: ServerId,
    what: &'static str,
    host: String,
    port: u16,
    answer: Answer,
}

#[derive(Clone, Debug)]
enum Answer {
    Yes,
    No(String),
}

impl Asked {
    pub(super) fn answers(&self) -> bool {
        matches!(self.answer, Answer::Yes)
    }

    /// For messages.
    pub(super) fn place(&self) -> String {
        format!("{} port {} ({})", self.host, self.port, self.what)
    }

    /// Why it is silent; empty where it is not.
    pub(super) fn why(&self) -> &str {
        match &self.answer {
            Answer::Yes => "",
            Answer::No(why) => why,
        }
    }
}

/// Every port of every member of every configuration that is known. `client_ports`: where clients may come
/// to, beside what the lines say.
pub(super) fn targets(survivors: &[Survivor], client_ports: Vec<u16>) -> Vec<Target> {
    let known = survivors.iter().flat_map(|s| s.config.iter().chain(&s.next));
    let mut targets: Vec<Target> =
        known.flat_map(Members::iter).flat_map(|member| ports_of(member, &client_ports)).collect();
    targets.sort();
    targets.dedup_by(|a, b| (a.server, &a.host, a.port) == (b.server, &b.host, b.port));
    targets
}

fn is_anywhere(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified())
}

fn ports_of(member: &Member, client_ports: &[u16]) -> Vec<Target> {
    let server = member.id;
    let target = |what, host: &str, port| Target { server, what, host: host.to_owned(), port };
    let mut targets = Vec::new();
    let clients = [&member.client, &member.secure_client];
    let clients: Vec<_> = clients.into_iter().flatten().collect();
    // A wildcard is a server's own way to write where it is; the others' files name it.
    for address in member.addresses.iter().filter(|address| !is_anywhere(&address.host)) {
        targets.push(target("election port", &address.host, address.election));
        targets.push(target("quorum port", &address.host, address.quorum));
        let ports = clients.iter().filter(|client| is_anywhere(&client.host)).map(|c| c.port);
        let ports: Vec<u16> = ports.chain(client_ports.iter().copied()).collect();
        targets.extend(ports.iter().map(|port| target("client port", &address.host, *port)));
    }
    let named = clients.iter().filter(|client| !is_anywhere(&client.host));
    targets.extend(named.map(|client| target("client port", &client.host, client.port)));
    targets
}

/// Asks all of them, and waits no longer than that takes with `timeout` for each.
pub(super) fn ask(targets: Vec<Target>, timeout: Duration) -> Vec<Asked> {
    let rounds = u32::try_from(targets.len().div_ceil(AT_ONCE)).unwrap_or(u32::MAX);
    let patience = timeout.saturating_mul(rounds).saturating_add(LOOK_UP);
    let mut answers: BTreeMap<usize, Answer> = BTreeMap::new();
    let (sender, receiver) = mpsc::channel();
    let queue: Arc<Mutex<VecDeque<(usize, Target)>>> =
        Arc::new(Mutex::new(targets.iter().cloned().enumerate().collect()));
    for _ in 0..AT_ONCE.min(targets.len()) {
        let (queue, sender) = (Arc::clone(&queue), sender.clone());
        let work = move || ask_in_turn(&queue, &sender, timeout);
        // One that cannot be started leaves its share to the others, or unasked, which is reported.
        let _ = std::thread::Builder::new().name("ask".into()).spawn(work);
    }
    drop(sender);
    let deadline = Instant::now() + patience;
    while answers.len() < targets.len() {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok((at, answer)) = receiver.recv_timeout(left) else { break };
        answers.insert(at, answer);
    }
    let late = || Answer::No(format!("no answer within {} s", patience.as_secs()));
    let asked = targets.into_iter().enumerate().map(|(at, target)| {
        let Target { server, what, host, port } = target;
        Asked { server, what, host, port, answer: answers.remove(&at).unwrap_or_else(late) }
    });
    asked.collect()
}

fn ask_in_turn(
    queue: &Mutex<VecDeque<(usize, Target)>>,
    answers: &Sender<(usize, Answer)>,
    timeout: Duration,
) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some((at, target)) = next else { return };
        if answers.send((at, ask_one(&target, timeout))).is_err() {
            return;
        }
    }
}

fn ask_one(target: &Target, timeout: Duration) -> Answer {
    let addresses = match (target.host.as_str(), target.port).to_socket_addrs() {
        Ok(addresses) => addresses,
        Err(error) => return Answer::No(format!("the name is not known here: {error}")),
    };
    let mut why = "the name has no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(_) => return Answer::Yes,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                why = "refused".into();
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                why = format!("silent for {} ms", timeout.as_millis());
            }
            Err(error) => why = error.to_string(),
        }
    }
    Answer::No(why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Epoch, Zxid};
    use std::net::TcpListener;

    fn survivor(config: &str) -> Survivor {
        Survivor {
            id: ServerId(1),
            current: Epoch(1),
            accepted: Epoch(1),
            last: Zxid(1),
            committed: None,
            config: Some(Members::replaced(config).unwrap()),
            next: None,
        }
    }

    #[test]
    fn every_port_of_every_member_is_asked() {
        // Goal: two ports between servers, one for clients where the line has none; wildcards are nowhere.
        let config = "server.1=0.0.0.0:1:2;3,server.2=b:1:2;0.0.0.0:5,server.3=c:1:2:observer;d:6";
        let found = targets(&[survivor(config)], vec![9]);
        let found: Vec<(i64, &str, u16)> =
            found.iter().map(|t| (t.server.0, t.host.as_str(), t.port)).collect();
        let b = [5, 9, 2, 1].map(|port| (2, "b", port));
        assert_eq!(found[..4], b);
        assert_eq!(found[4..], [(3, "c", 9), (3, "d", 6), (3, "c", 2), (3, "c", 1)]);
    }

    #[test]
    fn who_listens_answers() {
        // Goal: a port that takes connections is found among those that do not, names that are none too.
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let closed = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let closed_port = closed.local_addr().unwrap().port();
        drop(closed);
        let config =
            format!("server.1=127.0.0.1:{port}:{closed_port},server.2=no.such.host.invalid:1:2");
        let asked = ask(targets(&[survivor(&config)], Vec::new()), Duration::from_secs(5));
        let answers: Vec<(i64, u16, bool)> =
            asked.iter().map(|asked| (asked.server.0, asked.port, asked.answers())).collect();
        assert!(answers.contains(&(1, port, true)) && answers.contains(&(1, closed_port, false)));
        assert!(asked.iter().filter(|asked| asked.server.0 == 2).all(|asked| !asked.answers()));
        assert!(asked.iter().any(|asked| asked.why() == "refused"));
    }
}
