//! Commands about the session itself: who it is, what it watches, its end.

use ringkeeper::client::{State, WatcherType};
use ringkeeper::types::ErrorCode;
use serde_json::json;

use super::read::path;
use super::{Command, Context, Done};
use crate::error::CliError;
use crate::options::{Opt, Parsed, flag, valued};
use crate::path::validate;

pub(super) const ADD_WATCH: &str = "[-m mode] path # optional mode is one of \
    [PERSISTENT, PERSISTENT_RECURSIVE] - default is PERSISTENT_RECURSIVE";
pub(super) const ADD_WATCH_OPTIONS: &[Opt] = &[valued("m", "")];
pub(super) const REMOVE: &[Opt] = &[
    flag("c", "child watcher type"),
    flag("d", "data watcher type"),
    flag("p", "persistent watcher type"),
    flag("r", "persistent recursive watcher type"),
    flag("a", "any watcher type"),
    flag("l", "remove locally when there is no server connection"),
];

/// Modes of addWatch by their names (AddWatchMode).
const MODES: [(&str, i32); 2] = [("PERSISTENT", 0), ("PERSISTENT_RECURSIVE", 1)];

/// AddAuthCommand, which does not wait for the server's verdict; this one does.
pub(super) fn add_auth(context: &mut Context<'_>, parsed: &Parsed) -> Done {
    let auth = parsed.args.get(2).map(String::as_str);
    context.client.add_auth(path(parsed), auth)?;
    context.out.value(|| json!({ "scheme": path(parsed) }));
    Ok(())
}

/// WhoAmICommand.
pub(super) fn who_am_i(context: &mut Context<'_>, _: &Parsed) -> Done {
    let identities = context.client.who_am_i()?;
    context.out.line("Auth scheme: User");
    for (scheme, user) in &identities {
        context.out.line(format!("{scheme}: {user}"));
    }
    context.out.value(|| {
        let one = |(scheme, user): &(String, String)| json!({ "scheme": scheme, "user": user });
        json!({ "identities": identities.iter().map(one).collect::<Vec<_>>() })
    });
    Ok(())
}

/// AddWatchCommand.
pub(super) fn add_watch(context: &mut Context<'_>, parsed: &Parsed) -> Done {
    let name = parsed.value("m").unwrap_or("PERSISTENT_RECURSIVE").to_uppercase();
    let mode = MODES.iter().find(|(known, _)| *known == name).map(|(_, mode)| *mode);
    let mode = match (mode, Command::find("addWatch")) {
        (Some(mode), _) => mode,
        (None, Some(command)) => return Err(CliError::Usage(command)),
        (None, None) => return Ok(()),
    };
    let path = path(parsed);
    validate(path)?;
    context.client.add_watch(path, mode)?;
    context.out.value(|| json!({ "path": path, "mode": name }));
    Ok(())
}

/// RemoveWatchesCommand.
pub(super) fn remove(context: &mut Context<'_>, parsed: &Parsed) -> Done {
    let kinds = [
        ("c", WatcherType::Children),
        ("d", WatcherType::Data),
        ("p", WatcherType::Persistent),
        ("r", WatcherType::PersistentRecursive),
    ];
    let kind = kinds.into_iter().find(|(option, _)| parsed.has(option));
    let kind = kind.map_or(WatcherType::Any, |(_, kind)| kind);
    let path = path(parsed);
    validate(path)?;
    match context.client.remove_watches(path, kind) {
        Err(error) if parsed.has("l") && error.is(ErrorCode::ConnectionLoss) => {
            context.client.connection().forget(kind, path)?;
        }
        other => other?,
    }
    context.out.value(|| json!({ "path": path }));
    Ok(())
}

/// CloseCommand.
pub(super) fn close(context: &mut Context<'_>, _: &Parsed) -> Done {
    context.client.close();
    context.out.value(|| json!({ "state": state_name(State::Closed) }));
    Ok(())
}

/// VersionCommand.
pub(super) fn version(context: &mut Context<'_>, _: &Parsed) -> Done {
    let version = env!("CARGO_PKG_VERSION");
    context.out.line(format!("Ringkeeper CLI version: {version}"));
    context.out.value(|| json!({ "version": version }));
    Ok(())
}

/// As prompts show it (ZooKeeper.States).
pub(crate) fn state_name(state: State) -> &'static str {
    match state {
        State::Connecting => "CONNECTING",
        State::Connected => "CONNECTED",
        State::ConnectedReadOnly => "CONNECTEDREADONLY",
        State::Expired | State::Closed => "CLOSED",
        State::AuthFailed => "AUTH_FAILED",
    }
}
