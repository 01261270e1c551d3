//! What the admin server looks at of an HTTP request.

use std::net::IpAddr;

use percent_encoding::percent_decode_str;

/// HTTP's methods, as far as they are told apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "HTTP's names")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Options,
    Trace,
    Other,
}

impl Method {
    /// By its name.
    pub fn new(name: &str) -> Method {
        match name {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "DELETE" => Method::Delete,
            "OPTIONS" => Method::Options,
            "TRACE" => Method::Trace,
            _ => Method::Other,
        }
    }
}

/// A request without its body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// Its method.
    pub method: Method,
    /// As it came, still percent-encoded.
    pub path: String,
    /// What stands behind `?`, or "".
    pub query: String,
    /// The header of this name.
    pub authorization: Option<String>,
    /// All headers `X-Forwarded-For`, joined by commas.
    pub forwarded_for: Option<String>,
    /// The other end of the connection.
    pub peer: IpAddr,
    /// It came over TLS.
    pub is_secure: bool,
    /// The subject of the certificate that was shown.
    pub subject: Option<String>,
}

impl Request {
    /// The path with its escapes resolved.
    pub fn decoded_path(&self) -> String {
        percent_decode_str(&self.path).decode_utf8_lossy().into_owned()
    }

    /// The first value of a parameter.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.parameters(name).next()
    }

    /// All values of a parameter, in their order.
    pub fn parameters<'a>(&'a self, name: &'a str) -> impl Iterator<Item = String> + 'a {
        let pairs = self.query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs
            .filter(move |(key, _)| form_decoded(key) == name)
            .map(|(_, value)| form_decoded(value))
    }

    /// Whom the scheme "ip" sees (IPAuthenticationProvider.getClientIPAddress). `trusts_proxy`: the
    /// peer is a proxy whose word is taken. It appends the address that it sees, so the last one is
    /// its own word; those before it are whatever the client claims (3.9.5 takes the first).
    pub fn client(&self, trusts_proxy: bool) -> IpAddr {
        let forwarded = self.forwarded_for.as_deref().filter(|_| trusts_proxy);
        let last = forwarded.and_then(|list| list.rsplit(',').next()?.trim().parse().ok());
        let client: IpAddr = last.unwrap_or(self.peer);
        client.to_canonical()
    }
}

fn form_decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}
