//! The choice of a learner's sync against what broadcast allows: histories grow as epochs come and
//! go, and whatever server comes to whatever leader, its history becomes the leader's, and nothing
//! is cut off that may be committed.

use bytes::Bytes;

use crate::testing::rng::Rng;
use crate::types::{Epoch, Zxid};
use crate::zab::Window;
use crate::zab::sync::{Disk, History, Peer, Plan, choose};

/// More than half of the servers, in some order.
fn quorum(random: &mut Rng, servers: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (0..servers).collect();
    for at in (1..servers).rev() {
        all.swap(at, random.below(at + 1));
    }
    all.truncate(servers / 2 + 1 + random.below(servers.div_ceil(2)));
    all
}

#[derive(Clone, Default, Debug)]
struct Server {
    current: Epoch,
    log: Vec<Zxid>,
    /// It says the beginning of its epoch, as Java servers may that led it or followed it after
    /// a quorum had taken over the history.
    says_beginning: bool,
}

impl Server {
    fn last(&self) -> Zxid {
        self.log.last().copied().unwrap_or(Zxid::ZERO)
    }
    fn said(&self) -> Zxid {
        let beginning = Zxid::new(self.current, 0);
        if self.says_beginning && beginning > self.last() { beginning } else { self.last() }
    }
}

struct World {
    servers: Vec<Server>,
    epoch: u32,
    /// The longest history that was ever committed.
    committed: Vec<Zxid>,
}

/// One epoch: who leads, the proposals, and how many of them are committed.
struct ServingEpoch {
    leader: usize,
    proposed: Vec<Zxid>,
    committed: usize,
}

impl World {
    /// A leader is elected and its history taken over by some; if by a quorum, it proposes.
    fn lead(&mut self, random: &mut Rng, established: bool) -> ServingEpoch {
        self.epoch += 1 + random.below(2) as u32;
        let epoch = Epoch(self.epoch);
        let count = self.servers.len();
        let quorum = quorum(random, count);
        let newest = |server: &usize| (self.servers[*server].current, self.servers[*server].last());
        let leader = quorum.iter().copied().max_by_key(newest).unwrap();
        let mut followers = quorum;
        followers.retain(|server| *server != leader);
        if !established {
            followers.truncate(random.below((count / 2).max(1)));
        }
        let history = self.servers[leader].log.clone();
        for server in followers.iter().chain([&leader]) {
            let says_beginning = established && random.percent(30);
            self.servers[*server] = Server { current: epoch, log: history.clone(), says_beginning };
        }
        let mut proposed = Vec::new();
        let mut acked: Vec<usize> = vec![0; count];
        if established {
            proposed.extend((1..=random.below(6) as u32).map(|n| Zxid::new(epoch, n)));
            for server in followers.iter().chain([&leader]) {
                let has = if *server == leader {
                    proposed.len()
                } else {
                    random.below(proposed.len() + 1)
                };
                acked[*server] = has;
                self.servers[*server].log.extend(&proposed[..has]);
            }
        }
        acked.sort_unstable_by(|a, b| b.cmp(a));
        let committed = acked[count / 2];
        if established {
            let whole = [history.as_slice(), &proposed[..committed]].concat();
            assert!(whole.starts_with(&self.committed), "the model itself loses nothing");
            self.committed = whole;
        }
        ServingEpoch { leader, proposed, committed }
    }
}

#[derive(Default, Debug)]
struct Seen {
    diff: usize,
    trunc: usize,
    snap: usize,
    from_disk: usize,
    beginnings: usize,
    outstanding: usize,
    committed_kept: usize,
}

fn round(seed: u64, seen: &mut Seen) {
    let mut random = Rng::new(seed);
    let mut world = World {
        servers: vec![Server::default(); 3 + 2 * random.below(2)],
        epoch: 0,
        committed: Vec::new(),
    };
    for _ in 0..random.below(7) {
        let established = random.percent(80);
        world.lead(&mut random, established);
    }
    let led = world.lead(&mut random, true);
    let whole = world.servers[led.leader].log.clone();
    let committed = whole.len() - led.proposed.len() + led.committed;

    let mut window = Window::new(1000, 1 << 20);
    let begin = random.below(committed + 1);
    window.restart(if begin == 0 { Zxid::ZERO } else { whole[begin - 1] });
    whole[begin..committed].iter().for_each(|zxid| window.push(*zxid, Bytes::new()));
    let disk = &whole[random.below(committed + 1)..];
    let mut history = History {
        epoch: Epoch(world.epoch),
        committed: committed.checked_sub(1).map_or(Zxid::ZERO, |at| whole[at]),
        proposed: whole.last().copied().unwrap_or(Zxid::ZERO).max(Zxid::new(Epoch(world.epoch), 0)),
        window: &window,
        disk: Disk::NotAsked,
        force_snapshot: false,
    };

    let learner = world.servers[random.below(world.servers.len())].clone();
    let peer = Peer { last: learner.said(), cuts_well: random.percent(50) };
    let about = format!("seed {seed}: {learner:?} with {whole:?} ({committed} committed)");
    let mut plan = choose(peer, &history);
    if let Plan::AskDisk { after } = plan {
        let reaches = disk.iter().any(|zxid| *zxid <= after);
        let first = disk.iter().find(|zxid| **zxid > after).filter(|_| reaches);
        history.disk = first.map_or(Disk::Lacks, |first| Disk::Holds { first: *first });
        plan = choose(peer, &history);
        seen.from_disk += usize::from(matches!(plan, Plan::Diff { .. }));
    }
    let common = whole.iter().zip(&learner.log).take_while(|(a, b)| a == b).count();
    let (mut log, position) = match plan {
        Plan::Diff { from } => {
            seen.diff += 1;
            seen.beginnings += usize::from(from != learner.last());
            seen.outstanding += usize::from(learner.log.len() > committed);
            (learner.log.clone(), from)
        }
        Plan::Trunc { to } => {
            seen.trunc += 1;
            let at = learner.log.iter().position(|zxid| *zxid == to);
            let (kept, cut) = learner.log.split_at(at.expect(&about) + 1);
            assert!(cut.iter().all(|zxid| !world.committed.contains(zxid)), "{about}");
            assert!(peer.cuts_well || to == history.committed, "{about}");
            seen.committed_kept += usize::from(!world.committed.is_empty());
            (kept.to_vec(), to)
        }
        Plan::Snap => {
            seen.snap += 1;
            (whole[..committed].to_vec(), history.committed)
        }
        Plan::AskDisk { .. } | Plan::Refuse(_) => panic!("{plan:?}, {about}"),
    };
    // What the leader sends behind it: all of its history that is newer, outstanding ones too.
    log.extend(whole.iter().filter(|zxid| **zxid > position));
    assert_eq!(log, whole, "{plan:?}, {about}");

    let in_window = common > 0 && common == learner.log.len() && common >= begin;
    assert!(!in_window || matches!(plan, Plan::Diff { .. }), "no more than is missing: {about}");
}

#[test]
fn a_learners_history_becomes_the_leaders() {
    let mut seen = Seen::default();
    for seed in 0..40_000 {
        round(seed, &mut seen);
    }
    let Seen { diff, trunc, snap, from_disk, beginnings, outstanding, committed_kept } = seen;
    for count in [diff, trunc, snap, from_disk, beginnings, outstanding, committed_kept] {
        assert!(count > 200, "{seen:?}");
    }
}
