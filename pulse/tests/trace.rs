//! A trace says what ran where and when, in both homes, and can be read.

#![forbid(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use pulse::home::linux;
use pulse::home::test::{Observed, Scenario, Search, explore, observe};
use pulse::trace::{Left, Trace, Traced};
use pulse::{
    Context, Hart, Next, Queue, Scheduler, Shape, Spin, now, on_hart, point, sleep_until, wake_one, yield_now,
};

const SLICE_NS: u64 = 10_000;

#[derive(Default)]
struct Fifo {
    ready: Spin<Queue>,
}

impl Scheduler for Fifo {
    fn enter(&self, hart: &Hart) -> Next {
        let next = self.ready.lock().pop();
        hart.set_tick(if next.is_some() { hart.now() + SLICE_NS } else { u64::MAX });
        Next::run_or_idle(next)
    }

    fn ready(&self, _: &Hart, context: Context) {
        self.ready.lock().push(context);
        wake_one();
    }
}

fn spawn(fifo: &Fifo, work: impl FnOnce() + Send + 'static) {
    let context = Context::new(work).expect("there is memory");
    on_hart(|hart| fifo.ready(hart, context));
}

/// Runs until an instant without yielding.
fn busy_for(ns: u64) {
    let end = now() + ns;
    while now() < end {
        point("busy");
    }
}

fn scenario(main: impl FnOnce(&Fifo) + Send + 'static) -> Scenario<Arc<Fifo>> {
    let fifo = Arc::new(Fifo::default());
    let scheduler = fifo.clone();
    Scenario { scheduler, main: Box::new(move || main(&fifo)), check: Box::new(|_| {}) }
}

/// Three threads that are busy for 40 us, then one that yields, sleeps and ends.
fn some_of_all(fifo: &Fifo) {
    for _ in 0..3 {
        spawn(fifo, || busy_for(40_000));
    }
    spawn(fifo, || {
        yield_now();
        sleep_until(now() + 100_000);
    });
}

fn assert_sound(trace: &Trace) {
    for (index, span) in trace.spans().iter().enumerate() {
        assert!(span.from <= span.to, "a span should not end before it begins: {span:?}");
        for other in &trace.spans()[..index] {
            let apart = other.to <= span.from || span.to <= other.from;
            let related = other.hart == span.hart || other.context == span.context;
            assert!(apart || !related, "one hart or context at two places: {other:?} and {span:?}");
        }
    }
}

fn count(trace: &Trace, left: Left) -> usize {
    trace.spans().iter().filter(|span| span.left == left).count()
}

#[test]
fn a_trace_says_why_each_context_left() {
    for harts in [1, 2] {
        let Observed { trace, failure, summary } =
            observe(&Search::in_turn(), Shape::new(harts), 1_000, scenario(some_of_all));
        assert_eq!((failure, summary.created, trace.forgotten()), (None, 5, 0));
        assert_sound(&trace);
        assert_eq!(trace.contexts(), [1, 2, 3, 4, 5]);
        assert_eq!(count(&trace, Left::Done), 5, "{:?}", trace.spans());
        assert_eq!((count(&trace, Left::Yielded), count(&trace, Left::Suspended)), (1, 1), "{:?}", trace.spans());
        assert!(count(&trace, Left::Tick) >= 3, "slices should have ended: {:?}", trace.spans());
        assert!(trace.spans().iter().any(|span| span.hart == harts - 1), "the last hart should have run something");
    }
}

#[test]
fn the_same_schedule_has_the_same_trace() {
    let trace_of = |seed| observe(&Search::seed(seed), Shape::new(2), 1_000, scenario(some_of_all)).trace;
    assert_eq!(trace_of(7), trace_of(7));
    assert_ne!(trace_of(7), trace_of(1));
}

#[test]
fn harts_in_turn_share_the_time() {
    let trace = observe(&Search::in_turn(), Shape::new(2), 1_000, scenario(some_of_all)).trace;
    let ran = |hart| trace.spans().iter().filter(|span| span.hart == hart).map(|span| span.to - span.from).sum::<u64>();
    let (first, second) = (ran(0), ran(1));
    assert!(first.abs_diff(second) < first / 2, "both should have run for similar times: {first} and {second} ns");
}

#[test]
fn a_full_buffer_keeps_the_latest() {
    let all = observe(&Search::in_turn(), Shape::new(1), 1_000, scenario(some_of_all)).trace;
    let few = observe(&Search::in_turn(), Shape::new(1), 4, scenario(some_of_all)).trace;
    assert_eq!(few.spans(), &all.spans()[all.spans().len() - 4..]);
    assert_eq!(few.forgotten(), all.spans().len() as u64 - 4);
    let none = observe(&Search::in_turn(), Shape::new(1), 0, scenario(some_of_all)).trace;
    assert_eq!((none.spans().len(), none.forgotten()), (0, all.spans().len() as u64));
}

#[test]
fn a_trace_of_linux_threads_is_complete() {
    let fifo = Arc::new(Fifo::default());
    let traced = Traced::new(fifo.clone(), 2, 10_000);
    let summary = linux::run_within(Shape::new(2), Duration::from_secs(20), &traced, move || {
        for _ in 0..8 {
            spawn(&fifo, yield_now);
        }
    });
    let trace = traced.trace();
    assert_eq!(summary.created, 9);
    assert_sound(&trace);
    assert_eq!((count(&trace, Left::Done), count(&trace, Left::Yielded)), (9, 8), "{:?}", trace.spans());
}

#[test]
fn a_failing_search_shows_what_ran_last() {
    let stuck = || scenario(|fifo| spawn(fifo, || pulse::suspend(std::mem::forget)));
    let result = catch_unwind(AssertUnwindSafe(|| explore(&Search::random(1), Shape::new(1), stuck)));
    let failure = result.expect_err("nobody ever wakes it").downcast_ref::<String>().cloned().expect("it has a text");
    for part in
        ["asleep for ever", "hart 0  A", "B\n        a column for each change, all are", "replay: Search::seed(0)"]
    {
        assert!(failure.contains(part), "`{part}` should be in: {failure}");
    }
    let observed = observe(&Search::seed(0), Shape::new(1), 10, stuck());
    assert!(observed.failure.is_some_and(|text| text.starts_with("asleep for ever")));
    assert_eq!(count(&observed.trace, Left::Suspended), 1);
}

#[test]
fn a_timeline_has_a_row_for_each_hart_and_a_letter_for_each_context() {
    let trace = observe(&Search::in_turn(), Shape::new(1), 1_000, scenario(some_of_all)).trace;
    let text = trace.timeline(60);
    let rows: Vec<&str> = text.lines().collect();
    assert!(rows[0].starts_with("hart 0  A"), "{text}");
    assert_eq!(rows.len(), 2, "{text}");
    let row = &rows[0]["hart 0  ".len()..];
    assert!(row.len() <= 60 && ["B", "C", "D", "."].iter().all(|letter| row.contains(letter)), "{text}");
    assert!(row.ends_with('E') || row.ends_with('.'), "the sleeper ends last: {text}");
    let changes = trace.changes(5);
    assert_eq!(changes.lines().next().map(str::len), Some("hart 0  ".len() + 5), "five columns: {changes}");
    let part = trace.between(0, 20_000);
    assert!(part.extent().1 - part.extent().0 <= 20_000, "{:?}", part.extent());
    assert_eq!(Trace::default().timeline(10).lines().count(), 1, "an empty trace has no rows");
}

#[test]
fn a_picture_has_a_bar_for_each_span_and_says_who_it_is() {
    let trace =
        observe(&Search::in_turn(), Shape::new(2), 1_000, scenario(some_of_all)).trace.label(2, "one < two & B");
    let svg = trace.svg();
    assert_eq!(svg.matches("<title>").count(), trace.spans().len());
    assert!(svg.contains("one &lt; two &amp; B") && !svg.contains("one < two"), "labels should be escaped");
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert!(trace.shares().contains("B one < two & B"), "{}", trace.shares());
}
