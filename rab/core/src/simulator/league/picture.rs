//! The league as a picture. Every bar has its number beside it and its name before it, so nothing depends on colours.

use core::fmt::Write;
use std::format;
use std::string::String;
use std::vec::Vec;

use super::table::shown;
use super::{Figure, League, Measure, YARDSTICKS};

/// Measures of the picture, in pixels.
const LETTER: usize = 7;
const COLUMN: usize = 205;
const BAR: f64 = 70.0;
const ROW: usize = 16;
const GAP: usize = 14;

impl League {
    /// A picture of the table, in SVG. A bar is as long as its number, in relation to the longest one of its measure in the scenario; a line through its end goes from
    /// the least to the most.
    #[must_use]
    pub fn svg(&self) -> String {
        let blocks = self.scenarios.len() + 1;
        let rows: usize = self.scenarios.iter().map(|(_, rows)| rows.len()).sum::<usize>() + self.ranking.len();
        let longest = self.ranking.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let names = (14 + LETTER * (longest + 1)).max(120);
        let width = names + COLUMN * (Measure::ALL.len() + 1);
        let mut svg = begin(width, 2 * ROW + (rows + blocks) * ROW + GAP * blocks);
        // Writing to a string cannot fail.
        let heads = Measure::ALL.map(Measure::name).into_iter().chain(["penalty, of static and of fair"]);
        for (column, name) in heads.enumerate() {
            let x = names + column * COLUMN;
            let _ = writeln!(svg, "<text x=\"{x}\" y=\"{ROW}\" font-weight=\"bold\">{name}</text>");
        }
        let mut top = 2 * ROW;
        for (scenario, rows) in &self.scenarios {
            block(&mut svg, scenario, rows.iter().map(|row| row.optimizer.as_str()), top, width);
            top += ROW;
            for (column, measure) in Measure::ALL.into_iter().enumerate() {
                let figures: Vec<Figure> = rows.iter().map(|row| row.figure(measure)).collect();
                let texts = figures.iter().map(|figure| shown(figure, measure.digits()));
                bars(&mut svg, &figures, texts, names + column * COLUMN, top);
            }
            let left = names + Measure::ALL.len() * COLUMN;
            related(&mut svg, rows.iter().map(|row| &row.relative), left, top);
            top += ROW * rows.len() + GAP;
        }
        block(&mut svg, "all scenarios", self.ranking.iter().map(|(name, _)| name.as_str()), top, width);
        let left = names + Measure::ALL.len() * COLUMN;
        related(&mut svg, self.ranking.iter().map(|(_, relative)| relative), left, top + ROW);
        svg.push_str("</svg>\n");
        svg
    }
}

/// A line, a title, and the names of rows below.
fn block<'a>(svg: &mut String, title: &str, names: impl Iterator<Item = &'a str>, top: usize, width: usize) {
    let _ = writeln!(svg, "<line x1=\"0\" x2=\"{width}\" y1=\"{top}\" y2=\"{top}\" stroke=\"#aaa\"/>");
    let base = top + ROW;
    let _ = writeln!(svg, "<text x=\"4\" y=\"{base}\" font-weight=\"bold\">{}</text>", escaped(title));
    for (place, name) in names.enumerate() {
        let base = top + ROW * (place + 2);
        let _ = writeln!(svg, "<text x=\"14\" y=\"{base}\">{}</text>", escaped(name));
    }
}

/// Penalties in relation to the yardsticks'. The bar is that to `fair`.
fn related<'a>(
    svg: &mut String,
    relatives: impl Iterator<Item = &'a [f64; YARDSTICKS.len()]> + Clone,
    left: usize,
    top: usize,
) {
    let same = |value: f64| Figure { median: value, least: value, most: value };
    let figures: Vec<Figure> = relatives.clone().map(|relative| same(relative[1])).collect();
    bars(svg, &figures, relatives.map(|[one, two]| format!("{one:.2}, {two:.2}")), left, top);
}

/// A bar for each figure, with a text.
fn bars(svg: &mut String, figures: &[Figure], texts: impl Iterator<Item = String>, left: usize, top: usize) {
    let longest = figures.iter().map(|figure| figure.most).fold(0.0, f64::max);
    let left = left as f64;
    let at = |value: f64| left + if longest > 0.0 { BAR * value / longest } else { 0.0 };
    for ((place, figure), text) in figures.iter().enumerate().zip(texts) {
        let base = top + ROW * (place + 1);
        let (end, low, high) = (at(figure.median), at(figure.least), at(figure.most));
        let (bar, middle, length) = (base - 10, base - 5, end - left);
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
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{base}\">{text}</text>", high.max(end) + 5.0);
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
