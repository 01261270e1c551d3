//! Continuous load on an ensemble, with a ledger of what was acknowledged.
//!
//! *Writers* own a node each, whose value they count up in pipelined bursts, create children and
//! hold an ephemeral node; their sessions must outlive everything that is done to the servers.
//! *Readers* sync and read at other members: what was acknowledged before must be seen, and what
//! a session has seen must never go back. *Watchers* follow the values by one-shot watches alone.
//! Checks that fail end the load with a text that says what is wrong.

use super::roaming::{Lost, Roaming};
use super::wire::{In, OPEN, Out};
use super::{Rng, client::Session};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Milliseconds: longer than any outage that a test makes.
pub const SESSION_TIMEOUT: i32 = 40_000;

/// How long a session looks for a server before the load counts as failed.
const OUTAGE: Duration = Duration::from_secs(60);

/// Children that a writer keeps.
const CHILDREN: usize = 30;

/// How late an event may be while its session is connected.
const EVENT_PATIENCE: Duration = Duration::from_secs(15);

/// What one writer has sent and heard.
#[derive(Default)]
struct Ledger {
    sent: AtomicU64,
    acked: AtomicU64,
    /// Writes of every kind that were acknowledged.
    done: AtomicU64,
    created_sent: AtomicU64,
    children_acked: Mutex<BTreeSet<u64>>,
    session: AtomicU64,
}

struct Shared {
    prefix: String,
    ports: Vec<u16>,
    ledgers: Vec<Ledger>,
    /// Whether a sync must show what was acknowledged anywhere: not while a leader may be cut off
    /// or asleep, since a leader answers syncs without asking its quorum.
    strict: AtomicBool,
    /// Whether it is a failure when it does not. Java's leader answers its own clients' syncs
    /// without waiting for what it has told its followers to commit.
    exact: bool,
    stale: AtomicU64,
    stop: AtomicBool,
    rest: AtomicBool,
    resting: AtomicU64,
    reads: AtomicU64,
    events: AtomicU64,
    reconnects: AtomicU64,
    /// What went wrong.
    wrong: Mutex<Vec<String>>,
}

pub struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What a load did.
#[derive(Debug, Clone, Copy)]
pub struct Sum {
    pub acknowledged: u64,
    pub reads: u64,
    pub events: u64,
    pub reconnects: u64,
    /// Syncs that did not show what was acknowledged before, where that is no failure.
    pub stale: u64,
}

impl Load {
    /// Starts writers, and half as many readers and watchers, on the members behind `ports`.
    /// Everything is below nodes whose names begin with `prefix`. `exact`: syncs are barriers, as
    /// they are where no Java server leads.
    pub fn start(prefix: &str, ports: &[u16], writers: usize, exact: bool) -> Load {
        let shared = Arc::new(Shared {
            prefix: prefix.to_string(),
            ports: ports.to_vec(),
            ledgers: (0..writers).map(|_| Ledger::default()).collect(),
            strict: AtomicBool::new(true),
            exact,
            stale: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            rest: AtomicBool::new(false),
            resting: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            events: AtomicU64::new(0),
            reconnects: AtomicU64::new(0),
            wrong: Mutex::new(Vec::new()),
        });
        let mut threads = Vec::new();
        for index in 0..writers {
            let mut writer = Writer::first(&shared, index);
            threads.push(spawn(&shared, move |shared| writer.run(shared)));
        }
        for index in 0..writers.div_ceil(2) {
            threads.push(spawn(&shared, move |shared| read(shared, index)));
            threads.push(spawn(&shared, move |shared| watch(shared, index)));
        }
        Load { shared, threads }
    }

    pub fn strict(&self, strict: bool) {
        self.shared.strict.store(strict, Ordering::SeqCst);
    }

    /// Panics when a check has failed.
    pub fn assert_right(&self, told: &str) {
        let wrong = self.shared.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(wrong.is_empty(), "{told}: {}", wrong.join("\n"));
    }

    /// Waits until every writer has had a new write acknowledged.
    pub fn wait_progress(&self, told: &str, patience: Duration) {
        let before: Vec<u64> =
            self.shared.ledgers.iter().map(|ledger| load(&ledger.done)).collect();
        let deadline = Instant::now() + patience;
        let stands = |(now, before): (&Ledger, &u64)| load(&now.done) <= *before;
        while self.shared.ledgers.iter().zip(&before).any(stands) {
            self.assert_right(told);
            assert!(Instant::now() < deadline, "{told}: no progress after {patience:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Writes that were acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.shared.ledgers.iter().map(|ledger| load(&ledger.done)).sum()
    }

    /// Lets the load rest: nothing is outstanding and nothing is sent, pings apart.
    pub fn rest(&self, told: &str) {
        self.shared.rest.store(true, Ordering::SeqCst);
        let all = self.threads.len() as u64;
        let deadline = Instant::now() + OUTAGE;
        while self.shared.resting.load(Ordering::SeqCst) < all {
            self.assert_right(told);
            assert!(Instant::now() < deadline, "{told}: the load does not come to rest");
            std::thread::sleep(Duration::from_millis(10));
        }
        self.assert_right(told);
    }

    pub fn go_on(&self) {
        self.shared.rest.store(false, Ordering::SeqCst);
    }

    /// What a member shows, after a sync, against the ledger: to be asked at rest.
    pub fn check(&self, port: u16, told: &str) {
        let mut session = Session::open(port, 30_000);
        session.sync("/");
        for (index, ledger) in self.shared.ledgers.iter().enumerate() {
            let told = format!("{told}: port {port}, writer {index}");
            let path = self.shared.node(index);
            let (data, _) = session.get(&path).unwrap_or_else(|e| panic!("{told}: {path}: {e}"));
            let value = number(&data.unwrap_or_default());
            let (acked, sent) = (load(&ledger.acked), load(&ledger.sent));
            assert!(value >= acked, "{told}: {acked} was acknowledged, {value} is there");
            assert!(value <= sent, "{told}: {sent} was sent at most, {value} is there");
            let names = session.children(&path).unwrap();
            let children: BTreeSet<u64> = names.iter().map(|n| n[1..].parse().unwrap()).collect();
            let acked = ledger.children_acked.lock().unwrap_or_else(PoisonError::into_inner);
            let lost: Vec<&u64> = acked.difference(&children).collect();
            assert!(lost.is_empty(), "{told}: children {lost:?} were acknowledged and are lost");
            let last = children.last().copied().unwrap_or(0);
            assert!(last <= load(&ledger.created_sent), "{told}: child {last} was never sent");
            let lease = self.shared.lease(index);
            let (_, stat) = session.get(&lease).unwrap_or_else(|e| panic!("{told}: {lease}: {e}"));
            assert_eq!(stat.owner as u64, load(&ledger.session), "{told}: owner of {lease}");
        }
        session.close();
    }

    /// Ends the load; the ephemerals must go with their sessions.
    pub fn finish(mut self, told: &str) -> Sum {
        self.assert_right(told);
        self.shared.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
        self.assert_right(told);
        let mut session = Session::open(self.shared.ports[0], 30_000);
        session.sync("/");
        for index in 0..self.shared.ledgers.len() {
            let lease = self.shared.lease(index);
            assert_eq!(
                session.get(&lease).err(),
                Some(-101),
                "{told}: {lease} of a closed session"
            );
        }
        session.close();
        Sum {
            acknowledged: self.shared.ledgers.iter().map(|ledger| load(&ledger.done)).sum(),
            reads: load(&self.shared.reads),
            events: load(&self.shared.events),
            reconnects: load(&self.shared.reconnects),
            stale: load(&self.shared.stale),
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn load(number: &AtomicU64) -> u64 {
    number.load(Ordering::SeqCst)
}

fn number(data: &[u8]) -> u64 {
    std::str::from_utf8(data).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

impl Ledger {
    /// Takes the oldest child off the ledger, when there are many: from here it may be there or
    /// not.
    fn oldest_child(&self) -> Option<u64> {
        let mut children = self.children_acked.lock().unwrap_or_else(PoisonError::into_inner);
        if children.len() > CHILDREN { children.pop_first() } else { None }
    }
}

#[derive(Debug, Clone, Copy)]
enum Op {
    Set,
    Create,
    Delete,
}

impl Shared {
    fn node(&self, index: usize) -> String {
        format!("/{}w{index}", self.prefix)
    }

    fn lease(&self, index: usize) -> String {
        format!("/{}e{index}", self.prefix)
    }

    fn over(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Stays here while the load rests, and keeps the session alive.
    fn pause_point(&self, session: &mut Roaming) -> Result<(), Lost> {
        if !self.rest.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.resting.fetch_add(1, Ordering::SeqCst);
        let mut kept_alive = Ok(());
        while self.rest.load(Ordering::SeqCst) && !self.over() {
            std::thread::sleep(Duration::from_millis(20));
            if kept_alive.is_ok() && session.heard_at.elapsed() > Duration::from_secs(5) {
                kept_alive = session.ping();
            }
        }
        self.resting.fetch_sub(1, Ordering::SeqCst);
        kept_alive.and_then(|()| session.ping())
    }

    fn fail(&self, told: String) {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).push(told);
    }
}

/// Runs one part of the load; a panic in it is a failed check, and the thread still comes to rest.
fn spawn(
    shared: &Arc<Shared>,
    run: impl FnOnce(&Shared) -> Result<(), String> + Send + 'static,
) -> JoinHandle<()> {
    let shared = shared.clone();
    std::thread::spawn(move || {
        let run = std::panic::AssertUnwindSafe(|| run(&shared));
        match std::panic::catch_unwind(run) {
            Ok(Ok(())) => {}
            Ok(Err(told)) => shared.fail(told),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                shared.fail(text.unwrap_or_else(|| "a thread of the load panicked".into()));
            }
        }
        shared.resting.fetch_add(1, Ordering::SeqCst);
    })
}

/// Attaches again, and says why it could not. That a server kept a connection and did not answer
/// for longer than any fault lasts is told too: a server without a leader closes.
fn attach(session: &mut Roaming, who: &str) -> Result<bool, String> {
    if let Some(silence) = session.silences.pop() {
        return Err(format!("{who}: {silence}"));
    }
    let heard = session.heard_at.elapsed();
    session.attach(OUTAGE).map_err(|lost| match lost {
        Lost::Session => format!(
            "{who}: session {:#x} was said to be over at port {}, {heard:?} after the last reply",
            session.session(),
            session.port()
        ),
        Lost::Connection => format!("{who}: no server took the session for {OUTAGE:?}"),
    })
}

struct Writer {
    index: usize,
    session: Roaming,
    rng: Rng,
    /// Children of the burst that was sent last.
    burst: Vec<u64>,
}

impl Writer {
    fn first(shared: &Shared, index: usize) -> Writer {
        let mut session = Roaming::new(&shared.ports, index, SESSION_TIMEOUT);
        attach(&mut session, "first").unwrap_or_else(|told| panic!("{told}"));
        assert_eq!(session.create(&shared.node(index), b"0", 0), Ok(0));
        assert_eq!(session.create(&shared.lease(index), b"", 1), Ok(0));
        shared.ledgers[index].session.store(session.session() as u64, Ordering::SeqCst);
        Writer { index, session, rng: Rng::new(index as u64), burst: Vec::new() }
    }

    fn run(&mut self, shared: &Shared) -> Result<(), String> {
        let who = format!("writer {}", self.index);
        while !shared.over() {
            let again = attach(&mut self.session, &who)?;
            let turn = if again { self.look(shared) } else { Ok(()) };
            match turn.and_then(|()| self.burst(shared)) {
                Ok(()) | Err(Lost::Connection) => {}
                Err(Lost::Session) => return Err(format!("{who}: its session is over")),
            }
            let _ = shared.pause_point(&mut self.session);
            // Pacing: the servers' CPUs are this one's too.
            std::thread::sleep(Duration::from_millis(4));
        }
        shared.reconnects.fetch_add(self.session.reconnects, Ordering::SeqCst);
        attach(&mut self.session, &who)?;
        let _ = self.session.call(-11, &Out::new());
        Ok(())
    }

    /// After a reconnect: nothing that was acknowledged is gone, nothing is there from nowhere,
    /// of the burst that was cut off a beginning is there, and the ephemeral is.
    fn look(&mut self, shared: &Shared) -> Result<(), Lost> {
        let ledger = &shared.ledgers[self.index];
        let told = format!("writer {} at port {}", self.index, self.session.port());
        let path = shared.node(self.index);
        let value = self.session.get_synced(&path)?;
        let value = number(&value.unwrap_or_else(|e| panic!("{told}: {path}: error {e}")));
        let (acked, sent) = (load(&ledger.acked), load(&ledger.sent));
        assert!(
            value >= acked || !shared.exact || !shared.strict.load(Ordering::SeqCst),
            "{told}: {acked} was acknowledged, {value} is there"
        );
        assert!(value <= sent, "{told}: {sent} was sent at most, {value} is there");
        let mut missing = None;
        for child in std::mem::take(&mut self.burst) {
            let body = Out::new().str(&format!("{path}/c{child}")).bool(false);
            match (self.session.call(3, &body)?.err, missing) {
                (0, Some(before)) => {
                    panic!("{told}: child {child} is there and {before}, sent before it, is not")
                }
                (0, None) => {}
                (_, None) => missing = Some(child),
                (_, Some(_)) => {}
            }
        }
        let lease = Out::new().str(&shared.lease(self.index)).bool(false);
        let reply = self.session.call(3, &lease)?;
        assert_eq!(reply.err, 0, "{told}: the session lives and its ephemeral is gone");
        Ok(())
    }

    fn burst(&mut self, shared: &Shared) -> Result<(), Lost> {
        let ledger = &shared.ledgers[self.index];
        let path = shared.node(self.index);
        let count = 1 + self.rng.below(12);
        let mut sent = Vec::new();
        self.burst.clear();
        for _ in 0..count {
            // A number counts as sent before its first byte leaves.
            if self.rng.percent(4) {
                let number = ledger.created_sent.fetch_add(1, Ordering::SeqCst) + 1;
                let child = format!("{path}/c{number}");
                self.burst.push(number);
                sent.push((Op::Create, number));
                let body = Out::new().str(&child).buffer(None).acls(Some(OPEN)).i32(0);
                self.session.send(1, &body)?;
            } else if let Some(number) = ledger.oldest_child() {
                sent.push((Op::Delete, number));
                let body = Out::new().str(&format!("{path}/c{number}")).i32(-1);
                self.session.send(2, &body)?;
            } else {
                let number = ledger.sent.fetch_add(1, Ordering::SeqCst) + 1;
                sent.push((Op::Set, number));
                let text = number.to_string();
                let body = Out::new().str(&path).buffer(Some(text.as_bytes())).i32(-1);
                self.session.send(5, &body)?;
            }
        }
        for (op, number) in sent {
            let reply = self.session.reply()?;
            assert_eq!(reply.err, 0, "writer {}: {op:?} {number}", self.index);
            ledger.done.fetch_add(1, Ordering::SeqCst);
            match op {
                Op::Create => {
                    let children = ledger.children_acked.lock();
                    children.unwrap_or_else(PoisonError::into_inner).insert(number);
                }
                Op::Delete => {}
                Op::Set => ledger.acked.store(number, Ordering::SeqCst),
            }
        }
        self.burst.clear();
        Ok(())
    }
}

/// Syncs and reads what others write.
fn read(shared: &Shared, index: usize) -> Result<(), String> {
    let who = format!("reader {index}");
    let mut session = Roaming::new(&shared.ports, index + 1, SESSION_TIMEOUT);
    let mut seen = vec![0; shared.ledgers.len()];
    let mut rng = Rng::new(1000 + index as u64);
    while !shared.over() {
        attach(&mut session, &who)?;
        let writer = rng.below(shared.ledgers.len());
        let strict = shared.strict.load(Ordering::SeqCst);
        let acked = load(&shared.ledgers[writer].acked);
        match session.get_synced(&shared.node(writer)) {
            Ok(Ok(data)) => {
                let value = number(&data);
                let port = session.port();
                let stale = strict && shared.strict.load(Ordering::SeqCst) && value < acked;
                shared.stale.fetch_add(u64::from(stale), Ordering::SeqCst);
                if stale && shared.exact {
                    return Err(format!(
                        "{who} at port {port}: {value} after a sync, {acked} was acknowledged before"
                    ));
                }
                if value < seen[writer] {
                    let before = seen[writer];
                    return Err(format!("{who} at port {port}: {value} after {before}"));
                }
                seen[writer] = value;
                shared.reads.fetch_add(1, Ordering::SeqCst);
            }
            Ok(Err(code)) => return Err(format!("{who}: error {code}")),
            Err(Lost::Connection) => {}
            Err(Lost::Session) => return Err(format!("{who}: its session is over")),
        }
        if rng.percent(1) {
            // Another member: what was seen must not go back there.
            session.drop_connection();
            let next = session.ports.len() - 1;
            session.ports.rotate_left(1.min(next));
        }
        let _ = shared.pause_point(&mut session);
        std::thread::sleep(Duration::from_millis(5));
    }
    shared.reconnects.fetch_add(session.reconnects, Ordering::SeqCst);
    attach(&mut session, &who)?;
    let _ = session.call(-11, &Out::new());
    Ok(())
}

/// Follows one writer's value by one-shot watches alone; asks again for its watch after a
/// reconnect, and then hears of what it missed.
fn watch(shared: &Shared, index: usize) -> Result<(), String> {
    let who = format!("watcher {index}");
    let writer = index % shared.ledgers.len();
    let path = shared.node(writer);
    let mut session = Roaming::new(&shared.ports, index + 2, SESSION_TIMEOUT);
    let (mut seen, mut watching) = (0, false);
    let mut late: Option<Instant> = None;
    while !shared.over() {
        let again = attach(&mut session, &who)?;
        let turn = (|| {
            if again {
                late = None;
                if watching {
                    session.watch_again(std::slice::from_ref(&path))?;
                }
            }
            if !watching {
                let reply = session.call(4, &Out::new().str(&path).bool(true))?;
                let value = number(In::new(&reply.body).buffer().ok().flatten().unwrap_or(&[]));
                if value < seen {
                    return Ok(Some(format!("{who}: {value} after {seen}")));
                }
                (seen, watching, late) = (value, true, None);
            }
            match session.event(Duration::from_millis(200))? {
                Some(event) => {
                    if event.kind != 3 || event.path != path {
                        return Ok(Some(format!("{who}: {event:?}")));
                    }
                    watching = false;
                    shared.events.fetch_add(1, Ordering::SeqCst);
                }
                // Something newer than what it read was acknowledged: its event has to come.
                None if load(&shared.ledgers[writer].acked) > seen => {
                    session.ping()?;
                    let since = *late.get_or_insert_with(Instant::now);
                    if since.elapsed() > EVENT_PATIENCE && shared.strict.load(Ordering::SeqCst) {
                        return Ok(Some(format!(
                            "{who} at port {}: no event after {EVENT_PATIENCE:?} for what is newer \
                             than {seen}",
                            session.port()
                        )));
                    }
                }
                None => session.ping()?,
            }
            Ok(None)
        })();
        match turn {
            Ok(Some(told)) => return Err(told),
            Ok(None) | Err(Lost::Connection) => {}
            Err(Lost::Session) => return Err(format!("{who}: its session is over")),
        }
        let _ = shared.pause_point(&mut session);
    }
    shared.reconnects.fetch_add(session.reconnects, Ordering::SeqCst);
    attach(&mut session, &who)?;
    let _ = session.call(-11, &Out::new());
    Ok(())
}
