//! One connection's incoming bytes.

use super::settings::CLAIM_BYTES_MAX;
use crate::codec::election::{
    FrameError, Header, HeaderError, decode_frame, decode_header, decode_notification,
};
use crate::codec::election::{Notification, NotificationError};
use crate::types::{Millis, ServerId};

/// Who is at the other end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Party {
    /// Has not said it yet, and must by then.
    Unknown {
        until: Millis,
    },
    Server(ServerId),
    /// It calls itself so, and another connection that does still stands: it is told what that one is
    /// told, and nothing of it is looked at until that one has ended or is silent.
    Claims(ServerId),
}

/// Holds what has come of one header or one frame: at most a frame and what came with its end.
#[derive(Debug)]
pub(super) struct Conn {
    pub party: Party,
    received: Vec<u8>,
}

impl Conn {
    pub(super) fn new(party: Party) -> Conn {
        Conn { party, received: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.received.is_empty()
    }

    /// False if it is too much for one that only waits.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> bool {
        self.received.extend_from_slice(bytes);
        let waits = matches!(self.party, Party::Claims(_));
        !waits || self.received.len() <= CLAIM_BYTES_MAX
    }

    /// The header, once all of it is there.
    pub(super) fn header(&mut self) -> Result<Option<Header>, HeaderError> {
        let Some((header, length)) = decode_header(&self.received)? else { return Ok(None) };
        self.received.drain(..length);
        Ok(Some(header))
    }

    /// Every frame that is complete. After an error there can be no more.
    pub(super) fn frames(
        &mut self,
        mut take: impl FnMut(Result<Notification, NotificationError>),
    ) -> Result<(), FrameError> {
        let mut at = 0;
        while let Some((payload, length)) = decode_frame(&self.received[at..])? {
            take(decode_notification(payload));
            at += length;
        }
        self.received.drain(..at);
        if self.received.is_empty() {
            // A long message leaves no long buffer behind.
            self.received.shrink_to(1024);
        }
        Ok(())
    }
}
