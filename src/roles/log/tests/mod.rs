//! The log against simulated and real disks.

mod crashes;
mod deciding;
mod failures;
mod machine;
mod reading;
