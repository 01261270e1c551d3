//! What leaves by watches: of a change to a node only those hear who may read it when it changes, be the
//! watch for once, persistent or recursive, and also where watches are taken up again.

use crate::matrix::lists;
use crate::oracle::{self, IDENTITIES, List, READ};
use crate::requests::{DATA, create, set_acl};
use crate::support::client::{Received, Reply, Session};
use crate::support::server::Kind;
use crate::support::wire::{In, OPEN, Out};
use crate::{Side, both, prove, receive, requests, send};

const CREATED: i32 = 1;
const DELETED: i32 = 2;
const CHANGED: i32 = 3;
const CHILDREN: i32 = 4;

/// Kind and path.
type Event = (i32, String);

/// Paths of one list's round.
fn at(round: usize, name: &str) -> String {
    format!("/e{round}/{name}")
}

/// The nodes are made while everybody may read them, and watched.
fn watch(side: &mut Side, round: usize) {
    let open = |name: &str| (1, create(&at(round, name), OPEN, 0));
    let mut nodes = vec![(1, create(&format!("/e{round}"), OPEN, 0))];
    nodes.extend(["once", "kids", "gone", "kept", "deep", "deep/kid"].map(open));
    send(&mut side.admin, &nodes);
    assert!(receive(&mut side.admin, nodes.len()).iter().all(|reply| reply.err == 0));
    let path = |name: &str| Out::new().str(&at(round, name));
    for session in &mut side.sessions {
        let watches = [
            (4, path("once").bool(true)),
            (8, path("kids").bool(true)),
            (4, path("gone").bool(true)),
            (3, path("born").bool(true)),
            (106, path("kept").i32(0)),
            (106, path("deep").i32(1)),
        ];
        send(session, &watches);
        let errors: Vec<i32> = receive(session, 6).iter().map(|reply| reply.err).collect();
        assert_eq!(errors, [0, 0, 0, oracle::NO_NODE, 0, 0]);
    }
}

/// The list is set, and then everything changes. Gives the zxid between the two.
fn change(side: &mut Side, round: usize, list: &List) -> i64 {
    let shut = ["once", "kids", "gone", "kept", "deep", "deep/kid"];
    let lists = shut.map(|name| (7, set_acl(&at(round, name), list)));
    send(&mut side.admin, &lists);
    let zxid = receive(&mut side.admin, lists.len()).last().map_or(0, |reply| reply.zxid);
    let entries = requests::wire(list);
    let set = |name: &str| (5, Out::new().str(&at(round, name)).buffer(Some(DATA)).i32(-1));
    let changes = [
        set("once"),
        // The child is open, and its parent is not.
        (1, create(&at(round, "kids/new"), OPEN, 0)),
        (2, Out::new().str(&at(round, "gone")).i32(-1)),
        (1, create(&at(round, "born"), &entries, 0)),
        set("kept"),
        (1, create(&at(round, "kept/new"), OPEN, 0)),
        set("deep/kid"),
        (1, create(&at(round, "deep/new"), &entries, 0)),
        // This child is open, whatever its parent is.
        (1, create(&at(round, "deep/open"), OPEN, 0)),
        (2, Out::new().str(&at(round, "deep/new")).i32(-1)),
    ];
    send(&mut side.admin, &changes);
    assert!(receive(&mut side.admin, changes.len()).iter().all(|reply| reply.err == 0));
    zxid
}

/// What whoever may read the nodes hears, and what others hear.
fn heard_at_once(round: usize, may_read: bool) -> Vec<Event> {
    let of = |(kind, name): (i32, &str)| (kind, at(round, name));
    let all = [
        (CHANGED, "once"),
        (CHILDREN, "kids"),
        (DELETED, "gone"),
        (CREATED, "born"),
        (CHANGED, "kept"),
        (CHILDREN, "kept"),
        (CHANGED, "deep/kid"),
        (CREATED, "deep/new"),
        (CREATED, "deep/open"),
        (DELETED, "deep/new"),
    ];
    all.into_iter().filter(|(_, name)| may_read || *name == "deep/open").map(of).collect()
}

/// And of watches that are taken up again since before the changes.
fn heard_later(round: usize, may_read: bool) -> Vec<Event> {
    let of = |(kind, name): (i32, &str)| (kind, at(round, name));
    let all = [(CHANGED, "once"), (DELETED, "gone"), (CREATED, "born"), (CHILDREN, "kids")];
    all.into_iter().filter(|_| may_read).map(of).collect()
}

/// The events before the answer to request `xid`.
fn events(session: &mut Session, xid: i32) -> Vec<Event> {
    let mut heard = Vec::new();
    loop {
        let Received::Frame(payload) = session.conn.receive() else { panic!("no answer") };
        let reply = Reply::decode(&payload).unwrap();
        if reply.xid == xid {
            assert_eq!(reply.err, 0);
            return heard;
        }
        assert_eq!(reply.xid, -1);
        let mut input = In::new(&reply.body);
        let (kind, _state) = (input.i32().unwrap(), input.i32().unwrap());
        heard.push((kind, input.string().unwrap().unwrap()));
    }
}

/// The same of a new session, which takes such watches up again.
fn events_of_the_past(side: &Side, round: usize, who: usize, zxid: i64) -> Vec<Event> {
    let mut session = prove(&side.server, IDENTITIES[who].proofs);
    let paths = |names: &[&str]| names.iter().map(|name| at(round, name)).collect::<Vec<_>>();
    let body = Out::new()
        .i64(zxid)
        .strings(&paths(&["once", "gone"]))
        .strings(&paths(&["born"]))
        .strings(&paths(&["kids"]))
        .strings(&paths(&["kept"]))
        .strings(&paths(&["deep"]));
    session.conn.send_request(1, 105, &body.0);
    let heard = events(&mut session, 1);
    session.close();
    heard
}

#[test]
fn watches_tell_those_who_may_read() {
    // Goal: with every list, every identity hears what the oracle says, here and of Java, at once and later;
    // (CVE-2024-23944), but that Java tells what was missed to all (CVE-2026-59739).
    let mut sides = both("events", &[]);
    let (mut count, mut wrong) = (0, Vec::new());
    for (round, list) in lists().iter().enumerate() {
        for side in &mut sides {
            watch(side, round);
            let zxid = change(side, round, list);
            for (who, identity) in IDENTITIES.iter().enumerate() {
                let may_read = oracle::may(list, READ, identity);
                let session = &mut side.sessions[who];
                session.conn.send_request(-2, 11, &[]);
                let heard = events(session, -2);
                let later = events_of_the_past(side, round, who, zxid);
                let is_java = side.server.kind != Kind::Ringkeeper;
                let right = heard_at_once(round, may_read);
                let right_later = heard_later(round, may_read || is_java);
                count += heard.len() + later.len();
                if (&heard, &later) != (&right, &right_later) {
                    wrong.push(format!(
                        "{:?}, {list:?}, {}: {heard:?} and should be {right:?}; later {later:?} and \
                         should be {right_later:?}",
                        side.server.kind, identity.name
                    ));
                }
            }
        }
    }
    println!("{count} events");
    let text = wrong.iter().take(10).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} are wrong:\n{text}", wrong.len());
}
