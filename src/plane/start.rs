//! Settings into the management plane's own words, and its start.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use super::listen::{ListenError, Listener, Page, Role};
use super::secure::PlaneTls;
use super::thread::{self, Handle};
use crate::admin::http::server::{AdminFacts, AdminServer};
use crate::admin::prometheus::Names;
use crate::admin::words::Commands;
use crate::config::{
    AdminSettings, Listen, MetricNames, MetricsSettings, PlaneTlsSettings, Settings,
};
use crate::runtime::clock;
use crate::tls::files::{self, LoadError};
use crate::types::limits;

/// Why a server does not start for its management plane.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum StartError {
    #[error(
        "admin server: {0}; admin.serverPort chooses another port, admin.enableServer=false none"
    )]
    Admin(ListenError),
    #[error("page of metrics: {0}; metricsProvider.httpPort chooses another port")]
    Metrics(ListenError),
    #[error(transparent)]
    Tls(#[from] LoadError),
    #[error("cannot start the management plane's thread: {0}")]
    Thread(io::Error),
}

impl StartError {
    /// ExitCode.ERROR_STARTING_ADMIN_SERVER, or UNEXPECTED_ERROR.
    pub fn exit_code(&self) -> u8 {
        match self {
            StartError::Admin(_) => 4,
            StartError::Metrics(_) | StartError::Tls(_) | StartError::Thread(_) => 1,
        }
    }
}

/// `None`: nothing is served over HTTP. The ports are taken at once, and answered from now on, by what
/// `starting` says until the roles run.
pub fn start(settings: &Settings, starting: Arc<Commands>) -> Result<Option<Handle>, StartError> {
    let mut listeners = Vec::new();
    if let Some(admin) = &settings.admin {
        listeners.extend(take_admin(settings, admin)?);
    }
    if let Some(metrics) = &settings.metrics {
        if let Some(listen) = metrics.listen {
            listeners.push(take_metrics(metrics, listen, None)?);
        }
        if let Some((listen, tls)) = &metrics.secure {
            listeners.push(take_metrics(metrics, *listen, Some(tls))?);
        }
    }
    if listeners.is_empty() {
        return Ok(None);
    }
    let server = AdminServer::new(facts(settings), starting, clock::now());
    thread::spawn(server, listeners).map(Some).map_err(StartError::Thread)
}

fn read(tls: Option<&PlaneTlsSettings>) -> Result<Option<PlaneTls>, LoadError> {
    let Some(tls) = tls else { return Ok(None) };
    let current = files::start(&tls.sources, tls.reload)?;
    Ok(Some(PlaneTls { current, accepts: tls.accepts }))
}

fn take_metrics(
    metrics: &MetricsSettings,
    listen: Listen,
    tls: Option<&PlaneTlsSettings>,
) -> Result<Listener, StartError> {
    let names = match metrics.names {
        MetricNames::Plain => Names::Plain,
        MetricNames::Total => Names::Total,
    };
    let page = Page { process: metrics.process, names };
    let idle = Duration::from_millis(limits::PLANE_IDLE_MS);
    let (Listen { ip, port }, tls) = (listen, read(tls)?);
    let scheme = if tls.is_some() { "https" } else { "http" };
    let listener = Listener::bind(ip, port, Role::Metrics(page), idle, tls);
    let listener = listener.map_err(StartError::Metrics)?;
    tracing::info!(address = shown(&listener), scheme, "page of metrics at /metrics");
    Ok(listener)
}

/// As ZooKeeperServerMain and QuorumPeer.start do where the port cannot be had: a server on its own
/// ends, a member of an ensemble goes on. A port that nobody asked for ends nothing.
fn take_admin(settings: &Settings, admin: &AdminSettings) -> Result<Option<Listener>, StartError> {
    let this_machine = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let ip = if admin.is_named { admin.listen.ip } else { Some(this_machine) };
    let most = limits::PLANE_IDLE_MS as i64;
    let idle = Duration::from_millis(admin.idle_ms.unwrap_or(most).min(most) as u64);
    let tls = read(admin.tls.as_ref())?;
    match Listener::bind(ip, admin.listen.port, Role::Admin, idle, tls) {
        Ok(listener) => {
            let (address, url) = (shown(&listener), &admin.url);
            match admin.is_named {
                true => tracing::info!(address, url, "admin server"),
                false => tracing::info!(
                    address,
                    url,
                    "admin server, for this machine alone: the configuration names no admin.* key"
                ),
            }
            Ok(Some(listener))
        }
        Err(error) if admin.is_named && settings.ensemble.is_none() => {
            Err(StartError::Admin(error))
        }
        Err(error) => {
            tracing::warn!(%error, "no admin server; admin.serverPort chooses another port");
            Ok(None)
        }
    }
}

fn shown(listener: &Listener) -> String {
    listener.address().map_or_else(|error| error.to_string(), |address| address.to_string())
}

fn facts(settings: &Settings) -> AdminFacts {
    let admin = settings.admin.as_ref();
    AdminFacts {
        url: admin.map(|admin| admin.url.clone()).unwrap_or_default(),
        snapshots: admin.is_some_and(|admin| admin.snapshots),
        last_zxid_section: settings.snapshot.last_zxid_section,
        snapshot_interval_ms: admin.map_or(0, |admin| admin.snapshot_interval_ms),
        trusts_proxy: admin.is_some_and(|admin| admin.trusts_proxy),
        live_ms: admin.map_or(0, |admin| admin.live_ms),
        ready_ms: admin.map_or(0, |admin| admin.ready_ms),
        initial_configuration: settings.ensemble.is_none().then(|| settings.initial.clone()),
        properties: settings.properties.clone(),
    }
}
