//! Can this kernel carry the server, and if not, what is to be done?

use std::time::Duration;
use std::{fmt, fs, io};

use io_uring::{IoUring, Probe, opcode};

use super::{open_files, ring};

/// The oldest kernel that has everything: multishot receive came with 6.0, deferred task work
/// with 6.1.
const OLDEST: (u32, u32) = (6, 1);

const DISABLED: &str = "/proc/sys/kernel/io_uring_disabled";
const GROUP: &str = "/proc/sys/kernel/io_uring_group";
const RELEASE: &str = "/proc/sys/kernel/osrelease";

/// What was found on a kernel that will do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KernelReport {
    /// As `uname -r` says it.
    pub release: String,
    /// Waiting in the ring does not count as waiting for IO (6.15). Without it, monitoring shows
    /// an idle server's processors in iowait.
    pub waits_as_idle: bool,
}

impl fmt::Display for KernelReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let idle = if self.waits_as_idle { "" } else { ", idle time shows as iowait" };
        write!(f, "Linux {}: io_uring has all that is needed{idle}", self.release)
    }
}

/// Who forbids a system call, as /proc/self/status tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Forbidder {
    /// A seccomp filter is in force.
    Seccomp {
        /// As the kernel numbers it: 1 is strict, 2 a filter.
        mode: u32,
    },
    /// None is.
    SecurityModule,
}

impl fmt::Display for Forbidder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Forbidder::Seccomp { mode } => write!(
                f,
                "A seccomp profile is in force (Seccomp: {mode} in /proc/self/status), most likely a \
                 container's. Add io_uring_setup, io_uring_enter and io_uring_register to the names \
                 that it allows, or start the container with --security-opt seccomp=unconfined \
                 (Kubernetes: seccompProfile: {{type: Unconfined}}; systemd: \
                 SystemCallFilter=@system-service io_uring_setup io_uring_enter io_uring_register)"
            ),
            Forbidder::SecurityModule => f.write_str(
                "No seccomp profile is in force (Seccomp: 0 in /proc/self/status), so most likely a \
                 security module forbids it: ausearch -m avc (SELinux) and dmesg (AppArmor) name the \
                 rule to change",
            ),
        }
    }
}

/// Why the server cannot run here. The texts say what to change; the caller prints them and exits.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum Unsupported {
    #[error(
        "io_uring is switched off: kernel.io_uring_disabled is {value}. Set it to 0 \
         (sysctl -w kernel.io_uring_disabled=0)"
    )]
    SwitchedOff { value: u32 },
    #[error(
        "io_uring is kept for a group: kernel.io_uring_disabled is 1 and kernel.io_uring_group is \
         {group}. Run the server in that group, or set kernel.io_uring_disabled to 0"
    )]
    GroupOnly { group: i64 },
    #[error(
        "io_uring is forbidden to this process: {call} is answered with {source}, and it is not the \
         kernel's own switch (kernel.io_uring_disabled is {disabled}). {by}"
    )]
    Forbidden { call: &'static str, source: io::Error, disabled: u32, by: Forbidder },
    #[error(
        "Linux {release} has no io_uring, or a seccomp profile hides it; {}.{} or newer is needed",
        OLDEST.0, OLDEST.1
    )]
    Absent { release: String },
    #[error(
        "io_uring of Linux {release} lacks {missing}; {}.{} or newer is needed",
        OLDEST.0, OLDEST.1
    )]
    TooOld { release: String, missing: String },
    #[error("io_uring cannot be set up on Linux {release}: {source}{hint}")]
    Failed { release: String, source: io::Error, hint: String },
}

/// Tries all that the server needs of the kernel on a small ring.
pub fn probe() -> Result<KernelReport, Unsupported> {
    let release = read(RELEASE).unwrap_or_else(|| "(unknown)".into());
    let mut ring = ring::trial().map_err(why)?;
    let params = ring.uring().params();
    let mut operations = Probe::new();
    if let Err(source) = ring.uring().submitter().register_probe(&mut operations) {
        return Err(why_of("io_uring_register", source));
    }
    let needed = [
        ("completions that are never dropped (5.5)", params.is_feature_nodrop()),
        ("polling without threads (5.7)", params.is_feature_fast_poll()),
        ("waiting with a time limit (5.11)", params.is_feature_ext_arg()),
        ("accept", operations.is_supported(opcode::AcceptMulti::CODE)),
        ("connect", operations.is_supported(opcode::Connect::CODE)),
        ("receive", operations.is_supported(opcode::RecvMulti::CODE)),
        ("send", operations.is_supported(opcode::Send::CODE)),
        ("poll", operations.is_supported(opcode::PollAdd::CODE)),
        ("cancel", operations.is_supported(opcode::AsyncCancel::CODE)),
    ];
    let missing: Vec<_> =
        needed.iter().filter(|(_, there)| !there).map(|(name, _)| *name).collect();
    if !missing.is_empty() {
        return Err(Unsupported::TooOld { release, missing: missing.join(", ") });
    }
    let waits_as_idle = params.is_feature_no_iowait();
    // Each of the three calls can be forbidden alone.
    ring.enter(Some(Duration::from_nanos(1))).map_err(|error| why_of("io_uring_enter", error))?;
    Ok(KernelReport { release, waits_as_idle })
}

/// Explains why a ring could not be made. Where it can be without what is registered with it, that is
/// what is forbidden.
pub fn why(error: io::Error) -> Unsupported {
    let is_bare = IoUring::new(2).is_ok();
    why_of(if is_bare { "io_uring_register" } else { "io_uring_setup" }, error)
}

fn why_of(call: &'static str, error: io::Error) -> Unsupported {
    let release = read(RELEASE).unwrap_or_else(|| "(unknown)".into());
    let disabled = read(DISABLED).and_then(|text| text.parse().ok()).unwrap_or(0);
    let group = read(GROUP).and_then(|text| text.parse().ok()).unwrap_or(-1);
    explain((call, forbidder()), error, release, disabled, group)
}

fn read(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

fn forbidder() -> Forbidder {
    let status = read("/proc/self/status").unwrap_or_default();
    let mode = status.lines().find_map(|line| line.strip_prefix("Seccomp:"));
    match mode.and_then(|mode| mode.trim().parse().ok()) {
        None | Some(0) => Forbidder::SecurityModule,
        Some(mode) => Forbidder::Seccomp { mode },
    }
}

/// Tells a kernel that cannot from one that must not.
fn explain(
    (call, by): (&'static str, Forbidder),
    source: io::Error,
    release: String,
    disabled: u32,
    group: i64,
) -> Unsupported {
    match source.raw_os_error() {
        Some(libc::EPERM) if disabled == 1 => Unsupported::GroupOnly { group },
        Some(libc::EPERM) if disabled > 1 => Unsupported::SwitchedOff { value: disabled },
        Some(libc::EPERM | libc::EACCES) => Unsupported::Forbidden { call, source, disabled, by },
        Some(libc::ENOSYS) => Unsupported::Absent { release },
        // An unknown flag of io_uring_setup, or an unknown registration.
        Some(libc::EINVAL) => Unsupported::TooOld {
            release,
            missing: "deferred task work (6.1) or provided buffer rings (5.19)".into(),
        },
        Some(libc::ENOMEM) => Unsupported::Failed {
            release,
            source,
            hint: match open_files::locked_memory_limit() {
                Some(bytes) => format!(
                    ". RLIMIT_MEMLOCK is {} KiB: raise it (LimitMEMLOCK=infinity in the systemd unit, \
                     ulimit -l unlimited, docker run --ulimit memlock=-1)",
                    bytes / 1024
                ),
                None => ". The machine, or this process's control group, is out of memory".into(),
            },
        },
        Some(libc::EMFILE | libc::ENFILE) => Unsupported::Failed {
            release,
            source,
            hint: format!(
                ". RLIMIT_NOFILE is {}: raise it (LimitNOFILE=65536 in the systemd unit, \
                 ulimit -n 65536)",
                open_files::limit().unwrap_or(0)
            ),
        },
        _ => Unsupported::Failed { release, source, hint: String::new() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_these_tests_run_on_will_do() {
        let report = probe().unwrap();
        assert!(!report.release.is_empty());
    }

    #[test]
    fn refusals_say_what_to_change() {
        let text = |errno, disabled| {
            let by = ("io_uring_setup", Forbidder::Seccomp { mode: 2 });
            let error = io::Error::from_raw_os_error(errno);
            explain(by, error, "5.10.0".into(), disabled, 7).to_string()
        };
        assert!(text(libc::EPERM, 2).contains("io_uring_disabled is 2"));
        assert!(text(libc::EPERM, 1).contains("io_uring_group is 7"));
        assert!(text(libc::EPERM, 0).contains("Seccomp: 2"));
        assert!(text(libc::ENOSYS, 0).contains("6.1 or newer"));
        assert!(text(libc::EINVAL, 0).contains("Linux 5.10.0 lacks"));
        let memory = text(libc::ENOMEM, 0);
        assert!(
            memory.contains("RLIMIT_MEMLOCK is") || memory.contains("control group"),
            "{memory}"
        );
        assert!(text(libc::EMFILE, 0).contains("RLIMIT_NOFILE is"));
    }
}
