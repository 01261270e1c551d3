//! Those who speak no TLS, or break it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::pki::{pki, stores};
use crate::raw::{Raw, config};
use crate::start;
use crate::support::Rng;
use crate::support::server::Kind;
use crate::support::wire::{OPEN, Out};

/// Sends bytes and waits for the server's end of it.
fn ends(port: u16, bytes: &[u8], what: &str) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // The server may have enough of it before all is sent.
    let _ = stream.write_all(bytes);
    let mut rest = Vec::new();
    let ended = stream.read_to_end(&mut rest);
    let timed_out = ended.is_err_and(|e| {
        matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
    });
    assert!(!timed_out, "{what}: still open");
}

/// A client's first flight, as it is on the wire.
pub(crate) fn first_flight() -> Vec<u8> {
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let mut session = rustls::ClientConnection::new(config(None), name).unwrap();
    let mut bytes = Vec::new();
    session.write_tls(&mut bytes).unwrap();
    bytes
}

#[test]
fn bytes_that_are_no_tls_end_their_connection_alone() {
    // Goal: garbage, a handshake that stops half way, records too long, fragments without an end, a flight
    // twice over: each ends its connection; a live session next to them goes on, and so does the server.
    let mut settings = stores(&pki().path("server.jks"), &pki().path("trust.jks"));
    settings.push(("ssl.handshakeDetectionTimeoutMillis", "1000".to_owned()));
    settings.push(("client.portUnification", "true".to_owned()));
    let mut secure = start(Kind::under_test(), "hostile", &settings);
    let mut live = Raw::session(secure.port, &config(Some("client"))).unwrap();
    let flight = first_flight();
    let mut rng = Rng::new(14);
    let noise: Vec<u8> = (0..100_000).map(|_| rng.below(256) as u8).collect();
    let long_record = [&[22, 3, 3, 0xff, 0xff][..], &vec![0; 70_000]].concat();
    let empty_records = [23, 3, 3, 0, 0].repeat(20_000);
    // A message of sixteen million bytes in pieces: it never becomes whole.
    let piece = [&[22, 3, 1, 0x40, 0][..], &[1, 0xff, 0xff, 0xff], &[7; 0x3ffc]].concat();
    for port in [secure.port, secure.server.port] {
        ends(port, &[&[22][..], &noise].concat(), "noise behind a handshake's first byte");
        ends(port, &long_record, "a record beyond the longest");
        ends(port, &[&[22, 3, 1, 0, 4][..], &empty_records].concat(), "records of nothing");
        ends(port, &piece.repeat(20), "a message beyond the longest");
        ends(port, &flight.repeat(2), "a flight twice over");
        for cut in [1, 3, 5, 6, flight.len() / 2, flight.len() - 1, flight.len()] {
            ends(port, &flight[..cut], "half a handshake");
        }
    }
    ends(secure.port, &noise, "noise");
    ends(secure.port, b"GET / HTTP/1.0\r\n\r\n", "another protocol");
    // Those that fell silent were ended by the handshake's own time, not by that of a session.
    let figures = secure.server.word("mntr").unwrap();
    assert!(figures.contains("zk_sessionless_connections_expired\t0\n"), "{figures}");
    let body = Out::new().str("/live").buffer(Some(b"x")).acls(Some(OPEN)).i32(0);
    assert_eq!(live.call(1, body).err, 0);
    assert!(secure.server.is_running() && !secure.server.log().contains("panicked"));
}

#[test]
fn a_session_that_breaks_later_has_its_earlier_requests_carried_out() {
    // Goal: a request, then a record that does not open: the request is done, the connection ends.
    let settings = stores(&pki().path("server.jks"), &pki().path("trust.jks"));
    let secure = start(Kind::under_test(), "breaks", &settings);
    let mut raw = Raw::session(secure.port, &config(Some("client"))).unwrap();
    let body = Out::new().str("/before").buffer(Some(b"x")).acls(Some(OPEN)).i32(0);
    let request = crate::support::wire::request(1, 1, &body.0);
    raw.stream.conn.writer().write_all(&request).unwrap();
    let mut bytes = Vec::new();
    raw.stream.conn.write_tls(&mut bytes).unwrap();
    bytes.extend([23, 3, 3, 0, 32]);
    bytes.extend([7; 32]);
    raw.stream.sock.write_all(&bytes).unwrap();
    raw.stream.sock.shutdown(Shutdown::Write).unwrap();
    let _ = raw.stream.sock.read_to_end(&mut Vec::new());
    let mut other = Raw::session(secure.port, &config(Some("client"))).unwrap();
    // The session's write is ahead of it by then, or on its way: a sync waits for what was taken.
    assert_eq!(other.call(9, Out::new().str("/")).err, 0);
    assert_eq!(other.call(3, Out::new().str("/before").bool(false)).err, 0);
}

#[test]
fn a_client_that_asks_for_another_handshake_is_refused() {
    // Goal: renegotiation is no way to make the server work: OpenSSL's client asks for it, and is done.
    let settings = stores(&pki().path("server.jks"), &pki().path("trust.jks"));
    let secure = start(Kind::under_test(), "again", &settings);
    let mut child = Command::new("openssl")
        .args(["s_client", "-tls1_2", "-connect", &format!("127.0.0.1:{}", secure.port)])
        .arg("-cert")
        .arg(pki().path("client.pem"))
        .arg("-key")
        .arg(pki().path("client.key.pem"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Held open: at its end the client would leave without an answer.
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"R\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).to_lowercase();
    assert!(said.contains("no renegotiation"), "{said}");
    assert!(Raw::session(secure.port, &config(Some("client"))).is_ok());
}
