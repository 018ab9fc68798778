//! Where a periodic window stands at an instant.

use crate::{Instant, Span};

/// The start of the window that `t` is in, if it is in one.
pub(crate) fn window_at(t: Instant, period: Span, phase: Span, length: Span) -> Option<Instant> {
    let into = t.as_nanos().checked_sub(phase.as_nanos())? % period.as_nanos();
    (into < length.as_nanos()).then(|| t - Span::from_nanos(into))
}

/// The first window start after `t`.
pub(crate) fn next_start(t: Instant, period: Span, phase: Span) -> Instant {
    match t.as_nanos().checked_sub(phase.as_nanos()) {
        None => Instant::from_nanos(phase.as_nanos()),
        Some(past) => t - Span::from_nanos(past % period.as_nanos()) + period,
    }
}
