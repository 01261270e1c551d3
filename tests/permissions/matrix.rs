//! The generated matrix: operations, kinds of nodes, lists of access, identities.

use std::collections::BTreeMap;

use crate::known;
use crate::oracle::{self, ALL, Grantee, IDENTITIES, KINDS, Kind, List};
use crate::requests::{self, ALICE, OPS, Op, SHUT};
use crate::support::client::{Reply, Session};
use crate::support::server::Kind as ServerKind;
use crate::support::wire::{OPEN, Out};
use crate::{Side, both, receive, send};

/// Differences that are printed; more are counted.
const PRINTED: usize = 40;

/// All lists: each bit alone, all of them, all but one, and none, given to each kind of grantee (to those
/// who are like another that has its turn, all); and one in which each client is given something else.
pub(crate) fn lists() -> Vec<List> {
    let bits = || (0..5).map(|bit| 1 << bit);
    let mut lists = vec![
        vec![(0, Grantee::Anyone)],
        vec![
            (oracle::READ, Grantee::Anyone),
            (oracle::WRITE | oracle::CREATE, Grantee::Alice),
            (oracle::DELETE, Grantee::Here),
            (oracle::ADMIN, Grantee::Bob),
        ],
    ];
    use Grantee::{Alice, Anyone, Bob, Elsewhere, Here, Network, Sasl};
    for grantee in [Anyone, Alice, Here, Elsewhere, Sasl] {
        lists.extend(bits().chain([ALL]).map(|perms| vec![(perms, grantee)]));
    }
    lists.extend([Bob, Network].map(|grantee| vec![(ALL, grantee)]));
    lists.extend(bits().map(|bit| vec![(ALL & !bit, Grantee::Alice)]));
    lists
}

/// The nodes, all of them open.
fn make_nodes(side: &mut Side) {
    let mut nodes = vec![(1, requests::create("/m", OPEN, 0))];
    for kind in KINDS.into_iter().filter(|kind| kind.exists() && *kind != Kind::OwnEphemeral) {
        let path = requests::path_of(kind, 0);
        match kind {
            Kind::Ttl => nodes.push((21, requests::create(&path, OPEN, 5).i64(1_000_000_000))),
            Kind::Container => nodes.push((19, requests::create(&path, OPEN, 4))),
            Kind::OthersEphemeral => nodes.push((1, requests::create(&path, OPEN, 1))),
            _ => nodes.push((1, requests::create(&path, OPEN, 0))),
        }
        if kind.has_children() {
            let children = requests::children(&path, IDENTITIES.len());
            nodes.extend(children.iter().map(|path| (1, requests::create(path, SHUT, 0))));
        }
    }
    send(&mut side.admin, &nodes);
    for reply in receive(&mut side.admin, nodes.len()) {
        assert!(matches!(reply.err, oracle::OK | oracle::NODE_EXISTS), "{reply:?}");
    }
    for (who, session) in side.sessions.iter_mut().enumerate() {
        let path = requests::path_of(Kind::OwnEphemeral, who);
        assert_eq!(session.call(1, requests::create(&path, OPEN, 1)).err, 0);
    }
}

/// Puts every node back as it was, with this list.
fn lay_out(side: &mut Side, list: &List) {
    let mut all: Vec<(i32, Out)> = Vec::new();
    for kind in KINDS.into_iter().filter(|kind| kind.exists()) {
        let path = requests::path_of(kind, 0);
        for who in 0..IDENTITIES.len() {
            if kind == Kind::OwnEphemeral {
                all.push((7, requests::set_acl(&requests::path_of(kind, who), list)));
            }
            if kind.is_ephemeral() {
                continue;
            }
            let made = requests::made(&path, who);
            all.extend(made.iter().map(|path| (2, Out::new().str(path).i32(-1))));
            if kind.has_children() {
                for name in ["d", "e"] {
                    let child = requests::beneath(&path, &format!("{name}{who}"));
                    all.push((1, requests::create(&child, SHUT, 0)));
                }
            }
        }
        if kind != Kind::OwnEphemeral {
            all.push((7, requests::set_acl(&path, list)));
        }
    }
    send(&mut side.admin, &all);
    for (reply, (opcode, _)) in receive(&mut side.admin, all.len()).iter().zip(&all) {
        assert!(*opcode != 7 || reply.err == 0, "{list:?}: {reply:?}");
    }
}

/// What is asked of one node by one client.
fn cases() -> impl Iterator<Item = (Kind, Op)> {
    KINDS.into_iter().flat_map(|kind| {
        // There is nothing there that is there already; it would be made by the first who may.
        let fits = move |op: &Op| *op != Op::CreateWhatIsThere || kind != Kind::Leaf;
        OPS.into_iter().filter(fits).map(move |op| (kind, op))
    })
}

fn ask(session: &mut Session, list: &List, who: usize) {
    let request = |(kind, op)| requests::request(op, &requests::path_of(kind, who), list, who);
    send(session, &cases().map(request).collect::<Vec<_>>());
}

/// What is wrong with an answer, if anything.
fn judge(
    op: Op,
    kind: Kind,
    list: &List,
    who: usize,
    expected: i32,
    reply: &Reply,
) -> Option<String> {
    let code = requests::code(op, reply);
    if code != expected {
        return Some(format!("{code}, and should be {expected}"));
    }
    if requests::tells_more(op, reply) {
        return Some(format!("refused, and tells {:02x?}", reply.body));
    }
    if op == Op::GetAcl && code == 0 && list.iter().any(|(_, grantee)| *grantee == Grantee::Alice) {
        let shows = |text: &str| reply.body.windows(text.len()).any(|part| part == text.as_bytes());
        let may = oracle::shows_hashes(list, &IDENTITIES[who]);
        if (shows(ALICE), shows("alice:x")) != (may, !may) {
            return Some(format!("hashes are shown, or not: {may} ({kind:?})"));
        }
    }
    None
}

#[test]
fn every_operation_asks_for_its_permission() {
    // Goal: ours and Java's answers are the oracle's, for every operation, kind of node, list and identity,
    // but for the differences of `known`; a refusal has nothing but its code, and hashes of passwords are
    // for those with ADMIN (CVE-2019-0201).
    let mut sides = both("matrix", &[]);
    for side in &mut sides {
        make_nodes(side);
    }
    let (mut asked, mut wrong) = (0, Vec::new());
    let mut codes: BTreeMap<i32, usize> = BTreeMap::new();
    for list in lists() {
        for side in &mut sides {
            lay_out(side, &list);
        }
        for side in &mut sides {
            for (who, session) in side.sessions.iter_mut().enumerate() {
                ask(session, &list, who);
            }
        }
        for side in &mut sides {
            for (who, session) in side.sessions.iter_mut().enumerate() {
                let replies = receive(session, cases().count());
                for ((kind, op), reply) in cases().zip(&replies) {
                    let expected = match side.server.kind {
                        ServerKind::Ringkeeper => oracle::answer(op, kind, &list, &IDENTITIES[who]),
                        ServerKind::Java | ServerKind::JavaOf(_) => {
                            known::java(op, kind, &list, who)
                        }
                    };
                    asked += 1;
                    *codes.entry(expected).or_default() += 1;
                    if let Some(what) = judge(op, kind, &list, who, expected, reply) {
                        let (server, name) = (side.server.kind, IDENTITIES[who].name);
                        wrong.push(format!(
                            "{server:?}: {op:?} of {kind:?} with {list:?} by {name}: {what}"
                        ));
                    }
                }
            }
        }
    }
    println!("{asked} answers by code: {codes:?}");
    let text = wrong.iter().take(PRINTED).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} of {asked} answers are wrong:\n{text}", wrong.len());
}
