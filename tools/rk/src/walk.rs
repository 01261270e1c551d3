//! A subtree, node by node, with many requests under way. What changes meanwhile is seen or not: no
//! walk is a picture of one moment.

use std::collections::VecDeque;

use ringkeeper::types::{ErrorCode, Stat};

use crate::client::{self, CallError, Client, children_request};
use crate::connection::Pending;
use crate::path::join;

/// Nodes asked for at once.
const WINDOW: usize = 256;

/// Those that come next are asked for whatever else is under way.
const NEXT: usize = 32;

/// Nodes asked for and not yet come to.
const UNDER_WAY_MAX: usize = 2048;

/// In which order nodes come. A node comes before what is beneath it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    /// What is beneath a node comes before its next sibling; siblings by name.
    Depth,
    /// A level after another; siblings as the server has them.
    Breadth,
}

/// A node with its children.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Visited {
    pub(crate) path: String,
    /// 0: the root of the walk.
    pub(crate) depth: usize,
    /// In the order in which they will come.
    pub(crate) children: Vec<String>,
    pub(crate) stat: Stat,
}

struct Ahead {
    path: String,
    depth: usize,
    pending: Option<Pending>,
}

/// A walk that has begun.
pub(crate) struct Walk<'a> {
    client: &'a Client,
    order: Order,
    watch: bool,
    /// The next one first.
    ahead: VecDeque<Ahead>,
    under_way: usize,
}

impl<'a> Walk<'a> {
    /// Begins at a node. With `watch` every node's children are watched.
    pub(crate) fn new(client: &'a Client, path: &str, order: Order, watch: bool) -> Walk<'a> {
        let root = Ahead { path: path.to_owned(), depth: 0, pending: None };
        Walk { client, order, watch, ahead: VecDeque::from([root]), under_way: 0 }
    }

    /// The next node; `None` after the last. One that is gone meanwhile is passed over, but for the
    /// root. After an error of one node the walk may go on.
    pub(crate) fn next(&mut self) -> Option<Result<Visited, CallError>> {
        loop {
            let request = |path: &str| self.client.ask(children_request(path, self.watch));
            let Ahead { path, depth, pending } = self.ahead.pop_front()?;
            let pending = match pending {
                Some(pending) => {
                    self.under_way -= 1;
                    pending
                }
                None => match request(&path) {
                    Ok(pending) => pending,
                    Err(error) => return Some(Err(error)),
                },
            };
            if let Err(error) = self.ask_ahead() {
                return Some(Err(error));
            }
            let read = self.client.read(pending, Some(&path), client::children);
            let (mut children, stat) = match read {
                Ok(read) => read,
                Err(error) if depth > 0 && error.is(ErrorCode::NoNode) => continue,
                Err(error) => return Some(Err(error)),
            };
            let ahead =
                |name: &String| Ahead { path: join(&path, name), depth: depth + 1, pending: None };
            match self.order {
                Order::Depth => {
                    children.sort();
                    for name in children.iter().rev() {
                        self.ahead.push_front(ahead(name));
                    }
                }
                Order::Breadth => self.ahead.extend(children.iter().map(ahead)),
            }
            return Some(Ok(Visited { path, depth, children, stat }));
        }
    }

    /// Asks for those that come next; for a window full of them once half of it is free.
    fn ask_ahead(&mut self) -> Result<(), CallError> {
        let count = match self.under_way {
            UNDER_WAY_MAX.. => 0,
            many if many > WINDOW / 2 => NEXT,
            _ => WINDOW,
        };
        for next in self.ahead.iter_mut().take(count).filter(|next| next.pending.is_none()) {
            next.pending = Some(self.client.ask(children_request(&next.path, self.watch))?);
            self.under_way += 1;
        }
        Ok(())
    }
}
