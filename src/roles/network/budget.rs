//! What one request may cost, and what the connections of a core may make it hold.
//!
//! Every memory that clients fill by asking has a bound per connection and one over all connections
//! of the core. Where the latter is reached, a connection that holds little is still served: each is
//! sure of a small part, so that a few greedy ones cannot shut out the rest.

use super::{Client, NetworkRole, Stage, Transport};
use crate::net::How;
use crate::types::{ConnId, limits};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budgets {
    /// `zookeeper.multiRead.maxOps`.
    pub multi_read_ops: usize,
    /// `zookeeper.multiRead.maxResponseBytes`.
    pub multi_read_bytes: usize,
    /// What a connection has proven to be, beside its address.
    pub identities: usize,
    pub identity_bytes: Share,
    /// What it watches.
    pub watch_bytes: Share,
    /// Its requests that are with the control core.
    pub open_bytes: usize,
    pub open_bytes_all: usize,
    /// Output of all connections, and what each is sure of.
    pub output_bytes_all: usize,
    pub output_bytes_sure: usize,
}

/// Bytes of one kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Share {
    /// Of one connection.
    pub each: usize,
    /// Of all on this core.
    pub all: usize,
    /// What each connection may have even so.
    pub sure: usize,
}

impl Share {
    /// Whether a connection that has `own` of the core's `held` may have `more`.
    pub fn has_room(&self, own: usize, held: usize, more: usize) -> bool {
        let own = own.saturating_add(more);
        own <= self.each && (held.saturating_add(more) <= self.all || own <= self.sure)
    }
}

impl Budgets {
    /// What a server runs with where nothing else is configured.
    pub const USUAL: Budgets = Budgets {
        multi_read_ops: limits::MULTI_READ_OPS,
        multi_read_bytes: limits::MULTI_READ_BYTES,
        identities: limits::IDENTITIES,
        identity_bytes: Share {
            each: limits::IDENTITY_BYTES,
            all: limits::IDENTITY_BYTES_ALL,
            sure: limits::IDENTITY_BYTES_SURE,
        },
        watch_bytes: Share {
            each: limits::WATCH_BYTES,
            all: limits::WATCH_BYTES_ALL,
            sure: limits::WATCH_BYTES_SURE,
        },
        open_bytes: limits::OPEN_BYTES,
        open_bytes_all: limits::OPEN_BYTES_ALL,
        output_bytes_all: limits::OUTBOUND_ALL,
        output_bytes_sure: limits::OUTBOUND_SURE,
    };
}

impl Default for Budgets {
    fn default() -> Budgets {
        Budgets::USUAL
    }
}

impl<N: Transport> NetworkRole<N> {
    /// Looks at what waits to leave, once enough has been made since the last look. Each connection
    /// has a bound of its own; where all together are beyond theirs, those that hold the most go,
    /// with a reset: what they have read is not whole.
    pub(super) fn bound_output(&mut self) {
        if self.made_bytes < limits::OUTBOUND_LOOK {
            return;
        }
        self.made_bytes = 0;
        let Budgets { output_bytes_all, output_bytes_sure, .. } = self.settings.budgets;
        let closing = |client: &&Client| client.stage == Stage::Closing;
        let mut waiting: Vec<(usize, ConnId)> = self
            .clients
            .iter()
            .filter(|client| !closing(client))
            .map(|client| (self.net.unsent(client.id), client.id))
            .collect();
        let mut all: usize = waiting.iter().map(|(bytes, _)| bytes).sum();
        self.gauges.output_bytes.set(all as i64);
        if all <= output_bytes_all {
            return;
        }
        waiting.sort_unstable_by(|a, b| b.cmp(a));
        for (bytes, conn) in waiting {
            // A little below the bound, or every look would close somebody.
            if all <= output_bytes_all / 4 * 3 || bytes <= output_bytes_sure {
                return;
            }
            let Some(client) = self.clients.look(conn) else { continue };
            let line = format!(
                "{}: closed: {bytes} bytes of its output wait, and {all} in all are beyond \
                 {output_bytes_all}",
                client.peer
            );
            self.read_desk().tell_over_bound(|| line);
            self.gauges.connections_dropped.add(1);
            self.hang_up(conn, How::Reset);
            all -= bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_core_still_serves_those_that_hold_little() {
        let share = Share { each: 100, all: 150, sure: 10 };
        assert!(share.has_room(0, 0, 100));
        assert!(!share.has_room(0, 0, 101), "its own bound");
        assert!(!share.has_room(99, 99, 2));
        assert!(share.has_room(0, 100, 50));
        assert!(!share.has_room(40, 100, 51), "that of all");
        assert!(share.has_room(0, 150, 10) && !share.has_room(1, 150, 10), "what it is sure of");
        assert!(!share.has_room(usize::MAX, usize::MAX, usize::MAX));
    }
}
