//! (front page follows with the module)
pub mod config;
