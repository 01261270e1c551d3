//! `host:port,host:port/chroot` (org.apache.zookeeper.client.ConnectStringParser), and whose turn it is.

use std::fmt;

use super::chroot::Chroot;
use super::settings::HOSTS_MAX;
use crate::types::{PathError, SplitMix64};

/// The port of a server that names none.
pub const PORT: u16 = 2181;

/// A server, by name; the shell looks the name up each time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Host {
    /// A name or an address, an IPv6 address without its brackets.
    pub name: String,
    /// Of its client port.
    pub port: u16,
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.contains(':') {
            true => write!(f, "[{}]:{}", self.name, self.port),
            false => write!(f, "{}:{}", self.name, self.port),
        }
    }
}

/// Why a connect string is refused. The user has to write another.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum ConnectStringError {
    #[error("{0:?} names no server")]
    NoHost(String),
    #[error("the port of {0:?} is not a number from 1 to 65535")]
    Port(String),
    #[error("{0:?} opens a bracket and does not close it")]
    Bracket(String),
    #[error("chroot {chroot}: {error}")]
    Chroot { chroot: String, error: PathError },
    #[error("{count} servers, at most {HOSTS_MAX} are taken")]
    TooMany { count: usize },
}

/// A connect string, taken apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConnectString {
    /// In the order in which they were written.
    pub hosts: Vec<Host>,
    /// Under which all paths lie.
    pub chroot: Chroot,
}

impl ConnectString {
    /// Takes a text apart. A missing port is 2181; `/` as chroot is none.
    pub fn parse(text: &str) -> Result<ConnectString, ConnectStringError> {
        let (servers, chroot) = match text.find('/') {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        let chroot = Chroot::new(chroot)
            .map_err(|error| ConnectStringError::Chroot { chroot: chroot.to_owned(), error })?;
        let parts = servers.split(',').map(str::trim).filter(|part| !part.is_empty());
        let hosts = parts.map(host).collect::<Result<Vec<Host>, ConnectStringError>>()?;
        if hosts.is_empty() {
            return Err(ConnectStringError::NoHost(text.to_owned()));
        }
        if hosts.len() > HOSTS_MAX {
            return Err(ConnectStringError::TooMany { count: hosts.len() });
        }
        Ok(ConnectString { hosts, chroot })
    }
}

fn host(text: &str) -> Result<Host, ConnectStringError> {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let closed = rest.split_once(']');
            let (name, rest) =
                closed.ok_or_else(|| ConnectStringError::Bracket(text.to_owned()))?;
            (name, rest.strip_prefix(':'))
        }
        None => match text.rsplit_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        },
    };
    let bad = || ConnectStringError::Port(text.to_owned());
    let port = match port.filter(|port| !port.is_empty()) {
        Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or_else(bad)?,
        None => PORT,
    };
    Ok(Host { name: name.to_owned(), port })
}

/// The servers in a shuffled order, one after another (StaticHostProvider).
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    list: Vec<Host>,
    next: usize,
    /// How many were tried since the last that answered.
    tried: usize,
}

impl Hosts {
    /// At least one server.
    pub(super) fn new(mut list: Vec<Host>, random: &mut SplitMix64) -> Hosts {
        for at in (1..list.len()).rev() {
            let other = random.below(at as u64 + 1) as usize;
            list.swap(at, other);
        }
        Hosts { list, next: 0, tried: 0 }
    }

    pub(super) fn count(&self) -> usize {
        self.list.len().max(1)
    }

    /// The server whose turn it is.
    pub(super) fn next(&mut self) -> Option<Host> {
        let host = self.list.get(self.next % self.count())?.clone();
        self.next = (self.next + 1) % self.count();
        self.tried += 1;
        Some(host)
    }

    /// Whether each has been tried in vain, once more, since the last that answered.
    pub(super) fn is_round_done(&self) -> bool {
        self.tried > 0 && self.tried.is_multiple_of(self.count())
    }

    /// How often all were tried in vain.
    pub(super) fn rounds(&self) -> usize {
        self.tried / self.count()
    }

    /// One has answered.
    pub(super) fn answered(&mut self) {
        self.tried = 0;
    }
}
