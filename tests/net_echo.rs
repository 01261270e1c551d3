//! The transport against real sockets: bytes come back whole, in order, through every size.

#![allow(clippy::unwrap_used)] // A test may.

mod net_support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use net_support::{Server, echo, rng::Rng};
use ringkeeper::net::NetSettings;

#[test]
fn bytes_of_many_connections_come_back_whole_and_in_order() {
    // Small and few buffers: pieces are split, held, joined, and the buffers run out.
    let settings =
        NetSettings { receive_buffers: 8, receive_buffer_bytes: 512, ..NetSettings::default() };
    let server = Server::start(settings, echo);
    let clients: Vec<_> = (0..40u64)
        .map(|seed| {
            let address = server.address;
            std::thread::spawn(move || {
                let mut rng = Rng::new(seed);
                let mut stream = TcpStream::connect(address).unwrap();
                for _ in 0..60 {
                    let len = match rng.below(4) {
                        0 => 1 + rng.below(16),
                        1 => 1 + rng.below(600),
                        _ => 1 + rng.below(9000),
                    };
                    let sent: Vec<u8> = (0..len).map(|_| rng.u64() as u8).collect();
                    stream.write_all(&sent).unwrap();
                    let mut back = vec![0; sent.len()];
                    stream.read_exact(&mut back).unwrap();
                    assert!(back == sent, "{len} bytes came back as others");
                }
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
}

#[test]
fn a_deep_pipeline_is_answered_without_waiting_for_its_end() {
    let server = Server::start(NetSettings::default(), echo);
    let mut writer = TcpStream::connect(server.address).unwrap();
    let mut reader = writer.try_clone().unwrap();
    const TOTAL: usize = 32 << 20;
    let sending = std::thread::spawn(move || {
        let block: Vec<u8> = (0..65_536u32).map(|n| (n % 251) as u8).collect();
        for _ in 0..TOTAL / block.len() {
            writer.write_all(&block).unwrap();
        }
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut got = Vec::new();
    reader.read_to_end(&mut got).unwrap();
    sending.join().unwrap();
    assert_eq!(got.len(), TOTAL, "half-closing does not lose what is under way");
    assert!(got.iter().enumerate().all(|(n, b)| *b == (n % 65_536 % 251) as u8));
}

#[test]
fn one_piece_larger_than_all_buffers_comes_back() {
    let settings =
        NetSettings { receive_buffers: 4, receive_buffer_bytes: 256, ..NetSettings::default() };
    let server = Server::start(settings, echo);
    let mut stream = TcpStream::connect(server.address).unwrap();
    let sent: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
    let mut other = stream.try_clone().unwrap();
    let copy = sent.clone();
    let sending = std::thread::spawn(move || other.write_all(&copy).unwrap());
    let mut back = vec![0; sent.len()];
    stream.read_exact(&mut back).unwrap();
    sending.join().unwrap();
    assert!(back == sent);
}

#[test]
fn a_wildcard_listener_takes_both_families() {
    let server = Server::listening("[::]:0", NetSettings::default(), echo);
    for host in ["127.0.0.1", "::1"] {
        let mut stream = TcpStream::connect((host, server.address.port())).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(b"ruok").unwrap();
        let mut back = [0; 4];
        stream.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"ruok");
    }
}
