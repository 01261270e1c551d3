//! Answers as text that can be compared: what must differ between two servers (session ids,
//! times, the order of children) is replaced, everything else is kept, to the last byte.

use crate::support::wire::{In, Short, Stat};
use std::collections::HashMap;
use std::fmt::Write;

/// What one server's values stand for.
#[derive(Default)]
pub(crate) struct Reading {
    /// Session ids in the order in which they were given out.
    sessions: HashMap<i64, usize>,
    /// The time of each transaction, as first seen: it must never be told otherwise.
    times: HashMap<i64, i64>,
    /// Highest zxid that a reply has carried.
    last: i64,
    /// Zxids that went to requests answered with -5, ascending. Java draws one for a write that
    /// its prep cannot make sense of and none for others; ours need not do the same, so they are
    /// not counted.
    void: Vec<i64>,
}

impl Reading {
    pub(crate) fn session(&mut self, id: i64) -> String {
        if id == 0 {
            return "0".into();
        }
        let next = self.sessions.len();
        format!("#{}", self.sessions.entry(id).or_insert(next))
    }

    /// Times differ between servers; one transaction has one time, though.
    fn time(&mut self, zxid: i64, time: i64) -> String {
        if zxid == 0 || time == 0 {
            return time.to_string();
        }
        let first = *self.times.entry(zxid).or_insert(time);
        if first == time { "then".into() } else { format!("NOT-THEN({first} {time})") }
    }

    /// A zxid without those before it that are not counted.
    fn zxid(&self, zxid: i64) -> i64 {
        zxid - self.void.partition_point(|void| *void <= zxid) as i64
    }

    /// The zxid that is `back` counted ones before the last; a negative `back` is one that no
    /// transaction of the stream reaches. (The last + 1 would not do: it may turn out to be one of
    /// those that are not counted.)
    pub(crate) fn zxid_back(&self, back: i64) -> i64 {
        if back < 0 {
            return self.last + 1_000_000;
        }
        let wanted = self.zxid(self.last) - back;
        let mut zxid = self.last;
        while self.zxid(zxid) > wanted {
            zxid -= 1;
        }
        zxid
    }

    /// Notes what a reply's header says; nobody else writes meanwhile.
    fn note(&mut self, zxid: i64, err: i32) {
        if zxid > self.last {
            if err == -5 && zxid == self.last + 1 {
                self.void.push(zxid);
            }
            self.last = zxid;
        }
    }

    fn stat(&mut self, stat: Stat) -> String {
        let owner = match self.sessions.get(&stat.owner) {
            Some(slot) => format!("#{slot}"),
            None => format!("{:x}", stat.owner),
        };
        format!(
            "{{c {} {} m {} {} v {} {} {} owner {owner} data {} children {} p {}}}",
            self.zxid(stat.czxid),
            self.time(stat.czxid, stat.ctime),
            self.zxid(stat.mzxid),
            self.time(stat.mzxid, stat.mtime),
            stat.version,
            stat.cversion,
            stat.aversion,
            stat.data_length,
            stat.num_children,
            self.zxid(stat.pzxid)
        )
    }

    /// A frame that came after the handshake: an event, or the reply to `opcode`.
    pub(crate) fn frame(&mut self, opcode: i32, payload: &[u8]) -> String {
        let mut input = In::new(payload);
        let mut text = String::new();
        if self.read_frame(opcode, &mut input, &mut text).is_err() {
            text.push_str(" SHORT");
        }
        if !input.rest.is_empty() {
            let _ = write!(text, " REST {:02x?}", input.rest);
        }
        text
    }

    fn read_frame(
        &mut self,
        opcode: i32,
        input: &mut In<'_>,
        text: &mut String,
    ) -> Result<(), Short> {
        let (xid, zxid, err) = (input.i32()?, input.i64()?, input.i32()?);
        if xid == -1 {
            // An event may come before the first reply that carries its zxid.
            let zxid = self.zxid(zxid);
            let (kind, state) = (input.i32()?, input.i32()?);
            let _ = write!(text, "EVENT zxid {zxid} err {err} kind {kind} state {state} ");
            let _ = write!(text, "{:?}", input.string()?);
            return Ok(());
        }
        self.note(zxid, err);
        let zxid = self.zxid(zxid);
        let _ = write!(text, "xid {xid} zxid {zxid} err {err}");
        if input.rest.is_empty() {
            return Ok(());
        }
        text.push(' ');
        text.push_str(&self.body(opcode, input)?);
        Ok(())
    }

    fn body(&mut self, opcode: i32, input: &mut In<'_>) -> Result<String, Short> {
        Ok(match opcode {
            1 | 9 => format!("{:?}", input.string()?),
            15 | 19 | 21 => format!("{:?} {}", input.string()?, self.stat(input.stat()?)),
            3 | 5 | 7 => self.stat(input.stat()?),
            4 | 16 => format!("{:?} {}", input.buffer()?.map(hex), self.stat(input.stat()?)),
            6 => {
                let acls = input.vector(|i| Ok((i.i32()?, i.string()?, i.string()?)))?;
                format!("{acls:?} {}", self.stat(input.stat()?))
            }
            8 | 103 => sorted(input)?,
            12 => format!("{} {}", sorted(input)?, self.stat(input.stat()?)),
            104 | 106 => input.i32()?.to_string(),
            107 => {
                let mut users =
                    input.vector(|i| Ok((i.string()?, i.string()?)))?.unwrap_or_default();
                users.sort();
                format!("{users:?}")
            }
            102 => format!("{:?}", input.buffer()?.map(hex)),
            14 | 22 => self.multi(opcode, input)?,
            _ => String::new(),
        })
    }

    fn multi(&mut self, multi: i32, input: &mut In<'_>) -> Result<String, Short> {
        let mut text = String::new();
        loop {
            let (opcode, done, err) = (input.i32()?, input.bool()?, input.i32()?);
            if done {
                let _ = write!(text, "[end {opcode} {err}]");
                return Ok(text);
            }
            let body = match (opcode, multi) {
                (-1, _) => format!("error {}", input.i32()?),
                (2 | 13, 14) => String::new(),
                _ => self.body(opcode, input)?,
            };
            let _ = write!(text, "[{opcode} {err} {body}]");
        }
    }
}

/// Names in an order of our own: a server may list children in any.
fn sorted(input: &mut In<'_>) -> Result<String, Short> {
    let mut names = input.vector(In::string)?;
    if let Some(names) = &mut names {
        names.sort();
    }
    Ok(format!("{names:?}"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
