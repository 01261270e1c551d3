//! The numbers under which a learner's requests travel to its leader and come back.
//!
//! A proposal tells who asked for it by a session and a number, and nothing else; a leader of
//! ZooKeeper's has no other word for it. The client's own xid would not do: a session that moves may
//! count from 1 again at its new server, while its old requests are still proposed (kazoo does so at
//! every reconnect), and the answer to one of those would pass for the answer to the new one's. So a
//! learner counts what it forwards, and nobody else uses its numbers:
//!
//! ```text
//!   1 │ 8 bits of the server's id │ 23 bits, counted
//!   └ negative: a client's xids, which leaders write for clients of their own, are not
//! ```
//!
//! Ids of one ensemble differ in these eight bits (`membership` refuses others). Eight million
//! requests of one server are never on their way at once.

use crate::types::ServerId;

const NEGATIVE: u32 = 1 << 31;
const COUNT_BITS: u32 = 23;
const COUNT: u32 = (1 << COUNT_BITS) - 1;

/// Goes on over changes of role: what was asked in the last one may be proposed in the next.
#[derive(Debug)]
pub(super) struct Numbers {
    of_server: u32,
    last: u32,
}

impl Numbers {
    /// `start` is drawn anew for every process: the requests of the one before may still be on
    /// their way.
    pub(super) fn new(me: ServerId, start: u64) -> Numbers {
        let of_server = NEGATIVE | ((me.0 as u32 & 0xff) << COUNT_BITS);
        Numbers { of_server, last: start as u32 & COUNT }
    }

    pub(super) fn next(&mut self) -> i32 {
        self.last = (self.last + 1) & COUNT;
        (self.of_server | self.last) as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_no_clients_and_no_other_servers() {
        let mut all = std::collections::BTreeSet::new();
        for server in [1, 2, 255, 256, -2] {
            // Around the end of the count.
            let mut numbers = Numbers::new(ServerId(server), u64::from(COUNT) - 50);
            for _ in 0..100 {
                let number = numbers.next();
                assert!(number < 0, "{number}");
                assert!(all.insert(number), "server {server} uses {number} too");
            }
        }
    }
}
