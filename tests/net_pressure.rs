//! Back-pressure: whatever a peer does, what is kept for it has a bound.

#![allow(clippy::unwrap_used)] // A test may.

mod net_support;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::ops::ControlFlow;
use std::time::Duration;

use net_support::turn_until;
use ringkeeper::net::{CloseReason, Net, NetEvent, NetSettings};
use ringkeeper::types::{ConnId, limits};

fn pair(settings: NetSettings) -> (Net, ConnId, TcpStream) {
    let mut net = Net::new(settings).unwrap();
    let address = net.listen("127.0.0.1:0".parse().unwrap(), 16).unwrap();
    let peer = TcpStream::connect(address).unwrap();
    let conn = turn_until(&mut net, |net, event| match event {
        NetEvent::Accepted { fd, peer, .. } => ControlFlow::Break(net.adopt(fd, peer)),
        _ => ControlFlow::Continue(()),
    });
    (net, conn, peer)
}

/// Writes until the socket takes no more; says how much it took.
fn stuff(peer: &mut TcpStream, net: &mut Net) -> usize {
    peer.set_nonblocking(true).unwrap();
    let (mut taken, mut full) = (0, 0);
    while full < 20 {
        match peer.write(&[7; 65_536]) {
            Ok(n) => (taken, full) = (taken + n, 0),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                full += 1;
            }
        }
        net.turn(Some(Duration::from_millis(1)), &mut Vec::new()).unwrap();
    }
    peer.set_nonblocking(false).unwrap();
    taken
}

#[test]
fn a_reader_that_stops_is_closed_at_the_limit() {
    // Goal: exactly from the limit on, after the time it has, and it can tell that it was cut off.
    let flush = Duration::from_millis(100);
    let settings = NetSettings {
        outbound_pause: usize::MAX,
        outbound_close: 8 << 20,
        flush,
        ..NetSettings::default()
    };
    for (missing, closes) in [(1, false), (0, true)] {
        let (mut net, conn, mut peer) = pair(settings.clone());
        // What the kernel takes on both sides is not unsent.
        let mut events = Vec::new();
        while net.unsent(conn) < (8 << 20) - missing {
            let more = (8 << 20) - missing - net.unsent(conn);
            net.output(conn).unwrap().extend(std::iter::repeat_n(1, more));
            net.turn(Some(Duration::from_millis(5)), &mut events).unwrap();
            assert!(events.is_empty(), "{events:?}");
        }
        let began = std::time::Instant::now();
        while events.is_empty() && began.elapsed() < 10 * flush {
            net.turn(Some(flush / 10), &mut events).unwrap();
            events.retain(|event| !matches!(event, NetEvent::Drained(_)));
        }
        match &events[..] {
            [NetEvent::Closed(who, CloseReason::SlowReader { unsent, limit })] if closes => {
                assert_eq!((*who, *unsent, *limit), (conn, 8 << 20, 8 << 20));
                net.release(conn);
                let end = std::thread::spawn(move || {
                    std::io::copy(&mut peer, &mut std::io::sink()).unwrap_err().kind()
                });
                while !end.is_finished() {
                    net.turn(Some(Duration::from_millis(5)), &mut Vec::new()).unwrap();
                }
                assert_eq!(end.join().unwrap(), ErrorKind::ConnectionReset);
            }
            [] if !closes => {}
            other => panic!("{missing} below the limit: {other:?}"),
        }
    }
}

#[test]
fn a_reader_that_reads_is_not_closed_however_much_waits() {
    // Goal: one answer may be larger than any bound.
    let settings = NetSettings {
        outbound_pause: 64 << 10,
        outbound_close: 1 << 20,
        flush: Duration::from_millis(200),
        ..NetSettings::default()
    };
    let (mut net, conn, mut peer) = pair(settings);
    const ALL: usize = 40 << 20;
    net.output(conn).unwrap().resize(ALL, 1);
    let reading = std::thread::spawn(move || {
        let mut buffer = vec![0; 512 << 10];
        for _ in 0..ALL / buffer.len() {
            // Slower than any bound of time for the whole.
            std::thread::sleep(Duration::from_millis(15));
            peer.read_exact(&mut buffer).unwrap();
        }
        peer
    });
    turn_until(&mut net, |_, event| match event {
        NetEvent::Drained(who) if who == conn => ControlFlow::Break(()),
        other => panic!("{other:?}"),
    });
    let _peer = reading.join().unwrap();
}

#[test]
fn a_connection_is_told_of_again_whatever_was_unsent_exactly() {
    // Goal: at the bound, one below and one above it, whoever stops at the bound is woken.
    for bytes in [(1 << 20) - 1, 1 << 20, (1 << 20) + 1] {
        let settings = NetSettings { outbound_pause: 1 << 20, ..NetSettings::default() };
        let (mut net, conn, mut peer) = pair(settings);
        net.output(conn).unwrap().resize(bytes, 1);
        let stops = limits::reached(net.unsent(conn), 1 << 20);
        let reading = std::thread::spawn(move || {
            peer.read_exact(&mut vec![0; bytes]).unwrap();
            peer
        });
        let (mut events, mut told) = (Vec::new(), 0);
        while net.unsent(conn) > 0 || told < usize::from(stops) {
            net.turn(Some(Duration::from_millis(20)), &mut events).unwrap();
            told += events.drain(..).filter(|e| matches!(e, NetEvent::Drained(_))).count();
        }
        assert_eq!((stops, told), (bytes >= 1 << 20, usize::from(stops)), "{bytes}");
        let _peer = reading.join().unwrap();
    }
}

#[test]
fn a_throttled_connection_hears_a_little() {
    // Goal: a client whose requests wait is heard, and costs little.
    let settings = NetSettings { inbound_throttled: 10_000, ..NetSettings::default() };
    let (mut net, conn, mut peer) = pair(settings);
    net.throttle(conn, true);
    let taken = stuff(&mut peer, &mut net);
    let kept = net.input(conn).len();
    assert!((10_000..10_000 + 8 * 8192).contains(&kept), "{kept} of {taken}");
    net.throttle(conn, false);
    let mut seen = 0;
    turn_until(&mut net, |net, event| match event {
        NetEvent::Received(who) => {
            let n = net.input(who).len();
            net.consume(who, n);
            seen += n;
            if seen == taken { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
        other => panic!("{other:?}"),
    });
}

#[test]
fn a_reader_that_comes_back_is_told_of_and_misses_nothing() {
    let settings = NetSettings { outbound_pause: 64 << 10, ..NetSettings::default() };
    let (mut net, conn, mut peer) = pair(settings);
    const ALL: usize = 20 << 20;
    net.output(conn).unwrap().resize(ALL, 1);
    net.turn(Some(Duration::ZERO), &mut Vec::new()).unwrap();
    assert!(net.unsent(conn) > 64 << 10);
    let reading = std::thread::spawn(move || {
        let mut got = vec![0; ALL];
        peer.read_exact(&mut got).unwrap();
        peer
    });
    turn_until(&mut net, |_, event| match event {
        NetEvent::Drained(who) if who == conn => ControlFlow::Break(()),
        other => panic!("{other:?} before the drain"),
    });
    assert!(net.unsent(conn) <= 64 << 10);
    let mut events = Vec::new();
    while !reading.is_finished() {
        net.turn(Some(Duration::from_millis(10)), &mut events).unwrap();
    }
    assert!(events.is_empty(), "drained once");
    // And it is read again.
    let mut peer = reading.join().unwrap();
    peer.write_all(b"x").unwrap();
    net.turn(None, &mut events).unwrap();
    assert!(matches!(events[..], [NetEvent::Received(who)] if who == conn));
}

#[test]
fn a_paused_connection_is_not_read_and_loses_nothing() {
    let (mut net, conn, mut peer) = pair(NetSettings::default());
    net.pause(conn);
    let taken = stuff(&mut peer, &mut net);
    // The kernel's buffers took that, and what was on its way when the pause began.
    assert!(net.input(conn).len() < taken / 2, "{} of {taken} read", net.input(conn).len());
    net.resume(conn);
    let mut seen = 0;
    turn_until(&mut net, |net, event| match event {
        NetEvent::Received(who) => {
            let n = net.input(who).len();
            assert!(net.input(who).iter().all(|byte| *byte == 7));
            net.consume(who, n);
            seen += n;
            if seen == taken { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
        other => panic!("{other:?}"),
    });
}

#[test]
fn pausing_and_resuming_at_once_changes_nothing() {
    let (mut net, conn, mut peer) = pair(NetSettings::default());
    for round in 0..100u8 {
        net.pause(conn);
        if round % 3 == 0 {
            net.turn(Some(Duration::ZERO), &mut Vec::new()).unwrap();
        }
        net.resume(conn);
        peer.write_all(&[round]).unwrap();
        turn_until(&mut net, |net, event| match event {
            NetEvent::Received(who) => {
                assert_eq!(net.input(who), [round]);
                net.consume(who, 1);
                ControlFlow::Break(())
            }
            other => panic!("{other:?}"),
        });
    }
}

#[test]
fn input_that_nobody_consumes_has_a_bound_and_starts_again_below_it() {
    let settings = NetSettings {
        inbound_pause: 100_000,
        receive_buffers: 4,
        receive_buffer_bytes: 4096,
        ..NetSettings::default()
    };
    let (mut net, conn, mut peer) = pair(settings);
    let taken = stuff(&mut peer, &mut net);
    let kept = net.input(conn).len();
    assert!((100_000..100_000 + 5 * 4096).contains(&kept), "{kept} of {taken}");
    net.consume(conn, kept);
    let mut seen = kept;
    turn_until(&mut net, |net, event| match event {
        NetEvent::Received(who) => {
            let n = net.input(who).len();
            net.consume(who, n);
            seen += n;
            if seen == taken { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
        other => panic!("{other:?}"),
    });
}

#[test]
fn connections_share_too_few_buffers() {
    let settings =
        NetSettings { receive_buffers: 2, receive_buffer_bytes: 64, ..NetSettings::default() };
    let mut net = Net::new(settings).unwrap();
    let address = net.listen("127.0.0.1:0".parse().unwrap(), 64).unwrap();
    let peers: Vec<_> = (0..30u8)
        .map(|n| {
            let mut peer = TcpStream::connect(address).unwrap();
            peer.write_all(&[n; 100]).unwrap();
            peer
        })
        .collect();
    // Nothing is consumed until all of everything has come.
    let mut adopted = Vec::new();
    turn_until(&mut net, |net, event| {
        if let NetEvent::Accepted { fd, peer, .. } = event {
            adopted.push(net.adopt(fd, peer));
        }
        let whole = adopted.iter().filter(|conn| net.input(**conn).len() == 100).count();
        if whole == peers.len() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    for conn in adopted {
        let input = net.input(conn);
        assert!(input.iter().all(|byte| *byte == input[0]), "each its own bytes");
    }
}
