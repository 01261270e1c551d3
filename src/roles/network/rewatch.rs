//! setWatches and setWatches2: a client that lost its server takes its watches up again, and
//! hears at once of what it missed (DataTree.setWatches), if it may read it: Java tells everybody
//! (CVE-2026-59739).

use std::net::SocketAddr;
use std::sync::Arc;

use super::{Client, NetworkRole, Transport};
use crate::acl;
use crate::codec::reply;
use crate::codec::request::{self, ReadOp, Request, RequestHeader, SetWatches};
use crate::mutants::{self, Mutant};
use crate::net::How;
use crate::types::limits::WORK_ENTRIES;
use crate::types::{ConnId, EventKind, Identity, Millis, Perms, Stat, WatchMode, Zxid};
use crate::watch::{Event, Table, Watches};

/// What a list of the request asks of each of its paths.
#[derive(Clone, Copy)]
enum List {
    Data,
    Exist,
    Child,
    Lasting(WatchMode),
}

/// Who takes its watches up.
struct Requester {
    conn: ConnId,
    peer: SocketAddr,
    identities: Arc<Vec<Identity>>,
    decisions: acl::Decisions,
}

impl<N: Transport> NetworkRole<N> {
    /// `body` is that of a request that has been decoded once already.
    pub(super) fn rewatch(
        &mut self,
        conn: ConnId,
        header: RequestHeader,
        body: &[u8],
        received: Millis,
    ) {
        let Ok(Request::Read(ReadOp::SetWatches(lists))) =
            request::decode_body(header.opcode, body)
        else {
            return;
        };
        let wanted = lists.paths().map(Watches::cost).sum();
        let (own, all) = (self.watches.bytes_of(conn), self.watches.bytes());
        let share = self.settings.budgets.watch_bytes;
        if !share.has_room(own, all, wanted, &mut self.watches_granted) {
            // Clients take no notice of an error here, and would miss events for ever.
            self.gauges.watches_refused.add(lists.paths().count() as i64);
            let limit = share.each;
            if let Some(Client { peer, .. }) = self.clients.look(conn) {
                let line = format!(
                    "{peer}: closed: {own} bytes of watches are held of {limit}, {all} by all, and \
                     its list has {wanted}"
                );
                self.read_context().tell_over_bound(|| line);
            }
            return self.hang_up(conn, How::Now);
        }
        let Some(client) = self.clients.get(conn) else { return };
        client.has_watches = true;
        let mut requester = Requester {
            conn,
            peer: client.peer,
            identities: client.identities.clone(),
            decisions: acl::Decisions::default(),
        };
        self.stream.set_watching(true);
        self.take_up(&mut requester, &lists);
        self.work += lists.paths().count();
        let is_spent = requester.decisions.is_spent();
        self.work += requester.decisions.next_request() / WORK_ENTRIES;
        if is_spent {
            // As above: what could not be judged was not told.
            let line = format!(
                "{}: closed: the access lists of the nodes that it watches are too long",
                requester.peer
            );
            self.gauges.watches_refused.add(lists.paths().count() as i64);
            self.read_context().tell_over_bound(|| line);
            return self.hang_up(conn, How::Now);
        }
        let Some(out) = self.net.output(conn) else { return };
        let start = out.len();
        reply::empty(out, header.xid, self.drained);
        let bytes = out.len() - start;
        self.count_reply(conn, header.xid, self.drained, bytes, received, false);
    }

    fn take_up(&mut self, requester: &mut Requester, lists: &SetWatches<'_>) {
        let since = lists.relative_zxid;
        let lasting = |mode| List::Lasting(mode);
        if !lists.recursive.is_empty() {
            // Of what changed beneath these paths nobody may have told this core until now.
            let newest = self.read_context().heard_from();
            if newest > self.drained {
                self.drain_upto(newest);
            }
        }
        for (list, paths) in [
            (List::Data, &lists.data),
            (List::Exist, &lists.exist),
            (List::Child, &lists.child),
            (lasting(WatchMode::Persistent), &lists.persistent),
            (lasting(WatchMode::PersistentRecursive), &lists.recursive),
        ] {
            for path in paths {
                self.take_up_one(requester, list, path, since);
            }
        }
    }

    fn take_up_one(&mut self, requester: &mut Requester, list: List, path: &str, since: Zxid) {
        let Requester { conn, identities, decisions, .. } = requester;
        let (conn, policy) = (*conn, &self.shared.policy);
        let (missed, seen) = self.shared.tree.read_or_gone(path, |node, acl| {
            let kind = missed(list, node.map(|node| node.stat()), since)?;
            let permit = match mutants::on(Mutant::RewatchWithoutPermit) {
                true => acl::check(policy, &[], Perms::READ, &[]),
                false => decisions.decide(policy, acl, Perms::READ, identities),
            };
            Some((kind, permit.ok()?))
        });
        let seen = match list {
            List::Lasting(WatchMode::PersistentRecursive) => seen.max(self.drained),
            List::Data | List::Exist | List::Child | List::Lasting(_) => seen,
        };
        if seen > self.drained {
            self.drain_upto(seen);
        }
        if let Some((kind, permit)) = missed {
            return self.tell_missed(&Event::missed(conn, kind, path, permit));
        }
        // Also of what may not be told: a list may change, and whether the watch is still there must
        // not tell it either.
        self.watches.settle(self.drained);
        match list {
            List::Data | List::Exist => {
                self.watches.add(path, WatchMode::Standard, Table::Data, conn, seen);
            }
            List::Child => {
                self.watches.add(path, WatchMode::Standard, Table::Child, conn, seen);
            }
            List::Lasting(mode) => self.watches.add_watch(path, mode, conn, seen),
        }
    }
}

/// What a watch of this list would have heard of since.
fn missed(list: List, stat: Option<Stat>, since: Zxid) -> Option<EventKind> {
    match (list, stat) {
        (List::Data | List::Child, None) => Some(EventKind::NodeDeleted),
        (List::Data, Some(stat)) if stat.mzxid > since => Some(EventKind::NodeDataChanged),
        (List::Child, Some(stat)) if stat.pzxid > since => Some(EventKind::NodeChildrenChanged),
        (List::Exist, Some(_)) => Some(EventKind::NodeCreated),
        (List::Data | List::Child, Some(_)) | (List::Exist, None) | (List::Lasting(_), _) => None,
    }
}
