//! What goes into a bundle, each part a text with a bound. What cannot be had leaves a line why.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use ringkeeper::client::Host;
use ringkeeper::config::Properties;

use super::redact::{Redactor, is_secret};
use crate::admin;
use crate::commands::ask_word;

/// Bytes of a small file.
const SMALL: u64 = 1 << 20;
/// Files of a folder that are listed.
const LISTED: usize = 10_000;

/// Words that say how a server is. `cons`, `dump` and their like would list clients by the thousand.
const WORDS: [&str; 9] = ["srvr", "mntr", "conf", "envi", "ruok", "isro", "dirs", "wchs", "topn"];
/// Commands of the admin server beyond these.
const COMMANDS: [&str; 5] = ["configuration", "environment", "monitor", "slow", "voting_view"];
/// Read by the scripts that start a server, from the folder of its configuration.
const SCRIPTS: [&str; 3] = ["zookeeper-env.sh", "java.env", "logback.xml"];

/// A file of the bundle.
pub(super) struct Part {
    pub(super) name: String,
    pub(super) text: String,
}

impl Part {
    /// `of`: a path or an address, whose slashes are none of the archive's.
    fn new(kind: &str, of: &str, text: String) -> Part {
        let of = of.trim_start_matches('/').replace(['/', ':', '\\', ' '], "_");
        Part { name: format!("{kind}/{of}"), text }
    }
}

/// The first bytes of a file, as text.
fn small(path: &Path) -> String {
    read(path, None).unwrap_or_else(|error| format!("cannot be read: {error}\n"))
}

/// `last`: so many bytes of its end.
fn read(path: &Path, last: Option<u64>) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    if let Some(last) = last {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(last)))?;
    }
    let mut bytes = Vec::new();
    file.take(last.unwrap_or(SMALL)).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// This machine: kernel, limits, memory, CPUs.
pub(super) fn machine() -> Part {
    let mut text = format!("rk {}\n", env!("CARGO_PKG_VERSION"));
    for path in [
        "/proc/sys/kernel/osrelease",
        "/etc/os-release",
        "/proc/self/limits",
        "/proc/meminfo",
        "/proc/loadavg",
        "/proc/sys/kernel/io_uring_disabled",
        "/sys/devices/system/cpu/online",
        "/sys/devices/system/clocksource/clocksource0/current_clocksource",
        "/proc/mounts",
        "/proc/pressure/io",
        "/proc/pressure/cpu",
    ] {
        // A String takes everything.
        let _ = writeln!(text, "--- {path}\n{}", small(Path::new(path)).trim_end());
    }
    Part { name: "machine".into(), text }
}

/// A configuration file, what stands beside it, and its folders' listings. Its secrets are learned.
pub(super) fn configuration(path: &Path, redactor: &mut Redactor) -> Vec<Part> {
    let text = small(path);
    redactor.learn_from(&text);
    let mut parts = vec![Part::new("config", &path.display().to_string(), text)];
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    for script in SCRIPTS.map(|name| folder.join(name)).iter().filter(|path| path.is_file()) {
        let text = small(script);
        redactor.learn_from(&text);
        parts.push(Part::new("config", &script.display().to_string(), text));
    }
    let Ok((properties, _)) = Properties::read(path) else { return parts };
    for property in properties.iter() {
        if is_secret(&property.key) {
            redactor.learn(&property.value);
        } else if property.key.ends_with("passwordPath") {
            // A file with nothing but a secret in it.
            redactor.learn(&small(Path::new(&property.value)));
        } else if property.key == "java.security.auth.login.config" {
            learn_jaas(&small(Path::new(&property.value)), redactor);
        }
    }
    let value = |key: &str| properties.get(key).map(|property| PathBuf::from(&property.value));
    let mut next = path.as_os_str().to_owned();
    next.push(".dynamic.next");
    for dynamic in value("dynamicConfigFile").into_iter().chain([PathBuf::from(next)]) {
        if dynamic.is_file() {
            parts.push(Part::new("config", &dynamic.display().to_string(), small(&dynamic)));
        }
    }
    for data in value("dataDir").into_iter().chain(value("dataLogDir")) {
        for folder in [data.clone(), data.join("version-2")] {
            parts.push(Part::new("files", &folder.display().to_string(), listing(&folder)));
        }
    }
    parts
}

/// Every quoted value but a user's name: passwords stand there, under their users' names.
fn learn_jaas(text: &str, redactor: &mut Redactor) {
    let mut parts = text.split('"');
    while let (Some(before), Some(value)) = (parts.next(), parts.next()) {
        if !before.trim_end().trim_end_matches('=').trim_end().ends_with("username") {
            redactor.learn(value);
        }
    }
}

/// Names, sizes and times.
fn listing(folder: &Path) -> String {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return format!("cannot be listed: {error}\n"),
    };
    let mut lines: Vec<String> = entries
        .take(LISTED)
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let (name, about) = (entry.file_name(), entry.metadata().ok()?);
            let modified = about.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            let modified = modified.map_or(0, |since| since.as_secs());
            let kind = if about.is_dir() { "d" } else { "-" };
            Some(format!("{kind} {:>14} {modified:>11} {}\n", about.len(), name.to_string_lossy()))
        })
        .collect();
    lines.sort_by(|a, b| a.split(' ').next_back().cmp(&b.split(' ').next_back()));
    lines.concat()
}

/// The end of a log.
pub(super) fn end_of_log(path: &Path, bytes: u64) -> Part {
    let text = read(path, Some(bytes)).unwrap_or_else(|error| format!("cannot be read: {error}\n"));
    Part::new("log", &path.display().to_string(), text)
}

/// What a server says to four-letter words.
pub(super) fn words(host: &Host) -> Vec<Part> {
    let answer = |word: &&str| {
        let text = ask_word(host, word).unwrap_or_else(|error| format!("no answer: {error}\n"));
        Part::new("words", &format!("{host} {word}"), text)
    };
    WORDS.iter().map(answer).collect()
}

/// What its admin server says.
pub(super) fn admin(host: &Host) -> Vec<Part> {
    let answer = |command: &&str| {
        let text = match admin::get(host, &format!("/commands/{command}")) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => format!("no answer: {error}\n"),
        };
        Part::new("admin", &format!("{host} {command}"), text)
    };
    COMMANDS.iter().map(answer).collect()
}
