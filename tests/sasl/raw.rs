//! Tokens by hand: one connection, and what each token is answered.

use md5::{Digest, Md5};
use ringkeeper::sasl::{CLIENTS, Initiator, Next, Nonce, Secret};

use crate::support::client::{Conn, Handshake, Received, Reply};
use crate::support::server::Server;
use crate::support::wire::{In, Out};

/// The password of the tests' user, as typed.
pub(crate) const BOB: (&str, &str) = ("bob", "bob's \"secret\"");

pub(crate) struct Raw {
    pub(crate) conn: Conn,
    xid: i32,
}

/// An answer to a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Token(Vec<u8>),
    /// The code, and no token.
    None(i32),
    Closed,
}

impl Raw {
    pub(crate) fn open(server: &Server) -> Raw {
        Raw::open_at(server.port)
    }

    pub(crate) fn open_at(port: u16) -> Raw {
        let mut conn = Conn::open(port).expect("a connection");
        conn.handshake(&Handshake::new(20_000)).expect("a session");
        Raw { conn, xid: 0 }
    }

    pub(crate) fn call(&mut self, opcode: i32, body: Out) -> Option<Reply> {
        self.xid += 1;
        let reply = self.conn.call(self.xid, opcode, &body.0)?;
        // A ping's answer has a number of its own, unless it is a refusal.
        assert!(reply.xid == self.xid || (opcode == 11 && reply.xid == -2), "{reply:?}");
        Some(reply)
    }

    pub(crate) fn token(&mut self, token: &[u8]) -> Answer {
        let Some(reply) = self.call(102, Out::new().buffer(Some(token))) else {
            return Answer::Closed;
        };
        assert_eq!(reply.zxid, 0, "a SASL answer tells of no transaction");
        match In::new(&reply.body).buffer().expect("a buffer") {
            Some(token) if reply.err == 0 => Answer::Token(token.to_vec()),
            _ => Answer::None(reply.err),
        }
    }

    /// The server's challenge.
    pub(crate) fn challenge(&mut self) -> Vec<u8> {
        match self.token(b"") {
            Answer::Token(challenge) => challenge,
            other => panic!("no challenge: {other:?}"),
        }
    }

    /// A whole exchange of somebody's, the last answer.
    pub(crate) fn prove(&mut self, user: &str, password: &str) -> Answer {
        let challenge = self.challenge();
        self.token(&response(user, password, &challenge))
    }

    /// What an answer comes to, in words, with what the connection is afterwards.
    pub(crate) fn told(&mut self, answer: Answer) -> String {
        let first = match answer {
            Answer::Token(token) if token.starts_with(b"rspauth=") => "proven".to_owned(),
            Answer::Token(_) => "challenged".to_owned(),
            Answer::None(code) => format!("no token, {code}"),
            Answer::Closed => return "closed".to_owned(),
        };
        format!("{first}; {}", self.who())
    }

    /// Who the server says this is, or that the connection is closed.
    pub(crate) fn who(&mut self) -> String {
        self.xid += 1;
        let Some(reply) = self.conn.call(self.xid, 107, &[]) else { return "closed".to_owned() };
        if reply.err != 0 {
            let closed = self.conn.receive() == Received::Closed;
            return format!("refused with {}, closed: {closed}", reply.err);
        }
        let mut input = In::new(&reply.body);
        let one = |input: &mut In<'_>| {
            let (scheme, name) = (input.string()?, input.string()?);
            Ok(format!("{}:{}", scheme.unwrap_or_default(), name.unwrap_or_default()))
        };
        let mut all = input.vector(one).expect("identities").unwrap_or_default();
        // In the order of a hash table.
        all.sort();
        all.join(" ")
    }

    /// The code of a create with one entry.
    pub(crate) fn create(&mut self, path: &str, (scheme, id): (&str, &str)) -> i32 {
        let acl = [(31, Some(scheme), Some(id))];
        let body = Out::new().str(path).buffer(Some(b"x")).acls(Some(&acl)).i32(0);
        self.call(1, body).map_or(i32::MIN, |reply| reply.err)
    }

    /// Waits until the server has applied all that was agreed before.
    pub(crate) fn sync(&mut self, path: &str) {
        let reply = self.call(9, Out::new().str(path)).expect("an answer");
        assert_eq!(reply.err, 0);
    }

    pub(crate) fn get(&mut self, path: &str) -> i32 {
        self.call(4, Out::new().str(path).bool(false)).map_or(i32::MIN, |reply| reply.err)
    }
}

/// The honest one.
pub(crate) fn response(user: &str, password: &str, challenge: &[u8]) -> Vec<u8> {
    let who = (user, &Secret(password.to_owned()));
    match Initiator::default().answer(&CLIENTS, who, challenge, || Nonce([7; 4])) {
        Ok(Next::Send(token)) => token,
        other => panic!("no response: {other:?}"),
    }
}

/// The honest one of the tests' user, with a part replaced.
pub(crate) fn altered(challenge: &[u8], from: &str, to: &str) -> Vec<u8> {
    let honest = String::from_utf8(response(BOB.0, BOB.1, challenge)).unwrap();
    assert!(honest.contains(from), "{honest}");
    honest.replacen(from, to, 1).into_bytes()
}

/// A response that proves the one and asks to be taken for the other, by RFC 2831's own formula.
pub(crate) fn response_for(
    (user, password): (&str, &str),
    wanted: &str,
    challenge: &[u8],
) -> Vec<u8> {
    let hash = |parts: &[&[u8]]| {
        let mut md5 = Md5::new();
        parts.iter().for_each(|part| md5.update(part));
        md5.finalize().to_vec()
    };
    let hex = |bytes: Vec<u8>| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let challenge = std::str::from_utf8(challenge).unwrap();
    let nonce = challenge.split("nonce=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let secret = hash(&[user.as_bytes(), b":zk-sasl-md5:", password.as_bytes()]);
    let (tail, uri) = (format!(":{nonce}:c:{wanted}"), "zookeeper/zk-sasl-md5");
    let first = hex(hash(&[&secret, tail.as_bytes()]));
    let second = hex(hash(&[b"AUTHENTICATE:", uri.as_bytes()]));
    let response = hex(hash(&[format!("{first}:{nonce}:00000001:c:auth:{second}").as_bytes()]));
    let text = format!(
        "charset=utf-8,username=\"{user}\",realm=\"zk-sasl-md5\",nonce=\"{nonce}\",nc=00000001,\
         cnonce=\"c\",digest-uri=\"{uri}\",response={response},qop=auth,authzid=\"{wanted}\""
    );
    text.into_bytes()
}
