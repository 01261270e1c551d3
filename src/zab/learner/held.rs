//! Packets that came while the disk was at work, in order.

use std::collections::VecDeque;

use crate::codec::quorum::Packet;
use crate::types::limits;

/// What a packet takes besides its entry, in bytes, roughly.
const PACKET_BYTES: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Held {
    packets: VecDeque<Packet>,
    bytes: usize,
    /// Whether the shell was asked to stop reading.
    pub paused: bool,
}

impl Held {
    /// Beyond [`Held::is_much`] nothing more is read from the leader: what still comes is what the
    /// shell had taken before it heard of that (I9).
    pub(super) fn push(&mut self, packet: Packet) {
        self.bytes += weight(&packet);
        self.packets.push_back(packet);
    }

    /// Back to where it was taken from.
    pub(super) fn push_front(&mut self, packet: Packet) {
        self.bytes += weight(&packet);
        self.packets.push_front(packet);
    }

    pub(super) fn pop(&mut self) -> Option<Packet> {
        let packet = self.packets.pop_front()?;
        self.bytes -= weight(&packet);
        Some(packet)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    pub(super) fn is_much(&self) -> bool {
        self.bytes >= limits::LEARNER_HELD_PAUSE
    }

    pub(super) fn clear(&mut self) {
        self.packets.clear();
        self.bytes = 0;
    }
}

fn weight(packet: &Packet) -> usize {
    PACKET_BYTES + packet.weight()
}
