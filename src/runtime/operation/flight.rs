//! The slab of operations in flight: what the kernel may touch, until it has let go.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::rc::Rc;

use io_uring::types::Fd;
use socket2::SockAddr;

use crate::runtime::Waker;
use crate::runtime::buffers::Filled;

/// The submitter's own number for an operation; comes back with its completions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Token(pub u64);

/// An operation in flight, for cancelling it: slab index and generation, which is also its user
/// data. One that has ended names nothing any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OperationId(pub(in crate::runtime) u64);

/// A socket, shared with the operations that use it: it is closed, and its number free for others,
/// when the last of them has ended.
#[derive(Clone, Debug)]
pub struct Socket(Rc<OwnedFd>);

impl Socket {
    /// Its only owner, so far.
    pub fn new(fd: OwnedFd) -> Socket {
        Socket(Rc::new(fd))
    }

    /// Bytes of this socket that its peer's TCP has acknowledged, ever (`tcpi_bytes_acked`); 0 where
    /// the kernel does not say.
    pub fn bytes_acknowledged(&self) -> u64 {
        // The head of the kernel's tcp_info: 8 bytes of flags, 24 words, two rates, then the count.
        const WORDS: usize = 16;
        const BYTES_ACKED: usize = (8 + 24 * 4) / 8 + 2;
        const _: () = assert!(BYTES_ACKED < WORDS);
        let mut info = [0u64; WORDS];
        let mut length = size_of_val(&info) as libc::socklen_t;
        // SAFETY: the pointers are to an array of `length` bytes and to that length on this frame;
        // the call fills no more than it is told, and any bytes are valid words.
        let answer = unsafe {
            libc::getsockopt(
                self.0.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                info.as_mut_ptr().cast(),
                &mut length,
            )
        };
        let is_known = answer == 0 && length as usize == size_of_val(&info);
        if is_known { info[BYTES_ACKED] } else { 0 }
    }

    pub(super) fn raw(&self) -> Fd {
        Fd(self.0.as_raw_fd())
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What became of an operation. `ended`: it was the last completion, and the operation's id is
/// void.
#[derive(Debug)]
#[allow(missing_docs, reason = "a token and a result each, and what the type says")]
pub enum Completion {
    /// A connection, or the error that ended the accepting.
    Accepted { token: Token, result: io::Result<OwnedFd>, ended: bool },
    /// A socket asked to connect has, or has not.
    Connected { token: Token, result: io::Result<()> },
    /// Something was received.
    Received { token: Token, result: Received, ended: bool },
    /// All asked for was sent (or less, or nothing: the connection is no good any more). The
    /// bytes come back.
    Sent { token: Token, result: io::Result<usize>, bytes: Vec<u8> },
    /// The waker's bell rang.
    Rang { ended: bool },
}

/// What a multishot receive brings.
#[derive(Debug)]
pub enum Received {
    /// Something; the buffer is to be given back.
    Bytes(Filled),
    /// The peer has ended its direction.
    End,
    /// All buffers are in use; to be asked for again when some have been given back.
    NoBuffers,
    /// Cancelled by us.
    Cancelled,
    /// The connection is no good any more.
    Failed(io::Error),
}

/// An operation and what it owns. The fields that nobody reads are there to be kept alive.
pub(in crate::runtime) enum Operation {
    Accept { _listener: Socket },
    Connect { _socket: Socket, _address: Box<SockAddr> },
    Receive { _socket: Socket },
    Send { _socket: Socket, bytes: Vec<u8> },
    Watch { _bell: Waker },
}

struct Slot {
    generation: u32,
    held: Option<(Token, Operation)>,
}

#[derive(Default)]
pub(in crate::runtime) struct Flight {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

impl Flight {
    pub(in crate::runtime) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn insert(&mut self, token: Token, operation: Operation) -> OperationId {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.slots.push(Slot { generation: 0, held: None });
                // 2^32 operations of at least 40 bytes are more memory than there is.
                (self.slots.len() - 1) as u32
            }
        };
        let slot = &mut self.slots[index as usize];
        assert!(slot.held.is_none(), "a free slot holds nothing");
        slot.held = Some((token, operation));
        OperationId((u64::from(slot.generation) << 32) | u64::from(index))
    }

    /// Turns a completion entry into a value; frees the slot with the last one.
    pub(in crate::runtime) fn complete(
        &mut self,
        user_data: u64,
        result: i32,
        more: bool,
        filled: Option<Filled>,
    ) -> Completion {
        let (index, generation) = (user_data as u32, (user_data >> 32) as u32);
        let slot = &mut self.slots[index as usize];
        assert!(slot.generation == generation, "the kernel completes an operation once");
        if more {
            // Only multishot operations have more to come; they own nothing to hand out.
            return match &slot.held {
                Some((token, Operation::Accept { .. })) => accepted(*token, result, false),
                Some((token, Operation::Receive { .. })) => received(*token, result, filled, false),
                Some((_, Operation::Watch { .. })) => Completion::Rang { ended: false },
                Some((_, Operation::Send { .. } | Operation::Connect { .. })) | None => {
                    unreachable!("a send or connect completes once")
                }
            };
        }
        let held = slot.held.take();
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(index);
        match held {
            Some((token, Operation::Accept { .. })) => accepted(token, result, true),
            Some((token, Operation::Connect { .. })) => {
                Completion::Connected { token, result: outcome(result).map(drop) }
            }
            Some((token, Operation::Receive { .. })) => received(token, result, filled, true),
            Some((token, Operation::Send { bytes, .. })) => {
                let result = outcome(result).map(|sent| sent as usize);
                Completion::Sent { token, result, bytes }
            }
            Some((_, Operation::Watch { .. })) => Completion::Rang { ended: true },
            None => unreachable!("an operation in flight has its slot"),
        }
    }
}

fn outcome(result: i32) -> io::Result<u32> {
    u32::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result))
}

fn accepted(token: Token, result: i32, ended: bool) -> Completion {
    let result = outcome(result).map(|_| {
        // SAFETY: a successful accept completes with a new descriptor that nobody else knows, and
        // this completion is seen once.
        unsafe { OwnedFd::from_raw_fd(result) }
    });
    Completion::Accepted { token, result, ended }
}

fn received(token: Token, result: i32, filled: Option<Filled>, ended: bool) -> Completion {
    let result = match (outcome(result), filled) {
        (Ok(_), Some(filled)) => Received::Bytes(filled),
        (Ok(_), None) => Received::End,
        (Err(error), _) => match error.raw_os_error() {
            Some(libc::ENOBUFS) => Received::NoBuffers,
            Some(libc::ECANCELED) => Received::Cancelled,
            _ => Received::Failed(error),
        },
    };
    Completion::Received { token, result, ended }
}
