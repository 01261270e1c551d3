//! Where a value comes from, and how its text is read.

use std::collections::{BTreeMap, HashSet};
use std::ops::RangeInclusive;

use super::{ConfigError, Origin, Place, Properties, keys, near};

/// `-Dname=value` flags; the last of a name wins.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    properties: BTreeMap<String, String>,
    /// Flags that are not `-D`: `-Xmx1g` and the like. They mean nothing here.
    others: Vec<String>,
}

impl Flags {
    /// Splits at blanks, as the shell does with an unquoted variable.
    pub fn add(&mut self, text: &str) {
        for word in text.split_ascii_whitespace() {
            match word.strip_prefix("-D") {
                Some(definition) => {
                    let (name, value) = definition.split_once('=').unwrap_or((definition, ""));
                    self.properties.insert(name.to_owned(), value.trim().to_owned());
                }
                None => self.others.push(word.to_owned()),
            }
        }
    }
    /// Gives one that is not there.
    pub fn set_default(&mut self, name: &str, value: &str) {
        let property = self.properties.entry(name.to_owned());
        property.or_insert_with(|| value.trim().to_owned());
    }
    /// Whether there was one of this name.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        self.properties.remove(name).is_some()
    }
    /// Names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.properties.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
    /// Those that mean nothing here, as they were given.
    pub fn others(&self) -> &[String] {
        &self.others
    }
}

/// A value with its key and place, still text.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub key: String,
    pub value: String,
    pub place: Place,
}

/// All there is to read from; remembers which keys were asked for.
pub(super) struct Source<'a> {
    pub file: &'a Properties,
    flags: &'a Flags,
    asked: HashSet<String>,
    /// Full names of flags that were asked for without ZooKeeper's prefix.
    systems: Vec<&'static str>,
    /// What the file gave and ZooKeeper would take from a flag only.
    flags_only: Vec<Found>,
}

impl<'a> Source<'a> {
    pub(super) fn new(file: &'a Properties, flags: &'a Flags) -> Source<'a> {
        let (asked, systems, flags_only) = (HashSet::new(), Vec::new(), Vec::new());
        Source { file, flags, asked, systems, flags_only }
    }

    /// A key ZooKeeper parses by name: from the file only.
    pub(super) fn file(&mut self, key: &str) -> Option<Found> {
        self.asked.insert(key.to_owned());
        let property = self.file.get(key)?;
        Some(Found {
            key: key.to_owned(),
            value: property.value.clone(),
            place: self.file.place(property),
        })
    }

    /// The system property `zookeeper.<key>`: from the file, then from the flags. The file wins
    /// because ZooKeeper sets the property when it reads the file. An empty value is no value.
    pub(super) fn property(&mut self, key: &str) -> Option<Found> {
        self.property_or(key, &[])
    }

    /// As [`Source::property`], with names that only the documentation has.
    pub(super) fn property_or(&mut self, key: &str, aliases: &[&str]) -> Option<Found> {
        let mut found = None;
        for name in std::iter::once(&key).chain(aliases) {
            let in_file = self.file(name).filter(|f| !f.value.is_empty());
            let flag = self.flag(&format!("zookeeper.{name}"));
            found = found.or(in_file).or(flag);
        }
        found
    }

    /// A system property without the prefix, which Java can only get from a flag: the flag wins,
    /// and the file is taken too ([`Source::taken_from_the_file`] tells of it).
    pub(super) fn system(&mut self, name: &'static str) -> Option<Found> {
        let in_file = self.file(name).filter(|f| !f.value.is_empty());
        let flag = self.flag(name);
        if !self.systems.contains(&name) {
            self.systems.push(name);
            self.flags_only.extend(in_file.clone());
        }
        flag.or(in_file)
    }

    /// One line for each key that a ZooKeeper server with this file would pass over: one of an
    /// ensemble may have another limit than the servers beside it.
    pub(super) fn taken_from_the_file(&self) -> Vec<String> {
        let remarks = self.flags_only.iter().map(|Found { key, value, place }| {
            let flag = self.flags.properties.get(key).filter(|flag| !flag.is_empty());
            let here = match flag {
                None => "is in force here".to_owned(),
                Some(flag) => format!("gives way to -D{key}={flag}"),
            };
            format!(
                "{key}={value} in {place} {here}; a ZooKeeper server takes this key from a flag \
                 only (-D{key}=… in SERVER_JVMFLAGS) and passes over this line"
            )
        });
        remarks.collect()
    }

    /// What was found: flags first where a flag wins, then the file in its order.
    pub(super) fn origins(&self) -> Vec<Origin> {
        let flag = |(name, value): (&str, &str)| {
            let is_asked = self.asked.contains(&format!("-D{name}"));
            let in_file = name.strip_prefix("zookeeper.").and_then(|name| self.file.get(name));
            // The file wins, but for what has no prefix.
            let is_in_force = is_asked && !value.is_empty() && in_file.is_none();
            let place = Place::Flag.to_string();
            is_in_force.then(|| Origin { key: name.to_owned(), value: value.to_owned(), place })
        };
        let flags: Vec<Origin> = self.flags.iter().filter_map(flag).collect();
        let asked = self.file.iter().filter(|property| self.asked.contains(&property.key));
        let file = asked.map(|property| Origin {
            key: property.key.clone(),
            value: property.value.clone(),
            place: self.file.place(property).to_string(),
        });
        let file = file.filter(|origin| !flags.iter().any(|flag| flag.key == origin.key));
        flags.iter().cloned().chain(file).collect()
    }

    /// Whether the file or a flag names any property of this family.
    pub(super) fn names_any(&self, family: &str) -> bool {
        let in_flags =
            |name: &str| name.strip_prefix("zookeeper.").is_some_and(|n| n.starts_with(family));
        self.file.iter().any(|property| property.key.starts_with(family))
            || self.flags.iter().any(|(name, _)| in_flags(name))
    }

    /// What a key that nobody asked for may have been meant to be.
    pub(super) fn nearest(&self, found: &Found) -> Option<String> {
        let flag = found.place == Place::Flag;
        let bare = found.key.strip_prefix("zookeeper.").unwrap_or(&found.key);
        let mut known: Vec<&str> = keys::names().collect();
        known.extend(self.asked.iter().map(String::as_str).filter(|name| !name.starts_with("-D")));
        if known.contains(&bare) {
            // The right name in the wrong place.
            return Some(match flag {
                true if self.is_flag(bare) => format!("as a flag it is -Dzookeeper.{bare}"),
                true => format!("{bare} is read from the file only"),
                false => format!("in the file it is {bare}"),
            });
        }
        let near = near::nearest(bare, known.into_iter())?;
        let prefix = if flag && self.is_flag(near) { "zookeeper." } else { "" };
        Some(format!("the nearest known key is {prefix}{near}"))
    }

    /// Whether a property of this name is read from flags, with ZooKeeper's prefix.
    fn is_flag(&self, name: &str) -> bool {
        self.asked.contains(&format!("-Dzookeeper.{name}"))
    }

    fn flag(&mut self, name: &str) -> Option<Found> {
        self.asked.insert(format!("-D{name}"));
        let value = self.flags.properties.get(name).filter(|v| !v.is_empty())?;
        Some(Found { key: name.to_owned(), value: value.clone(), place: Place::Flag })
    }

    /// All keys of the file and the flags that begin with `prefix`, the flags' without
    /// "zookeeper.". Marks them as asked for.
    pub(super) fn family(&mut self, prefix: &str) -> Vec<Found> {
        let mut found: Vec<Found> = Vec::new();
        for property in self.file.iter().filter(|p| p.key.starts_with(prefix)) {
            self.asked.insert(property.key.clone());
            found.push(Found {
                key: property.key.clone(),
                value: property.value.clone(),
                place: self.file.place(property),
            });
        }
        for (name, value) in self.flags.iter() {
            let Some(key) = name.strip_prefix("zookeeper.").filter(|k| k.starts_with(prefix))
            else {
                continue;
            };
            self.asked.insert(format!("-D{name}"));
            if !found.iter().any(|f| f.key == key) {
                found.push(Found {
                    key: key.to_owned(),
                    value: value.to_owned(),
                    place: Place::Flag,
                });
            }
        }
        found
    }

    /// What nobody asked for: first the file's in its order, then the flags' full names.
    pub(super) fn unasked(&self) -> Vec<Found> {
        let file = self.file.iter().filter(|p| !self.asked.contains(&p.key)).map(|p| Found {
            key: p.key.clone(),
            value: p.value.clone(),
            place: self.file.place(p),
        });
        let flags =
            self.flags.iter().filter(|(name, _)| !self.asked.contains(&format!("-D{name}"))).map(
                |(name, value)| Found {
                    key: name.to_owned(),
                    value: value.to_owned(),
                    place: Place::Flag,
                },
            );
        file.chain(flags).collect()
    }

    pub(super) fn flags(&self) -> &Flags {
        self.flags
    }
}

impl Found {
    pub(super) fn refuse(&self, allowed: impl Into<String>) -> ConfigError {
        ConfigError::Value {
            key: self.key.clone(),
            value: self.value.clone(),
            place: self.place.clone(),
            allowed: allowed.into(),
        }
    }

    /// A whole number within `range`, in decimal or as Java's `Integer.decode` takes it (0x, #).
    pub(super) fn number(
        &self,
        range: RangeInclusive<i64>,
        unit: &str,
    ) -> Result<i64, ConfigError> {
        decode(&self.value).filter(|n| range.contains(n)).ok_or_else(|| {
            let sort = if unit.is_empty() { "a whole number" } else { unit };
            self.refuse(format!("{sort} from {} to {}", range.start(), range.end()))
        })
    }

    pub(super) fn fraction(&self) -> Result<f64, ConfigError> {
        self.value
            .parse()
            .ok()
            .filter(|n: &f64| n.is_finite())
            .ok_or_else(|| self.refuse("a decimal number"))
    }

    /// ConfigUtils.parseBoolean: the keys parsed by name take nothing else.
    pub(super) fn strict_bool(&self) -> Result<bool, ConfigError> {
        match self.value.to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.refuse("true or false")),
        }
    }

    /// Boolean.parseBoolean: a property is true when it says so, and false whatever else it says.
    pub(super) fn is_true(&self) -> bool {
        self.value.eq_ignore_ascii_case("true")
    }
}

pub(super) fn not_served(
    found: Found,
    feature: &'static str,
    instead: &'static str,
) -> ConfigError {
    let Found { key, value, place } = found;
    ConfigError::NotServed { key, value, place, feature, instead }
}

fn decode(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let hex = ["0x", "0X", "#"].into_iter().find_map(|p| digits.strip_prefix(p));
    let (digits, radix) = hex.map_or((digits, 10), |h| (h, 16));
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let value = i64::from_str_radix(digits, radix).ok()?;
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_java_decodes_them() {
        for (text, value) in [
            ("12", Some(12)),
            ("-1", Some(-1)),
            ("+7", Some(7)),
            ("0x10", Some(16)),
            ("#ff", Some(255)),
        ] {
            assert_eq!(decode(text), value, "{text}");
        }
        for text in ["", "-", "1.5", "1k", "--1", "0x", "0x-1", "99999999999999999999"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    #[test]
    fn the_last_flag_of_a_name_wins_and_others_are_kept_apart() {
        let mut flags = Flags::default();
        flags.add("-Xmx1g -Djute.maxbuffer=5 -Da");
        flags.add(" -Djute.maxbuffer=6\n");
        assert_eq!(flags.iter().collect::<Vec<_>>(), [("a", ""), ("jute.maxbuffer", "6")]);
        assert_eq!(flags.others(), ["-Xmx1g"]);
    }
}
