//! Records that several messages share: Stat and ACL lists.

use crate::types::{Acl, AclList, Perms, Stat, WallMillis, Zxid, open_acl};

use super::jute::{DecodeError, Reader, put_i32, put_len, put_null, put_opt_str, put_str};
use super::request::RawAcl;

/// Bytes of a Stat on the wire.
pub const STAT_BYTES: usize = 68;

/// The fewest bytes an ACL entry takes: permissions and two null strings.
pub const ACL_BYTES_MIN: usize = 12;

/// Appends a Stat, in one go: this is on the way of most replies.
pub fn put_stat(out: &mut Vec<u8>, stat: &Stat) {
    let mut b = [0; STAT_BYTES];
    b[0..8].copy_from_slice(&stat.czxid.0.to_be_bytes());
    b[8..16].copy_from_slice(&stat.mzxid.0.to_be_bytes());
    b[16..24].copy_from_slice(&stat.ctime.0.to_be_bytes());
    b[24..32].copy_from_slice(&stat.mtime.0.to_be_bytes());
    b[32..36].copy_from_slice(&stat.version.to_be_bytes());
    b[36..40].copy_from_slice(&stat.cversion.to_be_bytes());
    b[40..44].copy_from_slice(&stat.aversion.to_be_bytes());
    b[44..52].copy_from_slice(&stat.ephemeral_owner.to_be_bytes());
    b[52..56].copy_from_slice(&stat.data_length.to_be_bytes());
    b[56..60].copy_from_slice(&stat.num_children.to_be_bytes());
    b[60..68].copy_from_slice(&stat.pzxid.0.to_be_bytes());
    out.extend_from_slice(&b);
}

/// 68 bytes.
pub fn read_stat(r: &mut Reader<'_>) -> Result<Stat, DecodeError> {
    Ok(Stat {
        czxid: Zxid(r.i64("czxid")?),
        mzxid: Zxid(r.i64("mzxid")?),
        ctime: WallMillis(r.i64("ctime")?),
        mtime: WallMillis(r.i64("mtime")?),
        version: r.i32("version")?,
        cversion: r.i32("cversion")?,
        aversion: r.i32("aversion")?,
        ephemeral_owner: r.i64("ephemeralOwner")?,
        data_length: r.i32("dataLength")?,
        num_children: r.i32("numChildren")?,
        pzxid: Zxid(r.i64("pzxid")?),
    })
}

/// An ACL vector as a client sends it.
pub fn read_raw_acl(r: &mut Reader<'_>) -> Result<Option<Vec<RawAcl>>, DecodeError> {
    let Some(count) = r.vector("acl", ACL_BYTES_MIN)? else { return Ok(None) };
    let mut list = Vec::with_capacity(count);
    for _ in 0..count {
        list.push(RawAcl {
            perms: r.i32("perms")?,
            scheme: r.string("scheme")?,
            id: r.string("id")?,
        });
    }
    Ok(Some(list))
}

/// As a client has sent it.
pub fn put_raw_acl(out: &mut Vec<u8>, list: Option<&[RawAcl]>) {
    let Some(list) = list else { return put_null(out) };
    put_len(out, list.len());
    for acl in list {
        put_i32(out, acl.perms);
        put_opt_str(out, acl.scheme.as_deref());
        put_opt_str(out, acl.id.as_deref());
    }
}

/// An ACL vector of a transaction, a snapshot or a reply. A null vector is the open list, as
/// `ReferenceCountedACLCache.convertAcls` has it; null strings, which no server writes, are empty.
pub fn read_acl(r: &mut Reader<'_>) -> Result<AclList, DecodeError> {
    let Some(count) = r.vector("acl", ACL_BYTES_MIN)? else { return Ok(open_acl()) };
    let mut list = Vec::with_capacity(count);
    for _ in 0..count {
        let perms = Perms(r.i32("perms")?);
        let scheme = r.str("scheme")?.unwrap_or_default();
        let id = r.str("id")?.unwrap_or_default();
        list.push(Acl { perms, scheme: scheme.into(), id: id.into() });
    }
    Ok(list.into())
}

/// One entry after another, behind their count.
pub fn put_acl(out: &mut Vec<u8>, list: &[Acl]) {
    put_len(out, list.len());
    for acl in list {
        put_i32(out, acl.perms.0);
        put_str(out, &acl.scheme);
        put_str(out, &acl.id);
    }
}
