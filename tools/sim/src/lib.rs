//! Whole Ringkeeper servers in one thread and in virtual time, under faults drawn from a seed.
//!
//! The roles are the shipping ones: network cores over a simulated transport, the control core,
//! the log over a simulated disk, snapshots and recovery. Clients speak the client protocol byte
//! by byte; what they hear is held against a history that the checker keeps by itself.
//!
//! * [`run`]: a seed, a range of seeds; [`shrink`]: the least that still fails;
//!   [`mutants`]: bugs that must be found
//! * [`world`]: time and events; [`process`]: a server's turns, ends and starts; [`wires`]: connections
//!   of clients; [`peers`], [`learners`]: servers among themselves; [`rogue`]: a peer
//!   that is none
//! * [`knobs`], [`faults`]: what the seed draws; [`moments`]: faults that wait for an election
//! * [`server`], [`storage`], [`transport`], [`disk`], [`rot`]: the shipping code and what stands under
//!   it; [`disk`] and [`rng`] are those of the unit tests (`src/testing`)
//! * [`client`], [`wishes`]: what clients do
//! * [`history`], [`judge`], [`answers`], [`watching`], [`observe`]: what must hold

#![allow(missing_docs, reason = "nobody builds on the simulator")]

pub mod mutants;
pub mod run;
pub mod shrink;

pub mod learners;
pub mod peers;
pub mod process;
pub mod rogue;
pub mod wires;
pub mod world;

pub mod faults;
pub mod forgotten;
pub mod knobs;
pub mod moments;
#[path = "../../../src/testing/rng.rs"]
pub mod rng;

#[path = "../../../src/testing/disk/mod.rs"]
pub mod disk;
pub mod rot;
pub mod server;
pub mod storage;
pub mod transport;

pub mod client;
pub mod wishes;

pub mod answers;
pub mod history;
pub mod judge;
pub mod observe;
pub mod watching;
