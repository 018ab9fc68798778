//! The lead: how long before an activation the timer is armed, so that the interrupt has come and the switch is done when the instant is
//! there.

use crate::Span;

/// Never less: entering the kernel and switching take about this long on any machine.
pub const LEAST: Span = Span::from_micros(2);

/// Never more: what a lead costs is lost to everybody.
pub const MOST: Span = Span::from_micros(300);

/// The lead for the latenesses of rehearsed activations, from the instant to which the timer was set until the last hardware thread was ready: the 19th of
/// 20, and half as much again. Sorts `lateness`.
#[must_use]
pub fn calibrate(lateness: &mut [Span]) -> Span {
    lateness.sort_unstable();
    let high = lateness.get(lateness.len() * 19 / 20).copied().unwrap_or(Span::ZERO);
    Span::from_nanos(high.as_nanos().saturating_mul(3) / 2).clamp(LEAST, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_stalls_do_not_make_everybody_pay() {
        let mut lateness = [Span::from_micros(10); 100];
        lateness[3] = Span::from_millis(20);
        assert_eq!(calibrate(&mut lateness), Span::from_micros(15));
    }

    #[test]
    fn the_lead_stays_within_its_bounds() {
        assert_eq!(calibrate(&mut []), LEAST);
        assert_eq!(calibrate(&mut [Span::from_millis(5); 20]), MOST);
    }
}
