//! Work on files for learners that are far behind: pieces of the log on disk, the tree as a stream.
//!
//! One thread takes the jobs; a snapshot, which lasts as long as its learner's network takes, gets
//! one of its own. Nothing here is waited for by a request.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use crate::disk::Dir;
use crate::history::{LogReader, log_bytes_behind};
use crate::roles::jobs::LearnerJob;
use crate::roles::message::{SnapshotPiece, ToControl};
use crate::runtime::Sender;
use crate::snapshot::directory::snapshots as snapshots_of;
use crate::snapshot::stream::StreamSource;
use crate::tree::Tree;
use crate::types::{Epoch, Link, SessionId, Zxid, limits};
use crate::zab::{LogChunk, LogEnd};

/// Readers that stand where a piece has ended, each with a buffer of a megabyte and a file open. A
/// learner for whose next question none is left gets a new one, which reads from its segment's
/// beginning.
const READERS_MAX: usize = 32;

/// Pieces of a megabyte that were read last: learners that were away together ask for the same ones
/// at about the same time.
const PIECES_MAX: usize = 32;

/// What has been read for learners, and where reading goes on. Whose reader it was does not matter:
/// the next question of any learner that has come so far is answered from there.
#[derive(Default)]
struct LogReaders<'a> {
    /// The one used last is the last.
    readers: VecDeque<LogReader<'a>>,
    /// By what they come after; the newest last.
    pieces: VecDeque<(Zxid, LogChunk)>,
    /// The reign in which all of this was read. A change of history ends a reign.
    epoch: Epoch,
    /// Readers that had to be opened, each of which begins with its segment.
    opened: usize,
}

impl<'a> LogReaders<'a> {
    fn read(
        &mut self,
        (logs, snapshots): (&'a dyn Dir, &'a dyn Dir),
        question: Question,
        entry_max: usize,
    ) -> LogChunk {
        let Question { after, upto, epoch } = question;
        if epoch != self.epoch {
            *self = LogReaders { epoch, ..LogReaders::default() };
        }
        if let Some((_, piece)) = self.pieces.iter().find(|(begins, _)| *begins == after) {
            return piece.clone();
        }
        let stands = self.readers.iter().position(|reader| reader.position() == after);
        let mut reader = match stands.and_then(|at| self.readers.remove(at)) {
            Some(reader) => reader,
            None => {
                self.opened += 1;
                tracing::debug!(%after, opened = self.opened, "the log is read from here");
                LogReader::new(logs, snapshots, after, entry_max)
            }
        };
        let chunk = reader.next_chunk(upto, limits::LOG_CHUNK_BYTES);
        match (chunk.end, reader.trouble()) {
            // A piece that ends with the log is whole as far as it goes; the next question brings
            // what follows.
            (LogEnd::More | LogEnd::Done, _) if !chunk.entries.is_empty() => {
                keep(&mut self.readers, reader, READERS_MAX);
                keep(&mut self.pieces, (after, chunk.clone()), PIECES_MAX);
            }
            (LogEnd::NotThere, Some(why)) => {
                tracing::info!(%after, why, "learner too far behind for the log: SNAP");
            }
            (LogEnd::NotThere | LogEnd::Done | LogEnd::More, _) => {}
        }
        chunk
    }
}

#[derive(Clone, Copy)]
struct Question {
    after: Zxid,
    upto: Zxid,
    epoch: Epoch,
}

fn keep<T>(queue: &mut VecDeque<T>, item: T, most: usize) {
    if queue.len() >= most {
        queue.pop_front();
    }
    queue.push_back(item);
}

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
            let mut desk = LogReaders::default();
            // Bounded by the links there are: one job each at a time.
            for job in jobs {
                self.take(job, (logs.as_ref(), snapshots.as_ref()), &mut desk);
            }
        })?;
        Ok(())
    }

    fn take<'a>(
        &self,
        job: LearnerJob,
        dirs: (&'a dyn Dir, &'a dyn Dir),
        desk: &mut LogReaders<'a>,
    ) {
        match job {
            LearnerJob::ReadLog { link, after, upto, share, epoch } => {
                let chunk = match share.is_some_and(|share| is_too_much(after, share, dirs)) {
                    true => LogChunk { entries: Vec::new(), end: LogEnd::NotThere },
                    false => desk.read(dirs, Question { after, upto, epoch }, self.entry_max),
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
}

/// Whether what follows `after` in the log is more than this share of the newest snapshot, in
/// thousandths (ZKDatabase.calculateTxnLogSizeLimit). Where no size can be had the log is read.
fn is_too_much(after: Zxid, share: u32, (logs, snapshots): (&dyn Dir, &dyn Dir)) -> bool {
    let newest = snapshots_of(snapshots).ok().and_then(|files| files.into_iter().next());
    let (Some(newest), Ok(lacking)) = (newest, log_bytes_behind(logs, after)) else { return false };
    let most = u128::from(newest.size) * u128::from(share) / 1000;
    let is_too_much = most > 0 && u128::from(lacking) > most;
    if is_too_much {
        tracing::info!(%after, lacking, most, "learner too far behind: SNAP");
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::txn::{Entry, Txn, TxnHeader, encode_entry};
    use crate::disk::sim::SimDisk;
    use crate::log::frame;
    use crate::types::{Data, WallMillis};

    const ENTRY_MAX: usize = 1 << 20;
    const LAST: u32 = 40;

    fn z(counter: u32) -> Zxid {
        Zxid::new(Epoch(1), counter)
    }

    /// A segment of transactions, three of which are a piece.
    fn log() -> SimDisk {
        let disk = SimDisk::new();
        let mut bytes = frame::header(frame::Nonce(7), false).to_vec();
        for counter in 1..=LAST {
            let zxid = z(counter);
            let header = TxnHeader { session: SessionId(1), cxid: 0, zxid, time: WallMillis(1) };
            let config: Data = Some(vec![counter as u8; 400_000].into());
            let mut entry = Vec::new();
            let txn = Txn::Reconfig { config, version: -1 };
            encode_entry(&Entry { header, txn, digest: None }, &mut entry);
            frame::put_record(&mut bytes, &entry);
        }
        let file = disk.create("log.100000001").unwrap();
        file.write_at(&bytes, 0).unwrap();
        file.flush().unwrap();
        Dir::flush(&disk).unwrap();
        disk
    }

    /// One question: what it brings must follow.
    fn ask<'a>(desk: &mut LogReaders<'a>, disk: &'a SimDisk, after: Zxid, epoch: u32) -> LogChunk {
        let question = Question { after, upto: z(LAST), epoch: Epoch(epoch) };
        let chunk = desk.read((disk, disk), question, ENTRY_MAX);
        let found: Vec<Zxid> = chunk.entries.iter().map(|(zxid, _)| *zxid).collect();
        let expected = (after.counter() + 1..).map(z).take(found.len());
        assert_eq!(found, expected.collect::<Vec<Zxid>>());
        chunk
    }

    #[test]
    fn many_laggards_read_the_log_once() {
        // Goal: thirty learners that were away together, in any order, cost one pass over the log;
        // those that were not, one beginning each. What is kept is bounded.
        let disk = log();
        let mut desk = LogReaders::default();
        let mut at: Vec<Zxid> = vec![z(1); 30];
        at.extend((2..12).map(z));
        while at.iter().any(|at| *at < z(LAST)) {
            for position in at.iter_mut().filter(|at| **at < z(LAST)) {
                let chunk = ask(&mut desk, &disk, *position, 5);
                *position = chunk.entries.last().map_or(*position, |(zxid, _)| *zxid);
            }
            at.rotate_left(7);
        }
        assert!(desk.opened <= 11, "{} readers began with the segment", desk.opened);
        assert!(desk.readers.len() <= READERS_MAX && desk.pieces.len() <= PIECES_MAX);
    }

    #[test]
    fn another_reign_reads_anew() {
        // Goal: what was read before a change of history is not told behind it.
        let (before, after) = (log(), log());
        let mut desk = LogReaders::default();
        ask(&mut desk, &before, z(1), 5);
        ask(&mut desk, &before, z(1), 5);
        assert_eq!((desk.opened, desk.pieces.len()), (1, 1));
        ask(&mut desk, &after, z(1), 7);
        assert_eq!((desk.opened, desk.pieces.len()), (1, 1), "counted anew");
    }
}
