//! watch: changes as they happen.

use std::time::Duration;

use clap::{CommandFactory, Parser};
use jiff::ZonedDateTime;
use serde_json::json;

use super::{Context, Done};
use crate::connection::Notice;
use crate::notices::event_name;
use crate::out::Ink;
use crate::path::validate;
use ringkeeper::client::{State, WatcherType};

/// Between two looks at whether anybody still reads.
const LOOK: Duration = Duration::from_millis(500);

/// A node's changes, or a subtree's, as they happen; ends by Ctrl-C. After a lost connection it goes on with
/// the next server, which tells of no change in between to persistent watches: a line says so.
#[derive(Parser, Debug)]
#[command(name = "watch")]
struct Watch {
    /// All beneath it, too
    #[arg(short, long)]
    recursive: bool,
    /// End after so many changes
    #[arg(long)]
    count: Option<u64>,
    /// What to watch
    path: String,
}

pub(super) fn watch_line() -> clap::Command {
    Watch::command()
}

/// `watch`: a line for each change, with the time and the transaction.
pub(super) fn watch(context: &mut Context<'_>, words: &[String]) -> Done {
    let watch = Watch::try_parse_from(words)?;
    validate(&watch.path)?;
    let (mode, kind) = match watch.recursive {
        false => (0, WatcherType::Persistent),
        true => (1, WatcherType::PersistentRecursive),
    };
    context.feed.listen(true);
    let done = context.client.add_watch(&watch.path, mode).map(|()| follow(context, &watch));
    // Nothing more is heard of it, whatever the shell does next.
    let done = done.and_then(|()| context.client.remove_watches(&watch.path, kind));
    context.feed.listen(false);
    Ok(done?)
}

fn follow(context: &mut Context<'_>, watch: &Watch) {
    let mut left = watch.count.unwrap_or(u64::MAX);
    let mut was_lost = false;
    while left > 0 && !context.out.is_broken() && context.client.connection().state().is_alive() {
        let lost = context.feed.lost();
        if lost > 0 {
            context.out.note(format!("{lost} changes came too fast and are not shown"));
        }
        let Some(notice) = context.feed.next(LOOK) else { continue };
        let time = ZonedDateTime::now().strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string();
        match notice {
            Notice::Event { kind, path, zxid } => {
                left -= 1;
                let kind = event_name(kind);
                let name = context.out.ink(Ink::Key, kind);
                context.out.line(format!("{time} 0x{:x} {name} {path}", zxid.0));
                context
                    .out
                    .value(|| json!({ "time": time, "zxid": zxid.0, "event": kind, "path": path }));
            }
            Notice::State(state) => {
                was_lost |= state == State::Connecting;
                let text = match state {
                    State::Connecting => "the connection is lost: changes may be missed",
                    State::Connected | State::ConnectedReadOnly if !was_lost => continue,
                    State::Connected | State::ConnectedReadOnly => "connected again",
                    State::Expired => "the session has expired",
                    State::AuthFailed => "authentication was refused",
                    State::Closed => "the session is closed",
                };
                context.out.note(format!("{time} {text}"));
            }
            Notice::Removed { .. } => {}
        }
        context.out.flush();
    }
}
