//! How far a comparison has come, in a file: one that was interrupted goes on from there.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::error::CliError;

/// Bytes of the file that are read.
const FILE_MAX: u64 = 4 << 20;

/// What was found so far.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Progress {
    /// All up to here, in a walk's order, has been compared.
    pub(super) after: Option<String>,
    pub(super) nodes: u64,
    pub(super) differences: u64,
    pub(super) changing: u64,
    pub(super) refused: u64,
}

/// Why a comparison cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateFault {
    #[error("{file}: {error}")]
    Io { file: String, error: io::Error },
    #[error("{0} is not what a comparison has left")]
    Shape(String),
    #[error("{0} is of a comparison of other servers, of another path, or with other options")]
    Other(String),
}

/// The file, and what the comparison is of.
pub(super) struct StateFile {
    path: PathBuf,
    of: Value,
}

impl StateFile {
    pub(super) fn new(path: PathBuf, of: [&str; 3], with_stat: bool) -> StateFile {
        StateFile { path, of: json!({ "of": of, "stat": with_stat }) }
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn io(&self, error: io::Error) -> CliError {
        StateFault::Io { file: self.name(), error }.into()
    }

    /// `None`: there is none.
    pub(super) fn load(&self) -> Result<Option<Progress>, CliError> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.io(error)),
        };
        let mut text = String::new();
        file.take(FILE_MAX).read_to_string(&mut text).map_err(|error| self.io(error))?;
        let value: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        let progress = parse(&value).ok_or_else(|| StateFault::Shape(self.name()))?;
        match value["comparison"] == self.of {
            true => Ok(Some(progress)),
            false => Err(StateFault::Other(self.name()).into()),
        }
    }

    /// In place of the old one at once: a crash leaves the one or the other.
    pub(super) fn save(&self, progress: &Progress) -> Result<(), CliError> {
        let text = format!("{:#}\n", value(progress, &self.of));
        let new = self.path.with_extension("new");
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&new, &self.path)
        };
        write().map_err(|error| self.io(error))
    }

    pub(super) fn remove(&self) -> Result<(), CliError> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.io(error)),
            _ => Ok(()),
        }
    }
}

fn value(progress: &Progress, of: &Value) -> Value {
    let Progress { after, nodes, differences, changing, refused } = progress;
    json!({
        "comparison": of,
        "after": after,
        "nodes": nodes,
        "differences": differences,
        "changing": changing,
        "refused": refused,
    })
}

fn parse(value: &Value) -> Option<Progress> {
    let number = |key: &str| value[key].as_u64();
    Some(Progress {
        after: value["after"].as_str().map(str::to_owned),
        nodes: number("nodes")?,
        differences: number("differences")?,
        changing: number("changing")?,
        refused: number("refused")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_reads_back() {
        let after = Some("/a/b".to_owned());
        let progress = Progress { after, nodes: 9, differences: 2, changing: 1, refused: 0 };
        assert_eq!(parse(&value(&progress, &json!({}))), Some(progress));
        assert_eq!(parse(&json!({ "nodes": 1 })), None);
    }
}
