//! Snapshots and pieces of the log on their way to learners that are far behind.

use super::base::Base;
use super::ensemble::Ensemble;
use super::leading::Leading;
use super::role::Role;
use crate::codec::quorum::Packet;
use crate::roles::jobs::LearnerJob;
use crate::roles::message::SnapshotPiece;
use crate::roles::peer_message::PeerCommand;
use crate::types::{Link, Zxid};
use crate::zab::{LeaderInput, LogChunk};

/// A snapshot stream that goes out piece by piece, each when the one before has left.
pub(super) struct Sending {
    link: Link,
    zxid: Zxid,
    credit: std::sync::mpsc::SyncSender<()>,
}

impl Leading {
    /// Whether it was a snapshot's piece that has left: then the next may be made.
    pub(super) fn snapshot_credit(&self, link: Link) -> bool {
        let Some(sending) = self.sending.iter().find(|s| s.link == link) else { return false };
        // One piece is out at a time, so there is room; a thread that is gone has said so.
        let _ = sending.credit.try_send(());
        true
    }

    pub(super) fn stop_sending(&mut self, link: Link) {
        self.sending.retain(|s| s.link != link);
        self.waiting.retain(|(waits, _)| *waits != link);
    }
}

impl Ensemble {
    pub(super) fn send_waiting_snapshots(&mut self, base: &mut Base) {
        let Role::Leading(leading) = &mut self.role else { return };
        let applied = base.pipeline.tree.applied();
        let ready: Vec<Link> = leading
            .waiting
            .extract_if(.., |(_, upto)| *upto <= applied)
            .map(|(link, _)| link)
            .collect();
        for link in ready {
            self.send_snapshot(base, link);
        }
    }

    fn send_snapshot(&mut self, base: &mut Base, link: Link) {
        let zxid = base.pipeline.tree.applied();
        let sessions = base.sessions.durable.iter().map(|(id, t)| (*id, *t)).collect();
        // The first piece needs no leave.
        let (credit, waits) = std::sync::mpsc::sync_channel(1);
        if let Role::Leading(leading) = &mut self.role {
            leading.sending.push(Sending { link, zxid, credit });
        }
        self.command(PeerCommand::Send { link, packet: Packet::Snap { zxid } });
        let restored_upto = base.pipeline.restored_upto;
        let job = LearnerJob::Snapshot { link, sessions, at: zxid, restored_upto, credit: waits };
        self.learner_job(base, link, job);
    }

    /// A thread has made a piece of a snapshot stream.
    pub(super) fn snapshot_piece(
        &mut self,
        base: &mut Base,
        link: Link,
        piece: Option<SnapshotPiece>,
    ) {
        let Role::Leading(leading) = &mut self.role else { return };
        let Some(at) = leading.sending.iter().position(|s| s.link == link) else { return };
        let Some(piece) = piece else {
            leading.sending.remove(at);
            self.command(PeerCommand::Close { link });
            return self.lead(base, LeaderInput::Closed { link });
        };
        if piece.is_last {
            let zxid = leading.sending.remove(at).zxid;
            self.command(PeerCommand::SendRaw { link, bytes: piece.bytes });
            self.lead(base, LeaderInput::SnapshotSent { link, zxid });
        } else {
            self.command(PeerCommand::SendRaw { link, bytes: piece.bytes });
            self.command(PeerCommand::WhenDrained { link });
        }
    }

    pub(super) fn log_read(&mut self, base: &mut Base, link: Link, chunk: LogChunk) {
        self.lead(base, LeaderInput::LogRead { link, chunk });
    }

    /// Work on files for a learner goes to a thread beside. When that cannot be had, the learner
    /// has to come again.
    pub(super) fn learner_job(&mut self, base: &mut Base, link: Link, job: LearnerJob) {
        if base.learner_jobs.send(job).is_err() {
            self.command(PeerCommand::Close { link });
            self.lead(base, LeaderInput::Closed { link });
        }
    }
}
