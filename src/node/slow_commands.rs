//! A thread for the four-letter words whose answers take time.
//!
//! Some need files or look at every connection; some need what other roles keep to themselves,
//! the watch tables and the sessions. The thread asks for that ([`Queries`]), and sends the finished
//! text back to the connection's core.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use crate::admin::listings::{self, ConnLine, Moment, Watching};
use crate::admin::top;
use crate::admin::words::Commands;
use crate::metrics::gauges::ConnGauges;
use crate::roles::message::{Query, ToNetwork};
use crate::roles::queries::{self, Queries};
use crate::runtime::clock;
use crate::types::{Millis, SessionId, limits};

/// The last line of an answer that would be longer than any may be ([`limits::WORD_BYTES`]).
const CUT: &str = "and more: this answer is cut\n";

/// What the thread works with.
pub struct SlowCommands {
    /// What the words may tell.
    pub commands: Arc<Commands>,
    /// To the roles.
    pub queries: Queries,
}

impl SlowCommands {
    /// Starts the thread. It ends with the network cores, whose end closes the queue.
    pub fn spawn(self, questions: Receiver<Query>) -> io::Result<()> {
        std::thread::Builder::new()
            .name("slow-commands".into())
            .spawn(move || self.run(&questions))?;
        Ok(())
    }

    fn run(self, questions: &Receiver<Query>) {
        for Query { word, conn, gauges } in questions {
            let text = self.answer(word, &gauges).unwrap_or_else(|| {
                tracing::warn!(word, "not answered: a role did not tell what it has");
                String::new()
            });
            if let Some(core) = self.queries.cores.get(usize::from(conn.core.0)) {
                core.push(ToNetwork::WordAnswered { conn: conn.conn, text });
            }
        }
    }

    /// `None`: a role is stopping, or hangs.
    fn answer(&self, word: &str, gauges: &ConnGauges) -> Option<String> {
        Some(match word {
            "wchp" => self.watching(listings::watches_by_path)?,
            "wchc" => self.watching(listings::watches_by_session)?,
            "dump" => self.dump()?,
            "topn" => {
                let slices = self.queries.top()?;
                top::text(&slices, &self.queries.held(&self.commands, limits::WORD_BYTES)?)
            }
            word => self.commands.answer(word, clock::now(), gauges),
        })
    }

    /// Who watches what, as far as an answer goes: clients choose how much there is to tell.
    fn watching(&self, list: fn(&Watching) -> String) -> Option<String> {
        let (watching, whole) = self.queries.watches(limits::WORD_BYTES)?;
        let mut text = list(&watching);
        if !whole {
            text.push_str(CUT);
        }
        Some(text)
    }

    fn dump(&self) -> Option<String> {
        let sessions = self.queries.sessions()?;
        let at = Moment { now: clock::now(), wall: clock::wall() };
        let heard: BTreeMap<SessionId, Millis> =
            sessions.iter().filter_map(|line| Some((line.session, line.heard?))).collect();
        let (ephemerals, whole) = queries::ephemerals(&self.commands.tree, limits::WORD_BYTES);
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
