//! The slow-operation log: the last operations that took longer than a threshold, with what they waited
//! for.
//!
//! ```text
//! received ──queue──► proposed ──log──► durable ──quorum──► agreed ──apply──► applied ──reply──► answered
//! ```
//!
//! Times are those of turns, in milliseconds. On a learner the way to the leader and back is part of the
//! queue. A stage whose end came before the one in front of it took no time: a quorum may be quicker
//! than this server's own log.

use std::collections::VecDeque;
use std::fmt::Write;
use std::net::SocketAddr;

use parking_lot::Mutex;
use serde_json::{Map, Value};

use crate::codec::request::{OpCode, outline};
use crate::types::{Identity, Millis, SessionId, WallMillis, Zxid};

/// Bytes of a path that are kept.
const PATH_BYTES: usize = 116;

/// A request's kind, length, and the beginning of its path, without memory of its own: one is kept for
/// each request that is awaited.
#[derive(Clone, Copy)]
pub struct Brief {
    opcode: i32,
    /// Of the whole frame.
    frame_len: u32,
    /// Of the whole path.
    path_len: u32,
    path: [u8; PATH_BYTES],
}

impl Brief {
    /// Of a frame that can be read.
    pub fn of(frame: &[u8]) -> Brief {
        let (opcode, path) = outline(frame).unwrap_or((OpCode::Error, &[]));
        let mut kept = [0; PATH_BYTES];
        let len = path.len().min(PATH_BYTES);
        kept[..len].copy_from_slice(&path[..len]);
        Brief {
            opcode: opcode as i32,
            frame_len: frame.len() as u32,
            path_len: path.len() as u32,
            path: kept,
        }
    }

    /// Its name.
    pub fn operation(&self) -> &'static str {
        OpCode::try_from(self.opcode).map_or("unknown", OpCode::name)
    }

    /// `None` for a request without a path. One that was cut ends in an ellipsis.
    pub fn path(&self) -> Option<String> {
        let len = self.path_len as usize;
        let kept = self.path.get(..len).unwrap_or(&self.path);
        let mut text = String::from_utf8_lossy(kept).into_owned();
        if len > kept.len() {
            text.push('…');
        }
        (len > 0).then_some(text)
    }
}

/// When a transaction came to its stations; before 0 where that is not known. It travels with every
/// answer, so it is small.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stations {
    /// Into the queue of what is to be committed.
    pub proposed: Millis,
    /// Onto the disk here.
    pub durable: Millis,
    /// To a quorum, as far as this server had heard.
    pub agreed: Millis,
    /// Into the tree.
    pub applied: Millis,
}

impl Stations {
    /// Not known.
    pub const NEVER: Millis = Millis(-1);

    /// Nothing is known.
    pub const NONE: Stations = Stations {
        proposed: Stations::NEVER,
        durable: Stations::NEVER,
        agreed: Stations::NEVER,
        applied: Stations::NEVER,
    };
}

/// What an operation waited for, and how long, in ms; `None`: not known, or not its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the module's picture says what each is")]
pub struct Stages {
    pub queue: Option<i64>,
    pub log: Option<i64>,
    pub quorum: Option<i64>,
    pub apply: Option<i64>,
    pub reply: Option<i64>,
}

impl Stages {
    /// Of a transaction.
    pub fn between(received: Millis, stations: &Stations, answered: Millis) -> Stages {
        let Stations { proposed, durable, agreed, applied } = *stations;
        let mut stages = Stages { queue: None, log: None, quorum: None, apply: None, reply: None };
        if applied >= Millis(0) {
            stages.reply = Some((answered.0 - applied.0).max(0));
        }
        if proposed >= Millis(0) {
            stages.queue = Some((proposed.0 - received.0).max(0));
        }
        if proposed.min(durable).min(agreed).min(applied) >= Millis(0) {
            let durable = durable.max(proposed);
            let agreed = agreed.max(durable);
            stages.log = Some(durable.0 - proposed.0);
            stages.quorum = Some(agreed.0 - durable.0);
            stages.apply = Some((applied.0 - agreed.0).max(0));
        }
        stages
    }

    /// Of a read that had to wait for what was asked before it.
    pub fn waited(ms: i64) -> Stages {
        Stages { queue: Some(ms), log: None, quorum: None, apply: None, reply: None }
    }

    fn named(&self) -> [(&'static str, Option<i64>); 5] {
        [
            ("queue", self.queue),
            ("log", self.log),
            ("quorum", self.quorum),
            ("apply", self.apply),
            ("reply", self.reply),
        ]
    }
}

/// One that was slow.
#[derive(Clone, Debug)]
pub struct SlowOperation {
    /// When it was answered.
    pub at: WallMillis,
    /// How long it took.
    pub ms: i64,
    /// What it waited for.
    pub stages: Stages,
    /// ZooKeeper's name of it.
    pub operation: &'static str,
    /// Of a request that has one; cut if long.
    pub path: Option<String>,
    /// Of the request.
    pub bytes: u32,
    /// Of the answer.
    pub zxid: Zxid,
    /// Who asked.
    pub session: SessionId,
    /// From where.
    pub client: SocketAddr,
    /// What was proven, beyond the address.
    pub principal: Option<String>,
}

impl SlowOperation {
    /// What was asked, and what came of its stations.
    pub fn new(brief: &Brief, stages: Stages, (ms, at): (i64, WallMillis)) -> SlowOperation {
        SlowOperation {
            at,
            ms,
            stages,
            operation: brief.operation(),
            path: brief.path(),
            bytes: brief.frame_len,
            zxid: Zxid::ZERO,
            session: SessionId(0),
            client: SocketAddr::from(([0, 0, 0, 0], 0)),
            principal: None,
        }
    }

    /// With who asked. Of a digest the name alone is shown.
    pub fn asked_by(
        self,
        session: SessionId,
        client: SocketAddr,
        identities: &[Identity],
    ) -> SlowOperation {
        let name = |identity: &Identity| {
            let name = identity.id.split(':').next().unwrap_or_default();
            format!("{}:{name}", identity.scheme)
        };
        let proven = identities.iter().find(|identity| &*identity.scheme != "ip").map(name);
        SlowOperation { session, client, principal: proven, ..self }
    }

    /// As the server's own log tells it.
    pub fn line(&self) -> String {
        let mut line = format!("slow operation: {} ms, {}", self.ms, self.operation);
        if let Some(path) = &self.path {
            let _ = write!(line, " {}", path.escape_debug());
        }
        let _ = write!(
            line,
            " of {} bytes by session {} from {}",
            self.bytes, self.session, self.client
        );
        for (name, ms) in self.stages.named() {
            if let Some(ms) = ms {
                let _ = write!(line, ", {name} {ms} ms");
            }
        }
        line
    }

    fn json(&self) -> Value {
        let stages = self.stages.named();
        let stages = stages.map(|(name, ms)| (name.to_owned(), Value::from(ms)));
        let mut map = Map::new();
        let mut put = |key: &str, value: Value| drop(map.insert(key.into(), value));
        put("time_ms", self.at.0.into());
        put("ms", self.ms.into());
        put("stages_ms", Value::Object(Map::from_iter(stages)));
        put("operation", self.operation.into());
        put("path", self.path.clone().into());
        put("bytes", self.bytes.into());
        put("zxid", format!("0x{:x}", self.zxid.0).into());
        put("session", self.session.to_string().into());
        put("client", self.client.to_string().into());
        put("principal", self.principal.clone().into());
        Value::Object(map)
    }
}

/// The last of them. Whoever notes one was slow anyway: the others take no lock.
pub struct SlowLog {
    threshold_ms: i64,
    keep: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// Since the start.
    total: u64,
    /// Oldest first.
    operations: VecDeque<SlowOperation>,
}

impl SlowLog {
    /// Of operations of at least so many ms, the last `keep`.
    pub fn new(threshold_ms: i64, keep: usize) -> SlowLog {
        SlowLog { threshold_ms, keep, kept: Mutex::default() }
    }

    /// Whether one that has taken so long is slow.
    pub fn is_slow(&self, ms: i64) -> bool {
        ms >= self.threshold_ms
    }

    /// One more; the oldest goes.
    pub fn note(&self, operation: SlowOperation) {
        let mut kept = self.kept.lock();
        kept.total += 1;
        kept.operations.push_back(operation);
        while kept.operations.len() > self.keep {
            kept.operations.pop_front();
        }
    }

    fn view(&self) -> Map<String, Value> {
        let kept = self.kept.lock();
        let mut map = head(self.threshold_ms, kept.total);
        let newest_first = kept.operations.iter().rev().map(SlowOperation::json);
        map.insert("operations".into(), newest_first.collect());
        map
    }
}

/// `/commands/slow`; 0 ms: nothing is looked for.
pub fn view(log: Option<&SlowLog>) -> Map<String, Value> {
    log.map_or_else(
        || {
            let mut map = head(0, 0);
            map.insert("operations".into(), Value::Array(Vec::new()));
            map
        },
        SlowLog::view,
    )
}

fn head(threshold_ms: i64, total: u64) -> Map<String, Value> {
    let pairs = [("slow_ms", Value::from(threshold_ms)), ("total", Value::from(total))];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::request::{Request, WriteOp, encode};
    use crate::types::Xid;

    fn frame(request: &Request<'_>) -> Vec<u8> {
        let mut framed = Vec::new();
        encode(&mut framed, Xid(1), request);
        framed.split_off(4)
    }

    fn set_data(path: &str) -> Vec<u8> {
        let op = WriteOp::SetData { path: Some(path.to_owned()), data: None, version: -1 };
        frame(&Request::Write(op))
    }

    #[test]
    fn a_brief_has_the_kind_and_the_beginning_of_the_path() {
        let bytes = set_data("/a/b");
        let brief = Brief::of(&bytes);
        assert_eq!((brief.operation(), brief.path().as_deref()), ("setData", Some("/a/b")));
        assert_eq!(brief.frame_len as usize, bytes.len());
        let long = format!("/{}", "x".repeat(200));
        let cut = format!("{}…", &long[..PATH_BYTES]);
        assert_eq!(Brief::of(&set_data(&long)).path(), Some(cut));
        let close = Brief::of(&frame(&Request::CloseSession));
        assert_eq!((close.operation(), close.path()), ("closeSession", None));
        assert_eq!(Brief::of(b"no frame").operation(), "unknown");
        assert_eq!(size_of::<Brief>(), 128);
    }

    #[test]
    fn stages_add_up_to_what_an_operation_took() {
        let at = Millis;
        let stations = |proposed, durable, agreed| Stations {
            proposed,
            durable,
            agreed,
            applied: Millis(100),
        };
        let stages = |stations| {
            let stages = Stages::between(Millis(10), &stations, Millis(110));
            stages.named().map(|(_, ms)| ms)
        };
        let some = |all: [i64; 5]| all.map(Some);
        assert_eq!(stages(stations(at(20), at(50), at(90))), some([10, 30, 40, 10, 10]));
        // A quorum without this server.
        assert_eq!(stages(stations(at(20), at(95), at(30))), some([10, 75, 0, 5, 10]));
        // A learner's log had it before it heard that it is proposed.
        assert_eq!(stages(stations(at(20), at(15), at(30))), some([10, 0, 10, 70, 10]));
        let never = Stations::NEVER;
        assert_eq!(stages(stations(never, never, never)), [None, None, None, None, Some(10)]);
        assert_eq!(stages(stations(at(20), never, at(30))), [Some(10), None, None, None, Some(10)]);
        assert_eq!(stages(Stations::NONE), [None; 5]);
    }

    #[test]
    fn the_last_are_kept_newest_first_and_all_are_counted() {
        let log = SlowLog::new(100, 2);
        assert!(log.is_slow(100) && !log.is_slow(99));
        for path in ["/a", "/b", "/c"] {
            let times = (120, WallMillis(7));
            let brief = Brief::of(&set_data(path));
            let operation = SlowOperation::new(&brief, Stages::waited(120), times);
            let proven = [Identity::new("ip", "::1"), Identity::new("digest", "bob:hash")];
            let client = SocketAddr::from(([127, 0, 0, 1], 5));
            log.note(operation.asked_by(SessionId(0x1f), client, &proven));
        }
        let view = Value::Object(view(Some(&log)));
        assert_eq!((&view["slow_ms"], &view["total"]), (&Value::from(100), &Value::from(3)));
        let paths: Vec<&Value> =
            view["operations"].as_array().unwrap().iter().map(|one| &one["path"]).collect();
        assert_eq!(paths, ["/c", "/b"]);
        let one = &view["operations"][0];
        assert_eq!(one["principal"], "digest:bob", "no hash");
        assert_eq!(one["session"], "0x1f");
        assert_eq!(one["stages_ms"]["queue"], 120);
        let line = log.kept.lock().operations[0].line();
        let expected = "slow operation: 120 ms, setData /b of 22 bytes by session 0x1f from \
                        127.0.0.1:5, queue 120 ms";
        assert_eq!(line, expected);
        assert_eq!(super::view(None)["slow_ms"], 0);
    }
}
