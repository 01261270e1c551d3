//! The transaction log: what makes an accepted change survive the power's end.
//!
//! On a write's way it stands between *validate* and *agree*: entries come in zxid order from the
//! control core, and what goes back is one number, the horizon up to which everything is durable.
//! Nothing is acknowledged above it (I1). The file format is ZooKeeper's, both ways.
//!
//! The module knows the disk only through [`crate::disk`], and nothing of transactions beyond
//! their zxid. The thread that does what it says is `roles::log`.
//!
//! * [`core`]: the decisions, pure
//! * [`name`], [`frame`]: file names and bytes
//! * [`settings`]: what can be configured; [`figures`]: what is measured
//! * [`side`]: the record beside a sealed segment; [`horizon`]: what is known to be durable of the newest
//! * [`scan`], [`settle`], [`replay`]: reading, and what a start does first
//! * [`truncate`], [`purge`]: what is taken away at the new end, and at the old

pub mod core;
mod event;
pub mod figures;
pub mod frame;
pub mod horizon;
pub mod name;
pub mod purge;
pub mod replay;
pub mod scan;
pub mod settings;
pub mod settle;
pub mod side;
pub mod truncate;

pub use self::core::Append;
pub use event::{Durable, LogEvent};
pub use figures::Figures;
pub use replay::{Position, Replay, ReplayError};
pub use settings::{IoChoice, LogSettings};
pub use settle::{Settled, settle, settle_with_snapshots};
pub use truncate::{Truncated, set_aside, truncate};
