//! Records → lines → pieces of the file.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::file::AuditFile;
use crate::admin::audit::{AuditReceiver, Record, ToAudit, day_of, write_lines, write_lost};
use crate::metrics::gauges::AuditFigures;
use crate::runtime::{ThreadSleeper, clock};
use crate::types::Millis;

/// What is written at once, about: a call for many lines where many come.
const PIECE_BYTES: usize = 64 << 10;

/// How often it is looked whether the file was moved away, and whether losses can be reported.
const LOOK: Duration = Duration::from_secs(1);

/// Between two lines of the server's own log about records that are lost.
const REPORT_MS: i64 = 10_000;

pub(super) struct AuditWriter {
    file: AuditFile,
    receiver: AuditReceiver,
    /// Whose process this is.
    server: String,
    figures: Arc<AuditFigures>,
    /// Lines of one day that are not written yet, and the records they are of.
    text: String,
    day: i64,
    records: u64,
    /// Records lost since the log could last be told.
    lost: u64,
    reported: Option<Millis>,
}

impl AuditWriter {
    pub(super) fn new(
        file: AuditFile,
        receiver: AuditReceiver,
        server: String,
        figures: Arc<AuditFigures>,
    ) -> AuditWriter {
        let text = String::with_capacity(PIECE_BYTES);
        let (day, records, lost, reported) = (0, 0, 0, None);
        AuditWriter { file, receiver, server, figures, text, day, records, lost, reported }
    }

    pub(super) fn run(mut self, mut sleeper: ThreadSleeper) {
        let mut arrived = VecDeque::new();
        let mut next_look = clock::now();
        loop {
            sleeper.sleep(Some(LOOK));
            if clock::now() >= next_look {
                next_look = clock::now() + LOOK.as_millis() as i64;
                self.file.look();
            }
            self.receiver.mailbox.drain_into(&mut arrived);
            self.take(&mut arrived);
        }
    }

    /// Writes all that has come, and what is to be reported of what has not.
    fn take(&mut self, arrived: &mut VecDeque<ToAudit>) {
        for message in arrived.drain(..) {
            match message {
                ToAudit::Record(record) => self.format(&record),
                ToAudit::Flush(done) => {
                    self.put();
                    // Whoever waited may have gone.
                    let _ = done.send(());
                }
            }
        }
        self.put();
    }

    fn format(&mut self, record: &Record) {
        self.receiver.took(record);
        let now = clock::wall();
        let day = day_of(record.at.unwrap_or(now));
        if day != self.day || self.text.len() >= PIECE_BYTES {
            self.put();
            self.day = day;
        }
        write_lines(record, &self.server, now, &mut self.text);
        self.records += 1;
    }

    /// What is there goes to the file, behind a line for what is missing before it.
    fn put(&mut self) {
        let lost = self.receiver.take_lost();
        if lost > 0 {
            self.count_lost(lost);
            self.report("its disk is slower than its records come, or hangs");
        }
        if self.text.is_empty() && self.lost == 0 {
            return;
        }
        let mut lines = String::new();
        if self.lost > 0 {
            let now = clock::wall();
            if self.text.is_empty() {
                self.day = day_of(now);
            }
            write_lost(self.lost, &self.server, now, &mut lines);
            lines.push_str(&self.text);
        }
        let text = if lines.is_empty() { &self.text } else { &lines };
        match self.file.append(text.as_bytes(), self.day) {
            Ok(()) => {
                self.figures.written.add(self.records as i64);
                self.lost = 0;
            }
            Err(error) => {
                let records = self.records;
                self.count_lost(records);
                self.report(&format!("cannot be written: {error}"));
            }
        }
        self.text.clear();
        self.text.shrink_to(PIECE_BYTES * 2);
        self.records = 0;
    }

    fn count_lost(&mut self, records: u64) {
        self.lost += records;
        self.figures.lost.add(records as i64);
    }

    /// Once in a while: what goes on is counted.
    fn report(&mut self, why: &str) {
        let now = clock::now();
        if self.reported.is_none_or(|at| now >= at + REPORT_MS) {
            self.reported = Some(now);
            let lost = self.figures.lost.get();
            tracing::error!(lost, "audit log: {why}; records are lost, counted since the start");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::audit::{AuditSender, Event, audit_queue};
    use crate::config::AuditSettings;
    use crate::runtime::waker;
    use crate::types::limits;

    fn writer(file: &std::path::Path) -> (AuditSender, AuditWriter) {
        let (_, waker) = waker::for_thread();
        let (sender, receiver) = audit_queue(waker);
        let settings =
            AuditSettings { file: file.to_owned(), bytes_max: 1 << 20, keep: 1, daily: false };
        let file = AuditFile::open(&settings).unwrap();
        (sender, AuditWriter::new(file, receiver, "root".into(), Arc::default()))
    }

    fn take(writer: &mut AuditWriter) {
        let mut arrived = VecDeque::new();
        writer.receiver.mailbox.drain_into(&mut arrived);
        writer.take(&mut arrived);
    }

    fn reaped(path: &str) -> Record {
        Record::now(Event::Reaped { path: path.to_owned() })
    }

    /// Lines without their times.
    fn lines(file: &std::path::Path) -> Vec<String> {
        let text = std::fs::read_to_string(file).unwrap();
        text.lines().map(|line| line[24..].to_owned()).collect()
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_reported_when_it_can() {
        // Goal: no record is missing from the log without a line in its place.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();
        let (sender, mut writer) = writer(&path);
        sender.push(reaped("/a"));
        take(&mut writer);
        sender.push(reaped("/b"));
        sender.push(reaped("/c"));
        take(&mut writer);
        assert_eq!((writer.figures.written.get(), writer.figures.lost.get()), (0, 3));
        std::fs::remove_file(&path).unwrap();
        writer.file.look();
        sender.push(reaped("/d"));
        take(&mut writer);
        let logger = "o.a.z.a.Slf4jAuditLogger";
        let expected = [
            format!(
                "ERROR {logger}: user=root\toperation=auditRecordsLost\tcount=3\tresult=failure"
            ),
            format!("INFO {logger}: user=root\toperation=delete\tznode=/d\tresult=success"),
        ];
        assert_eq!(lines(&path), expected);
        assert_eq!((writer.figures.written.get(), writer.figures.lost.get()), (1, 3));
    }

    #[test]
    fn a_queue_that_is_full_loses_the_newest_and_counts_them() {
        // Goal: roles never wait for a disk that hangs, and memory has a bound (I9).
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let (sender, mut writer) = writer(&path);
        let long = "/".repeat(1 << 20);
        let taken = (limits::AUDIT_BYTES >> 20) - 1;
        for _ in 0..taken + 3 {
            sender.push(reaped(&long));
        }
        let mut arrived = VecDeque::new();
        writer.receiver.mailbox.drain_into(&mut arrived);
        assert_eq!(arrived.len(), taken);
        writer.take(&mut arrived);
        assert_eq!((writer.figures.written.get(), writer.figures.lost.get()), (taken as i64, 3));
        sender.push(reaped("/there is room again"));
        take(&mut writer);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.ends_with("znode=/there is room again\tresult=success\n"));
        assert_eq!(writer.figures.lost.get(), 3);
    }

    #[test]
    fn a_flush_is_answered_behind_what_was_pushed_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let (sender, mut writer) = writer(&path);
        sender.push(reaped("/a"));
        let written = sender.flush();
        assert!(written.try_recv().is_err());
        take(&mut writer);
        written.try_recv().unwrap();
        assert_eq!(lines(&path).len(), 1);
    }
}
