//! Two network cores: one accepts, the other serves. And waking a core from outside.

#![allow(clippy::unwrap_used)] // A test may.

mod net_support;

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use net_support::{Server, echo, turn_until};
use ringkeeper::net::{Net, NetEvent, NetSettings};
use ringkeeper::runtime::{mailbox, waker};
use socket2::SockRef;

#[test]
fn a_socket_accepted_by_one_core_is_served_by_another() {
    // The mailbox exists before the thread of its receiver.
    let (sleeper, waker) = waker::for_ring().unwrap();
    let (sender, mut receiver) = mailbox::<Option<(OwnedFd, SocketAddr)>>(64, waker);
    let serving = std::thread::spawn(move || {
        let mut net = Net::with_sleeper(NetSettings::default(), sleeper).unwrap();
        let (mut inbox, mut events) = (VecDeque::new(), Vec::new());
        let (mut adopted, mut served) = (0, 0);
        loop {
            receiver.drain_into(&mut inbox);
            for handed in inbox.drain(..) {
                let Some((fd, peer)) = handed else { return (adopted, served) };
                adopted += 1;
                net.adopt(fd, peer);
            }
            net.turn(None, &mut events).unwrap();
            for event in events.drain(..) {
                served += usize::from(matches!(event, NetEvent::Received(_)));
                echo(&mut net, event);
            }
        }
    });
    let hand_over = sender.clone();
    let accepting = Server::start(NetSettings::default(), move |_, event| {
        if let NetEvent::Accepted { fd, peer, .. } = event {
            hand_over.push(Some((fd, peer)));
        }
    });
    for n in 0..50u8 {
        let mut stream = TcpStream::connect(accepting.address).unwrap();
        stream.write_all(&[n; 10]).unwrap();
        let mut back = [0; 10];
        stream.read_exact(&mut back).unwrap();
        assert_eq!(back, [n; 10]);
    }
    sender.push(None);
    let (adopted, served) = serving.join().unwrap();
    assert!(adopted == 50 && served >= 50, "{adopted} {served}");
}

#[test]
fn accepted_sockets_have_their_listeners_options() {
    // Goal: nothing has to be set on each connection.
    for keepalive in [None, Some(Duration::ZERO), Some(Duration::from_secs(77))] {
        let mut net = Net::new(NetSettings { keepalive, ..NetSettings::default() }).unwrap();
        let address = net.listen(([127, 0, 0, 1], 0).into(), 16).unwrap();
        let _peer = TcpStream::connect(address).unwrap();
        let fd = turn_until(&mut net, |_, event| match event {
            NetEvent::Accepted { fd, .. } => ControlFlow::Break(fd),
            _ => ControlFlow::Continue(()),
        });
        let socket = SockRef::from(&fd);
        assert!(socket.tcp_nodelay().unwrap());
        assert_eq!(socket.keepalive().unwrap(), keepalive.is_some());
    }
}

#[test]
fn a_wake_up_ends_the_sleep_and_is_never_lost() {
    let mut net = Net::new(NetSettings::default()).unwrap();
    let waker = net.waker();
    let (say, heard) = mpsc::channel::<()>();
    const TIMES: usize = 2000;
    let other = std::thread::spawn(move || {
        for _ in 0..TIMES {
            waker.wake();
            heard.recv().unwrap();
        }
    });
    let mut events = Vec::new();
    for _ in 0..TIMES {
        let began = Instant::now();
        net.turn(Some(Duration::from_secs(20)), &mut events).unwrap();
        assert!(began.elapsed() < Duration::from_secs(20), "slept over a wake-up");
        assert!(matches!(events[..], [NetEvent::Woken]));
        events.clear();
        say.send(()).unwrap();
    }
    other.join().unwrap();
    // One's own wake-up counts as well, and one that was taken does not.
    net.waker().wake();
    assert!(net.waker().take());
    net.turn(Some(Duration::from_millis(1)), &mut events).unwrap();
    assert!(events.is_empty());
    net.waker().wake();
    net.turn(None, &mut events).unwrap();
    assert!(matches!(events[..], [NetEvent::Woken]));
}

#[test]
fn a_spinning_core_works_like_a_sleeping_one() {
    let settings = NetSettings { spin: Duration::from_micros(50), ..NetSettings::default() };
    let server = Server::start(settings, echo);
    let mut stream = TcpStream::connect(server.address).unwrap();
    for n in 0..200u8 {
        stream.write_all(&[n]).unwrap();
        let mut back = [0];
        stream.read_exact(&mut back).unwrap();
        assert_eq!(back, [n]);
    }
}

#[test]
fn a_turn_ends_when_its_time_is_up() {
    let mut net = Net::new(NetSettings::default()).unwrap();
    let began = Instant::now();
    net.turn(Some(Duration::from_millis(30)), &mut Vec::new()).unwrap();
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(30) && took < Duration::from_secs(10), "{took:?}");
    net.turn(Some(Duration::ZERO), &mut Vec::new()).unwrap();
}
