//! Files that a change of history takes out of service and does not delete: they keep their name
//! behind `ringkeeper.aside.<n>.`, where no start looks, of this server or of Java's.
//!
//! A leader whose history lacks ours may be right, or the ensemble may have lost what it had
//! acknowledged: members with empty disks, or with older copies of them, are a quorum like any
//! other. Where this server cannot know, it must not be the one who deletes the last copy.
//!
//! ```text
//! ringkeeper.aside.4.log.100000001        as it was
//! ringkeeper.aside.4.snapshot.0           as it was
//! ringkeeper.aside.5.log.20000001f        the end of a log that was cut there
//! ```

use std::collections::BTreeMap;
use std::io;

use crate::disk::{Access, Dir, OUR_PREFIX, read_full, remove_if_present};
use crate::log::name::{zxid_of_log, zxid_of_snapshot};
use crate::log::{ReplayError, set_aside};
use crate::snapshot::{Directories, side};
use crate::types::Zxid;

/// Sets kept at most: the oldest goes when a change of history that made another one is complete.
pub const SETS_MAX: usize = 3;

/// Bytes copied at once.
const PIECE: usize = 1 << 20;

/// The set of one change of history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Aside {
    number: u64,
}

impl Aside {
    /// A set of its own, newer than all there are.
    pub fn begin(dirs: &Directories) -> io::Result<Aside> {
        let sets = sets((dirs.snapshots.as_ref(), dirs.logs.as_ref()))?;
        let newest = sets.last_key_value().map_or(0, |(number, _)| *number);
        Ok(Aside { number: newest.saturating_add(1) })
    }

    /// How the names of its files begin.
    pub fn prefix(self) -> String {
        prefix(self.number)
    }

    /// Snapshots, in this order, each durably before the next. Gives the new names.
    pub fn take_snapshots(self, dir: &dyn Dir, names: &[String]) -> io::Result<Vec<String>> {
        let mut taken = Vec::new();
        for name in names {
            let new = format!("{}{name}", self.prefix());
            match dir.rename(name, &new) {
                Ok(()) => taken.push(new),
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
            dir.flush()?;
            side::remove(dir, name)?;
        }
        Ok(taken)
    }

    /// A snapshot whose name another is about to take: a copy, so that a crash before that finds it
    /// where it was. Gives the copy's name.
    pub fn copy_snapshot(self, dir: &dyn Dir, name: &str) -> io::Result<String> {
        let new = format!("{}{name}", self.prefix());
        let (from, to) = (dir.open(name, Access::Read)?, dir.create(&new)?);
        let mut piece = vec![0; PIECE];
        let mut at = 0;
        loop {
            let got = read_full(from.as_ref(), &mut piece, at)?;
            to.write_at(&piece[..got], at)?;
            at += got as u64;
            if got < PIECE {
                break;
            }
        }
        to.flush()?;
        dir.flush()?;
        Ok(new)
    }

    /// What the log has behind `after`; [`crate::log::truncate`] follows.
    pub fn take_log(
        self,
        dir: &dyn Dir,
        after: Zxid,
        entry_max: usize,
    ) -> Result<Vec<String>, ReplayError> {
        set_aside(dir, after, entry_max, &|name| format!("{}{name}", self.prefix()))
    }
}

/// Removes all but the newest `keep` sets, and says so.
pub fn keep_newest(dirs: (&dyn Dir, &dyn Dir), keep: usize) -> io::Result<()> {
    let old: Vec<u64> = sets(dirs)?.into_keys().rev().skip(keep).collect();
    remove(dirs, &old)
}

/// What autopurge takes: sets older than `retain` of these snapshots, each of which is whole.
pub fn purge(dirs: (&dyn Dir, &dyn Dir), snapshots: &[Zxid], retain: usize) -> io::Result<()> {
    let is_old = |newest: Zxid| snapshots.iter().filter(|at| **at > newest).count() >= retain;
    let old: Vec<u64> =
        sets(dirs)?.into_iter().filter(|(_, newest)| is_old(*newest)).map(|(set, _)| set).collect();
    remove(dirs, &old)
}

fn remove((snapshots, logs): (&dyn Dir, &dyn Dir), sets: &[u64]) -> io::Result<()> {
    for dir in [snapshots, logs] {
        let mut removed = false;
        for file in dir.list()? {
            if parts(&file.name).is_some_and(|(number, _)| sets.contains(&number)) {
                removed |= remove_if_present(dir, &file.name)?;
                tracing::info!("removed {}, set aside long ago", dir.show(&file.name));
            }
        }
        if removed {
            dir.flush()?;
        }
    }
    Ok(())
}

fn prefix(number: u64) -> String {
    format!("{OUR_PREFIX}aside.{number}.")
}

/// The set's number, and the transaction that the file was named for.
fn parts(name: &str) -> Option<(u64, Zxid)> {
    let rest = name.strip_prefix(OUR_PREFIX)?.strip_prefix("aside.")?;
    let (number, name) = rest.split_once('.')?;
    let zxid = zxid_of_log(name).or_else(|| zxid_of_snapshot(name)).unwrap_or(Zxid::ZERO);
    Some((number.parse().ok()?, zxid))
}

/// The sets there are, each with the newest transaction that one of its files is named for.
fn sets((snapshots, logs): (&dyn Dir, &dyn Dir)) -> io::Result<BTreeMap<u64, Zxid>> {
    let mut sets = BTreeMap::new();
    for dir in [snapshots, logs] {
        for (number, zxid) in dir.list()?.iter().filter_map(|file| parts(&file.name)) {
            let newest = sets.entry(number).or_insert(zxid);
            *newest = zxid.max(*newest);
        }
    }
    Ok(sets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::disk::SimDisk;

    #[test]
    fn a_set_is_purged_when_enough_snapshots_are_newer_than_all_of_it() {
        // Goal: what was set aside stays as long as files of that age would.
        let disk = SimDisk::new();
        for name in ["ringkeeper.aside.1.log.5", "ringkeeper.aside.1.snapshot.9", "snapshot.9"] {
            disk.create(name).unwrap();
        }
        let left = || disk.list().unwrap().len();
        let at = |zxids: &[i64]| zxids.iter().map(|zxid| Zxid(*zxid)).collect::<Vec<Zxid>>();
        purge((&disk, &disk), &at(&[8, 9, 10, 11]), 3).unwrap();
        assert_eq!(left(), 3);
        purge((&disk, &disk), &at(&[9, 10, 11, 12]), 3).unwrap();
        assert_eq!(left(), 1, "and nothing else");
    }
}
