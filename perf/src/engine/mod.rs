//! Runs a load: threads, each with a ring and its share of the connections.
//!
//! * [`lane`]: one connection's state
//! * [`load`](crate::load): what the connections say, behind [`Load`]
//! * [`worker`]: one thread's loop
//! * [`run`]: the threads together, and the result
//!
//! A worker connects its lanes, waits for the other workers, then drives the load until the window
//! ends: closed loop (a new request for every answer) or open loop (a request when the schedule
//! says). It then waits for every answer still owed and closes the sessions. Nothing spins: a
//! worker with nothing to do sleeps in the ring until a completion or the next intended send.

pub mod lane;
pub mod run;
pub mod worker;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::fault::Fault;
use crate::record::{Class, Recorder};
use crate::ring::Gather;
use crate::schedule::Arrival;
use crate::wire::Reply;
use lane::{Lane, Pending};

/// How hard to push.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Pace {
    /// `depth` requests outstanding on every connection.
    Closed { depth: usize },
    /// `rate` requests/s in all, whatever is outstanding.
    Open { rate: f64, arrival: Arrival },
}

/// When the run ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Until {
    /// After a warm-up and a window, nanoseconds each.
    Time { warmup: u64, window: u64 },
    /// When the load says that its work is done.
    Exhausted,
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub servers: Vec<SocketAddr>,
    pub connections: usize,
    pub threads: usize,
    /// CPU of each thread, if they are pinned.
    pub pin: Vec<usize>,
    pub pace: Pace,
    pub until: Until,
    pub interval: u64,
    pub session_timeout_ms: i32,
    pub seed: u64,
}

/// What all workers of a run see.
#[derive(Default)]
pub struct Shared {
    pub stop: AtomicBool,
    pub fault: Mutex<Option<Fault>>,
    /// Workers whose lanes are live.
    pub ready: AtomicUsize,
    /// When the load begins (clock nanoseconds); 0: not yet.
    pub start: AtomicU64,
    /// Units finished so far, for progress.
    pub finished: AtomicU64,
    pub live: AtomicUsize,
}

impl Shared {
    /// Keeps the first fault and stops every worker.
    pub fn fail(&self, fault: Fault) {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
        self.stop.store(true, Ordering::SeqCst);
    }
}

/// What a load may touch while it handles something.
pub struct Cx<'a> {
    pub now: u64,
    /// The window is over: finish what is under way, begin nothing.
    pub ending: bool,
    pub recorder: &'a mut Recorder,
    pub rng: &'a mut fastrand::Rng,
    pub(crate) lanes: &'a mut [Lane],
    pub(crate) dirty: &'a mut Vec<usize>,
    pub(crate) commands: &'a mut Vec<Command>,
    /// Requests of this worker that have not been answered.
    pub(crate) in_flight: &'a mut usize,
}

pub(crate) enum Command {
    Connect(usize),
    Close(usize),
}

impl Cx<'_> {
    /// Queues a request of `class`, meant for the moment `at`; `build` writes its frame.
    pub fn request(
        &mut self,
        lane: usize,
        class: usize,
        tag: u64,
        at: u64,
        build: impl FnOnce(&mut Vec<u8>, i32),
    ) {
        let l = &mut self.lanes[lane];
        let xid = l.take_xid();
        l.pending.push_back(Pending { xid, class: class as u16, tag, at });
        *self.in_flight += 1;
        build(&mut l.out, xid);
        self.touch(lane);
    }

    /// Asks the server to end the lane's session; [`Load::closed`] follows.
    pub fn close_session(&mut self, lane: usize) {
        let now = self.now;
        self.lanes[lane].leaving = true;
        self.request(lane, usize::from(lane::CLOSE), 0, now, crate::wire::close_session);
    }

    /// Opens a lane that is closed; [`Load::live`] follows.
    pub fn connect(&mut self, lane: usize) {
        self.commands.push(Command::Connect(lane));
    }

    pub fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// When the lane's connect was started.
    pub fn connect_started(&self, lane: usize) -> u64 {
        self.lanes[lane].started
    }

    pub fn server(&self, lane: usize) -> String {
        self.lanes[lane].server.to_string()
    }

    pub fn refuse<T>(&self, lane: usize, what: impl Into<String>) -> Result<T, Fault> {
        Err(Fault::Reply { lane, server: self.server(lane), what: what.into() })
    }

    fn touch(&mut self, lane: usize) {
        if !std::mem::replace(&mut self.lanes[lane].dirty, true) {
            self.dirty.push(lane);
        }
    }
}

/// What the connections of one worker say and expect.
pub trait Load: Send {
    /// The classes it records, by the index used in requests.
    fn classes(&self) -> Vec<Class>;

    /// Whether the engine paces it ([`Load::issue`]), or it goes by itself from
    /// [`Load::begin`] on.
    fn paced(&self) -> bool {
        true
    }

    /// Whether it opens the connections itself.
    fn connects(&self) -> bool {
        false
    }

    /// All lanes are live, the run begins.
    fn begin(&mut self, _cx: &mut Cx<'_>) -> Result<(), Fault> {
        Ok(())
    }

    /// Sends the next request on `lane`, counted from `at`. `false`: nothing left to do.
    fn issue(&mut self, _cx: &mut Cx<'_>, _lane: usize, _at: u64) -> Result<bool, Fault> {
        Ok(false)
    }

    /// A reply whose xid and zxid are in order. Checks the rest and records it.
    fn reply(
        &mut self,
        cx: &mut Cx<'_>,
        lane: usize,
        asked: Pending,
        reply: &Reply<'_>,
    ) -> Result<(), Fault>;

    fn event(&mut self, cx: &mut Cx<'_>, lane: usize, _event: &Reply<'_>) -> Result<(), Fault> {
        cx.refuse(lane, "an event that nobody asked for")
    }

    /// A session is there.
    fn live(&mut self, _cx: &mut Cx<'_>, _lane: usize) -> Result<(), Fault> {
        Ok(())
    }

    /// A lane that was asked to leave has left.
    fn closed(&mut self, _cx: &mut Cx<'_>, _lane: usize) -> Result<(), Fault> {
        Ok(())
    }

    /// Whether what comes may be let gather; no, where each latency counts.
    fn gather(&self) -> Option<Gather> {
        None
    }

    /// When [`Load::tick`] wants to be called next.
    fn deadline(&self) -> Option<u64> {
        None
    }

    fn tick(&mut self, _cx: &mut Cx<'_>) -> Result<(), Fault> {
        Ok(())
    }

    /// Whether all work is done ([`Until::Exhausted`]).
    fn exhausted(&self) -> bool {
        false
    }
}
