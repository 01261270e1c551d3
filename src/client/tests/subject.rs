//! A session in a script: inputs and effects as lines.
//!
//! ```text
//! client hosts=a:1,b:2 timeout=30000 chroot=/app readonly outstanding=3
//! > tick | opened | lost
//! > welcome timeout=30000 session=5 [readonly]     the answer to the connect request
//! > ask 1 get /a [watch]                           a request with its ticket
//! > reply 1 zxid=7 error=0 get                     the answer to request 1 (its xid)
//! > event NodeDeleted /a zxid=8
//! > forget 3 /a                                    a WatcherType
//! ```

use crate::client::{ConnectString, Effect, Input, Session, Settings, Ticket, WatcherType};
use crate::codec::reply::{self, ConnectResponse};
use crate::codec::request::{self, CreateCall, CreateOp, MultiOp, ReadOp, Request, WriteOp};
use crate::testing::script::Subject;
use crate::types::{ErrorCode, EventKind, Millis, SessionId, Stat, Xid, Zxid};

struct Client(Session);

/// The value behind `key=`.
fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

fn number<T: std::str::FromStr + Default>(line: &str, key: &str) -> T {
    value(line, key).and_then(|value| value.parse().ok()).unwrap_or_default()
}

pub(super) fn begin(line: &str) -> (Box<dyn Subject>, Vec<String>) {
    let hosts = value(line, "hosts").unwrap_or("a:1");
    let servers = format!("{hosts}{}", value(line, "chroot").unwrap_or(""));
    let mut settings = Settings::new(number(line, "seed"));
    settings.read_only = line.contains(" readonly");
    settings.timeout_ms = value(line, "timeout").map_or(30_000, |t| t.parse().unwrap());
    if let Some(most) = value(line, "outstanding") {
        settings.outstanding_max = most.parse().unwrap();
    }
    settings.frame_max = 4096;
    settings.request_max = 4096;
    let session = Session::new(ConnectString::parse(&servers).unwrap(), settings);
    (Box::new(Client(session)), Vec::new())
}

impl Subject for Client {
    fn hear(&mut self, now: Millis, line: &str) -> Vec<String> {
        let mut out = Vec::new();
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let bytes = match word {
            "tick" => return self.step(now, Input::Tick),
            "opened" => return self.step(now, Input::Opened),
            "lost" => return self.step(now, Input::Lost),
            "deadline" => return vec![format!("at {:?}", self.0.deadline().map(|at| at.0))],
            "ask" | "ask-absolute" => {
                let (ticket, rest) = rest.split_once(' ').unwrap();
                let ticket = Ticket(ticket.parse().unwrap());
                let is_absolute = word == "ask-absolute";
                let input = Input::Ask { ticket, request: request(rest), is_absolute };
                return self.step(now, input);
            }
            "forget" => {
                let (kind, path) = rest.split_once(' ').unwrap();
                let kind = WatcherType::from_number(kind.parse().unwrap()).unwrap();
                return self.step(now, Input::Forget { kind, path });
            }
            "welcome" => {
                let (timeout, session) = (number(rest, "timeout"), number(rest, "session"));
                welcome(timeout, session, rest.contains("readonly"))
            }
            "reply" => {
                let xid = rest.split(' ').next().unwrap().parse().unwrap();
                let what = rest.rsplit(' ').next().unwrap();
                reply(xid, number(rest, "zxid"), number(rest, "error"), what)
            }
            "event" => {
                let mut words = rest.split(' ');
                let (kind, path) = (words.next().unwrap(), words.next().unwrap());
                event(kind, path, number(rest, "zxid"))
            }
            "length" => rest.parse::<i32>().unwrap().to_be_bytes().to_vec(),
            other => panic!("no input {other}"),
        };
        self.0.step(now, Input::Received(&bytes), &mut out);
        out.iter().map(self::line).collect()
    }
}

impl Client {
    fn step(&mut self, now: Millis, input: Input<'_>) -> Vec<String> {
        let mut out = Vec::new();
        self.0.step(now, input, &mut out);
        out.iter().map(line).collect()
    }
}

/// A request of its words.
pub(super) fn request(text: &str) -> Request<'static> {
    let words: Vec<&str> = text.split(' ').collect();
    let path = words.get(1).map(|path| (*path).to_owned());
    let cow = || path.clone().map(Into::into);
    let watch = words.contains(&"watch");
    let create = || CreateOp {
        call: CreateCall::Create,
        path: path.clone(),
        data: None,
        acl: Some(Vec::new()),
        flags: 0,
        ttl: -1,
    };
    match words[0] {
        "get" => Request::Read(ReadOp::GetData { path: cow(), watch }),
        "stat" => Request::Read(ReadOp::Exists { path: cow(), watch }),
        "ls" => Request::Read(ReadOp::GetChildren2 { path: cow(), watch }),
        "addWatch" => {
            let mode = i32::from(words.contains(&"recursive"));
            Request::Read(ReadOp::AddWatch { path: cow(), mode })
        }
        "removeWatches" => {
            Request::Read(ReadOp::RemoveWatches { path: cow(), kind: words[2].parse().unwrap() })
        }
        "create" => Request::Write(WriteOp::Create(create())),
        "multi" => Request::Write(WriteOp::Multi(vec![
            MultiOp::Create(create()),
            MultiOp::Check { path, version: -1 },
        ])),
        "set" => {
            let data = vec![b'x'; words[2].parse().unwrap()];
            Request::Write(WriteOp::SetData { path, data: Some(data.into()), version: -1 })
        }
        "sync" => Request::Sync { path: cow() },
        "auth" => Request::Auth { scheme: cow(), auth: Some(b"secret") },
        "close" => Request::CloseSession,
        other => panic!("no request {other}"),
    }
}

pub(super) fn welcome(timeout: i32, session: i64, is_read_only: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let password = [session as u8; 16];
    let read_only = Some(is_read_only);
    let response = ConnectResponse { timeout, session: SessionId(session), password, read_only };
    reply::connect_response(&mut out, &response);
    out
}

/// An answer to a request of this kind.
pub(super) fn reply(xid: i32, zxid: i64, error: i32, what: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let (xid, zxid) = (Xid(xid), Zxid(zxid));
    let stat = Stat::default();
    match (error, what) {
        (0, "get") => reply::data(&mut out, xid, zxid, Some(b"data"), &stat),
        (0, "stat") => reply::stat(&mut out, xid, zxid, &stat),
        (0, "ls") => reply::children2(&mut out, xid, zxid, ["a"].into_iter(), &stat),
        (0, "addWatch") => reply::add_watch(&mut out, xid, zxid),
        (0, path) if path.starts_with('/') => reply::path(&mut out, xid, zxid, path),
        (0, _) => reply::empty(&mut out, xid, zxid),
        (error, _) => reply::error(&mut out, xid, zxid, ErrorCode::from_code(error)),
    }
    out
}

pub(super) fn event(kind: &str, path: &str, zxid: i64) -> Vec<u8> {
    let kind = match kind {
        "NodeCreated" => EventKind::NodeCreated,
        "NodeDeleted" => EventKind::NodeDeleted,
        "NodeDataChanged" => EventKind::NodeDataChanged,
        "NodeChildrenChanged" => EventKind::NodeChildrenChanged,
        other => panic!("no event {other}"),
    };
    let mut out = Vec::new();
    reply::event(&mut out, Zxid(zxid), kind, path);
    out
}

/// An effect as a line.
pub(super) fn line(effect: &Effect) -> String {
    match effect {
        Effect::Open(host) => format!("open {host}"),
        Effect::Send(bytes) => format!("send {}", frame(&bytes[4..])),
        Effect::Close => "close".into(),
        Effect::Answered(ticket, answer) => {
            let error = ErrorCode::from_code(answer.error);
            format!("answered {} {error:?} bytes={}", ticket.0, answer.body.len())
        }
        Effect::Refused(ticket, refusal) => format!("refused {} {refusal}", ticket.0),
        Effect::Event { kind, path, zxid } => format!("event {kind:?} {path} zxid={zxid}"),
        Effect::Removed { removal, path } => format!("removed {removal:?} {path}"),
        Effect::State(state) => format!("state {state:?}"),
    }
}

/// A frame to a server, its length left away: the codec's other direction reads it.
fn frame(payload: &[u8]) -> String {
    let (header, body) = request::decode_header(payload).unwrap();
    match request::decode_body(header.opcode, body) {
        Ok(request) if header.xid.0 != 0 => format!("{} {}", header.xid.0, brief(&request)),
        _ => {
            let connect = request::decode_connect(payload).unwrap();
            format!(
                "connect session={} zxid={} timeout={} password={} readonly={:?}",
                connect.session,
                connect.last_zxid_seen,
                connect.timeout,
                connect.password[0],
                connect.read_only
            )
        }
    }
}

fn brief(request: &Request<'_>) -> String {
    match request {
        Request::Ping => "ping".into(),
        Request::CloseSession => "close".into(),
        Request::Auth { scheme, .. } => format!("auth {}", scheme.as_deref().unwrap()),
        Request::Sync { path } => format!("sync {}", path.as_deref().unwrap()),
        Request::Read(ReadOp::SetWatches(all)) => format!(
            "setWatches zxid={} data={:?} exist={:?} child={:?} persistent={:?} recursive={:?}",
            all.relative_zxid, all.data, all.exist, all.child, all.persistent, all.recursive
        ),
        Request::Read(read) => format!("{read:?}"),
        Request::Write(WriteOp::Create(op)) => format!("create {}", op.path.as_deref().unwrap()),
        Request::Write(WriteOp::Multi(steps)) => {
            let paths = steps.iter().map(|step| match step {
                MultiOp::Create(op) => op.path.clone().unwrap(),
                MultiOp::Delete { path, .. }
                | MultiOp::SetData { path, .. }
                | MultiOp::Check { path, .. } => path.clone().unwrap(),
            });
            format!("multi {}", paths.collect::<Vec<_>>().join(" "))
        }
        Request::Write(write) => format!("{write:?}"),
        Request::Sasl { .. } => "sasl".into(),
    }
}
