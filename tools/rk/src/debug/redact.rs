//! What is a secret, and what stands in its place.
//!
//! Three nets, one behind the other. A value whose key names a secret goes (`password=…`, `"token": "…"`,
//! `-Dzookeeper.ssl.keyStore.password=…`). So does what looks like one wherever it stands: a digest of
//! ZooKeeper's, a private key in PEM. And every secret that a configuration has told is taken out of
//! everything else, as it is: of a log that quotes it, too.

use std::collections::BTreeSet;

/// In a secret's place.
const INSTEAD: &str = "***";
/// What a key of a secret has in its name.
const WORDS: [&str; 8] =
    ["password", "passwd", "secret", "superdigest", "credential", "token", "passphrase", "apikey"];
/// Shorter ones are words of every text, and cannot be taken out of it.
const SHORTEST: usize = 4;
/// base64 of a SHA-1, as digests of ZooKeeper's are; longer ones of other functions.
const DIGEST: usize = 28;

/// Takes secrets out.
#[derive(Default, Debug)]
pub(crate) struct Redactor {
    known: BTreeSet<String>,
}

impl Redactor {
    /// A secret, wherever it may stand.
    pub(crate) fn learn(&mut self, secret: &str) {
        let secret = secret.trim();
        if secret.len() >= SHORTEST {
            self.known.insert(secret.to_owned());
        }
    }

    /// Every value of a secret's key in a text.
    pub(crate) fn learn_from(&mut self, text: &str) {
        for line in text.lines() {
            for (begin, end) in values(line) {
                self.learn(&line[begin..end]);
            }
        }
    }

    /// The text without them.
    pub(crate) fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        // The longest first: one may be a part of another.
        let mut known: Vec<&String> = self.known.iter().collect();
        known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        for secret in known {
            text = text.replace(secret.as_str(), INSTEAD);
        }
        let mut out = String::with_capacity(text.len());
        let (mut in_key, mut in_value) = (false, false);
        for line in text.split_inclusive('\n') {
            // A properties file's line goes on behind a backslash.
            let goes_on = line.trim_end().ends_with('\\');
            if std::mem::replace(&mut in_value, false) {
                out.push_str(INSTEAD);
                out.push('\n');
                in_value = goes_on;
                continue;
            }
            in_value = goes_on && is_whole_line(line);
            if line.contains("-----BEGIN") && line.contains("PRIVATE KEY") {
                in_key = true;
                out.push_str(INSTEAD);
                out.push('\n');
            }
            if !in_key {
                out.push_str(&without_digests(&without_values(line)));
            }
            in_key &= !(line.contains("-----END") && line.contains("PRIVATE KEY"));
        }
        out
    }
}

/// Whether a key is a secret's. A path to one is none.
pub(crate) fn is_secret(key: &str) -> bool {
    let key: String =
        key.to_ascii_lowercase().chars().filter(|c| !matches!(c, '_' | '-')).collect();
    WORDS.iter().any(|word| key.contains(word)) && !key.ends_with("path") && !key.ends_with("file")
}

/// Whether a secret's key begins the line, as in a properties file: then all behind it is the secret.
fn is_whole_line(line: &str) -> bool {
    let key = line.split(['=', ':']).next().unwrap_or_default().trim();
    key.len() < line.trim().len() && !key.contains([' ', '\t', '"', '\'']) && is_secret(key)
}

/// Where the values of secrets' keys stand in a line: behind `=` or `:`, in quotes, to the next blank, or to the
/// end where the key begins the line.
fn values(line: &str) -> Vec<(usize, usize)> {
    let is_key = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(sign) = line[at..].find(['=', ':']).map(|sign| at + sign) {
        at = sign + 1;
        let before = line[..sign].trim_end_matches([' ', '\t']).trim_end_matches(['"', '\'', '\\']);
        let key = before.rfind(|c| !is_key(c)).map_or(before, |end| {
            let next = before[end..].chars().next().map_or(0, char::len_utf8);
            &before[end + next..]
        });
        if !is_secret(key) {
            continue;
        }
        let rest = line[at..].trim_start_matches([' ', '\t', '\\']);
        let begin = line.len() - rest.len();
        let (begin, ends): (usize, &[char]) = match rest.chars().next() {
            Some('"') => (begin + 1, &['"', '\n', '\r']),
            Some('\'') => (begin + 1, &['\'', '\n', '\r']),
            Some(_) if is_whole_line(line) && line[..sign].trim() == key => (begin, &['\n', '\r']),
            // To the end of the word; a flag may stand in quotes that began before it.
            _ => (begin, &[' ', '\t', '"', '\'', ',', ';', '\n', '\r']),
        };
        let end = line[begin..].find(ends).map_or(line.len(), |end| begin + end);
        if begin < end {
            found.push((begin, end));
            at = end;
        }
    }
    found
}

fn without_values(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut from = 0;
    for (begin, end) in values(line) {
        out.push_str(&line[from..begin]);
        out.push_str(INSTEAD);
        from = end;
    }
    out.push_str(&line[from..]);
    out
}

/// `name:base64=`: the name stays.
fn without_digests(line: &str) -> String {
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(colon) = rest.find(':') {
        let (before, after) = rest.split_at(colon + 1);
        out.push_str(before);
        let length = after.find(|c| !is_base64(c)).unwrap_or(after.len());
        let padding = after[length..].bytes().take_while(|b| *b == b'=').count();
        let named = before[..colon].chars().next_back().is_some_and(|c| c.is_alphanumeric());
        if named && padding > 0 && length + padding >= DIGEST && (length + padding) % 4 == 0 {
            out.push_str(INSTEAD);
            rest = &after[length + padding..];
        } else {
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_wherever_they_stand() {
        // Goal: keys of every form, digests, private keys; what is none stays as it is.
        let redactor = Redactor::default();
        for (text, expected) in [
            ("ssl.keyStore.password=abc def", "ssl.keyStore.password=***"),
            ("  ssl.password = a\\ b, c;d\nx=y z", "  ssl.password = ***\nx=y z"),
            ("password=abc\\\n  def\\\n ghi\nx=y", "password=***\n***\n***\nx=y"),
            ("a.PASSWD : x", "a.PASSWD : ***"),
            (r#"{"token": "a b", "other": "c"}"#, r#"{"token": "***", "other": "c"}"#),
            (
                r#"F="-Dzookeeper.ssl.trustStore.password=x -Da=b""#,
                r#"F="-Dzookeeper.ssl.trustStore.password=*** -Da=b""#,
            ),
            ("user_secret='x y' z", "user_secret='***' z"),
            ("ssl.keyStore.passwordPath=/p", "ssl.keyStore.passwordPath=/p"),
            ("acl super:lK75jTNcA+U9vtVEw5vB51mj/w4= r", "acl super:*** r"),
            ("server.1=a:2888:3888;2181", "server.1=a:2888:3888;2181"),
            ("a\n-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----\nb\n", "a\n***\nb\n"),
            ("passwords: none", "passwords: ***"),
            ("12:30:45 done", "12:30:45 done"),
        ] {
            assert_eq!(redactor.redact(text), expected);
        }
    }

    #[test]
    fn what_was_learned_goes_everywhere() {
        let mut redactor = Redactor::default();
        redactor.learn_from("ssl.keyStore.password=hunter22\nshort.password=ab\n");
        redactor.learn("hunter22-and-more");
        let text = redactor.redact("tried hunter22-and-more, then hunter22, then ab");
        assert_eq!(text, "tried ***, then ***, then ab");
    }

    #[test]
    fn any_line_is_read() {
        // Goal: no line of a few characters that mean something breaks it, in the middle of a character either.
        let parts = ["password", "=", ":", "\"", "'", "\\", " ", "é", "\n", "a", "{", "/w4="];
        for seed in 0..20_000usize {
            let (mut rest, mut text) = (seed.wrapping_mul(2_654_435_761), String::new());
            for _ in 0..9 {
                text.push_str(parts[rest % parts.len()]);
                rest = rest / parts.len() + seed;
            }
            Redactor::default().redact(&text);
        }
    }
}
