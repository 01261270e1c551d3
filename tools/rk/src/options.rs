//! Options of a command, read as zkCli and ZooKeeper's toolkits read them:
//! org.apache.commons.cli.DefaultParser, and its texts.

/// One option of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Opt {
    pub(crate) name: &'static str,
    /// A second name, behind two hyphens. zkCli's commands have none.
    pub(crate) long: Option<&'static str>,
    pub(crate) takes_value: bool,
    pub(crate) is_required: bool,
    /// What it does, for the usage.
    pub(crate) about: &'static str,
}

/// An option without a value.
pub(crate) const fn flag(name: &'static str, about: &'static str) -> Opt {
    Opt { name, long: None, takes_value: false, is_required: false, about }
}

/// An option with one.
pub(crate) const fn valued(name: &'static str, about: &'static str) -> Opt {
    Opt { takes_value: true, ..flag(name, about) }
}

impl Opt {
    /// The same with a second name.
    pub(crate) const fn long(self, long: &'static str) -> Opt {
        Opt { long: Some(long), ..self }
    }

    /// The same, and it has to be there.
    pub(crate) const fn required(self) -> Opt {
        Opt { is_required: true, ..self }
    }
}

/// Whether options exclude one another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Group {
    /// They do not.
    None,
    /// At most one of all (OptionGroup).
    AtMostOne,
    /// Exactly one of all.
    ExactlyOne,
}

/// Why a command line is not understood. The texts are those of org.apache.commons.cli.ParseException's
/// children, as zkCli prints them.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum ParseError {
    #[error("org.apache.commons.cli.UnrecognizedOptionException: Unrecognized option: {0}")]
    Unrecognized(String),
    #[error("org.apache.commons.cli.MissingArgumentException: Missing argument for option: {0}")]
    MissingValue(&'static str),
    #[error("org.apache.commons.cli.MissingOptionException: Missing required option: [{0}]")]
    MissingOption(String),
    #[error("org.apache.commons.cli.MissingOptionException: Missing required option{0}")]
    MissingOptions(String),
    #[error(
        "org.apache.commons.cli.AmbiguousOptionException: Ambiguous option: '{option}'  (could be: {names})"
    )]
    Ambiguous { option: String, names: String },
    #[error(
        "org.apache.commons.cli.AlreadySelectedException: The option '{option}' was specified but an \
         option from this group has already been selected: '{selected}'"
    )]
    AlreadySelected { option: &'static str, selected: &'static str },
}

impl ParseError {
    /// ParseException.getMessage, which leaves the class away.
    pub(crate) fn message(&self) -> String {
        let text = self.to_string();
        text.split_once(": ").map_or(text.clone(), |(_, message)| message.to_owned())
    }
}

/// A command line, taken apart.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Parsed {
    /// The command's name, and what is no option.
    pub(crate) args: Vec<String>,
    options: Vec<(&'static str, Option<String>)>,
}

impl Parsed {
    pub(crate) fn has(&self, name: &str) -> bool {
        self.options.iter().any(|(known, _)| *known == name)
    }

    /// The first value given.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let mut all = self.options.iter().filter(|(known, _)| *known == name);
        all.find_map(|(_, value)| value.as_deref())
    }
}

struct Parser<'a> {
    options: &'a [Opt],
    group: Group,
    selected: Option<&'static str>,
    /// An option that waits for its value.
    waiting: Option<&'static str>,
    parsed: Parsed,
}

/// Reads a command line, its name included.
pub(crate) fn parse(options: &[Opt], group: Group, words: &[String]) -> Result<Parsed, ParseError> {
    let mut parser =
        Parser { options, group, selected: None, waiting: None, parsed: Parsed::default() };
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        if word == "--" {
            parser.parsed.args.extend(rest.by_ref().cloned());
        } else {
            parser.word(word)?;
        }
    }
    parser.is_complete()?;
    let given = |opt: &&Opt| parser.parsed.has(opt.name);
    let missing = options.iter().filter(|opt| opt.is_required && !given(opt));
    let missing: Vec<&str> = missing.map(|opt| opt.name).collect();
    if !missing.is_empty() {
        let plural = if missing.len() == 1 { "" } else { "s" };
        return Err(ParseError::MissingOptions(format!("{plural}: {}", missing.join(", "))));
    }
    if group == Group::ExactlyOne && parser.selected.is_none() {
        let all: Vec<String> =
            options.iter().map(|opt| format!("-{} {}", opt.name, opt.about)).collect();
        return Err(ParseError::MissingOption(all.join(", ")));
    }
    Ok(parser.parsed)
}

impl Parser<'_> {
    fn find(&self, name: &str) -> Option<Opt> {
        self.options.iter().find(|opt| opt.name == name).copied()
    }

    fn word(&mut self, word: &str) -> Result<(), ParseError> {
        let unknown = || ParseError::Unrecognized(word.to_owned());
        if let Some(waiting) = self.waiting
            && (!self.is_option(word) || word.parse::<f64>().is_ok())
        {
            self.value(waiting, without_quotes(word));
            return Ok(());
        }
        let Some(bare) = word.strip_prefix('-').filter(|bare| !bare.is_empty()) else {
            self.parsed.args.push(word.to_owned());
            return Ok(());
        };
        if bare.starts_with('-') {
            return self.long(word);
        }
        if let Some((name, value)) = bare.split_once('=') {
            if name.chars().count() > 1 {
                return self.long(word);
            }
            let opt = self.find(name).filter(|opt| opt.takes_value);
            let opt = opt.ok_or_else(unknown)?;
            self.option(opt)?;
            self.value(opt.name, value);
            return Ok(());
        }
        if let Some(opt) = self.find(bare) {
            return self.option(opt);
        }
        if bare.chars().count() > 1 && !self.longs(bare).is_empty() {
            return self.long(word);
        }
        // Several in one word, the last perhaps with its value.
        for (at, c) in bare.char_indices() {
            let behind = at + c.len_utf8();
            let opt = self.find(&bare[at..behind]).ok_or_else(unknown)?;
            self.option(opt)?;
            if opt.takes_value && behind < bare.len() {
                self.value(opt.name, &bare[behind..]);
                break;
            }
        }
        Ok(())
    }

    /// Options with this long name, or else all that one of begins so (Options.getMatchingOptions).
    fn longs(&self, name: &str) -> Vec<Opt> {
        let name = name.trim_start_matches('-');
        let with = |test: &dyn Fn(&str) -> bool| -> Vec<Opt> {
            self.options.iter().filter(|opt| opt.long.is_some_and(test)).copied().collect()
        };
        match with(&|long| long == name) {
            exact if !exact.is_empty() => exact,
            _ => with(&|long| long.starts_with(name)),
        }
    }

    /// DefaultParser.handleLongOption.
    fn long(&mut self, word: &str) -> Result<(), ParseError> {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        let unknown = || ParseError::Unrecognized(word.to_owned());
        let opt = match self.longs(name)[..] {
            [] => return Err(unknown()),
            [opt] => opt,
            ref several => {
                let names = several.iter().filter_map(|opt| opt.long);
                let names = names.map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
                return Err(ParseError::Ambiguous { option: name.to_owned(), names });
            }
        };
        match value {
            Some(_) if !opt.takes_value => Err(unknown()),
            Some(value) => {
                self.option(opt)?;
                self.value(opt.name, value);
                Ok(())
            }
            None => self.option(opt),
        }
    }

    /// DefaultParser.isLongOption and isShortOption.
    fn is_option(&self, word: &str) -> bool {
        let Some(bare) = word.strip_prefix('-').filter(|bare| !bare.is_empty()) else {
            return false;
        };
        let name = bare.split('=').next().unwrap_or_default();
        let first = name.chars().next().map(String::from).unwrap_or_default();
        !self.longs(name).is_empty() || self.find(name).is_some() || self.find(&first).is_some()
    }

    fn option(&mut self, opt: Opt) -> Result<(), ParseError> {
        self.is_complete()?;
        if self.group != Group::None {
            if let Some(selected) = self.selected.filter(|selected| *selected != opt.name) {
                return Err(ParseError::AlreadySelected { option: opt.name, selected });
            }
            self.selected = Some(opt.name);
        }
        self.parsed.options.push((opt.name, None));
        self.waiting = opt.takes_value.then_some(opt.name);
        Ok(())
    }

    fn value(&mut self, name: &str, value: &str) {
        if let Some((_, last)) = self.parsed.options.iter_mut().rfind(|(known, _)| *known == name) {
            *last = Some(value.to_owned());
        }
        self.waiting = None;
    }

    fn is_complete(&self) -> Result<(), ParseError> {
        self.waiting.map_or(Ok(()), |name| Err(ParseError::MissingValue(name)))
    }
}

/// Util.stripLeadingAndTrailingQuotes.
fn without_quotes(word: &str) -> &str {
    let inner = word.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.filter(|inner| !inner.contains('"')).unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: &[Opt] = &[flag("s", "stats"), flag("w", "watch"), valued("v", "version")];

    fn read(line: &str) -> Result<Parsed, ParseError> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        parse(OPTIONS, Group::None, &words)
    }

    #[test]
    fn options_are_found_wherever_they_stand() {
        let parsed = read("get -sw /a -v 3 b").unwrap();
        assert_eq!(parsed.args, ["get", "/a", "b"]);
        assert!(parsed.has("s") && parsed.has("w"));
        assert_eq!(parsed.value("v"), Some("3"));
        for line in ["x -v3", "x -v=3", "x -sv3", "x -v 3 -v 4"] {
            assert_eq!(read(line).unwrap().value("v"), Some("3"), "{line}");
        }
        assert_eq!(read("x -v -1").unwrap().value("v"), Some("-1"));
        assert_eq!(read("x - -- -s").unwrap().args, ["x", "-", "-s"]);
    }

    #[test]
    fn what_is_not_understood_is_told_as_java_tells_it() {
        let text = |line: &str| read(line).unwrap_err().to_string();
        let class = "org.apache.commons.cli";
        let unknown = format!("{class}.UnrecognizedOptionException: Unrecognized option: -q");
        assert_eq!(text("get -q"), unknown);
        assert_eq!(read("get -1"), Err(ParseError::Unrecognized("-1".into())));
        assert_eq!(read("get --s"), Err(ParseError::Unrecognized("--s".into())));
        assert_eq!(read("get -sq"), Err(ParseError::Unrecognized("-sq".into())));
        assert_eq!(read("get -s=1"), Err(ParseError::Unrecognized("-s=1".into())));
        assert_eq!(read("get /a -v"), Err(ParseError::MissingValue("v")));
        assert_eq!(read("get -v -s"), Err(ParseError::MissingValue("v")));
    }

    #[test]
    fn options_of_a_group_exclude_one_another() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let read = |group, line: &str| parse(OPTIONS, group, &words(line));
        let both = ParseError::AlreadySelected { option: "w", selected: "s" };
        assert_eq!(read(Group::AtMostOne, "x -s -w"), Err(both));
        assert!(read(Group::AtMostOne, "x").is_ok());
        let none = ParseError::MissingOption("-s stats, -w watch, -v version".into());
        assert_eq!(read(Group::ExactlyOne, "x /a"), Err(none));
    }
}
