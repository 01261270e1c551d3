//! Numbers and summaries that one thread writes and others look at.

use std::sync::atomic::{AtomicI64, Ordering};

use hdrhistogram::Histogram;
use parking_lot::Mutex;

/// A number with one writer. Relaxed throughout: nothing is ordered by a figure.
#[derive(Default, Debug)]
pub struct Figure(AtomicI64);

impl Figure {
    /// It begins so.
    pub fn new(value: i64) -> Figure {
        Figure(AtomicI64::new(value))
    }
    /// As it is now, or was a moment ago on another core.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
    /// Only by its one writer.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }
    /// Only by its one writer.
    pub fn add(&self, n: i64) {
        self.set(self.get().wrapping_add(n));
    }
}

/// A summary as `mntr` prints it: count, sum, least, most and percentiles. One thread records,
/// so its lock is contended only while somebody looks.
#[derive(Debug)]
pub struct Summary(Mutex<SummaryValues>);

/// A summary read at one moment.
#[derive(Clone, Debug)]
pub struct SummaryValues {
    sum: i64,
    histogram: Histogram<u32>,
}

/// Two digits are what a dashboard shows; what is longer than an hour counts as an hour.
const DIGITS: u8 = 2;
const HIGHEST: u64 = 3_600_000;

impl Default for SummaryValues {
    fn default() -> SummaryValues {
        let Ok(histogram) = Histogram::new_with_bounds(1, HIGHEST, DIGITS) else {
            unreachable!("the bounds are constants: 1, at least 2, and at most 5 digits");
        };
        SummaryValues { sum: 0, histogram }
    }
}

impl Default for Summary {
    fn default() -> Summary {
        Summary(Mutex::new(SummaryValues::default()))
    }
}

impl Summary {
    /// One more value.
    pub fn record(&self, value: i64) {
        self.record_run(value, 1);
    }

    /// The same value `count` times: one lock for a whole turn's answers.
    pub fn record_run(&self, value: i64, count: u32) {
        let mut values = self.0.lock();
        values.sum += value * i64::from(count);
        values.histogram.saturating_record_n(value.max(0) as u64, count);
    }

    /// No value yet.
    pub fn reset(&self) {
        let mut values = self.0.lock();
        values.sum = 0;
        values.histogram.reset();
    }

    /// A copy of this moment.
    pub fn values(&self) -> SummaryValues {
        self.0.lock().clone()
    }
}

impl SummaryValues {
    /// Those of another summary as well.
    pub fn merge(&mut self, other: &SummaryValues) {
        self.sum += other.sum;
        // Equal bounds: nothing can be out of range.
        let _ = self.histogram.add(&other.histogram);
    }

    /// How many values.
    pub fn count(&self) -> i64 {
        self.histogram.len() as i64
    }
    /// Of all values.
    pub fn sum(&self) -> i64 {
        self.sum
    }
    /// 0 if there is none.
    pub fn min(&self) -> i64 {
        self.histogram.min() as i64
    }
    /// 0 if there is none.
    pub fn max(&self) -> i64 {
        if self.histogram.is_empty() { 0 } else { self.histogram.max() as i64 }
    }

    /// `quantile` between 0 and 1.
    pub fn percentile(&self, quantile: f64) -> i64 {
        if self.histogram.is_empty() {
            0
        } else {
            self.histogram.value_at_quantile(quantile) as i64
        }
    }

    /// How many values are no more than `bound`, as exactly as the summary keeps them.
    pub fn count_upto(&self, bound: u64) -> i64 {
        self.histogram.count_between(0, bound) as i64
    }

    /// 0 if there is none.
    pub fn average(&self) -> f64 {
        if self.histogram.is_empty() { 0.0 } else { self.sum as f64 / self.histogram.len() as f64 }
    }
}

/// Equal values on their way into a summary. Answers of one turn nearly all have one latency.
#[derive(Default, Debug)]
pub struct Run {
    value: i64,
    count: u32,
}

impl Run {
    /// One more value; another one than before brings those before into the summary.
    pub fn record(&mut self, value: i64, into: &Summary) {
        self.record_many(value, 1, into);
    }

    /// So many of the same value.
    pub fn record_many(&mut self, value: i64, count: u32, into: &Summary) {
        if value != self.value {
            self.flush(into);
            self.value = value;
        }
        self.count += count;
    }

    /// Brings what has been gathered into the summary.
    pub fn flush(&mut self, into: &Summary) {
        if self.count > 0 {
            into.record_run(self.value, self.count);
            self.count = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_lose_nothing() {
        let (summary, mut run) = (Summary::default(), Run::default());
        [0, 0, 3, 3, 3, 1].into_iter().for_each(|value| run.record(value, &summary));
        run.flush(&summary);
        run.flush(&summary);
        let values = summary.values();
        assert_eq!((values.count(), values.sum(), values.min(), values.max()), (6, 10, 0, 3));
    }

    #[test]
    fn summaries_of_cores_merge_into_one() {
        let (a, b) = (Summary::default(), Summary::default());
        (1..=90).for_each(|v| a.record(v));
        (91..=100).for_each(|v| b.record(v));
        let mut all = a.values();
        all.merge(&b.values());
        assert_eq!((all.count(), all.min(), all.max(), all.sum()), (100, 1, 100, 5050));
        assert_eq!((all.percentile(0.5), all.percentile(0.99)), (50, 99));
        assert_eq!((all.count_upto(1), all.count_upto(64), all.count_upto(1 << 20)), (1, 64, 100));
        let none = SummaryValues::default();
        assert_eq!((none.min(), none.max(), none.percentile(0.99)), (0, 0, 0));
    }
}
