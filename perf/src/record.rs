//! What was measured: a histogram of latencies per class of operation, whole and by interval.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Longest latency told apart, in nanoseconds: one hour.
const LATENCY_MAX: u64 = 3_600_000_000_000;

/// A kind of operation with its own histogram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Class {
    pub name: &'static str,
    /// Operations one entry stands for (a multi of ten sets: 10).
    pub units: u32,
    /// Whether entries add to the run's throughput; others (the time to the last watcher) are
    /// views of something counted elsewhere.
    pub counts: bool,
}

impl Class {
    pub const fn new(name: &'static str) -> Class {
        Class { name, units: 1, counts: true }
    }
    pub const fn view(name: &'static str) -> Class {
        Class { name, units: 1, counts: false }
    }
}

/// Which moments count, in nanoseconds of [`crate::clock`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    pub start: u64,
    pub end: u64,
    /// Open loop: an operation belongs to the moment it was meant to be sent; closed loop: to the
    /// moment it was answered.
    pub by_intent: bool,
    pub interval: u64,
}

/// One class's measurements, in nanoseconds.
#[derive(Clone, Debug)]
pub struct ClassResult {
    pub name: &'static str,
    pub units: u32,
    pub counts: bool,
    pub total: Histogram<u64>,
    /// Two significant digits: thousands of these are kept.
    pub intervals: Vec<Histogram<u32>>,
}

impl ClassResult {
    fn new(class: Class) -> ClassResult {
        ClassResult {
            name: class.name,
            units: class.units,
            counts: class.counts,
            total: histogram(),
            intervals: Vec::new(),
        }
    }

    /// Adds another thread's measurements of the same class.
    pub fn merge(&mut self, other: &ClassResult) {
        assert_eq!(self.name, other.name, "different classes");
        add(&mut self.total, &other.total);
        while self.intervals.len() < other.intervals.len() {
            self.intervals.push(interval_histogram());
        }
        for (mine, theirs) in self.intervals.iter_mut().zip(&other.intervals) {
            add(mine, theirs);
        }
    }
}

fn add<C: hdrhistogram::Counter>(to: &mut Histogram<C>, from: &Histogram<C>) {
    // Both have the same precision, and the receiver resizes: adding cannot fail.
    let added = to.add(from);
    assert!(added.is_ok(), "histograms of one precision");
}

/// Records one thread's run.
pub struct Recorder {
    window: Window,
    classes: Vec<ClassResult>,
    /// Units finished at any time: for progress on a terminal.
    pub finished: u64,
}

impl Recorder {
    pub fn new(classes: &[Class]) -> Recorder {
        let window = Window { start: u64::MAX, end: u64::MAX, by_intent: false, interval: 1 };
        let classes = classes.iter().map(|c| ClassResult::new(*c)).collect();
        Recorder { window, classes, finished: 0 }
    }

    pub fn open(&mut self, window: Window) {
        self.window = window;
    }

    pub fn window(&self) -> Window {
        self.window
    }

    /// Ends the window early: the work ran out.
    pub fn cut(&mut self, end: u64) {
        self.window.end = self.window.end.min(end);
    }

    /// An operation of `class` meant for `from` was finished at `to`.
    pub fn record(&mut self, class: usize, from: u64, to: u64) {
        let c = &mut self.classes[class];
        if c.counts {
            self.finished += u64::from(c.units);
        }
        let moment = if self.window.by_intent { from } else { to };
        if moment < self.window.start || moment >= self.window.end {
            return;
        }
        let latency = to.saturating_sub(from);
        c.total.saturating_record(latency);
        let interval = ((moment - self.window.start) / self.window.interval) as usize;
        while c.intervals.len() <= interval {
            c.intervals.push(interval_histogram());
        }
        // Not `saturating_record`: that would not grow an automatic histogram. Growing cannot fail
        // below LATENCY_MAX.
        let _ = c.intervals[interval].record(latency.min(LATENCY_MAX));
    }

    pub fn finish(self) -> Vec<ClassResult> {
        self.classes
    }
}

/// Three significant digits over all latencies.
pub fn histogram() -> Histogram<u64> {
    match Histogram::new_with_bounds(1, LATENCY_MAX, 3) {
        Ok(h) => h,
        Err(_) => unreachable!("constant bounds are valid"),
    }
}

fn interval_histogram() -> Histogram<u32> {
    match Histogram::new(2) {
        Ok(mut h) => {
            h.auto(true);
            h
        }
        Err(_) => unreachable!("constant precision is valid"),
    }
}

/// A histogram in figures, microseconds.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Summary {
    pub count: u64,
    pub mean_us: f64,
    pub min_us: f64,
    pub p50_us: f64,
    pub p90_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub p9999_us: f64,
    pub max_us: f64,
}

impl Summary {
    pub fn of<C: hdrhistogram::Counter>(h: &Histogram<C>) -> Summary {
        if h.is_empty() {
            return Summary::default();
        }
        let at = |q: f64| us(h.value_at_quantile(q));
        Summary {
            count: h.len(),
            mean_us: h.mean() / 1e3,
            min_us: us(h.min()),
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            p9999_us: at(0.9999),
            max_us: us(h.max()),
        }
    }
}

pub fn us(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e3
}

/// Points (1/(1−percentile), µs) of the latency-by-percentile curve, as HdrHistogram's plots have
/// them.
pub fn percentile_curve(h: &Histogram<u64>) -> Vec<(f64, f64)> {
    let mut points = Vec::new();
    for v in h.iter_quantiles(5) {
        let rest = 1.0 - v.quantile();
        // Beyond one in a thousandth of the count the curve only repeats the maximum.
        let rest = rest.max(0.5 / h.len().max(1) as f64);
        let point = (1.0 / rest, us(v.value_iterated_to()));
        if points.last() != Some(&point) {
            points.push(point);
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(by_intent: bool) -> Window {
        Window { start: 1_000, end: 2_000, by_intent, interval: 100 }
    }

    fn recorder(by_intent: bool) -> Recorder {
        let mut r = Recorder::new(&[Class::new("a"), Class { units: 10, ..Class::new("m") }]);
        r.open(window(by_intent));
        r
    }

    #[test]
    fn closed_loop_counts_what_was_answered_in_the_window() {
        let mut r = recorder(false);
        r.record(0, 900, 1_100);
        r.record(0, 900, 950);
        r.record(0, 1_900, 2_100);
        let classes = r.finish();
        assert_eq!(classes[0].total.len(), 1);
        assert_eq!(classes[0].total.max(), 200);
    }

    #[test]
    fn open_loop_counts_what_was_meant_for_the_window_however_late_it_came() {
        let mut r = recorder(true);
        r.record(0, 900, 1_100);
        r.record(0, 1_950, 901_950);
        let classes = r.finish();
        assert_eq!(classes[0].total.len(), 1);
        assert!(classes[0].total.max() >= 900_000);
        assert_eq!(classes[0].intervals.len(), 10);
    }

    #[test]
    fn threads_merge_into_the_histogram_one_thread_would_have_made() {
        let (mut one, mut two, mut both) = (recorder(false), recorder(false), recorder(false));
        for i in 0..500 {
            let half = if i % 2 == 0 { &mut one } else { &mut two };
            half.record(0, 1_000, 1_000 + i);
            both.record(0, 1_000, 1_000 + i);
        }
        let mut merged = one.finish();
        for (mine, theirs) in merged.iter_mut().zip(two.finish()) {
            mine.merge(&theirs);
        }
        let both = both.finish();
        assert_eq!(merged[0].total, both[0].total);
        assert_eq!(merged[0].intervals, both[0].intervals);
        assert_eq!(merged[0].intervals[4].max(), 499);
    }

    #[test]
    fn percentile_curves_rise_and_end_at_the_maximum() {
        let mut h = histogram();
        for i in 1..=10_000_u64 {
            h.saturating_record(i * 1_000);
        }
        let curve = percentile_curve(&h);
        assert!(curve.windows(2).all(|w| w[0].0 <= w[1].0 && w[0].1 <= w[1].1));
        let last = curve.last().unwrap();
        assert!((last.1 - 10_000.0).abs() < 20.0 && last.0 >= 10_000.0, "{last:?}");
    }
}
