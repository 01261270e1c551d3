//! ZooKeeper's published vulnerabilities, one by one: what keeps each out, and the test that shows it.
//! [`listed`] holds the table against the tests that it names.
//!
//! | number | what went wrong | what keeps it out | shown by |
//! |---|---|---|---|
//! | CVE-2016-5017 | the C shell's line overflows a buffer | no C is shipped | tests/cves/construction.rs::cve_2016_5017_no_c_is_shipped |
//! | CVE-2017-5637 | strangers ask for costly words | only `srvr` is answered unless listed; lists have a bound | tests/cves/outside.rs::cve_2017_5637_costly_words_are_for_those_who_list_them |
//! | CVE-2018-8012 | any server joins a quorum | SASL and TLS between servers | tests/sasl/servers.rs::who_cannot_prove_itself_stays_outside |
//! | CVE-2019-0201 | getACL shows hashes of passwords | hidden without ADMIN | tests/permissions/matrix.rs::every_operation_asks_for_its_permission |
//! | CVE-2023-44981 | a proven server is taken for another | the authorization id is who was proven | src/sasl/digest/tests.rs::somebody_proven_is_not_taken_for_somebody_else |
//! | CVE-2024-23944 | persistent watches tell of what may not be read | an event needs a `Permit` | tests/permissions/events.rs::watches_tell_those_who_may_read |
//! | CVE-2024-51504 | an address is taken from a header | only where a proxy is trusted, and its own word | tests/cves/outside.rs::cve_2024_51504_a_header_is_nobodys_address |
//! | CVE-2025-58457 | one permission passes for all | each bit is asked for by itself | src/admin/http/tests.rs::whoever_may_not_hears_why |
//! | CVE-2026-24281 | reverse look-up stands in for a name | no names are looked up | src/config/tests/tls.rs::what_cannot_be_honoured_ends_the_start_by_name |
//! | CVE-2026-24308 | a client's log has its secrets | no secret is logged at any level | tests/cves/logs.rs::cve_2026_24308_no_secret_is_logged |
//! | CVE-2026-59739 | setWatches tells of what may not be read | an event needs a `Permit` | tests/request_order.rs::watches_taken_up_again_tell_nothing_that_may_not_be_read |
//! | CVE-2026-59969 | in FIPS mode servers' names are not compared | one way to verify, whatever the mode | tests/quorum_tls/strangers.rs::a_member_with_the_wrong_certificate_or_name_stays_outside |
//! | CVE-2026-79993 | clients delete by deleteContainer | it is the server's own | tests/cves/outside.rs::cve_2026_79993_clients_do_not_delete_containers |
//! | CVE-2026-84439 | tabs in names make fields of the audit log | values are escaped | src/admin/audit/tests.rs::no_value_begins_a_field_a_line_or_a_user |
//! | CVE-2026-84501 | auth data makes lines of the log | what strangers send is escaped | tests/cves/logs.rs::cve_2026_84501_nobody_writes_lines_of_the_log |
//! | CVE-2026-100235 | behind a setACL the old list counts | writes are judged by what is in flight | tests/request_order.rs::a_pipeline_is_judged_by_the_list_set_in_it |
//! | CVE-2026-100300 | text of a quota ends every server | refused before it is proposed | tests/budgets.rs::quota_text_that_ends_a_java_server_is_refused |
//! | CVE-2026-100302 | a small multiRead has an answer without end | steps and bytes have a budget | tests/budgets.rs::a_multi_read_has_a_budget_of_steps_and_of_bytes |
//! | CVE-2026-115448 | a deep tree overflows the stack, for good | nothing that handles trees comes back to itself | tests/deep_trees.rs::a_deep_tree_comes_is_read_watched_sent_restored_and_goes |

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/mod.rs"]
mod support;

mod construction;
mod listed;
mod logs;
mod outside;

use std::time::{Duration, Instant};

use support::server::Server;

/// The server, once it serves.
fn serving(server: Server) -> Server {
    let deadline = Instant::now() + Duration::from_secs(90);
    while !server.word_within("srvr", 1).is_some_and(|text| text.contains("Mode: standalone")) {
        assert!(Instant::now() < deadline, "not serving\n{}", server.log());
        // Not synchronisation: the space between two questions to a starting process.
        std::thread::sleep(Duration::from_millis(20));
    }
    server
}
