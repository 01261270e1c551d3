//! Connections of the plane: how many, how long each may be idle, and who makes way.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{Instant, sleep, sleep_until};

use super::busy::Busy;
use super::idle::{LastByte, Watched};
use super::listen::{Listener, Role};
use super::secure::{self, Opened, Peer, PlaneTls};
use super::service::Plane;
use crate::types::limits;

/// After an accept that failed, for want of descriptors mostly.
const REST: Duration = Duration::from_millis(100);

/// Serves all listeners until the process ends.
pub(super) async fn serve(plane: Rc<Plane>, listeners: Vec<Listener>) {
    let open = Rc::new(Open::default());
    let mut accepting = Vec::new();
    for Listener { socket, role, idle, tls } in listeners {
        match TcpListener::from_std(socket) {
            Ok(socket) => {
                let (plane, open) = (plane.clone(), open.clone());
                let port = Rc::new(Port { role, idle, tls });
                accepting.push(spawn_local(accept(plane, open, socket, port)));
            }
            Err(error) => tracing::error!(%error, "the management plane cannot listen"),
        }
    }
    for task in accepting {
        // They have no end; a panic ends the process.
        let _ = task.await;
    }
}

/// What all connections of a port have alike.
struct Port {
    role: Role,
    idle: Duration,
    tls: Option<PlaneTls>,
}

async fn accept(plane: Rc<Plane>, open: Rc<Open>, listener: TcpListener, port: Rc<Port>) {
    loop {
        let Ok((socket, peer)) = listener.accept().await else {
            sleep(REST).await;
            continue;
        };
        if !open.make_room() {
            // Every connection has a request under way: this one is closed.
            continue;
        }
        let busy = Busy::default();
        let task = spawn_local(connection(plane.clone(), socket, peer, port.clone(), busy.clone()));
        open.add(task.abort_handle(), busy);
    }
}

/// A connection, until its end, or until no byte has gone either way for so long.
async fn connection(
    plane: Rc<Plane>,
    socket: TcpStream,
    address: SocketAddr,
    port: Rc<Port>,
    busy: Busy,
) {
    let last = LastByte::now();
    let watched = Watched::new(socket, last.clone());
    let served = async {
        match secure::open(watched, address, port.tls.as_ref()).await {
            Ok((Opened::Plain(stream), peer)) => {
                exchange(&plane, stream, &peer, &port, &busy).await;
            }
            Ok((Opened::Secured(stream), peer)) => {
                exchange(&plane, stream, &peer, &port, &busy).await;
            }
            Err(error) => plane.note_failed_handshake(address, &error),
        }
    };
    tokio::select! {
        () = served => {}
        () = idle_for(port.idle, &last, &busy) => {}
    }
}

/// Requests and answers, until the connection's end. What a peer does wrong ends it, and is answered where
/// there is an answer.
async fn exchange(
    plane: &Rc<Plane>,
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    peer: &Peer,
    port: &Rc<Port>,
    busy: &Busy,
) {
    let service = service_fn(|request| {
        let (plane, port, peer) = (plane.clone(), port.clone(), peer.clone());
        let under_way = busy.enter();
        async move {
            let mut answer = plane.answer(&port.role, &peer, request).await;
            answer.body_mut().hold(under_way.sending());
            Ok::<_, Infallible>(answer)
        }
    });
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(limits::PLANE_HEAD_MS))
        .max_buf_size(limits::PLANE_HEAD_BYTES)
        .max_headers(limits::PLANE_HEADERS)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// Ends when a connection that waits for its peer has waited for so long. One whose answer is being made
/// waits for us.
async fn idle_for(idle: Duration, last: &LastByte, busy: &Busy) {
    let mut until = last.at() + idle;
    loop {
        sleep_until(until).await;
        let since = if busy.is_answering() { Instant::now() } else { last.at() };
        until = since + idle;
        if until <= Instant::now() {
            return;
        }
    }
}

/// All connections, oldest first.
#[derive(Default)]
struct Open(RefCell<VecDeque<(AbortHandle, Busy)>>);

impl Open {
    /// Where there are as many as may be, the oldest that has no request under way makes way: those
    /// who send nothing, or slowly, keep nobody out. False: there is none.
    fn make_room(&self) -> bool {
        let mut all = self.0.borrow_mut();
        all.retain(|(task, _)| !task.is_finished());
        if !limits::reached(all.len(), limits::PLANE_CONNECTIONS) {
            return true;
        }
        let Some(idle) = all.iter().position(|(_, busy)| !busy.is_under_way()) else {
            return false;
        };
        if let Some((task, _)) = all.remove(idle) {
            task.abort();
        }
        true
    }

    fn add(&self, task: AbortHandle, busy: Busy) {
        self.0.borrow_mut().push_back((task, busy));
    }
}
