//! TLS: which ports speak it, with which stores (X509Util).
//!
//! * [`family`]: what the keys of one kind of port have in common, whatever they begin with
//! * [`clients`]: `ssl.*`; [`servers`]: `ssl.quorum.*`; [`operators`]: the admin server and the page of
//!   metrics

mod clients;
mod family;
mod operators;
mod servers;

pub(super) use clients::clients;
pub(super) use operators::{admin, metrics};
pub(super) use servers::servers;
