//! The commands, by name (Commands' static initialiser; `shed_connections` is 3.10's, `slow` and `top` ours).

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(
    missing_docs,
    reason = "COMMANDS has their names; Commands of ZooKeeper says what each tells"
)]
pub enum Command {
    Configuration,
    ConnectionStatReset,
    Connections,
    Dirs,
    Dump,
    Environment,
    GetTraceMask,
    Hash,
    InitialConfiguration,
    IsReadOnly,
    LastSnapshot,
    Leader,
    Monitor,
    ObserverConnectionStatReset,
    Observers,
    Restore,
    Ruok,
    ServerStats,
    SetTraceMask,
    ShedConnections,
    /// Ours: the slow-operation log.
    Slow,
    Snapshot,
    StatReset,
    Stats,
    SystemProperties,
    /// Ours: who asks for what, most often.
    Top,
    VotingView,
    WatchSummary,
    Watches,
    WatchesByPath,
    ZabState,
}

/// One line of the list.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// What it is.
    pub command: Command,
    /// The primary name, then the aliases.
    pub names: &'static [&'static str],
    /// POST alone runs it; the others GET alone.
    pub is_post: bool,
    /// It is refused while no clients are served (CommandBase.isServerRequired).
    pub needs_service: bool,
    /// It needs all permissions on the root (AuthRequest).
    pub needs_permission: bool,
}

const fn get(command: Command, names: &'static [&'static str]) -> Entry {
    Entry { command, names, is_post: false, needs_service: true, needs_permission: false }
}

const fn always(command: Command, names: &'static [&'static str]) -> Entry {
    Entry { needs_service: false, ..get(command, names) }
}

const fn guarded(command: Command, names: &'static [&'static str], is_post: bool) -> Entry {
    Entry { needs_permission: true, is_post, ..get(command, names) }
}

/// All of them.
pub const COMMANDS: &[Entry] = &[
    get(Command::Configuration, &["configuration", "conf", "config"]),
    get(Command::ConnectionStatReset, &["connection_stat_reset", "crst"]),
    get(Command::Connections, &["connections", "cons"]),
    get(Command::Dirs, &["dirs"]),
    get(Command::Dump, &["dump"]),
    always(Command::Environment, &["environment", "env", "envi"]),
    always(Command::GetTraceMask, &["get_trace_mask", "gtmk"]),
    get(Command::Hash, &["hash"]),
    get(Command::InitialConfiguration, &["initial_configuration", "icfg"]),
    get(Command::IsReadOnly, &["is_read_only", "isro"]),
    get(Command::LastSnapshot, &["last_snapshot", "lsnp"]),
    get(Command::Leader, &["leader", "lead"]),
    always(Command::Monitor, &["monitor", "mntr"]),
    get(Command::ObserverConnectionStatReset, &["observer_connection_stat_reset", "orst"]),
    get(Command::Observers, &["observers", "obsr"]),
    guarded(Command::Restore, &["restore", "rest"], true),
    get(Command::Ruok, &["ruok"]),
    get(Command::ServerStats, &["server_stats", "srvr"]),
    always(Command::SetTraceMask, &["set_trace_mask", "stmk"]),
    guarded(Command::ShedConnections, &["shed_connections", "shed"], true),
    get(Command::Slow, &["slow"]),
    guarded(Command::Snapshot, &["snapshot", "snap"], false),
    get(Command::StatReset, &["stat_reset", "srst"]),
    get(Command::Stats, &["stats", "stat"]),
    always(Command::SystemProperties, &["system_properties", "sysp"]),
    get(Command::Top, &["top", "topn"]),
    get(Command::VotingView, &["voting_view"]),
    get(Command::WatchSummary, &["watch_summary", "wchs"]),
    get(Command::Watches, &["watches", "wchc"]),
    get(Command::WatchesByPath, &["watches_by_path", "wchp"]),
    always(Command::ZabState, &["zabstate"]),
];

impl Entry {
    /// Clients choose how long its answer is.
    pub fn is_listing(&self) -> bool {
        matches!(
            self.command,
            Command::Connections
                | Command::Stats
                | Command::Dump
                | Command::Watches
                | Command::WatchesByPath
        )
    }
}

/// By its primary name or an alias.
pub fn find(name: &str) -> Option<&'static Entry> {
    COMMANDS.iter().find(|entry| entry.names.contains(&name))
}
