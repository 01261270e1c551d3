//! The session table (SessionTrackerImpl, and what makes LocalSessionTracker, LearnerSessionTracker
//! and LeaderSessionTracker of it).

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::FixedState;

use crate::mutants::{self, Mutant};
use crate::types::{ErrorCode, Millis, Owner, ServerId, SessionId};

use super::expiry::Buckets;
use super::ids::{self, IdSource};

/// The bucket of sessions that do not expire here.
const NEVER: Millis = Millis(i64::MAX);

/// Whose a session is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// The ensemble's, and this server decides when it expires.
    Global,
    /// The ensemble's, of a client of this server: the leader decides.
    Remote,
    /// This server's own, which no other knows and no transaction made.
    Local,
}

/// What is said of a session that is not in the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UnknownSessions {
    /// A server on its own: UnknownSession.
    Unknown,
    /// A leader: SessionExpired.
    Expired,
    /// A leader whose learners have sessions of their own: only what this server itself gave the
    /// id of is expired.
    LocalElsewhere(ServerId),
}

#[derive(Debug)]
struct Session {
    scope: Scope,
    /// As agreed when the session was made: what snapshots and transactions carry, milliseconds.
    timeout: i32,
    /// As agreed with the connection it uses now, milliseconds: the length of a lease.
    lease: i32,
    expires: Millis,
    /// The bucket it stands in: never later than `expires`.
    bucket: Millis,
    closing: bool,
    owner: Option<Owner>,
}

/// What [`Sessions::iter`] shows of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionView {
    /// Its number.
    pub id: SessionId,
    /// Milliseconds.
    pub timeout: i32,
    /// When it is due, if it is not heard of before.
    pub expires: Millis,
    /// A closeSession transaction is on its way.
    pub closing: bool,
    /// The connection it was last taken up by, if it is known.
    pub owner: Option<Owner>,
}

/// All sessions of the ensemble, on the server that decides about them.
#[derive(Debug)]
pub struct Sessions {
    by_id: HashMap<SessionId, Session, FixedState>,
    buckets: Buckets,
    ids: IdSource,
    unknown_sessions: UnknownSessions,
    locals: usize,
}

impl Sessions {
    /// `tick_ms`: tickTime in milliseconds, at least 1.
    pub fn new(tick_ms: i64, ids: IdSource) -> Sessions {
        let by_id = HashMap::with_hasher(FixedState::default());
        let (buckets, unknown_sessions) = (Buckets::new(tick_ms), UnknownSessions::Unknown);
        Sessions { by_id, buckets, ids, unknown_sessions, locals: 0 }
    }

    /// From now on [`check`](Self::check) says this of sessions that are not in the table.
    pub fn set_unknown_sessions(&mut self, unknown_sessions: UnknownSessions) {
        self.unknown_sessions = unknown_sessions;
    }

    /// Forgets every session; ids go on where they were.
    pub fn clear(&mut self) {
        self.by_id.clear();
        self.locals = 0;
        self.buckets.clear();
    }

    /// An id for a new session, unlike all that are tracked.
    pub fn next_id(&mut self) -> SessionId {
        loop {
            let id = self.ids.take();
            if !self.by_id.contains_key(&id) {
                return id;
            }
        }
    }

    /// Tracks a session from now on; one that is tracked already is touched
    /// (SessionTrackerImpl.trackSession). `timeout`: milliseconds. False when it was there.
    pub fn create(&mut self, id: SessionId, timeout: i32, now: Millis) -> bool {
        self.create_as(Scope::Global, id, timeout, now)
    }

    /// The same for a session of any scope; one that is there keeps its own.
    pub fn create_as(&mut self, scope: Scope, id: SessionId, timeout: i32, now: Millis) -> bool {
        if let Some(session) = self.by_id.get_mut(&id) {
            session.lease = timeout;
            self.extend(id, now);
            return false;
        }
        let expires = self.buckets.round(now + timeout as i64);
        let bucket = if scope == Scope::Remote { NEVER } else { expires };
        let session = Session {
            scope,
            timeout,
            lease: timeout,
            expires,
            bucket,
            closing: false,
            owner: None,
        };
        self.by_id.insert(id, session);
        if bucket != NEVER {
            self.buckets.put(bucket, id);
        }
        self.locals += usize::from(scope == Scope::Local);
        true
    }

    /// Makes a local session one of the ensemble, of the given scope
    /// (UpgradeableSessionTracker.upgradeSession). The timeout it was made with, in milliseconds;
    /// `None` when it is not a local session.
    pub fn upgrade(&mut self, id: SessionId, scope: Scope, now: Millis) -> Option<i32> {
        let session = self.by_id.get_mut(&id).filter(|s| s.scope == Scope::Local && !s.closing)?;
        session.scope = scope;
        if scope == Scope::Remote {
            session.bucket = NEVER;
        }
        let timeout = session.timeout;
        self.locals -= 1;
        self.extend(id, now);
        Some(timeout)
    }

    /// Known to this server alone.
    pub fn is_local(&self, id: SessionId) -> bool {
        self.by_id.get(&id).is_some_and(|session| session.scope == Scope::Local)
    }

    /// How many local sessions there are.
    pub fn locals(&self) -> usize {
        self.locals
    }

    /// Extends the lease. False when the session is not tracked or closing: its client must be
    /// told that it has expired.
    pub fn touch(&mut self, id: SessionId, now: Millis) -> bool {
        match self.by_id.get(&id) {
            Some(session) if !session.closing => self.extend(id, now),
            Some(_) | None => false,
        }
    }

    /// A client has come back with a timeout of its own, which is the lease from now on.
    /// False as for [`touch`](Self::touch).
    pub fn reopen(&mut self, id: SessionId, timeout: i32, now: Millis) -> bool {
        match self.by_id.get_mut(&id) {
            Some(session) if !session.closing || mutants::on(Mutant::ClosingSessionResumed) => {
                session.lease = timeout;
                self.extend(id, now)
            }
            Some(_) | None => false,
        }
    }

    fn extend(&mut self, id: SessionId, now: Millis) -> bool {
        let Some(session) = self.by_id.get_mut(&id) else { return false };
        session.expires = self.buckets.round(now + session.lease as i64);
        // A shorter lease than before must not wait for the bucket of the longer one.
        if session.expires < session.bucket && session.scope != Scope::Remote {
            session.bucket = session.expires;
            self.buckets.put(session.expires, id);
        }
        true
    }

    /// Tracked and not closing.
    pub fn is_live(&self, id: SessionId) -> bool {
        self.by_id.get(&id).is_some_and(|session| !session.closing)
    }

    /// Whether there is such a session, closing or not.
    pub fn is_tracked(&self, id: SessionId) -> bool {
        self.by_id.contains_key(&id)
    }

    /// Whether its end is on its way.
    pub fn is_closing(&self, id: SessionId) -> bool {
        self.by_id.get(&id).is_some_and(|session| session.closing)
    }

    /// A closeSession transaction is on its way: nothing more is accepted from it.
    pub fn set_closing(&mut self, id: SessionId) {
        if let Some(session) = self.by_id.get_mut(&id) {
            session.closing = true;
        }
    }

    /// The closeSession transaction has been applied.
    pub fn remove(&mut self, id: SessionId) -> bool {
        let removed = self.by_id.remove(&id);
        self.locals -= usize::from(removed.as_ref().is_some_and(|s| s.scope == Scope::Local));
        removed.is_some()
    }

    /// The timeout the session was made with, milliseconds.
    pub fn timeout_of(&self, id: SessionId) -> Option<i32> {
        self.by_id.get(&id).map(|session| session.timeout)
    }

    /// When it will expire if it is not heard of any more; `heard` as in
    /// [`due_unless_heard`](Self::due_unless_heard).
    pub fn expiry_of(&self, id: SessionId, heard: Millis) -> Option<Millis> {
        let session = self.by_id.get(&id)?;
        Some(session.expires.max(self.buckets.round(heard + i64::from(session.lease))))
    }

    /// Through which connection it asks; `None`: unknown, or there is no such session.
    pub fn owner(&self, id: SessionId) -> Option<Owner> {
        self.by_id.get(&id)?.owner
    }

    /// False when the session is not tracked or closing.
    pub fn set_owner(&mut self, id: SessionId, owner: Owner) -> bool {
        match self.by_id.get_mut(&id) {
            Some(session) if !session.closing => {
                session.owner = Some(owner);
                true
            }
            Some(_) | None => false,
        }
    }

    /// Whether a request may go on (SessionTrackerImpl.checkSession): what [`UnknownSessions`] says of a
    /// session that is not there, SessionExpired when closing, SessionMoved when another connection
    /// owns the session. A session without an owner is anybody's, and `None` for `from` asks about
    /// the session alone.
    pub fn check(&self, id: SessionId, from: Option<Owner>) -> Result<(), ErrorCode> {
        let Some(session) = self.by_id.get(&id) else {
            return match self.unknown_sessions {
                UnknownSessions::Unknown => Err(ErrorCode::UnknownSession),
                UnknownSessions::LocalElsewhere(me) if ids::server_byte(id) != me.0 as u8 => Ok(()),
                UnknownSessions::Expired | UnknownSessions::LocalElsewhere(_) => {
                    Err(ErrorCode::SessionExpired)
                }
            };
        };
        if session.closing && !mutants::on(Mutant::ClosingSessionWrites) {
            return Err(ErrorCode::SessionExpired);
        }
        match (session.owner, from) {
            (Some(owner), Some(from)) if owner != from => Err(ErrorCode::SessionMoved),
            (_, _) => Ok(()),
        }
    }

    /// Whether a request for an ephemeral may go on (checkGlobalSession): as [`check`](Self::check),
    /// but whoever is not there has expired, and a local session is refused
    /// EphemeralOnLocalSession.
    pub fn check_global(&self, id: SessionId, from: Option<Owner>) -> Result<(), ErrorCode> {
        match self.by_id.get(&id) {
            None => Err(ErrorCode::SessionExpired),
            Some(session) if session.scope == Scope::Local => {
                Err(ErrorCode::EphemeralOnLocalSession)
            }
            Some(_) => self.check(id, from),
        }
    }

    /// Sessions whose time is up, by deadline and then by id. They are closing from now on.
    pub fn due(&mut self, now: Millis) -> Vec<SessionId> {
        self.due_unless_heard(now, usize::MAX, |_| None)
    }

    /// The same, where touches are not reported one by one: `heard` tells when a session whose
    /// bucket is due was last heard of. No more than `most` are looked at; the others stay due.
    pub fn due_unless_heard(
        &mut self,
        now: Millis,
        most: usize,
        mut heard: impl FnMut(SessionId) -> Option<Millis>,
    ) -> Vec<SessionId> {
        let mut due = Vec::new();
        let mut left = most;
        while left > 0
            && let Some((time, mut ids)) = self.buckets.pop_due(now)
        {
            if ids.len() > left {
                ids.split_off(left).into_iter().for_each(|id| self.buckets.put(time, id));
            }
            left -= ids.len();
            for id in ids {
                let Some(session) = self.by_id.get_mut(&id) else { continue };
                if session.closing || session.bucket != time {
                    continue;
                }
                if let Some(heard) = heard(id) {
                    let lease_end = self.buckets.round(heard + i64::from(session.lease));
                    session.expires = session.expires.max(lease_end);
                }
                if session.expires > time {
                    session.bucket = session.expires;
                    self.buckets.put(session.expires, id);
                } else {
                    session.closing = true;
                    due.push(id);
                }
            }
        }
        due
    }

    /// Whoever is due by now, whether heard of or not, has a whole tick more.
    pub fn spare(&mut self, now: Millis) {
        let until = self.buckets.round(now + self.buckets.tick_ms());
        while let Some((time, ids)) = self.buckets.pop_due(now) {
            for id in ids {
                let Some(session) = self.by_id.get_mut(&id) else { continue };
                if session.closing || session.bucket != time {
                    continue;
                }
                session.expires = session.expires.max(until);
                session.bucket = session.expires;
                self.buckets.put(session.expires, id);
            }
        }
    }

    /// When [`due`](Self::due) may next have something.
    pub fn next_due(&self) -> Option<Millis> {
        self.buckets.first()
    }

    /// Sessions, local and closing ones too.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// There is no session at all.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// All sessions, by id.
    pub fn iter(&self) -> impl Iterator<Item = SessionView> {
        let mut all: Vec<SessionView> = self
            .by_id
            .iter()
            .map(|(id, session)| SessionView {
                id: *id,
                timeout: session.timeout,
                expires: session.expires,
                closing: session.closing,
                owner: session.owner,
            })
            .collect();
        all.sort_unstable_by_key(|session| session.id);
        all.into_iter()
    }

    /// Deadlines and who has them, for the `dump` command (getSessionExpiryMap).
    pub fn expiry_map(&self) -> BTreeMap<Millis, Vec<SessionId>> {
        let mut map: BTreeMap<Millis, Vec<SessionId>> = BTreeMap::new();
        for session in self.iter() {
            map.entry(session.expires).or_default().push(session.id);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::rng::Rng;
    use crate::types::{ConnId, ConnRef, CoreId, ServerId, WallMillis};

    fn sessions() -> Sessions {
        Sessions::new(2000, IdSource::new(ServerId(1), WallMillis(0)))
    }

    fn owner(slot: u32) -> Owner {
        ConnRef { core: CoreId(0), conn: ConnId { slot, generation: 1 } }.into()
    }

    #[test]
    fn deadlines_round_up_to_the_next_tick_even_from_a_boundary() {
        for (now, timeout, deadline) in
            [(0, 4000, 6000), (1, 4000, 6000), (1999, 4000, 6000), (2000, 4000, 8000), (0, 1, 2000)]
        {
            let mut s = sessions();
            s.create(SessionId(1), timeout, Millis(now));
            assert_eq!(s.next_due(), Some(Millis(deadline)));
            assert_eq!(s.due(Millis(deadline - 1)), []);
            assert_eq!(s.due(Millis(deadline)), [SessionId(1)]);
            assert_eq!(s.due(Millis(deadline + 9000)), [], "told once");
        }
    }

    #[test]
    fn a_touch_extends_and_a_shorter_lease_comes_sooner() {
        let mut s = sessions();
        s.create(SessionId(1), 4000, Millis(0));
        assert!(s.touch(SessionId(1), Millis(5000)));
        assert_eq!(s.due(Millis(6000)), []);
        assert_eq!(s.next_due(), Some(Millis(10000)));
        assert_eq!(s.due(Millis(9999)), []);
        assert!(s.reopen(SessionId(1), 40000, Millis(9999)));
        assert_eq!(s.due(Millis(10000)), []);
        assert!(s.reopen(SessionId(1), 2000, Millis(12000)));
        assert_eq!(s.timeout_of(SessionId(1)), Some(4000), "what it was made with stays");
        assert_eq!(s.due(Millis(15999)), []);
        assert_eq!(s.due(Millis(16000)), [SessionId(1)]);
        assert_eq!(s.due(Millis(60000)), []);
    }

    #[test]
    fn the_expired_come_by_deadline_and_then_by_id() {
        let mut s = sessions();
        for (id, timeout) in [(5, 4000), (3, 4000), (9, 2000), (4, 4000), (1, 9000)] {
            s.create(SessionId(id), timeout, Millis(0));
        }
        assert_eq!(s.due(Millis(6000)), [9, 3, 4, 5].map(SessionId));
        assert!(s.is_closing(SessionId(9)) && !s.is_live(SessionId(9)));
        assert!(!s.touch(SessionId(9), Millis(6000)), "too late");
        assert!(!s.reopen(SessionId(9), 4000, Millis(6000)));
        assert!(s.remove(SessionId(9)) && !s.remove(SessionId(9)));
        assert_eq!(s.iter().map(|v| v.id.0).collect::<Vec<_>>(), [1, 3, 4, 5]);
    }

    #[test]
    fn the_spared_have_a_whole_tick_from_now_on() {
        let mut s = sessions();
        s.create(SessionId(1), 3000, Millis(0));
        s.create(SessionId(2), 60_000, Millis(0));
        s.spare(Millis(21_500));
        assert_eq!(s.next_due(), Some(Millis(24_000)));
        assert_eq!(s.due(Millis(23_999)), []);
        assert_eq!(s.due(Millis(24_000)), [SessionId(1)]);
        assert_eq!(s.next_due(), Some(Millis(62_000)), "who was not due is where it was");
    }

    #[test]
    fn requests_are_checked_for_session_and_owner() {
        let mut s = sessions();
        let id = SessionId(7);
        assert_eq!(s.check(id, Some(owner(1))), Err(ErrorCode::UnknownSession));
        assert!(!s.set_owner(id, owner(1)));
        assert!(s.create(id, 4000, Millis(0)));
        assert!(!s.create(id, 4000, Millis(0)), "known");
        assert_eq!(s.check(id, Some(owner(1))), Ok(()), "nobody's yet");
        assert!(s.set_owner(id, owner(1)));
        assert_eq!(s.check(id, Some(owner(1))), Ok(()));
        assert_eq!(s.check(id, Some(owner(2))), Err(ErrorCode::SessionMoved));
        assert_eq!(s.check(id, None), Ok(()));
        s.set_closing(id);
        assert_eq!(s.check(id, Some(owner(2))), Err(ErrorCode::SessionExpired));
        assert!(!s.set_owner(id, owner(2)));
    }

    #[test]
    fn local_sessions_expire_here_and_hold_no_ephemerals_until_upgraded() {
        let mut s = sessions();
        let (a, b, guest) = (SessionId(1), SessionId(2), SessionId(3));
        s.create_as(Scope::Local, a, 4000, Millis(0));
        s.create_as(Scope::Local, b, 4000, Millis(0));
        s.create_as(Scope::Remote, guest, 4000, Millis(0));
        assert!(s.is_local(a) && !s.is_local(guest) && s.locals() == 2);
        assert_eq!(s.check(a, None), Ok(()));
        assert_eq!(s.check_global(a, None), Err(ErrorCode::EphemeralOnLocalSession));
        assert_eq!(s.upgrade(b, Scope::Remote, Millis(0)), Some(4000));
        assert_eq!(s.upgrade(b, Scope::Remote, Millis(0)), None, "once");
        assert_eq!(s.check_global(b, None), Ok(()));
        assert_eq!(s.due(Millis(60_000)), [a], "the leader decides about the others");
        assert_eq!(s.upgrade(a, Scope::Global, Millis(60_000)), None, "too late");
        assert!(s.remove(a) && s.locals() == 0);
        assert!(s.reopen(b, 2000, Millis(60_000)) && s.due(Millis(90_000)).is_empty());
    }

    #[test]
    fn on_a_leader_an_upgraded_session_goes_on_expiring() {
        let mut s = sessions();
        s.create_as(Scope::Local, SessionId(1), 4000, Millis(0));
        assert_eq!(s.upgrade(SessionId(1), Scope::Global, Millis(3000)), Some(4000));
        assert_eq!(s.due(Millis(7999)), []);
        assert_eq!(s.due(Millis(8000)), [SessionId(1)]);
    }

    #[test]
    fn strangers_are_judged_by_what_the_server_is() {
        let mut s = sessions();
        let (mine, another) = (SessionId(1 << 56 | 5), SessionId(-1 << 56 | 5));
        assert_eq!(s.check(another, None), Err(ErrorCode::UnknownSession));
        s.set_unknown_sessions(UnknownSessions::Expired);
        assert_eq!(s.check(another, None), Err(ErrorCode::SessionExpired));
        s.set_unknown_sessions(UnknownSessions::LocalElsewhere(ServerId(1)));
        assert_eq!(s.check(another, None), Ok(()));
        assert_eq!(s.check(mine, None), Err(ErrorCode::SessionExpired));
        assert_eq!(s.check_global(another, None), Err(ErrorCode::SessionExpired));
    }

    #[test]
    fn new_ids_pass_over_tracked_ones() {
        let mut s = sessions();
        let first = SessionId(1 << 56);
        s.create(first, 4000, Millis(0));
        assert_eq!(s.next_id(), SessionId((1 << 56) + 1));
    }

    #[test]
    fn expiry_agrees_with_a_plain_queue_under_random_touches() {
        let mut rng = Rng::new(12345);
        let mut below = |n: u64| rng.below(n);
        let mut s = sessions();
        let mut plain: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
        let mut now = 0;
        let round = |t: i64| (t / 2000 + 1) * 2000;
        for step in 0..20_000 {
            now += below(300) as i64;
            let id = below(60) as i64 + 1;
            let timeout = 2000 + below(9000) as i64;
            match below(4) {
                0 => {
                    let fresh = s.create(SessionId(id), timeout as i32, Millis(now));
                    assert_eq!(fresh, !plain.contains_key(&id));
                    plain.insert(id, (timeout, round(now + timeout)));
                }
                1 => {
                    let known = plain.get_mut(&id).map(|p| *p = (timeout, round(now + timeout)));
                    assert_eq!(
                        s.reopen(SessionId(id), timeout as i32, Millis(now)),
                        known.is_some()
                    );
                }
                _ => {
                    let known = plain.get_mut(&id).map(|p| p.1 = round(now + p.0));
                    assert_eq!(s.touch(SessionId(id), Millis(now)), known.is_some());
                }
            }
            let mut due: Vec<(i64, i64)> =
                plain.iter().filter(|(_, p)| p.1 <= now).map(|(id, p)| (p.1, *id)).collect();
            due.sort_unstable();
            let due: Vec<SessionId> = due.into_iter().map(|(_, id)| SessionId(id)).collect();
            assert_eq!(s.due(Millis(now)), due, "step {step}");
            for id in due {
                plain.remove(&id.0);
                s.remove(id);
            }
        }
    }
}
