//! One port for both, and words over TLS.

use std::io::{Read, Write};

use crate::pki::{pki, stores};
use crate::raw::{Raw, config};
use crate::start;
use crate::support::client::Session;
use crate::support::scratch;
use crate::support::server::{Kind, Server, free_port};

/// A word over TLS.
fn word(port: u16, word: &str) -> String {
    let mut raw = Raw::open(port, &config(Some("client")));
    raw.stream.write_all(word.as_bytes()).unwrap();
    let mut text = Vec::new();
    // Java ends some connections without a goodbye of TLS.
    let _ = raw.stream.read_to_end(&mut text);
    String::from_utf8(text).unwrap()
}

#[test]
fn one_port_takes_both_and_nothing_else_does() {
    // Goal: client.portUnification: sessions and words, plain and under TLS, at one port; without it a
    // handshake at the plain port and plain bytes at the secure one lead nowhere.
    let mut settings = stores(&pki().path("server.jks"), &pki().path("trust.jks"));
    settings.push(("client.portUnification", "true".to_owned()));
    let both = start(Kind::under_test(), "unified", &settings);
    for port in [both.server.port, both.port] {
        let mut secure = Raw::session(port, &config(Some("client"))).unwrap();
        assert!(secure.who().iter().any(|(scheme, _)| scheme == "x509"));
        assert_eq!(word(port, "ruok"), "imok");
    }
    let mut plain = Session::open(both.server.port, 30_000);
    assert_eq!(plain.create("/plain", b"x"), 0);
    assert_eq!(both.server.word("ruok").as_deref(), Some("imok"));
    settings.pop();
    let apart = start(Kind::under_test(), "apart", &settings);
    assert!(Raw::session(apart.server.port, &config(Some("client"))).is_err());
    let mut conn = crate::support::client::Conn::open(apart.port).unwrap();
    let wish = crate::support::client::Handshake::new(30_000);
    assert_eq!(conn.handshake(&wish), None, "plain bytes at the secure port");
    assert_eq!(Session::open(apart.server.port, 30_000).create("/plain", b"x"), 0);
}

#[test]
fn words_over_tls_tell_what_they_tell_on_java() {
    // Goal: every word whose answer is the same from one server to the next; conf with its secure port.
    let settings = stores(&pki().path("server.jks"), &pki().path("trust.jks"));
    let told = |kind: Kind| {
        let secure = start(kind, "words", &settings);
        let shown = |word_: &str| {
            let text = word(secure.port, word_);
            let port = secure.port.to_string();
            let kept = text.lines().filter(|line| {
                ["secureClientPort", "tickTime", "maxClientCnxns", "imok", "rw", "Mode"]
                    .iter()
                    .any(|start| line.starts_with(start))
            });
            kept.map(|line| line.replace(&port, "SECURE")).collect::<Vec<_>>()
        };
        ["conf", "ruok", "isro", "srvr"].map(shown)
    };
    let theirs = told(Kind::Java);
    assert_eq!(told(Kind::under_test()), theirs);
    assert!(theirs[0].contains(&"secureClientPort=SECURE".to_owned()), "{theirs:?}");
}

#[test]
fn a_server_may_have_no_other_port() {
    // Goal: secureClientPort alone: it starts, serves, and shows no other port.
    let port = free_port();
    let mut settings = stores(&pki().path("server.store.pem"), &pki().path("trust.pem"));
    settings.push(("secureClientPort", port.to_string()));
    settings.push(("secureClientPortAddress", "127.0.0.1".to_owned()));
    let folder = scratch("tls/alone");
    let data = folder.join("data");
    std::fs::create_dir_all(&data).unwrap();
    let mut text = format!("dataDir={}\nadmin.enableServer=false\n", data.display());
    text.push_str("4lw.commands.whitelist=*\n");
    settings.iter().for_each(|(key, value)| text.push_str(&format!("{key}={value}\n")));
    std::fs::write(folder.join("zoo.cfg"), text).unwrap();
    let mut server = Server::spawn_on_file(&[], Kind::Ringkeeper, &folder, &[], port);
    // Connecting is the question: the port listens when the server serves.
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(server.is_running(), "{}", server.log());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let conf = word(port, "conf");
    assert!(conf.starts_with(&format!("clientPort=-1\nsecureClientPort={port}\n")), "{conf}");
    assert!(Raw::session(port, &config(Some("client"))).is_ok());
    assert_eq!(server.terminate(), Some(0), "{}", server.log());
}
