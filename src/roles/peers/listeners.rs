//! Listening for other servers: names are looked up, addresses bound, and what fails is tried again
//! (QuorumCnxManager.Listener).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::error::ListenError;
use super::resolver::{Answer, Asked, Resolver};
use super::settings::BACKLOG;
use crate::net::{Net, Security};
use crate::types::Millis;

/// One of the two ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Port {
    Election,
    Quorum,
}

impl Port {
    pub(super) fn word(self) -> &'static str {
        match self {
            Port::Election => "election",
            Port::Quorum => "quorum",
        }
    }
}

/// One try to listen; an answer for an earlier one is not listened to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Attempt {
    pub port: Port,
    number: u64,
    place: usize,
}

#[derive(Debug)]
pub(super) struct Listener {
    port: Port,
    /// Between two tries.
    retry_ms: i64,
    /// What is spoken there.
    security: Security,
    /// All addresses of this server, or one wildcard each port.
    places: Vec<(String, u16)>,
    state: State,
    /// Tries begun, ever.
    number: u64,
    /// Tries to bind that have failed since it was last shut or open.
    failures: u32,
}

#[derive(Debug)]
enum State {
    Shut,
    /// By place: what its name means, once that is known.
    LookingUp(Vec<Option<SocketAddr>>),
    Waiting(Millis),
    Open(Vec<SocketAddr>),
}

impl Listener {
    pub(super) fn new(port: Port, retry_ms: i64, security: Security) -> Listener {
        let (places, state) = (Vec::new(), State::Shut);
        Listener { port, retry_ms, security, places, state, number: 0, failures: 0 }
    }

    pub(super) fn is_at(&self, address: SocketAddr) -> bool {
        self.open_at().contains(&address)
    }

    /// The addresses bound.
    pub(super) fn open_at(&self) -> &[SocketAddr] {
        if let State::Open(bound) = &self.state { bound } else { &[] }
    }

    pub(super) fn is_shut(&self) -> bool {
        matches!(self.state, State::Shut)
    }

    pub(super) fn deadline(&self) -> Option<Millis> {
        if let State::Waiting(until) = self.state { Some(until) } else { None }
    }

    /// Listens at these places from now on; the error is that of a try, of which there will be
    /// more.
    pub(super) fn open(
        &mut self,
        net: &mut Net,
        resolver: &Resolver,
        places: Vec<(String, u16)>,
        now: Millis,
    ) -> Result<(), BindError> {
        if !self.is_shut() && self.places == places {
            return Ok(());
        }
        self.shut(net);
        self.places = places;
        self.try_to(net, resolver, now)
    }

    pub(super) fn shut(&mut self, net: &mut Net) {
        for address in self.open_at() {
            net.stop_listening_at(*address);
        }
        self.state = State::Shut;
        self.failures = 0;
    }

    pub(super) fn tick(
        &mut self,
        net: &mut Net,
        resolver: &Resolver,
        now: Millis,
    ) -> Result<(), BindError> {
        match self.deadline() {
            Some(until) if until <= now => self.try_to(net, resolver, now),
            _ => Ok(()),
        }
    }

    fn try_to(&mut self, net: &mut Net, resolver: &Resolver, now: Millis) -> Result<(), BindError> {
        self.number += 1;
        self.state = State::LookingUp(vec![None; self.places.len()]);
        for (place, (host, port)) in self.places.clone().into_iter().enumerate() {
            let attempt = Attempt { port: self.port, number: self.number, place };
            if let Some(answer) = resolver.ask(Asked::Listener(attempt), &host, port) {
                self.answered(net, attempt, answer, now)?;
            }
        }
        Ok(())
    }

    pub(super) fn answered(
        &mut self,
        net: &mut Net,
        attempt: Attempt,
        answer: Answer,
        now: Millis,
    ) -> Result<(), BindError> {
        let State::LookingUp(found) = &mut self.state else { return Ok(()) };
        if attempt.number != self.number {
            return Ok(());
        }
        let address = match answer.found {
            Ok(addresses) => addresses.first().copied(),
            Err(why) => {
                // A name may become known later than its server: that is no reason to give up.
                self.state = State::Waiting(now + self.retry_ms);
                let (port, failures) = (self.port, self.failures);
                return Err(BindError { port, failures, why: why.into() });
            }
        };
        if let Some(slot) = found.get_mut(attempt.place) {
            *slot = address;
        }
        if found.iter().any(Option::is_none) {
            return Ok(());
        }
        let mut addresses: Vec<SocketAddr> = found.iter().flatten().copied().collect();
        addresses.sort();
        addresses.dedup();
        match bind(net, &addresses, self.security) {
            Ok(bound) => {
                let list: Vec<String> = bound.iter().map(|at| at.to_string()).collect();
                let (port, addresses) = (self.port.word(), list.join(", "));
                tracing::info!(port, addresses, "listening for other servers");
                self.state = State::Open(bound);
                self.failures = 0;
                Ok(())
            }
            Err(why) => Err(self.failed(why, now)),
        }
    }

    fn failed(&mut self, why: ListenError, now: Millis) -> BindError {
        self.failures += 1;
        self.state = State::Waiting(now + self.retry_ms);
        BindError { port: self.port, failures: self.failures, why }
    }
}

/// A try to listen that has failed.
#[derive(Debug)]
pub(super) struct BindError {
    pub port: Port,
    /// How often an address that is known could not be bound.
    pub failures: u32,
    pub why: ListenError,
}

/// All of them or none.
fn bind(
    net: &mut Net,
    wanted: &[SocketAddr],
    security: Security,
) -> Result<Vec<SocketAddr>, ListenError> {
    let mut bound = Vec::new();
    for address in wanted {
        match listen(net, *address, security) {
            Ok(address) => bound.push(address),
            Err(error) => {
                bound.into_iter().for_each(|address| net.stop_listening_at(address));
                return Err(ListenError::Bind { address: *address, error });
            }
        }
    }
    Ok(bound)
}

/// Where there is no IPv6, the wildcard is IPv4's.
fn listen(net: &mut Net, address: SocketAddr, security: Security) -> io::Result<SocketAddr> {
    net.listen_for_servers(address, BACKLOG, security).or_else(|error| {
        if address.ip() != IpAddr::V6(Ipv6Addr::UNSPECIFIED)
            || error.kind() == io::ErrorKind::AddrInUse
        {
            return Err(error);
        }
        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        net.listen_for_servers(SocketAddr::new(any, address.port()), BACKLOG, security)
    })
}
