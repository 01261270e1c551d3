//! Who is let in, and as whom.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::pki::{pki, stores};
use crate::raw::{Raw, config};
use crate::support::server::Kind;
use crate::{Secure, start};

/// The certificates that clients come with.
const CLIENTS: [Option<&str>; 6] =
    [None, Some("client"), Some("odd"), Some("stranger"), Some("expired"), Some("alone")];

/// A client's certificate, and what it meets: its names, or that it is refused.
type Outcome = (Option<&'static str>, Option<Vec<(String, String)>>);

fn outcomes(secure: &Secure) -> Vec<Outcome> {
    let meet = |name: &Option<&'static str>| {
        let session = Raw::session(secure.port, &config(*name));
        (*name, session.ok().map(|mut session| session.who()))
    };
    CLIENTS.iter().map(meet).collect()
}

#[test]
fn the_same_certificates_open_the_same_ports_as_on_java() {
    // Goal: none, want and need, each with good certificates, none, one of another authority, one that
    // has expired and one that stands in the trust store itself: let in or not, and under which name.
    for client_auth in ["none", "want", "need"] {
        let mut settings = stores(&pki().path("server.jks"), &pki().path("trust.jks"));
        settings.push(("ssl.clientAuth", client_auth.to_owned()));
        settings.push(("X509AuthenticationProvider.superUser", "CN=alone".to_owned()));
        let name = format!("outcomes-{client_auth}");
        let java = start(Kind::Java, &name, &settings);
        let theirs = outcomes(&java);
        let ours = start(Kind::under_test(), &format!("{name}-ours"), &settings);
        assert_eq!(outcomes(&ours), theirs, "ssl.clientAuth={client_auth}\n{}", ours.server.log());
        let let_in: Vec<bool> = theirs.iter().map(|(_, names)| names.is_some()).collect();
        let expected = match client_auth {
            "none" => [true; 6],
            "want" => [true, true, true, false, false, true],
            _ => [false, true, true, false, false, true],
        };
        assert_eq!(let_in, expected, "ssl.clientAuth={client_auth}: {theirs:?}");
    }
}

#[test]
fn a_list_of_x509_holds_as_it_does_on_java() {
    // Goal: scheme x509 in lists: its owner may, others may not, the super user may all; auth: stands
    // for it.
    let mut settings = stores(&pki().path("server.jks"), &pki().path("trust.jks"));
    settings.push(("ssl.clientAuth", "want".to_owned()));
    settings.push(("X509AuthenticationProvider.superUser", "CN=alone".to_owned()));
    let told = |kind: Kind| {
        let secure = start(kind, "x509", &settings);
        let mut owner = Raw::session(secure.port, &config(Some("odd"))).unwrap();
        let mut told = Vec::new();
        for (path, scheme, id) in [
            ("/auth", "auth", ""),
            ("/named", "x509", "CN=client,O=Ringkeeper,C=DE"),
            ("/none", "x509", "no name"),
        ] {
            let body = crate::support::wire::Out::new().str(path).buffer(Some(b"x"));
            let body = body.acls(Some(&[(31, Some(scheme), Some(id))])).i32(0);
            told.push((path.to_owned(), "create".to_owned(), owner.call(1, body).err, Vec::new()));
        }
        for name in CLIENTS.iter().filter(|name| !matches!(name, Some("stranger" | "expired"))) {
            let mut session = Raw::session(secure.port, &config(*name)).unwrap();
            for path in ["/auth", "/named"] {
                for (opcode, what) in [(4, "get"), (6, "list")] {
                    let body = crate::support::wire::Out::new().str(path);
                    let body = if opcode == 4 { body.bool(false) } else { body };
                    let reply = session.call(opcode, body);
                    // The list without the node's times, which follow it.
                    let until = reply.body.len().saturating_sub(68);
                    let list = if opcode == 6 { reply.body[..until].to_vec() } else { Vec::new() };
                    told.push((format!("{path} {name:?}"), what.to_owned(), reply.err, list));
                }
            }
        }
        told
    };
    let theirs = told(Kind::Java);
    assert_eq!(told(Kind::under_test()), theirs);
    let codes: Vec<i32> = theirs.iter().map(|(_, _, code, _)| *code).collect();
    assert!(codes.contains(&-102) && codes.contains(&-114) && codes.contains(&0), "{codes:?}");
}

#[test]
fn every_kind_of_store_opens() {
    // Goal: JKS and PKCS#12 by keytool and OpenSSL, PEM plain and encrypted, the password in a file: the
    // client sees the certificate that is in the store.
    let pki = pki();
    for (key_store, trust_store) in [
        ("server.jks", "trust.jks"),
        ("server.p12", "trust.p12"),
        ("server.store.pem", "trust.pem"),
        ("server.locked.pem", "trust.pem"),
    ] {
        let mut settings = stores(&pki.path(key_store), &pki.path(trust_store));
        settings.retain(|(key, _)| *key != "ssl.keyStore.password");
        settings.push(("ssl.keyStore.passwordPath", pki.text("password")));
        let secure = start(Kind::under_test(), &format!("kinds-{key_store}"), &settings);
        let mut session = Raw::session(secure.port, &config(Some("client"))).unwrap();
        let name = "CN=client,O=Ringkeeper,C=DE".to_owned();
        assert!(session.who().contains(&("x509".to_owned(), name)), "{key_store}");
        let shown = String::from_utf8(pki.read("server.pem")).unwrap();
        let body: String = shown.lines().filter(|line| !line.contains("-----")).collect();
        use base64::Engine;
        let der = base64::engine::general_purpose::STANDARD.encode(session.server());
        assert_eq!(der, body, "{key_store}");
    }
}

#[test]
fn stores_that_cannot_be_used_end_the_start_by_name() {
    // Goal: a wrong password, a file that is not there, and one that is no store: exit code 2, the key and
    // the path, and no secret.
    for (key, value, told) in [
        ("ssl.keyStore.password", "not-the-one", "its password is another, or it is damaged"),
        ("ssl.keyStore.location", "/nowhere/k.jks", "cannot be read: No such file"),
        ("ssl.trustStore.location", "trust.pem.jks", "it is neither JKS nor PKCS#12"),
    ] {
        let mut settings = stores(&pki().path("server.jks"), &pki().path("trust.jks"));
        settings.retain(|(known, _)| *known != key);
        settings.push((key, value.replace("trust.pem.jks", &pki().text("trust.pem"))));
        settings.push(("ssl.trustStore.type", "JKS".to_owned()));
        settings.push(("secureClientPort", crate::free_port().to_string()));
        let all: Vec<(&str, &str)> = settings.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let folder = crate::scratch(&format!("tls/refused-{key}"));
        let port = crate::free_port();
        let mut server = crate::Server::spawn(Kind::Ringkeeper, &folder, &all, port);
        assert_eq!(server.wait(), Some(2), "{}", server.log());
        let log = server.log();
        assert!(log.contains(told), "{told}: {log}");
        assert!(!log.contains("not-the-one") && !log.contains(crate::pki::PASSWORD), "{log}");
    }
}

/// Whether OpenSSL's client comes through a handshake with these arguments.
fn shakes_hands(port: u16, arguments: &str) -> bool {
    let connect = format!("127.0.0.1:{port}");
    let mut command = Command::new("openssl");
    command
        .args(["s_client", "-connect", &connect, "-ign_eof", "-cert"])
        .arg(pki().path("client.pem"));
    command.arg("-key").arg(pki().path("client.key.pem")).args(arguments.split(' '));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // The word is answered, and the connection ends: without it a handshake that the server refuses
    // last would look whole to a client of TLS 1.3.
    let _ = child.stdin.take().unwrap().write_all(b"ruok\n");
    let output = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stdout).contains("imok")
}

#[test]
fn versions_and_suites_are_those_of_java() {
    // Goal: enabledProtocols, its default, and ciphersuites let the same versions and suites through.
    const TRIED: [&str; 6] = [
        "-tls1_1 -cipher DEFAULT@SECLEVEL=0",
        "-tls1_2",
        "-tls1_3",
        "-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256",
        "-tls1_2 -cipher ECDHE-RSA-AES256-GCM-SHA384",
        "-tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256",
    ];
    for (name, settings) in [
        ("default", vec![]),
        ("both", vec![("ssl.enabledProtocols", "TLSv1.2,TLSv1.3")]),
        (
            "suites",
            vec![
                ("ssl.enabledProtocols", "TLSv1.2,TLSv1.3"),
                (
                    "ssl.ciphersuites",
                    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,TLS_AES_256_GCM_SHA384",
                ),
            ],
        ),
    ] {
        let told = |kind: Kind| {
            let mut all = stores(&pki().path("server.jks"), &pki().path("trust.jks"));
            all.retain(|(key, _)| *key != "ssl.enabledProtocols");
            all.extend(settings.iter().map(|(key, value)| (*key, (*value).to_owned())));
            let secure = start(kind, &format!("versions-{name}"), &all);
            TRIED.map(|arguments| (arguments, shakes_hands(secure.port, arguments)))
        };
        let theirs = told(Kind::Java);
        assert_eq!(told(Kind::under_test()), theirs, "{name}");
        assert!(theirs.iter().any(|(_, in_)| *in_) && theirs.iter().any(|(_, in_)| !in_), "{name}");
    }
}
