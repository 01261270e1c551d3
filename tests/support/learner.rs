//! An observer by hand: it speaks the learners' protocol to a leader's quorum port, and keeps nothing
//! of what it is sent.

use super::wire::Out;
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const REQUEST: i32 = 1;
pub const PROPOSAL: i32 = 2;
const ACK: i32 = 3;
pub const COMMIT: i32 = 4;
const PING: i32 = 5;
pub const INFORM: i32 = 8;
pub const NEW_LEADER: i32 = 10;
pub const UP_TO_DATE: i32 = 12;
pub const DIFF: i32 = 13;
const OBSERVER_INFO: i32 = 16;
const LEADER_INFO: i32 = 17;
const ACK_EPOCH: i32 = 18;

const CREATE_SESSION: i32 = -10;

/// What stands where a zxid means nothing.
const NO_ZXID: i64 = -1;

/// A packet without its identities; of its data only the length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    pub kind: i32,
    pub zxid: i64,
    pub length: usize,
}

pub struct Observer {
    input: BufReader<TcpStream>,
    output: TcpStream,
    /// The first zxid of the leader's epoch.
    epoch: i64,
    scratch: Vec<u8>,
}

fn packet(kind: i32, zxid: i64, data: Option<&[u8]>) -> Vec<u8> {
    Out::new().i32(kind).i64(zxid).buffer(data).i32(0).0
}

impl Observer {
    /// Connects as server `id`, whose history ends with `last`; what comes next is how it is brought to
    /// the leader's.
    pub fn connect(quorum_port: u16, id: i64, last: i64) -> Observer {
        let output = TcpStream::connect(("127.0.0.1", quorum_port)).expect("a leader listens");
        output.set_nodelay(true).unwrap();
        output.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let input = BufReader::with_capacity(1 << 18, output.try_clone().unwrap());
        let mut observer = Observer { input, output, epoch: 0, scratch: Vec::new() };
        let server = Out::new().i64(id).i32(0x10000).i64(0).0;
        observer.send(OBSERVER_INFO, 0, Some(&server));
        let told = observer.receive();
        assert_eq!(told.kind, LEADER_INFO, "{told:?}");
        observer.epoch = told.zxid;
        let current = ((last >> 32) as i32).to_be_bytes();
        observer.send(ACK_EPOCH, last, Some(&current));
        observer
    }

    fn send(&mut self, kind: i32, zxid: i64, data: Option<&[u8]>) {
        self.output.write_all(&packet(kind, zxid, data)).expect("the leader reads");
    }

    /// The next packet; pings are answered on the way.
    pub fn receive(&mut self) -> Packet {
        loop {
            let mut head = [0; 16];
            self.input.read_exact(&mut head).expect("the leader goes on");
            let part = |at: usize| i32::from_be_bytes(head[at..at + 4].try_into().unwrap());
            let zxid = i64::from_be_bytes(head[4..12].try_into().unwrap());
            let (kind, length) = (part(0), part(12).max(0) as usize);
            // Behind the data the number of identities, of which a leader sends none.
            self.scratch.resize(length + 4, 0);
            self.input.read_exact(&mut self.scratch).expect("a whole packet");
            if kind != PING {
                return Packet { kind, zxid, length };
            }
            self.send(PING, zxid, Some(&[]));
        }
    }

    /// NEWLEADER has come: the history is whole, and UPTODATE is waited for.
    pub fn join(&mut self) {
        self.send(ACK, self.epoch, None);
        while self.receive().kind != UP_TO_DATE {}
    }

    /// Follows an empty history up to UPTODATE.
    pub fn catch_up(&mut self) {
        while self.receive().kind != NEW_LEADER {}
        self.join();
    }

    /// Asks for sessions of `timeout` ms, with the ids from `first` on, and waits until all are
    /// committed.
    pub fn open_sessions(&mut self, first: i64, count: usize, timeout: i32) {
        let mut output = self.output.try_clone().unwrap();
        let asking = std::thread::spawn(move || {
            let mut batch = Vec::new();
            for n in 0..count {
                let head = Out::new().i64(first + n as i64).i32(0).i32(CREATE_SESSION);
                batch.extend(packet(REQUEST, NO_ZXID, Some(&head.i32(timeout).0)));
                if batch.len() > 1 << 16 || n + 1 == count {
                    output.write_all(&batch).expect("the leader reads");
                    batch.clear();
                }
            }
        });
        let mut told = 0;
        while told < count {
            told += usize::from(self.receive().kind == INFORM);
        }
        asking.join().unwrap();
    }
}
