//! The texts of configuration files, as Java writes them when a configuration changes
//! (QuorumPeerConfig.writeDynamicConfig, editStaticConfig).

use super::Members;
use super::members::is_membership;
use super::order;
use crate::codec::properties::{self, SyntaxError};

/// A dynamic configuration file: the lines sorted, without an end of line behind the last.
/// `with_version`: that of a configuration which is not agreed upon; the version of others is in
/// the file's name.
pub fn dynamic_text(members: &Members, with_version: bool) -> String {
    let text = members.text();
    let kept = |line: &&str| with_version || !line.starts_with("version");
    let mut lines: Vec<&str> = text.lines().filter(kept).collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// The configuration file `old`, of which a byte is a character, pointing to the dynamic file at
/// `dynamic_path`. `erase_client`: the client port is in the dynamic file now. Comments are lost,
/// as in Java, and the order is that of its hash map. What Java forgets to escape is escaped.
pub fn static_text(
    old: &str,
    dynamic_path: &str,
    erase_client: bool,
) -> Result<String, SyntaxError> {
    let trim = |text: &str| text.trim_matches(|c| c <= ' ').to_owned();
    let lines: Vec<(String, String)> =
        properties::parse(old)?.iter().map(|line| (trim(&line.key), trim(&line.value))).collect();
    let keys: Vec<&str> = lines.iter().map(|(key, _)| key.as_str()).collect();
    let goes = |key: &str| {
        is_membership(key)
            || key.starts_with("dynamicConfigFile")
            || key.starts_with("peerType")
            || (erase_client && key.starts_with("clientPort"))
    };
    let mut out = String::new();
    for at in order::properties(&keys) {
        let key = keys[at];
        let value = lines.iter().rev().find(|(k, _)| k == key).map_or("", |(_, v)| v.as_str());
        if !goes(key) {
            put_escaped(&mut out, key, true);
            out.push('=');
            put_escaped(&mut out, value, false);
            out.push('\n');
        }
    }
    out.push_str("dynamicConfigFile=");
    put_escaped(&mut out, dynamic_path, false);
    out.push('\n');
    Ok(out)
}

fn put_escaped(out: &mut String, text: &str, is_key: bool) {
    for (at, c) in text.chars().enumerate() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{c}' => out.push_str("\\f"),
            ' ' | '=' | ':' if is_key => out.extend(['\\', c]),
            '#' | '!' if is_key && at == 0 => out.extend(['\\', c]),
            c if c > '\u{ff}' => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dynamic_files_are_sorted_lines() {
        let text = "server.10=b:1:2:participant\nserver.9=a:1:2:observer;3\nversion=100000007";
        let members = Members::parse(text).unwrap();
        let lines = "server.10=b:1:2:participant\nserver.9=a:1:2:observer;0.0.0.0:3";
        assert_eq!(dynamic_text(&members, false), lines);
        assert_eq!(dynamic_text(&members, true), format!("{lines}\nversion=100000007"));
    }

    #[test]
    fn a_static_file_keeps_what_is_not_of_the_members() {
        let old = "# comment\ntickTime = 2000\ntickTime=500\nserver.1=a:1:2\ngroup.1=1\nweight.1=2\n\
                   peerType=observer\nclientPort=2181\nclientPortAddress=x\ndataDir=/d\\\\e\n\
                   dynamicConfigFile=/old\na\\ b=\\u00fc\\u20ac";
        let text = |erase| static_text(old, "/conf/zoo.cfg.dynamic.7", erase).unwrap();
        let mut lines: Vec<String> = text(false).lines().map(str::to_owned).collect();
        assert_eq!(lines.pop().as_deref(), Some("dynamicConfigFile=/conf/zoo.cfg.dynamic.7"));
        lines.sort();
        assert_eq!(
            lines,
            [
                "a\\ b=\u{fc}\\u20ac",
                "clientPort=2181",
                "clientPortAddress=x",
                "dataDir=/d\\\\e",
                "tickTime=500"
            ]
        );
        assert!(!text(true).contains("clientPort"));
        // What is written reads back, and is written the same again.
        assert_eq!(static_text(&text(true), "/conf/zoo.cfg.dynamic.7", true).unwrap(), text(true));
    }
}
