//! What threads beside the roles ask them: the watch tables and the sessions, which nobody else sees.
//! They ask in slices, so that no role spends more than a moment on one, and wait for each.

use std::sync::mpsc;
use std::time::Duration;

use super::message::{SessionsAsked, ToControl, ToNetwork, WatchesAsked};
use crate::admin::listings::{ObserverLine, SessionLine, Watching};
use crate::admin::top::{Held, Slice};
use crate::admin::words::Commands;
use crate::runtime::Sender;
use crate::tree::Tree;
use crate::types::SessionId;

/// Sessions or watched paths that a role tells in one turn.
const SLICE: usize = 2_000;

/// How long a role may take to tell a slice before the question is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is answered is of so many milliseconds at least.
const COUNTED_MS: u64 = 1_000;

/// A session's number and what stands around it in a listing.
const SESSION_TEXT: usize = 24;

/// The roles' mailboxes, and how they are asked.
#[derive(Clone)]
pub struct Queries {
    /// The network cores', by core.
    pub cores: Vec<Sender<ToNetwork>>,
    /// Asked for sessions.
    pub to_control: Sender<ToControl>,
    rest: Duration,
}

impl Queries {
    /// Asks for one slice right behind the other.
    pub fn new(cores: Vec<Sender<ToNetwork>>, to_control: Sender<ToControl>) -> Queries {
        Queries { cores, to_control, rest: Duration::ZERO }
    }

    /// Rests so long between two slices: whoever asks without end still leaves the roles to others.
    pub fn resting(self, rest: Duration) -> Queries {
        Queries { rest, ..self }
    }

    /// Data watches, as far as their listing has no more than `bytes_max`; the second is false when
    /// something is left out. `None`: a role is stopping, or hangs.
    pub fn watches(&self, bytes_max: usize) -> Option<(Watching, bool)> {
        let mut watching = Watching::new();
        let mut bytes = 0;
        for core in &self.cores {
            let (answer, answers) = mpsc::channel();
            let mut from = Some(0);
            while let Some(at) = from {
                let ask = WatchesAsked { from: at, max: SLICE, answer: answer.clone() };
                core.push(ToNetwork::TellWatches(ask));
                let slice = answers.recv_timeout(PATIENCE).ok()?;
                for (path, sessions) in slice.paths {
                    // The longer listing has the path once for each of its sessions.
                    bytes += (path.len() + SESSION_TEXT) * (sessions.len() + 1);
                    if bytes > bytes_max {
                        return Some((watching, false));
                    }
                    watching.entry(path).or_default().extend(sessions);
                }
                from = slice.next;
                self.rest();
            }
        }
        Some((watching, true))
    }

    /// All sessions that this server knows. `None` as in [`Queries::watches`].
    pub fn sessions(&self) -> Option<Vec<SessionLine>> {
        let (answer, answers) = mpsc::channel();
        let mut all: Vec<SessionLine> = Vec::new();
        loop {
            let after = all.last().map(|line| line.session);
            let ask = SessionsAsked { after, max: SLICE, answer: answer.clone() };
            self.to_control.push(ToControl::TellSessions(ask));
            let slice = answers.recv_timeout(PATIENCE).ok()?;
            let is_last = slice.len() < SLICE;
            all.extend(slice);
            if is_last {
                return Some(all);
            }
            self.rest();
        }
    }

    /// What has been counted of each core's requests: of a second at least. Whoever asks first waits for
    /// that.
    pub fn top(&self) -> Option<Vec<Slice>> {
        let slices = self.counted()?;
        if slices.iter().all(|slice| slice.ms >= COUNTED_MS as i64) {
            return Some(slices);
        }
        std::thread::sleep(Duration::from_millis(COUNTED_MS));
        self.counted()
    }

    fn counted(&self) -> Option<Vec<Slice>> {
        let ask = |core: &Sender<ToNetwork>| {
            let (answer, answers) = mpsc::channel();
            core.push(ToNetwork::TellTop(answer));
            answers.recv_timeout(PATIENCE).ok()
        };
        self.cores.iter().map(ask).collect()
    }

    /// What clients hold: sessions, ephemerals, and watches as far as their listing has no more than
    /// `bytes_max`.
    pub fn held(&self, commands: &Commands, bytes_max: usize) -> Option<Held> {
        let (watching, whole) = self.watches(bytes_max)?;
        let mut held = Held { is_cut: !whole, ..Held::default() };
        commands.each_connection(|conn| {
            if conn.session.get() != 0 {
                let address = conn.peer.ip().to_canonical().to_string();
                *held.sessions_by_client.entry(address).or_default() += 1;
            }
        });
        held.ephemerals_by_session = commands.tree.ephemeral_counts();
        for (path, sessions) in watching {
            for session in &sessions {
                *held.watches_by_session.entry(*session).or_default() += 1;
            }
            held.watches_by_path.insert(path, sessions.len() as u64);
        }
        Some(held)
    }

    /// The observers of this server, where it leads. `None` as in [`Queries::watches`].
    pub fn observers(&self) -> Option<Vec<ObserverLine>> {
        let (answer, answers) = mpsc::channel();
        self.to_control.push(ToControl::TellObservers(answer));
        answers.recv_timeout(PATIENCE).ok()
    }

    fn rest(&self) {
        if !self.rest.is_zero() {
            std::thread::sleep(self.rest);
        }
    }
}

/// Ephemerals by session, as far as their listing has no more than `bytes_max`; the second is false
/// when something is left out.
pub fn ephemerals(tree: &Tree, bytes_max: usize) -> (Vec<(SessionId, Vec<String>)>, bool) {
    let mut ephemerals: Vec<(SessionId, Vec<String>)> = Vec::new();
    let mut bytes = 0;
    for session in tree.sessions_with_ephemerals() {
        let paths = tree.ephemerals_of(session);
        bytes += SESSION_TEXT + paths.iter().map(|path| path.len() + 2).sum::<usize>();
        if bytes > bytes_max {
            return (ephemerals, false);
        }
        ephemerals.push((session, paths));
    }
    (ephemerals, true)
}
