//! The league as a picture. Every bar has its number beside it and its name before it, so nothing depends on colours.

use core::fmt::Write;
use std::format;
use std::string::String;

use super::table::shown;
use super::{League, Measure};

/// Measures of the picture, in pixels.
const NAMES: usize = 120;
const COLUMN: usize = 190;
const BAR: f64 = 70.0;
const ROW: usize = 16;
const GAP: usize = 14;

impl League {
    /// A picture of the table, in SVG. A bar is as long as its number, in relation to the longest one of its measure in the scenario; a line
    /// through its end goes from the least to the most.
    #[must_use]
    pub fn svg(&self) -> String {
        let rows: usize = self.scenarios.iter().map(|(_, rows)| rows.len() + 1).sum();
        let width = NAMES + COLUMN * Measure::ALL.len();
        let height = 2 * ROW + rows * ROW + GAP * self.scenarios.len();
        let mut svg = begin(width, height);
        // Writing to a string cannot fail.
        for (column, measure) in Measure::ALL.into_iter().enumerate() {
            let x = NAMES + column * COLUMN;
            let _ = writeln!(svg, "<text x=\"{x}\" y=\"{ROW}\" font-weight=\"bold\">{}</text>", measure.name());
        }
        let mut top = 2 * ROW;
        for (scenario, rows) in &self.scenarios {
            let _ = writeln!(svg, "<line x1=\"0\" x2=\"{width}\" y1=\"{top}\" y2=\"{top}\" stroke=\"#aaa\"/>");
            top += ROW;
            let _ = writeln!(svg, "<text x=\"4\" y=\"{top}\" font-weight=\"bold\">{}</text>", escaped(scenario));
            for (place, row) in rows.iter().enumerate() {
                let base = top + ROW * (place + 1);
                let _ = writeln!(svg, "<text x=\"14\" y=\"{base}\">{}</text>", escaped(&row.optimizer));
            }
            for (column, measure) in Measure::ALL.into_iter().enumerate() {
                let longest = rows.iter().map(|row| row.figure(measure).most).fold(0.0, f64::max);
                let left = (NAMES + column * COLUMN) as f64;
                let at = |value: f64| left + if longest > 0.0 { BAR * value / longest } else { 0.0 };
                for (place, row) in rows.iter().enumerate() {
                    let (figure, base) = (row.figure(measure), top + ROW * (place + 1));
                    let (end, low, high) = (at(figure.median), at(figure.least), at(figure.most));
                    let (bar, middle) = (base - 10, base - 5);
                    let length = end - left;
                    let _ = writeln!(
                        svg,
                        "<rect x=\"{left}\" y=\"{bar}\" width=\"{length:.1}\" height=\"10\" fill=\"#9bd\" stroke=\"#357\" stroke-width=\".5\"/>"
                    );
                    if high > low {
                        let _ = writeln!(
                            svg,
                            "<line x1=\"{low:.1}\" x2=\"{high:.1}\" y1=\"{middle}\" y2=\"{middle}\" stroke=\"#000\"/>"
                        );
                    }
                    let (x, text) = (high.max(end) + 5.0, shown(&figure, measure.digits()));
                    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{base}\">{text}</text>");
                }
            }
            top += ROW * rows.len() + GAP;
        }
        svg.push_str("</svg>\n");
        svg
    }
}

/// The beginning of a picture, on white ground.
pub(super) fn begin(width: usize, height: usize) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n"
    )
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
