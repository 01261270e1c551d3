//! The order of the checks of a reconfiguration, and what it leaves behind.

use super::*;

use crate::codec::request::ReconfigOp;
use crate::membership::{ChangeRules, Electorate, Members};
use crate::tree::CONFIG_PATH;

const THREE: &str = "server.1=a:1:2:participant;3\nserver.2=b:1:2:participant;3\n\
                     server.3=c:1:2:participant;3\nversion=5";

fn members(text: &str) -> Arc<Members> {
    Arc::new(Members::parse(text).unwrap())
}

fn superuser() -> Vec<Identity> {
    vec![Identity::new("super", "")]
}

struct Leader {
    world: World,
    electorate: Electorate,
    /// Servers that follow and are in sync, this one too.
    synced: Vec<i64>,
    keeps: bool,
    kept: Vec<String>,
}

impl Leader {
    fn new() -> Leader {
        let mut world = World::new(PrepSettings { reconfig_enabled: true, ..settings() });
        let electorate = Electorate::new(members(THREE));
        let text = electorate.committed.text();
        world.writer.init_config(text.as_bytes(), Zxid(5), WallMillis(0), &mut NoSink);
        Leader { world, electorate, synced: vec![1, 2, 3], keeps: true, kept: Vec::new() }
    }

    fn ask(&mut self, who: &[Identity], op: &ReconfigOp) -> Result<String, ErrorCode> {
        self.ask_as(&Requester { session: ME, xid: Xid(9), identities: who, from: None }, op)
    }

    fn ask_as(&mut self, requester: &Requester<'_>, op: &ReconfigOp) -> Result<String, ErrorCode> {
        let World { prep, tree, sessions, in_flight, .. } = &mut self.world;
        let synced = |next: &Members| next.has_quorum(|server| self.synced.contains(&server.0));
        let mut keep = |next: &Members| {
            self.kept.push(next.text());
            self.keeps
        };
        let seats = Seats {
            electorate: &self.electorate,
            rules: ChangeRules { standalone: true, several_addresses: false },
            has_quorum: &synced,
            keep: &mut keep,
        };
        let (entry, next) =
            prep.reconfigure((&**tree, &*sessions), WallMillis(77), requester, op, seats);
        in_flight.push(entry.clone());
        match entry.txn {
            Txn::Error(code) => {
                assert_eq!(next.unwrap_err().code(), code);
                Err(code)
            }
            Txn::Reconfig { config, version: -1 } => {
                let text = String::from_utf8(config.unwrap().to_vec()).unwrap();
                assert_eq!(next.unwrap().text(), text);
                Ok(text)
            }
            other => panic!("{other:?}"),
        }
    }
}

fn op(joining: &str, leaving: &str) -> ReconfigOp {
    ReconfigOp {
        joining: Some(joining.into()),
        leaving: Some(leaving.into()),
        new_members: None,
        config_version: -1,
    }
}

#[test]
fn reconfigurations_are_checked_in_javas_order() {
    use ErrorCode::*;
    let mut leader = Leader::new();
    let stranger = Requester { session: SessionId(9), xid: Xid(1), identities: &[], from: None };
    let garbage = ReconfigOp { config_version: 7, ..op("some thing", "x") };
    leader.world.prep.settings.reconfig_enabled = false;
    assert_eq!(leader.ask_as(&stranger, &garbage), Err(ReconfigDisabled));
    leader.world.prep.settings.reconfig_enabled = true;
    assert_eq!(leader.ask_as(&stranger, &garbage), Err(UnknownSession));
    leader.electorate.next = Some(members(&THREE.replace("version=5", "version=6")));
    assert_eq!(leader.ask(&[], &garbage), Err(ReconfigInProgress));
    leader.electorate.next = None;
    assert_eq!(leader.ask(&[], &garbage), Err(BadVersion));
    let garbage = ReconfigOp { config_version: 5, ..garbage };
    assert_eq!(leader.ask(&[], &garbage), Err(MarshallingError));
    assert_eq!(leader.ask(&[], &op("some thing", "")), Err(BadArguments));
    assert_eq!(leader.ask(&[], &op("", "2,3")), Err(BadArguments), "two voters must be left");
    leader.synced = vec![1];
    assert_eq!(leader.ask(&[], &op("", "3")), Err(NewConfigNoQuorum));
    leader.synced = vec![1, 2];
    assert_eq!(leader.ask(&[], &op("", "3")), Err(NoAuth));
    assert!(leader.kept.is_empty(), "nothing is kept of what is refused");
    leader.keeps = false;
    assert_eq!(leader.ask(&superuser(), &op("", "3")), Err(SystemError));
    leader.keeps = true;
    let next = leader.ask(&superuser(), &op("", "3")).unwrap();
    let version = leader.world.prep.last().0;
    assert_eq!(
        next,
        format!(
            "server.1=a:1:2:participant;0.0.0.0:3\nserver.2=b:1:2:participant;0.0.0.0:3\n\
             version={version:x}"
        )
    );
    assert_eq!(leader.kept.last(), Some(&next));
}

#[test]
fn new_members_replace_all_and_groups_may_only_be_replaced() {
    let mut leader = Leader::new();
    let whole = |text: &str| ReconfigOp {
        joining: Some("server.9=z:1:2;3".into()),
        leaving: None,
        new_members: Some(text.into()),
        config_version: -1,
    };
    let text = "server.1=a:1:2;3,server.2=b:1:2;3,group.1=1:2";
    let next = leader.ask(&superuser(), &whole(text)).unwrap();
    assert!(next.contains("group.1=1:2\n") && !next.contains("server.9"));
    leader.electorate = Electorate::new(members(&next));
    assert_eq!(leader.ask(&superuser(), &op("", "2")), Err(ErrorCode::BadArguments));
    assert!(leader.ask(&superuser(), &whole("server.1=a:1:2;3,server.2=b:1:2;3")).is_ok());
}

#[test]
fn the_node_shows_the_configuration_and_the_digest_does_not() {
    let mut leader = Leader::new();
    let before = leader.world.tree.digest();
    let next = leader.ask(&superuser(), &op("", "3")).unwrap();
    // Later writes see what is in flight.
    let set = leader.world.prepare(&me(), &set_data(CONFIG_PATH, b"", 0));
    assert_eq!(verdict(set), Err(ErrorCode::NoAuth));
    leader.world.apply_all();
    assert_eq!(leader.world.tree.digest(), before);
    let (data, stat) = leader
        .world
        .tree
        .read(CONFIG_PATH, |node| node.map(|n| (n.data().unwrap().to_vec(), n.stored())))
        .0
        .unwrap();
    assert_eq!(data, next.as_bytes());
    assert_eq!((stat.version, stat.mtime, stat.mzxid), (-1, WallMillis(77), Zxid(1)));
}
