//! The same task sets under Pulse's earliest deadline first and under Linux's `SCHED_DEADLINE`, in one run, on the same processors, beside hogs.
//!
//! ```text
//! cargo run --release -p schedulers --example deadline_linux [SECONDS] [HARTS]
//! ```
//!
//! Both schedule globally. Under Pulse a task is a context, and the harts are two threads with a real-time priority; under Linux each task is a thread, and the kernel schedules it. A job
//! executes until the clock, looked at often, has shown it so much time: what passes between two looks that are far apart was not its own. It needs the right to set policies (root), and
//! util-linux's `chrt`, and says what was refused.

#![forbid(unsafe_code)]

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;

use pulse::home::linux;
use pulse::{Shape, Spin, now};
use rustix::thread::{ClockId, clock_nanosleep_absolute, gettid};
use rustix::time::{Timespec, clock_gettime};
use schedulers::edf::analysis::{Task, global, utilisation_ppb};
use schedulers::edf::{Edf, Periodic};

const PERCENTS: [u64; 5] = [60, 70, 80, 90, 100];
const TASKS_PER_HART: usize = 4;
const PERIODS_MS: [u64; 5] = [10, 15, 20, 30, 60];
const MILLION: u64 = 1_000_000;

/// Two looks at the clock that are farther apart were interrupted.
const GAP_NS: u64 = 20_000;

/// A job may take longer than its work, for the kernel's and the timer's own time, and for what a hypervisor takes: the kernel counts that, too, and then holds the task up. So
/// it is asked for runtimes that sum up to so many percent of the harts, in proportion to the work. It admits 95 by default, of which recent ones keep 5 for ordinary threads.
const ASKED_PERCENT: u64 = 89;

/// What it is asked for at least, more than the work.
const MARGIN_NS: u64 = 50_000;

/// From the start of a run to the first release.
const LEAD_NS: u64 = 300 * MILLION;

/// How late each job was; room for all is there before they begin.
type Lateness = Arc<Spin<Vec<i64>>>;

fn clock_ns() -> u64 {
    let time = clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec as u64 * 1_000 * MILLION + time.tv_nsec as u64
}

fn execute(work_ns: u64) {
    let (mut last, mut executed) = (clock_ns(), 0);
    while executed < work_ns {
        // Most of the time is spent here, in the program's own code, where Pulse can interrupt it.
        for round in 0..1_000 {
            std::hint::black_box(round);
        }
        let seen = clock_ns();
        if seen - last < GAP_NS {
            executed += seen - last;
        }
        last = seen;
    }
}

/// Utilisations that are spread evenly over all that sum up to so many percent of the harts, none of them over a hart.
fn generate(percent: u64, harts: usize) -> Vec<Task> {
    let mut state = percent;
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    for _ in 0..64 {
        random(1);
    }
    loop {
        // In millionths of a hart.
        let all = percent * harts as u64 * 10_000;
        let mut cuts: Vec<u64> = (1..TASKS_PER_HART * harts).map(|_| random(all)).collect();
        cuts.extend([0, all]);
        cuts.sort_unstable();
        let shares: Vec<u64> = cuts.windows(2).map(|ends| ends[1] - ends[0]).collect();
        // Less than a percent is less than the margin.
        if shares.iter().all(|share| (10_000..=900_000).contains(share)) {
            let mut period_ns = || PERIODS_MS[random(PERIODS_MS.len() as u64) as usize] * MILLION;
            return shares.iter().map(|share| (*share, period_ns())).map(task).collect();
        }
    }
}

fn task((share, period_ns): (u64, u64)) -> Task {
    Task::new(period_ns / MILLION * share, period_ns)
}

/// Asks for a policy of a thread: what `chrt` said if it was refused.
fn set_policy(thread: i32, policy: &[&str]) -> Result<(), String> {
    let output = Command::new("chrt").args(policy).arg(thread.to_string()).output();
    let output = output.map_err(|error| format!("cannot run chrt (of util-linux): {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_string())
}

fn own_thread() -> i32 {
    gettid().as_raw_nonzero().get()
}

/// Gives the calling thread, and those that it starts, a real-time priority.
fn raise_priority() -> Result<(), String> {
    set_policy(own_thread(), &["-f", "-p", "50"])
}

/// Pulse: the harts are threads with a real-time priority, if that is allowed, which they inherit from this one.
fn on_pulse(tasks: &[Task], harts: usize, for_ns: u64) -> Vec<i64> {
    let lateness: Lateness = Arc::new(Spin::new(Vec::with_capacity(jobs_of(tasks, for_ns))));
    let edf = Edf::new(tasks.len() + 1, 0);
    let (of_main, tasks, told) = (edf.clone(), tasks.to_vec(), lateness.clone());
    let runner = thread::spawn(move || {
        // If it was refused, that was said at the beginning.
        let _ = raise_priority();
        linux::run(Shape::new(harts), &*edf, move || {
            let first_ns = now() + LEAD_NS;
            for Task { work_ns, deadline_ns, period_ns, .. } in tasks {
                let jobs = for_ns / period_ns;
                let times = Periodic { first_ns, period_ns, deadline_ns, jobs, hart: None };
                let told = told.clone();
                let job = move |number| {
                    execute(work_ns);
                    told.lock().push(now() as i64 - (first_ns + number * period_ns + deadline_ns) as i64);
                };
                of_main.spawn_periodic(times, job).expect("there is room for a thread");
            }
        });
    });
    runner.join().expect("the machine ends well");
    lateness.lock().clone()
}

/// Linux: a thread for each task. The reason if the kernel refuses one of them; then none runs.
fn on_linux(tasks: &[Task], percent: u64, for_ns: u64) -> Result<Vec<i64>, String> {
    let lateness: Lateness = Arc::new(Spin::new(Vec::with_capacity(jobs_of(tasks, for_ns))));
    let ready = Arc::new(Barrier::new(tasks.len() + 1));
    let go = Arc::new(Spin::new(None));
    let (tell, told) = mpsc::channel();
    let threads: Vec<_> = tasks
        .iter()
        .enumerate()
        .map(|(number, task)| {
            let (task, lateness, ready, go, tell) = (*task, lateness.clone(), ready.clone(), go.clone(), tell.clone());
            thread::spawn(move || {
                tell.send((number, own_thread())).expect("the other end waits");
                ready.wait();
                let Some(first_ns) = *go.lock() else { return };
                for job in 0..for_ns / task.period_ns {
                    let release_ns: u64 = first_ns + job * task.period_ns;
                    let release = Timespec {
                        tv_sec: (release_ns / (1_000 * MILLION)) as i64,
                        tv_nsec: (release_ns % (1_000 * MILLION)) as i64,
                    };
                    // A signal would only end the sleep early, and none comes.
                    let _ = clock_nanosleep_absolute(ClockId::Monotonic, &release);
                    execute(task.work_ns);
                    let late_ns = clock_ns() as i64 - (release_ns + task.deadline_ns) as i64;
                    lateness.lock().push(late_ns);
                }
            })
        })
        .collect();
    let mut refused = None;
    for (number, thread) in told.iter().take(tasks.len()) {
        let Task { work_ns, deadline_ns, period_ns, .. } = tasks[number];
        let runtime_ns = (work_ns * ASKED_PERCENT / percent).max(work_ns + MARGIN_NS);
        let [runtime, deadline, period] = [runtime_ns, deadline_ns, period_ns].map(|ns| ns.to_string());
        let policy = ["-d", "-T", &runtime, "-D", &deadline, "-P", &period, "-p", "0"];
        if let Err(reason) = set_policy(thread, &policy) {
            refused.get_or_insert(reason);
        }
    }
    if refused.is_none() {
        *go.lock() = Some(clock_ns() + LEAD_NS);
    }
    ready.wait();
    threads.into_iter().for_each(|thread| thread.join().expect("a task's thread ends well"));
    let seen = lateness.lock().clone();
    refused.map_or(Ok(seen), Err)
}

fn jobs_of(tasks: &[Task], for_ns: u64) -> usize {
    tasks.iter().map(|task| (for_ns / task.period_ns) as usize).sum()
}

fn row(percent: u64, promised: &str, who: &str, mut lateness: Vec<i64>) {
    lateness.sort_unstable();
    let missed = lateness.iter().filter(|late| **late > 0).count();
    let at =
        |part: usize| lateness.get((lateness.len() * part / 1_000).min(lateness.len() - 1)).map_or(0, |ns| ns / 1_000);
    let (jobs, [p50, p90, p99, most]) = (lateness.len(), [500, 900, 990, 1_000].map(at));
    println!("{percent:>5}  {promised:>8}  {who:<14}  {jobs:>5}  {missed:>6}  {p50:>8}  {p90:>8}  {p99:>8}  {most:>8}");
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|word| word.parse::<u64>());
    let mut argument = |default: u64| match arguments.next() {
        None => default,
        Some(Ok(value)) if value > 0 => value,
        Some(_) => {
            eprintln!("usage: deadline_linux [SECONDS] [HARTS], whole numbers from 1");
            std::process::exit(2);
        }
    };
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let for_ns = argument(3) * 1_000 * MILLION;
    let harts = argument(processors.min(2) as u64).min(processors as u64) as usize;
    if harts < processors {
        println!(
            "Linux may use all {processors} processors, Pulse {harts}: they are only alike where those are the same."
        );
    }
    let permitted = thread::spawn(raise_priority).join().expect("asking does not fail");
    if let Err(reason) = &permitted {
        println!(
            "Pulse's harts get no real-time priority, and hogs would take their part, so there are none: {reason}"
        );
    }
    let wanted_hogs = if permitted.is_ok() { processors } else { 0 };
    let stop = Arc::new(AtomicBool::new(false));
    let hogs: Vec<_> = (0..wanted_hogs)
        .map(|_| {
            let stop = stop.clone();
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        })
        .collect();
    println!("{harts} harts, {} tasks, {wanted_hogs} hogs; lateness in us: below 0 is in time", TASKS_PER_HART * harts);
    println!("use %  promised  under            jobs  missed       p50       p90       p99       max");
    for percent in PERCENTS {
        let tasks = generate(percent, harts);
        assert!(utilisation_ppb(&tasks) <= percent * 10 * MILLION * harts as u64, "a set has what was asked for");
        let promised = if global(&tasks, harts as u32).is_ok() { "yes" } else { "no" };
        row(percent, promised, "Pulse", on_pulse(&tasks, harts, for_ns));
        match on_linux(&tasks, percent, for_ns) {
            Ok(lateness) => row(percent, promised, "SCHED_DEADLINE", lateness),
            Err(reason) => println!("{percent:>5}  {promised:>8}  SCHED_DEADLINE  refused: {reason}"),
        }
    }
    stop.store(true, Ordering::Relaxed);
    hogs.into_iter().for_each(|hog| hog.join().expect("a hog ends well"));
}
