//! Bytes → packet.

use bytes::Bytes;

use super::{Forwarded, Limits, PROTOCOL, PROTOCOL_OWN, Packet, PacketError, TOUCH_BYTES, kind};
use crate::codec::jute::{DecodeError, Reader};
use crate::types::{Epoch, Identity, ServerId, SessionId, Zxid};

/// Takes one packet off the front of `bytes`, and says how many bytes it was. `None`: it goes on
/// behind them; within `limits` it does not go on for ever.
///
/// Data that a packet should not have is passed over, as Java does.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Option<(Packet, usize)>, PacketError> {
    decode_into(bytes, limits, &mut Bytes::copy_from_slice)
}

/// As [`decode`]; `keep` makes the copies that packets hold of transactions and requests.
pub fn decode_into(
    bytes: &[u8],
    limits: &Limits,
    keep: &mut dyn FnMut(&[u8]) -> Bytes,
) -> Result<Option<(Packet, usize)>, PacketError> {
    let mut r = Reader::with_limit(bytes, limits.data);
    let Ok(number) = r.i32("type") else { return Ok(None) };
    let packet = name(number).ok_or(PacketError::Type(number))?;
    match read(&mut r, packet, number, limits, keep) {
        Ok(read) => Ok(Some((read, r.position()))),
        Err(PacketError::Field { error: DecodeError::Short { .. }, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What lies around a packet's data. Only running out of these bytes may end in `Short`.
fn read(
    r: &mut Reader<'_>,
    packet: &'static str,
    number: i32,
    limits: &Limits,
    keep: &mut dyn FnMut(&[u8]) -> Bytes,
) -> Result<Packet, PacketError> {
    let wrong = |error| PacketError::Field { packet, error };
    let zxid = Zxid(r.i64("zxid").map_err(wrong)?);
    let data = r.buffer("data").map_err(wrong)?;
    // Only a request's identities mean anything; those of others are stepped over.
    let identities = read_identities(r, packet, limits)?;
    let fields = Fields { packet, zxid, data };
    if number == kind::REQUEST {
        fields.request(identities, keep)
    } else {
        fields.other(number, keep)
    }
}

fn read_identities(
    r: &mut Reader<'_>,
    packet: &'static str,
    limits: &Limits,
) -> Result<Vec<Identity>, PacketError> {
    let wrong = |error| PacketError::Field { packet, error };
    let count = r.i32("identities").map_err(wrong)?;
    if i64::from(count) > limits.identities as i64 {
        let (found, max) = (i64::from(count), limits.identities);
        return Err(PacketError::Identities { packet, found, max });
    }
    // Null, and what Java reads as none. No room is reserved: the count is but a promise.
    let mut identities = Vec::new();
    let mut bytes = 0;
    for _ in 0..count {
        let scheme = r.some_string("scheme").map_err(wrong)?;
        let id = r.some_string("id").map_err(wrong)?;
        bytes += scheme.len() + id.len();
        if bytes > limits.data {
            let max = limits.data;
            return Err(PacketError::IdentityBytes { packet, found: bytes, max });
        }
        identities.push(Identity { scheme: scheme.into(), id: id.into() });
    }
    Ok(identities)
}

/// A packet before its data has been looked at.
#[derive(Clone, Copy)]
struct Fields<'a> {
    packet: &'static str,
    zxid: Zxid,
    data: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    fn request(
        self,
        identities: Vec<Identity>,
        keep: &mut dyn FnMut(&[u8]) -> Bytes,
    ) -> Result<Packet, PacketError> {
        let (session, rest) = self.first::<8>("16 or more")?;
        let (cxid, rest) = self.part::<4>(rest, "16 or more")?;
        let (opcode, body) = self.part::<4>(rest, "16 or more")?;
        Ok(Packet::Request(Forwarded {
            session: SessionId(i64::from_be_bytes(session)),
            cxid: i32::from_be_bytes(cxid),
            opcode: i32::from_be_bytes(opcode),
            body: keep(body),
            identities,
        }))
    }

    fn other(
        self,
        number: i32,
        keep: &mut dyn FnMut(&[u8]) -> Bytes,
    ) -> Result<Packet, PacketError> {
        let zxid = self.zxid;
        Ok(match number {
            kind::PROPOSAL => Packet::Proposal { zxid, entry: self.entry(keep)? },
            kind::ACK => Packet::Ack { zxid },
            kind::COMMIT => Packet::Commit { zxid },
            kind::PING => Packet::Ping { zxid, touches: self.touches()? },
            kind::REVALIDATE => self.revalidate()?,
            kind::SYNC => Packet::Sync { zxid },
            kind::INFORM => Packet::Inform { zxid, entry: self.entry(keep)? },
            kind::COMMIT_AND_ACTIVATE => {
                let (leader, _) = self.first::<8>("8")?;
                Packet::CommitAndActivate { zxid, leader: ServerId(i64::from_be_bytes(leader)) }
            }
            kind::INFORM_AND_ACTIVATE => {
                let (leader, entry) = self.first::<8>("8 or more")?;
                let leader = ServerId(i64::from_be_bytes(leader));
                let entry = keep(entry);
                Packet::InformAndActivate { zxid, leader, entry }
            }
            kind::NEW_LEADER => {
                // Learner.syncWithLeader takes one byte for no configuration, too.
                let config = self.data.filter(|data| data.len() > 1);
                let config = config.map(|text| String::from_utf8_lossy(text).into_owned());
                Packet::NewLeader { zxid, config }
            }
            kind::FOLLOWER_INFO => self.learner_info(false)?,
            kind::OBSERVER_INFO => self.learner_info(true)?,
            kind::UP_TO_DATE => Packet::UpToDate,
            kind::DIFF => Packet::Diff { zxid },
            kind::TRUNC => Packet::Trunc { zxid },
            kind::SNAP => Packet::Snap { zxid },
            kind::LEADER_INFO => {
                let (protocol, rest) = self.first::<4>("4")?;
                let protocol = self.protocol(i32::from_be_bytes(protocol))?;
                Packet::LeaderInfo { epoch: zxid.epoch(), protocol, reads: reads(protocol, rest) }
            }
            kind::ACK_EPOCH => {
                let (current, _) = self.first::<4>("4")?;
                let current = i32::from_be_bytes(current);
                let current = (current != -1).then_some(Epoch(current as u32));
                Packet::AckEpoch { last: zxid, current }
            }
            unknown => return Err(PacketError::Type(unknown)),
        })
    }

    fn entry(self, keep: &mut dyn FnMut(&[u8]) -> Bytes) -> Result<Bytes, PacketError> {
        self.data.map(keep).ok_or(self.null())
    }

    fn touches(self) -> Result<Option<Vec<(SessionId, i32)>>, PacketError> {
        let Some(data) = self.data else { return Ok(None) };
        let (touches, []) = data.as_chunks::<TOUCH_BYTES>() else {
            return Err(self.length("a multiple of 12"));
        };
        let touch = |bytes: &[u8; TOUCH_BYTES]| {
            let [s0, s1, s2, s3, s4, s5, s6, s7, timeout @ ..] = *bytes;
            let session = SessionId(i64::from_be_bytes([s0, s1, s2, s3, s4, s5, s6, s7]));
            (session, i32::from_be_bytes(timeout))
        };
        Ok(Some(touches.iter().map(touch).collect()))
    }

    /// The question and its answer have one type; their lengths tell them apart.
    fn revalidate(self) -> Result<Packet, PacketError> {
        let (session, rest) = self.first::<8>("12, or 9 in an answer")?;
        let session = SessionId(i64::from_be_bytes(session));
        match *rest {
            [valid] => Ok(Packet::RevalidateAnswer { session, valid: valid != 0 }),
            [t0, t1, t2, t3] => {
                let timeout = i32::from_be_bytes([t0, t1, t2, t3]);
                Ok(Packet::RevalidateAsk { session, timeout })
            }
            _ => Err(self.length("12, or 9 in an answer")),
        }
    }

    /// A server before 3.5 tells no configuration's version; LearnerHandler.run then compares
    /// none.
    fn learner_info(self, observer: bool) -> Result<Packet, PacketError> {
        let (server, rest) = match self.data {
            // What 3.3 sends.
            None | Some([]) => return Err(self.legacy(1)),
            Some(data) => self.part::<8>(data, "20")?,
        };
        let Some((protocol, rest)) = rest.split_first_chunk::<4>() else {
            return Err(self.legacy(1));
        };
        let (config_version, rest) = match rest.split_first_chunk::<8>() {
            Some((bytes, rest)) => (i64::from_be_bytes(*bytes), rest),
            None => (0, rest),
        };
        let protocol = self.protocol(i32::from_be_bytes(*protocol))?;
        Ok(Packet::LearnerInfo {
            observer,
            accepted: self.zxid.epoch(),
            server: ServerId(i64::from_be_bytes(server)),
            protocol,
            config_version,
            reads: reads(protocol, rest),
        })
    }

    fn protocol(self, protocol: i32) -> Result<i32, PacketError> {
        if protocol < PROTOCOL { Err(self.legacy(protocol)) } else { Ok(protocol) }
    }

    /// The data's first `N` bytes, and those behind them.
    fn first<const N: usize>(
        self,
        wanted: &'static str,
    ) -> Result<([u8; N], &'a [u8]), PacketError> {
        self.part(self.data.ok_or(self.null())?, wanted)
    }

    fn part<const N: usize>(
        self,
        bytes: &'a [u8],
        wanted: &'static str,
    ) -> Result<([u8; N], &'a [u8]), PacketError> {
        let Some((first, rest)) = bytes.split_first_chunk::<N>() else {
            return Err(self.length(wanted));
        };
        Ok((*first, rest))
    }

    fn length(self, wanted: &'static str) -> PacketError {
        let found = self.data.map_or(0, <[u8]>::len);
        PacketError::DataLength { packet: self.packet, found, wanted }
    }

    fn null(self) -> PacketError {
        PacketError::Field { packet: self.packet, error: DecodeError::Null { field: "data" } }
    }

    fn legacy(self, protocol: i32) -> PacketError {
        PacketError::Protocol { packet: self.packet, protocol }
    }
}

/// What stands behind a server's introduction: only those of this kind mean something by it.
fn reads(protocol: i32, rest: &[u8]) -> Option<usize> {
    let bytes = rest.first_chunk::<8>().filter(|_| protocol == PROTOCOL_OWN)?;
    usize::try_from(i64::from_be_bytes(*bytes)).ok()
}

fn name(number: i32) -> Option<&'static str> {
    Some(match number {
        kind::REQUEST => "REQUEST",
        kind::PROPOSAL => "PROPOSAL",
        kind::ACK => "ACK",
        kind::COMMIT => "COMMIT",
        kind::PING => "PING",
        kind::REVALIDATE => "REVALIDATE",
        kind::SYNC => "SYNC",
        kind::INFORM => "INFORM",
        kind::COMMIT_AND_ACTIVATE => "COMMITANDACTIVATE",
        kind::NEW_LEADER => "NEWLEADER",
        kind::FOLLOWER_INFO => "FOLLOWERINFO",
        kind::UP_TO_DATE => "UPTODATE",
        kind::DIFF => "DIFF",
        kind::TRUNC => "TRUNC",
        kind::SNAP => "SNAP",
        kind::OBSERVER_INFO => "OBSERVERINFO",
        kind::LEADER_INFO => "LEADERINFO",
        kind::ACK_EPOCH => "ACKEPOCH",
        kind::INFORM_AND_ACTIVATE => "INFORMANDACTIVATE",
        _ => return None,
    })
}
