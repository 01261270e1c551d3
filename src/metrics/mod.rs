//! Figures that the roles keep for operators, and the one list that names them.
//!
//! * [`figure`]: numbers and summaries, each with one writer
//! * [`gauges`]: a connection's, a network core's, the server's; [`quorum`]: of a server of an ensemble
//! * [`catalogue`]: the list: name, kind, unit, what it says, value

pub mod catalogue;
pub mod figure;
pub mod gauges;
pub mod quorum;
