//! status and check: each server is asked its four-letter words.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::thread;
use std::time::{Duration, Instant};

use clap::{CommandFactory, Parser};
use ringkeeper::client::{ConnectString, Host};
use ringkeeper::membership::Members;
use serde_json::{Value, json};

use super::{Context, Done};
use crate::error::CliError;
use crate::out::{Ink, Out};

/// A server that does not answer in this time is taken for one that does not run.
const PATIENCE: Duration = Duration::from_secs(3);

/// Bytes of a word's answer that are read: mntr has some ten thousand.
const ANSWER_MAX: u64 = 1 << 20;

/// What a server says of itself, by mntr's keys without `zk_`.
type Figures = BTreeMap<String, String>;

/// Why a server's figures are not known.
#[derive(Debug, thiserror::Error)]
enum Silent {
    #[error("does not answer: {0}")]
    Io(#[from] io::Error),
    #[error("neither srvr nor mntr is in its 4lw.commands.whitelist")]
    NotAllowed,
    #[error("does not serve")]
    NotServing,
    #[error("was not asked: no thread could be had for it")]
    NotAsked,
}

/// The answer to a four-letter word.
pub(crate) fn word(host: &Host, word: &str) -> Result<String, io::Error> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in (host.name.as_str(), host.port).to_socket_addrs()? {
        let mut stream = match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => stream,
            Err(error) => {
                last = error;
                continue;
            }
        };
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(word.as_bytes())?;
        let mut text = Vec::new();
        stream.take(ANSWER_MAX).read_to_end(&mut text)?;
        return Ok(String::from_utf8_lossy(&text).into_owned());
    }
    Err(last)
}

/// A four-letter word, said to one server.
#[derive(Parser, Debug)]
#[command(name = "word")]
struct Word {
    /// Its name or address
    host: String,
    /// Its clients' port
    port: u16,
    /// What to say: srvr, mntr, ruok, ...
    word: String,
}

/// `rk word`, which needs no session; gives the process's exit code.
pub(crate) fn print_word(words: &[String], out: &mut Out) -> u8 {
    let done = Word::try_parse_from(words).map_err(CliError::from).and_then(|said| {
        let host = Host { name: said.host, port: said.port };
        let file = format!("{}:{}", host.name, host.port);
        word(&host, &said.word).map_err(|error| CliError::File { file, error })
    });
    let code = match done {
        Ok(text) => {
            out.text(text);
            0
        }
        Err(error) => {
            out.note(&error);
            error.exit_code()
        }
    };
    out.flush();
    code
}

/// Lines of `srvr`, and mntr's keys for the same.
const SRVR_LINES: [(&str, &str); 6] = [
    ("Zookeeper version: ", "version"),
    ("Mode: ", "server_state"),
    ("Zxid: ", "zxid"),
    ("Connections: ", "num_alive_connections"),
    ("Outstanding: ", "outstanding_requests"),
    ("Node count: ", "znode_count"),
];

/// Of srvr, which every server allows unless told otherwise, and of mntr what that has besides.
fn figures(host: &Host) -> Result<Figures, Silent> {
    let srvr = word(host, "srvr")?;
    let mntr = word(host, "mntr").unwrap_or_default();
    let figures = read_figures(&srvr, &mntr);
    match figures.is_empty() {
        false => Ok(figures),
        true if srvr.contains(NOT_ALLOWED) => Err(Silent::NotAllowed),
        true => Err(Silent::NotServing),
    }
}

/// What a server says where a word is not for everybody.
pub(super) const NOT_ALLOWED: &str = "not in the whitelist";

fn read_figures(srvr: &str, mntr: &str) -> Figures {
    let mut figures = Figures::new();
    for line in srvr.lines() {
        for (title, key) in SRVR_LINES {
            if let Some(value) = line.strip_prefix(title) {
                figures.insert(key.to_owned(), value.to_owned());
            }
        }
        if let Some(average) =
            line.strip_prefix("Latency min/avg/max: ").and_then(|values| values.split('/').nth(1))
        {
            figures.insert("avg_latency".to_owned(), average.to_owned());
        }
    }
    let pairs = mntr.lines().filter_map(|line| line.strip_prefix("zk_")?.split_once('\t'));
    figures.extend(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())));
    figures
}

/// Every server at the same time.
fn ask_all(hosts: &[Host]) -> Vec<(Host, Result<Figures, Silent>)> {
    thread::scope(|scope| {
        let asked: Vec<_> = hosts
            .iter()
            .map(|host| thread::Builder::new().spawn_scoped(scope, move || figures(host)))
            .collect();
        let answers = asked.into_iter().map(|thread| {
            thread.ok().and_then(|thread| thread.join().ok()).unwrap_or(Err(Silent::NotAsked))
        });
        hosts.iter().cloned().zip(answers).collect()
    })
}

/// The members, as any of them knows; the connect string's servers where the configuration names none.
pub(super) fn hosts(context: &Context<'_>) -> Result<Vec<Host>, CliError> {
    let named = ConnectString::parse(context.servers)?.hosts;
    let Ok((Some(text), _)) = context.client.config(false) else { return Ok(named) };
    let Ok(members) = Members::parse(&String::from_utf8_lossy(&text)) else { return Ok(named) };
    let host = |member: &ringkeeper::membership::Member| {
        let client = member.client.as_ref()?;
        // A server that listens at every address is found at the one that its peers use.
        let is_any = matches!(client.host.as_str(), "0.0.0.0" | "::" | "0:0:0:0:0:0:0:0");
        let name = match is_any {
            true => member.addresses.first()?.host.clone(),
            false => client.host.clone(),
        };
        Some(Host { name, port: client.port })
    };
    let found: Vec<Host> = members.iter().filter_map(host).collect();
    Ok(if found.len() == members.count() { found } else { named })
}

/// Columns of status: a title and mntr's key.
const COLUMNS: [(&str, &str); 8] = [
    ("MODE", "server_state"),
    ("ZXID", "zxid"),
    ("SESSIONS", "global_sessions"),
    ("CONNS", "num_alive_connections"),
    ("WATCHES", "watch_count"),
    ("ZNODES", "znode_count"),
    ("WAITING", "outstanding_requests"),
    ("AVG MS", "avg_latency"),
];

/// What every server of the ensemble says of itself.
#[derive(Parser, Debug)]
#[command(name = "status")]
struct Status {}

pub(super) fn status_line() -> clap::Command {
    Status::command()
}

/// `status`: a line for each server.
pub(super) fn status(context: &mut Context<'_>, words: &[String]) -> Done {
    Status::try_parse_from(words)?;
    let answers = ask_all(&hosts(context)?);
    let title: String = COLUMNS.iter().map(|(title, _)| format!(" {title:>10}")).collect();
    context.out.line(format!("{:<24}{title}  VERSION", "SERVER"));
    for (host, answer) in &answers {
        let host = host.to_string();
        match answer {
            Ok(figures) => {
                let of = |key: &str| figures.get(key).map_or("-", String::as_str);
                let row: String =
                    COLUMNS.iter().map(|(_, key)| format!(" {:>10}", of(key))).collect();
                let version = of("version").split(',').next().unwrap_or_default();
                context.out.line(format!("{host:<24}{row}  {version}"));
            }
            Err(silent) => {
                let text = context.out.ink(Ink::Bad, &silent.to_string());
                context.out.line(format!("{host:<24} {text}"));
            }
        }
        context.out.value(|| match answer {
            Ok(figures) => json!({ "server": host, "figures": figures }),
            Err(silent) => json!({ "server": host, "error": silent.to_string() }),
        });
    }
    Ok(())
}

/// For Nagios and its kind: a line, and 0, 1 (warning) or 2 (critical) as exit code.
#[derive(Parser, Debug)]
#[command(name = "check")]
struct Check {
    /// Milliseconds of a read that are a warning
    #[arg(long, default_value_t = 100)]
    warn: u64,
    /// Milliseconds of a read that are critical
    #[arg(long, default_value_t = 1000)]
    critical: u64,
    /// Judge the servers that are named alone, and not the other members of their ensemble: for probes
    /// of one server, which another's end must not fail
    #[arg(long)]
    local: bool,
}

/// How it is, as monitors have it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Health {
    Ok = 0,
    Warning = 1,
    Critical = 2,
}

pub(super) fn check_line() -> clap::Command {
    Check::command()
}

/// `check`: whether somebody is answered, how quickly, and whether every server runs.
pub(super) fn check(context: &mut Context<'_>, words: &[String]) -> Done {
    let check = Check::try_parse_from(words)?;
    let patience = Duration::from_millis(check.critical).max(PATIENCE);
    if !context.client.connection().wait_until_connected(patience) {
        let text = "no server gives a session".to_owned();
        return report(context, Health::Critical, &text, json!({}));
    }
    let began = Instant::now();
    let read = context.client.exists("/", false);
    let ms = began.elapsed().as_secs_f64() * 1000.0;
    if let Err(error) = read {
        return report(context, Health::Critical, &error.to_string(), json!({}));
    }
    let hosts = match check.local {
        true => ConnectString::parse(context.servers)?.hosts,
        false => hosts(context)?,
    };
    let answers = ask_all(&hosts);
    let runs = answers.iter().filter(|(_, answer)| answer.is_ok()).count();
    let leader = answers.iter().find(|(_, answer)| {
        let state = answer.as_ref().ok().and_then(|figures| figures.get("server_state"));
        state.is_some_and(|state| state == "leader" || state == "standalone")
    });
    let leader = leader.map_or_else(|| "unknown".to_owned(), |(host, _)| host.to_string());
    let health = match ms {
        ms if ms >= check.critical as f64 => Health::Critical,
        ms if ms >= check.warn as f64 => Health::Warning,
        _ if runs < answers.len() => Health::Warning,
        _ => Health::Ok,
    };
    let text = format!(
        "{runs} of {} servers answer, leader {leader} | read={ms:.1}ms;{};{} servers={runs}",
        answers.len(),
        check.warn,
        check.critical
    );
    let facts =
        json!({ "servers": answers.len(), "answering": runs, "leader": leader, "readMs": ms });
    report(context, health, &text, facts)
}

fn report(context: &mut Context<'_>, health: Health, text: &str, mut facts: Value) -> Done {
    let word = match health {
        Health::Ok => "OK",
        Health::Warning => "WARNING",
        Health::Critical => "CRITICAL",
    };
    let text = format!("ZOOKEEPER {word} - {text}");
    context.out.line(&text);
    facts["state"] = word.into();
    facts["text"] = text.clone().into();
    context.out.value(|| facts);
    match health {
        Health::Ok => Ok(()),
        Health::Warning | Health::Critical => Err(CliError::Check { text, code: health as u8 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_allows_srvr_alone_is_known() {
        let srvr = "Zookeeper version: 3.9.5-abc, built on x\nLatency min/avg/max: 0/1.25/7\n\
                    Received: 2\nConnections: 3\nOutstanding: 4\nZxid: 0x5\nMode: follower\n\
                    Node count: 6\n";
        let refused = "mntr is not executed because it is not in the whitelist.\n";
        let figures = read_figures(srvr, refused);
        let of = |key: &str| figures.get(key).map(String::as_str);
        assert_eq!(of("server_state"), Some("follower"));
        assert_eq!(of("avg_latency"), Some("1.25"));
        assert_eq!((of("zxid"), of("znode_count")), (Some("0x5"), Some("6")));
        let more = read_figures(srvr, "zk_server_state\tleader\nzk_watch_count\t9\n");
        assert_eq!(more.get("server_state").map(String::as_str), Some("leader"));
        assert_eq!(more.get("watch_count").map(String::as_str), Some("9"));
        assert!(read_figures(refused, refused).is_empty());
        let idle = "This ZooKeeper instance is not currently serving requests\n";
        assert!(read_figures(idle, idle).is_empty());
    }
}
