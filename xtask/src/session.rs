//! One run of a machine: starts QEMU, reads its console line by line, acts on what is meant for machines, shows and logs
//! the rest, forwards what the user types, and sees to it that QEMU ends.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::console::{Check, CrashCollector, Message, Sample};
use crate::machine::Machine;
use crate::screen::Screen;
use crate::setup::qemu::Qemu;
use crate::symbols::{Symbols, panic_line};

/// After a request to quit, the machine has this long.
const QUIT_GRACE: Duration = Duration::from_secs(10);

/// How often signals and limits are looked at.
const TICK: Duration = Duration::from_millis(50);

/// Lines that are remembered for a failure's report.
const TAIL_LINES: usize = 25;

/// Signals that ask us to end, counted by their handler.
#[derive(Debug, Clone)]
pub(crate) struct Interrupts(Arc<AtomicUsize>);

impl Interrupts {
    /// Installs the handlers for Ctrl-C, termination and a closed terminal. Call once.
    ///
    /// # Errors
    /// The host refuses.
    pub(crate) fn install() -> Result<Self> {
        let count = Arc::new(AtomicUsize::new(0));
        let mut signals = signal_hook::iterator::Signals::new([libc::SIGINT, libc::SIGTERM, libc::SIGHUP])
            .context("cannot handle signals")?;
        let counter = Arc::clone(&count);
        std::thread::spawn(move || {
            for _ in signals.forever() {
                counter.fetch_add(1, Ordering::SeqCst);
            }
        });
        Ok(Self(count))
    }

    /// Without handlers: nobody interrupts.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self(Arc::default())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Why a machine ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The kernel ended it with this code: 0 success, 1 the verdict is failure, 2 a panic or a dead root cell.
    Code(u32),
    /// QEMU itself ended with this status.
    Emulator(Option<i32>),
    /// It took longer than allowed and was killed.
    TimedOut,
    /// The user asked twice, or the machine did not end when asked to.
    Killed,
}

impl Ending {
    fn of(status: std::process::ExitStatus) -> Self {
        // The kernel writes 0x10 + code to the exit device; QEMU makes (value << 1) | 1 of it.
        match status.code() {
            Some(status @ 33..=95) if status % 2 == 1 => Self::Code((status as u32 >> 1) - 0x10),
            status => Self::Emulator(status),
        }
    }
}

/// How a session is run.
#[derive(Debug)]
pub(crate) struct Options<'a> {
    /// Show the console; otherwise only log it.
    pub(crate) show: bool,
    /// Forward our standard input to the console.
    pub(crate) forward: bool,
    /// Kill the machine after this time.
    pub(crate) limit: Option<Duration>,
    /// Where the whole console is logged.
    pub(crate) log: PathBuf,
    pub(crate) symbols: &'a Symbols,
    pub(crate) interrupts: &'a Interrupts,
}

/// What a session brought to light.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) ending: Ending,
    pub(crate) log: PathBuf,
    pub(crate) duration: Duration,
    /// From QEMU's start to the root cell's first line.
    pub(crate) first_cell: Option<Duration>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) checks: Vec<Check>,
    pub(crate) verdict: Option<bool>,
    /// Crashes and panics, symbolised.
    pub(crate) reports: Vec<String>,
    /// Every line that is not for machines.
    pub(crate) lines: Vec<String>,
    /// What QEMU itself complained about.
    pub(crate) emulator: String,
}

impl Outcome {
    /// The last lines of the console, indented.
    pub(crate) fn tail(&self) -> String {
        crate::process::tail(&self.lines.join("\n"), TAIL_LINES)
    }
}

/// Boots a machine and stays with it until it has ended.
///
/// # Errors
/// QEMU cannot be started, or the log cannot be written.
pub(crate) fn run(machine: &Machine, qemu: &Qemu, options: Options<'_>) -> Result<Outcome> {
    if let Some(dir) = options.log.parent() {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    }
    let log = File::create(&options.log).with_context(|| format!("cannot write {}", options.log.display()))?;
    let started = Instant::now();
    let mut child = Guard(machine.start(qemu)?);
    let (sender, console) = mpsc::channel();
    let stdout = child.0.stdout.take().context("QEMU has no standard output")?;
    std::thread::spawn(move || read_lines(stdout, &sender));
    let stderr = child.0.stderr.take().context("QEMU has no standard error")?;
    let complaints = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = BufReader::new(stderr).read_to_string(&mut text);
        text
    });
    let input = Arc::new(Mutex::new(child.0.stdin.take().context("QEMU has no standard input")?));
    if options.forward {
        let input = Arc::clone(&input);
        std::thread::spawn(move || forward_input(&input));
    }
    let mut session = Session {
        log,
        screen: Screen::new(options.show),
        crashes: CrashCollector::default(),
        symbols: options.symbols,
        started,
        outcome: Outcome {
            ending: Ending::Killed,
            log: options.log.clone(),
            duration: Duration::ZERO,
            first_cell: None,
            samples: Vec::new(),
            checks: Vec::new(),
            verdict: None,
            reports: Vec::new(),
            lines: Vec::new(),
            emulator: String::new(),
        },
    };
    let ending = session.attend(&mut child.0, &console, &input, &options)?;
    drop(child);
    let mut outcome = session.finish();
    outcome.ending = ending;
    outcome.duration = started.elapsed();
    outcome.emulator = complaints.join().unwrap_or_default();
    Ok(outcome)
}

/// Kills QEMU when dropped, whatever happened.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The state of a run while it lasts.
struct Session<'a> {
    log: File,
    screen: Screen,
    crashes: CrashCollector,
    symbols: &'a Symbols,
    started: Instant,
    outcome: Outcome,
}

impl Session<'_> {
    /// Handles console lines, signals and the time limit until QEMU has ended.
    fn attend(
        &mut self,
        child: &mut Child,
        console: &Receiver<String>,
        input: &Mutex<ChildStdin>,
        options: &Options<'_>,
    ) -> Result<Ending> {
        let interrupts_before = options.interrupts.count();
        let mut quit_at: Option<Instant> = None;
        loop {
            match console.recv_timeout(TICK) {
                Ok(line) => self.line(&line)?,
                Err(RecvTimeoutError::Timeout) => {}
                // The console is closed: QEMU is ending.
                Err(RecvTimeoutError::Disconnected) => return Ok(Ending::of(child.wait()?)),
            }
            let asked = options.interrupts.count() - interrupts_before;
            if asked > 0 && quit_at.is_none() {
                quit_at = Some(Instant::now());
                self.screen.note("Asking the system to quit (Ctrl-C again ends it at once).");
                send(input, b"quit\n");
            }
            if asked > 1 || quit_at.is_some_and(|at| at.elapsed() > QUIT_GRACE) {
                return Ok(Ending::Killed);
            }
            if options.limit.is_some_and(|limit| self.started.elapsed() > limit) {
                return Ok(Ending::TimedOut);
            }
        }
    }

    fn line(&mut self, line: &str) -> Result<()> {
        self.log.write_all(line.as_bytes()).and_then(|()| self.log.write_all(b"\n")).context("cannot write the log")?;
        let Some(message) = Message::parse(line) else {
            self.outcome.lines.push(line.to_owned());
            self.screen.line(line);
            return Ok(());
        };
        match message.kind.as_str() {
            "first-cell" => self.outcome.first_cell = Some(self.started.elapsed()),
            "status" => self.screen.status(message.get("text").unwrap_or_default()),
            "sample" => self.outcome.samples.extend(Sample::from_message(&message)),
            "check" => self.outcome.checks.push(Check::from_message(&message)),
            "verdict" => self.outcome.verdict = message.get("pass").map(|pass| pass == "true"),
            "panic" => self.report(panic_line(&message)),
            _ => {
                if let Some(crash) = self.crashes.take(&message) {
                    self.report(self.symbols.report(&crash));
                }
            }
        }
        Ok(())
    }

    fn report(&mut self, text: String) {
        for line in text.lines() {
            self.screen.line(line);
        }
        self.outcome.reports.push(text);
    }

    /// The machine has ended: what was begun is shown as far as it goes.
    fn finish(mut self) -> Outcome {
        for crash in self.crashes.rest() {
            self.report(self.symbols.report(&crash));
        }
        self.screen.close();
        self.outcome
    }
}

/// Reads the console until it closes. What is not UTF-8 is replaced.
fn read_lines(stdout: impl Read, sender: &Sender<String>) {
    let mut reader = BufReader::new(stdout);
    let mut bytes = Vec::new();
    while reader.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
        let text = String::from_utf8_lossy(&bytes);
        if sender.send(text.trim_end_matches(['\r', '\n']).to_owned()).is_err() {
            return;
        }
        bytes.clear();
    }
}

/// Forwards our input to the console until it ends; then the console stays open.
fn forward_input(input: &Mutex<ChildStdin>) {
    for line in std::io::stdin().lock().lines() {
        let Ok(mut line) = line else { return };
        line.push('\n');
        if !send(input, line.as_bytes()) {
            return;
        }
    }
}

fn send(input: &Mutex<ChildStdin>, bytes: &[u8]) -> bool {
    input.lock().is_ok_and(|mut pipe| pipe.write_all(bytes).and_then(|()| pipe.flush()).is_ok())
}

/// A path for a log: `.tess/logs/KIND-NAME.log`.
pub(crate) fn log_path(logs: &Path, kind: &str, name: &str) -> PathBuf {
    logs.join(format!("{kind}-{name}.log"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn the_kernels_code_is_read_from_qemus_status() {
        let ending = |status: i32| Ending::of(std::process::ExitStatus::from_raw(status << 8));
        assert_eq!(ending(33), Ending::Code(0));
        assert_eq!(ending(35), Ending::Code(1));
        assert_eq!(ending(37), Ending::Code(2));
        assert_eq!(ending(0), Ending::Emulator(Some(0)));
        assert_eq!(ending(1), Ending::Emulator(Some(1)));
    }

    #[test]
    fn a_last_line_without_an_end_is_read_too() {
        let (sender, receiver) = mpsc::channel();
        read_lines(&b"one\r\ntwo \xff\nthree"[..], &sender);
        drop(sender);
        assert_eq!(receiver.iter().collect::<Vec<_>>(), ["one", "two \u{fffd}", "three"]);
    }
}
