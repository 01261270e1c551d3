//! The page: styles and script inside, nothing fetched.

use super::sections;
use crate::compare::bars::Verdict;
use crate::compare::outcome::Outcome;

const STYLE: &str = include_str!("assets/report.css");
const SCRIPT: &str = include_str!("assets/report.js");

/// Text for HTML, inside an element or a quoted attribute.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

/// Bars by verdict: reached at least the bar, reached the aim, all that were measured.
pub fn score(outcome: &Outcome) -> (usize, usize, usize) {
    let count = |verdict| outcome.bars.iter().filter(|b| b.verdict == verdict).count();
    let aims = count(Verdict::AimReached);
    let met = aims + count(Verdict::Met);
    (met, aims, met + count(Verdict::Missed))
}

pub fn names(outcome: &Outcome) -> (String, String) {
    let name = |at: usize| {
        let facts = outcome.targets.get(at);
        facts.map_or_else(|| format!("server {at}"), |f| f.target.name.clone())
    };
    (name(0), name(1))
}

pub fn render(outcome: &Outcome) -> String {
    let (reference, ours) = names(outcome);
    let title = format!("{} beside {}", escape(&ours), escape(&reference));
    let parts = [
        sections::headline(outcome, &title),
        sections::faults(outcome),
        sections::bars(outcome),
        sections::sweeps(outcome),
        sections::open_loops(outcome),
        sections::closed_loops(outcome),
        sections::fill(outcome),
        sections::losses(outcome),
        sections::facts(outcome),
    ];
    let body = parts.concat();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head>\n<body><main>\n{body}</main>\
         <div id=\"tip\" hidden></div><script>{SCRIPT}</script></body></html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sections::tests::sample;

    #[test]
    fn the_page_stands_alone_and_shows_every_bar_and_scenario() {
        let outcome = sample();
        let page = render(&outcome);
        for forbidden in ["http://", "https://", "src=", "@import", "url("] {
            assert!(!page.contains(forbidden), "the page must fetch nothing: {forbidden}");
        }
        for judged in &outcome.bars {
            assert!(page.contains(&escape(&judged.bar.what)), "{}", judged.bar.what);
        }
        for id in ["leader-kill", "rolling-restart"] {
            assert!(page.contains(&format!("id=\"{id}\"")), "{id}");
        }
        for scenario in &outcome.scenarios {
            assert!(page.contains(&format!("id=\"{}\"", scenario.id)), "{}", scenario.id);
        }
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
        assert_eq!(page.matches("<section").count(), page.matches("</section>").count());
        assert!(!page.contains("NaN"), "a figure that is none");
    }

    #[test]
    fn text_from_outside_is_escaped() {
        let mut outcome = sample();
        outcome.command = "<script>alert(1)</script>".into();
        assert!(!render(&outcome).contains("<script>alert"));
    }
}
