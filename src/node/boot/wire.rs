//! The roles' threads, and those beside them.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::derive;
use super::log::LogStarter;
use super::{BootError, Server};
use crate::admin::http::server::Served;
use crate::config::Settings;
use crate::log::IoChoice;
use crate::metrics::gauges::Gauges;
use crate::net::{Security, TakenPort};
use crate::node::assembly::{self, Parts, Roles, Seat};
use crate::node::hosting::{Hosted, InlineLogSlot};
use crate::node::housekeeping::Housekeeping;
use crate::node::learner_files;
use crate::node::placement::{ControlPlace, Placement};
use crate::node::recover::Recovered;
use crate::node::slow_commands::SlowCommands;
use crate::node::threads::{self, ListenAt, NetworkThread, NotReady};
use crate::plane::{Handle, Sources};
use crate::roles::insight::Insight;
use crate::roles::peers::{PeerSettings, Peers, Resolver};
use crate::roles::queries::Queries;
use crate::roles::standstill::Standstill;
use crate::runtime::{RingSleeper, ThreadSleeper, Waker, clock, entropy, waker};
use crate::snapshot::Directories;
use crate::tls::Current;
use crate::tls::files::{self, LoadError};

/// Where the control role lives, and how that thread sleeps.
enum ControlThread {
    /// That of the first network core.
    Network,
    Alone(ThreadSleeper, Option<usize>),
    /// Its own, with a transport for other servers.
    WithPeers(RingSleeper, Option<usize>),
}

impl ControlThread {
    fn new(place: ControlPlace, member: bool, first: &Waker) -> io::Result<(ControlThread, Waker)> {
        Ok(match place {
            ControlPlace::WithNetwork => (ControlThread::Network, first.clone()),
            ControlPlace::Alone(cpu) if member => {
                let (sleeper, waker) = waker::for_ring()?;
                (ControlThread::WithPeers(sleeper, cpu), waker)
            }
            ControlPlace::Alone(cpu) => {
                let (sleeper, waker) = waker::for_thread();
                (ControlThread::Alone(sleeper, cpu), waker)
            }
        })
    }
}

/// Starts every thread and waits until clients can connect.
pub(super) fn start(
    settings: Settings,
    placement: Placement,
    folders: Directories,
    gauges: Arc<Gauges>,
    (recovered, log_io): (Recovered, IoChoice),
    (ports, plane, insight): (ClientPorts, Option<Handle>, Insight),
) -> Result<Server, BootError> {
    let now = clock::now();
    let cores: Vec<(RingSleeper, Waker)> = (0..placement.network.len())
        .map(|_| waker::for_ring())
        .collect::<io::Result<_>>()
        .map_err(BootError::Thread)?;
    let (sleepers, wakers): (Vec<RingSleeper>, Vec<Waker>) = cores.into_iter().unzip();
    let member = settings.ensemble.is_some();
    let (place, waker) =
        ControlThread::new(placement.control, member, &wakers[0]).map_err(BootError::Thread)?;
    let peers = settings.ensemble.as_ref().map(|ensemble| {
        let settings = PeerSettings::new(ensemble, settings.field_max(), ports.1.servers.clone());
        Box::new(Peers::new(settings, Resolver::new(waker.clone()), now))
    });
    let lent_log = placement.flushes_inline().then(InlineLogSlot::default);
    let caller = lent_log.clone().map(|slot| (waker.clone(), slot));
    let folders = Arc::new(folders);
    let starter = LogStarter::new(
        &settings,
        &placement,
        (folders.logs.clone(), log_io),
        gauges.clone(),
        caller,
    );
    let roles = assembly::assemble(Parts {
        plan: derive::plan(&settings, wakers.len(), insight),
        folders: folders.clone(),
        recovered,
        gauges: gauges.clone(),
        control: waker.clone(),
        cores: wakers.clone(),
        log: Box::new(move |to_control| starter.reporting_to(to_control)),
        entropy: &mut entropy,
        now,
        wall: clock::wall(),
    })?;
    let (ended_sender, ended) = mpsc::channel();
    let mut threads = Threads { ended: ended_sender, handles: Vec::new() };
    let (to_control, commands) = (roles.to_control.clone(), roles.shared.commands.clone());
    plane.iter().for_each(|plane| serve_plane(plane, &roles, &folders));
    let serving = roles.serving;
    let (control, seats) = spawn_others(&settings, &folders, gauges, roles, (waker, wakers))
        .map_err(BootError::Thread)?;
    let mut hosted = None;
    match place {
        ControlThread::Network => hosted = Some(Hosted::new(Box::new(control), peers, lent_log)),
        ControlThread::Alone(sleeper, cpu) => {
            let control = Box::new(control);
            threads.spawn("control", move || threads::run_control(control, sleeper, cpu))?;
        }
        ControlThread::WithPeers(sleeper, cpu) => {
            let hosted = Hosted::new(Box::new(control), peers, None);
            let net = derive::net_settings(&settings);
            threads.spawn("control", move || {
                threads::run_control_with_peers(hosted, net, sleeper, cpu)
            })?;
        }
    }
    let seats = seats.into_iter().zip(sleepers).zip(placement.network);
    let ready = threads.spawn_network(&settings, seats, ports, hosted)?;
    wait_ready(&ready, serving)?;
    Ok(Server { to_control, threads: threads.handles, ended, commands, folders })
}

/// The management plane hears that the roles are there.
fn serve_plane(plane: &Handle, roles: &Roles, folders: &Directories) {
    let queries = Queries::new(roles.to_networks.clone(), roles.to_control.clone());
    let (commands, snapshots) = (roles.shared.commands.clone(), folders.snapshots.clone());
    let (policy, slow) = (roles.shared.policy.clone(), roles.shared.insight.slow.clone());
    let served = Served { commands: commands.clone(), policy, slow };
    plane.serve(served, Sources { commands, queries, snapshots });
}

/// Starts the threads beside the roles. Each ends with the role whose end closes its queue.
fn spawn_others(
    settings: &Settings,
    folders: &Arc<Directories>,
    gauges: Arc<Gauges>,
    roles: Roles,
    (control, cores): (Waker, Vec<Waker>),
) -> io::Result<(crate::roles::control::Control, Vec<Seat>)> {
    if let Some(ensemble) = &settings.ensemble {
        let beat = Duration::from_millis(ensemble.timing.tick_ms as u64 / 2);
        let patience = 2 * ensemble.timing.sync_ticks as u32;
        let turns = Arc::downgrade(&roles.shared.turns);
        Standstill { turns, control, cores, gauges: gauges.clone(), beat, patience }.spawn()?;
    }
    let tree = &roles.shared.tree;
    if let Some(history) = roles.history {
        history.spawn(roles.queues.changes, roles.to_control.clone())?;
    }
    if let Some(files) = roles.learner_files {
        learner_files::spawn(files, roles.queues.learner_jobs, roles.to_control.clone())?;
    }
    Housekeeping {
        tree: tree.clone(),
        gauges,
        snapshots: folders.snapshots.clone(),
        logs: folders.logs.clone(),
        logs_are_flushed: settings.log.force_sync,
        options: roles.write,
        bytes_per_second: settings.snapshot.bytes_per_second,
        txn_count: settings.snapshot.txn_count,
        retain: settings.autopurge.retain,
        purge_interval: settings.autopurge.interval,
        to_control: roles.to_control.clone(),
        removing: roles.removing,
    }
    .spawn(roles.queues.jobs)?;
    let queries = Queries::new(roles.to_networks, roles.to_control);
    SlowCommands { commands: roles.shared.commands.clone(), queries }
        .spawn(roles.queues.questions)?;
    Ok((roles.control, roles.networks))
}

/// What was read of the stores, for ports that speak TLS.
pub(super) struct Tls {
    clients: Option<Arc<Current>>,
    servers: Option<Arc<Current>>,
}

impl Tls {
    /// Before anything is touched: what cannot be used ends the start.
    pub(super) fn read(settings: &Settings) -> Result<Tls, LoadError> {
        let clients = settings.tls.as_ref();
        let servers = settings.ensemble.as_ref().and_then(|ensemble| ensemble.tls.as_ref());
        Ok(Tls {
            clients: clients.map(|tls| files::start(&tls.sources, tls.reload)).transpose()?,
            servers: servers.map(|tls| files::start(&tls.sources, tls.reload)).transpose()?,
        })
    }
}

/// The clients' ports, and what TLS needs.
type ClientPorts = (Vec<TakenPort>, Tls);

/// Where a network core listens, if it does; or why it cannot work.
type Report = Result<Vec<(SocketAddr, Security)>, NotReady>;

fn wait_ready(ready: &mpsc::Receiver<Report>, serving: bool) -> Result<(), BootError> {
    // Each thread reports once; the channel ends when all have.
    for report in ready.iter() {
        let ports = report.map_err(|why| match why {
            NotReady::Listen(address, cause) => BootError::Listen { address, cause },
            NotReady::Ring(why) => BootError::Kernel(why),
        })?;
        for (address, security) in ports {
            let speaks = match security {
                Security::Plain => "plain",
                Security::Tls => "TLS",
                Security::Either => "plain or TLS",
            };
            match serving {
                true => tracing::info!(%address, speaks, "serving clients"),
                false => tracing::info!(%address, speaks, "listening; waiting for a leader"),
            }
        }
    }
    Ok(())
}

struct Threads {
    ended: mpsc::Sender<(&'static str, Result<(), BootError>)>,
    handles: Vec<std::thread::JoinHandle<()>>,
}

impl Threads {
    fn spawn(
        &mut self,
        name: &'static str,
        body: impl FnOnce() -> io::Result<()> + Send + 'static,
    ) -> Result<(), BootError> {
        let ended = self.ended.clone();
        let handle = std::thread::Builder::new()
            .name(name.into())
            .spawn(move || {
                let outcome = body().map_err(|cause| BootError::Ended { name, cause });
                // Nobody listens once the server stops.
                let _ = ended.send((name, outcome));
            })
            .map_err(BootError::Thread)?;
        self.handles.push(handle);
        Ok(())
    }

    /// Starts the network cores' threads, of which the first listens and may have the control role.
    /// Each reports once that it is ready.
    fn spawn_network(
        &mut self,
        settings: &Settings,
        seats: impl Iterator<Item = ((Seat, RingSleeper), Option<usize>)>,
        clients: ClientPorts,
        mut hosted: Option<Hosted>,
    ) -> Result<mpsc::Receiver<Report>, BootError> {
        let (ports, tls) = clients;
        let backlog = settings.client.backlog_max();
        let mut ports: Vec<ListenAt> =
            ports.into_iter().map(|port| (port.bound, backlog, port.security)).collect();
        let (ready_sender, ready) = mpsc::channel();
        for ((seat, sleeper), cpu) in seats {
            let thread = NetworkThread {
                cpu,
                net: derive::net_settings(settings),
                sleeper,
                listen: std::mem::take(&mut ports),
                tls: tls.clients.clone(),
                control: hosted.take(),
                ready: ready_sender.clone(),
            };
            self.spawn("network", move || thread.run(move |net| seat.parts(net)))?;
        }
        Ok(ready)
    }
}
