//! How connections end: in order, at once, by reset, by failure; and that they end once.

#![allow(clippy::unwrap_used)] // A test may.

mod net_support;

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::ops::ControlFlow;
use std::time::Duration;

use net_support::{rng::Rng, turn_until};
use ringkeeper::net::{CloseReason, How, Net, NetEvent, NetSettings};
use ringkeeper::types::ConnId;
use socket2::SockRef;

/// A transport on this thread with one connection, and its peer.
fn pair(settings: NetSettings) -> (Net, ConnId, TcpStream) {
    let mut net = Net::new(settings).unwrap();
    let address = net.listen("127.0.0.1:0".parse().unwrap(), 16).unwrap();
    let peer = TcpStream::connect(address).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let conn = accept_one(&mut net);
    (net, conn, peer)
}

fn accept_one(net: &mut Net) -> ConnId {
    turn_until(net, |net, event| match event {
        NetEvent::Accepted { fd, peer, .. } => ControlFlow::Break(net.adopt(fd, peer)),
        _ => ControlFlow::Continue(()),
    })
}

fn closed(net: &mut Net) -> (ConnId, CloseReason) {
    turn_until(net, |net, event| match event {
        NetEvent::Ended(conn) => {
            net.close(conn, How::AfterFlush);
            ControlFlow::Continue(())
        }
        NetEvent::Closed(conn, reason) => {
            net.release(conn);
            ControlFlow::Break((conn, reason))
        }
        _ => ControlFlow::Continue(()),
    })
}

fn received(net: &mut Net, at_least: usize) {
    turn_until(net, |net, event| match event {
        NetEvent::Received(conn) if net.input(conn).len() >= at_least => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    })
}

#[test]
fn an_orderly_close_sends_everything_to_a_peer_that_is_still_sending() {
    let (mut net, conn, mut peer) = pair(NetSettings::default());
    let reply: Vec<u8> = (0..3_000_000u32).map(|n| (n % 253) as u8).collect();
    // Bytes that nobody reads would turn a plain close into a reset.
    peer.write_all(&[7; 100_000]).unwrap();
    received(&mut net, 1);
    net.output(conn).unwrap().extend_from_slice(&reply);
    net.close(conn, How::AfterFlush);
    assert!(net.output(conn).is_none() && net.input(conn).is_empty());
    let reading = std::thread::spawn(move || {
        let mut got = Vec::new();
        let end = peer.read_to_end(&mut got);
        (got, end.map(drop).map_err(|error| error.kind()))
    });
    assert_eq!(closed(&mut net), (conn, CloseReason::Asked));
    assert!(net.is_empty());
    // The peer ends once it has seen our end.
    let mut events = Vec::new();
    while !reading.is_finished() {
        net.turn(Some(Duration::from_millis(50)), &mut events).unwrap();
    }
    let (got, end) = reading.join().unwrap();
    assert_eq!((got.len(), end), (reply.len(), Ok(())));
    assert!(got == reply && events.is_empty());
}

#[test]
fn an_orderly_close_does_not_wait_for_ever() {
    let settings = NetSettings { flush: Duration::from_millis(50), ..NetSettings::default() };
    let (mut net, conn, _peer) = pair(settings);
    net.output(conn).unwrap().resize(16 << 20, 1);
    net.close(conn, How::AfterFlush);
    let (who, reason) = closed(&mut net);
    assert!(who == conn && matches!(reason, CloseReason::Undelivered { unsent: 1.. }), "{reason}");
}

#[test]
fn a_reset_is_seen_as_one() {
    let (mut net, conn, mut peer) = pair(NetSettings::default());
    net.close(conn, How::Reset);
    assert_eq!(closed(&mut net), (conn, CloseReason::Asked));
    net.turn(Some(Duration::from_millis(50)), &mut Vec::new()).unwrap();
    assert_eq!(peer.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn closing_now_drops_what_is_unsent() {
    let (mut net, conn, mut peer) = pair(NetSettings::default());
    net.output(conn).unwrap().resize(32 << 20, 1);
    net.turn(Some(Duration::ZERO), &mut Vec::new()).unwrap();
    assert!(net.unsent(conn) > 0, "the send is in flight");
    net.close(conn, How::Now);
    assert_eq!(closed(&mut net), (conn, CloseReason::Asked));
    let reading = std::thread::spawn(move || std::io::copy(&mut peer, &mut std::io::sink()));
    let mut events = Vec::new();
    while !reading.is_finished() {
        net.turn(Some(Duration::from_millis(20)), &mut events).unwrap();
    }
    assert!(events.is_empty() && reading.join().unwrap().unwrap_or(0) < 32 << 20);
}

#[test]
fn a_peer_that_resets_is_told_from_one_that_ends() {
    let (mut net, conn, peer) = pair(NetSettings::default());
    SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
    drop(peer);
    assert_eq!(closed(&mut net), (conn, CloseReason::PeerReset));

    let (mut net, conn, peer) = pair(NetSettings::default());
    drop(peer);
    assert_eq!(closed(&mut net), (conn, CloseReason::PeerClosed));
}

#[test]
fn what_came_before_the_peers_end_is_read_and_answered() {
    let (mut net, conn, mut peer) = pair(NetSettings::default());
    net.pause(conn);
    net.turn(Some(Duration::ZERO), &mut Vec::new()).unwrap();
    peer.write_all(b"ruok").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    net.turn(Some(Duration::from_millis(20)), &mut Vec::new()).unwrap();
    net.resume(conn);
    let mut seen = Vec::new();
    let reason = turn_until(&mut net, |net, event| {
        match event {
            NetEvent::Received(_) => {
                assert_eq!(net.input(conn), b"ruok");
                net.consume(conn, 4);
                seen.push("received");
            }
            NetEvent::Ended(_) => {
                // The answer is owed behind the end, too.
                net.output(conn).unwrap().extend_from_slice(b"imok");
                net.close(conn, How::AfterFlush);
                seen.push("ended");
            }
            NetEvent::Closed(_, reason) => return ControlFlow::Break(reason),
            other => panic!("{other:?}"),
        }
        ControlFlow::Continue(())
    });
    assert_eq!((seen, reason), (vec!["received", "ended"], CloseReason::PeerClosed));
    net.turn(Some(Duration::ZERO), &mut Vec::new()).unwrap();
    let mut got = Vec::new();
    peer.read_to_end(&mut got).unwrap();
    assert_eq!(got, b"imok");
}

#[test]
fn an_old_name_never_reaches_the_next_user_of_its_slot() {
    let (mut net, old, peer) = pair(NetSettings::default());
    let address = peer.local_addr().unwrap();
    drop(peer);
    closed(&mut net);
    net.turn(Some(Duration::ZERO), &mut Vec::new()).unwrap();
    let address = net.listen(SocketAddr::new(address.ip(), 0), 16).unwrap();
    let mut peer = TcpStream::connect(address).unwrap();
    let new = accept_one(&mut net);
    assert_eq!(old.slot, new.slot, "or this test shows nothing");
    peer.write_all(b"x").unwrap();
    received(&mut net, 1);
    assert!(net.output(old).is_none() && net.input(old).is_empty() && net.peer(old).is_none());
    net.pause(old);
    net.close(old, How::Reset);
    assert_eq!((net.input(new), net.conns().collect::<Vec<_>>()), (&b"x"[..], vec![new]));
    net.output(new).unwrap().push(b'y');
    net.turn(Some(Duration::ZERO), &mut Vec::new()).unwrap();
    let mut got = [0];
    peer.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"y");
}

#[test]
fn dropping_a_transport_with_everything_in_flight_frees_its_peers() {
    let (mut net, conn, peer) = pair(NetSettings::default());
    net.output(conn).unwrap().resize(32 << 20, 1);
    let address = net.listen("127.0.0.1:0".parse().unwrap(), 16).unwrap();
    net.turn(Some(Duration::ZERO), &mut Vec::new()).unwrap();
    let (_never_adopted, waker) = (TcpStream::connect(address).unwrap(), net.waker());
    drop(net);
    waker.wake();
    // The read ends, whichever way.
    let _ = std::io::copy(&mut { peer }, &mut std::io::sink());
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
}

/// Random closes, pauses, resumes and resets on both sides, many times over.
#[test]
fn every_connection_ends_exactly_once_whatever_races() {
    let settings = NetSettings {
        receive_buffers: 16,
        receive_buffer_bytes: 128,
        outbound_pause: 4 << 10,
        outbound_close: 64 << 10,
        linger: Duration::from_millis(5),
        flush: Duration::from_millis(20),
        ..NetSettings::default()
    };
    const CLIENTS: u64 = 4;
    const EACH: u64 = 150;
    let mut net = Net::new(settings).unwrap();
    let address = net.listen("127.0.0.1:0".parse().unwrap(), 1024).unwrap();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|seed| std::thread::spawn(move || misbehave(address, seed, EACH)))
        .collect();
    let mut rng = Rng::new(99);
    let mut alive: HashMap<ConnId, bool> = HashMap::new();
    let mut paused = Vec::new();
    let (mut ended, mut events) = (0, Vec::new());
    let mut quiet = 0;
    // Over when the clients are gone and nothing has happened for a while.
    while quiet < 3 {
        net.turn(Some(Duration::from_millis(20)), &mut events).unwrap();
        let over = clients.iter().all(|client| client.is_finished());
        quiet = if over && events.is_empty() && alive.is_empty() { quiet + 1 } else { 0 };
        for event in events.drain(..) {
            match event {
                NetEvent::Accepted { fd, peer, .. } => {
                    assert!(alive.insert(net.adopt(fd, peer), true).is_none());
                }
                NetEvent::Received(conn) => {
                    assert!(alive.contains_key(&conn), "an event after the end");
                    let n = net.input(conn).len() / 2 + 1;
                    net.consume(conn, n.min(net.input(conn).len()));
                    act(&mut net, conn, rng.below(8), &mut paused);
                }
                NetEvent::Drained(conn) => assert!(alive.contains_key(&conn)),
                NetEvent::Ended(conn) => {
                    assert!(alive.contains_key(&conn), "an end after the end");
                    net.close(conn, How::AfterFlush);
                }
                NetEvent::Closed(conn, _) => {
                    net.release(conn);
                    assert!(alive.remove(&conn).is_some(), "it ends once");
                    ended += 1;
                }
                NetEvent::Connected(_) | NetEvent::Woken => {}
            }
        }
        for conn in paused.drain(..) {
            net.resume(conn);
        }
        assert_eq!(net.len(), alive.len());
    }
    clients.into_iter().for_each(|client| client.join().unwrap());
    assert!(ended > 0 && net.conns().next().is_none());
    assert_eq!(net.receive_buffers_in_use(), 0, "no buffer is lost on any way");
}

/// A peer that takes its time: so much every few milliseconds, to the end or a failure.
fn read_slowly(
    mut peer: TcpStream,
    piece: usize,
    pause: Duration,
) -> std::thread::JoinHandle<(usize, Result<(), ErrorKind>)> {
    std::thread::spawn(move || {
        let mut buffer = vec![0; piece];
        let mut got = 0;
        loop {
            std::thread::sleep(pause);
            match peer.read(&mut buffer) {
                Ok(0) => return (got, Ok(())),
                Ok(n) => got += n,
                Err(error) => return (got, Err(error.kind())),
            }
        }
    })
}

#[test]
fn an_orderly_close_waits_for_a_peer_that_reads_slowly() {
    // Goal: what counts is that it reads, not how long that takes in all.
    let settings = NetSettings {
        flush: Duration::from_millis(300),
        linger: Duration::from_millis(50),
        ..NetSettings::default()
    };
    let (mut net, conn, peer) = pair(settings);
    const ALL: usize = 24 << 20;
    net.output(conn).unwrap().resize(ALL, 1);
    net.close(conn, How::AfterFlush);
    let reading = read_slowly(peer, 256 << 10, Duration::from_millis(15));
    assert_eq!(closed(&mut net), (conn, CloseReason::Asked));
    while !reading.is_finished() {
        net.turn(Some(Duration::from_millis(20)), &mut Vec::new()).unwrap();
    }
    assert_eq!(reading.join().unwrap(), (ALL, Ok(())));
}

#[test]
fn what_is_cut_off_does_not_look_whole() {
    // Goal: an answer that a peer did not take in time ends in a reset, not in an orderly end.
    let settings = NetSettings { flush: Duration::from_millis(50), ..NetSettings::default() };
    let (mut net, conn, mut peer) = pair(settings);
    net.output(conn).unwrap().resize(32 << 20, 1);
    net.close(conn, How::AfterFlush);
    let (_, reason) = closed(&mut net);
    assert!(matches!(reason, CloseReason::Undelivered { unsent: 1.. }), "{reason}");
    let reading = std::thread::spawn(move || std::io::copy(&mut peer, &mut std::io::sink()));
    while !reading.is_finished() {
        net.turn(Some(Duration::from_millis(5)), &mut Vec::new()).unwrap();
    }
    assert_eq!(reading.join().unwrap().unwrap_err().kind(), ErrorKind::ConnectionReset);
}

fn act(net: &mut Net, conn: ConnId, what: u32, paused: &mut Vec<ConnId>) {
    match what {
        0 => net.close(conn, How::AfterFlush),
        1 => net.close(conn, How::Now),
        2 => net.close(conn, How::Reset),
        3 => {
            net.pause(conn);
            paused.push(conn);
        }
        _ => {
            if let Some(output) = net.output(conn) {
                output.resize(output.len() + 3000, 1);
            }
        }
    }
    if what == 0 {
        // Twice, the other way.
        net.close(conn, How::Now);
    }
}

fn misbehave(address: SocketAddr, seed: u64, times: u64) {
    let mut rng = Rng::new(seed);
    for _ in 0..times {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        for _ in 0..rng.below(6) {
            let block = vec![0; 1 + rng.below(2000)];
            if stream.write_all(&block).is_err() {
                break;
            }
            if rng.one_in(2) && stream.read(&mut [0; 4000]).is_ok_and(|n| n == 0) {
                break;
            }
        }
        match rng.below(3) {
            0 => SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap(),
            1 => drop(stream.shutdown(Shutdown::Write)),
            _ => {}
        }
    }
}
