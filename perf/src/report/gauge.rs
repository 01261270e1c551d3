//! A ratio on a common logarithmic scale of "times better", with its bar and aim.

use std::fmt::Write;

use crate::compare::bars::{Judged, Verdict};

const WIDTH: f64 = 260.0;
const HEIGHT: f64 = 30.0;
const LEAST: f64 = 0.25;
const MOST: f64 = 64.0;

fn x(better: f64) -> f64 {
    let t = (better.clamp(LEAST, MOST) / LEAST).ln() / (MOST / LEAST).ln();
    8.0 + t * (WIDTH - 16.0)
}

/// The gauge of one bar.
pub fn svg(judged: &Judged) -> String {
    let lower = judged.bar.metric.lower_is_better();
    let better = |ratio: f64| if lower { 1.0 / ratio.max(1e-9) } else { ratio };
    let middle = HEIGHT / 2.0;
    let mut out = format!(
        "<svg class=\"gauge\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\
         <line class=\"track\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle}\" y2=\"{middle}\"/>",
        judged.verdict.text(),
        x(LEAST),
        x(MOST)
    );
    let (bar, aim) = (x(better(judged.bar.bar)), x(better(judged.bar.aim)));
    let _ = write!(
        out,
        "<rect class=\"wanted\" x=\"{bar:.1}\" width=\"{:.1}\" y=\"{:.1}\" height=\"6\"/>\
         <line class=\"one\" x1=\"{one:.1}\" x2=\"{one:.1}\" y1=\"8\" y2=\"22\"/>\
         <line class=\"bar\" x1=\"{bar:.1}\" x2=\"{bar:.1}\" y1=\"5\" y2=\"25\"><title>bar</title></line>\
         <line class=\"aim\" x1=\"{aim:.1}\" x2=\"{aim:.1}\" y1=\"5\" y2=\"25\"><title>aim</title></line>",
        (x(MOST) - bar).max(0.0),
        middle - 3.0,
        one = x(1.0)
    );
    if let Some(ratio) = judged.ratio {
        let (a, b) = (x(better(ratio.min)), x(better(ratio.max)));
        let class = match judged.verdict {
            Verdict::AimReached => "best",
            Verdict::Met => "good",
            Verdict::Missed | Verdict::Unknown => "bad",
        };
        let _ = write!(
            out,
            "<line class=\"spread {class}\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle}\" y2=\"{middle}\"/>\
             <circle class=\"{class}\" cx=\"{:.1}\" cy=\"{middle}\" r=\"5.5\"/>",
            a.min(b),
            a.max(b),
            x(better(ratio.median))
        );
    }
    out.push_str("</svg>");
    out
}

/// The scale's own picture, for the table's head.
pub fn scale() -> String {
    let mut out = format!("<svg class=\"gauge scale\" viewBox=\"0 0 {WIDTH} 16\">");
    for (at, text) in [
        (0.5, "½×"),
        (1.0, "1×"),
        (2.0, "2×"),
        (4.0, "4×"),
        (8.0, "8×"),
        (16.0, "16×"),
        (32.0, "32×"),
        (64.0, "64×"),
    ] {
        let at = x(at);
        let _ = write!(out, "<text x=\"{at:.1}\" y=\"12\" text-anchor=\"middle\">{text}</text>");
    }
    out.push_str("</svg>");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_is_logarithmic_and_bounded() {
        assert!(((x(2.0) - x(1.0)) - (x(4.0) - x(2.0))).abs() < 1e-9);
        assert_eq!(x(1000.0), x(MOST));
        assert_eq!(x(0.0), x(LEAST));
    }
}
