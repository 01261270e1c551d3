//! Which way is quickest here: each writes small batches to a prepared file in the log's own
//! directory for some milliseconds, and the median decides.

use super::make;
use crate::disk::{Dir, OUR_PREFIX, remove_if_present};
use crate::log::settings::IoChoice;
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

/// Time given to each way.
const EACH: Duration = Duration::from_millis(12);
/// Bytes of the file written to.
const SPACE: u64 = 1 << 20;
/// Bytes of a batch: a few transactions.
const BATCH: usize = 600;
/// Another way than plain calls must be quicker by this much to be chosen: the difference should
/// be more than chance.
const MARGIN_PERCENT: u32 = 10;

/// What the probe saw: each way and the median time of one durable batch.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Findings {
    /// Of a batch and its flush, each way.
    pub medians: Vec<(IoChoice, Duration)>,
}

impl Findings {
    /// The quickest.
    pub fn best(&self) -> IoChoice {
        let of = |choice| self.medians.iter().find(|(c, _)| *c == choice).map(|(_, t)| *t);
        let calls = of(IoChoice::Calls).unwrap_or(Duration::MAX);
        let others = self.medians.iter().filter(|(c, _)| *c != IoChoice::Calls);
        match others.min_by_key(|(_, median)| *median) {
            Some((choice, t)) if *t * 100 < calls.saturating_mul(100 - MARGIN_PERCENT) => *choice,
            Some(_) | None => IoChoice::Calls,
        }
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (choice, median)) in self.medians.iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            write!(f, "{comma}{} {} µs", choice.name(), median.as_micros())?;
        }
        Ok(())
    }
}

/// Tries the ways that work here, in some 12 ms each. Leaves no file behind.
pub fn measure(dir: &dyn Dir, candidates: &[IoChoice]) -> io::Result<Findings> {
    on_a_file(dir, SPACE, |name| {
        let mut findings = Findings::default();
        for &choice in candidates {
            // A way that the kernel or the file system refuses is no candidate.
            if let Ok(median) = median_of(choice, dir, name) {
                findings.medians.push((choice, median));
            }
        }
        Ok(findings)
    })
}

/// Whether a way that was asked for works here: one batch. Better known at the start than at the
/// first write.
pub fn check(choice: IoChoice, dir: &dyn Dir) -> io::Result<()> {
    on_a_file(dir, 1 << 14, |name| {
        let mut io = make(choice, true)?;
        io.adopt(dir, name)?;
        io.write(16, &[0x5a; BATCH], true).map(drop)
    })
}

/// Removes what a probe has left that was cut short; the name of its file.
pub fn clear(dir: &dyn Dir) -> io::Result<String> {
    let name = format!("{OUR_PREFIX}log.probe");
    remove_if_present(dir, &name)?;
    Ok(name)
}

fn on_a_file<T>(
    dir: &dyn Dir,
    space: u64,
    work: impl FnOnce(&str) -> io::Result<T>,
) -> io::Result<T> {
    let name = clear(dir)?;
    let file = dir.create(&name)?;
    file.allocate(0, space)?;
    file.write_at(&vec![0; space as usize], 0)?;
    file.flush()?;
    let done = work(&name);
    dir.remove(&name)?;
    done
}

fn median_of(choice: IoChoice, dir: &dyn Dir, name: &str) -> io::Result<Duration> {
    let mut io = make(choice, true)?;
    io.adopt(dir, name)?;
    let (batch, mut at, mut times) = ([0x5a; BATCH], 16, Vec::new());
    let began = Instant::now();
    while (times.len() < 5 || began.elapsed() < EACH) && at + 2 * (BATCH as u64) < SPACE {
        let one = Instant::now();
        io.write(at, &batch, true)?;
        times.push(one.elapsed());
        at += BATCH as u64;
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RealDir;

    #[test]
    fn plain_calls_are_chosen_unless_another_way_is_clearly_quicker() {
        let micros = Duration::from_micros;
        let medians = |calls, ring, direct| Findings {
            medians: vec![
                (IoChoice::Calls, micros(calls)),
                (IoChoice::Ring, micros(ring)),
                (IoChoice::Direct, micros(direct)),
            ],
        };
        assert_eq!(medians(100, 120, 95).best(), IoChoice::Calls);
        assert_eq!(medians(100, 80, 85).best(), IoChoice::Ring);
        assert_eq!(medians(100, 80, 60).best(), IoChoice::Direct);
        assert_eq!(Findings::default().best(), IoChoice::Calls);
    }

    #[test]
    fn the_probe_finds_plain_calls_to_work_and_leaves_nothing_behind() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = RealDir::open(scratch.path()).unwrap();
        let findings = measure(&dir, &[IoChoice::Calls]).unwrap();
        assert!(matches!(findings.medians[..], [(IoChoice::Calls, _)]));
        check(IoChoice::Calls, &dir).unwrap();
        assert_eq!(dir.list().unwrap(), []);
    }
}
