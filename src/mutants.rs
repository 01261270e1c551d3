//! Historic bugs, planted: with the feature `mutants` a test can switch one on, and the simulator
//! must then find it. Without the feature every question is answered `false` by a constant.

#[cfg(feature = "mutants")]
mod chosen {
    use std::cell::Cell;

    thread_local! {
        static CHOSEN: Cell<Option<&'static str>> = const { Cell::new(None) };
    }

    /// Plants one bug in everything this thread runs from now on; `None`: none.
    pub fn choose(name: Option<&'static str>) {
        CHOSEN.set(name);
    }

    /// Whether the bug of this name is planted.
    pub fn on(name: &str) -> bool {
        CHOSEN.get() == Some(name)
    }
}

#[cfg(feature = "mutants")]
pub use chosen::{choose, on};

/// Whether the bug of this name is planted: never, in a server that serves.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
pub const fn on(_name: &str) -> bool {
    false
}
