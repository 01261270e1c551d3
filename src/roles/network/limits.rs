//! Who may connect: counts over all cores, kept where connections are accepted and closed. And what
//! is said of those that came to a bound.

use std::collections::BTreeMap;
use std::net::IpAddr;

use parking_lot::Mutex;

use super::client::Client;
use crate::net::CloseReason;

/// `maxClientCnxns` and `maxCnxns`; 0 switches either off.
#[derive(Debug)]
pub struct Admission {
    per_address_max: usize,
    total_max: usize,
    counts: Mutex<Counts>,
}

#[derive(Default, Debug)]
struct Counts {
    total: usize,
    by_address: BTreeMap<IpAddr, usize>,
}

/// Why a connection is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum Refused {
    #[error("{address} has {count} connections, maxClientCnxns is {limit}")]
    PerAddress { address: IpAddr, count: usize, limit: usize },
    #[error("{count} connections are open, maxCnxns is {limit}")]
    Total { count: usize, limit: usize },
}

impl Admission {
    /// Nobody is connected.
    pub fn new(per_address_max: usize, total_max: usize) -> Admission {
        Admission { per_address_max, total_max, counts: Mutex::default() }
    }

    /// Counts one more connection, or says why not.
    pub fn enter(&self, address: IpAddr) -> Result<(), Refused> {
        let mut counts = self.counts.lock();
        if self.total_max > 0 && counts.total >= self.total_max {
            return Err(Refused::Total { count: counts.total, limit: self.total_max });
        }
        let count = counts.by_address.get(&address).copied().unwrap_or(0);
        if self.per_address_max > 0 && count >= self.per_address_max {
            return Err(Refused::PerAddress { address, count, limit: self.per_address_max });
        }
        counts.by_address.insert(address, count + 1);
        counts.total += 1;
        Ok(())
    }

    /// One that had entered has gone.
    pub fn leave(&self, address: IpAddr) {
        let mut counts = self.counts.lock();
        counts.total = counts.total.saturating_sub(1);
        if let Some(count) = counts.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.by_address.remove(&address);
            }
        }
    }
}

/// Says why a client was closed that had come to a bound; other ends are not worth a line.
pub(super) fn tell_end(client: &Client, reason: CloseReason) {
    let (peer, session) = (client.peer, client.session);
    match reason {
        CloseReason::SlowReader { unsent, limit } => {
            tracing::warn!(%peer, %session, unsent, limit, "closed: a client that does not read");
        }
        CloseReason::Undelivered { unsent } => {
            tracing::warn!(%peer, %session, unsent, "closed: a client that stopped reading");
        }
        CloseReason::Asked
        | CloseReason::ConnectTimeout
        | CloseReason::PeerClosed
        | CloseReason::PeerReset
        | CloseReason::Tls(_)
        | CloseReason::Socket(_) => {
            tracing::debug!(%peer, %session, %reason, "closed");
        }
    }
}

/// A frame that is too long, or has no length.
pub(super) fn tell_frame(client: &Client, length: i32, limit: usize) {
    let (peer, session) = (client.peer, client.session);
    tracing::warn!(%peer, %session, length, limit, "closed: a frame exceeds jute.maxbuffer");
}

/// A large frame, and as many bytes of such are under way as may be.
pub(super) fn tell_large(client: &Client, length: usize, limit: usize) {
    let (peer, session) = (client.peer, client.session);
    tracing::warn!(%peer, %session, length, limit, "closed: largeRequestMaxBytes are under way");
}

/// Events that nobody reads.
pub(super) fn tell_events(client: &Client, unsent: usize, limit: usize) {
    let (peer, session) = (client.peer, client.session);
    tracing::warn!(%peer, %session, unsent, limit, "closed: its watch events wait unread");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_refused_at_its_limit_and_welcome_again_below_it() {
        let admission = Admission::new(2, 3);
        let (a, b) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        assert!(admission.enter(a).is_ok() && admission.enter(a).is_ok());
        assert!(matches!(admission.enter(a), Err(Refused::PerAddress { count: 2, .. })));
        assert!(admission.enter(b).is_ok());
        assert!(matches!(admission.enter(b), Err(Refused::Total { count: 3, .. })));
        admission.leave(a);
        assert!(admission.enter(a).is_ok());
    }
}
