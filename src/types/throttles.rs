//! Bounds that an operator sets on what clients may do at once. All are off unless they are set.

/// Each as ZooKeeper has it, with its defaults.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Throttles {
    /// Of new connections.
    pub connections: Option<ConnectionThrottle>,
    /// Of requests under way.
    pub requests: Option<RequestThrottle>,
    /// Of large requests under way.
    pub large: Option<LargeRequests>,
}

/// A bucket of tokens: each handshake takes some, and time brings them back (BlueThrottle).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ConnectionThrottle {
    /// `connection_throttle_tokens`, times the weight of a global session where weights are used.
    pub tokens: i64,
    /// `connection_throttle_fill_time`, milliseconds.
    pub fill_ms: i64,
    /// `connection_throttle_fill_count`, times the same weight: so many come back in `fill_ms`.
    pub fill_count: i64,
    /// `connection_throttle_freeze_time`, milliseconds between two changes of the share that is
    /// refused by chance; `None`: none is.
    pub freeze_ms: Option<i64>,
    /// `connection_throttle_drop_increase`.
    pub drop_increase: f64,
    /// `connection_throttle_drop_decrease`.
    pub drop_decrease: f64,
    /// `connection_throttle_decrease_ratio`: the share of tokens in use up to which it falls.
    pub decrease_ratio: f64,
    /// What a handshake takes.
    pub weights: ConnectionWeights,
}

/// Tokens by what is asked for; 1 each unless `connection_throttle_weight_enabled`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConnectionWeights {
    /// `connection_throttle_global_session_weight`: a new session of the ensemble.
    pub global: i64,
    /// `connection_throttle_local_session_weight`: a new session of this server alone.
    pub local: i64,
    /// `connection_throttle_renew_session_weight`: a session that comes back.
    pub renew: i64,
}

/// Requests with the control core beyond which others wait (RequestThrottler).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestThrottle {
    /// `request_throttle_max_requests`.
    pub max: usize,
    /// `request_throttle_drop_stale`: what waits and has become stale is dropped, with its
    /// connection.
    pub drop_stale: bool,
    /// `request_stale_connection_check`: stale is what a client sent that has gone.
    pub stale_when_gone: bool,
    /// `request_stale_latency_check`: stale is what has waited for longer than its session's timeout.
    pub stale_when_late: bool,
    /// `throttled_op_wait_time`, milliseconds: who has waited longer is refused.
    pub wait_ms_max: Option<i64>,
}

/// Bytes of large requests under way, over all connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LargeRequests {
    /// `largeRequestThreshold`: longer ones are large.
    pub threshold: usize,
    /// `largeRequestMaxBytes`.
    pub bytes_max: usize,
}
