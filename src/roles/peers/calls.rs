//! Connections of ours on their way: a name, its addresses one after another, a connection.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use super::error::CallError;
use super::resolver::{Answer, Asked, Resolver};
use crate::election::links::Dial;
use crate::net::{CloseReason, ConnOptions, How, Net};
use crate::types::{ConnId, Millis};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct CallId(u64);

/// How long a name's new address is waited for before the one it last had is tried. Name servers that
/// are there answer sooner, and the last address may be another server's by now.
const HOPE_MS: i64 = 200;

/// How long a lookup may take. One that takes longer comes too late for this call, and in time for the
/// next.
const LOOKUP_MS: i64 = 10_000;

/// For whom a connection is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Target {
    Election(Dial),
    Leader,
}

/// How a call has ended.
pub(super) enum Called {
    Connected { whom: Target, conn: ConnId, address: SocketAddr },
    Failed { whom: Target, why: CallError },
}

/// A name that is being looked up.
struct Lookup {
    host: String,
    port: u16,
    /// When it is tried where it was last known to be; `None`: it has been.
    hopes_at: Option<Millis>,
}

struct Call {
    whom: Target,
    timeout_ms: i64,
    lookup: Option<Lookup>,
    tried: Vec<SocketAddr>,
    /// The name whose addresses are being tried.
    host: String,
    /// Not looked up yet.
    names: VecDeque<(String, u16)>,
    /// Not tried yet.
    targets: VecDeque<SocketAddr>,
    trying: Option<(ConnId, SocketAddr)>,
    until: Millis,
    /// The last failure, for the log.
    why: CallError,
}

#[derive(Default)]
pub(super) struct Dials {
    calls: BTreeMap<CallId, Call>,
    last: u64,
    ended: VecDeque<Called>,
}

impl Dials {
    /// Begins to call. [`Dials::take_ended`] says what became of it: `timeout_ms` after its names are
    /// known at the latest.
    pub(super) fn begin(
        &mut self,
        around: &mut CallsAround<'_>,
        whom: Target,
        names: impl IntoIterator<Item = (String, u16)>,
        timeout_ms: i64,
    ) {
        self.last += 1;
        let call = Call {
            whom,
            timeout_ms,
            lookup: None,
            tried: Vec::new(),
            host: String::new(),
            names: names.into_iter().collect(),
            targets: VecDeque::new(),
            trying: None,
            until: around.now + timeout_ms,
            why: CallError::NoAddress,
        };
        let id = CallId(self.last);
        self.calls.insert(id, call);
        self.go_on(around, id);
    }

    /// Nobody wants it any more; nothing is said of it. A connection that was being tried is to be
    /// forgotten.
    pub(super) fn cancel(&mut self, net: &mut Net, whom: Target) -> Option<ConnId> {
        let id = *self.calls.iter().find(|(_, call)| call.whom == whom)?.0;
        let call = self.calls.remove(&id)?;
        let (conn, _) = call.trying?;
        net.close(conn, How::Now);
        Some(conn)
    }

    pub(super) fn answered(&mut self, around: &mut CallsAround<'_>, id: CallId, answer: Answer) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.lookup = None;
        call.until = around.now + call.timeout_ms;
        match answer.found {
            Ok(found) => {
                // It is not where it was.
                if let Some((conn, _)) = call.trying.take_if(|(_, at)| !found.contains(at)) {
                    around.net.close(conn, How::Now);
                    around.given_up.push(conn);
                }
                call.targets = found.into_iter().filter(|at| !call.tried.contains(at)).collect();
            }
            Err(why) => call.why = why.into(),
        }
        if call.trying.is_none() {
            self.go_on(around, id);
        }
    }

    pub(super) fn connected(&mut self, conn: ConnId) {
        let Some(id) = self.of(conn) else { return };
        if let Some(Call { whom, trying: Some((conn, address)), .. }) = self.calls.remove(&id) {
            self.ended.push_back(Called::Connected { whom, conn, address });
        }
    }

    pub(super) fn closed(
        &mut self,
        around: &mut CallsAround<'_>,
        conn: ConnId,
        reason: CloseReason,
    ) {
        let Some(id) = self.of(conn) else { return };
        if let Some(call) = self.calls.get_mut(&id)
            && let Some((_, address)) = call.trying.take()
        {
            call.why = CallError::Closed { address, reason };
        }
        self.go_on(around, id);
    }

    pub(super) fn deadline(&self) -> Option<Millis> {
        let at = |call: &Call| {
            let hopes_at = call.lookup.as_ref().and_then(|lookup| lookup.hopes_at);
            hopes_at.map_or(call.until, |hopes_at| hopes_at.min(call.until))
        };
        self.calls.values().map(at).min()
    }

    /// Tries what is still being looked up where it was last known to be, and ends what has taken too
    /// long.
    pub(super) fn tick(&mut self, around: &mut CallsAround<'_>) {
        let now = around.now;
        let late = |(id, call): (&CallId, &Call)| (call.until <= now).then_some(*id);
        while let Some(id) = self.calls.iter().find_map(late) {
            let Some(call) = self.calls.remove(&id) else { break };
            let why = match call.trying {
                Some((conn, address)) => {
                    around.net.close(conn, How::Now);
                    around.given_up.push(conn);
                    CallError::Late { address }
                }
                None => CallError::LookedUpStill,
            };
            self.ended.push_back(Called::Failed { whom: call.whom, why });
        }
        let mut hoping = Vec::new();
        for (id, call) in &mut self.calls {
            if let Some(lookup) = &mut call.lookup
                && lookup.hopes_at.take_if(|at| *at <= now).is_some()
            {
                call.targets.extend(around.resolver.known(&lookup.host, lookup.port));
                hoping.push(*id);
            }
        }
        hoping.into_iter().for_each(|id| self.go_on(around, id));
    }

    pub(super) fn take_ended(&mut self) -> Option<Called> {
        self.ended.pop_front()
    }

    fn of(&self, conn: ConnId) -> Option<CallId> {
        let tries = |call: &Call| call.trying.is_some_and(|(trying, _)| trying == conn);
        self.calls.iter().find(|(_, call)| tries(call)).map(|(id, _)| *id)
    }

    /// Tries the next address, looks up the next name, or ends.
    fn go_on(&mut self, around: &mut CallsAround<'_>, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        loop {
            if let Some(address) = call.targets.pop_front() {
                // What is left of the time is shared among those that have not been tried.
                let left = (call.until.0 - around.now.0).max(1) as u64;
                let share = 1 + (call.targets.len() + call.names.len()) as u64;
                let timeout = Duration::from_millis((left / share).max(1));
                let options = match call.whom {
                    Target::Election(_) => &around.mesh_options,
                    Target::Leader => &around.options,
                };
                let connected = match around.secured {
                    true => around.net.connect_secured(address, timeout, options, &call.host),
                    false => around.net.connect(address, timeout, options),
                };
                match connected {
                    Ok(conn) => {
                        call.trying = Some((conn, address));
                        call.tried.push(address);
                        around.begun.push(conn);
                        return;
                    }
                    Err(error) => call.why = CallError::Refused { address, error },
                }
            } else if call.lookup.is_some() {
                return;
            } else if let Some((host, port)) = call.names.pop_front() {
                call.host.clone_from(&host);
                match around.resolver.ask(Asked::Call(id), &host, port) {
                    Some(Answer { found: Ok(found), .. }) => call.targets.extend(found),
                    Some(Answer { found: Err(why), .. }) => call.why = why.into(),
                    None => {
                        call.until = around.now + LOOKUP_MS.max(call.timeout_ms);
                        let hopes_at = Some(around.now + HOPE_MS);
                        call.lookup = Some(Lookup { host, port, hopes_at });
                        return;
                    }
                }
            } else {
                if let Some(Call { whom, why, .. }) = self.calls.remove(&id) {
                    self.ended.push_back(Called::Failed { whom, why });
                }
                return;
            }
        }
    }
}

/// What a call needs of its surroundings, and what it leaves there.
pub(super) struct CallsAround<'a> {
    pub net: &'a mut Net,
    pub resolver: &'a Resolver,
    pub options: ConnOptions,
    pub mesh_options: ConnOptions,
    /// With TLS.
    pub secured: bool,
    pub now: Millis,
    /// Connections that are ours from now on.
    pub begun: Vec<ConnId>,
    /// Connections that are to be forgotten.
    pub given_up: Vec<ConnId>,
}
