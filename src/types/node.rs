//! What a znode is: its kind, how it is asked for, and its Stat.

use super::{SessionId, WallMillis, Zxid};

/// The Stat a client sees: 68 bytes on the wire
/// (tools/docs/reference/client-protocol.md section 9).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stat {
    /// Of the transaction that made it.
    pub czxid: Zxid,
    /// Of the last one that wrote its data.
    pub mzxid: Zxid,
    /// When it was made, by the clock of the server that decided.
    pub ctime: WallMillis,
    /// When its data was last written, by the same.
    pub mtime: WallMillis,
    /// Writes of its data; wraps.
    pub version: i32,
    /// Wire value: stored create counter × 2 − number of children, wrapping.
    pub cversion: i32,
    /// Writes of its access list; wraps.
    pub aversion: i32,
    /// The session for real ephemerals; 0 for every other kind, containers and TTL nodes too.
    pub ephemeral_owner: i64,
    /// Bytes.
    pub data_length: i32,
    /// Direct ones.
    pub num_children: i32,
    /// Of the last one that made or removed a child.
    pub pzxid: Zxid,
}

/// The stat as stored and logged (StatPersisted); [`StoredStat::wire`] gives what clients see.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StoredStat {
    /// Of the transaction that made it.
    pub czxid: Zxid,
    /// Of the last one that wrote its data.
    pub mzxid: Zxid,
    /// When it was made, by the clock of the server that decided.
    pub ctime: WallMillis,
    /// When its data was last written, by the same.
    pub mtime: WallMillis,
    /// Writes of its data; wraps.
    pub version: i32,
    /// Creates ever done under the node.
    pub cversion: i32,
    /// Writes of its access list; wraps.
    pub aversion: i32,
    /// `ephemeralOwner`: see [`NodeKind`].
    pub owner: i64,
    /// Of the last one that made or removed a child.
    pub pzxid: Zxid,
}

impl StoredStat {
    /// DataTree.createStat.
    pub fn created(zxid: Zxid, time: WallMillis, owner: i64) -> StoredStat {
        StoredStat {
            czxid: zxid,
            mzxid: zxid,
            ctime: time,
            mtime: time,
            version: 0,
            cversion: 0,
            aversion: 0,
            owner,
            pzxid: zxid,
        }
    }

    /// DataNode.copyStat.
    pub fn wire(&self, rules: TypeRules, data_length: usize, children: usize) -> Stat {
        let num_children = children as i32;
        Stat {
            czxid: self.czxid,
            mzxid: self.mzxid,
            ctime: self.ctime,
            mtime: self.mtime,
            version: self.version,
            // For every create there was a delete, but for the children still present.
            cversion: self.cversion.wrapping_mul(2).wrapping_sub(num_children),
            aversion: self.aversion,
            ephemeral_owner: rules.kind_of(self.owner).wire_owner(),
            data_length: data_length as i32,
            num_children,
            pzxid: self.pzxid,
        }
    }
}

/// What a node is, as its stored `ephemeralOwner` encodes it (EphemeralType).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeKind {
    /// Stays until it is deleted.
    Persistent,
    /// Goes with its session.
    Ephemeral(SessionId),
    /// Goes when its last child has gone.
    Container,
    /// Time to live in milliseconds.
    Ttl(i64),
}

const CONTAINER_OWNER: i64 = i64::MIN;
const TTL_TOP_BYTE: u64 = 0xff00_0000_0000_0000;
const TTL_TYPE_BITS: u64 = 0x00ff_ff00_0000_0000;
/// Largest TTL: 40 bits of milliseconds (EphemeralType.maxValue).
pub(crate) const TTL_MS_MAX: i64 = 0x00ff_ffff_ffff;

/// How stored owners are read: depends on settings that must be equal on all servers
/// (`zookeeper.extendedTypesEnabled`, `zookeeper.emulate353TTLNodes`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TypeRules {
    /// There are TTL nodes; a server's id is at most 254.
    pub extended_types: bool,
    /// Their owners are read as 3.5.3 wrote them.
    pub emulate_353_ttl: bool,
}

impl TypeRules {
    /// EphemeralType.get. An owner with the TTL byte but reserved type bits set makes Java throw;
    /// it is read as a session here, so that no file can stop a load.
    pub fn kind_of(self, owner: i64) -> NodeKind {
        if owner == 0 {
            return NodeKind::Persistent;
        }
        if owner == CONTAINER_OWNER {
            return NodeKind::Container;
        }
        let bits = owner as u64;
        // What is negative is a TTL for 3.5.3 (EphemeralTypeEmulate353.get), whose time Java reads
        // as it reads its own: a node made today has all of the highest byte set.
        if self.extended_types && self.emulate_353_ttl && owner < 0 {
            return NodeKind::Ttl(owner & TTL_MS_MAX);
        }
        if self.extended_types && bits & TTL_TOP_BYTE == TTL_TOP_BYTE && bits & TTL_TYPE_BITS == 0 {
            return NodeKind::Ttl((bits & TTL_MS_MAX as u64) as i64);
        }
        NodeKind::Ephemeral(SessionId(owner))
    }
}

impl NodeKind {
    /// The stored `ephemeralOwner`.
    pub fn owner(self) -> i64 {
        match self {
            NodeKind::Persistent => 0,
            NodeKind::Ephemeral(session) => session.0,
            NodeKind::Container => CONTAINER_OWNER,
            NodeKind::Ttl(ms) => (TTL_TOP_BYTE | (ms as u64 & TTL_MS_MAX as u64)) as i64,
        }
    }

    /// What the wire shows as `ephemeralOwner`.
    pub fn wire_owner(self) -> i64 {
        match self {
            NodeKind::Ephemeral(session) => session.0,
            NodeKind::Persistent | NodeKind::Container | NodeKind::Ttl(_) => 0,
        }
    }
}

/// The flag of a create request (CreateMode.fromFlag).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "ZooKeeper's names")]
pub enum CreateMode {
    Persistent,
    Ephemeral,
    PersistentSequential,
    EphemeralSequential,
    Container,
    Ttl,
    TtlSequential,
}

impl CreateMode {
    /// The longest time to live, in milliseconds.
    pub const TTL_MS_MAX: i64 = TTL_MS_MAX;

    /// `None` for a flag ZooKeeper does not know (answered with BadArguments).
    pub fn from_flags(flags: i32) -> Option<CreateMode> {
        Some(match flags {
            0 => CreateMode::Persistent,
            1 => CreateMode::Ephemeral,
            2 => CreateMode::PersistentSequential,
            3 => CreateMode::EphemeralSequential,
            4 => CreateMode::Container,
            5 => CreateMode::Ttl,
            6 => CreateMode::TtlSequential,
            _ => return None,
        })
    }
    /// The server appends a number to the name.
    pub fn is_sequential(self) -> bool {
        use CreateMode::*;
        matches!(self, PersistentSequential | EphemeralSequential | TtlSequential)
    }
    /// The node goes with its session.
    pub fn is_ephemeral(self) -> bool {
        matches!(self, CreateMode::Ephemeral | CreateMode::EphemeralSequential)
    }
    /// The node goes when it has no child and nobody has written it for its time to live.
    pub fn is_ttl(self) -> bool {
        matches!(self, CreateMode::Ttl | CreateMode::TtlSequential)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_owners_read_back_as_the_kind_they_were_written_for() {
        let rules = TypeRules { extended_types: true, emulate_353_ttl: false };
        for kind in [
            NodeKind::Persistent,
            NodeKind::Container,
            NodeKind::Ttl(1),
            NodeKind::Ttl(TTL_MS_MAX),
            NodeKind::Ephemeral(SessionId(0x0100_0000_0000_0001)),
        ] {
            assert_eq!(rules.kind_of(kind.owner()), kind);
        }
    }

    #[test]
    fn the_old_form_of_ttls_has_the_same_forty_bits() {
        // Read with 63 bits, a TTL node made under emulate353TTLNodes lived for ever.
        let rules = TypeRules { extended_types: true, emulate_353_ttl: true };
        assert_eq!(rules.kind_of(NodeKind::Ttl(2500).owner()), NodeKind::Ttl(2500));
        assert_eq!(rules.kind_of(i64::MIN | 2500), NodeKind::Ttl(2500));
        assert_eq!(rules.kind_of(i64::MIN | 1 << 50 | 7), NodeKind::Ttl(7));
        assert_eq!(rules.kind_of(-1), NodeKind::Ttl(TTL_MS_MAX));
        assert_eq!(rules.kind_of(i64::MIN), NodeKind::Container);
        assert_eq!(rules.kind_of(5), NodeKind::Ephemeral(SessionId(5)));
        let off = TypeRules { extended_types: false, ..rules };
        assert_eq!(off.kind_of(i64::MIN | 2500), NodeKind::Ephemeral(SessionId(i64::MIN | 2500)));
    }

    #[test]
    fn without_extended_types_a_ttl_owner_is_a_session() {
        let rules = TypeRules::default();
        let owner = NodeKind::Ttl(5).owner();
        assert_eq!(rules.kind_of(owner), NodeKind::Ephemeral(SessionId(owner)));
    }
}
