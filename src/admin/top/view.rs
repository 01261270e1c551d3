//! The cores' parts merged, as JSON (`/commands/top`) and as lines (`topn`).

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Map, Value};

use super::sampler::Slice;
use super::sketch::{Part, merge};
use crate::types::SessionId;

/// Lines of each ranking.
const LINES: usize = 20;

/// Something that is held, and how much of it; most first.
pub type Ranking = Vec<(String, u64)>;

/// What clients hold: of things that are counted, not sampled.
#[derive(Clone, Default, Debug)]
#[allow(missing_docs, reason = "the names say what is ranked by what")]
pub struct Held {
    pub sessions_by_client: BTreeMap<String, u64>,
    pub ephemerals_by_session: BTreeMap<SessionId, u64>,
    pub watches_by_session: BTreeMap<SessionId, u64>,
    pub watches_by_path: BTreeMap<String, u64>,
    /// There are more watches than were looked at.
    pub is_cut: bool,
}

/// What is ranked by rate, under its name.
type Rated = [(&'static str, Part); 5];

/// Over all cores, and the longest time that one has counted.
fn rated(slices: &[Slice]) -> (Rated, u64, i64) {
    let all = |of: fn(&Slice) -> &Part| {
        merge(&slices.iter().map(|slice| of(slice).clone()).collect::<Vec<Part>>())
    };
    let rated = [
        ("clients", all(|slice| &slice.clients)),
        ("principals", all(|slice| &slice.principals)),
        ("operations", all(|slice| &slice.operations)),
        ("paths", all(|slice| &slice.paths)),
        ("subtrees", all(|slice| &slice.subtrees)),
    ];
    let ms = slices.iter().map(|slice| slice.ms).max().unwrap_or(0).max(1);
    (rated, slices.iter().map(|slice| slice.requests).sum(), ms)
}

/// A second's part, with one digit behind the point.
fn a_second(count: u64, ms: i64) -> f64 {
    (count as f64 * 10_000.0 / ms as f64).round() / 10.0
}

fn first(mut ranking: Ranking) -> Ranking {
    ranking.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    ranking.truncate(LINES);
    ranking
}

fn held(held: &Held) -> [(&'static str, Ranking); 4] {
    let by_session = |all: &BTreeMap<SessionId, u64>| {
        first(all.iter().map(|(session, count)| (session.to_string(), *count)).collect())
    };
    let by_text = |all: &BTreeMap<String, u64>| {
        first(all.iter().map(|(text, count)| (text.clone(), *count)).collect())
    };
    [
        ("sessions_by_client", by_text(&held.sessions_by_client)),
        ("ephemerals_by_session", by_session(&held.ephemerals_by_session)),
        ("watches_by_session", by_session(&held.watches_by_session)),
        ("watches_by_path", by_text(&held.watches_by_path)),
    ]
}

/// `/commands/top`. Rates are at most their `error` too high, and what has more than `floor` is there.
pub fn json(slices: &[Slice], of_clients: &Held) -> Map<String, Value> {
    let (rated, requests, ms) = rated(slices);
    let mut map = Map::new();
    let every = slices.iter().map(|slice| slice.every).max().unwrap_or(1);
    map.insert("measured_ms".into(), ms.into());
    map.insert("sampled_one_in".into(), every.into());
    map.insert("requests_per_second".into(), a_second(requests, ms).into());
    for (kind, part) in rated {
        let mut ranking = Map::new();
        let lines = part.counted.iter().take(LINES).map(|counted| {
            let mut line = Map::new();
            line.insert("name".into(), counted.name.clone().into());
            line.insert("per_second".into(), a_second(counted.count, ms).into());
            line.insert("error".into(), a_second(counted.error, ms).into());
            line.insert("bytes_per_second".into(), a_second(counted.bytes, ms).into());
            Value::Object(line)
        });
        ranking.insert("top".into(), lines.collect());
        ranking.insert("floor".into(), a_second(part.floor, ms).into());
        map.insert(kind.into(), Value::Object(ranking));
    }
    for (kind, ranking) in held(of_clients) {
        let lines = ranking.into_iter().map(|(name, count)| {
            let pairs = [("name", Value::from(name)), ("count", Value::from(count))];
            Value::Object(pairs.into_iter().map(|(key, value)| (key.into(), value)).collect())
        });
        map.insert(kind.into(), lines.collect());
    }
    map
}

/// `topn`.
pub fn text(slices: &[Slice], of_clients: &Held) -> String {
    let (rated, requests, ms) = rated(slices);
    let mut out = format!("Requests per second: {} (over {ms} ms)\n", a_second(requests, ms));
    for (kind, part) in rated {
        let _ = writeln!(out, "\n{kind}, per second (error, bytes per second):");
        for counted in part.counted.iter().take(LINES) {
            let [rate, error, bytes] =
                [counted.count, counted.error, counted.bytes].map(|count| a_second(count, ms));
            let _ = writeln!(out, "{rate}\t({error}, {bytes})\t{}", counted.name.escape_debug());
        }
    }
    for (kind, ranking) in held(of_clients) {
        let _ = writeln!(out, "\n{}:", kind.replace('_', " "));
        for (name, count) in ranking {
            let _ = writeln!(out, "{count}\t{}", name.escape_debug());
        }
    }
    if of_clients.is_cut {
        out.push_str("and more: watches are cut\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::sketch::tests::part;
    use super::*;

    #[test]
    fn rates_are_per_second_over_all_cores() {
        let slice = |count, ms| Slice {
            requests: count,
            ms,
            every: 2,
            paths: part(&[("/a", count, 0)], 0),
            ..Slice::default()
        };
        let sessions_by_client = BTreeMap::from([("::1".to_owned(), 2), ("::2".to_owned(), 7)]);
        let held = Held { sessions_by_client, ..Held::default() };
        let slices = [slice(30, 2_000), slice(10, 1_000)];
        let map = Value::Object(json(&slices, &held));
        assert_eq!(map["measured_ms"], 2_000);
        assert_eq!(map["sampled_one_in"], 2);
        assert_eq!(map["requests_per_second"], 20.0);
        let path = &map["paths"]["top"][0];
        assert_eq!(path["name"], "/a");
        assert_eq!(path["per_second"], 20.0);
        assert_eq!(path["bytes_per_second"], 200.0);
        assert_eq!(map["sessions_by_client"][0]["name"], "::2");
        let text = text(&slices, &held);
        assert!(text.starts_with("Requests per second: 20 (over 2000 ms)\n"), "{text}");
        assert!(
            text.contains("\npaths, per second (error, bytes per second):\n20\t(0, 200)\t/a\n")
        );
        assert!(text.contains("\nsessions by client:\n7\t::2\n2\t::1\n"), "{text}");
    }
}
