//! The part of ZooKeeper's client protocol that a load driver speaks: requests appended to a
//! buffer, replies taken apart in place. Written apart from the server's codec on purpose.

/// Opcodes (ZooDefs.OpCode).
pub mod op {
    pub const CREATE: i32 = 1;
    pub const DELETE: i32 = 2;
    pub const EXISTS: i32 = 3;
    pub const GET_DATA: i32 = 4;
    pub const SET_DATA: i32 = 5;
    pub const GET_CHILDREN: i32 = 8;
    pub const PING: i32 = 11;
    pub const MULTI: i32 = 14;
    pub const CLOSE_SESSION: i32 = -11;
}

/// Error codes a load meets in good order (KeeperException.Code).
pub mod err {
    pub const OK: i32 = 0;
    pub const NO_NODE: i32 = -101;
    pub const NODE_EXISTS: i32 = -110;
    pub const NOT_EMPTY: i32 = -111;
}

/// Create flags (CreateMode).
pub const PERSISTENT: i32 = 0;
pub const EPHEMERAL_SEQUENTIAL: i32 = 3;

pub const XID_EVENT: i32 = -1;
pub const XID_PING: i32 = -2;

/// Bytes of a session's password.
pub const PASSWORD_LEN: usize = 16;
/// Bytes of a Stat on the wire.
pub const STAT_LEN: usize = 68;
/// Largest frame taken from a server: above it the stream is taken for garbage.
pub const FRAME_MAX: usize = 64 << 20;

fn frame(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    let len = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&len.to_be_bytes());
}

fn int(out: &mut Vec<u8>, value: i32) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn long(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn bytes(out: &mut Vec<u8>, value: &[u8]) {
    int(out, value.len() as i32);
    out.extend_from_slice(value);
}

fn request(out: &mut Vec<u8>, xid: i32, opcode: i32, body: impl FnOnce(&mut Vec<u8>)) {
    frame(out, |out| {
        int(out, xid);
        int(out, opcode);
        body(out);
    });
}

/// Asks for a new session of `timeout_ms`.
pub fn connect(out: &mut Vec<u8>, timeout_ms: i32) {
    attach(out, timeout_ms, 0, &[0; PASSWORD_LEN], 0);
}

/// Asks for the session `session` again (0: for a new one), having seen everything up to `zxid`.
pub fn attach(
    out: &mut Vec<u8>,
    timeout_ms: i32,
    session: i64,
    password: &[u8; PASSWORD_LEN],
    zxid: i64,
) {
    frame(out, |out| {
        int(out, 0);
        long(out, zxid);
        int(out, timeout_ms);
        long(out, session);
        bytes(out, password);
        out.push(0);
    });
}

pub fn ping(out: &mut Vec<u8>) {
    request(out, XID_PING, op::PING, |_| {});
}

pub fn close_session(out: &mut Vec<u8>, xid: i32) {
    request(out, xid, op::CLOSE_SESSION, |_| {});
}

/// A create open to everyone.
pub fn create(out: &mut Vec<u8>, xid: i32, path: &[u8], value: Value<'_>, flags: i32) {
    request(out, xid, op::CREATE, |out| {
        bytes(out, path);
        value.put(out);
        int(out, 1);
        int(out, 31);
        bytes(out, b"world");
        bytes(out, b"anyone");
        int(out, flags);
    });
}

pub fn delete(out: &mut Vec<u8>, xid: i32, path: &[u8]) {
    request(out, xid, op::DELETE, |out| {
        bytes(out, path);
        int(out, -1);
    });
}

pub fn set_data(out: &mut Vec<u8>, xid: i32, path: &[u8], value: Value<'_>) {
    request(out, xid, op::SET_DATA, |out| {
        bytes(out, path);
        value.put(out);
        int(out, -1);
    });
}

/// exists, getData and getChildren: a path and whether to watch it.
pub fn query(out: &mut Vec<u8>, xid: i32, opcode: i32, path: &[u8], watch: bool) {
    request(out, xid, opcode, |out| {
        bytes(out, path);
        out.push(u8::from(watch));
    });
}

/// A multi of setData steps; `step` writes each with [`multi_set_data`].
pub fn multi(out: &mut Vec<u8>, xid: i32, steps: impl FnOnce(&mut Vec<u8>)) {
    request(out, xid, op::MULTI, |out| {
        steps(out);
        int(out, -1);
        out.push(1);
        int(out, -1);
    });
}

pub fn multi_set_data(out: &mut Vec<u8>, path: &[u8], value: Value<'_>) {
    int(out, op::SET_DATA);
    out.push(0);
    int(out, -1);
    bytes(out, path);
    value.put(out);
    int(out, -1);
}

/// A znode's data: filler that begins with a tag, so that a read can tell whose value it got.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    pub filler: &'a [u8],
    pub tag: u64,
}

impl Value<'_> {
    pub const EMPTY: Value<'static> = Value { filler: &[], tag: 0 };

    fn put(self, out: &mut Vec<u8>) {
        int(out, self.filler.len() as i32);
        let start = out.len();
        out.extend_from_slice(self.filler);
        if self.filler.len() >= 8 {
            out[start..start + 8].copy_from_slice(&self.tag.to_be_bytes());
        }
    }

    /// Whether `data` could be this value.
    pub fn matches(&self, data: &[u8]) -> bool {
        data.len() == self.filler.len()
            && (data.len() < 8
                || (data[..8] == self.tag.to_be_bytes() && data[8..] == self.filler[8..]))
    }
}

/// The length of the first frame's payload, if its four length bytes are here.
pub fn frame_len(input: &[u8]) -> Option<usize> {
    let head = input.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*head) as usize)
}

/// A reply or an event, split but not interpreted.
#[derive(Debug)]
pub struct Reply<'a> {
    pub xid: i32,
    pub zxid: i64,
    pub err: i32,
    pub body: &'a [u8],
}

impl<'a> Reply<'a> {
    pub fn parse(payload: &'a [u8]) -> Option<Reply<'a>> {
        let mut cursor = Cursor(payload);
        let (xid, zxid, err) = (cursor.int()?, cursor.long()?, cursor.int()?);
        Some(Reply { xid, zxid, err, body: cursor.0 })
    }
}

/// The server's answer to [`connect`] and [`attach`].
#[derive(Debug, PartialEq, Eq)]
pub struct ConnectReply {
    /// Milliseconds; 0: the session was refused.
    pub timeout_ms: i32,
    pub session: i64,
    pub password: [u8; PASSWORD_LEN],
}

impl ConnectReply {
    pub fn parse(payload: &[u8]) -> Option<ConnectReply> {
        let mut cursor = Cursor(payload);
        cursor.int()?;
        let (timeout_ms, session) = (cursor.int()?, cursor.long()?);
        let password = cursor.bytes()?.try_into().ok()?;
        (cursor.0.len() <= 1).then_some(ConnectReply { timeout_ms, session, password })
    }
}

/// The fields of a Stat that a load checks.
#[derive(Debug, PartialEq, Eq)]
pub struct Stat {
    pub mzxid: i64,
    pub version: i32,
    pub data_length: i32,
    pub children: i32,
}

/// Reads a reply's parts from the front.
pub struct Cursor<'a>(pub &'a [u8]);

impl<'a> Cursor<'a> {
    pub fn int(&mut self) -> Option<i32> {
        let (head, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(i32::from_be_bytes(*head))
    }

    pub fn long(&mut self) -> Option<i64> {
        let (head, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(i64::from_be_bytes(*head))
    }

    pub fn byte(&mut self) -> Option<u8> {
        let (head, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*head)
    }

    /// A buffer or string; null reads as empty.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.int()?;
        if len == -1 {
            return Some(&[]);
        }
        let (head, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        Some(head)
    }

    pub fn stat(&mut self) -> Option<Stat> {
        let (raw, rest) = self.0.split_first_chunk::<STAT_LEN>()?;
        self.0 = rest;
        let int = |at: usize| raw[at..].first_chunk::<4>().map(|b| i32::from_be_bytes(*b));
        let mzxid = raw[8..].first_chunk::<8>().map(|b| i64::from_be_bytes(*b))?;
        Some(Stat { mzxid, version: int(32)?, data_length: int(52)?, children: int(56)? })
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_get_data_request_has_javas_bytes() {
        let mut out = Vec::new();
        query(&mut out, 7, op::GET_DATA, b"/a", true);
        assert_eq!(out, [0, 0, 0, 15, 0, 0, 0, 7, 0, 0, 0, 4, 0, 0, 0, 2, b'/', b'a', 1]);
    }

    #[test]
    fn a_connect_request_is_45_bytes_with_the_read_only_byte() {
        let mut out = Vec::new();
        connect(&mut out, 30_000);
        assert_eq!(frame_len(&out), Some(45));
        assert_eq!(out.len(), 49);
    }

    #[test]
    fn a_session_is_asked_for_again_with_its_password_and_what_was_seen() {
        let mut out = Vec::new();
        attach(&mut out, 9, 0x0102, &[7; PASSWORD_LEN], 5);
        assert_eq!(out[8..16], 5_i64.to_be_bytes());
        assert_eq!(out[16..20], 9_i32.to_be_bytes());
        assert_eq!(out[20..28], 0x0102_i64.to_be_bytes());
        assert_eq!(out[28..49], [&[0, 0, 0, 16][..], &[7; 16], &[0]].concat());
    }

    #[test]
    fn values_are_told_apart_by_their_tags() {
        let filler = [7_u8; 16];
        let mut out = Vec::new();
        Value { filler: &filler, tag: 3 }.put(&mut out);
        assert!(Value { filler: &filler, tag: 3 }.matches(&out[4..]));
        assert!(!Value { filler: &filler, tag: 4 }.matches(&out[4..]));
        assert!(!Value { filler: &filler[..8], tag: 3 }.matches(&out[4..]));
    }

    #[test]
    fn truncated_replies_are_none_not_panics() {
        for len in 0..16 {
            assert!(Reply::parse(&vec![0; len]).is_none());
        }
        assert!(Cursor(&[0, 0, 0, 9, 1]).bytes().is_none());
        assert!(Cursor(&[0x80, 0, 0, 0]).bytes().is_none());
        assert!(Cursor(&[0; 67]).stat().is_none());
    }
}
