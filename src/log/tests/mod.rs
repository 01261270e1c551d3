//! The log against simulated and real disks.

mod crashes;
mod machine;
