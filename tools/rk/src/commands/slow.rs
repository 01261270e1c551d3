//! slow: the last operations that took long, and what they waited for.

use clap::{CommandFactory, Parser};
use ringkeeper::client::{ConnectString, Host};
use serde_json::{Value, json};

use super::servers::hosts;
use super::{Context, Done};
use crate::admin;
use crate::error::CliError;

/// The last operations of each server that took at least its ringkeeper.slow.ms, the newest first, with what
/// each waited for: its queue, the log, the quorum, its turn to be applied, its answer
#[derive(Parser, Debug)]
#[command(name = "slow")]
struct Slow {
    /// The port of the servers' admin servers
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    admin_port: u16,
    /// Admin servers by address, in place of those of the servers: host:port,host:port
    #[arg(long, value_name = "ADDRESSES", conflicts_with_all = ["admin_port", "local"])]
    admin: Option<String>,
    /// So many operations of each server
    #[arg(long, default_value_t = 20)]
    count: usize,
    /// The servers that are named alone, and not the other members of their ensemble
    #[arg(long)]
    local: bool,
}

pub(super) fn line() -> clap::Command {
    Slow::command()
}

const STAGES: [&str; 5] = ["queue", "log", "quorum", "apply", "reply"];

/// `slow`.
pub(super) fn slow(context: &mut Context<'_>, words: &[String]) -> Done {
    let asked = Slow::try_parse_from(words)?;
    let mut answers = 0;
    for host in admin_servers(context, &asked)? {
        let name = host.to_string();
        match admin::json(&host, "/commands/slow") {
            Ok(answer) => {
                answers += 1;
                for line in lines(&name, &answer, asked.count) {
                    context.out.line(line);
                }
                context.out.value(|| json!({ "server": name, "slow": answer }));
            }
            Err(error) => {
                context.out.line(format!("{name}: {error}"));
                context.out.value(|| json!({ "server": name, "error": error.to_string() }));
            }
        }
    }
    match answers {
        0 => Err(CliError::Nothing("no admin server tells of slow operations")),
        _ => Ok(()),
    }
}

fn admin_servers(context: &Context<'_>, asked: &Slow) -> Result<Vec<Host>, CliError> {
    if let Some(addresses) = &asked.admin {
        return Ok(ConnectString::parse(addresses)?.hosts);
    }
    let hosts = match asked.local {
        true => ConnectString::parse(context.servers)?.hosts,
        false => hosts(context)?,
    };
    let mut found: Vec<Host> =
        hosts.into_iter().map(|host| Host { port: asked.admin_port, ..host }).collect();
    // Several servers on one machine are found at one port only once.
    found.dedup_by(|a, b| a.name == b.name);
    Ok(found)
}

/// What is printed of one server's answer.
fn lines(name: &str, answer: &Value, count: usize) -> Vec<String> {
    let number = |key: &str| answer[key].as_i64().unwrap_or(0);
    if number("slow_ms") == 0 {
        return vec![format!(
            "--- {name}: keeps none; ringkeeper.slow.ms says from when on one is slow"
        )];
    }
    let (total, threshold) = (number("total"), number("slow_ms"));
    let mut lines =
        vec![format!("--- {name}: {total} took {threshold} ms or more since it started")];
    let operations = answer["operations"].as_array().map_or(&[][..], Vec::as_slice);
    if !operations.is_empty() {
        let stages: String = STAGES.iter().map(|stage| format!(" {stage:>7}")).collect();
        lines.push(format!("{:>8}{stages}  {:<20} WHAT", "ms", "WHEN"));
    }
    lines.extend(operations.iter().take(count).map(one));
    lines
}

fn one(operation: &Value) -> String {
    // What clients made may hold what a terminal would obey.
    let text = |key: &str| {
        let text = operation[key].as_str().map(|text| text.escape_debug().to_string());
        text.unwrap_or_default()
    };
    let ms = |value: &Value| value.as_i64().map_or("-".to_owned(), |ms| ms.to_string());
    let stages: String =
        STAGES.iter().map(|stage| format!(" {:>7}", ms(&operation["stages_ms"][stage]))).collect();
    let when =
        operation["time_ms"].as_i64().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let when = when.map_or(String::new(), |when| format!("{when:.0}"));
    let principal = text("principal");
    let whose = if principal.is_empty() { String::new() } else { format!(" as {principal}") };
    format!(
        "{:>8}{stages}  {when:<20} {} {} of {} bytes by {} from {}{whose}",
        ms(&operation["ms"]),
        text("operation"),
        text("path"),
        ms(&operation["bytes"]),
        text("session"),
        text("client"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_one_line_that_no_terminal_obeys() {
        let answer = json!({ "slow_ms": 50, "total": 3, "operations": [
            { "time_ms": 1_700_000_000_000_i64, "ms": 120,
              "stages_ms": { "queue": 1, "log": 2, "quorum": 100, "apply": null, "reply": 17 },
              "operation": "create", "path": "/a\u{1b}[31m", "bytes": 40, "zxid": "0x5",
              "session": "0x7", "client": "10.0.0.1:5", "principal": "digest:bob" },
            { "ms": 60 },
        ]});
        let lines = lines("a:8080", &answer, 1);
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0], "--- a:8080: 3 took 50 ms or more since it started");
        assert_eq!(
            lines[2],
            "     120       1       2     100       -      17  2023-11-14T22:13:20Z create /a\\u{1b}[31m of 40 \
             bytes by 0x7 from 10.0.0.1:5 as digest:bob"
        );
        let none = json!({ "slow_ms": 0, "total": 0, "operations": [] });
        assert!(super::lines("a:1", &none, 9)[0].contains("ringkeeper.slow.ms"));
    }
}
