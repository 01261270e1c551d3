//! Servers under test: obtained, configured alike, started, watched, stopped.
//!
//! * [`java`]: where Java ZooKeeper comes from
//! * [`instance`]: one running server with folders of its own
//! * [`ensemble`]: several that replicate one tree
//! * [`probe`]: is it there yet: one session, one read
//! * [`moments`]: when it wrote snapshots, began log files, flushed

pub mod ensemble;
pub mod instance;
pub mod java;
pub mod moments;
pub mod probe;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cost::Meter;
use crate::fault::Fault;
use moments::Recording;

/// How to start a server: the configuration file's path follows the arguments.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Target {
    /// What tables call it.
    pub name: String,
    pub program: PathBuf,
    pub arguments: Vec<String>,
    /// What its version option says.
    pub version: String,
    /// Where its code comes from and how it is set, for the report.
    pub about: String,
}

impl Target {
    /// A Ringkeeper binary; `name` is what tables call it.
    pub fn ringkeeper(name: &str, binary: &Path) -> Target {
        Target {
            name: name.into(),
            program: binary.to_path_buf(),
            arguments: Vec::new(),
            version: first_line(binary, &["--version"]),
            about: format!("{}, default placement and options", binary.display()),
        }
    }

    /// Any program that takes a configuration file as its last argument.
    pub fn command(name: &str, command: &str) -> Option<Target> {
        let mut words = command.split_whitespace().map(str::to_owned);
        let program = PathBuf::from(words.next()?);
        Some(Target {
            name: name.into(),
            program,
            arguments: words.collect(),
            version: String::new(),
            about: "started by the command given".into(),
        })
    }
}

/// What a load is driven at: one server, or the members of an ensemble.
pub trait Served {
    /// What tables call it.
    fn name(&self) -> &str;
    fn servers(&self) -> Vec<SocketAddr>;
    /// Of every member: what a run costs is their sum.
    fn meters(&self) -> Vec<Meter>;
    /// Watches the folders of a server on its own; `None` where there is not the one folder.
    fn recording(&self) -> Result<Option<Recording>, Fault>;
}

/// What a program prints first, on either stream.
pub fn first_line(program: &Path, arguments: &[&str]) -> String {
    let Ok(output) = std::process::Command::new(program).args(arguments).output() else {
        return String::new();
    };
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned()
}
