//! Reads, answered from the tree on the core they arrived on (FinalRequestProcessor;
//! tools/docs/reference/client-protocol.md section 7).

use super::budget::{Budgets, Grant, Share};
use super::client::Client;
use super::permitted::{self, Permitted, Reader};
use super::{NetworkRole, Shared, Transport};
use crate::acl;
use crate::codec::reply;
use crate::codec::request::{MultiReadOp, ReadOp, RequestHeader, WriteOp};
use crate::metrics::gauges::CoreGauges;
use crate::mutants::{self, Mutant};
use crate::prep::eager;
use crate::roles::stream::Stream;
use crate::tree::Tree;
use crate::types::{
    AclList, ConnId, ErrorCode, Identity, Millis, Perms, Stat, WatchMode, Xid, Zxid, limits,
};
use crate::watch::{Table, WatcherKind, Watches};

/// What a read needs beside its connection.
pub(super) struct ReadContext<'a> {
    pub shared: &'a Shared,
    pub stream: &'a Stream,
    pub watches: &'a mut Watches,
    pub drained: Zxid,
    pub budgets: &'a Budgets,
    /// From which change on this core is told of all: see [`NetworkRole::heard_from`].
    pub heard_from: &'a mut Option<Zxid>,
    /// Of identities, over all connections.
    pub identity_bytes: &'a mut usize,
    pub identities_granted: &'a mut Grant,
    pub watches_granted: &'a mut Grant,
    /// About the one connection that it is made for.
    pub decisions: acl::Decisions,
    /// Nodes, paths and entries that were looked at for the request in hand.
    pub looked_at: usize,
    pub gauges: &'a CoreGauges,
    pub now: Millis,
}

/// A read that has been executed; its answer is written, but for the zxid.
pub(super) struct Read {
    xid: Xid,
    /// The newest change it may show.
    seen: Zxid,
    watch: Option<NewWatch>,
}

/// To be registered once the stream is drained up to what the read has seen.
struct NewWatch {
    path: Box<str>,
    kind: NewKind,
}

enum NewKind {
    Standard(Table),
    /// addWatch.
    Lasting(WatchMode),
}

/// The zxid of a staged answer is known only when it leaves.
const LATER: Zxid = Zxid(0);
/// Its offset: behind the length and the xid.
const ZXID_AT: std::ops::Range<usize> = 8..16;
/// And that of the error code.
const ERROR_AT: std::ops::Range<usize> = 16..20;

type Answer = Result<(), ErrorCode>;

/// One connection's read in the making.
struct Reading<'a, 'd> {
    context: &'a mut ReadContext<'d>,
    identities: &'a [Identity],
    xid: Xid,
    out: &'a mut Vec<u8>,
    /// Where in `out` the answer begins.
    start: usize,
}

impl<'d> ReadContext<'d> {
    /// Executes a read and appends its answer to `out`.
    pub(super) fn read(
        &mut self,
        client: &mut Client,
        header: RequestHeader,
        op: ReadOp<'_>,
        out: &mut Vec<u8>,
    ) -> Read {
        let xid = header.xid;
        let watched = path_to_watch(&op);
        if let Some(path) = watched
            && !self.has_room_to_watch(client, Watches::cost(path))
        {
            reply::error(out, xid, LATER, ErrorCode::ThrottledOp);
            return Read { xid, seen: self.drained, watch: None };
        }
        if watched.is_some() {
            client.has_watches = true;
            // Before the node is read: see Stream.
            self.stream.set_watching(true);
        }
        let conn = client.id;
        let session = client.session;
        let start = out.len();
        let mut r = Reading { context: self, identities: &client.identities, xid, out, start };
        match op {
            ReadOp::Exists { path, watch } => r.exists(path.as_deref(), watch),
            ReadOp::GetData { path, watch } => {
                r.node(path.as_deref(), watch.then_some(Table::Data), |out, node| {
                    reply::data(out, xid, LATER, node.data(), &node.stat());
                })
            }
            ReadOp::GetChildren { path, watch } => {
                r.node(path.as_deref(), watch.then_some(Table::Child), |out, node| {
                    reply::children(out, xid, LATER, node.children());
                })
            }
            ReadOp::GetChildren2 { path, watch } => {
                r.node(path.as_deref(), watch.then_some(Table::Child), |out, node| {
                    reply::children2(out, xid, LATER, node.children(), &node.stat());
                })
            }
            ReadOp::GetAcl { path } => r.get_acl(path.as_deref()),
            ReadOp::GetAllChildrenNumber { path } => r.descendants(path.as_deref()),
            ReadOp::GetEphemerals { prefix } => r.ephemerals(session, prefix.as_deref()),
            ReadOp::MultiRead(ops) => r.multi(&ops),
            ReadOp::AddWatch { path, mode } => r.add_watch(path.as_deref(), mode),
            ReadOp::CheckWatches { path, kind } => r.watches(conn, path.as_deref(), kind, false),
            ReadOp::RemoveWatches { path, kind } => r.watches(conn, path.as_deref(), kind, true),
            ReadOp::WhoAmI => r.who_am_i(),
            // Taken out of the line before it gets here.
            ReadOp::SetWatches(_) => r.done(Err(ErrorCode::SystemError), r.context.drained),
        }
    }
}

impl ReadContext<'_> {
    /// The work that the request in hand was, in operations as [`crate::types::limits::TURN_WORK`]
    /// counts them; `made` are the bytes of its answer. Another request begins.
    pub(super) fn work(&mut self, received: usize, made: usize) -> usize {
        let looked_at = std::mem::take(&mut self.looked_at) + self.decisions.next_request();
        1 + received / limits::REQUEST_BYTES
            + made / limits::WORK_BYTES
            + looked_at / limits::WORK_ENTRIES
    }

    /// A client would hold more than it may.
    pub(super) fn tell_over_bound(&self, line: impl FnOnce() -> String) {
        if let Some(line) = self.shared.lines.over_bound.note(self.now, line) {
            tracing::warn!("{line}");
        }
    }

    /// What was proven is the connection's, if it has room for it (I14).
    pub(super) fn add_identities(
        &mut self,
        client: &mut Client,
        identities: Vec<Identity>,
    ) -> Result<(), ErrorCode> {
        let (bytes, granted) = (&mut *self.identity_bytes, &mut *self.identities_granted);
        let Err(too_many) = client.add_identities(identities, self.budgets, bytes, granted) else {
            self.decisions.forget();
            return Ok(());
        };
        self.gauges.identities_refused.add(1);
        self.tell_over_bound(|| format!("{}: authentication refused: {too_many}", client.peer));
        Err(ErrorCode::AuthFailed)
    }

    /// Whether a connection may hold so many bytes of watches more.
    fn has_room_to_watch(&mut self, client: &Client, more: usize) -> bool {
        let (own, all) = (self.watches.bytes_of(client.id), self.watches.bytes());
        let has_room = self.budgets.watch_bytes.has_room(own, all, more, self.watches_granted);
        if !has_room {
            self.gauges.watches_refused.add(1);
            let Share { each, all: of_all, .. } = self.budgets.watch_bytes;
            self.tell_over_bound(|| {
                format!(
                    "{}: a watch refused: {own} bytes of watches are held of {each}, {all} by all \
                     of this core and {of_all} may be by those of the server, {more} more asked for",
                    client.peer
                )
            });
        }
        has_room
    }

    /// The change from which on this core is told of all. Shards are asked when its first watch
    /// comes; as long as it has one, nothing passes it by.
    pub(super) fn heard_from(&mut self) -> Zxid {
        let tree = &self.shared.tree;
        *self.heard_from.get_or_insert_with(|| tree.newest_change())
    }

    /// What a write is refused with where it arrived, if the server is told to look.
    pub(super) fn refusal(&mut self, client: &Client, op: &WriteOp) -> Option<ErrorCode> {
        let Shared { tree, policy, eager_acl_check, .. } = self.shared;
        if !eager_acl_check {
            return None;
        }
        let decisions = &mut self.decisions;
        eager::refusal(policy, tree, op, &client.identities, decisions, self.drained)
    }
}

/// The path of which a read wants to hear.
fn path_to_watch<'a>(op: &'a ReadOp<'_>) -> Option<&'a str> {
    match op {
        ReadOp::Exists { path, watch }
        | ReadOp::GetData { path, watch }
        | ReadOp::GetChildren { path, watch }
        | ReadOp::GetChildren2 { path, watch } => path.as_deref().filter(|_| *watch),
        ReadOp::AddWatch { path, .. } => path.as_deref(),
        ReadOp::SetWatches(_)
        | ReadOp::GetAcl { .. }
        | ReadOp::GetAllChildrenNumber { .. }
        | ReadOp::GetEphemerals { .. }
        | ReadOp::MultiRead(_)
        | ReadOp::CheckWatches { .. }
        | ReadOp::RemoveWatches { .. }
        | ReadOp::WhoAmI => None,
    }
}

impl<'a, 'd> Reading<'a, 'd> {
    /// Closes the answer: nothing to add on success, the code alone on failure.
    fn done(&mut self, answer: Answer, seen: Zxid) -> Read {
        if let Err(code) = answer {
            self.out.truncate(self.start);
            reply::error(self.out, self.xid, LATER, code);
        }
        Read { xid: self.xid, seen, watch: None }
    }

    fn watching(mut self, answer: Answer, seen: Zxid, watch: Option<NewWatch>) -> Read {
        let read = self.done(answer, seen);
        Read { watch, ..read }
    }

    /// Java looks a null path up and falls over it.
    fn null_path(mut self) -> Read {
        let seen = self.context.drained;
        self.done(Err(ErrorCode::MarshallingError), seen)
    }

    /// The tree, and who reads it.
    fn reader(&self) -> (&'d Tree, Reader<'a>) {
        let Shared { tree, policy, .. } = self.context.shared;
        (tree, Reader { policy, identities: self.identities })
    }

    /// The reads that need the node, and READ on it.
    fn node(
        self,
        path: Option<&str>,
        watch: Option<Table>,
        put: impl FnOnce(&mut Vec<u8>, Permitted<'_>),
    ) -> Read {
        let Some(path) = path else { return self.null_path() };
        let (tree, reader) = self.reader();
        let decisions = &mut self.context.decisions;
        let (answer, seen) =
            reader.look(tree, path, Perms::READ, decisions, |node, _| put(self.out, node));
        let watch = watch.filter(|_| answer.is_ok()).map(|table| standard(path, table));
        self.watching(answer, seen, watch)
    }

    fn exists(mut self, path: Option<&str>, wanted: bool) -> Read {
        let Some(path) = path else { return self.null_path() };
        if path.contains('\0') {
            let seen = self.context.drained;
            return self.done(Err(ErrorCode::BadArguments), seen);
        }
        let (tree, reader) = self.reader();
        let decisions = &mut self.context.decisions;
        let (answer, seen) = reader.look(tree, path, Perms::READ, decisions, |node, _| {
            reply::stat(self.out, self.xid, LATER, &node.stat());
        });
        // A missing node is watched for its creation.
        let watched = wanted && matches!(answer, Ok(()) | Err(ErrorCode::NoNode));
        let watch = watched.then(|| standard(path, Table::Data));
        self.watching(answer, seen, watch)
    }

    /// READ or ADMIN shows the list; without ADMIN the digests' hashes are hidden
    /// (CVE-2019-0201).
    fn get_acl(mut self, path: Option<&str>) -> Read {
        let Some(path) = path else { return self.null_path() };
        let (tree, reader) = self.reader();
        let Reader { policy, identities } = reader;
        let wanted = Perms::READ.or(Perms::ADMIN);
        let decisions = &mut self.context.decisions;
        let (answer, seen) = reader.look(tree, path, wanted, decisions, |node, decisions| {
            let (list, stat): (&AclList, Stat) = (node.acl(), node.stat());
            match decisions.decide(policy, list, Perms::ADMIN, identities) {
                Ok(_) => reply::acl(self.out, self.xid, LATER, list, &stat),
                Err(_) => {
                    reply::acl(self.out, self.xid, LATER, &acl::mask_digests(list), &stat);
                }
            }
        });
        self.done(answer, seen)
    }

    fn descendants(mut self, path: Option<&str>) -> Read {
        let Some(path) = path else { return self.null_path() };
        let (tree, reader) = self.reader();
        let decisions = &mut self.context.decisions;
        let (answer, mut seen) = reader.look(tree, path, Perms::READ, decisions, |_, _| ());
        let looked_at = &mut self.context.looked_at;
        let counted = answer.and_then(|()| {
            let (count, newest) = tree.descendants(path);
            *looked_at += tree.looked_at_beneath(path, count.unwrap_or(0) as usize);
            seen = seen.max(newest);
            let count = count.ok_or(ErrorCode::NoNode)?;
            // Java's map holds the root under two names; by the name "" it counts the other.
            let count = count + i32::from(path.is_empty());
            reply::int(self.out, self.xid, LATER, count);
            Ok(())
        });
        self.done(counted, seen)
    }

    fn ephemerals(mut self, session: crate::types::SessionId, prefix: Option<&str>) -> Read {
        let tree = &self.context.shared.tree;
        let (mut paths, seen) = tree.ephemerals_seen(session);
        self.context.looked_at += paths.len();
        let is_all = |prefix: &&str| matches!(java_trim(prefix), "" | "/");
        if let Some(prefix) = prefix.filter(|prefix| !is_all(prefix)) {
            paths.retain(|path| path.starts_with(prefix));
        }
        reply::strings(self.out, self.xid, LATER, paths.iter().map(String::as_str));
        self.done(Ok(()), seen)
    }

    /// Every step fails on its own, and the header says OK. A null path ends it: the header then
    /// says MarshallingError, and what was read so far follows nevertheless.
    ///
    /// A small request names a large node many times: steps are counted before the first is
    /// carried out, and bytes before they are copied (ZooKeeperServer.multiReadMaxOps and
    /// multiReadMaxResponseBytes of 3.9.7, CVE-2026-100302).
    fn multi(mut self, ops: &[MultiReadOp<'_>]) -> Read {
        let (tree, reader) = self.reader();
        let mut newest = self.context.drained;
        let mut room = Some(self.context.budgets.multi_read_bytes);
        if ops.len() > self.context.budgets.multi_read_ops {
            return self.beyond_budget(newest);
        }
        let mut whole = true;
        self.context.looked_at += ops.len() * limits::WORK_ENTRIES;
        let decisions = &mut self.context.decisions;
        let mut frame = reply::MultiFrame::begin(self.out, self.xid, LATER);
        for op in ops {
            let (MultiReadOp::GetData { path } | MultiReadOp::GetChildren { path }) = op;
            let Some(path) = path.as_deref() else {
                whole = false;
                break;
            };
            let (answer, seen) = reader.look(tree, path, Perms::READ, decisions, |node, _| {
                let bytes = match op {
                    MultiReadOp::GetData { .. } => node.data_len(),
                    MultiReadOp::GetChildren { .. } => node.children().map(str::len).sum(),
                };
                room = room.and_then(|room| room.checked_sub(bytes));
                match op {
                    _ if room.is_none() => {}
                    MultiReadOp::GetData { .. } => frame.data(node.data(), &node.stat()),
                    MultiReadOp::GetChildren { .. } => frame.children(node.children()),
                }
            });
            newest = newest.max(seen);
            if room.is_none() || decisions.is_spent() {
                return self.beyond_budget(newest);
            }
            if let Err(code) = answer {
                frame.failed(code);
            }
        }
        frame.finish();
        let answer = &mut self.out[self.start..];
        if let Some(error) = answer.get_mut(ERROR_AT).filter(|_| !whole) {
            error.copy_from_slice(&ErrorCode::MarshallingError.code().to_be_bytes());
        }
        self.done(Ok(()), newest)
    }

    /// As 3.9.7 answers a multiRead that is too long.
    fn beyond_budget(&mut self, seen: Zxid) -> Read {
        self.context.gauges.multi_reads_refused.add(1);
        self.done(Err(ErrorCode::BadArguments), seen)
    }

    /// No check of existence or of ACLs: delivery checks them.
    fn add_watch(mut self, path: Option<&str>, mode: i32) -> Read {
        let seen = self.context.drained;
        let mode = match mode {
            0 => WatchMode::Persistent,
            1 => WatchMode::PersistentRecursive,
            _ => return self.done(Err(ErrorCode::MarshallingError), seen),
        };
        let Some(path) = path else {
            // Java watches null, of which nothing will ever be heard.
            reply::add_watch(self.out, self.xid, LATER);
            return self.done(Ok(()), seen);
        };
        // Changes up to it were before this watch. What is beneath the path lies in any shard, and
        // while this core had no watch nobody told it of what changed there.
        let seen = match mode {
            WatchMode::PersistentRecursive => self.context.heard_from(),
            WatchMode::Persistent | WatchMode::Standard => {
                permitted::newest_change_at(&self.context.shared.tree, path)
            }
        };
        reply::add_watch(self.out, self.xid, LATER);
        let watch = NewWatch { path: path.into(), kind: NewKind::Lasting(mode) };
        self.watching(Ok(()), seen, Some(watch))
    }

    fn watches(mut self, conn: ConnId, path: Option<&str>, kind: i32, remove: bool) -> Read {
        let seen = self.context.drained;
        let Some(kind) = WatcherKind::from_wire(kind) else {
            return self.done(Err(ErrorCode::MarshallingError), seen);
        };
        // Nobody watches null.
        let Some(path) = path else { return self.done(Err(ErrorCode::NoWatcher), seen) };
        let found = if remove {
            self.context.watches.remove(path, kind, conn)
        } else {
            self.context.watches.has(path, kind, conn)
        };
        if !found {
            return self.done(Err(ErrorCode::NoWatcher), seen);
        }
        reply::empty(self.out, self.xid, LATER);
        self.done(Ok(()), seen)
    }

    fn who_am_i(mut self) -> Read {
        let seen = self.context.drained;
        let shown = acl::who_am_i(&self.context.shared.policy, self.identities);
        let pairs = shown.iter().map(|who| (&*who.scheme, &*who.id));
        reply::who_am_i(self.out, self.xid, LATER, pairs);
        self.done(Ok(()), seen)
    }
}

/// String.trim: cuts what is not above a blank.
fn java_trim(text: &str) -> &str {
    text.trim_matches(|c| c <= ' ')
}

fn standard(path: &str, table: Table) -> NewWatch {
    NewWatch { path: path.into(), kind: NewKind::Standard(table) }
}

impl Read {
    pub(super) fn xid(&self) -> Xid {
        self.xid
    }

    /// Whether the stream has been taken as far as the read has seen.
    pub(super) fn may_leave(&self, drained: Zxid) -> bool {
        self.seen <= drained || mutants::on(Mutant::AnswerBeforeEvent)
    }

    /// `since`: changes up to there are not the watch's.
    fn register(&self, context: &mut ReadContext<'_>, conn: ConnId, since: Zxid) {
        let Some(watch) = &self.watch else { return };
        context.watches.settle(context.drained);
        match watch.kind {
            NewKind::Standard(table) => {
                let mode = WatchMode::Standard;
                context.watches.add(&watch.path, mode, table, conn, since);
            }
            NewKind::Lasting(mode) => {
                context.watches.add_watch(&watch.path, mode, conn, since);
            }
        }
    }

    /// Makes the answer whole and registers the watch: the read may leave.
    pub(super) fn seal(self, answer: &mut [u8], context: &mut ReadContext<'_>, conn: ConnId) {
        assert!(self.may_leave(context.drained), "I7");
        self.register(context, conn, self.seen);
        if let Some(zxid) = answer.get_mut(ZXID_AT) {
            zxid.copy_from_slice(&context.drained.0.to_be_bytes());
        }
    }
}

impl<N: Transport> NetworkRole<N> {
    pub(super) fn read_context(&mut self) -> ReadContext<'_> {
        self.parts().context
    }

    /// Lets a read's staged answer leave: after everything the read has seen, before everything
    /// newer.
    pub(super) fn finish_read(&mut self, conn: ConnId, read: Read, received: Millis) {
        let mut staged = std::mem::take(&mut self.staged);
        if !read.may_leave(self.drained) {
            if mutants::on(Mutant::WatchHearsThePast) {
                let drained = self.drained;
                read.register(&mut self.read_context(), conn, drained);
            }
            self.drain_upto(read.seen);
        }
        let xid = read.xid;
        let mut context = self.read_context();
        read.seal(&mut staged, &mut context, conn);
        let bytes = staged.len();
        self.staged = staged;
        self.flush_staged(conn);
        self.count_reply(conn, xid, self.drained, bytes, received, false);
    }
}
