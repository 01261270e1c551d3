//! Every command, GET and POST: Java's answer beside ours.

use std::collections::BTreeMap;

use serde_json::Value;

use super::support::ensemble::{Ensemble, Plan};
use super::support::http::{self, Answer};
use super::support::left_out::is_left_out;
use super::support::server::Kind;
use super::{Side, start, with_admin_ports, with_doings};

/// Every command by one of its names, and requests that are none.
const REQUESTS: &[(&str, &str)] = &[
    ("GET", "/commands/configuration"),
    ("GET", "/commands/conf"),
    ("GET", "/commands/connections"),
    ("GET", "/commands/dirs"),
    ("GET", "/commands/dump"),
    ("GET", "/commands/environment"),
    ("GET", "/commands/gtmk"),
    ("GET", "/commands/hash"),
    ("GET", "/commands/initial_configuration"),
    ("GET", "/commands/is_read_only"),
    ("GET", "/commands/last_snapshot"),
    ("GET", "/commands/leader"),
    ("GET", "/commands/monitor"),
    ("GET", "/commands/observers"),
    ("GET", "/commands/ruok"),
    ("GET", "/commands/server_stats"),
    ("GET", "/commands/set_trace_mask"),
    ("GET", "/commands/set_trace_mask?traceMask=7"),
    ("GET", "/commands/set_trace_mask?traceMask=seven"),
    ("GET", "/commands/stats"),
    ("GET", "/commands/system_properties"),
    ("GET", "/commands/voting_view"),
    ("GET", "/commands/watches"),
    ("GET", "/commands/watches_by_path"),
    ("GET", "/commands/watch_summary"),
    ("GET", "/commands/zabstate"),
    ("GET", "/commands/snapshot"),
    ("GET", "/commands/restore"),
    ("POST", "/commands/restore"),
    ("POST", "/commands/nosuch"),
    ("POST", "/commands/ruok"),
    ("POST", "/commands"),
    ("GET", "/commands/nosuch"),
    ("GET", "/commands/RUOK"),
    ("GET", "/commands/%72uok"),
    ("GET", "/commands/a%2Fb"),
    ("GET", "/commands//ruok"),
    ("GET", "/commands/"),
    ("HEAD", "/commands/ruok"),
    ("PUT", "/commands/ruok"),
    ("DELETE", "/commands/ruok"),
    ("OPTIONS", "/commands/ruok"),
    ("TRACE", "/commands/ruok"),
    ("PATCH", "/commands/ruok"),
    // `/` itself is ours: see `page`.
    ("GET", "/nothing"),
    ("GET", "/commandsx"),
    // They change what others show.
    ("GET", "/commands/observer_connection_stat_reset"),
    ("GET", "/commands/connection_stat_reset"),
    ("GET", "/commands/stat_reset"),
];

/// What may differ from Java's answer to a request, by the beginning of a key's path, and why.
const INTENDED: &[(&str, &str, &str)] = &[
    (
        "system_properties",
        "",
        "a Java VM's properties; ours are the configuration's and the machine's",
    ),
    ("monitor", "", "by names, below"),
    ("POST /commands/ruok", "", "Java's 500 has a stack of its NullPointerException"),
    ("OPTIONS", "", "no body either way"),
    ("/commands ", "", "`shed_connections` is 3.10's, and has a link"),
    ("/commands/ ", "", "the same"),
    ("GET / ", "", "Jetty's page names its servlet"),
    ("/nothing", "", "the same"),
    ("/commandsx", "", "the same"),
];

fn is_intended(request: &str, path: &str) -> bool {
    let request = format!("{request} ");
    INTENDED.iter().any(|(of, key, _)| request.contains(of) && path.starts_with(key))
}

/// Values that the doings decide, by the end of a key's path.
const EQUAL: &[&str] = &[
    "command",
    "error",
    "tick_time",
    "max_client_cnxns",
    "min_session_timeout",
    "max_session_timeout",
    "server_id",
    "read_only",
    "tracemask",
    "num_connections",
    "num_paths",
    "num_total_watches",
    "node_count",
    "znode_count",
    "ephemerals_count",
    "watch_count",
    "approximate_data_size",
    "zabstate",
    "voting",
    "digest_version",
    "zxid",
    "last_zxid",
    "last_cxid",
    "last_operation",
    "session_timeout",
    "packets_received",
    "packets_sent",
    "num_alive_client_connections",
    "server_state",
    "provider_null",
    "last_processed_zxid",
    "myid",
    "zab_epoch",
    "is_leader",
    "leader_id",
    "leader_ip",
    "synced_observers",
    "learner_type",
    "sid",
    "last_buffer_size",
];

/// Key paths and what stands there: `connections[].session_id` → `whole`. A key that is a number is
/// `#`: sessions and times name themselves.
fn shape(value: &Value) -> BTreeMap<String, (String, Value)> {
    let mut shape = BTreeMap::new();
    let mut open = vec![(String::new(), value.clone())];
    while let Some((path, value)) = open.pop() {
        let kind = match &value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(number) if number.is_f64() => "decimal",
            Value::Number(_) => "whole",
            Value::String(_) => "text",
            Value::Array(list) => {
                open.extend(list.iter().map(|item| (format!("{path}[]"), item.clone())));
                "list"
            }
            Value::Object(map) => {
                open.extend(map.iter().map(|(key, value)| {
                    let is_number = key.parse::<i64>().is_ok();
                    let key = if is_number { "#" } else { key };
                    (format!("{path}.{key}"), value.clone())
                }));
                "object"
            }
        };
        shape.insert(path, (kind.to_string(), value));
    }
    shape
}

fn order(value: &Value) -> Vec<String> {
    value.as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default()
}

/// Differences between two answers to one request.
fn compare(request: &str, java: &Answer, ours: &Answer) -> Vec<String> {
    let mut found = Vec::new();
    let mut differ = |path: &str, java: &str, ours: &str| {
        if java != ours && !is_intended(request, path) {
            found.push(format!("{request} {path}: Java has {java}, ours {ours}"));
        }
    };
    let status = |answer: &Answer| answer.status.to_string();
    assert_eq!(status(java), status(ours), "{request}: {} {}", java.text(), ours.text());
    let kind = |answer: &Answer| answer.header("content-type").unwrap_or("none").to_string();
    if kind(java) != "application/json" {
        differ("", &java.text(), &ours.text());
        return found;
    }
    differ("content-type", &kind(java), &kind(ours));
    if request.starts_with("HEAD") {
        return found;
    }
    let (java, ours) = (java.json(), ours.json());
    differ("order", &order(&java).join(" "), &order(&ours).join(" "));
    let (java, ours) = (shape(&java), shape(&ours));
    for path in java.keys().chain(ours.keys()) {
        let kind = |of: &BTreeMap<String, (String, Value)>| {
            of.get(path).map_or("nothing".to_string(), |(kind, _)| kind.clone())
        };
        differ(path, &kind(&java), &kind(&ours));
        let last = path.rsplit(['.', ']']).next().unwrap_or("");
        if let (Some((_, java)), Some((_, ours))) = (java.get(path), ours.get(path))
            && EQUAL.contains(&last)
        {
            differ(path, &java.to_string(), &ours.to_string());
        }
    }
    found.sort();
    found.dedup();
    found
}

fn ask(port: u16, (method, target): (&str, &str)) -> Answer {
    http::ask(port, method, target, &[], b"")
}

#[test]
fn every_command_answers_as_javas() {
    // Goal: whoever reads Java's admin server reads ours: statuses, types, keys in their order.
    let pair = [(Kind::Java, "commands-java"), (Kind::under_test(), "commands-ours")];
    let [java, ours] = pair.map(|(kind, name)| with_doings(start(kind, name, &[])));
    let mut found = Vec::new();
    for request in REQUESTS {
        let [theirs, ours] = [&java, &ours].map(|side| ask(side.admin, *request));
        found.extend(compare(&format!("{} {}", request.0, request.1), &theirs, &ours));
    }
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
    drop(java);
}

#[test]
fn monitor_has_javas_keys_and_types() {
    // Goal: no name of Java's is missing, but for the sets that come with use; ours has a few more.
    let pair = [(Kind::Java, "monitor-java"), (Kind::under_test(), "monitor-ours")];
    let [java, ours] = pair.map(|(kind, name)| {
        let side = with_doings(start(kind, name, &[]));
        let shape = shape(&ask(side.admin, ("GET", "/commands/monitor")).json());
        shape.into_iter().map(|(key, (kind, _))| (key, kind)).collect::<BTreeMap<_, _>>()
    });
    let missing: Vec<_> = java
        .iter()
        .filter(|(key, _)| !is_left_out(key.trim_start_matches('.')))
        .filter(|(key, kind)| ours.get(*key) != Some(kind))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(java.len() > 400 && ours.len() > 200, "{} {}", java.len(), ours.len());
}

fn admin_ports(kind: Kind, name: &str) -> (Ensemble, Vec<u16>) {
    with_admin_ports(name, Plan::new(&[kind, kind]).observed_by(kind))
}

#[test]
fn an_ensemble_answers_as_javas() {
    // Goal: leader, follower and observer show their parts with Java's keys.
    let names = ["zabstate", "leader", "voting_view", "observers", "server_stats", "configuration"];
    let more = ["initial_configuration", "is_read_only", "dump", "watch_summary"];
    let (_java, java_ports) = admin_ports(Kind::Java, "plane-ensemble-java");
    let (_ours, our_ports) = admin_ports(Kind::under_test(), "plane-ensemble-ours");
    let mut found = Vec::new();
    for (member, (java, ours)) in java_ports.iter().zip(&our_ports).enumerate() {
        for name in names.iter().chain(&more) {
            let target = format!("/commands/{name}");
            let [java, ours] = [java, ours].map(|port| ask(*port, ("GET", &target)));
            found.extend(compare(&format!("member {} {name}", member + 1), &java, &ours));
        }
    }
    // What a leader here does not keep of an observer's connection; when each was elected, and how often
    // each was asked by a word meanwhile.
    let kept_apart = ["observers[].", "last_zxid", "last_processed_zxid", "zab_epoch", ".packets_"];
    found.retain(|line| !kept_apart.iter().any(|part| line.contains(part)));
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
    let leader = our_ports[1];
    let observers = ask(leader, ("GET", "/commands/observers")).json();
    assert_eq!(observers["observers"][0]["sid"], 3, "{observers}");
}

#[test]
fn a_secret_is_shown_nowhere() {
    // Goal: no command, page or word tells what a configuration keeps secret.
    let secret = "super:lK75jTNcA+U9vtVEw5vB51mj/w4=";
    let settings = [
        ("DigestAuthenticationProvider.superDigest", secret),
        ("metricsProvider.className", super::PROMETHEUS),
    ];
    let Side { server, admin, metrics, .. } = start(Kind::Ringkeeper, "secrets", &settings);
    for request in REQUESTS {
        let answer = ask(admin, *request);
        assert!(!answer.text().contains("lK75j"), "{request:?}");
    }
    assert!(!http::get(metrics, "/metrics").text().contains("lK75j"));
    for word in ["conf", "envi", "mntr"] {
        assert!(!server.word(word).unwrap().contains("lK75j"), "{word}");
    }
}
