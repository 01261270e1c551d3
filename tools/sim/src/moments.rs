//! Faults that wait for a moment of an election. Its steps lie a few milliseconds apart, and a fault
//! at a drawn time seldom meets the place between two of them.

use crate::faults::Fault;
use crate::world::World;

/// A step of an election, as its traces show it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// The server has written a higher accepted epoch.
    Promised,
    /// It has written a higher current epoch.
    Entered,
    /// It begins to lead.
    Leads,
}

/// What happens to the server that comes there: it ends so long after.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct End {
    pub after_us: i64,
    /// From that moment on the other servers hear nothing of it.
    pub mute: bool,
    /// All the others end with it, and are back at once.
    pub all: bool,
    pub power: bool,
    pub down_us: i64,
}

/// Those that wait.
#[derive(Default)]
pub struct Ambushes {
    waiting: Vec<(Option<usize>, Moment, End)>,
    /// By server, how it stood after its last turn.
    stood: Vec<Standing>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Standing {
    accepted: u32,
    current: u32,
    leads: bool,
}

impl World {
    /// Waits until this server, or any, comes to that moment.
    pub fn lie_in_wait(&mut self, server: Option<usize>, moment: Moment, end: End) {
        self.ambushes.stood = (0..self.servers.len()).map(|id| self.standing(id)).collect();
        self.ambushes.waiting.push((server, moment, end));
    }

    /// A turn of the control core is over, and nobody has heard yet what came of it. Whether the
    /// server has ended.
    pub fn ambush(&mut self, server: usize) -> bool {
        if self.ambushes.waiting.is_empty() {
            return false;
        }
        let now = self.standing(server);
        let before = std::mem::replace(&mut self.ambushes.stood[server], now);
        let has_come = |moment| match moment {
            Moment::Promised => now.accepted > before.accepted,
            Moment::Entered => now.current > before.current,
            Moment::Leads => now.leads && !before.leads,
        };
        let met = |&(of, moment, _): &(Option<usize>, Moment, End)| {
            of.is_none_or(|of| of == server) && has_come(moment)
        };
        let Some(place) = self.ambushes.waiting.iter().position(met) else { return false };
        let (_, moment, end) = self.ambushes.waiting.remove(place);
        let End { after_us, mute, all, power, down_us } = end;
        self.note(|| format!("server {server} has come to {moment:?}"));
        let at = self.now + after_us;
        for other in (0..self.servers.len()).filter(|other| *other != server) {
            if mute {
                self.block(server, other, after_us);
            }
            if all {
                self.plan_fault(at, Fault::Crash { server: other, power, down_us: 1_000 });
            }
        }
        if after_us > 0 {
            self.plan_fault(at, Fault::Sever { server, power, down_us });
            return false;
        }
        self.sever(server, power, down_us);
        true
    }

    fn standing(&self, server: usize) -> Standing {
        let of = &self.servers[server];
        let epoch = |name| of.snapshots.read(name).and_then(|text| text.trim().parse().ok());
        Standing {
            accepted: epoch("acceptedEpoch").unwrap_or(0),
            current: epoch("currentEpoch").unwrap_or(0),
            leads: self.leads(server),
        }
    }

    /// The server ends, and what it sent to others and has not arrived is lost. Now and then it
    /// writes a snapshot as soon as it is back, before it has found a leader.
    pub fn sever(&mut self, server: usize, power: bool, down_us: i64) {
        if self.servers[server].up.is_none() {
            return;
        }
        self.reset_pipes_of(server);
        self.crash(server, power, down_us);
        if self.rng.one_in(2) {
            let at = self.now + down_us + self.rng.between(1, 200_000);
            self.plan_fault(at, Fault::Snapshot { server });
        }
    }
}
