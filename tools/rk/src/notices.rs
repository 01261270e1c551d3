//! What is told without being asked for: printed as zkCli prints it, and handed to whoever listens.

use std::io::{Write, stdout};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ringkeeper::client::{Removal, State};
use ringkeeper::types::{EventKind, Zxid};
use serde_json::json;

use crate::connection::{Notice, Notify};

/// Changes that wait for whoever listens. Beyond it they are counted, not kept.
const FEED: usize = 65_536;

/// Which notices are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Printed {
    /// Changes of nodes alone.
    Changes,
    /// Those, and changes of the connection after its beginning.
    Later,
    /// All, as zkCli.
    All,
}

/// Puts a text where people read, whatever they are typing.
pub(crate) type Printer = Box<dyn FnMut(String) + Send>;

/// Shared by the shell and by the connection's thread.
pub(crate) struct Feed {
    /// The command printwatches.
    pub(crate) is_printed: AtomicBool,
    is_heard: AtomicBool,
    lost: AtomicU64,
    sender: SyncSender<Notice>,
    receiver: Mutex<Receiver<Notice>>,
    printer: Mutex<Option<Printer>>,
    taker: Mutex<Option<Notify>>,
    printed: Printed,
    is_json: bool,
    was_connected: AtomicBool,
}

impl Feed {
    pub(crate) fn new(printed: Printed, is_json: bool) -> Arc<Feed> {
        let (sender, receiver) = sync_channel(FEED);
        Arc::new(Feed {
            is_printed: AtomicBool::new(true),
            is_heard: AtomicBool::new(false),
            lost: AtomicU64::new(0),
            sender,
            receiver: Mutex::new(receiver),
            printer: Mutex::new(None),
            taker: Mutex::new(None),
            printed,
            is_json,
            was_connected: AtomicBool::new(false),
        })
    }

    /// From now on texts go there.
    pub(crate) fn print_by(&self, printer: Printer) {
        *self.printer.lock().unwrap_or_else(PoisonError::into_inner) = Some(printer);
    }

    /// What the connection's thread calls.
    pub(crate) fn notify(self: &Arc<Feed>) -> Notify {
        let feed = Arc::clone(self);
        Box::new(move |notice| feed.hear(notice))
    }

    /// From now on notices go there, and nowhere else; `None`: no more.
    pub(crate) fn hand_to(&self, taker: Option<Notify>) {
        *self.taker.lock().unwrap_or_else(PoisonError::into_inner) = taker;
    }

    /// Begins to keep notices for [`Feed::next`], or ends it.
    pub(crate) fn listen(&self, is_heard: bool) {
        self.is_heard.store(is_heard, Ordering::SeqCst);
        while !is_heard && self.next(Duration::ZERO).is_some() {}
    }

    /// The next notice, if one comes in this time.
    pub(crate) fn next(&self, time: Duration) -> Option<Notice> {
        let receiver = self.receiver.lock().unwrap_or_else(PoisonError::into_inner);
        receiver.recv_timeout(time).ok()
    }

    /// Notices that found no room since it was last asked.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.swap(0, Ordering::SeqCst)
    }

    fn hear(&self, notice: &Notice) {
        if let Some(taker) = &mut *self.taker.lock().unwrap_or_else(PoisonError::into_inner) {
            return taker(notice);
        }
        if self.is_heard.load(Ordering::SeqCst) {
            if let Err(TrySendError::Full(_)) = self.sender.try_send(notice.clone()) {
                self.lost.fetch_add(1, Ordering::SeqCst);
            }
            return;
        }
        if self.is_printed.load(Ordering::SeqCst) && self.is_told(notice) {
            self.print(notice);
        }
    }

    fn is_told(&self, notice: &Notice) -> bool {
        let Notice::State(state) = notice else { return true };
        let was_connected = match state.is_connected() {
            true => self.was_connected.swap(true, Ordering::SeqCst),
            false => true,
        };
        match self.printed {
            Printed::Changes => false,
            Printed::Later => was_connected && *state != State::Closed,
            Printed::All => true,
        }
    }

    fn print(&self, notice: &Notice) {
        let text = match self.is_json {
            true => json(notice),
            false => format!("\nWATCHER::\n\n{}", text(notice)),
        };
        match &mut *self.printer.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(printer) => printer(text),
            // Nobody may read it any more.
            None => drop(writeln!(stdout().lock(), "{text}")),
        }
    }
}

/// WatchedEvent.toString.
pub(crate) fn text(notice: &Notice) -> String {
    let (state, event, path, zxid) = match notice {
        Notice::State(state) => (state_name(*state), "None", "null", Zxid(-1)),
        Notice::Event { kind, path, zxid } => {
            ("SyncConnected", event_name(*kind), path.as_str(), *zxid)
        }
        Notice::Removed { removal, path } => {
            ("SyncConnected", removal_name(*removal), path.as_str(), Zxid(-1))
        }
    };
    format!("WatchedEvent state:{state} type:{event} path:{path} zxid: {}", zxid.0)
}

fn json(notice: &Notice) -> String {
    let value = match notice {
        Notice::State(state) => json!({ "state": state_name(*state) }),
        Notice::Event { kind, path, zxid } => {
            json!({ "event": event_name(*kind), "path": path, "zxid": zxid.0 })
        }
        Notice::Removed { removal, path } => {
            json!({ "event": removal_name(*removal), "path": path })
        }
    };
    value.to_string()
}

/// Watcher.Event.KeeperState.
fn state_name(state: State) -> &'static str {
    match state {
        State::Connecting => "Disconnected",
        State::Connected => "SyncConnected",
        State::ConnectedReadOnly => "ConnectedReadOnly",
        State::Expired => "Expired",
        State::AuthFailed => "AuthFailed",
        State::Closed => "Closed",
    }
}

/// Watcher.Event.EventType.
pub(crate) fn event_name(kind: EventKind) -> &'static str {
    match kind {
        EventKind::NodeCreated => "NodeCreated",
        EventKind::NodeDeleted => "NodeDeleted",
        EventKind::NodeDataChanged => "NodeDataChanged",
        EventKind::NodeChildrenChanged => "NodeChildrenChanged",
    }
}

fn removal_name(removal: Removal) -> &'static str {
    match removal {
        Removal::DataWatchRemoved => "DataWatchRemoved",
        Removal::ChildWatchRemoved => "ChildWatchRemoved",
        Removal::PersistentWatchRemoved => "PersistentWatchRemoved",
    }
}
