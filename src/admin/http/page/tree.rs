//! The tree as the page shows it: one node at a time, to whom its list lets read.

use serde_json::{Map, Value, json};

use crate::acl::{self, Permit, Policy};
use crate::admin::http::authorize::{Denied, identities};
use crate::admin::http::reply::{Reply, status};
use crate::admin::http::request::Request;
use crate::tree::{Node, Tree};
use crate::types::{Acl, AclList, Identity, NodeKind, Perms, Stat, limits, validate_path};

/// `path`, and `before`: where the slice of children ends, as the slice before has said; without it, behind the
/// youngest. Who asks is who a header Authorization proves, as for commands, and has its address.
pub(super) fn node(tree: &Tree, policy: &Policy, trusts_proxy: bool, request: &Request) -> Reply {
    let name = request.parameter("path").unwrap_or_default();
    if let Err(error) = validate_path(&name) {
        return refusal(status::BAD_REQUEST, &format!("path: {error}"));
    }
    let before = match request.parameter("before").map(|text| text.parse::<usize>()) {
        None => usize::MAX,
        Some(Ok(before)) => before,
        Some(Err(_)) => return refusal(status::BAD_REQUEST, "before: is no whole number"),
    };
    let mut who = vec![acl::ip_identity(request.client(trusts_proxy))];
    if let Some(given) = request.authorization.as_deref().filter(|text| !text.is_empty()) {
        match identities(policy, given, request, trusts_proxy) {
            Ok(proven) => who.extend(proven),
            Err(Denied::Missing | Denied::NotAuthenticated | Denied::NotAuthorized) => {
                return refusal(status::UNAUTHORIZED, "Not authenticated");
            }
        }
    }
    let (seen, _) = tree.read(&name, |node| {
        let node = node.ok_or((status::NOT_FOUND, "no such node"))?;
        let permit = acl::check(policy, node.acl(), Perms::READ, &who)
            .map_err(|_| (status::FORBIDDEN, "its list does not let you read"))?;
        Ok(look(&node, before, &permit))
    });
    match seen {
        Ok(seen) => Reply::object(status::OK, seen.report(&who)),
        Err((code, why)) => refusal(code, why),
    }
}

pub(super) fn refusal(code: u16, why: &str) -> Reply {
    Reply::object(code, Map::from_iter([("error".to_owned(), why.into())]))
}

/// What is shown of a node, as it was while its shard was locked; writes there wait for no more than a copy.
struct Seen {
    kind: NodeKind,
    stat: Stat,
    acl: AclList,
    /// The beginning, and whether it is less than all.
    data: Option<(Vec<u8>, bool)>,
    names: Vec<String>,
    /// Children of the slice whose names are too long to be shown.
    left_out: usize,
    /// Where the next slice ends; 0: there is none.
    next: usize,
}

/// Nothing of a node is shown without a permit to read it.
fn look(node: &Node<'_>, before: usize, _read: &Permit) -> Seen {
    let end = before.min(node.child_count());
    let (mut names, mut bytes, mut left_out) = (Vec::new(), 0, 0);
    for name in node.children_before(end, limits::PAGE_CHILDREN) {
        if name.len() > limits::PAGE_TEXT_BYTES {
            left_out += 1;
            continue;
        }
        bytes += name.len();
        if bytes > limits::PAGE_TEXT_BYTES {
            break;
        }
        names.push(name.to_owned());
    }
    let head = |data: &[u8]| {
        let head = &data[..data.len().min(limits::PAGE_DATA_BYTES)];
        (head.to_vec(), head.len() < data.len())
    };
    Seen {
        kind: node.kind(),
        stat: node.stat(),
        acl: node.acl().clone(),
        data: node.data().map(head),
        next: end - names.len() - left_out,
        names,
        left_out,
    }
}

impl Seen {
    fn report(self, who: &[Identity]) -> Map<String, Value> {
        let kind = match self.kind {
            NodeKind::Persistent => "persistent",
            NodeKind::Ephemeral(_) => "ephemeral",
            NodeKind::Container => "container",
            NodeKind::Ttl(_) => "ttl",
        };
        let mut bytes = 0;
        let fits = |entry: &&Acl| {
            bytes += entry.scheme.len() + entry.id.len();
            bytes <= limits::PAGE_TEXT_BYTES
        };
        let shown = self.acl.iter().take(limits::PAGE_CHILDREN).take_while(fits);
        let rules: Vec<Value> = shown.map(|entry| rule(entry, who)).collect();
        let mut out = Map::new();
        let mut put = |key: &str, value: Value| drop(out.insert(key.to_owned(), value));
        put("kind", kind.into());
        put("stat", stat(&self.stat));
        put("acl_left_out", (self.acl.len() - rules.len()).into());
        put("acl", rules.into());
        put("data", self.data.map_or(Value::Null, |(head, is_cut)| data(&head, is_cut)));
        put("children", self.names.into());
        put("left_out", self.left_out.into());
        put("next", (self.next > 0).then_some(self.next).into());
        out
    }
}

fn stat(stat: &Stat) -> Value {
    let zxid = |zxid: i64| format!("0x{zxid:x}");
    json!({
        "czxid": zxid(stat.czxid.0),
        "mzxid": zxid(stat.mzxid.0),
        "pzxid": zxid(stat.pzxid.0),
        "ctime": stat.ctime.0,
        "mtime": stat.mtime.0,
        "version": stat.version,
        "cversion": stat.cversion,
        "aversion": stat.aversion,
        "ephemeralOwner": zxid(stat.ephemeral_owner),
        "dataLength": stat.data_length,
        "numChildren": stat.num_children,
    })
}

/// What follows a digest's user is a secret (PrepRequestProcessor.checkACL and getACL's fix-up).
fn rule(entry: &Acl, who: &[Identity]) -> Value {
    let is_own = who.iter().any(|own| own.scheme == entry.scheme && own.id == entry.id);
    let id = match entry.id.split_once(':') {
        Some((user, _)) if &*entry.scheme == "digest" => format!("{user}:x"),
        Some(_) | None => entry.id.to_string(),
    };
    json!({ "scheme": &*entry.scheme, "id": id, "perms": letters(entry.perms), "own": is_own })
}

/// As command lines write them.
fn letters(perms: Perms) -> String {
    let all = [
        (Perms::CREATE, 'c'),
        (Perms::DELETE, 'd'),
        (Perms::READ, 'r'),
        (Perms::WRITE, 'w'),
        (Perms::ADMIN, 'a'),
    ];
    all.iter().filter(|(bit, _)| perms.intersects(*bit)).map(|(_, letter)| *letter).collect()
}

/// The beginning: as text where it is some, else in hexadecimal.
fn data(head: &[u8], is_cut: bool) -> Value {
    let text = match std::str::from_utf8(head) {
        Ok(text) => Some(text),
        // A character may have been cut in two.
        Err(error) if is_cut && error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    };
    let is_control = |char: char| char.is_control() && !matches!(char, '\n' | '\r' | '\t');
    match text.filter(|text| !text.contains(is_control)) {
        Some(text) => json!({ "text": text, "cut": is_cut }),
        None => {
            let hex: String = head.iter().map(|byte| format!("{byte:02x}")).collect();
            json!({ "hex": hex, "cut": is_cut })
        }
    }
}
