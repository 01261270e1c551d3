//! The page for people: what it is made of, what it may do, who may look at which znode, and what a browser
//! makes of it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::support::client::Session;
use super::support::http::{self, Answer};
use super::support::server::Kind;
use super::support::wire::{OPEN, Out, RawAcl};
use super::support::{root, scratch};
use super::{Side, start};

/// Of `user:secret`, as DigestAuthenticationProvider.generateDigest makes it.
const USER: &str = "user:secret";

fn create(session: &mut Session, path: &str, data: &[u8], acl: &[RawAcl<'_>]) {
    let body = Out::new().str(path).buffer(Some(data)).acls(Some(acl)).i32(0);
    assert_eq!(session.call(1, body).err, 0, "{path}");
}

fn node(side: &Side, path: &str, more: &str, headers: &[(&str, &str)]) -> Answer {
    http::ask(side.admin, "GET", &format!("/page/node?path={path}{more}"), headers, b"")
}

#[test]
fn the_page_comes_whole_and_may_ask_nobody_else() {
    let side = start(Kind::Ringkeeper, "page", &[]);
    for (path, kind) in
        [("/", "text/html"), ("/page/page.css", "text/css"), ("/page/page.js", "text/javascript")]
    {
        let answer = http::get(side.admin, path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.header("content-type").unwrap().starts_with(kind), "{answer:?}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        assert!(!answer.text().contains("://") || path == "/page/page.js", "{path}");
        assert_eq!(http::ask(side.admin, "POST", path, &[], b"").status, 405, "{path}");
    }
    let script = http::get(side.admin, "/page/page.js").text();
    let hosts: Vec<&str> = script.split('"').filter(|text| text.contains("://")).collect();
    assert_eq!(hosts, ["http://www.w3.org/2000/svg"], "the name of a namespace, not an address");
    assert!(!script.contains("innerHTML"), "what clients choose never becomes markup");
    assert_eq!(http::get(side.admin, "/page/other").status, 404);
    let metrics = http::get(side.admin, "/page/metrics");
    assert!(metrics.text().contains("\nznode_count 5.0\n"), "{}", metrics.text());
    assert!(metrics.header("last_zxid").unwrap().starts_with("0x"));
}

#[test]
fn the_page_goes_where_the_commands_have_another_place() {
    let side = start(Kind::Ringkeeper, "page-elsewhere", &[("admin.commandURL", "/zk")]);
    assert!(http::get(side.admin, "/").text().contains("data-commands=\"/zk\""));
}

#[test]
fn a_node_is_shown_to_whom_its_list_lets_read() {
    // Goal: without a permit nothing of a node leaves, neither data nor names nor Stat; with one, all of it
    // but the secrets of its list.
    let mut side = start(Kind::Ringkeeper, "page-lists", &[]);
    let mut session = Session::open(side.server.port, 30_000);
    let proof = Out::new().i32(0).str("digest").buffer(Some(USER.as_bytes()));
    assert_eq!(session.call(100, proof).err, 0);
    create(&mut session, "/open", b"seen by all", OPEN);
    create(&mut session, "/own", b"seen by one", &[(31, Some("auth"), Some(""))]);
    create(&mut session, "/own/child", &[0xff, 0, 1], &[(1, Some("world"), Some("anyone"))]);
    create(&mut session, "/written", b"unreadable", &[(2 | 4 | 8, Some("world"), Some("anyone"))]);
    side.sessions.push(session);

    let open = node(&side, "/open", "", &[]);
    assert_eq!((open.status, &open.json()["data"]["text"]), (200, &Value::from("seen by all")));
    for path in ["/own", "/written"] {
        let refused = node(&side, path, "", &[]);
        assert_eq!(refused.status, 403, "{path}");
        let answer = refused.json();
        assert_eq!(answer.as_object().unwrap().keys().collect::<Vec<_>>(), ["error"], "{answer}");
    }
    let wrong = node(&side, "/own", "", &[("Authorization", "digest user:other")]);
    assert_eq!(wrong.status, 403);
    assert_eq!(node(&side, "/open", "", &[("Authorization", "nothing x")]).status, 401);
    let mine = node(&side, "/own", "", &[("Authorization", "digest user:secret")]);
    let answer = mine.json();
    assert_eq!((mine.status, &answer["data"]["text"]), (200, &Value::from("seen by one")));
    assert_eq!(answer["children"], Value::from(vec!["child"]));
    assert_eq!(answer["acl"][0]["id"], "user:x", "the digest is a secret");
    assert_eq!(
        (&answer["acl"][0]["perms"], &answer["acl"][0]["own"]),
        (&"cdrwa".into(), &true.into())
    );
    let child = node(&side, "/own/child", "", &[]).json();
    assert_eq!(child["data"]["hex"], "ff0001", "{child}");
    for (path, status) in [("/none", 404), ("none", 400), ("/a/../b", 400), ("", 400)] {
        assert_eq!(node(&side, path, "", &[]).status, status, "{path}");
    }
    assert_eq!(node(&side, "/open", "&before=x", &[]).status, 400);
}

#[test]
fn many_children_come_in_slices() {
    let mut side = start(Kind::Ringkeeper, "page-slices", &[]);
    let mut session = Session::open(side.server.port, 30_000);
    create(&mut session, "/wide", b"", OPEN);
    let all: BTreeSet<String> = (0..777).map(|n| format!("child-{n}")).collect();
    all.iter().for_each(|name| create(&mut session, &format!("/wide/{name}"), b"", OPEN));
    side.sessions.push(session);
    let (mut seen, mut before, mut slices) = (BTreeSet::new(), String::new(), 0);
    loop {
        let answer = node(&side, "/wide", &before, &[]).json();
        let names = answer["children"].as_array().unwrap();
        assert!(names.len() <= 200, "{}", names.len());
        seen.extend(names.iter().map(|name| name.as_str().unwrap().to_owned()));
        slices += 1;
        match answer["next"].as_u64() {
            Some(next) => before = format!("&before={next}"),
            None => break,
        }
    }
    assert_eq!((seen == all, slices), (true, 4));
}

#[test]
fn what_is_shown_of_a_node_has_a_bound() {
    // Goal: names, lists and data that are as long as clients may make them cost this server a bounded answer.
    let mut side = start(Kind::Ringkeeper, "page-bounds", &[]);
    let mut session = Session::open(side.server.port, 30_000);
    let ids: Vec<String> = (0..5_000).map(|n| format!("10.0.{}.{}", n / 250, n % 250)).collect();
    let mut list: Vec<RawAcl<'_>> = vec![(31, Some("world"), Some("anyone"))];
    list.extend(ids.iter().map(|id| (1, Some("ip"), Some(id.as_str()))));
    create(&mut session, "/long", &[b'x'; 500_000], &list);
    for name in ["a".repeat(70_000), "b".repeat(40_000), "c".repeat(40_000)] {
        create(&mut session, &format!("/long/{name}"), b"", OPEN);
    }
    side.sessions.push(session);
    let first = node(&side, "/long", "", &[]);
    assert!(first.body.len() < 200_000, "{}", first.body.len());
    let answer = first.json();
    assert_eq!(
        (answer["acl"].as_array().unwrap().len(), &answer["acl_left_out"]),
        (200, &4_801.into())
    );
    assert_eq!(answer["data"]["text"].as_str().unwrap().len(), 16 << 10);
    assert_eq!(
        (&answer["data"]["cut"], &answer["stat"]["dataLength"]),
        (&true.into(), &500_000.into())
    );
    let mut seen = (0, 0);
    let mut answer = answer;
    loop {
        seen.0 += answer["children"].as_array().unwrap().len();
        seen.1 += answer["left_out"].as_u64().unwrap();
        let Some(next) = answer["next"].as_u64() else { break };
        answer = node(&side, "/long", &format!("&before={next}"), &[]).json();
    }
    assert_eq!(seen, (2, 1), "those that can be shown, and the one that cannot");
}

/// What a browser makes of the page after some seconds of its own time.
fn shown(side: &Side, folder: &Path, view: &str) -> String {
    let mut browser = Command::new("chromium");
    let profile = format!("--user-data-dir={}", folder.join("profile").display());
    browser.args(["--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom", &profile]);
    browser
        .args(["--virtual-time-budget=9000", &format!("http://127.0.0.1:{}/#{view}", side.admin)]);
    let output = browser.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("live, "), "{view}: {text}\n{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn a_browser_draws_every_view() {
    let need = Command::new(root().join("tests/support/need.sh")).arg("chromium").status();
    assert!(need.unwrap().success());
    let folder = scratch("plane/browser");
    let mut side = start(Kind::Ringkeeper, "page-browser", &[("ringkeeper.slow.ms", "1")]);
    let mut session = Session::open(side.server.port, 30_000);
    create(&mut session, "/a", b"the data of a", OPEN);
    let hostile = "<img src=x onerror=document.title='taken'>";
    create(&mut session, &format!("/a/{hostile}"), b"", OPEN);
    create(&mut session, "/a/closed", b"", &[(31, Some("digest"), Some("nobody:x"))]);
    for _ in 0..50 {
        assert_eq!(
            session.call(5, Out::new().str("/a").buffer(Some(b"the data of a")).i32(-1)).err,
            0
        );
    }
    side.sessions.push(session);

    let overview = shown(&side, &folder, "overview");
    for text in ["<dd>standalone</dd>", "<dt>znodes</dt><dd>8</dd>", "<polyline", "p99.9"] {
        assert!(overview.contains(text), "{text}: {overview}");
    }
    assert!(shown(&side, &folder, "slow").contains("Operations that took 1 ms or more"));
    let tree = shown(&side, &folder, "tree/a");
    for text in ["the data of a", ">closed</button>", "&lt;img src=x", "numChildren"] {
        assert!(tree.contains(text), "{text}: {tree}");
    }
    assert!(tree.contains("<title>Ringkeeper</title>") && !tree.contains("<img"), "{tree}");
    let closed = shown(&side, &folder, "tree/a/closed");
    assert!(closed.contains("its list does not let you read"), "{closed}");
}
