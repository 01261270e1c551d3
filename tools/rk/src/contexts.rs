//! Named servers with the identity that is used there (`rk context add prod ...`): a file of the user's own,
//! readable by nobody else, so that no secret stands in a command or in a history.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, create_dir_all, rename};
use std::io::{self, ErrorKind, IsTerminal, Read, Write, stdin};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use clap::{CommandFactory, Parser, Subcommand};
use ringkeeper::client::ConnectString;
use serde_json::{Value, json};

use crate::error::CliError;
use crate::out::Out;

/// Bytes of the file that are read.
const FILE_MAX: u64 = 1 << 20;

/// Read and written by the user alone.
const MODE: u32 = 0o600;

/// Why a context is not to be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ContextFault {
    #[error("neither XDG_CONFIG_HOME nor HOME says where contexts are kept")]
    NoHome,
    #[error("{file}: {error}")]
    Io { file: String, error: io::Error },
    #[error("{file} can be read by others (mode {mode:o}): chmod 600 it, for it may hold secrets")]
    Open { file: String, mode: u32 },
    #[error("{file} is no JSON object of contexts")]
    Shape { file: String },
    #[error("there is no context {0}: rk context ls lists those there are")]
    Unknown(String),
    #[error("no secret was given on the standard input")]
    NoSecret,
}

/// An identity: a scheme and its proof.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Auth {
    pub(crate) scheme: String,
    pub(crate) secret: String,
}

/// What a name stands for.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) server: String,
    pub(crate) auth: Option<Auth>,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Add a context, or replace it
    Add {
        name: String,
        /// host:port,host:port/chroot
        #[arg(short, long)]
        server: String,
        /// Prove an identity there by this scheme, digest or sasl (DIGEST-MD5) say; the secret (user:password)
        /// is asked for, or read from the standard input
        #[arg(long, value_name = "SCHEME")]
        auth: Option<String>,
    },
    /// List contexts, without their secrets
    Ls,
    /// Forget a context
    Rm { name: String },
}

/// Names for servers: rk --context NAME uses one.
#[derive(Parser, Debug)]
#[command(name = "context")]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

pub(crate) fn line() -> clap::Command {
    Arguments::command()
}

/// `rk context ...`.
pub(crate) fn run(words: &[String], out: &mut Out) -> Result<(), CliError> {
    let arguments = Arguments::try_parse_from(words)?;
    let file = file()?;
    let mut all = load(&file)?;
    match arguments.action {
        Action::Add { name, server, auth } => {
            ConnectString::parse(&server)?;
            let auth = auth.map(|scheme| Ok::<_, ContextFault>(Auth { scheme, secret: secret()? }));
            all.insert(name, Named { server, auth: auth.transpose()? });
            save(&file, &all)?;
        }
        Action::Rm { name } => {
            all.remove(&name).ok_or(ContextFault::Unknown(name))?;
            save(&file, &all)?;
        }
        Action::Ls => {
            for (name, context) in &all {
                let scheme = context.auth.as_ref().map(|auth| auth.scheme.as_str());
                let server = &context.server;
                out.line(format!("{name} {server} {}", scheme.unwrap_or("-")));
                out.value(|| json!({ "name": name, "server": server, "auth": scheme }));
            }
        }
    }
    Ok(())
}

/// The context of this name.
pub(crate) fn find(name: &str) -> Result<Named, ContextFault> {
    let mut all = load(&file()?)?;
    all.remove(name).ok_or_else(|| ContextFault::Unknown(name.to_owned()))
}

/// By the XDG base directories.
fn file() -> Result<PathBuf, ContextFault> {
    let config = std::env::var_os("XDG_CONFIG_HOME").filter(|path| !path.is_empty());
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
    let folder = config.map(PathBuf::from).or_else(home).ok_or(ContextFault::NoHome)?;
    Ok(folder.join("ringkeeper").join("contexts.json"))
}

/// Typed without being shown, or a line of the standard input.
fn secret() -> Result<String, ContextFault> {
    let failed = |error| ContextFault::Io { file: "standard input".into(), error };
    let text = match stdin().is_terminal() {
        true => rpassword::prompt_password("secret (user:password): ").map_err(failed)?,
        false => {
            let mut line = String::new();
            stdin().read_line(&mut line).map_err(failed)?;
            line
        }
    };
    let text = text.trim_end_matches(['\r', '\n']);
    match text {
        "" => Err(ContextFault::NoSecret),
        text => Ok(text.to_owned()),
    }
}

fn load(path: &Path) -> Result<BTreeMap<String, Named>, ContextFault> {
    let file = path.display().to_string();
    let failed = |error| ContextFault::Io { file: file.clone(), error };
    let opened = match File::open(path) {
        Ok(opened) => opened,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(failed(error)),
    };
    let mode = opened.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(ContextFault::Open { file, mode });
    }
    let mut text = String::new();
    opened.take(FILE_MAX).read_to_string(&mut text).map_err(failed)?;
    parse(&text).ok_or(ContextFault::Shape { file })
}

fn parse(text: &str) -> Option<BTreeMap<String, Named>> {
    let value: Value = serde_json::from_str(text).ok()?;
    let mut all = BTreeMap::new();
    for (name, context) in value.as_object()? {
        let text = |key: &str| context[key].as_str().map(str::to_owned);
        let auth = match (text("scheme"), text("secret")) {
            (Some(scheme), Some(secret)) => Some(Auth { scheme, secret }),
            _ => None,
        };
        all.insert(name.clone(), Named { server: text("server")?, auth });
    }
    Some(all)
}

fn text(all: &BTreeMap<String, Named>) -> String {
    let one = |context: &Named| match &context.auth {
        None => json!({ "server": context.server }),
        Some(auth) => {
            json!({ "server": context.server, "scheme": auth.scheme, "secret": auth.secret })
        }
    };
    let all: serde_json::Map<String, Value> =
        all.iter().map(|(name, context)| (name.clone(), one(context))).collect();
    format!("{:#}\n", Value::Object(all))
}

/// In place of the old file at once: a crash leaves the one or the other.
fn save(path: &Path, all: &BTreeMap<String, Named>) -> Result<(), ContextFault> {
    let failed = |error| ContextFault::Io { file: path.display().to_string(), error };
    if let Some(folder) = path.parent() {
        create_dir_all(folder).map_err(failed)?;
    }
    let new = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(MODE);
    let mut file = options.open(&new).map_err(failed)?;
    // One that was left behind may have another mode.
    file.set_permissions(std::fs::Permissions::from_mode(MODE)).map_err(failed)?;
    file.write_all(text(all).as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    rename(&new, path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_read_back() {
        let auth = Some(Auth { scheme: "digest".into(), secret: "u:p".into() });
        let all: BTreeMap<String, Named> = [
            ("prod".to_owned(), Named { server: "a:1,b:2/c".into(), auth }),
            ("test".to_owned(), Named { server: "d".into(), auth: None }),
        ]
        .into();
        assert!(parse(&text(&all)).is_some_and(|read| read == all));
        assert!(parse("[]").is_none() && parse("{\"x\":{}}").is_none());
    }
}
