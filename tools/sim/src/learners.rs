//! What a leader's files thread does for learners that are far behind (`node::learner_files`).

use std::sync::mpsc::{Receiver, TryRecvError};

use ringkeeper::history;
use ringkeeper::roles::jobs::LearnerJob;
use ringkeeper::roles::message::{SnapshotPiece, ToControl};
use ringkeeper::snapshot::stream::StreamSource;
use ringkeeper::types::Link;

use crate::history::FIELD_MAX;
use crate::world::{Checked, Event, World};

/// A snapshot on its way to a learner.
pub struct Sending {
    link: Link,
    source: StreamSource,
    credit: Receiver<()>,
    is_first: bool,
}

impl World {
    /// Jobs that a control turn has left.
    pub fn learner_jobs(&mut self, server: usize) {
        let incarnation = self.servers[server].incarnation;
        let slice = self.knobs.snapshot_slice;
        let Some(up) = &mut self.servers[server].up else { return };
        let mut any = false;
        while let Ok(job) = up.learner_jobs.try_recv() {
            any = true;
            match job {
                LearnerJob::Snapshot { link, sessions, at, restored_upto, credit } => {
                    let source = StreamSource::new(&up.tree, sessions, at, restored_upto)
                        .with_pieces(slice * 10);
                    up.sending.push(Sending { link, source, credit, is_first: true });
                }
                job @ LearnerJob::ReadLog { .. } => up.log_reads.push_back(job),
            }
        }
        if any {
            let delay = self.rng.latency(2000);
            self.schedule(self.now + delay, Event::LearnerWork { server, incarnation });
        }
    }

    /// One log chunk, and one piece of every snapshot whose learner has taken the last.
    pub fn learner_work(&mut self, server: usize, incarnation: u64) -> Checked {
        if self.servers[server].incarnation != incarnation {
            return Ok(());
        }
        let chunk_bytes = self.knobs.chunk_bytes;
        let Some(up) = &mut self.servers[server].up else { return Ok(()) };
        if let Some(LearnerJob::ReadLog { link, after, upto, .. }) = up.log_reads.pop_front() {
            let dirs = (up.dirs.logs.as_ref(), up.dirs.snapshots.as_ref());
            let chunk = history::read_log_chunk(dirs, after, upto, chunk_bytes, FIELD_MAX);
            up.to_control.push(ToControl::LogRead { link, chunk });
        }
        let (tree, to_control) = (up.tree.clone(), up.to_control.clone());
        up.sending.retain_mut(|sending| {
            if !std::mem::take(&mut sending.is_first) {
                match sending.credit.try_recv() {
                    Ok(()) => {}
                    Err(TryRecvError::Empty) => return true,
                    Err(TryRecvError::Disconnected) => return false,
                }
            }
            let mut bytes = Vec::new();
            let is_last = sending.source.next_piece(&tree, &mut bytes);
            let piece = SnapshotPiece { bytes: bytes.into(), is_last };
            to_control.push(ToControl::SnapshotPiece { link: sending.link, piece: Some(piece) });
            !is_last
        });
        if !up.sending.is_empty() || !up.log_reads.is_empty() {
            let delay = 500 + self.rng.latency(2000);
            self.schedule(self.now + delay, Event::LearnerWork { server, incarnation });
        }
        self.poke(server);
        Ok(())
    }
}
