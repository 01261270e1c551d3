//! Line charts as SVG text, linear or logarithmic, with a script's hooks for hovering.

use std::fmt::Write;

use super::html::escape;

const MARGIN_LEFT: f64 = 58.0;
const MARGIN_RIGHT: f64 = 16.0;
const MARGIN_TOP: f64 = 12.0;
const MARGIN_BOTTOM: f64 = 40.0;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scale {
    Linear,
    Log,
}

pub struct Axis {
    pub label: &'static str,
    pub scale: Scale,
    pub show: fn(f64) -> String,
    /// Shown instead of the computed ticks.
    pub ticks: Option<Vec<(f64, String)>>,
    /// Included in the range even where no point is.
    pub include: Vec<f64>,
}

impl Axis {
    pub fn new(label: &'static str, scale: Scale, show: fn(f64) -> String) -> Axis {
        Axis { label, scale, show, ticks: None, include: Vec::new() }
    }
}

pub struct Series {
    pub name: String,
    /// CSS classes: whose it is, and how it is drawn.
    pub class: String,
    pub points: Vec<(f64, f64)>,
    /// Text beside points (empty: none).
    pub labels: Vec<String>,
    pub dots: bool,
}

/// A stretch of the x axis that is shaded.
pub struct Band {
    pub class: String,
    pub from: f64,
    pub to: f64,
    pub title: String,
}

pub struct Chart {
    pub width: f64,
    pub height: f64,
    pub title: String,
    pub x: Axis,
    pub y: Axis,
    pub series: Vec<Series>,
    pub bands: Vec<Band>,
}

/// One axis, placed.
struct Placed {
    scale: Scale,
    min: f64,
    max: f64,
    from: f64,
    to: f64,
}

impl Placed {
    fn at(&self, value: f64) -> f64 {
        let t = match self.scale {
            Scale::Linear => (value - self.min) / (self.max - self.min),
            Scale::Log => {
                (value.max(f64::MIN_POSITIVE) / self.min).ln() / (self.max / self.min).ln()
            }
        };
        self.from + t.clamp(-0.02, 1.02) * (self.to - self.from)
    }
}

/// The range of the values, widened to what reads well.
fn range(axis: &Axis, values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let usable = |v: &f64| v.is_finite() && (axis.scale == Scale::Linear || *v > 0.0);
    let values = values.chain(axis.include.iter().copied()).filter(usable);
    let (min, max) = values.fold((f64::MAX, f64::MIN), |(lo, hi), v| (lo.min(v), hi.max(v)));
    if min > max {
        return None;
    }
    Some(match axis.scale {
        Scale::Linear if max > min => (min, max + (max - min) * 0.03),
        Scale::Linear => (min, min + 1.0),
        Scale::Log => (min / 1.15, max * 1.25),
    })
}

/// Tick values: 1-2-5 steps, or powers of ten with 2 and 5 where there is room.
pub fn ticks(scale: Scale, min: f64, max: f64, about: usize) -> Vec<f64> {
    match scale {
        Scale::Linear => {
            let raw = (max - min) / about.max(1) as f64;
            let power = 10_f64.powf(raw.log10().floor());
            let step = [1.0, 2.0, 5.0, 10.0]
                .into_iter()
                .map(|s| s * power)
                .find(|s| *s >= raw)
                .unwrap_or(10.0 * power);
            let first = (min / step).ceil() as i64;
            (first..).map(|n| n as f64 * step).take_while(|v| *v <= max).collect()
        }
        Scale::Log => {
            let decades = (max / min).log10();
            let steps: &[f64] =
                if decades * 3.0 <= about as f64 * 1.4 { &[1.0, 2.0, 5.0] } else { &[1.0] };
            let from = min.log10().floor() as i32;
            let to = max.log10().ceil() as i32;
            let all = (from..=to).flat_map(|p| steps.iter().map(move |s| s * 10_f64.powi(p)));
            all.filter(|v| *v >= min && *v <= max).collect()
        }
    }
}

/// `50.0 ms` → `50 ms`: ticks are round.
fn trimmed(text: &str) -> String {
    let (number, unit) = text.split_once(' ').map_or((text, None), |(n, u)| (n, Some(u)));
    let number = match number.split_once('.') {
        Some((whole, part)) if part.bytes().all(|b| b == b'0') => whole,
        Some(_) => number.trim_end_matches('0'),
        None => number,
    };
    unit.map_or(number.to_owned(), |unit| format!("{number} {unit}"))
}

impl Chart {
    /// The chart, or nothing where there are no points.
    pub fn svg(&self) -> String {
        let points = || self.series.iter().flat_map(|s| &s.points);
        let Some(xs) = range(&self.x, points().map(|p| p.0)) else { return String::new() };
        let Some(ys) = range(&self.y, points().map(|p| p.1)) else { return String::new() };
        let x = Placed {
            scale: self.x.scale,
            min: xs.0,
            max: xs.1,
            from: MARGIN_LEFT,
            to: self.width - MARGIN_RIGHT,
        };
        let y = Placed {
            scale: self.y.scale,
            min: ys.0,
            max: ys.1,
            from: self.height - MARGIN_BOTTOM,
            to: MARGIN_TOP,
        };
        let (w, h) = (self.width, self.height);
        let mut out = String::new();
        let title = escape(&self.title);
        let _ = write!(
            out,
            "<svg class=\"chart\" viewBox=\"0 0 {w} {h}\" role=\"img\" aria-label=\"{title}\">"
        );
        for band in &self.bands {
            self.band(&mut out, band, &x);
        }
        self.grid(&mut out, &x, &y);
        for series in &self.series {
            line(&mut out, series, &x, &y, (self.x.show, self.y.show));
        }
        out.push_str("</svg>");
        out
    }

    fn band(&self, out: &mut String, band: &Band, x: &Placed) {
        let (from, to) = (x.at(band.from), x.at(band.to));
        let width = (to - from).max(1.5);
        let height = self.height - MARGIN_BOTTOM - MARGIN_TOP;
        let (class, title) = (escape(&band.class), escape(&band.title));
        let _ = write!(
            out,
            "<rect class=\"band {class}\" x=\"{from:.1}\" y=\"{MARGIN_TOP}\" width=\"{width:.1}\" \
             height=\"{height:.1}\"><title>{title}</title></rect>"
        );
    }

    fn grid(&self, out: &mut String, x: &Placed, y: &Placed) {
        let placed = |axis: &Axis, p: &Placed, about: usize| -> Vec<(f64, String)> {
            let own = || ticks(p.scale, p.min, p.max, about);
            let own = || own().into_iter().map(|v| (v, trimmed(&(axis.show)(v)))).collect();
            let given = axis.ticks.clone().unwrap_or_else(own);
            given.into_iter().filter(|(v, _)| *v >= p.min && *v <= p.max).collect()
        };
        for (value, text) in placed(&self.y, y, (self.height / 38.0) as usize) {
            let at = y.at(value);
            let text = escape(&text);
            let _ = write!(
                out,
                "<line class=\"grid\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
                 <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
                x.from,
                x.to,
                x.from - 6.0,
                at + 3.5
            );
        }
        for (value, text) in placed(&self.x, x, (self.width / 75.0) as usize) {
            let at = x.at(value);
            let text = escape(&text);
            let _ = write!(
                out,
                "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>\
                 <text class=\"tick\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{text}</text>",
                y.to,
                y.from,
                y.from + 15.0
            );
        }
        let _ = write!(
            out,
            "<text class=\"axis\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <text class=\"axis\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            x.to,
            y.from + 32.0,
            escape(self.x.label),
            x.from + 4.0,
            y.to + 10.0,
            escape(self.y.label)
        );
    }
}

type Shows = (fn(f64) -> String, fn(f64) -> String);

/// The line, its dots, and what the page's script shows when hovered: `x y text|…`.
fn line(out: &mut String, series: &Series, x: &Placed, y: &Placed, shows: Shows) {
    let mut path = String::new();
    let mut hover = String::new();
    for (n, (px, py)) in series.points.iter().enumerate() {
        let (ax, ay) = (x.at(*px), y.at(*py));
        let _ = write!(path, "{}{ax:.1} {ay:.1}", if n == 0 { "M" } else { "L" });
        let text = format!("{}: {}", (shows.0)(*px), (shows.1)(*py));
        let _ = write!(hover, "{}{ax:.1} {ay:.1} {}", if n == 0 { "" } else { "|" }, escape(&text));
    }
    let (class, name) = (escape(&series.class), escape(&series.name));
    let _ = write!(
        out,
        "<g class=\"series {class}\" data-name=\"{name}\" data-points=\"{hover}\">\
         <path d=\"{path}\"/>"
    );
    for (n, (px, py)) in series.points.iter().enumerate() {
        let (ax, ay) = (x.at(*px), y.at(*py));
        if series.dots {
            let _ = write!(out, "<circle cx=\"{ax:.1}\" cy=\"{ay:.1}\" r=\"3\"/>");
        }
        if let Some(label) = series.labels.get(n).filter(|l| !l.is_empty()) {
            let label = escape(label);
            let _ = write!(
                out,
                "<text class=\"point\" x=\"{ax:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
                ay - 7.0
            );
        }
    }
    out.push_str("</g>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_ticks_are_round_and_inside() {
        assert_eq!(ticks(Scale::Log, 0.9, 120.0, 8), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
        assert_eq!(ticks(Scale::Log, 1.0, 1e6, 5).len(), 7);
    }

    #[test]
    fn tick_texts_lose_zeros_that_say_nothing() {
        assert_eq!(trimmed("50.0 ms"), "50 ms");
        assert_eq!(trimmed("2.50 s"), "2.5 s");
        assert_eq!(trimmed("500 µs"), "500 µs");
        assert_eq!(trimmed("1000"), "1000");
    }

    #[test]
    fn linear_ticks_step_by_one_two_five() {
        assert_eq!(ticks(Scale::Linear, 0.0, 10.0, 5), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(ticks(Scale::Linear, 0.0, 0.9, 4), [0.0, 0.5]);
    }

    #[test]
    fn a_chart_has_a_path_for_every_series_and_none_without_points() {
        let show = |v: f64| format!("{v}");
        let mut chart = Chart {
            width: 400.0,
            height: 200.0,
            title: "a < b".into(),
            x: Axis::new("x", Scale::Linear, show),
            y: Axis::new("y", Scale::Log, show),
            series: Vec::new(),
            bands: Vec::new(),
        };
        assert_eq!(chart.svg(), "");
        for name in ["one", "two"] {
            chart.series.push(Series {
                name: name.into(),
                class: name.into(),
                points: vec![(0.0, 1.0), (1.0, 10.0)],
                labels: Vec::new(),
                dots: true,
            });
        }
        let svg = chart.svg();
        assert_eq!(svg.matches("<path ").count(), 2);
        assert_eq!(svg.matches("<circle ").count(), 4);
        assert!(svg.contains("a &lt; b") && svg.ends_with("</svg>"));
    }
}
