//! A row of directives, `name="value",name=value`: challenges and responses (RFC 2831).

use super::super::failure::{Failure, shown};

/// Names that mean something; others are passed over.
pub(super) const NAMES: [&str; 15] = [
    "username",
    "realm",
    "nonce",
    "cnonce",
    "nonce-count",
    "qop",
    "digest-uri",
    "response",
    "maxbuf",
    "charset",
    "cipher",
    "authzid",
    "algorithm",
    "stale",
    "rspauth",
];

/// Whether a server offers several realms, of which the first is taken. Nothing else may be there twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Realms {
    One,
    Several,
}

/// What a peer has said.
#[derive(Default, Debug)]
pub(super) struct Directives {
    values: [Option<Vec<u8>>; NAMES.len()],
}

impl Directives {
    /// Takes what the JDK takes (DigestMD5Base.parseDirectives): blanks around names and behind values,
    /// empty elements, and a blank where a comma should be.
    pub(super) fn parse(token: &[u8], realms: Realms) -> Result<Directives, Failure> {
        let mut directives = Directives::default();
        let mut rest = skip_blanks(token);
        while let Some(first) = rest.first() {
            if *first == b',' {
                rest = skip_blanks(&rest[1..]);
                continue;
            }
            let (name, behind) = name_of(rest)?;
            let (value, behind) = value_of(name, behind)?;
            directives.put(name, value, realms)?;
            rest = behind;
        }
        Ok(directives)
    }

    fn put(&mut self, name: &[u8], value: Vec<u8>, realms: Realms) -> Result<(), Failure> {
        let known = NAMES.iter().position(|known| name.eq_ignore_ascii_case(known.as_bytes()));
        let Some(at) = known else { return Ok(()) };
        match &mut self.values[at] {
            none @ None => *none = Some(value),
            Some(_) if NAMES[at] == "realm" && realms == Realms::Several => {}
            Some(_) => return Err(Failure::Repeated(NAMES[at])),
        }
        Ok(())
    }

    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        let at = NAMES.iter().position(|known| *known == name)?;
        self.values[at].as_deref()
    }

    pub(super) fn need(&self, name: &'static str) -> Result<&[u8], Failure> {
        self.get(name).ok_or(Failure::Missing(name))
    }
}

/// Up to its '='.
fn name_of(rest: &[u8]) -> Result<(&[u8], &[u8]), Failure> {
    let end = rest.iter().position(|byte| is_blank(*byte) || matches!(byte, b'=' | b','));
    let (name, behind) = rest.split_at(end.unwrap_or(rest.len()));
    match skip_blanks(behind).split_first() {
        Some((b'=', behind)) if !name.is_empty() => Ok((name, skip_blanks(behind))),
        _ => Err(Failure::Malformed(shown(name))),
    }
}

/// Up to what ends it, which is left out.
fn value_of<'a>(name: &[u8], rest: &'a [u8]) -> Result<(Vec<u8>, &'a [u8]), Failure> {
    let malformed = || Failure::Malformed(shown(name));
    let Some((first, quoted)) = rest.split_first() else { return Err(malformed()) };
    if *first != b'"' {
        let end = rest.iter().position(|byte| is_blank(*byte) || *byte == b',');
        let (value, behind) = rest.split_at(end.unwrap_or(rest.len()));
        return Ok((value.to_vec(), behind_separator(behind)));
    }
    let mut value = Vec::new();
    let mut bytes = quoted.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => {
                let behind = &quoted[at + 1..];
                let is_separated = behind.first().is_none_or(|b| is_blank(*b) || *b == b',');
                return match is_separated {
                    true => Ok((value, behind_separator(behind))),
                    false => Err(malformed()),
                };
            }
            b'\\' => value.push(*bytes.next().ok_or_else(malformed)?.1),
            byte => value.push(*byte),
        }
    }
    Err(malformed())
}

fn behind_separator(rest: &[u8]) -> &[u8] {
    skip_blanks(rest.get(1..).unwrap_or_default())
}

fn skip_blanks(bytes: &[u8]) -> &[u8] {
    let blanks = bytes.iter().take_while(|byte| is_blank(**byte)).count();
    &bytes[blanks..]
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Appends `name="value"`; the value's quotes and backslashes get a backslash before them.
pub(super) fn put_quoted(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    separate(out);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"=\"");
    for byte in value {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

/// Appends `name=value`.
pub(super) fn put_plain(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    separate(out);
    out.extend_from_slice(name.as_bytes());
    out.push(b'=');
    out.extend_from_slice(value);
}

fn separate(out: &mut Vec<u8>) {
    if !out.is_empty() {
        out.push(b',');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(token: &str, name: &str) -> Option<String> {
        let directives = Directives::parse(token.as_bytes(), Realms::Several).unwrap();
        directives.get(name).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    #[test]
    fn values_are_read_quoted_and_plain_with_blanks_around_them() {
        let token = " , Realm = \"a\\\"b\\\\c\" ,,nonce=x\tqop=auth , authzid=\"\",other=1";
        assert_eq!(value(token, "realm").as_deref(), Some("a\"b\\c"));
        assert_eq!(value(token, "nonce").as_deref(), Some("x"));
        assert_eq!(value(token, "qop").as_deref(), Some("auth"));
        assert_eq!(value(token, "authzid").as_deref(), Some(""));
        assert_eq!(value(token, "cnonce"), None);
        assert_eq!(value("realm=a,realm=b", "realm").as_deref(), Some("a"));
        assert_eq!(value("", "realm"), None);
    }

    #[test]
    fn what_is_no_row_of_directives_is_refused() {
        for token in
            ["a", "=b", "a b=c", "a,b=c", "a=", "a=\"", "a=\"b", "a=\"b\"c", "a=\"\\", "a \t"]
        {
            let refused = Directives::parse(token.as_bytes(), Realms::One);
            assert!(matches!(refused, Err(Failure::Malformed(_))), "{token}: {refused:?}");
        }
        for (token, name) in [(&b"nonce=1,NONCE=2"[..], "nonce"), (b"realm=1,realm=1", "realm")] {
            let twice = Directives::parse(token, Realms::One).unwrap_err();
            assert_eq!(twice, Failure::Repeated(name));
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut out = Vec::new();
        put_quoted(&mut out, "username", b"q\"\\,u=");
        put_plain(&mut out, "nc", b"00000001");
        assert_eq!(out, b"username=\"q\\\"\\\\,u=\",nc=00000001");
        let directives = Directives::parse(&out, Realms::One).unwrap();
        assert_eq!(directives.get("username"), Some(&b"q\"\\,u="[..]));
    }
}
