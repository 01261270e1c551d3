//! A node's Stat, in zkCli's words and as JSON (org.apache.zookeeper.cli.StatPrinter).

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ringkeeper::types::{SessionId, Stat, WallMillis};
use serde_json::{Value, json};

/// The lines of StatPrinter.
pub(crate) fn lines(stat: &Stat) -> Vec<String> {
    vec![
        format!("cZxid = {}", stat.czxid),
        format!("ctime = {}", date(stat.ctime)),
        format!("mZxid = {}", stat.mzxid),
        format!("mtime = {}", date(stat.mtime)),
        format!("pZxid = {}", stat.pzxid),
        format!("cversion = {}", stat.cversion),
        format!("dataVersion = {}", stat.version),
        format!("aclVersion = {}", stat.aversion),
        format!("ephemeralOwner = 0x{:x}", stat.ephemeral_owner),
        format!("dataLength = {}", stat.data_length),
        format!("numChildren = {}", stat.num_children),
    ]
}

/// The same as JSON; times in milliseconds since 1970.
pub(crate) fn json(stat: &Stat) -> Value {
    json!({
        "czxid": stat.czxid.0,
        "ctime": stat.ctime.0,
        "mzxid": stat.mzxid.0,
        "mtime": stat.mtime.0,
        "pzxid": stat.pzxid.0,
        "cversion": stat.cversion,
        "version": stat.version,
        "aversion": stat.aversion,
        "ephemeralOwner": format!("0x{:x}", stat.ephemeral_owner),
        "dataLength": stat.data_length,
        "numChildren": stat.num_children,
    })
}

/// java.util.Date.toString, in the local zone.
pub(crate) fn date(time: WallMillis) -> String {
    let Ok(at) = Timestamp::from_millisecond(time.0) else {
        // Java counts further than any calendar.
        return format!("{} ms since 1970", time.0);
    };
    let zone = TimeZone::try_system().unwrap_or(TimeZone::UTC);
    at.to_zoned_datetime(zone).strftime("%a %b %d %H:%M:%S %Z %Y").to_string()
}

/// Of an ephemeral the session that it goes with. Servers show 0 of containers and of nodes with a time to
/// live as of persistent ones: a client cannot tell them apart (DataNode.copyStat).
pub(crate) fn session(stat: &Stat) -> Option<SessionId> {
    Some(SessionId(stat.ephemeral_owner)).filter(|session| session.0 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_javas() {
        // Goal: java.util.Date.toString, where the zone is UTC.
        let text = date(WallMillis(1_700_000_000_000));
        assert!(text.starts_with("Tue Nov 1") && text.ends_with(" 2023"), "{text}");
        assert_eq!(date(WallMillis(i64::MAX)), format!("{} ms since 1970", i64::MAX));
    }

    #[test]
    fn a_stat_has_zkclis_lines() {
        let stat = Stat { ephemeral_owner: -1, ..Stat::default() };
        let lines = lines(&stat);
        assert_eq!(lines.len(), 11);
        assert_eq!(lines[0], "cZxid = 0x0");
        assert_eq!(lines[8], "ephemeralOwner = 0xffffffffffffffff");
    }
}
