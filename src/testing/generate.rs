//! Arbitrary messages for tests: the same seed, the same message.

use super::rng::Rng;
use crate::codec::request::{
    ConnectRequest, CreateCall, CreateOp, MultiOp, MultiReadOp, RawAcl, ReadOp, ReconfigOp,
    Request, SetWatches, WriteOp,
};
use crate::codec::txn::{CreateTxn, CreateTxnKind, Entry, Op, SubTxn, Txn, TxnDigest, TxnHeader};
use crate::types::{Acl, AclList, Data, ErrorCode, Perms, SessionId, Stat, WallMillis, Zxid};

use std::borrow::Cow;

/// Hex digits, blanks ignored, to bytes.
pub fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// Chance with a taste for edges.
pub struct Gen(Rng);

impl Gen {
    pub fn new(seed: u64) -> Gen {
        Gen(Rng::new(seed))
    }

    pub fn u64(&mut self) -> u64 {
        self.0.u64()
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.0.below(n)
    }

    pub fn bool(&mut self) -> bool {
        self.below(2) == 0
    }

    pub fn i64(&mut self) -> i64 {
        match self.below(4) {
            0 => [0, -1, 1, i64::MIN, i64::MAX][self.below(5)],
            1 => self.below(100) as i64,
            _ => self.u64() as i64,
        }
    }

    pub fn i32(&mut self) -> i32 {
        match self.below(4) {
            0 => [0, -1, 1, i32::MIN, i32::MAX][self.below(5)],
            1 => self.below(100) as i32,
            _ => self.u64() as i32,
        }
    }

    pub fn bytes(&mut self) -> Vec<u8> {
        (0..self.below(20)).map(|_| self.u64() as u8).collect()
    }

    pub fn string(&mut self) -> String {
        (0..self.below(12)).map(|_| ['a', '/', 'ü', '漢', '\0', '😀', '.'][self.below(7)]).collect()
    }

    fn maybe<T>(&mut self, make: impl Fn(&mut Gen) -> T) -> Option<T> {
        (self.below(8) != 0).then(|| make(self))
    }

    fn list<T>(&mut self, make: impl Fn(&mut Gen) -> T) -> Vec<T> {
        (0..self.below(4)).map(|_| make(self)).collect()
    }

    fn cow(&mut self) -> Cow<'static, str> {
        self.string().into()
    }

    fn data(&mut self) -> Data {
        self.maybe(Gen::bytes).map(Into::into)
    }

    pub fn acl(&mut self) -> AclList {
        self.list(|g| Acl::new(Perms(g.i32()), &g.string(), &g.string())).into()
    }

    fn raw_acl(&mut self) -> RawAcl {
        RawAcl { perms: self.i32(), scheme: self.maybe(Gen::string), id: self.maybe(Gen::string) }
    }

    pub fn error(&mut self) -> ErrorCode {
        ErrorCode::from_code([0, -2, -5, -101, -103, -127][self.below(6)])
    }

    pub fn stat(&mut self) -> Stat {
        Stat {
            czxid: Zxid(self.i64()),
            mzxid: Zxid(self.i64()),
            ctime: WallMillis(self.i64()),
            mtime: WallMillis(self.i64()),
            version: self.i32(),
            cversion: self.i32(),
            aversion: self.i32(),
            ephemeral_owner: self.i64(),
            data_length: self.i32(),
            num_children: self.i32(),
            pzxid: Zxid(self.i64()),
        }
    }

    pub fn connect(&mut self) -> ConnectRequest {
        ConnectRequest {
            protocol_version: self.i32(),
            last_zxid_seen: Zxid(self.i64()),
            timeout: self.i32(),
            session: SessionId(self.i64()),
            password: self.bytes(),
            read_only: self.maybe(Gen::bool),
        }
    }

    fn create(&mut self) -> CreateOp {
        let call =
            [CreateCall::Create, CreateCall::Create2, CreateCall::Container, CreateCall::Ttl]
                [self.below(4)];
        CreateOp {
            call,
            path: self.maybe(Gen::string),
            data: self.data(),
            acl: self.maybe(|g| g.list(Gen::raw_acl)),
            flags: self.i32(),
            ttl: if call == CreateCall::Ttl { self.i64() } else { -1 },
        }
    }

    /// A create as a multi's decoder leaves it.
    fn settled_create(&mut self) -> CreateOp {
        let (call, flags) = [
            (CreateCall::Create, 0),
            (CreateCall::Create2, 3),
            (CreateCall::Container, 4),
            (CreateCall::Container, 0),
            (CreateCall::Ttl, 6),
        ][self.below(5)];
        CreateOp {
            call,
            flags,
            path: Some(self.string()),
            data: self.data(),
            acl: Some(self.list(Gen::raw_acl)),
            ttl: if call == CreateCall::Ttl { self.i64() } else { -1 },
        }
    }

    fn multi_op(&mut self) -> MultiOp {
        let (path, version) = (Some(self.string()), self.i32());
        match self.below(4) {
            0 => MultiOp::Create(self.settled_create()),
            1 => MultiOp::Delete { path, version },
            2 => MultiOp::SetData { path, data: self.data(), version },
            _ => MultiOp::Check { path, version },
        }
    }

    pub fn write(&mut self) -> WriteOp {
        let (path, version) = (self.maybe(Gen::string), self.i32());
        match self.below(6) {
            0 => WriteOp::Create(self.create()),
            1 => WriteOp::Delete { path, version },
            2 => WriteOp::SetData { path, data: self.data(), version },
            3 => WriteOp::SetAcl { path, acl: self.maybe(|g| g.list(Gen::raw_acl)), version },
            4 => WriteOp::Multi(self.list(Gen::multi_op)),
            _ => WriteOp::Reconfig(ReconfigOp {
                joining: self.maybe(Gen::string),
                leaving: self.maybe(Gen::string),
                new_members: self.maybe(Gen::string),
                config_version: self.i64(),
            }),
        }
    }

    pub fn read(&mut self) -> ReadOp<'static> {
        let (path, watch, kind) = (self.maybe(Gen::cow), self.bool(), self.i32());
        match self.below(13) {
            0 => ReadOp::Exists { path, watch },
            1 => ReadOp::GetData { path, watch },
            2 => ReadOp::GetAcl { path },
            3 => ReadOp::GetChildren { path, watch },
            4 => ReadOp::GetChildren2 { path, watch },
            5 => ReadOp::GetAllChildrenNumber { path },
            6 => ReadOp::GetEphemerals { prefix: path },
            7 => ReadOp::MultiRead(self.list(|g| match (g.bool(), Some(g.cow())) {
                (true, path) => MultiReadOp::GetData { path },
                (false, path) => MultiReadOp::GetChildren { path },
            })),
            8 => ReadOp::SetWatches(SetWatches {
                relative_zxid: Zxid(self.i64()),
                data: self.list(Gen::cow),
                exist: self.list(Gen::cow),
                child: self.list(Gen::cow),
                persistent: self.list(Gen::cow),
                recursive: self.list(Gen::cow),
            }),
            9 => ReadOp::AddWatch { path, mode: kind },
            10 => ReadOp::CheckWatches { path, kind },
            11 => ReadOp::RemoveWatches { path, kind },
            _ => ReadOp::WhoAmI,
        }
    }

    /// A write, a read or a request that is neither; auth and SASL borrow and are not among them.
    pub fn request(&mut self) -> Request<'static> {
        match self.below(10) {
            0..4 => Request::Write(self.write()),
            4..8 => Request::Read(self.read()),
            8 => Request::Sync { path: self.maybe(Gen::cow) },
            _ => [Request::Ping, Request::CloseSession][self.below(2)].clone(),
        }
    }

    fn create_txn(&mut self) -> CreateTxn {
        CreateTxn {
            kind: match self.below(4) {
                0 => CreateTxnKind::Create { ephemeral: self.bool() },
                1 => CreateTxnKind::Create2 { ephemeral: self.bool() },
                2 => CreateTxnKind::Container,
                _ => CreateTxnKind::Ttl(self.i64()),
            },
            path: self.string(),
            data: self.data(),
            acl: self.acl(),
            parent_cversion: self.i32(),
        }
    }

    fn sub_txn(&mut self) -> SubTxn {
        let (path, version) = (self.string(), self.i32());
        SubTxn::Op(match self.below(6) {
            0 => Op::Create(self.create_txn()),
            1 => Op::Delete { path },
            2 => Op::DeleteContainer { path },
            3 => Op::SetData { path, data: self.data(), version },
            4 => Op::Check { path, version },
            _ => return SubTxn::Error(self.error()),
        })
    }

    pub fn txn(&mut self) -> Txn {
        let (path, version) = (self.string(), self.i32());
        match self.below(10) {
            0 => Txn::CreateSession { timeout: self.i32() },
            1 => Txn::CloseSession { paths: self.maybe(|g| g.list(|g| g.string() + "/")) },
            2 => Txn::Error(self.error()),
            3 => Txn::Op(Op::Create(self.create_txn())),
            4 => Txn::Op(Op::Delete { path }),
            5 => Txn::Op(Op::DeleteContainer { path }),
            6 => Txn::Op(Op::SetData { path, data: self.data(), version }),
            7 => Txn::Op(Op::SetAcl { path, acl: self.acl(), version }),
            8 => Txn::Multi(self.list(Gen::sub_txn)),
            _ => Txn::Reconfig { config: self.data(), version },
        }
    }

    pub fn entry(&mut self) -> Entry {
        Entry {
            header: TxnHeader {
                session: SessionId(self.i64()),
                cxid: self.i32(),
                zxid: Zxid(self.i64()),
                time: WallMillis(self.i64()),
            },
            txn: self.txn(),
            digest: self.maybe(|g| TxnDigest { version: TxnDigest::VERSION, digest: g.u64() }),
        }
    }
}
