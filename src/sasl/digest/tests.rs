//! Both ends against each other, against a response of RFC 2831's, and against who is not honest.

use super::response::{End, Inputs};
use super::*;
use crate::sasl::{Credentials, Failure, Secret};

const NONCE: Nonce = Nonce([1, 2, 3, 4]);
const CNONCE: Nonce = Nonce([5, 6, 7, 8]);

fn users() -> Credentials {
    Credentials::new([("bob", "secret"), ("jürgen", "pä\"ss"), ("日本", "語")])
}

fn secret(text: &str) -> Secret {
    Secret(text.to_owned())
}

/// A server that has sent its challenge, and that challenge.
fn challenged(service: &Service) -> (Acceptor, Vec<u8>) {
    let mut server = Acceptor::default();
    let Ok(Accepted::Challenge(challenge)) = server.accept(service, &users(), b"", || NONCE) else {
        panic!("no challenge");
    };
    (server, challenge)
}

/// What a client answers.
fn response(service: &Service, user: &str, password: &str, challenge: &[u8]) -> Vec<u8> {
    let mut client = Initiator::default();
    let next = client.answer(service, (user, &secret(password)), challenge, || CNONCE);
    match next.unwrap() {
        Next::Send(token) => token,
        Next::Done => panic!("done before the server has proven anything"),
    }
}

fn outcome(service: &Service, user: &str, password: &str) -> Result<Accepted, Failure> {
    let (mut server, challenge) = challenged(service);
    let token = response(service, user, password, &challenge);
    server.accept(service, &users(), &token, || NONCE)
}

/// An honest response with one part replaced.
fn altered(from: &str, to: &str) -> Result<Accepted, Failure> {
    let (mut server, challenge) = challenged(&CLIENTS);
    let token = String::from_utf8(response(&CLIENTS, "bob", "secret", &challenge)).unwrap();
    assert!(token.contains(from), "{token}");
    server.accept(&CLIENTS, &users(), token.replacen(from, to, 1).as_bytes(), || NONCE)
}

#[test]
fn a_response_is_the_one_of_the_standard() {
    // The example of RFC 2831, an exchange with an IMAP server.
    let inputs = Inputs {
        user: "chris",
        realm: "elwood.innosoft.com",
        password: "secret",
        nonce: b"OA6MG9tEQGm2hh",
        cnonce: b"OA6MHXh6VqTrRk",
        uri: "imap/elwood.innosoft.com",
        authzid: None,
    };
    assert_eq!(inputs.response(End::Client), "d388dad90d4bbd760a152321f2143af7");
    assert_eq!(inputs.response(End::Server), "ea40f60335c427b5527b84dbabcdfffd");
}

#[test]
fn the_challenge_is_javas() {
    let (_, challenge) = challenged(&CLIENTS);
    let text = String::from_utf8(challenge).unwrap();
    let nonce = "AAAAAAAAAAEAAAAAAAAAAgAAAAAAAAADAAAAAAAAAAQ=";
    let wanted =
        format!("realm=\"zk-sasl-md5\",nonce=\"{nonce}\",charset=utf-8,algorithm=md5-sess");
    assert_eq!(text, wanted);
}

#[test]
fn both_ends_prove_themselves_whatever_the_letters() {
    for service in [CLIENTS, SERVERS] {
        for (user, password) in [("bob", "secret"), ("jürgen", "pä\"ss"), ("日本", "語")] {
            let (mut server, challenge) = challenged(&service);
            let mut client = Initiator::default();
            let who = (user, &secret(password));
            let Ok(Next::Send(token)) = client.answer(&service, who, &challenge, || CNONCE) else {
                panic!("no response");
            };
            let accepted = server.accept(&service, &users(), &token, || NONCE);
            let Ok(Accepted::Proven { user: proven, token }) = accepted else {
                panic!("{user}: {accepted:?}");
            };
            assert_eq!(proven, user);
            assert_eq!(client.answer(&service, who, &token, || CNONCE), Ok(Next::Done));
            assert!(server.is_over());
        }
    }
}

#[test]
fn who_does_not_know_the_password_proves_nothing() {
    assert_eq!(outcome(&CLIENTS, "bob", "wrong"), Err(Failure::Password("bob".into())));
    assert_eq!(outcome(&CLIENTS, "eve", "secret"), Err(Failure::Unknown("eve".into())));
    let (mut server, challenge) = challenged(&CLIENTS);
    let token = response(&SERVERS, "bob", "secret", &challenge);
    let other = server.accept(&CLIENTS, &users(), &token, || NONCE);
    assert!(matches!(other, Err(Failure::Wrong { directive: "digest-uri", .. })), "{other:?}");
}

#[test]
fn every_part_of_a_response_is_looked_at() {
    for (from, to, why) in [
        ("charset=utf-8", "charset=utf-9", "charset=utf-9, utf-8 is wanted"),
        ("realm=\"zk-sasl-md5\"", "realm=\"other\"", "realm=other, zk-sasl-md5 is wanted"),
        ("nc=", "nonce-count=2,nc=", "nonce-count=2, 00000001 is wanted"),
        ("nc=", "nonce-count=x,nc=", "nonce-count=x, 00000001 is wanted"),
        ("maxbuf=65536", "maxbuf=many", "maxbuf=many, a number is wanted"),
        ("qop=auth", "qop=auth-conf", "qop=auth-conf, auth is wanted"),
        ("response=", "answer=", "no directive \"response\""),
        ("cnonce=", "snonce=", "no directive \"cnonce\""),
        ("username=", "name=", "no directive \"username\""),
        ("cnonce=\"", "cnonce=\"x", "the password of user \"bob\" is another"),
        ("qop=auth", "qop=auth,qop=auth", "directive \"qop\" is there more than once"),
    ] {
        assert_eq!(altered(from, to).unwrap_err().to_string(), why, "{from} -> {to}");
    }
    let unnamed = altered("realm=\"zk-sasl-md5\",", "").unwrap_err();
    assert_eq!(unnamed.to_string(), "realm=, zk-sasl-md5 is wanted");
    // Neither may be left out of what is hashed, but both may go unsaid.
    assert!(altered("nc=00000001,", "").is_ok() && altered(",qop=auth", "").is_ok());
}

#[test]
fn a_nonce_is_good_for_one_connection_and_one_response() {
    let (mut server, challenge) = challenged(&CLIENTS);
    let token = response(&CLIENTS, "bob", "secret", &challenge);
    assert!(server.accept(&CLIENTS, &users(), &token, || NONCE).is_ok());
    assert_eq!(server.accept(&CLIENTS, &users(), &token, || NONCE), Err(Failure::Over));
    // The same token at another connection.
    let mut other = Acceptor::default();
    other.accept(&CLIENTS, &users(), b"", || Nonce([9; 4])).unwrap();
    assert_eq!(other.accept(&CLIENTS, &users(), &token, || NONCE), Err(Failure::Nonce));
    assert_eq!(other.accept(&CLIENTS, &users(), b"", || NONCE), Err(Failure::Over), "no retry");
}

#[test]
fn somebody_proven_is_not_taken_for_somebody_else() {
    // CVE-2023-44981's class: the password is right, and the name asked for is another's.
    let (mut server, challenge) = challenged(&CLIENTS);
    let honest = String::from_utf8(response(&CLIENTS, "bob", "secret", &challenge)).unwrap();
    let cnonce = honest.split("cnonce=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let nonce = NONCE.text();
    let inputs = Inputs {
        user: "bob",
        realm: "zk-sasl-md5",
        password: "secret",
        nonce: nonce.as_bytes(),
        cnonce: cnonce.as_bytes(),
        uri: "zookeeper/zk-sasl-md5",
        authzid: Some(b"super"),
    };
    let old = honest.split("response=").nth(1).and_then(|rest| rest.split(',').next()).unwrap();
    let token = honest
        .replace("authzid=\"bob\"", "authzid=\"super\"")
        .replace(old, &inputs.response(End::Client));
    let refused = server.accept(&CLIENTS, &users(), token.as_bytes(), || NONCE).unwrap_err();
    assert_eq!(refused.to_string(), "user \"bob\" may not act as \"super\"");
}

#[test]
fn an_exchange_begins_with_any_token_that_is_not_too_long() {
    let mut server = Acceptor::default();
    let early = server.accept(&CLIENTS, &users(), b"username=\"bob\"", || NONCE);
    assert!(matches!(early, Ok(Accepted::Challenge(_))), "{early:?}");
    let long = vec![b'a'; 4097];
    let refused = server.accept(&CLIENTS, &users(), &long, || NONCE);
    assert_eq!(refused, Err(Failure::TooLong { bytes: 4097, limit: 4096 }));
    assert!(!server.is_over());
}

#[test]
fn a_client_believes_only_a_server_that_knows_the_password() {
    let (_, challenge) = challenged(&CLIENTS);
    let password = secret("secret");
    let who = ("bob", &password);
    let mut client = Initiator::default();
    client.answer(&CLIENTS, who, &challenge, || CNONCE).unwrap();
    let forged =
        client.answer(&CLIENTS, who, b"rspauth=00000000000000000000000000000000", || CNONCE);
    assert_eq!(forged, Err(Failure::Server));
    for (challenge, why) in [
        ("nonce=\"a\"", "no directive \"algorithm\""),
        ("algorithm=md5-sess", "no directive \"nonce\""),
        ("algorithm=md5,nonce=a", "algorithm=md5, md5-sess is wanted"),
        ("algorithm=md5-sess,nonce=a,qop=\"auth-int\"", "qop=auth-int, auth is wanted"),
    ] {
        let refused = Initiator::default().answer(&CLIENTS, who, challenge.as_bytes(), || CNONCE);
        assert_eq!(refused.unwrap_err().to_string(), why);
    }
    let offers = b"algorithm=md5-sess,nonce=a,qop=\"auth-int, auth\"";
    assert!(Initiator::default().answer(&CLIENTS, who, offers, || CNONCE).is_ok());
}
