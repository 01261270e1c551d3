//! Four-letter words: what the client port answers to `ruok` and its kin
//! (tools/docs/reference/operations.md section 4).
//!
//! Texts are those of org.apache.zookeeper.server.command; only the version's suffix is ours.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::conf::EnsembleFacts;
use super::listings::SessionLists;
use super::machine::ProcessFigures;
use super::prometheus::{Names, Page};
use super::version::{BUILT, VERSION};
use super::{listings, machine, metrics};
use crate::codec::request::OpCode;
use crate::metrics::catalogue::Sources;
use crate::metrics::gauges::{ConnGauges, Gauges, NO_OP};
use crate::metrics::quorum::Mode;
use crate::tree::Tree;
use crate::types::{ConnId, Millis};

/// Every word a connection may begin with, enabled or not.
pub const WORDS: [&str; 20] = [
    "conf", "cons", "crst", "dirs", "dump", "envi", "gtmk", "hash", "isro", "mntr", "ruok", "srst",
    "srvr", "stat", "stmk", "topn", "wchc", "wchp", "wchs", "lead",
];

/// What the words may tell, and what they need for it.
pub struct Commands {
    /// The figures.
    pub gauges: Arc<Gauges>,
    /// For counts, sizes and the digest.
    pub tree: Arc<Tree>,
    /// The words that are answered.
    pub whitelist: Whitelist,
    /// What `conf` shows.
    pub facts: ShownSettings,
}

/// Settings shown by `conf`.
#[derive(Clone, Debug, Default)]
pub struct ShownSettings {
    /// The port that was asked for, not one that the kernel chose.
    pub client_port: i64,
    /// Likewise, of the port for TLS alone. Either is -1 where there is none.
    pub secure_client_port: i64,
    /// Snapshots lie in `version-2` below it.
    pub data_dir: PathBuf,
    /// Logs lie in `version-2` below it.
    pub log_dir: PathBuf,
    /// Milliseconds.
    pub tick_time: i64,
    /// From one address; 0: no bound.
    pub max_client_cnxns: i64,
    /// Milliseconds.
    pub min_session_timeout: i64,
    /// Milliseconds.
    pub max_session_timeout: i64,
    /// Connections that may wait to be accepted.
    pub backlog: i64,
    /// 0 for a server on its own.
    pub server_id: i64,
    /// `None`: a server on its own.
    pub ensemble: Option<EnsembleFacts>,
    /// Where clients come to, as a line of an ensemble names it.
    pub client_address: String,
    /// Connections without a session end after this long.
    pub sessionless_ms: i64,
}

/// `4lw.commands.whitelist`.
#[derive(Clone, Debug)]
pub struct Whitelist(BTreeSet<String>);

impl Whitelist {
    /// A comma list of words, or `*`.
    pub fn new(text: &str) -> Whitelist {
        if text.trim() == "*" {
            return Whitelist(WORDS.iter().map(|w| w.to_string()).collect());
        }
        Whitelist(text.split(',').map(|w| w.trim().to_string()).collect())
    }
    /// Whether it is answered.
    pub fn allows(&self, word: &str) -> bool {
        self.0.contains(word)
    }
}

/// The word these four bytes are, if they are one. 0xFFF4FFFD is what telnet sends on interrupt.
pub fn recognise(first: [u8; 4]) -> Option<&'static str> {
    if first == [0xff, 0xf4, 0xff, 0xfd] {
        return Some("telnet close");
    }
    WORDS.iter().copied().find(|word| word.as_bytes() == first && *word != "lead")
}

const NOT_SERVING: &str = "This ZooKeeper instance is not currently serving requests\n";

/// Bytes that Java sends of a word's answer at a time, each time counting a packet.
const PACKET_BYTES: usize = 8192;

/// Connections of a core that are looked at under its lock.
const SLICE: usize = 256;

/// Packets that an answer counts as in the figures.
pub fn packets(text: &str) -> i64 {
    text.len().div_ceil(PACKET_BYTES) as i64
}

impl Commands {
    /// Words whose answer needs files, every connection, or what roles keep to themselves: they
    /// are answered away from the network cores (`node::slow_commands`).
    pub fn takes_time(&self, word: &str) -> bool {
        let slow = [
            "cons", "conf", "crst", "dirs", "dump", "envi", "mntr", "stat", "topn", "wchc", "wchp",
        ];
        slow.contains(&word) && self.whitelist.allows(word) && self.is_serving()
    }

    /// Whether requests are served.
    pub fn is_serving(&self) -> bool {
        self.serving_as().is_some()
    }

    /// As what they are served, at one moment; `None`: they are not.
    pub(in crate::admin) fn serving_as(&self) -> Option<Mode> {
        let mode = self.gauges.quorum.serving_as();
        mode.filter(|_| self.gauges.running.load(Ordering::Relaxed))
    }

    /// What this server's role and settings have `dump` list.
    pub fn session_lists(&self) -> SessionLists {
        let local = self.facts.ensemble.as_ref().is_some_and(|facts| facts.local_sessions);
        match (self.gauges.quorum.mode(), local) {
            (Mode::Standalone, _) | (Mode::Leader, false) => SessionLists::Deciding,
            (Mode::Leader, true) => SessionLists::DecidingWithLocal,
            (Mode::Looking | Mode::Follower | Mode::Observer | Mode::ReadOnly, false) => {
                SessionLists::Learning
            }
            (Mode::Looking | Mode::Follower | Mode::Observer | Mode::ReadOnly, true) => {
                SessionLists::LearningWithLocal
            }
        }
    }

    /// The whole answer, but for `dump`, `wchc` and `wchp`, which the thread for slow
    /// commands writes. `client` is the connection itself, which lists show without interest.
    pub fn answer(&self, word: &str, now: Millis, client: &ConnGauges) -> String {
        if word == "telnet close" {
            return String::new();
        }
        if !self.whitelist.allows(word) {
            return format!("{word} is not executed because it is not in the whitelist.\n");
        }
        let serving = self.serving_as();
        match word {
            "ruok" => return "imok".to_string(),
            "isro" => {
                let word = match serving {
                    None => "null",
                    Some(Mode::ReadOnly) => "ro",
                    Some(_) => "rw",
                };
                return word.to_string();
            }
            "gtmk" | "stmk" => return self.gauges.trace_mask.get().to_string(),
            "envi" => return machine::environment(),
            _ => {}
        }
        let Some(mode) = serving else { return NOT_SERVING.to_string() };
        match word {
            "srvr" => self.server(mode, None),
            "stat" => self.server(mode, Some(client)),
            "mntr" => self.monitor(mode, now),
            "conf" => self.configuration(),
            "cons" => self.connections(client),
            "dirs" => self.directories(),
            "wchs" => self.watch_summary(),
            "hash" => listings::digests(&self.tree.digest_history()),
            "crst" => {
                self.each_connection(ConnGauges::reset);
                "Connection stats reset.\n".to_string()
            }
            "srst" => {
                self.gauges.reset();
                "Server stats reset.\n".to_string()
            }
            // Those of the thread for slow commands: the server began to serve this very moment.
            _ => NOT_SERVING.to_string(),
        }
    }

    /// All connections, core by core.
    pub fn each_connection(&self, mut f: impl FnMut(&ConnGauges)) {
        for core in &self.gauges.cores {
            let mut after = Bound::Unbounded;
            loop {
                // The core waits for its lock when a client comes or goes.
                let conns = core.conns.lock();
                let slice = conns.range((after, Bound::Unbounded)).take(SLICE);
                let slice: Vec<(ConnId, Arc<ConnGauges>)> =
                    slice.map(|(id, conn)| (*id, conn.clone())).collect();
                drop(conns);
                let Some((last, _)) = slice.last() else { break };
                after = Bound::Excluded(*last);
                slice.iter().for_each(|(_, conn)| f(conn));
            }
        }
    }

    pub(super) fn connection_count(&self) -> usize {
        self.gauges.cores.iter().map(|core| core.conns.lock().len()).sum()
    }

    fn server(&self, mode: Mode, clients_for: Option<&ConnGauges>) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "Zookeeper version: {VERSION}, {BUILT}");
        if mode == Mode::ReadOnly {
            out.push_str("READ-ONLY mode; serving only read-only clients\n");
        }
        if let Some(client) = clients_for {
            out.push_str("Clients:\n");
            self.each_connection(|conn| {
                brief(&mut out, conn, std::ptr::eq(conn, client));
                out.push_str(")\n");
            });
            out.push('\n');
        }
        let latency = self.gauges.latency();
        let _ = writeln!(
            out,
            "Latency min/avg/max: {}/{}/{}",
            latency.min(),
            metrics::decimal(latency.average()),
            latency.max()
        );
        let _ = writeln!(out, "Received: {}", self.gauges.sum(|c| &c.received));
        let _ = writeln!(out, "Sent: {}", self.gauges.sum(|c| &c.sent));
        let _ = writeln!(out, "Connections: {}", self.connection_count());
        let _ = writeln!(out, "Outstanding: {}", self.gauges.outstanding.get());
        let _ = writeln!(out, "Zxid: {}", self.tree.applied());
        let _ = writeln!(out, "Mode: {}", mode.word());
        let _ = writeln!(out, "Node count: {}", self.tree.node_count());
        if let Some(sizes) = self.gauges.quorum.proposal_sizes() {
            let _ = writeln!(out, "Proposal sizes last/min/max: {sizes}");
        }
        out
    }

    pub(super) fn monitor(&self, mode: Mode, now: Millis) -> String {
        let mut out = String::new();
        metrics::write_all(&mut out, &self.sources(&format!("{VERSION}, {BUILT}"), mode, now));
        out
    }

    /// A page of metrics; `wanted` names those that are, or is empty.
    pub fn metrics(
        &self,
        now: Millis,
        names: Names,
        wanted: BTreeSet<String>,
        process: Option<ProcessFigures>,
    ) -> String {
        let version = format!("{VERSION}, {BUILT}");
        let mode = self.gauges.quorum.mode();
        Page { sources: self.sources(&version, mode, now), names, wanted, process }.text()
    }

    /// Where the metrics of this moment come from.
    pub(super) fn sources<'a>(&'a self, version: &'a str, mode: Mode, now: Millis) -> Sources<'a> {
        Sources {
            gauges: &self.gauges,
            tree: &self.tree,
            version,
            connections: self.connection_count() as i64,
            descriptors: machine::descriptors(),
            mode,
            now,
        }
    }

    fn configuration(&self) -> String {
        let facts = &self.facts;
        let mut out = String::new();
        let mut put = |name: &str, value: &dyn std::fmt::Display| {
            let _ = writeln!(out, "{name}={value}");
        };
        let client_port = self.gauges.quorum.client_port().map_or(facts.client_port, i64::from);
        put("clientPort", &client_port);
        put("secureClientPort", &facts.secure_client_port);
        put("dataDir", &facts.data_dir.display());
        put("dataDirSize", &machine::folder_bytes(&facts.data_dir));
        put("dataLogDir", &facts.log_dir.display());
        put("dataLogSize", &machine::folder_bytes(&facts.log_dir));
        put("tickTime", &facts.tick_time);
        put("maxClientCnxns", &facts.max_client_cnxns);
        put("minSessionTimeout", &facts.min_session_timeout);
        put("maxSessionTimeout", &facts.max_session_timeout);
        put("clientPortListenBacklog", &facts.backlog);
        put("serverId", &facts.server_id);
        if let Some(ensemble) = &facts.ensemble {
            ensemble.write(&mut out, &self.gauges.quorum);
        }
        out
    }

    fn connections(&self, client: &ConnGauges) -> String {
        let mut out = String::new();
        self.each_connection(|conn| {
            brief(&mut out, conn, std::ptr::eq(conn, client));
            full(&mut out, conn);
            out.push_str(")\n");
        });
        out.push('\n');
        out
    }

    fn directories(&self) -> String {
        format!(
            "datadir_size: {}\nlogdir_size: {}\n",
            machine::folder_bytes(&self.facts.data_dir),
            machine::folder_bytes(&self.facts.log_dir)
        )
    }

    fn watch_summary(&self) -> String {
        format!(
            "{} connections watching {} paths\nTotal watches:{}\n",
            self.gauges.sum(|c| &c.watching_conns),
            self.gauges.sum(|c| &c.watched_paths),
            self.gauges.sum(|c| &c.data_watches)
        )
    }
}

/// ServerCnxn.dumpConnectionInfo: the part every list has, still open at the end.
fn brief(out: &mut String, conn: &ConnGauges, is_client: bool) {
    let _ = write!(
        out,
        " /{}[{}](queued={},recved={},sent={}",
        listings::address(conn.peer),
        if is_client { 0 } else { 1 },
        conn.queued.get(),
        conn.received.get(),
        conn.sent.get()
    );
}

fn full(out: &mut String, conn: &ConnGauges) {
    if conn.session.get() == 0 {
        return;
    }
    let _ = write!(
        out,
        ",sid=0x{:x},lop={},est={},to={}",
        conn.session.get(),
        op_code_word(conn.last_op.get()),
        conn.established.0,
        conn.timeout.get()
    );
    if conn.last_cxid.get() >= 0 {
        let _ = write!(out, ",lcxid=0x{:x}", conn.last_cxid.get());
    }
    let count = conn.latency_count.get();
    let _ = write!(
        out,
        ",lzxid=0x{:x},lresp={},llat={},minlat={},avglat={},maxlat={}",
        conn.last_zxid.get(),
        conn.last_response.get(),
        conn.last_latency.get(),
        if count == 0 { 0 } else { conn.latency_min.get() },
        if count == 0 { 0 } else { conn.latency_sum.get() / count },
        conn.latency_max.get()
    );
}

/// Request.op2String as `cons` abbreviates it.
pub(super) fn op_code_word(op: i64) -> &'static str {
    if op == NO_OP {
        return "NA";
    }
    let Ok(op) = OpCode::try_from(op as i32) else { return "NA" };
    match op {
        OpCode::CreateSession => "SESS",
        OpCode::Create | OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => "CREA",
        OpCode::Delete | OpCode::DeleteContainer => "DELE",
        OpCode::Exists => "EXIS",
        OpCode::GetData => "GETD",
        OpCode::SetData => "SETD",
        OpCode::GetAcl => "GETA",
        OpCode::SetAcl => "SETA",
        OpCode::GetChildren | OpCode::GetChildren2 => "GETC",
        OpCode::GetAllChildrenNumber => "GETACN",
        OpCode::Sync => "SYNC",
        OpCode::Ping => "PING",
        OpCode::CloseSession => "CLOS",
        OpCode::SetWatches => "SETW",
        OpCode::SetWatches2 => "STW2",
        OpCode::AddWatch => "ADDW",
        OpCode::CheckWatches => "CHKW",
        OpCode::RemoveWatches => "REMW",
        OpCode::Multi => "MULT",
        OpCode::MultiRead => "MLTR",
        OpCode::Reconfig => "RECO",
        OpCode::Check => "CHEC",
        OpCode::GetEphemerals => "GETE",
        OpCode::WhoAmI => "HOMI",
        OpCode::Notification | OpCode::Auth | OpCode::Sasl | OpCode::Error => "NA",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whitelist_knows_lists_and_the_star() {
        let some = Whitelist::new("srvr, ruok");
        assert!(some.allows("ruok") && some.allows("srvr") && !some.allows("stat"));
        assert!(Whitelist::new("*").allows("stat"));
    }

    #[test]
    fn words_are_told_from_lengths() {
        assert_eq!(recognise(*b"ruok"), Some("ruok"));
        assert_eq!(recognise([0, 0, 0, 45]), None);
        assert_eq!(recognise([0xff, 0xf4, 0xff, 0xfd]), Some("telnet close"));
    }
}
