//! Every bound of the server, each with its reason. Configuration may move those marked so.

/// `jute.maxbuffer`: the largest frame, record field or log entry (configuration).
pub const JUTE_MAXBUFFER: usize = 0xf_ffff;

/// Smallest `jute.maxbuffer.extrasize` (BinaryInputArchive.minExtraSize).
pub const JUTE_EXTRA_MIN: usize = 1024;

/// Bytes of a record field that a server with ZooKeeper's defaults reads: `jute.maxbuffer` and an
/// extra size as large.
pub const READ_DEFAULT: usize = 2 * JUTE_MAXBUFFER;

/// The least that another server is believed to read: whoever says less would keep everybody from
/// writing.
pub const READ_LEAST: usize = 16 << 10;

/// A connection that has not finished the handshake by then is dropped
/// (`zookeeper.nio.sessionlessCnxnTimeout`, configuration).
pub const SESSIONLESS_MS: i64 = 10_000;

/// A TLS handshake that is not done so long after its first byte is ended
/// (`ssl.handshakeDetectionTimeoutMillis`, configuration).
pub const HANDSHAKE_MS: i64 = 5_000;

/// Steps of TLS handshakes, of all connections of a core, in one turn of its transport. A step is a
/// signature and an exchange of keys: a fifth of a millisecond with keys on curves, one with RSA's. So a
/// flood of handshakes costs other clients of the core eight milliseconds a turn.
pub const HANDSHAKES_PER_TURN: usize = 8;

/// Bytes of a TLS handshake that wait for their step before the connection is no longer read. An honest
/// client's certificates come to a tenth of it.
pub const HANDSHAKE_BYTES: usize = 64 << 10;

/// Bytes of a SASL token (the JDK's DigestMD5Base.MAX_RESPONSE_LENGTH). Between two tokens a connection
/// keeps a nonce.
pub const SASL_TOKEN_BYTES: usize = 4096;

/// Bytes of a JAAS file. One of a thousand users comes to a tenth.
pub const JAAS_BYTES: usize = 1 << 20;

/// Connections of one address (`maxClientCnxns`, configuration).
pub const CLIENT_CNXNS_MAX: u32 = 60;

/// Requests between receive and reply before connections that have one are no longer read
/// (`globalOutstandingLimit`, configuration).
pub const GLOBAL_OUTSTANDING: usize = 1000;

/// Whether an amount has come to its bound. Two parties that wait for one another at a bound have to
/// agree about the amount that is exactly the bound: each of them asks here.
pub const fn reached(amount: usize, bound: usize) -> bool {
    amount >= bound
}

/// Bytes queued towards one client before its requests are no longer carried out. The answer that
/// comes to it is still queued whole, however large it is.
pub const OUTBOUND_PAUSE: usize = 4 << 20;

/// Bytes queued towards one client before it has to show that it reads: events go on arriving for a
/// reader that has stopped, and memory for them must end somewhere (Java has no bound here).
pub const OUTBOUND_CLOSE: usize = 64 << 20;

/// Bytes queued towards all clients of the server before those that hold the most are closed, and of
/// how many every connection is sure: sixty readers that have stopped would hold four gigabytes, each
/// within its own bound.
pub const OUTBOUND_ALL: usize = 384 << 20;
/// Of how many of [`OUTBOUND_ALL`]'s kind each connection is sure.
pub const OUTBOUND_SURE: usize = 1 << 20;

/// Bytes of output after which it is looked how much is queued in all: of one core where there is
/// one. With more each looks sooner, but never before it has made so many for each connection, or
/// looking would cost more than making.
pub const OUTBOUND_LOOK: usize = 16 << 20;
/// The least of it, in bytes.
pub const OUTBOUND_LOOK_LEAST: usize = 1 << 20;
/// The bytes made for each connection before.
pub const OUTBOUND_LOOK_EACH: usize = 1 << 10;

/// Requests one connection may have waiting for answers, each step of a multi counted: enough for any
/// pipeline that still gains by being longer. Whoever sends long multis has one under way at a time,
/// and others' requests wait for no more than one of each.
pub const LINE_REQUESTS: usize = 4096;

/// Bytes of frames one connection may have waiting behind a write.
pub const LINE_BYTES: usize = 1 << 20;

/// Entries a mailbox between two cores holds before its sender must wait.
pub const MAILBOX_CAPACITY: usize = 65_536;

/// What a role takes on in one step of a turn before it looks at everything else again: an operation
/// counts one, and so do so many bytes. A few milliseconds of work; more than the requests that are
/// usually under way, so that batches are as long as they ever were.
pub const TURN_WORK: usize = 4096;
/// The bytes that count one.
pub const WORK_BYTES: usize = 1024;

/// Bytes of a request that count for one operation: what a client writes becomes texts and lists,
/// one by one, before anything is done with them.
pub const REQUEST_BYTES: usize = 256;

/// Entries of access lists that count for one operation, read through or written; and ephemerals or
/// nodes that are looked at for an answer.
pub const WORK_ENTRIES: usize = 16;

/// Entries of long access lists that are read for one request: each step of a multiRead, a multi or a
/// setWatches may name a node with another list. A list that has been read is known; the first is
/// read whatever its length.
pub const REQUEST_ENTRIES: usize = 1 << 20;

/// Bytes of packets from other servers that may wait for the next turn.
pub const PEER_EVENTS_BYTES: usize = 4 << 20;

/// Bytes of events a network core makes before it lets its sockets have them, and reads in between.
pub const TURN_EVENTS: usize = 1 << 20;

/// Records one flush may carry (`zookeeper.maxBatchSize`, configuration).
pub const LOG_BATCH: usize = 1000;

/// Log preallocation in bytes (`zookeeper.preAllocSize`, configuration, given there in KiB).
pub const LOG_PREALLOC: u64 = 65_536 * 1024;

/// Transactions kept after commit for learner sync (`zookeeper.commitLogCount`, configuration).
pub const COMMITTED_LOG: usize = 500;

/// Bytes of transactions kept after commit for learner sync: 500 of the largest would be half a
/// gigabyte, and a learner that lacks them reads the log as well.
pub const WINDOW_BYTES: usize = 64 << 20;

/// Access lists of removed nodes that a shard of the tree remembers, and how long one may be: whoever
/// takes a watch up again after that is told of the removal as of a path that never was.
pub const GONE_LISTS: usize = 32;
/// The longest, in bytes.
pub const GONE_LIST_BYTES: usize = 1024;

/// Bytes of the text of a quota's limits or stats node. Java's own is a few dozen; every write
/// beneath the limits reads it.
pub const QUOTA_TEXT: usize = 1024;

/// Sub-operations of one multiRead (`zookeeper.multiRead.maxOps`, configuration).
pub const MULTI_READ_OPS: usize = 1000;

/// Bytes of data and names that one multiRead may gather (`zookeeper.multiRead.maxResponseBytes`,
/// configuration).
pub const MULTI_READ_BYTES: usize = 64 << 20;

/// Bytes of one answer, whatever is configured: its length has 31 bits.
pub const ANSWER_BYTES: usize = 1 << 30;

/// Identities one connection may prove by `addAuth`, and bytes of their text. Each of its writes
/// carries them to the leader, and "auth" in a list stands for all of them; Java has no bound.
pub const IDENTITIES: usize = 1024;
/// The bytes of their text.
pub const IDENTITY_BYTES: usize = 256 << 10;

/// Bytes of such identities on the server, and of how many every connection is sure besides.
pub const IDENTITY_BYTES_ALL: usize = 64 << 20;
/// The bytes that are sure.
pub const IDENTITY_BYTES_SURE: usize = 4 << 10;

/// Identities a request may carry from a learner to the leader. Far more than a server of ours
/// takes from a client (I14): a Java follower has no bound, and a packet that is refused costs its
/// link. What holds is the bytes of their text, a packet's own bound.
pub const FORWARDED_IDENTITIES: usize = 65_536;

const _: () = assert!(IDENTITIES < FORWARDED_IDENTITIES);
const _: () = assert!(IDENTITY_BYTES + IDENTITY_BYTES_SURE < JUTE_MAXBUFFER);

/// What a watch takes beside the text of its path.
pub const WATCH_COST: usize = 64;

/// Bytes of watches that one connection may hold, each with the text of its path: more than a
/// million of usual length. Java has no bound.
pub const WATCH_BYTES: usize = 128 << 20;

/// Bytes of watches on the server, where a path counts once for each core, and of how many every
/// connection is sure besides.
pub const WATCH_BYTES_ALL: usize = 512 << 20;
/// The bytes that are sure.
pub const WATCH_BYTES_SURE: usize = 1 << 20;

/// Bytes of requests that one connection may have with the control core, and those of all
/// connections of a server. One request of each is always taken.
pub const OPEN_BYTES: usize = 16 << 20;
/// Those of all.
pub const OPEN_BYTES_ALL: usize = 256 << 20;

/// A server's bytes of one kind are given out to its cores in so many pieces: a core asks for the next
/// one seldom, and what it has and does not use is little.
pub const POOL_PIECES: usize = 1024;

/// Bytes of requests that have come and are not begun with, over all connections of a server: frames
/// that are not whole yet, and those that wait in their lines. Of how many each connection is sure
/// besides. Each connection may hold some megabytes of them.
pub const REQUEST_BYTES_ALL: usize = 256 << 20;
/// The bytes that are sure.
pub const REQUEST_BYTES_SURE: usize = 128 << 10;

/// Sessions of an ensemble, or of a server on its own, from which on it makes no new ones
/// (configuration): each stays for its timeout, whatever becomes of its client.
pub const SESSIONS: usize = 1 << 20;

/// Bytes of the answer to a four-letter word that lists watches, sessions or ephemerals.
pub const WORD_BYTES: usize = 64 << 20;

/// Connections of the management plane: some scrapers, some people, and a probe or two. One that comes
/// beyond takes the place of the one that has been idle for longest.
pub const PLANE_CONNECTIONS: usize = 64;

/// Bytes of a request line and its headers there (Jetty's `requestHeaderSize`), and headers.
pub const PLANE_HEAD_BYTES: usize = 8192;
/// The number of headers.
pub const PLANE_HEADERS: usize = 64;

/// Bytes of a request's body there: a line of JSON.
pub const PLANE_BODY_BYTES: usize = 4096;

/// Milliseconds in which a request's head has to come there, and then its body: whoever sends one byte
/// a second ends with it.
pub const PLANE_HEAD_MS: u64 = 10_000;
/// Its body.
pub const PLANE_BODY_MS: u64 = 10_000;

/// Milliseconds that an answer may take there, waiting for others' included; and those that a snapshot
/// may, which is written first.
pub const PLANE_ANSWER_MS: u64 = 30_000;
/// A snapshot's.
pub const PLANE_SNAPSHOT_MS: u64 = 3_600_000;

/// Milliseconds without a byte either way after which a connection there ends, where
/// `admin.idleTimeout` gives no less.
pub const PLANE_IDLE_MS: u64 = 600_000;

/// Bytes of a listing there, and how many answers with one there are at a time: they lie in memory until
/// their readers have taken them.
pub const PLANE_LISTING_BYTES: usize = 16 << 20;
/// Those at a time.
pub const PLANE_LISTINGS: usize = 2;

/// What the page for people shows of a node at once: so many children and so many entries of its list …
pub const PAGE_CHILDREN: usize = 200;
/// … whose texts have so many bytes, of each of the two …
pub const PAGE_TEXT_BYTES: usize = 64 << 10;
/// … and so many bytes of its data.
pub const PAGE_DATA_BYTES: usize = 16 << 10;

/// Bytes of a snapshot that are read at a time to be sent there.
pub const PLANE_CHUNK_BYTES: usize = 256 << 10;

/// Connections that a network core is told at once to close for `shed_connections`.
pub const PLANE_SHED: usize = 256;

/// Bytes of records that wait for the audit log's thread, before more of them are lost, counted and
/// reported: a disk that hangs for seconds under a usual load loses none.
pub const AUDIT_BYTES: usize = 32 << 20;

/// Lines of a configuration text, and servers of its groups. Reading takes the square of it at
/// worst, and texts come from other servers too.
pub const CONFIGURATION_LINES: usize = 4096;

/// Bytes of packets a learner keeps while its disk is at work, before it stops reading from the
/// leader.
pub const LEARNER_HELD_PAUSE: usize = 1 << 20;

/// Connections to a leader's quorum port, learners and those that have not said what they are. The
/// oldest that has not shown that it follows makes way.
pub const LEARNERS: usize = 1024;

/// The last epoch: a zxid must stay positive, and there is nothing behind it.
pub const EPOCH_LAST: u32 = 0x7fff_fff0;

/// How far beyond its own a leader believes what another server says it has promised. So many
/// elections may have failed while this server was away; a number beyond is an error or a lie, and
/// would use up the epochs, of which there is no second set.
pub const EPOCH_JUMP: u32 = 1 << 16;

/// The same for the rounds of an election.
pub const ROUND_JUMP: i64 = 1 << 32;

/// Bytes on their way to one learner before what is proposed waits for its link: enough to keep any
/// link busy. What it lacks then is sent from the window and the log as the link drains.
pub const LEARNER_BYTES: usize = 16 << 20;

/// Bytes unsent on one connection between servers, beside two of the largest packets, before it is
/// closed. The roles keep far below: this is for their mistakes alone.
pub const PEER_OUTBOUND: usize = 256 << 20;

/// Bytes on their way to a learner in synchronisation before the rest of the history waits: a
/// slow one holds no more than this, however much it lacks.
pub const SYNC_BYTES: usize = 4 << 20;

/// Proposals, and their bytes, that wait for a quorum before no more requests are taken.
pub const OUTSTANDING_PROPOSALS: usize = 65_536;
/// Their bytes.
pub const OUTSTANDING_BYTES: usize = 128 << 20;

/// Requests of a learner's clients that are with its leader, and their bytes, before the next ones
/// wait.
pub const FORWARDED_REQUESTS: usize = 32_768;
/// Their bytes.
pub const FORWARDED_BYTES: usize = 32 << 20;

/// Bytes given to the own log and not durable before a leader takes no more requests, and a learner
/// no more packets: others may agree on any amount meanwhile.
pub const LOG_WAITING_BYTES: usize = 64 << 20;

/// Bytes of requests that the control core begins with in one turn: between two, other servers are
/// heard, and what is proposed leaves.
pub const TURN_BYTES: usize = 4 << 20;

/// Sessions that are closed in one turn because their time is up.
pub const TURN_EXPIRED: usize = 1000;

/// Synchronisations at the same time (`zookeeper.leader.maxConcurrentSnapSyncs`, `…DiffSyncs`,
/// configuration). Observers beyond are refused; voters never are.
pub const SNAP_SYNCS: usize = 10;
/// Those from the log or from memory.
pub const DIFF_SYNCS: usize = 100;

/// From this counter on a leader takes no new work, so that what is on its way finishes and
/// another epoch begins with nothing lost. Far more numbers are left than requests can be on
/// their way.
pub const HANDOVER_COUNTER: u32 = 0xff00_0000;

/// Bytes of the log on disk that are read at once for a learner: little beside what a link may
/// have waiting, enough that reading is no hop per entry.
pub const LOG_CHUNK_BYTES: usize = 1 << 20;
