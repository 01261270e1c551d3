//! A file whose only use is to be deleted: on a full disk it leaves room to stop cleanly, and for
//! the operator's shell to say why.

use super::{Dir, OUR_PREFIX, remove_if_present};
use std::io;

/// Bytes kept back.
pub const RESERVE_BYTES: u64 = 1 << 20;

/// The reserve file's name.
pub fn name() -> String {
    format!("{OUR_PREFIX}reserve")
}

/// Makes the file, written through so that its space is really taken, unless it is there.
pub fn keep(dir: &dyn Dir) -> io::Result<()> {
    let name = name();
    if dir.list()?.iter().any(|f| f.name == name && f.size == RESERVE_BYTES) {
        return Ok(());
    }
    remove_if_present(dir, &name)?;
    let file = dir.create(&name)?;
    file.allocate(0, RESERVE_BYTES)?;
    file.write_at(&vec![0; RESERVE_BYTES as usize], 0)?;
    file.flush()
}

/// Gives the space back; the next start takes it again. Best effort: the process is on its way
/// out because something failed already.
pub fn release(dir: &dyn Dir) {
    let _ = dir.remove(&name());
    let _ = dir.flush();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDir;

    #[test]
    fn the_reserve_takes_its_space_once_and_gives_it_back() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = RealDir::open(scratch.path()).unwrap();
        keep(&dir).unwrap();
        keep(&dir).unwrap();
        assert_eq!(dir.list().unwrap().len(), 1);
        assert_eq!(dir.list().unwrap()[0].size, RESERVE_BYTES);
        release(&dir);
        release(&dir);
        assert_eq!(dir.list().unwrap(), []);
    }
}
