//! Composition: the one place that sees cores and shells together.
//!
//! * [`config`]: zoo.cfg and the command line → settings
//! * [`placement`]: which role runs on which CPU
//! * [`boot`]: recovery, threads, start and stop
//! * [`message`]: what the roles say to one another; [`chunks`]: byte strings that share memory
//! * [`network`]: the network role, a core's clients
//! * [`control`]: the control role, the line from request to commit
//! * [`store`]: files of a server of an ensemble: epochs, cutting, replacing, reading the log
//! * [`peers`]: sockets towards other servers of the ensemble
//! * [`store`]: epoch files, and changes of history on disk
//! * [`learner_files`]: log and tree for learners far behind
//! * [`housekeeping`]: snapshots and purging, beside everything else
//! * [`logs_first`]: the log flushed before a snapshot, where it is not flushed otherwise
//! * [`clerk`]: four-letter words whose answers take time
//! * [`quiet`]: log lines that clients can cause at will
//! * [`hosting`]: control role and peers' sockets on one thread
//! * [`threads`]: the loops that give the roles their turns
//! * [`stderr`]: what the process says of itself

pub mod boot;
pub mod chunks;
pub mod clerk;
pub mod config;
pub mod control;
pub mod history_files;
pub mod hosting;
pub mod housekeeping;
pub mod learner_files;
pub mod logs_first;
pub mod message;
pub mod network;
pub mod peers;
pub mod placement;
pub mod quiet;
pub mod stderr;
pub mod store;
pub mod threads;
