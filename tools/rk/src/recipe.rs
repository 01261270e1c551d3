//! Drives a recipe: its requests go over the session, answers and changes come back to it, signals are heard.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ringkeeper::client::State;
use ringkeeper::client::recipes::{Effect, Input, ProtectionId, Recipe};
use ringkeeper::codec::request::Request;
use ringkeeper::types::ErrorCode;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use crate::client::Client;
use crate::commands::Context;
use crate::connection::{Notice, Outcome};
use crate::error::{CliError, Fault, HeldFault};
use crate::notices::Feed;

/// What has happened and was not looked at. Whoever has more waits: the drive looks at all of it.
const EVENTS: usize = 1024;

/// An id that nobody else has.
pub(crate) fn protection_id() -> Result<ProtectionId, CliError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(HeldFault::Random)?;
    Ok(ProtectionId::new(random))
}

enum Event {
    Answered(Outcome),
    /// The connection's thread has ended.
    Gone,
    Noticed(Notice),
    Signalled(i32),
}

/// What has happened, for whoever has the drive.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Happened<T> {
    Outcome(T),
    /// A child has ended, perhaps.
    Child,
    /// rk is to end.
    Signal(i32),
    /// No server has answered for so long that the session may be over.
    Doubtful,
    /// The time is up.
    Late,
}

/// Sends an event when it is used, and another when it is dropped without.
struct Answer(Option<SyncSender<Event>>);

impl Answer {
    fn give(mut self, outcome: Outcome) {
        if let Some(sender) = self.0.take() {
            // Nobody may wait any more.
            let _ = sender.send(Event::Answered(outcome));
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(sender) = self.0.take() {
            let _ = sender.send(Event::Gone);
        }
    }
}

/// Whether signals end rk, as they do where no recipe is driven.
fn is_ended_by_signals() -> Result<Arc<AtomicBool>, HeldFault> {
    static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    if let Some(flag) = FLAG.get() {
        return Ok(Arc::clone(flag));
    }
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&flag))
            .map_err(HeldFault::Signals)?;
    }
    Ok(Arc::clone(FLAG.get_or_init(|| flag)))
}

/// A thread that hears signals, until it is dropped.
struct Hearing {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
    is_ended: Arc<AtomicBool>,
}

impl Hearing {
    fn begin(sender: SyncSender<Event>) -> Result<Hearing, CliError> {
        let is_ended = is_ended_by_signals()?;
        is_ended.store(false, Ordering::SeqCst);
        let mut signals =
            Signals::new([SIGINT, SIGTERM, SIGHUP, SIGCHLD]).map_err(HeldFault::Signals)?;
        let handle = signals.handle();
        let thread = std::thread::Builder::new().name("signals".into()).spawn(move || {
            for signal in signals.forever() {
                if sender.send(Event::Signalled(signal)).is_err() {
                    return;
                }
            }
        });
        let thread = Some(thread.map_err(CliError::Thread)?);
        Ok(Hearing { handle, thread, is_ended })
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        self.handle.close();
        self.is_ended.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A recipe on its way.
pub(crate) struct Drive<'a, R: Recipe> {
    recipe: R,
    client: &'a Client,
    feed: &'a Feed,
    sender: SyncSender<Event>,
    /// `None`: nobody listens any more.
    events: Option<Receiver<Event>>,
    outcomes: VecDeque<R::Outcome>,
    /// From then on the session may be over, unless a server answers before.
    doubtful_at: Option<Instant>,
    // Its thread ends when nobody listens any more, which `drop` sees to.
    _hearing: Hearing,
}

impl<'a, R: Recipe> Drive<'a, R> {
    pub(crate) fn begin(context: &Context<'a>, recipe: R) -> Result<Drive<'a, R>, CliError> {
        let connection = context.client.connection();
        let timeout = connection.timeout();
        if connection.state().is_alive() && !connection.wait_until_connected(timeout) {
            let ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
            return Err(Fault::NotConnected(ms).into());
        }
        let (sender, events) = sync_channel(EVENTS);
        let hearing = Hearing::begin(sender.clone())?;
        let notify = sender.clone();
        context.feed.hand_to(Some(Box::new(move |notice| {
            // Nobody may listen any more.
            let _ = notify.send(Event::Noticed(notice.clone()));
        })));
        let mut drive = Drive {
            recipe,
            client: context.client,
            feed: context.feed,
            sender,
            events: Some(events),
            outcomes: VecDeque::new(),
            doubtful_at: None,
            _hearing: hearing,
        };
        drive.step(Input::Begin);
        Ok(drive)
    }

    /// It is to give back what it has.
    pub(crate) fn leave(&mut self) {
        self.step(Input::Leave);
    }

    fn step(&mut self, input: Input<'_>) {
        let mut effects = Vec::new();
        self.recipe.step(input, &mut effects);
        for effect in effects {
            match effect {
                Effect::Ask(request) => self.ask(request),
                Effect::Outcome(outcome) => self.outcomes.push_back(outcome),
            }
        }
    }

    fn ask(&mut self, request: Request<'static>) {
        let answer = Answer(Some(self.sender.clone()));
        // If it cannot be asked the answer is dropped, which is an event, too.
        let _ = self
            .client
            .connection()
            .ask_then(request, Box::new(move |outcome| answer.give(outcome)));
    }

    /// Waits for something to happen.
    pub(crate) fn next(&mut self, until: Option<Instant>) -> Happened<R::Outcome> {
        loop {
            if let Some(outcome) = self.outcomes.pop_front() {
                return Happened::Outcome(outcome);
            }
            let now = Instant::now();
            if self.doubtful_at.is_some_and(|at| at <= now) {
                self.doubtful_at = None;
                return Happened::Doubtful;
            }
            if until.is_some_and(|until| until <= now) {
                return Happened::Late;
            }
            let wait = [until, self.doubtful_at].into_iter().flatten().min();
            let wait =
                wait.map_or(Duration::from_secs(3600), |at| at.saturating_duration_since(now));
            let Some(events) = &self.events else { return Happened::Doubtful };
            match events.recv_timeout(wait) {
                Ok(Event::Signalled(SIGCHLD)) => return Happened::Child,
                Ok(Event::Signalled(signal)) => return Happened::Signal(signal),
                Ok(event) => self.take(event),
                Err(RecvTimeoutError::Timeout) => {}
                // The drive itself holds a sender.
                Err(RecvTimeoutError::Disconnected) => return Happened::Doubtful,
            }
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Answered(Ok(answer)) => {
                let chroot = self.client.connection().chroot().clone();
                let answered = match ErrorCode::from_code(answer.error) {
                    ErrorCode::Ok => answer.reply(&chroot).map_err(|_| ErrorCode::MarshallingError),
                    code => Err(code),
                };
                self.step(Input::Answered(answered));
            }
            Event::Answered(Err(_)) => {
                self.step(Input::Answered(Err(ErrorCode::BadArguments)));
            }
            Event::Gone => self.step(Input::Answered(Err(ErrorCode::SessionExpired))),
            Event::Noticed(Notice::Event { kind, path, .. }) => {
                self.step(Input::Changed { kind, path: &path });
            }
            Event::Noticed(Notice::State(state)) => self.state(state),
            Event::Noticed(Notice::Removed { .. }) | Event::Signalled(_) => {}
        }
    }

    fn state(&mut self, state: State) {
        match state {
            // The core gives a server up after two thirds of the timeout without a word; so at least a third
            // is left before the servers may have ended the session.
            State::Connecting => {
                let third = self.client.connection().timeout() / 3;
                self.doubtful_at.get_or_insert(Instant::now() + third);
            }
            State::Connected | State::ConnectedReadOnly => self.doubtful_at = None,
            State::Expired | State::AuthFailed | State::Closed => self.step(Input::Ended),
        }
    }
}

impl<R: Recipe> Drop for Drive<'_, R> {
    fn drop(&mut self) {
        // First, so that whoever waits for room to tell something, and has the feed meanwhile, is let go.
        self.events = None;
        self.feed.hand_to(None);
    }
}
