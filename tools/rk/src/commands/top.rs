//! top: who asks each server for what, most often.

use std::thread;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use ringkeeper::client::ConnectString;
use serde_json::json;

use super::servers::{NOT_ALLOWED, hosts, word};
use super::{Context, Done};
use crate::error::CliError;

/// Who asks each server for what, most often: clients, paths, subtrees, operations, users. A server counts
/// while somebody looks, so the first figures come after one interval
#[derive(Parser, Debug)]
#[command(name = "top")]
struct Top {
    /// Seconds between two looks
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
    /// So many looks
    #[arg(long, default_value_t = 1)]
    count: u64,
    /// The servers that are named alone, and not the other members of their ensemble
    #[arg(long)]
    local: bool,
}

pub(super) fn line() -> clap::Command {
    Top::command()
}

/// `top`: `topn` of each server, again and again.
pub(super) fn top(context: &mut Context<'_>, words: &[String]) -> Done {
    let asked = Top::try_parse_from(words)?;
    let hosts = match asked.local {
        true => ConnectString::parse(context.servers)?.hosts,
        false => hosts(context)?,
    };
    // They begin to count.
    hosts.iter().for_each(|host| drop(word(host, "topn")));
    let mut told = 0;
    for _ in 0..asked.count {
        thread::sleep(Duration::from_secs(asked.every));
        for host in &hosts {
            let answer = word(host, "topn");
            let name = host.to_string();
            match &answer {
                Ok(text) if text.contains(NOT_ALLOWED) => {
                    context.out.line(format!("{name}: topn is not in its 4lw.commands.whitelist"));
                }
                Ok(text) => {
                    told += 1;
                    context.out.line(format!("--- {name}\n{}", text.trim_end()));
                }
                Err(error) => context.out.line(format!("{name}: {error}")),
            }
            context.out.value(|| match answer {
                Ok(text) => json!({ "server": name, "top": text }),
                Err(error) => json!({ "server": name, "error": error.to_string() }),
            });
        }
    }
    match told {
        0 => Err(CliError::Nothing("no server says who asks it for what")),
        _ => Ok(()),
    }
}
