//! A trace for readers: as text and as a picture.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{Display, Formatter, Result, Write};

use super::{Left, Span, Trace, alloc};

/// Columns of a timeline where nobody says how many.
const COLUMNS: usize = 100;

/// Measures of the picture, in pixels.
const MARGIN: u64 = 70;
const WIDTH: u64 = 1000;
const ROW: u64 = 36;
const BAR: u64 = 28;
const LINE: u64 = 20;

/// Where nothing runs.
const IDLE: char = '.';

/// The letter of a context: `A` is the first one. After 52 they repeat.
fn letter(context: u64) -> char {
    let index = (context.saturating_sub(1) % 52) as u8;
    char::from(if index < 26 { b'A' + index } else { b'a' + index - 26 })
}

/// Ns for a reader.
fn time(ns: u64) -> String {
    let (unit, name) = match ns {
        0..10_000 => return format!("{ns} ns"),
        10_000..10_000_000 => (1_000, "us"),
        10_000_000..10_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    format!("{} {name}", (ns + unit / 2) / unit)
}

impl Left {
    /// As a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tick => "tick",
            Self::Yielded => "yielded",
            Self::Suspended => "suspended",
            Self::Done => "done",
            Self::Resized => "hart taken",
            Self::Faulted => "fault",
            Self::Running => "running",
        }
    }
}

/// Ways to leave that are worth a column of their own.
const COUNTED: [(Left, &str); 3] = [(Left::Tick, "ticks"), (Left::Yielded, "yields"), (Left::Suspended, "waits")];

impl Trace {
    /// A line for each hart, with so many columns: each shows the letter of the context that ran longest in it, and a point where none did.
    #[must_use]
    pub fn timeline(&self, columns: usize) -> String {
        let (from, to) = self.extent();
        let width = (to - from).div_ceil(columns.max(1) as u64).max(1);
        let columns: Vec<(u64, u64)> =
            (from..to).step_by(width as usize).map(|begin| (begin, to.min(begin + width))).collect();
        // Writing to a string cannot fail.
        let mut text = self.rows(&columns);
        let _ = writeln!(text, "{:8}one column is {}, all are {}", "", time(width), time(to - from));
        text
    }

    /// As [`Trace::timeline`], but with a column from each change to the next, however long it took: for what depends on the order. The latest so many.
    #[must_use]
    pub fn changes(&self, columns: usize) -> String {
        let mut instants: Vec<u64> = self.spans.iter().flat_map(|span| [span.from, span.to]).collect();
        instants.sort_unstable();
        instants.dedup();
        let momentary = self.spans.iter().filter(|span| span.length() == 0).map(|span| (span.from, span.to));
        let mut all: Vec<(u64, u64)> = instants.windows(2).map(|pair| (pair[0], pair[1])).chain(momentary).collect();
        all.sort_unstable();
        all.dedup();
        let latest = &all[all.len().saturating_sub(columns)..];
        let mut text = self.rows(latest);
        let took = latest.last().zip(latest.first()).map_or(0, |(last, first)| last.1 - first.0);
        let _ = writeln!(text, "{:8}a column for each change, all are {}", "", time(took));
        text
    }

    /// The rows of a timeline with these columns.
    fn rows(&self, columns: &[(u64, u64)]) -> String {
        let mut text = String::new();
        for hart in 0..self.harts {
            let mut row = String::new();
            for (from, to) in columns {
                // How long each context ran in it.
                let mut ran: BTreeMap<u64, u64> = BTreeMap::new();
                for span in self.of_hart_between(hart, *from, *to) {
                    *ran.entry(span.context).or_default() += span.to.min(*to) - span.from.max(*from);
                }
                row.push(ran.into_iter().max_by_key(|(_, ns)| *ns).map_or(IDLE, |(context, _)| letter(context)));
            }
            let _ = writeln!(text, "hart {hart:<2} {row}");
        }
        text
    }

    /// What ran on a hart in a part of the time that is not empty; or, where it is empty, for no time at that instant.
    fn of_hart_between(&self, hart: usize, from: u64, to: u64) -> impl Iterator<Item = &Span> {
        let end = self.spans.partition_point(|span| span.from < to || (from == to && span.from == to));
        let inside = move |span: &&Span| {
            span.hart == hart && if from == to { (span.from, span.to) == (from, to) } else { span.to > from }
        };
        self.spans[..end].iter().filter(inside)
    }

    /// A line for each context: how long it ran, which part that is of all that ran, how many times, and why it left.
    #[must_use]
    pub fn shares(&self) -> String {
        let all: u64 = self.spans.iter().map(Span::length).sum();
        let mut text = String::new();
        for context in self.contexts() {
            let of = || self.spans.iter().filter(|span| span.context == context);
            let share = self.ran(context) as f64 * 100.0 / all.max(1) as f64;
            let name = format!("{} {}", letter(context), self.name(context));
            let _ = write!(text, "{name:<24} {:>9}  {share:>5.1}%  {:>5} runs", time(self.ran(context)), of().count());
            for (left, what) in COUNTED {
                let count = of().filter(|span| span.left == left).count();
                let _ = write!(text, "  {count:>5} {what}");
            }
            text.push('\n');
        }
        if self.forgotten > 0 {
            let _ = writeln!(text, "{} earlier runs are not in this trace", self.forgotten);
        }
        text
    }

    fn name(&self, context: u64) -> String {
        self.labels.get(&context).cloned().unwrap_or_else(|| format!("context {context}"))
    }

    /// A picture: harts by time, each context in a colour of its own. What the pointer rests on tells its times.
    #[must_use]
    pub fn svg(&self) -> String {
        let (from, to) = self.extent();
        let at = |instant: u64| (instant - from) as f64 * WIDTH as f64 / (to - from).max(1) as f64 + MARGIN as f64;
        let bottom = LINE + ROW * self.harts as u64;
        let contexts = self.contexts();
        let height = bottom + 2 * LINE + LINE * contexts.len() as u64;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n",
            WIDTH + 2 * MARGIN
        );
        for hart in 0..self.harts as u64 {
            let top = LINE + ROW * hart;
            let _ = writeln!(svg, "<text x=\"10\" y=\"{}\">hart {hart}</text>", top + 18);
            let _ =
                writeln!(svg, "<rect x=\"{MARGIN}\" y=\"{top}\" width=\"{WIDTH}\" height=\"{BAR}\" fill=\"#eee\"/>");
        }
        for span in &self.spans {
            let (left, right, top) = (at(span.from), at(span.to), LINE + ROW * span.hart as u64);
            let _ = writeln!(
                svg,
                "<rect x=\"{left:.2}\" y=\"{top}\" width=\"{:.2}\" height=\"{BAR}\" fill=\"{}\"><title>{}: {} to {}, {}</title></rect>",
                (right - left).max(0.3),
                colour(span.context),
                escaped(&self.name(span.context)),
                time(span.from - from),
                time(span.to - from),
                span.left.name(),
            );
            if right - left > 12.0 {
                let (middle, base, letter) = (f64::midpoint(left, right), top + 18, letter(span.context));
                let _ = writeln!(
                    svg,
                    "<text x=\"{middle:.2}\" y=\"{base}\" text-anchor=\"middle\" pointer-events=\"none\">{letter}</text>"
                );
            }
        }
        for tenth in 0..=10 {
            let instant = from + (to - from) * tenth / 10;
            let (x, y, time) = (at(instant), bottom + 14, time(instant - from));
            let _ = writeln!(svg, "<text x=\"{x:.2}\" y=\"{y}\" text-anchor=\"middle\">{time}</text>");
        }
        for (context, index) in contexts.into_iter().zip(1..) {
            let (y, name) = (bottom + LINE * index + 14, escaped(&self.name(context)));
            let (fill, letter) = (colour(context), letter(context));
            let _ = writeln!(svg, "<rect x=\"{MARGIN}\" y=\"{}\" width=\"14\" height=\"14\" fill=\"{fill}\"/>", y + 4);
            let _ = writeln!(svg, "<text x=\"{}\" y=\"{}\">{letter} {name}</text>", MARGIN + 22, y + 15);
        }
        svg.push_str("</svg>\n");
        svg
    }
}

/// The timeline and the shares.
impl Display for Trace {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}{}", self.timeline(COLUMNS), self.shares())
    }
}

/// Hues by the golden angle: neighbours differ, and none comes twice.
fn colour(context: u64) -> String {
    format!("hsl({},65%,70%)", context.wrapping_mul(137) % 360)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
