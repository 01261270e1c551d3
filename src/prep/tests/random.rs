//! However many writes are in flight, the same requests give the same entries and the same tree
//! as one at a time; and every digest is foreseen (I13).

use super::*;
use crate::testing::rng::Rng;

#[derive(Clone, Debug)]
enum Step {
    Write { session: SessionId, user: bool, op: WriteOp },
    Open(SessionId),
    Close(SessionId),
}

fn path(random: &mut Rng) -> Option<String> {
    let depth = 1 + random.below(3);
    let mut path = String::new();
    for _ in 0..depth {
        path.push('/');
        path.push_str(random.pick(&["a", "b", "c", "d"]));
    }
    match random.below(80) {
        0 => None,
        1 => Some("/".into()),
        2 => Some(random.pick(&["", "x", "/a/", "/a//b", "/zookeeper", "/z\0"]).into()),
        3 => Some("/zookeeper/x".into()),
        4 | 5 => Some(format!("/max{path}")),
        6..9 => Some(random.pick(&["/a/s0000000001", "/b/s0000000002", "/s0000000003"]).into()),
        _ => Some(path),
    }
}

fn data(random: &mut Rng) -> crate::types::Data {
    (random.below(8) > 0).then(|| Bytes::from(vec![b'x'; random.below(20)]))
}

fn acl(random: &mut Rng) -> Option<Vec<RawAcl>> {
    match random.below(24) {
        0 => None,
        1 => Some(vec![raw(random.below(32), "digest", "u:p"), raw(1, "world", "anyone")]),
        2 => Some(vec![raw(31, "auth", "")]),
        _ => open(),
    }
}

fn creation(random: &mut Rng) -> CreateOp {
    let call = random.pick(&[
        CreateCall::Create,
        CreateCall::Create,
        CreateCall::Create2,
        CreateCall::Container,
        CreateCall::Ttl,
    ]);
    let flags = match call {
        CreateCall::Ttl => random.pick(&[5, 5, 6, 0]),
        CreateCall::Container => 4,
        CreateCall::Create | CreateCall::Create2 => random.pick(&[0, 0, 0, 1, 1, 2, 3, 9]),
    };
    let ttl = if call == CreateCall::Ttl { 1 + random.below(100) as i64 } else { -1 };
    let mut path = path(random);
    if (flags == 2 || flags == 3 || flags == 6)
        && let Some(path) = &mut path
        && random.below(2) == 0
    {
        path.truncate(path.rfind('/').map_or(0, |at| at + 1));
        path.push('s');
    }
    CreateOp { call, path, data: data(random), acl: acl(random), flags, ttl }
}

fn version(random: &mut Rng) -> i32 {
    random.pick(&[-1, -1, -1, -1, 0, 1])
}

fn multi_step(random: &mut Rng) -> MultiOp {
    match random.below(8) {
        0 | 1 => MultiOp::Create(create_op("/s", random.pick(&[2, 3]))),
        2 => MultiOp::Create(creation(random)),
        3 => MultiOp::Delete { path: path(random), version: version(random) },
        4 | 5 => {
            MultiOp::SetData { path: path(random), data: data(random), version: version(random) }
        }
        _ => MultiOp::Check { path: path(random), version: version(random) },
    }
}

fn write(random: &mut Rng) -> WriteOp {
    match random.below(20) {
        0..7 => WriteOp::Create(creation(random)),
        7..11 => WriteOp::Delete { path: path(random), version: version(random) },
        11..14 => {
            WriteOp::SetData { path: path(random), data: data(random), version: version(random) }
        }
        14..16 => {
            WriteOp::SetAcl { path: path(random), acl: acl(random), version: version(random) }
        }
        _ => WriteOp::Multi((0..random.below(4)).map(|_| multi_step(random)).collect()),
    }
}

/// Requests that do not depend on answers, from sessions that live when they ask.
fn history(seed: u64, len: usize) -> Vec<Step> {
    let mut random = Rng::new(seed);
    let mut live: Vec<SessionId> = Vec::new();
    let mut next = 0x1000;
    let mut steps = Vec::with_capacity(len);
    for _ in 0..len {
        let draw = random.below(50);
        if live.is_empty() || (draw == 0 && live.len() < 6) {
            next += 1;
            live.push(SessionId(next));
            steps.push(Step::Open(SessionId(next)));
        } else if draw == 1 {
            let at = random.below(live.len());
            steps.push(Step::Close(live.swap_remove(at)));
        } else if draw == 2 {
            let op = WriteOp::DeleteContainer { path: path(&mut random) };
            steps.push(Step::Write { session: SessionId(0), user: false, op });
        } else {
            let session = random.pick(&live);
            let user = random.below(3) > 0;
            steps.push(Step::Write { session, user, op: write(&mut random) });
        }
    }
    steps
}

/// Runs a history with up to `lag` entries in flight.
fn run(steps: &[Step], lag: usize, seed: u64) -> (Vec<Entry>, Vec<Outcome>, World) {
    let mut random = Rng::new(seed ^ 0xabcd);
    let mut w = World::new(settings());
    let near = StoredStat { cversion: i32::MAX - 2, ..StoredStat::default() };
    plant(&mut w, "/max", near);
    let (mut entries, mut outcomes) = (Vec::new(), Vec::new());
    let user = [Identity::new("ip", "10.0.0.1"), Identity::new("digest", "u:p")];
    for step in steps {
        let entry = match step {
            Step::Write { session, user: is_user, op } => {
                let identities = if *is_user { &user[..] } else { &user[..1] };
                w.prepare(&requester(*session, identities), op)
            }
            Step::Open(id) => {
                w.now += 1;
                w.sessions.create(*id, 5000, Millis(0));
                let entry = w.prep.create_session(&w.tree, WallMillis(w.now), *id, 5000);
                w.in_flight.push(entry.clone());
                entry
            }
            Step::Close(id) => {
                w.now += 1;
                let entry = w.prep.close_session(&w.tree, WallMillis(w.now), *id, 0);
                w.sessions.set_closing(*id);
                w.in_flight.push(entry.clone());
                entry
            }
        };
        entries.push(entry);
        while w.in_flight.len() > lag || (!w.in_flight.is_empty() && random.below(3) == 0) {
            outcomes.push(w.apply_one());
        }
    }
    while !w.in_flight.is_empty() {
        outcomes.push(w.apply_one());
    }
    assert_eq!(w.prep.outstanding(), 0);
    (entries, outcomes, w)
}

/// Every node with everything it has.
fn dump(tree: &Tree) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open = vec![String::new()];
    while let Some(path) = open.pop() {
        let mut names: Vec<String> = Vec::new();
        tree.read(&path, |node| {
            let node = node.unwrap();
            names.extend(node.children().map(str::to_owned));
            lines.push(format!("{path} {:?} {:?} {:?}", node.stored(), node.data(), node.acl()));
        });
        open.extend(names.iter().map(|name| format!("{path}/{name}")));
    }
    lines.sort();
    lines
}

#[test]
fn lag_changes_nothing() {
    for (seed, lag) in [(1, 3), (2, 20), (3, 200), (4, 5000), (5, 7), (6, 50)] {
        let steps = history(seed, 4000);
        let (entries, outcomes, at_once) = run(&steps, 0, seed);
        let (late_entries, late_outcomes, late) = run(&steps, lag, seed);
        for (n, (entry, late)) in entries.iter().zip(&late_entries).enumerate() {
            assert_eq!(entry, late, "seed {seed} lag {lag} step {n}: {:?}", steps[n]);
        }
        assert_eq!(outcomes, late_outcomes);
        assert_eq!(dump(&at_once.tree), dump(&late.tree));
        assert_eq!(at_once.tree.digest(), late.tree.digest());
        // What was prepared as legal is applied without a failure.
        let failures = entries.iter().zip(&outcomes).filter(|(entry, outcome)| {
            matches!(entry.txn, Txn::Op(_)) && matches!(outcome, Outcome::Failed(_))
        });
        assert_eq!(failures.count(), 0);
        // The history is worth something: enough of everything succeeds and fails.
        let count = |f: &dyn Fn(&Txn) -> bool| entries.iter().filter(|e| f(&e.txn)).count();
        assert!(count(&|txn| matches!(txn, Txn::Op(Op::Create(_)))) > 200);
        assert!(count(&|txn| matches!(txn, Txn::Op(Op::Delete { .. }))) > 50);
        assert!(count(&|txn| matches!(txn, Txn::Op(Op::SetData { .. }))) > 100);
        let good = |txn: &Txn| match txn {
            Txn::Multi(subs) => subs.len() > 1 && subs.iter().all(|s| matches!(s, SubTxn::Op(_))),
            _ => false,
        };
        assert!(count(&good) > 10);
        assert!(count(&|txn| matches!(txn, Txn::Error(_))) > 300);
        let closes =
            count(&|txn| matches!(txn, Txn::CloseSession { paths: Some(p) } if p.len() > 1));
        assert!(closes > 3, "{closes}");
    }
}

#[test]
fn a_digest_that_is_wrong_would_be_seen() {
    // The guard of the test above: a changed byte changes the digest.
    let mut w = World::new(settings());
    let entry = w.prepare(&me(), &create("/a", 0));
    let Txn::Op(Op::Create(mut create)) = entry.txn else { panic!() };
    create.data = Some(Bytes::from_static(b"dbta"));
    w.writer.apply(&entry.header, &Txn::Op(Op::Create(create)), &mut NoSink);
    assert_ne!(Some(w.tree.digest()), entry.digest.map(|d| d.digest));
}
