//! A folder as it would be: what is changed in it is changed here alone, and the disk's stays. So a start can
//! be tried on files that must not change.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Access, Dir, File, Identity, Listed, read_full};

/// Bytes that may be written into one file: a start writes records of some hundred.
const WRITTEN_MAX: usize = 16 << 20;

/// The folder below and what differs from it.
#[derive(Debug)]
pub struct Overlay {
    below: Arc<dyn Dir>,
    changes: Mutex<Changes>,
}

#[derive(Default, Debug)]
struct Changes {
    files: BTreeMap<String, Arc<OverlayFile>>,
    gone: BTreeSet<String>,
}

fn not_found(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{name} is not there"))
}

impl Overlay {
    /// Nothing is changed yet.
    pub fn new(below: Arc<dyn Dir>) -> Overlay {
        Overlay { below, changes: Mutex::default() }
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A file that can be changed.
    fn changeable(&self, changes: &mut Changes, name: &str) -> io::Result<Arc<OverlayFile>> {
        if let Some(file) = changes.files.get(name) {
            return Ok(Arc::clone(file));
        }
        if changes.gone.contains(name) {
            return Err(not_found(name));
        }
        let below = self.below.open(name, Access::Read)?;
        let size = below.size()?;
        let content = Content { kept: size, size, pieces: BTreeMap::new() };
        let file = Arc::new(OverlayFile { below: Some(below), content: Mutex::new(content) });
        changes.files.insert(name.to_owned(), Arc::clone(&file));
        Ok(file)
    }
}

impl Dir for Overlay {
    fn list(&self) -> io::Result<Vec<Listed>> {
        let changes = self.changes();
        let mut listed = self.below.list()?;
        listed.retain(|file| {
            !changes.gone.contains(&file.name) && !changes.files.contains_key(&file.name)
        });
        for (name, file) in &changes.files {
            listed.push(Listed { name: name.clone(), size: file.content().size });
        }
        Ok(listed)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let mut changes = self.changes();
        let is_below = !changes.gone.contains(name) && self.below.open(name, Access::Read).is_ok();
        if changes.files.contains_key(name) || is_below {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{name} is there")));
        }
        let content = Content { kept: 0, size: 0, pieces: BTreeMap::new() };
        let file = Arc::new(OverlayFile { below: None, content: Mutex::new(content) });
        changes.files.insert(name.to_owned(), Arc::clone(&file));
        Ok(file)
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn File>> {
        let mut changes = self.changes();
        let is_untouched = !changes.files.contains_key(name) && !changes.gone.contains(name);
        if access == Access::Read && is_untouched {
            return self.below.open(name, Access::Read);
        }
        Ok(self.changeable(&mut changes, name)?)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut changes = self.changes();
        let file = self.changeable(&mut changes, from)?;
        changes.files.remove(from);
        changes.gone.insert(from.to_owned());
        changes.gone.remove(to);
        changes.files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut changes = self.changes();
        self.changeable(&mut changes, name)?;
        changes.files.remove(name);
        changes.gone.insert(name.to_owned());
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }

    fn show(&self, name: &str) -> String {
        self.below.show(name)
    }
}

#[derive(Debug)]
struct OverlayFile {
    below: Option<Arc<dyn File>>,
    content: Mutex<Content>,
}

#[derive(Debug)]
struct Content {
    /// What lies below shows up to here: a file that was cut and grew again has zeros behind.
    kept: u64,
    size: u64,
    /// What was written, by offset; the later over the earlier. They do not overlap.
    pieces: BTreeMap<u64, Vec<u8>>,
}

impl OverlayFile {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    /// Makes room for what is written from `begin` to `end`.
    fn clear(&mut self, begin: u64, end: u64) {
        let touched: Vec<u64> = self.pieces.range(..end).map(|(at, _)| *at).collect();
        for at in touched {
            let Some(piece) = self.pieces.get(&at) else { continue };
            let piece_end = at + piece.len() as u64;
            if piece_end <= begin {
                continue;
            }
            let Some(mut piece) = self.pieces.remove(&at) else { continue };
            if piece_end > end {
                self.pieces.insert(end, piece.split_off((end - at) as usize));
            }
            if at < begin {
                piece.truncate((begin - at) as usize);
                self.pieces.insert(at, piece);
            }
        }
    }
}

impl File for OverlayFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let content = self.content();
        let left = usize::try_from(content.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let count = into.len().min(left);
        let into = &mut into[..count];
        into.fill(0);
        let kept = usize::try_from(content.kept.saturating_sub(offset)).unwrap_or(usize::MAX);
        if let Some(below) = &self.below {
            let kept = kept.min(count);
            read_full(below.as_ref(), &mut into[..kept], offset)?;
        }
        let end = offset + count as u64;
        for (at, piece) in content.pieces.range(..end) {
            let piece_end = at + piece.len() as u64;
            let (from, to) = ((*at).max(offset), piece_end.min(end));
            if from < to {
                let source = &piece[(from - at) as usize..(to - at) as usize];
                into[(from - offset) as usize..(to - offset) as usize].copy_from_slice(source);
            }
        }
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut content = self.content();
        let written: usize = content.pieces.values().map(Vec::len).sum();
        if written + bytes.len() > WRITTEN_MAX {
            let text = format!("more than {WRITTEN_MAX} bytes would be written");
            return Err(io::Error::new(io::ErrorKind::StorageFull, text));
        }
        let end = offset + bytes.len() as u64;
        content.clear(offset, end);
        if !bytes.is_empty() {
            content.pieces.insert(offset, bytes.to_vec());
        }
        content.size = content.size.max(end);
        Ok(())
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        let mut content = self.content();
        content.size = content.size.max(offset + len);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut content = self.content();
        content.clear(len, u64::MAX);
        content.kept = content.kept.min(len);
        content.size = len;
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.content().size)
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }

    fn forget_cached(&self) -> io::Result<()> {
        Ok(())
    }

    fn modified(&self) -> u64 {
        self.below.as_ref().map_or(0, |below| below.modified())
    }

    fn identity(&self) -> Identity {
        self.below.as_ref().map_or_else(Identity::default, |below| below.identity())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{RealDir, replace_file};

    fn all(file: &dyn File) -> Vec<u8> {
        let mut bytes = vec![7; 100];
        let got = file.read_at(&mut bytes, 0).unwrap();
        bytes.truncate(got);
        bytes
    }

    #[test]
    fn changes_are_seen_here_and_nowhere_else() {
        // Goal: cut, written over, grown, renamed, removed, made; the disk's files stay as they are.
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path();
        std::fs::write(folder.join("a"), b"0123456789").unwrap();
        std::fs::write(folder.join("b"), b"bb").unwrap();
        let dir = Overlay::new(Arc::new(RealDir::open(folder).unwrap()));
        let file = dir.open("a", Access::Write).unwrap();
        file.write_at(b"xyz", 2).unwrap();
        file.write_at(b"Y", 3).unwrap();
        file.set_len(4).unwrap();
        file.set_len(6).unwrap();
        assert_eq!(all(dir.open("a", Access::Read).unwrap().as_ref()), b"01xY\0\0");
        replace_file(&dir, "c", b"new").unwrap();
        dir.rename("b", "d").unwrap();
        dir.remove("a").unwrap();
        assert!(dir.open("a", Access::Read).is_err() && dir.create("c").is_err());
        let mut names: Vec<String> = dir.list().unwrap().into_iter().map(|f| f.name).collect();
        names.sort();
        assert_eq!(names, ["c", "d"]);
        assert_eq!(all(dir.open("d", Access::Read).unwrap().as_ref()), b"bb");
        assert_eq!(std::fs::read(folder.join("a")).unwrap(), b"0123456789");
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 2);
    }
}
