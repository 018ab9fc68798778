//! Channels between two threads on two processors, against other queues and against the bare exchange of a cache line.

mod call;
mod contestants;

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant as Clock;

use contestants::{BATCH, Rx, Tx};

use crate::Contestant;
use crate::processors::{self, pin};

/// Round trips in a sample of latency.
const ROUNDS: u64 = 1_000;

/// Messages in a sample of throughput.
const MESSAGES: u64 = 50_000;

/// The figures that are wanted. A peer's name stands after `/`.
pub(crate) fn contestants(is_wanted: impl Fn(&str) -> bool) -> Vec<Contestant> {
    let mut all: Vec<Contestant> = Vec::new();
    let mut processors = processors::allowed();
    let Some(processors) = processors.next().zip(processors.next()).map(<[usize; 2]>::from) else {
        eprintln!("no figures of channels: they need two processors");
        return all;
    };
    if is_wanted("channel.latency_ns") {
        let mut add = |peer: &str, sample| all.push((format!("channel.latency_ns{peer}"), sample));
        add("", latency(processors, contestants::ours));
        add("/limit", latency(processors, contestants::bare::<1>));
        add("/limit_in_turns", latency(processors, contestants::bare::<{ contestants::CAPACITY }>));
        add("/rtrb", latency(processors, contestants::rtrb));
        add("/heapless", latency(processors, contestants::heapless));
        add("/crossbeam", latency(processors, contestants::crossbeam));
    }
    for (name, is_batch) in [("channel.throughput_mps.single", false), ("channel.throughput_mps.batch", true)] {
        if is_wanted(name) {
            let mut add = |peer: &str, sample| all.push((format!("{name}{peer}"), sample));
            add("", throughput(processors, is_batch, contestants::ours()));
            add("/rtrb", throughput(processors, is_batch, contestants::rtrb()));
            add("/heapless", throughput(processors, is_batch, contestants::heapless()));
            add("/crossbeam", throughput(processors, is_batch, contestants::crossbeam()));
        }
    }
    for (name, is_idle) in [("channel.call_ns", false), ("channel.call_idle_ns", true)] {
        if is_wanted(name) {
            all.push((name.to_owned(), call::call(processors, is_idle)));
            all.push((format!("{name}/mpsc"), call::mpsc(processors, is_idle)));
        }
    }
    all
}

/// Runs both on a processor of their own, from the same moment on; returns what the first one does.
fn side_by_side<T: Send>(processors: [usize; 2], first: impl FnOnce() -> T + Send, second: impl FnOnce() + Send) -> T {
    let ready = AtomicU32::new(0);
    let meet = |processor| {
        pin(processor);
        ready.fetch_add(1, Ordering::AcqRel);
        while ready.load(Ordering::Acquire) < 2 {
            spin_loop();
        }
    };
    std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            meet(processors[0]);
            first()
        });
        scope.spawn(|| {
            meet(processors[1]);
            second();
        });
        first.join().expect("a measurement does not panic")
    })
}

/// Half of the time, in ns, that a message and its answer take.
fn latency<T: Tx + 'static, R: Rx + 'static>(processors: [usize; 2], make: fn() -> (T, R)) -> Box<dyn FnMut() -> f64> {
    let ((mut questions, mut asked), (mut answers, mut answered)) = (make(), make());
    let mut next = 1;
    Box::new(move || {
        let numbers = next..next + ROUNDS;
        next = numbers.end;
        let asks = || {
            let start = Clock::now();
            for number in numbers.clone() {
                exchange(&mut questions, number);
                assert_eq!(awaited(&mut answered), number.wrapping_mul(8));
            }
            start.elapsed().as_nanos() as f64 / ROUNDS as f64 / 2.0
        };
        let answers = || {
            for number in numbers.clone() {
                assert_eq!(awaited(&mut asked), number.wrapping_mul(8));
                exchange(&mut answers, number);
            }
        };
        side_by_side(processors, asks, answers)
    })
}

#[inline]
fn exchange(end: &mut impl Tx, number: u64) {
    assert!(end.send(number), "the other end has received all");
}

/// Polls without a pause between looks: the bare exchange, which is the limit, was fastest so.
#[inline]
fn awaited(end: &mut impl Rx) -> u64 {
    loop {
        if let Some(sum) = end.receive() {
            return sum;
        }
    }
}

/// Millions of messages per second, one way.
fn throughput<T: Tx + 'static, R: Rx + 'static>(
    processors: [usize; 2],
    is_batch: bool,
    (mut sender, mut receiver): (T, R),
) -> Box<dyn FnMut() -> f64> {
    Box::new(move || {
        let receives = || {
            let start = Clock::now();
            let (mut total, mut count) = (0_u64, 0);
            while count < MESSAGES {
                let (sum, more) =
                    if is_batch { receiver.receive_batch() } else { receiver.receive().map_or((0, 0), |sum| (sum, 1)) };
                total = total.wrapping_add(sum);
                count += more as u64;
                if more == 0 {
                    spin_loop();
                }
            }
            let elapsed = start.elapsed();
            assert_eq!(total, 8 * (MESSAGES * (MESSAGES - 1) / 2), "all messages arrived, whole");
            MESSAGES as f64 * 1000.0 / elapsed.as_nanos() as f64
        };
        let sends = || {
            let mut next = 0;
            while next < MESSAGES {
                let sent = if is_batch {
                    sender.send_batch(next, BATCH.min((MESSAGES - next) as usize))
                } else {
                    usize::from(sender.send(next))
                };
                next += sent as u64;
                if sent == 0 {
                    spin_loop();
                }
            }
        };
        side_by_side(processors, receives, sends)
    })
}
