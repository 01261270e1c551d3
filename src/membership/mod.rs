//! The members of an ensemble, and what a quorum of them is.
