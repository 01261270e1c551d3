//! Just enough of a ZooKeeper server, in memory, to run the driver against.
//! It can be told to misbehave, so that the driver's checks are seen to fail.

#![allow(clippy::unwrap_used)] // Test code outside a #[test]: a failed step should end the thread.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A mistake to make now and then. Each test program makes some of them.
#[allow(dead_code)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mistake {
    None,
    WrongXid,
    WrongValue,
    ZxidGoesBack,
    HangsUp,
    /// A connection ends with its fiftieth request, answered or not.
    HangsUpOften,
    /// The same, and a session is not known again.
    ForgetsSessions,
    /// Writes are acknowledged and not done.
    LosesWrites,
}

struct Znode {
    data: Vec<u8>,
    version: i32,
    mzxid: i64,
    /// Creates ever done below it.
    creates: u32,
    owner: i64,
}

#[derive(Default)]
struct Tree {
    nodes: BTreeMap<String, Znode>,
    watches: HashMap<String, Vec<(i64, TcpStream)>>,
    zxid: i64,
    sessions: i64,
    served: u64,
    lossy: bool,
}

pub(crate) struct Fake {
    pub address: SocketAddr,
}

impl Fake {
    pub(crate) fn start(mistake: Mistake) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let tree = Arc::new(Mutex::new(Tree::default()));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                stream.set_nodelay(true).unwrap();
                let tree = tree.clone();
                thread::spawn(move || serve(stream, &tree, mistake));
            }
        });
        Fake { address }
    }
}

fn frame(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut len = [0; 4];
    stream.read_exact(&mut len).ok()?;
    let mut payload = vec![0; u32::from_be_bytes(len) as usize];
    stream.read_exact(&mut payload).ok()?;
    Some(payload)
}

fn send(stream: &mut TcpStream, payload: &[u8]) {
    let mut out = (payload.len() as u32).to_be_bytes().to_vec();
    out.extend_from_slice(payload);
    let _ = stream.write_all(&out);
}

fn serve(mut stream: TcpStream, tree: &Mutex<Tree>, mistake: Mistake) -> Option<()> {
    let connect = frame(&mut stream)?;
    let asked = i64::from_be_bytes(connect[16..24].try_into().unwrap());
    if asked != 0 && (mistake == Mistake::ForgetsSessions || connect[28..44] != [7; 16]) {
        let mut out = vec![0; 16];
        put(&mut out, &[0; 16]);
        out.push(0);
        send(&mut stream, &out);
        return stream.shutdown(Shutdown::Both).ok();
    }
    let session = if asked != 0 {
        asked
    } else {
        let mut tree = tree.lock().unwrap();
        tree.sessions += 1;
        tree.zxid += 1;
        tree.sessions
    };
    let mut served_here = 0;
    let mut out = vec![0; 4];
    out.extend_from_slice(&connect[12..16]);
    out.extend_from_slice(&session.to_be_bytes());
    put(&mut out, &[7; 16]);
    out.push(0);
    send(&mut stream, &out);
    while let Some(request) = frame(&mut stream) {
        let mut input = In(&request);
        let (xid, opcode) = (input.int(), input.int());
        let mut tree = tree.lock().unwrap();
        tree.served += 1;
        let late = tree.served > 300;
        served_here += 1;
        tree.lossy = mistake == Mistake::LosesWrites;
        let (err, body) = tree.execute(opcode, &mut input, session, &stream);
        let mut zxid = tree.zxid;
        let mut xid = xid;
        match mistake {
            Mistake::WrongXid if late => xid += 1,
            Mistake::ZxidGoesBack if late && tree.served.is_multiple_of(2) => zxid = 1,
            Mistake::HangsUp if late => return stream.shutdown(Shutdown::Both).ok(),
            Mistake::HangsUpOften | Mistake::ForgetsSessions if served_here == 50 => {
                return stream.shutdown(Shutdown::Both).ok();
            }
            _ => {}
        }
        let mut out = xid.to_be_bytes().to_vec();
        out.extend_from_slice(&zxid.to_be_bytes());
        out.extend_from_slice(&err.to_be_bytes());
        if err == 0 {
            out.extend_from_slice(&body);
            if mistake == Mistake::WrongValue && late && opcode == 4 {
                out[22] ^= 1;
            }
        }
        send(&mut stream, &out);
        if opcode == -11 {
            return stream.shutdown(Shutdown::Both).ok();
        }
    }
    None
}

struct In<'a>(&'a [u8]);

impl In<'_> {
    fn int(&mut self) -> i32 {
        let (head, rest) = self.0.split_first_chunk::<4>().unwrap();
        self.0 = rest;
        i32::from_be_bytes(*head)
    }
    fn byte(&mut self) -> u8 {
        let b = self.0[0];
        self.0 = &self.0[1..];
        b
    }
    fn bytes(&mut self) -> Vec<u8> {
        let len = self.int() as usize;
        let (head, rest) = self.0.split_at(len);
        self.0 = rest;
        head.to_vec()
    }
    fn text(&mut self) -> String {
        String::from_utf8(self.bytes()).unwrap()
    }
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
    out.extend_from_slice(bytes);
}

impl Tree {
    fn execute(
        &mut self,
        opcode: i32,
        input: &mut In<'_>,
        session: i64,
        stream: &TcpStream,
    ) -> (i32, Vec<u8>) {
        match opcode {
            1 => self.create(input, session),
            2 => self.delete(&input.text()),
            3 | 4 | 8 => self.query(opcode, input, session, stream),
            5 => self.set(input),
            11 => (0, Vec::new()),
            14 => self.multi(input),
            -11 => self.close(session),
            other => panic!("opcode {other}"),
        }
    }

    fn create(&mut self, input: &mut In<'_>, session: i64) -> (i32, Vec<u8>) {
        let (mut path, data) = (input.text(), input.bytes());
        assert_eq!((input.int(), input.int()), (1, 31));
        assert_eq!((input.text().as_str(), input.text().as_str()), ("world", "anyone"));
        let flags = input.int();
        self.zxid += 1;
        let parent = path[..path.rfind('/').unwrap()].to_owned();
        if !parent.is_empty() {
            let Some(parent) = self.nodes.get_mut(&parent) else { return (-101, Vec::new()) };
            if flags & 2 != 0 {
                path += &format!("{:010}", parent.creates);
            }
            parent.creates += 1;
        }
        if self.nodes.contains_key(&path) {
            return (-110, Vec::new());
        }
        let owner = if flags & 1 != 0 { session } else { 0 };
        let znode = Znode { data, version: 0, mzxid: self.zxid, creates: 0, owner };
        self.nodes.insert(path.clone(), znode);
        let mut out = Vec::new();
        put(&mut out, path.as_bytes());
        (0, out)
    }

    fn children(&self, path: &str) -> Vec<String> {
        let prefix = format!("{path}/");
        let below = self.nodes.range(prefix.clone()..).take_while(|(p, _)| p.starts_with(&prefix));
        let names = below.map(|(p, _)| p[prefix.len()..].to_owned());
        names.filter(|name| !name.contains('/')).collect()
    }

    fn delete(&mut self, path: &str) -> (i32, Vec<u8>) {
        self.zxid += 1;
        if !self.children(path).is_empty() {
            return (-111, Vec::new());
        }
        if self.nodes.remove(path).is_none() {
            return (-101, Vec::new());
        }
        self.fire(path, 2);
        (0, Vec::new())
    }

    fn fire(&mut self, path: &str, kind: i32) {
        for (_, mut stream) in self.watches.remove(path).unwrap_or_default() {
            let mut out = (-1_i32).to_be_bytes().to_vec();
            out.extend_from_slice(&self.zxid.to_be_bytes());
            for field in [0, kind, 3] {
                out.extend_from_slice(&i32::to_be_bytes(field));
            }
            put(&mut out, path.as_bytes());
            send(&mut stream, &out);
        }
    }

    fn stat(&self, path: &str) -> Vec<u8> {
        let node = &self.nodes[path];
        let mut out = 1_i64.to_be_bytes().to_vec();
        out.extend_from_slice(&node.mzxid.to_be_bytes());
        out.extend_from_slice(&[0; 16]);
        out.extend_from_slice(&node.version.to_be_bytes());
        out.extend_from_slice(&[0; 16]);
        out.extend_from_slice(&(node.data.len() as i32).to_be_bytes());
        out.extend_from_slice(&[0; 12]);
        out
    }

    fn query(
        &mut self,
        opcode: i32,
        input: &mut In<'_>,
        session: i64,
        stream: &TcpStream,
    ) -> (i32, Vec<u8>) {
        let (path, watch) = (input.text(), input.byte());
        let Some(node) = self.nodes.get(&path) else { return (-101, Vec::new()) };
        let mut out = Vec::new();
        match opcode {
            4 => put(&mut out, &node.data),
            8 => {
                let names = self.children(&path);
                out.extend_from_slice(&(names.len() as i32).to_be_bytes());
                names.iter().for_each(|name| put(&mut out, name.as_bytes()));
            }
            _ => {}
        }
        if opcode != 8 {
            out.extend_from_slice(&self.stat(&path));
        }
        if watch != 0 {
            let stream = stream.try_clone().unwrap();
            self.watches.entry(path).or_default().push((session, stream));
        }
        (0, out)
    }

    fn set(&mut self, input: &mut In<'_>) -> (i32, Vec<u8>) {
        self.zxid += 1;
        let (path, data) = (input.text(), input.bytes());
        input.int();
        let zxid = self.zxid;
        let Some(node) = self.nodes.get_mut(&path) else { return (-101, Vec::new()) };
        node.mzxid = zxid;
        if !self.lossy {
            node.data = data;
        }
        node.version += 1;
        self.fire(&path, 3);
        (0, self.stat(&path))
    }

    fn multi(&mut self, input: &mut In<'_>) -> (i32, Vec<u8>) {
        let mut out = Vec::new();
        let zxid = self.zxid + 1;
        loop {
            let (opcode, done) = (input.int(), input.byte());
            input.int();
            out.extend_from_slice(&opcode.to_be_bytes());
            out.push(done);
            if done == 1 {
                out.extend_from_slice(&(-1_i32).to_be_bytes());
                return (0, out);
            }
            assert_eq!(opcode, 5);
            self.zxid = zxid - 1;
            let (err, stat) = self.set(input);
            assert_eq!(err, 0);
            out.extend_from_slice(&0_i32.to_be_bytes());
            out.extend_from_slice(&stat);
        }
    }

    fn close(&mut self, session: i64) -> (i32, Vec<u8>) {
        self.zxid += 1;
        let mine = |(path, node): (&String, &Znode)| (node.owner == session).then(|| path.clone());
        for path in self.nodes.iter().filter_map(mine).collect::<Vec<_>>() {
            self.nodes.remove(&path);
            self.fire(&path, 2);
        }
        for watchers in self.watches.values_mut() {
            watchers.retain(|(owner, _)| *owner != session);
        }
        (0, Vec::new())
    }
}
