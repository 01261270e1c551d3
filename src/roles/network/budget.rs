//! What one request may cost, and what the connections of a server may make it hold.
//!
//! Every memory that clients fill by asking has a bound per connection and one over all connections
//! of the server. Where the latter is reached, a connection that holds little is still served: each
//! is sure of a small part, so that a few greedy ones cannot shut out the rest.
//!
//! The server's bound is one number that its cores share, and not a part for each: connections come
//! to cores in turn, whatever they will hold, and a core with one greedy client would refuse what the
//! server has room for. Each core is granted pieces of it. Requests are judged by what was granted;
//! only the request that finds it used up asks for more.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Client, NetworkRole, Stage, Transport};
use crate::net::How;
use crate::roles::message::ToNetwork;
use crate::types::{ConnId, limits};

/// Bounds of what clients make a server hold, in bytes unless it says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budgets {
    /// `zookeeper.multiRead.maxOps`.
    pub multi_read_ops: usize,
    /// `zookeeper.multiRead.maxResponseBytes`.
    pub multi_read_bytes: usize,
    /// What a connection has proven to be, beside its address.
    pub identities: usize,
    /// The text of it.
    pub identity_bytes: Share,
    /// What it watches.
    pub watch_bytes: Share,
    /// Requests of all connections that are not begun with.
    pub request_bytes_all: usize,
    /// Its requests that are with the control core.
    pub open_bytes: usize,
    /// Those of all connections.
    pub open_bytes_all: usize,
    /// Output of all connections, and what each is sure of.
    pub output_bytes_all: usize,
    /// What each is sure of.
    pub output_bytes_sure: usize,
}

/// Bytes of one kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Share {
    /// Of one connection.
    pub each: usize,
    /// Of all of the server.
    pub all: usize,
    /// What each connection may have even so.
    pub sure: usize,
}

impl Share {
    /// Whether a connection that has `own` of the core's `held` may have `more`.
    pub fn has_room(&self, own: usize, held: usize, more: usize, granted: &mut Grant) -> bool {
        let own = own.saturating_add(more);
        own <= self.each && (own <= self.sure || granted.covers(held.saturating_add(more)))
    }
}

/// A server's bytes of one kind: how many there are, and how many its cores have been granted.
#[derive(Debug)]
pub struct Pool {
    all: usize,
    granted: AtomicUsize,
}

/// Those that cores are granted.
#[derive(Clone, Debug)]
pub struct Pools {
    /// Of proven identities.
    pub identities: Arc<Pool>,
    /// Of watches.
    pub watches: Arc<Pool>,
    /// Of requests that are not begun with.
    pub requests: Arc<Pool>,
}

impl Pools {
    /// Nothing is granted.
    pub fn new(budgets: &Budgets) -> Pools {
        let pool = |all| Arc::new(Pool { all, granted: AtomicUsize::new(0) });
        Pools {
            identities: pool(budgets.identity_bytes.all),
            watches: pool(budgets.watch_bytes.all),
            requests: pool(budgets.request_bytes_all),
        }
    }
}

impl Pool {
    fn take(&self, bytes: usize) -> bool {
        let more = |granted: usize| granted.checked_add(bytes).filter(|sum| *sum <= self.all);
        self.granted.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.granted.fetch_sub(bytes, Ordering::SeqCst);
    }
}

/// A core's part of a pool.
#[derive(Debug)]
pub struct Grant {
    pool: Arc<Pool>,
    bytes: usize,
    piece: usize,
}

impl Grant {
    /// Nothing of it.
    pub fn new(pool: &Arc<Pool>) -> Grant {
        Grant { pool: pool.clone(), bytes: 0, piece: (pool.all / limits::POOL_PIECES).max(1) }
    }

    /// Whether the core may hold so much. What is granted for this and then not needed is given back
    /// at the turn's end.
    fn covers(&mut self, held: usize) -> bool {
        let Some(missing) = held.checked_sub(self.bytes).filter(|missing| *missing > 0) else {
            return true;
        };
        let round = missing.checked_next_multiple_of(self.piece).unwrap_or(missing);
        let more = [round, missing].into_iter().find(|more| self.pool.take(*more));
        self.bytes += more.unwrap_or(0);
        more.is_some()
    }

    /// Gives back what the core does not need, but for a piece. Where it holds more than it was
    /// granted, that is what connections are sure of.
    pub fn settle(&mut self, held: usize) {
        let kept = if held == 0 { 0 } else { held.next_multiple_of(self.piece) + self.piece };
        if self.bytes > kept {
            self.pool.give_back(self.bytes - kept);
            self.bytes = kept;
        }
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.pool.give_back(self.bytes);
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
        request_bytes_all: limits::REQUEST_BYTES_ALL,
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
    /// So many bytes of a connection's requests wait, or are no whole request. Where the server holds
    /// more of them than it may, those of this core go that hold the most: they send the beginnings of
    /// long requests, and others are not read for it.
    pub(super) fn keep(&mut self, conn: ConnId, kept: usize) {
        let Some(client) = self.clients.get(conn).filter(|client| client.kept != kept) else {
            return;
        };
        self.kept_bytes = self.kept_bytes - client.kept + kept;
        client.kept = kept;
        if kept > limits::REQUEST_BYTES_SURE && !self.requests_granted.covers(self.kept_bytes) {
            self.close_those_that_keep();
        }
    }

    fn close_those_that_keep(&mut self) {
        let enough = self.kept_bytes / 8 * 7;
        let open = self.clients.iter().filter(|client| client.stage != Stage::Closing);
        let mut keeping: Vec<(usize, ConnId)> = open.map(|c| (c.kept, c.id)).collect();
        keeping.sort_unstable_by(|a, b| b.cmp(a));
        for (bytes, conn) in keeping {
            if self.kept_bytes <= enough || bytes <= limits::REQUEST_BYTES_SURE {
                return;
            }
            let Some(Client { peer, .. }) = self.clients.look(conn) else { continue };
            let of_all = self.settings.budgets.request_bytes_all;
            let line = format!(
                "{peer}: closed: {bytes} bytes of its requests wait, and all of the server would be \
                 beyond {of_all}"
            );
            self.read_context().tell_over_bound(|| line);
            self.gauges.connections_dropped.add(1);
            self.hang_up(conn, How::Reset);
            if let Some(client) = self.clients.get(conn) {
                self.kept_bytes -= std::mem::take(&mut client.kept);
            }
        }
    }

    /// Looks at what waits to leave, once enough has been made since the last look.
    pub(super) fn bound_output(&mut self) {
        if self.made_bytes >= limits::OUTBOUND_LOOK_LEAST && self.made_bytes >= self.look_after() {
            self.look_at_output();
        }
    }

    fn look_after(&self) -> usize {
        let part = limits::OUTBOUND_LOOK / self.shared.peers.len().max(1);
        part.max(limits::OUTBOUND_LOOK_LEAST).max(self.clients.len() * limits::OUTBOUND_LOOK_EACH)
    }

    /// Each connection has a bound of its own; where all of the server together are beyond theirs,
    /// those that hold the most go, with a reset: what they have read is not whole. They are sought
    /// on the cores that hold more than an even part.
    pub(super) fn look_at_output(&mut self) {
        let all = self.measure_output();
        let cores = &self.shared.commands.gauges.cores;
        let Budgets { output_bytes_all, .. } = self.settings.budgets;
        if all <= output_bytes_all {
            return;
        }
        let part = (output_bytes_all / cores.len().max(1)) as i64;
        for (core, peer) in cores.iter().zip(&self.shared.peers) {
            if core.output_bytes.get() > part && !Arc::ptr_eq(core, &self.gauges) {
                peer.push(ToNetwork::BoundOutput);
            }
        }
        if self.gauges.output_bytes.get() > part {
            self.close_slowest(all, part as usize);
        }
    }

    /// What waits to leave from this core, for the figures; gives that of all cores.
    pub(super) fn measure_output(&mut self) -> usize {
        self.made_bytes = 0;
        let own: usize = self.waiting_output().map(|(bytes, _)| bytes).sum();
        self.gauges.output_bytes.set(own as i64);
        let cores = &self.shared.commands.gauges.cores;
        let others = cores.iter().filter(|core| !Arc::ptr_eq(core, &self.gauges));
        own + others.map(|core| core.output_bytes.get() as usize).sum::<usize>()
    }

    /// Of those that are being closed as well: the long answers to words are the last of theirs.
    fn waiting_output(&self) -> impl Iterator<Item = (usize, ConnId)> {
        self.clients.iter().map(|client| (self.net.unsent(client.id), client.id))
    }

    /// Closes those that hold the most, until all hold somewhat less than their bound (or every look
    /// would close somebody), or this core less than its part.
    fn close_slowest(&mut self, mut all: usize, part: usize) {
        let Budgets { output_bytes_all, output_bytes_sure, .. } = self.settings.budgets;
        let mut waiting: Vec<(usize, ConnId)> = self.waiting_output().collect();
        let mut own: usize = waiting.iter().map(|(bytes, _)| bytes).sum();
        waiting.sort_unstable_by(|a, b| b.cmp(a));
        for (bytes, conn) in waiting {
            let is_enough = all <= output_bytes_all / 4 * 3 || own <= part / 4 * 3;
            if is_enough || bytes <= output_bytes_sure {
                break;
            }
            let Some(Client { peer, .. }) = self.clients.look(conn) else { continue };
            let line = format!(
                "{peer}: closed: {bytes} bytes of its output wait, and {all} in all are beyond \
                 {output_bytes_all}"
            );
            self.read_context().tell_over_bound(|| line);
            self.gauges.connections_dropped.add(1);
            self.hang_up(conn, How::Reset);
            (all, own) = (all - bytes, own - bytes);
        }
        self.gauges.output_bytes.set(own as i64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::limits::POOL_PIECES;

    fn grants(all: usize, cores: usize) -> Vec<Grant> {
        let pool = Arc::new(Pool { all, granted: AtomicUsize::new(0) });
        (0..cores).map(|_| Grant::new(&pool)).collect()
    }

    #[test]
    fn a_full_server_still_serves_those_that_hold_little() {
        let share = Share { each: 100, all: 150, sure: 10 };
        let mut granted = grants(150, 1).remove(0);
        let mut has_room = |own, held, more| {
            granted.settle(0);
            share.has_room(own, held, more, &mut granted)
        };
        assert!(has_room(0, 0, 100));
        assert!(!has_room(0, 0, 101), "its own bound");
        assert!(!has_room(99, 99, 2));
        assert!(has_room(0, 100, 50));
        assert!(!has_room(40, 100, 51), "that of all");
        assert!(has_room(0, 150, 10) && !has_room(1, 150, 10), "what it is sure of");
        assert!(!has_room(usize::MAX, usize::MAX, usize::MAX));
    }

    #[test]
    fn cores_have_one_bound_together_wherever_it_is_used() {
        let mut cores = grants(4 * POOL_PIECES, 3);
        let pool = cores[0].pool.clone();
        let granted = || pool.granted.load(Ordering::SeqCst);
        assert!(cores[0].covers(3 * POOL_PIECES), "one core may have nearly all");
        assert!(cores[1].covers(1));
        assert_eq!(granted(), 3 * POOL_PIECES + 4, "in whole pieces");
        assert!(cores[1].covers(2), "of which it asks for no more");
        assert_eq!(granted(), 3 * POOL_PIECES + 4);
        assert!(cores[2].covers(POOL_PIECES - 4), "to the last byte");
        assert!(!cores[1].covers(5) && !cores[2].covers(POOL_PIECES));
        cores[0].settle(8);
        assert_eq!(granted(), 12 + 4 + POOL_PIECES - 4, "a piece stays");
        assert!(cores[2].covers(2 * POOL_PIECES));
        cores[0].settle(0);
        cores[1].settle(0);
        assert_eq!(granted(), 2 * POOL_PIECES);
        drop(cores);
        assert_eq!(granted(), 0);
    }

    #[test]
    fn an_odd_bound_is_given_out_whole() {
        let mut cores = grants(POOL_PIECES + 7, 2);
        assert!(cores[0].covers(POOL_PIECES) && cores[1].covers(7));
        assert!(!cores[1].covers(8));
        let mut none = grants(0, 1);
        assert!(none[0].covers(0) && !none[0].covers(1));
    }
}
