//! One session and one read, blocking: whether a server serves; and what it says it is.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::fault::Fault;
use crate::wire::{self, ConnectReply, Reply, op};

/// Of the first attempt; later ones are given more. Short, because Java ZooKeeper swallows a
/// connection that arrives while it starts: it is told neither yes nor no for ten seconds.
const PATIENCE: Duration = Duration::from_millis(300);
const PATIENCE_MAX: Duration = Duration::from_secs(10);
/// Between two attempts: short against a start, long against the work of an attempt.
const PAUSE: Duration = Duration::from_millis(5);

/// Tries until `path` can be read; `gone` says that there is no use in waiting.
pub fn wait_for_read(
    address: SocketAddr,
    path: &str,
    limit: Duration,
    gone: &mut dyn FnMut() -> Option<String>,
) -> Result<(), Fault> {
    let began = Instant::now();
    let mut patience = PATIENCE;
    loop {
        let last = match read_once(address, path, patience) {
            Ok(()) => return Ok(()),
            Err(e) => e,
        };
        if matches!(last.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) {
            patience = (patience * 2).min(PATIENCE_MAX);
        }
        if let Some(why) = gone() {
            return Err(Fault::Server(why));
        }
        if crate::interrupted() {
            return Err(Fault::Interrupted);
        }
        if began.elapsed() > limit {
            let secs = limit.as_secs();
            return Err(Fault::Server(format!("{address} does not serve after {secs} s: {last}")));
        }
        std::thread::sleep(PAUSE);
    }
}

/// What a server says it is (`leader`, `follower`, …): the four-letter word `srvr`.
pub fn mode(address: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE_MAX).ok()?;
    stream.set_read_timeout(Some(PATIENCE_MAX)).ok()?;
    stream.write_all(b"srvr").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text.lines().find_map(|line| line.strip_prefix("Mode: "))?.trim().to_owned())
}

fn read_once(address: SocketAddr, path: &str, patience: Duration) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(patience))?;
    let mut out = Vec::new();
    wire::connect(&mut out, 10_000);
    stream.write_all(&out)?;
    let reply = frame(&mut stream)?;
    if ConnectReply::parse(&reply).is_none_or(|r| r.session == 0) {
        return Err(std::io::Error::other("no session"));
    }
    out.clear();
    wire::query(&mut out, 1, op::GET_DATA, path.as_bytes(), false);
    wire::close_session(&mut out, 2);
    stream.write_all(&out)?;
    let reply = frame(&mut stream)?;
    match Reply::parse(&reply) {
        Some(Reply { xid: 1, err: 0, .. }) => {}
        other => return Err(std::io::Error::other(format!("read of {path}: {other:?}"))),
    }
    frame(&mut stream).map(drop)
}

/// The next frame's payload.
pub fn frame(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut len = [0; 4];
    stream.read_exact(&mut len)?;
    let len = u32::from_be_bytes(len) as usize;
    if len > wire::FRAME_MAX {
        return Err(std::io::Error::other(format!("a frame of {len} bytes")));
    }
    let mut payload = vec![0; len];
    stream.read_exact(&mut payload)?;
    Ok(payload)
}
