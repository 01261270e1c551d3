//! SASL before anything else, against the server's own end of the exchange.

use super::subject::{line, request, welcome};
use super::*;
use crate::client::SaslLogin;
use crate::codec::reply;
use crate::codec::request::{self as requests, Request};
use crate::sasl::{Accepted, Acceptor, CLIENTS, Credentials, Nonce, Secret};
use crate::types::{ErrorCode, Xid};

/// A session that was told its timeout, and what it has sent since.
struct Exchange {
    session: Session,
    server: Acceptor,
    out: Vec<Effect>,
}

impl Exchange {
    fn begin(password: &str) -> Exchange {
        let sasl = SaslLogin { user: "bob".into(), password: Secret(password.into()) };
        let settings = Settings { sasl: Some(sasl), ..Settings::new(1) };
        let session = Session::new(ConnectString::parse("a").unwrap(), settings);
        let mut exchange = Exchange { session, server: Acceptor::default(), out: Vec::new() };
        exchange.step(Input::Tick);
        exchange.ask(1, "auth digest");
        exchange.ask(2, "get /a watch");
        exchange.step(Input::Opened);
        exchange.out.clear();
        exchange.step(Input::Received(&welcome(30_000, 5, false)));
        exchange
    }

    fn step(&mut self, input: Input<'_>) {
        self.session.step(Millis(0), input, &mut self.out);
    }

    fn ask(&mut self, ticket: u64, text: &str) {
        let request = request(text);
        self.step(Input::Ask { ticket: Ticket(ticket), request, is_absolute: false });
    }

    fn lines(&self) -> Vec<String> {
        self.out.iter().map(line).collect()
    }

    /// The token that was sent last, and its number.
    fn token(&self) -> (Xid, Vec<u8>) {
        let sent = self.out.iter().rev().find_map(|effect| match effect {
            Effect::Send(bytes) => Some(bytes),
            _ => None,
        });
        let (header, body) = requests::decode_header(&sent.unwrap()[4..]).unwrap();
        match requests::decode_body(header.opcode, body) {
            Ok(Request::Sasl { token }) => (header.xid, token.to_vec()),
            other => panic!("no token: {other:?}"),
        }
    }

    fn answer(&mut self, error: ErrorCode, token: Option<&[u8]>) {
        let mut bytes = Vec::new();
        reply::sasl(&mut bytes, self.token().0, error, token);
        self.step(Input::Received(&bytes));
    }

    /// The server takes the last token and answers it.
    fn serve(&mut self) {
        let users = Credentials::new([("bob", "secret")]);
        let token = self.token().1;
        match self.server.accept(&CLIENTS, &users, &token, || Nonce([1; 4])) {
            Ok(Accepted::Challenge(token) | Accepted::Proven { token, .. }) => {
                self.answer(ErrorCode::Ok, Some(&token));
            }
            Err(_) => self.answer(ErrorCode::AuthFailed, None),
        }
    }
}

#[test]
fn a_user_is_proven_before_anything_else_is_asked() {
    // Goal: identities, watches and requests wait until both ends are proven; at the next server again.
    let mut exchange = Exchange::begin("secret");
    assert_eq!(exchange.lines(), ["send 1 sasl"]);
    exchange.serve();
    assert_eq!(exchange.lines(), ["send 1 sasl", "send 2 sasl"]);
    assert_eq!(exchange.session.state(), State::Connecting);
    exchange.serve();
    let get = "send 3 GetData { path: Some(\"/a\"), watch: true }";
    let lines = exchange.lines();
    assert_eq!(lines[2..], ["send -4 auth digest", "state Connected", get]);
    exchange.out.clear();
    exchange.server = Acceptor::default();
    exchange.step(Input::Lost);
    exchange.step(Input::Tick);
    exchange.step(Input::Opened);
    exchange.step(Input::Received(&welcome(30_000, 5, false)));
    exchange.serve();
    exchange.serve();
    let lines = exchange.lines();
    let at = |text: &str| lines.iter().position(|line| line.contains(text)).unwrap();
    assert!(at("send 5 sasl") < at("auth digest"), "{lines:?}");
}

#[test]
fn a_proof_that_fails_ends_the_session() {
    // Goal: a wrong password, a server that has no users, one that does not know the password, one that
    // demands more: each ends it with AuthFailed, and whoever waits is told.
    let ended = |exchange: &Exchange| {
        let lines = exchange.lines();
        assert_eq!(exchange.session.state(), State::AuthFailed, "{lines:?}");
        assert!(lines.contains(&"answered 2 AuthFailed bytes=0".to_owned()), "{lines:?}");
        assert_eq!(lines.last().map(String::as_str), Some("close"));
    };
    let mut wrong = Exchange::begin("wrong");
    wrong.serve();
    wrong.serve();
    ended(&wrong);
    let mut without = Exchange::begin("secret");
    without.answer(ErrorCode::Ok, None);
    ended(&without);
    let mut forged = Exchange::begin("secret");
    forged.serve();
    forged.answer(ErrorCode::Ok, Some(b"rspauth=00000000000000000000000000000000"));
    ended(&forged);
    let mut demanding = Exchange::begin("secret");
    demanding.answer(ErrorCode::SessionClosedRequireSaslAuth, None);
    ended(&demanding);
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let mut exchange = Exchange::begin("secret");
    let until = exchange.session.deadline().unwrap();
    let mut out = Vec::new();
    exchange.session.step(until, Input::Tick, &mut out);
    assert!(out.contains(&Effect::Close), "{out:?}");
    assert_eq!(exchange.session.state(), State::Connecting);
}
