//! Records → lines, as Slf4jAuditLogger and the documented appender write them
//! (AuditHelper, AuditEvent, ZKAuditProvider; `%d{ISO8601} %p %c{2}: %m%n`).
//!
//! ```text
//! 2026-11-30 18:35:36,123 INFO o.a.z.a.Slf4jAuditLogger: session=0x1⇥user=127.0.0.1⇥ip=127.0.0.1⇥
//! operation=create⇥znode=/a⇥znode_type=persistent⇥result=success
//! ```
//!
//! Fields stand in this order, and one without a value is left out. Values come from clients: characters
//! that would begin another field or line, or that a terminal would obey, are written as `\u0009`
//! (CVE-2026-84439).

use std::collections::BTreeMap;
use std::fmt::Write;

use super::record::{Asked, End, Event, Record, Requester, Step};
use crate::admin::listings::civil;
use crate::codec::request::RawAcl;
use crate::tree::{CONFIG_PATH, Outcome};
use crate::types::{CreateMode, Identity, Perms, SessionId, WallMillis};

/// The logger's name, shortened as Logback's `%c{2}` does.
const LOGGER: &str = "o.a.z.a.Slf4jAuditLogger";

const DAY_MS: i64 = 86_400_000;

/// The day of a time, in UTC: days since 1970.
pub fn day_of(time: WallMillis) -> i64 {
    time.0.div_euclid(DAY_MS)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Success,
    Failure,
    Invoked,
}

impl Verdict {
    fn of(success: bool) -> Verdict {
        if success { Verdict::Success } else { Verdict::Failure }
    }

    fn word(self) -> &'static str {
        match self {
            Verdict::Success => "success",
            Verdict::Failure => "failure",
            Verdict::Invoked => "invoked",
        }
    }

    /// Slf4jAuditLogger.logAuditEvent.
    fn level(self) -> &'static str {
        match self {
            Verdict::Failure => "ERROR",
            Verdict::Success | Verdict::Invoked => "INFO",
        }
    }
}

/// One line; what is not asked for is `None`.
struct Line<'a> {
    session: Option<SessionId>,
    user: Option<&'a str>,
    ip: Option<&'a str>,
    operation: &'a str,
    znode: Option<&'a str>,
    znode_type: Option<&'a str>,
    acl: Option<&'a str>,
    /// Of records that were lost.
    count: Option<u64>,
    result: Verdict,
}

impl<'a> Line<'a> {
    fn new(operation: &'a str, result: Verdict) -> Line<'a> {
        Line {
            session: None,
            user: None,
            ip: None,
            operation,
            znode: None,
            znode_type: None,
            acl: None,
            count: None,
            result,
        }
    }

    fn write(&self, at: WallMillis, out: &mut String) {
        stamp(at, out);
        let _ = write!(out, " {} {LOGGER}: ", self.result.level());
        if let Some(SessionId(session)) = self.session {
            let _ = write!(out, "session=0x{session:x}\t");
        }
        let before = [("user", self.user), ("ip", self.ip), ("operation", Some(self.operation))];
        let behind = [("znode", self.znode), ("znode_type", self.znode_type), ("acl", self.acl)];
        for (key, value) in before.into_iter().chain(behind) {
            if let Some(value) = value {
                out.push_str(key);
                out.push('=');
                escape(value, out);
                out.push('\t');
            }
        }
        if let Some(count) = self.count {
            let _ = write!(out, "count={count}\t");
        }
        let _ = writeln!(out, "result={}", self.result.word());
    }
}

/// Appends what a record says, with the time of its event, or else this one. `server`: the user that
/// this process runs as (ZKAuditProvider.getZKUser).
pub fn write_lines(record: &Record, server: &str, now: WallMillis, out: &mut String) {
    let at = record.at.unwrap_or(now);
    match &record.event {
        Event::Request { requester, asked, end } => {
            RequestLines { users: users(requester), requester, at, out }.write(asked, end);
        }
        Event::SessionEnded { session, paths } => {
            // DataTree.deleteNodes.
            let operation = "ephemeralZNodeDeletionOnSessionCloseOrExpire";
            let line = Line {
                session: Some(*session),
                user: Some(server),
                ..Line::new(operation, Verdict::Success)
            };
            for path in paths {
                Line { znode: Some(path), ..line }.write(at, out);
            }
        }
        Event::Reaped { path } => {
            let line = Line::new("delete", Verdict::Success);
            Line { user: Some(server), znode: Some(path), ..line }.write(at, out);
        }
        Event::Started | Event::StartFailed | Event::Stopped => {
            let (operation, result) = match record.event {
                Event::Stopped => ("serverStop", Verdict::Invoked),
                _ => ("serverStart", Verdict::of(record.event == Event::Started)),
            };
            Line { user: Some(server), ..Line::new(operation, result) }.write(at, out);
        }
    }
}

/// Stands where so many records are missing.
pub fn write_lost(count: u64, server: &str, now: WallMillis, out: &mut String) {
    let line = Line::new("auditRecordsLost", Verdict::Failure);
    Line { user: Some(server), count: Some(count), ..line }.write(now, out);
}

/// The lines of a client's request.
struct RequestLines<'a> {
    users: Option<String>,
    requester: &'a Requester,
    at: WallMillis,
    out: &'a mut String,
}

impl RequestLines<'_> {
    /// AuditHelper.addAuditLog.
    fn write(&mut self, asked: &Asked, end: &End) {
        let result = match end {
            End::Applied(Outcome::Failed(_)) | End::Refused => Verdict::Failure,
            End::Applied(_) => Verdict::Success,
            End::Unknown => Verdict::Invoked,
        };
        match asked {
            // CreateMode.fromFlag: Java writes no line for one that it does not know.
            Asked::Create { mode: None, .. } => {}
            Asked::Create { path, mode: Some(mode) } => {
                let path = match end {
                    End::Applied(Outcome::Created { path, .. }) => Some(path),
                    _ => path.as_ref(),
                };
                let line = self.line("create", path, result);
                self.put(Line { znode_type: Some(name_of(*mode)), ..line });
            }
            Asked::Delete { path } => self.put(self.line("delete", path.as_ref(), result)),
            Asked::SetData { path } => self.put(self.line("setData", path.as_ref(), result)),
            // ZKUtil.aclToString: likewise for a null list.
            Asked::SetAcl { acl: None, .. } => {}
            Asked::SetAcl { path, acl: Some(acl) } => {
                let text = acl_text(acl);
                let line = self.line("setAcl", path.as_ref(), result);
                self.put(Line { acl: Some(&text), ..line });
            }
            Asked::Multi(steps) => self.multi(steps, end),
            Asked::Reconfig => {
                let znode = (result == Verdict::Success).then_some(CONFIG_PATH);
                self.put(Line { znode, ..self.line("reconfig", None, result) });
            }
        }
    }

    /// AuditHelper.logMultiOperation: what was done is told step by step, what failed as a whole.
    fn multi(&mut self, steps: &[Step], end: &End) {
        let outcomes = match end {
            End::Applied(Outcome::Multi(outcomes)) => outcomes,
            End::Unknown => return self.put(self.line("multiOperation", None, Verdict::Invoked)),
            End::Applied(_) | End::Refused => {
                return self.put(self.line("multiOperation", None, Verdict::Failure));
            }
        };
        if outcomes.iter().any(|outcome| matches!(outcome, Outcome::Failed(_))) {
            return self.put(self.line("multiOperation", None, Verdict::Failure));
        }
        let modes = modes(steps);
        for (step, outcome) in steps.iter().zip(outcomes) {
            match (step, outcome) {
                (Step::Create { .. }, Outcome::Created { path, .. }) => {
                    let znode_type = modes.get(path.as_str()).copied();
                    let line = self.line("create", Some(path), Verdict::Success);
                    self.put(Line { znode_type, ..line });
                }
                (Step::Delete { path }, _) => {
                    self.put(self.line("delete", path.as_ref(), Verdict::Success));
                }
                (Step::SetData { path }, _) => {
                    self.put(self.line("setData", path.as_ref(), Verdict::Success));
                }
                (Step::Create { .. } | Step::Check, _) => {}
            }
        }
    }

    /// Without its user, which [`RequestLines::put`] adds.
    fn line<'b>(&self, operation: &'b str, znode: Option<&'b String>, result: Verdict) -> Line<'b> {
        Line {
            session: Some(self.requester.session),
            znode: znode.map(String::as_str),
            ..Line::new(operation, result)
        }
    }

    fn put(&mut self, line: Line<'_>) {
        let ip = self.requester.identities.first().map(|first| &*first.id);
        Line { user: self.users.as_deref(), ip, ..line }.write(self.at, self.out);
    }
}

/// What the creates of a multi are called, by path (AuditHelper.getCreateModes): of two with the same
/// path the later one's, none for a time to live, and none for what has got a number.
fn modes(steps: &[Step]) -> BTreeMap<&str, &'static str> {
    let named = steps.iter().filter_map(|step| match step {
        Step::Create { path: Some(path), mode: Some(mode) } if !mode.is_ttl() => {
            Some((path.as_str(), name_of(*mode)))
        }
        Step::Create { .. } | Step::Delete { .. } | Step::SetData { .. } | Step::Check => None,
    });
    named.collect()
}

/// AuthUtil.getUsers: of those that prove who somebody is, in the order of their proof.
fn users(requester: &Requester) -> Option<String> {
    let mut users = String::new();
    for name in requester.identities.iter().filter_map(user) {
        if !users.is_empty() {
            users.push(',');
        }
        users.push_str(&name);
    }
    (!users.is_empty()).then_some(users)
}

/// AuthUtil.getUser. A comma in a name that clients choose for themselves would be another user.
fn user(identity: &Identity) -> Option<String> {
    let name = match &*identity.scheme {
        "digest" => identity.id.split(':').next().unwrap_or_default().replace(',', "\\u002c"),
        "super" | "world" | "auth" => return None,
        _ => identity.id.to_string(),
    };
    (!name.trim().is_empty()).then_some(name)
}

/// CreateMode's names, in lower case.
fn name_of(mode: CreateMode) -> &'static str {
    match mode {
        CreateMode::Persistent => "persistent",
        CreateMode::Ephemeral => "ephemeral",
        CreateMode::PersistentSequential => "persistent_sequential",
        CreateMode::EphemeralSequential => "ephemeral_sequential",
        CreateMode::Container => "container",
        CreateMode::Ttl => "persistent_with_ttl",
        CreateMode::TtlSequential => "persistent_sequential_with_ttl",
    }
}

/// ZKUtil.aclToString: entries stand right behind one another.
fn acl_text(acl: &[RawAcl]) -> String {
    let mut text = String::new();
    for RawAcl { perms, scheme, id } in acl {
        let [scheme, id] = [scheme, id].map(|part| part.as_deref().unwrap_or("null"));
        let _ = write!(text, "{scheme}:{id}:");
        for (perm, letter) in [
            (Perms::CREATE, 'c'),
            (Perms::DELETE, 'd'),
            (Perms::READ, 'r'),
            (Perms::WRITE, 'w'),
            (Perms::ADMIN, 'a'),
        ] {
            if perms & perm.0 != 0 {
                text.push(letter);
            }
        }
    }
    text
}

/// What would end a field or a line, or move a terminal's cursor.
fn escape(value: &str, out: &mut String) {
    for c in value.chars() {
        match c {
            '\u{2028}' | '\u{2029}' => drop(write!(out, "\\u{:04x}", u32::from(c))),
            c if c.is_control() => drop(write!(out, "\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
}

/// Logback's `%d{ISO8601}`, in UTC.
fn stamp(at: WallMillis, out: &mut String) {
    let (year, month, day) = civil(day_of(at));
    let ms = at.0.rem_euclid(DAY_MS);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    let month = month + 1;
    let _ = write!(
        out,
        "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02},{:03}",
        ms % 1000
    );
}
