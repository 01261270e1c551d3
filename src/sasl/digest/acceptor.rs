//! The server's end (the JDK's DigestMD5Server, under SaslServerCallbackHandler).

use super::super::failure::{Failure, shown};
use super::super::login::Credentials;
use super::directives::{Directives, Realms, put_plain, put_quoted};
use super::response::{End, Inputs, NONCE_COUNT, QOP, is_same};
use super::{Nonce, Service};
use crate::types::limits;

/// One connection's exchange.
#[derive(Default, Debug)]
pub struct Acceptor {
    state: State,
}

#[derive(Default, Debug)]
enum State {
    #[default]
    Fresh,
    /// This was sent, and is good for one response.
    Challenged(String),
    /// Proven or failed: there is no second exchange.
    Over,
}

/// What a token has come to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Accepted {
    /// The client has to answer this.
    Challenge(Vec<u8>),
    /// The client is this user, and is to be sent what proves the server to it.
    Proven {
        /// As it stands in the file of users.
        user: String,
        /// `rspauth=…`.
        token: Vec<u8>,
    },
}

impl Acceptor {
    /// Takes a client's token.
    pub fn accept(
        &mut self,
        service: &Service,
        users: &Credentials,
        token: &[u8],
        nonce: impl FnOnce() -> Nonce,
    ) -> Result<Accepted, Failure> {
        let (bytes, limit) = (token.len(), limits::SASL_TOKEN_BYTES);
        if bytes > limit {
            return Err(Failure::TooLong { bytes, limit });
        }
        match std::mem::replace(&mut self.state, State::Over) {
            // What the first token says is nobody's business, as in the JDK; it should say nothing.
            State::Fresh => {
                let nonce = nonce().text();
                let challenge = challenge(service, &nonce);
                self.state = State::Challenged(nonce);
                Ok(Accepted::Challenge(challenge))
            }
            State::Challenged(nonce) => prove(service, users, &nonce, token),
            State::Over => Err(Failure::Over),
        }
    }

    /// Whether nothing can be proven any more.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }
}

/// In the JDK's order.
fn challenge(service: &Service, nonce: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    put_quoted(&mut out, "realm", service.name.as_bytes());
    put_quoted(&mut out, "nonce", nonce.as_bytes());
    put_plain(&mut out, "charset", b"utf-8");
    put_plain(&mut out, "algorithm", b"md5-sess");
    out
}

fn prove(
    service: &Service,
    users: &Credentials,
    nonce: &str,
    token: &[u8],
) -> Result<Accepted, Failure> {
    let directives = Directives::parse(token, Realms::One)?;
    if directives.get("charset").is_some() {
        expect(&directives, "charset", "utf-8")?;
    }
    if let Some(size) = directives.get("maxbuf") {
        number(size, 10).ok_or_else(|| wrong("maxbuf", size, "a number"))?;
    }
    let user = text(directives.need("username")?);
    let realm = text(directives.get("realm").unwrap_or_default());
    if realm != service.name {
        return Err(wrong("realm", realm.as_bytes(), service.name));
    }
    if !is_same(directives.need("nonce")?, nonce.as_bytes()) {
        return Err(Failure::Nonce);
    }
    let cnonce = directives.need("cnonce")?;
    // Clients say "nc", which the JDK does not know by that name; the response has the first use in it.
    if let Some(count) = directives.get("nonce-count")
        && number(count, 16) != Some(1)
    {
        return Err(wrong("nonce-count", count, NONCE_COUNT));
    }
    if directives.get("qop").is_some() {
        expect(&directives, "qop", QOP)?;
    }
    let uri = text(directives.need("digest-uri")?);
    if !uri.eq_ignore_ascii_case(&service.uri()) {
        return Err(wrong("digest-uri", uri.as_bytes(), &service.uri()));
    }
    let response = directives.need("response")?;
    let password = users.password(&user).ok_or_else(|| Failure::Unknown(shown(user.as_bytes())))?;
    let authzid = directives.get("authzid");
    let nonce = nonce.as_bytes();
    let inputs = Inputs { user: &user, realm: &realm, password, nonce, cnonce, uri: &uri, authzid };
    if !is_same(response, inputs.response(End::Client).as_bytes()) {
        return Err(Failure::Password(shown(user.as_bytes())));
    }
    if let Some(wanted) = authzid
        && text(wanted) != user
    {
        let (user, wanted) = (shown(user.as_bytes()), shown(wanted));
        return Err(Failure::Authorization { user, wanted });
    }
    let mut token = Vec::with_capacity(40);
    put_plain(&mut token, "rspauth", inputs.response(End::Server).as_bytes());
    Ok(Accepted::Proven { user, token })
}

fn expect(directives: &Directives, name: &'static str, wanted: &str) -> Result<(), Failure> {
    match directives.get(name) {
        Some(value) if value == wanted.as_bytes() => Ok(()),
        value => Err(wrong(name, value.unwrap_or_default(), wanted)),
    }
}

fn wrong(directive: &'static str, value: &[u8], wanted: &str) -> Failure {
    Failure::Wrong { directive, value: shown(value), wanted: wanted.to_owned() }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn number(digits: &[u8], radix: u32) -> Option<i32> {
    i32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()
}
