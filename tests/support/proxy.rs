//! The wires between the members of an ensemble, each of which can be cut in either direction.
//!
//! Every ordered pair of members has two ports of its own here, in front of the callee's quorum
//! and election ports. A cut wire is silent, as a partition is: what was sent is held, new calls
//! are taken and go nowhere, nobody hears of a close. After healing all of it flows on, as TCP's
//! retransmissions would make it; or [`Links::reset`] breaks what is open.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

struct State {
    /// `cut[from][to]`: bytes from one member do not reach the other.
    cut: Vec<Vec<bool>>,
    open: Vec<(usize, usize, TcpStream)>,
    over: bool,
    /// Bytes a second that each wire carries in each direction; 0: any number.
    rate: u64,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until bytes may go this way: `false` when the links are over.
    fn pass(&self, from: usize, to: usize) -> bool {
        let mut state = self.lock();
        while state.cut[from][to] && !state.over {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        !state.over
    }
}

/// All wires of an ensemble; closed when dropped. Members are counted from 0.
pub struct Links {
    shared: Arc<Shared>,
    ports: Vec<Vec<[u16; 2]>>,
    acceptors: Vec<JoinHandle<()>>,
}

impl Links {
    /// Opens the wires to members with these quorum and election ports.
    pub fn open(targets: &[[u16; 2]]) -> Links {
        let size = targets.len();
        let state =
            State { cut: vec![vec![false; size]; size], open: Vec::new(), over: false, rate: 0 };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let mut acceptors = Vec::new();
        let ports = (0..size)
            .map(|from| {
                let row = targets.iter().enumerate().map(|(to, target)| {
                    target.map(|port| {
                        if from == to {
                            return port;
                        }
                        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
                        let own = listener.local_addr().unwrap().port();
                        let shared = shared.clone();
                        acceptors.push(std::thread::spawn(move || {
                            accept(&shared, &listener, (from, to), port);
                        }));
                        own
                    })
                });
                row.collect()
            })
            .collect();
        Links { shared, ports, acceptors }
    }

    /// Quorum and election port under which one member calls another.
    pub fn ports(&self, from: usize, to: usize) -> [u16; 2] {
        self.ports[from][to]
    }

    /// Cuts every wire between the members of one side (ids, from 1) and all others.
    pub fn isolate(&self, side: &[u64]) {
        self.change(|from, to| side.contains(&from) != side.contains(&to));
    }

    /// Cuts what members of one side send to the others; the other direction stays.
    pub fn mute(&self, side: &[u64]) {
        self.change(|from, to| side.contains(&from) && !side.contains(&to));
    }

    /// Everything flows again.
    pub fn heal(&self) {
        self.change(|_, _| false);
    }

    /// From now on each wire carries so many bytes a second in each direction.
    pub fn slow_down(&self, rate: u64) {
        self.shared.lock().rate = rate;
    }

    /// Breaks every open connection between the members.
    pub fn reset(&self) {
        for (_, _, stream) in self.shared.lock().open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn change(&self, cut: impl Fn(u64, u64) -> bool) {
        let mut state = self.shared.lock();
        for (from, row) in state.cut.iter_mut().enumerate() {
            for (to, cell) in row.iter_mut().enumerate() {
                *cell = cut(from as u64 + 1, to as u64 + 1);
            }
        }
        self.shared.changed.notify_all();
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.changed.notify_all();
        self.reset();
        for (from, row) in self.ports.iter().enumerate() {
            for (to, pair) in row.iter().enumerate() {
                // A call wakes the acceptor, which then sees that all is over.
                if from != to {
                    pair.iter().for_each(|port| drop(TcpStream::connect(("127.0.0.1", *port))));
                }
            }
        }
        for acceptor in self.acceptors.drain(..) {
            let _ = acceptor.join();
        }
    }
}

fn accept(shared: &Arc<Shared>, listener: &TcpListener, (from, to): (usize, usize), port: u16) {
    for caller in listener.incoming() {
        if shared.lock().over {
            return;
        }
        let Ok(caller) = caller else { continue };
        let shared = shared.clone();
        std::thread::spawn(move || {
            if !shared.pass(from, to) {
                return;
            }
            let Some(callee) = call(port) else { return };
            let ends = [(&caller, &callee, from, to), (&callee, &caller, to, from)];
            let mut state = shared.lock();
            // Streams that have ended are let go.
            state.open.retain(|(_, _, stream)| {
                stream.take_error().is_ok_and(|e| e.is_none()) && stream.peer_addr().is_ok()
            });
            for (stream, _, one, other) in ends {
                let _ = stream.set_nodelay(true);
                if let Ok(stream) = stream.try_clone() {
                    state.open.push((one, other, stream));
                }
            }
            drop(state);
            std::thread::scope(|scope| {
                for (source, sink, one, other) in ends {
                    let shared = &shared;
                    scope.spawn(move || carry(shared, source, sink, one, other));
                }
            });
        });
    }
}

/// Connects to a callee. One that does not listen yet gets a moment: a wire cannot refuse what it
/// has taken, and a leader that was just elected would look as if it had gone. `None`: the caller's
/// connection closes.
fn call(port: u16) -> Option<TcpStream> {
    for _ in 0..25 {
        if let Ok(callee) = TcpStream::connect(("127.0.0.1", port)) {
            return Some(callee);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}

/// Copies one direction of one connection until it ends.
fn carry(shared: &Shared, mut source: &TcpStream, mut sink: &TcpStream, from: usize, to: usize) {
    let mut bytes = vec![0; 65_536];
    let mut free_at = Instant::now();
    loop {
        let count = source.read(&mut bytes).unwrap_or(0);
        if !shared.pass(from, to) {
            break;
        }
        let rate = shared.lock().rate;
        if rate > 0 {
            // The wire's own pace, with as much of a rest made up for as a buffer holds.
            let takes = Duration::from_secs_f64(count as f64 / rate as f64);
            free_at = free_at.max(Instant::now() - Duration::from_millis(10)) + takes;
            std::thread::sleep(free_at.saturating_duration_since(Instant::now()));
        }
        if count == 0 {
            let _ = sink.shutdown(Shutdown::Write);
            return;
        }
        if sink.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = sink.shutdown(Shutdown::Both);
    let _ = source.shutdown(Shutdown::Both);
}
