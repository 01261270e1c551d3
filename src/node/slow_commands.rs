//! The clerk: a thread for the four-letter words whose answers take time.
//!
//! Some need files or look at every connection; some need what other roles keep to themselves,
//! the watch tables and the sessions. The clerk asks for that in slices, so that no role spends
//! more than a moment on it, and sends the finished text back to the connection's core.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use crate::admin::listings::{self, ConnLine, Moment, SessionLine, Watching};
use crate::admin::words::Commands;
use crate::metrics::gauges::ConnGauges;
use crate::roles::message::{Query, SessionsAsked, ToControl, ToNetwork, WatchesAsked};
use crate::runtime::{Sender, clock};
use crate::types::{Millis, SessionId, limits};

/// Sessions or watched paths that a role tells in one turn.
const SLICE: usize = 2_000;

/// How long a role may take to tell a slice before the question is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// A session's number and what stands around it in a listing.
const SESSION_TEXT: usize = 24;

/// The last line of an answer that would be longer than any may be ([`limits::WORD_BYTES`]).
const CUT: &str = "and more: this answer is cut\n";

/// What the thread works with.
pub struct SlowCommands {
    /// What the words may tell.
    pub commands: Arc<Commands>,
    /// The network cores' mailboxes, by core.
    pub cores: Vec<Sender<ToNetwork>>,
    /// Asked for sessions.
    pub to_control: Sender<ToControl>,
}

impl SlowCommands {
    /// Starts the thread. It ends with the network cores, whose end closes the queue.
    pub fn spawn(self, questions: Receiver<Query>) -> io::Result<()> {
        std::thread::Builder::new().name("clerk".into()).spawn(move || self.run(&questions))?;
        Ok(())
    }

    fn run(self, questions: &Receiver<Query>) {
        for Query { word, conn, asker } in questions {
            let text = self.answer(word, &asker).unwrap_or_else(|| {
                tracing::warn!(word, "not answered: a role did not tell what it has");
                String::new()
            });
            if let Some(core) = self.cores.get(usize::from(conn.core.0)) {
                core.push(ToNetwork::WordAnswered { conn: conn.conn, text });
            }
        }
    }

    /// `None`: a role is stopping, or hangs.
    fn answer(&self, word: &str, asker: &ConnGauges) -> Option<String> {
        Some(match word {
            "wchp" => self.watching(listings::watches_by_path)?,
            "wchc" => self.watching(listings::watches_by_session)?,
            "dump" => self.dump()?,
            word => self.commands.answer(word, clock::now(), asker),
        })
    }

    /// Who watches what, as far as an answer goes: clients choose how much there is to tell.
    fn watching(&self, list: fn(&Watching) -> String) -> Option<String> {
        let (watching, whole) = self.gather_watches()?;
        let mut text = list(&watching);
        if !whole {
            text.push_str(CUT);
        }
        Some(text)
    }

    /// The second is false when something is left out.
    fn gather_watches(&self) -> Option<(Watching, bool)> {
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
                    if bytes > limits::WORD_BYTES {
                        return Some((watching, false));
                    }
                    watching.entry(path).or_default().extend(sessions);
                }
                from = slice.next;
            }
        }
        Some((watching, true))
    }

    fn sessions(&self) -> Option<Vec<SessionLine>> {
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
        }
    }

    fn dump(&self) -> Option<String> {
        let sessions = self.sessions()?;
        let at = Moment { now: clock::now(), wall: clock::wall() };
        let heard: BTreeMap<SessionId, Millis> =
            sessions.iter().filter_map(|line| Some((line.session, line.heard?))).collect();
        let tree = &self.commands.tree;
        let mut ephemerals: Vec<(SessionId, Vec<String>)> = Vec::new();
        let (mut bytes, mut whole) = (0, true);
        for session in tree.sessions_with_ephemerals() {
            let paths = tree.ephemerals_of(session);
            bytes += SESSION_TEXT + paths.iter().map(|path| path.len() + 2).sum::<usize>();
            if bytes > limits::WORD_BYTES {
                whole = false;
                break;
            }
            ephemerals.push((session, paths));
        }
        let mut conns = Vec::new();
        self.commands.each_connection(|conn| {
            let session = SessionId(conn.session.get());
            // A connection ends with its session's lease, or without a session soon.
            let since = heard.get(&session).copied().unwrap_or(at.now);
            let interval = self.commands.facts.sessionless_ms.max(1);
            let expires = ((since.0 + conn.timeout.get()) / interval + 1) * interval;
            conns.push(ConnLine { peer: conn.peer, session, expires: Millis(expires) });
        });
        let lists = self.commands.session_lists();
        let mut text = listings::dump(lists, &sessions, &ephemerals, &conns, at);
        if !whole {
            text.push_str(CUT);
        }
        Some(text)
    }
}
