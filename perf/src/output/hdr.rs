//! HdrHistogram's files. Values in milliseconds, the unit its plotter assumes.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use crate::engine::run::Measured;
use crate::fault::Fault;

const NS_PER_MS: f64 = 1e6;
/// Steps of the percentile axis in each halving of the distance to 100 %.
const TICKS: u32 = 5;

/// Writes `PREFIX-CLASS.hgrm` for every class and one `PREFIX.hlog` with a tag for each.
pub fn write_files(prefix: &Path, measured: &Measured) -> Result<Vec<String>, Fault> {
    let mut written = Vec::new();
    let name = prefix.to_string_lossy();
    for class in measured.classes.iter().filter(|c| !c.total.is_empty()) {
        let path = format!("{name}-{}.hgrm", class.name);
        create(&path, |out| write_hgrm(out, &class.total))?;
        written.push(path);
    }
    let path = format!("{name}.hlog");
    create(&path, |out| write_hlog(out, measured))?;
    written.push(path);
    Ok(written)
}

fn create(
    path: &str,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), Fault> {
    let file = File::create(path).map_err(Fault::file(path))?;
    let mut out = BufWriter::new(file);
    write(&mut out).and_then(|()| out.flush()).map_err(Fault::file(path))
}

/// The percentile distribution as HistogramLogProcessor and outputPercentileDistribution print it.
pub fn write_hgrm(out: &mut impl Write, h: &Histogram<u64>) -> io::Result<()> {
    writeln!(
        out,
        "{:>12} {:>14} {:>10} {:>14}\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    )?;
    let mut total = 0;
    for v in h.iter_quantiles(TICKS) {
        total += v.count_since_last_iteration();
        let value = v.value_iterated_to() as f64 / NS_PER_MS;
        let quantile = v.quantile_iterated_to();
        if quantile < 1.0 {
            let inverse = 1.0 / (1.0 - quantile);
            writeln!(out, "{value:12.6} {quantile:14.12} {total:10} {inverse:14.2}")?;
        } else {
            writeln!(out, "{value:12.6} {quantile:14.12} {total:10}")?;
        }
    }
    let (mean, deviation) = (h.mean() / NS_PER_MS, h.stdev() / NS_PER_MS);
    let (max, count) = (h.max() as f64 / NS_PER_MS, h.len());
    let (buckets, sub_buckets) = (h.buckets(), h.distinct_values());
    writeln!(out, "#[Mean    = {mean:12.6}, StdDeviation   = {deviation:12.6}]")?;
    writeln!(out, "#[Max     = {max:12.6}, Total count    = {count:12}]")?;
    writeln!(out, "#[Buckets = {buckets:12}, SubBuckets     = {sub_buckets:12}]")
}

/// One line an interval and class, the class as its tag.
pub fn write_hlog(out: &mut impl Write, measured: &Measured) -> io::Result<()> {
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("[ringkeeper-perf; values recorded in nanoseconds, maxima in milliseconds]")
        .with_start_time(measured.began)
        .with_base_time(measured.began)
        .with_max_value_divisor(NS_PER_MS)
        .begin_log_with(out, &mut serializer)?;
    let intervals = measured.classes.iter().map(|c| c.intervals.len()).max().unwrap_or(0);
    for n in 0..intervals {
        let from = Duration::from_secs_f64(n as f64 * measured.interval_s);
        let length = Duration::from_secs_f64(measured.interval_s);
        for class in &measured.classes {
            let Some(h) = class.intervals.get(n).filter(|h| !h.is_empty()) else { continue };
            log.write_histogram(h, from, length, Tag::new(class.name))
                .map_err(|e| io::Error::other(format!("{e:?}")))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Class, Recorder, Window};
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    fn measured() -> Measured {
        let mut r = Recorder::new(&[Class::new("read"), Class::new("write")]);
        r.open(Window { start: 0, end: 3_000, by_intent: false, interval: 1_000 });
        for i in 0..300_u64 {
            r.record(0, 0, i * 10);
        }
        Measured {
            classes: r.finish(),
            seconds: 3e-6,
            interval_s: 1e-6,
            began: std::time::SystemTime::UNIX_EPOCH,
            began_ns: 0,
            driver: Default::default(),
        }
    }

    #[test]
    fn an_hgrm_file_counts_everything_and_ends_at_the_maximum() {
        let mut out = Vec::new();
        write_hgrm(&mut out, &measured().classes[0].total).unwrap();
        let text = String::from_utf8(out).unwrap();
        let rows: Vec<&str> =
            text.lines().skip(2).filter(|l| !l.starts_with('#') && !l.is_empty()).collect();
        let last: Vec<&str> = rows.last().unwrap().split_whitespace().collect();
        assert_eq!((last[1], last[2], last.len()), ("1.000000000000", "300", 3));
        assert!(text.contains("Total count    =          300]"));
    }

    #[test]
    fn an_hlog_file_reads_back_to_what_was_recorded() {
        let measured = measured();
        let mut out = Vec::new();
        write_hlog(&mut out, &measured).unwrap();
        let mut found = 0;
        for entry in IntervalLogIterator::new(&out) {
            if let Ok(LogEntry::Interval(line)) = entry {
                assert_eq!(line.tag().map(|t| t.as_str()), Some("read"));
                let raw = base64(line.encoded_histogram());
                let h: Histogram<u64> =
                    Deserializer::new().deserialize(&mut raw.as_slice()).unwrap();
                found += h.len();
            }
        }
        assert_eq!(found, 300);
    }

    fn base64(text: &str) -> Vec<u8> {
        let value = |c: u8| match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            _ => 63,
        };
        let bits = text.bytes().filter(|c| *c != b'=').flat_map(|c| {
            let v = value(c);
            (0..6).rev().map(move |b| v >> b & 1)
        });
        let bits: Vec<u8> = bits.collect();
        bits.chunks_exact(8).map(|b| b.iter().fold(0, |a, x| a << 1 | x)).collect()
    }
}
