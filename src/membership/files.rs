//! The texts of configuration files, as Java writes them when a configuration changes
//! (QuorumPeerConfig.writeDynamicConfig, editStaticConfig).

use std::collections::BTreeSet;

use super::members::is_membership;
use super::order;
use super::{Member, Members};
use crate::codec::properties::{self, SyntaxError, put_escaped};
use crate::types::ServerId;

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
    let trim = |text: &str| trimmed(text).to_owned();
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

/// The configuration file `old` with lines of these members and of no others. Lines of theirs stay as they
/// are, for a server may have addresses of its own in its file; a line that goes becomes a comment behind
/// `why`. Everything else stays, comments too.
pub fn static_members_text(old: &str, members: &Members, why: &str) -> Result<String, SyntaxError> {
    let wanted = members.text();
    let wanted: Vec<(&str, &str)> =
        wanted.lines().filter_map(|line| line.split_once('=')).collect();
    let physical = properties::natural_lines(old);
    let mut gone: BTreeSet<usize> = BTreeSet::new();
    let mut kept: BTreeSet<String> = BTreeSet::new();
    for line in properties::parse(old)? {
        let (key, value) = (trimmed(&line.key), trimmed(&line.value));
        if !is_membership(key) || key == "server.principal" || key == "server.realm" {
            continue;
        }
        match kept_as(members, &wanted, key, value) {
            Some(name) => drop(kept.insert(name)),
            None => {
                let first = line.number - 1;
                let rest =
                    physical[first..].iter().take_while(|line| properties::is_continued(line));
                gone.extend(first..=(first + rest.count()).min(physical.len() - 1));
            }
        }
    }
    let mut out = String::new();
    for (at, line) in physical.iter().enumerate() {
        if gone.contains(&at) {
            let begins = at == 0 || !gone.contains(&(at - 1));
            let note = if begins { format!("# {why}\n") } else { String::new() };
            // A comment is never continued, whatever its line ends in.
            out.push_str(&format!("{note}# {line}\n"));
        } else {
            out.push_str(line);
            out.push('\n');
        }
    }
    for (key, value) in wanted {
        if key != "version" && !kept.contains(key) {
            out.push_str(&format!("{key}={value}\n"));
        }
    }
    Ok(out)
}

/// The key, as a text of members has it, of a line that says of them what is wanted.
fn kept_as(members: &Members, wanted: &[(&str, &str)], key: &str, value: &str) -> Option<String> {
    if let Some(number) = key.strip_prefix("server.") {
        let id = ServerId(number.parse().ok()?);
        let role = members.get(id)?.role;
        let is_right = Member::parse(id, value).is_ok_and(|member| member.role == role);
        return is_right.then(|| format!("server.{}", id.0));
    }
    wanted.contains(&(key, value)).then(|| key.to_owned())
}

fn trimmed(text: &str) -> &str {
    text.trim_matches(|c| c <= ' ')
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

    #[test]
    fn members_go_and_everything_else_stays() {
        // Goal: comments, order, own addresses, continued lines; what goes can be read still.
        let old = "# mine\ntickTime=2000\nserver.1=0.0.0.0:1:2\nserver.02 = b:1:2;\\\n   3\n\
                   server.3=c:1:2:observer\nserver.principal=x\ngroup.1=1:2\ngroup.2=3\nweight.2=1\n\
                   clientPort=2181";
        let left = "server.1=a:1:2\nserver.3=c:1:2:participant\ngroup.1=1\ngroup.2=3";
        let members = Members::parse(left).unwrap();
        let text = static_members_text(old, &members, "lost").unwrap();
        assert_eq!(
            text,
            "# mine\ntickTime=2000\nserver.1=0.0.0.0:1:2\n# lost\n# server.02 = b:1:2;\\\n#    3\n\
             # server.3=c:1:2:observer\nserver.principal=x\n# lost\n# group.1=1:2\ngroup.2=3\n# lost\n\
             # weight.2=1\nclientPort=2181\nserver.3=c:1:2:participant\ngroup.1=1\nweight.1=1\n\
             weight.3=1\n"
        );
        // Once more changes nothing more.
        assert_eq!(static_members_text(&text, &members, "lost").unwrap(), text);
    }
}
