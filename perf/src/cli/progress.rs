//! Progress on a terminal; nothing where there is none.

use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cost::{Cost, Costing};
use crate::engine::run::Observer;
use crate::output::table::count;

/// A spinner with the rate so far.
pub(super) struct Display {
    bar: ProgressBar,
    label: String,
    last: (Instant, u64),
    costing: Costing,
}

impl Display {
    pub(super) fn new(label: &str) -> Display {
        Display::metering(label, Costing::default())
    }

    /// Also meters servers over the window.
    pub(super) fn metering(label: &str, costing: Costing) -> Display {
        let bar = ProgressBar::no_length();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>4} {msg}") {
            bar.set_style(style);
        }
        Display { bar, label: label.to_owned(), last: (Instant::now(), 0), costing }
    }

    pub(super) fn cost(&self) -> Option<Cost> {
        self.costing.cost()
    }
}

impl Observer for Display {
    fn began(&mut self) {
        self.costing.began();
    }

    fn ended(&mut self) {
        self.costing.ended();
    }

    fn progress(&mut self, finished: u64, live: usize) {
        let seconds = self.last.0.elapsed().as_secs_f64();
        if seconds < 0.2 {
            return;
        }
        let rate = (finished.saturating_sub(self.last.1)) as f64 / seconds;
        self.last = (Instant::now(), finished);
        let (label, finished, rate) = (&self.label, count(finished as f64), count(rate));
        self.bar.set_message(format!("{label}: {finished} done, {rate}/s, {live} sessions"));
        self.bar.tick();
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
