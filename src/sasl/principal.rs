//! A proven name into the one that access lists have (KerberosName, SaslServerCallbackHandler).
//!
//! `service/host@REALM` is cut to a short name by the first of the rules that applies, and host and realm
//! are put behind it again unless settings leave them out. A name without a realm is short already.

use regex::Regex;

/// What is left out behind a short name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Removed {
    /// `zookeeper.kerberos.removeHostFromPrincipal`.
    pub host: bool,
    /// `zookeeper.kerberos.removeRealmFromPrincipal`.
    pub realm: bool,
}

/// How names are cut.
#[derive(Clone, Debug)]
pub struct Names {
    removed: Removed,
    /// What `DEFAULT` takes names of.
    realm: String,
    rules: Vec<Rule>,
    text: String,
}

impl PartialEq for Names {
    /// Rules by their text: compiled patterns cannot be compared.
    fn eq(&self, other: &Names) -> bool {
        let Names { removed, realm, rules: _, text } = self;
        (removed, realm, text) == (&other.removed, &other.realm, &other.text)
    }
}

impl Default for Names {
    fn default() -> Names {
        Names::new(Removed::default(), String::new())
    }
}

#[derive(Clone, Debug)]
enum Rule {
    /// The first part, of a name of this server's realm.
    Default,
    /// `RULE:[parts:format](takes)s/from/to/g`
    Own { parts: usize, format: String, takes: Option<Regex>, edit: Option<Edit> },
}

#[derive(Clone, Debug)]
struct Edit {
    from: Regex,
    to: String,
    everywhere: bool,
}

/// Why `zookeeper.security.auth_to_local` cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum RuleError {
    #[error("no rule begins with \"{0}\"")]
    Syntax(String),
    #[error("\"{0}\" is no pattern that is known here")]
    Pattern(String),
    #[error("\"{0}\" names a part that its rule does not have")]
    Part(String),
}

/// A name in its parts.
struct Principal<'a> {
    service: &'a str,
    host: Option<&'a str>,
    realm: Option<&'a str>,
}

impl<'a> Principal<'a> {
    /// `None`: it is none.
    fn parse(name: &'a str) -> Option<Principal<'a>> {
        let Some((front, realm)) = name.split_once('@') else {
            return Some(Principal { service: name, host: None, realm: None });
        };
        let (service, host) =
            front.split_once('/').map_or((front, None), |(service, host)| (service, Some(host)));
        let is_whole = !realm.contains(['/', '@']) && !host.unwrap_or_default().contains('/');
        is_whole.then_some(Principal { service, host, realm: Some(realm) })
    }
}

impl Names {
    /// By the one rule `DEFAULT`, for names of this realm.
    pub fn new(removed: Removed, realm: String) -> Names {
        Names { removed, realm, rules: vec![Rule::Default], text: "DEFAULT".to_owned() }
    }

    /// With `zookeeper.security.auth_to_local`'s rules.
    pub fn with_rules(self, text: &str) -> Result<Names, RuleError> {
        let mut rules = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (rule, behind) = rule(rest)?;
            rules.push(rule);
            rest = behind.trim_start();
        }
        Ok(Names { rules, text: text.to_owned(), ..self })
    }

    /// Whom access lists call by this name. `None`: it is no name, or no rule takes it.
    pub fn of(&self, proven: &str) -> Option<String> {
        let principal = Principal::parse(proven)?;
        let mut name = self.short(&principal)?;
        if let Some(host) = principal.host.filter(|_| !self.removed.host) {
            name.push('/');
            name.push_str(host);
        }
        if let Some(realm) = principal.realm.filter(|_| !self.removed.realm) {
            name.push('@');
            name.push_str(realm);
        }
        Some(name)
    }

    /// KerberosName.getShortName. Once a rule applies, what it gives counts, good or not.
    fn short(&self, principal: &Principal<'_>) -> Option<String> {
        let Some(realm) = principal.realm else { return Some(principal.service.to_owned()) };
        let parts: Vec<&str> =
            [realm, principal.service].into_iter().chain(principal.host).collect();
        let short = self.rules.iter().find_map(|rule| rule.apply(&parts, &self.realm))?;
        (!short.contains(['/', '@'])).then_some(short)
    }
}

impl Rule {
    /// `parts`: the realm, the service, and the host if there is one.
    fn apply(&self, parts: &[&str], own_realm: &str) -> Option<String> {
        match self {
            Rule::Default => (parts[0] == own_realm).then(|| parts[1].to_owned()),
            Rule::Own { parts: wanted, format, takes, edit } => {
                if parts.len() != wanted + 1 {
                    return None;
                }
                let base = filled(format, parts);
                if takes.as_ref().is_some_and(|takes| !takes.is_match(&base)) {
                    return None;
                }
                Some(match edit {
                    None => base,
                    Some(Edit { from, to, everywhere: true }) => {
                        from.replace_all(&base, to).into_owned()
                    }
                    Some(Edit { from, to, everywhere: false }) => {
                        from.replace(&base, to).into_owned()
                    }
                })
            }
        }
    }
}

/// `$0` is the realm, `$1` the service, `$2` the host; all of them are there.
fn filled(format: &str, parts: &[&str]) -> String {
    let mut out = String::new();
    let mut rest = format;
    while let Some((before, behind)) = rest.split_once('$') {
        out.push_str(before);
        let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
        let part = behind[..digits].parse().ok().and_then(|n: usize| parts.get(n));
        out.push_str(part.copied().unwrap_or_default());
        rest = &behind[digits..];
    }
    out.push_str(rest);
    out
}

/// The first rule of a text, and what stands behind it.
fn rule(text: &str) -> Result<(Rule, &str), RuleError> {
    let syntax = || RuleError::Syntax(text.chars().take(64).collect());
    if let Some(behind) = text.strip_prefix("DEFAULT") {
        return Ok((Rule::Default, behind));
    }
    let inner = text.strip_prefix("RULE:[").ok_or_else(syntax)?;
    let (count, inner) = inner.split_once(':').ok_or_else(syntax)?;
    let parts: usize = count.parse().map_err(|_| syntax())?;
    let (format, mut behind) = inner.split_once(']').ok_or_else(syntax)?;
    check_parts(format, parts)?;
    let mut takes = None;
    if let Some(inner) = behind.strip_prefix('(') {
        let (pattern, rest) = inner.split_once(')').ok_or_else(syntax)?;
        takes = Some(pattern_of(&format!("^(?:{pattern})$"), pattern)?);
        behind = rest;
    }
    let mut edit = None;
    if let Some(inner) = behind.strip_prefix("s/") {
        let (from, rest) = inner.split_once('/').ok_or_else(syntax)?;
        let (to, rest) = rest.split_once('/').ok_or_else(syntax)?;
        let everywhere = rest.starts_with('g');
        behind = if everywhere { &rest[1..] } else { rest };
        let from = pattern_of(from, from)?;
        let to = replacement(to, from.captures_len())?;
        edit = Some(Edit { from, to, everywhere });
    }
    Ok((Rule::Own { parts, format: format.to_owned(), takes, edit }, behind))
}

fn pattern_of(pattern: &str, shown: &str) -> Result<Regex, RuleError> {
    Regex::new(pattern).map_err(|_| RuleError::Pattern(shown.to_owned()))
}

/// Java finds a part that is missing when somebody comes; here the server does not start.
fn check_parts(format: &str, parts: usize) -> Result<(), RuleError> {
    for behind in format.split('$').skip(1) {
        let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
        if behind[..digits].parse().map_or(true, |n: usize| n > parts) {
            return Err(RuleError::Part(format.to_owned()));
        }
    }
    Ok(())
}

/// Java's `$1` and `\x` in the spelling of this library.
fn replacement(to: &str, groups: usize) -> Result<String, RuleError> {
    let mut out = String::new();
    let mut chars = to.chars().peekable();
    let wrong = || RuleError::Part(to.to_owned());
    while let Some(c) = chars.next() {
        match c {
            '\\' => push_literal(&mut out, chars.next().ok_or_else(wrong)?),
            '$' => {
                let mut group =
                    chars.next().and_then(|c| c.to_digit(10)).ok_or_else(wrong)? as usize;
                // As many digits as there is a group for.
                while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
                    let longer = group.saturating_mul(10).saturating_add(digit as usize);
                    if longer >= groups {
                        break;
                    }
                    group = longer;
                    chars.next();
                }
                if group >= groups {
                    return Err(wrong());
                }
                out.push_str(&format!("${{{group}}}"));
            }
            c => push_literal(&mut out, c),
        }
    }
    Ok(out)
}

fn push_literal(out: &mut String, c: char) {
    if c == '$' {
        out.push('$');
    }
    out.push(c);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(host: bool, realm: bool, text: &str) -> Names {
        Names::new(Removed { host, realm }, "HOME".into()).with_rules(text).unwrap()
    }

    fn rules(text: &str) -> Names {
        cut(false, false, text)
    }

    fn of(names: &Names, proven: &str) -> Option<String> {
        names.of(proven)
    }

    #[test]
    fn names_without_a_realm_stay_and_others_need_a_rule() {
        let names = rules("DEFAULT");
        for (proven, wanted) in [
            ("bob", Some("bob")),
            ("a/b", Some("a/b")),
            ("", Some("")),
            ("bob@HOME", Some("bob@HOME")),
            ("zk/host@HOME", Some("zk/host@HOME")),
            ("bob@AWAY", None),
            ("a/b/c@HOME", None),
            ("a@b@c", None),
        ] {
            assert_eq!(of(&names, proven).as_deref(), wanted, "{proven}");
        }
    }

    #[test]
    fn host_and_realm_are_left_out_where_settings_say_so() {
        let both = cut(true, true, "DEFAULT");
        assert_eq!(of(&both, "zk/host@HOME").as_deref(), Some("zk"));
        let host = cut(true, false, "DEFAULT");
        assert_eq!(of(&host, "zk/host@HOME").as_deref(), Some("zk@HOME"));
        let realm = cut(false, true, "DEFAULT");
        assert_eq!(of(&realm, "zk/host@HOME").as_deref(), Some("zk/host"));
    }

    #[test]
    fn the_first_rule_that_applies_counts() {
        let names = cut(
            true,
            true,
            "RULE:[1:$1@$0](.*@AWAY)s/@.*// RULE:[2:$1;$2](.*;web)s/^(.)[^;]*;(.*)$/$2-$1/g \
                 RULE:[1:$1](x+)s/x/y/ RULE:[1:bad@$1](bad.*) DEFAULT",
        );
        for (proven, wanted) in [
            ("bob@AWAY", Some("bob")),
            ("http/web@ANY", Some("web-h")),
            ("http/db@HOME", Some("http")),
            ("xxx@ANY", Some("yxx")),
            ("bob@HOME", None),
        ] {
            assert_eq!(of(&names, proven).as_deref(), wanted, "{proven}");
        }
    }

    #[test]
    fn rules_that_cannot_be_are_refused() {
        for (text, told) in [
            ("SOME", "no rule begins with \"SOME\""),
            ("RULE:[1:$1", "no rule begins with \"RULE:[1:$1\""),
            ("RULE:[x:$1]", "no rule begins with \"RULE:[x:$1]\""),
            ("RULE:[1:$2]", "\"$2\" names a part that its rule does not have"),
            ("RULE:[1:$]", "\"$\" names a part that its rule does not have"),
            ("RULE:[1:$1]([)", "\"[\" is no pattern that is known here"),
            ("RULE:[1:$1]s/a/$1/", "\"$1\" names a part that its rule does not have"),
        ] {
            assert_eq!(Names::default().with_rules(text).unwrap_err().to_string(), told);
        }
    }
}
