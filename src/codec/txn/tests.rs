//! Entries against the bytes a Java server wrote, and against themselves.

use super::*;
use crate::testing::generate::{Gen, unhex};
use crate::types::{limits, open_acl};

fn decode(bytes: &[u8]) -> Result<Entry, crate::codec::jute::DecodeError> {
    decode_entry(bytes, limits::JUTE_MAXBUFFER * 2)
}

fn encode(entry: &Entry) -> Vec<u8> {
    let mut out = Vec::new();
    encode_entry(entry, &mut out);
    out
}

/// Decodes to `entry`, and `entry` encodes to the same bytes.
fn same(hex: &str, entry: Entry) {
    let bytes = unhex(hex);
    assert_eq!(decode(&bytes).unwrap(), entry);
    assert_eq!(encode(&entry), bytes);
}

fn header(cxid: i32, zxid: i64, time: i64) -> TxnHeader {
    let session = SessionId(0x0100_0047_cef2_0000);
    TxnHeader { session, cxid, zxid: Zxid(zxid), time: WallMillis(time) }
}

#[test]
fn a_java_servers_create_session() {
    same(
        "01000047cef20000 00000000 0000000000000001 000001a1f919ec3d fffffff6 00002710
         00000002 0000000051c6d660",
        Entry {
            header: header(0, 1, 0x01a1_f919_ec3d),
            txn: Txn::CreateSession { timeout: 10_000 },
            digest: Some(TxnDigest { version: 2, digest: 0x51c6_d660 }),
        },
    );
}

#[test]
fn a_java_servers_create() {
    same(
        "01000047cef20000 00000001 0000000000000002 000001a1f919ec5e 00000001
         00000002 2f61 00000001 78 00000001 0000001f 00000005 776f726c64
         00000006 616e796f6e65 00 00000001 00000002 00000000f9aa55fb",
        Entry {
            header: header(1, 2, 0x01a1_f919_ec5e),
            txn: Txn::Op(Op::Create(CreateTxn {
                kind: CreateTxnKind::Create { ephemeral: false },
                path: "/a".into(),
                data: Some("x".into()),
                acl: open_acl(),
                parent_cversion: 1,
            })),
            digest: Some(TxnDigest { version: 2, digest: 0xf9aa_55fb }),
        },
    );
}

#[test]
fn a_java_servers_error_has_no_digest() {
    same(
        "01000047cef20000 00000002 0000000000000003 000001a1f919ec70 ffffffff ffffff9b",
        Entry {
            header: header(2, 3, 0x01a1_f919_ec70),
            txn: Txn::Error(ErrorCode::NoNode),
            digest: None,
        },
    );
}

#[test]
fn a_java_servers_failed_multi() {
    same(
        "01000047cef20000 00000003 0000000000000004 000001a1f919ec80 0000000e
         00000003
         00000001 0000002a 00000002 2f62 ffffffff 00000001 0000001f 00000005 776f726c64
         00000006 616e796f6e65 00 00000002
         ffffffff 00000004 ffffff99  ffffffff 00000004 fffffffe
         00000002 00000000f9aa55fb",
        Entry {
            header: header(3, 4, 0x01a1_f919_ec80),
            txn: Txn::Multi(vec![
                SubTxn::Op(Op::Create(CreateTxn {
                    kind: CreateTxnKind::Create { ephemeral: false },
                    path: "/b".into(),
                    data: None,
                    acl: open_acl(),
                    parent_cversion: 2,
                })),
                SubTxn::Error(ErrorCode::BadVersion),
                SubTxn::Error(ErrorCode::RuntimeInconsistency),
            ]),
            digest: Some(TxnDigest { version: 2, digest: 0xf9aa_55fb }),
        },
    );
}

const CLOSE: &str = "01000047cef20000 00000004 0000000000000005 000001a1f919ec90 fffffff5";

fn close(paths: Option<Vec<String>>, digest: Option<u64>) -> Entry {
    Entry {
        header: header(4, 5, 0x01a1_f919_ec90),
        txn: Txn::CloseSession { paths },
        digest: digest.map(|digest| TxnDigest { version: 2, digest }),
    }
}

#[test]
fn close_session_with_and_without_its_list() {
    let digest = Some(0xf9aa_55fb);
    same(&format!("{CLOSE} 00000000 00000002 00000000f9aa55fb"), close(Some(vec![]), digest));
    same(
        &format!("{CLOSE} 00000001 00000002 2f65 00000002 00000000f9aa55fb"),
        close(Some(vec!["/e".into()]), digest),
    );
    // Before 3.6, and with closeSessionTxn.enabled=false beside digests.
    same(CLOSE, close(None, None));
    same(&format!("{CLOSE} 00000002 00000000f9aa55fb"), close(None, digest));
    // Java 3.9.5 with that setting, whole.
    let java = "0100003da4970000 00000001 000000000000003a 000001a1fbcabc40 fffffff5
        00000002 00000006abf44688";
    let entry = decode(&unhex(java)).unwrap();
    assert_eq!(entry.txn, Txn::CloseSession { paths: None });
    assert_eq!(entry.digest, Some(TxnDigest { version: 2, digest: 0x6_abf4_4688 }));
    assert_eq!(encode(&entry), unhex(java));
    // A list cut short: Java takes the whole record for one without a list.
    assert_eq!(
        decode(&unhex(&format!("{CLOSE} 00000003 00000002 2f65"))).unwrap(),
        close(None, None)
    );
}

#[test]
fn a_create_of_3_3_has_no_parent_counter() {
    let front = "01000047cef20000 00000001 0000000000000002 000001a1f919ec5e";
    let record = "00000002 2f61 00000001 78 00000001 0000001f 00000005 776f726c64
         00000006 616e796f6e65 01";
    for tail in ["", "00", "0000", "000000"] {
        let entry = decode(&unhex(&format!("{front} 00000001 {record} {tail}"))).unwrap();
        let Txn::Op(Op::Create(create)) = entry.txn else { panic!("not a create") };
        assert_eq!(create.kind, CreateTxnKind::Create { ephemeral: true });
        assert_eq!(create.parent_cversion, -1);
        assert_eq!(entry.digest, None);
    }
    // create2 is younger than the counter: no such leniency.
    assert!(decode(&unhex(&format!("{front} 0000000f {record}"))).is_err());
}

#[test]
fn digest_tails() {
    let error = "01000047cef20000 00000002 0000000000000003 000001a1f919ec70 ffffffff ffffff9b";
    for (tail, digest) in [
        ("", None),
        ("00000002 000000000000", None),
        ("00000002 0000000000000007", Some((2, 7))),
        ("00000001 0000000000000007 ffff", Some((1, 7))),
    ] {
        let entry = decode(&unhex(&format!("{error} {tail}"))).unwrap();
        assert_eq!(entry.digest.map(|d| (d.version, d.digest)), digest, "{tail:?}");
    }
}

#[test]
fn unknown_types_are_refused_alone_and_inside_a_multi() {
    let front = "01000047cef20000 00000002 0000000000000003 000001a1f919ec70";
    for number in ["00000000", "00000009", "0000000d", "00000016", "fffffffe"] {
        let error = decode(&unhex(&format!("{front} {number} 00000000"))).unwrap_err();
        assert!(error.to_string().contains("transaction type"), "{error}");
    }
    for number in ["0000000e", "00000007", "fffffff6", "00000010"] {
        let bytes = unhex(&format!("{front} 0000000e 00000001 {number} 00000004 00000000"));
        assert!(decode(&bytes).is_err(), "{number}");
    }
}

#[test]
fn fields_obey_the_limit() {
    let entry = Entry {
        header: header(1, 2, 3),
        txn: Txn::Op(Op::SetData {
            path: "/a".into(),
            data: Some(vec![0; 100].into()),
            version: 1,
        }),
        digest: None,
    };
    let bytes = encode(&entry);
    assert_eq!(decode_entry(&bytes, 100).unwrap(), entry);
    let error = decode_entry(&bytes, 99).unwrap_err().to_string();
    assert!(error.contains("data: unreasonable length 100"), "{error}");
}

#[test]
fn entries_survive_the_round_trip_and_any_truncation() {
    let mut messages = Gen::new(1);
    for _ in 0..300 {
        let entry = messages.entry();
        let bytes = encode(&entry);
        assert_eq!(decode(&bytes).unwrap(), entry);
        assert_eq!(decode_entry_header(&bytes).unwrap(), (entry.header, entry.txn.number()));
        for cut in 0..bytes.len() {
            // A shorter entry may be readable (no digest, no list), but never as the whole one.
            assert_ne!(decode(&bytes[..cut]).as_ref(), Ok(&entry), "cut at {cut}");
        }
    }
}
