//! zoo.cfg.

use std::net::IpAddr;
use std::path::Path;

use ringkeeper::config::{Flags, Properties, Settings};

/// The bytes of a configuration file, and below a zero byte the flags.
pub fn fuzz_config(data: &[u8]) {
    let (file, flags_text) = match data.iter().position(|byte| *byte == 0) {
        Some(at) => (&data[..at], String::from_utf8_lossy(&data[at + 1..])),
        None => (data, "".into()),
    };
    let mut flags = Flags::default();
    flags.add(&flags_text);
    let file = match Properties::parse(Path::new("/nowhere/zoo.cfg"), file) {
        Ok(file) => file,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let asks_outside = file.iter().any(|p| looks_outside(&p.key, &p.value))
        || flags.iter().any(|(key, value)| looks_outside(key, value));
    if asks_outside {
        return;
    }
    if let Err(error) = Settings::parse(&file, &flags) {
        assert!(!error.to_string().is_empty());
    }
}

/// Whether a setting would have a file read or a name looked up: inputs must stay in memory.
fn looks_outside(key: &str, value: &str) -> bool {
    let key = key.to_ascii_lowercase();
    if ["dynamicconfigfile", "datadir", "datalogdir"].contains(&key.as_str()) {
        return !value.starts_with("/nowhere") || value.contains("..");
    }
    if key.contains("login.config") {
        return true;
    }
    let may_name_hosts =
        key.contains("address") || key.contains("host") || key.starts_with("server.");
    may_name_hosts
        && value.split([';', ':', '|', '[', ']', ',']).any(|part| {
            let part = part.trim();
            let known = ["", "participant", "observer"].contains(&part);
            !known && part.parse::<u16>().is_err() && part.parse::<IpAddr>().is_err()
        })
}
