//! A comparison for people: one HTML page that needs nothing beside itself, and Markdown.
//!
//! * [`chart`]: line charts as SVG
//! * [`gauge`]: ratios against their bars, as SVG
//! * [`html`]: the page
//! * [`sections`]: its parts, one scenario and one figure at a time
//! * [`markdown`]: the same figures where there is no browser

pub mod chart;
pub mod gauge;
pub mod html;
pub mod markdown;
pub mod sections;

use std::fs;
use std::path::{Path, PathBuf};

use crate::compare::outcome::Outcome;
use crate::fault::Fault;

/// Writes report.html, report.json and report.md into `folder`.
pub fn write(outcome: &Outcome, folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    fs::create_dir_all(folder).map_err(Fault::file(folder))?;
    let json = serde_json::to_string(outcome)
        .map_err(|e| Fault::Server(format!("report as JSON: {e}")))?;
    let texts = [
        ("report.html", html::render(outcome)),
        ("report.json", json),
        ("report.md", markdown::render(outcome)),
    ];
    let mut written = Vec::new();
    for (name, text) in texts {
        let path = folder.join(name);
        fs::write(&path, text).map_err(Fault::file(&path))?;
        written.push(path);
    }
    Ok(written)
}
