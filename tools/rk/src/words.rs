//! A line, cut into words as zkCli cuts it (ZooKeeperMain.MyCommandOptions.parseCommand): quotes hold a
//! word together only where they begin one, and there are no escapes.

/// The words of a line. A quote that nothing closes is passed over.
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, behind) = match first {
            '"' | '\'' => match rest[1..].split_once(first) {
                Some((word, behind)) => (word, behind),
                None => {
                    rest = rest[1..].trim_start();
                    continue;
                }
            },
            _ => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        words.push(word.to_owned());
        rest = behind.trim_start();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_as_zkcli_cuts_them() {
        // Goal: what ARGS_PATTERN of ZooKeeperMain finds in each line.
        for (line, expected) in [
            ("", &[][..]),
            ("   ", &[]),
            ("ls /", &["ls", "/"]),
            ("  create  /a  \"b c\"  ", &["create", "/a", "b c"]),
            ("set /a 'it is \"so\"'", &["set", "/a", "it is \"so\""]),
            ("set /a b\"c d\"", &["set", "/a", "b\"c", "d\""]),
            ("set /a \"b c\"d", &["set", "/a", "b c", "d"]),
            ("set /a \"\"", &["set", "/a", ""]),
            ("set /a \"open b", &["set", "/a", "open", "b"]),
            ("set /a \" open", &["set", "/a", "open"]),
        ] {
            assert_eq!(words(line), expected, "{line:?}");
        }
    }
}
