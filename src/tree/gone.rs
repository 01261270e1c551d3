//! ACLs of deleted nodes.
//!
//! A client that takes its watches up again asks of nodes that may have gone meanwhile, and with a
//! node goes the list that says who may hear of it. So a shard remembers the lists of the last nodes
//! it has lost. Only those that were not open to everybody: a path of which nothing is known here is
//! told as missing to anybody who asks, by `exists` too.

use std::collections::VecDeque;

use crate::types::{Acl, AclList, limits};

/// Behind a pointer, and none until there is a list: what every read of a shard looks at stays on one
/// cache line (see [`super::store::Slot`]).
#[derive(Debug, Default)]
pub(super) struct Gone(Option<Box<Lists>>);

/// By the hash of the path, oldest first: it is seeded, and a path may be long.
type Lists = VecDeque<(u64, AclList)>;

impl Gone {
    /// A node has been removed; `None`: everybody could read it, or nobody knows who could.
    pub(super) fn note(&mut self, hash: u64, list: Option<&AclList>) {
        if let Some(lists) = &mut self.0 {
            lists.retain(|(other, _)| *other != hash);
        }
        let Some(list) = list.filter(|list| size(list) <= limits::GONE_LIST_BYTES) else { return };
        let lists = self.0.get_or_insert_default();
        if lists.len() == limits::GONE_LISTS {
            lists.pop_front();
        }
        lists.push_back((hash, AclList::clone(list)));
    }

    pub(super) fn list(&self, hash: u64) -> Option<&AclList> {
        let mut lists = self.0.iter().flat_map(|lists| lists.iter());
        lists.find(|(other, _)| *other == hash).map(|(_, list)| list)
    }
}

fn size(list: &[Acl]) -> usize {
    list.iter().map(|acl| acl.scheme.len() + acl.id.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Perms, read_acl};

    #[test]
    fn the_last_list_of_a_path_counts_and_the_oldest_are_forgotten() {
        let mut gone = Gone::default();
        for hash in 0..limits::GONE_LISTS as u64 + 2 {
            gone.note(hash, Some(&read_acl()));
        }
        assert_eq!((gone.list(1), gone.list(2)), (None, Some(&read_acl())));
        let other: AclList = [Acl::new(Perms::ALL, "digest", "a:b")].into();
        gone.note(2, Some(&other));
        assert_eq!(gone.list(2), Some(&other));
        assert_eq!(gone.list(3), Some(&read_acl()), "no other path pays for it");
        // It came again, open to everybody, and went.
        gone.note(2, None);
        assert_eq!(gone.list(2), None);
    }

    #[test]
    fn lists_of_any_length_take_no_memory() {
        let mut gone = Gone::default();
        let list = |len| AclList::from([Acl::new(Perms::ALL, "digest", &"x".repeat(len))]);
        gone.note(1, Some(&list(limits::GONE_LIST_BYTES - "digest".len())));
        gone.note(2, Some(&list(limits::GONE_LIST_BYTES - "digest".len() + 1)));
        assert!(gone.list(1).is_some() && gone.list(2).is_none());
    }
}
