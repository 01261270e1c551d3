//! TLS: what a stranger sends to a secure port, and the files that it is made of.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, OnceLock};

use rcgen::{CertificateParams, KeyPair};
use ringkeeper::tls::{
    self, ClientAuth, Context, Failure, KeyEntry, Material, Options, Session, StoreKind, Version,
};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::choose;

/// More than any input here opens to.
const PLAIN_MAX: usize = 1 << 22;

struct Ends {
    server: Arc<Context>,
    client: Arc<ClientConfig>,
}

/// A server that asks everybody for a certificate and takes who has none, and a client that trusts it.
fn ends() -> &'static Ends {
    static ENDS: OnceLock<Ends> = OnceLock::new();
    ENDS.get_or_init(|| {
        let key = KeyPair::generate().unwrap_or_else(|e| panic!("{e}"));
        let params = CertificateParams::new(vec!["localhost".to_owned()]);
        let signed = params.and_then(|params| params.self_signed(&key));
        let own = CertificateDer::from(signed.unwrap_or_else(|e| panic!("{e}")).der().to_vec());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let options = Options {
            client_auth: ClientAuth::Want,
            versions: vec![Version::Tls12, Version::Tls13],
            suites: None,
            checks_address: false,
            dials: None,
        };
        let keys = vec![KeyEntry { key, chain: vec![own.clone()] }];
        let material = Material { keys, trusted: vec![own.clone()], revoked: Vec::new() };
        let server = Context::new(&options, material).unwrap_or_else(|e| panic!("{e}"));
        let mut roots = RootCertStore::empty();
        roots.add(own).unwrap_or_else(|e| panic!("{e}"));
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions();
        let builder = builder.unwrap_or_else(|e| panic!("{e}")).with_root_certificates(roots);
        Ends { server: Arc::new(server), client: Arc::new(builder.with_no_client_auth()) }
    })
}

fn session() -> Session {
    let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let nobody = Arc::default();
    Session::accept(&ends().server, peer, &nobody).unwrap_or_else(|e| panic!("{e}"))
}

/// Any bytes at a secure port, before a handshake (an even first byte) or after one (an odd one), where
/// they are what the client says, and then what somebody in between does to it.
pub fn fuzz_tls(data: &[u8]) {
    let Some((choice, rest)) = choose(data) else { return };
    if choice % 2 == 0 { stranger(choice / 2 + 1, rest) } else { client(rest) }
}

/// The bytes come in pieces of one length.
fn stranger(piece: usize, bytes: &[u8]) {
    let (mut session, mut plain) = (session(), Vec::new());
    for piece in bytes.chunks(piece) {
        let opened = feed(&mut session, piece, &mut plain);
        assert!(plain.is_empty(), "nobody has made a key");
        let mut answer = Vec::new();
        session.seal(&[], &mut answer);
        assert!(answer.len() < 1 << 16);
        if let Err(failure) = opened {
            assert!(!failure.to_string().is_empty());
            return;
        }
    }
}

fn feed(session: &mut Session, bytes: &[u8], plain: &mut Vec<u8>) -> Result<(), Failure> {
    if session.is_handshaking() {
        session.hold(bytes);
        session.step(plain)
    } else {
        session.open(bytes, plain)
    }
}

/// What the client has to send.
fn sent(client: &mut ClientConnection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while client.wants_write() {
        if client.write_tls(&mut bytes).is_err() {
            break;
        }
    }
    bytes
}

fn receive(client: &mut ClientConnection, mut bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    while !bytes.is_empty() && client.read_tls(&mut bytes).is_ok_and(|n| n > 0) {
        let processed = client.process_new_packets();
        assert!(processed.is_ok(), "the server speaks the protocol: {processed:?}");
        let _ = client.reader().read_to_end(&mut plain);
    }
    plain
}

fn client(bytes: &[u8]) {
    let (mut session, mut plain) = (session(), Vec::new());
    let name = ServerName::try_from("localhost").unwrap_or_else(|e| panic!("{e}"));
    let began = ClientConnection::new(ends().client.clone(), name);
    let mut client = began.unwrap_or_else(|e| panic!("{e}"));
    for _ in 0..4 {
        let flight = sent(&mut client);
        feed(&mut session, &flight, &mut plain).unwrap_or_else(|e| panic!("{e}"));
        let mut answer = Vec::new();
        session.seal(&[], &mut answer);
        assert!(receive(&mut client, &answer).is_empty());
    }
    assert!(!session.is_handshaking() && session.subject().is_none());
    // There and back, unchanged.
    let _ = client.writer().write_all(bytes);
    let mut ciphertext = sent(&mut client);
    session.open(&ciphertext, &mut plain).unwrap_or_else(|e| panic!("{e}"));
    assert!(plain == bytes[..plain.len()] && plain.len() <= PLAIN_MAX);
    let mut echo = Vec::new();
    session.seal(&plain, &mut echo);
    assert!(receive(&mut client, &echo) == plain);
    // One byte is changed on the way: nothing of that record comes through.
    let (Some(at), Some(by)) = (bytes.first(), bytes.last()) else { return };
    let before = plain.len();
    let _ = client.writer().write_all(b"x");
    ciphertext = sent(&mut client);
    let at = 5 + usize::from(*at) % (ciphertext.len() - 5);
    ciphertext[at] ^= by | 1;
    assert!(session.open(&ciphertext, &mut plain).is_err() && plain.len() == before);
    let mut alert = Vec::new();
    session.seal(&[], &mut alert);
    assert!(!alert.is_empty(), "the client hears why");
}

/// A key store of Java's own format, and a certificate's subject.
pub fn fuzz_store(data: &[u8]) {
    let Some((choice, rest)) = choose(data) else { return };
    if choice % 2 == 0 {
        if let Some(name) = tls::name(rest) {
            // An attribute is a few letters at least for its two bytes of header.
            assert!(name.len() <= 64 * rest.len() + 64);
        }
        return;
    }
    // Without a password nothing but the form is asked, so that inputs come further.
    let bytes = [&[0xfe, 0xed, 0xfe, 0xed], rest].concat();
    for trusted in [
        tls::keys(StoreKind::Java, &bytes, "").map(|keys| keys.len()),
        tls::trusted(StoreKind::Java, &bytes, "").map(|certificates| certificates.len()),
    ] {
        match trusted {
            Ok(count) => assert!(count <= bytes.len()),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}
