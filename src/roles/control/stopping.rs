//! An orderly stop: what is in flight is finished first, then the log is told its end, and when it has
//! written its last record the process may go.

use super::Control;
use super::Verdict;
use super::fair::FairQueue;
use crate::log::LogEvent;
use crate::mutants::{self, Mutant};
use crate::roles::jobs::LogInput;
use crate::roles::message::{ToControl, ToNetwork};
use crate::types::Millis;

/// How far an orderly stop has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stopping {
    No,
    /// What is in flight is committed first, within bounds.
    Finishing {
        until: Millis,
    },
    /// The log has been told.
    Log,
}

impl Control {
    /// Somebody wants the process to end; asked twice, it ends no sooner.
    pub(super) fn begin_to_stop(&mut self) {
        if self.base.stopping == Stopping::No {
            let until = self.base.now + self.base.settings.shutdown_grace_ms;
            self.base.stopping = Stopping::Finishing { until };
        }
    }

    /// Whether the log has been told its end, so that nothing new may come to it. A disk that hangs
    /// can make this last for as long as it hangs.
    pub(super) fn is_behind_last_record(&self) -> bool {
        self.base.stopping == Stopping::Log && !mutants::on(Mutant::TakesBehindStop)
    }

    /// A turn behind the log's last record: what becomes durable is answered, and nothing is begun
    /// with. A request taken in now would have no place in the log, and neither would a proposal of a
    /// leader; whoever sent one loses the connection in a moment, as when a server crashes.
    pub(super) fn turn_behind_last_record(&mut self) {
        self.waiting = FairQueue::default();
        self.inbox.drain_into(&mut self.pending);
        while let Some(message) = self.pending.pop_front() {
            match message {
                ToControl::Log(LogEvent::Durable { upto }) => self.durable(upto),
                ToControl::Log(LogEvent::Stopped) => self.log_stopped = true,
                _ => {}
            }
        }
        self.as_member(|ensemble, base| {
            ensemble.drop_events();
            ensemble.lead_settle(base);
        });
        self.apply_due();
        self.base.pipeline.flush_outlets();
    }

    /// What a stop waits for; `None`: nobody has asked for one.
    pub(super) fn stop_verdict(&mut self) -> Option<Verdict> {
        match self.base.stopping {
            Stopping::No => None,
            Stopping::Finishing { until } => {
                // What an unfinished change of history was to have of the queue nobody waits for.
                let pipeline = &self.base.pipeline;
                let is_done = pipeline.queue.is_empty() || !self.server.disk_is_settled();
                if (is_done && !pipeline.is_lent()) || self.base.now >= until {
                    self.as_member(|ensemble, base| ensemble.persist_committed(base, true));
                    self.base.stopping = Stopping::Log;
                    // A change of history has asked for its end, or seen it.
                    self.log_stopped = !self.server.log_runs();
                    self.base.pipeline.log.push(LogInput::Stop);
                }
                Some(Verdict::WaitUntil(Some(until)))
            }
            Stopping::Log if self.log_stopped => {
                // The last message of each stream: all answers are before it.
                for stream_sender in &mut self.base.pipeline.stream_senders {
                    stream_sender.send(ToNetwork::Stop);
                }
                self.base.pipeline.flush_outlets();
                Some(Verdict::Finished)
            }
            Stopping::Log => Some(Verdict::WaitUntil(None)),
        }
    }
}
