//! One request: its bytes, and how its answer is to be read. Error paths are as common as good
//! ones.

use crate::support::Rng;
use crate::support::wire::{OPEN, Out, RawAcl};

/// A request of a stream.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub xid: i32,
    pub opcode: i32,
    pub body: Vec<u8>,
    /// The zxid `(last seen - n)` is written over the first eight bytes of the body when sent; a
    /// negative n stands for one in the future.
    pub zxid_back: Option<i64>,
    /// The server ends the connection after its answer.
    pub closes: bool,
    /// What is pipelined behind it is judged by Java according to how far its threads have come
    /// (see `intended`): nothing is.
    pub races: bool,
    /// A reader's description, for reports.
    pub text: String,
}

const USERS: &[&str] = &["u1:p1", "u2:p2", "u3:p3"];
const DIGESTS: &[&str] = &[
    "u1:fpT/y03U+EjItKZOSLGvjnJlyng=",
    "u2:o9NxcCGDPOlcV7JVhmKHOf5ctVE=",
    "u3:Im5xY/YYc2xRYjWcy4eAeBEG1fk=",
];

fn make(xid: &mut i32, opcode: i32, body: Out, text: String) -> Request {
    *xid += 1;
    Request { xid: *xid, opcode, body: body.0, zxid_back: None, closes: false, races: false, text }
}

/// Any request that is handled in the session's line and leaves the connection open.
pub(crate) fn any(rng: &mut Rng, root: &str, profile: Profile, xid: &mut i32) -> Request {
    let mut request = well_formed(rng, root, profile, xid);
    if rng.percent(4) && request.zxid_back.is_none() && request.opcode != 11 {
        damage(rng, &mut request);
    }
    if rng.percent(2) {
        request.xid = rng.pick(&[0, -2, -4, -8, -100, i32::MAX, i32::MIN]);
    }
    request
}

fn well_formed(rng: &mut Rng, root: &str, profile: Profile, xid: &mut i32) -> Request {
    match rng.below(100) {
        0..=27 => create(rng, root, profile, xid),
        28..=33 => {
            let (path, version) = (path(rng, root), version(rng));
            let body = Out::new().string(path.as_deref()).i32(version);
            make(xid, 2, body, format!("delete {path:?} version {version}"))
        }
        34..=41 => {
            let (path, version, data) = (path(rng, root), version(rng), data(rng, root));
            let body = Out::new().string(path.as_deref()).buffer(data.as_deref()).i32(version);
            let size = data.map(|d| d.len());
            make(xid, 5, body, format!("setData {path:?} {size:?} bytes version {version}"))
        }
        42..=46 => {
            // An ACL on a node that all seeds share would reach into the next seed.
            let path = own_path(rng, root);
            let (acls, version) = (acls(rng), version(rng));
            let body = Out::new().string(path.as_deref()).acls(acls.as_deref()).i32(version);
            make(xid, 7, body, format!("setACL {path:?} {acls:?} version {version}"))
        }
        47..=67 => read(rng, root, xid),
        68..=70 => {
            let path = path(rng, root);
            make(xid, 9, Out::new().string(path.as_deref()), format!("sync {path:?}"))
        }
        71..=73 => {
            let prefix = rng.pick(&["", "/", " ", "\t/ ", "/s", "/none"]).to_string();
            let prefix = if rng.percent(50) { path(rng, root) } else { Some(prefix) };
            let body = Out::new().string(prefix.as_deref());
            make(xid, 103, body, format!("getEphemerals {prefix:?}"))
        }
        74 => make(xid, 107, Out::new(), "whoAmI".into()),
        75..=76 => {
            let request = make(xid, 11, Out::new(), "ping".into());
            Request { xid: -2, ..request }
        }
        77..=83 => watches(rng, root, xid),
        84..=93 => multi(rng, root, profile, xid),
        94..=98 => multi_read(rng, root, xid),
        _ => {
            let fields = [path(rng, root), path(rng, root), None];
            let body = fields.iter().fold(Out::new(), |out, field| out.string(field.as_deref()));
            make(xid, 16, body.i64(-1), "reconfig".into())
        }
    }
}

fn create(rng: &mut Rng, root: &str, profile: Profile, xid: &mut i32) -> Request {
    let create = create_parts(rng, root, profile, &[1, 1, 1, 15, 15, 19, 21]);
    let races = create.races;
    Request { races, ..make(xid, create.opcode, create.body, create.text) }
}

/// A create, alone or as a step of a multi.
struct Create {
    opcode: i32,
    body: Out,
    text: String,
    races: bool,
}

/// A create of any kind.
fn create_parts(rng: &mut Rng, root: &str, profile: Profile, opcodes: &[i32]) -> Create {
    if rng.percent(10) && opcodes.contains(&1) {
        return quota(rng, root);
    }
    let opcode = rng.pick(opcodes);
    let path = match rng.percent(25) {
        true => Some(format!("{}/n", own_path(rng, root).unwrap_or_default())),
        false => path(rng, root),
    };
    let (data, acls) = (data(rng, root), acls(rng));
    let mut flags = rng.pick(&[0, 0, 0, 0, 1, 2, 2, 3, 4, 5, 6, 7, -1, 100]);
    if opcode == 21 && rng.percent(80) {
        flags = rng.pick(&[5, 6]);
    }
    if opcode == 19 && rng.percent(70) {
        flags = 4;
    }
    let mut body =
        Out::new().string(path.as_deref()).buffer(data.as_deref()).acls(acls.as_deref()).i32(flags);
    let mut text =
        format!("create op {opcode} {path:?} {:?} {acls:?} flags {flags}", data.map(|d| d.len()));
    if opcode == 21 {
        let longest = (1i64 << 40) - 1;
        let mut ttl =
            rng.pick(&[1_000_000, 1_000_000, 1_000_000, 0, -1, longest, longest + 1, i64::MIN]);
        if !matches!(flags, 5 | 6) && ttl < 0 {
            // A plain flag with no TTL under this opcode ends the Java server (F234).
            ttl = 1;
        }
        if profile == Profile::Plain && ttl > longest {
            ttl = longest;
        }
        body = body.i64(ttl);
        text.push_str(&format!(" ttl {ttl}"));
    }
    // A container with an ephemeral's flag. (Inside a multi the flag makes it an ephemeral.)
    let races = opcode == 19 && matches!(flags, 1 | 3);
    Create { opcode, body, text, races }
}

/// A quota's nodes for a path of this stream.
fn quota(rng: &mut Rng, root: &str) -> Create {
    let of = rng.pick(&["", "", "/a", "/a", "/a", "/b", "/a/b"]);
    let base = format!("/zookeeper/quota{root}{of}");
    let (path, data) = match rng.below(10) {
        0..=2 => (format!("{base}/zookeeper_limits"), limits(rng)),
        3 | 4 => (format!("{base}/zookeeper_stats"), "count=0,bytes=0".to_string()),
        5 | 6 => (format!("/zookeeper/quota{root}"), String::new()),
        _ => (base, String::new()),
    };
    let text = format!("create quota {path:?} {data:?}");
    let body = Out::new().str(&path).buffer(Some(data.as_bytes())).acls(Some(OPEN)).i32(0);
    Create { opcode: 1, body, text, races: false }
}

/// Text of a quota's limits, mostly in the forms that clients write.
fn limits(rng: &mut Rng) -> String {
    rng.pick(&[
        "count=3,bytes=-1",
        "count=3,bytes=100=;byteHardLimit=120;countHardLimit=5",
        "count=-1,bytes=-1=;byteHardLimit=40;countHardLimit=-1",
        "count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=4",
        "count=2",
        "bytes=10",
    ])
    .to_string()
}

fn read(rng: &mut Rng, root: &str, xid: &mut i32) -> Request {
    let opcode = rng.pick(&[3, 3, 3, 4, 4, 4, 8, 8, 12, 12, 6, 104]);
    let path = path(rng, root);
    let mut body = Out::new().string(path.as_deref());
    let mut text = format!("read op {opcode} {path:?}");
    if matches!(opcode, 3 | 4 | 8 | 12) {
        let watch = rng.percent(45);
        body = body.bool(watch);
        text.push_str(if watch { " watch" } else { "" });
    }
    make(xid, opcode, body, text)
}

fn watches(rng: &mut Rng, root: &str, xid: &mut i32) -> Request {
    match rng.below(10) {
        0..=3 => {
            let (path, mode) = (path(rng, root), rng.pick(&[0, 0, 1, 1, 1, 2, -1]));
            let body = Out::new().string(path.as_deref()).i32(mode);
            make(xid, 106, body, format!("addWatch {path:?} mode {mode}"))
        }
        4..=7 => {
            let opcode = rng.pick(&[17, 18, 18]);
            let (path, kind) = (path(rng, root), rng.pick(&[1, 2, 3, 3, 3, 4, 5, 0, 6]));
            let body = Out::new().string(path.as_deref()).i32(kind);
            let name = if opcode == 17 { "checkWatches" } else { "removeWatches" };
            make(xid, opcode, body, format!("{name} {path:?} kind {kind}"))
        }
        _ => {
            let (opcode, lists) = rng.pick(&[(101, 3), (105, 5)]);
            let back = rng.pick(&[0, 1, 5, 20, 100, -1]);
            let mut body = Out::new().i64(0);
            let mut text = format!("setWatches op {opcode} since last minus {back}");
            for _ in 0..lists {
                let count = rng.below(4);
                let paths: Vec<String> =
                    (0..count).map(|_| path(rng, root).unwrap_or_default()).collect();
                body = body.strings(&paths);
                text.push_str(&format!(" {paths:?}"));
            }
            let request = make(xid, opcode, body, text);
            Request { zxid_back: Some(back), ..request }
        }
    }
}

fn multi(rng: &mut Rng, root: &str, profile: Profile, xid: &mut i32) -> Request {
    let count = rng.pick(&[0, 1, 2, 2, 3, 3, 4, 6]);
    let mut body = Out::new();
    let mut text = String::from("multi");
    for _ in 0..count {
        let (opcode, op, op_text) = match rng.below(20) {
            0..=9 => {
                let create = create_parts(rng, root, profile, &[1, 1, 1, 1, 15, 19, 21]);
                (create.opcode, create.body, create.text)
            }
            10..=12 => {
                let (path, version) = (path(rng, root), version(rng));
                let op = Out::new().string(path.as_deref()).i32(version);
                (2, op, format!("delete {path:?} {version}"))
            }
            13..=15 => {
                let (path, version, data) = (path(rng, root), version(rng), data(rng, root));
                let op = Out::new().string(path.as_deref()).buffer(data.as_deref()).i32(version);
                (5, op, format!("setData {path:?} {version}"))
            }
            16..=18 => {
                let (path, version) = (path(rng, root), version(rng));
                let op = Out::new().string(path.as_deref()).i32(version);
                (13, op, format!("check {path:?} {version}"))
            }
            _ => {
                // Not to be had in a multi.
                let opcode = rng.pick(&[3, 4, 7, 8, 11, 14, 22, 99, 0, -11]);
                let path = path(rng, root);
                (opcode, Out::new().string(path.as_deref()).i32(0), format!("op {opcode}"))
            }
        };
        body = body.i32(opcode).bool(false).i32(-1).append(&op.0);
        text.push_str(&format!(" [{op_text}]"));
    }
    make(xid, 14, body.i32(-1).bool(true).i32(-1), text)
}

fn multi_read(rng: &mut Rng, root: &str, xid: &mut i32) -> Request {
    let mut body = Out::new();
    let mut text = String::from("multiRead");
    for _ in 0..rng.below(5) {
        let opcode = rng.pick(&[4, 4, 4, 4, 8, 8, 8, 8, 8, 4, 3, 12, 1]);
        let path = path(rng, root);
        body = body.i32(opcode).bool(false).i32(-1);
        body = body.string(path.as_deref()).bool(rng.percent(30));
        text.push_str(&format!(" [op {opcode} {path:?}]"));
    }
    make(xid, 22, body.i32(-1).bool(true).i32(-1), text)
}

/// A request that Java handles when it is received, ahead of the session's line: it travels in a
/// turn of its own.
pub(crate) fn at_receipt(rng: &mut Rng, xid: &mut i32) -> Request {
    let auth = |scheme: &str, data: &str, closes| {
        let body = Out::new().i32(0).str(scheme).buffer(Some(data.as_bytes())).0;
        let text = format!("auth {scheme:?}");
        Request { xid: -4, opcode: 100, body, zxid_back: None, closes, races: false, text }
    };
    match rng.below(15) {
        0..=8 => auth("digest", rng.pick(USERS), false),
        9 => auth("ip", "10.0.0.1", false),
        10 => auth("nonsense", "x", true),
        11..=13 => {
            let opcode = rng.pick(&[0, 10, 13, 23, 99, 108, 1000, -1, -9, i32::MIN, i32::MAX]);
            let body = Out::new().str("/").i32(-1);
            Request { closes: true, ..make(xid, opcode, body, format!("unknown opcode {opcode}")) }
        }
        _ => make(xid, 102, Out::new().buffer(Some(b"token")), "sasl".into()),
    }
}

pub(crate) fn close_session(xid: &mut i32) -> Request {
    Request { closes: true, ..make(xid, -11, Out::new(), "closeSession".into()) }
}

impl Request {
    /// Java validates what is pipelined behind this one against a state that its threads happen
    /// to have reached (see `intended`): it ends its batch.
    pub(crate) fn ends_batch(&self, profile: Profile) -> bool {
        let counted = matches!(self.opcode, 1 | 2 | 5 | 14 | 15 | 19 | 21);
        self.races || self.opcode == 7 || (profile == Profile::Quotas && counted)
    }
}

/// How the servers are set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// As they come.
    Plain,
    /// `extendedTypesEnabled=true`.
    Extended,
    /// The same with `enforceQuota=true`.
    Quotas,
}

/// Breaks a request's body, or adds to it.
fn damage(rng: &mut Rng, request: &mut Request) {
    if request.body.is_empty() {
        return;
    }
    match rng.below(4) {
        0 | 1 => {
            let length = rng.below(request.body.len());
            request.body.truncate(length);
            request.text.push_str(&format!(" CUT to {length}"));
        }
        2 => {
            let length = rng.pick(&[-2i32, i32::MIN, i32::MAX, 1_048_577, 10_000]);
            let at = 4.min(request.body.len());
            request.body.splice(0..at, length.to_be_bytes());
            request.text.push_str(&format!(" LENGTH {length}"));
        }
        _ => {
            request.body.extend((0..1 + rng.below(9)).map(|_| rng.u64() as u8));
            request.text.push_str(" TRAILING bytes");
        }
    }
}

/// A path below the stream's own root, nearly always a good one.
fn own_path(rng: &mut Rng, root: &str) -> Option<String> {
    let mut path = root.to_string();
    for _ in 0..rng.pick(&[1, 1, 1, 1, 2, 2, 2, 3]) {
        path.push('/');
        path.push_str(rng.pick(&["a", "a", "a", "a", "b", "b", "b", "c", "ü漢", "n0000000001"]));
    }
    Some(path)
}

/// Any path: mostly below the root, sometimes shared, empty, ill-formed or null.
fn path(rng: &mut Rng, root: &str) -> Option<String> {
    match rng.below(100) {
        0..=76 => own_path(rng, root),
        77..=81 => Some(format!("{root}/{}/n{:010}", rng.pick(&["a", "b"]), rng.below(9))),
        82..=87 => Some(root.to_string()),
        88..=91 => {
            let shared = ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config", ""];
            Some(rng.pick(&shared).to_string())
        }
        92 => None,
        _ => {
            let tail = rng.pick(&[
                "//a",
                "/a/",
                "/./a",
                "/../b",
                "/a/.",
                "/..",
                "/a\0",
                "/\u{1}",
                "/\u{7f}",
                "/\u{fff0}",
                "/\u{e000}x",
                "/a//b",
                "/",
                "/...",
                "/a b",
            ]);
            Some(if rng.percent(12) { "noslash".into() } else { format!("{root}{tail}") })
        }
    }
}

fn version(rng: &mut Rng) -> i32 {
    rng.pick(&[-1, -1, -1, -1, 0, 0, 0, 1, 1, 2, 3, -2, i32::MAX, i32::MIN])
}

fn data(rng: &mut Rng, root: &str) -> Option<Vec<u8>> {
    match rng.below(20) {
        0 | 1 => None,
        2 | 3 => Some(Vec::new()),
        4 => Some(vec![7; 2000 + rng.below(3000)]),
        5 => Some(limits(rng).into_bytes()),
        6 => Some(format!("count=1,bytes={}", root.len()).into_bytes()),
        _ => Some((0..1 + rng.below(40)).map(|_| rng.u64() as u8).collect()),
    }
}

fn acls(rng: &mut Rng) -> Option<Vec<RawAcl<'static>>> {
    let perms = rng.pick(&[31, 31, 1, 2, 3, 15, 16, 17, 30, 0, -1, 64]);
    let one = |scheme, id| Some(vec![(perms, scheme, id)]);
    match rng.below(40) {
        0..=25 => Some(OPEN.to_vec()),
        26 => Some(vec![(perms, Some("world"), Some("anyone"))]),
        27 | 28 => Some(vec![
            (31, Some("digest"), Some(rng.pick(DIGESTS))),
            (1, Some("world"), Some("anyone")),
        ]),
        29 => one(Some("digest"), Some(rng.pick(DIGESTS))),
        30 => one(Some("auth"), Some("")),
        31 => one(
            Some("ip"),
            Some(rng.pick(&[
                "127.0.0.1",
                "127.0.0.0/8",
                "10.0.0.0/8",
                "::1",
                "0:0:0:0:0:0:0:1/64",
                "127.0.0.1/0",
            ])),
        ),
        32 => one(
            Some("ip"),
            Some(rng.pick(&["127.0.0.1/33", "127.0.0", "localhost", "", "1.2.3.4/x", "256.0.0.1"])),
        ),
        33 => one(Some("digest"), Some(rng.pick(&["u1", "u1:a:b", ":", "", "a:", ":b"]))),
        34 => one(rng.pick(&[None, Some("")]), Some("anyone")),
        35 => one(Some("world"), rng.pick(&[None, Some("someone"), Some("")])),
        36 => one(
            Some(rng.pick(&["x509", "sasl", "super", "ensemble", "nonsense"])),
            Some(rng.pick(&["bob", "", "CN=x"])),
        ),
        37 => Some(vec![
            OPEN[0],
            (perms, Some("digest"), Some(DIGESTS[0])),
            OPEN[0],
            (1, Some("world"), Some("anyone")),
        ]),
        38 => Some(Vec::new()),
        _ => None,
    }
}
