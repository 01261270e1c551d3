//! `rk debug bundle`: what a maintainer needs to see, in one file, secrets taken out.
//!
//! * [`redact`]: what is a secret, and what stands in its place
//! * [`gather`]: this machine, its configuration, folders and logs; what servers say of themselves
//!
//! Everything goes through [`redact::Redactor`] on its way into the archive, whatever it is: a secret that a
//! file names is not in the log that quotes it either. JAAS files, key stores and data are not taken at all.

mod gather;
pub(crate) mod redact;

use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{CommandFactory, Parser, Subcommand};
use flate2::Compression;
use flate2::write::GzEncoder;
use ringkeeper::client::{ConnectString, Host};

use crate::error::CliError;
use crate::out::Out;
use gather::Part;
use redact::Redactor;

/// What a maintainer needs to know of an ensemble.
#[derive(Parser, Debug)]
#[command(name = "debug")]
struct Debug {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Packs what servers say of themselves, and of this machine the configuration, the folders' listings, the
    /// logs' ends and its limits, into one file; secrets are taken out. Data is not in it
    Bundle(Bundle),
}

/// Packs it.
#[derive(Parser, Debug)]
struct Bundle {
    /// The file that is made [default: rk-debug-<seconds since 1970>.tar.gz]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// A server's configuration file on this machine; its folders are listed, and files beside it that its
    /// scripts read are taken, too
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// A log whose end is taken
    #[arg(long, value_name = "FILE")]
    log: Vec<PathBuf>,
    /// KiB of each log
    #[arg(long, value_name = "KIB", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=65_536))]
    log_kib: u64,
    /// Admin servers by address: host:port,host:port
    #[arg(long, value_name = "ADDRESSES")]
    admin: Option<String>,
    /// Ask no server
    #[arg(long)]
    offline: bool,
}

/// Its command line, for completions and pages.
pub(crate) fn line() -> clap::Command {
    Debug::command()
}

/// `debug`. `servers`: the connect string.
pub(crate) fn run(servers: &str, words: &[String], out: &mut Out) -> Result<(), CliError> {
    let Debug { what: What::Bundle(bundle) } = Debug::try_parse_from(words)?;
    let mut redactor = Redactor::default();
    let mut parts = vec![gather::machine()];
    for config in &bundle.config {
        parts.extend(gather::configuration(config, &mut redactor));
    }
    for log in &bundle.log {
        parts.push(gather::end_of_log(log, bundle.log_kib << 10));
    }
    if !bundle.offline {
        for host in ConnectString::parse(servers)?.hosts {
            parts.extend(gather::words(&host));
        }
        let admins: Vec<Host> = match &bundle.admin {
            Some(addresses) => ConnectString::parse(addresses)?.hosts,
            None => Vec::new(),
        };
        parts.extend(admins.iter().flat_map(gather::admin));
    }
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let name = format!("rk-debug-{seconds}");
    let file = bundle.out.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.tar.gz")));
    let failed = |error| CliError::File { file: file.display().to_string(), error };
    pack(&file, &name, seconds, &parts, &redactor).map_err(failed)?;
    for part in &parts {
        out.line(format!("  {}", part.name));
    }
    out.line(format!(
        "{}: {} parts; look through it before you send it",
        file.display(),
        parts.len()
    ));
    out.value(|| {
        let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
        serde_json::json!({ "file": file.display().to_string(), "parts": names })
    });
    Ok(())
}

/// Nobody else may read it; one that is there is not written over.
fn pack(
    file: &Path,
    name: &str,
    seconds: u64,
    parts: &[Part],
    redactor: &Redactor,
) -> io::Result<()> {
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    let mut archive = tar::Builder::new(GzEncoder::new(made, Compression::default()));
    for part in parts {
        let text = redactor.redact(&part.text);
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(seconds);
        archive.append_data(&mut header, format!("{name}/{}", part.name), text.as_bytes())?;
    }
    let mut packed = archive.into_inner()?.finish()?;
    packed.flush()?;
    packed.sync_all()
}
