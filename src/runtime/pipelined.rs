//! Two halves of one work, on a thread each.

use parking_lot::Mutex;
use std::sync::mpsc;
use std::thread;

/// Pieces that are made and not yet taken.
const AHEAD: usize = 8;

/// Calls `make` on a thread of its own until it gives no more, and `take` here with each piece, in
/// order, until it wants no more. Both have ended when this returns. Where there is no thread to be
/// had, all is done here.
pub fn pipelined<T: Send>(
    make: &mut (dyn FnMut() -> Option<T> + Send),
    take: &mut dyn FnMut(T) -> bool,
) {
    let make = Mutex::new(make);
    let there_is_one = thread::scope(|scope| {
        let (made, pieces) = mpsc::sync_channel(AHEAD);
        let make = &make;
        let making = move || {
            let mut make = make.lock();
            while let Some(piece) = make() {
                // Fails when nothing is taken any more.
                if made.send(piece).is_err() {
                    return;
                }
            }
        };
        let started = thread::Builder::new().name("pipelined".into()).spawn_scoped(scope, making);
        let _ = pieces.into_iter().all(&mut *take);
        started.is_ok()
    });
    if !there_is_one {
        let make = make.into_inner();
        while make().is_some_and(&mut *take) {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_comes_over_in_order() {
        let (mut next, mut taken) = (0, Vec::new());
        let mut make = || {
            next += 1;
            (next <= 1000).then_some(next)
        };
        let mut take = |n| {
            taken.push(n);
            true
        };
        pipelined(&mut make, &mut take);
        assert_eq!(taken, (1..=1000).collect::<Vec<i32>>());
    }

    #[test]
    fn who_takes_no_more_ends_the_making() {
        let (mut made, mut taken) = (0, 0);
        let mut make = || {
            made += 1;
            Some(made)
        };
        let mut take = |n| {
            taken = n;
            n < 100
        };
        pipelined(&mut make, &mut take);
        assert_eq!(taken, 100);
        assert!(made <= 100 + AHEAD as i32 + 1, "{made}");
    }
}
