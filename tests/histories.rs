//! Whose history lives: members that have forgotten, and the one that has not; an empty member that
//! nobody has called empty; clients of epochs in which nothing is written; a tree that is taken over
//! while the server is asked how it is.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::path::Path;
use std::time::{Duration, Instant};
use support::client::{Handshake, Session};
use support::ensemble::{Ensemble, Member, Plan, Role};
use support::server::Kind;

const SESSION_MS: i32 = 30_000;

/// Writes nodes whose data is this word, through this member.
fn write(member: &Member, names: &str, count: usize, data: &[u8]) {
    let mut session = Session::open(member.port, SESSION_MS);
    for number in 0..count {
        assert_eq!(session.create(&format!("/{names}{number}"), data), 0);
    }
    session.sync("/");
    session.close();
}

/// Asks until the answer is what is wanted.
fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Whether any file of the member holds these bytes, and how the names of such files begin.
fn holds(member: &Member, needle: &[u8], prefix: &str) -> bool {
    let entries = std::fs::read_dir(member.data().join("version-2")).unwrap();
    entries.map(Result::unwrap).any(|entry| {
        entry.file_name().to_string_lossy().starts_with(prefix)
            && std::fs::read(entry.path())
                .is_ok_and(|bytes| bytes.windows(needle.len()).any(|found| found == needle))
    })
}

/// An ensemble that has stopped: all have "early" writes, and "late" ones; but not these members, which
/// have older copies of their disks back.
fn forgotten(name: &str, kinds: &[Kind], older: &[u64]) -> Ensemble {
    let mut ensemble = Ensemble::start(name, &Plan::new(kinds));
    let leader = ensemble.wait_all();
    write(ensemble.member(leader), "early", 20, b"early write");
    stop(&mut ensemble);
    for id in older {
        let member = ensemble.member(*id);
        copy(&member.data().join("version-2"), &member.folder.join("older"));
    }
    for id in [3, 1, 2] {
        ensemble.member(id).spawn();
    }
    let leader = ensemble.wait_all();
    write(ensemble.member(leader), "late", 20, b"late write");
    stop(&mut ensemble);
    assert!(ensemble.member(3).has_logged(b"late write"));
    for id in older {
        let member = ensemble.member(*id);
        copy(&member.folder.join("older"), &member.data().join("version-2"));
    }
    ensemble
}

/// Whether it has said so, and what is to be done.
fn refuses(member: &Member) -> bool {
    let log = member.log();
    log.contains("lacks what this server knows to be committed")
        && log.contains("stop the other servers, move their version-2 folders away")
}

/// The members that have forgotten begin anew. The first epoch that they come to is one that the third has
/// been in: a leader of ours sends it away, for its transactions were never proposed there. So ours
/// begin twice. A leader of ZooKeeper's has the beginning of its epoch for its last zxid, which is above
/// all that the third knows from the second epoch on.
fn begin_anew(ensemble: &mut Ensemble, ids: [u64; 2]) {
    let times = if ensemble.member(ids[0]).kind == Kind::Java { 1 } else { 2 };
    for _ in 0..times {
        ids.iter().for_each(|id| ensemble.member(*id).terminate());
        ids.iter().for_each(|id| ensemble.member(*id).spawn());
        ensemble.wait_all();
    }
}

fn stop(ensemble: &mut Ensemble) {
    for id in ensemble.ids() {
        ensemble.member(id).terminate();
    }
}

/// What the refusal says: the others' folders away, the third and one more first.
fn go_on_with_the_third(ensemble: &mut Ensemble, name: &str) {
    stop(ensemble);
    for id in [1, 2] {
        std::fs::remove_dir_all(ensemble.member(id).data().join("version-2")).unwrap();
    }
    ensemble.member(3).spawn();
    ensemble.member(1).spawn();
    assert_eq!(ensemble.wait_all(), 3, "{name}");
    ensemble.member(2).spawn();
    ensemble.wait_all();
    let tree = ensemble.assert_equal_trees(name);
    assert_eq!(tree.iter().filter(|line| line.contains("/late")).count(), 20, "{name}");
}

#[test]
fn a_member_that_remembers_refuses_a_leader_that_has_forgotten() {
    // Goal: two members with older copies of their disks do not take from the third what only it has
    // left, and what its message says brings it back to all.
    for (name, kind) in [("forgotten", Kind::under_test()), ("forgotten-java", Kind::Java)] {
        let mut ensemble = forgotten(name, &[kind, kind, Kind::Ringkeeper], &[1, 2]);
        begin_anew(&mut ensemble, [1, 2]);
        ensemble.member(3).spawn();
        wait_for("the refusal", || refuses(ensemble.member(3)));
        assert!(ensemble.member(3).has_logged(b"late write"), "{name}");
        assert!(!matches!(ensemble.member(3).role(), Role::Following | Role::Leading), "{name}");
        go_on_with_the_third(&mut ensemble, name);
    }
}

#[test]
fn servers_that_begin_in_an_epoch_long_past_are_refused_with_the_way_out() {
    // Goal: who has nothing left begins with the first epoch; the one that has everything says what is
    // the matter, not only that the epoch is an old one.
    for (name, kind) in [("past", Kind::under_test()), ("past-java", Kind::Java)] {
        let mut ensemble = forgotten(name, &[kind, kind, Kind::Ringkeeper], &[]);
        for id in [1, 2] {
            ensemble.member(id).wipe();
            ensemble.member(id).spawn();
        }
        ensemble.wait_all();
        ensemble.member(3).spawn();
        wait_for("the refusal", || refuses(ensemble.member(3)));
        assert!(ensemble.member(3).has_logged(b"late write"), "{name}");
    }
}

#[test]
fn a_tree_that_comes_under_the_beginning_of_an_epoch_is_looked_at() {
    // Goal: a ZooKeeper leader names its tree for the beginning of its epoch, which from the second epoch
    // of those who have forgotten on is above all that the third knows. It is refused all the same:
    // with older copies, with empty disks, and when clients have come meanwhile.
    let kinds = [Kind::Java, Kind::Java, Kind::Ringkeeper];
    for (name, is_empty) in [("second-epoch", false), ("second-epoch-empty", true)] {
        let mut ensemble = forgotten(name, &kinds, &[1, 2]);
        for id in [1, 2] {
            if is_empty {
                ensemble.member(id).wipe();
            }
            ensemble.member(id).spawn();
        }
        for _ in 0..3 {
            ensemble.wait_all();
            [1, 2].iter().for_each(|id| ensemble.member(*id).terminate());
            [1, 2].iter().for_each(|id| ensemble.member(*id).spawn());
        }
        let leader = ensemble.wait_all();
        // Of a session no node tells.
        let session = Session::open(ensemble.port(leader), SESSION_MS);
        ensemble.member(3).spawn();
        wait_for("the refusal", || refuses(ensemble.member(3)));
        drop(session);
        let member = ensemble.member(3);
        assert!(!holds(member, b"late write", "ringkeeper.aside."), "{}", member.log());
        assert!(member.has_logged(b"late write"), "{name}");
        assert!(!matches!(member.role(), Role::Following | Role::Leading), "{name}");
        go_on_with_the_third(&mut ensemble, name);
    }
}

#[test]
fn a_member_that_lags_and_claims_a_newer_epoch_cuts_nobody() {
    // Goal: an older copy beside epoch files that are too high wins every election; what the others
    // know to be committed stays all the same.
    let mut ensemble = forgotten("newer-epoch", &[Kind::Ringkeeper; 3], &[1]);
    for name in ["acceptedEpoch", "currentEpoch"] {
        std::fs::write(ensemble.member(1).data().join("version-2").join(name), "50\n").unwrap();
    }
    ensemble.member(1).spawn();
    wait_for("it looks", || ensemble.member(1).log().contains("LOOKING for a leader"));
    for id in [2, 3] {
        ensemble.member(id).spawn();
    }
    wait_for("both refuse it", || [2, 3].iter().all(|id| refuses(ensemble.member(*id))));
    stop(&mut ensemble);
    ensemble.member(1).wipe();
    for id in [3, 2, 1] {
        ensemble.member(id).spawn();
    }
    ensemble.wait_all();
    let tree = ensemble.assert_equal_trees("newer-epoch");
    assert_eq!(tree.iter().filter(|line| line.contains("/late")).count(), 20);
}

#[test]
fn what_nobody_knows_to_be_uncommitted_is_set_aside() {
    // Goal: the same where nothing says how far the history is committed, as in a folder that a
    // ZooKeeper server has left: the leader is followed, and nothing is deleted.
    let mut ensemble = forgotten("aside", &[Kind::Ringkeeper; 3], &[1, 2]);
    let record = ensemble.member(3).data().join("version-2/ringkeeper.committed");
    if record.exists() {
        std::fs::remove_file(record).unwrap();
    }
    begin_anew(&mut ensemble, [1, 2]);
    ensemble.member(3).spawn();
    ensemble.wait_all();
    ensemble.assert_equal_trees("aside");
    let member = ensemble.member(3);
    assert!(holds(member, b"late write", "ringkeeper.aside."), "{}", member.log());
    assert!(!member.has_logged(b"late write"));
}

#[test]
fn an_empty_member_that_nobody_called_empty_follows_and_has_no_vote_before() {
    // Goal: with db.autocreate=false a new disk is filled by the leader, as ZooKeeper does it, and is
    // no vote for an empty database.
    let plan = Plan::new(&[Kind::Ringkeeper; 3]).set("db.autocreate", "false");
    let mut ensemble = Ensemble::lay_out("blank", &plan);
    for id in [3, 1, 2] {
        std::fs::write(ensemble.member(id).data().join("initialize"), "").unwrap();
        ensemble.member(id).spawn();
    }
    let leader = ensemble.wait_all();
    write(ensemble.member(leader), "kept", 10, b"x");
    ensemble.member(1).terminate();
    ensemble.member(1).wipe();
    ensemble.member(1).spawn();
    ensemble.wait_all();
    assert!(ensemble.member(1).log().contains("has no vote until it has a leader's history"));
    ensemble.assert_equal_trees("filled");
    // Two of three that are empty are no quorum, whatever they are told by the third.
    stop(&mut ensemble);
    for id in [1, 2] {
        ensemble.member(id).wipe();
        ensemble.member(id).spawn();
    }
    let looked = |log: &str| log.matches("LOOKING for a leader").count();
    wait_for("both look", || [1, 2].iter().all(|id| looked(&ensemble.member(*id).log()) > 0));
    let until = Instant::now() + Duration::from_secs(2);
    while Instant::now() < until {
        assert_eq!(ensemble.leader(), None);
    }
    // With its history back a member votes at once.
    ensemble.member(3).spawn();
    assert!(ensemble.wait_within(Duration::from_secs(2)).is_err(), "one vote of three");
}

#[test]
fn who_has_seen_an_epoch_begin_is_served_in_it() {
    // Goal: a ZooKeeper leader shows its epoch's first zxid to clients before anything is written;
    // every server of that epoch or a later one takes them, and nobody who has seen more.
    let mut ensemble = Ensemble::start("idle-epoch", &Plan::new(&[Kind::Ringkeeper; 3]));
    let leader = ensemble.wait_all();
    let mut session = Session::open(ensemble.member(leader).port, SESSION_MS);
    assert_eq!(session.create("/before", b"x"), 0);
    session.sync("/");
    let grant = session.grant.clone();
    drop(session);
    ensemble.member(leader).kill();
    let next = ensemble.wait_all();
    ensemble.member(leader).spawn();
    ensemble.wait_all();
    let file = ensemble.member(next).data().join("version-2/currentEpoch");
    let epoch: i64 = std::fs::read_to_string(file).unwrap().trim().parse().unwrap();
    let resume = |port: u16, seen: i64| {
        let mut conn = support::client::Conn::open(port).unwrap();
        let wish = Handshake { last_zxid: seen, ..Handshake::resume(&grant, SESSION_MS) };
        conn.handshake(&wish).map(|granted| granted.session)
    };
    for id in ensemble.ids() {
        let port = ensemble.port(id);
        assert_eq!(resume(port, (epoch << 32) + 1), None, "member {id}: it has seen more");
        assert_eq!(resume(port, epoch << 32), Some(grant.session), "member {id}");
        assert_eq!(resume(port, (epoch - 1) << 32 | 0x7fff), Some(grant.session), "member {id}");
    }
}

#[test]
fn a_server_that_takes_over_a_tree_says_how_it_is() {
    // Goal: while a leader's snapshot is written, and an old tree goes, words are answered.
    let plan = Plan::new(&[Kind::Ringkeeper; 3]).set("forceSnapshotSync", "true");
    let mut ensemble = Ensemble::start("words-in-a-snapshot", &plan);
    let leader = ensemble.wait_all();
    let follower = if leader == 1 { 2 } else { 1 };
    let mut session = Session::open(ensemble.member(leader).port, SESSION_MS);
    let data = vec![b'x'; 900_000];
    for number in 0..60 {
        assert_eq!(session.create(&format!("/big{number}"), &data), 0);
    }
    ensemble.member(follower).terminate();
    ensemble.member(follower).spawn();
    let mut longest = Duration::ZERO;
    wait_for("the follower serves", || {
        let asked = Instant::now();
        let member = ensemble.member(follower);
        let answered = member.word("ruok").is_some_and(|text| text == "imok");
        if answered {
            longest = longest.max(asked.elapsed());
        }
        member.log().contains("SNAP from leader stored") && member.role() == Role::Following
    });
    assert!(longest < Duration::from_millis(500), "ruok took {longest:?}");
}
