//! What connections say: one file for each family of workloads, each a [`Load`].
//!
//! * [`point`]: read, write, mixed, exists, children, multi: one request on one key
//! * [`pairs`]: create and delete, persistent or ephemeral-sequential
//! * [`fill`]: making many znodes; the setting-up of the others uses it
//! * [`sweep`]: removing a subtree
//! * [`fanout`]: one write, thousands of watchers
//! * [`sessions`]: connect storms and session churn
//! * [`lock`]: the sequential-ephemeral lock recipe

pub mod fanout;
pub mod fill;
pub mod lock;
pub mod pairs;
pub mod point;
pub mod sessions;
pub mod sweep;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::engine::lane::Pending;
use crate::engine::run::{Measured, Observer, run};
use crate::engine::{Cx, Load, Pace, Plan, Until};
use crate::fault::Fault;
use crate::keys::{KeySpace, ancestors};
use crate::wire::{Reply, Value, err};

/// The kinds of load, by their names on the command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    /// getData of a random key.
    Read,
    /// setData of a random key.
    Write,
    /// Reads and writes, `--read-share` of them reads.
    Mixed,
    /// create, then delete, of a persistent znode.
    CreateDelete,
    /// create of an ephemeral sequential znode, then its delete.
    EphemeralSequential,
    /// A multi of `--multi` setData operations.
    Multi,
    /// getChildren of the directory of a random key.
    Children,
    /// exists of a random key.
    Exists,
    /// One znode written, watched by every connection but the first.
    WatchFanout,
    /// All sessions opened at once, then closed, again and again.
    ConnectStorm,
    /// Every connection opens a session and closes it, again and again.
    SessionChurn,
    /// Contenders of `--locks` locks: the sequential-ephemeral recipe.
    Lock,
    /// Creates `--keys` znodes, once.
    Fill,
}

/// A workload with its figures.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Job {
    pub workload: Workload,
    pub keys: KeySpace,
    /// Bytes of a znode's data.
    pub value_size: usize,
    pub read_share: f64,
    pub multi: u32,
    pub locks: usize,
    pub seed: u64,
}

impl Job {
    pub fn new(workload: Workload, root: &str) -> Job {
        Job {
            workload,
            keys: KeySpace::uniform(root, 10_000, 1),
            value_size: 100,
            read_share: 0.9,
            multi: 10,
            locks: 1,
            seed: 1,
        }
    }

    /// Random bytes, the same for one seed: they do not compress.
    fn filler(&self) -> Arc<[u8]> {
        let mut rng = fastrand::Rng::with_seed(self.seed);
        (0..self.value_size).map(|_| rng.u8(..)).collect()
    }

    fn needs_keys(&self) -> bool {
        use Workload::*;
        match self.workload {
            Read | Write | Mixed | Multi | Children | Exists => true,
            CreateDelete | EphemeralSequential | WatchFanout | ConnectStorm | SessionChurn
            | Lock | Fill => false,
        }
    }

    fn directories(&self) -> Vec<Vec<u8>> {
        match self.workload {
            Workload::ConnectStorm | Workload::SessionChurn => Vec::new(),
            Workload::Lock => {
                let mut paths = ancestors(&self.keys.root);
                paths.extend((0..self.locks).map(|n| lock::directory(&self.keys.root, n)));
                paths
            }
            Workload::WatchFanout => {
                let mut paths = ancestors(&self.keys.root);
                paths.push(fanout::path(&self.keys.root));
                paths
            }
            Workload::CreateDelete | Workload::EphemeralSequential => ancestors(&self.keys.root),
            _ => self.keys.directories(),
        }
    }

    /// Makes the znodes the job works on; those that exist already are kept, keys rewritten.
    pub fn set_up(&self, plan: &Plan, observer: &mut dyn Observer) -> Result<(), Fault> {
        let directories = self.directories();
        if !directories.is_empty() {
            let mut list = Some(directories);
            let mut make = |_: usize, _: &[usize]| -> Box<dyn Load> {
                Box::new(fill::List::new(list.take().unwrap_or_default()))
            };
            // One connection: parents come before their children.
            run(&chore(plan, 1, 64), &mut make, observer)?;
        }
        if self.needs_keys() {
            let (keys, filler) = (Arc::new(self.keys.clone()), self.filler());
            let plan = chore(plan, 8, 64);
            let lanes = plan.connections as u64;
            let mut make = |_: usize, own: &[usize]| -> Box<dyn Load> {
                assert_eq!(own.len() as u64, lanes, "one thread sets up");
                Box::new(fill::Fill::new(keys.clone(), filler.clone(), 0..keys.count, true))
            };
            run(&plan, &mut make, observer)?;
        }
        Ok(())
    }

    /// Runs the load itself.
    pub fn measure(&self, plan: &Plan, observer: &mut dyn Observer) -> Result<Measured, Fault> {
        let (keys, filler) = (Arc::new(self.keys.clone()), self.filler());
        let fanout = Arc::new(fanout::Round::new(plan.connections.saturating_sub(1)));
        let locks = Arc::new(lock::Releases::new(self.locks));
        let threads = plan.threads.min(plan.connections) as u64;
        let mut make = |thread: usize, lanes: &[usize]| -> Box<dyn Load> {
            use Workload::*;
            let point = |what| Box::new(point::Point::new(what, keys.clone(), filler.clone()));
            match self.workload {
                Read => point(point::What::Read),
                Write => point(point::What::Write),
                Mixed => point(point::What::Mixed(self.read_share)),
                Multi => point(point::What::Multi(self.multi)),
                Children => point(point::What::Children),
                Exists => point(point::What::Exists),
                CreateDelete => {
                    Box::new(pairs::CreateDelete::new(&keys.root, filler.clone(), lanes))
                }
                EphemeralSequential => {
                    Box::new(pairs::EphemeralSequential::new(&keys.root, filler.clone(), lanes))
                }
                WatchFanout => Box::new(fanout::Fanout::new(
                    &keys.root,
                    filler.clone(),
                    thread == 0,
                    fanout.clone(),
                )),
                ConnectStorm => Box::new(sessions::Storm::default()),
                SessionChurn => Box::new(sessions::Churn),
                Lock => Box::new(lock::Contenders::new(&keys.root, lanes, locks.clone())),
                Fill => {
                    let share = |n: u64| keys.count * n / threads;
                    let range = share(thread as u64)..share(thread as u64 + 1);
                    Box::new(fill::Fill::new(keys.clone(), filler.clone(), range, false))
                }
            }
        };
        run(plan, &mut make, observer)
    }

    /// Removes everything below the root, and it.
    pub fn clean_up(&self, plan: &Plan, observer: &mut dyn Observer) -> Result<(), Fault> {
        if self.directories().is_empty() {
            return Ok(());
        }
        let mut make = |_: usize, _: &[usize]| -> Box<dyn Load> {
            Box::new(sweep::Sweep::new(&self.keys.root))
        };
        run(&chore(plan, 1, 128), &mut make, observer).map(drop)
    }
}

/// The plan of a piece of work that is not measured.
fn chore(plan: &Plan, connections: usize, depth: usize) -> Plan {
    Plan {
        servers: plan.servers[..1].to_vec(),
        connections,
        threads: 1,
        pace: Pace::Closed { depth },
        until: Until::Exhausted,
        interval: 1_000_000_000,
        ..plan.clone()
    }
}

/// Fails unless the reply is a success.
fn expect_ok(cx: &Cx<'_>, lane: usize, reply: &Reply<'_>, what: &str) -> Result<(), Fault> {
    if reply.err == err::OK {
        return Ok(());
    }
    cx.refuse(lane, format!("error {} in answer to {what}", reply.err))
}

/// Fails unless the body's shape was as it should be.
fn expect_shape(
    cx: &Cx<'_>,
    lane: usize,
    good: Option<bool>,
    reply: &Reply<'_>,
    what: &str,
) -> Result<(), Fault> {
    if good == Some(true) {
        return Ok(());
    }
    let len = reply.body.len();
    let head: Vec<String> = reply.body.iter().take(32).map(|b| format!("{b:02x}")).collect();
    cx.refuse(lane, format!("an answer to {what} that is none: {len} bytes, {}…", head.concat()))
}

/// Records an answered request under its class.
fn record(cx: &mut Cx<'_>, asked: Pending) {
    let now = cx.now;
    cx.recorder.record(usize::from(asked.class), asked.at, now);
}

fn value(filler: &[u8], tag: u64) -> Value<'_> {
    Value { filler, tag }
}
