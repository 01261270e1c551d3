//! Snapshots against the bytes a Java server wrote, and against themselves.

use super::*;
use crate::codec::jute::{put_i32, put_i64, put_str};
use crate::testing::generate::{Gen, unhex};
use crate::types::{SessionId, StoredStat, WallMillis};

const MAX: usize = 2 << 20;

/// A snapshot's content, owned.
#[derive(Clone, PartialEq, Debug, Default)]
struct Content {
    header: Header,
    nodes: Vec<(String, Option<Vec<u8>>, i64, StoredStat)>,
    tail: Tail,
}

fn write(content: &Content) -> Vec<u8> {
    let Header { sessions, acls } = &content.header;
    let mut writer = SnapshotWriter::begin(Vec::new(), sessions, acls).unwrap();
    for (path, data, key, stat) in &content.nodes {
        writer.node(path, data.as_deref(), *key, stat).unwrap();
    }
    writer.finish(&content.tail).unwrap()
}

fn read(source: impl std::io::Read) -> Result<Content, SnapshotError> {
    let (mut reader, header) = SnapshotReader::begin(source, MAX)?;
    let mut nodes = Vec::new();
    while let Some(node) = reader.node()? {
        let data = node.data.map(<[u8]>::to_vec);
        nodes.push((node.path.into_owned(), data, node.acl_key, node.stat));
    }
    Ok(Content { header, nodes, tail: reader.finish()? })
}

/// Gives one byte, then two, then three… of another source.
struct Drip<'a>(&'a [u8], usize);

impl std::io::Read for Drip<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        self.1 += 1;
        let n = self.1.min(out.len()).min(self.0.len());
        out[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(n)
    }
}

fn content(seed: u64, nodes: usize) -> Content {
    let mut g = Gen::new(seed);
    let stat = |g: &mut Gen| StoredStat {
        czxid: Zxid(g.i64()),
        mzxid: Zxid(g.i64()),
        ctime: WallMillis(g.i64()),
        mtime: WallMillis(g.i64()),
        version: g.i32(),
        cversion: g.i32(),
        aversion: g.i32(),
        owner: g.i64(),
        pzxid: Zxid(g.i64()),
    };
    let digest = SnapshotDigest { zxid: Zxid(g.i64()), version: 2, digest: g.u64() };
    Content {
        header: Header {
            sessions: (0..g.below(4)).map(|_| (SessionId(g.i64()), g.i32())).collect(),
            acls: (0..g.below(4)).map(|_| (g.i64(), g.acl())).collect(),
        },
        nodes: (0..nodes)
            .map(|_| (g.string() + ".", g.bool().then(|| g.bytes()), g.i64(), stat(&mut g)))
            .collect(),
        tail: Tail {
            digest: g.bool().then_some(digest),
            last_zxid: g.bool().then(|| Zxid(g.i64())),
        },
    }
}

#[test]
fn a_java_servers_snapshots_read_and_write_to_the_same_bytes() {
    let empty = include_bytes!("../../snapshot/testdata/snapshot.0");
    let full = include_bytes!("../../snapshot/testdata/snapshot.3c");
    for bytes in [&empty[..], full] {
        let content = read(bytes).unwrap();
        assert!(content.tail.digest.is_some() && content.tail.last_zxid.is_some());
        assert_eq!(write(&content), bytes);
    }
    let empty = read(&empty[..]).unwrap();
    let paths: Vec<&str> = empty.nodes.iter().map(|node| &*node.0).collect();
    assert_eq!(paths, ["", "/zookeeper", "/zookeeper/config", "/zookeeper/quota"]);
    assert_eq!(empty.header.acls, [(1, crate::types::read_acl())]);
}

/// The ends of the same file, as the reference has them.
#[test]
fn the_empty_trees_first_and_last_bytes() {
    let start = "5a4b534e 00000002 ffffffffffffffff 00000000
        00000001 0000000000000001 00000001 00000001 00000005 776f726c64 00000006 616e796f6e65";
    let header = Header { sessions: vec![], acls: vec![(1, crate::types::read_acl())] };
    let bytes = write(&Content { header, ..Content::default() });
    assert!(bytes.starts_with(&unhex(start)));
    let tail = Tail {
        digest: Some(SnapshotDigest { zxid: Zxid(0), version: 2, digest: 0 }),
        last_zxid: Some(Zxid(0)),
    };
    let java = read(&include_bytes!("../../snapshot/testdata/snapshot.0")[..]).unwrap();
    assert_eq!(java.tail, tail);
    let end = include_bytes!("../../snapshot/testdata/snapshot.0").split_at(478 - 54).1;
    let sections = "0000000000000000 00000002 0000000000000000";
    assert!(end.starts_with(&unhex(sections)), "{end:02x?}");
}

#[test]
fn snapshots_survive_the_round_trip_in_pieces_of_any_size() {
    for seed in 0..40 {
        let content = content(seed, seed as usize);
        let bytes = write(&content);
        assert_eq!(read(&bytes[..]).unwrap(), content);
        assert_eq!(read(Drip(&bytes, 0)).unwrap(), content);
        assert!(bytes.ends_with(&FILE_END));
    }
    // Beyond the chunks in which both sides work.
    let mut large = content(1, 3000);
    large.nodes[7].1 = Some(vec![7; 300_000]);
    let bytes = write(&large);
    assert!(bytes.len() > 500_000);
    assert_eq!(read(&bytes[..]).unwrap(), large);
    assert_eq!(read(Drip(&bytes, 0)).unwrap(), large);
}

#[test]
fn a_file_cut_anywhere_or_with_more_behind_it_is_refused() {
    for seed in 0..6 {
        let content = content(seed, 4);
        let bytes = write(&content);
        // Without its last sections a file is whole again: that is how it says they are not there.
        let whole: &[usize] = match (content.tail.digest, content.tail.last_zxid) {
            (Some(_), Some(_)) => &[54, 21],
            (Some(_), None) => &[33],
            (None, Some(_)) => &[21],
            (None, None) => &[],
        };
        for cut in 0..bytes.len() {
            let ok = read(&bytes[..cut]).is_ok();
            assert_eq!(ok, whole.contains(&(bytes.len() - cut)), "cut at {cut} of {}", bytes.len());
        }
        for more in [1, 13, 20, 22, 200, 70_000] {
            let longer = [&bytes[..], &vec![0; more]].concat();
            assert!(read(&longer[..]).is_err(), "{more}");
        }
    }
}

#[test]
fn any_changed_bit_is_found() {
    let bytes = write(&content(3, 3));
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        // Version and dbid are not looked at, but they are sealed.
        assert!(read(&changed[..]).is_err(), "byte {at}");
    }
}

#[test]
fn the_digest_of_an_early_3_6_was_text() {
    let content = Content { nodes: content(1, 2).nodes, ..Content::default() };
    let whole = write(&content);
    for (text, last_zxid) in [("51c6d660", false), ("ffffffffffffffff", true), ("1", false)] {
        let mut bytes = whole.clone();
        put_i64(&mut bytes, 5);
        put_i32(&mut bytes, 1);
        put_str(&mut bytes, text);
        seal(&mut bytes);
        if last_zxid {
            put_i64(&mut bytes, 6);
            seal(&mut bytes);
        }
        let tail = read(&bytes[..]).unwrap().tail;
        let digest = u64::from_str_radix(text, 16).unwrap();
        assert_eq!(tail.digest, Some(SnapshotDigest { zxid: Zxid(5), version: 1, digest }));
        assert_eq!(tail.last_zxid.is_some(), last_zxid);
    }
}

fn seal(bytes: &mut Vec<u8>) {
    let sum = simd_adler32::adler32(&bytes.as_slice());
    put_i64(bytes, i64::from(sum));
    bytes.extend_from_slice(&FILE_END);
}

#[test]
fn promises_of_many_records_or_long_fields_cost_nothing() {
    let front = "5a4b534e 00000002 ffffffffffffffff";
    for rest in [
        "7fffffff",
        "00000000 7fffffff",
        "00000000 00000000 001fffff",
        "00000000 00000000 7fffffff",
    ] {
        assert!(read(&unhex(&format!("{front} {rest}"))[..]).is_err(), "{rest}");
    }
    // A table entry that claims more than any request could have carried is not collected first.
    let acl = format!("{front} 00000000 00000001 0000000000000001 7fffffff");
    let mut bytes = unhex(&acl);
    bytes.resize(bytes.len() + 200_000, 0);
    let (mut at_most, bytes) = (Drip(&bytes, 0), bytes.len());
    let (source, max) = (&mut at_most, 1000);
    let error = SnapshotReader::begin(source, max).map(|_| ()).unwrap_err();
    assert!(matches!(error, SnapshotError::TooLong { max: 4000, .. }), "{error}");
    assert!(at_most.0.len() > bytes - 1000);
    let magic = read(&b"ZKLG............"[..]).unwrap_err();
    assert!(magic.to_string().contains("ZKSN"), "{magic}");
}
