//! A znode's bytes: one allocation for stat, path and data.
//!
//! ```text
//!  0      8      16    20         24      25
//!  │czxid │ctime │crc  │path len  │groups │ groups present, in this order │ path │ data
//!                                            acl        8  ACL key, if not the open list
//!                                            modified  20  mzxid 8, mtime 8, version 4
//!                                            family    16  pzxid 8, cversion 4, children slot 4
//!                                            aversion   4
//!                                            owner      8  ephemeralOwner as stored
//! ```
//!
//! A group that is absent has the value a fresh node has (mzxid and pzxid = czxid, mtime = ctime,
//! the rest 0). Most nodes are never touched after their creation: 100 B of data under a 30-byte
//! path then take 155 bytes instead of 211, which is a 160- instead of a 224-byte allocation.
//! Numbers are little-endian. `crc` is [`super::digest::content_crc`].

use std::hint::black_box;

use crate::types::{StoredStat, WallMillis, Zxid};

/// No children: nothing in the shard's side table.
pub(super) const NO_CHILDREN: u32 = u32::MAX;
/// The ACL key of world:anyone, all permissions (ReferenceCountedACLCache.OPEN_UNSAFE_ACL_ID).
pub(super) const OPEN_ACL: i64 = -1;

/// Everything of a node but path, data and their CRC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Head {
    pub stat: StoredStat,
    pub acl: i64,
    /// Slot in the shard's table of children.
    pub children: u32,
}

const CZXID: usize = 0;
const CTIME: usize = 8;
const CRC: usize = 16;
const PATH_LEN: usize = 20;
const GROUPS: usize = 24;
const FIXED: usize = 25;

const ACL: u8 = 1;
const MODIFIED: u8 = 2;
const FAMILY: u8 = 4;
const AVERSION: u8 = 8;
const OWNER: u8 = 16;
const ALL_GROUPS: u8 = 31;
/// Not a group: the data is null.
const NULL_DATA: u8 = 128;

/// Bytes that each combination of groups takes.
const GROUPS_LEN: [u8; 32] = {
    let sizes = [8u8, 20, 16, 4, 8];
    let mut table = [0u8; 32];
    let mut set = 0;
    while set < 32 {
        let mut bit = 0;
        while bit < 5 {
            if set & (1 << bit) != 0 {
                table[set] += sizes[bit];
            }
            bit += 1;
        }
        set += 1;
    }
    table
};

const CACHE_LINE: usize = 64;
/// Cache lines of a record that [`Record::touch_rest`] reaches: more data than this is copied for
/// longer than it is waited for.
const TOUCHED: usize = 5;

/// One znode.
#[derive(Debug)]
pub(super) struct Record(Box<[u8]>);

impl Record {
    /// `path` is at most `u32::MAX` bytes long (the callers' bound is the frame's).
    pub(super) fn new(path: &[u8], data: Option<&[u8]>, crc: u32, head: &Head) -> Record {
        let null = if data.is_none() { NULL_DATA } else { 0 };
        Record::build(path, data.unwrap_or_default(), crc, head, needed(head) | null)
    }

    fn build(path: &[u8], data: &[u8], crc: u32, head: &Head, flags: u8) -> Record {
        let groups = GROUPS_LEN[usize::from(flags & ALL_GROUPS)] as usize;
        let mut bytes = Vec::with_capacity(FIXED + groups + path.len() + data.len());
        bytes.resize(FIXED + groups, 0);
        bytes[CRC..CRC + 4].copy_from_slice(&crc.to_le_bytes());
        bytes[PATH_LEN..PATH_LEN + 4].copy_from_slice(&(path.len() as u32).to_le_bytes());
        bytes[GROUPS] = flags;
        bytes.extend_from_slice(path);
        bytes.extend_from_slice(data);
        let mut record = Record(bytes.into_boxed_slice());
        record.write_head(head);
        record
    }

    /// Reads from the first cache line and does nothing with it.
    pub(super) fn touch_first(&self) {
        black_box(self.0.first().copied());
    }

    /// The same for those behind it, as far as path and a little data reach.
    pub(super) fn touch_rest(&self) {
        for line in 1..TOUCHED {
            black_box(self.0.get(line * CACHE_LINE).copied());
        }
    }

    /// The root's is empty.
    pub(super) fn path(&self) -> &[u8] {
        let from = self.path_at();
        &self.0[from..from + self.u32_at(PATH_LEN) as usize]
    }

    pub(super) fn data(&self) -> Option<&[u8]> {
        if self.0[GROUPS] & NULL_DATA != 0 {
            return None;
        }
        Some(&self.0[self.data_at()..])
    }

    /// 0 for null.
    pub(super) fn data_len(&self) -> usize {
        self.0.len() - self.data_at()
    }

    pub(super) fn crc(&self) -> u32 {
        self.u32_at(CRC)
    }

    pub(super) fn head(&self) -> Head {
        let flags = self.0[GROUPS];
        let czxid = Zxid(self.i64_at(CZXID));
        let ctime = WallMillis(self.i64_at(CTIME));
        let mut head = Head {
            stat: StoredStat::created(czxid, ctime, 0),
            acl: OPEN_ACL,
            children: NO_CHILDREN,
        };
        let mut at = FIXED;
        if flags & ACL != 0 {
            head.acl = self.i64_at(at);
            at += 8;
        }
        if flags & MODIFIED != 0 {
            head.stat.mzxid = Zxid(self.i64_at(at));
            head.stat.mtime = WallMillis(self.i64_at(at + 8));
            head.stat.version = self.u32_at(at + 16) as i32;
            at += 20;
        }
        if flags & FAMILY != 0 {
            head.stat.pzxid = Zxid(self.i64_at(at));
            head.stat.cversion = self.u32_at(at + 8) as i32;
            head.children = self.u32_at(at + 12);
            at += 16;
        }
        if flags & AVERSION != 0 {
            head.stat.aversion = self.u32_at(at) as i32;
            at += 4;
        }
        if flags & OWNER != 0 {
            head.stat.owner = self.i64_at(at);
        }
        head
    }

    /// The ACL key alone.
    pub(super) fn acl(&self) -> i64 {
        if self.0[GROUPS] & ACL != 0 { self.i64_at(FIXED) } else { OPEN_ACL }
    }

    /// The slot of the children alone.
    pub(super) fn children(&self) -> u32 {
        let flags = self.0[GROUPS];
        if flags & FAMILY == 0 {
            return NO_CHILDREN;
        }
        self.u32_at(FIXED + GROUPS_LEN[usize::from(flags & (FAMILY - 1))] as usize + 12)
    }

    /// Writes in place where the groups suffice; they only ever grow in number.
    pub(super) fn set_head(&mut self, head: &Head) {
        let flags = self.0[GROUPS];
        let missing = needed(head) & !flags;
        if missing == 0 {
            self.write_head(head);
        } else {
            let data = &self.0[self.data_at()..];
            *self = Record::build(self.path(), data, self.crc(), head, flags | missing);
        }
    }

    /// Both at once, because that is how they change.
    pub(super) fn set_data(&mut self, data: Option<&[u8]>, crc: u32, head: &Head) {
        let groups = (self.0[GROUPS] & ALL_GROUPS) | needed(head);
        let flags = groups | if data.is_none() { NULL_DATA } else { 0 };
        let data = data.unwrap_or_default();
        if flags & ALL_GROUPS == self.0[GROUPS] & ALL_GROUPS && data.len() == self.data_len() {
            let at = self.data_at();
            self.0[at..].copy_from_slice(data);
            self.0[GROUPS] = flags;
            self.0[CRC..CRC + 4].copy_from_slice(&crc.to_le_bytes());
            self.write_head(head);
        } else {
            *self = Record::build(self.path(), data, crc, head, flags);
        }
    }

    fn write_head(&mut self, head: &Head) {
        let flags = self.0[GROUPS];
        let stat = &head.stat;
        self.put(CZXID, &stat.czxid.0.to_le_bytes());
        self.put(CTIME, &stat.ctime.0.to_le_bytes());
        let mut at = FIXED;
        if flags & ACL != 0 {
            self.put(at, &head.acl.to_le_bytes());
            at += 8;
        }
        if flags & MODIFIED != 0 {
            self.put(at, &stat.mzxid.0.to_le_bytes());
            self.put(at + 8, &stat.mtime.0.to_le_bytes());
            self.put(at + 16, &stat.version.to_le_bytes());
            at += 20;
        }
        if flags & FAMILY != 0 {
            self.put(at, &stat.pzxid.0.to_le_bytes());
            self.put(at + 8, &stat.cversion.to_le_bytes());
            self.put(at + 12, &head.children.to_le_bytes());
            at += 16;
        }
        if flags & AVERSION != 0 {
            self.put(at, &stat.aversion.to_le_bytes());
            at += 4;
        }
        if flags & OWNER != 0 {
            self.put(at, &stat.owner.to_le_bytes());
        }
    }

    fn path_at(&self) -> usize {
        FIXED + GROUPS_LEN[usize::from(self.0[GROUPS] & ALL_GROUPS)] as usize
    }
    fn data_at(&self) -> usize {
        self.path_at() + self.u32_at(PATH_LEN) as usize
    }
    fn i64_at(&self, at: usize) -> i64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.0[at..at + 8]);
        i64::from_le_bytes(bytes)
    }
    fn u32_at(&self, at: usize) -> u32 {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&self.0[at..at + 4]);
        u32::from_le_bytes(bytes)
    }
    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

/// Groups whose values differ from a fresh node's.
fn needed(head: &Head) -> u8 {
    let stat = &head.stat;
    let mut groups = 0;
    if head.acl != OPEN_ACL {
        groups |= ACL;
    }
    if stat.mzxid != stat.czxid || stat.mtime != stat.ctime || stat.version != 0 {
        groups |= MODIFIED;
    }
    if stat.pzxid != stat.czxid || stat.cversion != 0 || head.children != NO_CHILDREN {
        groups |= FAMILY;
    }
    if stat.aversion != 0 {
        groups |= AVERSION;
    }
    if stat.owner != 0 {
        groups |= OWNER;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(groups: u8) -> Head {
        let mut head = Head {
            stat: StoredStat::created(Zxid(11), WallMillis(12), 0),
            acl: OPEN_ACL,
            children: NO_CHILDREN,
        };
        if groups & ACL != 0 {
            head.acl = i64::MAX - 1;
        }
        if groups & MODIFIED != 0 {
            head.stat.mzxid = Zxid(-5);
            head.stat.mtime = WallMillis(99);
            head.stat.version = -1;
        }
        if groups & FAMILY != 0 {
            head.stat.pzxid = Zxid(77);
            head.stat.cversion = i32::MIN;
            head.children = 3;
        }
        if groups & AVERSION != 0 {
            head.stat.aversion = -7;
        }
        if groups & OWNER != 0 {
            head.stat.owner = i64::MIN;
        }
        head
    }

    #[test]
    fn every_set_of_groups_reads_back_and_can_be_rewritten_as_any_other() {
        for from in 0..32 {
            for to in 0..32 {
                let mut record = Record::new("/ä".as_bytes(), Some(b"xyz"), 42, &head(from));
                assert_eq!(record.head(), head(from));
                assert_eq!(record.acl(), head(from).acl);
                assert_eq!(record.children(), head(from).children);
                record.set_head(&head(to));
                assert_eq!(record.head(), head(to), "{from} to {to}");
                assert_eq!(record.path(), "/ä".as_bytes());
                assert_eq!((record.data(), record.crc()), (Some(&b"xyz"[..]), 42));
            }
        }
    }

    #[test]
    fn null_and_empty_data_stay_apart() {
        let mut record = Record::new(b"/a", None, 1, &head(0));
        assert_eq!((record.data(), record.data_len()), (None, 0));
        record.set_data(Some(b""), 2, &head(0));
        assert_eq!((record.data(), record.crc()), (Some(&b""[..]), 2));
        record.set_data(Some(b"abc"), 3, &head(MODIFIED));
        record.set_data(Some(b"xyz"), 4, &head(MODIFIED));
        assert_eq!((record.data(), record.head()), (Some(&b"xyz"[..]), head(MODIFIED)));
        record.set_data(None, 5, &head(0));
        assert_eq!((record.data(), record.path(), record.crc()), (None, &b"/a"[..], 5));
    }

    #[test]
    fn an_untouched_node_fits_its_allocation_class() {
        let record = Record::new(&[b'p'; 30], Some(&[0; 100]), 0, &head(0));
        assert_eq!(record.0.len(), 155);
    }
}
