//! A write's way through this server: prepared, given to the log, agreed on, applied, answered.

use std::sync::Arc;

use bytes::Bytes;

use super::origin::{Origin, PendingReply};
use crate::codec::txn::{Entry, Op, SubTxn, Txn, TxnDigest, encode_entry};
use crate::log::Append;
use crate::prep::{Prep, PrepSettings};
use crate::roles::chunks::Chunks;
use crate::roles::jobs::LogInput;
use crate::roles::message::ToNetwork;
use crate::roles::stream::{self, Publisher, StreamSender};
use crate::runtime::mailbox::Sender;
use crate::tree::{Tree, TreeWriter};
use crate::types::{AclList, ConnRef, Data, WallMillis, Zxid, limits};
use crate::zab::CommitQueue;

pub(super) struct Pipeline {
    pub tree: Arc<Tree>,
    /// `None` while a thread beside changes the history.
    pub writer: Option<TreeWriter>,
    pub prep: Prep,
    pub prep_settings: PrepSettings,
    pub queue: CommitQueue<Origin, PendingReply>,
    pub stream_senders: Vec<StreamSender>,
    pub log: Sender<LogInput>,
    /// Not yet pushed.
    pub to_log: Vec<LogInput>,
    /// Nodes up to here came from a file or a leader's snapshot.
    pub restored_upto: Zxid,
    /// Digests count behind this. `None`: a leader's snapshot may show more than the log has, until
    /// that leader, or another, has sent everything.
    pub exact_from: Option<Zxid>,
    encode: Vec<u8>,
    /// For entries.
    chunks: Chunks,
}

/// What a pipeline is made of.
pub(super) struct PipelineParts {
    pub writer: TreeWriter,
    pub prep: PrepSettings,
    pub stream_senders: Vec<StreamSender>,
    pub log: Sender<LogInput>,
    pub restored_upto: Zxid,
    pub exact_from: Option<Zxid>,
}

impl Pipeline {
    pub(super) fn new(parts: PipelineParts) -> Pipeline {
        let tree = parts.writer.tree().clone();
        let last = tree.applied();
        Pipeline {
            tree,
            writer: Some(parts.writer),
            prep: Prep::new(parts.prep.clone(), last),
            prep_settings: parts.prep,
            queue: CommitQueue::new(last),
            stream_senders: parts.stream_senders,
            log: parts.log,
            to_log: Vec::new(),
            restored_upto: parts.restored_upto,
            exact_from: parts.exact_from,
            encode: Vec::new(),
            chunks: Chunks::default(),
        }
    }

    /// Goes on behind `last`: another history, or another epoch.
    pub(super) fn prepare_behind(&mut self, last: Zxid) {
        self.prep = Prep::new(self.prep_settings.clone(), last);
    }

    pub(super) fn encode(&mut self, entry: &Entry) -> Bytes {
        self.encode.clear();
        encode_entry(entry, &mut self.encode);
        self.chunks.copy(&self.encode)
    }

    pub(super) fn append(&mut self, zxid: Zxid, entry: Bytes) {
        self.to_log.push(LogInput::Append(Append { zxid, entry }));
    }

    /// In one push.
    pub(super) fn push_log(&mut self) {
        if !self.to_log.is_empty() {
            self.log.push_all(&mut self.to_log);
        }
    }

    /// The log has as much to make durable as may wait for it.
    pub(super) fn log_is_full(&self) -> bool {
        self.queue.bytes_not_durable() >= limits::LOG_WAITING_BYTES
    }

    /// Puts the members this server knows into /zookeeper/config (QuorumPeer.initConfigInZKDatabase).
    pub(super) fn init_config(&mut self, config: &str, version: Zxid, wall: WallMillis) {
        let Some(writer) = &mut self.writer else { return };
        let before = self.tree.applied();
        let sink =
            &mut Publisher { stream_senders: &mut self.stream_senders, before, removed: None };
        writer.init_config(config.as_bytes(), version, wall, sink);
    }

    /// Whether a proposal's digest can be compared with the tree's (I13).
    pub(super) fn differs_from(&self, zxid: Zxid, digest: TxnDigest) -> bool {
        self.exact_from.is_some_and(|from| zxid > from)
            && digest.version == TxnDigest::VERSION
            && digest.digest != self.tree.digest()
    }

    /// Whether the thread beside has the tree.
    pub(super) fn is_lent(&self) -> bool {
        self.writer.is_none()
    }

    pub(super) fn send(&mut self, conn: ConnRef, message: ToNetwork) {
        if let Some(stream_sender) = self.stream_senders.get_mut(usize::from(conn.core.0)) {
            stream_sender.send(message);
        }
    }

    pub(super) fn drop_connection(&mut self, conn: ConnRef) {
        let zxid = self.tree.applied();
        self.send(conn, ToNetwork::Drop { conn: conn.conn, zxid });
    }

    pub(super) fn outlets_have_room(&self) -> bool {
        self.stream_senders.iter().all(|stream_sender| stream_sender.has_room())
    }

    pub(super) fn flush_outlets(&mut self) {
        stream::flush(&mut self.stream_senders, self.tree.applied());
    }
}

/// What making or applying a transaction costs, in operations.
pub(super) fn work_of(txn: &Txn) -> usize {
    let bytes = |data: &Data| data.as_ref().map_or(0, |data| data.len() / limits::WORK_BYTES);
    let entries = |acl: &AclList| acl.len() / limits::WORK_ENTRIES;
    let of = |op: &Op| match op {
        Op::Create(create) => 1 + bytes(&create.data) + entries(&create.acl),
        Op::SetData { data, .. } => 1 + bytes(data),
        Op::SetAcl { acl, .. } => 1 + entries(acl),
        Op::Delete { .. } | Op::DeleteContainer { .. } | Op::Check { .. } => 1,
    };
    match txn {
        Txn::Op(op) => of(op),
        Txn::Multi(steps) => steps
            .iter()
            .map(|step| match step {
                SubTxn::Op(op) => of(op),
                SubTxn::Error(_) => 1,
            })
            .sum(),
        Txn::CloseSession { paths } => paths.as_ref().map_or(1, Vec::len),
        Txn::CreateSession { .. } | Txn::Error(_) | Txn::Reconfig { .. } => 1,
    }
}
