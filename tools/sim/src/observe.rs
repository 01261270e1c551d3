//! What the servers do, held against the history: what is proposed, committed, found after a start,
//! and left at the end.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use ringkeeper::codec::txn::{Txn, decode_entry};
use ringkeeper::log::Append;
use ringkeeper::metrics::quorum::Mode;
use ringkeeper::types::{Epoch, SessionId, Zxid};

use crate::history::FIELD_MAX;
use crate::server::{Booted, Server};
use crate::transport::Sent;
use crate::world::{Checked, Event, Stage, World};

impl World {
    /// The control core has given these to its log.
    pub fn proposed(&mut self, server: usize, appends: Vec<Append>) -> Checked {
        for Append { zxid, entry } in appends {
            let decoded = decode_entry(&entry, FIELD_MAX).map_err(|e| format!("{zxid}: {e}"))?;
            if let Txn::CloseSession { .. } = decoded.txn {
                let session = decoded.header.session;
                self.history.ending.entry(session).or_insert(self.now);
                if decoded.header.cxid == 0 && self.servers.len() == 1 {
                    self.check_expiry(server, session)?;
                }
            }
            self.note(|| format!("server {server} logs {zxid} {:?}", Short(&decoded.txn)));
            if self.servers.len() > 1 {
                self.check_primary(server, zxid, &entry)?;
            }
            self.servers[server].entries.insert(zxid, entry);
        }
        Ok(())
    }

    /// One leader an epoch, its transactions without a gap, and a zxid stands for one transaction
    /// everywhere and for ever.
    fn check_primary(&mut self, server: usize, zxid: Zxid, entry: &Bytes) -> Checked {
        if let Some(known) = self.proposals.get(&zxid) {
            return match known == entry {
                true => Ok(()),
                false => Err(format!("agreement: server {server} has another {zxid}")),
            };
        }
        let primary = *self.primaries.entry(zxid.epoch()).or_insert(server);
        if primary != server {
            return Err(format!("two leaders of one epoch: {primary} and {server} at {zxid}"));
        }
        let before = self.proposals.range(..zxid).next_back().map(|(zxid, _)| *zxid);
        let expected = match before.filter(|before| before.epoch() == zxid.epoch()) {
            Some(before) => before.0 + 1,
            None => Zxid::new(zxid.epoch(), 1).0,
        };
        if zxid.0 != expected {
            return Err(format!("primary order: {zxid} is proposed behind {before:?}"));
        }
        self.proposals.insert(zxid, entry.clone());
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
        let serves = up.gauges.running.load(std::sync::atomic::Ordering::Relaxed);
        let mismatches = up.gauges.digest_mismatches.get();
        if !serves {
            // Its own history, which nobody may have agreed to.
            self.servers[server].serves_since = None;
            return Ok(());
        }
        let is_reached = self.servers[server].silent_until <= self.now;
        if self.servers[server].serves_since.is_none() && is_reached && self.leads(server) {
            let epoch = self.servers[server].snapshots.read("currentEpoch");
            let epoch = epoch.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
            self.reign = self.reign.max(Zxid::new(Epoch(epoch), 0));
        }
        self.servers[server].serves_since.get_or_insert(self.now);
        self.commit(server, applied)?;
        if applied > durable {
            return Err(format!("I6: {applied} is applied, durable is {durable}"));
        }
        if mismatches != 0 {
            return Err(format!("I13: server {server} at {applied} has not the proposed digest"));
        }
        if applied > self.history.last {
            return Err(format!("I6: server {server} has applied {applied} without a quorum"));
        }
        self.check_prefix(server, applied)?;
        // All shards have a part in it: once for every state is enough.
        let of = &mut self.servers[server];
        if of.digested == (of.incarnation, applied) {
            return Ok(());
        }
        of.digested = (of.incarnation, applied);
        let digest = of.up.as_ref().map_or(0, |up| up.tree.digest());
        self.check_digest(server, applied, digest)
    }

    /// A leader whose log stands still while proposals wait gives up: others commit without it, and
    /// its clients read the past.
    pub fn check_pace(&mut self, server: usize) -> Checked {
        let tick_us = self.knobs.tick_ms * 1000;
        let patience = (self.knobs.sync_ticks + 3) * tick_us;
        let now = self.now;
        let of = &mut self.servers[server];
        let Some(up) = &of.up else { return Ok(()) };
        let serves = up.gauges.running.load(std::sync::atomic::Ordering::Relaxed);
        let leads = serves && up.gauges.quorum.mode() == Mode::Leader;
        let durable = up.log.durable();
        let proposed = of.entries.last_key_value().map_or(durable, |(zxid, _)| *zxid);
        let (moved_to, since, last_turn) = of.log_moved;
        let stood_still = now - last_turn > tick_us;
        let waits = leads && durable == moved_to && durable < proposed && !stood_still;
        of.log_moved = (durable, if waits { since } else { now }, now);
        match waits && now - since > patience {
            false => Ok(()),
            true => Err(format!(
                "server {server} leads, and its log has not moved from {durable} for {} us; \
                 {proposed} is proposed",
                now - since
            )),
        }
    }

    /// A server whose control role takes no turn does not know what others have agreed on meanwhile: from
    /// syncLimit and a tick on its clients hear nothing of it.
    pub fn check_present(&self, server: usize, sent: &[Sent]) -> Checked {
        let Some((since, until)) = self.servers[server].control_hangs else { return Ok(()) };
        let patience = (self.knobs.sync_ticks + 1) * self.knobs.tick_ms * 1000;
        let answers = sent.iter().any(|sent| !sent.written.is_empty());
        match answers && self.now < until && self.now - since > patience {
            false => Ok(()),
            true => Err(format!(
                "server {server} answers clients, and has taken no turn for {} us",
                self.now - since
            )),
        }
    }

    /// What a server tells its clients is committed, also in the last turn of its service.
    pub fn told(&mut self, server: usize, sent: &[Sent]) -> Checked {
        let mut newest = Zxid::ZERO;
        for mut bytes in sent.iter().map(|sent| sent.written.as_slice()) {
            while let Some((head, rest)) = bytes.split_first_chunk::<4>() {
                let length = i32::from_be_bytes(*head).max(0) as usize;
                let Some(frame) = rest.get(..length) else { break };
                let xid = frame.first_chunk::<4>().map_or(0, |xid| i32::from_be_bytes(*xid));
                // A connect response begins with its version, 0, and shows no zxid.
                if let Some(zxid) = frame.get(4..12).filter(|_| xid != 0)
                    && let Ok(zxid) = <[u8; 8]>::try_from(zxid)
                {
                    newest = newest.max(Zxid(i64::from_be_bytes(zxid)));
                }
                bytes = &rest[length..];
            }
        }
        match newest > self.history.last {
            true => self.commit(server, newest),
            false => Ok(()),
        }
    }

    /// What a server has applied is what was committed, without a gap.
    fn check_prefix(&mut self, server: usize, applied: Zxid) -> Checked {
        let of = &self.servers[server];
        let after = Zxid(of.applied.max(of.base).0 + 1);
        if applied >= after {
            let mine = of.entries.range(after..=applied);
            let right = self.history.entries.range(after..=applied);
            let same = mine.eq(right.map(|(zxid, committed)| (zxid, &committed.bytes)));
            if !same {
                return Err(format!("prefix: server {server} up to {applied} is not the history"));
            }
        }
        let of = &mut self.servers[server];
        of.applied = of.applied.max(applied);
        Ok(())
    }

    fn check_digest(&mut self, server: usize, at: Zxid, digest: u64) -> Checked {
        let known = *self.history.digests.entry(at).or_insert(digest);
        match known == digest {
            true => Ok(()),
            false => Err(format!("I13: server {server} at {at} has {digest:x}, was {known:x}")),
        }
    }

    /// Whether this server could not lose the transaction any more.
    pub fn holds(&self, server: usize, zxid: Zxid, entry: &Bytes) -> bool {
        let of = &self.servers[server];
        let durable = of.up.as_ref().map_or(of.durable, |up| up.log.durable());
        zxid <= of.base || (zxid <= durable && of.entries.get(&zxid) == Some(entry))
    }

    /// What stands behind the history's end on this server. What came to it in a leader's tree, it
    /// has no bytes of: somebody has whose log holds the tree's last transaction, and so the same
    /// before it.
    fn next_of(&self, server: usize, after: Zxid, upto: Zxid) -> Option<(Zxid, Bytes)> {
        let of = &self.servers[server];
        let in_tree = of.base >= after && of.base <= upto;
        let logged = |of: &Server| in_tree && of.entries.contains_key(&self.servers[server].base);
        let of = self.servers.iter().find(|other| logged(other)).unwrap_or(of);
        let next = of.entries.range(after..=upto).next();
        next.map(|(zxid, entry)| (*zxid, entry.clone()))
    }

    /// Appends this server's transactions up to `upto` to the history, as far as a quorum has them.
    fn commit(&mut self, server: usize, upto: Zxid) -> Checked {
        let electorate = self.electorate.clone();
        while self.history.last < upto {
            let after = Zxid(self.history.last.0 + 1);
            let Some((zxid, entry)) = self.next_of(server, after, upto) else { return Ok(()) };
            let agreed = electorate.as_ref().is_none_or(|electorate| {
                electorate.has_quorum(|id| self.holds((id.0 - 1) as usize, zxid, &entry))
            });
            if !agreed {
                return Ok(());
            }
            if self.servers.len() == 1 && zxid != after {
                return Err(format!("I4: {zxid} is committed behind {}", self.history.last));
            }
            self.history.push(zxid, &entry)?;
        }
        Ok(())
    }

    /// Log and tree of a running server go on behind another transaction than before.
    pub fn new_history(&mut self, server: usize, last: Zxid) -> Checked {
        let durable = self.servers[server].up.as_ref().map_or(last, |up| up.log.durable());
        let of = &mut self.servers[server];
        let cut = of.entries.split_off(&Zxid(last.0 + 1));
        if of.entries.contains_key(&last) || last <= of.base {
            of.base = of.base.min(last);
        } else {
            // A leader's whole tree.
            of.entries.clear();
            of.base = last;
        }
        of.shown.insert(last, self.history.last);
        of.applied = last;
        of.is_changing = false;
        self.check_given_up(server, &cut, durable)
    }

    /// What a quorum had, a quorum must still have: this server may be the next to be asked.
    fn check_given_up(&self, server: usize, cut: &BTreeMap<Zxid, Bytes>, durable: Zxid) -> Checked {
        for (zxid, entry) in cut.range(..=durable) {
            let electorate = self.electorate.as_ref();
            let kept = electorate.is_some_and(|electorate| {
                electorate.has_quorum(|id| self.holds((id.0 - 1) as usize, *zxid, entry))
            });
            if self.history.entries.contains_key(zxid) && !kept {
                return Err(format!("lost: server {server} gives {zxid} up, no quorum has it now"));
            }
        }
        Ok(())
    }

    /// What a start has found.
    pub fn restored(&mut self, server: usize, booted: &Booted) -> Checked {
        let restored = &booted.restored;
        let zxid = restored.zxid;
        let alone = self.servers.len() == 1;
        let kept = if alone { self.history.last } else { self.servers[server].durable };
        let changing = std::mem::take(&mut self.servers[server].is_changing);
        if zxid < kept && changing {
            // It died while a leader changed its history.
            let cut = self.servers[server].entries.split_off(&Zxid(zxid.0 + 1));
            self.servers[server].durable = zxid;
            self.check_given_up(server, &cut, kept)?;
        } else if zxid < kept {
            return Err(format!("lost: server {server} had {kept} and starts with {zxid}"));
        }
        if let Some(file) = restored.snapshot.as_ref().filter(|file| changing && file.zxid >= kept)
        {
            // It died with a leader's tree in its files, before it went on behind it.
            let of = &mut self.servers[server];
            of.shown.insert(file.zxid, self.history.last);
            if file.zxid > kept {
                of.entries.clear();
                of.base = file.zxid;
            }
        }
        self.replayed(server, booted)?;
        let of = &mut self.servers[server];
        of.entries.split_off(&Zxid(zxid.0 + 1));
        of.durable = zxid;
        of.applied = zxid;
        // Durable though nobody had heard of it: with one server it counts from now on.
        if alone {
            self.commit(server, zxid)?;
        }
        // A leader's snapshot shows more than its zxid says, and its file does not tell how much: the
        // first digests behind it differ until replay has come that far. The tree is compared below.
        let mismatches = if alone { restored.digests.mismatches } else { 0 };
        if !restored.killed.is_empty() || mismatches > 0 {
            return Err(format!("server {server} at {zxid}: {restored:?}"));
        }
        if zxid != Zxid::ZERO && !self.history.entries.contains_key(&zxid) {
            return Ok(());
        }
        let sessions = self.history.sessions_at(zxid);
        if restored.sessions != sessions {
            return Err(format!(
                "server {server} at {zxid} has sessions {:?}, should be {sessions:?}",
                restored.sessions
            ));
        }
        // What a leader's snapshot shows beyond its zxid is compared when the log has come so far.
        let of = &self.servers[server];
        let upto = restored.snapshot.as_ref().and_then(|file| of.shown.get(&file.zxid));
        if upto.is_some_and(|upto| zxid < *upto) {
            return Ok(());
        }
        let tree = &booted.running.tree;
        self.history.compare(tree, zxid).map_err(|e| format!("server {server} restarted: {e}"))?;
        self.check_digest(server, zxid, tree.digest())?;
        if alone {
            self.history.ending.clear();
            let born = crate::server::BIRTH_MS;
            self.touched = sessions.keys().map(|session| (*session, born)).collect();
        }
        Ok(())
    }

    /// What a start has replayed is what was logged; a process that died had not told of all of it.
    fn replayed(&mut self, server: usize, booted: &Booted) -> Checked {
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
        Ok(())
    }

    /// A server shows all that is committed, and each session's own nodes.
    fn check_tree(&self, server: usize) -> Checked {
        let Some(up) = &self.servers[server].up else {
            return Err(format!("server {server} is down after the storm"));
        };
        let (applied, last) = (up.tree.applied(), self.history.last);
        if applied != last {
            return Err(format!("server {server} is at {applied}, committed is {last}"));
        }
        self.history.compare(&up.tree, applied).map_err(|e| format!("server {server}: {e}"))?;
        let index: BTreeSet<SessionId> = up.tree.sessions_with_ephemerals().into_iter().collect();
        for session in self.history.sessions_at(last).keys().chain(&index) {
            let mut found = up.tree.ephemerals_of(*session);
            found.sort();
            let right = self.history.ephemerals_at(*session, last);
            if found != right {
                return Err(format!("session {session} owns {found:?}, should be {right:?}"));
            }
        }
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
        let last = self.history.last;
        let is_level =
            |server: &Server| server.up.as_ref().is_some_and(|up| up.tree.applied() == last);
        if !self.servers.iter().all(is_level) {
            // The last transaction is still on its way, or a server on its way up.
            self.settled_at = self.now + 1_000_000;
            self.schedule(self.settled_at, Event::Settled);
            return Ok(());
        }
        for server in 0..self.servers.len() {
            self.check_tree(server)?;
        }
        let open: BTreeSet<SessionId> =
            self.history.sessions_at(self.history.last).into_keys().collect();
        let is_known = |session: &SessionId| {
            !self.history.local_sessions || self.history.sessions.contains_key(session)
        };
        let kept: BTreeSet<SessionId> =
            self.clients.iter().map(|client| client.session).filter(is_known).collect();
        let newest = self.servers.iter().filter_map(|server| server.serves_since).max();
        let all_out_at = newest.unwrap_or(0) + self.sessions_last();
        if open != kept && open.is_superset(&kept) && self.now < all_out_at {
            // Who leads since a moment ago began to count every session's time anew.
            self.settled_at = all_out_at;
            self.schedule(all_out_at, Event::Settled);
            return Ok(());
        }
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

/// A transaction in one short line.
struct Short<'a>(&'a Txn);

impl std::fmt::Debug for Short<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = format!("{:?}", self.0);
        let end = text.char_indices().nth(160).map_or(text.len(), |(at, _)| at);
        f.write_str(&text[..end])
    }
}
