//! Looks whether the control role of an ensemble's server takes turns ([`Turns`]), from a thread that
//! touches no disk.
//!
//! It asks for a turn twice a tick, and counts how often it asked in vain. A server that stood still as
//! a whole (SIGSTOP, a machine that is moved) is asked once when it goes on, however long that was: its
//! control role finds out by itself what has become of its ensemble.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::turns::Turns;
use crate::metrics::gauges::Gauges;
use crate::runtime::Waker;

/// What the thread works with.
pub struct Standstill {
    /// Gone with the roles, and then the thread goes.
    pub turns: Weak<Turns>,
    /// Wakes the control role's thread, to ask it for a turn.
    pub control: Waker,
    /// Wake the network cores, which look whether they may serve.
    pub cores: Vec<Waker>,
    /// Where it is counted.
    pub gauges: Arc<Gauges>,
    /// Half a tick.
    pub beat: Duration,
    /// After so many beats without a turn nothing may be served: syncLimit.
    pub patience: u32,
}

impl Standstill {
    /// Starts the thread.
    pub fn spawn(self) -> io::Result<()> {
        std::thread::Builder::new().name("standstill".into()).spawn(move || self.run())?;
        Ok(())
    }

    fn run(self) {
        let mut asked = Asked::default();
        loop {
            std::thread::sleep(self.beat);
            let Some(turns) = self.turns.upgrade() else { return };
            if asked.beat(turns.taken()) == self.patience {
                turns.stand_still();
                self.gauges.running.store(false, Ordering::Relaxed);
                self.cores.iter().for_each(Waker::wake);
                let ms = self.beat.as_millis() * u128::from(self.patience);
                tracing::error!(
                    "the control thread has taken no turn for {ms} ms (syncLimit): its disk hangs, or \
                     it gets no CPU; clients are sent away until it goes on"
                );
            }
            self.control.wake();
        }
    }
}

/// What was found when it was last looked.
#[derive(Default)]
struct Asked {
    taken: u64,
    in_vain: u32,
}

impl Asked {
    /// How many beats in a row, this one included, have found no turn since the one before.
    fn beat(&mut self, taken: u64) -> u32 {
        self.in_vain = if taken == self.taken { self.in_vain.saturating_add(1) } else { 0 };
        self.taken = taken;
        self.in_vain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beats_without_a_turn_count_and_one_turn_ends_the_count() {
        let mut asked = Asked::default();
        assert_eq!([5, 5, 5, 9, 9, 10].map(|taken| asked.beat(taken)), [0, 1, 2, 0, 1, 0]);
    }
}
