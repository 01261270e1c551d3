//! Configuration: what a server was told, read once at start.
//!
//! A `zoo.cfg` is a Java Properties file whose keys fall in three groups: those ZooKeeper parses by
//! name, those that become the system property `zookeeper.<key>`, and those nobody knows, which
//! are never an error. All three are read here, together with `-D` flags of the scripts'
//! `SERVER_JVMFLAGS` and `JVMFLAGS`, into one typed [`Settings`]. Files are read here (this one, a
//! dynamic configuration, a JAAS file) and nothing else is touched; no socket, no data directory except
//! its `myid`.
//!
//! * [`properties`]: the file's syntax
//! * [`source`], [`value`]: where a value comes from, and how its text is read
//! * [`settings`]: what the rest of the server asks for
//! * [`parse`]: keys to settings, with [`listen`], [`tls`], [`storage`], [`auth`], [`sasl`], [`throttles`],
//!   [`operators`] and [`audit`] for larger groups
//! * [`membership`]: who the servers are; [`ensemble`]: what only a server of an ensemble asks
//! * [`keys`]: keys that are recognised and do nothing here; [`near`]: which key a misspelt one may
//!   stand for
//! * [`log_level`]: what of the log is wanted
//! * [`command_line`]: starts without a file; [`arguments`]: the server's own options
//! * [`mod@migrate`]: a Java host's settings, from all its files, as one file
//! * [`check`]: what holds, where it comes from, what does not
//! * [`error`]: what is wrong, where, and what would be right; [`conflict`]: what contradicts what

pub mod arguments;
mod audit;
mod auth;
mod check;
mod command_line;
mod conflict;
mod ensemble;
mod error;
mod keys;
mod listen;
mod log_level;
mod membership;
mod migrate;
mod near;
mod operators;
mod parse;
mod properties;
mod sasl;
mod settings;
mod source;
mod storage;
mod throttles;
mod tls;
mod value;

pub use arguments::Arguments;
pub use check::{Origin, Report};
pub use command_line::{DEFAULT_DATA_DIR, flags_from_environment};
pub use conflict::Conflict;
pub use error::{ConfigError, Place};
pub use log_level::{LogLevelError, log_filter};
pub use migrate::{MigrateError, Migration, migrate};
pub use properties::Properties;
pub use settings::*;
pub use source::Flags;

#[cfg(test)]
mod tests;
