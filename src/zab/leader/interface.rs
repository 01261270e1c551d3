//! What goes into a leader and what comes out.

use std::sync::Arc;

use bytes::Bytes;

use super::readers::Readers;
use super::reason::{CloseReason, StepDownReason};
use crate::codec::quorum::{Forwarded, Packet};
use crate::log::Durable;
use crate::membership::{Electorate, Members};
use crate::types::{Epoch, Link, ServerId, SessionId, Zxid, limits};
use crate::zab::{Agreed, LogChunk, Stored, Timing};

/// What a leader begins with.
#[derive(Clone, Debug)]
pub struct LeaderParts {
    /// Its own number.
    pub me: ServerId,
    /// As stored in `acceptedEpoch`.
    pub accepted: Epoch,
    /// As stored in `currentEpoch`.
    pub current: Epoch,
    /// The end of the own history: durable in the own log and applied.
    pub last: Zxid,
    /// The configurations in force.
    pub electorate: Electorate,
    /// `reconfigEnabled`: a configuration without a version gets the new epoch's.
    pub reconfig_enabled: bool,
    /// How long it waits for others.
    pub timing: Timing,
    /// How learners are synchronised.
    pub rules: SyncRules,
    /// What servers read.
    pub readers: Readers,
    /// No new work is taken from this counter on, so that an epoch's last proposals can finish
    /// ([`limits::HANDOVER_COUNTER`]; less where the end of an epoch is to be seen).
    pub handover_counter: u32,
}

/// How learners may be synchronised (configuration).
#[derive(Clone, Copy, Debug)]
pub struct SyncRules {
    /// `zookeeper.forceSnapshotSync`.
    pub force_snapshot: bool,
    /// `zookeeper.snapshotSizeFactor` is not negative: the log on disk may be read for learners.
    pub use_log: bool,
    /// That factor, in thousandths: a learner that lacks more of the log than this share of the
    /// newest snapshot's size gets a snapshot. `None`: however much it lacks.
    pub log_share: Option<u32>,
    /// `zookeeper.leader.maxConcurrentSnapSyncs`, `…DiffSyncs`: an observer beyond is refused.
    pub snap_syncs: usize,
    /// Those from the log or from memory.
    pub diff_syncs: usize,
    /// [`limits::LEARNER_BYTES`] and [`limits::SYNC_BYTES`], less where slow links are to be seen.
    pub live_bytes: usize,
    /// Those of a synchronisation.
    pub sync_bytes: usize,
}

impl Default for SyncRules {
    fn default() -> SyncRules {
        SyncRules {
            force_snapshot: false,
            use_log: true,
            log_share: None,
            snap_syncs: limits::SNAP_SYNCS,
            diff_syncs: limits::DIFF_SYNCS,
            live_bytes: limits::LEARNER_BYTES,
            sync_bytes: limits::SYNC_BYTES,
        }
    }
}

/// What a leader is told.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "a variant says what its parts are")]
pub enum LeaderInput {
    /// A server has connected to the quorum port.
    Opened { link: Link },
    /// What a learner says.
    Packet { link: Link, packet: Packet },
    /// The connection is gone, by whomever.
    Closed { link: Link },
    /// All that was sent before the last `WhenDrained` is in the socket.
    Drained { link: Link },
    /// Bytes of this link move: some have come that are no whole packet yet, or, after
    /// [`LeaderEffect::AskMoved`], some that were sent have reached the other machine and others are
    /// still on their way.
    Moved { link: Link },
    /// An epoch file that was asked for is durable.
    Stored(Stored),
    /// The own log's horizon: the leader's own ack.
    Durable(Durable),
    /// A transaction that is on its way to the own log; broadcast it. Numbers have no gaps (I4).
    Proposed { zxid: Zxid, entry: Bytes },
    /// Whether a learner's session lives, as [`LeaderEffect::Revalidate`] asked.
    Revalidated { link: Link, session: SessionId, valid: bool },
    /// The turn of a learner's client sync has come: everything it asked for before is proposed.
    SyncFor { link: Link },
    /// What [`LeaderEffect::ReadLog`] asked for.
    LogRead { link: Link, chunk: LogChunk },
    /// Something is to be said that only the leader of a quorum may say. Answered by
    /// [`LeaderEffect::Confirmed`].
    ReadIndexAsked,
    /// The snapshot's last byte is on its way; it holds everything up to `zxid`.
    SnapshotSent { link: Link, zxid: Zxid },
    /// The next proposal is a reconfiguration to these members, whose version is its zxid. From it
    /// on, until it is committed, a quorum is one of both configurations.
    Reconfiguring { members: Arc<Members> },
    /// The deadline has passed.
    Tick,
}

/// In order: what stands before must be done, or be on its way in the same queue.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "a variant says what its parts are")]
pub enum LeaderEffect {
    /// A packet, behind what was sent before.
    Send { link: Link, packet: Packet },
    /// The connection is to be closed; nothing more is told of it.
    Close { link: Link, why: CloseReason },
    /// Answer `Drained` when everything sent until now is in the socket.
    WhenDrained { link: Link },
    /// Answer `Moved` if what had been sent when this was asked last has since reached the other
    /// machine in part.
    AskMoved { link: Link },
    /// Stop taking bytes from the link, or go on: what its learner asks for has no room here.
    Reading { link: Link, on: bool },
    /// Write it durably, then answer `Stored`.
    Store(Stored),
    /// A quorum follows: take clients' requests. The first transaction is (epoch, 1).
    Serve { epoch: Epoch },
    /// A quorum has it.
    Agreed(Agreed),
    /// A quorum of each configuration has agreed on this one, which is in force from now on.
    /// `leader`: who leads in it, if a reconfiguration has named it; unless that is this server
    /// and [`Leader::is_serving`](super::Leader::is_serving) goes on, its leadership ends as soon
    /// as the reconfiguration is applied here.
    Activate { members: Arc<Members>, leader: Option<ServerId> },
    /// A quorum followed when [`LeaderInput::ReadIndexAsked`] was said for the `count`-th time.
    Confirmed { count: u64 },
    /// In the order of arrival. Each is answered in this order, with exactly one `Proposed` (one
    /// that cannot be done with an error transaction), a client sync (opcode 9) with `SyncFor`:
    /// a learner matches what is committed with the first of its requests only.
    Request { link: Link, server: ServerId, request: Forwarded },
    /// Sessions that a learner's clients have kept alive, with their timeouts in ms.
    Touched { link: Link, sessions: Vec<(SessionId, i32)> },
    /// Whether this session lives, for a learner whose client comes back.
    Revalidate { link: Link, session: SessionId, timeout: i32 },
    /// Read entries newer than `after` from the log on disk and answer one `LogRead` of about a
    /// megabyte. The log must hold an entry that is not newer than `after`, and what is to be read
    /// not be more than `share` thousandths of the newest snapshot (if given), else
    /// `LogEnd::NotThere`.
    ReadLog { link: Link, after: Zxid, share: Option<u32> },
    /// Send SNAP with the last applied zxid, the tree and the signature, then `SnapshotSent`.
    SendSnapshot { link: Link },
    /// The learner serves clients.
    LearnerReady { link: Link, server: ServerId },
    /// One that was ready is not connected any more.
    LearnerGone { link: Link, server: ServerId },
    /// Lead no longer. Nothing comes after it.
    StepDown { why: StepDownReason },
}
