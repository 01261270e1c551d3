//! Removing a subtree on one connection: delete first, ask for children only where there are some.

use std::collections::VecDeque;

use super::{expect_ok, expect_shape, record};
use crate::engine::lane::Pending;
use crate::engine::{Cx, Load};
use crate::fault::Fault;
use crate::record::Class;
use crate::wire::{self, Cursor, Reply, err, op};

const DELETE: usize = 0;
const CHILDREN: usize = 1;

/// A znode whose children go first.
struct Parent {
    node: Node,
    left: usize,
}

#[derive(Clone)]
struct Node {
    path: Vec<u8>,
    /// Index into `parents`; the root has none.
    below: Option<usize>,
}

pub struct Sweep {
    /// What to ask next, last in, first out: few directories are open at once.
    todo: Vec<(usize, Node)>,
    parents: Vec<Parent>,
    /// Questions on their way: answered in order, as there is one connection.
    asked: VecDeque<Node>,
}

impl Sweep {
    pub fn new(root: &str) -> Sweep {
        let root = Node { path: root.as_bytes().to_vec(), below: None };
        Sweep { todo: vec![(DELETE, root)], parents: Vec::new(), asked: VecDeque::new() }
    }

    /// Sends as much as `DEPTH` allows: an answer can make many steps, or none.
    fn push_on(&mut self, cx: &mut Cx<'_>, lane: usize) {
        const DEPTH: usize = 128;
        while self.asked.len() < DEPTH {
            let Some((class, node)) = self.todo.pop() else { return };
            let (path, now) = (&node.path, cx.now);
            cx.request(lane, class, 0, now, |out, xid| match class {
                DELETE => wire::delete(out, xid, path),
                _ => wire::query(out, xid, op::GET_CHILDREN, path, false),
            });
            self.asked.push_back(node);
        }
    }

    /// A znode is gone; its parent follows when it was the last child.
    fn gone(&mut self, node: &Node) {
        let Some(parent) = node.below.and_then(|at| self.parents.get_mut(at)) else { return };
        parent.left -= 1;
        if parent.left == 0 {
            self.todo.push((DELETE, parent.node.clone()));
        }
    }

    fn open(&mut self, node: Node, children: &[&[u8]]) {
        if children.is_empty() {
            self.todo.push((DELETE, node));
            return;
        }
        let below = Some(self.parents.len());
        for child in children {
            let path = [&node.path[..], b"/", child].concat();
            self.todo.push((DELETE, Node { path, below }));
        }
        self.parents.push(Parent { node, left: children.len() });
    }
}

impl Load for Sweep {
    fn classes(&self) -> Vec<Class> {
        vec![Class::new("delete"), Class::view("children")]
    }

    fn paced(&self) -> bool {
        false
    }

    fn begin(&mut self, cx: &mut Cx<'_>) -> Result<(), Fault> {
        self.push_on(cx, 0);
        Ok(())
    }

    fn reply(
        &mut self,
        cx: &mut Cx<'_>,
        lane: usize,
        asked: Pending,
        reply: &Reply<'_>,
    ) -> Result<(), Fault> {
        let Some(node) = self.asked.pop_front() else {
            return cx.refuse(lane, "an answer to nothing");
        };
        match (usize::from(asked.class), reply.err) {
            (_, err::NO_NODE) => self.gone(&node),
            (DELETE, err::NOT_EMPTY) => self.todo.push((CHILDREN, node)),
            (DELETE, _) => {
                expect_ok(cx, lane, reply, "delete")?;
                record(cx, asked);
                self.gone(&node);
            }
            _ => {
                expect_ok(cx, lane, reply, "getChildren")?;
                let children = children(reply.body);
                expect_shape(cx, lane, Some(children.is_some()), reply, "getChildren")?;
                self.open(node, &children.unwrap_or_default());
            }
        }
        self.push_on(cx, lane);
        Ok(())
    }

    fn exhausted(&self) -> bool {
        self.todo.is_empty() && self.asked.is_empty()
    }
}

/// The names in a getChildren reply.
pub fn children(body: &[u8]) -> Option<Vec<&[u8]>> {
    let mut cursor = Cursor(body);
    let count = cursor.int()?;
    let names: Option<Vec<&[u8]>> = (0..count).map(|_| cursor.bytes()).collect();
    names.filter(|_| cursor.is_empty())
}
