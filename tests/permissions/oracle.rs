//! What ZooKeeper's rules say, written down a second time and as shortly as they can be: who holds a
//! permission, which node each operation asks for which, and what is answered in which order.

use crate::requests::Op;

pub(crate) const READ: i32 = 1;
pub(crate) const WRITE: i32 = 2;
pub(crate) const CREATE: i32 = 4;
pub(crate) const DELETE: i32 = 8;
pub(crate) const ADMIN: i32 = 16;
pub(crate) const ALL: i32 = 31;

pub(crate) const OK: i32 = 0;
pub(crate) const UNIMPLEMENTED: i32 = -6;
pub(crate) const BAD_ARGUMENTS: i32 = -8;
pub(crate) const NO_NODE: i32 = -101;
pub(crate) const NO_AUTH: i32 = -102;
pub(crate) const BAD_VERSION: i32 = -103;
pub(crate) const NO_CHILDREN_FOR_EPHEMERALS: i32 = -108;
pub(crate) const NODE_EXISTS: i32 = -110;
pub(crate) const NOT_EMPTY: i32 = -111;
pub(crate) const NO_WATCHER: i32 = -121;
pub(crate) const RECONFIG_DISABLED: i32 = -123;

/// Whom an entry of a list is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grantee {
    Anyone,
    /// A digest user.
    Alice,
    /// Another one.
    Bob,
    /// The address that the tests come from, and a network that has it.
    Here,
    Network,
    /// An address that they do not come from.
    Elsewhere,
    /// A user of SASL, which nobody here is.
    Sasl,
}

/// A list: permissions, and whom they are given to.
pub(crate) type List = Vec<(i32, Grantee)>;

/// A client by what it has proven.
#[derive(Debug)]
pub(crate) struct Identity {
    pub name: &'static str,
    /// What it says in addAuth, all of it of scheme digest.
    pub proofs: &'static [&'static str],
    pub is_alice: bool,
    pub is_bob: bool,
    pub is_super: bool,
}

const fn identity(name: &'static str, proofs: &'static [&'static str], is: [bool; 3]) -> Identity {
    let [is_alice, is_bob, is_super] = is;
    Identity { name, proofs, is_alice, is_bob, is_super }
}

pub(crate) const IDENTITIES: [Identity; 6] = [
    identity("nobody", &[], [false; 3]),
    identity("alice", &["alice:secret"], [true, false, false]),
    identity("alice with a wrong password", &["alice:wrong"], [false; 3]),
    identity("bob", &["bob:b"], [false, true, false]),
    identity("bob and alice", &["bob:b", "alice:secret"], [true, true, false]),
    identity("super", &["super:secret"], [false, false, true]),
];

/// One entry is enough, and each bit is asked for by itself (ZooKeeperServer.checkACL).
pub(crate) fn may(list: &List, needed: i32, who: &Identity) -> bool {
    let names = |grantee| match grantee {
        Grantee::Anyone | Grantee::Here | Grantee::Network => true,
        Grantee::Alice => who.is_alice,
        Grantee::Bob => who.is_bob,
        Grantee::Elsewhere | Grantee::Sasl => false,
    };
    who.is_super || list.iter().any(|(perms, grantee)| perms & needed != 0 && names(*grantee))
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Root,
    /// `/zookeeper`, `/zookeeper/quota` and `/zookeeper/config`: nobody deletes them.
    Zookeeper,
    Quota,
    Config,
    /// A node in which limits of a quota would lie.
    QuotaBranch,
    /// Without children, until somebody makes one.
    Leaf,
    Parent,
    OwnEphemeral,
    OthersEphemeral,
    Ttl,
    Container,
    Missing,
    /// Not even its parent is there.
    BeneathMissing,
}

pub(crate) const KINDS: [Kind; 13] = [
    Kind::Root,
    Kind::Zookeeper,
    Kind::Quota,
    Kind::Config,
    Kind::QuotaBranch,
    Kind::Leaf,
    Kind::Parent,
    Kind::OwnEphemeral,
    Kind::OthersEphemeral,
    Kind::Ttl,
    Kind::Container,
    Kind::Missing,
    Kind::BeneathMissing,
];

impl Kind {
    pub(crate) fn exists(self) -> bool {
        !matches!(self, Kind::Missing | Kind::BeneathMissing)
    }

    pub(crate) fn is_ephemeral(self) -> bool {
        matches!(self, Kind::OwnEphemeral | Kind::OthersEphemeral)
    }

    fn is_special(self) -> bool {
        matches!(self, Kind::Root | Kind::Zookeeper | Kind::Quota | Kind::Config)
    }

    /// Whether it has children of the tests': see [`crate::requests::children`].
    pub(crate) fn has_children(self) -> bool {
        self.exists() && !self.is_ephemeral() && self != Kind::Leaf
    }
}

/// What the operation answers `who`, where the node has this list and everything above it is open.
pub(crate) fn answer(op: Op, kind: Kind, list: &List, who: &Identity) -> i32 {
    // The node has to be there first; then the permission is asked for; then the rest.
    let with = |needed: i32, then: i32| match kind.exists() {
        false => NO_NODE,
        true if may(list, needed, who) => then,
        true => NO_AUTH,
    };
    match op {
        Op::Exists | Op::GetData | Op::GetChildren | Op::GetChildren2 => with(READ, OK),
        Op::CountDescendants | Op::MultiReadData | Op::MultiReadChildren => with(READ, OK),
        Op::MultiCheck => with(READ, OK),
        Op::MultiCheckStale => with(READ, BAD_VERSION),
        Op::GetAcl => with(READ | ADMIN, OK),
        Op::SetData | Op::MultiSetData => with(WRITE, OK),
        Op::SetDataStale => with(WRITE, BAD_VERSION),
        Op::SetAcl => with(ADMIN, OK),
        Op::SetAclStale => with(ADMIN, BAD_VERSION),
        Op::Create
        | Op::Create2
        | Op::CreateTtl
        | Op::CreateContainer
        | Op::CreateEphemeral
        | Op::MultiCreate => match kind.is_ephemeral() {
            true => with(CREATE, NO_CHILDREN_FOR_EPHEMERALS),
            false => with(CREATE, OK),
        },
        Op::CreateWhatIsThere => match kind.has_children() {
            true => with(CREATE, NODE_EXISTS),
            false => with(CREATE, NO_CHILDREN_FOR_EPHEMERALS),
        },
        // The parent's list decides; of the node itself only that it is there.
        Op::Delete | Op::MultiDelete => match kind.has_children() {
            true => with(DELETE, OK),
            false => with(DELETE, NO_NODE),
        },
        Op::DeleteParent => match kind.has_children() {
            true => with(DELETE, NOT_EMPTY),
            false => with(DELETE, NO_NODE),
        },
        // Its own list has no say. The parent of this one is of these kinds itself, and has the same list.
        Op::DeleteItselfStale if kind == Kind::QuotaBranch => with(DELETE, BAD_VERSION),
        Op::DeleteItselfStale if kind.is_special() => BAD_ARGUMENTS,
        Op::DeleteItselfStale if kind.exists() => BAD_VERSION,
        Op::DeleteItselfStale => NO_NODE,
        Op::DeleteContainer => UNIMPLEMENTED,
        // Nothing of the node is in the answer.
        Op::Sync | Op::AddWatch | Op::AddRecursiveWatch | Op::CheckWatches | Op::RemoveWatches => {
            OK
        }
        Op::RemoveWatchesAgain => NO_WATCHER,
        Op::GetEphemerals | Op::WhoAmI => OK,
        Op::Reconfig => RECONFIG_DISABLED,
    }
}

/// Whether getACL shows passwords' hashes; to others they are "x".
pub(crate) fn shows_hashes(list: &List, who: &Identity) -> bool {
    may(list, ADMIN, who)
}
