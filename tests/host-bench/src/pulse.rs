//! Pulse in a Linux process, against other coroutines, an async runtime, and the system's threads. What the peers do is as near to what is measured of Pulse as they allow.

mod coroutines;
mod futures;
mod threads;

use std::collections::VecDeque;

use pulse::home::linux;
use pulse::{Scheduler, Shape};
use pulse_bench::{Home, Laps, Subject, measure, ticks};

use crate::Contestant;

/// Ticks that are measured at once, and how many ns they are apart.
const TICKS: usize = 50;
const TICK_DISTANCE_NS: u64 = 100_000;

/// The figures that are wanted.
pub(crate) fn contestants(is_wanted: impl Fn(&str) -> bool) -> Vec<Contestant> {
    let mut all: Vec<Contestant> = Vec::new();
    for subject in Subject::ALL {
        let name = format!("{}_ns", subject.name());
        if is_wanted(&name) {
            all.push((name.clone(), ours(subject)));
            all.extend(peers(subject).into_iter().map(|(peer, sample)| (format!("{name}/{peer}"), sample)));
        }
    }
    if is_wanted("pulse.tick_ns") {
        all.push(("pulse.tick_ns".to_owned(), one_by_one(|| ticks(Linux, TICKS, TICK_DISTANCE_NS))));
        let sleeper = one_by_one(|| threads::late_sleeps(TICKS, TICK_DISTANCE_NS));
        all.push(("pulse.tick_ns/pthread".to_owned(), sleeper));
    }
    all
}

/// One hart of this process.
struct Linux;

impl Home for Linux {
    fn run<S: Scheduler>(self, scheduler: &S, main: impl FnOnce() + Send + 'static) {
        linux::run(Shape::new(1), scheduler, main);
    }
}

/// A sample is the mean of its laps, after one to warm up.
fn ours(subject: Subject) -> Box<dyn FnMut() -> f64> {
    let (count, rounds) = match subject {
        Subject::Switch | Subject::Yield => (1, 5_000),
        Subject::Thread | Subject::MutexHandover | Subject::Task => (1, 1_000),
        // All of a lap are there at once.
        Subject::TaskDirect => (20, futures::STARTS),
    };
    Box::new(move || {
        let took: u64 = measure(subject, Linux, Laps { warm: 1, count, rounds }).into_iter().sum();
        took as f64 / f64::from(count as u32 * rounds * subject.per_round())
    })
}

/// A peer's name, and what gives one sample.
type Peer = (&'static str, Box<dyn FnMut() -> f64>);

fn peers(subject: Subject) -> Vec<Peer> {
    let of = |peer, sample: fn() -> f64| -> Peer { (peer, Box::new(sample)) };
    match subject {
        Subject::Switch => vec![of("corosensei", coroutines::switches), of("pthread", threads::handover)],
        Subject::Yield => {
            vec![of("corosensei", coroutines::turns), ("tokio", futures::yields()), of("pthread", threads::yields)]
        }
        Subject::Thread => vec![("corosensei", coroutines::lives()), of("pthread", threads::lives)],
        Subject::MutexHandover => vec![("tokio", futures::handovers()), of("pthread", threads::condition_handovers)],
        Subject::Task => vec![("tokio", futures::tasks()), of("pthread", threads::lives)],
        Subject::TaskDirect => vec![("tokio", futures::starts())],
    }
}

/// Each call gives one of the samples that come many at a time.
fn one_by_one(mut many: impl FnMut() -> Vec<u64> + 'static) -> Box<dyn FnMut() -> f64> {
    let mut left = VecDeque::new();
    Box::new(move || {
        if left.is_empty() {
            left.extend(many());
        }
        left.pop_front().map_or(f64::NAN, |sample| sample as f64)
    })
}
