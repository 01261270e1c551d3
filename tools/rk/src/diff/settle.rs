//! What differed is read again until it agrees, or has stayed different for a time. Writes that had reached one
//! side and not yet the other are gone by then.

use std::time::{Duration, Instant};

use super::reading::{Difference, Found, differences};
use super::side::{Asked, Side};
use super::walk::{Pair, has_stat};
use crate::error::CliError;

/// Nodes that differed and are not yet looked at again. Of each a path is kept and two numbers.
const SUSPECTS_MAX: usize = 65_536;

/// Nodes asked for at once.
const WINDOW: usize = 256;

/// The first wait; each later one is half as long again, up to [`WAIT_MAX`].
const WAIT: Duration = Duration::from_millis(5);
const WAIT_MAX: Duration = Duration::from_millis(100);

/// Of the time that a difference has to stay, how many times it may take to.
const PATIENCE: u32 = 20;

/// The least of it.
const PATIENCE_MIN: Duration = Duration::from_secs(5);

struct Suspect {
    path: String,
    slot: usize,
    prints: [u64; 2],
    /// Since when both sides have been so.
    since: Option<Instant>,
}

/// Nodes that differed when they were read.
#[derive(Default)]
pub(super) struct Suspects(Vec<Suspect>);

impl Suspects {
    pub(super) fn add(&mut self, pair: Pair, with_stat: bool) {
        let prints = pair.found.each_ref().map(|found| found.print(with_stat));
        self.0.push(Suspect { path: pair.path, slot: pair.slot, prints, since: None });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= SUSPECTS_MAX
    }
}

/// What has become of them.
#[derive(Default)]
pub(super) struct Settled {
    pub(super) different: Vec<(String, Vec<Difference>)>,
    /// They were never equal, and never stayed different.
    pub(super) changing: Vec<String>,
}

/// How they are read again.
pub(super) struct Settling<'a> {
    pub(super) sides: &'a [Side; 2],
    pub(super) with_stat: bool,
    /// That a difference has to stay.
    pub(super) time: Duration,
}

impl Settling<'_> {
    pub(super) fn all(&self, suspects: Suspects) -> Result<Settled, CliError> {
        let mut left = suspects.0;
        let mut settled = Settled::default();
        let deadline = Instant::now() + (self.time * PATIENCE).max(PATIENCE_MIN);
        let mut wait = WAIT;
        while !left.is_empty() {
            if Instant::now() > deadline {
                settled.changing.extend(left.into_iter().map(|suspect| suspect.path));
                break;
            }
            std::thread::sleep(wait);
            wait = (wait + wait / 2).min(WAIT_MAX);
            for side in self.sides {
                side.sync()?;
            }
            let mut again = Vec::new();
            let mut rest = left.into_iter().peekable();
            while rest.peek().is_some() {
                let some: Vec<Suspect> = rest.by_ref().take(WINDOW).collect();
                self.some(some, &mut again, &mut settled)?;
            }
            left = again;
        }
        settled.different.sort_by(|(a, _), (b, _)| super::walk::order(a, b));
        Ok(settled)
    }

    fn some(
        &self,
        suspects: Vec<Suspect>,
        again: &mut Vec<Suspect>,
        settled: &mut Settled,
    ) -> Result<(), CliError> {
        let ask = |suspect: Suspect| -> Result<(Suspect, [Asked; 2]), CliError> {
            let ask = |side: &Side| side.ask(suspect.slot, &suspect.path);
            let asked = [ask(&self.sides[0])?, ask(&self.sides[1])?];
            Ok((suspect, asked))
        };
        let asked: Vec<_> = suspects.into_iter().map(ask).collect::<Result<_, _>>()?;
        for (mut suspect, [a, b]) in asked {
            let [left, right] = self.sides;
            let found: [Found; 2] = [left.found(&suspect.path, a)?, right.found(&suspect.path, b)?];
            let with_stat = has_stat(&suspect.path, self.with_stat);
            let differences = differences(&found, with_stat);
            if differences.is_empty() {
                continue;
            }
            let prints = found.each_ref().map(|found| found.print(with_stat));
            let now = Instant::now();
            let since = match suspect.since {
                Some(since) if prints == suspect.prints => since,
                _ => now,
            };
            if suspect.since.is_some() && now.duration_since(since) >= self.time {
                settled.different.push((suspect.path, differences));
                continue;
            }
            suspect.prints = prints;
            suspect.since = Some(since);
            again.push(suspect);
        }
        Ok(())
    }
}
