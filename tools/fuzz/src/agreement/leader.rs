//! A leader, and learners that say anything.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;

use ringkeeper::membership::{Electorate, Members};
use ringkeeper::types::{Epoch, Link, Millis, ServerId, Zxid, limits};
use ringkeeper::zab::{
    Leader, LeaderEffect, LeaderInput, LeaderParts, LogChunk, LogEnd, Readers, SyncRules, Window,
};

use super::{Draw, Log, MEMBERS, STEPS, TIMING, end_of_history, entry};

/// The leader, its disk and window, and what is still to be done for it.
struct Leading<'a> {
    draw: Draw<'a>,
    leader: Leader,
    window: Window,
    log: Log,
    now: Millis,
    /// Where its history ended when it began.
    last: Zxid,
    agreed: Zxid,
    /// Links that were ever opened.
    links: u64,
    tasks: VecDeque<LeaderInput>,
    out: Vec<LeaderEffect>,
}

pub fn fuzz_leader(data: &[u8]) {
    let Ok(members) = Members::parse(MEMBERS) else { return };
    let mut leading = Leading::of(data, members);
    for _ in 0..STEPS {
        leading.leader.settle(&mut leading.window, &mut leading.out);
        for effect in std::mem::take(&mut leading.out) {
            if leading.carry_out(effect).is_break() {
                return;
            }
        }
        if leading.leader.is_serving() {
            let (end, committed) = (leading.window.end(), leading.leader.committed());
            assert_eq!(end, Some(committed), "the window ends with what is agreed");
        }
        if leading.draw.is_over() {
            return;
        }
        if let Some(input) = leading.input() {
            leading.step(input);
        }
    }
}

impl Leading<'_> {
    fn of(data: &[u8], members: Members) -> Leading<'_> {
        let mut draw = Draw { bytes: data };
        let (kind, depth) = (draw.byte(), draw.byte());
        let current = Epoch(1 + u32::from(kind >> 6));
        let last = end_of_history(kind, depth, current);
        let mut window = Window::new(8, 4096);
        window.restart(last);
        let rules = SyncRules {
            force_snapshot: kind & 4 != 0,
            use_log: kind & 8 != 0,
            diff_syncs: 1,
            ..SyncRules::default()
        };
        let parts = LeaderParts {
            me: ServerId(1),
            accepted: current,
            current,
            last,
            electorate: Electorate::new(Arc::new(members)),
            reconfig_enabled: kind & 16 != 0,
            timing: TIMING,
            readers: Readers::default(),
            rules,
            handover_counter: if kind & 32 != 0 { 40 } else { limits::HANDOVER_COUNTER },
        };
        let mut out = Vec::new();
        Leading {
            draw,
            leader: Leader::new(parts, Millis(0), &mut out),
            window,
            log: Log::behind(last),
            now: Millis(0),
            last,
            agreed: last,
            links: 0,
            tasks: VecDeque::new(),
            out,
        }
    }

    fn step(&mut self, input: LeaderInput) {
        self.leader.step(self.now, input, &mut self.window, &mut self.out);
    }

    /// The end of its reign breaks.
    fn carry_out(&mut self, effect: LeaderEffect) -> ControlFlow<()> {
        match effect {
            LeaderEffect::Store(stored) => self.tasks.push_back(LeaderInput::Stored(stored)),
            LeaderEffect::Agreed(upto) => {
                let upto = upto.zxid();
                assert!(upto > self.agreed && upto <= self.log.last, "I6: commits rise");
                self.agreed = upto;
            }
            // Every request becomes one proposal, as the control role makes it.
            LeaderEffect::Request { link, request, .. } => match self.leader.accepts() {
                true if request.opcode == 9 => self.tasks.push_back(LeaderInput::SyncFor { link }),
                true if self.leader.has_room() => self.propose(),
                _ => self.step(LeaderInput::Closed { link }),
            },
            LeaderEffect::Revalidate { link, session, .. } => {
                self.tasks.push_back(LeaderInput::Revalidated { link, session, valid: true });
            }
            LeaderEffect::ReadLog { link, after, .. } => self.read_log(link, after),
            LeaderEffect::SendSnapshot { link } => {
                let zxid = self.leader.committed();
                self.tasks.push_back(LeaderInput::SnapshotSent { link, zxid });
            }
            LeaderEffect::WhenDrained { link } => {
                self.tasks.push_back(LeaderInput::Drained { link });
            }
            LeaderEffect::AskMoved { link } => self.tasks.push_back(LeaderInput::Moved { link }),
            LeaderEffect::StepDown { .. } => return ControlFlow::Break(()),
            LeaderEffect::Send { .. }
            | LeaderEffect::Close { .. }
            | LeaderEffect::Reading { .. }
            | LeaderEffect::Serve { .. }
            | LeaderEffect::Activate { .. }
            | LeaderEffect::Confirmed { .. }
            | LeaderEffect::Touched { .. }
            | LeaderEffect::LearnerReady { .. }
            | LeaderEffect::LearnerGone { .. } => {}
        }
        ControlFlow::Continue(())
    }

    /// Part of a log, of any length and end.
    fn read_log(&mut self, link: Link, after: Zxid) {
        let first = self.draw.zxid(&[after, Zxid(after.0 + 1), self.last]);
        let count = i64::from(self.draw.byte() % 4);
        let entries = (first.0..first.0.saturating_add(count)).map(Zxid);
        let entries = entries.map(|zxid| (zxid, entry(zxid, None))).collect();
        let ends = [LogEnd::More, LogEnd::Done, LogEnd::NotThere];
        let end = ends[usize::from(self.draw.byte()) % 3];
        self.tasks.push_back(LeaderInput::LogRead { link, chunk: LogChunk { entries, end } });
    }

    /// The next transaction of this leader.
    fn propose(&mut self) {
        let Some(zxid) = self.leader.proposed().next() else { return };
        let entry = entry(zxid, None);
        self.log.append(zxid, entry.clone());
        self.step(LeaderInput::Proposed { zxid, entry });
    }

    /// What happens next.
    fn input(&mut self) -> Option<LeaderInput> {
        match self.draw.byte() {
            0..=40 => self.tasks.pop_front(),
            41..=60 => self.log.flush().map(LeaderInput::Durable),
            61..=80 if self.leader.accepts() && self.leader.has_room() => {
                self.propose();
                None
            }
            61..=84 => {
                self.links += 1;
                Some(LeaderInput::Opened { link: Link(self.links) })
            }
            85 => Some(LeaderInput::Closed { link: self.any_link() }),
            86 => Some(LeaderInput::ReadIndexAsked),
            87..=90 => {
                self.now = self.now + i64::from(self.draw.byte());
                Some(LeaderInput::Tick)
            }
            _ => {
                let link = self.any_link();
                let (leader, durable) = (&self.leader, self.log.durable);
                let first = Zxid::new(leader.epoch(), 0);
                let known =
                    [leader.proposed(), leader.committed(), first, first, self.last, durable];
                let packet = self.draw.packet(&known, leader.epoch());
                Some(LeaderInput::Packet { link, packet })
            }
        }
    }

    fn any_link(&mut self) -> Link {
        Link(u64::from(self.draw.byte()) % (self.links + 1))
    }
}
