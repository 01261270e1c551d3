//! Start and stop: recovery, threads, signals.
//!
//! ```text
//!  settings ─► kernel probe ─► clients' port ─► folders, lock ─► restore ─► threads ─► serve ─► SIGTERM ─► stop
//! ```
//!
//! A thread that ends when nobody asked it to takes the process with it: a server that has lost a
//! part must not look alive.

mod derive;
mod ensemble;
mod error;
mod log;
mod recovering;
mod startup_words;
mod wire;

pub use error::BootError;

use startup_words::StartupWords;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::Instant;
use std::{panic, thread};

use signal_hook::consts::{SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use super::placement::Placement;
use crate::admin::audit::Event;
use crate::admin::words::Commands;
use crate::config::Settings;
use crate::metrics::gauges::Gauges;
use crate::net::{Security, TakenPort, take_all};
use crate::plane;
use crate::plane::audit::{self, Audit};
use crate::roles::message::ToControl;
use crate::runtime::{affinity, clock, open_files, probe};
use crate::snapshot::Directories;
use crate::tree::{Tree, TreeOptions};
use crate::types::Millis;

/// Serves until SIGTERM or SIGINT. Errors end the process with [`BootError::exit_code`].
pub fn run(settings: Settings) -> Result<(), BootError> {
    let began: Millis = clock::now();
    log_settings(&settings);
    let audit = audit::start(settings.audit.as_ref())?;
    let outcome = match start(settings, began, &audit) {
        Ok((server, signals)) => {
            audit.note(Event::Started);
            let outcome = serve(server, signals);
            audit.note(Event::Stopped);
            outcome
        }
        Err(error) => {
            audit.note(Event::StartFailed);
            Err(error)
        }
    };
    audit.finish();
    outcome
}

fn start(settings: Settings, began: Millis, audit: &Audit) -> Result<(Server, Signals), BootError> {
    let kernel = probe::probe()?;
    tracing::info!("{kernel}");
    let placement = Placement::derive(&settings.placement, affinity::allowed())?;
    tracing::info!("cores: {placement}");
    // Before any socket listens: the kernel notes the limit when an accept is armed.
    match open_files::set_limit(u64::MAX) {
        Ok(limit) => {
            let needed = descriptors_needed(placement.network.len());
            if limit < needed {
                return Err(BootError::Descriptors { limit, needed });
            }
            tracing::debug!(limit, "open files");
        }
        Err(error) => tracing::warn!(%error, "cannot raise the limit of open files"),
    }
    // Before anything is touched: a signal from here on is an orderly stop.
    let signals = Signals::new([SIGTERM, SIGINT, SIGQUIT]).map_err(BootError::Signals)?;

    // What the stores hold is known before anything is touched, too.
    let tls = wire::Tls::read(&settings)?;
    let ports = take_all(&settings.client.ports())?;
    let folders =
        Directories::open(&settings.data_dir, &settings.data_log_dir, settings.autocreate_dirs)?;
    tracing::info!(
        data = %folders.snapshots.show(""),
        log = %folders.logs.show(""),
        "serving from these folders"
    );
    let mut gauges = Gauges::new(placement.network.len(), began);
    gauges.audit = audit.figures();
    let gauges = Arc::new(gauges);
    let insight = derive::insight(&settings, audit.queue());
    let startup_words = answer_words(&settings, &ports, &gauges)?;
    let plane = plane::start(&settings, Arc::new(nothing_yet(&settings, &gauges)))?;
    let started = Instant::now();
    let (recovered, log_io) = thread::scope(|scope| {
        let choose = || log::choose(&settings, &placement, folders.logs.as_ref());
        let choosing = thread::Builder::new().name("log-probe".into()).spawn_scoped(scope, choose);
        let recovered = recovering::recover(&settings, &folders, &gauges);
        // Whatever came of the other: no file of the probe's is left behind.
        let chosen = match choosing.map_err(BootError::Thread)?.join() {
            Ok(chosen) => chosen,
            Err(panic) => panic::resume_unwind(panic),
        };
        Ok::<_, BootError>((recovered?, chosen?))
    })?;
    gauges.db_init_time.record(started.elapsed().as_millis() as i64);
    if let Some((address, words)) = startup_words {
        words.close().map_err(|cause| BootError::Listen { address, cause })?;
    }
    let ends = ((ports, tls), plane, insight);
    let server = wire::start(settings, placement, folders, gauges, (recovered, log_io), ends)?;
    Ok((server, signals))
}

/// Words are answered from here on, if only with the news that nothing is served. A port that speaks
/// nothing but TLS refuses connections until there are threads for handshakes.
fn answer_words(
    settings: &Settings,
    ports: &[TakenPort],
    gauges: &Arc<Gauges>,
) -> Result<Option<(SocketAddr, StartupWords)>, BootError> {
    gauges.running.store(false, Ordering::Relaxed);
    let Some(port) = ports.iter().find(|port| port.security != Security::Tls) else {
        return Ok(None);
    };
    let (address, commands) = (port.address, nothing_yet(settings, gauges));
    let listener = port.bound.listen(settings.client.backlog_max());
    let startup_words = listener.and_then(|listener| StartupWords::open(listener, commands));
    startup_words
        .map(|words| Some((address, words)))
        .map_err(|cause| BootError::Listen { address, cause })
}

fn nothing_yet(settings: &Settings, gauges: &Arc<Gauges>) -> Commands {
    derive::commands(settings, Tree::new(TreeOptions::default()).0, gauges.clone())
}

/// Files, rings and wakers of a server that has no connection yet, and as many for clients.
fn descriptors_needed(network_threads: usize) -> u64 {
    64 + 8 * network_threads as u64
}

/// A running server: what stopping it needs.
pub struct Server {
    to_control: crate::runtime::Sender<ToControl>,
    /// The roles' threads, by name.
    threads: Vec<std::thread::JoinHandle<()>>,
    /// Tells the name and the end of a thread that ended by itself.
    ended: mpsc::Receiver<(&'static str, Result<(), BootError>)>,
    /// What is told of it.
    commands: Arc<Commands>,
    /// Holds the locks.
    folders: Arc<Directories>,
}

fn serve(server: Server, mut signals: Signals) -> Result<(), BootError> {
    let handle = signals.handle();
    let to_control = server.to_control.clone();
    let commands = server.commands.clone();
    let waiting = std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for signal in signals.forever() {
                match signal {
                    SIGQUIT => log_report(&commands),
                    SIGTERM | SIGINT => {
                        let name = if signal == SIGTERM { "SIGTERM" } else { "SIGINT" };
                        tracing::info!("{name}: finishing what is in flight");
                        return to_control.push(ToControl::Stop);
                    }
                    _ => {}
                }
            }
        })
        .map_err(BootError::Thread)?;
    // All role threads end after a stop; the first that reports tells why.
    let outcome = server.ended.recv().map_or(Ok(()), |(_, outcome)| outcome);
    if outcome.is_ok() {
        for thread in server.threads {
            // A panic aborts the process in release builds; in others its text is out already.
            let _ = thread.join();
        }
        tracing::info!("stopped");
    }
    handle.close();
    let _ = waiting.join();
    drop(server.folders);
    outcome
}

/// Users of a Java server send SIGQUIT to look at it: it tells what its threads do, and goes on.
fn log_report(commands: &Commands) {
    tracing::info!("SIGQUIT: what this server is and does");
    for line in commands.report(clock::now()).lines() {
        tracing::info!("{line}");
    }
}

/// What an operator should see once: where settings came from, and which of them do nothing.
fn log_settings(settings: &Settings) {
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        commit = env!("RINGKEEPER_COMMIT_ID"),
        built = env!("RINGKEEPER_BUILT"),
        compatible = "ZooKeeper 3.9.5",
        settings = %settings.source,
        "ringkeeper"
    );
    for noted in &settings.unknown {
        let (key, at, hint) = (&noted.key, &noted.place, &noted.why);
        match hint.is_empty() {
            true => tracing::warn!(%key, %at, "unknown key: it has no effect"),
            false => tracing::warn!(%key, %at, %hint, "unknown key: it has no effect"),
        }
    }
    for noted in &settings.no_effect {
        tracing::info!(key = %noted.key, at = %noted.place, why = noted.why, "key without effect");
    }
    for noted in &settings.not_served {
        tracing::warn!(key = %noted.key, at = %noted.place, why = noted.why, "not served by this version");
    }
    for remark in &settings.remarks {
        tracing::warn!("{remark}");
    }
}
