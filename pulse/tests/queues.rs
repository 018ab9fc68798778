//! Queues keep their order, whatever is pushed and popped, and lose nothing.

#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use pulse::home::test::{Scenario, Search, explore};
use pulse::{Context, Hart, Next, Queue, Ranked, Scheduler, Shape, Spin};

#[derive(Default)]
struct One(Spin<Queue>);

impl Scheduler for One {
    fn enter(&self, _: &Hart) -> Next {
        Next::run_or_idle(self.0.lock().pop())
    }

    fn ready(&self, _: &Hart, context: Context) {
        self.0.lock().push(context);
    }
}

/// Does something where contexts can be made.
fn in_a_machine(work: impl FnOnce() + Send + Clone + 'static) {
    explore(&Search::replay(&[]), Shape::new(1), || Scenario {
        scheduler: One::default(),
        main: Box::new(work.clone()),
        check: Box::new(|summary| assert_eq!(summary.lost, 0, "lost contexts")),
    });
}

fn context(rank: u64) -> Context {
    let context = Context::new(|| ()).expect("there is memory");
    context.set_rank(rank);
    context
}

/// The same numbers in every run: xorshift.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn the_plain_queue_is_first_in_first_out() {
    in_a_machine(|| {
        let (mut queue, mut model, mut state) = (Queue::new(), VecDeque::new(), 88172645463325252);
        for _ in 0..3_000 {
            if random(&mut state) % 5 < 3 && model.len() < 40 {
                let context = context(0);
                model.push_back(context.id());
                queue.push(context);
            } else {
                let seen = queue.pop().map(|context| context.id());
                assert_eq!(seen, model.pop_front(), "the context at the front");
            }
            assert_eq!((queue.len(), queue.is_empty()), (model.len(), model.is_empty()), "how many wait");
        }
    });
}

#[test]
fn the_ranked_queue_gives_the_smallest_rank_and_the_earliest_of_equals() {
    in_a_machine(|| {
        let mut state = 362436069;
        let (mut queue, mut model) = (Ranked::new(), Vec::<(u64, u64, u64)>::new());
        for turn in 0..3_000 {
            match random(&mut state) % 8 {
                0..5 if model.len() < 40 => {
                    let context = context(random(&mut state) % 6);
                    model.push((context.rank(), turn, context.id()));
                    queue.push(context);
                }
                5 => {
                    // Ranks become others; who was first among equals before stays before those with the same rank then.
                    let change = random(&mut state) % 6;
                    queue.rank_again(|context| (context.rank() + change) % 6);
                    for (rank, ..) in &mut model {
                        *rank = (*rank + change) % 6;
                    }
                }
                _ => {
                    model.sort_unstable();
                    let expected = if model.is_empty() { None } else { Some(model.remove(0)) };
                    assert_eq!(queue.first_rank(), expected.map(|(rank, ..)| rank), "the smallest rank");
                    let seen = queue.pop().map(|context| (context.rank(), context.id()));
                    assert_eq!(seen, expected.map(|(rank, _, id)| (rank, id)), "the first context");
                }
            }
        }
    });
}

#[test]
fn a_large_ranked_queue_is_dropped_without_recursion() {
    in_a_machine(|| {
        let mut queue = Ranked::new();
        let dropped = Arc::new(AtomicU64::new(0));
        struct Counts(Arc<AtomicU64>);
        impl Drop for Counts {
            fn drop(&mut self) {
                self.0.fetch_add(1, SeqCst);
            }
        }
        for rank in (0..2_000).rev() {
            let counts = Counts(dropped.clone());
            let context = Context::new(move || drop(counts)).expect("there is memory");
            context.set_rank(rank);
            queue.push(context);
        }
        drop(queue);
        assert_eq!(dropped.load(SeqCst), 2_000, "closures dropped with their contexts");
    });
}
