//! Why a decision is as it is: a line for the decision, and one or two for each cell.

use core::fmt;

use super::controller::{Controller, Kept, Outcome};
use super::damping::Urgency;
use super::track::Track;
use crate::optimizer::Optimizer;

/// Prints what the last decision was made of: what was seen, what the optimizer believes, what it expects, and how that did which it expected before.
#[derive(Debug)]
pub struct Explanation<'a, O, const CELLS: usize>(pub(super) &'a Controller<O, CELLS>);

impl<O: Optimizer, const CELLS: usize> fmt::Display for Explanation<'_, O, CELLS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let controller = self.0;
        let Some(decision) = controller.decision else { return f.write_str("nothing is decided yet") };
        write!(f, "{} (decision {}): ", controller.optimizer.name(), decision.number)?;
        match decision.outcome {
            Outcome::Changed => f.write_str(match controller.urgency {
                Some(Urgency::Event) => "changed, because something happened",
                Some(Urgency::Late) => "changed, to help who is late",
                _ => "changed, because it is better",
            })?,
            Outcome::Kept(Kept::Good) => f.write_str("kept, nothing better is known")?,
            Outcome::Kept(Kept::Unmeasured) => f.write_str("kept, the last change has not been measured yet")?,
            Outcome::Kept(Kept::Damped(periods)) => {
                write!(f, "kept, a change waits for {periods} more periods lest it swings")?;
            }
            Outcome::Kept(Kept::Failed) => f.write_str("kept, the optimizer failed")?,
            Outcome::Impossible(reason) => write!(f, "impossible: {reason}")?,
        }
        if let Some(failure) = decision.failure {
            write!(f, "; {failure}")?;
        }
        for track in &controller.tracks {
            line(f, track)?;
            let mut model = Indented { f, is_empty: true };
            controller.optimizer.explain(track.id, &mut model)?;
        }
        Ok(())
    }
}

fn line(f: &mut fmt::Formatter<'_>, track: &Track) -> fmt::Result {
    write!(f, "\n  {}: {}", track.id, track.had)?;
    if track.has != track.had {
        write!(f, " -> {}", track.has)?;
    }
    if let Some(saw) = track.saw_s {
        write!(f, "; took {saw:.4} s")?;
    }
    match track.needs.deadline_s {
        Some(deadline) => write!(f, " of {deadline:.4} s")?,
        None => f.write_str(", best effort")?,
    }
    if let (Some(expected), Some(saw)) = (track.was_expected_s, track.saw_s) {
        write!(f, " ({:+.0} % of what was expected)", 100.0 * (saw / expected - 1.0))?;
    }
    if let Some(expected) = track.expected_s {
        write!(f, "; now expects {expected:.4} s")?;
    }
    if track.rejected > 0 {
        write!(f, "; {} measurements were left out", track.rejected)?;
    }
    Ok(())
}

/// Puts a line's beginning before the first text, if there is any.
struct Indented<'a, 'b> {
    f: &'a mut fmt::Formatter<'b>,
    is_empty: bool,
}

impl fmt::Write for Indented<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.is_empty && !text.is_empty() {
            self.is_empty = false;
            self.f.write_str("\n    ")?;
        }
        self.f.write_str(text)
    }
}
