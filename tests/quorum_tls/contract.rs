//! The contract of a quorum link, over TLS on both ends.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringkeeper::codec::election::HeaderProtocol;
use ringkeeper::codec::quorum::Limits;
use ringkeeper::election::links::LinkSettings;
use ringkeeper::membership::{Electorate, Members};
use ringkeeper::net::{ConnOptions, Net, NetEvent, NetSettings, Security};
use ringkeeper::roles::peer_message::{PeerCommand, PeerEvent};
use ringkeeper::roles::peers::{PeerSettings, PeerTls, Peers, Resolver, contract};
use ringkeeper::runtime::clock;
use ringkeeper::types::{ConnId, Link, ServerId};

use crate::identity::{Side, current};

struct End {
    net: Net,
    peers: Peers,
    heard: Vec<PeerEvent>,
}

impl End {
    fn new(me: i64, electorate: &Electorate) -> End {
        let small = NetSettings { ring_entries: 64, receive_buffers: 64, ..NetSettings::default() };
        let net = Net::new(small).unwrap();
        let resolver = Resolver::new(net.waker());
        let me = ServerId(me);
        let settings = PeerSettings {
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
            field_max: 1 << 20,
            tls: Some(PeerTls {
                current: current(&Side::good()),
                accepts: Security::Tls,
                dials: true,
            }),
        };
        let peers = Peers::new(settings, resolver, clock::now());
        End { net, peers, heard: Vec::new() }
    }

    fn turn(&mut self) {
        let mut events = Vec::new();
        self.net.turn(Some(Duration::ZERO), &mut events).unwrap();
        self.peers.turn(&mut self.net, &mut events, clock::now(), &mut self.heard).unwrap();
    }

    fn command(&mut self, command: PeerCommand) {
        self.peers.command(&mut self.net, command, &mut self.heard).unwrap();
    }
}

struct Linked {
    ends: [End; 2],
    links: [Link; 2],
}

impl Linked {
    /// End 0 leads.
    fn new() -> Linked {
        let free: Vec<TcpListener> =
            (0..4).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let port = |at: usize| free[at].local_addr().unwrap().port();
        let line = |at: usize| {
            format!("server.{}=localhost:{}:{}\n", at + 1, port(2 * at), port(2 * at + 1))
        };
        let text = format!("{}{}version=0", line(0), line(1));
        let electorate = Electorate::new(Arc::new(Members::parse(&text).unwrap()));
        drop(free);
        let mut ends = [1, 2].map(|me| End::new(me, &electorate));
        ends[0].command(PeerCommand::ListenQuorum);
        let connect = || PeerCommand::ConnectLeader { server: ServerId(1) };
        ends[1].command(connect());
        let (mut links, began) = ([None, None], Instant::now());
        while links.iter().any(Option::is_none) {
            assert!(began.elapsed() < Duration::from_secs(30), "no link");
            for (end, link) in ends.iter_mut().zip(&mut links) {
                end.turn();
                *link = link.or(end.heard.iter().find_map(|event| match event {
                    PeerEvent::Opened { link } | PeerEvent::Connected { link } => Some(*link),
                    _ => None,
                }));
            }
            // Its name may be known to the one before the other listens.
            let failed = |event: &PeerEvent| matches!(event, PeerEvent::ConnectFailed { .. });
            if ends[1].heard.extract_if(.., |event| failed(event)).count() > 0 {
                ends[1].command(connect());
            }
        }
        Linked { ends, links: links.map(Option::unwrap) }
    }
}

impl contract::Rig for Linked {
    fn link(&self, end: usize) -> Link {
        self.links[end]
    }
    fn command(&mut self, end: usize, command: PeerCommand) {
        self.ends[end].command(command);
    }
    fn run(&mut self) -> [Vec<PeerEvent>; 2] {
        self.ends.iter_mut().for_each(End::turn);
        [0, 1].map(|end| std::mem::take(&mut self.ends[end].heard))
    }
    fn much(&self) -> usize {
        16 << 20
    }
    fn kept(&self) -> usize {
        self.ends.iter().map(|end| end.net.held()).sum()
    }
}

#[test]
fn drained_does_not_wait_for_what_is_sent_behind_it() {
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
fn moved_is_reported_of_bytes_on_their_way() {
    contract::moved_is_reported_of_bytes_on_their_way(&mut Linked::new());
}

/// Two transports with a connection under TLS between them: the dialer's end and the other's.
fn connected(side: &Side) -> ([Net; 2], [ConnId; 2]) {
    let mut nets = [0, 1].map(|_| {
        let mut net = Net::new(NetSettings::default()).unwrap();
        net.serve_peer_tls(current(side));
        net
    });
    let at = nets[1].listen_for_servers("127.0.0.1:0".parse().unwrap(), 16, Security::Tls).unwrap();
    let options = ConnOptions { keepalive: None, dead_after: None, outbound_close: 1 << 30 };
    let dialed =
        nets[0].connect_secured(at, Duration::from_secs(20), &options, "localhost").unwrap();
    let (mut accepted, mut is_there) = (None, false);
    let began = Instant::now();
    while !(is_there && accepted.is_some_and(|conn| !nets[1].is_handshaking(conn))) {
        assert!(began.elapsed() < Duration::from_secs(20), "no session");
        let mut events = Vec::new();
        nets[0].turn(Some(Duration::from_millis(1)), &mut events).unwrap();
        is_there |= events.iter().any(|event| matches!(event, NetEvent::Connected(_)));
        let mut events = Vec::new();
        nets[1].turn(Some(Duration::from_millis(1)), &mut events).unwrap();
        for event in events {
            if let NetEvent::Accepted { fd, peer, security, .. } = event {
                accepted = Some(nets[1].adopt_peer(fd, peer, &options, security));
            }
        }
    }
    (nets, [dialed, accepted.unwrap()])
}

#[test]
fn what_is_unsent_counts_the_roles_own_bytes() {
    // Goal: bounds, marks and `Drained` are about what a role has appended, not about what that comes to
    // under TLS; what the other machine has acknowledged is compared with what went over the wire.
    const PIECE: usize = 1 << 20;
    const PIECES: usize = 24;
    let (mut nets, [dialed, accepted]) = connected(&Side::good());
    nets[1].pause(accepted);
    assert_eq!((nets[0].taken(dialed), nets[0].unsent(dialed)), (0, 0), "a handshake is nobody's");
    let mut events = Vec::new();
    let mut seen_between = false;
    for piece in 1..=PIECES {
        nets[0].output(dialed).unwrap().extend_from_slice(&[7; PIECE]);
        for _ in 0..20 {
            nets[0].turn(Some(Duration::ZERO), &mut events).unwrap();
            events.clear();
            let (taken, unsent) = (nets[0].taken(dialed), nets[0].unsent(dialed));
            assert_eq!(taken + unsent as u64, (piece * PIECE) as u64);
            seen_between |= taken > 0 && unsent > 0;
        }
    }
    assert!(seen_between, "the kernel took everything at once");
    nets[1].resume(accepted);
    let (mut read, began) = (0, Instant::now());
    while read < PIECES * PIECE {
        assert!(began.elapsed() < Duration::from_secs(60), "{read} bytes have come");
        for net in &mut nets {
            net.turn(Some(Duration::ZERO), &mut events).unwrap();
            events.clear();
        }
        let came = nets[1].input(accepted).len();
        nets[1].consume(accepted, came);
        read += came;
    }
    assert_eq!((read, nets[0].unsent(dialed)), (PIECES * PIECE, 0));
    let queued = nets[0].queued(dialed);
    assert!(queued > (PIECES * PIECE) as u64, "the wire carries more than the role's bytes");
    while nets[0].acknowledged(dialed) < queued {
        assert!(began.elapsed() < Duration::from_secs(60), "not acknowledged");
    }
}
