//! The audit log's thread: records of the roles → a file.
//!
//! It waits for its disk alone. Roles never wait for it: their records wait in a queue with a bound
//! ([`crate::admin::audit`]), and what finds no room there, or cannot be written, is counted and
//! reported in the log itself, before what is written next.
//!
//! * [`file`]: the file, how it is rotated, and what is done where it was taken away
//! * [`writer`]: records → lines → pieces of the file

mod file;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::admin::audit::{AuditSender, Event, Record, audit_queue};
use crate::admin::machine;
use crate::config::AuditSettings;
use crate::metrics::gauges::AuditFigures;
use crate::runtime::waker;
use file::AuditFile;
use writer::AuditWriter;

/// How long the end of a server waits for what is to be written.
const PATIENCE: Duration = Duration::from_secs(5);

/// The file that was asked for cannot be written.
#[derive(Debug, thiserror::Error)]
#[error(
    "audit log: cannot write {}: {cause}; ringkeeper.audit.file chooses another file, \
     audit.enable=false none",
    path.display()
)]
pub struct AuditError {
    path: PathBuf,
    cause: io::Error,
}

/// The log of a server that may have one.
#[derive(Default)]
pub struct Audit {
    queue: Option<AuditSender>,
    figures: Arc<AuditFigures>,
}

/// Opens the file and starts the thread. A server that is to be audited does not start without.
pub fn start(settings: Option<&AuditSettings>) -> Result<Audit, AuditError> {
    let Some(settings) = settings else { return Ok(Audit::default()) };
    let failed = |cause| AuditError { path: settings.file.clone(), cause };
    let file = AuditFile::open(settings).map_err(failed)?;
    tracing::info!(file = %settings.file.display(), "audit log");
    let (sleeper, waker) = waker::for_thread();
    let (queue, receiver) = audit_queue(waker);
    let figures: Arc<AuditFigures> = Arc::default();
    let writer = AuditWriter::new(file, receiver, machine::user_name(), figures.clone());
    let thread = std::thread::Builder::new().name("audit".into());
    // It ends with the process.
    thread.spawn(move || writer.run(sleeper)).map_err(failed)?;
    Ok(Audit { queue: Some(queue), figures })
}

impl Audit {
    /// For the roles; `None` where nothing is audited.
    pub fn queue(&self) -> Option<AuditSender> {
        self.queue.clone()
    }

    /// For metrics.
    pub fn figures(&self) -> Arc<AuditFigures> {
        self.figures.clone()
    }

    /// The server's own doings (ZKAuditProvider.addZKStartStopAuditLog).
    pub fn note(&self, event: Event) {
        if let Some(queue) = &self.queue {
            queue.push(Record::now(event));
        }
    }

    /// Waits until all is written, within reason: a disk that hangs holds up no end.
    pub fn finish(&self) {
        let Some(queue) = &self.queue else { return };
        if queue.flush().recv_timeout(PATIENCE).is_err() {
            let seconds = PATIENCE.as_secs();
            tracing::error!("audit log: its last records were not written within {seconds} s");
        }
    }
}
