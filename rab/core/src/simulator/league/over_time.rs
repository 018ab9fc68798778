//! Who had how many hardware threads, drawn over time: one panel for each optimizer. Cells differ by their hatching and are labelled.

use core::fmt::Write;
use std::string::String;
use std::vec::Vec;

use super::picture::{begin, escaped};
use super::{Find, SEEDS};
use crate::resource::{Amounts, Resource};
use crate::simulator::{Report, Scenario, simulate};

/// Measures of the picture, in pixels.
const LEFT: usize = 110;
const WIDTH: usize = 900;
const PANEL: usize = 90;
const GAP: usize = 40;
/// The strip that shows when a cell is late.
const STRIP: usize = 8;
/// How cells are hatched, one after the other; then again from the beginning.
const HATCHES: [(&str, &str); 6] = [
    ("#cde", ""),
    ("#fda", "<path d=\"M0 8L8 0\" stroke=\"#840\"/>"),
    ("#bdb", "<path d=\"M0 4H8\" stroke=\"#262\"/>"),
    ("#ecd", "<path d=\"M0 0L8 8\" stroke=\"#815\"/>"),
    ("#eee", "<circle cx=\"4\" cy=\"4\" r=\"1.5\" fill=\"#333\"/>"),
    ("#ffb", "<path d=\"M4 0V8\" stroke=\"#660\"/>"),
];

/// The hardware threads of each cell over time, stacked, in this scenario with each of these optimizers, in SVG. Below each panel
/// black marks the times in which some cell is late.
#[must_use]
pub fn over_time(names: &[&str], find: Find<'_>, scenario: &Scenario) -> String {
    let cells = scenario.applications.len();
    let height = GAP + (PANEL + GAP) * names.len() + GAP;
    let mut svg = begin(LEFT + WIDTH + 20, height);
    // Writing to a string cannot fail.
    for (place, (ground, lines)) in HATCHES.iter().enumerate().take(cells) {
        let _ = writeln!(
            svg,
            "<pattern id=\"cell{place}\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\"><rect width=\"8\" height=\"8\" fill=\"{ground}\"/>{lines}</pattern>"
        );
    }
    for place in 0..cells {
        let (x, hatch) = (LEFT + 90 * place, place % HATCHES.len());
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"6\" width=\"20\" height=\"14\" fill=\"url(#cell{hatch})\" stroke=\"#333\"/>"
        );
        let _ = writeln!(svg, "<text x=\"{}\" y=\"17\">cell {place}</text>", x + 25);
    }
    let mut top = GAP + 4;
    for name in names {
        let Some(mut optimizer) = find(name) else { continue };
        let report = simulate(scenario, &mut *optimizer, SEEDS[0]);
        panel(&mut svg, name, scenario, &report, top);
        top += PANEL + GAP;
    }
    for tenth in 0..=10 {
        let seconds = scenario.length_s * f64::from(tenth) / 10.0;
        let x = LEFT + WIDTH * tenth as usize / 10;
        let _ = writeln!(svg, "<text x=\"{x}\" y=\"{top}\" text-anchor=\"middle\">{seconds:.0} s</text>");
    }
    svg.push_str("</svg>\n");
    svg
}

fn panel(svg: &mut String, name: &str, scenario: &Scenario, report: &Report, top: usize) {
    let periods = report.history.len().max(1);
    let x = |period: usize| LEFT as f64 + WIDTH as f64 * period as f64 / periods as f64;
    let total = scenario.machine.totals()[Resource::Threads];
    let bottom = top + PANEL;
    let y = |threads: u32| bottom as f64 - PANEL as f64 * f64::from(threads) / f64::from(total.max(1));
    let _ = writeln!(svg, "<text x=\"{LEFT}\" y=\"{}\" font-weight=\"bold\">{}</text>", top - 4, escaped(name));
    let _ = writeln!(svg, "<text x=\"4\" y=\"{}\">{total} threads</text>", top + 10);
    let _ = writeln!(svg, "<text x=\"4\" y=\"{}\">some cell late</text>", bottom + STRIP + 2);
    let _ = writeln!(
        svg,
        "<rect x=\"{LEFT}\" y=\"{top}\" width=\"{WIDTH}\" height=\"{PANEL}\" fill=\"none\" stroke=\"#333\"/>"
    );
    for cell in 0..scenario.applications.len() {
        let below = |shares: &[Amounts]| shares[..cell].iter().map(|share| share[Resource::Threads]).sum::<u32>();
        for (from, to) in runs(&report.history, |one, two| {
            (below(one), one[cell][Resource::Threads]) == (below(two), two[cell][Resource::Threads])
        }) {
            let shares = &report.history[from];
            let (under, threads) = (below(shares), shares[cell][Resource::Threads]);
            if threads == 0 {
                continue;
            }
            let (left, high) = (x(from), y(under + threads));
            let _ = writeln!(
                svg,
                "<rect x=\"{left:.1}\" y=\"{high:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"url(#cell{})\" stroke=\"#333\" stroke-width=\".5\"><title>cell {cell}: {threads} threads</title></rect>",
                x(to) - left,
                y(under) - high,
                cell % HATCHES.len(),
            );
        }
    }
    let is_late = |period: usize| {
        let now_s = period as f64 * scenario.period_s;
        scenario.applications.iter().zip(&report.history[period]).any(|(application, share)| {
            let deadline = application.needs.deadline_s.unwrap_or(f64::INFINITY);
            application.is_there(now_s) && application.response_s(now_s, share) > deadline
        })
    };
    let late: Vec<bool> = (0..report.history.len()).map(is_late).collect();
    for (from, to) in runs(&late, |one, two| one == two).filter(|(from, _)| late[*from]) {
        let (left, strip) = (x(from), bottom + 3);
        let _ = writeln!(
            svg,
            "<rect x=\"{left:.1}\" y=\"{strip}\" width=\"{:.1}\" height=\"{STRIP}\" fill=\"#000\"/>",
            x(to) - left
        );
    }
}

/// Where stretches of things that are the same begin and end.
fn runs<T>(all: &[T], is_same: impl Fn(&T, &T) -> bool) -> impl Iterator<Item = (usize, usize)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let first = all.get(from)?;
        let length = all[from..].iter().take_while(|other| is_same(first, other)).count();
        let run = (from, from + length);
        from += length;
        Some(run)
    })
}
