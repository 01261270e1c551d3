//! One message to each of thousands of connections over loopback, sent by one thread that does
//! nothing else: the least a watch fan-out takes here, before any work of a server.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use core_affinity::{CoreId, get_core_ids, set_for_current};
use serde::Serialize;

use super::middle_and_tail;
use crate::engine::run::raise_file_limit;
use crate::fault::Fault;
use crate::load::fanout::GATHER;
use crate::ring::{Event, Ring};

const RECEIVERS: [usize; 2] = [1000, 5000];
const ROUNDS: usize = 30;
/// Bytes of an event of a short path, of the request that sets its watch again, and of the answer to
/// that. An answer that nobody acknowledges at once is acknowledged up to 40 ms later: while the next
/// event is told, on every connection.
const EVENT: usize = 50;
const REQUEST: usize = 45;
const ANSWER: usize = 190;
/// Connects under way at once: fewer than a listener's queue holds.
const CONNECTING: usize = 48;
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Serialize)]
pub struct Fanout {
    pub receivers: usize,
    /// From the first send until the last receiver has its bytes: median, µs.
    pub last_us: f64,
    /// Of it, each send: µs.
    pub send_us: f64,
}

/// Those that the limit of open files allows.
pub fn examine() -> Result<Vec<Fanout>, Fault> {
    let mut fanouts = Vec::new();
    for receivers in RECEIVERS {
        if raise_file_limit(2 * receivers as u64).is_ok() {
            fanouts.push(measure(receivers).map_err(Fault::io("loopback fan-out"))?);
        }
    }
    Ok(fanouts)
}

fn measure(receivers: usize) -> io::Result<Fanout> {
    let cores = get_core_ids().unwrap_or_default();
    let (first, last) = (cores.first().copied(), cores.last().copied());
    let (tell, told) = mpsc::channel();
    let receiving = thread::spawn(move || {
        pin(last);
        let mut ring = Ring::new(receivers)?;
        let streams = connect(&mut ring, receivers)?;
        let sending = thread::spawn(move || {
            pin(first);
            send(&streams, &told)
        });
        receive(&mut ring, receivers, &tell)?;
        sending.join().map_err(|_| io::Error::other("the sending thread ended"))?
    });
    let ended = receiving.join().map_err(|_| io::Error::other("the receiving thread ended"))?;
    let (mut all, mut sends) = ended?;
    let (last_us, _) = middle_and_tail(&mut all);
    let (sends_us, _) = middle_and_tail(&mut sends);
    Ok(Fanout { receivers, last_us, send_us: sends_us / receivers as f64 })
}

fn pin(core: Option<CoreId>) {
    if let Some(core) = core {
        set_for_current(core);
    }
}

/// The receivers' connections on the ring; their other ends.
fn connect(ring: &mut Ring, receivers: usize) -> io::Result<Vec<TcpStream>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let mut streams = Vec::with_capacity(receivers);
    while streams.len() < receivers {
        let slots = streams.len()..receivers.min(streams.len() + CONNECTING);
        for slot in slots.clone() {
            ring.connect(slot, address)?;
        }
        let mut missing = slots.len();
        while missing > 0 {
            ring.turn(PATIENCE, None)?;
            while let Some(event) = ring.next_event()? {
                match event {
                    Event::Connected(_) => missing -= 1,
                    other => return Err(io::Error::other(format!("connecting: {other:?}"))),
                }
            }
        }
        for _ in slots {
            let (stream, _) = listener.accept()?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            streams.push(stream);
        }
    }
    Ok(streams)
}

/// Takes every round's events, sets the watches again and takes the answers, until all connections
/// have ended. Tells when the last event of a round is there, and when the last answer is.
fn receive(ring: &mut Ring, receivers: usize, tell: &mpsc::Sender<Instant>) -> io::Result<()> {
    let (mut missing, mut events, mut open) = (receivers * EVENT, true, receivers);
    let began = Instant::now();
    while open > 0 {
        if began.elapsed() > PATIENCE {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "messages that do not arrive"));
        }
        ring.turn(Duration::from_millis(100), Some(GATHER))?;
        while let Some(event) = ring.next_event()? {
            match event {
                Event::Data(_, chunk) => {
                    missing = missing.saturating_sub(ring.bytes(&chunk).len());
                    ring.release(chunk);
                    if missing > 0 {
                        continue;
                    }
                    // Nobody listens when the sender has failed; its ends close then.
                    let _ = tell.send(Instant::now());
                    if events {
                        for slot in 0..receivers {
                            ring.send(slot, &mut vec![1; REQUEST])?;
                        }
                    }
                    events = !events;
                    missing = receivers * if events { EVENT } else { ANSWER };
                }
                Event::Closed(_, None) => open -= 1,
                Event::Closed(_, Some(error)) => return Err(error),
                Event::Sent(_) | Event::Connected(_) => {}
            }
        }
    }
    Ok(())
}

/// Each round's time until the last was told, and that of the sends.
fn send(
    streams: &[TcpStream],
    told: &mpsc::Receiver<Instant>,
) -> io::Result<(Vec<Duration>, Vec<Duration>)> {
    let (mut all, mut sends) = (Vec::new(), Vec::new());
    let mut request = [0; REQUEST];
    for _ in 0..ROUNDS {
        let began = Instant::now();
        for mut stream in streams {
            stream.write_all(&[2; EVENT])?;
        }
        sends.push(began.elapsed());
        let last = told.recv_timeout(PATIENCE).map_err(io::Error::other)?;
        all.push(last.saturating_duration_since(began));
        for mut stream in streams {
            stream.read_exact(&mut request)?;
            stream.write_all(&[3; ANSWER])?;
        }
        let _ = told.recv_timeout(PATIENCE).map_err(io::Error::other)?;
    }
    Ok((all, sends))
}
