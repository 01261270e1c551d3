//! A server's process in the world: its roles' turns, its ends and its starts.

use std::sync::atomic::Ordering;

use ringkeeper::history::{purge, tidy};
use ringkeeper::log::LogEvent;
use ringkeeper::log::name::{list_logs, log_name};
use ringkeeper::metrics::quorum::Mode;
use ringkeeper::roles::control::Verdict;
use ringkeeper::roles::jobs::Job;
use ringkeeper::roles::log::PROMISE_AFTER;
use ringkeeper::roles::message::ToControl;
use ringkeeper::snapshot::{self, directory};
use ringkeeper::types::{ServerId, Zxid};

use crate::disk::SimDisk;
use crate::rot::Rot;
use crate::server::Server;
use crate::storage::Step;
use crate::world::{Checked, Event, Stage, World};

/// A start that failed for want of a disk is tried again after this.
const RETRY_US: i64 = 300_000;
/// Snapshots within snapshots' pauses.
const DEPTH_MAX: usize = 3;

impl World {
    /// Whether this turn is due; one of a paused process is put off.
    fn is_due(&mut self, server: usize, planned: Option<i64>, at: i64, event: Event) -> bool {
        if planned != Some(at) {
            return false;
        }
        let mut until = self.servers[server].paused_until;
        if let (Event::Control { .. }, Some((_, hangs))) =
            (&event, self.servers[server].control_hangs)
        {
            until = until.max(hangs);
        }
        if until <= self.now {
            return true;
        }
        self.plan_turn(server, event, until);
        false
    }

    /// From now on for so long the control role takes no turn, if it serves clients.
    pub fn hang_control(&mut self, server: usize, for_us: i64) {
        let now = self.now;
        let of = &mut self.servers[server];
        let mode = of.up.as_ref().map(|up| up.gauges.quorum.mode());
        let has_leader = matches!(mode, Some(Mode::Leader | Mode::Follower | Mode::Observer));
        if has_leader && of.serves_since.is_some() {
            of.control_hangs = Some((now, now + for_us));
        }
    }

    /// What [`ringkeeper::node::standstill`] does on its thread: a control role that has taken no turn
    /// for syncLimit is said to stand still.
    fn look_at_control(&mut self, server: usize) {
        let half_tick_us = self.knobs.tick_ms * 500;
        let patience = 2 * self.knobs.sync_ticks * half_tick_us + half_tick_us;
        let of = &self.servers[server];
        let (Some((since, until)), Some(up)) = (of.control_hangs, &of.up) else { return };
        if self.now.min(until) - since >= patience {
            up.shared.turns.stand_still();
        }
    }

    /// Notes when a role runs next, if that is earlier than it would.
    fn plan_turn(&mut self, server: usize, event: Event, at: i64) {
        let at = at.max(self.now);
        let Some(up) = &mut self.servers[server].up else { return };
        let planned = match &event {
            Event::Control { .. } => &mut up.control_at,
            Event::Core { core, .. } => &mut up.cores[*core].at,
            Event::Log { .. } => &mut up.log_at,
            _ => &mut up.prepare_at,
        };
        if planned.is_none_or(|before| at < before || before <= self.now) {
            *planned = Some(at);
            self.schedule(at, event);
        }
    }

    /// Gives turns to the roles that have something to do.
    pub fn poke(&mut self, server: usize) {
        let (now, turn_us) = (self.now, self.knobs.turn_us);
        let disk_us = self.knobs.disk_us;
        let Some(up) = &mut self.servers[server].up else { return };
        let control = up.control.has_mail();
        let is_at_disk = up.log.is_at_disk();
        // What the disk is busy with ends when it was to end, whatever else happens here.
        let log = up.log.has_work() && !(is_at_disk && up.log_at.is_some());
        let (prepare, is_urgent) = (up.log.has_job(), up.log.has_urgent_job());
        let cores = up.cores.len();
        let plan = |world: &mut World, event, usual, hang| {
            let delay = world.servers[server].takes(now, usual) + hang;
            world.plan_turn(server, event, now + delay);
        };
        if control {
            plan(self, Event::Control { server }, turn_us, 0);
        }
        for core in 0..cores {
            if self.servers[server].up.as_mut().is_some_and(|up| up.cores[core].has_work()) {
                plan(self, Event::Core { server, core }, turn_us, 0);
            }
        }
        if log {
            let hang = match is_at_disk {
                true => std::mem::take(&mut self.servers[server].hang_us),
                false => 0,
            };
            let usual = if is_at_disk { disk_us } else { turn_us };
            plan(self, Event::Log { server }, usual, hang);
        }
        if prepare {
            let rest = if is_urgent { 0 } else { PROMISE_AFTER.as_micros() as i64 };
            plan(self, Event::Prepare { server }, disk_us, rest);
        }
    }

    pub fn control_turn(&mut self, server: usize, at: i64) -> Checked {
        let planned = self.servers[server].up.as_ref().and_then(|up| up.control_at);
        if !self.is_due(server, planned, at, Event::Control { server }) {
            return Ok(());
        }
        let (now, wall) = (self.servers[server].now(self.now), self.servers[server].wall(self.now));
        let Some(up) = &mut self.servers[server].up else { return Ok(()) };
        up.control_at = None;
        self.look_at_control(server);
        self.servers[server].control_hangs = None;
        let Some(up) = &mut self.servers[server].up else { return Ok(()) };
        let verdict = up.control.turn(now, wall);
        let mut proposed = up.log.take_mail();
        // A change of history ends the log and begins another behind what is then loaded.
        while let Some(up) = &mut self.servers[server].up {
            let Ok((last, inbox)) = up.log_started.try_recv() else { break };
            let dirs = up.dirs.clone();
            self.proposed(server, std::mem::take(&mut proposed))?;
            let log = self.servers[server].new_log(&self.knobs, &dirs, last, inbox);
            self.note(|| format!("server {server} goes on behind {last}"));
            self.new_history(server, last)?;
            let Some(up) = &mut self.servers[server].up else { break };
            up.log = log;
            proposed = up.log.take_mail();
        }
        if self.has_died(server) {
            return Ok(());
        }
        self.proposed(server, proposed)?;
        self.observe(server)?;
        self.check_pace(server)?;
        if self.ambush(server) {
            return Ok(());
        }
        let Some(up) = &mut self.servers[server].up else { return Ok(()) };
        // One job at a time: the queue holds no more.
        if let Ok(job) = up.jobs.try_recv() {
            up.waiting_jobs.push_back(job);
            let incarnation = self.servers[server].incarnation;
            let delay = self.rng.latency(20_000);
            self.schedule(self.now + delay, Event::Snapshot { server, incarnation });
        }
        self.history_jobs(server);
        self.peer_commands(server);
        self.learner_jobs(server);
        match verdict {
            Verdict::WaitUntil(Some(at)) => {
                let at = self.servers[server].when(at);
                self.plan_turn(server, Event::Control { server }, at.max(self.now + 1));
            }
            Verdict::WaitUntil(None) => {}
            Verdict::Failed(why) => {
                self.failed(server, &why.to_string());
                return Ok(());
            }
            Verdict::Finished => {
                self.note(|| format!("server {server} has stopped"));
                let down = self.servers[server].dies_with.1;
                self.end_process(server, false, down);
                return Ok(());
            }
        }
        self.poke(server);
        Ok(())
    }

    pub fn core_turn(&mut self, server: usize, core: usize, at: i64) -> Checked {
        let planned = self.servers[server].up.as_ref().and_then(|up| up.cores[core].at);
        if !self.is_due(server, planned, at, Event::Core { server, core }) {
            return Ok(());
        }
        let (now, wall) = (self.servers[server].now(self.now), self.servers[server].wall(self.now));
        self.touch(server, core);
        self.look_at_control(server);
        let Some(up) = &mut self.servers[server].up else { return Ok(()) };
        let hosted = &mut up.cores[core];
        hosted.at = None;
        let mut events = hosted.role.net().take_events();
        hosted.role.turn(&mut events, now, wall);
        let mut sent = Vec::new();
        hosted.role.net().take_sent(&mut sent);
        let released = hosted.role.net().take_released();
        let deadline = hosted.role.deadline();
        self.released(&released)?;
        self.told(server, &sent)?;
        self.check_present(server, &sent)?;
        self.server_sent(server, sent);
        if let Some(at) = deadline {
            let at = self.servers[server].when(at);
            self.plan_turn(server, Event::Core { server, core }, at.max(self.now + 1));
        }
        self.poke(server);
        Ok(())
    }

    pub fn log_step(&mut self, server: usize, at: i64) -> Checked {
        let planned = self.servers[server].up.as_ref().and_then(|up| up.log_at);
        if !self.is_due(server, planned, at, Event::Log { server }) {
            return Ok(());
        }
        let now = self.servers[server].now(self.now);
        let Some(up) = &mut self.servers[server].up else { return Ok(()) };
        up.log_at = None;
        let step = up.log.step(now);
        if self.has_died(server) {
            return Ok(());
        }
        match step {
            Step::Did => {}
            Step::Idle(deadline) => {
                if let Some(at) = deadline {
                    let at = self.servers[server].when(at);
                    self.plan_turn(server, Event::Log { server }, at.max(self.now + 1));
                }
                let Some(up) = &self.servers[server].up else { return Ok(()) };
                if !up.log.has_work() {
                    return Ok(());
                }
            }
            Step::Report(event) => {
                let Some(up) = &self.servers[server].up else { return Ok(()) };
                up.to_control.push(ToControl::Log(event));
                if event == LogEvent::Stopped {
                    self.servers[server].is_changing = true;
                }
                self.note(|| format!("server {server} log {event:?}"));
            }
            Step::Failed(text) => self.failed(server, &text),
        }
        self.poke(server);
        Ok(())
    }

    pub fn prepare_step(&mut self, server: usize, at: i64) -> Checked {
        let planned = self.servers[server].up.as_ref().and_then(|up| up.prepare_at);
        if !self.is_due(server, planned, at, Event::Prepare { server }) {
            return Ok(());
        }
        let Some(up) = &mut self.servers[server].up else { return Ok(()) };
        up.prepare_at = None;
        let prepared = up.log.prepare();
        if self.has_died(server) {
            return Ok(());
        }
        if let Err(text) = prepared {
            self.failed(server, &text);
        }
        self.poke(server);
        Ok(())
    }

    /// The disk has refused: the process ends, as the hook of the log makes it (I11).
    fn failed(&mut self, server: usize, text: &str) {
        self.note(|| format!("server {server} ends: {text}"));
        self.crash(server, false, RETRY_US);
    }

    /// Whether the process has ended at a change of its disk.
    fn has_died(&mut self, server: usize) -> bool {
        let Some(up) = &self.servers[server].up else { return true };
        if up.alive.load(Ordering::SeqCst) {
            return false;
        }
        let (power, down_us) = self.servers[server].dies_with;
        self.note(|| format!("server {server} dies at a change of its disk"));
        self.crash(server, power, down_us);
        true
    }

    /// The housekeeping thread writes a snapshot; the world goes on in its pauses.
    pub fn snapshot(&mut self, server: usize, incarnation: u64) -> Checked {
        if self.servers[server].incarnation != incarnation {
            return Ok(());
        }
        if self.depth >= DEPTH_MAX || self.servers[server].paused_until > self.now {
            let at = self.now.max(self.servers[server].paused_until) + 10_000;
            self.schedule(at, Event::Snapshot { server, incarnation });
            return Ok(());
        }
        let Some(up) = &mut self.servers[server].up else { return Ok(()) };
        let Some(job) = up.waiting_jobs.pop_front() else { return Ok(()) };
        let Job::Snapshot { sessions, at, restored_upto, abandoned, .. } = job;
        let (dirs, tree) = (up.dirs.clone(), up.tree.clone());
        let mut options = up.options.clone();
        (options.at, options.restored_upto) = (at, restored_upto);
        let slice = self.knobs.snapshot_slice;
        self.note(|| format!("server {server} begins snapshot {at}"));
        self.depth += 1;
        let written = snapshot::write::write_in_slices(
            dirs.snapshots.as_ref(),
            &tree,
            &sessions,
            &options,
            slice,
            &mut |_| {
                for _ in 0..self.rng.below(12) {
                    if self.failure.is_some() || self.stage == Stage::Over {
                        return false;
                    }
                    if let Err(failure) = self.one_event() {
                        self.failure = Some(failure);
                        return false;
                    }
                }
                self.servers[server].incarnation == incarnation && !abandoned.load(Ordering::SeqCst)
            },
        );
        self.depth -= 1;
        if self.servers[server].incarnation != incarnation || self.has_died(server) {
            return Ok(());
        }
        let outcome = written.map(|report| report.name).map_err(|e| e.to_string());
        self.note(|| format!("server {server} snapshot {outcome:?}"));
        let tidied = tidy((dirs.snapshots.as_ref(), dirs.logs.as_ref()));
        if self.has_died(server) {
            return Ok(());
        }
        self.note(|| format!("server {server} tidies: {tidied:?}"));
        if let Some(up) = &self.servers[server].up {
            up.to_control.push(ToControl::SnapshotDone);
        }
        self.poke(server);
        Ok(())
    }

    /// What a control turn has left for the thread that changes histories.
    fn history_jobs(&mut self, server: usize) {
        let incarnation = self.servers[server].incarnation;
        let Some(up) = &mut self.servers[server].up else { return };
        let before = up.changing.len();
        while let Ok(job) = up.history_jobs.try_recv() {
            up.changing.push_back(job);
        }
        for _ in before..up.changing.len() {
            let delay = self.rng.latency(10 * self.knobs.disk_us);
            self.schedule(self.now + delay, Event::History { server, incarnation });
        }
    }

    /// That thread does its next job, while everything else goes on.
    pub fn history(&mut self, server: usize, incarnation: u64) -> Checked {
        if self.servers[server].incarnation != incarnation {
            return Ok(());
        }
        let until = self.servers[server].paused_until;
        if until > self.now {
            self.schedule(until, Event::History { server, incarnation });
            return Ok(());
        }
        let Some(up) = &mut self.servers[server].up else { return Ok(()) };
        let (Some(job), Some(history)) = (up.changing.pop_front(), &mut up.history) else {
            return Ok(());
        };
        let changed = history.take(job);
        if let Some(changed) = changed {
            up.to_control.push(ToControl::HistoryChanged(Box::new(changed)));
        }
        if !self.has_died(server) {
            self.poke(server);
        }
        Ok(())
    }

    /// The process ends here; with `power` its machine does.
    pub fn crash(&mut self, server: usize, power: bool, down_us: i64) {
        if self.servers[server].up.is_none() {
            return;
        }
        self.note(|| format!("server {server} crashes, power={power}"));
        self.crashes += 1;
        self.end_process(server, power, down_us);
    }

    fn end_process(&mut self, server: usize, power: bool, down_us: i64) {
        self.put_out(server, power);
        self.schedule(self.now + down_us, Event::Boot { server });
    }

    /// Ends, and does not start again by itself.
    pub fn put_out(&mut self, server: usize, power: bool) {
        if let Some(up) = &self.servers[server].up {
            self.servers[server].durable = up.log.durable();
        }
        self.servers[server].end(power);
        self.drop_wires(server, power);
        self.drop_pipes(server, power);
    }

    /// An empty disk in the old one's place, if the others can do without it; else a crash.
    ///
    /// A server that forgets what it acknowledged and promised breaks what agreement rests on: one
    /// such server and others that lag behind are a quorum without what was committed. Java's server
    /// has no defence either. So a quorum of the others must run, hold all that this server's disk
    /// holds, and have promised and entered no older epoch; and all of it must be committed, or the
    /// leader could still count an acknowledgement with nothing behind it. A server without a vote
    /// may always go.
    pub fn wipe(&mut self, server: usize, down_us: i64) {
        let may = self.may_be_wiped(server);
        self.crash(server, true, down_us);
        if !may {
            return;
        }
        self.note(|| format!("server {server} loses its disks"));
        let of = &mut self.servers[server];
        for disk in [&of.logs, &of.snapshots, &of.marker] {
            disk.wipe();
        }
        of.entries.clear();
        (of.base, of.durable, of.applied) = (Zxid::ZERO, Zxid::ZERO, Zxid::ZERO);
        of.is_changing = false;
    }

    fn may_be_wiped(&self, server: usize) -> bool {
        let me = &self.servers[server];
        let (Some(up), Some(electorate)) = (&me.up, &self.electorate) else { return false };
        if me.is_changing || !me.rot.is_empty() {
            return false;
        }
        let id = |of: usize| ServerId(of as i64 + 1);
        let epochs = |of: &Server| {
            let read = |name| of.snapshots.read(name).and_then(|text| text.trim().parse().ok());
            (read("acceptedEpoch").unwrap_or(0u32), read("currentEpoch").unwrap_or(0u32))
        };
        let (last, (accepted, current)) = (up.log.durable(), epochs(me));
        let entry = me.entries.get(&last);
        let has_all = |other: &Server| {
            let holds = match entry {
                Some(entry) => self.holds(other.id, last, entry),
                None => other.base >= last || other.entries.contains_key(&last),
            };
            let theirs = epochs(other);
            holds && other.up.is_some() && theirs.0 >= accepted && theirs.1 >= current
        };
        let others = self.servers.iter().filter(|other| other.id != server && has_all(other));
        let safe: Vec<ServerId> = others.map(|other| id(other.id)).collect();
        let spared = last <= self.history.last && electorate.has_quorum(|id| safe.contains(&id));
        !electorate.is_voter(id(server)) || spared
    }

    /// Who leads, as far as it knows itself.
    pub fn leader(&self) -> Option<usize> {
        (0..self.servers.len()).find(|server| self.leads(*server))
    }

    pub fn leads(&self, server: usize) -> bool {
        self.servers[server].up.as_ref().is_some_and(|up| {
            up.gauges.quorum.mode() == ringkeeper::metrics::quorum::Mode::Leader
                && up.gauges.quorum.is_serving()
        })
    }

    pub fn stop(&mut self, server: usize, down_us: i64) {
        if let Some(up) = &self.servers[server].up {
            up.to_control.push(ToControl::Stop);
            self.servers[server].dies_with.1 = down_us;
            self.poke(server);
        }
    }

    pub fn boot(&mut self, server: usize) -> Checked {
        if self.servers[server].up.is_some() {
            return Ok(());
        }
        let dies = self.servers[server].dies_at_start.take();
        if let Some((changes, _)) = dies {
            self.any_disk(server).kill_after(changes);
        }
        let knobs = self.knobs.clone();
        let booted = self.servers[server].boot(self.now, &knobs);
        let booted = match booted {
            Ok(booted) => booted,
            Err(text) => return self.boot_failed(server, dies, text),
        };
        self.servers[server].turn_back();
        if !booted.running.alive.load(Ordering::SeqCst) {
            self.servers[server].end(dies.is_some_and(|(_, power)| power));
            self.schedule(self.now + RETRY_US, Event::Boot { server });
            return Ok(());
        }
        let zxid = booted.restored.zxid;
        let files = self.servers[server].logs.describe();
        self.note(|| format!("server {server} starts with {zxid}: {files}"));
        self.restored(server, &booted)?;
        self.servers[server].up = Some(booted.running);
        self.plan_turn(server, Event::Control { server }, self.now + 1);
        self.plan_turn(server, Event::Log { server }, self.now + 1);
        self.poke(server);
        Ok(())
    }

    /// A start may fail where a disk does, and must where one lies.
    fn boot_failed(&mut self, server: usize, dies: Option<(u64, bool)>, text: String) -> Checked {
        self.note(|| format!("server {server} does not start: {text}"));
        let of = &mut self.servers[server];
        let is_full = of.full_until > self.now;
        let had_rot = of.turn_back();
        let excused = dies.is_some()
            || is_full
            || had_rot
            || of.logs.had_trouble() | of.snapshots.had_trouble();
        of.end(dies.is_some_and(|(_, power)| power));
        if !excused {
            return Err(format!("server {server} does not start: {text}"));
        }
        self.schedule(self.now + RETRY_US, Event::Boot { server });
        Ok(())
    }

    pub fn any_disk(&mut self, server: usize) -> SimDisk {
        let logs = self.rng.below(4) > 0;
        let server = &self.servers[server];
        if logs { server.logs.clone() } else { server.snapshots.clone() }
    }

    pub fn fill(&mut self, server: usize, until: i64) {
        self.servers[server].full_until = until;
        self.servers[server].logs.set_full(true);
        self.plan_fault(until, crate::faults::Fault::DiskFree { server });
    }

    pub fn rot(&mut self, server: usize, down_us: i64) {
        let Some(up) = &self.servers[server].up else { return };
        let (last_batch, promised) = (up.log.last_batch, up.log.promised);
        if !self.servers[server].rot.is_empty() {
            return;
        }
        self.crash(server, false, down_us);
        let of_logs = self.rng.one_in(2);
        let server = &mut self.servers[server];
        let disk = if of_logs { server.logs.clone() } else { server.snapshots.clone() };
        let rng = &mut server.rng;
        let promised = promised.filter(|_| of_logs);
        let promised = promised.map(|promise| (log_name(promise.first), promise.length as usize));
        let rot = match (promised, rng.below(4)) {
            // The end of what is known to have been durable.
            (Some((name, length)), 0 | 1) => Rot::of_the_end(&disk, rng, &name, length),
            (Some((name, length)), 2) => {
                Rot::of_what_nobody_promises(&disk, rng, (&name, length), last_batch)
            }
            (None, 0) if !of_logs => {
                let rots = Rot::of_all_snapshots(&disk, rng);
                server.rot.extend(rots.into_iter().map(|rot| (false, rot)));
                None
            }
            (Some(_) | None, _) => Rot::of_any_bit(&disk, rng, last_batch),
        };
        server.rot.extend(rot.map(|rot| (of_logs, rot)));
        let rot = format!("{:?}", server.rot);
        self.note(|| rot);
    }

    pub fn ask_for_snapshot(&mut self, server: usize) {
        if let Some(up) = &self.servers[server].up {
            up.to_control.push(ToControl::Snapshot);
            self.poke(server);
        }
    }

    pub fn purge(&mut self, server: usize) -> Checked {
        let retain = self.knobs.retain;
        let Some(up) = &self.servers[server].up else { return Ok(()) };
        // The one writer of the folder is this thread; no snapshot is being written beside it.
        if self.depth > 0 {
            return Ok(());
        }
        let purged = purge((up.dirs.snapshots.as_ref(), up.dirs.logs.as_ref()), retain).is_ok();
        match self.has_died(server) || !purged {
            true => Ok(()),
            false => self.check_kept(server),
        }
    }

    /// Whatever snapshot is kept, the log that goes on behind it is kept too: the newer ones may turn
    /// out to be damaged.
    fn check_kept(&self, server: usize) -> Checked {
        let of = &self.servers[server];
        let Some(up) = &of.up else { return Ok(()) };
        let files = directory::snapshots(up.dirs.snapshots.as_ref()).map_err(|e| e.to_string())?;
        let logs = list_logs(up.dirs.logs.as_ref()).map_err(|e| e.to_string())?;
        let durable = up.log.durable();
        for file in files {
            let Some((next, _)) = of.entries.range(Zxid(file.zxid.0 + 1)..).next() else {
                continue;
            };
            if *next <= durable && !logs.iter().any(|log| log.first <= *next) {
                return Err(format!("server {server} keeps {}, and no log with {next}", file.name));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::knobs::Knobs;
    use crate::world::{Event, World};

    #[test]
    fn a_disk_is_busy_for_as_long_as_it_was_to_be_whatever_else_happens() {
        // Goal: clients, timers and other roles of a server give its log no earlier turn. One that did made
        // every write short and let a hung disk go on at once: seeds no longer found what needs a slow one.
        let mut world = World::new(3, Knobs::draw(3, Some(1)), Vec::new(), false);
        world.schedule(0, Event::Boot { server: 0 });
        (0..world.clients.len()).for_each(|client| world.wake_client(client));
        while world.servers[0].serves_since.is_none() {
            world.one_event().unwrap();
        }
        let hang_us = 2_000_000;
        world.servers[0].hang_us = hang_us;
        while world.servers[0].hang_us > 0 {
            world.one_event().unwrap();
        }
        let durable = |world: &World| world.servers[0].up.as_ref().unwrap().log.durable();
        let (began, before, events) = (world.now, durable(&world), world.events);
        while world.now < began + hang_us {
            assert_eq!(durable(&world), before, "{} us after it began", world.now - began);
            world.one_event().unwrap();
        }
        assert!(world.events > events + 5, "something happens meanwhile");
        while durable(&world) == before {
            world.one_event().unwrap();
        }
    }
}
