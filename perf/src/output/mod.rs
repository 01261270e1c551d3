//! A run's figures for people and for other programs.
//!
//! * [`table`]: the terminal
//! * [`hdr`]: `.hgrm` and `.hlog`, as HdrHistogram's plotters and tools read them

pub mod hdr;
pub mod table;
