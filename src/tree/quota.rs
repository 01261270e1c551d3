//! Limits on subtrees, kept in nodes under /zookeeper/quota (Quotas, StatsTrack, PathTrie).
//!
//! A `zookeeper_limits` node registers the subtree it is named after; the `zookeeper_stats` node
//! beside it tells the subtree's use and is edited in place by every change beneath, on every
//! server for itself, without a transaction, a version or a watch.

use std::collections::BTreeMap;

use super::QUOTA_PATH;

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
    pub fn new(count: i64, bytes: i64) -> StatsTrack {
        let mut track = StatsTrack::default();
        track.set(COUNT, count);
        track.set(BYTES, bytes);
        track
    }

    /// Pairs that are none are passed over; a value that is no number is read as -1. Java throws
    /// at both, and its server dies when it happens while a transaction is applied.
    pub fn parse(text: &[u8]) -> StatsTrack {
        let text = String::from_utf8_lossy(text);
        let mut values = BTreeMap::new();
        for pair in text.split([',', ';']).filter(|pair| !pair.is_empty()) {
            let mut parts = pair.split('=');
            if let (Some(key), Some(value)) = (parts.next(), parts.next()) {
                values.insert(key.to_owned(), value.parse().unwrap_or(-1));
            }
        }
        StatsTrack { values }
    }

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
    pub fn count_hard_limit(&self) -> i64 {
        self.get(COUNT_HARD)
    }
    pub fn bytes_hard_limit(&self) -> i64 {
        self.get(BYTES_HARD)
    }
    pub fn set_count_hard_limit(&mut self, count: i64) {
        self.set(COUNT_HARD, count);
    }
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

/// The quota that a path falls under.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Quota {
    /// The subtree's root.
    pub prefix: String,
    pub limits: StatsTrack,
    /// `None` when the stats node is missing: nothing is checked then.
    pub usage: Option<StatsTrack>,
}

/// What a change would do to a quota.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum QuotaVerdict {
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

/// The subtrees that have limits (PathTrie).
#[derive(Debug, Default)]
pub(super) struct Trie {
    root: Branch,
}

#[derive(Debug, Default)]
struct Branch {
    limited: bool,
    children: BTreeMap<Box<str>, Branch>,
}

impl Trie {
    pub fn is_empty(&self) -> bool {
        self.root.children.is_empty()
    }

    /// The root cannot be limited.
    pub fn add(&mut self, path: &str) {
        let mut branch = &mut self.root;
        for segment in segments(path) {
            branch = branch.children.entry(segment.into()).or_default();
        }
        branch.limited = true;
    }

    pub fn remove(&mut self, path: &str) {
        let segments: Vec<&str> = segments(path).collect();
        prune(&mut self.root, &segments);
    }

    /// The longest limited prefix of `path`.
    pub fn longest(&self, path: &str) -> Option<String> {
        let mut branch = &self.root;
        let mut prefix = String::new();
        let mut limited = 0;
        for segment in segments(path) {
            let Some(child) = branch.children.get(segment) else {
                break;
            };
            prefix.push('/');
            prefix.push_str(segment);
            if child.limited {
                limited = prefix.len();
            }
            branch = child;
        }
        prefix.truncate(limited);
        (limited > 0).then_some(prefix)
    }

    pub fn clear(&mut self) {
        self.root = Branch::default();
    }
}

/// Lifts the limit and cuts off branches that lead to none.
fn prune(branch: &mut Branch, segments: &[&str]) {
    let Some((first, rest)) = segments.split_first() else {
        branch.limited = false;
        return;
    };
    if let Some(child) = branch.children.get_mut(*first) {
        prune(child, rest);
        if !child.limited && child.children.is_empty() {
            branch.children.remove(*first);
        }
    }
}

/// PathTrie passes over segments of blanks (String.trim).
fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| segment.chars().any(|c| c > ' '))
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
    fn the_longest_limited_prefix_is_found() {
        let mut trie = Trie::default();
        trie.add("/a/b");
        trie.add("/a");
        trie.add("/x/y/z");
        assert_eq!(trie.longest("/a/b/c").as_deref(), Some("/a/b"));
        assert_eq!(trie.longest("/a/bc").as_deref(), Some("/a"));
        assert_eq!(trie.longest("/x/y").as_deref(), None);
        assert_eq!(trie.longest("/").as_deref(), None);
        trie.remove("/a");
        assert_eq!(trie.longest("/a/q").as_deref(), None);
        assert_eq!(trie.longest("/a/b").as_deref(), Some("/a/b"));
        trie.remove("/a/b");
        trie.remove("/x/y/z");
        trie.remove("/never");
        assert!(trie.is_empty());
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
