//! The driver's transport: client sockets on one io_uring.
//!
//! One [`Ring`] belongs to one thread. Connections are slots; a slot has at most one send in
//! flight and one multishot receive that fills buffers of a ring-provided pool. No protocol here.
//! This is the only file of the crate with unsafe code: what the kernel may touch while an
//! operation is in flight (send buffers, the pool, addresses) lives in [`Slot`] and [`Pool`] and is
//! released only after the operation's completion has been seen.
#![allow(unsafe_code)]

use std::alloc::{self, Layout};
use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use io_uring::types::{BufRingEntry, CancelBuilder, Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Size of one receive buffer in bytes: many replies of a pipelined connection, or one event.
const BUFFER_LEN: usize = 16 * 1024;
/// Bytes from one receive buffer to the next. Not a power of two: the first lines of thousands of
/// buffers, which are all that an event touches, would share a handful of the cache's sets.
const STRIDE: usize = BUFFER_LEN + 64;
const PAGE: usize = 4096;
const GROUP: u16 = 0;
/// Addresses that connections over loopback come from, each with 28,000 ports. A connection that
/// has ended keeps its port for a second at least: from one address, the kernel would look
/// through thousands of ports for each connection at 14,000 connections/s, and find none at 28,000.
/// Not many more: ended connections are kept for a minute, and the kernel's table of them has an end.
const SOURCES: usize = 4;

const OP_CONNECT: u64 = 0;
const OP_SEND: u64 = 1;
const OP_RECEIVE: u64 = 2;

/// What happened to a slot.
#[derive(Debug)]
pub enum Event {
    Connected(usize),
    /// Bytes arrived; read them with [`Ring::bytes`], then hand the buffer back with
    /// [`Ring::release`].
    Data(usize, Chunk),
    /// The send of this slot has finished; the next one may start.
    Sent(usize),
    /// The connection is gone and the slot may connect again. `None`: the peer (or
    /// [`Ring::close`]) ended it in good order.
    Closed(usize, Option<io::Error>),
}

/// How long completions may be let gather before they are looked at: a driver that is woken for
/// each of a thousand events takes the server's time for it, on the machine they share.
#[derive(Clone, Copy, Debug)]
pub struct Gather {
    /// Enough of them.
    pub enough: u32,
    /// And the longest they wait for one another, in microseconds. The first does not wait if it
    /// comes later.
    pub within_us: u32,
}

/// A filled receive buffer, owned by the caller until released.
#[derive(Debug)]
pub struct Chunk {
    buffer: u16,
    len: usize,
}

#[derive(Default)]
struct Slot {
    socket: Option<Socket>,
    /// Boxed: the kernel reads it when the connect is submitted.
    address: Option<Box<SockAddr>>,
    /// Bytes the kernel is sending. Not touched while `sending`.
    flight: Vec<u8>,
    sent: usize,
    sending: bool,
    receiving: bool,
    connecting: bool,
    /// No new operation starts; the socket goes when the last one has completed.
    closing: bool,
    error: Option<io::Error>,
}

impl Slot {
    fn busy(&self) -> bool {
        self.sending || self.receiving || self.connecting
    }
}

pub struct Ring {
    // Declared before the pool: dropped first, so that the kernel has let go of the pool.
    io: IoUring,
    slots: Vec<Slot>,
    ready: VecDeque<(u64, i32, u32)>,
    closed: VecDeque<usize>,
    pool: Pool,
}

impl Ring {
    /// A ring for `slots` connections.
    pub fn new(slots: usize) -> io::Result<Ring> {
        let entries = 1024;
        let completions = (slots as u32 * 4).clamp(4096, 65_536).next_power_of_two();
        let mut builder = IoUring::builder();
        builder.setup_cqsize(completions).setup_clamp().setup_submit_all();
        builder.setup_single_issuer().setup_defer_taskrun();
        let io = builder.build(entries).map_err(|e| {
            io::Error::new(e.kind(), format!("io_uring (kernel 6.1 or later is needed): {e}"))
        })?;
        // Saves a reference count on every call; an old kernel does without.
        let _ = io.submitter().register_ring_fd();
        let buffers = slots.clamp(256, 2048).next_power_of_two() as u16;
        let pool = Pool::new(buffers)?;
        // SAFETY: the pool's entry array is page-aligned, `buffers` long and lives until after
        // `io` is dropped (field order), having no request in flight then (Drop below).
        unsafe {
            io.submitter().register_buf_ring_with_flags(pool.entries as u64, buffers, GROUP, 0)?;
        }
        let slots = (0..slots).map(|_| Slot::default()).collect();
        Ok(Ring { io, slots, ready: VecDeque::new(), closed: VecDeque::new(), pool })
    }

    /// Starts a connection on a free slot.
    pub fn connect(&mut self, slot: usize, to: SocketAddr) -> io::Result<()> {
        let s = &mut self.slots[slot];
        assert!(s.socket.is_none() && !s.busy(), "slot {slot} is in use");
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_tcp_nodelay(true)?;
        if matches!(to, SocketAddr::V4(to) if to.ip().is_loopback()) {
            bind_source(&socket, slot)?;
        }
        let address = Box::new(SockAddr::from(to));
        let entry =
            opcode::Connect::new(Fd(socket.as_raw_fd()), address.as_ptr().cast(), address.len());
        s.socket = Some(socket);
        s.address = Some(address);
        s.connecting = true;
        s.closing = false;
        s.error = None;
        self.push(entry.build(), slot, OP_CONNECT)
    }

    /// Sends all of `bytes`, which is left empty; `false` and untouched while an earlier send is
    /// under way (wait for [`Event::Sent`]).
    pub fn send(&mut self, slot: usize, bytes: &mut Vec<u8>) -> io::Result<bool> {
        let s = &mut self.slots[slot];
        if s.sending || s.closing || bytes.is_empty() {
            return Ok(s.closing);
        }
        s.flight.clear();
        std::mem::swap(&mut s.flight, bytes);
        s.sent = 0;
        self.push_send(slot)?;
        Ok(true)
    }

    /// Ends a connection: FIN both ways, [`Event::Closed`] when nothing is in flight any more.
    pub fn close(&mut self, slot: usize) {
        let s = &mut self.slots[slot];
        if s.socket.is_none() {
            return;
        }
        if !s.closing {
            s.closing = true;
            // Ends what is in flight. Where nothing is, closing the socket says the same.
            if s.busy() {
                let _ = s.socket.as_ref().map(|socket| socket.shutdown(Shutdown::Both));
            }
        }
        self.settle(slot);
    }

    pub fn bytes(&self, chunk: &Chunk) -> &[u8] {
        self.pool.bytes(chunk)
    }

    pub fn release(&mut self, chunk: Chunk) {
        self.pool.put(chunk.buffer);
    }

    /// Submits what is queued and waits up to `timeout` for a completion (not at all when some are
    /// already here), or for several where they may gather (kernel 6.12 or later).
    pub fn turn(&mut self, timeout: Duration, gather: Option<Gather>) -> io::Result<()> {
        let idle = self.ready.is_empty() && self.closed.is_empty();
        let result = if idle && !timeout.is_zero() {
            let time = Timespec::new().sec(timeout.as_secs()).nsec(timeout.subsec_nanos());
            let args = SubmitArgs::new().timespec(&time);
            match gather.filter(|_| self.io.params().is_feature_min_timeout()) {
                Some(Gather { enough, within_us }) => {
                    let args = args.min_wait_usec(within_us);
                    self.io.submitter().submit_with_args(enough as usize, &args)
                }
                None => self.io.submitter().submit_with_args(1, &args),
            }
        } else if idle || !self.io.submission().is_empty() {
            self.io.submit()
        } else {
            Ok(0)
        };
        match result {
            Ok(_) => {}
            Err(e) if matches!(e.raw_os_error(), Some(libc::ETIME | libc::EINTR | libc::EBUSY)) => {
            }
            Err(e) => return Err(e),
        }
        let completions = self.io.completion();
        self.ready.extend(completions.map(|c| (c.user_data(), c.result(), c.flags())));
        Ok(())
    }

    /// The next event of this turn.
    pub fn next_event(&mut self) -> io::Result<Option<Event>> {
        loop {
            if let Some(slot) = self.closed.pop_front() {
                let error = self.slots[slot].error.take();
                return Ok(Some(Event::Closed(slot, error)));
            }
            let Some((data, result, flags)) = self.ready.pop_front() else { return Ok(None) };
            let slot = (data >> 8) as usize;
            let event = match data & 0xff {
                OP_CONNECT => self.connected(slot, result)?,
                OP_SEND => self.sent(slot, result)?,
                _ => self.received(slot, result, flags)?,
            };
            if event.is_some() {
                return Ok(event);
            }
        }
    }

    fn connected(&mut self, slot: usize, result: i32) -> io::Result<Option<Event>> {
        let s = &mut self.slots[slot];
        s.connecting = false;
        s.address = None;
        if result < 0 {
            self.fail(slot, result);
            return Ok(None);
        }
        self.push_receive(slot)?;
        Ok(Some(Event::Connected(slot)))
    }

    fn sent(&mut self, slot: usize, result: i32) -> io::Result<Option<Event>> {
        let s = &mut self.slots[slot];
        s.sending = false;
        if result < 0 {
            self.fail(slot, result);
            return Ok(None);
        }
        s.sent += result as usize;
        if s.closing {
            self.settle(slot);
            return Ok(None);
        }
        if s.sent < s.flight.len() {
            self.push_send(slot)?;
            return Ok(None);
        }
        Ok(Some(Event::Sent(slot)))
    }

    fn received(&mut self, slot: usize, result: i32, flags: u32) -> io::Result<Option<Event>> {
        let more = cqueue::more(flags);
        if !more {
            self.slots[slot].receiving = false;
        }
        let chunk = cqueue::buffer_select(flags)
            .map(|buffer| Chunk { buffer, len: result.max(0) as usize });
        match result {
            1.. => {
                if !more && !self.slots[slot].closing {
                    self.push_receive(slot)?;
                }
                match chunk {
                    Some(chunk) if !self.slots[slot].closing => {
                        return Ok(Some(Event::Data(slot, chunk)));
                    }
                    Some(chunk) => self.release(chunk),
                    None => return Err(io::Error::other("receive completed without a buffer")),
                }
            }
            // The pool ran dry: everything in it is waiting in `ready`, so simply ask again.
            e if e == -libc::ENOBUFS && !self.slots[slot].closing => self.push_receive(slot)?,
            0 => {
                if let Some(chunk) = chunk {
                    self.release(chunk);
                }
                self.close(slot);
                return Ok(None);
            }
            e => {
                if e < 0 && !self.slots[slot].closing {
                    self.fail(slot, e);
                    return Ok(None);
                }
            }
        }
        if self.slots[slot].closing {
            self.settle(slot);
        }
        Ok(None)
    }

    fn fail(&mut self, slot: usize, result: i32) {
        let s = &mut self.slots[slot];
        if !s.closing {
            s.error = Some(io::Error::from_raw_os_error(-result));
        }
        self.close(slot);
    }

    /// Frees a closing slot once nothing is in flight.
    fn settle(&mut self, slot: usize) {
        let s = &mut self.slots[slot];
        if s.closing && !s.busy() && s.socket.take().is_some() {
            self.closed.push_back(slot);
        }
    }

    fn push_send(&mut self, slot: usize) -> io::Result<()> {
        let s = &mut self.slots[slot];
        let Some(socket) = &s.socket else { return Ok(()) };
        let rest = &s.flight[s.sent..];
        let entry = opcode::Send::new(Fd(socket.as_raw_fd()), rest.as_ptr(), rest.len() as u32)
            .flags(libc::MSG_WAITALL | libc::MSG_NOSIGNAL)
            .build();
        s.sending = true;
        self.push(entry, slot, OP_SEND)
    }

    fn push_receive(&mut self, slot: usize) -> io::Result<()> {
        let s = &mut self.slots[slot];
        let Some(socket) = &s.socket else { return Ok(()) };
        let entry = opcode::RecvMulti::new(Fd(socket.as_raw_fd()), GROUP).build();
        s.receiving = true;
        self.push(entry, slot, OP_RECEIVE)
    }

    fn push(&mut self, entry: squeue::Entry, slot: usize, op: u64) -> io::Result<()> {
        let entry = entry.user_data((slot as u64) << 8 | op);
        if self.io.submission().is_full() {
            self.io.submit()?;
        }
        // SAFETY: what the entry points at (socket, address, flight, pool) is owned by the slot or
        // the pool and is neither freed nor changed before the operation's completion is handled:
        // `busy` keeps the slot, `sending` the buffer, and Drop cancels whatever is left.
        unsafe { self.io.submission().push(&entry) }
            .map_err(|_| io::Error::other("submission queue is full after a submit"))
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // Nothing may be in flight when the buffers go. The call returns when all is cancelled.
        let _ = self.io.submit();
        let _ = self.io.submitter().register_sync_cancel(None, CancelBuilder::any());
    }
}

/// Chooses where a connection over loopback comes from; its port is chosen when it connects, and
/// so needs to be free only towards that server.
fn bind_source(socket: &Socket, slot: usize) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the option's value is an int on this frame, of the length given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let source = Ipv4Addr::new(127, 0, 0, 1 + (slot % SOURCES) as u8);
    socket.bind(&SockAddr::from(SocketAddr::from((source, 0))))
}

/// Receive buffers the kernel picks from: an array of entries shared with it, and their memory.
struct Pool {
    entries: *mut BufRingEntry,
    memory: *mut u8,
    count: u16,
    tail: u16,
}

impl Pool {
    fn new(count: u16) -> io::Result<Pool> {
        let (entry_layout, memory_layout) = Pool::layouts(count)?;
        // SAFETY: both layouts have a size above zero.
        let entries = unsafe { alloc::alloc_zeroed(entry_layout) }.cast::<BufRingEntry>();
        // SAFETY: as above.
        let memory = unsafe { alloc::alloc_zeroed(memory_layout) };
        if entries.is_null() || memory.is_null() {
            return Err(io::Error::new(io::ErrorKind::OutOfMemory, "receive buffers"));
        }
        let mut pool = Pool { entries, memory, count, tail: 0 };
        for buffer in 0..count {
            pool.put(buffer);
        }
        Ok(pool)
    }

    fn layouts(count: u16) -> io::Result<(Layout, Layout)> {
        let entries = usize::from(count) * size_of::<BufRingEntry>();
        let memory = usize::from(count) * STRIDE;
        let layout = |len| Layout::from_size_align(len, PAGE).map_err(io::Error::other);
        Ok((layout(entries)?, layout(memory)?))
    }

    fn bytes(&self, chunk: &Chunk) -> &[u8] {
        assert!(chunk.buffer < self.count && chunk.len <= BUFFER_LEN, "not a chunk of this pool");
        // SAFETY: the buffer lies inside `memory`; the kernel gave it to us in a completion and
        // does not write to it again before `put`, which needs the chunk by value.
        unsafe {
            let start = self.memory.add(usize::from(chunk.buffer) * STRIDE);
            std::slice::from_raw_parts(start, chunk.len)
        }
    }

    fn put(&mut self, buffer: u16) {
        let at = usize::from(self.tail & (self.count - 1));
        // SAFETY: `at` and `buffer` are below `count`, a power of two; the entry at the tail is
        // ours until the tail moves past it.
        unsafe {
            let entry = &mut *self.entries.add(at);
            entry.set_addr(self.memory.add(usize::from(buffer) * STRIDE) as u64);
            entry.set_len(BUFFER_LEN as u32);
            entry.set_bid(buffer);
        }
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the tail lies in the first entry's reserved field, which `set_*` leave alone;
        // the kernel only reads it. Release: the entry is seen before the tail that covers it.
        unsafe {
            let tail = BufRingEntry::tail(self.entries).cast_mut();
            AtomicU16::from_ptr(tail).store(self.tail, Ordering::Release);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if let Ok((entry_layout, memory_layout)) = Pool::layouts(self.count) {
            // SAFETY: allocated in `new` with the same layouts; the ring is gone (field order).
            unsafe {
                alloc::dealloc(self.entries.cast(), entry_layout);
                alloc::dealloc(self.memory, memory_layout);
            }
        }
    }
}
