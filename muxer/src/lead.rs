//! The lead: how long before an activation the timer is armed, so that the interrupt has come and the switch is done when the instant is
//! there.

use crate::Span;

/// Never less: entering the kernel and switching take about this long on any machine.
pub const LEAST: Span = Span::from_micros(2);

/// Never more: what a lead costs is lost to everybody.
pub const MOST: Span = Span::from_micros(300);

/// The lead for measured latenesses of a timer and a measured switch: the 19th of 20 latenesses and half as much again, and twice the switch. Sorts
/// `lateness`.
#[must_use]
pub fn calibrate(lateness: &mut [Span], switch: Span) -> Span {
    lateness.sort_unstable();
    let high = lateness.get(lateness.len() * 19 / 20).copied().unwrap_or(Span::ZERO);
    let lead = Span::from_nanos(high.as_nanos() * 3 / 2) + switch + switch;
    lead.clamp(LEAST, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_stalls_do_not_make_everybody_pay() {
        let mut lateness = [Span::from_micros(10); 100];
        lateness[3] = Span::from_millis(20);
        assert_eq!(calibrate(&mut lateness, Span::from_micros(1)), Span::from_micros(17));
    }

    #[test]
    fn the_lead_stays_within_its_bounds() {
        assert_eq!(calibrate(&mut [], Span::ZERO), LEAST);
        assert_eq!(calibrate(&mut [Span::from_millis(5); 20], Span::ZERO), MOST);
    }
}
