//! Trees to compare: one with every kind of node, and a server's whole tree as lines.

use super::Rng;
use super::client::{Grant, Session};
use super::server::SUPER_AUTH;
use super::wire::{In, OPEN, Out, RawAcl};

/// Digest id of "u1:p1".
pub const DIGEST: &str = "u1:fpT/y03U+EjItKZOSLGvjnJlyng=";

/// Every node of a server, with data, ACL and Stat: equal lines, equal trees. The server must
/// know [`super::server::super_settings`].
pub fn dump(port: u16) -> Vec<String> {
    let mut session = Session::open(port, 60_000);
    assert_eq!(session.auth("digest", SUPER_AUTH), 0);
    let mut lines = Vec::new();
    let mut paths = vec!["/".to_string()];
    while let Some(path) = paths.pop() {
        let (data, stat) = session.get(&path).unwrap_or_else(|e| panic!("get {path}: {e}"));
        let reply = session.call(6, Out::new().str(&path));
        let acls = In::new(&reply.body).vector(|i| Ok((i.i32()?, i.string()?, i.string()?)));
        // Whether a server keeps children in the root's Stat's order is its own affair; the rest
        // is compared as it is.
        lines.push(format!("{path:?} {data:?} {stat:?} {:?}", acls.expect("acls")));
        let parent = if path == "/" { "" } else { &path };
        let children = session.children(&path).unwrap_or_else(|e| panic!("children {path}: {e}"));
        paths.extend(children.iter().rev().map(|name| format!("{parent}/{name}")));
    }
    session.close();
    lines
}

/// The first difference of two dumps, for a test's message.
pub fn first_difference(left: &[String], right: &[String]) -> Option<String> {
    let none = "(nothing)".to_string();
    (0..left.len().max(right.len())).find_map(|at| {
        let (l, r) = (left.get(at).unwrap_or(&none), right.get(at).unwrap_or(&none));
        (l != r).then(|| format!("line {at}:\n  {l}\n  {r}"))
    })
}

/// Writes a tree with nodes of every kind, quotas, ACLs, failed writes and multi transactions,
/// then `random` seeded writes; the sessions that own the ephemerals are left open.
/// Wants `extendedTypesEnabled=true`.
pub fn write_all_kinds(port: u16, seed: u64, random: usize) -> Vec<Grant> {
    let mut session = Session::open(port, 60_000);
    let mut other = Session::open(port, 50_000);
    assert_eq!(session.auth("digest", "u1:p1"), 0);
    let make = |session: &mut Session, opcode: i32, path: &str, data: Option<&[u8]>, flags: i32| {
        let body = Out::new().str(path).buffer(data).acls(Some(OPEN)).i32(flags);
        let body = if opcode == 21 { body.i64(86_400_000) } else { body };
        assert_eq!(session.call(opcode, body).err, 0, "create {path}");
    };
    make(&mut session, 1, "/plain", Some(b"data"), 0);
    make(&mut session, 1, "/plain/null", None, 0);
    make(&mut session, 15, "/plain/empty", Some(b""), 0);
    make(&mut session, 1, "/plain/large", Some(&[b'x'; 100_000]), 0);
    make(&mut session, 1, "/plain/s", Some(b"1"), 2);
    make(&mut session, 1, "/plain/s", Some(b"2"), 2);
    make(&mut session, 1, "/Ünïcode", Some("漢字".as_bytes()), 0);
    make(&mut session, 1, "/Ünïcode/漢字", Some(&[0xff, 0, 0x80]), 0);
    make(&mut session, 19, "/container", Some(b"c"), 4);
    make(&mut session, 1, "/container/child", None, 0);
    make(&mut session, 21, "/ttl", Some(b"t"), 5);
    make(&mut session, 21, "/ttl-s", Some(b"t"), 6);
    make(&mut session, 1, "/ephemeral", Some(b"e"), 1);
    make(&mut session, 1, "/plain/e", Some(b"e"), 3);
    make(&mut other, 1, "/plain/other", Some(b"o"), 1);
    acl_nodes(&mut session);
    quota_nodes(&mut session);
    multis(&mut session);
    random_writes(&mut session, seed, random);
    vec![session.grant, other.grant]
}

fn acl_nodes(session: &mut Session) {
    let lists: [&[RawAcl<'_>]; 4] = [
        &[(31, Some("auth"), Some(""))],
        &[(31, Some("digest"), Some(DIGEST)), (1, Some("world"), Some("anyone"))],
        &[(31, Some("ip"), Some("127.0.0.0/8")), (0, Some("world"), Some("anyone"))],
        &[(5, Some("ip"), Some("10.0.0.1"))],
    ];
    for (at, list) in lists.iter().enumerate() {
        let body = Out::new().str(&format!("/acl{at}")).buffer(None).acls(Some(list)).i32(0);
        assert_eq!(session.call(1, body).err, 0);
    }
    let body = Out::new().str("/plain/null").acls(Some(lists[1])).i32(0);
    assert_eq!(session.call(7, body).err, 0);
    let denied = Out::new().str("/acl3").buffer(Some(b"no")).i32(-1);
    assert_eq!(session.call(5, denied).err, -102);
}

fn quota_nodes(session: &mut Session) {
    assert_eq!(session.create("/zookeeper/quota/plain", b""), 0);
    let limits = b"count=100,bytes=-1=;byteHardLimit=-1;countHardLimit=1000";
    assert_eq!(session.create("/zookeeper/quota/plain/zookeeper_limits", limits), 0);
    let stats = b"count=0,bytes=0";
    assert_eq!(session.create("/zookeeper/quota/plain/zookeeper_stats", stats), 0);
}

fn multis(session: &mut Session) {
    let op = |opcode: i32, body: Out| Out::new().i32(opcode).bool(false).i32(-1).append(&body.0);
    let create = |path: &str, flags| {
        op(1, Out::new().str(path).buffer(Some(b"m")).acls(Some(OPEN)).i32(flags))
    };
    let end = Out::new().i32(-1).bool(true).i32(-1);
    let good = create("/multi", 0)
        .append(&create("/multi/a", 0).0)
        .append(&create("/multi/s", 2).0)
        .append(&op(5, Out::new().str("/multi/a").buffer(Some(b"set")).i32(0)).0)
        .append(&op(13, Out::new().str("/plain").i32(0)).0)
        .append(&create("/multi/gone", 1).0)
        .append(&op(2, Out::new().str("/multi/gone").i32(-1)).0)
        .append(&end.0);
    assert_eq!(session.call(14, good).err, 0);
    assert_eq!(session.children("/multi").unwrap().len(), 2);
    let bad = create("/multi/never", 0)
        .append(&op(13, Out::new().str("/plain").i32(77)).0)
        .append(&end.0);
    session.call(14, bad);
    assert_eq!(session.get("/multi/never").unwrap_err(), -101);
}

/// Creates, sets and deletes among a few names; what fails is part of it.
pub fn random_writes(session: &mut Session, seed: u64, count: usize) {
    let mut rng = Rng::new(seed);
    for number in 0..count {
        let depth = 1 + rng.below(3);
        let path =
            (0..depth).fold("/plain/r".to_string(), |path, _| format!("{path}{}", rng.below(4)));
        let path = if rng.percent(30) { format!("{path}/{}", rng.below(3)) } else { path };
        let data = vec![b'd'; rng.below(60)];
        let open = Out::new().str(&path).buffer(Some(&data)).acls(Some(OPEN));
        match rng.below(10) {
            0..=4 => session.call(15, open.i32(rng.pick(&[0, 0, 0, 1, 2, 3]))),
            5..=7 => session.call(5, Out::new().str(&path).buffer(Some(&data)).i32(-1)),
            8 => session.call(2, Out::new().str(&path).i32(-1)),
            _ => {
                let list: &[RawAcl<'_>] =
                    &[(31 - (number % 3) as i32 * 4, Some("world"), Some("anyone"))];
                session.call(7, Out::new().str(&path).acls(Some(list)).i32(-1))
            }
        };
    }
}
