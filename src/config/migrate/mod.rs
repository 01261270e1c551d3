//! `ringkeeper config migrate`: what a Java server on this host was told, in `zoo.cfg`, in its scripts'
//! environment files and by flags of its JVM, as one file for this server; and what becomes of each part.
//!
//! ```text
//!   zoo.cfg            as it is ──────────────────────────────┐
//!   zookeeper-env.sh   SERVER_JVMFLAGS, JVMFLAGS: -D flags ───┼──► one zoo.cfg
//!   java.env           -Xmx and the like: no meaning here     │
//!   the JAAS file      named by a flag: named by a key ───────┘
//! ```
//!
//! * [`shell`]: assignments of the environment files, which are read and never run
//!
//! What a flag does is asked of the same reading of settings as a start's: a flag that is in force becomes a
//! key of the file, one that does nothing there stays away. What is refused goes into the file too, so that a
//! start on it is refused as well: a protection that was asked for is not lost on the way.

mod report;
mod shell;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{ConfigError, Flags, Place, Properties, Settings};
use crate::codec::properties::put_escaped;
use crate::sasl::jaas::Jaas;
use shell::{Shell, Unclear};

/// The environment files of ZooKeeper's scripts, in the order in which zkEnv.sh reads them.
const ENVIRONMENT: [&str; 2] = ["zookeeper-env.sh", "java.env"];
/// Bytes of one of them; more is none.
const FILE_MAX: u64 = 1 << 20;
/// Refusals that are named one by one.
const REFUSALS_MAX: usize = 256;
/// Where JAAS files are named.
const JAAS: &str = "java.security.auth.login.config";

/// What comes of it.
#[derive(Debug)]
pub struct Migration {
    /// The file for this server, as its bytes: ISO-8859-1, as Java reads it.
    pub file: Vec<u8>,
    /// What became of everything, for people.
    pub report: String,
    /// 0: all of it carries over, or has no meaning here. 1: something will not be honoured, or could not be
    /// read for certain. 2: something is refused.
    pub code: u8,
}

/// Why there is nothing to migrate.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say what each is")]
pub enum MigrateError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("cannot read {}: {cause}", path.display())]
    Environment { path: PathBuf, cause: std::io::Error },
}

/// All that was read.
struct Host {
    file: Properties,
    bytes: Vec<u8>,
    flags: Flags,
    /// File and line of a flag, by its name, or as it stands if it is no `-D`.
    places: BTreeMap<String, String>,
    variables: Vec<(&'static str, String, &'static str)>,
    unclear: Vec<Unclear>,
    read: Vec<String>,
}

/// What a start would make of it.
struct Judged {
    /// `None`: it cannot be told while what is refused stands there.
    settings: Option<Settings>,
    refused: Vec<String>,
    /// Names of flags among them.
    refused_flags: Vec<String>,
}

/// A flag that becomes a key.
struct Carried {
    flag: String,
    key: String,
    value: String,
    place: String,
    /// The file had another value, which the flag was stronger than.
    replaces: bool,
}

/// `environment`: the files with variables; none: those of ZooKeeper's scripts beside `file`, if they are
/// there.
pub fn migrate(file: &Path, environment: &[PathBuf]) -> Result<Migration, MigrateError> {
    let host = Host::read(file, environment)?;
    let judged = host.judge();
    let carried = host.carried(&judged);
    let text = host.write(&carried);
    let is_same = host.is_same(&judged, &text);
    let report = report::report(&host, &judged, &carried, is_same);
    let passed_over =
        judged.settings.as_ref().is_some_and(|s| !s.unknown.is_empty() || !s.not_served.is_empty());
    let code =
        match (judged.refused.is_empty(), passed_over || !host.unclear.is_empty() || !is_same) {
            (false, _) => 2,
            (true, true) => 1,
            (true, false) => 0,
        };
    Ok(Migration { file: text.chars().map(|c| c as u8).collect(), report, code })
}

impl Host {
    fn read(path: &Path, environment: &[PathBuf]) -> Result<Host, MigrateError> {
        let (file, bytes) = Properties::read(path)?;
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        let usual = ENVIRONMENT.map(|name| folder.join(name));
        let files: Vec<&PathBuf> = match environment {
            [] => usual.iter().filter(|path| path.is_file()).collect(),
            named => named.iter().collect(),
        };
        let mut shell = Shell::default();
        shell.set("ZOOCFGDIR", &folder.display().to_string());
        let mut read = vec![path.display().to_string()];
        for path in files {
            let text = text_of(path)
                .map_err(|cause| MigrateError::Environment { path: path.clone(), cause })?;
            shell.read(&path.display().to_string(), &text);
            read.push(path.display().to_string());
        }
        let mut host = Host {
            file,
            bytes,
            flags: Flags::default(),
            places: BTreeMap::new(),
            variables: report::variables(&shell),
            unclear: Vec::new(),
            read,
        };
        host.take_flags(&mut shell);
        host.unclear = shell.unclear;
        Ok(host)
    }

    /// In zkServer.sh's order: the later one wins.
    fn take_flags(&mut self, shell: &mut Shell) {
        for name in ["SERVER_JVMFLAGS", "JVMFLAGS"] {
            for (word, place) in shell.words(name) {
                let flag =
                    word.strip_prefix("-D").map(|flag| flag.split('=').next().unwrap_or(flag));
                self.places.insert(flag.unwrap_or(&word).to_owned(), place);
                self.flags.add(&word);
            }
        }
        // zkServer.sh makes a flag of it.
        if let Some((value, place)) = shell.value("ZOO_DATADIR_AUTOCREATE_DISABLE")
            && !value.is_empty()
        {
            let name = "zookeeper.datadir.autocreate";
            self.flags.set_default(name, "false");
            self.places.entry(name.to_owned()).or_insert(place);
        }
    }

    /// What is refused is named and left out, until the rest can be judged.
    fn judge(&self) -> Judged {
        let (mut file, mut flags) = (self.file.clone(), self.flags.clone());
        let mut judged = Judged { settings: None, refused: Vec::new(), refused_flags: Vec::new() };
        while judged.refused.len() < REFUSALS_MAX {
            let error = match Settings::parse(&file, &flags) {
                Ok(settings) => {
                    judged.settings = Some(self.placed(settings));
                    break;
                }
                Err(error) => error,
            };
            let (ConfigError::Value { key, place, .. } | ConfigError::NotServed { key, place, .. }) =
                &error
            else {
                judged.refused.push(error.to_string());
                break;
            };
            let is_gone = match place {
                Place::Flag => {
                    // Families are asked for without ZooKeeper's prefix.
                    let names = [key.clone(), format!("zookeeper.{key}")];
                    let name = names.into_iter().find(|name| flags.remove(name));
                    let written = name.as_ref().and_then(|name| self.places.get(name));
                    let flag = Place::Flag.to_string();
                    let text = error.to_string().replace(&flag, written.unwrap_or(&flag));
                    judged.refused.push(text);
                    let is_gone = name.is_some();
                    judged.refused_flags.extend(name);
                    is_gone
                }
                Place::Line(..) | Place::Argument(_) => {
                    judged.refused.push(error.to_string());
                    file.remove(key)
                }
            };
            if !is_gone {
                break;
            }
        }
        judged
    }

    /// Flags stand in some line of some file.
    fn placed(&self, mut settings: Settings) -> Settings {
        let flag = Place::Flag.to_string();
        let lists = [&mut settings.unknown, &mut settings.no_effect, &mut settings.not_served];
        for noted in lists.into_iter().flatten().filter(|noted| noted.place == flag) {
            if let Some(place) = self.places.get(&noted.key) {
                noted.place.clone_from(place);
            }
        }
        settings
    }

    /// Flags that are in force, and those that are refused.
    fn carried(&self, judged: &Judged) -> Vec<Carried> {
        let flag = Place::Flag.to_string();
        let origins = judged.settings.iter().flat_map(|settings| &settings.origins);
        let in_force = origins.filter(|origin| origin.place == flag).map(|origin| &origin.key);
        let mut carried = Vec::new();
        for (name, value) in self.flags.iter() {
            let is_refused = judged.refused_flags.iter().any(|refused| refused == name);
            if !is_refused && !in_force.clone().any(|key| key == name) {
                continue;
            }
            let key = name.strip_prefix("zookeeper.").unwrap_or(name);
            carried.push(Carried {
                flag: name.to_owned(),
                key: key.to_owned(),
                value: value.to_owned(),
                place: self.places.get(name).cloned().unwrap_or_else(|| flag.clone()),
                replaces: self.file.get(key).is_some(),
            });
        }
        carried
    }

    /// The file as it is, and behind it what was said elsewhere. A byte is a character, as in the file.
    fn write(&self, carried: &[Carried]) -> String {
        let mut text: String = self.bytes.iter().map(|byte| char::from(*byte)).collect();
        if !text.ends_with('\n') {
            text.push('\n');
        }
        for Carried { flag, key, value, place, .. } in carried {
            // A place may be called in letters that the file cannot hold.
            let place: String = place.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect();
            text.push_str(&format!("# -D{flag} of {place}\n"));
            put_escaped(&mut text, key, true);
            text.push('=');
            put_escaped(&mut text, value, false);
            text.push('\n');
        }
        text
    }

    /// Whether a start on the new file, without a flag, has the settings of a start on the old one with all
    /// of them. Where something is refused there is neither.
    fn is_same(&self, judged: &Judged, text: &str) -> bool {
        let Some(before) = judged.settings.as_ref().filter(|_| judged.refused.is_empty()) else {
            return true;
        };
        let bytes: Vec<u8> = text.chars().map(|c| c as u8).collect();
        let after = Properties::parse(self.file.path(), &bytes)
            .and_then(|file| Settings::parse(&file, &Flags::default()));
        after.is_ok_and(|after| in_force(after) == in_force(before.clone()))
    }

    /// The sections of the JAAS file that is named, if it can be read.
    fn jaas_sections(&self) -> Option<(String, Vec<String>)> {
        let flag = self.flags.iter().find(|(name, _)| *name == JAAS).map(|(_, value)| value);
        let path = flag.or_else(|| self.file.get(JAAS).map(|property| property.value.as_str()))?;
        let text = text_of(Path::new(path)).ok()?;
        let property = |name: &str| {
            let flag = self.flags.iter().find(|(known, _)| *known == name);
            flag.map(|(_, value)| value.to_owned())
        };
        let jaas = Jaas::parse(&text, &property).ok()?;
        Some((path.to_owned(), jaas.names().map(str::to_owned).collect()))
    }
}

/// What a server does by, without where it was read.
fn in_force(settings: Settings) -> Settings {
    Settings {
        source: String::new(),
        file: None,
        unknown: Vec::new(),
        no_effect: Vec::new(),
        not_served: Vec::new(),
        properties: Vec::new(),
        initial: String::new(),
        origins: Vec::new(),
        remarks: Vec::new(),
        ..settings
    }
}

fn text_of(path: &Path) -> std::io::Result<String> {
    let file = std::fs::File::open(path)?;
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(file, FILE_MAX), &mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
