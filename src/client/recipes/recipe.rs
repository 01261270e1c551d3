//! What a recipe is given and what it wants.

use crate::codec::reply::decode::Reply;
use crate::codec::request::Request;
use crate::types::{ErrorCode, EventKind};

/// What came of a request: its record, paths the client's, or why there is none.
pub type Answered<'a> = Result<Reply<'a>, ErrorCode>;

/// What a recipe is given.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// The beginning, once.
    Begin,
    /// What came of the request that it has asked for.
    Answered(Answered<'a>),
    /// A path has changed. Which of them are watched is the recipe's to know.
    Changed {
        /// What happened.
        kind: EventKind,
        /// To what.
        path: &'a str,
    },
    /// It is to give back what it has, or to give up.
    Leave,
    /// The session is over, and with it all that was the session's.
    Ended,
}

/// What a recipe wants.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect<T> {
    /// Send this; it asks for nothing else before the answer.
    Ask(Request<'static>),
    /// Where it has come to.
    Outcome(T),
}

/// Why a recipe has come to nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// The session is over; nothing of the recipe is left.
    #[error("the session is over")]
    Ended,
    /// The session is over, and so is the way to find out.
    #[error("the session is over: whether {path} was changed is not known")]
    Unknown {
        /// Of the write.
        path: String,
    },
    /// The server does not do it.
    #[error("the server refuses it for {path}: error {}", .code.code())]
    Refused {
        /// Which node it was about.
        path: String,
        /// Its answer.
        code: ErrorCode,
    },
    /// An answer that is none to the request.
    #[error("the server's answer is not one to the request about {path}")]
    Unexpected {
        /// Which node it was about.
        path: String,
    },
    /// A node holds what this recipe cannot read.
    #[error("{path} holds {length} bytes that are no {expected}")]
    Content {
        /// The node.
        path: String,
        /// Of its data.
        length: usize,
        /// What it should hold.
        expected: &'static str,
    },
    /// A number that the layout has no room for.
    #[error("{path}: {value} does not fit {expected}")]
    Range {
        /// The node.
        path: String,
        /// The number.
        value: i128,
        /// What it should fit.
        expected: &'static str,
    },
}

/// A recipe, as whoever drives it sees it.
pub trait Recipe {
    /// Where it can come to.
    type Outcome;

    /// Takes an input and appends what it wants.
    fn step(&mut self, input: Input<'_>, out: &mut Vec<Effect<Self::Outcome>>);
}
