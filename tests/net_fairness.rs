//! Receive buffers are shared: whoever sends much must not keep others from being heard.

#![allow(clippy::unwrap_used)] // A test may.

mod net_support;

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::ops::ControlFlow;
use std::time::Duration;

use net_support::turn_until;
use ringkeeper::net::{Net, NetEvent, NetSettings};
use ringkeeper::types::ConnId;

/// Long requests: their bytes stand in the input until the last has come.
const REQUEST: usize = 1 << 20;

fn connect(net: &mut Net, address: std::net::SocketAddr) -> (ConnId, TcpStream) {
    let peer = TcpStream::connect(address).unwrap();
    let conn = turn_until(net, |net, event| match event {
        NetEvent::Accepted { fd, peer, .. } => ControlFlow::Break(net.adopt(fd, peer)),
        _ => ControlFlow::Continue(()),
    });
    peer.set_nonblocking(true).unwrap();
    (conn, peer)
}

/// Fills what the kernel keeps for a connection.
fn stuff(mut peer: &TcpStream) {
    loop {
        match peer.write(&[7; 65_536]) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_short_request_is_heard_beside_many_that_send_as_much_as_they_can() {
    // Goal: with fewer buffers than the long requests would take, each short one is heard within a
    // few turns, again and again.
    let settings = NetSettings { receive_buffers: 64, ..NetSettings::default() };
    let mut net = Net::new(settings).unwrap();
    let address = net.listen("127.0.0.1:0".parse().unwrap(), 16).unwrap();
    let senders: Vec<_> = (0..6).map(|_| connect(&mut net, address)).collect();
    let (requester, mut voice) = connect(&mut net, address);
    let mut events = Vec::new();
    for request in 0..40 {
        voice.write_all(b"?").unwrap();
        let mut turns = 0;
        let mut is_heard = false;
        while !is_heard {
            turns += 1;
            assert!(turns <= 3 * senders.len(), "request {request} is not heard in {turns} turns");
            senders.iter().for_each(|(_, peer)| stuff(peer));
            net.turn(Some(Duration::ZERO), &mut events).unwrap();
            for event in events.drain(..) {
                let NetEvent::Received(conn) = event else { continue };
                let len = net.input(conn).len();
                if conn == requester {
                    is_heard = true;
                    net.consume(conn, len);
                } else if len >= REQUEST {
                    net.consume(conn, len);
                }
            }
        }
    }
}
