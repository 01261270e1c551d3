//! A request's way through the admin server: method, path, command, service, authorization, rate
//! (JettyAdminServer.CommandServlet, Commands.runCommand).

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use serde_json::{Map, Value};

use super::authorize::{Denied, authorize};
use super::commands::{COMMANDS, Command, Entry, find};
use super::given::{Given, Taken, Wanted};
use super::rate::RateLimiter;
use super::reply::{Reply, status};
use super::request::{Method, Request};
use super::views::View;
use super::{ensemble, page, views};
use crate::acl::Policy;
use crate::admin::machine;
use crate::admin::slow::{self, SlowLog};
use crate::admin::top;
use crate::admin::words::Commands;
use crate::metrics::gauges::ConnGauges;
use crate::metrics::quorum::Mode;
use crate::types::Millis;

/// What the admin server is told by the configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdminFacts {
    /// `admin.commandURL`.
    pub url: String,
    /// `admin.snapshot.enabled`.
    pub snapshots: bool,
    /// `serializeLastProcessedZxid.enabled`, which `snapshot` needs.
    pub last_zxid_section: bool,
    /// Milliseconds between two snapshots.
    pub snapshot_interval_ms: i64,
    /// `IPAuthenticationProvider.usexforwardedfor`.
    pub trusts_proxy: bool,
    /// `ringkeeper.live.ms`.
    pub live_ms: u64,
    /// `ringkeeper.ready.ms`.
    pub ready_ms: u64,
    /// The configuration file of a server on its own, secrets left out.
    pub initial_configuration: Option<String>,
    /// What a Java server would have as system properties, secrets left out.
    pub properties: Vec<(String, String)>,
}

/// What serves, once it does.
pub struct Served {
    /// The figures and the tree.
    pub commands: Arc<Commands>,
    /// Who may do what.
    pub policy: Arc<Policy>,
    /// Where slow operations are looked for.
    pub slow: Option<Arc<SlowLog>>,
}

/// The admin server without sockets. Requests may come at any time; before [`AdminServer::serve`]
/// they hear that nothing is served.
pub struct AdminServer {
    facts: AdminFacts,
    starting: Arc<Commands>,
    served: OnceLock<Served>,
    snapshots: Mutex<RateLimiter>,
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Step {
    /// It is answered.
    Done(Reply),
    /// [`AdminServer::finish`] answers, once there is room for what clients make as long as they like.
    Answer(&'static Entry),
    /// Something has to be asked first; [`AdminServer::finish`] answers.
    Ask(&'static Entry, Wanted),
    /// A snapshot is to be taken, and sent where `streaming`; [`AdminServer::snapshot_taken`] answers.
    Snapshot {
        /// The file is the body.
        streaming: bool,
    },
    /// The body says how many connections are to be closed; [`super::shed::percentage`] reads it.
    Shed,
    /// Roles are to be asked for a turn; [`AdminServer::live`] answers.
    Live,
    /// The control role is to be asked how far behind it is; [`AdminServer::ready`] answers.
    Ready,
}

impl AdminServer {
    /// `starting` answers what needs no service until [`AdminServer::serve`] is called.
    pub fn new(facts: AdminFacts, starting: Arc<Commands>, now: Millis) -> AdminServer {
        let snapshots = Mutex::new(RateLimiter::new(facts.snapshot_interval_ms, now));
        AdminServer { facts, starting, served: OnceLock::new(), snapshots }
    }

    /// The roles run; only the first call counts.
    pub fn serve(&self, served: Served) {
        // Set once: a process has one server.
        let _ = self.served.set(served);
    }

    /// Of what runs, or of what is starting.
    pub fn commands(&self) -> &Arc<Commands> {
        self.served.get().map_or(&self.starting, |served| &served.commands)
    }

    /// What becomes of a request, whose body has not been read.
    pub fn begin(&self, now: Millis, request: &Request) -> Step {
        Step::Done(match request.method {
            // JettyAdminServer.constrainTraceMethod.
            Method::Trace => Reply::empty(status::FORBIDDEN),
            method => {
                let path = request.decoded_path();
                if let Some(step) = self.probe(method, &path) {
                    return step;
                }
                if let Some(reply) = page::answer(&self.page_sources(), now, request, &path) {
                    return Step::Done(reply);
                }
                match path.strip_prefix(self.facts.url.as_str()) {
                    Some("" | "/")
                        if matches!(method, Method::Get | Method::Head | Method::Post) =>
                    {
                        Reply::links(&self.facts.url, COMMANDS.iter().map(|entry| entry.names[0]))
                    }
                    Some(rest) if rest.is_empty() || rest.starts_with('/') => match method {
                        Method::Get | Method::Head | Method::Post => {
                            return self.run(now, rest.get(1..).unwrap_or_default(), request);
                        }
                        other => Reply::of_other_method(other),
                    },
                    Some(_) | None => Reply::page(status::NOT_FOUND, "Not Found"),
                }
            }
        })
    }

    /// Ours: what orchestrators ask.
    fn probe(&self, method: Method, path: &str) -> Option<Step> {
        let step = match path {
            "/live" if self.is_started() => Step::Live,
            "/live" => Step::Done(self.live(&[])),
            "/ready" => self.not_ready().map_or(Step::Ready, Step::Done),
            _ => return None,
        };
        Some(match method {
            Method::Get | Method::Head => step,
            Method::Post => Step::Done(Reply::empty(status::METHOD_NOT_ALLOWED)),
            other => Step::Done(Reply::of_other_method(other)),
        })
    }

    /// Whether the roles run.
    pub(super) fn is_started(&self) -> bool {
        self.served.get().is_some()
    }

    fn page_sources(&self) -> page::Sources<'_> {
        page::Sources {
            url: &self.facts.url,
            trusts_proxy: self.facts.trusts_proxy,
            commands: self.commands(),
            policy: self.served.get().map(|served| &*served.policy),
        }
    }

    pub(super) fn facts(&self) -> &AdminFacts {
        &self.facts
    }

    /// Commands.runCommand.
    fn run(&self, now: Millis, name: &str, request: &Request) -> Step {
        let Some(entry) = find(name) else {
            // 200 "to keep the current behavior of existing commands".
            let error = format!("Unknown command: {name}");
            return Step::Done(Reply::failure(status::OK, name, Some(&error)));
        };
        let serves = self.commands().is_serving();
        if entry.needs_service && !serves {
            return Step::Done(not_serving(name));
        }
        if entry.needs_permission
            && let Some(refusal) = self.refusal(name, request)
        {
            return Step::Done(refusal);
        }
        if entry.is_post != (request.method == Method::Post) {
            // Java's command gives null, and its servlet falls over that: 500, with the stack.
            let method = if entry.is_post { "POST" } else { "GET" };
            let text = format!("{} is run by {method} only", entry.names[0]);
            return Step::Done(Reply::page(status::INTERNAL_SERVER_ERROR, &text));
        }
        self.dispatch(now, entry, request)
    }

    fn refusal(&self, name: &str, request: &Request) -> Option<Reply> {
        let served = self.served.get();
        let tree = &self.commands().tree;
        let allowed = served
            .ok_or(Denied::NotAuthorized)
            .and_then(|served| authorize(&served.policy, tree, request, self.facts.trusts_proxy));
        let (code, text) = match allowed {
            Ok(()) => return None,
            Err(Denied::Missing) => (status::UNAUTHORIZED, "Auth info is missing for the command"),
            Err(Denied::NotAuthenticated) => (status::UNAUTHORIZED, "Not authenticated"),
            Err(Denied::NotAuthorized) => (status::FORBIDDEN, "Not authorized"),
        };
        Some(Reply::failure(code, name, Some(text)))
    }

    fn dispatch(&self, now: Millis, entry: &'static Entry, request: &Request) -> Step {
        match entry.command {
            Command::Dirs | Command::ServerStats | Command::Stats => {
                Step::Ask(entry, Wanted::Folders)
            }
            Command::LastSnapshot => Step::Ask(entry, Wanted::LastSnapshot),
            Command::Dump => Step::Ask(entry, Wanted::Sessions),
            Command::Watches | Command::WatchesByPath => Step::Ask(entry, Wanted::Watches),
            Command::Observers => Step::Ask(entry, Wanted::Observers),
            Command::Top => Step::Ask(entry, Wanted::Top),
            Command::Snapshot => self.snapshot(now, request),
            Command::ShedConnections => Step::Shed,
            // As where `admin.restore.enabled` is false (RestoreCommand.runPost).
            Command::Restore => {
                Step::Done(Reply::failure(status::SERVICE_UNAVAILABLE, entry.names[0], None))
            }
            Command::SetTraceMask => {
                Step::Done(Reply::command(entry, self.set_trace_mask(request)))
            }
            _ if entry.is_listing() => Step::Answer(entry),
            _ => Step::Done(self.finish(now, entry, &Given::default())),
        }
    }

    /// SnapshotCommand.runGet, up to the snapshot itself.
    fn snapshot(&self, now: Millis, request: &Request) -> Step {
        let refuse = |code| Step::Done(Reply::failure(code, "snapshot", None));
        if !self.facts.snapshots {
            return refuse(status::SERVICE_UNAVAILABLE);
        }
        if !self.facts.last_zxid_section {
            tracing::warn!("snapshot refused: it needs serializeLastProcessedZxid.enabled");
            return refuse(status::INTERNAL_SERVER_ERROR);
        }
        if !self.snapshots.lock().allow(now) {
            self.commands().gauges.snapshots_rate_limited.add(1);
            return refuse(status::TOO_MANY_REQUESTS);
        }
        let streaming = request.parameter("streaming");
        Step::Snapshot { streaming: streaming.is_none_or(|text| text.eq_ignore_ascii_case("true")) }
    }

    /// What is answered once the snapshot is there, or could not be taken. The body is the file's,
    /// where it was asked for, and the headers are these.
    pub fn snapshot_taken(&self, taken: Option<Taken>) -> Reply {
        let Some(taken) = taken else {
            return Reply::failure(status::INTERNAL_SERVER_ERROR, "snapshot", None);
        };
        let mut reply = Reply::failure(status::OK, "snapshot", None);
        reply.headers.push(("last_zxid", format!("0x{:x}", taken.zxid.0)));
        reply.headers.push(("snapshot_size", taken.bytes.to_string()));
        reply
    }

    /// SetTraceMaskCommand. Nothing here depends on the mask.
    fn set_trace_mask(&self, request: &Request) -> View {
        let needs = "setTraceMask requires long traceMask argument";
        let mut out = Map::new();
        match request.parameter("traceMask") {
            None => drop(out.insert("error".into(), needs.into())),
            Some(text) => match text.parse::<i64>() {
                Ok(mask) => {
                    self.commands().gauges.trace_mask.set(mask);
                    out.insert("tracemask".into(), mask.into());
                }
                Err(_) => drop(out.insert("error".into(), format!("{needs}, got {text}").into())),
            },
        }
        out
    }

    /// The answer to a command, with what it asked for.
    pub fn finish(&self, now: Millis, entry: &Entry, given: &Given) -> Reply {
        let commands = self.commands();
        // What was asked for took its time, in which the role may have ended.
        let serving = commands.serving_as();
        if entry.needs_service && serving.is_none() {
            return not_serving(entry.names[0]);
        }
        let mode = serving.unwrap_or(Mode::Looking);
        let mut view = match entry.command {
            Command::Configuration => views::configuration(commands),
            Command::Connections => views::connections(commands, false),
            Command::Dirs => views::dirs(given),
            Command::Dump => views::dump(&given.sessions, &given.ephemerals),
            Command::Environment => views::environment(&machine::environment()),
            Command::GetTraceMask => one("tracemask", commands.gauges.trace_mask.get().into()),
            Command::Hash => views::hash(commands),
            Command::InitialConfiguration => {
                one("initial_configuration", self.facts.initial_configuration.clone().into())
            }
            Command::IsReadOnly => one("read_only", (mode == Mode::ReadOnly).into()),
            Command::LastSnapshot => views::last_snapshot(given),
            Command::Leader => ensemble::leader(commands),
            Command::Monitor => views::monitor(commands, mode, now),
            Command::Observers => views::observers(commands, mode, given),
            Command::ServerStats => views::server_stats(commands, mode, given, now),
            Command::Stats => {
                let mut view = views::server_stats(commands, mode, given, now);
                view.extend(views::connections(commands, true));
                view
            }
            Command::Slow => {
                slow::view(self.served.get().and_then(|served| served.slow.as_deref()))
            }
            Command::SystemProperties => self.properties(),
            Command::Top => top::json(&given.top, &given.held),
            Command::VotingView => ensemble::voting_view(commands),
            Command::WatchSummary => views::watch_summary(commands),
            Command::Watches => views::watches(&given.watching),
            Command::WatchesByPath => views::watches_by_path(&given.watching),
            Command::ZabState => ensemble::zab_state(commands),
            Command::ConnectionStatReset => {
                commands.each_connection(ConnGauges::reset);
                Map::new()
            }
            Command::StatReset => {
                commands.gauges.reset();
                Map::new()
            }
            // What observers have sent is not counted, so there is nothing to reset.
            Command::ObserverConnectionStatReset
            | Command::Ruok
            | Command::Restore
            | Command::SetTraceMask
            | Command::ShedConnections
            | Command::Snapshot => Map::new(),
        };
        if given.is_cut {
            view.insert("error".into(), "and more: this answer is cut".into());
        }
        Reply::command(entry, view)
    }

    /// SystemPropertiesCommand: sorted.
    fn properties(&self) -> View {
        let own = self.facts.properties.iter().cloned();
        let mut all: Vec<(String, String)> = own.collect();
        let of_machine = machine::environment();
        let wanted = |name: &str| ["os.", "user."].iter().any(|family| name.starts_with(family));
        let pairs = of_machine.lines().filter_map(|line| line.split_once('='));
        let pairs = pairs.filter(|(name, _)| wanted(name) && !name.starts_with("os.memory"));
        all.extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
        all.sort();
        all.into_iter().map(|(name, value)| (name, value.into())).collect()
    }
}

fn one(key: &str, value: Value) -> View {
    View::from_iter([(key.to_owned(), value)])
}

/// Commands.runCommand, where a command needs a server that serves; 200 as for unknown ones.
fn not_serving(name: &str) -> Reply {
    let error = "This ZooKeeper instance is not currently serving requests";
    Reply::failure(status::OK, name, Some(error))
}
