//! Random histories: the tree against a plain model, and replay over fuzzy snapshots.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::testing::rng::Rng;
use crate::types::{Acl, ErrorCode, Perms, StoredStat, parent_and_name};

#[derive(Clone, PartialEq, Debug)]
struct ModelNode {
    data: Option<String>,
    stat: StoredStat,
    acl: AclList,
}

/// What a leader knows and a server should hold: the simplest thing that can be right.
struct Model {
    nodes: BTreeMap<String, ModelNode>,
    log: Vec<(TxnHeader, Txn)>,
    /// Sessions close as with servers before 3.6, whose log does not name the ephemerals: then it
    /// cannot tell all that was done to a fuzzy snapshot.
    old_log: bool,
}

impl Model {
    fn new() -> Model {
        let node = ModelNode { data: None, stat: StoredStat::default(), acl: open_acl() };
        Model { nodes: BTreeMap::from([(String::new(), node)]), log: Vec::new(), old_log: false }
    }

    fn children(&self, path: &str) -> usize {
        self.nodes.keys().filter(|p| parent_and_name(p).is_some_and(|(up, _)| up == path)).count()
    }

    /// A path of up to three names, few enough to meet again and again.
    fn path(rolls: &mut Rng) -> String {
        (0..=rolls.below(3)).map(|_| format!("/{}", ["a", "b", "c"][rolls.below(3)])).collect()
    }

    fn acl(rolls: &mut Rng) -> AclList {
        match rolls.below(6) {
            0..3 => open_acl(),
            n => Arc::from([Acl::new(Perms(n), "digest", "u:h")]),
        }
    }

    /// A legal operation, done to the model; `None` if the dice asked for an illegal one.
    fn op(&mut self, rolls: &mut Rng, header: &TxnHeader) -> Option<Op> {
        let path = Model::path(rolls);
        let exists = self.nodes.contains_key(&path);
        match rolls.below(10) {
            0..5 if !exists => self.create(rolls, header, path),
            5..8 if exists && self.children(&path) == 0 => {
                self.delete(&path, header.zxid);
                let container = rolls.below(3) == 0;
                Some(if container { Op::DeleteContainer { path } } else { Op::Delete { path } })
            }
            8 => {
                let data = (rolls.below(4) > 0).then(|| "d".repeat(rolls.below(5)));
                let node = self.nodes.get_mut(&path)?;
                node.stat.version += 1;
                node.stat.mzxid = header.zxid;
                node.stat.mtime = header.time;
                node.data.clone_from(&data);
                Some(Op::SetData { path, data: data.map(Into::into), version: node.stat.version })
            }
            9 => {
                let acl = Model::acl(rolls);
                let node = self.nodes.get_mut(&path)?;
                node.stat.aversion += 1;
                node.acl = Arc::clone(&acl);
                Some(Op::SetAcl { path, acl, version: node.stat.aversion })
            }
            _ => None,
        }
    }

    fn create(&mut self, rolls: &mut Rng, header: &TxnHeader, path: String) -> Option<Op> {
        use CreateTxnKind::*;
        let kind = [
            Create { ephemeral: false },
            Create { ephemeral: true },
            Create2 { ephemeral: false },
            Create2 { ephemeral: true },
            Container,
            Ttl(7000),
        ][rolls.below(6)];
        let owner = match kind {
            Create { ephemeral: true } | Create2 { ephemeral: true } => header.session.0,
            Container => i64::MIN,
            Ttl(ms) => (0xff00_0000_0000_0000 | ms as u64) as i64,
            _ => 0,
        };
        let (parent, _) = parent_and_name(&path)?;
        let above = self.nodes.get_mut(parent)?;
        let rules = TypeRules { extended_types: true, emulate_353_ttl: false };
        if matches!(rules.kind_of(above.stat.owner), crate::types::NodeKind::Ephemeral(_)) {
            return None;
        }
        above.stat.cversion += 1;
        above.stat.pzxid = header.zxid;
        let parent_cversion = above.stat.cversion;
        let data = (rolls.below(4) > 0).then(|| "x".repeat(rolls.below(4)));
        let acl = Model::acl(rolls);
        let stat = StoredStat::created(header.zxid, header.time, owner);
        let node = ModelNode { data: data.clone(), stat, acl: Arc::clone(&acl) };
        self.nodes.insert(path.clone(), node);
        let data = data.map(Into::into);
        Some(Op::Create(CreateTxn { kind, path, data, acl, parent_cversion }))
    }

    fn delete(&mut self, path: &str, zxid: Zxid) {
        self.nodes.remove(path);
        let parent = parent_and_name(path).and_then(|(parent, _)| self.nodes.get_mut(parent));
        if let Some(parent) = parent {
            parent.stat.pzxid = zxid;
        }
    }

    /// One more transaction for the log.
    fn step(&mut self, rolls: &mut Rng) -> (TxnHeader, Txn) {
        let session = SessionId(0x0100_0000_0000_0000 + rolls.below(3) as i64);
        let header = header(session, self.log.len() as i64 + 1);
        let txn = match rolls.below(20) {
            0 => Txn::Error(ErrorCode::NoNode),
            1 => {
                let owned = self.nodes.iter().filter(|(_, n)| n.stat.owner == session.0);
                let paths: Vec<String> = owned.map(|(path, _)| path.clone()).collect();
                paths.iter().for_each(|path| self.delete(path, header.zxid));
                Txn::CloseSession { paths: (!self.old_log).then_some(paths) }
            }
            2 => Txn::Multi(vec![
                SubTxn::Op(create("/never", "")),
                SubTxn::Error(ErrorCode::BadVersion),
            ]),
            3..6 => multi((0..5).filter_map(|_| self.op(rolls, &header)).collect::<Vec<_>>()),
            _ => loop {
                if let Some(op) = self.op(rolls, &header) {
                    break Txn::Op(op);
                }
            },
        };
        self.log.push((header, txn.clone()));
        (header, txn)
    }

    fn check(&self, world: &World, seed: u64) {
        for (path, node) in &self.nodes {
            if path.is_empty() {
                continue; // The root's figures also count /zookeeper.
            }
            let data = node.data.clone();
            let held = world.tree.read(path, |held| {
                held.map(|held| ModelNode {
                    data: held.data().map(|d| String::from_utf8_lossy(d).into_owned()),
                    stat: held.stored(),
                    acl: Arc::clone(held.acl()),
                })
            });
            let expected = ModelNode { data, ..node.clone() };
            assert_eq!(held.0, Some(expected), "{path}, seed {seed}");
        }
        assert_eq!(world.tree.node_count(), self.nodes.len() + 4, "seed {seed}");
    }
}

fn apply(world: &mut World, (header, txn): &(TxnHeader, Txn)) {
    world.writer.apply(header, txn, &mut NoSink);
}

/// The indexes, the sums and the links agree with the nodes.
fn check_books(world: &World, seed: u64) {
    let tree = &world.tree;
    assert_eq!(tree.digest(), digest_of(tree), "seed {seed}");
    let mut ephemerals: BTreeMap<SessionId, BTreeSet<String>> = BTreeMap::new();
    let mut lists = BTreeSet::new();
    let mut bytes = 1;
    let mut open = vec![String::new()];
    while let Some(path) = open.pop() {
        tree.read(&path, |node| {
            let Some(node) = node else { return };
            assert_eq!(node.path(), path);
            if let crate::types::NodeKind::Ephemeral(session) = node.kind() {
                ephemerals.entry(session).or_default().insert(path.clone());
            }
            if node.acl_key() != -1 {
                lists.insert(node.acl_key());
            }
            bytes += (path.len() + node.data_len()) as i64;
            for name in node.children() {
                assert!(node.has_child(name));
                open.push(format!("{path}/{name}"));
            }
        });
    }
    assert_eq!(tree.data_bytes(), bytes, "seed {seed}");
    assert_eq!(tree.ephemeral_count(), ephemerals.values().map(BTreeSet::len).sum::<usize>());
    assert_eq!(tree.sessions_with_ephemerals(), ephemerals.keys().copied().collect::<Vec<_>>());
    for (session, paths) in ephemerals {
        assert_eq!(tree.ephemerals_of(session).into_iter().collect::<BTreeSet<_>>(), paths);
    }
    let table: BTreeSet<i64> = tree.acl_table().into_iter().map(|(key, _)| key).collect();
    assert_eq!(table, lists, "seed {seed}");
}

#[test]
fn random_histories_leave_what_a_plain_model_says() {
    for seed in 0..40 {
        let (mut world, mut model, mut rolls) = (World::new(), Model::new(), Rng::new(seed));
        model.old_log = seed % 4 == 0;
        for step in 0..300 {
            apply(&mut world, &model.step(&mut rolls));
            if step % 60 == 59 {
                model.check(&world, seed);
                check_books(&world, seed);
            }
        }
    }
}

/// What a fuzzy snapshot's file would hold.
#[derive(Default)]
struct Fuzzy {
    from: Zxid,
    acls: Vec<(i64, AclList)>,
    nodes: Vec<(String, Option<Vec<u8>>, i64, StoredStat)>,
}

/// Walks the tree as a snapshot does, with transactions between any two of its steps.
fn take_fuzzy(world: &mut World, model: &mut Model, rolls: &mut Rng) -> Fuzzy {
    let mut snapshot =
        Fuzzy { from: world.tree.applied(), acls: world.tree.acl_table(), ..Fuzzy::default() };
    let mut open = vec![String::new()];
    while let Some(path) = open.pop() {
        world.tree.read(&path, |node| {
            let Some(node) = node else { return };
            let data = node.data().map(<[u8]>::to_vec);
            snapshot.nodes.push((path.clone(), data, node.acl_key(), node.stored()));
            open.extend(node.children().map(|name| format!("{path}/{name}")));
        });
        for _ in 0..rolls.below(8) {
            apply(world, &model.step(rolls));
        }
    }
    snapshot
}

fn restored(snapshot: &Fuzzy) -> World {
    let mut world = World::new();
    world.create("/to be forgotten", "");
    world.writer.clear();
    world.writer.restore_acls(snapshot.acls.clone());
    for (path, data, acl, stat) in &snapshot.nodes {
        world.writer.restore_node(path, data.as_deref(), *acl, stat).unwrap();
    }
    world.writer.finish_restore(snapshot.from).unwrap();
    world
}

#[test]
fn a_log_replayed_over_a_fuzzy_snapshot_gives_the_live_tree_however_often() {
    for seed in 0..400 {
        let (mut live, mut model, mut rolls) = (World::new(), Model::new(), Rng::new(seed));
        for _ in 0..rolls.below(80) {
            apply(&mut live, &model.step(&mut rolls));
        }
        let snapshot = take_fuzzy(&mut live, &mut model, &mut rolls);
        for _ in 0..rolls.below(30) {
            apply(&mut live, &model.step(&mut rolls));
        }
        let mut again = restored(&snapshot);
        let suffix = &model.log[snapshot.from.0 as usize..];
        for round in 0..3 {
            suffix.iter().for_each(|entry| apply(&mut again, entry));
            assert_same(&again.tree, &live.tree, &format!("seed {seed}, round {round}"));
            assert_eq!(again.tree.digest_at(), live.tree.digest_at(), "seed {seed}");
            assert_eq!(again.writer.unknown_acls(), 0, "seed {seed}");
            check_books(&again, seed);
        }
        // Also when it breaks off in the middle and begins anew.
        let mut broken = restored(&snapshot);
        suffix[..suffix.len() / 2].iter().for_each(|entry| apply(&mut broken, entry));
        suffix.iter().for_each(|entry| apply(&mut broken, entry));
        assert_same(&broken.tree, &live.tree, &format!("seed {seed}"));
    }
}
