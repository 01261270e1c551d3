//! The vocabulary: what every other module says, and nothing that does anything.
//!
//! Newtypes for all that could be swapped by mistake, the wire's enumerations, and
//! [`limits`], where every bound of the server stands with its reason.

mod acl;
mod error_code;
mod event;
mod ids;
pub mod limits;
mod node;
mod path;
mod random;
pub mod throttles;
mod time;

pub use acl::{Acl, AclList, Identity, Perms, open_acl, read_acl};
pub use error_code::ErrorCode;
pub use event::{EventKind, WatchMode};
pub use ids::{ConnId, ConnRef, CoreId, Epoch, Link, Owner, ServerId, SessionId, Xid, Zxid};
pub use node::{CreateMode, NodeKind, Stat, StoredStat, TypeRules};
pub use path::{PathError, parent_and_name, quick_check, validate_path};
pub use random::SplitMix64;
pub use time::{Millis, WallMillis};

/// Znode data: `None` is ZooKeeper's null (length -1), distinct from empty data.
pub type Data = Option<bytes::Bytes>;
