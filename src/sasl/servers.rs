//! The exchange between servers, packet by packet (SaslQuorumAuthServer, SaslQuorumAuthLearner).
//!
//! Whoever connects speaks first. A server that demands no proof takes who begins with something else, and
//! who fails, too: so an ensemble is switched over one server at a time.

use super::{Accepted, Acceptor, Credentials, Failure, Initiator, Next, Nonce, SERVERS, Secret};
use crate::codec::quorum::{
    AuthPacket, AuthPacketError, AuthStatus, begins_with_auth, decode_auth, encode_auth,
};

/// Why a connection with another server ends.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum Unproven {
    #[error("it proves nothing, and quorum.auth.serverRequireSasl is true")]
    Silent,
    #[error(transparent)]
    Failure(#[from] Failure),
    #[error(transparent)]
    Packet(#[from] AuthPacketError),
    #[error("it refuses our user or password")]
    Refused,
    #[error("its exchange ends where it should go on")]
    Order,
}

/// How an exchange stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Progress {
    /// More has to come.
    Waiting,
    /// What follows is the connection's own. Of the end that accepted: who was proven, if anybody, and what
    /// has failed.
    Through(Option<String>, Option<Unproven>),
    /// The connection is to be closed, once what was written has left.
    Ended(Unproven),
}

/// The end that was connected to.
#[derive(Default, Debug)]
pub struct PeerAcceptor {
    acceptor: Acceptor,
    has_begun: bool,
}

impl PeerAcceptor {
    /// Whether the other end has sent a token.
    pub fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Takes what is there, and says how much of it was the exchange's.
    pub fn take(
        &mut self,
        (users, is_required): (&Credentials, bool),
        input: &[u8],
        out: &mut Vec<u8>,
        nonce: &dyn Fn() -> Nonce,
    ) -> (usize, Progress) {
        if !self.has_begun {
            match begins_with_auth(input) {
                None => return (0, Progress::Waiting),
                Some(false) if is_required => return (0, Progress::Ended(Unproven::Silent)),
                Some(false) => return (0, Progress::Through(None, None)),
                Some(true) => self.has_begun = true,
            }
        }
        let mut used = 0;
        loop {
            let why = match decode_auth(&input[used..]) {
                Ok(None) => return (used, Progress::Waiting),
                Ok(Some((packet, length))) => {
                    used += length;
                    let token = packet.token.unwrap_or_default();
                    match self.acceptor.accept(&SERVERS, users, token, nonce) {
                        Ok(Accepted::Challenge(token)) => {
                            put(out, AuthStatus::InProgress, &token);
                            continue;
                        }
                        Ok(Accepted::Proven { user, token }) => {
                            put(out, AuthStatus::Success, &token);
                            return (used, Progress::Through(Some(user), None));
                        }
                        Err(failure) => Unproven::from(failure),
                    }
                }
                Err(error) => error.into(),
            };
            put(out, AuthStatus::Error, &[]);
            return match is_required {
                true => (used, Progress::Ended(why)),
                false => (used, Progress::Through(None, Some(why))),
            };
        }
    }
}

/// The end that connects.
#[derive(Default, Debug)]
pub struct PeerInitiator {
    initiator: Initiator,
}

impl PeerInitiator {
    /// The first token.
    pub fn begin(out: &mut Vec<u8>) {
        put(out, AuthStatus::InProgress, &[]);
    }

    /// Takes what is there, and says how much of it was the exchange's.
    pub fn take(
        &mut self,
        who: (&str, &Secret),
        input: &[u8],
        out: &mut Vec<u8>,
        cnonce: &dyn Fn() -> Nonce,
    ) -> (usize, Progress) {
        let mut used = 0;
        loop {
            match decode_auth(&input[used..]) {
                Ok(None) => return (used, Progress::Waiting),
                Ok(Some((packet, length))) => {
                    used += length;
                    match self.answer(who, packet, cnonce) {
                        Ok(None) => return (used, Progress::Through(None, None)),
                        Ok(Some(token)) => put(out, AuthStatus::InProgress, &token),
                        Err(why) => return (used, Progress::Ended(why)),
                    }
                }
                Err(error) => return (used, Progress::Ended(error.into())),
            }
        }
    }

    /// `None`: the server is proven, too.
    fn answer(
        &mut self,
        who: (&str, &Secret),
        packet: AuthPacket<'_>,
        cnonce: &dyn Fn() -> Nonce,
    ) -> Result<Option<Vec<u8>>, Unproven> {
        let token = packet.token.unwrap_or_default();
        match packet.status {
            AuthStatus::Error => Err(Unproven::Refused),
            AuthStatus::InProgress => match self.initiator.answer(&SERVERS, who, token, cnonce)? {
                Next::Send(token) => Ok(Some(token)),
                Next::Done => Err(Unproven::Order),
            },
            AuthStatus::Success => match self.initiator.answer(&SERVERS, who, token, cnonce)? {
                Next::Send(_) => Err(Unproven::Order),
                Next::Done => Ok(None),
            },
        }
    }
}

fn put(out: &mut Vec<u8>, status: AuthStatus, token: &[u8]) {
    encode_auth(AuthPacket { status, token: Some(token) }, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nonce() -> Nonce {
        Nonce([3; 4])
    }

    fn users() -> Credentials {
        Credentials::new([("zk", "secret")])
    }

    /// Both ends, and what each has come to; the accepting end's input has `behind` after the exchange.
    fn meet(password: &str, is_required: bool, behind: &[u8]) -> (Progress, Progress, usize) {
        let (mut ours, mut theirs) = (PeerAcceptor::default(), PeerInitiator::default());
        let (mut to_us, mut to_them) = (Vec::new(), Vec::new());
        let (users, secret) = (users(), Secret(password.to_owned()));
        PeerInitiator::begin(&mut to_us);
        for _ in 0..4 {
            let (used, accepted) = ours.take((&users, is_required), &to_us, &mut to_them, &nonce);
            to_us.drain(..used);
            let (used, initiated) = theirs.take(("zk", &secret), &to_them, &mut to_us, &nonce);
            to_them.drain(..used);
            if accepted != Progress::Waiting {
                to_us.extend_from_slice(behind);
                return (accepted, initiated, to_us.len());
            }
        }
        panic!("no end");
    }

    #[test]
    fn both_ends_are_proven_and_what_follows_is_left() {
        for is_required in [true, false] {
            let (accepted, initiated, left) = meet("secret", is_required, b"FOLLOWERINFO");
            assert_eq!(accepted, Progress::Through(Some("zk".into()), None));
            assert_eq!((initiated, left), (Progress::Through(None, None), 12));
        }
    }

    #[test]
    fn who_fails_ends_where_a_proof_is_required_and_goes_on_elsewhere() {
        let why = Unproven::Failure(Failure::Password("zk".into()));
        let (accepted, initiated, _) = meet("wrong", true, b"");
        assert_eq!(accepted, Progress::Ended(why.clone()));
        assert_eq!(initiated, Progress::Ended(Unproven::Refused));
        let (accepted, initiated, _) = meet("wrong", false, b"");
        assert_eq!(accepted, Progress::Through(None, Some(why)));
        assert_eq!(initiated, Progress::Ended(Unproven::Refused), "the other end does not go on");
    }

    #[test]
    fn who_proves_nothing_is_told_by_the_first_bytes() {
        let mut out = Vec::new();
        let mut take = |is_required, input: &[u8]| {
            PeerAcceptor::default().take((&users(), is_required), input, &mut out, &nonce)
        };
        assert_eq!(take(true, b"\0\0\0\x0b"), (0, Progress::Ended(Unproven::Silent)));
        assert_eq!(take(false, b"\0\0\0\x0b"), (0, Progress::Through(None, None)));
        assert_eq!(take(false, b""), (0, Progress::Waiting));
        assert_eq!(take(true, b"\x5f\x24\x35"), (0, Progress::Waiting));
        assert!(out.is_empty(), "who sends no token is sent none");
    }

    #[test]
    fn an_end_that_breaks_the_order_ends_the_exchange() {
        let secret = Secret("secret".to_owned());
        let answered = |status, token: &[u8]| {
            let mut packet = Vec::new();
            put(&mut packet, status, token);
            PeerInitiator::default().take(("zk", &secret), &packet, &mut Vec::new(), &nonce).1
        };
        let challenge = b"realm=\"r\",nonce=\"n\",algorithm=md5-sess";
        assert_eq!(answered(AuthStatus::Success, challenge), Progress::Ended(Unproven::Order));
        assert_eq!(answered(AuthStatus::Error, b""), Progress::Ended(Unproven::Refused));
        let (mut packets, mut out) = (Vec::new(), Vec::new());
        put(&mut packets, AuthStatus::InProgress, b"");
        put(&mut packets, AuthStatus::InProgress, b"x=y");
        let (_, progress) =
            PeerAcceptor::default().take((&users(), true), &packets, &mut out, &nonce);
        assert_eq!(progress, Progress::Ended(Unproven::Failure(Failure::Missing("username"))));
    }
}
