//! The machines that are checked: two or three hardware threads, two or three cells.

use super::config::{Config, Stall, best, reserve, window};

/// Two gangs of equal weight.
pub(crate) fn two_gangs() -> Config {
    let entries = vec![best(1, 0b11), best(2, 0b11)];
    Config { inputs: 2, speakers: vec![1, 2], horizon: 17, ..Config::new("two gangs", 2, entries) }
}

/// Three gangs of equal weight that take short turns: when one is idle, turns go on.
pub(crate) fn three_gangs() -> Config {
    let entries = vec![best(1, 0b11), best(2, 0b11), best(3, 0b11)];
    Config { inputs: 1, speakers: vec![1], slice: 2, horizon: 16, ..Config::new("three gangs", 2, entries) }
}

/// A window, a reserve and a best-effort gang, each on both hardware threads.
pub(crate) fn all_policies() -> Config {
    let entries = vec![window(1, 0b11, 10, 3, 1), reserve(2, 0b11, 12, 2), best(3, 0b11)];
    Config { inputs: 2, speakers: vec![2], horizon: 25, ..Config::new("all policies", 2, entries) }
}

/// A narrow reserve and a wide one, and a best-effort cell in the gap.
pub(crate) fn two_reserves() -> Config {
    let entries = vec![reserve(1, 0b01, 10, 2), reserve(2, 0b11, 10, 2), best(3, 0b10)];
    Config { inputs: 2, speakers: vec![1, 2], horizon: 15, ..Config::new("two reserves", 2, entries) }
}

/// Gangs that overlap, and one that fits beside neither.
pub(crate) fn overlapping_gangs() -> Config {
    let entries = vec![best(1, 0b011), best(2, 0b110), best(3, 0b111)];
    Config { inputs: 1, speakers: vec![1, 2, 3], horizon: 17, ..Config::new("overlapping gangs", 3, entries) }
}

/// Two cells beside each other; then the first one widens onto the second one's hardware thread; then it narrows again and the second one widens.
pub(crate) fn widening() -> Config {
    let mut config = Config::new("widening", 2, vec![best(1, 0b01), best(2, 0b10)]);
    config.plans.push(vec![best(1, 0b11), best(2, 0b10)]);
    config.plans.push(vec![best(1, 0b01), best(2, 0b11)]);
    Config { inputs: 1, speakers: vec![1, 2], horizon: 12, all_publish_plans: true, ..config }
}

/// A gang of two and a cell beside it, two components; then they overlap, one component; then they are apart elsewhere.
pub(crate) fn joining() -> Config {
    let mut config = Config::new("joining", 3, vec![best(1, 0b011), best(2, 0b100), best(3, 0b001)]);
    config.plans.push(vec![best(1, 0b011), best(2, 0b110), best(3, 0b001)]);
    config.plans.push(vec![best(1, 0b001), best(2, 0b110), best(3, 0b010)]);
    Config { inputs: 1, speakers: vec![2], horizon: 9, ..config }
}

/// Two gangs; then the second one goes away.
pub(crate) fn parting() -> Config {
    let mut config = Config::new("parting", 2, vec![best(1, 0b11), best(2, 0b11)]);
    config.plans.push(vec![best(1, 0b11)]);
    Config { inputs: 1, speakers: vec![1, 2], horizon: 11, prepares: true, ..config }
}

/// A reserve beside a best-effort gang; then a window comes, and the reserve stays as it is.
pub(crate) fn new_window() -> Config {
    let mut config = Config::new("new window", 2, vec![reserve(1, 0b11, 12, 2), best(2, 0b11)]);
    config.plans.push(vec![window(3, 0b11, 10, 3, 1), reserve(1, 0b11, 12, 2), best(2, 0b11)]);
    Config { inputs: 1, speakers: vec![1, 2], horizon: 24, ..config }
}

/// A reserve that shares nothing with another one; then a best-effort gang connects them, and it gets a longer budget.
pub(crate) fn new_budget() -> Config {
    let mut config = Config::new("new budget", 2, vec![reserve(1, 0b01, 10, 2), reserve(2, 0b10, 10, 2)]);
    config.plans.push(vec![reserve(2, 0b10, 10, 2), reserve(1, 0b01, 10, 3), best(3, 0b11)]);
    Config { inputs: 1, speakers: vec![1, 2], horizon: 21, ..config }
}

/// Three reserves on one hardware thread; then a long window takes the place of two of them. The third one's period, which has begun, falls short: the old plan promised
/// it, and the new one does not.
pub(crate) fn sudden_window() -> Config {
    let entries = vec![reserve(1, 0b1, 16, 2), reserve(2, 0b1, 16, 2), reserve(3, 0b1, 16, 2)];
    let mut config = Config::new("sudden window", 1, entries);
    config.plans.push(vec![reserve(3, 0b1, 16, 2), window(4, 0b1, 40, 7, 7)]);
    Config { horizon: 34, ..config }
}

/// With clocks that differ by a tick, either way.
pub(crate) fn skewed(config: Config) -> Config {
    let skews = [vec![0; config.threads]].into_iter().chain((0..config.threads).map(|ahead| {
        let mut skew = vec![0; config.threads];
        skew[ahead] = 1;
        skew
    }));
    let config = Config { skews: skews.collect(), ..config };
    Config { delay: config.tight(), ..config }
}

/// With one thing that may be late.
pub(crate) fn late(config: Config) -> Config {
    Config { inputs: 1, stall: Some(Stall { by: 3, plans: false, unnoticed: true }), ..config }
}
