//! What tests share. None of it is in a server.
//!
//! * [`rng`]: chance, from a seed
//! * [`disk`]: a disk that keeps what a disk must keep, and nothing more
//! * [`generate`]: arbitrary messages; [`workload`]: transactions over a small tree
//! * [`replies`]: a decoded reply as bytes; [`script`]: scripts of exchanges
//!
//! All but `generate` and `script` are the simulator's, the fuzz targets' and the whole-program tests' as
//! well. Those compile the same files by their paths (`#[path]`) and not by a feature of this crate: a
//! workspace unites features, and would ship what tests need. So they name this crate `ringkeeper`, from
//! inside and from outside.

pub mod disk;
pub mod generate;
pub mod replies;
pub mod rng;
pub mod script;
pub mod workload;
