//! group and service: nodes of those that are there, for as long as they are.

use std::time::{SystemTime, UNIX_EPOCH};

use clap::{CommandFactory, Parser, Subcommand};
use ringkeeper::client::recipes::member::{Member, Membership};
use ringkeeper::client::recipes::service::{Instance, is_enabled};
use ringkeeper::types::ErrorCode;
use serde_json::{Value, json};

use super::{Behind, Names, Step, Waiting, done, give_back, validate, wait_for};
use crate::commands::read::data_json;
use crate::commands::{Context, Done};
use crate::error::{CliError, HeldFault};
use crate::held::{End, Holding, hold};
use crate::path::join;
use crate::recipe::{Drive, protection_id};

/// Groups: GroupMember of Curator, or Party of kazoo.
#[derive(Parser, Debug)]
#[command(name = "group")]
struct GroupLine {
    #[command(subcommand)]
    action: GroupAction,
}

#[derive(Subcommand, Debug)]
enum GroupAction {
    /// Be a member while a command runs, or until a signal
    Join {
        /// The member's name: a random one, if there is none
        #[arg(long)]
        id: Option<String>,
        /// What others read of it
        #[arg(long, default_value = "")]
        data: String,
        /// Whose names the nodes have: kazoo's Party knows members by an id of its own, and --id is its data
        #[arg(long, value_enum, default_value_t = Names::Curator)]
        layout: Names,
        #[command(flatten)]
        waiting: Waiting,
        path: String,
        #[command(flatten)]
        behind: Behind,
    },
    /// The members, and what they say
    Ls { path: String },
}

pub(crate) fn group_line() -> clap::Command {
    GroupLine::command()
}

/// `group`.
pub(crate) fn group(context: &mut Context<'_>, words: &[String]) -> Done {
    match GroupLine::try_parse_from(words)?.action {
        GroupAction::Ls { path } => {
            validate(context, &path)?;
            for (name, data) in all(context, &path)? {
                let text = String::from_utf8_lossy(&data);
                context.out.line(format!("{name} {text}").trim_end());
                context.out.value(|| {
                    let (key, value) = data_json(Some(&data));
                    json!({ "member": name, key: value })
                });
            }
            Ok(())
        }
        GroupAction::Join { id, data, layout, waiting, path, behind } => {
            validate(context, &path)?;
            let random = protection_id()?;
            let (name, data) = match layout {
                Names::Curator => (id.unwrap_or_else(|| random.uuid()), data),
                Names::Kazoo => (format!("{}__party__", random.hex()), id.unwrap_or(data)),
            };
            let node = join(&path, &name);
            validate(context, &node)?;
            let member =
                Member::new(&node, &path, protection_id()?, Some(data.into_bytes().into()));
            stay(context, member, &node, &waiting, &behind)
        }
    }
}

/// Services: the nodes are those of Curator's service discovery.
#[derive(Parser, Debug)]
#[command(name = "service")]
struct ServiceLine {
    #[command(subcommand)]
    action: ServiceAction,
}

#[derive(Subcommand, Debug)]
enum ServiceAction {
    /// Be found while a command runs, or until a signal
    Register {
        /// Where clients reach it
        #[arg(long)]
        address: String,
        /// On which port
        #[arg(long)]
        port: Option<u16>,
        /// On which port by TLS
        #[arg(long)]
        ssl_port: Option<u16>,
        /// The instance's name: a random one, if there is none
        #[arg(long)]
        id: Option<String>,
        /// What else clients should know: JSON, or a text
        #[arg(long)]
        payload: Option<String>,
        #[command(flatten)]
        waiting: Waiting,
        /// Beneath which all services are
        path: String,
        /// The service
        name: String,
        #[command(flatten)]
        behind: Behind,
    },
    /// The instances of a service that are there, a JSON object each; without a name the services
    Discover { path: String, name: Option<String> },
}

pub(crate) fn service_line() -> clap::Command {
    ServiceLine::command()
}

/// `service`.
pub(crate) fn service(context: &mut Context<'_>, words: &[String]) -> Done {
    match ServiceLine::try_parse_from(words)?.action {
        ServiceAction::Discover { path, name } => discover(context, &path, name.as_deref()),
        ServiceAction::Register {
            address,
            port,
            ssl_port,
            id,
            payload,
            waiting,
            path,
            name,
            behind,
        } => {
            validate(context, &path)?;
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.as_millis());
            let payload = payload.map_or(Value::Null, |text| {
                serde_json::from_str(&text).unwrap_or(Value::String(text))
            });
            let instance = Instance {
                service: name,
                id: id.unwrap_or(protection_id()?.uuid()),
                address,
                port,
                ssl_port,
                payload,
                registered_ms: i64::try_from(now).unwrap_or(i64::MAX),
            };
            let node = instance.path(&path);
            validate(context, &node)?;
            let data = instance.to_json().to_string().into_bytes();
            let member = Member::new(&node, &path, protection_id()?, Some(data.into()));
            stay(context, member, &node, &waiting, &behind)
        }
    }
}

fn discover(context: &mut Context<'_>, path: &str, name: Option<&str>) -> Done {
    validate(context, path)?;
    let Some(name) = name else {
        let (mut names, _) = context.client.children(path, false)?;
        names.sort_unstable();
        for name in names {
            context.out.line(&name);
            context.out.value(|| json!({ "service": name }));
        }
        return Ok(());
    };
    let path = join(path, name);
    validate(context, &path)?;
    for (_, data) in all(context, &path)? {
        // What is no JSON is none of the discovery's.
        let Ok(instance) = serde_json::from_slice::<Value>(&data) else { continue };
        if is_enabled(&instance) {
            context.out.line(&instance);
            context.out.value(|| instance);
        }
    }
    Ok(())
}

/// Names and data of all children, by name; none where there is no node.
fn all(context: &Context<'_>, path: &str) -> Result<Vec<(String, Vec<u8>)>, CliError> {
    let mut names = match context.client.children(path, false) {
        Ok((names, _)) => names,
        Err(error) if error.is(ErrorCode::NoNode) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    names.sort_unstable();
    let mut found = Vec::new();
    for name in names {
        match context.client.get(&join(path, &name), false) {
            Ok((data, _)) => found.push((name, data.unwrap_or_default())),
            // It has gone meanwhile.
            Err(error) if error.is(ErrorCode::NoNode) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}

fn step(path: &str, membership: Membership) -> Result<Step<()>, CliError> {
    let path = path.to_owned();
    match membership {
        Membership::Taken => Ok(Step::On),
        Membership::Joined => Ok(Step::Has(())),
        Membership::Lost => Err(HeldFault::Lost { path, reason: LOST }.into()),
        Membership::Left => Err(HeldFault::GivenUp { path }.into()),
        Membership::Failed(fault) => Err(fault.into()),
    }
}

/// Of whoever is a member no more.
const LOST: &str = "the session has expired";

fn stay(
    context: &mut Context<'_>,
    member: Member,
    node: &str,
    waiting: &Waiting,
    behind: &Behind,
) -> Done {
    let mut drive = Drive::begin(context, member)?;
    wait_for(&mut drive, node, waiting, |membership| step(node, membership))?;
    if behind.command.is_empty() {
        context.out.line(node);
        context.out.value(|| json!({ "node": node }));
        context.out.flush();
    }
    let holding = Holding { path: node, node, token: None, grace: waiting.grace() };
    let end = hold(&mut drive, &behind.command, &holding, |membership| match membership {
        Membership::Lost | Membership::Failed(_) => Some(LOST),
        Membership::Taken | Membership::Joined | Membership::Left => None,
    });
    give_back(&mut drive, &mut |membership| step(node, membership)).or_else(
        |error| match error {
            // It is told already.
            CliError::Held(HeldFault::Lost { .. }) => Ok(()),
            error => Err(error),
        },
    )?;
    match end? {
        End::Command(code) => done(code),
        End::Signal => Ok(()),
    }
}
