//! The server's own command line, as clap reads it.

use clap::Parser;

/// Version, commit and day of the build.
pub const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("RINGKEEPER_COMMIT_ID"),
    ", built on ",
    env!("RINGKEEPER_BUILT"),
    ", compatible with ZooKeeper 3.9.5)"
);

/// A ZooKeeper server on io_uring.
///
/// Without arguments it serves on port 2181 with its data in ./ringkeeper-data. "config check FILE" starts
/// nothing: it prints the settings that hold, where each comes from, and what of the file will not be honoured.
/// "config migrate FILE" prints a Java server's settings (that file, and zookeeper-env.sh and java.env beside
/// it, or the files named behind it) as one file for this server, and on standard error what becomes of each.
/// "recover-quorum --help" tells what to do when more servers are lost than an ensemble can do without.
#[derive(Parser, Debug)]
#[command(name = "ringkeeper", version = VERSION, about, max_term_width = 100)]
pub struct Arguments {
    /// zoo.cfg, or: PORT DATADIR [TICKTIME] [MAXCLIENTCNXNS], or: config check FILE, config migrate FILE
    #[arg(value_name = "CONFIG", num_args = 0..)]
    pub arguments: Vec<String>,
    /// Log level: error, warn, info, debug, trace, or a filter such as "info,ringkeeper::log=debug"
    #[arg(long, env = "RINGKEEPER_LOG", default_value = "info")]
    pub log_level: String,
}
