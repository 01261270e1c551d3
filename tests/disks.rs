//! Disks, descriptors and starts, seen from outside: what a crash cannot have made is refused with the
//! way out, and a diagnostic, a full disk, a lack of descriptors or a port in use cost no more than they
//! must.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::client::Session;
use support::scratch;
use support::server::{Kind, Server, free_port};

const OURS: Kind = Kind::Ringkeeper;

/// Milliseconds.
const TIMEOUT: i32 = 20_000;

/// Files of the folder whose names begin so, by the number in them.
fn files(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let number = |path: &PathBuf| {
        let name = path.file_name()?.to_str()?.strip_prefix(prefix)?.to_string();
        u64::from_str_radix(&name, 16).ok()
    };
    let all = fs::read_dir(folder.join("data/version-2")).unwrap().map(|e| e.unwrap().path());
    let mut files: Vec<PathBuf> = all.filter(|path| number(path).is_some()).collect();
    files.sort_by_key(number);
    files
}

/// Waits until something that another process does has been done.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "{what} did not come");
        // Not synchronisation: the space between two looks at another process.
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn write(port: u16, from: usize, to: usize, data: &[u8]) {
    let mut session = Session::open(port, TIMEOUT);
    for n in from..to {
        assert_eq!(session.create(&format!("/n{n:05}"), data), 0);
    }
    session.close();
}

/// The text with which the server does not start on its folder.
fn refusal(folder: &Path, settings: &[(&str, &str)], wrapper: &[String]) -> String {
    let mut server = Server::spawn_under(wrapper, OURS, folder, settings, free_port());
    let mut code = None;
    until("a refusal", || {
        code = (!server.is_running()).then(|| server.wait());
        code.is_some() || serves(server.port)
    });
    let log = server.log();
    assert!(matches!(code, Some(Some(code)) if code != 0), "it serves, or ended well: {log}");
    log.lines().rfind(|line| line.contains("ERROR")).unwrap_or_default().to_string()
}

/// A server's folder with log files and snapshots, its process ended. No snapshot is written beside the
/// last writes: a server with another `snapCount` has made those.
fn lived(name: &str, how: fn(&mut Server)) -> PathBuf {
    let folder = scratch(name);
    let settings = [("snapCount", "40"), ("preAllocSize", "1024")];
    let mut server = Server::start(OURS, &folder, &settings);
    write(server.port, 0, 100, b"something");
    until("a snapshot", || files(&folder, "snapshot.").len() > 1);
    stopped(&mut server);
    let settings = [("snapCount", "100000"), ("preAllocSize", "1024")];
    let mut server = Server::start(OURS, &folder, &settings);
    write(server.port, 100, 110, b"something");
    // The record of what is durable is a moment behind.
    write(server.port, 110, 111, b"the last");
    until("the record of it", || is_promised(&folder, b"the last"));
    how(&mut server);
    folder
}

/// Whether the record of what is durable speaks of the newest log beyond this text.
fn is_promised(folder: &Path, text: &[u8]) -> bool {
    let newest = files(folder, "log.").pop().unwrap();
    let first = newest.extension().unwrap().to_str().unwrap();
    let first = u64::from_str_radix(first, 16).unwrap();
    let record = fs::read(folder.join("data/version-2/ringkeeper.log.horizon")).unwrap_or_default();
    let number =
        |at: usize| record.get(at..at + 8).map(|b| u64::from_be_bytes(b.try_into().unwrap()));
    [0, 4096].iter().any(|slot| {
        let length = number(slot + 52).unwrap_or(0);
        number(slot + 32) == Some(first) && length > place_of(&newest, text)
    })
}

fn killed(server: &mut Server) {
    server.kill();
}

fn stopped(server: &mut Server) {
    assert_eq!(server.terminate(), Some(0));
}

/// Where the last record of a log file of ours begins: its entry holds this text.
fn place_of(file: &Path, text: &[u8]) -> u64 {
    let bytes = fs::read(file).unwrap();
    bytes.windows(text.len()).rposition(|window| window == text).unwrap() as u64
}

#[test]
fn a_newest_log_that_lost_its_end_is_refused_and_the_message_is_the_way_out() {
    // Goal: shortened inside a record, zeroed or changed at its end: no acknowledged write is lost in
    // silence, after a kill and after an orderly stop; who decides to lose it finds the commands.
    for (how, name) in [(killed as fn(&mut Server), "killed"), (stopped, "stopped")] {
        let folder = lived(&format!("disks-end-{name}"), how);
        let newest = files(&folder, "log.").pop().unwrap();
        let whole = fs::read(&newest).unwrap();
        let at = place_of(&newest, b"the last");
        let damages: [&dyn Fn(&File); 3] = [
            &|file| file.set_len(at + 3).unwrap(),
            &|file| {
                let zeros = vec![0; whole.len() - at as usize];
                std::os::unix::fs::FileExt::write_all_at(file, &zeros, at).unwrap();
            },
            &|file| std::os::unix::fs::FileExt::write_all_at(file, b"T", at).unwrap(),
        ];
        for (n, damage) in damages.iter().enumerate() {
            fs::write(&newest, &whole).unwrap();
            damage(&OpenOptions::new().write(true).open(&newest).unwrap());
            let before = fs::read(&newest).unwrap();
            let text = refusal(&folder, &[], &[]);
            assert!(text.contains("is damaged at offset"), "{name} {n}: {text}");
            assert!(fs::read(&newest).unwrap() == before, "{name} {n}: it was changed");
        }
        let text = refusal(&folder, &[], &[]);
        let commands = text.split("behind it: ").nth(1).unwrap_or_else(|| panic!("{text}"));
        assert!(Command::new("sh").args(["-c", commands]).status().unwrap().success());
        let server = Server::start(OURS, &folder, &[]);
        let mut session = Session::open(server.port, TIMEOUT);
        assert!(session.get("/n00109").is_ok() && session.get("/n00110").is_err());
    }
}

#[test]
fn logs_that_are_gone_while_a_snapshot_is_there_are_missed() {
    // Goal: a start without the newest log, or any, does not serve what is left as if it were all.
    let folder = lived("disks-gone", killed);
    let logs = files(&folder, "log.");
    let aside = folder.join("aside");
    fs::create_dir(&aside).unwrap();
    for gone in [&logs[logs.len() - 1..], &logs[..]] {
        for log in gone.iter().filter(|log| log.exists()) {
            fs::rename(log, aside.join(log.file_name().unwrap())).unwrap();
        }
        let text = refusal(&folder, &[], &[]);
        assert!(text.contains("are missing") && text.contains("ringkeeper.log.horizon"), "{text}");
    }
    for log in &logs {
        fs::rename(aside.join(log.file_name().unwrap()), log).unwrap();
    }
    let server = Server::start(OURS, &folder, &[]);
    assert!(Session::open(server.port, TIMEOUT).get("/n00110").is_ok());
}

#[test]
fn a_copy_of_the_folder_made_while_the_server_runs_starts() {
    // Goal: a record that was copied behind the log it speaks of refuses nothing.
    let folder = scratch("disks-copied");
    let server = Server::start(OURS, &folder, &[("preAllocSize", "1024")]);
    write(server.port, 0, 20, b"before");
    let (from, copy) = (folder.join("data/version-2"), scratch("disks-copy"));
    let to = copy.join("data/version-2");
    fs::create_dir_all(&to).unwrap();
    let names = |prefix: &str| -> Vec<_> {
        let all = fs::read_dir(&from).unwrap().map(|e| e.unwrap().file_name());
        all.filter(|name| name.to_str().unwrap().starts_with(prefix)).collect()
    };
    for name in [names("log."), names("snapshot.")].concat() {
        fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
    write(server.port, 20, 40, b"behind");
    drop(server);
    for name in names("ringkeeper.log.horizon") {
        fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
    let server = Server::start(OURS, &copy, &[]);
    let mut session = Session::open(server.port, TIMEOUT);
    assert!(session.get("/n00019").is_ok() && session.get("/n00020").is_err());
}

#[test]
fn javas_last_record_with_a_turned_bit_is_refused_as_java_refuses_it() {
    // Goal: what ZooKeeper would not start with is not cut off as torn.
    let mut said = Vec::new();
    for kind in [Kind::Java, OURS] {
        let folder = scratch(&format!("disks-java-{kind:?}"));
        let mut java = Server::start(Kind::Java, &folder, &[("preAllocSize", "64")]);
        write(java.port, 0, 5, b"an ordinary write");
        write(java.port, 5, 6, b"the last");
        java.kill();
        // The end of the session stands behind it: it is taken away, as a kill a moment before would.
        let newest = files(&folder, "log.").pop().unwrap();
        let bytes = fs::read(&newest).unwrap();
        let at = place_of(&newest, b"the last") as usize;
        let mut end = 16;
        while end < at {
            let length = u32::from_be_bytes(bytes[end + 8..end + 12].try_into().unwrap());
            end += 12 + length as usize + 1;
        }
        let mut damaged = bytes[..end].to_vec();
        damaged[at + 1] ^= 1;
        damaged.resize(bytes.len(), 0);
        fs::write(&newest, damaged).unwrap();
        let mut server = Server::spawn(kind, &folder, &[], free_port());
        until("an end", || !server.is_running());
        said.push((server.wait(), server.log()));
    }
    assert!(said[0].0 != Some(0) && said[1].0 == Some(1), "{said:?}");
    assert!(said[1].1.contains("ZooKeeper, which wrote it, would not start"), "{}", said[1].1);
}

#[test]
fn a_record_longer_than_todays_limit_is_named_with_the_key_to_set() {
    // Goal: an acknowledged write is not lost by a change of configuration.
    let folder = scratch("disks-long");
    let with = |flag: &str| ["env".to_string(), format!("SERVER_JVMFLAGS=-Djute.maxbuffer={flag}")];
    let mut server = Server::spawn_under(&with("4000000"), OURS, &folder, &[], free_port());
    until("service", || serves(server.port));
    write(server.port, 0, 1, &vec![b'x'; 3_000_000]);
    server.kill();
    let newest = files(&folder, "log.").pop().unwrap();
    let before = fs::read(&newest).unwrap();
    let text = refusal(&folder, &[], &with("1000000"));
    assert!(text.contains("set jute.maxbuffer to 3000"), "{text}");
    assert!(fs::read(&newest).unwrap()[..3_000_000] == before[..3_000_000]);
    let server = Server::spawn_under(&with("4000000"), OURS, &folder, &[], free_port());
    until("service", || serves(server.port));
    assert!(Session::open(server.port, TIMEOUT).get("/n00000").is_ok());
}

/// Bytes that the folder's files take on the disk.
fn taken(folder: &Path) -> u64 {
    let all = fs::read_dir(folder.join("data/version-2")).unwrap();
    all.map(|entry| entry.unwrap().metadata().unwrap().blocks() * 512).sum()
}

#[test]
fn stops_and_kills_leave_what_was_written_and_not_what_was_laid_out() {
    // Goal: restarts do not fill a disk; ZooKeeper's sparse files take about a megabyte for these.
    let folder = scratch("disks-space");
    for round in 0..8 {
        let mut server = Server::start(OURS, &folder, &[("preAllocSize", "8192")]);
        let mut session = Session::open(server.port, TIMEOUT);
        assert_eq!(session.create(&format!("/r{round}"), b"one"), 0);
        if round % 2 == 0 { stopped(&mut server) } else { killed(&mut server) }
    }
    // Each start tidies up behind the last life; the last kill has left one segment.
    drop(Server::start(OURS, &folder, &[("preAllocSize", "8192")]));
    let taken = taken(&folder);
    assert!(taken < 12 << 20, "{} KiB for 8 writes", taken >> 10);
}

/// Runs the rest of a command with a disk of so many bytes at `at`, in a mount namespace of its own.
fn on_a_small_disk(bytes: usize, at: &Path) -> Vec<String> {
    let script = format!("mount -t tmpfs -o size={bytes} tmpfs \"$0\" && exec \"$@\"");
    ["unshare", "-rm", "sh", "-c", &script, &at.display().to_string()].map(str::to_string).to_vec()
}

#[test]
fn a_full_disk_is_used_to_its_end_and_the_last_line_says_what_to_do() {
    // Goal: no end before the space that is laid out is used, and the reason behind it.
    let folder = scratch("disks-full");
    let data = folder.join("data");
    fs::create_dir_all(&data).unwrap();
    let size = 24 << 20;
    let wrapper = on_a_small_disk(size, &data);
    let mut server = Server::spawn_under(&wrapper, OURS, &folder, &[], free_port());
    until("service", || serves(server.port));
    let mut session = Session::open(server.port, TIMEOUT);
    let data = vec![b'x'; 50_000];
    let mut acknowledged = 0;
    for n in 0..1000 {
        session.xid += 1;
        let body = support::wire::Out::new()
            .str(&format!("/n{n}"))
            .buffer(Some(&data))
            .acls(Some(support::wire::OPEN))
            .i32(0);
        if session.conn.call(session.xid, 1, &body.0).is_none_or(|reply| reply.err != 0) {
            break;
        }
        acknowledged += 1;
    }
    until("the end", || !server.is_running());
    let log = server.log();
    let last = log.lines().next_back().unwrap();
    assert!(last.contains("No space left") || last.contains("no storage space"), "{log}");
    assert!(last.contains("Make room on the disk of"), "{last}");
    assert!(acknowledged * data.len() > size - (3 << 20), "{acknowledged} of 50,000 bytes: {log}");
}

/// The server with something else than a file for its log.
fn with_stderr(folder: &Path, settings: &str, stderr: Stdio) -> (Child, u16) {
    let (port, data) = (free_port(), folder.join("data"));
    let cfg = folder.join("zoo.cfg");
    let text = format!(
        "dataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n\
         4lw.commands.whitelist=*\n{settings}",
        data.display()
    );
    fs::write(&cfg, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringkeeper"));
    command.arg(&cfg).stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
    (command.spawn().unwrap(), port)
}

/// Whether it serves clients; `ruok` is answered before that.
fn serves(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let mut text = String::new();
    let read = stream.write_all(b"srvr").and_then(|()| stream.read_to_string(&mut text));
    read.is_ok() && text.contains("Mode: ")
}

#[test]
fn a_log_that_cannot_be_written_ends_nothing() {
    // Goal: whoever read the pipe is gone, its disk is full, or nobody reads: clients are served, and a
    // SIGTERM ends the server as it should.
    let (gone, gone_writer) = std::io::pipe().unwrap();
    let (_unread, unread_writer) = std::io::pipe().unwrap();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    drop(gone);
    // Nobody reads the second, and it is full before the server begins.
    let mut filler = unread_writer.try_clone().unwrap();
    let capacity = 1 << 16;
    filler.write_all(&vec![b'x'; capacity]).unwrap();
    let logs = [Stdio::from(gone_writer), Stdio::from(unread_writer), Stdio::from(full)];
    for (n, log) in logs.into_iter().enumerate() {
        let folder = scratch(&format!("disks-log-{n}"));
        let (mut child, port) = with_stderr(&folder, "snapCount=20\npreAllocSize=1024\n", log);
        until("service", || serves(port));
        write(port, 0, 100, b"and lines of the log for segments and snapshots");
        until("snapshots", || files(&folder, "snapshot.").len() > 2);
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{n}");
    }
}

#[test]
fn a_port_in_use_is_waited_for_and_nothing_is_written_before_it_is_there() {
    // Goal: behind a killed server a start succeeds; beside a living one it leaves the folder alone.
    let folder = scratch("disks-port");
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port();
    let mut server = Server::spawn(OURS, &folder, &[], port);
    until("an end", || !server.is_running());
    assert!(server.log().contains("Address already in use"), "{}", server.log());
    let left: Vec<_> = fs::read_dir(folder.join("data")).unwrap().map(Result::unwrap).collect();
    assert!(left.is_empty(), "{left:?}");
    let server = Server::spawn(OURS, &folder, &[], port);
    until("its first try", || server.log().contains("is in use"));
    drop(other);
    until("service", || serves(port));
}

/// Runs the rest of a command with at most so many open files.
fn with_descriptors(limit: u32) -> Vec<String> {
    let script = format!("ulimit -n {limit}; exec \"$@\"");
    ["sh", "-c", &script, "sh"].map(str::to_string).to_vec()
}

#[test]
fn connections_never_take_the_last_descriptors() {
    // Goal: with as many connections as fit, log files, snapshots and their records can still be made,
    // and who is there is served.
    let folder = scratch("disks-descriptors");
    let settings = [("snapCount", "20"), ("preAllocSize", "64")];
    let wrapper = with_descriptors(256);
    let mut server = Server::spawn_under(&wrapper, OURS, &folder, &settings, free_port());
    until("service", || serves(server.port));
    let mut session = Session::open(server.port, TIMEOUT);
    let mut flood: Vec<TcpStream> = Vec::new();
    let pid = server.pid();
    let open = || fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    // More than there is room for, in two waves: the second finds the first settled.
    for _ in 0..2 {
        flood.extend((0..200).filter_map(|_| TcpStream::connect(("127.0.0.1", server.port)).ok()));
        until("all descriptors that connections may have", || open() >= 256 - 64 - 8);
    }
    for n in 0..300 {
        assert_eq!(session.create(&format!("/n{n}"), &[b'x'; 400]), 0, "{}", server.log());
        assert!(open() <= 256 - 40, "{} descriptors are open", open());
    }
    until("snapshots", || files(&folder, "snapshot.").len() > 3);
    assert!(files(&folder, "log.").len() > 3 && server.is_running());
    drop(flood);
    until("room", || serves(server.port));
}

#[test]
fn too_few_descriptors_are_named_with_their_limit_and_the_line_to_change_it() {
    // Goal: the first sentence an operator reads says what to do.
    let folder = scratch("disks-few");
    let text = refusal(&folder, &[], &with_descriptors(40));
    for word in ["at most 40 files", "RLIMIT_NOFILE", "LimitNOFILE=", "ulimit -Hn"] {
        assert!(text.contains(word), "{text}");
    }
    assert_eq!(fs::read_dir(folder.join("data")).unwrap().count(), 0);
}

/// Runs what follows without these system calls: they fail with this error number, as a container's
/// seccomp profile makes them.
fn forbidding(calls: &[u32], errno: i32) -> Vec<String> {
    const FILTER: &str = "
import ctypes, os, struct, sys
calls, errno = [int(call) for call in sys.argv[1].split(',')], int(sys.argv[2])
LOAD, EQUAL, RETURN, ALLOW, ERRNO = 0x20, 0x15, 0x06, 0x7fff0000, 0x00050000
code = [(LOAD, 0, 0, 0)]
code += [(EQUAL, len(calls) - n, 0, call) for n, call in enumerate(calls)]
code += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, ERRNO | errno)]
filter = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *line) for line in code))
program = struct.pack('HxxxxxxP', len(code), ctypes.addressof(filter))
prctl = ctypes.CDLL(None, use_errno=True).prctl
assert prctl(38, 1, 0, 0, 0) == 0, 'no new privileges'
assert prctl(22, 2, ctypes.c_char_p(program), 0, 0) == 0, os.strerror(ctypes.get_errno())
os.execv(sys.argv[3], sys.argv[3:])
";
    let calls: Vec<String> = calls.iter().map(u32::to_string).collect();
    ["python3", "-c", FILTER, &calls.join(","), &errno.to_string()].map(str::to_string).to_vec()
}

#[test]
fn a_forbidden_io_uring_is_named_with_who_forbids_it_and_the_line_to_change() {
    // Goal: each of the three calls alone, and all; nothing is written before it is known.
    let calls = [("io_uring_setup", 425), ("io_uring_enter", 426), ("io_uring_register", 427)];
    const EPERM: i32 = 1;
    for (name, call) in calls.into_iter().chain([("io_uring_setup", 0)]) {
        let folder = scratch("disks-forbidden");
        let forbidden = if call == 0 { vec![425, 426, 427] } else { vec![call] };
        let text = refusal(&folder, &[], &forbidding(&forbidden, EPERM));
        let change = "SystemCallFilter=@system-service io_uring_setup io_uring_enter";
        let answer = format!("{name} is answered with Operation not permitted");
        for word in [&answer, "Seccomp: 2", "seccomp=unconfined", "Unconfined", change] {
            assert!(text.contains(word), "{word:?} is not in {text}");
        }
        assert_eq!(fs::read_dir(folder.join("data")).unwrap().count(), 0);
    }
    // A kernel that has none.
    let folder = scratch("disks-absent");
    let text = refusal(&folder, &[], &forbidding(&[425], 38));
    assert!(text.contains("6.1 or newer is needed"), "{text}");
}

#[test]
fn side_records_of_logs_that_others_removed_go() {
    // Goal: ZooKeeper's zkCleanup.sh, which does not know of them, leaves nothing behind for long.
    let folder = scratch("disks-orphans");
    let settings = [("snapCount", "20"), ("preAllocSize", "64")];
    let server = Server::start(OURS, &folder, &settings);
    write(server.port, 0, 100, b"x");
    let side = |log: &Path| {
        log.with_file_name(format!("ringkeeper.{}.crc", log.file_name().unwrap().to_str().unwrap()))
    };
    until("side records", || {
        files(&folder, "log.").iter().filter(|l| side(l).exists()).count() > 2
    });
    let oldest: Vec<PathBuf> = files(&folder, "log.").into_iter().take(2).collect();
    let snapshot = files(&folder, "snapshot.").remove(0);
    for file in oldest.iter().chain([&snapshot]) {
        fs::remove_file(file).unwrap();
    }
    write(server.port, 100, 200, b"x");
    until("the end of their records", || {
        oldest.iter().chain([&snapshot]).all(|file| !side(file).exists())
    });
}
