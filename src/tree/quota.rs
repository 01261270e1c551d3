//! Limits on subtrees, kept in nodes under /zookeeper/quota (Quotas, StatsTrack, PathTrie).
//!
//! A `zookeeper_limits` node registers the subtree it is named after; the `zookeeper_stats` node
//! beside it tells the subtree's use and is edited in place by every change beneath, on every
//! server for itself, without a transaction, a version or a watch.

use std::collections::BTreeMap;

use super::QUOTA_PATH;
use crate::types::{limits, parent_and_name};

/// Quotas.limitNode.
pub const LIMITS_NODE: &str = "zookeeper_limits";
/// Quotas.statNode.
pub const STATS_NODE: &str = "zookeeper_stats";

/// The node with the limits of the subtree at `prefix`.
pub fn limits_path(prefix: &str) -> String {
    format!("{QUOTA_PATH}{prefix}/{LIMITS_NODE}")
}

/// The node with the use of the subtree at `prefix`.
pub fn stats_path(prefix: &str) -> String {
    format!("{QUOTA_PATH}{prefix}/{STATS_NODE}")
}

/// Text of a limits or stats node: `count=N,bytes=M`, then `=;key=value…` for what else there is
/// (StatsTrack). The odd '=' makes servers before 3.7 read past the rest.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StatsTrack {
    values: BTreeMap<String, i64>,
}

const COUNT: &str = "count";
const BYTES: &str = "bytes";
const COUNT_HARD: &str = "countHardLimit";
const BYTES_HARD: &str = "byteHardLimit";

impl StatsTrack {
    /// Of so many nodes and bytes; -1: no limit.
    pub fn new(count: i64, bytes: i64) -> StatsTrack {
        let mut track = StatsTrack::default();
        track.set(COUNT, count);
        track.set(BYTES, bytes);
        track
    }

    /// Pairs that are none are passed over, as by 3.9.7. Before it Java throws at them, and its
    /// server ends when that happens while a transaction is applied (CVE-2026-100300): see
    /// [`is_track`].
    pub fn parse(text: &[u8]) -> StatsTrack {
        let text = String::from_utf8_lossy(text);
        let values = pairs(&text).flatten().map(|(key, value)| (key.to_owned(), value));
        StatsTrack { values: values.collect() }
    }

    /// As Java writes it.
    pub fn to_text(&self) -> String {
        use std::fmt::Write;
        let mut text = format!("count={},bytes={}", self.count(), self.bytes());
        let mut others = self.values.iter().filter(|(k, _)| *k != COUNT && *k != BYTES).peekable();
        if others.peek().is_some() {
            text.push('=');
        }
        for (key, value) in others {
            let _ = write!(text, ";{key}={value}");
        }
        text
    }

    /// Nodes; -1 when there is none, as for the others.
    pub fn count(&self) -> i64 {
        self.get(COUNT)
    }
    /// Bytes of data.
    pub fn bytes(&self) -> i64 {
        self.get(BYTES)
    }
    /// Nodes; -1: none.
    pub fn count_hard_limit(&self) -> i64 {
        self.get(COUNT_HARD)
    }
    /// Bytes; -1: none.
    pub fn bytes_hard_limit(&self) -> i64 {
        self.get(BYTES_HARD)
    }
    /// Nodes; -1: none.
    pub fn set_count_hard_limit(&mut self, count: i64) {
        self.set(COUNT_HARD, count);
    }
    /// Bytes; -1: none.
    pub fn set_bytes_hard_limit(&mut self, bytes: i64) {
        self.set(BYTES_HARD, bytes);
    }

    /// Moves count and bytes; one that is missing counts from -1, as in Java.
    pub fn add(&mut self, count: i64, bytes: i64) {
        self.set(COUNT, self.count().wrapping_add(count));
        self.set(BYTES, self.bytes().wrapping_add(bytes));
    }

    fn get(&self, key: &str) -> i64 {
        self.values.get(key).copied().unwrap_or(-1)
    }
    fn set(&mut self, key: &str, value: i64) {
        self.values.insert(key.to_owned(), value);
    }
}

/// Whether a client may write this as the text of a limits or stats node
/// (StatsTrack.isValidStatsData of 3.9.7): a server before 3.9.7 that applies another one ends, and
/// so does every start of it. Every write beneath the limits reads the text, so its length is bounded.
pub fn is_track(text: Option<&[u8]>) -> bool {
    let Some(text) = text.filter(|text| text.len() <= limits::QUOTA_TEXT) else { return false };
    pairs(&String::from_utf8_lossy(text)).all(|pair| pair.is_some())
}

/// The subtree whose limits or stats the node at `path` holds; `None` where it holds neither.
pub fn track_of(path: &str) -> Option<&str> {
    let (parent, name) = parent_and_name(path)?;
    let subtree = parent.strip_prefix(QUOTA_PATH)?;
    let is_track = name == LIMITS_NODE || name == STATS_NODE;
    (is_track && (subtree.is_empty() || subtree.starts_with('/'))).then_some(subtree)
}

/// The pairs of a text, `None` for what is none. Java's `split` drops empty parts at the end: of
/// the pairs, and of each pair's parts ("bytes=5=" is one), but not in front. No value is -1.
fn pairs(text: &str) -> impl Iterator<Item = Option<(&str, i64)>> {
    let is_separator = |c| c == ',' || c == ';';
    let body = text.trim_end_matches(is_separator);
    let mut first = true;
    body.split(is_separator)
        .filter(move |part| std::mem::take(&mut first) && !body.is_empty() || !part.is_empty())
        .map(|part| {
            let (key, rest) = part.trim_end_matches('=').split_once('=')?;
            let value = match rest.split('=').next().unwrap_or_default() {
                "" => -1,
                value => value.parse().ok()?,
            };
            (!key.is_empty()).then_some((key, value))
        })
}

/// The quota that a path falls under.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Quota {
    /// The subtree's root.
    pub prefix: String,
    /// As an operator has set them.
    pub limits: StatsTrack,
    /// `None` when the stats node is missing: nothing is checked then.
    pub usage: Option<StatsTrack>,
}

/// What a change would do to a quota.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum QuotaVerdict {
    /// No limit is passed.
    Within,
    /// Past a soft limit: worth a log line.
    Soft,
    /// Past a hard limit: to be refused.
    Hard,
}

impl Quota {
    /// ZooKeeperServer.checkQuota: a limit that is not touched by the change is not looked at,
    /// and a soft limit only where there is no hard one.
    pub fn verdict(&self, count_change: i64, bytes_change: i64) -> QuotaVerdict {
        let Some(usage) = &self.usage else {
            return QuotaVerdict::Within;
        };
        let (soft, hard) = (self.limits.count(), self.limits.count_hard_limit());
        let count = judge(usage.count(), count_change, soft, hard);
        if count == QuotaVerdict::Hard {
            return count;
        }
        let (soft, hard) = (self.limits.bytes(), self.limits.bytes_hard_limit());
        match judge(usage.bytes(), bytes_change, soft, hard) {
            QuotaVerdict::Within => count,
            bytes => bytes,
        }
    }
}

fn judge(now: i64, change: i64, soft: i64, hard: i64) -> QuotaVerdict {
    let limit = if hard > -1 { hard } else { soft };
    if change == 0 || limit <= -1 || now.saturating_add(change) <= limit {
        return QuotaVerdict::Within;
    }
    if hard > -1 { QuotaVerdict::Hard } else { QuotaVerdict::Soft }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_javas() {
        for text in [
            "count=5,bytes=10",
            "count=-1,bytes=-1=;byteHardLimit=3;countHardLimit=2",
            "count=1,bytes=2=;zzz=9",
        ] {
            assert_eq!(StatsTrack::parse(text.as_bytes()).to_text(), text);
        }
        let read = |text: &str| StatsTrack::parse(text.as_bytes()).to_text();
        assert_eq!(read(""), "count=-1,bytes=-1");
        assert_eq!(read("bytes=7,,;count=x,junk"), "count=-1,bytes=7");
        let mut track = StatsTrack::new(1, 2);
        track.set_bytes_hard_limit(4);
        track.add(3, -1);
        assert_eq!(track.to_text(), "count=4,bytes=1=;byteHardLimit=4");
    }

    #[test]
    fn texts_are_refused_that_end_a_java_server() {
        // CVE-2026-100300, by the rule of 3.9.7.
        for good in [
            "",
            ",",
            ";;,",
            "count=5,bytes=10",
            "count=-1,bytes=-1=;byteHardLimit=3;countHardLimit=2",
            "count=+5;;bytes==7,,",
            "anything=-9223372036854775808",
        ] {
            assert!(is_track(Some(good.as_bytes())), "{good:?}");
        }
        for bad in [
            "x",
            "count=",
            "=5",
            "count",
            "count=x",
            "count=5,bytes",
            ",count=5",
            "count= 5",
            "count=9223372036854775808",
            "\u{0}",
            "=",
        ] {
            assert!(!is_track(Some(bad.as_bytes())), "{bad:?}");
        }
        assert!(!is_track(None));
        assert!(!is_track(Some(b"\xff")));
        let long = "a=1,".repeat(limits::QUOTA_TEXT / 4);
        assert!(is_track(Some(long.as_bytes())));
        assert!(!is_track(Some(format!("{long},").as_bytes())), "read at every write beneath");
    }

    #[test]
    fn limits_and_stats_are_told_from_other_nodes() {
        for (path, subtree) in [
            ("/zookeeper/quota/a/zookeeper_limits", "/a"),
            ("/zookeeper/quota/a/b/zookeeper_stats", "/a/b"),
            ("/zookeeper/quota/zookeeper_stats", ""),
        ] {
            assert_eq!(track_of(path), Some(subtree), "{path}");
        }
        for path in [
            "/zookeeper/quota/a",
            "/a/zookeeper_limits",
            "/zookeeper/quotas/a/zookeeper_limits",
            "/zookeeper/quota",
            "/",
        ] {
            assert_eq!(track_of(path), None, "{path}");
        }
    }

    #[test]
    fn a_hard_limit_hides_the_soft_one_and_untouched_limits_do_not_count() {
        let quota = |limits: &str, usage: &str| Quota {
            prefix: "/a".into(),
            limits: StatsTrack::parse(limits.as_bytes()),
            usage: Some(StatsTrack::parse(usage.as_bytes())),
        };
        let soft = quota("count=3,bytes=10", "count=3,bytes=99");
        assert_eq!(soft.verdict(1, 0), QuotaVerdict::Soft);
        assert_eq!(soft.verdict(0, 0), QuotaVerdict::Within);
        assert_eq!(soft.verdict(0, -1), QuotaVerdict::Soft);
        let hard = quota("count=1,bytes=-1=;countHardLimit=4", "count=3,bytes=0");
        assert_eq!(hard.verdict(1, 5), QuotaVerdict::Within);
        assert_eq!(hard.verdict(2, 5), QuotaVerdict::Hard);
        let bytes = quota("count=-1,bytes=-1=;byteHardLimit=4", "count=3,bytes=4");
        assert_eq!(bytes.verdict(1, 0), QuotaVerdict::Within);
        assert_eq!(bytes.verdict(1, 1), QuotaVerdict::Hard);
        assert_eq!(Quota { usage: None, ..bytes }.verdict(9, 9), QuotaVerdict::Within);
    }
}
