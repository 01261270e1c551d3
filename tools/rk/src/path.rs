//! Whether a path is one, and what zkCli says if it is not (org.apache.zookeeper.common.PathUtils).

/// Why a path is refused, in Java's words.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum PathFault {
    #[error("Path length must be > 0")]
    Empty,
    #[error("Path must start with / character")]
    NotAbsolute,
    #[error("Path must not end with / character")]
    TrailingSlash,
    #[error("Invalid path string \"{path}\" caused by {reason} @{at}")]
    Invalid { path: String, reason: Reason, at: usize },
}

/// What is wrong at a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Reason {
    #[error("null character not allowed")]
    Null,
    #[error("empty node name specified")]
    EmptyName,
    #[error("relative paths not allowed")]
    Relative,
    #[error("invalid character")]
    Character,
}

/// PathUtils.validatePath. Places are counted in UTF-16 units.
pub(crate) fn validate(path: &str) -> Result<(), PathFault> {
    if path.is_empty() {
        return Err(PathFault::Empty);
    }
    if !path.starts_with('/') {
        return Err(PathFault::NotAbsolute);
    }
    if path.len() == 1 {
        return Ok(());
    }
    if path.ends_with('/') {
        return Err(PathFault::TrailingSlash);
    }
    let units: Vec<u16> = path.encode_utf16().collect();
    for at in 1..units.len() {
        if let Some(reason) = fault_at(&units, at) {
            return Err(PathFault::Invalid { path: path.to_owned(), reason, at });
        }
    }
    Ok(())
}

fn fault_at(units: &[u16], at: usize) -> Option<Reason> {
    const SLASH: u16 = b'/' as u16;
    const DOT: u16 = b'.' as u16;
    let is_end = units.get(at + 1).is_none_or(|next| *next == SLASH);
    let before = units[at - 1];
    match units[at] {
        0 => Some(Reason::Null),
        SLASH if before == SLASH => Some(Reason::EmptyName),
        DOT if before == DOT => (units[at - 2] == SLASH && is_end).then_some(Reason::Relative),
        DOT => (before == SLASH && is_end).then_some(Reason::Relative),
        0x01..=0x1f | 0x7f..=0x9f | 0xd800..=0xf8ff | 0xfff0..=0xffff => Some(Reason::Character),
        _ => None,
    }
}

/// A child's path.
pub(crate) fn join(parent: &str, name: &str) -> String {
    match parent {
        "/" => format!("/{name}"),
        _ => format!("{parent}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringkeeper::types::validate_path;

    #[test]
    fn paths_are_refused_in_javas_words() {
        let text =
            |path: &str| validate(path).map_or_else(|fault| fault.to_string(), |()| "".into());
        for (path, expected) in [
            ("/", ""),
            ("/a/.b/c..", ""),
            ("", "Path length must be > 0"),
            ("a", "Path must start with / character"),
            ("/a/", "Path must not end with / character"),
            ("/a//b", "Invalid path string \"/a//b\" caused by empty node name specified @3"),
            ("/a/./b", "Invalid path string \"/a/./b\" caused by relative paths not allowed @3"),
            ("/a/..", "Invalid path string \"/a/..\" caused by relative paths not allowed @4"),
            ("/ü\u{1}", "Invalid path string \"/ü\u{1}\" caused by invalid character @2"),
        ] {
            assert_eq!(text(path), expected, "{path:?}");
            // The server's own verdict is the same.
            assert_eq!(validate_path(path).is_ok(), expected.is_empty(), "{path:?}");
        }
    }
}
