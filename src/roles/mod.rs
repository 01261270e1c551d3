//! The roles: a shell each around the cores, and what they say to one another.
//!
//! * [`network`]: a core's clients
//! * [`control`]: the line from request to commit, sessions, election and ZAB
//! * [`peers`]: sockets towards other servers of the ensemble
//! * [`message`]: what the roles say to one another; [`chunks`]: byte strings that share memory
//! * [`quiet`]: log lines that clients can cause at will

pub mod chunks;
pub mod control;
pub mod message;
pub mod network;
pub mod peers;
pub mod quiet;
