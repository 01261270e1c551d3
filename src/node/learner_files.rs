//! The threads that work on files for learners ([`crate::roles::learner_files`]): one takes the jobs; a
//! tree, which goes as fast as its learner's network, gets one of its own. Nothing here is waited for
//! by a request.

use std::io;
use std::sync::mpsc::{Receiver, TryRecvError};

use crate::roles::jobs::LearnerJob;
use crate::roles::learner_files::{LearnerFiles, Streamed, TreeStream, Work};
use crate::roles::message::ToControl;
use crate::runtime::Sender;

/// Starts the thread. It ends with the control role, whose end closes the queue.
pub fn spawn(
    mut files: LearnerFiles,
    jobs: Receiver<LearnerJob>,
    to_control: Sender<ToControl>,
) -> io::Result<()> {
    std::thread::Builder::new().name("learner files".into()).spawn(move || {
        for job in jobs {
            files.take(job);
            while let Some(work) = files.next_work() {
                match work {
                    Work::Done(answer) => to_control.push(answer),
                    Work::Stream(stream) => spawn_stream(*stream, &to_control),
                }
            }
        }
    })?;
    Ok(())
}

fn spawn_stream(mut stream: TreeStream, to_control: &Sender<ToControl>) {
    let (link, sender) = (stream.link(), to_control.clone());
    let credit = |left: &Receiver<()>| left.recv().map_err(|_| TryRecvError::Disconnected);
    let body = move || {
        while let Streamed::Piece(piece) = stream.next_piece(credit) {
            sender.push(piece);
        }
    };
    if let Err(error) = std::thread::Builder::new().name("snapshot stream".into()).spawn(body) {
        tracing::error!(%error, "no thread for a learner's snapshot");
        to_control.push(ToControl::SnapshotPiece { link, piece: None });
    }
}
