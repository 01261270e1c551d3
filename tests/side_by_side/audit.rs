//! What both servers' audit logs say of the same streams, line by line.

use crate::request::Profile;
use crate::side::Side;
use crate::support::client::Session;
use crate::support::server::{Kind, super_settings};
use crate::support::{scratch, setting};
use crate::{SEEDS_TOGETHER, Tally, placement, play};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// The last path of a run: when its line is there, all are.
const LAST: &str = "/the-end-of-the-run";

const ENDED: &str = "ephemeralZNodeDeletionOnSessionCloseOrExpire";

#[test]
fn audit_logs_say_the_same() {
    // Goal: who has built alerts and reports on Java's audit log reads ours: the same lines for the same
    // requests, in the same order, with the same fields, refused ones, multis and the ends of sessions
    // among them. What differs: times, numbers of sessions, the order of a session's users (Java's is
    // that of a hash), and that of its ephemerals; control characters, which Java writes as they are.
    let seeds = setting("RK_AUDIT_SEEDS", 10);
    let operations = setting("RK_OPS", 300) as usize;
    let cores = std::env::var("RK_CORES").unwrap_or_default();
    let mut told: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut first = 5000;
    while first < 5000 + seeds {
        let end = (first + SEEDS_TOGETHER / 2).min(5000 + seeds);
        for line in audited(first..end, operations, &cores) {
            let field = |key: &str| line.iter().find(|(own, _)| own == key).unwrap().1.clone();
            *told.entry((field("operation"), field("result"))).or_default() += 1;
        }
        first = end;
    }
    println!("lines by operation and result: {told:?}");
    let lines: usize = told.values().sum();
    assert!(seeds < 10 || lines > 1000, "{lines} lines");
    for operation in ["create", "delete", "setData", "setAcl"] {
        for result in ["success", "failure"] {
            let count = told.get(&(operation.into(), result.into())).copied().unwrap_or(0);
            assert!(count > 0, "no {operation} with {result}: {told:?}");
        }
    }
    for (operation, result) in
        [("multiOperation", "failure"), ("reconfig", "failure"), (ENDED, "success")]
    {
        assert!(told.contains_key(&(operation.into(), result.into())), "no {operation}: {told:?}");
    }
}

type Fields = Vec<(String, String)>;

/// Plays seeds on a pair of servers, and gives the lines of ours, which are Java's.
fn audited(seeds: std::ops::Range<u64>, operations: usize, cores: &str) -> Vec<Fields> {
    let first = seeds.start;
    let settings = [
        super_settings(),
        ("minSessionTimeout", "60000"),
        ("maxSessionTimeout", "200000"),
        ("forceSync", "no"),
        ("znode.container.checkIntervalMs", "100000000"),
        ("extendedTypesEnabled", "true"),
        ("audit.enable", "true"),
    ];
    let [mut java, mut ours] = std::thread::scope(|scope| {
        [(Kind::Java, "java"), (Kind::under_test(), "ours")]
            .map(|(kind, side)| {
                let folder = scratch(&format!("side_by_side/audit-{first}-{side}"));
                let mut settings = settings.to_vec();
                if kind == Kind::Ringkeeper {
                    settings.extend(placement(cores));
                }
                scope.spawn(move || Side::start(kind, &folder, &settings))
            })
            .map(|thread| thread.join().expect("a started server"))
    });
    let mut tally = Tally::default();
    for seed in seeds {
        play(seed, operations, Profile::Extended, &mut java, &mut ours, &mut tally)
            .unwrap_or_else(|difference| panic!("answers differ: {difference}"));
    }
    let [theirs, own] = [&java, &ours].map(|side| {
        let mut session = Session::open(side.server.port, 60_000);
        assert_eq!(session.create(LAST, b""), 0);
        settled(lines(side))
    });
    for (at, (java, ours)) in theirs.iter().zip(&own).enumerate() {
        let before = &own[at.saturating_sub(3)..at];
        assert_eq!(java, ours, "seeds from {first}, line {at}; before: {before:?}");
    }
    assert_eq!(theirs.len(), own.len(), "seeds from {first}: one has more lines");
    own
}

/// The fields of every line, once the run's last is there.
fn lines(side: &Side) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let lines = read(side.server.kind, &side.server.folder);
        if lines.iter().any(|line| line.contains(LAST)) {
            return lines;
        }
        assert!(Instant::now() < deadline, "the last line does not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Java's are in its log, ours in a file of their own.
fn read(kind: Kind, folder: &Path) -> Vec<String> {
    let (name, mark) = match kind {
        Kind::Ringkeeper => ("zookeeper_audit.log", "Slf4jAuditLogger: "),
        Kind::Java | Kind::JavaOf(_) => ("server.log", "Slf4jAuditLogger - "),
    };
    let bytes = std::fs::read(folder.join(name)).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let told = text.split('\n').filter_map(|line| Some(line.split_once(mark)?.1.to_owned()));
    told.collect()
}

/// Without what differs from run to run.
fn settled(lines: Vec<String>) -> Vec<Fields> {
    let mut sessions: BTreeMap<String, String> = BTreeMap::new();
    let mut settled: Vec<Fields> = Vec::new();
    for line in lines {
        let fields = line.split('\t').map(|field| field.split_once('=').expect("key=value"));
        let fields: Fields = fields
            .map(|(key, value)| {
                let value = match key {
                    "session" => {
                        let number = format!("session {}", sessions.len());
                        sessions.entry(value.to_owned()).or_insert(number).clone()
                    }
                    "user" => {
                        let mut users: Vec<&str> = value.split(',').collect();
                        users.sort_unstable();
                        users.join(",")
                    }
                    _ => escaped(value),
                };
                (key.to_owned(), value)
            })
            .collect();
        settled.push(fields);
    }
    sort_ephemerals(&mut settled);
    settled
}

fn escaped(value: &str) -> String {
    let one = |c: char| match c {
        c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    value.chars().map(one).collect()
}

/// A session's ephemerals go in the order of a hash.
fn sort_ephemerals(lines: &mut [Fields]) {
    let is_one = |line: &Fields| line.iter().any(|(_, value)| value == ENDED);
    let mut from = 0;
    while from < lines.len() {
        let run = lines[from..].iter().take_while(|line| is_one(line)).count();
        lines[from..from + run].sort();
        from += run.max(1);
    }
}
