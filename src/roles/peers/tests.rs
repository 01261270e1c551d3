//! Servers that speak with one another over loopback, all on the test's own thread.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::*;
use crate::codec::election::{HeaderProtocol, Notification, PeerState, VERSION};
use crate::codec::quorum::snapshot::{put_end, put_head, put_node};
use crate::codec::quorum::{Limits, Packet};
use crate::election::links::LinkSettings;
use crate::membership::{Electorate, Members};
use crate::net::{Net, NetEvent, NetSettings};
use crate::roles::peer_message::{PeerCommand, PeerEvent};
use crate::runtime::{Waker, clock};
use crate::types::{Link, Millis, ServerId, SessionId, StoredStat, Zxid};

const FIELD_MAX: usize = 1 << 20;

struct Server {
    net: Net,
    peers: Peers,
    /// What has been said and not been looked for.
    heard: Vec<PeerEvent>,
    /// Events of the transport that are not the peers'.
    others: Vec<NetEvent>,
}

/// Two free ports each for so many servers.
fn electorate(servers: i64, host: &str) -> Electorate {
    let free: Vec<TcpListener> =
        (0..servers * 2).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let port = |at: i64| free[at as usize].local_addr().unwrap().port();
    let line = |id: i64| format!("server.{}={host}:{}:{}", id + 1, port(2 * id), port(2 * id + 1));
    let lines: Vec<String> = (0..servers).map(line).collect();
    let text = lines.join("\n") + "\nversion=0";
    Electorate::new(Arc::new(Members::parse(&text).unwrap()))
}

fn settings(me: i64, electorate: &Electorate) -> PeerSettings {
    let me = ServerId(me);
    PeerSettings {
        me,
        electorate: electorate.clone(),
        listen_on_all_addresses: false,
        bind_retries: Some(3),
        links: LinkSettings {
            me,
            protocol: HeaderProtocol::V1,
            connect_timeout_ms: 5000,
            header_timeout_ms: 5000,
        },
        leader_connect_ms: 5000,
        keepalive: true,
        sasl: None,
        limits: Limits::default(),
        field_max: FIELD_MAX,
        tls: None,
    }
}

impl Server {
    fn new(me: i64, electorate: &Electorate) -> Server {
        Server::with(settings(me, electorate))
    }

    fn with(settings: PeerSettings) -> Server {
        Server::with_names(settings, Resolver::new)
    }

    fn with_names(settings: PeerSettings, names: impl FnOnce(Waker) -> Resolver) -> Server {
        let small = NetSettings { ring_entries: 64, receive_buffers: 64, ..NetSettings::default() };
        let net = Net::new(small).unwrap();
        let resolver = names(net.waker());
        let peers = Peers::new(settings, resolver, clock::now());
        Server { net, peers, heard: Vec::new(), others: Vec::new() }
    }

    fn turn(&mut self) -> Result<(), PeersError> {
        self.turn_at(clock::now())
    }

    fn turn_at(&mut self, now: Millis) -> Result<(), PeersError> {
        let mut events = Vec::new();
        self.net.turn(Some(Duration::from_millis(1)), &mut events).unwrap();
        self.peers.turn(&mut self.net, &mut events, now, &mut self.heard)?;
        self.others.append(&mut events);
        Ok(())
    }

    fn command(&mut self, command: PeerCommand) {
        self.peers.command(&mut self.net, command, &mut self.heard).unwrap();
    }

    fn send(&mut self, link: Link, packet: Packet) {
        self.command(PeerCommand::Send { link, packet });
    }

    fn take<T>(&mut self, mut wanted: impl FnMut(&PeerEvent) -> Option<T>) -> Option<T> {
        let at = self.heard.iter().position(|event| wanted(event).is_some())?;
        wanted(&self.heard.remove(at))
    }

    fn is_up(&self, server: i64) -> bool {
        self.peers.mesh.links.is_up(ServerId(server))
    }
}

/// Turns all of them until there is what is waited for.
fn until<T>(servers: &mut [Server], mut found: impl FnMut(&mut [Server]) -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = found(servers) {
            return found;
        }
        servers.iter_mut().for_each(|server| server.turn().unwrap());
        assert!(began.elapsed() < Duration::from_secs(30), "waited in vain");
    }
}

/// Some turns, in which nothing is waited for.
fn idle(servers: &mut [Server]) {
    for _ in 0..20 {
        servers.iter_mut().for_each(|server| server.turn().unwrap());
    }
}

fn vote(leader: i64) -> Notification {
    Notification {
        state: PeerState::Looking,
        leader: ServerId(leader),
        zxid: Zxid(7),
        election_epoch: 1,
        peer_epoch: 0,
        version: VERSION,
        config: Some("server.1=a:1:2\nversion=0".to_owned()),
    }
}

fn heard(from: i64, leader: i64) -> impl FnMut(&PeerEvent) -> Option<()> {
    move |event| match event {
        PeerEvent::Heard { from: who, notification } => {
            (*who == ServerId(from) && notification.leader == ServerId(leader)).then_some(())
        }
        _ => None,
    }
}

fn opened(event: &PeerEvent) -> Option<Link> {
    if let PeerEvent::Opened { link } = event { Some(*link) } else { None }
}

fn connected(event: &PeerEvent) -> Option<Link> {
    if let PeerEvent::Connected { link } = event { Some(*link) } else { None }
}

fn packet(event: &PeerEvent) -> Option<(Link, Packet)> {
    if let PeerEvent::Packet { link, packet } = event {
        Some((*link, packet.clone()))
    } else {
        None
    }
}

fn failed(event: &PeerEvent) -> Option<String> {
    if let PeerEvent::ConnectFailed { why } = event { Some(why.clone()) } else { None }
}

fn closed(event: &PeerEvent) -> Option<(Link, String)> {
    if let PeerEvent::Closed { link, why } = event { Some((*link, why.clone())) } else { None }
}

/// Server 0 leads, server 1 has connected: the link at each end.
fn linked(servers: &mut [Server]) -> (Link, Link) {
    servers[0].command(PeerCommand::ListenQuorum);
    servers[1].command(PeerCommand::ConnectLeader { server: ServerId(1) });
    let here = until(servers, |servers| servers[1].take(connected));
    (until(servers, |servers| servers[0].take(opened)), here)
}

#[test]
fn every_server_hears_every_other_and_one_that_comes_back() {
    // By name, so that the resolver has its part.
    let electorate = electorate(3, "localhost");
    let mut servers: Vec<Server> = (1..=3).map(|me| Server::new(me, &electorate)).collect();
    for (at, server) in servers.iter_mut().enumerate() {
        server.command(PeerCommand::Greeting(vote(at as i64 + 1)));
    }
    let others = |me: i64| (1..=3).filter(move |other| *other != me);
    for me in 1..=3 {
        for other in others(me) {
            until(&mut servers, |servers| servers[me as usize - 1].take(heard(other, other)));
        }
    }
    servers[0].command(PeerCommand::Elect { to: ServerId(3), notification: vote(30) });
    servers[2].command(PeerCommand::Elect { to: ServerId(1), notification: vote(10) });
    until(&mut servers, |servers| servers[2].take(heard(1, 30)));
    until(&mut servers, |servers| servers[0].take(heard(3, 10)));
    let reachable = |event: &PeerEvent| matches!(event, PeerEvent::Reachable { .. }).then_some(());
    assert!(servers.iter_mut().all(|server| server.take(reachable).is_some()));

    servers.pop();
    until(&mut servers, |servers| (!servers[0].is_up(3) && !servers[1].is_up(3)).then_some(()));
    servers.push(Server::new(3, &electorate));
    servers[2].command(PeerCommand::Greeting(vote(33)));
    until(&mut servers, |servers| servers[0].take(heard(3, 33)));
    until(&mut servers, |servers| servers[1].take(heard(3, 33)));
}

#[test]
fn packets_a_snapshot_and_packets_again_come_in_order() {
    let mut servers: Vec<Server> = vec![];
    let electorate = electorate(2, "127.0.0.1");
    servers.extend((1..=2).map(|me| Server::new(me, &electorate)));
    let (there, here) = linked(&mut servers);
    servers[1].send(here, Packet::Ack { zxid: Zxid(1) });
    let ack = until(&mut servers, |servers| servers[0].take(packet));
    assert_eq!(ack, (there, Packet::Ack { zxid: Zxid(1) }));

    let mut stream = Vec::new();
    put_head(&mut stream, &[(SessionId(5), 4000)], &[]);
    for n in 0..2000 {
        let stat = StoredStat::default();
        put_node(&mut stream, &format!("/{n}"), Some(&[n as u8; 1000]), -1, &stat);
    }
    put_end(&mut stream);
    servers[0].send(there, Packet::Snap { zxid: Zxid(9) });
    for piece in stream.chunks(300_000) {
        let bytes = Bytes::copy_from_slice(piece);
        servers[0].command(PeerCommand::SendRaw { link: there, bytes });
        servers[0].command(PeerCommand::WhenDrained { link: there });
        let drained = |event: &PeerEvent| matches!(event, PeerEvent::Drained { .. }).then_some(());
        until(&mut servers, |servers| servers[0].take(drained));
    }
    servers[0].send(there, Packet::NewLeader { zxid: Zxid(0), config: None });
    let snap = until(&mut servers, |servers| servers[1].take(packet));
    assert_eq!(snap, (here, Packet::Snap { zxid: Zxid(9) }));
    let mut got = Vec::new();
    let piece = |event: &PeerEvent| match event {
        PeerEvent::Stream { bytes, .. } => Some(bytes.clone()),
        _ => None,
    };
    let is_new_leader = |event: &PeerEvent| match event {
        PeerEvent::Packet { packet: Packet::NewLeader { .. }, .. } => Some(()),
        _ => None,
    };
    until(&mut servers, |servers| servers[1].heard.iter().find_map(is_new_leader));
    // Of the election's links something may still be heard behind it.
    let behind = servers[1].heard.iter().skip_while(|event| is_new_leader(event).is_none());
    assert_eq!(behind.filter_map(piece).count(), 0, "pieces of the stream behind NEWLEADER");
    while let Some(bytes) = servers[1].take(piece) {
        got.extend_from_slice(&bytes);
    }
    assert!(got == stream, "{} of {} bytes", got.len(), stream.len());
}

#[test]
fn a_role_that_ends_takes_its_links_with_it_and_the_next_begins_anew() {
    let electorate = electorate(2, "127.0.0.1");
    let mut servers: Vec<Server> = (1..=2).map(|me| Server::new(me, &electorate)).collect();
    for _ in 0..3 {
        let (there, here) = linked(&mut servers);
        // The last word still arrives.
        servers[0].send(there, Packet::UpToDate);
        servers[0].command(PeerCommand::StopQuorum);
        servers[0].send(there, Packet::UpToDate);
        let last = until(&mut servers, |servers| servers[1].take(packet));
        assert_eq!(last, (here, Packet::UpToDate));
        let (link, why) = until(&mut servers, |servers| servers[1].take(closed));
        assert_eq!((link, &*why), (here, "closed by the peer"));
        idle(&mut servers);
        assert!(servers[0].take(closed).is_none(), "nothing is said of what was asked for");
        assert!(servers[0].quorum_is_empty() && servers[1].quorum_is_empty());
        assert!(servers[0].peers.quorum_addresses().is_empty());
    }
}

impl Server {
    fn quorum_is_empty(&self) -> bool {
        self.peers.quorum.is_empty()
    }
}

#[test]
fn a_leader_that_is_not_there_or_has_no_address_is_a_failure_like_any_other() {
    let electorate = electorate(2, "127.0.0.1");
    // A label of more than 63 letters is no name: nobody needs to be asked.
    let nowhere = "n".repeat(64);
    let lost = format!("server.2={nowhere}:1:2\nserver.3=127.0.0.1:3:4\nversion=0");
    let mut servers: Vec<Server> = (1..=2).map(|me| Server::new(me, &electorate)).collect();
    let connect = |server| PeerCommand::ConnectLeader { server: ServerId(server) };
    servers[1].command(connect(1));
    let why = until(&mut servers, |servers| servers[1].take(failed));
    assert!(why.contains("refused"), "{why}");
    servers[1].command(connect(77));
    let why = until(&mut servers, |servers| servers[1].take(failed));
    assert_eq!(why, "it has no address");
    let lost = Electorate { next: Some(Arc::new(Members::parse(&lost).unwrap())), ..electorate };
    servers[0].command(PeerCommand::Electorate(lost));
    servers[0].command(connect(2));
    let why = until(&mut servers, |servers| servers[0].take(failed));
    assert!(why.starts_with(&format!("{nowhere}: ")), "{why}");
    // Nor does the election end with it.
    until(&mut servers, |servers| {
        let gone = |event: &PeerEvent| match event {
            PeerEvent::Unreachable { server: ServerId(3) } => Some(()),
            _ => None,
        };
        servers[0].take(gone)
    });
}

#[test]
fn the_largest_packet_passes_and_a_larger_one_is_refused() {
    let electorate = electorate(2, "127.0.0.1");
    let mut servers: Vec<Server> = (1..=2).map(|me| Server::new(me, &electorate)).collect();
    let (there, here) = linked(&mut servers);
    let limits = Limits::default();
    let entry = Bytes::from(vec![7; limits.data]);
    let largest = Packet::Proposal { zxid: Zxid(1), entry };
    servers[0].send(there, largest.clone());
    let found = until(&mut servers, |servers| servers[1].take(packet));
    assert!(found == (here, largest));
    let entry = Bytes::from(vec![7; limits.data + 1]);
    servers[0].send(there, Packet::Proposal { zxid: Zxid(2), entry });
    let (link, why) = until(&mut servers, |servers| servers[1].take(closed));
    assert!(
        link == here && why.starts_with("PROPOSAL of 2097151 bytes: this server reads 2097150,"),
        "{why}"
    );
    let (link, _) = until(&mut servers, |servers| servers[0].take(closed));
    assert_eq!(link, there);
}

#[test]
fn a_name_of_our_own_that_is_not_known_yet_is_waited_for() {
    let unknown = format!("server.1={}:1:2\nversion=0", "n".repeat(64));
    let electorate = Electorate::new(Arc::new(Members::parse(&unknown).unwrap()));
    let mut server = Server::new(1, &electorate);
    let mut now = clock::now();
    for _ in 0..5 {
        // Until the answer has come and the next try is due.
        let began = Instant::now();
        server.turn_at(now).unwrap();
        while server.peers.deadline().is_none() {
            server.turn_at(now).unwrap();
            assert!(began.elapsed() < Duration::from_secs(30), "waited in vain");
        }
        now = now + 1000;
    }
    assert!(server.peers.election_addresses().is_empty());
}

/// The other end has closed or reset it.
fn is_over(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    match stream.read(&mut [0]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

#[test]
fn what_is_no_packet_ends_its_link_and_no_other() {
    let electorate = electorate(2, "127.0.0.1");
    let mut servers: Vec<Server> = (1..=2).map(|me| Server::new(me, &electorate)).collect();
    let (there, here) = linked(&mut servers);
    let address = servers[0].peers.quorum_addresses()[0];
    let mut wrong = TcpStream::connect(address).unwrap();
    wrong.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let link = until(&mut servers, |servers| servers[0].take(opened));
    let (ended, why) = until(&mut servers, |servers| servers[0].take(closed));
    assert_eq!((ended, &*why), (link, "packet of type 1195725856, known are 1 to 19"));
    until(&mut servers, |_| is_over(&mut wrong).then_some(()));
    let election = servers[0].peers.election_addresses()[0];
    let mut wrong = TcpStream::connect(election).unwrap();
    wrong.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    until(&mut servers, |_| is_over(&mut wrong).then_some(()));
    servers[0].send(there, Packet::UpToDate);
    let last = until(&mut servers, |servers| servers[1].take(packet));
    assert_eq!(last, (here, Packet::UpToDate));
}

#[test]
fn a_link_that_is_not_read_keeps_its_packets() {
    let electorate = electorate(2, "127.0.0.1");
    let mut servers: Vec<Server> = (1..=2).map(|me| Server::new(me, &electorate)).collect();
    let (there, here) = linked(&mut servers);
    servers[1].command(PeerCommand::Reading { link: here, on: false });
    idle(&mut servers);
    (1..4).for_each(|n| servers[0].send(there, Packet::Commit { zxid: Zxid(n) }));
    idle(&mut servers);
    assert!(servers[1].take(packet).is_none());
    servers[1].command(PeerCommand::Reading { link: here, on: true });
    for n in 1..4 {
        let next = until(&mut servers, |servers| servers[1].take(packet));
        assert_eq!(next.1, Packet::Commit { zxid: Zxid(n) });
    }
    // And what was not read is still told when the other end goes.
    servers[1].command(PeerCommand::Reading { link: here, on: false });
    servers[0].send(there, Packet::UpToDate);
    servers[0].command(PeerCommand::Close { link: there });
    idle(&mut servers);
    servers[1].command(PeerCommand::Reading { link: here, on: true });
    until(&mut servers, |servers| servers[1].take(closed));
    assert_eq!(servers[1].take(packet), Some((here, Packet::UpToDate)));
}

#[test]
fn a_port_that_is_taken_is_tried_again_and_then_given_up() {
    let electorate = electorate(1, "127.0.0.1");
    let members = electorate.committed.get(ServerId(1)).unwrap();
    let address = SocketAddr::new([127, 0, 0, 1].into(), members.addresses[0].election);
    let taken = TcpListener::bind(address).unwrap();
    let mut server = Server::new(1, &electorate);
    let mut now = clock::now();
    server.turn_at(now).unwrap();
    assert!(server.peers.election_addresses().is_empty());
    assert_eq!(server.peers.deadline(), Some(now + 1000));
    now = now + 1000;
    server.turn_at(now).unwrap();
    let error = server.turn_at(now + 1000).unwrap_err().to_string();
    assert!(error.starts_with("cannot listen for elections after 3 tries: 127.0.0.1:"), "{error}");
    let mut server = Server::new(1, &electorate);
    server.turn_at(now).unwrap();
    drop(taken);
    server.turn_at(now + 1000).unwrap();
    assert_eq!(server.peers.election_addresses(), [address]);
}

#[test]
fn what_belongs_to_others_on_the_same_transport_is_left_to_them() {
    let electorate = electorate(1, "127.0.0.1");
    let mut settings = settings(1, &electorate);
    settings.listen_on_all_addresses = true;
    let mut server = Server::with(settings);
    let address = server.net.listen("127.0.0.1:0".parse().unwrap(), 16).unwrap();
    server.turn().unwrap();
    let port = server.peers.election_addresses()[0].port();
    let _peer = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let _client = TcpStream::connect(address).unwrap();
    let mut servers = [server];
    let listener = until(&mut servers, |servers| {
        let mut others = servers[0].others.drain(..);
        others.find_map(|event| match event {
            NetEvent::Accepted { listener, .. } => Some(listener),
            _ => None,
        })
    });
    assert_eq!(listener, address);
    idle(&mut servers);
    assert!(!servers[0].others.iter().any(|event| matches!(event, NetEvent::Accepted { .. })));
    assert_eq!(servers[0].peers.connections(), 1);
}

#[test]
fn an_answer_that_comes_too_late_for_a_call_serves_the_next() {
    // Goal: a name server that is away takes longer to say so than a call may take. What the name
    // means is kept, and while it is asked again the server is tried where it was last.
    let there = electorate(2, "127.0.0.1");
    let text = there.committed.text().replace("server.1=127.0.0.1", "server.1=peer.test");
    let named = Electorate::new(Arc::new(Members::parse(&text).unwrap()));
    // A lookup ends when it is let.
    let (gate, gated) = mpsc::channel::<()>();
    let gated = Mutex::new(gated);
    let look_up = move |name: &str| {
        assert_eq!(name, "peer.test");
        let _ = gated.lock().unwrap().recv();
        Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])
    };
    let names = |waker| Resolver::with(waker, Arc::new(look_up));
    let mut servers = [Server::new(1, &there), Server::with_names(settings(2, &named), names)];
    let began = clock::now();
    servers[1].turn_at(began).unwrap();
    servers[1].turn_at(began + 5000).unwrap();
    let failed = |event: &PeerEvent| matches!(event, PeerEvent::Unreachable { .. }).then_some(());
    assert!(servers[1].take(failed).is_some(), "the first call is given up");
    gate.send(()).unwrap();
    while !servers[1].peers.has_mail() {
        std::thread::yield_now();
    }
    servers[1].turn_at(began + 5000).unwrap();
    // Now it calls again, and asks again, which takes as long as before.
    servers[1].turn_at(began + 7100).unwrap();
    let mut now = began + 7400;
    let waited = Instant::now();
    while !servers[1].is_up(1) {
        servers[0].turn().unwrap();
        servers[1].turn_at(now).unwrap();
        now = now + 1;
        assert!(waited.elapsed() < Duration::from_secs(2), "waited in vain");
    }
    assert!(!servers[1].peers.has_mail(), "it was not told anew");
    drop(gate);
}

/// The link of two servers: [`contract`] says what it must do.
struct Linked {
    servers: Vec<Server>,
    links: [Link; 2],
}

impl Linked {
    fn new() -> Linked {
        let electorate = electorate(2, "127.0.0.1");
        let mut servers: Vec<Server> = (1..=2).map(|me| Server::new(me, &electorate)).collect();
        let (there, here) = linked(&mut servers);
        Linked { servers, links: [there, here] }
    }
}

impl contract::Rig for Linked {
    fn link(&self, end: usize) -> Link {
        self.links[end]
    }
    fn command(&mut self, end: usize, command: PeerCommand) {
        self.servers[end].command(command);
    }
    fn run(&mut self) -> [Vec<PeerEvent>; 2] {
        for server in &mut self.servers {
            let mut events = Vec::new();
            server.net.turn(Some(Duration::ZERO), &mut events).unwrap();
            server
                .peers
                .turn(&mut server.net, &mut events, clock::now(), &mut server.heard)
                .unwrap();
        }
        [0, 1].map(|end| std::mem::take(&mut self.servers[end].heard))
    }
    /// Send and receive buffers grow to some 4 and 6 MiB.
    fn much(&self) -> usize {
        16 << 20
    }
    fn kept(&self) -> usize {
        self.servers.iter().map(|server| server.net.held()).sum()
    }
}

#[test]
fn drained_does_not_wait_for_what_is_sent_behind_it() {
    contract::drained_does_not_wait_for_what_is_sent_behind_it(&mut Linked::new());
}

#[test]
#[cfg(feature = "mutants")]
#[should_panic(expected = "nobody said so")]
fn the_contract_finds_a_drained_that_means_empty() {
    crate::mutants::choose(Some(crate::mutants::Mutant::DrainedWhenEmpty));
    contract::drained_does_not_wait_for_what_is_sent_behind_it(&mut Linked::new());
}

#[test]
fn a_link_that_is_not_read_stands_still() {
    contract::a_link_that_is_not_read_stands_still(&mut Linked::new());
}

#[test]
fn a_closed_link_leaves_nothing_behind() {
    contract::a_closed_link_leaves_nothing_behind(&mut Linked::new());
}

#[test]
#[cfg(feature = "mutants")]
#[should_panic(expected = "are kept")]
fn the_contract_finds_ids_that_never_return() {
    crate::mutants::choose(Some(crate::mutants::Mutant::IdsNeverReturn));
    contract::a_closed_link_leaves_nothing_behind(&mut Linked::new());
}

#[test]
fn moved_is_reported_of_bytes_on_their_way() {
    contract::moved_is_reported_of_bytes_on_their_way(&mut Linked::new());
}
