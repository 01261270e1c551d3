//! Folders of tests, and their end: a server's log alone is 64 MiB, and what all tests leave would
//! be some 20 GiB. A binary whose tests all passed has its folders removed by the next one; what a
//! failed test left stays to be looked at.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

const SPACE: &str = env!("CARGO_TARGET_TMPDIR");

/// The list of this process' folders; each line is one. A process that is gone and left its list
/// had no test that failed.
static LIST: LazyLock<PathBuf> = LazyLock::new(|| {
    let lists = Path::new(SPACE).join(".passed");
    fs::create_dir_all(&lists).unwrap_or_else(|e| panic!("{}: {e}", lists.display()));
    remove_left(&lists);
    let list = lists.join(std::process::id().to_string());
    let (own, before) = (list.clone(), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |info| {
        FAILED.store(true, Ordering::SeqCst);
        let _ = fs::remove_file(&own);
        before(info);
    }));
    list
});

static FAILED: AtomicBool = AtomicBool::new(false);

/// A fresh folder under the build's scratch space, removed and made again.
pub fn scratch(name: &str) -> PathBuf {
    // First of all: it may remove a folder of this name, left by a run before.
    let list = &*LIST;
    let folder = Path::new(SPACE).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    if !FAILED.load(Ordering::SeqCst) {
        let mut lines = fs::File::options().create(true).append(true).open(list).expect("a list");
        writeln!(lines, "{}", folder.display()).expect("a line");
    }
    folder
}

/// Removes the folders of processes that are gone, with their lists.
fn remove_left(lists: &Path) {
    for list in fs::read_dir(lists).into_iter().flatten().flatten() {
        if Path::new("/proc").join(list.file_name()).exists() {
            continue;
        }
        for folder in fs::read_to_string(list.path()).unwrap_or_default().lines() {
            let _ = fs::remove_dir_all(folder);
        }
        let _ = fs::remove_file(list.path());
    }
}
