//! The configuration files of a server whose ensemble may change: `zoo.cfg` and beside it
//! `zoo.cfg.dynamic.<version>`, what is agreed on, and `zoo.cfg.dynamic.next`, what was proposed
//! (QuorumPeer.setQuorumVerifier, setLastSeenQuorumVerifier).
//!
//! ```text
//!   zoo.cfg ──dynamicConfigFile=──► zoo.cfg.dynamic.100000005
//!   zoo.cfg.dynamic.next            read at a start, if it is newer than that
//! ```
//!
//! A change is: the dynamic file, then `zoo.cfg` pointing to it, then the end of the proposed one,
//! each durable before the next. A crash in between leaves the old configuration with the proposed
//! one beside it, for which a quorum of both is needed, or the new one with an old file that
//! nobody reads.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::disk::{Dir, RealDir, read_small, remove_if_present, replace_file_like};
use crate::membership::{Members, dynamic_text, static_members_text, static_text};

/// More than any configuration file has.
const FILE_MAX: usize = 4 << 20;

/// A server's configuration file, in its folder.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    dir: Arc<dyn Dir>,
    name: String,
}

impl ConfigFile {
    /// The file that the server was started with.
    pub fn open(path: &Path) -> io::Result<ConfigFile> {
        let nameless = || io::Error::new(io::ErrorKind::InvalidInput, "the path has no file name");
        let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(nameless)?;
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            Some(_) | None => Path::new("."),
        };
        // In full: it is written into the file, and read again from wherever the server is started.
        let dir = RealDir::open(folder.canonicalize()?)?;
        Ok(ConfigFile::within(Arc::new(dir), name))
    }

    /// The file of this name in a folder.
    pub fn within(dir: Arc<dyn Dir>, name: &str) -> ConfigFile {
        ConfigFile { dir, name: name.to_owned() }
    }

    /// Its full path, for messages.
    pub fn show(&self) -> String {
        self.dir.show(&self.name)
    }

    /// Before anything is changed in a file with the members in it: a copy, `zoo.cfg.bak`.
    pub fn back_up(&self) -> io::Result<()> {
        let bytes = read_small(self.dir.as_ref(), &self.name, FILE_MAX)?;
        self.put(&format!("{}.bak", self.name), &bytes)
    }

    /// A configuration that is proposed.
    pub fn propose(&self, members: &Members) -> io::Result<()> {
        self.put(&self.next(), dynamic_text(members, true).as_bytes())
    }

    /// What was proposed has come to nothing.
    pub fn withdraw(&self) -> io::Result<()> {
        if remove_if_present(self.dir.as_ref(), &self.next())? {
            self.dir.flush()?;
        }
        Ok(())
    }

    /// A configuration that is agreed on. `erase_client`: it says where this server's clients are
    /// served. What is proposed stays if it is newer.
    pub fn commit(
        &self,
        members: &Members,
        erase_client: bool,
        next: Option<&Members>,
    ) -> io::Result<()> {
        let dynamic = format!("{}.dynamic.{:x}", self.name, members.version());
        self.put(&dynamic, dynamic_text(members, false).as_bytes())?;
        let old = read_small(self.dir.as_ref(), &self.name, FILE_MAX)?;
        // ISO-8859-1, as Java reads it: a byte is a character, and goes back as it came.
        let old: String = old.into_iter().map(char::from).collect();
        let text = static_text(&old, &self.dir.show(&dynamic), erase_client)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let bytes: Vec<u8> = text.chars().map(|c| c as u8).collect();
        self.put(&self.name, &bytes)?;
        match next {
            Some(_) => Ok(()),
            None => self.withdraw(),
        }
    }

    /// Before the members are changed while no server runs: copies of the file and of what was proposed,
    /// under names that end in `suffix`. Their paths. One that is there with other content is kept.
    pub fn copy_aside(&self, suffix: &str) -> io::Result<Vec<String>> {
        let mut copies = Vec::new();
        for name in [self.name.clone(), self.next()] {
            let bytes = match read_small(self.dir.as_ref(), &name, FILE_MAX) {
                Err(e) if e.kind() == io::ErrorKind::NotFound && name != self.name => continue,
                other => other?,
            };
            let copy = format!("{name}.{suffix}");
            match read_small(self.dir.as_ref(), &copy, FILE_MAX) {
                Ok(there) if there == bytes => {}
                Ok(_) => {
                    let text = format!("{} is there already: move it away", self.dir.show(&copy));
                    return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound => self.put(&copy, &bytes)?,
                Err(e) => return Err(e),
            }
            copies.push(self.dir.show(&copy));
        }
        Ok(copies)
    }

    /// A configuration for a file with the members in it, whose other lines stay as they are.
    pub fn rewrite_members(&self, members: &Members, why: &str) -> io::Result<()> {
        let old = read_small(self.dir.as_ref(), &self.name, FILE_MAX)?;
        let old: String = old.into_iter().map(char::from).collect();
        let text = static_members_text(&old, members, why)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let bytes: Vec<u8> = text.chars().map(|c| c as u8).collect();
        self.put(&self.name, &bytes)
    }

    fn next(&self) -> String {
        format!("{}.dynamic.next", self.name)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        replace_file_like(self.dir.as_ref(), (name, &self.name), bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Access;
    use crate::testing::disk::SimDisk;

    const OLD: &str = "tickTime=500\nserver.1=a:1:2\nserver.2=b:1:2\nclientPort=7\ndataDir=/d\n";

    fn members(voters: &[i64], version: i64) -> Members {
        let lines: String =
            voters.iter().map(|id| format!("server.{id}=h{id}:1:2:participant;3\n")).collect();
        Members::parse(&format!("{lines}version={version:x}")).unwrap()
    }

    fn disk() -> SimDisk {
        let disk = SimDisk::new();
        let file = disk.create("zoo.cfg").unwrap();
        file.write_at(OLD.as_bytes(), 0).unwrap();
        file.flush().unwrap();
        Dir::flush(&disk).unwrap();
        disk
    }

    fn text(disk: &SimDisk, name: &str) -> Option<String> {
        let bytes = read_small(disk, name, FILE_MAX).ok()?;
        Some(String::from_utf8(bytes).unwrap())
    }

    /// What a start would find: the version in force, and that of what is proposed.
    fn found(disk: &SimDisk) -> (i64, Option<i64>) {
        let cfg = text(disk, "zoo.cfg").unwrap();
        assert!(cfg.contains("tickTime=500\n") && cfg.contains("dataDir=/d\n"), "{cfg}");
        let Some(at) = cfg.find("dynamicConfigFile=") else {
            assert_eq!(cfg, OLD);
            return (0, None);
        };
        let path = cfg[at..].trim_end().rsplit_once('/').map_or(&cfg[at + 18..], |(_, name)| name);
        let name = path.trim_end();
        let version = i64::from_str_radix(name.rsplit_once('.').unwrap().1, 16).unwrap();
        Members::parse(&text(disk, name).unwrap()).unwrap();
        let next = text(disk, "zoo.cfg.dynamic.next");
        let next = next.map(|text| Members::parse(&text).unwrap().version());
        (version, next.filter(|next| *next > version))
    }

    #[test]
    fn files_are_javas() {
        let disk = disk();
        let file = ConfigFile::within(Arc::new(disk.clone()), "zoo.cfg");
        file.back_up().unwrap();
        assert_eq!(text(&disk, "zoo.cfg.bak").as_deref(), Some(OLD));
        file.propose(&members(&[1, 2], 0x1_0000_0000)).unwrap();
        file.commit(&members(&[1, 2], 0x1_0000_0000), true, None).unwrap();
        assert_eq!(
            text(&disk, "zoo.cfg.dynamic.100000000").as_deref(),
            Some("server.1=h1:1:2:participant;0.0.0.0:3\nserver.2=h2:1:2:participant;0.0.0.0:3")
        );
        assert_eq!(text(&disk, "zoo.cfg.dynamic.next"), None);
        let cfg = text(&disk, "zoo.cfg").unwrap();
        assert!(!cfg.contains("clientPort") && !cfg.contains("server."), "{cfg}");
        let dynamic = disk.show("zoo.cfg.dynamic.100000000");
        assert!(cfg.ends_with(&format!("dynamicConfigFile={dynamic}\n")), "{cfg}");
        file.propose(&members(&[1], 0x1_0000_0002)).unwrap();
        assert_eq!(found(&disk), (0x1_0000_0000, Some(0x1_0000_0002)));
        file.withdraw().unwrap();
        assert_eq!(found(&disk), (0x1_0000_0000, None));
    }

    #[test]
    fn a_crash_leaves_the_old_or_the_new_and_never_loses_what_was_proposed() {
        let (old, new) = (members(&[1, 2], 5), members(&[1, 2, 3], 9));
        let disk = disk();
        let file = ConfigFile::within(Arc::new(disk.clone()), "zoo.cfg");
        file.commit(&old, false, None).unwrap();
        file.propose(&new).unwrap();
        let (recording, again) =
            (SimDisk::holding(&disk.contents()), SimDisk::holding(&disk.contents()));
        let file = ConfigFile::within(Arc::new(recording.clone()), "zoo.cfg");
        file.commit(&new, true, None).unwrap();
        let mut seen = (0, 0);
        for change in &recording.changes() {
            again.redo(change);
            for state in again.crash_states() {
                match found(&SimDisk::holding(&state)) {
                    (5, next) => {
                        assert_eq!(next, Some(9), "{change:?}");
                        seen.0 += 1;
                    }
                    (version, next) => {
                        assert_eq!((version, next), (9, None), "{change:?}");
                        seen.1 += 1;
                    }
                }
            }
        }
        assert!(seen.0 > 3 && seen.1 > 3, "{seen:?}");
        assert_eq!(found(&again), (9, None));
    }

    #[test]
    fn what_cannot_be_written_is_said() {
        let disk = disk();
        let file = ConfigFile::within(Arc::new(disk.clone()), "other.cfg");
        assert!(file.commit(&members(&[1], 3), false, None).is_err());
        assert!(disk.open("other.cfg", Access::Read).is_err());
    }
}
