//! How pipes end: closed at one end, with a server, or by a reset.

use ringkeeper::election::links::LinksInput;
use ringkeeper::types::Link;

use super::Pipe;
use crate::world::{Checked, Event, Stage, World};

impl World {
    /// This end closes, behind what it has sent.
    pub(super) fn close_link(&mut self, server: usize, link: Link) {
        let Some((number, end)) = self.pipe_of(server, link) else { return };
        self.note(|| format!("server {server} closes {link:?}"));
        self.check_calm(number);
        if let Some(sockets) = self.sockets(server) {
            sockets.links.remove(&link);
            sockets.quorum.remove(&link);
        }
        self.shut(number, end);
    }

    /// Where nothing goes wrong no link between leader and learner ends once all serve: busy ones
    /// are not taken for dead ones.
    pub(super) fn check_calm(&mut self, number: u64) {
        let all_serve = self.servers.iter().all(|server| server.serves_since.is_some());
        self.have_served |= all_serve;
        let is_quorum = self.pipes.get(&number).is_some_and(|pipe| !pipe.is_election);
        if self.knobs.calm && self.stage == Stage::Storm && self.have_served && is_quorum {
            let text = "a link between servers ends, and nothing has gone wrong".to_owned();
            self.failure.get_or_insert(text);
        }
    }

    pub(super) fn shut(&mut self, number: u64, end: usize) {
        let Some(pipe) = self.pipes.get_mut(&number) else { return };
        if std::mem::take(&mut pipe.open[end]) {
            let way = (pipe.ends[end].server, pipe.ends[1 - end].server);
            let blocked = self.blocked.get(&way).copied().unwrap_or(0);
            let at = pipe.clear_at[end].max(self.now).max(blocked) + 1;
            self.schedule(at, Event::PeerEnd { pipe: number, to: 1 - end });
        }
    }

    /// An end hears that the other is closed.
    pub fn peer_end(&mut self, number: u64, to: usize) -> Checked {
        let Some(pipe) = self.pipes.get(&number) else { return Ok(()) };
        let (end, is_election, open) = (pipe.ends[to], pipe.is_election, pipe.open[to]);
        if !open || self.servers[end.server].incarnation != end.incarnation {
            self.forget_pipe(number);
            return Ok(());
        }
        let until = self.servers[end.server].paused_until;
        if until > self.now {
            self.schedule(until, Event::PeerEnd { pipe: number, to });
            return Ok(());
        }
        self.peer_bytes(number, to, &[])?;
        if self.pipes.get(&number).is_none_or(|pipe| !pipe.open[to]) {
            self.forget_pipe(number);
            return Ok(());
        }
        if is_election {
            if let Some(sockets) = self.sockets(end.server) {
                sockets.links.remove(&end.link);
            }
            self.mesh(end.server, LinksInput::Closed { link: end.link });
            self.shut(number, to);
            self.plan_peer_tick(end.server);
        } else {
            if let Some(quorum) = self.sockets(end.server).and_then(|s| s.quorum.get_mut(&end.link))
            {
                quorum.ended = true;
            }
            self.take_packets(end.server, end.link);
        }
        self.forget_pipe(number);
        Ok(())
    }

    pub(super) fn forget_pipe(&mut self, number: u64) {
        if self.pipes.get(&number).is_some_and(|pipe| pipe.open == [false, false]) {
            self.pipes.remove(&number);
        }
    }

    /// A process has ended. With `silent` nobody is told: its peers must find out.
    pub fn drop_pipes(&mut self, server: usize, silent: bool) {
        let numbers: Vec<u64> = self.pipes.keys().copied().collect();
        for number in numbers {
            let Some(pipe) = self.pipes.get(&number) else { continue };
            for end in [0, 1] {
                if pipe.ends[end].server != server || !pipe.open[end] {
                    continue;
                }
                let to = pipe.ends[1 - end].server;
                let at = if silent { self.now + 8_000_000 } else { self.now };
                let at = at + self.rng.latency(self.knobs.net_us);
                if let Some(pipe) = self.pipes.get_mut(&number) {
                    pipe.open[end] = false;
                }
                let blocked = self.blocked.get(&(server, to)).copied().unwrap_or(0);
                self.schedule(at.max(blocked), Event::PeerEnd { pipe: number, to: 1 - end });
                break;
            }
        }
    }

    /// Resets some of the connections between servers, with what was on its way.
    pub fn reset_pipes(&mut self, one_in: u64) {
        let numbers: Vec<u64> = self.pipes.keys().copied().collect();
        for number in numbers {
            if self.rng.one_in(one_in) {
                self.reset_pipe(number);
            }
        }
    }

    fn reset_pipe(&mut self, number: u64) {
        for to in [0, 1] {
            self.schedule(self.now, Event::PeerEnd { pipe: number, to });
        }
    }

    /// Resets all connections of a server.
    pub fn reset_pipes_of(&mut self, server: usize) {
        let is_end = |pipe: &Pipe| pipe.ends.iter().any(|end| end.server == server);
        let pipes = self.pipes.iter().filter(|(_, pipe)| is_end(pipe));
        for number in pipes.map(|(number, _)| *number).collect::<Vec<u64>>() {
            self.reset_pipe(number);
        }
    }
}
