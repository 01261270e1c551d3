//! `/live` and `/ready`: roles are asked, and waited for as long as the settings say.
//!
//! A role that hangs takes nothing from its mailbox. So each has one question at a time, however many
//! probes come: they wait for the same one.

use std::cell::RefCell;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::admin::http::probes::Confirmed;
use crate::roles::message::{ToControl, ToNetwork};
use crate::roles::probe::{Probe, ProbeEnd, ProbeState, probe};
use crate::roles::queries::Queries;

/// Between two looks at an answer.
const LOOK: Duration = Duration::from_millis(1);

#[derive(Default)]
pub(super) struct Probes {
    /// The last questions: to the control role, then to each network core.
    turns: RefCell<Vec<Option<Probe>>>,
    /// The last one whether all is applied here that was committed before.
    confirming: RefCell<Option<Probe>>,
}

impl Probes {
    /// The roles that take no turn within so long, by name.
    pub(super) async fn stuck(&self, queries: &Queries, limit: Duration) -> Vec<String> {
        let asked = self.ask_turns(queries);
        let deadline = Instant::now() + limit;
        loop {
            let pending = asked.iter().enumerate();
            let pending = pending.filter(|(_, probe)| probe.state() == ProbeState::Pending);
            let pending: Vec<String> = pending.map(|(role, _)| name(role)).collect();
            if pending.is_empty() || Instant::now() >= deadline {
                return pending;
            }
            sleep(LOOK).await;
        }
    }

    fn ask_turns(&self, queries: &Queries) -> Vec<Probe> {
        let mut turns = self.turns.borrow_mut();
        turns.resize_with(queries.cores.len() + 1, || None);
        let mut asked = Vec::new();
        for (role, turn) in turns.iter_mut().enumerate() {
            asked.push(ask_again(turn, |end| match role.checked_sub(1) {
                None => queries.to_control.push(ToControl::Probe(end)),
                Some(core) => queries.cores[core].push(ToNetwork::Probe(end)),
            }));
        }
        asked
    }

    /// Whether all that was committed when this was asked is applied here within so long, under a leader
    /// that a quorum follows.
    pub(super) async fn confirm(&self, queries: &Queries, limit: Duration) -> Confirmed {
        let began = Instant::now();
        let asked = ask_again(&mut self.confirming.borrow_mut(), |end| {
            queries.to_control.push(ToControl::Confirm(end));
        });
        loop {
            let after = began.elapsed();
            match asked.state() {
                ProbeState::Answered => return Confirmed::After(after.as_millis() as u64),
                ProbeState::Dropped => return Confirmed::Dropped,
                ProbeState::Pending if after >= limit => return Confirmed::Late,
                ProbeState::Pending => sleep(LOOK).await,
            }
        }
    }
}

/// The last question, if it waits still, or else a new one.
fn ask_again(last: &mut Option<Probe>, ask: impl FnOnce(ProbeEnd)) -> Probe {
    match last {
        Some(pending) if pending.state() == ProbeState::Pending => pending.clone(),
        _ => {
            let (asked, end) = probe();
            ask(end);
            *last = Some(asked.clone());
            asked
        }
    }
}

fn name(role: usize) -> String {
    match role.checked_sub(1) {
        None => "control".to_owned(),
        Some(core) => format!("network {core}"),
    }
}
