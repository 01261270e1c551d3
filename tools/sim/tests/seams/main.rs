//! What roles and cores may rely on at the seams under them, held by what ships and by what the
//! simulator puts in its place. The promises are written where the traits and types stand; for the
//! transport `transport.rs` does the same, and `roles::peers::contract` for links between servers.

#![allow(clippy::unwrap_used)]

/// Each promise, asked of each side.
macro_rules! promises {
    ($side:ident, $module:ident, $($promise:ident),* $(,)?) => {
        mod $module {
            $(#[test] fn $promise() { super::$promise::<super::$side>(); })*
        }
    };
}

mod clock;
mod disk;
mod mailbox;
