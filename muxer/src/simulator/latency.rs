//! How long something takes.

use crate::Span;
use crate::simulator::random::Random;

/// A distribution of times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latency {
    /// Always the same.
    Fixed(Span),
    /// Anything between the two, both included, each as likely.
    Uniform(Span, Span),
    /// Half of them between the half of `usual` and `usual`, a quarter up to its double, an eighth up to its fourfold, and so on; none more than `most`.
    LongTailed {
        /// The median.
        usual: Span,
        /// The longest.
        most: Span,
    },
}

impl Latency {
    /// No time.
    pub const NONE: Self = Self::Fixed(Span::ZERO);

    /// Draws one, in ns.
    pub fn draw(self, random: &mut Random) -> u64 {
        match self {
            Self::Fixed(span) => span.as_nanos(),
            Self::Uniform(least, most) => random.between(least.as_nanos(), most.as_nanos()),
            Self::LongTailed { usual, most } => {
                let doublings = random.number().trailing_zeros().min(32);
                let upper = usual.as_nanos().saturating_mul(1 << doublings);
                random.between(upper / 2, upper).min(most.as_nanos())
            }
        }
    }

    /// The longest.
    #[must_use]
    pub fn most(self) -> Span {
        match self {
            Self::Fixed(most) | Self::Uniform(_, most) | Self::LongTailed { most, .. } => most,
        }
    }
}
