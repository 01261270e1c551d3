//! Starts without a configuration file.

use std::path::{Path, PathBuf};

use super::source::Found;
use super::{ConfigError, Flags, Listen, Place, Properties, Settings};

/// Where an embedded start keeps its data, relative to the working directory: visible where the
/// user stands, unlike a folder under the home directory that nobody would think of deleting.
pub const DEFAULT_DATA_DIR: &str = "ringkeeper-data";

/// Flags of the start scripts, in zkServer.sh's order: the later one wins.
pub fn flags_from_environment() -> Flags {
    let mut flags = Flags::default();
    for name in ["SERVER_JVMFLAGS", "JVMFLAGS"] {
        if let Some(text) = std::env::var_os(name) {
            flags.add(&text.to_string_lossy());
        }
    }
    // zkServer.sh: -Dzookeeper.log.dir=${ZOO_LOG_DIR}.
    if let Some(folder) = std::env::var_os("ZOO_LOG_DIR") {
        flags.set_default("zookeeper.log.dir", &folder.to_string_lossy());
    }
    flags
}

impl Settings {
    /// A start with no argument at all: ZooKeeper's sample configuration (port 2181, ticks of
    /// 2000 ms) over the data of `data_dir`.
    pub fn embedded(data_dir: &Path, flags: &Flags) -> Result<Settings, ConfigError> {
        let text = "tickTime=2000\nclientPort=2181\n";
        Settings::from_text("built-in defaults", text, data_dir, flags)
    }

    /// `<port> <dataDir> [tickTime] [maxClientCnxns]` (ServerConfig.parse). As there, connections
    /// of an address are not bounded unless the last argument says so.
    pub fn from_arguments(arguments: &[String], flags: &Flags) -> Result<Settings, ConfigError> {
        let (port, data_dir, rest) = match arguments {
            [port, data_dir, rest @ ..] if rest.len() <= 2 => (port, data_dir, rest),
            _ => return Err(ConfigError::Arguments(arguments.len())),
        };
        let argument = |key: &str, value: &String, at: usize| Found {
            key: key.to_owned(),
            value: value.clone(),
            place: Place::Argument(at),
        };
        let port = argument("clientPort", port, 1).number(0..=i64::from(u16::MAX), "a port")?;
        let int = 1..=i64::from(i32::MAX);
        let tick = match rest.first() {
            Some(text) => argument("tickTime", text, 3).number(int, "milliseconds")?,
            None => 3000,
        };
        let cnxns = match rest.get(1) {
            Some(text) => {
                let any = i64::from(i32::MIN)..=i64::from(i32::MAX);
                argument("maxClientCnxns", text, 4).number(any, "connections")?
            }
            None => 0,
        };
        let text = format!("tickTime={tick}\nclientPort={port}\nmaxClientCnxns={cnxns}\n");
        let data_dir = PathBuf::from(data_dir);
        let mut settings = Settings::from_text("the command line", &text, &data_dir, flags)?;
        settings.client.listen = Some(Listen { ip: None, port: port as u16 });
        Ok(settings)
    }

    fn from_text(
        name: &str,
        text: &str,
        data_dir: &Path,
        flags: &Flags,
    ) -> Result<Settings, ConfigError> {
        let mut file = Properties::parse(Path::new(name), text.as_bytes())?;
        // Set after parsing, because a path may hold characters that a properties file escapes.
        file.set("dataDir", &data_dir.to_string_lossy());
        let mut settings = Settings::parse(&file, flags)?;
        settings.data_dir = data_dir.to_owned();
        settings.data_log_dir = data_dir.to_owned();
        Ok(settings)
    }
}

impl Properties {
    fn set(&mut self, key: &str, value: &str) {
        self.insert(super::properties::Property {
            key: key.to_owned(),
            value: value.to_owned(),
            line: 0,
        });
    }
}
