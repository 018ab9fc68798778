//! What a run-to-completion task costs here: `cargo run --release -p schedulers --example task_cost`.
//!
//! Each figure is the smallest, the median and the largest of many batches, in ns for one task.

#![forbid(unsafe_code)]

use std::hint::black_box;
use std::time::Instant;

use pulse::Shape;
use pulse::home::linux;
use schedulers::tasks::{Future, Tasks};

const BATCHES: usize = 200;
const BATCH: u32 = 1_000;

/// Measures batches, of which each says how long the part took that counts.
fn measure(name: &str, mut batch: impl FnMut() -> u128) {
    batch();
    let mut took: Vec<f64> = (0..BATCHES).map(|_| batch() as f64 / f64::from(BATCH)).collect();
    took.sort_by(f64::total_cmp);
    println!("{name:<52} {:>9.1} {:>9.1} {:>9.1}", took[0], took[BATCHES / 2], took[BATCHES - 1]);
}

fn main() {
    println!("{:<52} {:>9} {:>9} {:>9}", "ns for one task", "smallest", "median", "largest");
    let tasks = Tasks::new();
    let of_main = tasks.clone();
    linux::run(Shape::new(1), &*tasks, move || {
        let tasks = of_main;
        let mut all: Vec<Future<u32>> = Vec::with_capacity(BATCH as usize);
        measure("created and waited for, run by who waits", || {
            let begin = Instant::now();
            for number in 0..BATCH {
                black_box(tasks.spawn(move |_| black_box(number)).wait(&tasks));
            }
            begin.elapsed().as_nanos()
        });
        let mut created = Vec::with_capacity(BATCHES + 1);
        measure("created, run by a worker, and waited for", || {
            let begin = Instant::now();
            all.extend((0..BATCH).map(|number| tasks.spawn(move |_| black_box(number))));
            created.push(begin.elapsed().as_nanos());
            // A worker takes its turn, and runs all but the few that it leaves at a look around.
            pulse::yield_now();
            all.drain(..).for_each(|future| drop(black_box(future.wait(&tasks))));
            begin.elapsed().as_nanos()
        });
        let mut created = created.into_iter();
        measure("of this, creating alone", || created.next().unwrap_or_default());
    });
}
