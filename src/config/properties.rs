//! A Java Properties file (java.util.Properties.load), with line numbers kept.
//!
//! The file is ISO-8859-1, as Java reads it: a byte is a character. Other characters are written
//! `\uXXXX`. The syntax is [`crate::codec::properties`]'s.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::{ConfigError, Place};
use crate::codec::properties;

/// One key's last value. Values are trimmed, as ZooKeeper trims every value it takes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// Without its escapes.
    pub key: String,
    /// Without its escapes, trimmed.
    pub value: String,
    /// Where the logical line begins, from 1.
    pub line: usize,
}

/// A parsed file: keys in the order of their last mention.
#[derive(Clone, Debug)]
pub struct Properties {
    path: Arc<Path>,
    entries: Vec<Property>,
    index: HashMap<String, usize>,
    /// Lines whose value a later line of the same key replaced.
    replaced: Vec<Property>,
}

impl Properties {
    /// Parses the bytes of a file. `path` is only named in messages.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Properties, ConfigError> {
        let path: Arc<Path> = Arc::from(path);
        let mut out = Properties {
            path: path.clone(),
            entries: Vec::new(),
            index: HashMap::new(),
            replaced: Vec::new(),
        };
        let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        let lines = properties::parse(&text).map_err(|error| ConfigError::Syntax {
            place: Place::Line(path, error.line),
            what: error.what,
        })?;
        for line in lines {
            // String.trim: everything up to the blank, and nothing above it.
            let trim = |text: &str| text.trim_matches(|c| c <= ' ').to_owned();
            let (key, value) = (trim(&line.key), trim(&line.value));
            out.insert(Property { key, value, line: line.number });
        }
        Ok(out)
    }

    /// The file and its bytes.
    pub fn read(path: &Path) -> Result<(Properties, Vec<u8>), ConfigError> {
        let bytes = std::fs::read(path)
            .map_err(|cause| ConfigError::Read { path: path.to_owned(), cause })?;
        Ok((Properties::parse(path, &bytes)?, bytes))
    }

    /// A file without a line, under this name.
    pub fn empty(path: &Path) -> Properties {
        Properties {
            path: Arc::from(path),
            entries: Vec::new(),
            index: HashMap::new(),
            replaced: Vec::new(),
        }
    }

    pub(super) fn insert(&mut self, property: Property) {
        match self.index.get(&property.key) {
            Some(&at) => {
                let old = std::mem::replace(&mut self.entries[at], property);
                self.replaced.push(old);
            }
            None => {
                self.index.insert(property.key.clone(), self.entries.len());
                self.entries.push(property);
            }
        }
    }

    /// Whether there was one of this key.
    pub(super) fn remove(&mut self, key: &str) -> bool {
        let Some(at) = self.index.remove(key) else { return false };
        self.entries.remove(at);
        for place in self.index.values_mut().filter(|place| **place > at) {
            *place -= 1;
        }
        true
    }

    /// The last of this key.
    pub fn get(&self, key: &str) -> Option<&Property> {
        self.index.get(key).map(|&at| &self.entries[at])
    }
    /// In the order of their last mention.
    pub fn iter(&self) -> impl Iterator<Item = &Property> {
        self.entries.iter()
    }
    /// Lines whose value a later one of the same key replaced.
    pub fn replaced(&self) -> &[Property] {
        &self.replaced
    }
    /// As messages name it.
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// For messages.
    pub fn place(&self, property: &Property) -> Place {
        Place::Line(self.path.clone(), property.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Vec<(String, String, usize)> {
        let parsed = Properties::parse(Path::new("zoo.cfg"), text.as_bytes()).unwrap();
        parsed.iter().map(|p| (p.key.clone(), p.value.clone(), p.line)).collect()
    }
    fn pair(key: &str, value: &str, line: usize) -> (String, String, usize) {
        (key.to_owned(), value.to_owned(), line)
    }

    #[test]
    fn separators_blanks_and_comments_are_javas() {
        let text = "# comment\n! another \\\n\n  a=1\nb:2\nc 3\n d\t=\t4 \ne = = 5\nf\n:g=6\nh==7\r\ni:8\rj=9";
        assert_eq!(
            parse(text),
            [
                pair("a", "1", 4),
                pair("b", "2", 5),
                pair("c", "3", 6),
                pair("d", "4", 7),
                pair("e", "= 5", 8),
                pair("f", "", 9),
                pair("", "g=6", 10),
                pair("h", "=7", 11),
                pair("i", "8", 12),
                pair("j", "9", 13),
            ]
        );
    }

    #[test]
    fn lines_are_continued_by_an_odd_backslash_only() {
        assert_eq!(
            parse("a=1,\\\n   2,\\\n#3\nb=x\\\\\nc=y\\\n\nd=z\\"),
            [pair("a", "1,2,#3", 1), pair("b", "x\\", 4), pair("c", "y", 5), pair("d", "z", 7)]
        );
        // A lone backslash has nothing to continue.
        assert_eq!(parse("\\\n#a=1\n\\\n\nb=2\n\\\n"), [pair("b", "2", 5)]);
    }

    #[test]
    fn escapes_are_read_in_keys_and_values() {
        assert_eq!(
            parse("a\\ b\\=c=\\u00fc\\ud83d\\ude00\\q\\tend"),
            [pair("a b=c", "\u{fc}\u{1f600}q\tend", 1)]
        );
        // Bytes are ISO-8859-1 characters, so UTF-8 text shows as Java shows it.
        assert_eq!(parse("k=ü"), [pair("k", "Ã¼", 1)]);
    }

    #[test]
    fn a_broken_unicode_escape_names_its_line() {
        let error = Properties::parse(Path::new("zoo.cfg"), b"a=1\nb=\\u12g4\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "zoo.cfg line 2: \\u12g4 is not an escape: four hexadecimal digits must follow \\u"
        );
    }

    #[test]
    fn the_last_duplicate_wins_and_the_first_is_remembered() {
        let parsed = Properties::parse(Path::new("z"), b"a=1\nb=2\na=3\n").unwrap();
        assert_eq!(parsed.get("a").map(|p| (p.value.as_str(), p.line)), Some(("3", 3)));
        assert_eq!(parsed.replaced().len(), 1);
    }
}
