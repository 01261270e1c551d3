//! Session ids (SessionTrackerImpl.initializeNextSessionId).
//!
//! ```text
//! 63      56 55                    16 15          0
//! | server  |  milliseconds, 40 bits |  counts up  |
//! ```

use crate::types::{ServerId, SessionId, WallMillis};

/// Gives out ids that no other server gives out, and that this one did not give out before it
/// was restarted.
#[derive(Clone, Debug)]
pub struct IdSource {
    next: i64,
}

impl IdSource {
    /// Java seeds with a clock that starts at boot, so a rebooted host may repeat ids; the wall
    /// clock does not.
    pub fn new(server: ServerId, now: WallMillis) -> IdSource {
        let time = ((now.0 as u64) << 24) >> 8;
        IdSource { next: (time | (server.0 as u64) << 56) as i64 }
    }

    /// Counts up from `from` instead of 0: a clock that was set back may show the millisecond of
    /// the last start once more.
    pub fn counting_from(mut self, from: u16) -> IdSource {
        self.next |= i64::from(from);
        self
    }

    /// The next id. Never 0, which asks for a new session, nor i64::MIN, which marks containers.
    pub fn take(&mut self) -> SessionId {
        loop {
            let id = self.next;
            self.next = self.next.wrapping_add(1);
            if id != 0 && id != i64::MIN {
                return SessionId(id);
            }
        }
    }
}

/// The part of an id that tells which server gave it out.
pub(super) fn server_byte(id: SessionId) -> u8 {
    (id.0 as u64 >> 56) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_carry_server_and_time_and_count_up() {
        let mut ids = IdSource::new(ServerId(1), WallMillis(0x0199_8877_6655));
        assert_eq!(ids.take(), SessionId(0x0199_8877_6655_0000));
        assert_eq!(ids.take(), SessionId(0x0199_8877_6655_0001));
        let mut ids = IdSource::new(ServerId(254), WallMillis(1));
        assert_eq!(ids.take().0 as u64, 0xfe00_0000_0001_0000);
    }

    #[test]
    fn reserved_ids_are_passed_over() {
        assert_eq!(IdSource { next: 0 }.take(), SessionId(1));
        assert_eq!(IdSource { next: i64::MIN }.take(), SessionId(i64::MIN + 1));
    }
}
