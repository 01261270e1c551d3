//! `/live` and `/ready`, for whatever starts and routes by them: statuses 200 and 503, and why.
//!
//! *Live*: the process's roles take turns. One that starts is alive, however long it loads its tree. *Ready*:
//! it serves all, under a leader that a quorum follows, and what was committed when it was asked is applied
//! here within a bound. A server that hangs, or whose link does, is alive or not, but not ready.

use serde_json::{Map, Value};

use super::reply::{Reply, status};
use super::server::AdminServer;
use crate::metrics::quorum::Mode;

/// What came of the question whether all that was committed before is applied here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Confirmed {
    /// Milliseconds later.
    After(u64),
    /// Not within the bound.
    Late,
    /// The role has ended that was to answer.
    Dropped,
}

impl AdminServer {
    /// Milliseconds in which each role takes a turn.
    pub fn live_within(&self) -> u64 {
        self.facts().live_ms
    }

    /// Milliseconds that a server which is ready is behind at most.
    pub fn ready_within(&self) -> u64 {
        self.facts().ready_ms
    }

    /// `stuck`: roles that took no turn within that time.
    pub fn live(&self, stuck: &[String]) -> Reply {
        let reason = (!stuck.is_empty()).then(|| {
            let ms = self.live_within();
            format!("no turn was taken for {ms} ms by: {}", stuck.join(", "))
        });
        answer("live", reason, Map::new())
    }

    /// What keeps it from being ready whatever its roles say; `None`: they have to be asked.
    pub fn not_ready(&self) -> Option<Reply> {
        let reason = match self.commands().serving_as() {
            Some(Mode::ReadOnly) => "there is no leader: only reads are served",
            Some(_) => return None,
            None if !self.is_started() => "the server starts",
            None => match self.commands().gauges.quorum.mode() {
                Mode::Looking => "there is no leader: an election is under way",
                _ => "no clients are served",
            },
        };
        Some(answer("ready", Some(reason.to_owned()), Map::new()))
    }

    /// The answer, where nothing else kept it from being ready.
    pub fn ready(&self, confirmed: Confirmed) -> Reply {
        // The question took its time, in which the role may have ended.
        if let Some(refused) = self.not_ready() {
            return refused;
        }
        let mut more = Map::new();
        let reason = match confirmed {
            Confirmed::After(ms) => {
                more.insert("behind_ms".into(), ms.into());
                None
            }
            Confirmed::Late => {
                let ms = self.ready_within();
                Some(format!("behind by more than {ms} ms, or its leader has no quorum"))
            }
            Confirmed::Dropped => Some("its role has ended".to_owned()),
        };
        let mode = self.commands().gauges.quorum.mode();
        more.insert("state".into(), mode.word().into());
        answer("ready", reason, more)
    }
}

fn answer(what: &str, reason: Option<String>, more: Map<String, Value>) -> Reply {
    let code = if reason.is_none() { status::OK } else { status::SERVICE_UNAVAILABLE };
    let mut map = Map::new();
    map.insert(what.into(), reason.is_none().into());
    map.insert("reason".into(), reason.map_or(Value::Null, Value::from));
    map.extend(more);
    Reply::object(code, map)
}
