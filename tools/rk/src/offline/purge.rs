//! `rk purge`: what the newest snapshots do not need (org.apache.zookeeper.server.PurgeTxnLog).

use std::path::Path;
use std::sync::Arc;

use ringkeeper::disk::lock::{DirLock, LockError};
use ringkeeper::disk::{Access, Dir, RealDir};
use ringkeeper::history;
use ringkeeper::log::purge::{RETAIN_MIN, execute};
use ringkeeper::types::WallMillis;

use super::fault::OfflineError;
use super::txn_text::medium_date;
use crate::out::Out;

const USAGE: &str = "Usage:
PurgeTxnLog dataLogDir [snapDir] -n count
\tdataLogDir -- path to the txn log directory
\tsnapDir -- path to the snapshot directory
\tcount -- the number of old snaps/logs you want to keep, value should be greater than or equal to 3";

type Done = Result<(), OfflineError>;

/// PurgeTxnLog.main.
pub(super) fn purge(words: &[String], out: &mut Out) -> Done {
    let usage = || OfflineError::Help { text: USAGE.to_owned(), code: 1 };
    let wrong = |error| OfflineError::HelpFor { error, text: USAGE.to_owned(), code: 1 };
    let (logs, snapshots, option, count) = match words {
        [logs, option, count] => (logs, logs, option, count),
        [logs, snapshots, option, count] => (logs, snapshots, option, count),
        _ => return Err(usage()),
    };
    for path in [logs, snapshots] {
        if !Path::new(path).exists() {
            let absolute = std::path::absolute(path).unwrap_or_else(|_| Path::new(path).to_owned());
            return Err(wrong(format!("Path '{}' does not exist. ", absolute.display())));
        }
    }
    let retain: i32 =
        count.parse().map_err(|_| wrong(format!("'{count}' can not be parsed to integer.")))?;
    let retain = usize::try_from(retain).unwrap_or(0);
    if retain < RETAIN_MIN {
        return Err(wrong("count should be greater than or equal to 3".to_owned()));
    }
    if option != "-n" {
        return Err(usage());
    }
    remove(logs, snapshots, retain, out)
}

fn open(path: &str) -> Result<Arc<RealDir>, OfflineError> {
    let folder = Path::new(path).join("version-2");
    let file = folder.display().to_string();
    let dir = RealDir::open_or_create(folder);
    dir.map(Arc::new).map_err(|error| OfflineError::Io { file, error })
}

fn remove(logs: &str, snapshots: &str, retain: usize, out: &mut Out) -> Done {
    let (logs, snapshots) = (open(logs)?, open(snapshots)?);
    let io = |error| OfflineError::Io { file: logs.show(""), error };
    // A server that runs removes what it has left behind by itself; what it is writing is not to be removed.
    let mut locks = vec![DirLock::acquire_present(logs.path())];
    if logs.path().canonicalize().ok() != snapshots.path().canonicalize().ok() {
        locks.push(DirLock::acquire_present(snapshots.path()));
    }
    let is_running = locks.iter().any(|lock| matches!(lock, Err(LockError::Held { .. })));
    let both = (snapshots.as_ref() as &dyn Dir, logs.as_ref() as &dyn Dir);
    let plan = history::purge_plan(both, retain).map_err(io)?;
    let names = plan.logs.iter().map(|log| (&logs, &log.name));
    for (dir, name) in names.chain(plan.snapshots.iter().map(|name| (&snapshots, name))) {
        let modified = dir.open(name, Access::Read).map_or(0, |file| file.modified());
        let date = medium_date(WallMillis((modified / 1_000_000) as i64));
        out.line(format_args!("Removing file: {date}\t{}", dir.show(name)));
    }
    match is_running {
        true => execute(&plan, both.0, both.1).map_err(io),
        false => history::purge(both, retain).map_err(io),
    }
}
