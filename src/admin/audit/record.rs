//! What is noted of a request: who asked, for what, and how it ended.

use std::sync::Arc;

use crate::codec::request::{CreateOp, MultiOp, RawAcl, WriteOp, opcode, partly};
use crate::tree::Outcome;
use crate::types::{CreateMode, Identity, SessionId, WallMillis};

/// What the audit log is told at once. One of a multi, or of a session's end, makes several lines.
#[derive(Clone, PartialEq, Debug)]
pub struct Record {
    /// `None`: when it is written.
    pub at: Option<WallMillis>,
    /// What has happened.
    pub event: Event,
}

/// What has happened.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// A client's request has ended.
    Request {
        /// Who asked.
        requester: Requester,
        /// For what.
        asked: Asked,
        /// With what success.
        end: End,
    },
    /// A session is no more, and these ephemerals with it.
    SessionEnded {
        /// Whose they were.
        session: SessionId,
        /// In the order of their removal.
        paths: Vec<Arc<str>>,
    },
    /// The server has removed a container, or a node whose time to live was over.
    Reaped {
        /// Of the node.
        path: String,
    },
    /// The server serves, or looks for a leader.
    Started,
    /// It does not come to that.
    StartFailed,
    /// It has been told to end.
    Stopped,
}

/// Who has asked, with all that the connection had proven then.
#[derive(Clone, PartialEq, Debug)]
pub struct Requester {
    /// Its session.
    pub session: SessionId,
    /// The first is the address.
    pub identities: Arc<Vec<Identity>>,
}

/// How a request has ended.
#[derive(Clone, PartialEq, Debug)]
pub enum End {
    /// As its transaction did.
    Applied(Outcome),
    /// Refused before there was one.
    Refused,
    /// Not known here: the role, or the server, ended before.
    Unknown,
}

/// What was asked for, as far as lines tell of it.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "WriteOp says what each is")]
pub enum Asked {
    /// `mode`: `None` for a flag that nobody knows.
    Create {
        path: Option<String>,
        mode: Option<CreateMode>,
    },
    Delete {
        path: Option<String>,
    },
    SetData {
        path: Option<String>,
    },
    SetAcl {
        path: Option<String>,
        acl: Option<Vec<RawAcl>>,
    },
    Multi(Vec<Step>),
    Reconfig,
}

/// One step of a multi.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs, reason = "MultiOp says what each is")]
pub enum Step {
    Create { path: Option<String>, mode: Option<CreateMode> },
    Delete { path: Option<String> },
    SetData { path: Option<String> },
    Check,
}

/// What a record takes beside its texts, about; and a step's part of a multi, with its outcome.
const RECORD_BYTES: usize = 256;
const STEP_BYTES: usize = 160;

impl Asked {
    /// What a request asks for. Data is no part of it.
    pub fn of(op: &WriteOp) -> Asked {
        match op {
            WriteOp::Create(CreateOp { path, flags, .. }) => {
                Asked::Create { path: path.clone(), mode: CreateMode::from_flags(*flags) }
            }
            WriteOp::Delete { path, .. } | WriteOp::DeleteContainer { path } => {
                Asked::Delete { path: path.clone() }
            }
            WriteOp::SetData { path, .. } => Asked::SetData { path: path.clone() },
            WriteOp::SetAcl { path, acl, .. } => {
                Asked::SetAcl { path: path.clone(), acl: acl.clone() }
            }
            WriteOp::Multi(steps) => Asked::Multi(steps.iter().map(Step::of).collect()),
            WriteOp::Reconfig(_) => Asked::Reconfig,
        }
    }

    /// What a request asks for that cannot be read to its end, as Java tells of it
    /// (AuditHelper.addAuditLog); `None` for one that is not audited.
    pub fn of_malformed(opcode: i32, body: &[u8]) -> Option<Asked> {
        match opcode {
            opcode::MULTI => Some(Asked::Multi(Vec::new())),
            opcode::RECONFIG => Some(Asked::Reconfig),
            _ => partly(opcode, body).map(|op| Asked::of(&op)),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Asked::Create { path, .. } | Asked::Delete { path } | Asked::SetData { path } => {
                length(path)
            }
            Asked::SetAcl { path, acl } => {
                let entries = acl.iter().flatten();
                let entry =
                    |acl: &RawAcl| size_of::<RawAcl>() + length(&acl.scheme) + length(&acl.id);
                length(path) + entries.map(entry).sum::<usize>()
            }
            Asked::Multi(steps) => steps.iter().map(Step::bytes).sum(),
            Asked::Reconfig => 0,
        }
    }
}

impl Step {
    fn of(op: &MultiOp) -> Step {
        match op {
            MultiOp::Create(CreateOp { path, flags, .. }) => {
                Step::Create { path: path.clone(), mode: CreateMode::from_flags(*flags) }
            }
            MultiOp::Delete { path, .. } => Step::Delete { path: path.clone() },
            MultiOp::SetData { path, .. } => Step::SetData { path: path.clone() },
            MultiOp::Check { .. } => Step::Check,
        }
    }

    fn bytes(&self) -> usize {
        STEP_BYTES
            + match self {
                // Once asked for, and once more where it was made.
                Step::Create { path, .. } => 2 * length(path),
                Step::Delete { path } | Step::SetData { path } => length(path),
                Step::Check => 0,
            }
    }
}

fn length(text: &Option<String>) -> usize {
    text.as_ref().map_or(0, String::len)
}

impl Record {
    /// Without a time of its own.
    pub fn now(event: Event) -> Record {
        Record { at: None, event }
    }

    /// A request that was refused where it came in.
    pub fn refused(requester: Requester, asked: Asked) -> Record {
        Record::now(Event::Request { requester, asked, end: End::Refused })
    }

    /// What it takes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        RECORD_BYTES
            + match &self.event {
                Event::Request { asked, .. } => 2 * asked.bytes(),
                Event::SessionEnded { paths, .. } => {
                    paths.iter().map(|path| size_of::<Arc<str>>() + path.len()).sum()
                }
                Event::Reaped { path } => path.len(),
                Event::Started | Event::StartFailed | Event::Stopped => 0,
            }
    }
}
