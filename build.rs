//! Which commit this is, and when it was made: for `--version`, the start line and `srvr`.
//!
//! From git in a clone; from the file `.commit` in an archive of one, which `git archive` fills in
//! (see `.gitattributes`); else "unknown". `RINGKEEPER_COMMIT` and `SOURCE_DATE_EPOCH` come before
//! either, for packagers. The date is the commit's, so that the same source makes the same bytes.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=RINGKEEPER_COMMIT");
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo::rerun-if-changed=build.rs");
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let (commit, seconds) = of_git(&root).or_else(|| of_archive(&root)).unwrap_or_default();
    let commit = std::env::var("RINGKEEPER_COMMIT").ok().filter(|c| !c.is_empty()).or(commit);
    let seconds = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|s| s.parse().ok()).or(seconds);
    let commit = commit.unwrap_or_else(|| "unknown".into());
    let built = seconds.map_or_else(|| "an unknown day".into(), date);
    println!("cargo::rustc-env=RINGKEEPER_COMMIT_ID={commit}");
    println!("cargo::rustc-env=RINGKEEPER_BUILT={built}");
}

type Source = (Option<String>, Option<i64>);

/// Only if the repository is this one: an unpacked archive may lie inside another.
fn of_git(root: &Path) -> Option<Source> {
    let git = |arguments: &[&str]| -> Option<String> {
        let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let top = PathBuf::from(git(&["rev-parse", "--show-toplevel"])?);
    if top.canonicalize().ok()? != root.canonicalize().ok()? {
        return None;
    }
    // What changes with every commit and every branch taken.
    for name in ["HEAD", "logs/HEAD"] {
        let path = root.join(git(&["rev-parse", "--git-path", name])?);
        if path.exists() {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    let head = git(&["show", "-s", "--format=%h %ct", "--abbrev=12", "HEAD"])?;
    let (commit, seconds) = head.split_once(' ')?;
    Some((Some(commit.to_owned()), seconds.parse().ok()))
}

/// `.commit` of an archive: the commit and its time. In a clone it holds git's placeholders.
fn of_archive(root: &Path) -> Option<Source> {
    let path = root.join(".commit");
    println!("cargo::rerun-if-changed={}", path.display());
    let text = std::fs::read_to_string(path).ok()?;
    let (commit, seconds) = text.trim().split_once(' ')?;
    let commit = commit.get(..12).filter(|c| c.bytes().all(|b| b.is_ascii_hexdigit()))?;
    Some((Some(commit.to_owned()), seconds.parse().ok()))
}

/// `2026-11-30 04:30 UTC`, as Java's build writes it (the calendar by H. Hinnant, "chrono-compatible
/// low-level date algorithms").
fn date(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", rest / 3600, rest / 60 % 60)
}
