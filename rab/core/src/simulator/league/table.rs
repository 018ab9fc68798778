//! The league as text.

use core::fmt;
use std::format;
use std::string::String;

use super::{Figure, League, Measure};

/// The median, and in brackets from the least to the most, where they differ.
pub(super) fn shown(figure: &Figure, digits: usize) -> String {
    let Figure { median, least, most } = figure;
    let (low, high) = (format!("{least:.digits$}"), format!("{most:.digits$}"));
    if low == high { format!("{median:.digits$}") } else { format!("{median:.digits$} ({low}-{high})") }
}

impl fmt::Display for League {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (scenario, rows) in &self.scenarios {
            write!(f, "{scenario:<16}")?;
            for measure in Measure::ALL {
                write!(f, "{:>1$}", measure.name(), measure.width())?;
            }
            writeln!(f, "{:>11}{:>9}", "of static", "of fair")?;
            for row in rows {
                write!(f, "  {:<14}", row.optimizer)?;
                for measure in Measure::ALL {
                    write!(f, "{:>1$}", shown(&row.figure(measure), measure.digits()), measure.width())?;
                }
                write!(f, "{:>11.2}{:>9.2}", row.relative[0], row.relative[1])?;
                if row.failures > 0 {
                    write!(f, "  failed {} times", row.failures)?;
                }
                writeln!(f)?;
            }
            writeln!(f)?;
        }
        writeln!(f, "{:<16}{:>11}{:>9}", "all scenarios", "of static", "of fair")?;
        for (place, (name, relative)) in self.ranking.iter().enumerate() {
            writeln!(f, "{:>3} {:<12}{:>11.2}{:>9.2}", place + 1, name, relative[0], relative[1])?;
        }
        Ok(())
    }
}
