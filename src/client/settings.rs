//! What a session wishes for, and its bounds.

use crate::sasl::Secret;

/// Bytes of one frame from a server, by default: the names of some million children fit. (Java's
/// clients take `jute.maxbuffer`, 1 MiB, and cannot list large nodes.)
pub const FRAME_MAX: usize = 256 << 20;

/// Bytes of one request, by default: what its length can tell, short of the largest. The server has
/// a bound of its own, `jute.maxbuffer`, and closes the connection beyond it.
pub const REQUEST_MAX: usize = 64 << 20;

/// Requests asked for and not answered, by default.
pub const OUTSTANDING_MAX: usize = 4096;

/// Bytes of paths in one setWatches (ClientCnxn.SET_WATCHES_MAX_LENGTH).
pub const SET_WATCHES_BYTES: usize = 128 * 1024;

/// Milliseconds after which an idle connection is used, whatever the session's timeout
/// (ClientCnxn.SendThread, MAX_SEND_PING_INTERVAL).
pub const PING_INTERVAL_MS: i64 = 10_000;

/// Milliseconds of rest once every server was tried in vain, at first; twice as long each time, to
/// [`RETRY_MS_MAX`].
pub const RETRY_MS: i64 = 50;

/// The longest such rest: Java's clients wait a second.
pub const RETRY_MS_MAX: i64 = 1000;

/// Servers of one connect string.
pub const HOSTS_MAX: usize = 1024;

/// A session's wishes and bounds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The session timeout asked for, in milliseconds; the server may grant another.
    pub timeout_ms: i32,
    /// Whether a server without a quorum will do.
    pub read_only: bool,
    /// Largest frame taken from a server, in bytes.
    pub frame_max: usize,
    /// Largest request sent, in bytes.
    pub request_max: usize,
    /// Requests asked for and not answered.
    pub outstanding_max: usize,
    /// Who it is by SASL; `None`: nobody in particular.
    pub sasl: Option<SaslLogin>,
    /// For the order of servers, the length of rests, and what a SASL exchange must not be able to guess.
    pub seed: u64,
}

/// A DIGEST-MD5 user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SaslLogin {
    /// The name.
    pub user: String,
    /// Its password.
    pub password: Secret,
}

impl Settings {
    /// ZooKeeperMain's timeout and the default bounds.
    pub fn new(seed: u64) -> Settings {
        Settings {
            timeout_ms: 30_000,
            read_only: false,
            frame_max: FRAME_MAX,
            request_max: REQUEST_MAX,
            outstanding_max: OUTSTANDING_MAX,
            sasl: None,
            seed,
        }
    }
}
