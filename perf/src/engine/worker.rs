//! One thread of the driver.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Duration;

use crate::clock::{now, thread_cpu};
use crate::fault::Fault;
use crate::record::{ClassResult, Recorder, Window};
use crate::ring::{Event, Ring};
use crate::schedule::Schedule;
use crate::wire::{self, ConnectReply, FRAME_MAX, Reply};

use super::lane::{CLOSE, HANDSHAKE, Lane, PING, Pending, State};
use super::{Command, Cx, Load, Pace, Plan, Shared, Until};

/// Handshakes under way at once on one worker: Java's accept queue holds 50.
const HANDSHAKES_MAX: usize = 48;
/// Completions handled before what they caused is submitted: a request must not wait behind a
/// thousand others' parsing.
const EVENTS_PER_TURN: usize = 64;
/// Requests in flight per worker above which an open loop gives up on the server.
const BACKLOG_MAX: usize = 4_000_000;
/// Patience with a server that owes answers after the window, and with one that does not connect.
const DRAIN: Duration = Duration::from_secs(60);
const SECOND: u64 = 1_000_000_000;

/// What one thread brings home.
pub struct Outcome {
    pub classes: Vec<ClassResult>,
    pub window: Window,
    pub cpu_ns: u64,
    /// Time spent runnable but waiting for a CPU, during the window.
    pub waited_ns: u64,
    pub wall_ns: u64,
}

pub struct Worker<'a> {
    plan: &'a Plan,
    shared: Arc<Shared>,
    load: Box<dyn Load>,
    index: usize,
    ring: Ring,
    lanes: Vec<Lane>,
    recorder: Recorder,
    rng: fastrand::Rng,
    dirty: Vec<usize>,
    commands: Vec<Command>,
    now: u64,
    ending: bool,
    in_flight: usize,
    handshakes: usize,
    turn_robin: usize,
}

impl<'a> Worker<'a> {
    /// `lanes`: numbers, in the whole run, of the connections this worker has.
    pub fn new(
        plan: &'a Plan,
        shared: Arc<Shared>,
        load: Box<dyn Load>,
        index: usize,
        lanes: impl Iterator<Item = usize>,
    ) -> Result<Worker<'a>, Fault> {
        let lanes: Vec<Lane> =
            lanes.map(|n| Lane::new(plan.servers[n % plan.servers.len()])).collect();
        let ring = Ring::new(lanes.len()).map_err(Fault::io("starting the driver's ring"))?;
        let recorder = Recorder::new(&load.classes());
        Ok(Worker {
            plan,
            shared,
            load,
            index,
            ring,
            lanes,
            recorder,
            rng: fastrand::Rng::with_seed(plan.seed.wrapping_add(index as u64 * 7919)),
            dirty: Vec::new(),
            commands: Vec::new(),
            now: now(),
            ending: false,
            in_flight: 0,
            handshakes: 0,
            turn_robin: 0,
        })
    }

    /// The whole run of this thread. A fault stops the other workers, too.
    pub fn run(mut self) -> Option<Outcome> {
        match self.drive() {
            Ok(outcome) => {
                let window = self.recorder.window();
                Some(Outcome { window, classes: self.recorder.finish(), ..outcome })
            }
            Err(fault) => {
                self.shared.fail(fault);
                None
            }
        }
    }

    fn drive(&mut self) -> Result<Outcome, Fault> {
        if !self.load.connects() {
            self.connect_all()?;
        }
        let start = self.wait_for_the_others()?;
        let (end, window) = self.window(start);
        self.recorder.open(window);
        self.with_load(|load, cx| load.begin(cx))?;
        let mut schedule = self.schedule(start);
        if schedule.is_none() && self.load.paced() {
            self.fill_lanes()?;
        }
        let mut meter = Meter::default();
        let mut housekeeping = start + SECOND / 4;
        loop {
            self.now = now();
            if !meter.running && self.now >= window.start {
                meter.begin();
            }
            if self.now >= housekeeping {
                self.housekeeping()?;
                housekeeping = self.now + SECOND / 4;
            }
            if self.now >= end || self.load.exhausted() {
                break;
            }
            if let Some(schedule) = &mut schedule {
                self.issue_due(schedule, end)?;
            }
            self.tick()?;
            self.execute()?;
            let due = schedule.as_ref().map(Schedule::due);
            let deadline = [due, self.load.deadline(), Some(housekeeping), Some(end)];
            let deadline = deadline.into_iter().flatten().min().unwrap_or(end);
            self.turn(deadline)?;
        }
        let outcome = meter.end();
        if self.plan.until == Until::Exhausted {
            self.recorder.cut(self.now);
        }
        self.ending = true;
        self.drain()?;
        self.leave()?;
        Ok(outcome)
    }

    fn window(&self, start: u64) -> (u64, Window) {
        let (from, end) = match self.plan.until {
            Until::Time { warmup, window } => (start + warmup, start + warmup + window),
            Until::Exhausted => (start, u64::MAX / 2),
        };
        let by_intent = matches!(self.plan.pace, Pace::Open { .. });
        (end, Window { start: from, end, by_intent, interval: self.plan.interval })
    }

    fn schedule(&self, start: u64) -> Option<Schedule> {
        match self.plan.pace {
            Pace::Open { rate, arrival } if self.load.paced() => Some(Schedule::new(
                arrival,
                rate,
                start,
                self.index,
                self.plan.threads,
                self.plan.seed,
            )),
            Pace::Open { .. } | Pace::Closed { .. } => None,
        }
    }

    fn connect_all(&mut self) -> Result<(), Fault> {
        let began = now();
        let mut next = 0;
        while self.lanes.iter().any(|l| l.state != State::Live) {
            while next < self.lanes.len() && self.handshakes < HANDSHAKES_MAX {
                self.commands.push(Command::Connect(next));
                self.handshakes += 1;
                next += 1;
            }
            self.execute()?;
            self.turn(now() + SECOND / 10)?;
            self.patience(began, "for sessions")?;
        }
        Ok(())
    }

    /// Sets the common start a moment after the last worker is ready.
    fn wait_for_the_others(&mut self) -> Result<u64, Fault> {
        if self.shared.ready.fetch_add(1, SeqCst) + 1 == self.plan.threads {
            self.shared.start.store(now() + SECOND / 500, SeqCst);
        }
        loop {
            let start = self.shared.start.load(SeqCst);
            if start > 0 && now() >= start {
                return Ok(start);
            }
            self.turn(if start > 0 { start } else { now() + SECOND / 200 })?;
            self.stopped()?;
        }
    }

    fn fill_lanes(&mut self) -> Result<(), Fault> {
        let Pace::Closed { depth } = self.plan.pace else { return Ok(()) };
        for lane in 0..self.lanes.len() {
            for _ in 0..depth {
                let at = self.now;
                self.with_load(|load, cx| load.issue(cx, lane, at).map(drop))?;
            }
        }
        self.flush()
    }

    fn issue_due(&mut self, schedule: &mut Schedule, end: u64) -> Result<(), Fault> {
        let mut budget = EVENTS_PER_TURN;
        while schedule.due() <= self.now && schedule.due() < end && budget > 0 {
            let at = schedule.take();
            let lane = self.turn_robin % self.lanes.len();
            self.turn_robin += 1;
            self.with_load(|load, cx| load.issue(cx, lane, at).map(drop))?;
            budget -= 1;
        }
        if self.in_flight > BACKLOG_MAX {
            return Err(Fault::Behind(format!(
                "{} requests unanswered: the server cannot follow the offered rate",
                self.in_flight
            )));
        }
        self.flush()
    }

    fn tick(&mut self) -> Result<(), Fault> {
        if self.load.deadline().is_some_and(|at| at <= self.now) {
            self.with_load(|load, cx| load.tick(cx))?;
        }
        self.flush()
    }

    /// Waits for events until `deadline`, then handles some of them.
    fn turn(&mut self, deadline: u64) -> Result<(), Fault> {
        let timeout = Duration::from_nanos(deadline.saturating_sub(now()));
        self.ring.turn(timeout, self.load.gather()).map_err(Fault::io("the driver's ring"))?;
        for _ in 0..EVENTS_PER_TURN {
            let event = self.ring.next_event().map_err(Fault::io("the driver's ring"))?;
            let Some(event) = event else { break };
            self.now = now();
            self.handle(event)?;
        }
        self.flush()
    }

    fn handle(&mut self, event: Event) -> Result<(), Fault> {
        match event {
            Event::Connected(lane) => {
                let at = self.now;
                let timeout = self.plan.session_timeout_ms;
                let l = &mut self.lanes[lane];
                l.pending.push_back(Pending { xid: 0, class: HANDSHAKE, tag: 0, at });
                wire::connect(&mut l.out, timeout);
                self.in_flight += 1;
                self.send(lane)
            }
            Event::Sent(lane) => self.send(lane),
            Event::Data(lane, chunk) => {
                let bytes = self.ring.bytes(&chunk);
                // Split borrow: the ring is only read while the load looks at its bytes.
                let mut hands = Hands {
                    cx: Cx {
                        now: self.now,
                        ending: self.ending,
                        recorder: &mut self.recorder,
                        rng: &mut self.rng,
                        lanes: &mut self.lanes,
                        dirty: &mut self.dirty,
                        commands: &mut self.commands,
                        in_flight: &mut self.in_flight,
                    },
                    load: &mut *self.load,
                    shared: &self.shared,
                    closed_loop: matches!(self.plan.pace, Pace::Closed { .. }),
                    handshakes: &mut self.handshakes,
                };
                hands.feed(lane, bytes)?;
                self.ring.release(chunk);
                Ok(())
            }
            Event::Closed(lane, error) => self.lane_closed(lane, error),
        }
    }

    fn lane_closed(&mut self, lane: usize, error: Option<std::io::Error>) -> Result<(), Fault> {
        let l = &mut self.lanes[lane];
        let owed = l.pending.len();
        if l.leaving && owed == 0 {
            if l.state == State::Live {
                self.shared.live.fetch_sub(1, Relaxed);
            }
            let started = l.started;
            l.reset();
            l.started = started;
            return self.with_load(|load, cx| load.closed(cx, lane));
        }
        let what = match error {
            Some(e) => format!("failed with {owed} answers owed: {e}"),
            None => format!("was closed by the server with {owed} answers owed"),
        };
        Err(Fault::Connection { lane, server: l.server.to_string(), what })
    }

    fn with_load(
        &mut self,
        f: impl FnOnce(&mut dyn Load, &mut Cx<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut cx = Cx {
            now: self.now,
            ending: self.ending,
            recorder: &mut self.recorder,
            rng: &mut self.rng,
            lanes: &mut self.lanes,
            dirty: &mut self.dirty,
            commands: &mut self.commands,
            in_flight: &mut self.in_flight,
        };
        f(&mut *self.load, &mut cx)
    }

    fn execute(&mut self) -> Result<(), Fault> {
        for command in std::mem::take(&mut self.commands) {
            match command {
                Command::Connect(lane) => {
                    let l = &mut self.lanes[lane];
                    l.state = State::Connecting;
                    l.started = now();
                    let server = l.server;
                    self.ring
                        .connect(lane, server)
                        .map_err(Fault::io(format!("connecting to {server}")))?;
                }
                Command::Close(lane) => self.ring.close(lane),
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Fault> {
        while let Some(lane) = self.dirty.pop() {
            self.lanes[lane].dirty = false;
            self.send(lane)?;
        }
        if !self.commands.is_empty() {
            self.execute()?;
        }
        Ok(())
    }

    fn send(&mut self, lane: usize) -> Result<(), Fault> {
        let l = &mut self.lanes[lane];
        if l.out.is_empty() {
            return Ok(());
        }
        l.last_sent = self.now;
        self.ring.send(lane, &mut l.out).map_err(Fault::io("sending")).map(drop)
    }

    fn housekeeping(&mut self) -> Result<(), Fault> {
        self.stopped()?;
        self.shared.finished.fetch_add(std::mem::take(&mut self.recorder.finished), Relaxed);
        let idle = self.plan.session_timeout_ms as u64 * 1_000_000 / 3;
        for lane in 0..self.lanes.len() {
            let l = &mut self.lanes[lane];
            if l.state == State::Live && !l.leaving && self.now.saturating_sub(l.last_sent) > idle {
                l.pending.push_back(Pending {
                    xid: wire::XID_PING,
                    class: PING,
                    tag: 0,
                    at: self.now,
                });
                wire::ping(&mut l.out);
                self.in_flight += 1;
                self.send(lane)?;
            }
        }
        Ok(())
    }

    /// Waits for every answer still owed.
    fn drain(&mut self) -> Result<(), Fault> {
        let began = now();
        let busy = |l: &Lane| !l.pending.is_empty() || l.state == State::Connecting || l.leaving;
        while self.lanes.iter().any(busy) {
            self.turn(now() + SECOND / 10)?;
            self.patience(began, "for answers still owed after the run")?;
        }
        self.shared.finished.fetch_add(std::mem::take(&mut self.recorder.finished), Relaxed);
        Ok(())
    }

    /// Closes the sessions, so that the next run finds the server without ours.
    fn leave(&mut self) -> Result<(), Fault> {
        let began = now();
        self.now = began;
        for lane in 0..self.lanes.len() {
            if self.lanes[lane].state == State::Live {
                self.with_load(|_, cx| {
                    cx.close_session(lane);
                    Ok(())
                })?;
            }
        }
        self.flush()?;
        while self.lanes.iter().any(|l| l.state != State::Closed) {
            self.turn(now() + SECOND / 10)?;
            self.patience(began, "for sessions to close")?;
        }
        Ok(())
    }

    fn patience(&self, began: u64, what: &str) -> Result<(), Fault> {
        self.stopped()?;
        if now() - began > DRAIN.as_nanos() as u64 {
            let owed: usize = self.lanes.iter().map(|l| l.pending.len()).sum();
            let secs = DRAIN.as_secs();
            return Err(Fault::Behind(format!("waited {secs} s {what} ({owed} answers owed)")));
        }
        Ok(())
    }

    fn stopped(&self) -> Result<(), Fault> {
        if self.shared.stop.load(Relaxed) { Err(Fault::Interrupted) } else { Ok(()) }
    }
}

/// What is needed to take received bytes apart while the ring lends them.
struct Hands<'a, 'b> {
    cx: Cx<'a>,
    load: &'b mut dyn Load,
    shared: &'b Shared,
    closed_loop: bool,
    handshakes: &'b mut usize,
}

impl Hands<'_, '_> {
    fn feed(&mut self, lane: usize, mut bytes: &[u8]) -> Result<(), Fault> {
        let mut partial = std::mem::take(&mut self.cx.lanes[lane].partial);
        if !partial.is_empty() {
            partial.extend_from_slice(bytes);
            let used = self.frames(lane, &partial)?;
            partial.drain(..used);
        } else {
            let used = self.frames(lane, bytes)?;
            bytes = &bytes[used..];
            partial.extend_from_slice(bytes);
        }
        self.cx.lanes[lane].partial = partial;
        Ok(())
    }

    /// Handles every whole frame; how many bytes those were.
    fn frames(&mut self, lane: usize, bytes: &[u8]) -> Result<usize, Fault> {
        let mut used = 0;
        while let Some(len) = wire::frame_len(&bytes[used..]) {
            if len > FRAME_MAX {
                return self.cx.refuse(lane, format!("a frame of {len} bytes"));
            }
            let Some(payload) = bytes[used + 4..].get(..len) else { break };
            self.payload(lane, payload)?;
            used += 4 + len;
        }
        Ok(used)
    }

    fn payload(&mut self, lane: usize, payload: &[u8]) -> Result<(), Fault> {
        if self.cx.lanes[lane].pending.front().is_some_and(|p| p.class == HANDSHAKE) {
            return self.session(lane, payload);
        }
        let Some(reply) = Reply::parse(payload) else {
            return self.cx.refuse(lane, format!("a reply of {} bytes", payload.len()));
        };
        let l = &mut self.cx.lanes[lane];
        if reply.zxid > 0 {
            if reply.zxid < l.last_zxid {
                let (got, had) = (reply.zxid, l.last_zxid);
                return self.cx.refuse(lane, format!("zxid {got:#x} after {had:#x}"));
            }
            l.last_zxid = reply.zxid;
        }
        if reply.xid == wire::XID_EVENT {
            return self.load.event(&mut self.cx, lane, &reply);
        }
        let Some(asked) = l.pending.pop_front() else {
            return self.cx.refuse(lane, format!("a reply nobody waits for, xid {}", reply.xid));
        };
        *self.cx.in_flight = self.cx.in_flight.saturating_sub(1);
        if asked.xid != reply.xid {
            let (want, got) = (asked.xid, reply.xid);
            return self.cx.refuse(lane, format!("xid {got} where {want} is due"));
        }
        match asked.class {
            PING | CLOSE if reply.err == wire::err::OK => {
                if asked.class == CLOSE {
                    self.cx.commands.push(Command::Close(lane));
                }
                Ok(())
            }
            PING | CLOSE => self.cx.refuse(lane, format!("error {} to a ping or close", reply.err)),
            _ => {
                self.load.reply(&mut self.cx, lane, asked, &reply)?;
                if self.closed_loop && self.load.paced() && !self.cx.ending {
                    let at = self.cx.now;
                    self.load.issue(&mut self.cx, lane, at)?;
                }
                Ok(())
            }
        }
    }

    fn session(&mut self, lane: usize, payload: &[u8]) -> Result<(), Fault> {
        let l = &mut self.cx.lanes[lane];
        l.pending.pop_front();
        *self.cx.in_flight = self.cx.in_flight.saturating_sub(1);
        match ConnectReply::parse(payload) {
            Some(reply) if reply.timeout_ms > 0 && reply.session != 0 => {
                l.state = State::Live;
                l.session = reply.session;
                self.shared.live.fetch_add(1, Relaxed);
                *self.handshakes = self.handshakes.saturating_sub(1);
                self.load.live(&mut self.cx, lane)
            }
            Some(_) => self.cx.refuse(lane, "the server refused a session"),
            None => self.cx.refuse(lane, format!("a connect reply of {} bytes", payload.len())),
        }
    }
}

/// The driver's own use of its CPU during the window.
#[derive(Default)]
struct Meter {
    running: bool,
    cpu: u64,
    waited: u64,
    wall: u64,
}

impl Meter {
    fn begin(&mut self) {
        *self = Meter { running: true, cpu: thread_cpu(), waited: run_delay(), wall: now() };
    }

    fn end(&self) -> Outcome {
        let since = |then: u64, now: u64| if self.running { now.saturating_sub(then) } else { 0 };
        Outcome {
            classes: Vec::new(),
            window: Window { start: 0, end: 0, by_intent: false, interval: 1 },
            cpu_ns: since(self.cpu, thread_cpu()),
            waited_ns: since(self.waited, run_delay()),
            wall_ns: since(self.wall, now()),
        }
    }
}

/// Nanoseconds this thread has been runnable without a CPU (second field of schedstat).
fn run_delay() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().nth(1).and_then(|t| t.parse().ok()).unwrap_or(0)
}
