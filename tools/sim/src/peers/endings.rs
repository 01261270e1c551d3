//! How pipes end: with a server, or by a reset.

use super::*;

impl World {
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
