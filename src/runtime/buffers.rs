//! Memory the kernel receives into: it takes a buffer when bytes arrive, not when they are asked
//! for, so ten thousand idle connections hold none.
//!
//! ```text
//!   ring of entries (shared with the kernel)        buffers, stride = bytes + 64
//!   ┌────────────────┬────────────────┬───          ┌───────────────┬────┬───────────────┬────┬──
//!   │ addr len bid=0 │ addr len bid=1 │ ...         │ buffer 0      │pad │ buffer 1      │pad │
//!   └────────────────┴────────────────┴───          └───────────────┴────┴───────────────┴────┴──
//!      bytes 14..16 of the first entry: the tail, written by us, read by the kernel
//! ```
//!
//! The kernel takes the buffers in turn. It is given a few, and more only once those have not been
//! enough: what is received lands where the caches still know it, and the others stay untouched.
//!
//! The padding keeps the first lines of the buffers, which is where short requests are, out of one
//! another's way in the processor's caches.

use std::alloc::{self, Layout};
use std::io;
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;

/// The one group of buffers that a ring has.
pub(super) const GROUP: u16 = 0;

const PAGE: usize = 4096;
const PADDING: usize = 64;

/// Buffers that the kernel is given at first: as many connections at once are heard.
const FIRST: u16 = 64;

/// A received piece, in the buffer the kernel chose. It stays out of the kernel's reach until it
/// is given back; one that is dropped is lost to its ring.
#[derive(Debug)]
#[must_use = "a buffer that is not given back is lost to its ring"]
pub struct Filled {
    ring: u32,
    len: u32,
    id: u16,
}

impl Filled {
    /// Bytes received.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// The peer sent nothing.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

pub(super) struct BufferRing {
    entries: Region,
    memory: Region,
    count: u16,
    bytes: u32,
    tail: u16,
    /// Buffers in use so far; those from here on have never been given to the kernel.
    used: u16,
    /// Buffers in use that the kernel does not have.
    out: usize,
    /// Tells this ring's pieces from those of another.
    ring: u32,
}

impl BufferRing {
    pub(super) fn new(submitter: &Submitter<'_>, count: u16, bytes: u32) -> io::Result<BufferRing> {
        static RINGS: AtomicU32 = AtomicU32::new(0);
        if !count.is_power_of_two() || count > 1 << 15 || bytes == 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{count} receive buffers of {bytes} bytes: a power of two up to 32768"),
            ));
        }
        let stride = bytes as usize + PADDING;
        let entries = Region::new(count as usize * size_of::<BufRingEntry>())?;
        let memory = Region::new(count as usize * stride)?;
        let address = entries.start.as_ptr() as u64;
        // SAFETY: the entries are page-aligned, as many as said, zeroed, and freed only after the
        // ring's descriptor is closed (field order in `Ring`).
        unsafe { submitter.register_buf_ring_with_flags(address, count, GROUP, 0)? };
        let ring = RINGS.fetch_add(1, Ordering::SeqCst);
        let mut buffers =
            BufferRing { entries, memory, count, bytes, tail: 0, used: 0, out: 0, ring };
        buffers.extend_to(FIRST);
        Ok(buffers)
    }

    /// What the completion says the kernel has filled; `None`, and the buffer goes straight back,
    /// if that is nothing. `result` is the completion's: a length or a negated error.
    pub(super) fn filled(&mut self, id: u16, result: i32) -> Option<Filled> {
        assert!(id < self.used, "the kernel fills only what it was given");
        let len = u32::try_from(result).unwrap_or(0);
        assert!(len <= self.bytes, "the kernel fills only what it was given");
        self.out += 1;
        if len == 0 {
            self.offer(id);
            return None;
        }
        Some(Filled { ring: self.ring, id, len })
    }

    pub(super) fn bytes<'a>(&'a self, filled: &'a Filled) -> &'a [u8] {
        assert!(filled.ring == self.ring, "a piece of another ring");
        let start = self.buffer(filled.id);
        // SAFETY: `filled` was made for this ring from a completion with at most `bytes` bytes, so
        // the range is inside `memory` and written; the kernel does not have this buffer until
        // `give_back` consumes `filled`, which the borrow forbids meanwhile.
        unsafe { slice::from_raw_parts(start.as_ptr(), filled.len as usize) }
    }

    pub(super) fn give_back(&mut self, filled: Filled) {
        assert!(filled.ring == self.ring, "a piece of another ring");
        self.offer(filled.id);
    }

    /// The kernel had none left. If it still has none, from now on there are twice as many.
    pub(super) fn ran_out(&mut self) {
        if self.out == usize::from(self.used) {
            self.extend_to(self.used.saturating_mul(2));
        }
    }

    fn extend_to(&mut self, wanted: u16) {
        let from = self.used;
        self.used = wanted.clamp(from, self.count);
        self.out += usize::from(self.used - from);
        (from..self.used).for_each(|id| self.offer(id));
    }

    pub(super) fn out(&self) -> usize {
        self.out
    }

    fn buffer(&self, id: u16) -> NonNull<u8> {
        let offset = id as usize * (self.bytes as usize + PADDING);
        // SAFETY: id < count (checked where ids enter), so the offset is inside `memory`.
        unsafe { self.memory.start.add(offset) }
    }

    /// Puts a buffer that the kernel does not have at the tail of the ring.
    fn offer(&mut self, id: u16) {
        let address = self.buffer(id).as_ptr() as u64;
        let slot = (self.tail & (self.count - 1)) as usize;
        let first = self.entries.start.cast::<BufRingEntry>();
        // SAFETY: slot < count, and `entries` has room for count entries.
        let mut entry = unsafe { first.add(slot) };
        // SAFETY: aligned and zeroed at birth. There are count buffers and each is offered once,
        // so this slot is behind the kernel's head: the kernel does not read it now. The reference
        // covers the tail field when slot is 0, but only the kernel looks at that, and it reads.
        let entry = unsafe { entry.as_mut() };
        entry.set_addr(address);
        entry.set_len(self.bytes);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
        self.out -= 1;
        // SAFETY: `first` is the first entry of a registered ring.
        let tail = unsafe { BufRingEntry::tail(first.as_ptr()) };
        // SAFETY: the tail is an aligned u16 inside `entries`; from here on both sides use it as
        // an atomic.
        let tail = unsafe { AtomicU16::from_ptr(tail.cast_mut()) };
        // Release: the entry is whole before the kernel, which acquires the tail, can see it.
        tail.store(self.tail, Ordering::Release);
    }
}

/// Zeroed pages at a fixed address. Untouched ones cost nothing.
struct Region {
    start: NonNull<u8>,
    layout: Layout,
}

impl Region {
    fn new(bytes: usize) -> io::Result<Region> {
        let layout = Layout::from_size_align(bytes.max(1), PAGE).map_err(io::Error::other)?;
        // SAFETY: the size is not zero.
        let start = unsafe { alloc::alloc_zeroed(layout) };
        let start = NonNull::new(start).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Region { start, layout })
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout, and freed once.
        unsafe { alloc::dealloc(self.start.as_ptr(), self.layout) };
    }
}
