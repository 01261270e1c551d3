//! Work on files for learners that are far behind: pieces of the log on disk, the tree as a stream.
//!
//! One thread takes the jobs; a snapshot, which lasts as long as its learner's network takes, gets
//! one of its own. Nothing here is waited for by a request.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::control::LearnerJob;
use super::message::{SnapshotPiece, ToControl};
use super::store::{LogReader, log_bytes_behind};
use crate::disk::Dir;
use crate::runtime::Sender;
use crate::snapshot::directory::snapshots as snapshots_of;
use crate::snapshot::stream::StreamSource;
use crate::tree::Tree;
use crate::types::{Link, SessionId, Zxid, limits};
use crate::zab::{LogChunk, LogEnd};

/// Readers that wait for their learner's next question. Each has a buffer of a megabyte and a file
/// open; a learner whose reader had to go gets a new one.
const READERS_MAX: usize = 8;

type Readers<'a> = BTreeMap<Link, LogReader<'a>>;

/// What the thread works with.
pub struct LearnerFiles {
    pub tree: Arc<Tree>,
    pub logs: Arc<dyn Dir>,
    pub snapshots: Arc<dyn Dir>,
    /// The longest entry accepted.
    pub entry_max: usize,
    pub to_control: Sender<ToControl>,
}

impl LearnerFiles {
    /// Starts the thread. It ends with the control role, whose end closes the queue.
    pub fn spawn(self, jobs: Receiver<LearnerJob>) -> io::Result<()> {
        std::thread::Builder::new().name("learner files".into()).spawn(move || {
            let (logs, snapshots) = (self.logs.clone(), self.snapshots.clone());
            let mut readers = Readers::new();
            // Bounded by the links there are: one job each at a time.
            for job in jobs {
                self.take(job, (logs.as_ref(), snapshots.as_ref()), &mut readers);
            }
        })?;
        Ok(())
    }

    fn take<'a>(
        &self,
        job: LearnerJob,
        dirs: (&'a dyn Dir, &'a dyn Dir),
        readers: &mut Readers<'a>,
    ) {
        match job {
            LearnerJob::ReadLog { link, after, upto, share } => {
                let chunk = match share.is_some_and(|share| is_too_much(after, share, dirs)) {
                    true => LogChunk { entries: Vec::new(), end: LogEnd::NotThere },
                    false => self.read_log(link, (after, upto), dirs, readers),
                };
                self.to_control.push(ToControl::LogRead { link, chunk });
            }
            LearnerJob::Snapshot { link, sessions, at, restored_upto, credit } => {
                let (tree, to_control) = (self.tree.clone(), self.to_control.clone());
                let body =
                    move || send(&tree, link, sessions, (at, restored_upto), &credit, &to_control);
                let spawned =
                    std::thread::Builder::new().name("snapshot stream".into()).spawn(body);
                if let Err(error) = spawned {
                    tracing::error!(%error, "no thread for a learner's snapshot");
                    self.to_control.push(ToControl::SnapshotPiece { link, piece: None });
                }
            }
        }
    }

    /// A learner that asks for what follows its last piece is served from where that one ended:
    /// beginning anew would read half a segment for each.
    fn read_log<'a>(
        &self,
        link: Link,
        (after, upto): (Zxid, Zxid),
        (logs, snapshots): (&'a dyn Dir, &'a dyn Dir),
        readers: &mut Readers<'a>,
    ) -> LogChunk {
        let mut reader = match readers.remove(&link) {
            Some(reader) if reader.position() == after => reader,
            Some(_) | None => LogReader::new(logs, snapshots, after, self.entry_max),
        };
        let chunk = reader.next_chunk(upto, limits::LOG_CHUNK_BYTES);
        match (chunk.end, reader.trouble()) {
            (LogEnd::More, _) => {
                if readers.len() >= READERS_MAX {
                    readers.pop_first();
                }
                readers.insert(link, reader);
            }
            (LogEnd::NotThere, Some(why)) => {
                tracing::info!(%after, why, "the log has not what a learner lacks");
            }
            (LogEnd::NotThere | LogEnd::Done, _) => {}
        }
        chunk
    }
}

/// Whether what follows `after` in the log is more than this share of the newest snapshot, in
/// thousandths (ZKDatabase.calculateTxnLogSizeLimit). Where no size can be had the log is read.
fn is_too_much(after: Zxid, share: u32, (logs, snapshots): (&dyn Dir, &dyn Dir)) -> bool {
    let newest = snapshots_of(snapshots).ok().and_then(|files| files.into_iter().next());
    let (Some(newest), Ok(lacking)) = (newest, log_bytes_behind(logs, after)) else { return false };
    let most = u128::from(newest.size) * u128::from(share) / 1000;
    let is_too_much = most > 0 && u128::from(lacking) > most;
    if is_too_much {
        tracing::info!(%after, lacking, most, "a learner lacks more of the log than is read for it");
    }
    is_too_much
}

/// The tree, piece by piece; each piece but the first when the one before has left.
fn send(
    tree: &Tree,
    link: Link,
    sessions: Vec<(SessionId, i32)>,
    (at, restored_upto): (Zxid, Zxid),
    credit: &Receiver<()>,
    to_control: &Sender<ToControl>,
) {
    let mut source = StreamSource::new(tree, sessions, at, restored_upto);
    loop {
        let mut bytes = Vec::new();
        let is_last = source.next_piece(tree, &mut bytes);
        let piece = SnapshotPiece { bytes: bytes.into(), is_last };
        to_control.push(ToControl::SnapshotPiece { link, piece: Some(piece) });
        // An error: the learner is gone, or its leader's role.
        if is_last || credit.recv().is_err() {
            return;
        }
    }
}
