//! One server of the mesh, as seen from here: how to reach it, and what waits for it.

use super::effect::Dial;
use super::settings::{
    CALL_TAKES_DIALS, CLAIM_MS, DIAL_GAP_MS, GOOD_MS, KNOCK_MS_MIN, QUICK_KNOCKS, RETRY_MS_MAX,
    RETRY_MS_MIN,
};
use crate::codec::election::{ElectionAddress, Notification};
use crate::types::{Link, Millis};

#[derive(Debug)]
pub(super) enum Line {
    /// No connection; when the next attempt is due, if one is wanted.
    Down {
        retry_at: Option<Millis>,
    },
    Dialing {
        dial: Dial,
        until: Millis,
    },
    /// `unsent_since`: something was written then that has not left yet.
    Up {
        link: Link,
        since: Millis,
        unsent_since: Option<Millis>,
    },
}

#[derive(Debug)]
pub(super) struct Peer {
    /// Its id is larger than ours: it opens the connection, and we can only ask for that.
    pub calls_us: bool,
    /// A connection to it is kept up always: it votes.
    wanted: bool,
    /// Of the configuration; none for a server that is in none.
    configured: Vec<ElectionAddress>,
    /// What it said itself when it called.
    claimed: Vec<ElectionAddress>,
    pub line: Line,
    /// A connection that claims to be this peer's while another stands.
    pub claimant: Option<Link>,
    /// Since when it waits.
    pub claimant_since: Millis,
    /// Since when that one has said something and the other nothing.
    pub claimed_since: Option<Millis>,
    /// It has asked to be called while a connection stands, which may be one that only we believe in.
    pub asks: bool,
    /// The newest message that has not been written.
    pub pending: Option<Notification>,
    /// Which address is tried next, and how many have failed one after another.
    next_address: usize,
    failures: usize,
    /// Before the next attempt but one.
    pause_ms: i64,
    last_dial: Option<Millis>,
    /// The peer has been asked to call, and has until then to do so.
    calls_until: Option<Millis>,
    quick_knocks: u32,
    /// It was said to be unreachable, and no connection has come since.
    pub given_up: bool,
}

impl Peer {
    pub(super) fn new(calls_us: bool) -> Peer {
        Peer {
            calls_us,
            wanted: false,
            configured: Vec::new(),
            claimed: Vec::new(),
            line: Line::Down { retry_at: None },
            claimant: None,
            claimant_since: Millis(0),
            claimed_since: None,
            asks: false,
            pending: None,
            next_address: 0,
            failures: 0,
            pause_ms: RETRY_MS_MIN,
            last_dial: None,
            calls_until: None,
            quick_knocks: 0,
            given_up: false,
        }
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted
    }

    pub(super) fn is_member(&self) -> bool {
        !self.configured.is_empty()
    }

    pub(super) fn link(&self) -> Option<Link> {
        match self.line {
            Line::Up { link, .. } => Some(link),
            Line::Down { .. } | Line::Dialing { .. } => None,
        }
    }

    /// When this peer has something to do.
    pub(super) fn due(&self, stall_ms: i64) -> Option<Millis> {
        match self.line {
            Line::Down { retry_at } => retry_at,
            Line::Dialing { until, .. } => Some(until),
            Line::Up { unsent_since, .. } => {
                let stalled = unsent_since.map(|since| since + stall_ms);
                let outlived = self.claimed_since.map(|since| since + CLAIM_MS);
                stalled.into_iter().chain(outlived).min()
            }
        }
    }

    pub(super) fn configure(&mut self, addresses: Vec<ElectionAddress>, wanted: bool, now: Millis) {
        let news = addresses != self.configured || (wanted && !self.wanted);
        (self.configured, self.wanted) = (addresses, wanted);
        if news {
            self.next_address = 0;
            if self.wanted {
                self.hasten(now);
            }
        }
    }

    pub(super) fn claim(&mut self, addresses: Vec<ElectionAddress>) {
        if !addresses.is_empty() {
            self.claimed = addresses;
        }
    }

    /// The configuration's addresses come before its own: a host that knows itself as 127.0.1.1,
    /// as many do, would lead us to ourselves.
    fn addresses(&self) -> impl Iterator<Item = &ElectionAddress> {
        let own = self.claimed.iter().filter(|address| !self.configured.contains(address));
        self.configured.iter().chain(own)
    }

    /// Begins an attempt; `None` where no address is known.
    pub(super) fn dial(
        &mut self,
        now: Millis,
        dial: Dial,
        timeout_ms: i64,
    ) -> Option<ElectionAddress> {
        let count = self.addresses().count();
        let Some(address) = self.addresses().nth(self.next_address % count.max(1)).cloned() else {
            self.line = Line::Down { retry_at: None };
            return None;
        };
        self.last_dial = Some(now);
        self.line = Line::Dialing { dial, until: now + timeout_ms };
        Some(address)
    }

    /// An attempt has failed. True when every address has by now.
    pub(super) fn failed(&mut self, now: Millis) -> bool {
        self.next_address += 1;
        self.failures += 1;
        if self.failures < self.addresses().count() {
            self.line = Line::Down { retry_at: Some(now) };
            return false;
        }
        self.failures = 0;
        if !self.wanted {
            self.pending = None;
        }
        self.rest(now, self.pause_ms);
        true
    }

    /// We have asked the peer to call.
    pub(super) fn knocked(&mut self, now: Millis) {
        self.failures = 0;
        let dial_ms = self.last_dial.map_or(0, |last| now.0 - last.0);
        let least_ms = if self.quick_knocks > 0 { RETRY_MS_MIN } else { KNOCK_MS_MIN };
        self.quick_knocks = self.quick_knocks.saturating_sub(1);
        let pause_ms = self.pause_ms.max(least_ms).max(dial_ms * CALL_TAKES_DIALS);
        let pause_ms = pause_ms.min(RETRY_MS_MAX);
        self.calls_until = Some(now + pause_ms);
        self.rest(now, pause_ms);
    }

    pub(super) fn up(&mut self, now: Millis, link: Link) {
        self.failures = 0;
        self.given_up = false;
        self.asks = false;
        self.line = Line::Up { link, since: now, unsent_since: None };
    }

    /// The connection has ended. When it had lasted, that is news, and the peer is tried at once;
    /// the end of a short one may be the two servers' crossing, and is left to settle.
    pub(super) fn down(&mut self, now: Millis) {
        let lasted = matches!(self.line, Line::Up { since, .. } if now >= since + GOOD_MS);
        if std::mem::take(&mut self.asks) {
            self.rest(now, self.pause_ms);
            self.hasten_anew(now);
        } else if lasted {
            self.pause_ms = RETRY_MS_MIN;
            self.quick_knocks = QUICK_KNOCKS;
            self.line = Line::Down { retry_at: self.is_needed().then_some(now) };
        } else {
            self.rest(now, self.pause_ms);
        }
    }

    fn is_needed(&self) -> bool {
        self.wanted || (self.is_member() && self.pending.is_some())
    }

    fn rest(&mut self, now: Millis, pause_ms: i64) {
        self.line = Line::Down { retry_at: self.is_needed().then_some(now + pause_ms) };
        self.pause_ms = (pause_ms * 2).min(RETRY_MS_MAX);
    }

    /// An attempt as soon as is decent, where there is neither connection nor attempt.
    pub(super) fn hasten(&mut self, now: Millis) {
        if let Line::Down { retry_at } = &mut self.line {
            let after_dial = self.last_dial.map_or(now, |last| last + DIAL_GAP_MS);
            let earliest = now.max(after_dial).max(self.calls_until.unwrap_or(now));
            *retry_at = Some(retry_at.map_or(earliest, |at| at.min(earliest)));
        }
    }

    /// As [`Peer::hasten`], with the pauses beginning anew.
    pub(super) fn hasten_anew(&mut self, now: Millis) {
        self.pause_ms = RETRY_MS_MIN;
        self.hasten(now);
    }
}
