//! `/commands/top` and `topn`: who asks for what, most often, and what clients hold.

use serde_json::Value;

use super::start;
use super::support::client::Session;
use super::support::http;
use super::support::server::Kind;
use super::support::wire::{OPEN, Out};

fn top(port: u16) -> Value {
    http::get(port, "/commands/top").json()
}

/// Requests since counting began, by the name of one of a ranking.
fn count(told: &Value, ranking: &str, name: &str) -> i64 {
    let seconds = told["measured_ms"].as_f64().unwrap() / 1000.0;
    let all = told[ranking]["top"].as_array().unwrap();
    let one = all.iter().find(|one| one["name"] == name);
    one.map_or(0, |one| (one["per_second"].as_f64().unwrap() * seconds).round() as i64)
}

#[test]
fn the_most_frequent_are_told_with_their_rates() {
    // Goal: what two clients do is ranked by client, principal, operation, path and subtree, once
    // somebody has begun to look; what they hold is counted.
    let side = start(Kind::Ringkeeper, "top", &[]);
    let mut hot = Session::open(side.server.port, 30_000);
    let mut cold = Session::open(side.server.port, 30_000);
    assert_eq!(cold.auth("digest", "bob:pass word"), 0);
    for (path, flags) in [("/hot", 0), ("/hot/a", 0), ("/hot/a/b", 0), ("/e", 1)] {
        let body = Out::new().str(path).buffer(Some(b"x")).acls(Some(OPEN)).i32(flags);
        assert_eq!(hot.call(1, body).err, 0);
    }
    let before = top(side.admin);
    assert!(before["measured_ms"].as_i64().unwrap() >= 1_000, "{before}");
    assert_eq!(count(&before, "paths", "/hot/a/b"), 0);
    for _ in 0..300 {
        assert_eq!(hot.call(4, Out::new().str("/hot/a/b").bool(false)).err, 0);
    }
    for _ in 0..30 {
        let body = Out::new().str("/hot/a").buffer(Some(&[7; 1000])).i32(-1);
        assert_eq!(cold.call(5, body).err, 0);
    }
    assert_eq!(hot.call(4, Out::new().str("/hot").bool(true)).err, 0);
    let told = top(side.admin);
    let counts = |ranking: &str, name: &str, expected: i64| {
        let found = count(&told, ranking, name);
        assert!((found - expected).abs() <= 2, "{ranking} {name}: {found} in {told}");
    };
    assert_eq!(told["paths"]["top"][0]["name"], "/hot/a/b", "{told}");
    for (ranking, name, expected) in [
        ("paths", "/hot/a/b", 300),
        ("paths", "/hot/a", 30),
        ("subtrees", "/hot", 331),
        ("subtrees", "/hot/a", 330),
        ("operations", "getData", 301),
        ("operations", "setData", 30),
        ("principals", "digest:bob", 30),
        ("principals", "(none)", 301),
        ("clients", "127.0.0.1", 331),
    ] {
        counts(ranking, name, expected);
    }
    assert_eq!(told["paths"]["top"][0]["error"], 0.0, "few enough to be counted exactly");
    let bytes = told["paths"]["top"][1]["bytes_per_second"].as_f64().unwrap();
    assert!(bytes * told["measured_ms"].as_f64().unwrap() / 1000.0 > 30_000.0, "{told}");
    let session = format!("0x{:x}", hot.grant.session);
    assert_eq!(told["sessions_by_client"][0]["count"], 2);
    assert_eq!(told["ephemerals_by_session"][0]["name"], session);
    assert_eq!(told["watches_by_session"][0]["name"], session);
    assert_eq!(told["watches_by_path"][0]["name"], "/hot");
    let text = side.server.word("topn").unwrap();
    assert!(text.starts_with("Requests per second: ") && text.contains("\t/hot/a/b\n"), "{text}");
    assert!(!text.contains("pass word") && !told.to_string().contains("pass word"));
}
