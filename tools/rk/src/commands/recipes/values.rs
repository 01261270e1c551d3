//! config watch: a node's data, now and after each change.

use clap::Parser;
use ringkeeper::client::recipes::value::{Follow, Value};
use serde_json::json;

use super::validate;
use crate::commands::read::data_json;
use crate::commands::{Context, Done};
use crate::error::HeldFault;
use crate::recipe::{Drive, Happened};
use crate::stat;

/// Prints a node's data, and again after each change, until a signal. Of changes in quick succession the last is
/// always shown; a node that is not there is an empty line.
#[derive(Parser, Debug)]
#[command(name = "config watch")]
struct Line {
    /// End after so many
    #[arg(long)]
    count: Option<u64>,
    path: String,
}

/// `config watch`.
pub(crate) fn config_watch(context: &mut Context<'_>, words: &[String]) -> Done {
    let line = Line::try_parse_from(words)?;
    let path = &line.path;
    validate(context, path)?;
    let mut drive = Drive::begin(context, Follow::new(path))?;
    let mut left = line.count.unwrap_or(u64::MAX);
    while left > 0 && !context.out.is_broken() {
        match drive.next(None) {
            Happened::Outcome(Value::Is { data, stat }) => {
                left -= 1;
                context.out.value(|| {
                    let (key, data) = data_json(Some(&data));
                    json!({ "path": path, key: data, "stat": stat::json(&stat) })
                });
                if !context.out.is_json() {
                    context.out.bytes(&data);
                }
            }
            Happened::Outcome(Value::Absent) => {
                left -= 1;
                context.out.line("");
                context.out.value(|| json!({ "path": path, "data": null, "stat": null }));
            }
            Happened::Outcome(Value::Left) | Happened::Signal(_) => return Ok(()),
            Happened::Outcome(Value::Failed(fault)) => return Err(fault.into()),
            Happened::Doubtful => {
                let reason = "no server answers, and what was shown may be old";
                context.out.note(HeldFault::Lost { path: path.clone(), reason });
            }
            Happened::Child | Happened::Late => {}
        }
        context.out.flush();
    }
    Ok(())
}
