//! An HTTP request → an answer.

use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{
    AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, STRICT_TRANSPORT_SECURITY,
};
use hyper::{HeaderMap, Request as HttpRequest, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout};

use super::body::PlaneBody;
use super::gather::Sources;
use super::listen::{Page, Role};
use super::probes::Probes;
use super::secure::Peer;
use crate::admin::http::commands::Entry;
use crate::admin::http::given::{Given, Taken, Wanted};
use crate::admin::http::probes::Confirmed;
use crate::admin::http::reply::{Reply, status};
use crate::admin::http::request::{Method, Request};
use crate::admin::http::server::{AdminServer, Step};
use crate::admin::http::shed;
use crate::admin::machine::ProcessFigures;
use crate::admin::prometheus;
use crate::disk::{Access, File};
use crate::roles::message::ToNetwork;
use crate::runtime::{clock, entropy};
use crate::types::{ConnId, limits};

/// Between two batches of connections that are closed for an operator.
const SHED_REST: Duration = Duration::from_millis(1);

/// Between two log lines about who was refused.
const REFUSED_REST: Duration = Duration::from_secs(1);

/// What answers.
pub(super) struct Plane {
    server: Arc<AdminServer>,
    sources: Arc<OnceLock<Arc<Sources>>>,
    /// One question to the roles and the disk at a time.
    asking: Arc<Semaphore>,
    /// One snapshot that is asked for at a time.
    snapshots: Semaphore,
    /// Answers whose length clients choose.
    listings: Arc<Semaphore>,
    refused_at: Cell<Option<Instant>>,
    probes: Probes,
}

/// An answer with its body.
pub(super) type Answer = Response<PlaneBody>;

impl Plane {
    pub(super) fn new(server: Arc<AdminServer>, sources: Arc<OnceLock<Arc<Sources>>>) -> Plane {
        let listings = Arc::new(Semaphore::new(limits::PLANE_LISTINGS));
        let asking = Arc::new(Semaphore::new(1));
        let (snapshots, refused_at) = (Semaphore::new(1), Cell::new(None));
        let probes = Probes::default();
        Plane { server, sources, asking, snapshots, listings, refused_at, probes }
    }

    pub(super) async fn answer(
        &self,
        role: &Role,
        peer: &Peer,
        http: HttpRequest<Incoming>,
    ) -> Answer {
        let request = request(&http, peer);
        match role {
            Role::Metrics(page) => plain(self.metrics(page, &request)),
            Role::Admin => {
                let mut answer = self.command(&request, http.into_body()).await;
                if request.is_secure {
                    let day = HeaderValue::from_static("max-age=86400; includeSubDomains");
                    answer.headers_mut().insert(STRICT_TRANSPORT_SECURITY, day);
                }
                answer
            }
        }
    }

    /// As [`Plane::note_refusal`], of one who came as far as the handshake.
    pub(super) fn note_failed_handshake(&self, peer: SocketAddr, error: &std::io::Error) {
        if self.may_note() {
            tracing::warn!(%peer, "TLS with an operator failed: {error}");
        }
    }

    fn may_note(&self) -> bool {
        let now = Instant::now();
        let rests = self.refused_at.get().is_some_and(|at| now < at + REFUSED_REST);
        if !rests {
            self.refused_at.set(Some(now));
        }
        !rests
    }

    async fn command(&self, request: &Request, body: Incoming) -> Answer {
        match self.server.begin(clock::now(), request) {
            Step::Done(reply) => {
                self.note_refusal(&reply, request);
                plain(reply)
            }
            Step::Answer(entry) => self.listing(entry, None).await,
            Step::Ask(entry, wanted) => self.listing(entry, Some(wanted)).await,
            Step::Snapshot { streaming } => self.snapshot(streaming).await,
            Step::Shed => self.shed(body).await,
            Step::Live => self.live().await,
            Step::Ready => self.ready().await,
        }
    }

    /// A command's answer; a listing's waits until few enough others lie in memory.
    async fn listing(&self, entry: &'static Entry, wanted: Option<Wanted>) -> Answer {
        let limit = Duration::from_millis(limits::PLANE_ANSWER_MS);
        let answered = timeout(limit, async {
            let permit = match entry.is_listing() {
                true => Some(self.listings.clone().acquire_owned().await.ok()?),
                false => None,
            };
            let given = match wanted {
                Some(wanted) => self.gather(wanted).await?,
                None => Given::default(),
            };
            Some((self.server.finish(clock::now(), entry, &given), permit))
        });
        match answered.await {
            Ok(Some((reply, permit))) => response(reply, permit),
            Ok(None) | Err(_) => {
                tracing::warn!(
                    command = entry.names[0],
                    "not answered: a role or a disk did not tell what it has within {} ms",
                    limits::PLANE_ANSWER_MS
                );
                plain(Reply::page(status::SERVICE_UNAVAILABLE, "Service Unavailable"))
            }
        }
    }

    /// The permit goes along: where a disk hangs, the questions behind wait, and no more threads.
    async fn gather(&self, wanted: Wanted) -> Option<Given> {
        let sources = self.sources.get()?.clone();
        let permit = self.asking.clone().acquire_owned().await.ok()?;
        let gathered = spawn_blocking(move || {
            let given = sources.gather(wanted);
            drop(permit);
            given
        });
        gathered.await.ok()?
    }

    async fn snapshot(&self, streaming: bool) -> Answer {
        let limit = Duration::from_millis(limits::PLANE_SNAPSHOT_MS);
        let taken = timeout(limit, self.take_snapshot()).await.ok().flatten();
        if taken.is_none() {
            tracing::warn!("no snapshot could be taken for the admin server");
        }
        let reply = self.server.snapshot_taken(taken.as_ref().map(|(taken, _)| *taken));
        match taken {
            Some((taken, file)) if streaming => {
                let mut answer = plain(Reply { body: Vec::new(), ..reply });
                let kind = HeaderValue::from_static("application/octet-stream");
                answer.headers_mut().insert(CONTENT_TYPE, kind);
                *answer.body_mut() = PlaneBody::file(file, taken.bytes);
                answer
            }
            _ => plain(reply),
        }
    }

    /// The file is opened at once: then it stays readable whatever is purged.
    async fn take_snapshot(&self) -> Option<(Taken, Arc<dyn File>)> {
        let sources = self.sources.get()?.clone();
        let _turn = self.snapshots.acquire().await.ok()?;
        let (done, written) = oneshot::channel();
        sources.take_snapshot(Box::new(move |snapshot| {
            // Whoever asked may have gone.
            let _ = done.send(snapshot);
        }));
        let written = written.await.ok()?;
        let opened = spawn_blocking(move || {
            let file = sources.snapshots.open(&written.name, Access::Read).ok()?;
            Some((Taken { zxid: written.zxid, bytes: file.size().ok()? }, file))
        });
        opened.await.ok()?
    }

    async fn live(&self) -> Answer {
        let limit = Duration::from_millis(self.server.live_within());
        let stuck = match self.sources.get() {
            Some(sources) => self.probes.stuck(&sources.queries, limit).await,
            None => Vec::new(),
        };
        plain(self.server.live(&stuck))
    }

    async fn ready(&self) -> Answer {
        let limit = Duration::from_millis(self.server.ready_within());
        let confirmed = match self.sources.get() {
            Some(sources) => self.probes.confirm(&sources.queries, limit).await,
            None => Confirmed::Dropped,
        };
        plain(self.server.ready(confirmed))
    }

    async fn shed(&self, body: Incoming) -> Answer {
        let limit = Duration::from_millis(limits::PLANE_BODY_MS);
        let body = timeout(limit, Limited::new(body, limits::PLANE_BODY_BYTES).collect()).await;
        let Ok(Ok(body)) = body else {
            return plain(Reply::page(status::CONTENT_TOO_LARGE, "Content Too Large"));
        };
        let percentage = match shed::percentage(&body.to_bytes()) {
            Ok(percentage) => percentage,
            Err(reply) => return plain(reply),
        };
        let Some(sources) = self.sources.get() else {
            return plain(Reply::page(status::SERVICE_UNAVAILABLE, "Service Unavailable"));
        };
        let mut closed = 0;
        for (core, gauges) in sources.queries.cores.iter().zip(&sources.commands.gauges.cores) {
            let conns: Vec<ConnId> = gauges.conns.lock().keys().copied().collect();
            let chosen = shed::choose(conns, percentage, &mut entropy);
            closed += chosen.len();
            for some in chosen.chunks(limits::PLANE_SHED) {
                core.push(ToNetwork::Shed(some.to_vec()));
                sleep(SHED_REST).await;
            }
        }
        tracing::info!(closed, percentage, "connections closed for an operator");
        plain(shed::reply(closed, percentage))
    }

    fn metrics(&self, page: &Page, request: &Request) -> Reply {
        match request.method {
            Method::Trace => Reply::empty(status::FORBIDDEN),
            _ if request.decoded_path() != "/metrics" => {
                Reply::page(status::NOT_FOUND, "Not Found")
            }
            Method::Get | Method::Head | Method::Post => {
                let wanted = request.parameters("name[]").collect();
                let process = page.process.then(ProcessFigures::read);
                let (now, names) = (clock::now(), page.names);
                let text = self.server.commands().metrics(now, names, wanted, process);
                let body = text.into_bytes();
                let content_type = Some(prometheus::CONTENT_TYPE);
                Reply { content_type, body, ..Reply::empty(status::OK) }
            }
            _ => Reply::empty(status::METHOD_NOT_ALLOWED),
        }
    }

    fn note_refusal(&self, reply: &Reply, request: &Request) {
        let is_refusal = matches!(reply.status, status::UNAUTHORIZED | status::FORBIDDEN);
        if is_refusal && self.may_note() {
            let path = request.path.escape_debug();
            tracing::warn!(peer = %request.peer, status = reply.status, "refused: {path:.80}");
        }
    }
}

fn request(http: &HttpRequest<Incoming>, peer: &Peer) -> Request {
    Request {
        method: Method::new(http.method().as_str()),
        path: http.uri().path().to_owned(),
        query: http.uri().query().unwrap_or_default().to_owned(),
        authorization: header(http.headers(), AUTHORIZATION),
        forwarded_for: header(http.headers(), HeaderName::from_static("x-forwarded-for")),
        peer: peer.address.ip(),
        is_secure: peer.is_secure,
        subject: peer.subject.clone(),
    }
}

/// All of that name.
fn header(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let values: Vec<String> = headers
        .get_all(name)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect();
    (!values.is_empty()).then(|| values.join(","))
}

fn plain(reply: Reply) -> Answer {
    response(reply, None)
}

fn response(reply: Reply, permit: Option<OwnedSemaphorePermit>) -> Answer {
    let mut answer = Response::builder().status(reply.status);
    if let Some(kind) = reply.content_type {
        answer = answer.header(CONTENT_TYPE, kind);
    }
    for (name, value) in reply.headers {
        answer = answer.header(name, value);
    }
    let body = PlaneBody::whole(reply.body, permit);
    // Statuses and names are constants, and values are numbers: none of them can be ill-formed.
    answer.body(body).unwrap_or_else(|_| Response::new(PlaneBody::whole(Vec::new(), None)))
}
