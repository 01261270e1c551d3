//! The roles: a shell each around the cores, and what they say to one another.
//!
//! * [`network`]: a core's clients
//! * [`control`]: the line from request to commit, sessions, election and ZAB
//! * [`peers`]: sockets towards other servers of the ensemble
//! * [`log`]: batches to the disk
//! * [`message`]: what the roles say to one another; [`stream`]: the order in which network cores are told
//!   (`stream_state`: what both ends of it look at)
//! * [`peer_message`]: what control and the peers' sockets say to one another, on one thread
//! * [`jobs`]: work for threads beside them; [`learner_files`]: what is done of it for learners;
//!   [`chunks`]: byte strings that share memory
//! * [`probe`]: whether a role has come to a question
//! * [`queries`]: what threads beside them ask, slice by slice
//! * [`insight`]: what operators are told of single requests
//! * [`quiet`]: log lines that clients can cause at will
//! * [`turns`]: whether the control role takes any; [`standstill`]: the thread that looks

pub mod chunks;
pub mod control;
pub mod insight;
pub mod jobs;
pub mod learner_files;
pub mod log;
pub mod message;
pub mod network;
pub mod peer_message;
pub mod peers;
pub mod probe;
pub mod queries;
pub mod quiet;
pub mod standstill;
pub mod stream;
mod stream_state;
mod sync;
pub mod turns;
