//! Most of an ensemble forgets: all servers but one lose their disks, or get older copies of them
//! back. They are a quorum, elect a leader and serve; the one that has everything comes to it late.
//! What was acknowledged must outlive that: the one must keep its history, and an operator who does
//! what its message says must have it back.
//!
//! ```text
//!  others end, forget, start ─► they have a leader ─► the one may reach them, and refuses
//!    ─► others end, are emptied, one quorum with the one starts ─► it leads ─► the rest start
//! ```
//!
//! Worlds with this fault have no other: agreement rests on disks that remember.

use std::collections::BTreeMap;

use bytes::Bytes;
use ringkeeper::history::{Committed, committed};
use ringkeeper::types::{Epoch, ServerId, Zxid};

use crate::disk::{Contents, SimDisk};
use crate::server::Server;
use crate::world::{Checked, Event, World};

const FOREVER_US: i64 = 1_000_000_000_000_000;

/// The fault, and how far it has come.
#[derive(Default)]
pub struct Forgotten {
    /// What each server's disks held at some time.
    copies: Vec<Copy>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Stage {
    #[default]
    None,
    /// The others look for a leader among themselves; until this time.
    Alone { survivor: usize, until: i64 },
    /// The one may reach them until this time.
    Met { survivor: usize, until: i64 },
    /// It fills those that were emptied; the rest is to follow.
    Mending,
}

/// A server as it was.
struct Copy {
    disks: [Contents; 3],
    entries: BTreeMap<Zxid, Bytes>,
    base: Zxid,
}

fn disks(server: &Server) -> [&SimDisk; 3] {
    [&server.logs, &server.snapshots, &server.marker]
}

impl World {
    /// An operator copies what is there.
    pub fn copy_disks(&mut self) {
        let copy = |server: &Server| Copy {
            disks: disks(server).map(SimDisk::contents),
            entries: server.entries.clone(),
            base: server.base,
        };
        self.forgotten.copies = self.servers.iter().map(copy).collect();
    }

    /// All but one forget. With `older` they get their copies back, else nothing.
    pub fn forget(&mut self, older: bool, restarts: bool) {
        let Some(survivor) = self.who_knows(older) else { return };
        if !self.is_settled(survivor) {
            return;
        }
        self.note(|| format!("all forget but server {survivor}, older copies: {older}"));
        let (now, tick_us) = (self.now, self.knobs.tick_ms * 1000);
        // What those decide that have forgotten is no history: they must decide nothing by themselves.
        self.knobs.container_check_ms = FOREVER_US / 1000;
        for server in 0..self.servers.len() {
            // Clients would see the loss, which no server can prevent.
            self.servers[server].silent_until = now + FOREVER_US;
            if server != survivor {
                self.block(server, survivor, FOREVER_US);
                self.block(survivor, server, FOREVER_US);
                self.crash(server, false, 1_000);
                self.give_back(server, older);
            }
        }
        if restarts {
            self.crash(survivor, false, 1_000);
        }
        self.forgotten.stage = Stage::Alone { survivor, until: now + 60 * tick_us };
        self.schedule(now + tick_us / 4, Event::Operator);
    }

    /// Whether no acknowledgement is on its way to the one: with what the others then have no more, it
    /// would commit what no quorum can be found to hold.
    fn is_settled(&self, survivor: usize) -> bool {
        let Some(electorate) = &self.electorate else { return false };
        let behind = Zxid(self.history.last.0 + 1)..;
        !self.servers[survivor].entries.range(behind).any(|(zxid, entry)| {
            electorate.has_quorum(|id| {
                let server = (id.0 - 1) as usize;
                server == survivor || self.holds(server, *zxid, entry)
            })
        })
    }

    fn give_back(&mut self, server: usize, older: bool) {
        let copy = self.forgotten.copies.get(server).filter(|_| older);
        let of = &mut self.servers[server];
        (of.entries, of.base) =
            copy.map_or_else(Default::default, |copy| (copy.entries.clone(), copy.base));
        for (number, disk) in disks(of).into_iter().enumerate() {
            match copy {
                Some(copy) => disk.put_back(&copy.disks[number]),
                None => disk.wipe(),
            }
        }
        // What a start finds is what it had.
        (of.durable, of.applied) = (Zxid::ZERO, Zxid::ZERO);
        (of.is_changing, of.digested) = (false, (0, Zxid(-1)));
    }

    /// A voter that serves, has all that was ever committed, and knows how much more that is than
    /// what the others will have.
    fn who_knows(&self, older: bool) -> Option<usize> {
        let electorate = self.electorate.as_ref()?;
        let last = self.history.last;
        let entry = &self.history.entries.get(&last)?.bytes;
        let left = match older {
            true => {
                let ends = |copy: &Copy| copy.entries.keys().next_back().copied();
                let ends = self.forgotten.copies.iter().filter_map(ends).max()?;
                // In the epoch of the copies nothing has been decided since: a leader of theirs is of
                // an epoch that the one has not promised.
                if ends.epoch() != last.epoch() || Some(last.epoch()) != self.newest_epoch() {
                    return None;
                }
                ends
            }
            false => Zxid::ZERO,
        };
        let knows = |server: &&Server| {
            let known = committed::read(server.snapshots.look().as_ref(), last);
            server.up.is_some()
                && server.serves_since.is_some()
                && !server.is_changing
                && electorate.is_voter(ServerId(server.id as i64 + 1))
                && self.holds(server.id, last, entry)
                && matches!(known, Ok(Committed::Upto(known)) if known.upto > left)
        };
        self.servers.iter().find(knows).map(|server| server.id)
    }

    /// The newest epoch that any server has promised.
    fn newest_epoch(&self) -> Option<Epoch> {
        let accepted =
            |server: &Server| server.snapshots.read("acceptedEpoch")?.trim().parse().ok();
        self.servers.iter().filter_map(accepted).max().map(Epoch)
    }

    /// The operator looks again.
    pub fn operator(&mut self) -> Checked {
        let (now, tick_us) = (self.now, self.knobs.tick_ms * 1000);
        match self.forgotten.stage {
            Stage::None => return Ok(()),
            Stage::Alone { survivor, until } => {
                if self.leader().is_some_and(|leader| leader != survivor) || now >= until {
                    self.note(|| format!("server {survivor} may reach the others"));
                    self.blocked.clear();
                    // Not so long that a session could end for its clients' silence.
                    let until = now + tick_us;
                    self.forgotten.stage = Stage::Met { survivor, until };
                }
            }
            Stage::Met { survivor, until } if now >= until => {
                self.check_survivor(survivor)?;
                self.note(|| format!("the operator keeps what server {survivor} has"));
                self.empty_others(survivor);
                self.widen_lines();
                self.forgotten.stage = Stage::Mending;
            }
            Stage::Met { .. } => {}
            Stage::Mending => {
                // Only what makes a quorum with the one has started: whoever leads has its history.
                if self.leader().is_some() {
                    for server in 0..self.servers.len() {
                        self.servers[server].silent_until = now;
                        self.schedule(now, Event::Boot { server });
                    }
                    self.forgotten.stage = Stage::None;
                    return Ok(());
                }
            }
        }
        self.schedule(now + tick_us / 4, Event::Operator);
        Ok(())
    }

    /// Whatever has met it, its history is all there.
    fn check_survivor(&self, survivor: usize) -> Checked {
        for (zxid, committed) in &self.history.entries {
            if !self.holds(survivor, *zxid, &committed.bytes) {
                return Err(format!("lost: server {survivor} had {zxid}, and has deleted it"));
            }
        }
        Ok(())
    }

    /// The others end and are emptied; as many start as make a quorum with the survivor.
    fn empty_others(&mut self, survivor: usize) {
        let Some(electorate) = self.electorate.clone() else { return };
        let mut up = vec![ServerId(survivor as i64 + 1)];
        for server in (0..self.servers.len()).filter(|server| *server != survivor) {
            let id = ServerId(server as i64 + 1);
            let wanted = electorate.is_voter(id) && !electorate.has_quorum(|id| up.contains(&id));
            self.put_out(server, false);
            self.give_back(server, false);
            if wanted {
                up.push(id);
                self.schedule(self.now + 1_000, Event::Boot { server });
            }
        }
    }

    /// Whether starts are an operator's to say.
    pub fn is_mended_by_hand(&self) -> bool {
        self.forgotten.stage != Stage::None
    }
}
