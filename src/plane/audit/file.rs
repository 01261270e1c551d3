//! The audit log's file: appended to, rotated by size and by date, and opened anew where somebody has
//! moved it away.
//!
//! ```text
//! zookeeper_audit.log ─► zookeeper_audit.log.1 ─► … ─► zookeeper_audit.log.<keep> ─► removed
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use crate::admin::audit::day_of;
use crate::config::AuditSettings;
use crate::types::WallMillis;

/// Names of users and access lists are not for everybody.
const MODE: u32 = 0o640;

pub(super) struct AuditFile {
    settings: AuditSettings,
    open: Option<Open>,
    /// Of what is in the file, in days since 1970.
    day: i64,
    /// The last write has ended within a line.
    torn: bool,
}

struct Open {
    file: File,
    bytes: u64,
    /// Device and inode: whether the name still stands for it.
    identity: (u64, u64),
}

impl AuditFile {
    pub(super) fn open(settings: &AuditSettings) -> io::Result<AuditFile> {
        let mut file =
            AuditFile { settings: settings.clone(), open: None, day: i64::MIN, torn: false };
        file.open = Some(file.open_again()?);
        Ok(file)
    }

    fn open_again(&mut self) -> io::Result<Open> {
        let file =
            OpenOptions::new().create(true).append(true).mode(MODE).open(&self.settings.file)?;
        let meta = file.metadata()?;
        if meta.len() > 0 {
            self.day = day_of(WallMillis(meta.mtime() * 1000));
        }
        Ok(Open { file, bytes: meta.len(), identity: (meta.dev(), meta.ino()) })
    }

    /// Appends whole lines of one day. What could be written of them before an error stays, and what
    /// follows begins on a line of its own.
    pub(super) fn append(&mut self, lines: &[u8], day: i64) -> io::Result<()> {
        self.rotate_if_due(lines.len() as u64, day);
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.open_again()?,
        };
        if self.torn {
            open.file.write_all(b"\n")?;
            self.torn = false;
        }
        let before = open.bytes;
        let mut rest = lines;
        let mut outcome = Ok(());
        while !rest.is_empty() && outcome.is_ok() {
            match open.file.write(rest) {
                Ok(0) => outcome = Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    rest = &rest[written..];
                    open.bytes += written as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => outcome = Err(error),
            }
        }
        // After an error the file is opened anew: it may be another one by then.
        if outcome.is_ok() {
            self.day = day;
            self.open = Some(open);
        } else {
            self.torn = open.bytes > before;
        }
        outcome
    }

    /// Whoever rotates logs by renaming them is followed: the name is opened anew once it stands for
    /// another file, or for none.
    pub(super) fn look(&mut self) {
        let Some(open) = &self.open else { return };
        let now = fs::metadata(&self.settings.file).map(|meta| (meta.dev(), meta.ino()));
        if now.ok() != Some(open.identity) {
            self.open = None;
            self.torn = false;
        }
    }

    fn rotate_if_due(&mut self, more: u64, day: i64) {
        let Some(open) = &self.open else { return };
        let is_full = open.bytes + more > self.settings.bytes_max;
        let is_of_another_day = self.settings.daily && self.day != day;
        if open.bytes > 0
            && (is_full || is_of_another_day)
            && let Err(error) = self.rotate()
        {
            // Nothing is lost by a file that is longer than it should be.
            let file = self.settings.file.display();
            tracing::error!(%error, %file, "audit log cannot be rotated, and grows");
        }
    }

    /// Each file takes the next one's name, the oldest goes.
    fn rotate(&mut self) -> io::Result<()> {
        let keep = self.settings.keep;
        for number in (1..=keep).rev() {
            let from = self.numbered(number);
            let outcome = if number == keep {
                fs::remove_file(&from)
            } else {
                fs::rename(&from, self.numbered(number + 1))
            };
            if let Err(error) = outcome
                && error.kind() != io::ErrorKind::NotFound
            {
                return Err(error);
            }
        }
        fs::rename(&self.settings.file, self.numbered(1))?;
        self.open = None;
        Ok(())
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.settings.file.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(folder: &tempfile::TempDir) -> AuditSettings {
        let file = folder.path().join("audit.log");
        AuditSettings { file, bytes_max: 20, keep: 2, daily: false }
    }

    fn names(folder: &tempfile::TempDir) -> Vec<(String, String)> {
        let entries = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap());
        let mut names: Vec<(String, String)> = entries
            .map(|entry| {
                let text = fs::read_to_string(entry.path()).unwrap();
                (entry.file_name().into_string().unwrap(), text)
            })
            .collect();
        names.sort();
        names
    }

    fn is(folder: &tempfile::TempDir, expected: &[(&str, &str)]) {
        let expected: Vec<(String, String)> =
            expected.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
        assert_eq!(names(folder), expected);
    }

    #[test]
    fn files_are_rotated_by_size_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = AuditFile::open(&settings(&folder)).unwrap();
        for line in ["1 234567\n", "2 234567\n", "3 234567\n", "4 234567\n", "5 234567\n"] {
            file.append(line.as_bytes(), 7).unwrap();
        }
        let full = ["1 234567\n2 234567\n", "3 234567\n4 234567\n"];
        is(
            &folder,
            &[("audit.log", "5 234567\n"), ("audit.log.1", full[1]), ("audit.log.2", full[0])],
        );
        // A line longer than a file may be has one for itself.
        file.append(b"a line of more than twenty bytes\n", 7).unwrap();
        file.append(b"6\n", 7).unwrap();
        let long = "a line of more than twenty bytes\n";
        is(&folder, &[("audit.log", "6\n"), ("audit.log.1", long), ("audit.log.2", "5 234567\n")]);
        // A start goes on in the file that is there.
        drop(file);
        let mut file = AuditFile::open(&settings(&folder)).unwrap();
        file.append(b"7\n", 7).unwrap();
        assert_eq!(names(&folder)[0].1, "6\n7\n");
    }

    #[test]
    fn files_are_rotated_by_date_where_it_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let daily = AuditSettings { bytes_max: 1 << 20, daily: true, ..settings(&folder) };
        let mut file = AuditFile::open(&daily).unwrap();
        for (line, day) in [("1\n", 7), ("2\n", 7), ("3\n", 8), ("4\n", 9)] {
            file.append(line.as_bytes(), day).unwrap();
        }
        is(&folder, &[("audit.log", "4\n"), ("audit.log.1", "3\n"), ("audit.log.2", "1\n2\n")]);
        // The day of a file that was there before is that of its last line: not the ninth of 1970.
        let mut file = AuditFile::open(&daily).unwrap();
        file.append(b"5\n", 9).unwrap();
        assert_eq!(names(&folder)[0].1, "5\n");
    }

    #[test]
    fn a_file_that_was_moved_away_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = AuditFile::open(&settings(&folder)).unwrap();
        file.append(b"1\n", 7).unwrap();
        fs::rename(folder.path().join("audit.log"), folder.path().join("elsewhere")).unwrap();
        file.append(b"2\n", 7).unwrap();
        file.look();
        file.append(b"3\n", 7).unwrap();
        is(&folder, &[("audit.log", "3\n"), ("elsewhere", "1\n2\n")]);
        fs::remove_file(folder.path().join("audit.log")).unwrap();
        file.look();
        file.append(b"4\n", 7).unwrap();
        assert_eq!(names(&folder)[0].1, "4\n");
    }

    #[test]
    fn the_file_is_for_its_owner_and_group() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(&folder);
        AuditFile::open(&settings).unwrap();
        let mode = fs::metadata(&settings.file).unwrap().mode();
        assert_eq!(mode & 0o027, 0, "{mode:o}");
    }
}
