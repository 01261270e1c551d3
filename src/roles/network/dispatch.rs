//! One request: decoded, then answered on the spot, passed on, held in its line, or refused.

use super::client::Client;
use super::reads::{Read, ReadContext};
use super::sasl;
use crate::acl;
use crate::admin::audit::{Asked, Audited, Record};
use crate::admin::slow::Brief;
use crate::codec::reply::{self, NO_ZXID, UNKNOWN_ZXID};
use crate::codec::request::{self, BodyError, OpCode, Request, RequestHeader, WriteOp, opcode};
use crate::net::How;
use crate::order::{Ticket, TicketKind, Waits};
use crate::roles::message::ToControl;
use crate::types::{ConnRef, CoreId, ErrorCode, Millis, Xid, Zxid};

/// Why a frame is looked at now, and when it was received.
#[derive(Clone, Copy)]
pub(super) enum Turn {
    /// It has just come; others may be before it.
    Arrived(Millis),
    /// It has waited in line, and nothing it waits for is before it any more.
    Called(Millis),
}

impl Turn {
    fn received(self) -> Millis {
        match self {
            Turn::Arrived(at) | Turn::Called(at) => at,
        }
    }

    fn may_answer(self, client: &Client) -> bool {
        matches!(self, Turn::Called(_)) || client.line.is_clear()
    }

    fn may_pass(self, client: &Client) -> bool {
        matches!(self, Turn::Called(_)) || client.line.may_pass()
    }
}

/// What came of one frame.
pub(super) enum Handled {
    /// Nothing more to do, or it waits in line.
    Done,
    /// A read, executed: see [`NetworkRole::finish_read`].
    Read(Read),
    /// The control core's business, and the bytes it counts for there.
    Forward(ToControl, usize),
    Rewatch(Vec<u8>, RequestHeader),
    Close(How),
    AuthFailed(How),
}

/// Decodes a frame and does what can be done on the spot. `hears`: somebody takes the answer; for
/// nobody nothing is read.
pub(super) fn handle(
    context: &mut ReadContext<'_>,
    client: &mut Client,
    core: CoreId,
    (turn, hears): (Turn, bool),
    frame: &[u8],
    out: &mut Vec<u8>,
) -> Handled {
    let conn = ConnRef { core, conn: client.id };
    let Ok((header, body)) = request::decode_header(frame) else {
        return Handled::Close(How::Now);
    };
    client.gauges.last_op.set(i64::from(header.opcode));
    if let Some(handled) = refuse_all(context, client, header, frame, turn, out) {
        return handled;
    }
    let request = match request::decode_body(header.opcode, body) {
        Ok(request) => request,
        Err(error) => return refuse(context, client, header, frame, error, turn, out),
    };
    match request {
        Request::Auth { scheme, auth } => {
            prove(context, client, header, scheme.as_deref(), auth, turn, out)
        }
        Request::Sasl { token } => {
            match sasl::exchange(context, client, header.xid, token, turn.received(), out) {
                Ok(()) => Handled::Done,
                Err(how) => Handled::AuthFailed(how),
            }
        }
        Request::Write(op) => write(context, client, conn, header.xid, op, turn, frame, out),
        // The end of a session that no transaction knows must not overtake the answers before it.
        Request::CloseSession if client.local && !turn.may_answer(client) => {
            client.line.hold(frame, turn.received(), Waits::ForAnswers);
            Handled::Done
        }
        Request::CloseSession => {
            forward(client, frame, header.xid, turn, (TicketKind::CloseSession, 1, 0), |c| {
                ToControl::Close { conn, session: c.session, xid: header.xid }
            })
        }
        Request::Sync { path } => {
            let path = path.map(|path| path.into_owned());
            forward(client, frame, header.xid, turn, (TicketKind::Sync, 1, 0), |c| {
                c.sync_paths.push_back(path);
                ToControl::Sync { conn, session: c.session }
            })
        }
        Request::Ping | Request::Read(_) if !hears => Handled::Done,
        Request::Ping | Request::Read(_) if !turn.may_answer(client) => {
            client.line.hold(frame, turn.received(), Waits::ForAnswers);
            Handled::Done
        }
        Request::Ping => {
            reply::ping(out, context.drained);
            Handled::Done
        }
        Request::Read(request::ReadOp::SetWatches(_)) => Handled::Rewatch(body.to_vec(), header),
        Request::Read(read) => Handled::Read(context.read(client, header, read, out)),
    }
}

/// A write goes to the control core, unless the tree here already denies it.
#[allow(clippy::too_many_arguments)] // What [`handle`] has.
fn write(
    context: &mut ReadContext<'_>,
    client: &mut Client,
    conn: ConnRef,
    xid: Xid,
    op: WriteOp,
    turn: Turn,
    frame: &[u8],
    out: &mut Vec<u8>,
) -> Handled {
    let audit = context.shared.insight.audit.as_ref();
    if let Some(code) = context.refusal(client, &op) {
        if turn.may_answer(client) {
            if let Some(audit) = audit {
                audit.push(Record::refused(client.requester(), Asked::of(&op)));
            }
            reply::error(out, xid, context.drained, code);
        } else {
            // Judged again in its turn: what is before it may change the list.
            client.line.hold(frame, turn.received(), Waits::ForAnswers);
        }
        return Handled::Done;
    }
    let ticket = (TicketKind::Write, op.steps(), op.decoded_bytes());
    forward(client, frame, xid, turn, ticket, |c| ToControl::Write {
        conn,
        session: c.session,
        xid,
        audited: audit.map(|audit| Audited::new(audit, c.requester(), &op)),
        op: Box::new(op),
        identities: c.identities.clone(),
    })
}

/// What a connection is told whatever it asks for: that it has proven too little, or that no server
/// can do this on its own.
fn refuse_all(
    context: &ReadContext<'_>,
    client: &mut Client,
    header: RequestHeader,
    frame: &[u8],
    turn: Turn,
    out: &mut Vec<u8>,
) -> Option<Handled> {
    if !matches!(header.opcode, opcode::AUTH | opcode::SASL)
        && !acl::has_proven_enough(&context.shared.policy, &client.identities)
    {
        // AuthenticationHelper.enforceAuthentication: whatever it is, and before it is read.
        let unproven = context.shared.lines.unproven.note(turn.received(), || {
            format!("{} has proven none of enforce.auth.schemes: closed", client.peer)
        });
        if let Some(line) = unproven {
            tracing::warn!("{line}");
        }
        reply::error(out, header.xid, Zxid::ZERO, ErrorCode::SessionClosedRequireSaslAuth);
        return Some(Handled::Close(How::AfterFlush));
    }
    if !client.read_only || !OpCode::try_from(header.opcode).is_ok_and(OpCode::needs_leader) {
        return None;
    }
    if turn.may_answer(client) {
        reply::error(out, header.xid, context.drained, ErrorCode::NotReadOnly);
    } else {
        client.line.hold(frame, turn.received(), Waits::ForAnswers);
    }
    Some(Handled::Done)
}

/// A request that has waited for the throttle for too long: it changes nothing, and its client hears
/// so in its place of the line (FinalRequestProcessor).
pub(super) fn refuse_throttled(
    context: &ReadContext<'_>,
    client: &mut Client,
    frame: &[u8],
    turn: Turn,
    out: &mut Vec<u8>,
) -> Handled {
    let Ok((header, _)) = request::decode_header(frame) else {
        return Handled::Close(How::Now);
    };
    if turn.may_answer(client) {
        reply::error(out, header.xid, context.drained, ErrorCode::ThrottledOp);
    } else {
        client.line.hold_refusal(frame, turn.received());
    }
    Handled::Done
}

/// Passes a request to the control core, unless something before it must run here first.
fn forward(
    client: &mut Client,
    frame: &[u8],
    xid: Xid,
    turn: Turn,
    (kind, work, decoded): (TicketKind, usize, usize),
    message: impl FnOnce(&mut Client) -> ToControl,
) -> Handled {
    if !turn.may_pass(client) {
        client.line.hold(frame, turn.received(), Waits::ForReads);
        return Handled::Done;
    }
    if let Some(briefs) = &mut client.briefs {
        briefs.push_back(Brief::of(frame));
    }
    let bytes = frame.len() + decoded;
    let (received, frame) = (turn.received(), frame.len());
    client.line.open(Ticket { xid, kind, work, received, frame, bytes });
    Handled::Forward(message(client), bytes)
}

/// A request that cannot be acted on: what its client hears, in its place of the line where the
/// connection goes on.
fn refuse(
    context: &ReadContext<'_>,
    client: &mut Client,
    header: RequestHeader,
    frame: &[u8],
    error: BodyError,
    turn: Turn,
    out: &mut Vec<u8>,
) -> Handled {
    let zxid = context.drained;
    tracing::debug!(%error, opcode = header.opcode, peer = %client.peer, "request refused");
    match error {
        BodyError::Unknown(_) => {
            // ZooKeeperServer.submitRequestNow: answered at once, ahead of the line.
            reply::error(out, header.xid, UNKNOWN_ZXID, ErrorCode::Unimplemented);
            return Handled::Close(How::AfterFlush);
        }
        BodyError::Fatal(_) => return Handled::Close(How::Now),
        BodyError::Malformed(_) | BodyError::WriteInMultiRead(_) | BodyError::Refused(_)
            if !turn.may_answer(client) =>
        {
            client.line.hold(frame, turn.received(), Waits::ForAnswers);
        }
        BodyError::Malformed(_) => {
            if let Some(audit) = &context.shared.insight.audit
                && let Some(asked) = Asked::of_malformed(header.opcode, body_of(frame))
            {
                audit.push(Record::refused(client.requester(), asked));
            }
            reply::error(out, header.xid, zxid, ErrorCode::MarshallingError);
        }
        BodyError::WriteInMultiRead(_) => reply::write_in_multi_read(out, header.xid, zxid),
        BodyError::Refused(code) => reply::error(out, header.xid, zxid, code),
    }
    Handled::Done
}

/// Behind the header, which could be read.
fn body_of(frame: &[u8]) -> &[u8] {
    request::decode_header(frame).map_or(&[], |(_, body)| body)
}

/// An auth packet, and a line for one that proves nothing.
fn prove(
    context: &mut ReadContext<'_>,
    client: &mut Client,
    header: RequestHeader,
    scheme: Option<&str>,
    auth: Option<&[u8]>,
    turn: Turn,
    out: &mut Vec<u8>,
) -> Handled {
    let Err(how) = authenticate(context, client, header, scheme, auth, out) else {
        return Handled::Done;
    };
    let failed = context.shared.lines.auth_failed.note(turn.received(), || {
        let scheme = scheme.unwrap_or_default().escape_debug();
        format!("{}: authentication by \"{scheme:.40}\" failed", client.peer)
    });
    if let Some(line) = failed {
        tracing::warn!("{line}");
    }
    Handled::AuthFailed(how)
}

/// Auth packets are handled when received, ahead of whatever waits (ZooKeeperServer.processPacket).
fn authenticate(
    context: &mut ReadContext<'_>,
    client: &mut Client,
    header: RequestHeader,
    scheme: Option<&str>,
    auth: Option<&[u8]>,
    out: &mut Vec<u8>,
) -> Result<(), How> {
    if scheme == Some("x509") && client.identities.iter().any(|id| *id.scheme == *"x509") {
        // The connection has had it since its handshake.
        reply::empty(out, header.xid, NO_ZXID);
        return Ok(());
    }
    let proven = acl::authenticate(&context.shared.policy, scheme, auth);
    match proven.and_then(|identities| context.add_identities(client, identities)) {
        Ok(()) => {
            reply::empty(out, header.xid, NO_ZXID);
            Ok(())
        }
        Err(code) => {
            reply::error(out, header.xid, NO_ZXID, code);
            Err(How::AfterFlush)
        }
    }
}
