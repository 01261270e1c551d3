//! A JAAS file (`java.security.auth.login.config`), as the JDK's ConfigFile reads it.
//!
//! ```text
//!   Server {                                                       // section
//!     org.apache.zookeeper.server.auth.DigestLoginModule required  // module, flag
//!     user_super="adminsecret"                                     // options
//!     user_bob="${bob.password}";                                  // the module's end
//!   };
//! ```
//!
//! What Java refuses is refused here, with the line; a number without quotes is one of these things.

mod words;

use std::collections::BTreeMap;

use self::words::{Word, Words};
use super::Secret;

/// What a file says, by section.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Jaas {
    sections: BTreeMap<String, Vec<Module>>,
}

/// A login module of a section.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Module {
    /// Its class.
    pub class: String,
    /// Its options; of one that is there twice, the last.
    pub options: BTreeMap<String, Secret>,
}

/// Why a file is none. The server does not start.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum JaasError {
    #[error("line {line}: {found} where {wanted} should be")]
    Unexpected { line: usize, found: String, wanted: &'static str },
    #[error("line {line}: \"{flag}\" is none of required, requisite, sufficient and optional")]
    Flag { line: usize, flag: String },
    #[error("line {line}: section \"{section}\" is there twice")]
    Twice { line: usize, section: String },
    #[error("line {line}: ${{{name}}} is not defined: give it as a flag, -D{name}=…")]
    Undefined { line: usize, name: String },
    #[error("line {line}: the value of {key} is empty once its properties are put in")]
    Empty { line: usize, key: String },
}

impl Jaas {
    /// `property`: the value of a system property.
    pub fn parse(text: &str, property: &dyn Fn(&str) -> Option<String>) -> Result<Jaas, JaasError> {
        let mut parser = Parser { words: Words::new(text), property };
        let mut sections = BTreeMap::new();
        while let Some((line, section)) = parser.section_name()? {
            let modules = parser.modules()?;
            if sections.contains_key(&section) {
                return Err(JaasError::Twice { line, section });
            }
            sections.insert(section, modules);
        }
        Ok(Jaas { sections })
    }

    /// Names of the sections.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sections.keys().map(String::as_str)
    }

    /// `None`: there is no such section.
    pub fn section(&self, name: &str) -> Option<&[Module]> {
        self.sections.get(name).map(Vec::as_slice)
    }
}

struct Parser<'a> {
    words: Words<'a>,
    property: &'a dyn Fn(&str) -> Option<String>,
}

impl Parser<'_> {
    /// `None`: the file's end.
    fn section_name(&mut self) -> Result<Option<(usize, String)>, JaasError> {
        match self.words.next() {
            (_, Word::End) => Ok(None),
            (line, Word::Text(name)) => Ok(Some((line, name))),
            (line, other) => Err(unexpected(line, &other, "a section's name")),
        }
    }

    fn modules(&mut self) -> Result<Vec<Module>, JaasError> {
        self.sign('{')?;
        let mut modules = Vec::new();
        loop {
            let class = match self.words.next() {
                (_, Word::Sign('}')) => break,
                (_, Word::Text(class)) => class,
                (line, other) => return Err(unexpected(line, &other, "a module's class or }")),
            };
            self.flag()?;
            modules.push(Module { class, options: self.options()? });
        }
        self.sign(';')?;
        Ok(modules)
    }

    /// What the module's success means to the others': with one module there is nothing to choose.
    fn flag(&mut self) -> Result<(), JaasError> {
        const FLAGS: [&str; 4] = ["required", "requisite", "sufficient", "optional"];
        let (line, flag) = self.text("a flag such as required")?;
        match FLAGS.iter().any(|known| flag.eq_ignore_ascii_case(known)) {
            true => Ok(()),
            false => Err(JaasError::Flag { line, flag }),
        }
    }

    fn options(&mut self) -> Result<BTreeMap<String, Secret>, JaasError> {
        let mut options = BTreeMap::new();
        loop {
            let key = match self.words.next() {
                (_, Word::Sign(';')) => return Ok(options),
                (_, Word::Text(key)) => key,
                (line, other) => return Err(unexpected(line, &other, "an option or ;")),
            };
            self.sign('=')?;
            let (line, value) = self.text("a value; what is not a word needs double quotes")?;
            let expanded = self.expand(line, &value)?;
            if expanded.is_empty() && !value.is_empty() {
                return Err(JaasError::Empty { line, key });
            }
            options.insert(key, Secret(expanded));
        }
    }

    fn sign(&mut self, sign: char) -> Result<(), JaasError> {
        let wanted = match sign {
            '{' => "{",
            '=' => "=",
            _ => ";",
        };
        match self.words.next() {
            (_, Word::Sign(found)) if found == sign => Ok(()),
            (line, other) => Err(unexpected(line, &other, wanted)),
        }
    }

    fn text(&mut self, wanted: &'static str) -> Result<(usize, String), JaasError> {
        match self.words.next() {
            (line, Word::Text(text)) => Ok((line, text)),
            (line, other) => Err(unexpected(line, &other, wanted)),
        }
    }

    /// `${name}` becomes the property's value and `${/}` a slash; `${{name}}` stays, and so does what is
    /// never closed (sun.security.util.PropertyExpander).
    fn expand(&self, line: usize, value: &str) -> Result<String, JaasError> {
        let mut out = String::with_capacity(value.len());
        let mut rest = value;
        while let Some(at) = rest.find("${") {
            out.push_str(&rest[..at]);
            let inner = &rest[at + 2..];
            let is_literal = inner.starts_with('{');
            let end = if is_literal { inner.find("}}").map(|at| at + 1) } else { inner.find('}') };
            let Some(end) = end else {
                out.push_str(&rest[at..]);
                return Ok(out);
            };
            match &inner[..end] {
                _ if is_literal => out.push_str(&rest[at..at + 2 + end + 1]),
                "/" => out.push('/'),
                name => {
                    let undefined = || JaasError::Undefined { line, name: name.to_owned() };
                    out.push_str(&(self.property)(name).ok_or_else(undefined)?);
                }
            }
            rest = &inner[end + 1..];
        }
        out.push_str(rest);
        Ok(out)
    }
}

/// What was found is told, unless it may be a secret.
fn unexpected(line: usize, found: &Word, wanted: &'static str) -> JaasError {
    let found = match found {
        Word::End => "the file's end".to_owned(),
        Word::Text(_) => "a word".to_owned(),
        Word::Number => "a number without quotes".to_owned(),
        Word::Sign(sign) => format!("'{}'", sign.escape_debug()),
    };
    JaasError::Unexpected { line, found, wanted }
}

#[cfg(test)]
mod tests;
