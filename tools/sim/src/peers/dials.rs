//! Connections on their way: whoever is there takes them, late or never.

use ringkeeper::election::links::LinksInput;
use ringkeeper::roles::peer_message::PeerEvent;
use ringkeeper::types::ServerId;

use super::{Damage, End, Hole, Pipe, Port, Quorum, Sockets};
use crate::world::{Checked, Event, World};

impl World {
    pub(super) fn dial(&mut self, server: usize, to: ServerId, port: Port, call: u64) {
        let to = (to.0 - 1) as usize;
        let incarnation = self.servers[server].incarnation;
        let (there, back) = (self.crossing(server, to), self.crossing(to, server));
        let at = there.max(back);
        let lost = at - self.now > 2_000_000;
        let at = if lost { self.now + 2_000_000 } else { at };
        self.schedule(at, Event::Dialed { server, incarnation, to, port, call, lost });
    }

    pub fn dialed(&mut self, event: Event) -> Checked {
        let Event::Dialed { server, incarnation, to, port, call, lost } = event else {
            return Ok(());
        };
        if self.servers[server].incarnation != incarnation {
            return Ok(());
        }
        if port == Port::Quorum && self.sockets(server).is_none_or(|s| s.leader_call != call) {
            return Ok(());
        }
        let wanted = |sockets: &mut Sockets| port != Port::Quorum || sockets.listens;
        let exists = !lost && to != server && to < self.servers.len();
        let there = exists && self.sockets(to).is_some_and(wanted);
        if !there {
            match port {
                Port::Election(dial) => self.mesh(server, LinksInput::ConnectFailed { dial }),
                Port::Quorum => {
                    let why = "refused".to_owned();
                    self.peer_events(server, vec![PeerEvent::ConnectFailed { why }]);
                }
            }
            self.plan_peer_tick(server);
            return Ok(());
        }
        let number = self.next_wire;
        self.next_wire += 1;
        let mut ends = Vec::new();
        for (end, server) in [(0, server), (1, to)] {
            let incarnation = self.servers[server].incarnation;
            let Some(sockets) = self.sockets(server) else { return Ok(()) };
            let link = sockets.next_link();
            sockets.links.insert(link, (number, end));
            if port == Port::Quorum {
                let quorum = Quorum { to_leader: end == 0, ..Quorum::default() };
                sockets.quorum.insert(link, quorum);
            }
            ends.push(End { server, incarnation, link });
        }
        let [caller, called] = [ends[0], ends[1]];
        let has_hole = port == Port::Quorum && self.holes > 0;
        self.holes -= u64::from(has_hole);
        let pipe = Pipe {
            ends: [caller, called],
            is_election: port != Port::Quorum,
            open: [true, true],
            clear_at: [self.now; 2],
            sent: [0; 2],
            taken: [0; 2],
            read: [0; 2],
            kept: Default::default(),
            damage: [Damage::None; 2],
            hole: if has_hole { Hole::Due } else { Hole::None },
        };
        self.pipes.insert(number, pipe);
        match port {
            Port::Election(dial) => {
                self.mesh(to, LinksInput::Accepted { link: called.link });
                self.mesh(server, LinksInput::Connected { dial, link: caller.link });
            }
            Port::Quorum => {
                self.note(|| format!("server {server} has a link to {to}"));
                self.peer_events(to, vec![PeerEvent::Opened { link: called.link }]);
                self.peer_events(server, vec![PeerEvent::Connected { link: caller.link }]);
            }
        }
        self.plan_peer_tick(server);
        self.plan_peer_tick(to);
        Ok(())
    }
}
