//! What is wrong with a configuration's text, or with a change of a configuration.

use crate::codec::properties::SyntaxError;
use crate::types::limits::CONFIGURATION_LINES;

/// Why a text is no configuration. From a peer: the message is dropped. From a file: the start is
/// refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum MembersError {
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    #[error("{key}={value}: must be {allowed}")]
    Value { key: String, value: String, allowed: Allowed },
    #[error("more than {} lines are no configuration of this server's", CONFIGURATION_LINES)]
    TooLong,
    #[error("{servers} servers and no voter among them: nobody could ever be elected")]
    NoVoter { servers: usize },
    #[error(
        "server.{voter} votes and is in no group: where there are groups or weights, every voter \
         must be in one"
    )]
    NoGroup { voter: i64 },
    #[error("group.{group} has server {server}, which is no voter and has no weight")]
    NoWeight { group: i64, server: i64 },
}

/// What a value must be, as the text behind "must be".
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum Allowed {
    #[error("absent: it says nothing about members")]
    Nothing,
    /// The key's number is missing or none.
    #[error("{name}.<number>={form}")]
    Numbered { name: String, form: &'static str },
    #[error("{}", FORM)]
    Member,
    #[error("a line whose addresses have one role")]
    OneRole,
    #[error("a line whose quorum port and election port differ")]
    TwoPorts,
    #[error("a number that is not negative")]
    Weight,
    #[error("a hexadecimal number")]
    Version,
    #[error("{}", GROUP)]
    Group,
    #[error("at most {} servers in all groups", CONFIGURATION_LINES)]
    FewerInGroups,
    #[error("without {server}, which is in group {group}")]
    OneGroup { server: i64, group: i64 },
}

/// What is to be written after `server.<id>=`.
pub(super) const FORM: &str = "<host>:<quorum port>:<election port>[:participant|observer]\
                               [;[<client host>:]<client port>]";

/// What is to be written after `group.<id>=`.
pub(super) const GROUP: &str = "<server>:<server>:…";

/// Why a change is not made. It is the client's mistake, and the client is told.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ChangeError {
    /// Answered with BadArguments.
    #[error(transparent)]
    Refused(Refused),
    /// Not even a number where one must be: MarshallingError, as Java answers what its parser
    /// stumbles over.
    #[error("{0:?} is no server's number")]
    Unreadable(String),
}

/// What speaks against a change.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum Refused {
    #[error("servers in groups cannot join or leave one by one")]
    Groups,
    #[error(transparent)]
    Members(#[from] MembersError),
    #[error("{voters} voters; there must be {least} at least")]
    Voters { voters: usize, least: usize },
    #[error("server.{server}: TLS is not served, and it has a port for it")]
    Tls { server: i64 },
    #[error("server.{server} has several addresses, and multiAddress.enabled is not set")]
    Addresses { server: i64 },
    #[error(transparent)]
    Unworkable(#[from] Unworkable),
    #[error("{text:?} is not server.<id>=<address>")]
    Line { text: String },
    #[error("{text:?}: must be {allowed}")]
    Value { text: String, allowed: Allowed },
    #[error("{text:?} says nothing of a client port")]
    NoClientPort { text: String },
    #[error("server.{joiner} would be at {host} port {port}, where server.{other} is")]
    Taken { joiner: i64, host: String, port: u16, other: i64 },
}

/// What Java takes and never gets to work, or loses sessions by.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum Unworkable {
    #[error(
        "server.{first} and server.{second}: session ids hold the last eight bits of a server's \
         number, and these are equal there"
    )]
    SessionIds { first: i64, second: i64 },
    #[error("server.{first} and server.{second} are both at {host} port {port}")]
    OnePlace { first: i64, second: i64, host: String, port: u16 },
}

impl From<Refused> for ChangeError {
    fn from(refused: Refused) -> ChangeError {
        ChangeError::Refused(refused)
    }
}
