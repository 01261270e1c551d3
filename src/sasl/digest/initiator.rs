//! The client's end (the JDK's DigestMD5Client, under SaslClientCallbackHandler).

use super::super::failure::{Failure, shown};
use super::super::secret::Secret;
use super::directives::{Directives, Realms, put_plain, put_quoted};
use super::response::{End, Inputs, NONCE_COUNT, QOP, is_same};
use super::{Nonce, Service};
use crate::types::limits;

/// One connection's exchange. It begins with an empty token.
#[derive(Debug)]
pub struct Initiator {
    state: State,
}

#[derive(Debug)]
enum State {
    Asked,
    /// The server must show that it knows the password.
    Answered {
        rspauth: String,
    },
    Over,
}

/// What a server's token asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Next {
    /// This has to be sent.
    Send(Vec<u8>),
    /// Both ends are proven.
    Done,
}

impl Default for Initiator {
    fn default() -> Initiator {
        Initiator { state: State::Asked }
    }
}

impl Initiator {
    /// Takes a server's token.
    pub fn answer(
        &mut self,
        service: &Service,
        (user, password): (&str, &Secret),
        token: &[u8],
        cnonce: impl FnOnce() -> Nonce,
    ) -> Result<Next, Failure> {
        let (bytes, limit) = (token.len(), limits::SASL_TOKEN_BYTES);
        if bytes > limit {
            return Err(Failure::TooLong { bytes, limit });
        }
        match std::mem::replace(&mut self.state, State::Over) {
            State::Asked => {
                let (token, rspauth) = respond(service, (user, password), token, cnonce().text())?;
                self.state = State::Answered { rspauth };
                Ok(Next::Send(token))
            }
            State::Answered { rspauth } => {
                let directives = Directives::parse(token, Realms::One)?;
                match is_same(directives.need("rspauth")?, rspauth.as_bytes()) {
                    true => Ok(Next::Done),
                    false => Err(Failure::Server),
                }
            }
            State::Over => Err(Failure::Over),
        }
    }
}

/// The token, and what the server must answer.
fn respond(
    service: &Service,
    (user, password): (&str, &Secret),
    challenge: &[u8],
    cnonce: String,
) -> Result<(Vec<u8>, String), Failure> {
    let directives = Directives::parse(challenge, Realms::Several)?;
    let algorithm = directives.need("algorithm")?;
    if algorithm != b"md5-sess" {
        let (value, wanted) = (shown(algorithm), "md5-sess".to_owned());
        return Err(Failure::Wrong { directive: "algorithm", value, wanted });
    }
    let offered = directives.get("qop").unwrap_or(QOP.as_bytes());
    if !offered.split(|byte| *byte == b',').any(|one| one.trim_ascii() == QOP.as_bytes()) {
        let (value, wanted) = (shown(offered), QOP.to_owned());
        return Err(Failure::Wrong { directive: "qop", value, wanted });
    }
    let nonce = directives.need("nonce")?;
    let realm = String::from_utf8_lossy(directives.get("realm").unwrap_or_default()).into_owned();
    let uri = service.uri();
    let inputs = Inputs {
        user,
        realm: &realm,
        password: &password.0,
        nonce,
        cnonce: cnonce.as_bytes(),
        uri: &uri,
        authzid: Some(user.as_bytes()),
    };
    let mut out = Vec::with_capacity(256);
    put_plain(&mut out, "charset", b"utf-8");
    put_quoted(&mut out, "username", user.as_bytes());
    put_quoted(&mut out, "realm", realm.as_bytes());
    put_quoted(&mut out, "nonce", nonce);
    put_plain(&mut out, "nc", NONCE_COUNT.as_bytes());
    put_quoted(&mut out, "cnonce", cnonce.as_bytes());
    put_quoted(&mut out, "digest-uri", uri.as_bytes());
    put_plain(&mut out, "maxbuf", b"65536");
    put_plain(&mut out, "response", inputs.response(End::Client).as_bytes());
    put_plain(&mut out, "qop", QOP.as_bytes());
    put_quoted(&mut out, "authzid", user.as_bytes());
    Ok((out, inputs.response(End::Server)))
}
