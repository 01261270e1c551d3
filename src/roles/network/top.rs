//! Which clients, paths and operations ask for most: a sample, while somebody looks.

use std::sync::mpsc;

use super::{NetworkRole, Transport};
use crate::admin::top::{Asker, Sampled, Sampler, Slice};
use crate::types::ConnId;

/// Nobody has looked for so long: nothing is counted any more, and the memory goes.
const LOOKED_AT_MS: i64 = 60_000;

impl<N: Transport> NetworkRole<N> {
    /// What has been counted. The first question begins it.
    pub(super) fn tell_top(&mut self, answer: &mpsc::Sender<Slice>) {
        let (seed, now) = (self.hash_seed, self.now);
        let top = self.top.get_or_insert_with(|| Box::new(Sampler::new(seed, now)));
        self.top_until = now + LOOKED_AT_MS;
        // Whoever asked may have given up.
        let _ = answer.send(top.read(now));
    }

    /// So many frames of a connection were served, which are the first bytes of its input still, and
    /// have made so many bytes of answers.
    pub(super) fn sample(&mut self, conn: ConnId, (frames, used, made): (i64, usize, usize)) {
        let Some(top) = &mut self.top else { return };
        if self.now > self.top_until {
            self.top = None;
            return;
        }
        let requests = frames.max(0) as u64;
        let Some(at) = top.choose(requests, self.now) else { return };
        let Some(client) = self.clients.look(conn) else { return };
        let input = self.net.input(conn);
        if let Some(frame) = input.get(..used).and_then(|served| nth_frame(served, at)) {
            let bytes = (used + made) as u64;
            top.count(Asker { identities: &client.identities }, Sampled { frame, requests, bytes });
        }
    }
}

/// Of whole frames, each behind its length.
fn nth_frame(mut frames: &[u8], at: u64) -> Option<&[u8]> {
    for _ in 0..at {
        let length = u32::from_be_bytes(*frames.first_chunk::<4>()?) as usize;
        frames = frames.get(4 + length..)?;
    }
    let length = u32::from_be_bytes(*frames.first_chunk::<4>()?) as usize;
    frames.get(4..4 + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_by_their_place() {
        let bytes = b"\0\0\0\x02ab\0\0\0\0\0\0\0\x01c\0\0";
        let found: Vec<Option<&[u8]>> = (0..4).map(|at| nth_frame(bytes, at)).collect();
        assert_eq!(found, [Some(&b"ab"[..]), Some(b""), Some(b"c"), None]);
    }
}
