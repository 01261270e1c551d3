//! What the transport's tests share: a core on its own thread, running a given role.
#![allow(dead_code, unreachable_pub)] // Each test file uses its part.

#[path = "../../src/testing/rng.rs"]
pub mod rng;

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use ringkeeper::net::{How, Net, NetEvent, NetSettings};
use ringkeeper::runtime::Waker;

/// A transport on a thread of its own; ends and joins when dropped.
pub struct Server {
    pub address: SocketAddr,
    stop: Waker,
    stopped: mpsc::Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start<R>(settings: NetSettings, role: R) -> Server
    where
        R: FnMut(&mut Net, NetEvent) + Send + 'static,
    {
        Server::listening("127.0.0.1:0", settings, role)
    }

    /// Runs `role` on every event until dropped.
    pub fn listening<R>(address: &str, settings: NetSettings, mut role: R) -> Server
    where
        R: FnMut(&mut Net, NetEvent) + Send + 'static,
    {
        let address: SocketAddr = address.parse().unwrap();
        let (ready, is_ready) = mpsc::channel();
        let (stopped, stop) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let mut net = Net::new(settings).unwrap();
            let address = net.listen(address, 1024).unwrap();
            ready.send((address, net.waker())).unwrap();
            let mut events = Vec::new();
            while stop.try_recv() == Err(mpsc::TryRecvError::Empty) {
                net.turn(None, &mut events).unwrap();
                for event in events.drain(..) {
                    role(&mut net, event);
                }
            }
        });
        let (address, waker) = is_ready.recv().unwrap();
        Server { address, stop: waker, stopped, thread: Some(thread) }
    }
}

impl Server {
    /// Makes the role see `Woken`.
    pub fn wake(&self) {
        self.stop.wake();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.stopped.send(());
        self.stop.wake();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.unwrap();
            }
        }
    }
}

/// The role that sends everything back.
pub fn echo(net: &mut Net, event: NetEvent) {
    match event {
        NetEvent::Accepted { fd, peer, .. } => {
            net.adopt(fd, peer);
        }
        NetEvent::Received(conn) => {
            if let Some((input, output)) = net.split(conn) {
                output.extend_from_slice(input);
                let n = input.len();
                net.consume(conn, n);
            }
        }
        NetEvent::Ended(conn) => net.close(conn, How::AfterFlush),
        NetEvent::Closed(conn, _) => net.release(conn),
        NetEvent::Connected(_) | NetEvent::Drained(_) | NetEvent::Woken => {}
    }
}

/// Turns `net` until `until` breaks with a value; panics after half a minute.
pub fn turn_until<T>(
    net: &mut Net,
    mut until: impl FnMut(&mut Net, NetEvent) -> ControlFlow<T>,
) -> T {
    let began = std::time::Instant::now();
    let mut events = Vec::new();
    loop {
        net.turn(Some(Duration::from_secs(5)), &mut events).unwrap();
        for event in events.drain(..) {
            if let ControlFlow::Break(value) = until(net, event) {
                return value;
            }
        }
        assert!(began.elapsed() < Duration::from_secs(30), "waited in vain");
    }
}
