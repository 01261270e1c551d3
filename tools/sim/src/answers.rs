//! Whether an answer is right: by the state at the zxid it shows, and by nothing else.

use std::borrow::Cow;

use ringkeeper::codec::reply::decode::{self as reply, Reply, ReplyHeader, StepReply};
use ringkeeper::codec::request::{MultiReadOp, ReadOp, SetWatches, WriteOp};
use ringkeeper::types::{
    Acl, AclList, ErrorCode, EventKind, Identity, Perms, SessionId, Stat, Zxid,
};

use crate::history::{History, Node, Outcome, Wish, allows};
use crate::watching::{Heard, Modes, Watching};

type Checked = Result<(), String>;

/// The answer to a write.
pub fn write(
    history: &mut History,
    session: SessionId,
    op: &WriteOp,
    header: ReplyHeader,
    body: &[u8],
    floor: Zxid,
) -> Checked {
    let zxid = header.zxid;
    if zxid <= floor {
        return Err(format!("linearizable: {zxid} was asked for after {floor} was answered"));
    }
    let Some(committed) = history.entries.get(&zxid) else {
        return Err(format!("{zxid} is not in the history"));
    };
    // By what it is, not by its number: those come again.
    let is_op = committed.asked.contains(&Wish::Write(op.clone()));
    let is_own = committed.entry.header.session == session
        && (is_op || history.is_of_no_session(&committed.entry.txn));
    if !is_own || committed.is_answered {
        let asked = &committed.asked;
        let again = if committed.is_answered { "again " } else { "" };
        return Err(format!("{op:?} is answered with {zxid}, {again}the answer to {asked:?}"));
    }
    history.answered(session, op, zxid);
    let Some(committed) = history.entries.get(&zxid) else { return Ok(()) };
    if let Outcome::Failed(code) = &committed.outcome {
        // The leader knows nothing of the session; its server does.
        let is_local = header.error == ErrorCode::EphemeralOnLocalSession.code();
        if history.local_sessions && is_local && *code == ErrorCode::SessionExpired {
            return Ok(());
        }
        return match header.error == code.code() {
            true => Ok(()),
            false => Err(format!("{op:?} failed with {}, should be {code:?}", header.error)),
        };
    }
    let decoded = reply::body(op.opcode(), body).map_err(|e| format!("answer to {op:?}: {e}"))?;
    let right = match (&committed.outcome, &decoded) {
        (Outcome::Created(path, None), Reply::Path(Some(got))) => got == path,
        (Outcome::Created(path, Some(stat)), Reply::PathStat(Some(got), shown)) => {
            got == path && shown == stat
        }
        (Outcome::Done, Reply::Empty) => true,
        (Outcome::Stat(stat), Reply::Stat(shown)) => stat == shown,
        (Outcome::Multi(steps), Reply::Multi(shown)) => {
            steps.len() == shown.len() && steps.iter().zip(shown).all(|(a, b)| is_step(a, b))
        }
        _ => false,
    };
    match right {
        true => Ok(()),
        false => {
            let outcome = &committed.outcome;
            Err(format!("{op:?} at {zxid} answered {decoded:?}, should be {outcome:?}"))
        }
    }
}

fn is_step(outcome: &Outcome, shown: &StepReply<'_>) -> bool {
    match (outcome, shown) {
        (Outcome::Created(path, None), StepReply::Created(got, None)) => got == path,
        (Outcome::Created(path, Some(stat)), StepReply::Created(got, Some(shown))) => {
            got == path && shown == stat
        }
        (Outcome::Done, StepReply::Deleted | StepReply::Checked) => true,
        (Outcome::Stat(stat), StepReply::DataSet(shown)) => stat == shown,
        (Outcome::Failed(code), StepReply::Failed(got)) => code.code() == *got,
        _ => false,
    }
}

/// What is at hand when a read's answer has come.
pub struct Reader<'a> {
    pub history: &'a History,
    pub watching: &'a mut Watching,
    pub who: &'a [Identity],
    pub session: SessionId,
}

/// What a read must show: the parts, or an error.
enum Shown {
    Error(ErrorCode),
    Right,
    Wrong(String),
}

impl Reader<'_> {
    pub fn check(&mut self, op: &ReadOp<'_>, header: ReplyHeader, body: &[u8]) -> Checked {
        let shown = self.judge(op, header, body);
        let wrong = |what: String| Err(format!("{op:?} at {}: {what}", header.zxid));
        let code = match shown {
            Shown::Wrong(what) => return wrong(what),
            Shown::Right => ErrorCode::Ok,
            Shown::Error(code) => code,
        };
        if header.error != code.code() {
            return wrong(format!("error {}, should be {code:?}", header.error));
        }
        self.watch(op, code);
        Ok(())
    }

    fn watch(&mut self, op: &ReadOp<'_>, code: ErrorCode) {
        let ok = code == ErrorCode::Ok;
        match op {
            ReadOp::Exists { path: Some(path), watch: true } if ok || code == ErrorCode::NoNode => {
                self.watching.once(true, path);
            }
            ReadOp::GetData { path: Some(path), watch: true } if ok => {
                self.watching.once(true, path);
            }
            ReadOp::GetChildren { path: Some(path), watch: true }
            | ReadOp::GetChildren2 { path: Some(path), watch: true }
                if ok =>
            {
                self.watching.once(false, path);
            }
            ReadOp::AddWatch { path: Some(path), mode } if ok => {
                self.watching.lasting(path, *mode == 1);
            }
            _ => {}
        }
    }

    fn judge(&mut self, op: &ReadOp<'_>, header: ReplyHeader, body: &[u8]) -> Shown {
        let zxid = header.zxid;
        let answer = match header.error {
            0 => match reply::body(op.opcode(), body) {
                Ok(answer) => Some(answer),
                Err(e) => return Shown::Wrong(e.to_string()),
            },
            _ => None,
        };
        let path_of = |path: &Option<Cow<'_, str>>| path.as_deref().unwrap_or("").to_owned();
        match op {
            ReadOp::Exists { path, .. } => {
                let path = path_of(path);
                self.node(&path, zxid, Perms::READ, &answer, |history, answer| {
                    let stat = history.stat_at(&path, zxid).unwrap_or_default();
                    same(answer, &Reply::Stat(stat))
                })
            }
            ReadOp::GetData { path, .. } => {
                let path = path_of(path);
                self.node(&path, zxid, Perms::READ, &answer, |history, answer| {
                    let stat = history.stat_at(&path, zxid).unwrap_or_default();
                    let data = history.at(&path, zxid).and_then(|node| node.data.clone());
                    same(answer, &Reply::Data(data.as_deref(), stat))
                })
            }
            ReadOp::GetChildren { path, .. } | ReadOp::GetChildren2 { path, .. } => {
                let path = path_of(path);
                self.node(&path, zxid, Perms::READ, &answer, |history, answer| {
                    let stat = history.stat_at(&path, zxid).unwrap_or_default();
                    children(history, &path, zxid, &stat, answer)
                })
            }
            ReadOp::GetAcl { path } => self.acl(&path_of(path), zxid, &answer),
            ReadOp::GetAllChildrenNumber { path } => {
                let path = path_of(path);
                self.node(&path, zxid, Perms::READ, &answer, |history, answer| {
                    let count = history.descendants_at(&path, zxid) as i32;
                    same(answer, &Reply::Int(count))
                })
            }
            ReadOp::GetEphemerals { prefix } => self.ephemerals(&path_of(prefix), zxid, answer),
            ReadOp::MultiRead(ops) => match answer {
                Some(Reply::Multi(steps)) if steps.len() == ops.len() => {
                    let wrong =
                        ops.iter().zip(&steps).find_map(|(op, step)| self.step(op, step, zxid));
                    wrong.map_or(Shown::Right, Shown::Wrong)
                }
                other => Shown::Wrong(format!("{other:?}")),
            },
            ReadOp::AddWatch { .. } | ReadOp::WhoAmI | ReadOp::SetWatches(_) => Shown::Right,
            ReadOp::CheckWatches { path, kind } => found(self.watching.has(&path_of(path), *kind)),
            ReadOp::RemoveWatches { path, kind } => {
                found(self.watching.remove(&path_of(path), *kind))
            }
        }
    }

    /// Passwords are shown to who may change the list.
    fn acl(&self, path: &str, zxid: Zxid, answer: &Option<Reply<'_>>) -> Shown {
        let all = self.may(path, zxid, Perms::ADMIN);
        self.node(path, zxid, Perms::READ.or(Perms::ADMIN), answer, |history, answer| {
            let stat = history.stat_at(path, zxid).unwrap_or_default();
            let Some(node) = history.at(path, zxid) else { return Some("gone".into()) };
            let is_hidden = |acl: &Acl| &*acl.scheme != "digest" || acl.id.ends_with(":x");
            match answer {
                Reply::Acl(list, shown) if *shown == stat => {
                    let is_right = match all {
                        true => *list == node.acl,
                        false => list.len() == node.acl.len() && list.iter().all(is_hidden),
                    };
                    (!is_right).then(|| format!("{list:?}, should be {:?}", node.acl))
                }
                other => Some(format!("{other:?}, should be {stat:?}")),
            }
        })
    }

    fn ephemerals(&self, prefix: &str, zxid: Zxid, answer: Option<Reply<'_>>) -> Shown {
        let mut mine = self.history.ephemerals_at(self.session, zxid);
        mine.retain(|path| path.starts_with(prefix));
        match answer {
            Some(Reply::Strings(mut got)) => {
                got.sort();
                mine.sort_unstable();
                match got == mine {
                    true => Shown::Right,
                    false => Shown::Wrong(format!("{got:?}, should be {mine:?}")),
                }
            }
            other => Shown::Wrong(format!("{other:?}")),
        }
    }

    fn may(&self, path: &str, zxid: Zxid, needed: Perms) -> bool {
        self.history.at(path, zxid).is_some_and(|node| allows(&node.acl, needed, self.who))
    }

    fn node(
        &self,
        path: &str,
        zxid: Zxid,
        needed: Perms,
        answer: &Option<Reply<'_>>,
        wrong: impl FnOnce(&History, &Reply<'_>) -> Option<String>,
    ) -> Shown {
        if self.history.at(path, zxid).is_none() {
            return Shown::Error(ErrorCode::NoNode);
        }
        if !self.may(path, zxid, needed) {
            return Shown::Error(ErrorCode::NoAuth);
        }
        match answer {
            None => Shown::Right,
            Some(answer) => wrong(self.history, answer).map_or(Shown::Right, Shown::Wrong),
        }
    }

    fn step(&self, op: &MultiReadOp<'_>, step: &StepReply<'_>, zxid: Zxid) -> Option<String> {
        let (MultiReadOp::GetData { path } | MultiReadOp::GetChildren { path }) = op;
        let path = path.as_deref().unwrap_or("");
        let Some(node) = self.history.at(path, zxid) else {
            return is(step, &StepReply::Failed(ErrorCode::NoNode.code()));
        };
        if !self.may(path, zxid, Perms::READ) {
            return is(step, &StepReply::Failed(ErrorCode::NoAuth.code()));
        }
        let stat = self.history.stat_at(path, zxid).unwrap_or_default();
        match (op, step) {
            (MultiReadOp::GetData { .. }, step) => {
                is(step, &StepReply::Data(node.data.as_deref(), stat))
            }
            (MultiReadOp::GetChildren { .. }, StepReply::Children(names)) => {
                let names = Reply::Strings(names.clone());
                children(self.history, path, zxid, &stat, &names)
            }
            (MultiReadOp::GetChildren { .. }, other) => Some(format!("{other:?}")),
        }
    }
}

fn found(found: bool) -> Shown {
    if found { Shown::Right } else { Shown::Error(ErrorCode::NoWatcher) }
}

fn same(answer: &Reply<'_>, right: &Reply<'_>) -> Option<String> {
    (answer != right).then(|| format!("{answer:?}, should be {right:?}"))
}

fn is(step: &StepReply<'_>, right: &StepReply<'_>) -> Option<String> {
    (step != right).then(|| format!("{step:?}, should be {right:?}"))
}

fn children(
    history: &History,
    path: &str,
    zxid: Zxid,
    stat: &Stat,
    answer: &Reply<'_>,
) -> Option<String> {
    let paths = history.children_at(path, zxid);
    let right: Vec<&str> = paths.iter().filter_map(|path| path.rsplit('/').next()).collect();
    let (names, shown) = match answer {
        Reply::Strings(names) => (names, None),
        Reply::Children(names, shown) => (names, Some(shown)),
        other => return Some(format!("{other:?}")),
    };
    let mut names: Vec<&str> = names.iter().map(|name| &**name).collect();
    names.sort_unstable();
    if names != right || shown.is_some_and(|shown| shown != stat) {
        return Some(format!("{names:?} {shown:?}, should be {right:?} {stat:?}"));
    }
    None
}

/// The lists by which a client takes its watches up again.
pub fn set_watches(history: &History, former: &Watching, seen: Zxid) -> SetWatches<'static> {
    let mut lists = SetWatches { relative_zxid: seen, ..SetWatches::default() };
    for (path, modes) in &former.data {
        let text = || Cow::Owned(path.clone());
        if modes.once {
            match history.at(path, seen) {
                Some(_) => lists.data.push(text()),
                None => lists.exist.push(text()),
            }
        }
        if modes.lasting {
            lists.persistent.push(text());
        }
        if modes.recursive {
            lists.recursive.push(text());
        }
    }
    for (path, modes) in &former.child {
        if modes.once {
            lists.child.push(Cow::Owned(path.clone()));
        }
    }
    lists
}

/// What a client has heard that its watches need not be taken up for again.
pub fn used_up(watching: &mut Watching, heard: &[Heard]) {
    for (_, kind, path) in heard {
        let spend = |modes: Option<&mut Modes>| {
            if let Some(modes) = modes {
                modes.once = false;
            }
        };
        if *kind != EventKind::NodeChildrenChanged {
            spend(watching.data.get_mut(path));
        }
        if matches!(kind, EventKind::NodeChildrenChanged | EventKind::NodeDeleted) {
            spend(watching.child.get_mut(path));
        }
    }
}

/// What a client was told at once for its `setWatches`, in order.
struct AtOnce<'a> {
    told: &'a [Heard],
    who: &'a [Identity],
}

impl AtOnce<'_> {
    /// Whether this was told in its place, as it had to be if the client may read it.
    fn tell(
        &mut self,
        kind: EventKind,
        path: &str,
        list: Option<&AclList>,
    ) -> Result<bool, String> {
        let may = list.is_none_or(|list| allows(list, Perms::READ, self.who));
        let due = (Zxid(-1), kind, path.to_owned());
        let is_told = self.told.first() == Some(&due);
        self.told = &self.told[usize::from(is_told)..];
        match (may, is_told, kind) {
            (true, true, _) => Ok(true),
            (true, false, _) => Err(format!("setWatches did not tell of {due:?}")),
            (false, false, _) => Ok(false),
            // A server that has not seen the end of a node does not know who could read it, and that
            // nothing is there is no secret.
            (false, true, EventKind::NodeDeleted) => Ok(true),
            (false, true, _) => Err(format!("setWatches told of {due:?} to who may not read it")),
        }
    }

    /// The same for a node that was there when the client last looked: its end, or a change since.
    fn tell_of(
        &mut self,
        history: &History,
        (path, zxid): (&str, Zxid),
        (kind, has_changed): (EventKind, impl Fn(&Node) -> bool),
    ) -> Result<bool, String> {
        match history.at(path, zxid) {
            None => self.tell(EventKind::NodeDeleted, path, history.last_list(path, zxid)),
            Some(node) if has_changed(node) => self.tell(kind, path, Some(&node.acl)),
            Some(_) => Ok(false),
        }
    }
}

/// The answer to `setWatches`: what had to be told at once, and what is watched from now on.
pub fn taken_up(
    history: &History,
    lists: &SetWatches<'_>,
    zxid: Zxid,
    heard: &[Heard],
    who: &[Identity],
) -> Result<Watching, String> {
    let since = lists.relative_zxid;
    let mut watching = Watching::default();
    let (told, later): (Vec<Heard>, Vec<Heard>) =
        heard.iter().cloned().partition(|(at, _, _)| *at == Zxid(-1));
    let mut at_once = AtOnce { told: &told, who };
    for path in &lists.data {
        let changed = (EventKind::NodeDataChanged, |node: &Node| node.mzxid > since);
        if !at_once.tell_of(history, (path, zxid), changed)? {
            watching.once(true, path);
        }
    }
    for path in &lists.exist {
        let is_told = match history.at(path, zxid) {
            Some(node) => at_once.tell(EventKind::NodeCreated, path, Some(&node.acl))?,
            None => false,
        };
        if !is_told {
            watching.once(true, path);
        }
    }
    for path in &lists.child {
        let changed = (EventKind::NodeChildrenChanged, |node: &Node| node.pzxid > since);
        if !at_once.tell_of(history, (path, zxid), changed)? {
            watching.once(false, path);
        }
    }
    if let Some(more) = at_once.told.first() {
        return Err(format!("setWatches told of {more:?}, which was not due there"));
    }
    for path in &lists.persistent {
        watching.lasting(path, false);
    }
    for path in &lists.recursive {
        watching.lasting(path, true);
    }
    watching.skip(history, zxid);
    heard_between(history, lists, zxid, &later)?;
    Ok(watching)
}

/// Between two paths of the lists the server may take more of the stream: what a watch for all
/// descendants hears then comes before the answer.
fn heard_between(
    history: &History,
    lists: &SetWatches<'_>,
    zxid: Zxid,
    later: &[Heard],
) -> Checked {
    for (at, kind, path) in later {
        let happened = *at <= zxid
            && history.changes.iter().any(|c| c.zxid == *at && c.kind == *kind && &*c.path == path);
        let wanted = lists.recursive.iter().any(|above| path.starts_with(&**above));
        if !happened || !wanted {
            return Err(format!("setWatches: {kind:?} of {path} at {at} was not asked for"));
        }
    }
    Ok(())
}
