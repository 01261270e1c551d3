//! Disks that hang and disks that are full, for the members of an ensemble.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What stands between a process and its disk: `hung_disk.c`, loaded into it. As long as a certain file
/// is there nothing is written and nothing flushed, and the threads that ask for it wait, as they do
/// when a disk or its controller hangs.
pub struct HungDisk {
    library: PathBuf,
    hangs: PathBuf,
}

impl HungDisk {
    pub fn new(folder: &Path) -> HungDisk {
        let library = folder.join("hung_disk.so");
        let source = super::root().join("tests/support/hung_disk.c");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&library, &source])
            .status();
        assert!(built.expect("cc").success(), "{}", source.display());
        HungDisk { library, hangs: folder.join("disk-hangs") }
    }

    /// The words in front of a command whose disk is to hang.
    pub fn wrapper(&self) -> Vec<String> {
        let (library, hangs) = (self.library.display(), self.hangs.display());
        vec!["env".into(), format!("LD_PRELOAD={library}"), format!("HUNG_DISK={hangs}")]
    }

    pub fn hang(&self) {
        std::fs::write(&self.hangs, b"").unwrap();
    }

    pub fn go_on(&self) {
        std::fs::remove_file(&self.hangs).unwrap();
    }
}

impl Drop for HungDisk {
    fn drop(&mut self) {
        // A process that is to end must be able to.
        let _ = std::fs::remove_file(&self.hangs);
    }
}

/// A file system in memory, of a fixed size, that only the processes started through it see.
/// It lives as long as its holder, a shell that waits for its input to end: with the test.
pub struct SmallDisk {
    holder: Child,
    at: PathBuf,
}

impl SmallDisk {
    /// Whether this machine lets an ordinary process have mounts of its own.
    pub fn possible() -> bool {
        let probe = Command::new("unshare").args(["-Urm", "true"]).stderr(Stdio::null()).status();
        probe.is_ok_and(|status| status.success())
    }

    pub fn mount(at: &Path, megabytes: u32) -> SmallDisk {
        std::fs::create_dir_all(at).unwrap();
        let script = format!(
            "mount -t tmpfs -o size={megabytes}m none {} && echo ready && cat",
            at.display()
        );
        let mut holder = Command::new("unshare")
            .args(["-Urm", "sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare");
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready", "a file system of {megabytes} MB at {}", at.display());
        SmallDisk { holder, at: at.to_path_buf() }
    }

    /// The words in front of a command that is to see the disk.
    pub fn wrapper(&self) -> Vec<String> {
        let pid = self.holder.id().to_string();
        ["nsenter", "-t", &pid, "-U", "-m", "--preserve-credentials"].map(str::to_string).to_vec()
    }

    /// Runs a shell script that sees the disk.
    pub fn run(&self, script: &str) {
        let wrapper = self.wrapper();
        let status =
            Command::new(&wrapper[0]).args(&wrapper[1..]).args(["sh", "-c", script]).status();
        assert!(status.unwrap().success(), "{script}");
    }

    /// Takes all the space that is left.
    pub fn fill(&self) {
        let file = self.at.join("filler").display().to_string();
        // The last write fails: that is the point.
        self.run(&format!("dd if=/dev/zero of={file} bs=64k 2>/dev/null || true"));
    }

    pub fn free(&self) {
        self.run(&format!("rm -f {}/filler", self.at.display()));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
