//! What the admin server answers.

use serde_json::{Map, Value};

use super::commands::Entry;
use super::json;
use super::request::Method;

/// HTTP status codes that it uses (RFC 9110, RFC 6585).
pub mod status {
    /// Also for a command that nobody knows: its error says so.
    pub const OK: u16 = 200;
    /// A body that says nothing that can be done.
    pub const BAD_REQUEST: u16 = 400;
    /// Nothing, or too little, is proven.
    pub const UNAUTHORIZED: u16 = 401;
    /// What is proven is not enough; and TRACE.
    pub const FORBIDDEN: u16 = 403;
    /// Not beneath the commands' path.
    pub const NOT_FOUND: u16 = 404;
    /// PUT and DELETE.
    pub const METHOD_NOT_ALLOWED: u16 = 405;
    /// A body longer than any command takes.
    pub const CONTENT_TOO_LARGE: u16 = 413;
    /// The command's interval has not passed.
    pub const TOO_MANY_REQUESTS: u16 = 429;
    /// It failed; also the other method than a command's own.
    pub const INTERNAL_SERVER_ERROR: u16 = 500;
    /// A method that HTTP does not know, or this server does not.
    pub const NOT_IMPLEMENTED: u16 = 501;
    /// It is switched off, or who has to be asked does not answer.
    pub const SERVICE_UNAVAILABLE: u16 = 503;
}

/// `CommandOutputter.getContentType` of JSON.
const JSON: &str = "application/json";
const HTML: &str = "text/html;charset=utf-8";

/// An answer, but for what is streamed behind it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// One of [`status`].
    pub status: u16,
    /// `None`: the list of links has none in Java.
    pub content_type: Option<&'static str>,
    /// Others.
    pub headers: Vec<(&'static str, String)>,
    /// All of it.
    pub body: Vec<u8>,
}

impl Reply {
    /// HttpServlet.service.
    pub(super) fn of_other_method(method: Method) -> Reply {
        match method {
            Method::Options => {
                let mut reply = Reply::empty(status::OK);
                reply.headers.push(("allow", "GET, HEAD, POST, TRACE, OPTIONS".to_owned()));
                reply
            }
            Method::Put | Method::Delete => Reply::empty(status::METHOD_NOT_ALLOWED),
            _ => Reply::empty(status::NOT_IMPLEMENTED),
        }
    }

    /// Without a body.
    pub fn empty(status: u16) -> Reply {
        Reply { status, content_type: None, headers: Vec::new(), body: Vec::new() }
    }

    /// A page for people, as Jetty makes it.
    pub fn page(status: u16, reason: &str) -> Reply {
        let title = format!("HTTP ERROR {status} {reason}");
        let body = format!(
            "<html>\n<head>\n<title>Error {status} {reason}</title>\n</head>\n\
             <body><h2>{title}</h2></body>\n</html>\n"
        );
        Reply { content_type: Some(HTML), body: body.into_bytes(), ..Reply::empty(status) }
    }

    /// The links to all commands (JettyAdminServer.commandLinks).
    pub(super) fn links(url: &str, names: impl Iterator<Item = &'static str>) -> Reply {
        let mut names: Vec<&str> = names.collect();
        names.sort_unstable();
        let links =
            names.iter().map(|name| format!("<a href=\"{url}/{name}\">{name}</a>\n<br/>\n"));
        // A browser has to show links; Java's sends no type, and the browser guesses.
        let body = links.collect::<String>().into_bytes();
        Reply { content_type: Some(HTML), body, ..Reply::empty(status::OK) }
    }

    /// What a command has to tell. Its own "error" stands where it put it (CommandResponse.toMap).
    pub(super) fn command(entry: &Entry, map: Map<String, Value>) -> Reply {
        Reply::json(status::OK, entry.names[0], None, map)
    }

    /// What is no command's.
    pub(super) fn object(status: u16, map: Map<String, Value>) -> Reply {
        let body = json::text(&Value::Object(map));
        Reply { status, content_type: Some(JSON), headers: Vec::new(), body }
    }

    /// A command that fails.
    pub(super) fn failure(status: u16, name: &str, error: Option<&str>) -> Reply {
        Reply::json(status, name, error, Map::new())
    }

    /// With whatever status.
    pub(super) fn json(
        status: u16,
        name: &str,
        error: Option<&str>,
        mut map: Map<String, Value>,
    ) -> Reply {
        map.insert("command".into(), name.into());
        map.entry("error").or_insert_with(|| error.map_or(Value::Null, Value::from));
        let body = json::text(&Value::Object(map));
        Reply { status, content_type: Some(JSON), headers: Vec::new(), body }
    }
}
