//! A folder is made, and those above it where they are missing.

use crate::codec::request::Request;
use crate::types::{CreateMode, ErrorCode, parent_and_name};

use super::calls::{Progress, create, fallback};
use super::recipe::Answered;

/// What folders are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Parent {
    /// The server removes them some time after their last child.
    Container,
    Persistent,
}

/// Those that are to be made, the next one last. As many as the path has levels.
#[derive(Clone, Debug)]
pub(super) struct Parents {
    missing: Vec<String>,
    kind: Parent,
}

impl Parents {
    pub(super) fn of(path: &str, kind: Parent) -> Parents {
        Parents { missing: vec![path.to_owned()], kind }
    }

    fn next(&self) -> &str {
        self.missing.last().map_or("/", String::as_str)
    }

    pub(super) fn ask(&self) -> Request<'static> {
        let mode = match self.kind {
            Parent::Container => CreateMode::Container,
            Parent::Persistent => CreateMode::Persistent,
        };
        create(self.next(), Some(bytes::Bytes::new()), mode)
    }

    pub(super) fn answered(&mut self, answered: Answered<'_>) -> Progress<()> {
        match answered.err() {
            None | Some(ErrorCode::NodeExists) => {
                self.missing.pop();
                match self.missing.is_empty() {
                    true => Progress::Done(()),
                    false => Progress::More,
                }
            }
            Some(ErrorCode::NoNode) => {
                let above = match parent_and_name(self.next()) {
                    Some(("", "")) | None => return fallback(ErrorCode::NoNode, self.next()),
                    // Under a chroot the root itself may be missing.
                    Some(("", _)) => "/".to_owned(),
                    Some((above, _)) => above.to_owned(),
                };
                self.missing.push(above);
                Progress::More
            }
            Some(code) => fallback(code, self.next()),
        }
    }
}
