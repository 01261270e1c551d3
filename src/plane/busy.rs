//! Whether a connection's request is under way: its answer is being made, or has not left.

use std::cell::Cell;
use std::rc::Rc;

/// A connection's. There is one request at a time; a pipelined one waits for the answer before it.
#[derive(Clone, Default)]
pub(super) struct Busy(Rc<Counts>);

#[derive(Default)]
struct Counts {
    under_way: Cell<usize>,
    answering: Cell<usize>,
}

/// Kept while a request is under way.
pub(super) struct UnderWay {
    busy: Busy,
    is_answering: bool,
}

impl Busy {
    /// A request has come, and its answer is being made.
    pub(super) fn enter(&self) -> UnderWay {
        self.0.under_way.set(self.0.under_way.get() + 1);
        self.0.answering.set(self.0.answering.get() + 1);
        UnderWay { busy: self.clone(), is_answering: true }
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.0.under_way.get() > 0
    }

    pub(super) fn is_answering(&self) -> bool {
        self.0.answering.get() > 0
    }
}

impl UnderWay {
    /// The answer is made; its body is to be taken.
    pub(super) fn sending(mut self) -> UnderWay {
        self.end_answering();
        self
    }

    fn end_answering(&mut self) {
        if std::mem::take(&mut self.is_answering) {
            let answering = &self.busy.0.answering;
            answering.set(answering.get() - 1);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.end_answering();
        let under_way = &self.busy.0.under_way;
        under_way.set(under_way.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_under_way_until_its_body_has_left() {
        let busy = Busy::default();
        let states = || (busy.is_under_way(), busy.is_answering());
        let under_way = busy.enter();
        assert_eq!(states(), (true, true));
        let body = under_way.sending();
        assert_eq!(
            states(),
            (true, false),
            "its reader may be slow, and is not waited for for ever"
        );
        drop(body);
        assert_eq!(states(), (false, false));
        drop(busy.enter());
        assert_eq!(states(), (false, false), "a connection that ends meanwhile");
    }
}
