//! The mesh's settings, and its bounds with their reasons.

use crate::codec::election::HeaderProtocol;
use crate::types::ServerId;

/// How this server connects to others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkSettings {
    /// Its own number, which decides who connects to whom.
    pub me: ServerId,
    /// V2 only where `multiAddress.enabled` says so (ZOOKEEPER-3720).
    pub protocol: HeaderProtocol,
    /// `cnxTimeout`: an attempt to connect ends, in ms.
    pub connect_timeout_ms: i64,
    /// `tickTime` × `syncLimit`: who has connected must have said who it is, in ms.
    pub header_timeout_ms: i64,
}

/// Connections that have not said who they are. The oldest makes way.
pub(super) const CALLS_MAX: usize = 64;

/// Callers that are in no configuration we know: joining servers, observers of others. The one
/// connected longest makes way.
pub(super) const STRANGERS_MAX: usize = 64;

/// What a connection says that claims the id of one that still stands is looked at when that one has
/// said nothing for so long since, which is much more than the votes of one election are apart.
pub(super) const CLAIM_MS: i64 = 3000;

/// Bytes of a connection that claims the id of one that still stands. A server says a few hundred
/// while it waits; what it says too much it can say again.
pub(super) const CLAIM_BYTES_MAX: usize = 64 << 10;

/// First and last pause between attempts to reach a peer. A process that is killed goes on taking
/// connections for a moment, so the second attempt, which tells its end, follows soon. The last is
/// what a returning peer may have to wait for us, unless it calls itself, as all do when they
/// start.
pub(super) const RETRY_MS_MIN: i64 = 5;
pub(super) const RETRY_MS_MAX: i64 = 2000;

/// After a knock the peer needs a round trip or two to call, and connecting took one. A second knock
/// before that would make it drop the connection it has just opened, and a Java server that is
/// starting is slow to call.
pub(super) const CALL_TAKES_DIALS: i64 = 4;
pub(super) const KNOCK_MS_MIN: i64 = 100;

/// But when a connection that had lasted ends, the peer was probably killed. So many knocks follow
/// as quickly as other attempts do.
pub(super) const QUICK_KNOCKS: u32 = 2;

/// Attempts never follow one another quicker, whatever asks for them.
pub(super) const DIAL_GAP_MS: i64 = 5;

/// A connection that has lasted so long was a good one: it is replaced at once when it ends.
/// Shorter ones may be the two ends' crossing, and wait for it to settle.
pub(super) const GOOD_MS: i64 = 1000;

/// A peer that takes nothing for so long is given up. A message is a few hundred bytes, which any
/// peer that reads at all takes at once.
pub(super) const STALL_MS: i64 = 10_000;

const _: () = assert!(DIAL_GAP_MS <= RETRY_MS_MIN && RETRY_MS_MIN < RETRY_MS_MAX);
