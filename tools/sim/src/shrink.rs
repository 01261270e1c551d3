//! The least that still fails: faults and clients are left out, one after the other, as long as
//! what is left fails in the same way.

use crate::run::Case;

/// What failures of one kind have in common: their first words.
fn kind(why: &str) -> String {
    why.split(|c: char| c.is_ascii_digit()).next().unwrap_or("").chars().take(24).collect()
}

/// Gives the smallest case found, and why it fails. `None` if this one does not.
pub fn shrink(case: &Case) -> Option<(Case, String)> {
    let mut why = case.run(false).outcome.err()?;
    let wanted = kind(&why);
    let mut best = case.clone();
    let mut is_smaller = true;
    while is_smaller {
        is_smaller = false;
        for smaller in candidates(&best) {
            if let Err(text) = smaller.run(false).outcome
                && kind(&text) == wanted
            {
                (best, why, is_smaller) = (smaller, text, true);
                break;
            }
        }
    }
    Some((best, why))
}

/// Cases with a little less in them, the boldest first.
fn candidates(case: &Case) -> Vec<Case> {
    let mut all = Vec::new();
    let faults = case.plan.len();
    let mut size = faults;
    while size > 0 {
        for from in (0..faults).step_by(size) {
            let mut plan = case.plan.clone();
            plan.drain(from..(from + size).min(faults));
            all.push(Case { plan, ..case.clone() });
        }
        size /= 2;
    }
    let with = |change: &dyn Fn(&mut Case)| {
        let mut smaller = case.clone();
        change(&mut smaller);
        smaller
    };
    if case.knobs.clients > 1 {
        all.push(with(&|c| c.knobs.clients = 1));
        all.push(with(&|c| c.knobs.clients -= 1));
    }
    if case.knobs.storm_us > 200_000 {
        all.push(with(&|c| c.knobs.storm_us /= 2));
        all.push(with(&|c| c.knobs.storm_us = c.knobs.storm_us * 9 / 10));
    }
    if case.knobs.cores > 1 {
        all.push(with(&|c| c.knobs.cores = 1));
    }
    if case.knobs.pipeline > 1 {
        all.push(with(&|c| c.knobs.pipeline = 1));
    }
    all
}
