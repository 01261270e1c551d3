//! How many files, sockets among them, this process may have open.

use std::io;

/// Moves the process's limit of open files to `wanted`, or as near to it as the hard limit lets
/// an ordinary process go. Returns the limit that now holds. A server asks for `u64::MAX` at its
/// start: what a shell or an init system gives by default is too little for its clients.
pub fn set_limit(wanted: u64) -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a whole rlimit on this frame, which the call fills.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    limit.rlim_cur = wanted.min(limit.rlim_max);
    // SAFETY: the pointer is to a whole rlimit on this frame, which the call only reads.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(limit.rlim_cur)
}
