//! Sessions that come and go.

use crate::engine::lane::Pending;
use crate::engine::{Cx, Load};
use crate::fault::Fault;
use crate::record::Class;
use crate::wire::Reply;

/// Every connection opens a session, closes it and starts over. `session`: from the TCP connect
/// until the server has closed the connection; `connect`: until the session is there.
pub struct Churn;

const SESSION: usize = 0;
const CONNECT: usize = 1;

impl Load for Churn {
    fn classes(&self) -> Vec<Class> {
        vec![Class::new("session"), Class::view("connect")]
    }

    fn paced(&self) -> bool {
        false
    }

    fn connects(&self) -> bool {
        true
    }

    fn begin(&mut self, cx: &mut Cx<'_>) -> Result<(), Fault> {
        for lane in 0..cx.lanes() {
            cx.connect(lane);
        }
        Ok(())
    }

    fn live(&mut self, cx: &mut Cx<'_>, lane: usize) -> Result<(), Fault> {
        let (from, now) = (cx.connect_started(lane), cx.now);
        cx.recorder.record(CONNECT, from, now);
        cx.close_session(lane);
        Ok(())
    }

    fn closed(&mut self, cx: &mut Cx<'_>, lane: usize) -> Result<(), Fault> {
        let (from, now) = (cx.connect_started(lane), cx.now);
        cx.recorder.record(SESSION, from, now);
        if !cx.ending {
            cx.connect(lane);
        }
        Ok(())
    }

    fn reply(
        &mut self,
        cx: &mut Cx<'_>,
        lane: usize,
        _asked: Pending,
        _reply: &Reply<'_>,
    ) -> Result<(), Fault> {
        cx.refuse(lane, "a reply in a session without requests")
    }
}

/// All connections of a worker at once, then all closed, then again. `connect`: each session;
/// `storm`: from the first connect to the last session.
#[derive(Default)]
pub struct Storm {
    began: u64,
    live: usize,
    open: usize,
}

const EACH: usize = 0;
const STORM: usize = 1;

impl Storm {
    fn start(&mut self, cx: &mut Cx<'_>) {
        self.began = cx.now;
        self.live = 0;
        self.open = cx.lanes();
        for lane in 0..cx.lanes() {
            cx.connect(lane);
        }
    }
}

impl Load for Storm {
    fn classes(&self) -> Vec<Class> {
        vec![Class::new("connect"), Class::view("storm")]
    }

    fn paced(&self) -> bool {
        false
    }

    fn connects(&self) -> bool {
        true
    }

    fn begin(&mut self, cx: &mut Cx<'_>) -> Result<(), Fault> {
        self.start(cx);
        Ok(())
    }

    fn live(&mut self, cx: &mut Cx<'_>, _lane: usize) -> Result<(), Fault> {
        let now = cx.now;
        cx.recorder.record(EACH, self.began, now);
        self.live += 1;
        if self.live == cx.lanes() {
            cx.recorder.record(STORM, self.began, now);
            for lane in 0..cx.lanes() {
                cx.close_session(lane);
            }
        }
        Ok(())
    }

    fn closed(&mut self, cx: &mut Cx<'_>, _lane: usize) -> Result<(), Fault> {
        self.open -= 1;
        if self.open == 0 && !cx.ending {
            self.start(cx);
        }
        Ok(())
    }

    fn reply(
        &mut self,
        cx: &mut Cx<'_>,
        lane: usize,
        _asked: Pending,
        _reply: &Reply<'_>,
    ) -> Result<(), Fault> {
        cx.refuse(lane, "a reply in a session without requests")
    }
}
