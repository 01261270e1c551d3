//! What one seed's world is like: everything a server's settings, a disk or a client may vary in.

use ringkeeper::snapshot::pack::Compression;
use ringkeeper::types::limits;
use ringkeeper::types::throttles::RequestThrottle;

use crate::rng::Rng;

/// A line, in bytes per millisecond, that carries any world's tree within the shortest `initLimit`.
pub const WIDE_BYTES_MS: i64 = 10_000;

#[derive(Clone, Debug)]
pub struct Knobs {
    pub servers: usize,
    pub clients: usize,
    /// How long the storm lasts, in microseconds.
    pub storm_us: i64,
    /// Faults in it.
    pub faults: usize,
    pub tick_ms: i64,
    pub cores: usize,
    pub shards: usize,
    pub extended_types: bool,
    pub direct_io: bool,
    pub prealloc: i64,
    /// Steps of preparation: first and later.
    pub steps: (u64, u64),
    pub size_limit: i64,
    pub snap_count: u32,
    pub max_batch: i32,
    pub flush_delay_ms: i64,
    /// Nodes in a slice of a snapshot.
    pub snapshot_slice: usize,
    pub compression: Compression,
    pub retain: usize,
    pub one_folder: bool,
    /// Usual time of a batch on the disk, in microseconds.
    pub disk_us: i64,
    /// Usual time between two servers or a server and a client.
    pub net_us: i64,
    /// Usual time until a role that has mail looks into it.
    pub turn_us: i64,
    /// Between two requests of a client.
    pub pace_us: i64,
    /// Requests a client keeps on their way.
    pub pipeline: usize,
    pub container_check_ms: i64,
    pub frame_max: usize,
    /// Of the servers, those without a vote: the last ones.
    pub observers: usize,
    pub init_ticks: i64,
    pub sync_ticks: i64,
    /// Committed transactions a leader keeps in memory.
    pub window: usize,
    pub force_snapshot: bool,
    pub use_log: bool,
    /// Bytes of the log read at once for a learner.
    pub chunk_bytes: usize,
    pub handover_counter: u32,
    /// Sessions are a server's own until their first ephemeral, and stay so without `upgrading`.
    pub local_sessions: bool,
    pub upgrading: bool,
    /// Clients come as from a ZooKeeper leader, which has shown them its epoch's first zxid.
    pub epochs_seen: bool,
    /// Every other client writes little, and asks for what is newest before it reads.
    pub onlookers: bool,
    /// Bytes unsent from which on a client's requests wait.
    pub outbound_pause: usize,
    /// Of so many connections one is read slowly.
    pub slow_readers: u64,
    /// Configurations may change: what another voter says of a newer one is believed.
    pub reconfig: bool,
    /// The largest data that clients write, in bytes; 0: what is usual.
    pub heavy_bytes: u64,
    /// Bytes that cross between two servers in a millisecond; 0: any number.
    pub link_bytes_ms: i64,
    /// Bytes that a socket between servers holds, at each of its ends.
    pub socket_bytes: u64,
    /// What may be on its way to a learner before proposals wait; see `SyncRules`.
    pub live_bytes: usize,
    pub sync_bytes: usize,
    /// Few requests may be under way at once.
    pub throttle: Option<RequestThrottle>,
    /// Nothing goes wrong: then no link between servers ends, however busy it is.
    pub calm: bool,
}

/// How much happens, and for how long.
struct Size {
    servers: usize,
    clients: usize,
    storm_us: i64,
    pipeline: usize,
    pace_us: i64,
}

impl Size {
    fn draw(rng: &mut Rng, servers: Option<usize>) -> Size {
        let drawn = rng.one_of([1, 3, 3, 3, 5, 4, 7]);
        let servers = servers.unwrap_or(drawn);
        let storm_us = rng.between(2_000_000, 20_000_000);
        let clients = match rng.below(10) {
            0 => rng.between(8, 40),
            _ => rng.between(1, 6),
        };
        let pipeline = rng.between(1, 8);
        // What a world costs are its requests: a few hundred find as much as many thousands.
        let requests = rng.one_of([60, 200, 200, 500]);
        // A client asks for half its pipeline at a time, and its pauses are long now and then.
        let pace_us = storm_us * clients * (pipeline + 1) / (2 * requests) / 2;
        let (clients, pipeline) = (clients as usize, pipeline as usize);
        Size { servers, clients, storm_us, pipeline, pace_us }
    }
}

impl Knobs {
    pub fn draw(seed: u64, servers: Option<usize>) -> Knobs {
        let knobs = Knobs::with_usual_links(seed, servers).with_links(&mut Rng::part(seed, 7));
        Knobs { throttle: throttle(&mut Rng::part(seed, 10)), ..knobs }
    }

    fn with_usual_links(seed: u64, servers: Option<usize>) -> Knobs {
        let mut rng = Rng::part(seed, 1);
        let Size { servers, clients, storm_us, pipeline, pace_us } = Size::draw(&mut rng, servers);
        let net_us = rng.one_of([20, 200, 2000, 20_000]);
        // A tick must be long beside the network, or nobody is ever in time.
        let tick_ms = rng.one_of([200, 500, 1000, 2000]).max(net_us / 20);
        Knobs {
            servers,
            clients,
            storm_us,
            faults: rng.between(0, 14) as usize,
            tick_ms,
            cores: rng.between(1, 3) as usize,
            shards: 1 << rng.below(7),
            extended_types: rng.one_in(2),
            direct_io: rng.one_in(2),
            prealloc: rng.one_of([0, 4096, 16384, 65536]),
            steps: rng.one_of([(4096, 4096), (8192, 4096), (16384, 16384)]),
            size_limit: rng.one_of([-1, -1, 4096, 20_000]),
            snap_count: rng.one_of([4, 20, 60, 200, 100_000]),
            max_batch: rng.one_of([1, 3, 10, 1000, 1000]),
            flush_delay_ms: rng.one_of([0, 0, 0, 5]),
            snapshot_slice: rng.one_of([1, 5, 50]),
            compression: rng.one_of([
                Compression::None,
                Compression::None,
                Compression::Gzip,
                Compression::Snappy,
            ]),
            retain: rng.between(3, 5) as usize,
            one_folder: rng.one_in(2),
            disk_us: rng.one_of([20, 100, 1000, 8000]),
            net_us,
            turn_us: rng.one_of([1, 10, 100, 1000]),
            pace_us,
            pipeline,
            container_check_ms: rng.one_of([1000, 5000, 60_000]),
            frame_max: 1 << 20,
            observers: match servers {
                4.. => rng.below(servers as u64 - 2) as usize,
                _ => 0,
            },
            init_ticks: rng.one_of([5, 10]),
            sync_ticks: rng.one_of([2, 5]),
            window: rng.one_of([1, 5, 50, 500]),
            force_snapshot: rng.one_in(6),
            use_log: !rng.one_in(4),
            chunk_bytes: rng.one_of([200, 2000, 100_000]),
            handover_counter: match rng.below(4) {
                // Far enough that all clients can end between two handovers.
                0 => 60 + 10 * clients as u32,
                1 => 200 + 10 * clients as u32,
                _ => 0xff00_0000,
            },
            local_sessions: servers > 1 && rng.one_in(6),
            throttle: None,
            heavy_bytes: 0,
            link_bytes_ms: 0,
            socket_bytes: 1 << 20,
            live_bytes: limits::LEARNER_BYTES,
            sync_bytes: limits::SYNC_BYTES,
            calm: false,
            upgrading: !rng.one_in(3),
            onlookers: rng.one_in(3),
            outbound_pause: rng.one_of([100, 1000, 4 << 20]),
            slow_readers: rng.one_of([2, 10, 1000]),
            reconfig: servers > 1 && rng.one_in(3),
            epochs_seen: servers > 1 && rng.one_in(4),
        }
    }

    /// Links that are always busy, in some worlds: much is written, little passes at a time, and a
    /// learner lags behind what it would take at once elsewhere.
    fn with_links(mut self, rng: &mut Rng) -> Knobs {
        if self.servers == 1 || !rng.one_in(4) {
            return self;
        }
        self.heavy_bytes = rng.one_of([5_000, 40_000]);
        self.link_bytes_ms = rng.one_of([200, 1000, WIDE_BYTES_MS]);
        self.socket_bytes = rng.one_of([1000, 20_000, 1 << 20]);
        self.live_bytes = rng.one_of([1, 5_000, 100_000, limits::LEARNER_BYTES]);
        self.sync_bytes = rng.one_of([1, 2_000, 50_000]);
        self.calm = rng.one_in(3);
        if self.calm {
            self.handover_counter = limits::HANDOVER_COUNTER;
            // A packet now and then takes 40 times as long: a proposal and its answer that both do, twice
            // in a row, are no reason to end a link.
            self.sync_ticks = 5;
        }
        self
    }
}

/// Requests wait until others are answered; those of clients that have gone are dropped, or not.
fn throttle(rng: &mut Rng) -> Option<RequestThrottle> {
    rng.one_in(6).then(|| RequestThrottle {
        max: rng.between(1, 4) as usize,
        drop_stale: rng.one_in(2),
        stale_when_gone: true,
        stale_when_late: false,
        wait_ms_max: None,
    })
}
