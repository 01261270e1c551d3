//! One running server.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::moments::Recording;
use super::{Served, Target, probe};
use crate::cost::Meter;
use crate::fault::Fault;

/// How long a start may take (a million znodes from a log, on a slow disk).
const START: Duration = Duration::from_secs(300);
/// How long a stop by SIGTERM may take.
const STOP: Duration = Duration::from_secs(60);

/// Settings that differ between scenarios; everything else is the same for every server.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Transactions between snapshots.
    pub snap_count: u64,
}

/// A server's place in an ensemble.
#[derive(Clone, Debug)]
pub struct Seat {
    /// What its `myid` says.
    pub id: u32,
    pub address: SocketAddr,
    /// What its configuration says beside what every server's does.
    pub lines: String,
}

pub struct Instance {
    pub target: Target,
    pub address: SocketAddr,
    pub data_dir: PathBuf,
    pub log_dir: PathBuf,
    pub config: String,
    config_path: PathBuf,
    folders: [PathBuf; 2],
    seat: Option<Seat>,
    child: Option<Child>,
}

impl Instance {
    /// Configures and starts a server with empty folders below `data` and `log`.
    pub fn start(
        target: &Target,
        setting: &Setting,
        data: &Path,
        log: &Path,
    ) -> Result<Instance, Fault> {
        let mut instance = Instance::place(target, setting, None, data, log)?;
        instance.launch("/")?;
        Ok(instance)
    }

    /// Configures a server, alone or in its seat, with empty folders; does not start it.
    pub fn place(
        target: &Target,
        setting: &Setting,
        seat: Option<Seat>,
        data: &Path,
        log: &Path,
    ) -> Result<Instance, Fault> {
        let slug: String = target.name.chars().filter(char::is_ascii_alphanumeric).collect();
        let member = seat.as_ref().map_or(String::new(), |seat| format!("-{}", seat.id));
        let name = format!("{}-{}{member}", slug.to_lowercase(), std::process::id());
        let folders = [data.join(&name), log.join(format!("{name}-log"))];
        for folder in &folders {
            if folder.exists() {
                fs::remove_dir_all(folder).map_err(Fault::file(folder))?;
            }
            fs::create_dir_all(folder).map_err(Fault::file(folder))?;
        }
        let absolute = |path: &PathBuf| fs::canonicalize(path).map_err(Fault::file(path));
        let folders = [absolute(&folders[0])?, absolute(&folders[1])?];
        let (data_dir, log_dir) = (folders[0].join("data"), folders[1].join("log"));
        for folder in [&data_dir, &log_dir] {
            fs::create_dir(folder).map_err(Fault::file(folder))?;
        }
        let address = match &seat {
            Some(seat) => {
                let file = data_dir.join("myid");
                fs::write(&file, format!("{}\n", seat.id)).map_err(Fault::file(&file))?;
                seat.address
            }
            None => free_address()?,
        };
        let mut instance = Instance {
            target: target.clone(),
            address,
            config_path: folders[0].join("zoo.cfg"),
            data_dir,
            log_dir,
            config: String::new(),
            folders,
            seat,
            child: None,
        };
        instance.configure(setting)?;
        Ok(instance)
    }

    fn configure(&mut self, setting: &Setting) -> Result<(), Fault> {
        let (data, log) = (self.data_dir.display(), self.log_dir.display());
        let (port, snap_count) = (self.address.port(), setting.snap_count);
        self.config = format!(
            "tickTime=2000\ndataDir={data}\ndataLogDir={log}\nclientPort={port}\n\
             clientPortAddress=127.0.0.1\nmaxClientCnxns=0\nadmin.enableServer=false\n\
             4lw.commands.whitelist=*\nforceSync=yes\nsnapCount={snap_count}\n"
        );
        if let Some(seat) = &self.seat {
            self.config.push_str(&seat.lines);
        }
        fs::write(&self.config_path, &self.config).map_err(Fault::file(&self.config_path))
    }

    fn launch(&mut self, path: &str) -> Result<Duration, Fault> {
        let began = Instant::now();
        self.spawn()?;
        self.wait(path)?;
        Ok(began.elapsed())
    }

    /// Starts the process, on what it has on disk.
    pub fn spawn(&mut self) -> Result<(), Fault> {
        let output = self.folders[0].join("output.txt");
        let file = fs::File::options().create(true).append(true).open(&output);
        let file = file.map_err(Fault::file(&output))?;
        let errors = file.try_clone().map_err(Fault::file(&output))?;
        let child = Command::new(&self.target.program)
            .args(&self.target.arguments)
            .arg(&self.config_path)
            .current_dir(&self.folders[0])
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .spawn()
            .map_err(Fault::io(format!("starting {}", self.target.program.display())))?;
        self.child = Some(child);
        Ok(())
    }

    /// Until a session can be had and `path` be read.
    pub fn wait(&mut self, path: &str) -> Result<(), Fault> {
        let Some(child) = &mut self.child else {
            return Err(Fault::Server(format!("{} was not started", self.target.name)));
        };
        let (name, output) = (&self.target.name, self.folders[0].join("output.txt"));
        let mut gone = || match child.try_wait() {
            Ok(Some(status)) => {
                Some(format!("{name} ended with {status}: {}", last_lines(&output)))
            }
            Ok(None) | Err(_) => None,
        };
        probe::wait_for_read(self.address, path, START, &mut gone)
    }

    /// Ends the server at once, starts it again, and says how long it took from the start of the
    /// process until `path` could be read.
    pub fn restart(&mut self, path: &str) -> Result<Duration, Fault> {
        self.kill();
        self.launch(path)
    }

    /// Stops the server in good order and starts it with other settings.
    pub fn change(&mut self, setting: &Setting) -> Result<(), Fault> {
        self.stop()?;
        self.configure(setting)?;
        self.launch("/").map(drop)
    }

    /// Starts the server again, on what it has on disk, if it has ended by itself; how it ended.
    pub fn revive(&mut self) -> Result<Option<String>, Fault> {
        let Some(child) = &mut self.child else { return Ok(None) };
        let ended = match child.try_wait() {
            Ok(Some(status)) => {
                let output = last_lines(&self.folders[0].join("output.txt"));
                format!("{} ended with {status}: {output}", self.target.name)
            }
            Ok(None) | Err(_) => return Ok(None),
        };
        self.child = None;
        self.launch("/")?;
        Ok(Some(ended))
    }

    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    pub fn meter(&self) -> Option<Meter> {
        Some(Meter::new(self.pid()?, Some(&self.log_dir)))
    }

    /// Stops the server in good order.
    pub fn stop(&mut self) -> Result<(), Fault> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let began = Instant::now();
        while matches!(child.try_wait(), Ok(None)) {
            if began.elapsed() > STOP {
                let _ = child.kill();
                let _ = child.wait();
                let (name, secs) = (&self.target.name, STOP.as_secs());
                return Err(Fault::Server(format!("{name} ignored SIGTERM for {secs} s")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Ends the server at once (SIGKILL).
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Served for Instance {
    fn name(&self) -> &str {
        &self.target.name
    }
    fn servers(&self) -> Vec<SocketAddr> {
        vec![self.address]
    }
    fn meters(&self) -> Vec<Meter> {
        self.meter().into_iter().collect()
    }
    fn recording(&self) -> Result<Option<Recording>, Fault> {
        let Some(meter) = self.meter() else { return Ok(None) };
        Recording::start(&self.data_dir, &self.log_dir, meter).map(Some)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.kill();
        for folder in &self.folders {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// A port nobody uses, from the kernel.
fn free_address() -> Result<SocketAddr, Fault> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Fault::io("finding a free port"))?;
    listener.local_addr().map_err(Fault::io("finding a free port"))
}

/// What a server printed last, on one line; of a panic, what it said.
fn last_lines(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let from = match lines.iter().rposition(|line| line.contains("panicked at")) {
        Some(panic) => panic,
        None => lines.len().saturating_sub(4),
    };
    lines[from..].iter().take(4).copied().collect::<Vec<_>>().join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_quoted_rather_than_its_stack() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let stack = "  0: frame\n".repeat(30);
        let text = format!("start\nthread 'x' panicked at a.rs:1:2:\nwhy it did\n{stack}");
        fs::write(file.path(), text).unwrap();
        assert!(
            last_lines(file.path()).starts_with("thread 'x' panicked at a.rs:1:2: | why it did")
        );
        fs::write(file.path(), "one\ntwo\n").unwrap();
        assert_eq!(last_lines(file.path()), "one | two");
    }
}
