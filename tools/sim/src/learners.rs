//! What a leader's threads do for learners that are far behind: the shipping machine, by events.

use std::sync::mpsc::Receiver;

use ringkeeper::roles::learner_files::{Streamed, Work};

use crate::world::{Checked, Event, World};

impl World {
    /// Jobs that a control turn has left.
    pub fn learner_jobs(&mut self, server: usize) {
        let incarnation = self.servers[server].incarnation;
        let Some(up) = &mut self.servers[server].up else { return };
        let Some(files) = &mut up.learner_files else { return };
        let mut any = false;
        while let Ok(job) = up.learner_jobs.try_recv() {
            any = true;
            files.take(job);
        }
        if any {
            let delay = self.rng.latency(2000);
            self.schedule(self.now + delay, Event::LearnerWork { server, incarnation });
        }
    }

    /// One job, and one piece of every tree whose learner has taken the last.
    pub fn learner_work(&mut self, server: usize, incarnation: u64) -> Checked {
        if self.servers[server].incarnation != incarnation {
            return Ok(());
        }
        let Some(up) = &mut self.servers[server].up else { return Ok(()) };
        let Some(files) = &mut up.learner_files else { return Ok(()) };
        match files.next_work() {
            Some(Work::Done(answer)) => up.to_control.push(answer),
            Some(Work::Stream(stream)) => up.streams.push(*stream),
            None => {}
        }
        let has_more = files.has_work();
        let to_control = up.to_control.clone();
        up.streams.retain_mut(|stream| match stream.next_piece(Receiver::try_recv) {
            Streamed::Piece(piece) => {
                to_control.push(piece);
                true
            }
            Streamed::Waits => true,
            Streamed::Over => false,
        });
        if !up.streams.is_empty() || has_more {
            let delay = 500 + self.rng.latency(2000);
            self.schedule(self.now + delay, Event::LearnerWork { server, incarnation });
        }
        self.poke(server);
        Ok(())
    }
}
