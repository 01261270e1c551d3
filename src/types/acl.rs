//! Access control lists and identities, as data; the decisions are in [`crate::acl`].

use std::sync::Arc;

/// Permission bits (ZooDefs.Perms).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Perms(pub i32);

#[allow(missing_docs, reason = "ZooKeeper's names (ZooDefs.Perms), and bits")]
impl Perms {
    pub const READ: Perms = Perms(1);
    pub const WRITE: Perms = Perms(2);
    pub const CREATE: Perms = Perms(4);
    pub const DELETE: Perms = Perms(8);
    pub const ADMIN: Perms = Perms(16);
    pub const ALL: Perms = Perms(31);

    pub const fn intersects(self, other: Perms) -> bool {
        self.0 & other.0 != 0
    }
    pub const fn or(self, other: Perms) -> Perms {
        Perms(self.0 | other.0)
    }
}

/// One entry: who may do what.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Acl {
    /// What whoever it names may do.
    pub perms: Perms,
    /// How an identity is proven: `world`, `ip`, `digest`, `auth`, ….
    pub scheme: Box<str>,
    /// Whom it names, in the scheme's own form.
    pub id: Box<str>,
}

impl Acl {
    /// One entry; nothing is checked.
    pub fn new(perms: Perms, scheme: &str, id: &str) -> Acl {
        Acl { perms, scheme: scheme.into(), id: id.into() }
    }
}

/// A node's list, shared by all nodes that have the same one.
pub type AclList = Arc<[Acl]>;

/// ZooDefs.Ids.OPEN_ACL_UNSAFE.
pub fn open_acl() -> AclList {
    Arc::from([Acl::new(Perms::ALL, "world", "anyone")])
}

/// ZooDefs.Ids.READ_ACL_UNSAFE.
pub fn read_acl() -> AclList {
    Arc::from([Acl::new(Perms::READ, "world", "anyone")])
}

/// One thing a connection has proven to be: `("ip", "127.0.0.1")`, `("digest", "user:hash")`, …
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Identity {
    /// By which it was proven.
    pub scheme: Box<str>,
    /// In the scheme's own form; of `digest` the hash, never the password.
    pub id: Box<str>,
}

impl Identity {
    /// Nothing is proven here.
    pub fn new(scheme: &str, id: &str) -> Identity {
        Identity { scheme: scheme.into(), id: id.into() }
    }
}
