//! Connections that this side opens: they come to be, are refused, take too long, are given up; and
//! listeners that close for good and come back.

#![allow(clippy::unwrap_used)] // A test may.

mod net_support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use net_support::{Server, echo, turn_until};
use ringkeeper::net::{CloseReason, ConnOptions, How, Net, NetEvent, NetSettings};
use ringkeeper::types::ConnId;

const OPTIONS: ConnOptions =
    ConnOptions { keepalive: Some(Duration::ZERO), dead_after: None, outbound_close: 64 << 20 };
const LONG: Duration = Duration::from_secs(20);

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// The first event about `conn`.
fn first(net: &mut Net, conn: ConnId) -> NetEvent {
    turn_until(net, |_, event| match event {
        NetEvent::Connected(at) | NetEvent::Closed(at, _) if at == conn => {
            ControlFlow::Break(event)
        }
        _ => ControlFlow::Continue(()),
    })
}

fn closed(net: &mut Net, conn: ConnId) -> CloseReason {
    match first(net, conn) {
        NetEvent::Closed(_, reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_sent_on_a_connection_of_ours_comes_back() {
    let server = Server::start(NetSettings::default(), echo);
    let mut net = Net::new(NetSettings::default()).unwrap();
    let conn = net.connect(server.address, LONG, &OPTIONS).unwrap();
    assert!(net.output(conn).is_none(), "not before it is there");
    assert!(matches!(first(&mut net, conn), NetEvent::Connected(_)));
    assert_eq!((net.len(), net.peer(conn)), (1, Some(server.address)));
    let sent: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8).collect();
    net.output(conn).unwrap().extend_from_slice(&sent);
    turn_until(&mut net, |net, event| match event {
        NetEvent::Received(_) if net.input(conn).len() == sent.len() => ControlFlow::Break(()),
        NetEvent::Closed(..) => panic!("{event:?}"),
        _ => ControlFlow::Continue(()),
    });
    assert!(net.input(conn) == sent);
    net.close(conn, How::AfterFlush);
    assert_eq!(closed(&mut net, conn), CloseReason::Asked);
}

#[test]
fn nobody_listens_there() {
    let free = TcpListener::bind(loopback()).unwrap().local_addr().unwrap();
    let mut net = Net::new(NetSettings::default()).unwrap();
    let conn = net.connect(free, LONG, &OPTIONS).unwrap();
    assert_eq!(closed(&mut net, conn), CloseReason::Socket(libc::ECONNREFUSED));
    assert!(net.is_empty());
}

/// A listener whose queue is full: the kernel drops further attempts, which hang.
fn full() -> (socket2::Socket, SocketAddr, Vec<TcpStream>) {
    let listener =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener.bind(&loopback().into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let patience = Duration::from_millis(300);
    let taken =
        (0..16).map_while(|_| TcpStream::connect_timeout(&address, patience).ok()).collect();
    (listener, address, taken)
}

#[test]
fn an_attempt_that_hangs_ends_in_time_or_when_it_is_given_up() {
    let (_listener, address, taken) = full();
    assert!(taken.len() < 16, "the queue is full");
    let mut net = Net::new(NetSettings::default()).unwrap();
    let began = Instant::now();
    let conn = net.connect(address, Duration::from_millis(200), &OPTIONS).unwrap();
    assert_eq!(closed(&mut net, conn), CloseReason::ConnectTimeout);
    assert!(began.elapsed() >= Duration::from_millis(200));
    for how in [How::AfterFlush, How::Now, How::Reset] {
        let conn = net.connect(address, LONG, &OPTIONS).unwrap();
        net.turn(Some(Duration::ZERO), &mut Vec::new()).unwrap();
        net.close(conn, how);
        assert_eq!(closed(&mut net, conn), CloseReason::Asked, "{how:?}");
    }
    // Given up before the kernel was asked, and with the transport itself.
    let conn = net.connect(address, LONG, &OPTIONS).unwrap();
    net.close(conn, How::Now);
    assert_eq!(closed(&mut net, conn), CloseReason::Asked);
    net.connect(address, LONG, &OPTIONS).unwrap();
    net.turn(Some(Duration::ZERO), &mut Vec::new()).unwrap();
    let began = Instant::now();
    drop(net);
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn many_connections_come_and_go_at_once() {
    let server = Server::start(NetSettings::default(), echo);
    let mut net = Net::new(NetSettings::default()).unwrap();
    for round in 0..3u8 {
        let mut open: Vec<ConnId> =
            (0..200).map(|_| net.connect(server.address, LONG, &OPTIONS).unwrap()).collect();
        turn_until(&mut net, |net, event| {
            match event {
                NetEvent::Connected(conn) => net.output(conn).unwrap().push(round),
                NetEvent::Received(conn) => {
                    assert_eq!(net.input(conn), [round]);
                    net.consume(conn, 1);
                    net.close(conn, if conn.slot % 2 == 0 { How::Now } else { How::AfterFlush });
                }
                NetEvent::Closed(conn, reason) => {
                    assert_eq!(reason, CloseReason::Asked);
                    net.release(conn);
                    open.retain(|other| *other != conn);
                }
                other => panic!("{other:?}"),
            }
            if open.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(net.is_empty());
    }
}

#[test]
fn a_closed_listener_takes_nobody_and_its_address_is_free_at_once() {
    let mut net = Net::new(NetSettings::default()).unwrap();
    let other = net.listen(loopback(), 16).unwrap();
    let address = net.listen(loopback(), 16).unwrap();
    for _ in 0..5 {
        net.turn(Some(Duration::ZERO), &mut Vec::new()).unwrap();
        // One that has connected, and that nobody has told of yet.
        let mut waiting = TcpStream::connect(address).unwrap();
        net.stop_listening_at(address);
        assert!(TcpStream::connect(address).is_err());
        assert_eq!(net.listen(address, 16).unwrap(), address);
        let peer = TcpStream::connect(address).unwrap().local_addr().unwrap();
        turn_until(&mut net, |_, event| match event {
            NetEvent::Accepted { peer: from, listener, .. } if from == peer => {
                assert_eq!(listener, address);
                ControlFlow::Break(())
            }
            other => panic!("{other:?}"),
        });
        waiting.set_read_timeout(Some(LONG)).unwrap();
        assert!(!matches!(waiting.read(&mut [0]), Ok(1..)));
    }
    // The others are not touched.
    let peer = TcpStream::connect(other).unwrap().local_addr().unwrap();
    turn_until(&mut net, |_, event| match event {
        NetEvent::Accepted { peer: from, .. } if from == peer => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
}

#[test]
fn a_connection_hears_its_peer_though_that_does_not_read() {
    let settings = NetSettings { outbound_pause: 1 << 16, ..NetSettings::default() };
    let mut net = Net::new(settings).unwrap();
    let address = net.listen(loopback(), 16).unwrap();
    let mut peer = TcpStream::connect(address).unwrap();
    let conn = turn_until(&mut net, |net, event| match event {
        NetEvent::Accepted { fd, peer, .. } => {
            ControlFlow::Break(net.adopt_with(fd, peer, &OPTIONS))
        }
        _ => ControlFlow::Continue(()),
    });
    // More than any socket buffer: the peer does not read it now.
    net.output(conn).unwrap().resize(32 << 20, 7);
    net.mark(conn);
    peer.write_all(b"hello").unwrap();
    turn_until(&mut net, |net, event| match event {
        NetEvent::Received(_) if net.input(conn) == b"hello" => ControlFlow::Break(()),
        NetEvent::Drained(_) => panic!("nobody has read it"),
        _ => ControlFlow::Continue(()),
    });
    let reading = std::thread::spawn(move || {
        let mut left = 32 << 20;
        let mut buffer = vec![0; 1 << 16];
        while left > 0 {
            left -= peer.read(&mut buffer).unwrap();
        }
        peer
    });
    turn_until(&mut net, |net, event| match event {
        NetEvent::Drained(_) if net.unsent(conn) == 0 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    let _peer = reading.join().unwrap();
    // With nothing unsent, it is said at once, and once.
    net.mark(conn);
    let mut events = Vec::new();
    net.turn(Some(Duration::ZERO), &mut events).unwrap();
    assert!(matches!(events[..], [NetEvent::Drained(_)]), "{events:?}");
    events.clear();
    net.turn(Some(Duration::ZERO), &mut events).unwrap();
    assert!(events.is_empty(), "{events:?}");
}

/// A connection of these options, and its peer.
fn accepted(net: &mut Net, options: &ConnOptions) -> (ConnId, TcpStream) {
    let address = net.listen(loopback(), 16).unwrap();
    let peer = TcpStream::connect(address).unwrap();
    let conn = turn_until(net, |net, event| match event {
        NetEvent::Accepted { fd, peer, .. } => {
            ControlFlow::Break(net.adopt_with(fd, peer, options))
        }
        _ => ControlFlow::Continue(()),
    });
    (conn, peer)
}

#[test]
fn a_mark_is_passed_on_a_connection_that_is_never_empty() {
    // Goal: what stood before the mark decides, not what was queued behind it.
    const PIECE: usize = 1 << 20;
    let mut net = Net::new(NetSettings::default()).unwrap();
    let (conn, mut peer) = accepted(&mut net, &OPTIONS);
    peer.set_nonblocking(true).unwrap();
    // More than any socket buffer.
    net.output(conn).unwrap().resize(24 * PIECE, 7);
    let mark = net.mark(conn);
    assert_eq!(mark, 24 * PIECE as u64);
    let (mut events, mut read) = (Vec::new(), 0);
    let mut buffer = vec![0; PIECE];
    loop {
        net.turn(Some(Duration::ZERO), &mut events).unwrap();
        if events.drain(..).any(|event| matches!(event, NetEvent::Drained(_))) {
            break;
        }
        assert!(net.taken(conn) < mark + PIECE as u64, "the mark was passed in silence");
        // As much comes as goes: at no time is less than before unsent.
        let got = peer.read(&mut buffer).unwrap_or(0);
        net.output(conn).unwrap().extend_from_slice(&buffer[..got]);
        read += got;
    }
    assert!(net.taken(conn) >= mark && net.unsent(conn) >= 12 * PIECE, "{}", net.unsent(conn));
    // What the peer's machine has is counted, too: all that was read, and of the send under way as
    // much as has left.
    let (acknowledged, queued) =
        (net.acknowledged(conn), net.taken(conn) + net.unsent(conn) as u64);
    assert!((read as u64..=queued + 1).contains(&acknowledged), "{acknowledged} of {read}");
}

#[test]
fn what_may_be_unsent_is_a_connection_s_own() {
    // Goal: bounds for clients close no connection between servers, nor the other way round.
    let settings = NetSettings { outbound_close: 1 << 20, ..NetSettings::default() };
    let mut net = Net::new(settings).unwrap();
    let (conn, _peer) = accepted(&mut net, &ConnOptions { outbound_close: 24 << 20, ..OPTIONS });
    let mut events = Vec::new();
    net.output(conn).unwrap().resize(20 << 20, 7);
    for _ in 0..50 {
        net.turn(Some(Duration::from_millis(1)), &mut events).unwrap();
    }
    assert!(events.is_empty(), "{events:?}");
    net.output(conn).unwrap().resize(32 << 20, 7);
    let reason = turn_until(&mut net, |_, event| match event {
        NetEvent::Closed(who, reason) if who == conn => ControlFlow::Break(reason),
        _ => ControlFlow::Continue(()),
    });
    assert!(matches!(reason, CloseReason::SlowReader { limit: 0x180_0000, .. }), "{reason}");
}

#[test]
fn how_long_a_silent_machine_is_believed_in_is_a_connection_s_own() {
    // Goal: what the kernel is told, of a connection that was taken and of one of ours.
    let options = ConnOptions { dead_after: Some(Duration::from_secs(4)), ..OPTIONS };
    let listener = TcpListener::bind(loopback()).unwrap();
    let address = listener.local_addr().unwrap();
    let _other = TcpStream::connect(address).unwrap();
    let (taken, peer) = listener.accept().unwrap();
    let seen = taken.try_clone().unwrap();
    let mut net = Net::new(NetSettings::default()).unwrap();
    net.adopt_with(taken.into(), peer, &options);
    let seen = socket2::SockRef::from(&seen);
    assert_eq!(seen.tcp_user_timeout().unwrap(), Some(Duration::from_secs(4)));
    assert!(seen.keepalive().unwrap());
    assert_eq!(seen.tcp_keepalive_time().unwrap(), Duration::from_secs(2));
    assert_eq!(seen.tcp_keepalive_interval().unwrap(), Duration::from_secs(1));
}
