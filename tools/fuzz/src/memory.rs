//! A directory in memory.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ringkeeper::disk::{Access, Dir, File, Listed};

/// Files by name. Clones show the same files.
#[derive(Clone, Default, Debug)]
pub struct MemoryDir {
    files: Arc<Mutex<BTreeMap<String, MemoryFile>>>,
}

/// The bytes of one file. Clones show the same bytes.
#[derive(Clone, Default, Debug)]
pub struct MemoryFile {
    bytes: Arc<Mutex<Vec<u8>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn missing(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("no file {name}"))
}

impl MemoryDir {
    /// Adds a file, or replaces it.
    pub fn put(&self, name: &str, bytes: Vec<u8>) {
        lock(&self.files).insert(name.to_owned(), MemoryFile::of(bytes));
    }

    /// Names and contents, for comparison.
    pub fn content(&self) -> BTreeMap<String, Vec<u8>> {
        lock(&self.files).iter().map(|(n, f)| (n.clone(), lock(&f.bytes).clone())).collect()
    }
}

impl MemoryFile {
    pub fn of(bytes: Vec<u8>) -> MemoryFile {
        MemoryFile { bytes: Arc::new(Mutex::new(bytes)) }
    }
}

impl Dir for MemoryDir {
    fn list(&self) -> io::Result<Vec<Listed>> {
        let files = lock(&self.files);
        let listed = files.iter().map(|(name, file)| Listed {
            name: name.clone(),
            size: lock(&file.bytes).len() as u64,
        });
        Ok(listed.collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let mut files = lock(&self.files);
        if files.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Ok(Arc::new(files.entry(name.to_owned()).or_default().clone()))
    }

    fn open(&self, name: &str, _: Access) -> io::Result<Arc<dyn File>> {
        lock(&self.files)
            .get(name)
            .map(|file| Arc::new(file.clone()) as Arc<dyn File>)
            .ok_or_else(|| missing(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = lock(&self.files);
        let file = files.remove(from).ok_or_else(|| missing(from))?;
        files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        lock(&self.files).remove(name).map(|_| ()).ok_or_else(|| missing(name))
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }

    fn show(&self, name: &str) -> String {
        format!("memory/{name}")
    }
}

impl File for MemoryFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let bytes = lock(&self.bytes);
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let n = into.len().min(bytes.len() - from);
        into[..n].copy_from_slice(&bytes[from..from + n]);
        Ok(n)
    }

    fn write_at(&self, new: &[u8], offset: u64) -> io::Result<()> {
        let mut bytes = lock(&self.bytes);
        let from = offset as usize;
        let end = from + new.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[from..end].copy_from_slice(new);
        Ok(())
    }

    fn allocate(&self, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        lock(&self.bytes).resize(len as usize, 0);
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(lock(&self.bytes).len() as u64)
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }

    fn forget_cached(&self) -> io::Result<()> {
        Ok(())
    }
}
