//! The admin server without its sockets: a request → an answer, or what has to be asked of the roles
//! and the disk before there can be one (org.apache.zookeeper.server.admin). [`crate::plane`] has the
//! sockets, the limits of time and size, and does the asking.
//!
//! * [`request`]: what is looked at of an HTTP request; [`reply`]: what is answered
//! * [`commands`]: the commands by name, with their methods and what they need
//! * [`server`]: routes a request through method, path, command, authorization and rate
//! * [`given`]: what has to be asked for some of them
//! * [`views`], [`ensemble`]: what each command tells, as JSON; [`json`]: its form on the wire
//! * [`page`]: the page for people, at `/`; [`probes`]: `/live` and `/ready`
//! * [`authorize`]: who may do what needs a permission; [`rate`]: how often; [`shed`]: whom
//!   `shed_connections` closes

mod authorize;
pub mod commands;
mod ensemble;
pub mod given;
mod json;
mod page;
pub mod probes;
mod rate;
pub mod reply;
pub mod request;
pub mod server;
pub mod shed;
mod views;

#[cfg(test)]
mod tests;
