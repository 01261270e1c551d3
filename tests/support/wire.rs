//! Jute by hand: a byte builder and a byte reader.

/// One ACL entry as it is on the wire; scheme and id may be null there.
pub type RawAcl<'a> = (i32, Option<&'a str>, Option<&'a str>);

/// World may do everything.
pub const OPEN: &[RawAcl<'static>] = &[(31, Some("world"), Some("anyone"))];

/// Builds a record.
#[derive(Clone, Default)]
pub struct Out(pub Vec<u8>);

impl Out {
    pub fn new() -> Out {
        Out(Vec::new())
    }

    pub fn i32(mut self, value: i32) -> Out {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub fn i64(mut self, value: i64) -> Out {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub fn bool(mut self, value: bool) -> Out {
        self.0.push(u8::from(value));
        self
    }

    pub fn buffer(mut self, value: Option<&[u8]>) -> Out {
        match value {
            None => self.i32(-1),
            Some(bytes) => {
                self = self.i32(bytes.len() as i32);
                self.0.extend_from_slice(bytes);
                self
            }
        }
    }

    pub fn string(self, value: Option<&str>) -> Out {
        self.buffer(value.map(str::as_bytes))
    }

    pub fn str(self, value: &str) -> Out {
        self.string(Some(value))
    }

    pub fn strings(self, values: &[String]) -> Out {
        let out = self.i32(values.len() as i32);
        values.iter().fold(out, |out, value| out.str(value))
    }

    pub fn acls(self, acls: Option<&[RawAcl<'_>]>) -> Out {
        let Some(acls) = acls else { return self.i32(-1) };
        let out = self.i32(acls.len() as i32);
        acls.iter()
            .fold(out, |out, (perms, scheme, id)| out.i32(*perms).string(*scheme).string(*id))
    }

    pub fn append(mut self, other: &[u8]) -> Out {
        self.0.extend_from_slice(other);
        self
    }
}

/// Puts the length in front.
pub fn frame(payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as i32).to_be_bytes().to_vec();
    bytes.extend_from_slice(payload);
    bytes
}

/// A request frame: header and body.
pub fn request(xid: i32, opcode: i32, body: &[u8]) -> Vec<u8> {
    frame(&Out::new().i32(xid).i32(opcode).append(body).0)
}

/// The bytes ended before the record did, or a length made no sense.
#[derive(Debug, PartialEq, Eq)]
pub struct Short;

/// Reads a record.
pub struct In<'a> {
    pub rest: &'a [u8],
}

impl<'a> In<'a> {
    pub fn new(bytes: &'a [u8]) -> In<'a> {
        In { rest: bytes }
    }

    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Short> {
        if self.rest.len() < count {
            return Err(Short);
        }
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        Ok(taken)
    }

    pub fn bool(&mut self) -> Result<bool, Short> {
        Ok(self.take(1)?[0] != 0)
    }

    pub fn i32(&mut self) -> Result<i32, Short> {
        Ok(i32::from_be_bytes(self.take(4)?.try_into().unwrap()))
    }

    pub fn i64(&mut self) -> Result<i64, Short> {
        Ok(i64::from_be_bytes(self.take(8)?.try_into().unwrap()))
    }

    pub fn buffer(&mut self) -> Result<Option<&'a [u8]>, Short> {
        match self.i32()? {
            -1 => Ok(None),
            length if length < 0 => Err(Short),
            length => self.take(length as usize).map(Some),
        }
    }

    pub fn string(&mut self) -> Result<Option<String>, Short> {
        Ok(self.buffer()?.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
    }

    /// Items of a vector, or `None` for a null one.
    pub fn vector<T>(
        &mut self,
        mut item: impl FnMut(&mut In<'a>) -> Result<T, Short>,
    ) -> Result<Option<Vec<T>>, Short> {
        let count = self.i32()?;
        if count == -1 {
            return Ok(None);
        }
        (0..count).map(|_| item(self)).collect::<Result<Vec<T>, Short>>().map(Some)
    }

    pub fn stat(&mut self) -> Result<Stat, Short> {
        Ok(Stat {
            czxid: self.i64()?,
            mzxid: self.i64()?,
            ctime: self.i64()?,
            mtime: self.i64()?,
            version: self.i32()?,
            cversion: self.i32()?,
            aversion: self.i32()?,
            owner: self.i64()?,
            data_length: self.i32()?,
            num_children: self.i32()?,
            pzxid: self.i64()?,
        })
    }
}

/// A znode's Stat as clients see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    pub czxid: i64,
    pub mzxid: i64,
    pub ctime: i64,
    pub mtime: i64,
    pub version: i32,
    pub cversion: i32,
    pub aversion: i32,
    pub owner: i64,
    pub data_length: i32,
    pub num_children: i32,
    pub pzxid: i64,
}
