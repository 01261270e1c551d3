//! What the servers do, held against the history: what is proposed, committed, found after a start,
//! and left at the end.

use std::collections::BTreeSet;

use ringkeeper::codec::txn::{Txn, decode_entry};
use ringkeeper::log::Append;
use ringkeeper::types::{SessionId, Zxid};

use crate::history::FIELD_MAX;
use crate::server::Booted;
use crate::world::{Checked, Event, Stage, World};

impl World {
    /// The control core has given these to its log.
    pub fn proposed(&mut self, server: usize, appends: Vec<Append>) -> Checked {
        for Append { zxid, entry } in appends {
            let decoded = decode_entry(&entry, FIELD_MAX).map_err(|e| format!("{zxid}: {e}"))?;
            if let Txn::CloseSession { .. } = decoded.txn {
                let session = decoded.header.session;
                self.history.ending.insert(session);
                if decoded.header.cxid == 0 {
                    self.check_expiry(server, session)?;
                }
            }
            self.note(|| format!("server {server} proposes {zxid} {:?}", Short(&decoded.txn)));
            self.servers[server].entries.insert(zxid, entry);
        }
        Ok(())
    }

    /// A session ends by itself only when nothing was heard of it for its time (I12).
    fn check_expiry(&mut self, server: usize, session: SessionId) -> Checked {
        let now = self.servers[server].now(self.now).0;
        let timeout = match self.history.sessions.get(&session) {
            Some(life) => i64::from(life.timeout),
            // Not committed yet: the log took longer than the session's time.
            None => return Ok(()),
        };
        match self.touched.get(&session) {
            Some(last) if now < last + timeout => Err(format!(
                "I12: session {session} of {timeout} ms expires {} ms after it was heard of",
                now - last
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// What the control core has applied is committed.
    pub fn observe(&mut self, server: usize) -> Checked {
        let Some(up) = &self.servers[server].up else { return Ok(()) };
        let (applied, durable) = (up.tree.applied(), up.log.durable());
        if applied > durable {
            return Err(format!("I6: {applied} is applied, durable is {durable}"));
        }
        if up.gauges.digest_mismatches.get() != 0 {
            return Err(format!(
                "I13: server {server} at {applied} has another digest than proposed"
            ));
        }
        let digest = up.tree.digest();
        if applied > self.history.last {
            self.commit(server, applied)?;
        }
        self.check_digest(server, applied, digest)
    }

    fn check_digest(&mut self, server: usize, at: Zxid, digest: u64) -> Checked {
        let known = *self.history.digests.entry(at).or_insert(digest);
        match known == digest {
            true => Ok(()),
            false => Err(format!("I13: server {server} at {at} has {digest:x}, was {known:x}")),
        }
    }

    /// Appends this server's transactions up to `upto` to the history.
    fn commit(&mut self, server: usize, upto: Zxid) -> Checked {
        while self.history.last < upto {
            let zxid = Zxid(self.history.last.0 + 1);
            let Some(entry) = self.servers[server].entries.get(&zxid).cloned() else {
                return Err(format!("I4: {zxid} is committed and was never logged"));
            };
            self.history.push(zxid, &entry)?;
        }
        Ok(())
    }

    /// What a start has found.
    pub fn restored(&mut self, server: usize, booted: &Booted) -> Checked {
        let restored = &booted.restored;
        let (zxid, last) = (restored.zxid, self.history.last);
        if zxid < last {
            return Err(format!("lost: {last} was committed, server {server} starts with {zxid}"));
        }
        for (at, bytes) in &booted.replayed {
            let known = match self.history.entries.get(at) {
                Some(committed) => Some(&committed.bytes),
                None => self.servers[server].entries.get(at),
            };
            if known.is_some_and(|known| known != bytes) {
                return Err(format!("server {server} replays another {at} than it logged"));
            }
            self.servers[server].entries.insert(*at, bytes.clone());
        }
        // Durable though nobody had heard of it: it counts from now on.
        self.commit(server, zxid)?;
        self.servers[server].entries.split_off(&Zxid(zxid.0 + 1));
        let sessions = self.history.sessions_at(zxid);
        if restored.sessions != sessions {
            return Err(format!(
                "server {server} at {zxid} has sessions {:?}, should be {sessions:?}",
                restored.sessions
            ));
        }
        if !restored.killed.is_empty() || restored.digests.mismatches > 0 {
            return Err(format!("server {server} at {zxid}: {restored:?}"));
        }
        let tree = &booted.running.tree;
        self.history.compare(tree, zxid).map_err(|e| format!("server {server} restarted: {e}"))?;
        self.check_digest(server, zxid, tree.digest())?;
        self.history.ending.clear();
        let born = booted.running_now();
        self.touched = sessions.keys().map(|session| (*session, born)).collect();
        Ok(())
    }

    /// Everything has come to rest: what is there must be what should be.
    pub fn settled(&mut self) -> Checked {
        if self.clients.iter().any(|client| !client.is_done()) || self.now < self.settled_at {
            // Somebody lost a connection meanwhile and asks again.
            self.stage = Stage::Healing;
            for client in 0..self.clients.len() {
                self.wake_client(client);
            }
            return Ok(());
        }
        for server in 0..self.servers.len() {
            let Some(up) = &self.servers[server].up else {
                return Err(format!("server {server} is down after the storm"));
            };
            let (applied, last) = (up.tree.applied(), self.history.last);
            if applied != last {
                return Err(format!("server {server} is at {applied}, committed is {last}"));
            }
            self.history.compare(&up.tree, applied).map_err(|e| format!("server {server}: {e}"))?;
            let index: BTreeSet<SessionId> =
                up.tree.sessions_with_ephemerals().into_iter().collect();
            for session in self.history.sessions_at(last).keys().chain(&index) {
                let mut found = up.tree.ephemerals_of(*session);
                found.sort();
                let right = self.history.ephemerals_at(*session, last);
                if found != right {
                    return Err(format!("session {session} owns {found:?}, should be {right:?}"));
                }
            }
        }
        let open: BTreeSet<SessionId> =
            self.history.sessions_at(self.history.last).into_keys().collect();
        let kept: BTreeSet<SessionId> = self.clients.iter().map(|client| client.session).collect();
        if open != kept {
            return Err(format!("sessions {open:?} are open, clients keep {kept:?}"));
        }
        if self.stage == Stage::Settling && !self.restarted {
            // Once more from disk: what was served must be what is kept.
            self.restarted = true;
            for server in 0..self.servers.len() {
                self.crash(server, true, 1000);
            }
            self.schedule(self.now + 500_000, Event::Settled);
            self.settled_at = self.now;
            self.stage = Stage::Over;
            for server in 0..self.servers.len() {
                self.boot(server)?;
            }
        }
        Ok(())
    }
}

impl Booted {
    /// Its clock at its birth.
    fn running_now(&self) -> i64 {
        crate::server::BIRTH_MS
    }
}

/// A transaction in one short line.
struct Short<'a>(&'a Txn);

impl std::fmt::Debug for Short<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = format!("{:?}", self.0);
        let end = text.char_indices().nth(160).map_or(text.len(), |(at, _)| at);
        f.write_str(&text[..end])
    }
}
