//! A transport and its peers, whichever.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use ringkeeper::net::{Net, NetEvent, NetSettings};
use ringkeeper::roles::network::Transport;
use ringkeeper::types::ConnId;
use ringkeeper_sim::transport::{Bounds, SimTransport};

/// The bounds of both.
pub(super) const INBOUND: usize = 100_000;
pub(super) const THROTTLED: usize = 20_000;
pub(super) const PAUSE: usize = 50_000;

/// How a peer finds its connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Seen {
    Open,
    Ended,
    Reset,
}

/// A transport under test, and the other ends of its connections.
pub(crate) trait Side {
    type Net: Transport;
    fn new() -> Self;
    fn net(&mut self) -> &mut Self::Net;
    /// One turn: what it tells.
    fn turn(&mut self) -> Vec<NetEvent>;
    fn connect(&mut self) -> ConnId;
    fn peer_sends(&mut self, conn: ConnId, bytes: &[u8]);
    /// The peer ends its direction and goes on reading.
    fn peer_ends(&mut self, conn: ConnId);
    /// The peer is gone: it has ended its direction, and what it is sent is answered with a reset.
    fn peer_hangs_up(&mut self, conn: ConnId);
    fn peer_resets(&mut self, conn: ConnId);
    /// What the peer finds to read now.
    fn peer_reads(&mut self, conn: ConnId) -> (Vec<u8>, Seen);
}

/// The kernel's, over sockets.
pub(crate) struct Real {
    net: Net,
    listener: TcpListener,
    peers: BTreeMap<ConnId, TcpStream>,
}

impl Side for Real {
    type Net = Net;

    fn new() -> Real {
        let settings = NetSettings {
            ring_entries: 64,
            receive_buffers: 64,
            receive_buffer_bytes: 4096,
            inbound_pause: INBOUND,
            inbound_throttled: THROTTLED,
            outbound_pause: PAUSE,
            ..NetSettings::default()
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Real { net: Net::new(settings).unwrap(), listener, peers: BTreeMap::new() }
    }

    fn net(&mut self) -> &mut Net {
        &mut self.net
    }

    fn turn(&mut self) -> Vec<NetEvent> {
        let mut events = Vec::new();
        self.net.turn(Some(Duration::from_millis(2)), &mut events).unwrap();
        events
    }

    fn connect(&mut self) -> ConnId {
        let peer = TcpStream::connect(self.listener.local_addr().unwrap()).unwrap();
        peer.set_nodelay(true).unwrap();
        peer.set_nonblocking(true).unwrap();
        let (socket, address) = self.listener.accept().unwrap();
        let conn = self.net.adopt(socket.into(), address);
        self.peers.insert(conn, peer);
        conn
    }

    fn peer_sends(&mut self, conn: ConnId, bytes: &[u8]) {
        let mut left = bytes;
        while !left.is_empty() {
            match (&self.peers[&conn]).write(left) {
                Ok(n) => left = &left[n..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // The transport has closed it.
                Err(_) => return,
            }
        }
    }

    fn peer_ends(&mut self, conn: ConnId) {
        let _ = self.peers[&conn].shutdown(Shutdown::Write);
    }

    fn peer_hangs_up(&mut self, conn: ConnId) {
        // With something unread it would be a reset at once.
        self.peer_reads(conn);
        self.peers.remove(&conn);
    }

    fn peer_resets(&mut self, conn: ConnId) {
        if let Some(peer) = self.peers.remove(&conn) {
            socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
        }
    }

    fn peer_reads(&mut self, conn: ConnId) -> (Vec<u8>, Seen) {
        let mut got = Vec::new();
        let mut buffer = [0; 65_536];
        loop {
            match (&self.peers[&conn]).read(&mut buffer) {
                Ok(0) => return (got, Seen::Ended),
                Ok(n) => got.extend_from_slice(&buffer[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return (got, Seen::Open),
                Err(_) => return (got, Seen::Reset),
            }
        }
    }
}

/// The simulator's.
pub(crate) struct Simulated {
    net: SimTransport,
    peers: BTreeMap<u64, Peer>,
    wires: BTreeMap<ConnId, u64>,
}

struct Peer {
    conn: ConnId,
    got: Vec<u8>,
    seen: Seen,
    is_gone: bool,
}

impl Simulated {
    fn peer(&mut self, conn: ConnId) -> &mut Peer {
        self.peers.get_mut(&self.wires[&conn]).unwrap()
    }
}

impl Side for Simulated {
    type Net = SimTransport;

    fn new() -> Simulated {
        let bounds =
            Bounds { inbound_pause: INBOUND, inbound_throttled: THROTTLED, outbound_pause: PAUSE };
        let (peers, wires) = Default::default();
        Simulated { net: SimTransport::new(bounds), peers, wires }
    }

    fn net(&mut self) -> &mut SimTransport {
        &mut self.net
    }

    fn turn(&mut self) -> Vec<NetEvent> {
        let mut sent = Vec::new();
        self.net.take_sent(&mut sent);
        for sent in sent {
            let peer = self.peers.get_mut(&sent.wire).unwrap();
            if peer.is_gone && !sent.bytes.is_empty() {
                self.net.was_reset(peer.conn);
            }
            peer.got.extend(sent.bytes);
            if sent.ended && peer.seen == Seen::Open {
                peer.seen = Seen::Ended;
            }
        }
        self.net.take_events()
    }

    fn connect(&mut self) -> ConnId {
        let wire = self.peers.len() as u64;
        let conn = self.net.open(wire, None);
        self.peers.insert(wire, Peer { conn, got: Vec::new(), seen: Seen::Open, is_gone: false });
        self.wires.insert(conn, wire);
        conn
    }

    fn peer_sends(&mut self, conn: ConnId, bytes: &[u8]) {
        self.net.received(conn, bytes);
    }

    fn peer_ends(&mut self, conn: ConnId) {
        self.net.ended(conn);
    }

    fn peer_hangs_up(&mut self, conn: ConnId) {
        self.peer(conn).is_gone = true;
        self.net.ended(conn);
    }

    fn peer_resets(&mut self, conn: ConnId) {
        self.peer(conn).is_gone = true;
        self.net.was_reset(conn);
    }

    fn peer_reads(&mut self, conn: ConnId) -> (Vec<u8>, Seen) {
        let peer = self.peer(conn);
        (std::mem::take(&mut peer.got), peer.seen)
    }
}
