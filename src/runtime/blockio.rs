//! A ring for one thread that writes and waits: a write and the flush after it in one call.

use io_uring::{IoUring, opcode, squeue, types};
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// User data of the write; the flush has the next.
const WRITE: u64 = 1;
const FLUSH: u64 = 2;

/// Longest write that one call takes (MAX_RW_COUNT of the kernel, rounded down).
const WRITE_MAX: usize = 1 << 30;

/// Used by the thread that made it.
pub struct BlockRing {
    ring: IoUring,
}

impl fmt::Debug for BlockRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlockRing")
    }
}

impl BlockRing {
    /// A ring for one request at a time; the error is the kernel's.
    pub fn new() -> io::Result<BlockRing> {
        // A cooperative ring does its work when this thread enters the kernel, which it does only
        // to wait for that work.
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .build(4)
            .or_else(|_| IoUring::new(4))?;
        Ok(BlockRing { ring })
    }

    /// Writes all of `bytes` at `offset`; with `flush` returns when they are durable (fdatasync).
    /// A short write is an error.
    pub fn write(
        &mut self,
        file: BorrowedFd<'_>,
        offset: u64,
        bytes: &[u8],
        flush: bool,
    ) -> io::Result<()> {
        if bytes.len() > WRITE_MAX {
            let text = format!("write of {} bytes exceeds {WRITE_MAX}", bytes.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let fd = types::Fd(file.as_raw_fd());
        let write = opcode::Write::new(fd, bytes.as_ptr(), bytes.len() as u32)
            .offset(offset)
            .build()
            .user_data(WRITE);
        let sync =
            opcode::Fsync::new(fd).flags(types::FsyncFlags::DATASYNC).build().user_data(FLUSH);
        let linked = [write.clone().flags(squeue::Flags::IO_LINK), sync];
        let alone = [write];
        let entries = if flush { &linked[..] } else { &alone[..] };
        // SAFETY: the kernel reads `bytes` and uses `file` until the completions arrive; both are
        // borrowed by this function, which waits for every completion before it returns.
        unsafe { self.ring.submission().push_multiple(entries) }
            .map_err(|_| io::Error::other("submission queue is full"))?;
        self.wait(bytes.len(), entries.len())
    }

    /// Waits until every entry pushed has completed, however each went.
    fn wait(&mut self, bytes: usize, pushed: usize) -> io::Result<()> {
        let mut result = Ok(());
        let mut left = pushed;
        while left > 0 {
            match self.ring.submit_and_wait(left) {
                Ok(_) => {}
                Err(e)
                    if matches!(
                        e.raw_os_error(),
                        Some(libc::EINTR | libc::EAGAIN | libc::EBUSY)
                    ) => {}
                // Entries may be with the kernel and `bytes` in its use: there is no way back.
                Err(_) => std::process::abort(),
            }
            for done in self.ring.completion() {
                left -= 1;
                let failed = match (done.user_data(), done.result()) {
                    (_, code) if code < 0 => io::Error::from_raw_os_error(-code),
                    (WRITE, n) if n as usize != bytes => {
                        let text = format!("wrote {n} of {bytes} bytes");
                        io::Error::new(io::ErrorKind::WriteZero, text)
                    }
                    _ => continue,
                };
                // The write's failure is the cause; the flush is only cancelled by it.
                if result.is_ok() {
                    result = Err(failed);
                }
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn what_is_written_can_be_read_and_a_refused_write_is_an_error() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("file");
        let file = std::fs::File::create(&path).unwrap();
        let mut ring = BlockRing::new().unwrap();
        ring.write(file.as_fd(), 3, b"hello", true).unwrap();
        ring.write(file.as_fd(), 8, b" ring", false).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"\0\0\0hello ring");
        let read_only = std::fs::File::open(&path).unwrap();
        let refused = ring.write(read_only.as_fd(), 0, b"x", true).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EBADF));
        ring.write(file.as_fd(), 0, b"abc", true).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"abchello ring");
    }
}
