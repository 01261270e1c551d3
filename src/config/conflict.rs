//! Settings that are right alone and wrong together, or with what lies in the data directory.

use std::path::PathBuf;

use super::Place;
use crate::membership::{MembersError, Unworkable};

/// What contradicts what. Each ends the start.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum Conflict {
    #[error(
        "clientPort={port} in {place} differs from the client part of {line}={value} in {line_place}"
    )]
    ClientPorts { port: String, place: Place, line: String, value: String, line_place: Place },
    #[error("{key} in {place} must be in the dynamic configuration file {dynamic}")]
    StaticMember { key: String, place: Place, dynamic: String },
    #[error("{whence}: standaloneEnabled=false needs at least one server.N line")]
    NoServers { whence: String },
    #[error(
        "{whence}: a standalone server and {observers} observers: give it voters or remove the \
         observers"
    )]
    ObserversAlone { whence: String, observers: usize },
    #[error("{whence}: {error}")]
    Members { whence: String, error: MembersError },
    #[error("{whence}: {error}")]
    Unworkable { whence: String, error: Unworkable },
    #[error(
        "{} is missing: a server of an ensemble has its number there, one of {ids} as in {whence}",
        path.display()
    )]
    NoMyId { path: PathBuf, ids: String, whence: String },
    #[error("{}: {id} is none of the servers {ids} of {whence}", path.display())]
    UnknownMyId { path: PathBuf, id: i64, ids: String, whence: String },
    #[error("{}: {text:?} is not a server number", path.display())]
    NoNumber { path: PathBuf, text: String },
    #[error(
        "{}/myid: with extendedTypesEnabled=true a server's number is at most {most}",
        data_dir.display()
    )]
    LongId { data_dir: PathBuf, most: i64 },
    #[error(
        "{}: minSessionTimeout {min_ms} ms is above maxSessionTimeout {max_ms} ms (two and twenty \
         ticks of {tick_ms} ms unless set)", path.display()
    )]
    SessionTimeouts { path: PathBuf, min_ms: i32, max_ms: i32, tick_ms: i32 },
}
