//! A page for people at `/`: what the commands and the metrics report, drawn by the browser, and a browser of
//! the tree. While nobody looks it costs nothing; whoever looks asks for metrics and commands, as others do.
//!
//! The page comes whole from here: no other host is asked for anything, and the browser allows none.

mod tree;

use std::sync::Arc;

use super::reply::{Reply, status};
use super::request::{Method, Request};
use crate::acl::Policy;
use crate::admin::machine::ProcessFigures;
use crate::admin::prometheus::{self, Names};
use crate::admin::words::Commands;
use crate::types::Millis;

/// Path, type and text of what the page is made of.
const FILES: [(&str, &str, &str); 3] = [
    ("/", "text/html;charset=utf-8", include_str!("index.html")),
    ("/page/page.css", "text/css;charset=utf-8", include_str!("page.css")),
    ("/page/page.js", "text/javascript;charset=utf-8", include_str!("page.js")),
];

/// What a browser may do with the page: nothing but to show it and to ask this server.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What the page reports from.
pub(super) struct Sources<'a> {
    /// `admin.commandURL`.
    pub url: &'a str,
    /// `IPAuthenticationProvider.usexforwardedfor`.
    pub trusts_proxy: bool,
    pub commands: &'a Arc<Commands>,
    /// `None`: nothing is served yet.
    pub policy: Option<&'a Policy>,
}

/// What the page is made of and asks for; `None`: the path is not the page's.
pub(super) fn answer(
    sources: &Sources<'_>,
    now: Millis,
    request: &Request,
    path: &str,
) -> Option<Reply> {
    // Where the commands have the whole of the paths there is no room for a page.
    if matches!(sources.url, "" | "/") {
        return None;
    }
    let reply = match path {
        "/page/metrics" => metrics(sources.commands, now),
        "/page/node" => match sources.policy {
            Some(policy) => {
                tree::node(&sources.commands.tree, policy, sources.trusts_proxy, request)
            }
            None => tree::refusal(status::SERVICE_UNAVAILABLE, "nothing is served yet"),
        },
        _ => file(path, sources.url)?,
    };
    Some(match request.method {
        Method::Get | Method::Head => reply,
        Method::Post => Reply::empty(status::METHOD_NOT_ALLOWED),
        other => Reply::of_other_method(other),
    })
}

/// As for Prometheus, whether its own port is served or not.
fn metrics(commands: &Commands, now: Millis) -> Reply {
    let process = Some(ProcessFigures::read());
    let text = commands.metrics(now, Names::Plain, Default::default(), process);
    let mut reply = own(prometheus::CONTENT_TYPE, text.into_bytes());
    // As a snapshot's answer has it.
    reply.headers.push(("last_zxid", format!("0x{:x}", commands.tree.applied().0)));
    reply
}

fn file(path: &str, url: &str) -> Option<Reply> {
    let (_, kind, text) = FILES.iter().find(|(at, _, _)| *at == path)?;
    let mut reply = own(kind, text.replace("{commands}", url).into_bytes());
    reply.headers.push(("content-security-policy", POLICY.to_owned()));
    Some(reply)
}

/// An answer of the page's: taken for what it says that it is, and asked for again each time.
fn own(kind: &'static str, body: Vec<u8>) -> Reply {
    let headers = vec![
        ("cache-control", "no-store".to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
        ("referrer-policy", "no-referrer".to_owned()),
    ];
    Reply { status: status::OK, content_type: Some(kind), headers, body }
}
