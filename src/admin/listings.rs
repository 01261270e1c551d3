//! The long answers: who watches what, which sessions and ephemerals there are. Other roles tell
//! what they have; here it becomes text (DataTree.dumpWatches, ExpiryQueue.dump).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::SocketAddr;

use crate::types::{Millis, ServerId, SessionId, WallMillis, Zxid};

/// A session, as the control role tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionLine {
    /// Its number.
    pub session: SessionId,
    /// As agreed when it was made, in ms.
    pub timeout: i32,
    /// This server's alone.
    pub local: bool,
    /// `None`: another server decides.
    pub expires: Option<Millis>,
    /// When its client was last heard of here.
    pub heard: Option<Millis>,
}

/// Which lists of sessions `dump` has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionLists {
    /// One, by expiry (SessionTrackerImpl): the server decides about all of them.
    Deciding,
    /// Local ones, then the ensemble's, both by expiry (LeaderSessionTracker).
    DecidingWithLocal,
    /// The ensemble's, by id, with their timeouts: a leader decides (LearnerSessionTracker).
    Learning,
    /// Local ones by expiry, then as above.
    LearningWithLocal,
}

/// A client connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConnLine {
    /// Where the client is.
    pub peer: SocketAddr,
    /// 0 before the handshake.
    pub session: SessionId,
    /// When the connection ends if nothing is heard.
    pub expires: Millis,
}

/// An observer, as its leader tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ObserverLine {
    /// As it calls itself.
    pub server: ServerId,
    /// It has said that it has everything up to here.
    pub acked: Zxid,
    /// On their way to it.
    pub queued_bytes: usize,
}

/// One moment by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The monotonic clock.
    pub now: Millis,
    /// The clock on the wall.
    pub wall: WallMillis,
}

/// Watched paths, and the sessions that watch them with data watches.
pub type Watching = BTreeMap<String, BTreeSet<SessionId>>;

/// `wchp`.
pub fn watches_by_path(watching: &Watching) -> String {
    let mut out = String::new();
    for (path, sessions) in watching {
        let _ = writeln!(out, "{path}");
        for session in sessions {
            let _ = writeln!(out, "\t{session}");
        }
    }
    out.push('\n');
    out
}

/// `wchc`.
pub fn watches_by_session(watching: &Watching) -> String {
    let mut by_session: BTreeMap<SessionId, Vec<&str>> = BTreeMap::new();
    for (path, sessions) in watching {
        for session in sessions {
            by_session.entry(*session).or_default().push(path);
        }
    }
    let mut out = String::new();
    for (session, paths) in by_session {
        let _ = writeln!(out, "{session}");
        for path in paths {
            let _ = writeln!(out, "\t{path}");
        }
    }
    out.push('\n');
    out
}

/// `hash`: the tree's digest after every 128th transaction.
pub fn digests(history: &[(Zxid, u64)]) -> String {
    history.iter().fold(String::new(), |mut out, (zxid, digest)| {
        // Java's long is signed.
        let _ = writeln!(out, "{:x}: {}", zxid.0, *digest as i64);
        out
    })
}

/// `dump`.
pub fn dump(
    lists: SessionLists,
    sessions: &[SessionLine],
    ephemerals: &[(SessionId, Vec<String>)],
    conns: &[ConnLine],
    at: Moment,
) -> String {
    let mut out = String::from("SessionTracker dump:\n");
    session_lists(&mut out, lists, sessions, at);
    out.push_str("ephemeral nodes dump:\n");
    let _ = writeln!(out, "Sessions with Ephemerals ({}):", ephemerals.len());
    for (session, paths) in ephemerals {
        let _ = writeln!(out, "{session}:");
        for path in paths {
            let _ = writeln!(out, "\t{path}");
        }
    }
    out.push_str("Connections dump:\nConnections ");
    let lines = conns.iter().map(|line| {
        (line.expires, format!("ip: /{} sessionId: {}", address(line.peer), line.session))
    });
    expiry_sets(&mut out, lines, at);
    out
}

fn session_lists(out: &mut String, lists: SessionLists, sessions: &[SessionLine], at: Moment) {
    let by_expiry = |out: &mut String, local: bool| {
        out.push_str("Session ");
        let own = sessions.iter().filter(|line| line.local == local);
        let lines = own.filter_map(|line| Some((line.expires?, line.session.to_string())));
        expiry_sets(out, lines, at);
    };
    if matches!(lists, SessionLists::DecidingWithLocal | SessionLists::LearningWithLocal) {
        out.push_str("Local ");
        by_expiry(out, true);
        out.push_str("Global ");
    }
    match lists {
        SessionLists::Deciding | SessionLists::DecidingWithLocal => by_expiry(out, false),
        SessionLists::Learning => {
            out.push_str("Global ");
            by_id(out, sessions);
        }
        SessionLists::LearningWithLocal => by_id(out, sessions),
    }
}

fn by_id(out: &mut String, sessions: &[SessionLine]) {
    let global = || sessions.iter().filter(|line| !line.local);
    let _ = writeln!(out, "Sessions({}):", global().count());
    for line in global() {
        let _ = writeln!(out, "{}\t{}ms", line.session, line.timeout);
    }
}

fn expiry_sets(out: &mut String, lines: impl Iterator<Item = (Millis, String)>, at: Moment) {
    let mut sets: BTreeMap<Millis, Vec<String>> = BTreeMap::new();
    for (expires, line) in lines {
        sets.entry(expires).or_default().push(line);
    }
    let all: usize = sets.values().map(Vec::len).sum();
    let _ = writeln!(out, "Sets ({})/({all}):", sets.len());
    for (expires, lines) in sets {
        let wall = at.wall.0.saturating_add(expires.0.saturating_sub(at.now.0));
        let _ = writeln!(out, "{} expire at {}:", lines.len(), date(WallMillis(wall)));
        for line in lines {
            let _ = writeln!(out, "\t{line}");
        }
    }
}

/// As java.net.InetSocketAddress prints it: all eight groups of an IPv6 address, none left out.
pub(in crate::admin) fn address(peer: SocketAddr) -> String {
    match peer {
        SocketAddr::V4(peer) => peer.to_string(),
        SocketAddr::V6(peer) => {
            let groups = peer.ip().segments().map(|group| format!("{group:x}")).join(":");
            match peer.scope_id() {
                0 => format!("[{groups}]:{}", peer.port()),
                scope => format!("[{groups}%{scope}]:{}", peer.port()),
            }
        }
    }
}

/// As java.util.Date prints it, in UTC: `Sat Nov 21 04:29:31 UTC 2026`.
fn date(time: WallMillis) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = time.0.div_euclid(1000);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    format!(
        "{} {} {day:02} {:02}:{:02}:{:02} UTC {year}",
        DAYS[days.rem_euclid(7) as usize],
        MONTHS[month],
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

/// Day number since 1970 to year, month from 0, and day (H. Hinnant, "chrono-compatible low-level
/// date algorithms").
pub(in crate::admin) fn civil(days: i64) -> (i64, usize, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 2 } else { mp - 10 });
    (yoe + era * 400 + i64::from(month <= 1), month as usize, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_like_javas() {
        for (ms, text) in [
            (0, "Thu Jan 01 00:00:00 UTC 1970"),
            (1_795_235_360_137, "Sat Nov 21 04:29:20 UTC 2026"),
            (951_782_400_000, "Tue Feb 29 00:00:00 UTC 2000"),
            (-1, "Wed Dec 31 23:59:59 UTC 1969"),
        ] {
            assert_eq!(date(WallMillis(ms)), text);
        }
    }

    #[test]
    fn addresses_are_written_like_javas() {
        for (peer, text) in [
            ("127.0.0.1:5", "127.0.0.1:5"),
            ("[::1]:5", "[0:0:0:0:0:0:0:1]:5"),
            ("[2001:db8::a0:1]:65535", "[2001:db8:0:0:0:0:a0:1]:65535"),
            ("[fe80::1%3]:7", "[fe80:0:0:0:0:0:0:1%3]:7"),
        ] {
            assert_eq!(address(peer.parse().unwrap()), text);
        }
    }

    #[test]
    fn watches_are_listed_both_ways_round() {
        let mut watching = Watching::new();
        watching.insert("/a".into(), [1, 2].map(SessionId).into());
        watching.insert("/b".into(), [2].map(SessionId).into());
        assert_eq!(watches_by_path(&watching), "/a\n\t0x1\n\t0x2\n/b\n\t0x2\n\n");
        assert_eq!(watches_by_session(&watching), "0x1\n\t/a\n0x2\n\t/a\n\t/b\n\n");
        assert_eq!(watches_by_path(&Watching::new()), "\n");
    }

    #[test]
    fn a_dump_groups_by_expiry() {
        let line = |id, expires| SessionLine {
            session: SessionId(id),
            timeout: 8000,
            local: false,
            expires: Some(Millis(expires)),
            heard: Some(Millis(0)),
        };
        let conn = ConnLine {
            peer: "127.0.0.1:5".parse().unwrap(),
            session: SessionId(0x10),
            expires: Millis(10_000),
        };
        let at = Moment { now: Millis(1000), wall: WallMillis(0) };
        let ephemerals = [(SessionId(0x10), vec!["/e".to_string()])];
        let sessions = [line(0x10, 4000), line(2, 3000), line(3, 4000)];
        assert_eq!(
            dump(SessionLists::Deciding, &sessions, &ephemerals, &[conn], at),
            "SessionTracker dump:\nSession Sets (2)/(3):\n\
             1 expire at Thu Jan 01 00:00:02 UTC 1970:\n\t0x2\n\
             2 expire at Thu Jan 01 00:00:03 UTC 1970:\n\t0x10\n\t0x3\n\
             ephemeral nodes dump:\nSessions with Ephemerals (1):\n0x10:\n\t/e\n\
             Connections dump:\nConnections Sets (1)/(1):\n\
             1 expire at Thu Jan 01 00:00:09 UTC 1970:\n\tip: /127.0.0.1:5 sessionId: 0x10\n"
        );
    }

    #[test]
    fn a_learner_tells_timeouts_of_sessions_it_does_not_decide_about() {
        let global = |id| SessionLine {
            session: SessionId(id),
            timeout: 8000,
            local: false,
            expires: None,
            heard: None,
        };
        let own = SessionLine { local: true, expires: Some(Millis(4000)), ..global(7) };
        let at = Moment { now: Millis(1000), wall: WallMillis(0) };
        let told = |lists, sessions: &[SessionLine]| {
            let text = dump(lists, sessions, &[], &[], at);
            text.split_once("ephemeral nodes dump:").unwrap().0.to_string()
        };
        let sessions = [global(2), own, global(0x10)];
        assert_eq!(
            told(SessionLists::LearningWithLocal, &sessions),
            "SessionTracker dump:\nLocal Session Sets (1)/(1):\n\
             1 expire at Thu Jan 01 00:00:03 UTC 1970:\n\t0x7\n\
             Global Sessions(2):\n0x2\t8000ms\n0x10\t8000ms\n"
        );
        assert_eq!(
            told(SessionLists::Learning, &[global(2)]),
            "SessionTracker dump:\nGlobal Sessions(1):\n0x2\t8000ms\n"
        );
        let decided = SessionLine { expires: Some(Millis(5000)), ..global(2) };
        assert_eq!(
            told(SessionLists::DecidingWithLocal, &[decided, own]),
            "SessionTracker dump:\nLocal Session Sets (1)/(1):\n\
             1 expire at Thu Jan 01 00:00:03 UTC 1970:\n\t0x7\n\
             Global Session Sets (1)/(1):\n1 expire at Thu Jan 01 00:00:04 UTC 1970:\n\t0x2\n"
        );
    }

    #[test]
    fn digests_are_signed() {
        assert_eq!(digests(&[(Zxid(0x80), 7), (Zxid(0x100), u64::MAX)]), "80: 7\n100: -1\n");
    }
}
