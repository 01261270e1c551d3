//! How many files, sockets among them, this process may have open, and how much memory it may lock.

use std::io;
use std::sync::Mutex;

/// Moves the process's limit of open files to `wanted`, or as near to it as the hard limit lets
/// an ordinary process go. Returns the limit that now holds. A server asks for `u64::MAX` at its
/// start: what a shell or an init system gives by default is too little for its clients.
pub fn set_limit(wanted: u64) -> io::Result<u64> {
    let _one_at_a_time = LIMIT.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let mut limit = read(libc::RLIMIT_NOFILE)?;
    limit.rlim_cur = wanted.min(limit.rlim_max);
    write(&limit)?;
    Ok(limit.rlim_cur)
}

/// The limit that holds for this process.
pub fn limit() -> io::Result<u64> {
    Ok(read(libc::RLIMIT_NOFILE)?.rlim_cur)
}

/// RLIMIT_MEMLOCK in bytes; `None`: unlimited, or unknown.
pub fn locked_memory_limit() -> Option<u64> {
    let limit = read(libc::RLIMIT_MEMLOCK).ok()?.rlim_cur;
    (limit != libc::RLIM_INFINITY).then_some(limit)
}

/// Does `work` with a limit lower by `kept`, or by a quarter of a small one. What the kernel is told
/// meanwhile keeps the lower limit for good: an accept notes it when it is armed, and leaves these
/// descriptors to files.
///
/// The limit is the whole process's. A file that another thread opens in these microseconds may be
/// refused; [`crate::disk`] tries again.
pub fn keeping_back<T>(kept: u64, work: impl FnOnce() -> T) -> T {
    let _one_at_a_time = LIMIT.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let Ok(usual) = read(libc::RLIMIT_NOFILE) else { return work() };
    let kept = kept.min(usual.rlim_cur / 4);
    let lower = libc::rlimit { rlim_cur: usual.rlim_cur - kept, ..usual };
    // If it cannot be lowered the reserve is missing, and nothing else.
    let _ = write(&lower);
    let done = work();
    let _ = write(&usual);
    done
}

/// Held while the limit is changed: who lowers it for a moment must find it as it was.
static LIMIT: Mutex<()> = Mutex::new(());

fn read(resource: libc::__rlimit_resource_t) -> io::Result<libc::rlimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a whole rlimit on this frame, which the call fills.
    match unsafe { libc::getrlimit(resource, &mut limit) } {
        0 => Ok(limit),
        _ => Err(io::Error::last_os_error()),
    }
}

fn write(limit: &libc::rlimit) -> io::Result<()> {
    // SAFETY: the pointer is to a whole rlimit of the caller's, which the call only reads.
    match unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, limit) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
