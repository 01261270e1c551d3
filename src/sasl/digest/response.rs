//! What both ends compute of the password and of what was exchanged (RFC 2831).

use std::borrow::Cow;

use md5::{Digest, Md5};

/// This exchange is the nonce's first use, and its only one.
pub(super) const NONCE_COUNT: &str = "00000001";

/// Neither integrity nor privacy of what follows: ZooKeeper asks for authentication alone.
pub(super) const QOP: &str = "auth";

/// Everything that goes into a response. Names and passwords are characters, the rest bytes as they came.
pub(super) struct Inputs<'a> {
    pub user: &'a str,
    pub realm: &'a str,
    pub password: &'a str,
    pub nonce: &'a [u8],
    pub cnonce: &'a [u8],
    pub uri: &'a str,
    pub authzid: Option<&'a [u8]>,
}

/// Who has made a response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    Client,
    Server,
}

impl Inputs<'_> {
    /// 32 hexadecimal digits.
    pub(super) fn response(&self, end: End) -> String {
        let method = match end {
            End::Client => "AUTHENTICATE",
            End::Server => "",
        };
        let secret =
            hash(&[&latin(self.user), b":", &latin(self.realm), b":", &latin(self.password)]);
        let mut first: Vec<&[u8]> =
            vec![&secret[..], &b":"[..], self.nonce, &b":"[..], self.cnonce];
        if let Some(authzid) = self.authzid {
            first.extend([&b":"[..], authzid]);
        }
        let (first, second) =
            (hex(&hash(&first)), hex(&hash(&[method.as_bytes(), b":", self.uri.as_bytes()])));
        hex(&hash(&[
            first.as_bytes(),
            b":",
            self.nonce,
            b":",
            NONCE_COUNT.as_bytes(),
            b":",
            self.cnonce,
            b":",
            QOP.as_bytes(),
            b":",
            second.as_bytes(),
        ]))
    }
}

/// In ISO 8859-1 where all characters are there, else in UTF-8.
fn latin(text: &str) -> Cow<'_, [u8]> {
    if text.is_ascii() {
        return Cow::Borrowed(text.as_bytes());
    }
    let latin: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    latin.map_or(Cow::Borrowed(text.as_bytes()), Cow::Owned)
}

fn hash(parts: &[&[u8]]) -> [u8; 16] {
    let mut md5 = Md5::new();
    parts.iter().for_each(|part| md5.update(part));
    md5.finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|b| [b >> 4, b & 15])
        .map(|n| char::from(b"0123456789abcdef"[n as usize]))
        .collect()
}

/// In the same time, whatever the bytes.
pub(super) fn is_same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}
