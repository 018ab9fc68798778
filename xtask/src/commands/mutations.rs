//! `cargo xtask mutations`: shows that tests notice mistakes, by making them.

mod list;
mod subject;
mod trial;
mod workshop;

use std::fmt;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::machine;
use crate::project::Project;
use crate::screen::Screen;
use crate::session::Interrupts;

use list::Mutation;
use subject::{SUBJECTS, Subject};
use trial::Outcome;
use workshop::{Workshop, Yard};

/// With a mistake the tests may take this many times as long as without, and [`GRACE`] more: one that makes them run for
/// ever is noticed too.
const PATIENCE: u32 = 10;

/// See [`PATIENCE`].
const GRACE: Duration = Duration::from_secs(60);

/// How often the live line is looked after.
const TICK: Duration = Duration::from_millis(250);

/// Without a terminal, how often it is said what is under way.
const REMINDER: Duration = Duration::from_secs(30);

/// Break the multiplexing algorithm and the channels' protocol on purpose, one mistake at a time, and say which test notices.
///
/// The mistakes are in `muxer/mutations.toml` and `channels/mutations.toml`. Each is made in a copy of the crate outside the tree, whose tests must
/// pass without it. It fails if a mistake survives, or if the list does not fit the code any more. Random tests are
/// given the same numbers each time, so that the answer is the same each time.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only mistakes whose names contain this.
    filter: Option<String>,
    /// Only mistakes in this crate.
    #[arg(long, value_name = "CRATE", value_parser = PossibleValuesParser::new(SUBJECTS.map(|subject| subject.name)))]
    of: Option<String>,
    /// Name the mistakes, say why each is one, and run nothing.
    #[arg(long)]
    list: bool,
    /// How many to try at the same time; otherwise one for every two processors of the host.
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
}

pub(crate) fn run(project: &Project, arguments: &Arguments) -> Result<ExitCode> {
    let mut chosen = Vec::new();
    for subject in SUBJECTS.iter().filter(|subject| arguments.of.as_ref().is_none_or(|of| of == subject.name)) {
        let path = subject.list(project);
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut mutations = list::parse(&text).with_context(|| project.shown(&path))?;
        mutations.retain(|mutation| arguments.filter.as_ref().is_none_or(|filter| mutation.name.contains(filter)));
        if !mutations.is_empty() {
            chosen.push((subject, mutations));
        }
    }
    if chosen.is_empty() {
        bail!("no mistake has such a name; `--list` names them");
    }
    if arguments.list {
        for (subject, mutations) in &chosen {
            let width = width_of(mutations);
            println!("In {}:", subject.name);
            mutations.iter().for_each(|Mutation { name, why, .. }| println!("  {name:<width$}  {why}"));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let interrupts = Interrupts::install()?;
    let mut tally = Tally::default();
    for (subject, mutations) in &chosen {
        println!("In {}:", subject.name);
        try_subject(project, subject, mutations, arguments.jobs, &interrupts, &mut tally)?;
    }
    println!("{tally}");
    Ok(if tally.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Tries all these mistakes in a crate.
fn try_subject(
    project: &Project,
    subject: &'static Subject,
    mutations: &[Mutation],
    jobs: Option<NonZeroUsize>,
    interrupts: &Interrupts,
    tally: &mut Tally,
) -> Result<()> {
    let yard = Yard::open(project, subject)?;
    yard.check(mutations)
        .with_context(|| format!("{} does not fit the code", project.shown(&subject.list(project))))?;
    let processors = machine::host_parallelism() as usize;
    let jobs = jobs.map_or(processors / 2, NonZeroUsize::get).clamp(1, mutations.len());
    let mut screen = Screen::new(true);
    let workshops = (0..jobs).map(|number| yard.workshop(number, (processors / jobs).max(1), interrupts));
    let workshops = workshops.collect::<Result<Vec<_>>>()?;
    let limit = limit_of(&workshops[0], &mut screen)?;
    try_all(mutations, &workshops, limit, &mut screen, tally)
}

/// Columns for their names.
fn width_of(mutations: &[Mutation]) -> usize {
    mutations.iter().map(|mutation| mutation.name.len()).max().unwrap_or(0)
}

/// Builds and tests the unchanged crate, which must pass. Returns how long the tests may take with a mistake.
fn limit_of(workshop: &Workshop, screen: &mut Screen) -> Result<Duration> {
    let mut reminder = Reminder::new();
    let began = Instant::now();
    let result = std::thread::scope(|scope| {
        let testing = scope.spawn(|| workshop.test(None, None));
        while !testing.is_finished() {
            reminder.show(screen, || format!("  without any mistake {} s", began.elapsed().as_secs()));
            std::thread::sleep(TICK);
        }
        testing.join()
    });
    let (outcome, took) = result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    if outcome != Outcome::Survived {
        screen.close();
        bail!("the tests do not pass without any mistake: {outcome}");
    }
    screen.line(&format!("without any mistake the tests pass, in {:.0} s", took.as_secs_f32()));
    Ok(took * PATIENCE + GRACE)
}

/// Tries each mistake in one of the workshops, and shows what comes of it.
fn try_all(
    mutations: &[Mutation],
    workshops: &[Workshop],
    limit: Duration,
    screen: &mut Screen,
    tally: &mut Tally,
) -> Result<()> {
    let (width, mut done) = (width_of(mutations), 0);
    let (next, (sender, events)) = (AtomicUsize::new(0), mpsc::channel());
    let mut problem = None;
    std::thread::scope(|scope| {
        for workshop in workshops {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || work(workshop, mutations, next, limit, &sender));
        }
        drop(sender);
        let mut under_way: Vec<(&str, Instant)> = Vec::new();
        let mut reminder = Reminder::new();
        loop {
            match events.recv_timeout(TICK) {
                Ok(Event::Began(name)) => under_way.push((name, Instant::now())),
                Ok(Event::Ended(mutation, outcome)) => {
                    let place = under_way.iter().position(|(name, _)| *name == mutation.name);
                    let took = place.map_or(Duration::ZERO, |place| under_way.remove(place).1.elapsed());
                    tally.add(&outcome);
                    done += 1;
                    let why = if outcome == Outcome::Survived { format!(": {}", mutation.why) } else { String::new() };
                    screen.line(&format!("{:<width$}  {outcome}{why} ({:.0} s)", mutation.name, took.as_secs_f32()));
                }
                Ok(Event::Failed(error)) => {
                    problem.get_or_insert(error);
                    // The others stop after what they do now.
                    next.store(mutations.len(), Ordering::Relaxed);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            reminder.show(screen, || progress(done, mutations.len(), &under_way));
        }
    });
    screen.close();
    problem.map_or(Ok(()), Err)
}

/// When the live line is due: always on a terminal, which redraws it in place, else seldom.
struct Reminder(Instant);

impl Reminder {
    fn new() -> Self {
        Self(Instant::now())
    }

    fn show(&mut self, screen: &mut Screen, text: impl FnOnce() -> String) {
        if screen.is_terminal() || self.0.elapsed() > REMINDER {
            self.0 = Instant::now();
            screen.status(&text());
        }
    }
}

/// What a worker says.
enum Event<'a> {
    Began(&'a str),
    Ended(&'a Mutation, Outcome),
    Failed(anyhow::Error),
}

/// Tries one mistake after the other, of those that nobody has taken.
fn work<'a>(
    workshop: &Workshop,
    mutations: &'a [Mutation],
    next: &AtomicUsize,
    limit: Duration,
    events: &Sender<Event<'a>>,
) {
    let all = || -> Result<()> {
        while let Some(mutation) = mutations.get(next.fetch_add(1, Ordering::Relaxed)) {
            // Nobody listens any more only if all is over anyhow.
            let _ = events.send(Event::Began(&mutation.name));
            let outcome = workshop.try_out(mutation, limit).with_context(|| format!("`{}`", mutation.name))?;
            let _ = events.send(Event::Ended(mutation, outcome));
        }
        Ok(())
    };
    if let Err(error) = all() {
        let _ = events.send(Event::Failed(error));
    }
}

/// How far it is.
fn progress(done: usize, all: usize, under_way: &[(&str, Instant)]) -> String {
    let names = under_way.iter().map(|(name, since)| format!("{name} {} s", since.elapsed().as_secs()));
    format!("  {done} of {all} done; under way: {}", names.collect::<Vec<_>>().join(", "))
}

/// How many came to what.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    caught: usize,
    timed_out: usize,
    survived: usize,
    wrong: usize,
}

impl Tally {
    fn add(&mut self, outcome: &Outcome) {
        *match outcome {
            Outcome::Caught(_) => &mut self.caught,
            Outcome::TimedOut => &mut self.timed_out,
            Outcome::Survived => &mut self.survived,
            Outcome::DoesNotCompile(_) => &mut self.wrong,
        } += 1;
    }

    fn all(&self) -> usize {
        self.caught + self.timed_out + self.survived + self.wrong
    }

    /// Tests that do not end are noticed by whoever runs them. A mistake that does not compile says nothing about tests.
    fn is_good(&self) -> bool {
        self.survived + self.wrong == 0
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { caught, timed_out, survived, wrong } = self;
        write!(f, "{} mistakes: {caught} caught", self.all())?;
        for (count, what) in [(timed_out, "timed out"), (survived, "survived"), (wrong, "did not compile")] {
            if *count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_survivor_or_a_mistake_that_does_not_compile_makes_it_fail() {
        let mut tally = Tally::default();
        tally.add(&Outcome::Caught("a_test".into()));
        tally.add(&Outcome::TimedOut);
        assert!(tally.is_good());
        assert_eq!(tally.to_string(), "2 mistakes: 1 caught, 1 timed out");
        tally.add(&Outcome::DoesNotCompile("no".into()));
        assert!(!tally.is_good());
        tally.add(&Outcome::Survived);
        assert_eq!(tally.to_string(), "4 mistakes: 1 caught, 1 timed out, 1 survived, 1 did not compile");
    }

    #[test]
    fn progress_names_what_is_under_way() {
        assert_eq!(
            progress(3, 20, &[("one", Instant::now()), ("two", Instant::now())]),
            "  3 of 20 done; under way: one 0 s, two 0 s"
        );
    }
}
