//! SASL tokens between servers, before anything else on the quorum port, and behind the header on the election
//! port (QuorumAuthPacket; tools/docs/reference/quorum-protocol.md section 17):
//!
//! ```text
//!  5f24350135 01edcc (8) | status (4) | token: length, -1 null (4), bytes
//! ```

use crate::codec::jute::{put_i32, put_i64, put_opt_buffer};
use crate::types::limits;

/// What nothing else that a server may send begins with (QuorumAuth.QUORUM_AUTH_MAGIC_NUMBER).
const MAGIC: i64 = 0x5f24_3501_3501_edcc;

/// How an exchange stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names (QuorumAuth.Status)")]
pub enum AuthStatus {
    InProgress,
    Success,
    Error,
}

/// A token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AuthPacket<'a> {
    /// As its sender sees it.
    pub status: AuthStatus,
    /// `None`: null.
    pub token: Option<&'a [u8]>,
}

/// No server's token. The caller ends the exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum AuthPacketError {
    #[error("a token without its magic number")]
    Magic,
    #[error("token status {0}, known are 0, 1 and -1")]
    Status(i32),
    #[error("a token of {0} bytes, at most {limit} are taken", limit = limits::SASL_TOKEN_BYTES)]
    Length(i32),
}

/// Whether a token begins there. `None`: too little is there to tell.
pub fn begins_with_auth(bytes: &[u8]) -> Option<bool> {
    let magic = MAGIC.to_be_bytes();
    let count = bytes.len().min(magic.len());
    match bytes[..count] == magic[..count] {
        true if count < magic.len() => None,
        is_same => Some(is_same),
    }
}

/// Takes one packet off the front of `bytes`, and says how many they were. `None`: it goes on behind them.
pub fn decode_auth(bytes: &[u8]) -> Result<Option<(AuthPacket<'_>, usize)>, AuthPacketError> {
    if begins_with_auth(bytes) == Some(false) {
        return Err(AuthPacketError::Magic);
    }
    let Some((status, rest)) = bytes.get(8..).and_then(<[u8]>::split_first_chunk::<4>) else {
        return Ok(None);
    };
    let status = match i32::from_be_bytes(*status) {
        0 => AuthStatus::InProgress,
        1 => AuthStatus::Success,
        -1 => AuthStatus::Error,
        unknown => return Err(AuthPacketError::Status(unknown)),
    };
    let Some((length, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
    let length = i32::from_be_bytes(*length);
    let n = match usize::try_from(length) {
        Ok(n) if n <= limits::SASL_TOKEN_BYTES => n,
        Err(_) if length == -1 => return Ok(Some((AuthPacket { status, token: None }, 16))),
        Ok(_) | Err(_) => return Err(AuthPacketError::Length(length)),
    };
    Ok(rest.get(..n).map(|token| (AuthPacket { status, token: Some(token) }, 16 + n)))
}

/// Appends one.
pub fn encode_auth(packet: AuthPacket<'_>, out: &mut Vec<u8>) {
    put_i64(out, MAGIC);
    put_i32(
        out,
        match packet.status {
            AuthStatus::InProgress => 0,
            AuthStatus::Success => 1,
            AuthStatus::Error => -1,
        },
    );
    put_opt_buffer(out, packet.token);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_javas_and_read_back() {
        let mut bytes = Vec::new();
        let packet = AuthPacket { status: AuthStatus::Error, token: Some(b"ab") };
        encode_auth(packet, &mut bytes);
        let wanted = b"\x5f\x24\x35\x01\x35\x01\xed\xcc\xff\xff\xff\xff\0\0\0\x02ab";
        assert_eq!(bytes, wanted);
        for cut in 0..bytes.len() {
            assert_eq!(decode_auth(&bytes[..cut]), Ok(None), "{cut}");
        }
        assert_eq!(decode_auth(&bytes), Ok(Some((packet, bytes.len()))));
        for status in [AuthStatus::InProgress, AuthStatus::Success] {
            let mut bytes = Vec::new();
            encode_auth(AuthPacket { status, token: None }, &mut bytes);
            assert_eq!(decode_auth(&bytes), Ok(Some((AuthPacket { status, token: None }, 16))));
        }
    }

    #[test]
    fn what_is_no_token_is_told_from_one_by_its_first_bytes() {
        assert_eq!(begins_with_auth(b""), None);
        assert_eq!(begins_with_auth(b"\x5f\x24\x35\x01\x35\x01\xed"), None);
        assert_eq!(begins_with_auth(b"\x5f\x24\x35\x02"), Some(false));
        assert_eq!(begins_with_auth(b"\0\0\0\x0b"), Some(false));
        assert_eq!(decode_auth(b"\0"), Err(AuthPacketError::Magic));
        let with = |status: i32, length: i32| {
            let mut bytes = MAGIC.to_be_bytes().to_vec();
            bytes.extend(status.to_be_bytes());
            bytes.extend(length.to_be_bytes());
            decode_auth(&bytes).map(|found| found.is_some())
        };
        assert_eq!(with(2, 0), Err(AuthPacketError::Status(2)));
        assert_eq!(with(0, 4097), Err(AuthPacketError::Length(4097)));
        assert_eq!(with(0, -2), Err(AuthPacketError::Length(-2)));
        assert_eq!((with(0, 0), with(0, 4096)), (Ok(true), Ok(false)));
    }
}
