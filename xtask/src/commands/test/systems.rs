//! The system tests: each manifest in tests/system is booted and judged.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::Tally;
use crate::builder::Built;
use crate::header::{self, Header};
use crate::machine::{Apic, Machine, Mode};
use crate::process;
use crate::project::Project;
use crate::session::{self, Ending, Interrupts, Options, Outcome};
use crate::setup::Tools;
use crate::system::{self, System};

/// Deterministic machines use one host thread each, so that two run beside each other.
const DETERMINISTIC_AT_ONCE: usize = 2;

/// A system test.
#[derive(Debug, Clone)]
pub(crate) struct Test {
    name: String,
    header: Header,
    pub(crate) system: System,
}

impl Test {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How it runs, in one line.
    pub(crate) fn about(&self) -> String {
        let mode = if self.header.mode == Mode::Deterministic { "deterministic" } else { "parallel" };
        format!("{mode}, {} hardware threads: {}", self.header.smp, self.system.about())
    }
}

/// Reads the system tests whose name contains `filter`.
///
/// # Errors
/// A manifest or its header has a mistake; file and line are named.
pub(crate) fn load(project: &Project, filter: Option<&str>) -> Result<Vec<Test>> {
    let mut tests = Vec::new();
    for path in system::manifests(&project.root().join("tests/system")) {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if filter.is_some_and(|filter| !name.contains(filter)) {
            continue;
        }
        let header = Header::parse(&std::fs::read_to_string(&path)?, header::TEST)
            .map_err(|(line, message)| anyhow!("{}:{line}: {message}", project.shown(&path)))?;
        tests.push(Test { name, header, system: System::read(project, &path)? });
    }
    Ok(tests)
}

/// Runs the tests and prints one line for each, and the evidence for those that fail.
pub(crate) fn run(project: &Project, tools: &Tools, built: &Built, tests: &[Test], interrupts: &Interrupts) -> Tally {
    let possible = |test: &&Test| {
        let possible = test.header.apic != Some(Apic::X2apic) || tools.qemu.has_x2apic();
        if !possible {
            println!("skipped {}: this QEMU emulates no x2APIC", test.name);
        }
        possible
    };
    let (deterministic, parallel): (VecDeque<_>, VecDeque<_>) =
        tests.iter().filter(possible).partition(|test| test.header.mode == Mode::Deterministic);
    let started = Instant::now();
    let tally = Mutex::new(Tally::default());
    let work = |queue: &Mutex<VecDeque<&Test>>| {
        while interrupts.count() == 0 {
            let Some(test) = queue.lock().ok().and_then(|mut queue| queue.pop_front()) else { break };
            let started = Instant::now();
            let result = run_one(project, tools, built, test, interrupts);
            let Ok(mut tally) = tally.lock() else { break };
            report(test, started.elapsed(), result, &mut tally);
        }
    };
    for (queue, workers) in [(deterministic, DETERMINISTIC_AT_ONCE), (parallel, 1)] {
        let queue = Mutex::new(queue);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| work(&queue));
            }
        });
    }
    let tally = tally.into_inner().unwrap_or_default();
    println!(
        "system tests: {} passed, {} failed ({:.0} s)\n",
        tally.passed,
        tally.failed,
        started.elapsed().as_secs_f32()
    );
    tally
}

/// Prints a test's line while the tally is held, so that reports do not mix.
fn report(test: &Test, took: Duration, result: Result<Option<String>>, tally: &mut Tally) {
    let seconds = took.as_secs_f32();
    match result {
        Ok(None) => {
            tally.passed += 1;
            println!("ok      {} ({seconds:.1} s)", test.name);
        }
        Ok(Some(evidence)) => {
            tally.failed += 1;
            println!("FAILED  {} ({seconds:.1} s)\n{evidence}", test.name);
        }
        Err(error) => {
            tally.failed += 1;
            println!("FAILED  {} ({seconds:.1} s)\n    {error:#}", test.name);
        }
    }
}

/// Runs a test as often as it says. `Some`: the evidence of the first run that failed.
fn run_one(
    project: &Project,
    tools: &Tools,
    built: &Built,
    test: &Test,
    interrupts: &Interrupts,
) -> Result<Option<String>> {
    let archive = test.system.pack(project, built)?;
    let symbols = test.system.symbols(project, built);
    let machine = Machine::from_header(&test.header, &built.kernel, archive.path());
    for round in 1..=test.header.repeat {
        let options = Options {
            show: false,
            forward: false,
            limit: Some(test.header.timeout),
            log: session::log_path(&project.logs(), "test", &test.name),
            symbols: &symbols,
            interrupts,
        };
        let outcome = session::run(&machine, &tools.qemu, options)?;
        let faults = judge(&test.header, &outcome);
        if !faults.is_empty() {
            let round = (test.header.repeat > 1).then_some((round, test.header.repeat));
            return Ok(Some(evidence(project, &faults, &outcome, round)));
        }
    }
    Ok(None)
}

/// What is wrong with a run; empty if it passes.
fn judge(header: &Header, outcome: &Outcome) -> Vec<String> {
    let mut faults = Vec::new();
    for check in outcome.checks.iter().filter(|check| !check.pass) {
        faults.push(format!("check failed: {}: {}", check.name, check.detail));
    }
    let status = match outcome.ending {
        Ending::Code(code) => Some(i32::try_from((0x10 + code) << 1 | 1).unwrap_or(i32::MAX)),
        Ending::Emulator(status) => status,
        Ending::TimedOut | Ending::Killed => None,
    };
    if status != Some(header.expect_exit) {
        faults.push(match outcome.ending {
            Ending::TimedOut => format!("it did not end within {} s", header.timeout.as_secs()),
            Ending::Killed => "it was killed".to_owned(),
            Ending::Code(0) => format!("it succeeded, but status {} was expected", header.expect_exit),
            Ending::Code(1) => "the verdict is failure".to_owned(),
            Ending::Code(code) => format!("the kernel gave up with code {code}"),
            Ending::Emulator(status) => format!("QEMU ended with {status:?}"),
        });
    }
    let shown = |wanted: &str| {
        let texts = outcome.lines.iter().chain(&outcome.reports);
        texts.into_iter().any(|text| text.contains(wanted))
    };
    faults
        .extend(header.expect_output.iter().filter(|text| !shown(text)).map(|text| format!("it did not say `{text}`")));
    faults.extend(header.refuse_output.iter().filter(|text| shown(text)).map(|text| format!("it said `{text}`")));
    faults
}

fn evidence(project: &Project, faults: &[String], outcome: &Outcome, round: Option<(u32, u32)>) -> String {
    let mut text = String::new();
    if let Some((round, rounds)) = round {
        let _ = writeln!(text, "    in run {round} of {rounds}");
    }
    for fault in faults {
        let _ = writeln!(text, "    {fault}");
    }
    for report in &outcome.reports {
        let _ = writeln!(text, "{}", process::tail(report, usize::MAX));
    }
    if !outcome.lines.is_empty() {
        let _ = writeln!(text, "    the console's last lines:\n{}", outcome.tail());
    }
    if !outcome.emulator.trim().is_empty() {
        let _ = writeln!(text, "    QEMU says:\n{}", process::tail(&outcome.emulator, 10));
    }
    let _ = write!(text, "    log: {}", project.shown(&outcome.log));
    text
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::console::Check;

    fn outcome(ending: Ending) -> Outcome {
        Outcome {
            ending,
            log: PathBuf::new(),
            duration: Duration::ZERO,
            first_cell: None,
            samples: Vec::new(),
            checks: Vec::new(),
            verdict: None,
            reports: vec!["Cell a crashed\n  victim::deep\n".to_owned()],
            lines: vec!["hello".to_owned()],
            emulator: String::new(),
        }
    }

    #[test]
    fn only_the_expected_status_passes() {
        let header = Header::default();
        assert!(judge(&header, &outcome(Ending::Code(0))).is_empty());
        for ending in [
            Ending::Code(1),
            Ending::Code(2),
            Ending::TimedOut,
            Ending::Killed,
            Ending::Emulator(Some(0)),
            Ending::Emulator(None),
        ] {
            assert!(!judge(&header, &outcome(ending)).is_empty(), "{ending:?}");
        }
        let panics = Header { expect_exit: 37, ..Header::default() };
        assert!(judge(&panics, &outcome(Ending::Code(2))).is_empty());
        assert!(!judge(&panics, &outcome(Ending::Code(0))).is_empty());
    }

    #[test]
    fn a_failed_check_fails_the_test_whatever_the_status() {
        let mut outcome = outcome(Ending::Code(0));
        outcome.checks.push(Check { name: "frames".into(), pass: false, detail: "lost 3".into() });
        assert_eq!(judge(&Header::default(), &outcome), ["check failed: frames: lost 3"]);
    }

    #[test]
    fn outputs_are_looked_for_in_lines_and_reports() {
        let wants = |text: &str| Header { expect_output: vec![text.into()], ..Header::default() };
        assert!(judge(&wants("hell"), &outcome(Ending::Code(0))).is_empty());
        assert!(judge(&wants("victim::deep"), &outcome(Ending::Code(0))).is_empty());
        assert_eq!(judge(&wants("bye"), &outcome(Ending::Code(0))).len(), 1);
        let refuses = Header { refuse_output: vec!["hello".into()], ..Header::default() };
        assert_eq!(judge(&refuses, &outcome(Ending::Code(0))).len(), 1);
    }
}
