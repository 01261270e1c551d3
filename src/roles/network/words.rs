//! Four-letter words: answered on the spot where that takes no time, by the thread for slow commands otherwise.

use super::{NetworkRole, Stage, Transport};
use crate::admin::words;
use crate::net::How;
use crate::roles::message::{Query, WatchesAnswer, WatchesAsked};
use crate::types::ConnId;

/// `stmk` is followed by the new trace mask.
const MASK_AT: std::ops::Range<usize> = 4..12;

impl<N: Transport> NetworkRole<N> {
    /// A connection began with a word. `stmk` waits for all its bytes.
    pub(super) fn take_word(&mut self, conn: ConnId, word: &'static str) {
        let commands = &self.shared.commands;
        if word == "stmk" && commands.whitelist.allows(word) {
            let Some(mask) = self.net.input(conn).get(MASK_AT) else { return };
            let mask = mask.iter().fold(0, |mask, byte| mask << 8 | i64::from(*byte));
            commands.gauges.trace_mask.set(mask);
        }
        let Some(client) = self.clients.look(conn) else { return };
        self.gauges.received.add(1);
        self.gauges.bytes_received.add(word.len() as i64);
        client.gauges.received.add(1);
        if !commands.takes_time(word) {
            let text = commands.answer(word, self.now, &client.gauges);
            return self.say(conn, &text);
        }
        let gauges = client.gauges.clone();
        let question = Query { word, conn: self.conn_ref(conn), gauges };
        if self.shared.slow_commands.try_send(question).is_err() {
            let peer = client.peer;
            tracing::warn!(%peer, word, "closed: too many words wait for their answers");
            return self.close(conn, How::Now);
        }
        if let Some(client) = self.clients.get(conn) {
            client.stage = Stage::Asking;
        }
    }

    pub(super) fn word_answered(&mut self, conn: ConnId, text: &str) {
        if self.clients.look(conn).is_some_and(|client| client.stage == Stage::Asking) {
            self.say(conn, text);
        }
    }

    fn say(&mut self, conn: ConnId, text: &str) {
        if let Some(out) = self.net.output(conn) {
            out.extend_from_slice(text.as_bytes());
            self.made_bytes += text.len();
        }
        self.gauges.sent.add(words::packets(text));
        self.close(conn, How::AfterFlush);
    }

    /// A slice of the watch tables, for whoever asks for all of them.
    pub(super) fn tell_watches(&self, ask: &WatchesAsked) {
        let (slice, next) = self.watches.by_path_slice(ask.from, ask.max);
        let sessions = |conns: Vec<ConnId>| {
            conns.into_iter().filter_map(|conn| Some(self.clients.look(conn)?.session)).collect()
        };
        let paths = slice.map(|(path, conns)| (path.to_owned(), sessions(conns))).collect();
        // Whoever asked may have given up.
        let _ = ask.answer.send(WatchesAnswer { paths, next });
    }
}
