//! What a quorum link promises, as a suite for whoever carries its bytes: the sockets here, the pipes
//! of the simulator. What one does and the other does not, no test of a role can see.
//!
//! * Packets arrive once, whole, in the order in which they were sent.
//! * `Drained` answers the last `WhenDrained`, once, when what was sent before that is with the
//!   kernel. What is sent behind it is not waited for: a link that is never empty says it too.
//! * `Moved` answers `AskMoved` when bytes move that were queued at the time of the last question;
//!   never when all of those have arrived, nor when nothing has since.
//! * A link that is not read takes no more than sockets hold, and loses nothing.
//! * A link that was closed has its end at the other side, behind all that was sent; then neither side
//!   keeps anything of it, and its place is free for another.

use bytes::Bytes;

use crate::codec::quorum::Packet;
use crate::roles::peer_message::{PeerCommand, PeerEvent};
use crate::types::{Link, Zxid};

/// Two ends of a quorum link. End 0 leads.
pub trait Rig {
    /// The link, as this end names it.
    fn link(&self, end: usize) -> Link;
    /// Gives this end a command.
    fn command(&mut self, end: usize, command: PeerCommand);
    /// Lets a little time pass; what both ends were told in it.
    fn run(&mut self) -> [Vec<PeerEvent>; 2];
    /// More than the sockets of a link hold, in bytes.
    fn much(&self) -> usize;
    /// What both sides keep for connections between them.
    fn kept(&self) -> usize;
}

/// Whoever waits longer waits in vain.
const RUNS: usize = 20_000;

/// Pieces of what is sent.
const PIECES: usize = 16;

fn send(rig: &mut impl Rig, zxid: i64, bytes: usize) {
    let (link, entry) = (rig.link(0), Bytes::from(vec![7; bytes]));
    let packet = Packet::Proposal { zxid: Zxid(zxid), entry };
    rig.command(0, PeerCommand::Send { link, packet });
}

fn read(rig: &mut impl Rig, on: bool) {
    let link = rig.link(1);
    rig.command(1, PeerCommand::Reading { link, on });
}

/// What has come, and how often was said that bytes have left, or move.
#[derive(Default)]
struct Seen {
    packets: i64,
    drained: usize,
    moved: usize,
}

impl Seen {
    fn look(&mut self, rig: &mut impl Rig) {
        let [leader, learner] = rig.run();
        for event in leader {
            match event {
                PeerEvent::Drained { .. } => self.drained += 1,
                PeerEvent::Moved { .. } => self.moved += 1,
                PeerEvent::Closed { why, .. } => panic!("the link has ended: {why}"),
                _ => {}
            }
        }
        for event in learner {
            if let PeerEvent::Packet { packet: Packet::Proposal { zxid, .. }, .. } = event {
                self.packets += 1;
                assert_eq!(zxid, Zxid(self.packets), "in order, each once");
            }
        }
    }

    fn until(&mut self, rig: &mut impl Rig, what: &str, mut is_so: impl FnMut(&Seen) -> bool) {
        for _ in 0..RUNS {
            if is_so(self) {
                return;
            }
            self.look(rig);
        }
        panic!("{what}: waited in vain, {} packets have come", self.packets);
    }
}

/// At no time is less unsent than when the question was asked, and it is answered.
pub fn drained_does_not_wait_for_what_is_sent_behind_it(rig: &mut impl Rig) {
    let (mut seen, mut sent) = (Seen::default(), 0);
    let (piece, link) = (rig.much() / PIECES, rig.link(0));
    let fill = |rig: &mut _, sent: &mut i64, upto: i64| {
        while *sent < upto {
            *sent += 1;
            send(rig, *sent, piece);
        }
    };
    fill(rig, &mut sent, 2 * PIECES as i64);
    rig.command(0, PeerCommand::WhenDrained { link });
    for round in 0.. {
        // As much comes as goes.
        fill(rig, &mut sent, seen.packets + 2 * PIECES as i64);
        seen.look(rig);
        if seen.drained > 0 {
            break;
        }
        assert!(
            round < RUNS && seen.packets <= 2 * PIECES as i64,
            "{} packets have come, and nobody said so",
            seen.packets
        );
    }
    assert!(sent > seen.packets, "the link was never empty");
    seen.until(rig, "the rest", |seen| seen.packets == sent);
    assert_eq!(seen.drained, 1, "once");
}

/// What is not read does not leave, and is not said to.
pub fn a_link_that_is_not_read_stands_still(rig: &mut impl Rig) {
    let (mut seen, link) = (Seen::default(), rig.link(0));
    let piece = rig.much() / PIECES;
    read(rig, false);
    (1..=2 * PIECES as i64).for_each(|zxid| send(rig, zxid, piece));
    rig.command(0, PeerCommand::WhenDrained { link });
    (0..200).for_each(|_| seen.look(rig));
    // What had come before it was told not to read is all.
    let before = seen.packets;
    (0..200).for_each(|_| seen.look(rig));
    assert_eq!((seen.packets, seen.drained), (before, 0));
    // Nor does anything move.
    seen.moved = 0;
    for _ in 0..3 {
        rig.command(0, PeerCommand::AskMoved { link });
        (0..50).for_each(|_| seen.look(rig));
    }
    assert!(seen.moved <= 1, "moved {} times in a link that is not read", seen.moved);
    read(rig, true);
    seen.until(rig, "what was kept", |seen| seen.packets == 2 * PIECES as i64);
    seen.until(rig, "the answer", |seen| seen.drained == 1);
}

/// A slow reader is told from one that is gone, and from one that has everything.
pub fn moved_is_reported_of_bytes_on_their_way(rig: &mut impl Rig) {
    let (mut seen, link) = (Seen::default(), rig.link(0));
    let piece = rig.much() / PIECES;
    rig.command(0, PeerCommand::AskMoved { link });
    (0..50).for_each(|_| seen.look(rig));
    rig.command(0, PeerCommand::AskMoved { link });
    assert_eq!(seen.moved, 0, "nothing was sent");
    read(rig, false);
    (1..=4 * PIECES as i64).for_each(|zxid| send(rig, zxid, piece));
    (0..50).for_each(|_| seen.look(rig));
    rig.command(0, PeerCommand::AskMoved { link });
    // It reads a little at a time.
    let mut asked = 0;
    while seen.packets < 2 * PIECES as i64 {
        read(rig, true);
        seen.look(rig);
        read(rig, false);
        asked += 1;
        if asked % 4 == 0 {
            rig.command(0, PeerCommand::AskMoved { link });
        }
        assert!(asked < RUNS, "waited in vain");
    }
    seen.look(rig);
    assert!(seen.moved > 0, "bytes moved for {asked} runs, and nobody said so");
    read(rig, true);
    seen.until(rig, "the rest", |seen| seen.packets == 4 * PIECES as i64);
    (0..50).for_each(|_| seen.look(rig));
    rig.command(0, PeerCommand::AskMoved { link });
    (0..50).for_each(|_| seen.look(rig));
    seen.moved = 0;
    rig.command(0, PeerCommand::AskMoved { link });
    (0..50).for_each(|_| seen.look(rig));
    assert_eq!(seen.moved, 0, "everything has arrived");
}

/// What has ended takes no place.
pub fn a_closed_link_leaves_nothing_behind(rig: &mut impl Rig) {
    let (mut packets, mut closed) = (0, false);
    // What has begun before comes to its end first.
    (0..200).for_each(|_| drop(rig.run()));
    let (link, before) = (rig.link(0), rig.kept());
    (1..=5).for_each(|zxid| send(rig, zxid, 1000));
    rig.command(0, PeerCommand::Close { link });
    for _ in 0..RUNS {
        for event in rig.run().into_iter().flatten() {
            match event {
                PeerEvent::Packet { .. } => {
                    assert!(!closed, "a packet behind the end");
                    packets += 1;
                }
                PeerEvent::Closed { link: of, .. } => {
                    assert!(of == rig.link(1) && !closed, "told to the other side, once");
                    closed = true;
                }
                _ => {}
            }
        }
        if closed && rig.kept() + 2 == before {
            assert_eq!(packets, 5, "all that was sent before");
            return;
        }
    }
    panic!("{packets} packets, closed: {closed}, and {} of {before} are kept", rig.kept());
}
