//! Znode paths (org.apache.zookeeper.common.PathUtils).

/// Why a path is refused; always answered with BadArguments.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum PathError {
    #[error("path is empty")]
    Empty,
    #[error("path does not begin with '/'")]
    NotAbsolute,
    #[error("path ends with '/'")]
    TrailingSlash,
    #[error("path has an empty segment at byte {0}")]
    EmptySegment(usize),
    #[error("path has a relative segment at byte {0}")]
    RelativeSegment(usize),
    #[error("path has the forbidden character U+{0:04X}")]
    Character(u32),
}

/// PathUtils.validatePath, whole.
pub fn validate_path(path: &str) -> Result<(), PathError> {
    if path.is_empty() {
        return Err(PathError::Empty);
    }
    if !path.starts_with('/') {
        return Err(PathError::NotAbsolute);
    }
    if path.len() == 1 {
        return Ok(());
    }
    if path.ends_with('/') {
        return Err(PathError::TrailingSlash);
    }
    if let Some(c) = path.chars().find(|c| is_forbidden(*c)) {
        return Err(PathError::Character(c as u32));
    }
    let mut at = 1;
    for segment in path[1..].split('/') {
        match segment {
            "" => return Err(PathError::EmptySegment(at)),
            "." | ".." => return Err(PathError::RelativeSegment(at)),
            _ => at += segment.len() + 1,
        }
    }
    Ok(())
}

/// Supplementary characters are two surrogates in Java and refused as such.
fn is_forbidden(c: char) -> bool {
    let u = c as u32;
    u <= 0x1f
        || (0x7f..=0x9f).contains(&u)
        || (0xd800..=0xf8ff).contains(&u)
        || (0xfff0..=0xffff).contains(&u)
        || u > 0xffff
}

/// The first look prep takes at a create or delete: has a '/', has no NUL.
pub fn quick_check(path: &str) -> bool {
    path.contains('/') && !path.contains('\0')
}

/// Splits at the last '/': `"/a/b"` → `("/a", "b")`, `"/a"` → `("", "a")`. The root's own path is
/// the empty string inside the tree (DataTree). `None` without a '/'.
pub fn parent_and_name(path: &str) -> Option<(&str, &str)> {
    let slash = path.rfind('/')?;
    Some((&path[..slash], &path[slash + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validation_gives_javas_verdicts() {
        for good in ["/", "/a", "/a/b", "/a/.b", "/a/b..", "/ü/漢"] {
            assert_eq!(validate_path(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "a",
            "/a/",
            "//",
            "/a//b",
            "/a/.",
            "/a/./b",
            "/../a",
            "/a\u{1}",
            "/\u{e000}",
            "/😀",
        ] {
            assert!(validate_path(bad).is_err(), "{bad:?}");
        }
    }
}
