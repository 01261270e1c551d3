//! Chance, for seeds: what it draws decides nothing that has to be repeated.

use std::hash::{BuildHasher, Hasher};

/// A number from the operating system's entropy, through the standard library's hash keys.
pub fn entropy() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}
