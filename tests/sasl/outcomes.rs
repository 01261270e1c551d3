//! What each kind of token is answered, side by side.

use crate::raw::{Answer, BOB, Raw, altered, response};
use crate::support::server::{Kind, Server};
use crate::{both, start};

/// Honest and dishonest exchanges, each on a connection of its own.
fn exchanges(server: &Server) -> Vec<String> {
    let mut told = Vec::new();
    let mut tell = |name: &str, line: String| told.push(format!("{name}: {line}"));
    let mut old = Raw::open(server);
    let challenge = String::from_utf8(old.challenge()).unwrap();
    let (before, rest) = challenge.split_once("nonce=\"").unwrap();
    let (nonce, behind) = rest.split_once('"').unwrap();
    assert!(nonce.len() >= 32, "{challenge}");
    tell("challenge", format!("{before}nonce=...{behind}"));
    let replayed = response(BOB.0, BOB.1, challenge.as_bytes());
    let answer = old.token(&replayed);
    tell("honest", old.told(answer));
    let answer = old.token(&replayed);
    tell("the same again", old.told(answer));
    for (name, user, password) in [
        ("another user", "ops", "ops"),
        ("wrong password", "bob", "secret"),
        ("empty password", "bob", ""),
        ("unknown user", "eve", "secret"),
        ("a name with a realm", "zk/host@HOME", "wrong"),
    ] {
        let mut raw = Raw::open(server);
        let answer = raw.prove(user, password);
        tell(name, raw.told(answer));
    }
    told.extend(altered_responses(server));
    told.extend(other_tokens(server, &replayed));
    told
}

/// An honest response with one part replaced.
fn altered_responses(server: &Server) -> Vec<String> {
    let mut told = Vec::new();
    for (name, from, to) in [
        ("realm", "realm=\"zk-sasl-md5\"", "realm=\"other\""),
        ("no realm", "realm=\"zk-sasl-md5\",", ""),
        ("no nonce", "nonce=\"", "once=\""),
        ("no cnonce", ",cnonce=\"", ",snonce=\""),
        ("no username", "username=", "name="),
        ("no response", "response=", "answer="),
        ("no uri", "digest-uri=", "uri="),
        ("uri", "zookeeper/zk-sasl-md5", "zookeeper/other"),
        ("uri in capitals", "zookeeper/zk", "ZooKeeper/zk"),
        ("count", "nc=00000001", "nc=00000002"),
        ("another count", "nc=00000001", "nonce-count=00000002"),
        ("no count", "nc=00000001,", ""),
        ("quality", "qop=auth", "qop=auth-conf"),
        ("unknown quality", "qop=auth", "qop=best"),
        ("no quality", "qop=auth,", ""),
        ("charset", "charset=utf-8", "charset=latin1"),
        ("charset in capitals", "charset=utf-8", "charset=UTF-8"),
        ("no charset", "charset=utf-8,", ""),
        ("more", "charset=utf-8", "more=\"a\\\"b\",,  charset = utf-8"),
        ("twice", "nc=00000001", "nc=00000001,nc=00000001"),
        ("realm twice", "nc=00000001", "nc=00000001,realm=\"other\""),
        ("open quote", "authzid=\"bob\"", "authzid=\"bob"),
        ("behind a quote", "authzid=\"bob\"", "authzid=\"bob\"x"),
        ("no value", "qop=auth", "qop"),
    ] {
        let mut raw = Raw::open(server);
        let challenge = raw.challenge();
        let answer = raw.token(&altered(&challenge, from, to));
        told.push(format!("{name}: {}", raw.told(answer)));
    }
    told
}

/// Tokens that are no response at all, or another connection's.
fn other_tokens(server: &Server, replayed: &[u8]) -> Vec<String> {
    let mut told = Vec::new();
    let mut tell = |name: &str, line: String| told.push(format!("{name}: {line}"));
    let mut raw = Raw::open(server);
    let challenge = raw.challenge();
    let honest = response(BOB.0, BOB.1, &challenge);
    let answer = raw.token(&honest[..honest.len() / 2]);
    tell("truncated", raw.told(answer));
    let mut raw = Raw::open(server);
    raw.challenge();
    let answer = raw.token(replayed);
    tell("replayed", raw.told(answer));
    for (name, token) in [("first token", vec![b'a'; 9]), ("long token", vec![b'a'; 4097])] {
        let mut raw = Raw::open(server);
        let answer = raw.token(&token);
        tell(name, raw.told(answer));
    }
    let mut raw = Raw::open(server);
    raw.challenge();
    let answer = raw.token(&[b'a'; 4097]);
    tell("long response", raw.told(answer));
    let mut raw = Raw::open(server);
    raw.challenge();
    let answer = raw.token(b"");
    tell("empty response", raw.told(answer));
    told
}

#[test]
fn every_token_is_answered_as_by_java() {
    // Goal: who is proven by which token, with which code the others are refused, and that they are closed.
    let told = both("exchanges", &[], exchanges);
    let proven = told.iter().filter(|line| line.contains("proven; ip:127.0.0.1 sasl:")).count();
    assert!(proven > 5, "{told:#?}");
    let refused = told.iter().filter(|line| line.contains("no token, -115; closed")).count();
    assert!(refused > 15, "{told:#?}");
}

#[test]
fn who_fails_stays_where_failing_is_allowed() {
    // Goal: allowSaslFailedClients: a failed exchange is answered with no token and no error, proves nothing,
    // and the connection goes on.
    let told = both("allowed", &[("allowSaslFailedClients", "true")], exchanges);
    let kept = told.iter().filter(|line| line.contains("no token, 0; ip:127.0.0.1")).count();
    assert!(kept > 15, "{told:#?}");
    // A response that fails ends the exchange.
    let again = both("allowed-again", &[("allowSaslFailedClients", "true")], |server| {
        let mut raw = Raw::open(server);
        let mut told = Vec::new();
        let answer = raw.prove("bob", "wrong");
        told.push(raw.told(answer));
        let answer = raw.token(b"");
        told.push(raw.told(answer));
        told
    });
    assert!(again.iter().all(|line| line.contains("no token, 0; ip:127.0.0.1")), "{again:#?}");
}

#[test]
fn nobody_is_taken_for_somebody_else() {
    // Goal: the authorization id is who was proven (ZooKeeper from 3.9.7 on; 3.9.5 passes over it), or the
    // exchange fails. CVE-2023-44981 is the same check between servers.
    let server = start(Kind::Ringkeeper, "authorization", &[("superUser", "ops")]);
    let mut raw = Raw::open(&server);
    let challenge = raw.challenge();
    // A forger hashes the name that he asks for, too: by replacing it where the password is right.
    let token = crate::raw::response_for(BOB, "ops", &challenge);
    let answer = raw.token(&token);
    assert_eq!(raw.told(answer), "no token, -115; closed");
    assert!(server.log().contains("user \"bob\" may not act as \"ops\""), "{}", server.log());
    let mut raw = Raw::open(&server);
    let challenge = raw.challenge();
    let answer = raw.token(&crate::raw::response_for(BOB, "bob", &challenge));
    assert_eq!(raw.told(answer), "proven; ip:127.0.0.1 sasl:bob");
}

#[test]
fn a_server_without_users_has_no_exchange() {
    // Goal: no file, or one that is there for somebody else: a null token, no error, and nothing is proven.
    let told = |server: &Server| {
        let mut raw = Raw::open(server);
        let answer = raw.token(b"");
        assert_eq!(answer, Answer::None(0));
        vec![raw.told(answer)]
    };
    for kind in [Kind::Java, Kind::under_test()] {
        let folder = crate::scratch(&format!("sasl/without-{kind:?}"));
        let text = crate::client_section("bob", "b");
        let file = crate::jaas(&folder, "jaas.conf", &text).display().to_string();
        let settings = [("java.security.auth.login.config", file.as_str()), crate::PROVIDER];
        let server = Server::start(kind, &folder, &settings);
        assert_eq!(told(&server), ["no token, 0; ip:127.0.0.1"], "{kind:?}");
    }
}
