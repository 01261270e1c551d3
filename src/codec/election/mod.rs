//! What servers say to one another on the election port
//! (tools/docs/reference/quorum-protocol.md sections 2 and 3; QuorumCnxManager,
//! FastLeaderElection).
//!
//! A connection begins with a [`Header`], from the side that opened it; what follows, both ways, are
//! frames of an int length and a [`Notification`]:
//!
//! ```text
//!  -65536 or -65535 (8) | server (8) | length (4) | "host:port", several with '|'
//!  length (4) | state (4) | leader (8) | zxid (8) | election epoch (8) | peer epoch (8) | version 2 (4)
//!             | length (4) | configuration
//! ```

mod header;
mod notification;

pub use header::{
    ANONYMOUS, ElectionAddress, Header, HeaderError, HeaderProtocol, decode_header, encode_header,
};
pub use notification::{
    Notification, NotificationError, PeerState, VERSION, decode_notification, encode_notification,
};

use super::jute::put_len;

/// The longest frame's payload (QuorumCnxManager.PACKETMAXSIZE).
pub const FRAME_MAX: usize = 524_288;

/// A frame that no server sends: the caller closes the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("election message of {0} bytes, allowed are 1 to 524288")]
pub struct FrameError(pub i32);

/// Takes one frame off the front of `bytes`: its payload, and how many bytes it was in all. `None`:
/// it goes on behind them.
pub fn decode_frame(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, FrameError> {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return Ok(None) };
    let length = i32::from_be_bytes(*length);
    match usize::try_from(length) {
        Ok(n @ 1..=FRAME_MAX) => Ok(rest.get(..n).map(|payload| (payload, 4 + n))),
        Ok(_) | Err(_) => Err(FrameError(length)),
    }
}

/// Appends a notification in its frame.
pub fn encode_frame(notification: &Notification, out: &mut Vec<u8>) {
    put_len(out, notification::encoded_len(notification));
    encode_notification(notification, out);
}

#[cfg(test)]
mod tests;
