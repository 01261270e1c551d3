//! The thread that has a session's connection: it gives the client's core the time, what arrives and what is
//! asked for, and carries out its effects. Whoever asks waits for an answer on a channel.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};
use ringkeeper::client::{
    Answer, Chroot, ConnectString, Effect, Host, Input, Refusal, Removal, Session, Settings, State,
    Ticket, WatcherType,
};
use ringkeeper::codec::request::Request;
use ringkeeper::tls::{Dialer, Failure};
use ringkeeper::types::{EventKind, Millis, Zxid};

use crate::tls::Secured;

const SOCKET: Token = Token(0);
const WAKER: Token = Token(1);

/// Commands on their way to the thread; whoever has one more waits.
const COMMANDS: usize = 4096;

/// Bytes taken from the socket at once.
const READ_BYTES: usize = 128 << 10;

/// What is told without being asked for.
#[derive(Clone, Debug)]
pub(crate) enum Notice {
    State(State),
    Event { kind: EventKind, path: String, zxid: Zxid },
    Removed { removal: Removal, path: String },
}

/// Is called on the connection's thread, and must not wait for it.
pub(crate) type Notify = Box<dyn FnMut(&Notice) + Send>;

/// Why a request has no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// Ask for less at once.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The connection's thread has ended: nothing more can be asked.
    #[error("the connection's thread has ended")]
    Gone,
}

/// A request's end.
pub(crate) type Outcome = Result<Answer, Refusal>;

/// Is called on the connection's thread, and must not wait for it. If it is dropped instead, the thread has
/// ended.
pub(crate) type Done = Box<dyn FnOnce(Outcome) + Send>;

enum Command {
    Ask { request: Request<'static>, is_absolute: bool, done: Done },
    Authenticate { scheme: String, auth: Option<Vec<u8>>, done: Done },
    Forget { kind: WatcherType, path: String },
    Stop,
}

/// The state, and whoever waits for another.
struct Board {
    state: Mutex<State>,
    changed: Condvar,
    /// The session's, in milliseconds, as it was granted.
    timeout_ms: AtomicI64,
}

impl Board {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session and the thread that has it. When it is dropped the session is closed.
pub(crate) struct Connection {
    commands: SyncSender<Command>,
    waker: Arc<Waker>,
    board: Arc<Board>,
    chroot: Chroot,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// An answer that will come.
pub(crate) struct Pending(Receiver<Outcome>);

impl Pending {
    /// Waits for it.
    pub(crate) fn wait(self) -> Result<Answer, AskError> {
        Ok(self.0.recv().map_err(|_| AskError::Gone)??)
    }

    /// Waits so long at most; `None`: it has not come.
    pub(crate) fn wait_for(&self, time: Duration) -> Option<Result<Answer, AskError>> {
        use std::sync::mpsc::RecvTimeoutError;
        match self.0.recv_timeout(time) {
            Ok(outcome) => Some(outcome.map_err(AskError::from)),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Err(AskError::Gone)),
        }
    }
}

fn channel_of_one() -> (Done, Receiver<Outcome>) {
    let (sender, receiver) = sync_channel(1);
    // Nobody may wait any more.
    (Box::new(move |outcome| drop(sender.send(outcome))), receiver)
}

impl Connection {
    /// Begins a session with one of the servers; does not wait for it.
    pub(crate) fn open(
        servers: ConnectString,
        settings: Settings,
        tls: Option<Arc<Dialer>>,
        notify: Notify,
    ) -> io::Result<Connection> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let (sender, commands) = sync_channel(COMMANDS);
        let state = Mutex::new(State::Connecting);
        let timeout_ms = AtomicI64::new(settings.timeout_ms.into());
        let board = Arc::new(Board { state, changed: Condvar::new(), timeout_ms });
        let chroot = servers.chroot.clone();
        let driver = Driver {
            session: Session::new(servers, settings),
            poll,
            commands,
            notify,
            tls,
            host: String::new(),
            secured: None,
            failure: None,
            board: Arc::clone(&board),
            started: Instant::now(),
            socket: None,
            is_open: false,
            addresses: VecDeque::new(),
            output: VecDeque::new(),
            buffer: vec![0; READ_BYTES],
            waiting: BTreeMap::new(),
            next_ticket: 0,
            is_stopped: false,
        };
        let thread = std::thread::Builder::new().name("connection".into());
        let thread = Mutex::new(Some(thread.spawn(move || driver.run())?));
        Ok(Connection { commands: sender, waker, board, chroot, thread })
    }

    /// Sends a request; the answer comes later. Paths of one that is absolute are the server's.
    pub(crate) fn ask(
        &self,
        request: Request<'static>,
        is_absolute: bool,
    ) -> Result<Pending, AskError> {
        let (done, pending) = channel_of_one();
        self.command(Command::Ask { request, is_absolute, done })?;
        Ok(Pending(pending))
    }

    /// The same; whoever asks is called with the answer.
    pub(crate) fn ask_then(&self, request: Request<'static>, done: Done) -> Result<(), AskError> {
        self.command(Command::Ask { request, is_absolute: false, done })
    }

    /// The session's timeout, as it was granted, or as it is wished for.
    pub(crate) fn timeout(&self) -> Duration {
        let timeout_ms = self.board.timeout_ms.load(Ordering::SeqCst);
        Duration::from_millis(timeout_ms.unsigned_abs())
    }

    /// Proves an identity, to this server and to every later one.
    pub(crate) fn authenticate(
        &self,
        scheme: &str,
        auth: Option<&[u8]>,
    ) -> Result<Pending, AskError> {
        let (done, pending) = channel_of_one();
        let (scheme, auth) = (scheme.to_owned(), auth.map(<[u8]>::to_vec));
        self.command(Command::Authenticate { scheme, auth, done })?;
        Ok(Pending(pending))
    }

    /// Watches are forgotten here alone.
    pub(crate) fn forget(&self, kind: WatcherType, path: &str) -> Result<(), AskError> {
        self.command(Command::Forget { kind, path: path.to_owned() })
    }

    fn command(&self, command: Command) -> Result<(), AskError> {
        self.commands.send(command).map_err(|_| AskError::Gone)?;
        self.waker.wake().map_err(|_| AskError::Gone)
    }

    pub(crate) fn state(&self) -> State {
        *self.board.state()
    }

    /// Waits so long at most for a server to answer, or for the session to end; whether one answers.
    pub(crate) fn wait_until_connected(&self, time: Duration) -> bool {
        let is_on_the_way = |state: &mut State| *state == State::Connecting;
        let waited = self.board.changed.wait_timeout_while(self.board.state(), time, is_on_the_way);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.is_connected()
    }

    pub(crate) fn chroot(&self) -> &Chroot {
        &self.chroot
    }

    /// Closes the session, if it is open, and waits for that.
    pub(crate) fn close(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        if self.state().is_alive()
            && let Ok(pending) = self.ask(Request::CloseSession, true)
        {
            // A server that does not answer finds out by the session's timeout.
            let _ = pending.wait_for(Duration::from_secs(3));
        }
        if self.command(Command::Stop).is_ok() {
            let _ = thread.join();
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.close();
    }
}

/// The thread's own.
struct Driver {
    session: Session,
    poll: Poll,
    commands: Receiver<Command>,
    notify: Notify,
    /// `None`: connections are plain.
    tls: Option<Arc<Dialer>>,
    /// The server that is being tried, by its name.
    host: String,
    /// Of the connection that stands.
    secured: Option<Secured>,
    /// What was said last to be wrong with a session.
    failure: Option<(String, Failure)>,
    board: Arc<Board>,
    started: Instant,
    socket: Option<TcpStream>,
    /// Whether the socket's connection stands.
    is_open: bool,
    /// Of the server that is being tried, those that were not.
    addresses: VecDeque<SocketAddr>,
    output: VecDeque<u8>,
    /// For what is read.
    buffer: Vec<u8>,
    waiting: BTreeMap<Ticket, Done>,
    next_ticket: u64,
    is_stopped: bool,
}

impl Driver {
    fn run(mut self) {
        let mut events = Events::with_capacity(16);
        self.step(Input::Tick);
        while !self.is_stopped {
            self.take_commands();
            if self.is_stopped {
                break;
            }
            self.write();
            let wait = self.session.deadline().map(|at| at.0 - self.now().0);
            let wait = wait.map(|ms| Duration::from_millis(ms.max(0) as u64));
            match self.poll.poll(&mut events, wait) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                // Whoever waits is told by the end of their channels.
                Err(_) => return,
            }
            if events.iter().any(|event| event.token() == SOCKET) {
                self.look();
            }
            self.step(Input::Tick);
        }
    }

    fn now(&self) -> Millis {
        Millis(i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    fn take_commands(&mut self) {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Ask { request, is_absolute, done }) => {
                    self.ask(request, is_absolute, done);
                }
                Ok(Command::Authenticate { scheme, auth, done }) => {
                    let (scheme, auth) = (Some(scheme.into()), auth.as_deref());
                    self.ask(Request::Auth { scheme, auth }, true, done);
                }
                Ok(Command::Forget { kind, path }) => {
                    self.step(Input::Forget { kind, path: &path });
                }
                Ok(Command::Stop) | Err(TryRecvError::Disconnected) => {
                    self.is_stopped = true;
                    return;
                }
                Err(TryRecvError::Empty) => return,
            }
        }
    }

    fn ask(&mut self, request: Request<'_>, is_absolute: bool, done: Done) {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.waiting.insert(ticket, done);
        self.step(Input::Ask { ticket, request, is_absolute });
    }

    /// Feeds the core, carries out what it asks for, and feeds it what comes of that.
    fn step(&mut self, input: Input<'_>) {
        let mut effects = Vec::new();
        self.session.step(self.now(), input, &mut effects);
        while !effects.is_empty() {
            let mut is_lost = false;
            for effect in std::mem::take(&mut effects) {
                is_lost |= !self.carry_out(effect);
            }
            if is_lost {
                self.session.step(self.now(), Input::Lost, &mut effects);
            }
        }
    }

    /// Whether the connection, if one was asked for, can be had.
    fn carry_out(&mut self, effect: Effect) -> bool {
        match effect {
            Effect::Open(host) => return self.open(&host),
            Effect::Send(bytes) => match &mut self.secured {
                None => self.output.extend(bytes),
                Some(secured) => self.output.extend(secured.seal(&bytes)),
            },
            Effect::Close => self.close(),
            Effect::Answered(ticket, answer) => self.done(ticket, Ok(answer)),
            Effect::Refused(ticket, refusal) => self.done(ticket, Err(refusal)),
            Effect::Event { kind, path, zxid } => {
                (self.notify)(&Notice::Event { kind, path, zxid });
            }
            Effect::Removed { removal, path } => {
                (self.notify)(&Notice::Removed { removal, path });
            }
            Effect::State(state) => {
                self.board.timeout_ms.store(self.session.timeout_ms(), Ordering::SeqCst);
                *self.board.state() = state;
                self.board.changed.notify_all();
                (self.notify)(&Notice::State(state));
            }
        }
        true
    }

    fn done(&mut self, ticket: Ticket, outcome: Outcome) {
        if let Some(done) = self.waiting.remove(&ticket) {
            done(outcome);
        }
    }

    /// Looks the server up, which waits for a name server at worst, and begins with its first address.
    fn open(&mut self, host: &Host) -> bool {
        self.addresses = match (host.name.as_str(), host.port).to_socket_addrs() {
            Ok(addresses) => addresses.collect(),
            Err(_) => return false,
        };
        self.host.clone_from(&host.name);
        self.try_next_address()
    }

    fn try_next_address(&mut self) -> bool {
        self.close();
        while let Some(address) = self.addresses.pop_front() {
            let Ok(mut socket) = TcpStream::connect(address) else { continue };
            let interest = Interest::READABLE | Interest::WRITABLE;
            if self.poll.registry().register(&mut socket, SOCKET, interest).is_ok() {
                self.socket = Some(socket);
                return true;
            }
        }
        false
    }

    fn close(&mut self) {
        if let Some(mut socket) = self.socket.take() {
            let _ = self.poll.registry().deregister(&mut socket);
        }
        self.is_open = false;
        self.secured = None;
        self.output.clear();
    }

    /// Begins what is to stand between the connection's bytes and the session's.
    fn begin(&mut self, dialer: &Dialer, peer: SocketAddr) {
        match Secured::begin(dialer, peer.ip(), &self.host) {
            Ok(mut secured) => {
                self.output.extend(secured.seal(&[]));
                self.secured = Some(secured);
            }
            Err(failure) => self.fail(failure),
        }
    }

    /// Said once for a server, however often it is tried.
    fn fail(&mut self, failure: Failure) {
        let failed = (self.host.clone(), failure);
        if self.failure.as_ref() != Some(&failed) {
            eprintln!("rk: TLS with {} failed: {failure}", self.host);
            self.failure = Some(failed);
        }
        self.step(Input::Lost);
    }

    fn opened(&mut self, ciphertext: &[u8]) {
        let Some(secured) = &mut self.secured else { return };
        let came = secured.open(ciphertext);
        let answer = secured.seal(&[]);
        self.output.extend(answer);
        if came.is_open {
            self.step(Input::Opened);
        }
        if !came.plain.is_empty() {
            self.step(Input::Received(&came.plain));
        }
        match came.failure {
            Some(failure) => self.fail(failure),
            None if came.is_over => self.step(Input::Lost),
            None => {}
        }
    }

    /// The socket has something to tell.
    fn look(&mut self) {
        if !self.is_open {
            let Some(socket) = &self.socket else { return };
            let failed = socket.take_error().map_or(true, |error| error.is_some());
            if failed {
                if !self.try_next_address() {
                    self.step(Input::Lost);
                }
                return;
            }
            // Neither failed nor connected: it is still on its way.
            let Ok(peer) = socket.peer_addr() else { return };
            let _ = socket.set_nodelay(true);
            self.is_open = true;
            match self.tls.clone() {
                None => self.step(Input::Opened),
                Some(dialer) => self.begin(&dialer, peer),
            }
        }
        self.write();
        self.read();
    }

    fn read(&mut self) {
        let mut buffer = std::mem::take(&mut self.buffer);
        while let Some(socket) = self.socket.as_mut().filter(|_| self.is_open) {
            match socket.read(&mut buffer) {
                Ok(count @ 1..) if self.secured.is_some() => self.opened(&buffer[..count]),
                Ok(count @ 1..) => self.step(Input::Received(&buffer[..count])),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => self.step(Input::Lost),
            }
        }
        self.buffer = buffer;
    }

    fn write(&mut self) {
        while let Some(socket) = self.socket.as_mut().filter(|_| self.is_open) {
            let (first, _) = self.output.as_slices();
            if first.is_empty() {
                return;
            }
            match socket.write(first) {
                Ok(count) => drop(self.output.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.step(Input::Lost),
            }
        }
    }
}
