//! The one way from a node to an answer: what leaves of it is taken from a [`Permitted`], and nobody
//! makes one without a [`Permit`]. `tests/tidy` keeps the roles from the tree's own reads.

use crate::acl::{Decisions, Permit, Policy};
use crate::tree::{Node, Tree};
use crate::types::{AclList, ErrorCode, Identity, Perms, Stat, Zxid};

/// A node that its reader may see, for as long as its shard is locked.
pub(super) struct Permitted<'a> {
    node: Node<'a>,
    _permit: Permit,
}

impl<'a> Permitted<'a> {
    pub(super) fn data(&self) -> Option<&'a [u8]> {
        self.node.data()
    }

    pub(super) fn data_len(&self) -> usize {
        self.node.data_len()
    }

    pub(super) fn stat(&self) -> Stat {
        self.node.stat()
    }

    pub(super) fn children(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.node.children()
    }

    pub(super) fn acl(&self) -> &'a AclList {
        self.node.acl()
    }
}

/// Who reads, and by which rules.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub policy: &'a Policy,
    pub identities: &'a [Identity],
}

impl Reader<'_> {
    /// What `show` makes of the node, where the reader has any of the permissions `needed`; with it
    /// the newest change that the answer may show. NoNode comes before NoAuth, as in ZooKeeper: that a
    /// node is missing is told to everybody.
    pub(super) fn look<R>(
        self,
        tree: &Tree,
        path: &str,
        needed: Perms,
        decisions: &mut Decisions,
        show: impl FnOnce(Permitted<'_>, &mut Decisions) -> R,
    ) -> (Result<R, ErrorCode>, Zxid) {
        tree.read(path, |node| {
            let node = node.ok_or(ErrorCode::NoNode)?;
            let permit = decisions.decide(self.policy, node.acl(), needed, self.identities)?;
            Ok(show(Permitted { node, _permit: permit }, decisions))
        })
    }
}

/// The newest change that may concern this path. Nothing of the node is looked at.
pub(super) fn newest_change_at(tree: &Tree, path: &str) -> Zxid {
    tree.read(path, |_| ()).1
}
