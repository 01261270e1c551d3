//! The shells: loops that read the clock, wait, and give the roles their turns.
//!
//! A thread hosts a network core, the control role, or both; sockets towards other servers live
//! where the control role does. Mailboxes between roles of one
//! thread are the same as between threads; the thread then simply finds mail when it looks.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::hosting::Hosted;
use crate::net::{Bound, Net, NetEvent, NetSettings, Security};
use crate::roles::control::{Control, Verdict};
use crate::roles::network::{NetworkParts, NetworkRole};
use crate::runtime::probe::{self, Unsupported};
use crate::runtime::waker::{RingSleeper, ThreadSleeper};
use crate::runtime::{affinity, clock};
use crate::tls::Current;
use crate::types::Millis;

/// How often the roles of one thread hand one another work before the ring is looked at again:
/// enough for a request to go all the way, little enough that no client waits for another's storm.
const ROUNDS: usize = 4;

/// How often what has come in the meantime may still join a batch before it is flushed.
const GATHERED: usize = 2;

/// So few records wait for that.
const FEW: usize = 32;

/// More than so many records are too large a batch for this thread: the log's can begin at once.
const MANY: usize = 100;

/// How long a connection's last bytes may take at the end, in ms.
const FAREWELL_MS: i64 = 2_000;

/// A network thread, before it runs: everything that may cross threads.
pub struct NetworkThread {
    /// The CPU it is pinned to.
    pub cpu: Option<usize>,
    /// Of its transport.
    pub net: NetSettings,
    /// How it sleeps, which its wakers end.
    pub sleeper: RingSleeper,
    /// Listens on these, and deals the accepted sockets out.
    pub listen: Vec<ListenAt>,
    /// What its TLS sessions are begun with.
    pub tls: Option<Arc<Current>>,
    /// The control role, if it lives here.
    pub control: Option<Hosted>,
    /// Told once: the bound addresses, or why not.
    pub ready: mpsc::Sender<Result<Vec<(SocketAddr, Security)>, NotReady>>,
}

/// A port, how many connections may wait there, and what they speak.
pub type ListenAt = (Bound, u32, Security);

/// Why a network thread cannot begin.
#[derive(Debug)]
pub enum NotReady {
    /// The kernel gives no ring.
    Ring(Unsupported),
    /// A port of the clients' cannot be had.
    Listen(SocketAddr, io::Error),
}

impl NetworkThread {
    /// The thread's body. `parts` makes the role once the ring is there, which belongs to this
    /// thread alone. An error is the ring's own: nothing can be served any more.
    pub fn run(self, parts: impl FnOnce(Net) -> NetworkParts) -> io::Result<()> {
        if let Some(cpu) = self.cpu
            && let Err(error) = affinity::pin(cpu)
        {
            tracing::warn!(%error, "network thread is not pinned");
        }
        let (net, bound) = match open(self.net, self.sleeper, self.listen, self.tls) {
            Ok(opened) => opened,
            Err(error) => {
                // The receiver lives until all threads have reported.
                let _ = self.ready.send(Err(error));
                return Ok(());
            }
        };
        let role = NetworkRole::new(parts(net));
        let _ = self.ready.send(Ok(bound));
        // The report is the only one: whoever collects them waits for the senders to go.
        drop(self.ready);
        serve(role, self.control)
    }
}

/// The ring, and the bound addresses if this thread is to listen.
fn open(
    settings: NetSettings,
    sleeper: RingSleeper,
    listen: Vec<ListenAt>,
    tls: Option<Arc<Current>>,
) -> Result<(Net, Vec<(SocketAddr, Security)>), NotReady> {
    let mut net =
        Net::with_sleeper(settings, sleeper).map_err(|e| NotReady::Ring(probe::why(e)))?;
    tls.into_iter().for_each(|tls| net.serve_tls(tls));
    let mut bound = Vec::new();
    for (port, backlog, security) in listen {
        let address = port.address();
        let at = net.listen_at(port, backlog, security);
        bound.push((at.map_err(|cause| NotReady::Listen(address, cause))?, security));
    }
    Ok((net, bound))
}

fn serve(mut network: NetworkRole, mut control: Option<Hosted>) -> io::Result<()> {
    let mut events = Vec::new();
    let mut wait = Some(Duration::ZERO);
    let waker = network.net().waker();
    let mut farewell: Option<Millis> = None;
    loop {
        network.net().turn(wait, &mut events)?;
        let (mut now, mut wall) = (clock::now(), clock::wall());
        if let Some(role) = &mut control {
            role.take_events(network.net(), &mut events, now)?;
        }
        network.turn(&mut events, now, wall);
        let mut deadline = network.deadline();
        let mut gathered = 0;
        for round in 0.. {
            waker.take();
            let Some(role) = &mut control else { break };
            match role.turn(network.net(), now, wall)? {
                Verdict::WaitUntil(at) => deadline = earlier(network.deadline(), at),
                Verdict::Finished => control = None,
                Verdict::Failed(why) => return Err(io::Error::other(why)),
            }
            network.take_stream();
            let log_work = control.as_ref().map_or(0, Hosted::log_work);
            if let Some(role) = &mut control
                && log_work > 0
            {
                // What others wait for leaves before this thread waits for the disk: a leader's
                // proposals, so that other servers' disks are at work meanwhile, and answers.
                if gathered < GATHERED && log_work <= FEW && !role.is_cut() {
                    // What has come by now joins the batch.
                    network.net().turn(Some(Duration::ZERO), &mut events)?;
                    events.retain(|event| !matches!(event, NetEvent::Woken));
                    if !events.is_empty() {
                        gathered += 1;
                        (now, wall) = (clock::now(), clock::wall());
                        role.take_events(network.net(), &mut events, now)?;
                        network.turn(&mut events, now, wall);
                        continue;
                    }
                } else if log_work < MANY {
                    network.net().submit()?;
                }
                role.work_at_log();
            }
            // Asked first, looked after: see the waker. The roles have called this thread
            // themselves, and a call that is left would end the next sleep at once.
            waker.take();
            let has_mail = network.has_mail() || control.as_ref().is_some_and(|c| c.has_mail());
            // A role with more work than its share of a turn yields to the sockets.
            let is_cut = control.as_ref().is_some_and(Hosted::is_cut);
            if round >= ROUNDS || !has_mail || is_cut {
                break;
            }
            (now, wall) = (clock::now(), clock::wall());
        }
        if network.is_stopping() && control.is_none() {
            let until = *farewell.get_or_insert(now + FAREWELL_MS);
            if network.is_finished() || now >= until {
                return Ok(());
            }
            deadline = Some(now + 10);
        }
        let busy = network.has_mail() || control.as_ref().is_some_and(|c| c.has_mail());
        wait = if busy { Some(Duration::ZERO) } else { until(deadline) };
    }
}

/// The control role on a thread of its own.
pub fn run_control(
    mut control: Box<Control>,
    mut sleeper: ThreadSleeper,
    cpu: Option<usize>,
) -> io::Result<()> {
    if let Some(cpu) = cpu
        && let Err(error) = affinity::pin(cpu)
    {
        tracing::warn!(%error, "control thread is not pinned");
    }
    let waker = sleeper.waker();
    loop {
        waker.take();
        let deadline = match control.turn(clock::now(), clock::wall()) {
            Verdict::Finished => return Ok(()),
            Verdict::Failed(why) => return Err(io::Error::other(why)),
            Verdict::WaitUntil(deadline) => deadline,
        };
        if !control.has_mail() {
            sleeper.sleep(until(deadline));
        }
    }
}

/// The control role of an ensemble's server on a thread of its own, with a transport for other
/// servers.
pub fn run_control_with_peers(
    mut control: Hosted,
    settings: NetSettings,
    sleeper: RingSleeper,
    cpu: Option<usize>,
) -> io::Result<()> {
    if let Some(cpu) = cpu
        && let Err(error) = affinity::pin(cpu)
    {
        tracing::warn!(%error, "control thread is not pinned");
    }
    let mut net =
        Net::with_sleeper(settings, sleeper).map_err(|e| io::Error::other(probe::why(e)))?;
    let waker = net.waker();
    let mut events = Vec::new();
    let mut wait = Some(Duration::ZERO);
    loop {
        net.turn(wait, &mut events)?;
        let now = clock::now();
        control.take_events(&mut net, &mut events, now)?;
        // What is left is a wake-up, or the end of what is nobody's any more.
        for event in events.drain(..) {
            if let NetEvent::Closed(conn, _) = event {
                net.release(conn);
            }
        }
        let mut deadline = None;
        for _ in 0..ROUNDS {
            let woken = waker.take();
            match control.turn(&mut net, clock::now(), clock::wall())? {
                Verdict::WaitUntil(at) => deadline = at,
                // The last words leave with the turn.
                Verdict::Finished => return net.turn(Some(Duration::ZERO), &mut events),
                Verdict::Failed(why) => return Err(io::Error::other(why)),
            }
            if (!woken && !control.has_mail()) || control.is_cut() {
                break;
            }
        }
        wait = if control.has_mail() { Some(Duration::ZERO) } else { until(deadline) };
    }
}

fn earlier(a: Option<Millis>, b: Option<Millis>) -> Option<Millis> {
    a.into_iter().chain(b).min()
}

/// From now to a deadline. The clock shows whole milliseconds, rounded down, so whoever sleeps so long
/// finds the deadline passed.
fn until(deadline: Option<Millis>) -> Option<Duration> {
    deadline.map(|at| {
        let left = at.0.saturating_sub(clock::now().0);
        Duration::from_millis(u64::try_from(left).unwrap_or(0))
    })
}
