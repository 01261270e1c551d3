//! Sessions that write without end, each to a znode of its own, and go on after every lost
//! connection: which writes were acknowledged when, and that none of them was lost.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::client::{Answer, Client};
use crate::clock::now;
use crate::fault::Fault;
use crate::wire::{Value, err};

/// Between two attempts to find a server that serves.
const RETRY: Duration = Duration::from_millis(2);
/// How long a writer tries in vain, at the start and at the end.
const PATIENCE: Duration = Duration::from_secs(60);
const VALUE: [u8; 100] = [0x5a; 100];

/// An acknowledged write, in nanoseconds of the clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ack {
    pub sent: u64,
    pub acked: u64,
    /// Of the leader that ordered it (the upper half of the zxid).
    pub epoch: i64,
}

#[derive(Default)]
struct Log {
    acks: Mutex<Vec<Ack>>,
    more: Condvar,
    stop: AtomicBool,
}

/// What the writers met with.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Met {
    /// In the order in which they were answered.
    pub acks: Vec<Ack>,
    pub reconnects: u64,
    pub lost_sessions: u64,
    /// Error replies.
    pub errors: u64,
    /// Lost writes, and answers that no right server gives.
    pub wrong: Vec<String>,
}

pub struct Writers {
    log: Arc<Log>,
    threads: Vec<JoinHandle<Met>>,
}

impl Writers {
    /// `count` sessions spread over the servers; each writes the next value `pause` after the last
    /// one was acknowledged, to `root-N`.
    pub fn start(
        servers: &[SocketAddr],
        count: usize,
        pause: Duration,
        root: &str,
    ) -> Result<Writers, Fault> {
        let mut writers = Writers { log: Arc::default(), threads: Vec::new() };
        for n in 0..count {
            let mut client = Client::new(servers, n);
            let path = format!("{root}-{n}").into_bytes();
            until_served(&mut client, |c| c.create(&path))?;
            let log = writers.log.clone();
            writers.threads.push(thread::spawn(move || write(client, &path, pause, &log)));
        }
        Ok(writers)
    }

    /// Waits for the acknowledgement of a write that was sent after `moment` and ordered by a leader
    /// of at least `epoch`.
    pub fn next_ack(&self, moment: u64, epoch: i64, limit: Duration) -> Result<Ack, Fault> {
        let began = Instant::now();
        let mut acks = self.log.acks.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            // Newest first: those before the moment are many.
            let after = acks.iter().rev().take_while(|ack| ack.acked > moment);
            if let Some(ack) = after.filter(|a| a.sent > moment && a.epoch >= epoch).last() {
                return Ok(*ack);
            }
            if crate::interrupted() {
                return Err(Fault::Interrupted);
            }
            let Some(left) = limit.checked_sub(began.elapsed()) else {
                let secs = limit.as_secs();
                return Err(Fault::Server(format!("no write acknowledged within {secs} s")));
            };
            let wait = left.min(Duration::from_millis(200));
            let woken = self.log.more.wait_timeout(acks, wait);
            acks = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Ends them, and checks that every znode holds at least the last value acknowledged.
    pub fn stop(mut self) -> Met {
        self.log.stop.store(true, Ordering::SeqCst);
        let mut met = Met::default();
        for thread in self.threads.drain(..) {
            let Ok(one) = thread.join() else {
                met.wrong.push("a writer's thread panicked".into());
                continue;
            };
            met.reconnects += one.reconnects;
            met.lost_sessions += one.lost_sessions;
            met.errors += one.errors;
            met.wrong.extend(one.wrong);
        }
        let acks = self.log.acks.lock();
        met.acks = std::mem::take(&mut *acks.unwrap_or_else(PoisonError::into_inner));
        met
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.log.stop.store(true, Ordering::SeqCst);
    }
}

/// Repeats a request until it is answered. The znode may be there already: the first answer may
/// have been lost.
fn until_served(
    client: &mut Client,
    mut ask: impl FnMut(&mut Client) -> Answer,
) -> Result<(), Fault> {
    let began = Instant::now();
    loop {
        let last = match ask(client) {
            Answer::Reply(err::OK | err::NODE_EXISTS | err::NO_NODE, _) => return Ok(()),
            Answer::Reply(code, _) => return Err(Fault::Server(format!("error {code}"))),
            Answer::Lost(e) => e,
        };
        if crate::interrupted() {
            return Err(Fault::Interrupted);
        }
        if began.elapsed() > PATIENCE {
            return Err(Fault::Server(format!("no server serves: {last}")));
        }
        thread::sleep(RETRY);
    }
}

fn write(mut client: Client, path: &[u8], pause: Duration, log: &Log) -> Met {
    let mut met = Met::default();
    let mut acknowledged = 0;
    for tag in 1.. {
        if log.stop.load(Ordering::SeqCst) {
            break;
        }
        let sent = now();
        match client.set_data(path, Value { filler: &VALUE, tag }) {
            Answer::Reply(err::OK, _) => {
                let ack = Ack { sent, acked: now(), epoch: client.epoch() };
                acknowledged = tag;
                log.acks.lock().unwrap_or_else(PoisonError::into_inner).push(ack);
                log.more.notify_all();
                if !pause.is_zero() {
                    thread::sleep(pause);
                }
            }
            Answer::Reply(code, _) => {
                met.errors += 1;
                met.wrong.push(format!("setData answered with error {code}"));
                thread::sleep(RETRY);
            }
            Answer::Lost(_) => thread::sleep(RETRY),
        }
    }
    let began = Instant::now();
    // Nobody else writes there, and a session sees its own writes: an older value is a lost write.
    let holds = loop {
        match client.tag_of(path) {
            Some(tag) => break Some(tag),
            None if began.elapsed() > PATIENCE => break None,
            None => thread::sleep(RETRY),
        }
    };
    if holds.is_none_or(|tag| tag < acknowledged) {
        let path = String::from_utf8_lossy(path);
        met.wrong
            .push(format!("{path}: write {acknowledged} was acknowledged, {holds:?} is there"));
    }
    if let Err(fault) = until_served(&mut client, |c| c.delete(path)) {
        met.wrong.push(fault.to_string());
    }
    met.wrong.append(&mut client.wrong);
    (met.reconnects, met.lost_sessions) = (client.reconnects, client.lost_sessions);
    client.close();
    met
}

/// The longest time in nanoseconds without an acknowledgement between two moments.
pub fn longest_gap(acks: &[Ack], from: u64, to: u64) -> u64 {
    let inside = acks.iter().map(|ack| ack.acked).filter(|at| (from..=to).contains(at));
    let mut moments: Vec<u64> = inside.chain([from, to]).collect();
    moments.sort_unstable();
    moments.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_gap_counts_from_the_start_and_to_the_end() {
        let ack = |acked| Ack { sent: acked - 1, acked, epoch: 0 };
        assert_eq!(longest_gap(&[ack(12), ack(15)], 10, 20), 5);
        assert_eq!(longest_gap(&[ack(19), ack(12), ack(30)], 10, 20), 7);
        assert_eq!(longest_gap(&[], 10, 20), 10);
    }
}
