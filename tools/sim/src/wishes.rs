//! What clients ask for: few names, so that they meet.

use std::borrow::Cow;

use bytes::Bytes;
use ringkeeper::codec::request::{
    CreateCall, CreateOp, MultiOp, MultiReadOp, RawAcl, ReadOp, WriteOp,
};
use ringkeeper::types::{Data, Identity, Perms};

use crate::client::Ask;
use crate::history::History;
use crate::knobs::Knobs;
use crate::rng::Rng;

const OPEN: (i32, &str, &str) = (Perms::ALL.0, "world", "anyone");

/// A client's last write of a run.
pub fn last(client: usize) -> WriteOp {
    create(CreateCall::Create, format!("/last-{client}"), None, vec![raw(OPEN)], 0, -1)
}

pub fn is_last(op: &WriteOp) -> bool {
    matches!(op, WriteOp::Create(create)
        if create.path.as_deref().is_some_and(|path| path.starts_with("/last-")))
}

fn raw((perms, scheme, id): (i32, &str, &str)) -> RawAcl {
    RawAcl { perms, scheme: Some(scheme.into()), id: Some(id.into()) }
}

fn create(
    call: CreateCall,
    path: String,
    data: Data,
    acl: Vec<RawAcl>,
    flags: i32,
    ttl: i64,
) -> WriteOp {
    WriteOp::Create(CreateOp { call, path: Some(path), data, acl: Some(acl), flags, ttl })
}

struct Drawer<'a> {
    rng: &'a mut Rng,
    history: &'a History,
    knobs: &'a Knobs,
    who: &'a [Identity],
}

pub fn draw(rng: &mut Rng, history: &History, knobs: &Knobs, who: &[Identity]) -> Ask {
    Drawer { rng, history, knobs, who }.ask()
}

/// Of a client that mostly looks.
pub fn look(rng: &mut Rng, history: &History, knobs: &Knobs, who: &[Identity]) -> Ask {
    match rng.below(10) {
        0 => draw(rng, history, knobs, who),
        1..=4 => Ask::Sync,
        _ => Ask::Read(Drawer { rng, history, knobs, who }.read()),
    }
}

/// A node of the requester's session.
pub fn ephemeral(rng: &mut Rng, history: &History, knobs: &Knobs, who: &[Identity]) -> WriteOp {
    let mut drawer = Drawer { rng, history, knobs, who };
    let (path, data) = (drawer.path(), drawer.data());
    create(CreateCall::Create, path, data, vec![raw(OPEN)], 1, -1)
}

impl Drawer<'_> {
    fn ask(&mut self) -> Ask {
        match self.rng.below(100) {
            0..=24 => Ask::Write(self.create()),
            25..=36 => Ask::Write(self.delete()),
            37..=52 => Ask::Write(self.set_data()),
            53..=55 => Ask::Write(self.set_acl()),
            56..=63 => Ask::Write(self.multi()),
            64..=66 => Ask::Sync,
            _ => Ask::Read(self.read()),
        }
    }

    fn path(&mut self) -> String {
        if self.rng.one_in(12) {
            // Whatever there is, sequential names and deep ones too.
            let all: Vec<&str> = self.history.paths_at(self.history.last).collect();
            if let Some(path) = self.rng.any_of(&all).filter(|path| !path.starts_with("/zookeeper"))
            {
                return (*path).to_owned();
            }
        }
        let mut path = String::new();
        for level in 0..1 + self.rng.below(3) {
            let wide = if level == 0 { 3 } else { 6 };
            path.push('/');
            path.push((b'a' + self.rng.below(wide) as u8) as char);
        }
        path
    }

    fn data(&mut self) -> Data {
        let heavy = self.knobs.heavy_bytes;
        match self.rng.below(12) {
            n if n > 4 && heavy > 0 => {
                let len = self.rng.below(heavy) as usize;
                Some(vec![self.rng.u64() as u8; len].into())
            }
            0 => None,
            1 => Some(Bytes::new()),
            2 => Some(vec![self.rng.u64() as u8; 1500].into()),
            n => {
                let stamp = self.rng.u64().to_be_bytes();
                Some(stamp.iter().copied().cycle().take(n as usize * 3).collect())
            }
        }
    }

    fn acl(&mut self) -> Vec<RawAcl> {
        let mine = self.who.first().map(|who| (Perms::ALL.0, &*who.scheme, &*who.id));
        match (self.rng.below(16), mine) {
            (0, Some(mine)) => vec![raw(mine)],
            (1, Some(mine)) => vec![raw(mine), raw((Perms::READ.0, "world", "anyone"))],
            (2, Some(mine)) => {
                let some = Perms::READ.or(Perms::CREATE).or(Perms::DELETE).0;
                vec![raw((some, "world", "anyone")), raw(mine)]
            }
            _ => vec![raw(OPEN)],
        }
    }

    fn create_op(&mut self, in_multi: bool) -> CreateOp {
        let (mut path, data, acl) = (self.path(), self.data(), self.acl());
        let (call, flags, ttl) = match self.rng.below(20) {
            0 => (CreateCall::Container, 4, -1),
            1 if self.knobs.extended_types => {
                (CreateCall::Ttl, 5, self.rng.one_of([200, 3000, 100_000]))
            }
            2..=7 => (self.call(), 1, -1),
            8 | 9 => (self.call(), 2, -1),
            10 | 11 => (self.call(), 3, -1),
            _ => (self.call(), 0, -1),
        };
        if flags == 2 || flags == 3 {
            path.push_str("-s");
        }
        // A multi knows the older two kinds of create best.
        let call = if in_multi && flags < 4 { CreateCall::Create } else { call };
        CreateOp { call, path: Some(path), data, acl: Some(acl), flags, ttl }
    }

    fn call(&mut self) -> CreateCall {
        if self.rng.one_in(2) { CreateCall::Create } else { CreateCall::Create2 }
    }

    fn create(&mut self) -> WriteOp {
        WriteOp::Create(self.create_op(false))
    }

    fn version(&mut self, path: &str) -> i32 {
        let now = self.history.at(path, self.history.last).map_or(0, |node| node.version);
        match self.rng.below(6) {
            0 => now,
            1 => now + 1,
            _ => -1,
        }
    }

    fn delete(&mut self) -> WriteOp {
        let path = self.path();
        let version = self.version(&path);
        WriteOp::Delete { path: Some(path), version }
    }

    fn set_data(&mut self) -> WriteOp {
        let path = self.path();
        let version = self.version(&path);
        WriteOp::SetData { path: Some(path), data: self.data(), version }
    }

    fn set_acl(&mut self) -> WriteOp {
        let path = self.path();
        let version = if self.rng.one_in(5) { 1 } else { -1 };
        WriteOp::SetAcl { path: Some(path), acl: Some(self.acl()), version }
    }

    fn multi(&mut self) -> WriteOp {
        let ops = (0..1 + self.rng.below(4)).map(|_| {
            let path = self.path();
            let version = self.version(&path);
            let path = Some(path);
            match self.rng.below(8) {
                0..=2 => MultiOp::Create(self.create_op(true)),
                3 | 4 => MultiOp::Delete { path, version },
                5 => MultiOp::Check { path, version },
                _ => MultiOp::SetData { path, data: self.data(), version },
            }
        });
        WriteOp::Multi(ops.collect())
    }

    fn read(&mut self) -> ReadOp<'static> {
        let path: Option<Cow<'static, str>> = Some(self.path().into());
        let watch = self.rng.one_in(2);
        match self.rng.below(30) {
            0..=5 => ReadOp::Exists { path, watch },
            6..=12 => ReadOp::GetData { path, watch },
            13..=16 => ReadOp::GetChildren { path, watch },
            17..=19 => ReadOp::GetChildren2 { path, watch },
            20 => ReadOp::GetAcl { path },
            21 => ReadOp::GetAllChildrenNumber { path },
            22 => ReadOp::GetEphemerals { prefix: path },
            23 | 24 => {
                let ops = (0..1 + self.rng.below(3)).map(|_| {
                    let path = Some(self.path().into());
                    match self.rng.one_in(2) {
                        true => MultiReadOp::GetData { path },
                        false => MultiReadOp::GetChildren { path },
                    }
                });
                ReadOp::MultiRead(ops.collect())
            }
            25 | 26 => ReadOp::AddWatch { path, mode: self.rng.below(2) },
            27 => ReadOp::CheckWatches { path, kind: self.rng.between(1, 5) as i32 },
            28 => ReadOp::RemoveWatches { path, kind: self.rng.between(1, 5) as i32 },
            _ => ReadOp::WhoAmI,
        }
    }
}
