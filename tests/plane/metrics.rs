//! The page of metrics, read by Prometheus' own Python client. Java's provider is a jar of its own, here
//! 3.9.4's, whose sources are 3.9.5's to the letter.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::support::http;
use super::support::left_out::is_left_out;
use super::support::server::Kind;
use super::support::{python, root};
use super::{PROMETHEUS, start, with_doings};

/// Families by name, as the client sees them: kind, and labels of their samples.
type Families = BTreeMap<String, (String, Vec<String>)>;

fn parse(page: &str) -> Families {
    let mut child = Command::new(python())
        .arg(root().join("tests/clients/prometheus_page.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the client refuses the page:\n{page}");
    let families: Value = serde_json::from_slice(&output.stdout).unwrap();
    let families = families.as_object().unwrap().iter().map(|(name, family)| {
        let samples = family["samples"].as_array().unwrap();
        let samples = samples.iter().map(|sample| sample.as_str().unwrap().to_string());
        (name.clone(), (family["type"].as_str().unwrap().to_string(), samples.collect()))
    });
    families.collect()
}

/// Families of Java's that ours lacks, beside those that `mntr` lacks too, and why.
const INTENDED: &[(&str, &str)] = &[
    ("jvm_", "there is no Java VM"),
    ("learner_handler_qp_", "a set whose members come with learners"),
    ("ack_latency", "the same"),
];

#[test]
fn the_page_is_javas_to_a_client() {
    // Goal: every family of Java's page is in ours, of its kind, with its samples.
    let provider = ("metricsProvider.className", PROMETHEUS);
    let pair = [(Kind::Java, "metrics-java"), (Kind::under_test(), "metrics-ours")];
    let [java, ours] = pair.map(|(kind, name)| {
        let side = with_doings(start(kind, name, &[provider]));
        let page = http::get(side.metrics, "/metrics");
        let kind = page.header("content-type").unwrap().replace("; ", ";").to_ascii_lowercase();
        assert_eq!((page.status, kind.as_str()), (200, "text/plain;version=0.0.4;charset=utf-8"));
        for (target, status) in [("/", 404), ("/metricsx", 404)] {
            assert_eq!(http::get(side.metrics, target).status, status, "{target}");
        }
        assert_eq!(http::ask(side.metrics, "TRACE", "/metrics", &[], b"").status, 403);
        let one = parse(&http::get(side.metrics, "/metrics?name[]=znode_count").text());
        assert_eq!(one.keys().collect::<Vec<_>>(), ["znode_count"]);
        parse(&page.text())
    });
    let is_intended =
        |name: &str| is_left_out(name) || INTENDED.iter().any(|(part, _)| name.starts_with(part));
    let wrong: Vec<_> = java
        .iter()
        .filter(|(name, _)| !is_intended(name))
        .filter(|(name, family)| ours.get(*name) != Some(family))
        .map(|(name, family)| format!("{name}: {family:?}, ours {:?}", ours.get(name)))
        .collect();
    assert!(wrong.is_empty(), "{} families:\n{}", wrong.len(), wrong.join("\n"));
    assert!(java.len() > 150, "{}", java.len());
    assert!(ours["ringkeeper_readlatency_histogram_ms"].0 == "histogram");
}

#[test]
fn counters_may_have_the_next_versions_names() {
    let settings =
        [("metricsProvider.className", PROMETHEUS), ("ringkeeper.metrics.names", "3.10")];
    let side = with_doings(start(Kind::Ringkeeper, "metrics-310", &settings));
    let page = http::get(side.metrics, "/metrics").text();
    assert!(page.contains("\nbytes_received_count_total "), "{page}");
    assert!(page.contains("\nreadlatency{quantile=\"0.95\"} "));
    assert!(!page.contains("\nbytes_received_count "));
    parse(&page);
}
