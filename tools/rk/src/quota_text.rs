//! A quota's text (org.apache.zookeeper.StatsTrack) and places (org.apache.zookeeper.Quotas).

use std::collections::BTreeMap;

/// Beneath which quotas lie.
pub(crate) const ROOT: &str = "/zookeeper/quota";
/// The node with the limits.
pub(crate) const LIMITS: &str = "zookeeper_limits";
/// The node with what is counted.
pub(crate) const STATS: &str = "zookeeper_stats";

pub(crate) fn place(path: &str) -> String {
    format!("{ROOT}{path}")
}

pub(crate) fn limits(path: &str) -> String {
    format!("{ROOT}{path}/{LIMITS}")
}

pub(crate) fn stats(path: &str) -> String {
    format!("{ROOT}{path}/{STATS}")
}

/// A node with a quota that is not written as one; Java's client ends with an exception.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0} is no number of a quota")]
pub(crate) struct QuotaText(String);

/// Numbers by name. What has none is -1.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Quota(BTreeMap<String, i64>);

pub(crate) const COUNT: &str = "count";
pub(crate) const BYTES: &str = "bytes";
pub(crate) const COUNT_HARD: &str = "countHardLimit";
pub(crate) const BYTES_HARD: &str = "byteHardLimit";

impl Quota {
    /// All four, without a limit.
    pub(crate) fn unlimited() -> Quota {
        let names = [COUNT, BYTES, COUNT_HARD, BYTES_HARD];
        Quota(names.into_iter().map(|name| (name.to_owned(), -1)).collect())
    }

    /// What the stats node begins with.
    pub(crate) fn zero() -> Quota {
        Quota([COUNT, BYTES].into_iter().map(|name| (name.to_owned(), 0)).collect())
    }

    pub(crate) fn parse(text: &[u8]) -> Result<Quota, QuotaText> {
        let text = String::from_utf8_lossy(text);
        let mut quota = Quota::default();
        for pair in text.split([',', ';']).filter(|pair| !pair.is_empty()) {
            let mut parts = pair.split('=');
            let name = parts.next().unwrap_or_default();
            let value = parts.next().filter(|value| !value.is_empty()).unwrap_or("-1");
            let value = value.parse().map_err(|_| QuotaText(value.to_owned()))?;
            quota.0.insert(name.to_owned(), value);
        }
        Ok(quota)
    }

    pub(crate) fn get(&self, name: &str) -> i64 {
        self.0.get(name).copied().unwrap_or(-1)
    }

    pub(crate) fn set(&mut self, name: &str, value: i64) {
        self.0.insert(name.to_owned(), value);
    }

    /// Count and bytes first, and an `=` that keeps old servers from the rest.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{COUNT}={},{BYTES}={}", self.get(COUNT), self.get(BYTES));
        let rest: Vec<_> =
            self.0.iter().filter(|(name, _)| *name != COUNT && *name != BYTES).collect();
        if !rest.is_empty() {
            text.push('=');
        }
        for (name, value) in rest {
            text.push_str(&format!(";{name}={value}"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_written_as_java_writes_it() {
        let mut quota = Quota::unlimited();
        quota.set(COUNT, 5);
        let text = "count=5,bytes=-1=;byteHardLimit=-1;countHardLimit=-1";
        assert_eq!(quota.text(), text);
        assert_eq!(Quota::parse(text.as_bytes()), Ok(quota));
        assert_eq!(Quota::zero().text(), "count=0,bytes=0");
        assert_eq!(Quota::parse(b"").unwrap().text(), "count=-1,bytes=-1");
        assert_eq!(Quota::parse(b"count=x"), Err(QuotaText("x".into())));
    }
}
