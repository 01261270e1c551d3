//! `--log-level` and `RINGKEEPER_LOG`: which lines of the log are printed.
//!
//! `tracing_subscriber` takes a word that is no level for the name of a module: a misspelt level
//! would then be a filter that lets nothing through, errors included.

/// What is wrong with a filter, and what would be right.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum LogLevelError {
    #[error("\"{0}\" is no level: error, warn, info, debug, trace or off")]
    Level(String),
    #[error("\"{0}\" is no part of this server: such as ringkeeper::log=debug")]
    Module(String),
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// A filter as `tracing_subscriber` reads it, of a comma list of levels and of `module=level`. What
/// has no level of its own has INFO: who asks for more of one module wants no less of the others.
pub fn log_filter(text: &str) -> Result<String, LogLevelError> {
    let mut whole = "info";
    let mut modules = Vec::new();
    for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        match word.split_once('=') {
            None if is_level(word) => whole = word,
            None if word.starts_with("ringkeeper") => modules.push(module(word)?),
            None => return Err(LogLevelError::Level(word.to_owned())),
            Some((name, level)) => {
                module(name)?;
                if !is_level(level) {
                    return Err(LogLevelError::Level(level.to_owned()));
                }
                modules.push(word);
            }
        }
    }
    modules.insert(0, whole);
    Ok(modules.join(","))
}

fn is_level(word: &str) -> bool {
    LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word))
}

/// Parts are the modules of the library's front page.
fn module(name: &str) -> Result<&str, LogLevelError> {
    const PARTS: [&str; 18] = [
        "types",
        "codec",
        "acl",
        "election",
        "log",
        "membership",
        "order",
        "prep",
        "session",
        "snapshot",
        "tree",
        "watch",
        "zab",
        "disk",
        "net",
        "runtime",
        "admin",
        "node",
    ];
    let mut path = name.split("::");
    let known = path.next() == Some("ringkeeper")
        && path.next().is_none_or(|part| PARTS.contains(&part))
        && path.all(|part| !part.is_empty());
    if known { Ok(name) } else { Err(LogLevelError::Module(name.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_modules_are_taken() {
        for (text, filter) in [
            ("", "info"),
            ("info", "info"),
            ("WARN", "WARN"),
            ("off", "off"),
            ("debug,ringkeeper::log=trace", "debug,ringkeeper::log=trace"),
            ("ringkeeper::zab::leader=debug", "info,ringkeeper::zab::leader=debug"),
            ("ringkeeper=debug, error", "error,ringkeeper=debug"),
            ("ringkeeper::net", "info,ringkeeper::net"),
        ] {
            assert_eq!(log_filter(text).as_deref(), Ok(filter), "{text}");
        }
    }

    #[test]
    fn what_would_silence_the_log_by_a_slip_is_refused() {
        for text in ["infos", "wran", "5x", "INFO;debug", "info,verbose", "ringkeeper=loud"] {
            assert!(matches!(log_filter(text), Err(LogLevelError::Level(_))), "{text}");
        }
        for text in ["ringkeper=info", "ringkeeper::lgo=debug", "hyper=debug", "ringkeeper::"] {
            assert!(matches!(log_filter(text), Err(LogLevelError::Module(_))), "{text}");
        }
    }
}
