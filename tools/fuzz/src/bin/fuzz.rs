//! The libFuzzer program: `run.sh` builds and starts it, the target's name in
//! `RINGKEEPER_FUZZ_TARGET`.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use ringkeeper_fuzz::{TARGETS, Target, target};

static TARGET: OnceLock<Target> = OnceLock::new();

fn chosen() -> Target {
    let name = std::env::var("RINGKEEPER_FUZZ_TARGET").unwrap_or_default();
    target(&name).unwrap_or_else(|| {
        let known: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
        panic!("RINGKEEPER_FUZZ_TARGET is \"{name}\", known are {}", known.join(", "))
    })
}

fuzz_target!(|data: &[u8]| TARGET.get_or_init(chosen)(data));
