//! A folder of files: [`Dir`] and [`File`] over the operating system's, and over the simulator's disk.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ringkeeper::disk::{self, Access, Dir, File, Listed, RealDir, is_no_space, replace_file};
use ringkeeper_sim::disk::SimDisk;
use ringkeeper_sim::rng::Rng;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;

/// A disk, and what may happen to it.
trait Side {
    fn new() -> Self;
    /// A process's way to the folder.
    fn dir(&self) -> Arc<dyn Dir>;
    /// The machine stops and starts again, as far as that can be had.
    fn crash(&mut self, seed: u64);
    /// A process of its own does this while no file can be longer than [`LONGEST`], and is killed.
    fn without_space(&mut self, test: &str, job: fn(&dyn Dir));
}

struct Files(TempDir);

impl Side for Files {
    fn new() -> Files {
        Files(tempfile::tempdir().unwrap())
    }
    fn dir(&self) -> Arc<dyn Dir> {
        Arc::new(RealDir::open(self.0.path()).unwrap())
    }
    fn crash(&mut self, _: u64) {}

    /// A limit is the whole process's: the test runs itself again.
    fn without_space(&mut self, test: &str, _: fn(&dyn Dir)) {
        let here = std::env::current_exe().unwrap();
        let mut child = Command::new(here);
        child.args(["--exact", test, "--nocapture"]).env(FOLDER, self.0.path());
        let output = child.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(DONE) && !output.status.success(), "{said}");
    }
}

/// Where the child of a test works.
const FOLDER: &str = "RINGKEEPER_TEST_FOLDER";
const DONE: &str = "all is refused as it should be";

/// In the child: does the job within the limit, and dies.
fn as_a_child(job: fn(&dyn Dir)) {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let dir = RealDir::open(Path::new(&folder)).unwrap();
    let raised = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, raised).unwrap();
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: Some(LONGEST as u64), maximum }).unwrap();
    job(&dir);
    eprintln!("{DONE}");
    std::process::abort();
}

struct Simulated {
    disk: SimDisk,
    process: Arc<AtomicBool>,
}

impl Side for Simulated {
    fn new() -> Simulated {
        Simulated { disk: SimDisk::unrecorded(), process: Arc::new(AtomicBool::new(true)) }
    }
    fn dir(&self) -> Arc<dyn Dir> {
        self.disk.mount(&self.process)
    }
    fn crash(&mut self, seed: u64) {
        self.process.store(false, Ordering::SeqCst);
        self.disk.power_lost(&mut Rng::new(seed));
        self.process = Arc::new(AtomicBool::new(true));
    }
    fn without_space(&mut self, _: &str, job: fn(&dyn Dir)) {
        self.disk.set_full(true);
        job(self.dir().as_ref());
        self.process.store(false, Ordering::SeqCst);
        self.disk.process_lost();
        self.disk.set_full(false);
        self.process = Arc::new(AtomicBool::new(true));
    }
}

fn create(dir: &dyn Dir, name: &str, bytes: &[u8]) -> Arc<dyn File> {
    let file = dir.create(name).unwrap();
    file.write_at(bytes, 0).unwrap();
    file
}

fn all_of(file: &dyn File) -> Vec<u8> {
    let mut bytes = vec![0; file.size().unwrap() as usize];
    assert_eq!(disk::read_full(file, &mut bytes, 0).unwrap(), bytes.len());
    bytes
}

fn read(dir: &dyn Dir, name: &str) -> Option<Vec<u8>> {
    match dir.open(name, Access::Read) {
        Ok(file) => Some(all_of(file.as_ref())),
        Err(error) => {
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
            None
        }
    }
}

fn names(dir: &dyn Dir) -> Vec<Listed> {
    let mut names = dir.list().unwrap();
    names.sort_by(|a, b| a.name.cmp(&b.name));
    names
}

fn a_name_is_made_once_and_found_until_it_goes<S: Side>() {
    let (side, missing) = (S::new(), std::io::ErrorKind::NotFound);
    let dir = side.dir();
    create(dir.as_ref(), "a", b"first");
    let again = dir.create("a").unwrap_err();
    assert_eq!(again.kind(), std::io::ErrorKind::AlreadyExists);
    assert_eq!(read(dir.as_ref(), "a").unwrap(), b"first", "and it is as it was");
    create(dir.as_ref(), "b", b"");
    let listed = |name: &str, size| Listed { name: name.into(), size };
    assert_eq!(names(dir.as_ref()), [listed("a", 5), listed("b", 0)]);
    dir.remove("a").unwrap();
    dir.rename("b", "c").unwrap();
    assert_eq!(names(side.dir().as_ref()), [listed("c", 0)], "for another process, too");
    for refused in [
        dir.remove("a").unwrap_err(),
        dir.rename("b", "d").unwrap_err(),
        dir.open("a", Access::Write).unwrap_err(),
    ] {
        assert_eq!(refused.kind(), missing);
    }
    create(dir.as_ref(), "a", b"second");
    assert_eq!(read(dir.as_ref(), "a").unwrap(), b"second");
}

fn reads_end_with_the_file_and_holes_are_zeros<S: Side>() {
    let side = S::new();
    let file = create(side.dir().as_ref(), "a", &[1; 600]);
    file.write_at(&[2; 10], 1000).unwrap();
    let mut expected = [vec![1; 600], vec![0; 400], vec![2; 10]].concat();
    assert_eq!(all_of(file.as_ref()), expected);
    let mut into = [9; 100];
    assert_eq!(file.read_at(&mut into, 990).unwrap(), 20, "what there is");
    assert_eq!(file.read_at(&mut into, 1010).unwrap(), 0);
    assert_eq!(file.read_at(&mut into, 5000).unwrap(), 0);
    // What was cut off does not come back.
    file.set_len(300).unwrap();
    file.set_len(700).unwrap();
    expected = [vec![1; 300], vec![0; 400]].concat();
    assert_eq!(all_of(file.as_ref()), expected);
    file.write_at(&[], 900).unwrap();
    assert_eq!(file.size().unwrap(), 700, "nothing makes no file longer");
}

fn everybody_sees_a_file_alike<S: Side>() {
    let side = S::new();
    let writer = create(side.dir().as_ref(), "a", &[1; 1000]);
    let reader = side.dir().open("a", Access::Read).unwrap();
    writer.write_at(&[2; 100], 950).unwrap();
    assert_eq!(all_of(reader.as_ref()), [vec![1; 950], vec![2; 100]].concat());
    // What one has written another may flush.
    side.dir().open("a", Access::Write).unwrap().flush().unwrap();
    writer.forget_cached().unwrap();
    assert_eq!(all_of(reader.as_ref()), [vec![1; 950], vec![2; 100]].concat());
}

fn a_file_outlives_its_name<S: Side>() {
    let side = S::new();
    let dir = side.dir();
    let old = create(dir.as_ref(), "a", b"old");
    let new = create(dir.as_ref(), "b", b"new");
    dir.rename("b", "a").unwrap();
    assert_eq!(read(dir.as_ref(), "a").unwrap(), b"new");
    assert_eq!(read(dir.as_ref(), "b"), None);
    // Who has it open reads and writes it still, and nobody else's.
    old.write_at(b"OLD", 0).unwrap();
    assert_eq!(all_of(old.as_ref()), b"OLD");
    dir.remove("a").unwrap();
    create(dir.as_ref(), "a", b"third");
    new.write_at(b"NEW", 0).unwrap();
    new.flush().unwrap();
    assert_eq!(all_of(new.as_ref()), b"NEW");
    assert_eq!(read(dir.as_ref(), "a").unwrap(), b"third");
}

fn space_that_is_asked_for_changes_no_byte<S: Side>() {
    let side = S::new();
    let file = create(side.dir().as_ref(), "a", &[1; 600]);
    file.allocate(300, 7_700).unwrap();
    let bytes = all_of(file.as_ref());
    // A file system that cannot leaves the file as it is.
    assert!([600, 8_000].contains(&bytes.len()), "{} bytes", bytes.len());
    assert!(bytes[..600].iter().all(|byte| *byte == 1));
    assert!(bytes[600..].iter().all(|byte| *byte == 0));
    file.allocate(0, 100).unwrap();
    assert_eq!(all_of(file.as_ref()), bytes, "and it takes nothing away");
}

fn what_is_flushed_stays<S: Side>() {
    for seed in 0..50 {
        let mut side = S::new();
        let dir = side.dir();
        let file = create(dir.as_ref(), "a", &[1; 2000]);
        file.flush().unwrap();
        dir.flush().unwrap();
        // Behind a flush anything may be left of what is written, and nothing else.
        file.write_at(&[2; 1000], 500).unwrap();
        create(dir.as_ref(), "b", b"not flushed");
        side.crash(seed);
        let found = read(side.dir().as_ref(), "a").unwrap();
        assert_eq!(found.len(), 2000);
        let is_old = |range: std::ops::Range<usize>| found[range].iter().all(|byte| *byte == 1);
        assert!(is_old(0..500) && is_old(1500..2000), "seed {seed}");
        assert!(found[500..1500].iter().all(|byte| [1, 2].contains(byte)), "seed {seed}");
    }
}

fn a_file_is_replaced_whole<S: Side>() {
    let mut found = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let mut side = S::new();
        let dir = side.dir();
        replace_file(dir.as_ref(), "a", &[1; 3000]).unwrap();
        // As `replace_file`, up to the flush of the folder.
        let new = create(dir.as_ref(), "a.tmp", &[2; 4000]);
        new.flush().unwrap();
        dir.rename("a.tmp", "a").unwrap();
        side.crash(seed);
        let found_now = read(side.dir().as_ref(), "a").unwrap();
        assert!(found_now == [1; 3000] || found_now == [2; 4000], "seed {seed}");
        found.insert(found_now.len());
        replace_file(side.dir().as_ref(), "a", &[3; 100]).unwrap();
        side.crash(seed);
        assert_eq!(read(side.dir().as_ref(), "a").unwrap(), [3; 100], "seed {seed}");
    }
    assert!(found.contains(&4000), "some crash comes behind the new name");
}

/// How long a file can be while there is no space.
const LONGEST: usize = 65_536;

/// In a process that dies behind it.
fn nothing_grows(dir: &dyn Dir) {
    let file = dir.open("a", Access::Write).unwrap();
    file.write_at(&[2; 4096], 0).unwrap();
    for offset in [LONGEST - 4096, LONGEST] {
        let refused = file.write_at(&[3; 8192], offset as u64).unwrap_err();
        assert!(is_no_space(&refused), "{refused}");
    }
    file.flush().unwrap();
    file.write_at(&[4; 100], 8192).unwrap();
}

fn a_refused_write_leaves_a_beginning_of_it<S: Side>() {
    as_a_child(nothing_grows);
    let mut side = S::new();
    create(side.dir().as_ref(), "a", &[1; LONGEST]);
    let test = "disk::of_files::a_refused_write_leaves_a_beginning_of_it";
    side.without_space(test, nothing_grows);
    let dir = side.dir();
    let found = read(dir.as_ref(), "a").unwrap();
    // What was written is there, though nobody flushed it: only the process has died.
    let kept = [vec![2; 4096], vec![1; 4096], vec![4; 100], vec![1; LONGEST - 4096 - 8292]];
    assert!(found[..LONGEST - 4096] == kept.concat(), "what was there, and what was taken");
    let refused = &found[LONGEST - 4096..];
    let taken = refused.iter().take_while(|byte| **byte == 3).count();
    assert!(refused[taken..].iter().all(|byte| *byte == 1), "a beginning of it");
    let file = dir.open("a", Access::Write).unwrap();
    file.write_at(&[3; 8192], LONGEST as u64 - 4096).unwrap();
    assert_eq!(file.size().unwrap(), LONGEST as u64 + 4096, "once there is space again");
}

macro_rules! all {
    ($side:ident, $module:ident) => {
        promises!(
            $side,
            $module,
            a_name_is_made_once_and_found_until_it_goes,
            reads_end_with_the_file_and_holes_are_zeros,
            everybody_sees_a_file_alike,
            a_file_outlives_its_name,
            space_that_is_asked_for_changes_no_byte,
            what_is_flushed_stays,
            a_file_is_replaced_whole,
            a_refused_write_leaves_a_beginning_of_it,
        );
    };
}

all!(Files, of_files);
all!(Simulated, of_the_simulators_disk);
