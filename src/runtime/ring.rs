//! The ring: one thread's line to the kernel.
//!
//! ```text
//!   operation/*.rs ──► push ──► submission queue ──► enter ──► kernel
//!        │ what the kernel may touch goes                        │
//!        ▼ into the slab of operations in flight                 ▼
//!   InFlight ◄──────────── next: by user data ◄───────── completion queue
//! ```
//!
//! Ownership: whatever an operation lets the kernel read or write (socket, bytes, receive buffers)
//! belongs to the ring from the push to the last completion, and comes back with it. Dropping the
//! ring cancels everything and waits for those completions before any memory is freed.

use std::collections::VecDeque;
use std::io;
use std::marker::PhantomData;
use std::mem;
use std::time::{Duration, Instant};

use io_uring::types::{CancelBuilder, SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring, cqueue, opcode, squeue};

use super::buffers::BufferRing;
use super::operation::{Completion, Flight};

/// User data of operations whose completion nobody waits for. No slab index is that high.
const QUIET: u64 = u64::MAX;

/// How long a drop waits for the kernel to let go of what is in flight. Nothing a ring carries
/// here can run that long once cancelled; it is there so that a kernel bug cannot hang the exit.
const DRAIN_PATIENCE: Duration = Duration::from_secs(10);

/// The size of a ring and of its receive buffers.
#[derive(Clone, Copy, Debug)]
pub struct RingSettings {
    /// Submission queue entries. The completion queue has eight times as many: a multishot
    /// operation completes many times.
    pub entries: u32,
    /// Receive buffers, a power of two up to 32,768; zero for a ring that does not receive.
    pub buffers: u16,
    /// Bytes of one.
    pub buffer_bytes: u32,
}

/// One thread's ring. Not `Send`: the kernel refuses every thread but the one that made it.
pub struct Ring {
    // Dropped in this order: the descriptor first, then the memory the kernel knew.
    uring: IoUring,
    pub(super) buffers: Option<BufferRing>,
    pub(super) flight: Flight,
    /// Entries that found the submission queue full and the kernel busy.
    overflow: VecDeque<squeue::Entry>,
    enter_flags: EnterFlags,
    _one_thread: PhantomData<*const ()>,
}

impl Ring {
    /// Sets up a ring on the calling thread. [`super::probe`] explains why it fails, if it does.
    pub fn new(settings: RingSettings) -> io::Result<Ring> {
        let uring = set_up(settings.entries)?;
        let buffers = match settings.buffers {
            0 => None,
            count => Some(BufferRing::new(&uring.submitter(), count, settings.buffer_bytes)?),
        };
        let mut enter_flags = EnterFlags::GETEVENTS;
        if uring.params().is_feature_no_iowait() {
            // A server waiting for its clients is idle, not waiting for a disk.
            enter_flags |= EnterFlags::NO_IOWAIT;
        }
        Ok(Ring {
            uring,
            buffers,
            flight: Flight::default(),
            overflow: VecDeque::new(),
            enter_flags,
            _one_thread: PhantomData,
        })
    }

    /// Hands the kernel all that was pushed, and waits at most `wait` for a completion (`None`:
    /// however long; zero: not at all, and without a system call when there is nothing to do).
    /// Returns early when there already is one.
    pub fn enter(&mut self, wait: Option<Duration>) -> io::Result<()> {
        self.refill();
        let (mut submission, completion) = {
            let (_, submission, completion) = self.uring.split();
            (submission, completion)
        };
        let to_submit = submission.len() as u32;
        let want = u32::from(wait != Some(Duration::ZERO) && completion.is_empty());
        submission.sync();
        let idle = to_submit == 0 && !submission.taskrun() && !submission.cq_overflow();
        drop((submission, completion));
        if want == 0 && idle {
            return Ok(());
        }
        self.system_call(to_submit, want, wait.filter(|_| want > 0))
    }

    /// Runs what the kernel has put off until this thread comes by, without waiting. One entry
    /// into the kernel runs only some of it (20 pieces, since 6.13): a caller that wants full
    /// batches asks again while this says true, which is while it brings completions.
    ///
    /// The kernel's word that there is work is not enough: it says so after it has put the work
    /// down, and when we have taken the work in between, it says so falsely until there is more.
    pub fn catch_up(&mut self) -> io::Result<bool> {
        if !self.has_deferred_work() {
            return Ok(false);
        }
        let before = self.ready();
        self.system_call(0, 0, None)?;
        Ok(self.ready() > before)
    }

    /// A completion is there, or work that will become one, for all we know: no system call, for
    /// spinning.
    pub fn is_ready(&mut self) -> bool {
        !self.uring.completion().is_empty() || self.has_deferred_work()
    }

    /// Completions that wait to be taken with [`Ring::next`].
    pub fn ready(&mut self) -> usize {
        self.uring.completion().len()
    }

    fn has_deferred_work(&mut self) -> bool {
        self.uring.submission().taskrun()
    }

    /// The next completion, if there is one.
    #[allow(clippy::should_implement_trait)] // An iterator would borrow the ring.
    pub fn next(&mut self) -> Option<Completion> {
        loop {
            let entry = self.uring.completion().next()?;
            if entry.user_data() == QUIET {
                continue;
            }
            let more = cqueue::more(entry.flags());
            let filled = match (&mut self.buffers, cqueue::buffer_select(entry.flags())) {
                (Some(buffers), Some(id)) => buffers.filled(id, entry.result()),
                (Some(buffers), None) if entry.result() == -libc::ENOBUFS => {
                    buffers.ran_out();
                    None
                }
                (_, _) => None,
            };
            return Some(self.flight.complete(entry.user_data(), entry.result(), more, filled));
        }
    }

    /// Operations in flight.
    pub fn in_flight(&self) -> usize {
        self.flight.len()
    }

    /// Asks the kernel to end an operation. It completes as it would have, or as cancelled.
    pub fn cancel(&mut self, operation: super::OperationId) {
        let entry = opcode::AsyncCancel::new(operation.0).build().user_data(QUIET);
        self.push(entry);
    }

    /// Queues an entry. The caller, one of the operations, has put all that the entry points to
    /// into `flight` under the entry's user data, or the entry points to nothing.
    pub(super) fn push(&mut self, entry: squeue::Entry) {
        if !self.overflow.is_empty() || !self.push_now(&entry) {
            self.overflow.push_back(entry);
            self.refill();
        }
    }

    /// Moves entries from the overflow into the queue, submitting when it is full.
    fn refill(&mut self) {
        while let Some(entry) = self.overflow.front().cloned() {
            if !self.push_now(&entry) {
                // Submitting makes room, unless the kernel wants its completions taken first.
                if self.system_call(self.uring.params().sq_entries(), 0, None).is_err()
                    || !self.push_now(&entry)
                {
                    return;
                }
            }
            self.overflow.pop_front();
        }
    }

    fn push_now(&mut self, entry: &squeue::Entry) -> bool {
        let mut submission = self.uring.submission();
        // SAFETY: what the entry points to stays valid until its last completion: `flight` owns
        // it, gives it back only from `complete`, and is freed only after the drain in `drop`.
        unsafe { submission.push(entry) }.is_ok()
    }

    pub(super) fn uring(&self) -> &IoUring {
        &self.uring
    }

    fn system_call(&self, submit: u32, want: u32, wait: Option<Duration>) -> io::Result<()> {
        let submitter = self.uring.submitter();
        let timespec = wait.map(Timespec::from);
        let result = match &timespec {
            None => {
                let flags = self.enter_flags.bits();
                // SAFETY: the call is given integers only.
                unsafe { submitter.enter::<libc::sigset_t>(submit, want, flags, None) }
            }
            Some(timespec) => {
                let args = SubmitArgs::new().timespec(timespec);
                let flags = (self.enter_flags | EnterFlags::EXT_ARG).bits();
                // SAFETY: `args` is what EXT_ARG announces; it and the timespec it points to live
                // on this frame until the call returns.
                unsafe { submitter.enter(submit, want, flags, Some(&args)) }
            }
        };
        match result {
            Ok(_) => Ok(()),
            Err(error) => match error.raw_os_error() {
                // Time is up, or a signal came: nothing happened, and that is all right.
                Some(libc::ETIME | libc::EINTR) => Ok(()),
                // The completion queue is full, or memory is short: what is queued stays queued
                // and the caller, having taken completions, comes again.
                Some(libc::EBUSY | libc::EAGAIN) => Ok(()),
                _ => Err(error),
            },
        }
    }

    /// Cancels everything and waits until the kernel has let go. False when it did not.
    fn drain(&mut self) -> bool {
        let patience = Instant::now() + DRAIN_PATIENCE;
        while self.flight.len() > 0 || !self.overflow.is_empty() {
            if Instant::now() >= patience {
                return false;
            }
            let entry = opcode::AsyncCancel2::new(CancelBuilder::any()).build().user_data(QUIET);
            self.push(entry);
            if self.enter(Some(Duration::from_millis(100))).is_err() {
                return false;
            }
            // Dropped one by one: accepted sockets are closed, sent bytes freed.
            while self.next().is_some() {}
        }
        true
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if !self.drain() {
            // Memory that the kernel may still write to must not be used again: lose it instead.
            tracing::error!(in_flight = self.flight.len(), "io_uring operations did not end");
            mem::forget(mem::take(&mut self.flight));
            mem::forget(self.buffers.take());
        }
    }
}

fn set_up(entries: u32) -> io::Result<IoUring> {
    IoUring::builder()
        .setup_clamp()
        .setup_cqsize(entries.saturating_mul(8))
        // One bad entry must not hold up those behind it.
        .setup_submit_all()
        // Completions are made when this thread asks for them, in batches, without interrupts.
        .setup_single_issuer()
        .setup_coop_taskrun()
        .setup_defer_taskrun()
        .setup_taskrun_flag()
        .dontfork()
        .build(entries)
}

/// A ring as small as can be, with all that this server needs of the kernel.
pub(super) fn trial() -> io::Result<Ring> {
    Ring::new(RingSettings { entries: 8, buffers: 8, buffer_bytes: 64 })
}

#[cfg(test)]
mod tests {
    use super::super::{Received, Socket, Token};
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    fn pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (Socket::new(listener.accept().unwrap().0.into()), peer)
    }

    fn wait(ring: &mut Ring) -> Completion {
        for _ in 0..100 {
            if let Some(completion) = ring.next() {
                return completion;
            }
            ring.enter(Some(Duration::from_secs(1))).unwrap();
        }
        panic!("no completion");
    }

    #[test]
    fn more_entries_than_the_queue_holds_all_reach_the_kernel() {
        let mut ring = trial().unwrap();
        let pairs: Vec<_> = (0..100).map(|_| pair()).collect();
        for (n, (socket, _)) in pairs.iter().enumerate() {
            ring.send(socket, vec![0, n as u8, 0], 1..2, false, Token(n as u64));
        }
        let mut seen = [false; 100];
        for _ in 0..100 {
            let Completion::Sent { token, result, bytes } = wait(&mut ring) else { panic!() };
            assert_eq!((result.unwrap(), bytes), (1, vec![0, token.0 as u8, 0]));
            seen[token.0 as usize] = true;
        }
        assert!(seen.iter().all(|seen| *seen) && ring.in_flight() == 0);
        for (n, (_, peer)) in pairs.iter().enumerate() {
            let mut byte = [0];
            { peer }.read_exact(&mut byte).unwrap();
            assert_eq!(byte, [n as u8]);
        }
    }

    #[test]
    fn buffers_run_out_and_come_back() {
        let mut ring = trial().unwrap();
        let (socket, mut peer) = pair();
        ring.receive(&socket, Token(1));
        ring.enter(Some(Duration::ZERO)).unwrap();
        peer.write_all(&[9; 8 * 64 + 10]).unwrap();
        let mut held = Vec::new();
        loop {
            let Completion::Received { result, ended, .. } = wait(&mut ring) else { panic!() };
            match result {
                Received::Bytes(filled) => held.push(filled),
                Received::NoBuffers => break assert!(ended),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((held.len(), ring.buffers_out(), ring.in_flight()), (8, 8, 0));
        assert!(held.iter().all(|filled| ring.bytes(filled) == [9; 64]));
        held.drain(..).for_each(|filled| ring.give_back(filled));
        ring.receive(&socket, Token(2));
        let Completion::Received { result: Received::Bytes(rest), .. } = wait(&mut ring) else {
            panic!()
        };
        assert_eq!(ring.bytes(&rest), [9; 10]);
        ring.give_back(rest);
        assert_eq!(ring.buffers_out(), 0);
    }

    #[test]
    fn as_many_buffers_are_in_use_as_have_been_needed_at_once() {
        let settings = RingSettings { entries: 64, buffers: 256, buffer_bytes: 64 };
        let mut ring = Ring::new(settings).unwrap();
        let (socket, mut peer) = pair();
        let mut held = Vec::new();
        peer.write_all(&[9; 300 * 64]).unwrap();
        for upto in [64, 128, 256, 256] {
            ring.receive(&socket, Token(1));
            loop {
                let Completion::Received { result, .. } = wait(&mut ring) else { panic!() };
                match result {
                    Received::Bytes(filled) => held.push(filled),
                    Received::NoBuffers => break,
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!((held.len(), ring.buffers_out()), (upto, upto));
        }
        held.drain(..).for_each(|filled| ring.give_back(filled));
        // Those that have come back are enough for the rest.
        ring.receive(&socket, Token(2));
        for _ in 256..300 {
            let Completion::Received { result: Received::Bytes(filled), .. } = wait(&mut ring)
            else {
                panic!()
            };
            ring.give_back(filled);
        }
        assert_eq!(ring.buffers_out(), 0);
    }

    #[test]
    fn a_cancelled_operation_gives_its_bytes_back() {
        let mut ring = trial().unwrap();
        let (socket, _peer) = pair();
        let receiving = ring.receive(&socket, Token(1));
        let sending = ring.send(&socket, vec![1; 32 << 20], 0..32 << 20, false, Token(2));
        ring.enter(Some(Duration::ZERO)).unwrap();
        assert_eq!(ring.in_flight(), 2);
        ring.cancel(sending);
        let Completion::Sent { bytes, .. } = wait(&mut ring) else { panic!() };
        assert_eq!(bytes.len(), 32 << 20);
        ring.cancel(receiving);
        let Completion::Received { result: Received::Cancelled, ended: true, .. } = wait(&mut ring)
        else {
            panic!()
        };
        // One that has ended names nothing.
        ring.cancel(sending);
        ring.enter(Some(Duration::ZERO)).unwrap();
        assert!(ring.next().is_none() && ring.in_flight() == 0);
    }

    #[test]
    fn dropping_a_ring_ends_what_is_in_flight_before_its_memory_goes() {
        let mut ring = trial().unwrap();
        let (socket, mut peer) = pair();
        ring.receive(&socket, Token(1));
        ring.send(&socket, vec![1; 32 << 20], 0..32 << 20, false, Token(2));
        ring.enter(Some(Duration::ZERO)).unwrap();
        // Never submitted at all:
        let (other, mut silent) = pair();
        ring.receive(&other, Token(3));
        let began = Instant::now();
        drop((ring, socket, other));
        assert!(began.elapsed() < DRAIN_PATIENCE);
        // The operations held the sockets; now nobody does.
        std::io::copy(&mut peer, &mut std::io::sink()).unwrap();
        assert_eq!(silent.read(&mut [0]).unwrap(), 0);
    }
}
