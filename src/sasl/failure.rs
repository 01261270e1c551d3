//! Why nothing was proven.

/// The end of an exchange. On a server the connection is answered AuthFailed and closed, unless
/// settings say otherwise; a client has no connection then.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum Failure {
    #[error("a token of {bytes} bytes, at most {limit} are taken")]
    TooLong { bytes: usize, limit: usize },
    #[error("a token behind the end of the exchange")]
    Over,
    #[error("directive \"{0}\" is malformed")]
    Malformed(String),
    #[error("directive \"{0}\" is there more than once")]
    Repeated(&'static str),
    #[error("no directive \"{0}\"")]
    Missing(&'static str),
    #[error("{directive}={value}, {wanted} is wanted")]
    Wrong { directive: &'static str, value: String, wanted: String },
    #[error("a nonce that was not given to this connection")]
    Nonce,
    #[error("no user \"{0}\"")]
    Unknown(String),
    #[error("the password of user \"{0}\" is another")]
    Password(String),
    /// CVE-2023-44981's class: somebody proven asks to be taken for somebody else.
    #[error("user \"{user}\" may not act as \"{wanted}\"")]
    Authorization { user: String, wanted: String },
    #[error("the server does not know the password")]
    Server,
}

/// As much of what a stranger sent as a line of a log needs.
pub(super) fn shown(bytes: &[u8]) -> String {
    const CHARS_MAX: usize = 64;
    String::from_utf8_lossy(bytes).chars().take(CHARS_MAX).flat_map(char::escape_debug).collect()
}
