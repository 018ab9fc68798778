//! Tables and figures as text.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use manifest::Nanoseconds;

/// Where a column's text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// For names.
    Left,
    /// For figures.
    Right,
}

/// Rows under headings; every column as wide as its widest entry.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new(columns: &[(&str, Align)]) -> Self {
        Self {
            columns: columns.iter().map(|(title, align)| ((*title).to_string(), *align)).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; what is missing is left empty, what is too much is not shown.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The lines, headings first, indented by two characters, without spaces at their ends.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let width = |column: usize| {
            let title = self.columns[column].0.chars().count();
            let entries = self.rows.iter().filter_map(|row| row.get(column)).map(|text| text.chars().count());
            entries.fold(title, usize::max)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let line = |entry: &dyn Fn(usize) -> String| {
            let mut line = String::from(" ");
            for (column, (_, align)) in self.columns.iter().enumerate() {
                let (text, width) = (entry(column), widths[column]);
                line += &match align {
                    Align::Left => format!(" {text:<width$} "),
                    Align::Right => format!(" {text:>width$} "),
                };
            }
            line.trim_end().to_string()
        };
        let mut lines = Vec::from([line(&|column| self.columns[column].0.clone())]);
        lines.extend(self.rows.iter().map(|row| line(&|column| row.get(column).cloned().unwrap_or_default())));
        lines
    }
}

/// A set of hardware threads, such as `0-3,7`.
#[must_use]
pub fn threads(mask: u64) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut number = 0;
    while number < 64 {
        if mask >> number & 1 == 0 {
            number += 1;
            continue;
        }
        let run = (mask >> number).trailing_ones();
        parts.push(if run == 1 { number.to_string() } else { format!("{number}-{}", number + run - 1) });
        number += run;
    }
    if parts.is_empty() { "none".to_string() } else { parts.join(",") }
}

/// A part of a whole, such as `47.3%`.
#[must_use]
pub fn percent(of: f64, all: f64) -> String {
    if all > 0.0 { format!("{:.1}%", of / all * 100.0) } else { "-".to_string() }
}

/// How much of something happens in a second, such as `12.3 k/s`.
#[must_use]
pub fn rate(count: f64, elapsed_ns: u64) -> String {
    if elapsed_ns == 0 {
        return "-".to_string();
    }
    let rate = count * 1e9 / elapsed_ns as f64;
    let (scaled, unit) = match rate {
        rate if rate >= 1e9 => (rate / 1e9, " G"),
        rate if rate >= 1e6 => (rate / 1e6, " M"),
        rate if rate >= 1e3 => (rate / 1e3, " k"),
        rate => (rate, " "),
    };
    if scaled >= 100.0 { format!("{scaled:.0}{unit}/s") } else { format!("{scaled:.1}{unit}/s") }
}

/// A duration to three digits, for columns, such as `1.23 ms`; `-` where there is none.
#[must_use]
pub fn duration(ns: Option<u64>) -> String {
    let Some(ns) = ns else { return "-".to_string() };
    let mut unit = 1;
    while ns / unit >= 1000 {
        unit *= 10;
    }
    Nanoseconds(ns / unit * unit).to_string()
}

/// Text as the value of a key in a line for machines.
#[must_use]
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_entry() {
        let mut table = Table::new(&[("cell", Align::Left), ("missed", Align::Right)]);
        table.row(["a-long-name".to_string(), "7".to_string()].into());
        table.row(["b".to_string()].into());
        table.row(["c".to_string(), "12345678".to_string(), "too much".to_string()].into());
        let expected = ["  cell           missed", "  a-long-name         7", "  b", "  c            12345678"];
        assert_eq!(table.lines(), expected);
    }

    #[test]
    fn figures_are_short() {
        assert_eq!(threads(0b1000_1111), "0-3,7");
        assert_eq!((threads(u64::MAX), threads(0)), ("0-63".to_string(), "none".to_string()));
        assert_eq!((percent(1.0, 3.0), percent(1.0, 0.0)), ("33.3%".to_string(), "-".to_string()));
        assert_eq!(rate(12_345.0, 1_000_000_000), "12.3 k/s");
        assert_eq!(rate(5.0, 500_000_000), "10.0 /s");
        assert_eq!(rate(5.0, 0), "-");
        assert_eq!(duration(Some(1_234_567)), "1.23 ms");
        assert_eq!((duration(Some(270)), duration(None)), ("270 ns".to_string(), "-".to_string()));
        assert_eq!(duration(Some(u64::MAX)), "18400000000 s");
    }

    #[test]
    fn quoted_text_has_one_beginning_and_one_end() {
        assert_eq!(quoted("a \"b\" \\ c\n"), "\"a \\\"b\\\" \\\\ c\\n\"");
    }
}
