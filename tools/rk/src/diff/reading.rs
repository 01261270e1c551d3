//! What was read of a node on one side, and in what two readings differ.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use ringkeeper::types::{AclList, Stat};

use crate::client::CallError;
use crate::stat;

/// A node as one side has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Node {
    pub(super) data: Option<Vec<u8>>,
    pub(super) acl: AclList,
    pub(super) stat: Stat,
}

/// What was found at a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Found {
    Nothing,
    There(Box<Node>),
    /// It may not be read.
    Refused(CallError),
}

impl Found {
    pub(super) fn node(&self) -> Option<&Node> {
        match self {
            Found::There(node) => Some(node),
            Found::Nothing | Found::Refused(_) => None,
        }
    }

    /// Tells this reading from a later one of the same side, in what is compared.
    pub(super) fn print(&self, with_stat: bool) -> u64 {
        let mut hasher = DefaultHasher::new();
        let Some(node) = self.node() else { return 0 };
        node.data.hash(&mut hasher);
        for entry in node.acl.iter() {
            (entry.perms.0, &entry.scheme, &entry.id).hash(&mut hasher);
        }
        is_ephemeral(node).hash(&mut hasher);
        if with_stat {
            fields(&node.stat).hash(&mut hasher);
        }
        hasher.finish() | 1
    }
}

/// In what two sides differ.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Difference {
    OnlyInA,
    OnlyInB,
    Data(usize, usize),
    Acl,
    /// The one is an ephemeral. Containers and nodes with a time to live cannot be told from others by a client.
    Kind,
    Field(&'static str, i64, i64),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::OnlyInA => f.write_str("only in A"),
            Difference::OnlyInB => f.write_str("only in B"),
            Difference::Data(a, b) => write!(f, "data ({a} and {b} bytes)"),
            Difference::Acl => f.write_str("access list"),
            Difference::Kind => f.write_str("ephemeral on one side alone"),
            Difference::Field(name, a, b) => write!(f, "{name} {a:#x} and {b:#x}"),
        }
    }
}

fn is_ephemeral(node: &Node) -> bool {
    stat::session(&node.stat).is_some()
}

/// Every field of a Stat, by name.
fn fields(stat: &Stat) -> [(&'static str, i64); 11] {
    [
        ("czxid", stat.czxid.0),
        ("mzxid", stat.mzxid.0),
        ("ctime", stat.ctime.0),
        ("mtime", stat.mtime.0),
        ("version", stat.version.into()),
        ("cversion", stat.cversion.into()),
        ("aversion", stat.aversion.into()),
        ("ephemeralOwner", stat.ephemeral_owner),
        ("dataLength", stat.data_length.into()),
        ("numChildren", stat.num_children.into()),
        ("pzxid", stat.pzxid.0),
    ]
}

/// All of them; none of what may not be read.
pub(super) fn differences([a, b]: &[Found; 2], with_stat: bool) -> Vec<Difference> {
    let (a, b) = match (a, b) {
        (Found::Nothing, Found::There(_)) => return vec![Difference::OnlyInB],
        (Found::There(_), Found::Nothing) => return vec![Difference::OnlyInA],
        (Found::There(a), Found::There(b)) => (a, b),
        (Found::Nothing, Found::Nothing) | (Found::Refused(_), _) | (_, Found::Refused(_)) => {
            return Vec::new();
        }
    };
    let mut all = Vec::new();
    if a.data != b.data {
        let length = |node: &Node| node.data.as_ref().map_or(0, Vec::len);
        all.push(Difference::Data(length(a), length(b)));
    }
    if a.acl != b.acl {
        all.push(Difference::Acl);
    }
    if is_ephemeral(a) != is_ephemeral(b) {
        all.push(Difference::Kind);
    }
    if with_stat {
        let pairs = fields(&a.stat).into_iter().zip(fields(&b.stat));
        let pairs = pairs.filter(|((_, a), (_, b))| a != b);
        all.extend(pairs.map(|((name, a), (_, b))| Difference::Field(name, a, b)));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringkeeper::types::{Zxid, open_acl};

    fn there(data: &[u8], zxid: i64) -> Found {
        let stat = Stat { mzxid: Zxid(zxid), ..Stat::default() };
        Found::There(Box::new(Node { data: Some(data.to_vec()), acl: open_acl(), stat }))
    }

    #[test]
    fn what_differs_is_named() {
        let of = |a: Found, b: Found, with_stat| differences(&[a, b], with_stat);
        assert_eq!(of(there(b"x", 1), there(b"x", 2), false), []);
        assert_eq!(of(there(b"x", 1), there(b"x", 2), true), [Difference::Field("mzxid", 1, 2)]);
        assert_eq!(of(there(b"x", 1), there(b"yz", 1), true), [Difference::Data(1, 2)]);
        assert_eq!(of(Found::Nothing, there(b"", 1), false), [Difference::OnlyInB]);
        assert_eq!(of(there(b"", 1), Found::Nothing, false), [Difference::OnlyInA]);
        assert_eq!(of(Found::Nothing, Found::Nothing, false), []);
        let Found::There(mut other) = there(b"x", 1) else { unreachable!() };
        other.data = None;
        other.stat.ephemeral_owner = 7;
        let other = Found::There(other);
        assert_eq!(
            of(there(b"", 1), other.clone(), false),
            [Difference::Data(0, 0), Difference::Kind]
        );
        assert_ne!(other.print(false), there(b"", 1).print(false));
        assert_eq!(there(b"x", 1).print(false), there(b"x", 2).print(false));
        assert_ne!(there(b"x", 1).print(true), there(b"x", 2).print(true));
    }
}
