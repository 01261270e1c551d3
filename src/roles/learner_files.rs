//! Work on files for learners that are far behind: pieces of the log on disk, the tree as a stream.
//!
//! A machine without thread and clock. Jobs come in, and each is one piece of work: a part of the log
//! is read at once, a tree goes to its learner piece by piece, for as long as the learner's network
//! takes. Threads drive it ([`crate::node::learner_files`]), or the simulator's events.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};

use super::jobs::LearnerJob;
use super::message::{SnapshotPiece, ToControl};
use crate::disk::Dir;
use crate::history::{LogReader, log_bytes_behind};
use crate::snapshot::directory::snapshots as snapshots_of;
use crate::snapshot::{Directories, StreamSource};
use crate::tree::Tree;
use crate::types::{Epoch, Link, SessionId, Zxid, limits};
use crate::zab::{LogChunk, LogEnd};

/// The machine.
pub struct LearnerFiles {
    tree: Arc<Tree>,
    folders: Arc<Directories>,
    /// The longest entry accepted.
    entry_max: usize,
    chunk_bytes: usize,
    /// Nodes of a tree's piece, if not as many as usual.
    piece_nodes: Option<usize>,
    /// Bounded by the links there are: one job each at a time.
    jobs: VecDeque<LearnerJob>,
    readers: LogReaders,
}

/// What came of a job.
pub enum Work {
    /// It is done; this goes to the control role.
    Done(ToControl),
    /// It has begun: whoever gives turns gives it some of its own, so that no other learner waits.
    Stream(Box<TreeStream>),
}

impl LearnerFiles {
    /// For a leader with this tree and these files. `entry_max`: the longest entry accepted, in bytes.
    pub fn new(tree: Arc<Tree>, folders: Arc<Directories>, entry_max: usize) -> LearnerFiles {
        LearnerFiles {
            tree,
            folders,
            entry_max,
            chunk_bytes: limits::LOG_CHUNK_BYTES,
            piece_nodes: None,
            jobs: VecDeque::new(),
            readers: LogReaders::default(),
        }
    }

    /// With other pieces, so that small logs and trees of the simulator have several.
    pub fn with_pieces(self, chunk_bytes: usize, nodes: usize) -> LearnerFiles {
        LearnerFiles { chunk_bytes, piece_nodes: Some(nodes), ..self }
    }

    /// A job for later: [`LearnerFiles::next_work`].
    pub fn take(&mut self, job: LearnerJob) {
        self.jobs.push_back(job);
    }

    /// Whether a job waits.
    pub fn has_work(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// Does the next job, or begins it; `None` if there is none.
    pub fn next_work(&mut self) -> Option<Work> {
        Some(match self.jobs.pop_front()? {
            LearnerJob::ReadLog { link, after, upto, share, epoch } => {
                let dirs = (self.folders.logs.as_ref(), self.folders.snapshots.as_ref());
                let chunk = match share.is_some_and(|share| is_too_much(after, share, dirs)) {
                    true => LogChunk { entries: Vec::new(), end: LogEnd::NotThere },
                    false => {
                        let bounds = (self.entry_max, self.chunk_bytes);
                        self.readers.read(dirs, Question { after, upto, epoch }, bounds)
                    }
                };
                Work::Done(ToControl::LogRead { link, chunk })
            }
            LearnerJob::Snapshot { link, sessions, at, restored_upto, credit } => {
                let begin = Begin { sessions, at, restored_upto, piece_nodes: self.piece_nodes };
                let stage = Stage::Asked(begin);
                let tree = self.tree.clone();
                Work::Stream(Box::new(TreeStream { tree, link, credit, stage }))
            }
        })
    }
}

/// A tree on its way to a learner: each piece but the first when the one before has left.
pub struct TreeStream {
    tree: Arc<Tree>,
    link: Link,
    /// A message for every piece that has left; closed when the learner is gone, or its leader's
    /// role.
    credit: Receiver<()>,
    stage: Stage,
}

enum Stage {
    Asked(Begin),
    Sending(StreamSource),
    Over,
}

struct Begin {
    sessions: Vec<(SessionId, i32)>,
    at: Zxid,
    restored_upto: Zxid,
    piece_nodes: Option<usize>,
}

/// What a turn of a stream has brought.
pub enum Streamed {
    /// For the control role.
    Piece(ToControl),
    /// The piece before has not left.
    Waits,
    /// All has been sent, or nobody waits for it.
    Over,
}

impl TreeStream {
    /// Whose tree it is.
    pub fn link(&self) -> Link {
        self.link
    }

    /// The next piece. `credit` looks whether the one before has left: at once, or as long as that
    /// takes.
    pub fn next_piece(
        &mut self,
        credit: impl FnOnce(&Receiver<()>) -> Result<(), TryRecvError>,
    ) -> Streamed {
        let mut source = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Asked(begin) => begin.source(&self.tree),
            Stage::Sending(source) => match credit(&self.credit) {
                Ok(()) => source,
                Err(TryRecvError::Empty) => {
                    self.stage = Stage::Sending(source);
                    return Streamed::Waits;
                }
                Err(TryRecvError::Disconnected) => return Streamed::Over,
            },
            Stage::Over => return Streamed::Over,
        };
        let mut bytes = Vec::new();
        let is_last = source.next_piece(&self.tree, &mut bytes);
        if !is_last {
            self.stage = Stage::Sending(source);
        }
        let piece = Some(SnapshotPiece { bytes: bytes.into(), is_last });
        Streamed::Piece(ToControl::SnapshotPiece { link: self.link, piece })
    }
}

impl Begin {
    /// The table of access lists is copied here, on the stream's own time.
    fn source(self, tree: &Tree) -> StreamSource {
        let source = StreamSource::new(tree, self.sessions, self.at, self.restored_upto);
        match self.piece_nodes {
            Some(nodes) => source.with_pieces(nodes),
            None => source,
        }
    }
}

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
struct LogReaders {
    /// The one used last is the last.
    readers: VecDeque<LogReader>,
    /// By what they come after; the newest last.
    pieces: VecDeque<(Zxid, LogChunk)>,
    /// The reign in which all of this was read. A change of history ends a reign.
    epoch: Epoch,
    /// Readers that had to be opened, each of which begins with its segment.
    opened: usize,
}

impl LogReaders {
    fn read(
        &mut self,
        dirs: (&dyn Dir, &dyn Dir),
        question: Question,
        (entry_max, chunk_bytes): (usize, usize),
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
                LogReader::new(after, entry_max)
            }
        };
        let chunk = reader.next_chunk(dirs, upto, chunk_bytes);
        match (chunk.end, reader.trouble()) {
            // A piece that ends with the log is whole as far as it goes; the next question brings
            // what follows.
            (LogEnd::More | LogEnd::Done, _) if !chunk.entries.is_empty() => {
                keep(&mut self.readers, reader, READERS_MAX);
                keep(&mut self.pieces, (after, chunk.clone()), PIECES_MAX);
            }
            (LogEnd::NotThere, Some(why)) => {
                tracing::info!(%after, %why, "learner too far behind for the log: SNAP");
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::codec::txn::{Entry, Txn, TxnHeader, encode_entry};
    use crate::log::frame;
    use crate::testing::disk::SimDisk;
    use crate::tree::TreeOptions;
    use crate::types::{Data, StoredStat, TypeRules, WallMillis};

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
    fn ask(readers: &mut LogReaders, disk: &SimDisk, after: Zxid, epoch: u32) -> LogChunk {
        let question = Question { after, upto: z(LAST), epoch: Epoch(epoch) };
        let chunk = readers.read((disk, disk), question, (ENTRY_MAX, limits::LOG_CHUNK_BYTES));
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
        let mut readers = LogReaders::default();
        let mut at: Vec<Zxid> = vec![z(1); 30];
        at.extend((2..12).map(z));
        while at.iter().any(|at| *at < z(LAST)) {
            for position in at.iter_mut().filter(|at| **at < z(LAST)) {
                let chunk = ask(&mut readers, &disk, *position, 5);
                *position = chunk.entries.last().map_or(*position, |(zxid, _)| *zxid);
            }
            at.rotate_left(7);
        }
        assert!(readers.opened <= 11, "{} readers began with the segment", readers.opened);
        assert!(readers.readers.len() <= READERS_MAX && readers.pieces.len() <= PIECES_MAX);
    }

    #[test]
    fn another_epoch_reads_anew() {
        // Goal: what was read before a change of history is not told behind it.
        let (before, after) = (log(), log());
        let mut readers = LogReaders::default();
        ask(&mut readers, &before, z(1), 5);
        ask(&mut readers, &before, z(1), 5);
        assert_eq!((readers.opened, readers.pieces.len()), (1, 1));
        ask(&mut readers, &after, z(1), 7);
        assert_eq!((readers.opened, readers.pieces.len()), (1, 1), "counted anew");
    }

    /// A tree of so many nodes beside the system's own, to be sent in pieces of ten nodes.
    fn machine(nodes: usize) -> LearnerFiles {
        let options = TreeOptions {
            shards: 1,
            hash_seed: 1,
            types: TypeRules { extended_types: true, emulate_353_ttl: false },
            digest: true,
        };
        let (tree, mut writer) = Tree::new(options);
        for node in 0..nodes {
            let stat = StoredStat::default();
            writer.restore_node(&format!("/{node}"), None, -1, &stat).unwrap();
        }
        let dir: Arc<dyn Dir> = Arc::new(log());
        let folders = Directories::of(dir.clone(), dir.clone(), dir);
        LearnerFiles::new(tree, Arc::new(folders), ENTRY_MAX).with_pieces(500_000, 10)
    }

    fn snapshot(link: u64) -> (LearnerJob, mpsc::Sender<()>) {
        let (sender, credit) = mpsc::channel();
        let (at, restored_upto) = (z(LAST), Zxid::ZERO);
        let sessions = Vec::new();
        let job = LearnerJob::Snapshot { link: Link(link), sessions, at, restored_upto, credit };
        (job, sender)
    }

    fn streamed(machine: &mut LearnerFiles) -> TreeStream {
        match machine.next_work() {
            Some(Work::Stream(stream)) => *stream,
            _ => panic!("a stream was asked for"),
        }
    }

    #[test]
    fn a_tree_goes_piece_by_piece_as_each_leaves() {
        // Goal: no more than one piece is on its way to a learner; the last one says so, and no
        // other follows it.
        let mut machine = machine(25);
        let (job, left) = snapshot(3);
        machine.take(job);
        let mut stream = streamed(&mut machine);
        assert!(machine.next_work().is_none(), "one job, one piece of work");
        let mut pieces = 0;
        loop {
            let Streamed::Piece(ToControl::SnapshotPiece { link, piece: Some(piece) }) =
                stream.next_piece(Receiver::try_recv)
            else {
                panic!("a piece was due")
            };
            pieces += 1;
            assert_eq!(link, Link(3));
            if piece.is_last {
                break;
            }
            assert!(matches!(stream.next_piece(Receiver::try_recv), Streamed::Waits));
            left.send(()).unwrap();
        }
        assert!(pieces >= 3, "{pieces}");
        left.send(()).unwrap();
        assert!(matches!(stream.next_piece(Receiver::try_recv), Streamed::Over));
    }

    #[test]
    fn a_stream_whose_learner_is_gone_ends() {
        // Goal: nothing is walked for nobody, however long the tree.
        let mut machine = machine(25);
        let (job, left) = snapshot(3);
        machine.take(job);
        let mut stream = streamed(&mut machine);
        assert!(matches!(stream.next_piece(Receiver::try_recv), Streamed::Piece(_)));
        drop(left);
        assert!(matches!(stream.next_piece(Receiver::try_recv), Streamed::Over));
    }

    #[test]
    fn jobs_are_done_in_the_order_in_which_they_came() {
        // Goal: a learner that asks again and again keeps no other from its answer, and a part of
        // the log is a piece of the length that was asked for.
        let mut machine = machine(0);
        let (share, epoch) = (None, Epoch(1));
        for link in [5, 6] {
            let (after, upto) = (z(1), z(LAST));
            machine.take(LearnerJob::ReadLog { link: Link(link), after, upto, share, epoch });
        }
        for expected in [5, 6] {
            let Some(Work::Done(ToControl::LogRead { link, chunk })) = machine.next_work() else {
                panic!("the log was to be read")
            };
            assert_eq!((link, chunk.entries.len()), (Link(expected), 2));
        }
        assert!(!machine.has_work());
    }
}
