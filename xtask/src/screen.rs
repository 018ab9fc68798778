//! The user's terminal during a run: lines scroll, one live line is redrawn in place below them. Without a terminal the
//! live line is printed now and then.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// The live line is redrawn at most this often.
const REDRAW: Duration = Duration::from_millis(250);

/// Without a terminal it is printed at most this often.
const REPRINT: Duration = Duration::from_secs(1);

/// Shows a run, or nothing.
#[derive(Debug)]
pub(crate) struct Screen {
    show: bool,
    terminal: bool,
    /// What the live line says now; empty if there is none.
    status: String,
    drawn: Option<Instant>,
}

impl Screen {
    pub(crate) fn new(show: bool) -> Self {
        Self { show, terminal: std::io::stdout().is_terminal(), status: String::new(), drawn: None }
    }

    /// Whether the live line is redrawn in place.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// A line that stays.
    pub(crate) fn line(&mut self, text: &str) {
        if !self.show {
            return;
        }
        let mut out = std::io::stdout().lock();
        // A closed pipe is no reason to end the machine: the log has everything.
        let _ = if self.terminal && !self.status.is_empty() {
            writeln!(out, "\r\x1b[K{text}").and_then(|()| write!(out, "{}", cut(&self.status)))
        } else {
            writeln!(out, "{text}")
        };
        let _ = out.flush();
    }

    /// A remark of our own.
    pub(crate) fn note(&mut self, text: &str) {
        self.line(text);
    }

    /// The live line.
    pub(crate) fn status(&mut self, text: &str) {
        let pause = if self.terminal { REDRAW } else { REPRINT };
        if !self.show || self.drawn.is_some_and(|at| at.elapsed() < pause) {
            return;
        }
        self.drawn = Some(Instant::now());
        let mut out = std::io::stdout().lock();
        let _ = if self.terminal {
            self.status = text.replace('\n', " ");
            write!(out, "\r\x1b[K{}", cut(&self.status))
        } else {
            writeln!(out, "{text}")
        };
        let _ = out.flush();
    }

    /// The live line goes.
    pub(crate) fn close(&mut self) {
        if self.show && self.terminal && !self.status.is_empty() {
            let mut out = std::io::stdout().lock();
            let _ = write!(out, "\r\x1b[K").and_then(|()| out.flush());
            self.status.clear();
        }
    }
}

/// Cuts a live line to the terminal's width: a longer one would not be redrawn in place.
fn cut(text: &str) -> String {
    let columns = terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0));
    text.chars().take(columns.saturating_sub(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn a_live_line_never_wraps() {
        assert!(cut(&"ä".repeat(1000)).chars().count() < 1000);
        assert_eq!(cut("short"), "short");
    }
}
