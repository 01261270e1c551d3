//! Composition: the one place that sees cores and shells together.
//!
//! * [`boot`]: start and stop
//! * [`recover`]: the tree as the disk has it; [`assembly`]: the roles, put together
//! * [`placement`]: which role runs on which CPU
//! * [`hosting`]: control role and peers' sockets on one thread
//! * [`threads`]: the loops that give the roles their turns
//! * [`history_files`]: changes of history, on a thread beside
//! * [`learner_files`]: log and tree for learners far behind
//! * [`housekeeping`]: snapshots and purging, beside everything else
//! * [`slow_commands`]: four-letter words whose answers take time

pub mod assembly;
pub mod boot;
pub mod history_files;
pub mod hosting;
pub mod housekeeping;
pub mod learner_files;
pub mod placement;
pub mod recover;
pub mod slow_commands;
pub mod threads;
