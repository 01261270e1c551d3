//! Options of a connection's socket.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// What every connection has. These fail only on one that is dead already, which reading will tell.
/// The kernel hands a listener's down to what it accepts: no calls for each connection.
pub(super) fn set_up(socket: &SockRef<'_>, keepalive: Option<Duration>) {
    let _ = socket.set_tcp_nodelay(true);
    if let Some(idle) = keepalive {
        let _ = match idle.is_zero() {
            true => socket.set_keepalive(true),
            false => socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle)),
        };
    }
}

/// [`super::settings::ConnOptions::dead_after`]. Fails as [`set_up`] does.
pub(super) fn set_patience(socket: &SockRef<'_>, dead_after: Option<Duration>) {
    let Some(dead_after) = dead_after else { return };
    // The kernel counts these in whole seconds.
    let second = Duration::from_secs(1);
    let (time, interval) = ((dead_after / 2).max(second), (dead_after / 4).max(second));
    let asked = TcpKeepalive::new().with_time(time).with_interval(interval);
    let _ = socket.set_tcp_keepalive(&asked);
    let _ = socket.set_tcp_user_timeout(Some(dead_after));
}
