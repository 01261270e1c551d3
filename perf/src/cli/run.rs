//! `ringkeeper-perf run`.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use clap::Args;

use super::progress::Display;
use crate::cost::{Costing, Meter, listener_pid};
use crate::engine::{Pace, Plan, Until};
use crate::fault::Fault;
use crate::keys::KeySpace;
use crate::load::{Job, Workload};
use crate::output::{hdr, table};
use crate::result::RunResult;
use crate::schedule::Arrival;

#[derive(Args)]
pub(super) struct RunArguments {
    /// Servers, HOST:PORT,…; connections go round them.
    #[arg(long, short, value_delimiter = ',', required = true)]
    servers: Vec<String>,
    #[arg(long, short, value_enum)]
    workload: Workload,
    #[arg(long, short, default_value_t = 50)]
    connections: usize,
    /// Requests outstanding on each connection (closed loop).
    #[arg(long, short = 'p', default_value_t = 1)]
    depth: usize,
    /// Requests offered each second (open loop; latency from the intended send time).
    #[arg(long, short)]
    rate: Option<f64>,
    #[arg(long, value_enum, default_value = "uniform")]
    arrival: Arrival,
    /// Seconds measured.
    #[arg(long, short, default_value_t = 10.0)]
    duration: f64,
    /// Seconds before that.
    #[arg(long, default_value_t = 2.0)]
    warmup: f64,
    /// Driver threads. Default: one for every four CPUs.
    #[arg(long)]
    threads: Option<usize>,
    /// CPUs for the driver's threads, one each.
    #[arg(long, value_delimiter = ',')]
    pin: Vec<usize>,
    /// Bytes of a znode's data.
    #[arg(long, default_value_t = 100)]
    value_size: usize,
    /// Znodes.
    #[arg(long, short, default_value_t = 10_000)]
    keys: u64,
    /// Levels of directories above the keys.
    #[arg(long, default_value_t = 1)]
    tree_depth: u32,
    /// So many keys take --hot-share of the accesses.
    #[arg(long, default_value_t = 0)]
    hot_keys: u64,
    #[arg(long, default_value_t = 0.9)]
    hot_share: f64,
    /// Reads among the operations of `mixed`.
    #[arg(long, default_value_t = 0.9)]
    read_share: f64,
    /// Operations in a multi.
    #[arg(long, default_value_t = 10)]
    multi: u32,
    /// Locks that the connections contend for.
    #[arg(long, default_value_t = 1)]
    locks: usize,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The subtree the run works in.
    #[arg(long, default_value = "/perf")]
    root: String,
    /// Milliseconds of an interval of the timeline and the .hlog.
    #[arg(long, default_value_t = 1000)]
    interval_ms: u64,
    /// Milliseconds.
    #[arg(long, default_value_t = 30_000)]
    session_timeout: i32,
    /// The keys are there already, from a run with --keep.
    #[arg(long)]
    no_set_up: bool,
    /// Leave the subtree for later runs.
    #[arg(long)]
    keep: bool,
    /// Process ids of the servers on this machine. Default: found by their ports.
    #[arg(long, value_delimiter = ',')]
    server_pid: Vec<u32>,
    /// The servers' log folder: its device's writes and flushes are counted.
    #[arg(long)]
    log_dir: Option<PathBuf>,
    /// Write the result as JSON to this file (`-`: standard output, instead of the table).
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write PREFIX-CLASS.hgrm and PREFIX.hlog.
    #[arg(long, value_name = "PREFIX")]
    hdr: Option<PathBuf>,
}

/// One driver thread for every four CPUs: the server needs the rest.
pub(super) fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |n| (n.get() / 4).max(1))
}

impl RunArguments {
    fn plan(&self) -> Result<Plan, Fault> {
        let pace = match self.rate {
            Some(rate) if rate > 0.0 => Pace::Open { rate, arrival: self.arrival },
            Some(rate) => return Err(Fault::Usage(format!("--rate {rate} offers nothing"))),
            None => Pace::Closed { depth: self.depth.max(1) },
        };
        let ns = |seconds: f64| (seconds * 1e9) as u64;
        let until = match self.workload {
            Workload::Fill => Until::Exhausted,
            _ => Until::Time { warmup: ns(self.warmup), window: ns(self.duration) },
        };
        Ok(Plan {
            servers: resolve(&self.servers)?,
            connections: self.connections,
            threads: self.threads.unwrap_or_else(default_threads),
            pin: self.pin.clone(),
            pace,
            until,
            interval: self.interval_ms.max(1) * 1_000_000,
            session_timeout_ms: self.session_timeout,
            seed: self.seed,
        })
    }

    fn job(&self) -> Result<Job, Fault> {
        if !self.root.starts_with('/') || self.root.len() < 2 || self.root.ends_with('/') {
            return Err(Fault::Usage(format!("--root {} is not a path below /", self.root)));
        }
        if self.workload == Workload::WatchFanout && self.connections < 2 {
            return Err(Fault::Usage("watch-fanout needs a writer and a watcher".into()));
        }
        if self.keys == 0 || self.locks == 0 || self.multi == 0 {
            return Err(Fault::Usage("--keys, --locks and --multi begin at 1".into()));
        }
        let mut keys = KeySpace::uniform(&self.root, self.keys, self.tree_depth);
        (keys.hot, keys.hot_share) = (self.hot_keys, self.hot_share);
        Ok(Job {
            workload: self.workload,
            keys,
            value_size: self.value_size,
            read_share: self.read_share,
            multi: self.multi,
            locks: self.locks,
            seed: self.seed,
        })
    }
}

pub(super) fn run(arguments: RunArguments) -> Result<(), Fault> {
    let (plan, job) = (arguments.plan()?, arguments.job()?);
    if !arguments.no_set_up {
        let mut display = Display::new("setting up");
        job.set_up(&plan, &mut display)?;
    }
    let mut display = Display::metering("running", Costing::new(arguments.meters(&plan)));
    let measured = job.measure(&plan, &mut display)?;
    let result = RunResult::new(&job, &plan, &measured, display.cost());
    drop(display);
    if !arguments.keep {
        let mut display = Display::new("cleaning up");
        job.clean_up(&plan, &mut display)?;
    }
    if let Some(prefix) = &arguments.hdr {
        hdr::write_files(prefix, &measured)?;
    }
    let json = serde_json::to_string_pretty(&result)
        .map_err(|e| Fault::Server(format!("result as JSON: {e}")))?;
    match &arguments.json {
        Some(path) if path.as_os_str() == "-" => println!("{json}"),
        Some(path) => {
            std::fs::write(path, json).map_err(Fault::file(path))?;
            print!("{}", table::render(&result));
        }
        None => print!("{}", table::render(&result)),
    }
    Ok(())
}

impl RunArguments {
    fn meters(&self, plan: &Plan) -> Vec<Meter> {
        let mut pids = self.server_pid.clone();
        if pids.is_empty() {
            let local = plan.servers.iter().filter(|a| a.ip().is_loopback());
            pids = local.filter_map(|a| listener_pid(*a)).collect();
        }
        pids.iter().map(|pid| Meter::new(*pid, self.log_dir.as_deref())).collect()
    }
}

fn resolve(servers: &[String]) -> Result<Vec<SocketAddr>, Fault> {
    servers
        .iter()
        .map(|text| {
            text.to_socket_addrs()
                .ok()
                .and_then(|mut found| found.next())
                .ok_or_else(|| Fault::Usage(format!("--servers {text} is not HOST:PORT")))
        })
        .collect()
}
