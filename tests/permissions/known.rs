//! Where Java 3.9.5 answers otherwise than the rules say, and why ours does not follow it.

use crate::oracle::{self, IDENTITIES, Kind, List};
use crate::requests::Op;

/// What Java answers where it differs.
type Known = fn(Op, Kind) -> Option<i32>;

const KNOWN: &[Known] = &[
    // deleteContainer is the server's own, and Java carries it out for any client, whatever the lists say
    // (CVE-2026-79993). The child that is named has one itself and stays; tests/cves has one that goes.
    |op, kind| {
        let answer = if kind.has_children() { oracle::NOT_EMPTY } else { oracle::NO_NODE };
        (op == Op::DeleteContainer).then_some(answer)
    },
];

/// What Java answers.
pub(crate) fn java(op: Op, kind: Kind, list: &List, who: usize) -> i32 {
    let known = KNOWN.iter().find_map(|known| known(op, kind));
    known.unwrap_or_else(|| oracle::answer(op, kind, list, &IDENTITIES[who]))
}
