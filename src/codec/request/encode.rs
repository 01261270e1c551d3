//! Requests → frames, length included: for the load driver, the tools and tests.

use super::{
    ConnectRequest, CreateCall, CreateOp, MultiOp, MultiReadOp, RawAcl, ReadOp, Request,
    SetWatches, WriteOp, opcode,
};
use crate::codec::jute::{
    open_len, patch_len, put_bool, put_buffer, put_i32, put_i64, put_len, put_opt_buffer,
    put_opt_str, put_str,
};
use crate::codec::record::put_raw_acl;
use crate::types::limits::WORK_ENTRIES;
use crate::types::{CreateMode, Xid};

use std::borrow::Cow;

/// Appends a connection's first frame; the readOnly byte is left out when it is `None`.
pub fn encode_connect(out: &mut Vec<u8>, request: &ConnectRequest) {
    let frame = open_len(out);
    put_i32(out, request.protocol_version);
    put_i64(out, request.last_zxid_seen.0);
    put_i32(out, request.timeout);
    put_i64(out, request.session.0);
    put_buffer(out, &request.password);
    if let Some(read_only) = request.read_only {
        put_bool(out, read_only);
    }
    patch_len(out, frame);
}

/// Appends a request's frame.
pub fn encode(out: &mut Vec<u8>, xid: Xid, request: &Request<'_>) {
    let frame = open_len(out);
    put_i32(out, xid.0);
    put_i32(out, request.opcode());
    put_body(out, request);
    patch_len(out, frame);
}

/// Appends a request's record alone, as it travels from a learner to its leader.
pub fn put_body(out: &mut Vec<u8>, request: &Request<'_>) {
    match request {
        Request::Write(op) => put_write(out, op),
        Request::Read(op) => put_read(out, op),
        Request::Sync { path } => put_opt_str(out, path.as_deref()),
        Request::Ping | Request::CloseSession => {}
        Request::Auth { scheme, auth } => {
            put_i32(out, 0);
            put_opt_str(out, scheme.as_deref());
            put_opt_buffer(out, *auth);
        }
        Request::Sasl { token } => put_buffer(out, token),
    }
}

impl Request<'_> {
    /// The number that asks for it.
    pub fn opcode(&self) -> i32 {
        match self {
            Request::Write(op) => op.opcode(),
            Request::Read(op) => op.opcode(),
            Request::Sync { .. } => opcode::SYNC,
            Request::Ping => opcode::PING,
            Request::Auth { .. } => opcode::AUTH,
            Request::Sasl { .. } => opcode::SASL,
            Request::CloseSession => opcode::CLOSE_SESSION,
        }
    }
}

impl CreateCall {
    /// The number on the wire.
    pub fn opcode(self) -> i32 {
        match self {
            CreateCall::Create => opcode::CREATE,
            CreateCall::Create2 => opcode::CREATE2,
            CreateCall::Container => opcode::CREATE_CONTAINER,
            CreateCall::Ttl => opcode::CREATE_TTL,
        }
    }
}

impl WriteOp {
    /// The number on the wire.
    pub fn opcode(&self) -> i32 {
        match self {
            WriteOp::Create(op) => op.call.opcode(),
            WriteOp::Delete { .. } => opcode::DELETE,
            WriteOp::SetData { .. } => opcode::SET_DATA,
            WriteOp::SetAcl { .. } => opcode::SET_ACL,
            WriteOp::Multi(_) => opcode::MULTI,
            WriteOp::Reconfig(_) => opcode::RECONFIG,
            WriteOp::DeleteContainer { .. } => opcode::DELETE_CONTAINER,
        }
    }

    /// Operations in it; a long access list is as much work as many.
    pub fn steps(&self) -> usize {
        let (steps, entries) = self.parts();
        steps + entries / WORK_ENTRIES
    }

    /// Bytes that it takes beside those of its frame: every step and every entry is a value of its own.
    pub fn decoded_bytes(&self) -> usize {
        let (steps, entries) = self.parts();
        steps * size_of::<MultiOp>() + entries * (size_of::<RawAcl>() + ENTRY_TEXTS)
    }

    /// Operations, and entries of all their access lists.
    fn parts(&self) -> (usize, usize) {
        let entries = |list: &Option<Vec<RawAcl>>| list.as_ref().map_or(0, Vec::len);
        match self {
            WriteOp::Multi(steps) => {
                let of = |step: &MultiOp| match step {
                    MultiOp::Create(create) => entries(&create.acl),
                    MultiOp::Delete { .. } | MultiOp::SetData { .. } | MultiOp::Check { .. } => 0,
                };
                (steps.len().max(1), steps.iter().map(of).sum())
            }
            WriteOp::Create(create) => (1, entries(&create.acl)),
            WriteOp::SetAcl { acl, .. } => (1, entries(acl)),
            WriteOp::Delete { .. }
            | WriteOp::SetData { .. }
            | WriteOp::Reconfig(_)
            | WriteOp::DeleteContainer { .. } => (1, 0),
        }
    }
}

/// What an allocator takes at least for the two texts of an entry, beside what the frame had of them.
const ENTRY_TEXTS: usize = 16;

impl MultiOp {
    /// The number on the wire.
    pub fn opcode(&self) -> i32 {
        match self {
            MultiOp::Create(op) => op.call.opcode(),
            MultiOp::Delete { .. } => opcode::DELETE,
            MultiOp::SetData { .. } => opcode::SET_DATA,
            MultiOp::Check { .. } => opcode::CHECK,
        }
    }
}

impl ReadOp<'_> {
    /// setWatches stands for both its opcodes: the older one where the newer lists are empty.
    pub fn opcode(&self) -> i32 {
        match self {
            ReadOp::Exists { .. } => opcode::EXISTS,
            ReadOp::GetData { .. } => opcode::GET_DATA,
            ReadOp::GetAcl { .. } => opcode::GET_ACL,
            ReadOp::GetChildren { .. } => opcode::GET_CHILDREN,
            ReadOp::GetChildren2 { .. } => opcode::GET_CHILDREN2,
            ReadOp::GetAllChildrenNumber { .. } => opcode::GET_ALL_CHILDREN_NUMBER,
            ReadOp::GetEphemerals { .. } => opcode::GET_EPHEMERALS,
            ReadOp::MultiRead(_) => opcode::MULTI_READ,
            ReadOp::SetWatches(watches) if is_old(watches) => opcode::SET_WATCHES,
            ReadOp::SetWatches(_) => opcode::SET_WATCHES2,
            ReadOp::AddWatch { .. } => opcode::ADD_WATCH,
            ReadOp::CheckWatches { .. } => opcode::CHECK_WATCHES,
            ReadOp::RemoveWatches { .. } => opcode::REMOVE_WATCHES,
            ReadOp::WhoAmI => opcode::WHO_AM_I,
        }
    }
}

fn is_old(watches: &SetWatches<'_>) -> bool {
    watches.persistent.is_empty() && watches.recursive.is_empty()
}

/// Appends a write's record alone, as it travels from a learner to its leader.
pub fn put_write(out: &mut Vec<u8>, op: &WriteOp) {
    match op {
        WriteOp::Create(op) => put_create(out, op, op.call),
        WriteOp::Delete { path, version } => put_delete(out, path.as_deref(), *version),
        WriteOp::SetData { path, data, version } => {
            put_set_data(out, path.as_deref(), data.as_deref(), *version);
        }
        WriteOp::SetAcl { path, acl, version } => {
            put_opt_str(out, path.as_deref());
            put_raw_acl(out, acl.as_deref());
            put_i32(out, *version);
        }
        WriteOp::Multi(ops) => put_multi(out, ops),
        WriteOp::Reconfig(op) => {
            put_opt_str(out, op.joining.as_deref());
            put_opt_str(out, op.leaving.as_deref());
            put_opt_str(out, op.new_members.as_deref());
            put_i64(out, op.config_version);
        }
        WriteOp::DeleteContainer { path } => put_opt_str(out, path.as_deref()),
    }
}

fn put_create(out: &mut Vec<u8>, op: &CreateOp, call: CreateCall) {
    put_opt_str(out, op.path.as_deref());
    put_opt_buffer(out, op.data.as_deref());
    put_raw_acl(out, op.acl.as_deref());
    put_i32(out, op.flags);
    if call == CreateCall::Ttl {
        put_i64(out, op.ttl);
    }
}

/// delete and check have the same record.
fn put_delete(out: &mut Vec<u8>, path: Option<&str>, version: i32) {
    put_opt_str(out, path);
    put_i32(out, version);
}

fn put_set_data(out: &mut Vec<u8>, path: Option<&str>, data: Option<&[u8]>, version: i32) {
    put_opt_str(out, path);
    put_opt_buffer(out, data);
    put_i32(out, version);
}

fn put_multi_header(out: &mut Vec<u8>, opcode: i32, done: bool) {
    put_i32(out, opcode);
    put_bool(out, done);
    put_i32(out, -1);
}

/// A create that only createTTL's leniency lets into a multi (an unknown flag, a null ACL list) has
/// to leave as one, or the step's refusal would become the whole request's.
fn step_call(op: &CreateOp) -> CreateCall {
    let is_known = CreateMode::from_flags(op.flags).is_some();
    if is_known && op.acl.is_some() { op.call } else { CreateCall::Ttl }
}

fn put_multi(out: &mut Vec<u8>, ops: &[MultiOp]) {
    for op in ops {
        let opcode = match op {
            MultiOp::Create(op) => step_call(op).opcode(),
            MultiOp::Delete { .. } | MultiOp::SetData { .. } | MultiOp::Check { .. } => op.opcode(),
        };
        put_multi_header(out, opcode, false);
        match op {
            MultiOp::Create(op) => put_create(out, op, step_call(op)),
            MultiOp::Delete { path, version } | MultiOp::Check { path, version } => {
                put_delete(out, path.as_deref(), *version);
            }
            MultiOp::SetData { path, data, version } => {
                put_set_data(out, path.as_deref(), data.as_deref(), *version);
            }
        }
    }
    put_multi_header(out, opcode::ERROR, true);
}

fn put_read(out: &mut Vec<u8>, op: &ReadOp<'_>) {
    match op {
        ReadOp::Exists { path, watch }
        | ReadOp::GetData { path, watch }
        | ReadOp::GetChildren { path, watch }
        | ReadOp::GetChildren2 { path, watch } => put_watched(out, path, *watch),
        ReadOp::GetAcl { path }
        | ReadOp::GetAllChildrenNumber { path }
        | ReadOp::GetEphemerals { prefix: path } => put_opt_str(out, path.as_deref()),
        ReadOp::MultiRead(ops) => put_multi_read(out, ops),
        ReadOp::SetWatches(watches) => put_set_watches(out, watches),
        ReadOp::AddWatch { path, mode: number }
        | ReadOp::CheckWatches { path, kind: number }
        | ReadOp::RemoveWatches { path, kind: number } => {
            put_opt_str(out, path.as_deref());
            put_i32(out, *number);
        }
        ReadOp::WhoAmI => {}
    }
}

fn put_watched(out: &mut Vec<u8>, path: &Option<Cow<'_, str>>, watch: bool) {
    put_opt_str(out, path.as_deref());
    put_bool(out, watch);
}

fn put_multi_read(out: &mut Vec<u8>, ops: &[MultiReadOp<'_>]) {
    for op in ops {
        let (opcode, path) = match op {
            MultiReadOp::GetData { path } => (opcode::GET_DATA, path),
            MultiReadOp::GetChildren { path } => (opcode::GET_CHILDREN, path),
        };
        put_multi_header(out, opcode, false);
        put_watched(out, path, false);
    }
    put_multi_header(out, opcode::ERROR, true);
}

fn put_set_watches(out: &mut Vec<u8>, watches: &SetWatches<'_>) {
    put_i64(out, watches.relative_zxid.0);
    put_paths(out, &watches.data);
    put_paths(out, &watches.exist);
    put_paths(out, &watches.child);
    if !is_old(watches) {
        put_paths(out, &watches.persistent);
        put_paths(out, &watches.recursive);
    }
}

fn put_paths(out: &mut Vec<u8>, paths: &[Cow<'_, str>]) {
    put_len(out, paths.len());
    for path in paths {
        put_str(out, path);
    }
}
