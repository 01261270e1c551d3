//! Names of Java's metrics that ours leaves out on purpose (ARCHITECTURE.md), for whatever prints the list.

/// Java's figures per first part of a path, which ours does not keep (F214).
fn is_per_namespace(key: &str) -> bool {
    key.ends_with("_per_namespace")
}

/// What Java measures of stages that ours does not have: the queues and threads of its pipeline, and
/// its caches of answers. A flat zero in their place would read as health.
const LEFT_OUT: &[&str] = &[
    "response_packet_cache_hits",
    "response_packet_cache_misses",
    "response_packet_get_children_cache_hits",
    "response_packet_get_children_cache_misses",
    "requests_not_forwarded_to_commit_processor",
    "proposal_process_time",
    "session_queues_drained",
    "write_commit_proc_req_queued",
    "read_commit_proc_req_queued",
    "commit_commit_proc_req_queued",
    "sync_processor_queue_size",
    "prep_processor_queue_size",
    "learner_request_processor_queue_size",
    "reads_issued_from_session_queue",
    "reads_after_write_in_session_queue",
    "requests_in_session_queue",
    "pending_session_queue_size",
    "write_commit_proc_issued",
    "read_commit_proc_issued",
    "prep_process_time",
    "time_waiting_empty_pool_in_commit_processor_read_ms",
    "commit_process_time",
    "write_batch_time_in_commit_processor",
    "concurrent_request_processing_in_commit_processor",
    "sync_process_time",
    "socket_closing_time",
    "prep_processor_queue_time_ms",
    "close_session_prep_time",
    "read_commitproc_time_ms",
    "write_commitproc_time_ms",
    "local_write_committed_time_ms",
    "server_write_committed_time_ms",
    "read_final_proc_time_ms",
    "write_final_proc_time_ms",
    "commit_propagation_latency",
    "proposal_ack_creation_latency",
    "sync_processor_queue_and_flush_time_ms",
    "sync_processor_queue_time_ms",
    "sync_processor_queue_flush_time_ms",
    "request_throttle_queue_time_ms",
    "inflight_diff_count",
    "inflight_snap_count",
];

/// Java's figures of one connection to a learner, each with the learner's number in its name.
const OF_ONE_LEARNER: &[&str] =
    &["ack_latency", "learner_handler_qp_size", "learner_handler_qp_time_ms"];

pub(crate) fn is_left_out(key: &str) -> bool {
    let name = key.strip_prefix("zk_").unwrap_or(key);
    let parts = ["avg_", "min_", "max_", "cnt_", "sum_", "p50_", "p95_", "p99_", "p999_"];
    let name = parts.iter().find_map(|part| name.strip_prefix(part)).unwrap_or(name);
    let of_one = OF_ONE_LEARNER.iter().any(|figure| {
        let number = name.strip_suffix(figure).and_then(|number| number.strip_suffix('_'));
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    });
    LEFT_OUT.contains(&name) || of_one || is_per_namespace(key)
}
