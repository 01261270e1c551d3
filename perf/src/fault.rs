//! Why a run fails. Every variant ends the run: a benchmark that forgives measures something else.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A reply that is not the answer to the request it should answer.
    #[error("connection {lane} to {server}: {what}")]
    Reply { lane: usize, server: String, what: String },
    #[error("connection {lane} to {server} {what}")]
    Connection { lane: usize, server: String, what: String },
    #[error("{0}")]
    Behind(String),
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
    #[error("{path}: {what}")]
    File { path: PathBuf, what: String },
    #[error("{0}")]
    Server(String),
    #[error("{0}")]
    Usage(String),
    /// The folders of the servers have no room left: every scenario behind would fail for it.
    #[error(
        "{folder} has {free} MiB free, a comparison wants {wanted}: make room or name another folder"
    )]
    Space { folder: PathBuf, free: u64, wanted: u64 },
    #[error("stopped by a signal")]
    Interrupted,
}

impl Fault {
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Fault {
        let what = what.into();
        move |source| Fault::Io { what, source }
    }

    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Fault {
        let path = path.into();
        move |e| Fault::File { path, what: e.to_string() }
    }
}
