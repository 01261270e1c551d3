//! The audit log's keys (ZKAuditProvider, and the appender of conf/logback.xml).

use std::path::{Path, PathBuf};

use super::source::Source;
use super::value::{number, size, strict};
use super::{AuditSettings, ConfigError};

/// The one logger that there is.
const LOGGER: &str = "org.apache.zookeeper.audit.Slf4jAuditLogger";
/// `zookeeper.auditlog.file`.
const FILE: &str = "zookeeper_audit.log";
/// The appender's `MaxFileSize` and `maxIndex`.
const BYTES: usize = 10 << 20;
const KEEP: i64 = 10;

/// `None`: nothing is audited.
pub(super) fn audit(s: &mut Source<'_>) -> Result<Option<AuditSettings>, ConfigError> {
    let is_on = s.property("audit.enable").is_some_and(|found| found.is_true());
    let class = s.property("audit.impl.class");
    // zkServer.sh makes a flag of ZOO_LOG_DIR; conf/logback.xml takes the working directory without.
    let folder =
        s.property("log.dir").map_or_else(|| PathBuf::from("."), |found| found.value.into());
    let name = s.property("auditlog.file").map_or_else(|| FILE.to_owned(), |found| found.value);
    let file = s.file("ringkeeper.audit.file").map_or(name, |found| found.value);
    let settings = AuditSettings {
        file: folder.join(Path::new(&file)),
        bytes_max: size(s.file("ringkeeper.audit.max"), BYTES)? as u64,
        keep: number(s.file("ringkeeper.audit.keep"), 1..=10_000, "files", KEEP)? as u32,
        daily: strict(s.file("ringkeeper.audit.daily"), false)?,
    };
    match class {
        Some(found) if is_on && found.value != LOGGER => Err(found.refuse(LOGGER)),
        _ => Ok(is_on.then_some(settings)),
    }
}
