//! The election's mesh: the shipping core, its time and its effects.

use ringkeeper::election::links::{LinksEffect, LinksInput};
use ringkeeper::roles::peer_message::PeerEvent;
use ringkeeper::types::Link;

use super::Port;
use crate::world::{Checked, Event, World};

impl World {
    /// Steps the mesh, and does what follows.
    pub fn mesh(&mut self, server: usize, input: LinksInput<'_>) {
        let now = self.servers[server].now(self.now);
        let Some(sockets) = self.sockets(server) else { return };
        let mut effects = Vec::new();
        sockets.mesh.step(now, input, &mut effects);
        let mut events = Vec::new();
        for effect in effects {
            match effect {
                LinksEffect::Connect { dial, server: to, .. } => {
                    self.dial(server, to, Port::Election(dial), 0);
                }
                LinksEffect::Cancel { .. } | LinksEffect::Unread { .. } => {}
                LinksEffect::Write { link, bytes } => {
                    self.pipe_send(server, link, bytes, true);
                    let incarnation = self.servers[server].incarnation;
                    self.schedule(self.now + 1, Event::Written { server, incarnation, link });
                }
                LinksEffect::Finish { link } | LinksEffect::Close { link, .. } => {
                    self.close_link(server, link);
                }
                LinksEffect::Heard { from, notification } => {
                    events.push(PeerEvent::Heard { from, notification });
                }
                LinksEffect::Reachable { server } => events.push(PeerEvent::Reachable { server }),
                LinksEffect::Unreachable { server } => {
                    events.push(PeerEvent::Unreachable { server });
                }
            }
        }
        self.peer_events(server, events);
    }

    pub(super) fn plan_peer_tick(&mut self, server: usize) {
        let Some(deadline) = self.sockets(server).and_then(|s| s.mesh.deadline()) else { return };
        let at = self.servers[server].when(deadline).max(self.now + 1);
        let Some(sockets) = self.sockets(server) else { return };
        if sockets.tick_at.is_none_or(|before| at < before) {
            sockets.tick_at = Some(at);
            self.schedule(at, Event::PeerTick { server });
        }
    }

    pub fn peer_tick(&mut self, server: usize, at: i64) -> Checked {
        let (now, until) = (self.now, self.servers[server].paused_until);
        let Some(sockets) = self.sockets(server).filter(|s| s.tick_at == Some(at)) else {
            return Ok(());
        };
        sockets.tick_at = None;
        if until > now {
            sockets.tick_at = Some(until);
            self.schedule(until, Event::PeerTick { server });
            return Ok(());
        }
        self.mesh(server, LinksInput::Tick);
        self.plan_peer_tick(server);
        Ok(())
    }

    pub fn written(&mut self, server: usize, incarnation: u64, link: Link) -> Checked {
        if self.servers[server].incarnation == incarnation && self.pipe_of(server, link).is_some() {
            self.mesh(server, LinksInput::Written { link });
            self.plan_peer_tick(server);
        }
        Ok(())
    }
}
