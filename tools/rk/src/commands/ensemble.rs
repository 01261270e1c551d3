//! The members' configuration (GetConfigCommand, ReconfigCommand).

use ringkeeper::codec::request::ReconfigOp;
use ringkeeper::membership::Members;
use serde_json::json;

use super::read::{data_json, print_stat};
use super::{Command, Context, Done};
use crate::error::{CliError, Fault};
use crate::options::{Opt, Parsed, flag, valued};
use crate::stat;

pub(super) const CONFIG: &[Opt] =
    &[flag("s", "stats"), flag("w", "watch"), flag("c", "client connection string")];
pub(super) const RECONFIG: &[Opt] = &[
    flag("s", "stats"),
    valued("v", "required current config version"),
    valued("file", "path of config file to parse for membership"),
    valued("members", "comma-separated list of config strings for non-incremental reconfig"),
    valued("add", "comma-separated list of config strings for new servers"),
    valued("remove", "comma-separated list of server IDs to remove"),
];
pub(super) const RECONFIG_USAGE: &str = "[-s] [-v version] [[-file path] | \
    [-members serverID=host:port1:port2;port3[,...]*]] | \
    [-add serverId=host:port1:port2;port3[,...]]* [-remove serverId[,...]*]";

/// GetConfigCommand.
pub(super) fn config(context: &mut Context<'_>, parsed: &Parsed) -> Done {
    let (data, stat) = context.client.config(parsed.has("w"))?;
    context.out.value(|| {
        let (key, value) = data_json(data.as_deref());
        json!({ key: value, "stat": stat::json(&stat) })
    });
    let data = data.unwrap_or_else(|| b"null".to_vec());
    if context.out.is_json() {
        return Ok(());
    }
    match parsed.has("c") {
        true => context.out.line(connect_string(&String::from_utf8_lossy(&data))),
        false => context.out.bytes(&data),
    }
    if parsed.has("s") {
        print_stat(context, &stat);
    }
    Ok(())
}

/// ConfigUtils.getClientConfigStr: the version, and where clients find each server.
fn connect_string(config: &str) -> String {
    let Ok(members) = Members::parse(config) else { return " ".into() };
    let addresses = members.iter().map(|member| match &member.client {
        Some(client) => format!("{}:{}", client.host, client.port),
        None => String::new(),
    });
    format!("{:x} {}", members.version(), addresses.collect::<Vec<_>>().join(","))
}

/// ReconfigCommand.
pub(super) fn reconfig(context: &mut Context<'_>, parsed: &Parsed) -> Done {
    let is_whole = parsed.has("file") || parsed.has("members");
    let is_change = parsed.has("add") || parsed.has("remove");
    if let Some(command) = Command::find("reconfig").filter(|_| !is_whole && !is_change) {
        return Err(CliError::Usage(command));
    }
    let version = match parsed.value("v") {
        Some(text) => i64::from_str_radix(text, 16).map_err(|_| Fault::ConfigVersion)?,
        None => -1,
    };
    if is_whole && is_change {
        return Err(Fault::Mixed.into());
    }
    if parsed.has("file") && parsed.has("members") {
        return Err(Fault::FileAndMembers.into());
    }
    let lower = |name: &str| parsed.value(name).map(str::to_lowercase);
    let new_members = match parsed.value("file") {
        Some(file) => Some(of_file(file)?),
        None => lower("members"),
    };
    let change = ReconfigOp {
        joining: lower("add"),
        leaving: lower("remove"),
        new_members,
        config_version: version,
    };
    let (data, stat) = context.client.reconfigure(change)?;
    let data = data.unwrap_or_default();
    context.out.value(|| {
        let (key, value) = data_json(Some(&data));
        json!({ key: value, "stat": stat::json(&stat) })
    });
    let text = String::from_utf8_lossy(&data);
    context.out.line(format!("Committed new configuration:\n{text}"));
    if parsed.has("s") {
        print_stat(context, &stat);
    }
    Ok(())
}

/// Members of a file, checked here as the leader will check them again.
fn of_file(file: &str) -> Result<String, CliError> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| CliError::File { file: file.to_owned(), error })?;
    let members = Members::parse(&text)
        .map_err(|error| CliError::Members { file: file.to_owned(), error })?;
    Ok(members.text())
}
