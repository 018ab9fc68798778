//! One trial: the crate is built, its test programs are run until the first test fails.
//!
//! The programs are started here and not by cargo, so that a compiler's refusal cannot be taken for a failed test, and so
//! that whoever ends a trial ends the tests.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::process;
use crate::session::Interrupts;

use super::subject::Subject;

/// How often signals and limits are looked at.
const TICK: Duration = Duration::from_millis(100);

/// Lines of a compiler's or a test program's output that are quoted.
const QUOTED: usize = 15;

/// What became of a mistake.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// This test fails.
    Caught(String),
    TimedOut,
    Survived,
    /// The compiler says this.
    DoesNotCompile(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caught(test) => write!(f, "caught by {test}"),
            Self::TimedOut => write!(f, "timed out"),
            Self::Survived => write!(f, "SURVIVED"),
            Self::DoesNotCompile(why) => write!(f, "ERROR: it does not compile: {why}"),
        }
    }
}

/// A crate to try, and where it is built.
#[derive(Debug)]
pub(super) struct Trial<'a> {
    /// The crate's folder.
    pub(super) place: &'a Path,
    pub(super) target: &'a Path,
    pub(super) subject: &'static Subject,
    /// How many tests of a program run at the same time.
    pub(super) threads: usize,
    pub(super) interrupts: &'a Interrupts,
}

impl Trial<'_> {
    /// Builds the test programs. What they are, or the first thing that the compiler refuses.
    ///
    /// # Errors
    /// Cargo fails for another reason, or the user interrupts.
    pub(super) fn build(&self) -> Result<Result<Vec<PathBuf>, String>> {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(["test", "--no-run", "--message-format", "json"]).args(self.subject.targets);
        command.current_dir(self.place).env("CARGO_TARGET_DIR", self.target).env_remove("CARGO_MANIFEST_DIR");
        command.envs(self.subject.environment.iter().copied());
        let (mut programs, mut refusal, mut rest) = (Vec::new(), None, String::new());
        let ending = self.attend(&mut command, None, |line| {
            match serde_json::from_str::<Value>(line) {
                Ok(message) => {
                    programs.extend(test_program(&message));
                    refusal = refusal.take().or_else(|| compiler_error(&message));
                }
                Err(_) => {
                    rest.push_str(line);
                    rest.push('\n');
                }
            }
            ControlFlow::Continue(())
        })?;
        match (ending, refusal) {
            (Ending::Done(status), _) if status.success() => Ok(Ok(programs)),
            (_, Some(refusal)) => Ok(Err(refusal)),
            _ => bail!("`{}` failed:\n{}", process::shown(&command), process::tail(&rest, QUOTED)),
        }
    }

    /// Runs test programs until a test fails. Says how many tests there were, too.
    ///
    /// # Errors
    /// A program cannot be started, or the user interrupts.
    pub(super) fn run(
        &self,
        programs: &[PathBuf],
        filter: Option<&str>,
        deadline: Option<Instant>,
    ) -> Result<(Outcome, usize)> {
        let mut tests = 0;
        for program in programs {
            let mut command = Command::new(program);
            // Ctrl-C is for us: a test program that it ended would look like one that died.
            command.process_group(0);
            command.args(filter).current_dir(self.place).env("CARGO_MANIFEST_DIR", self.place);
            command.env("RUST_BACKTRACE", "0").env("RUST_TEST_THREADS", self.threads.to_string());
            // The same numbers each time, no time spent on smaller examples, and no files about failures, which would be
            // read with the next mistake.
            command.env("PROPTEST_RNG_SEED", "1").env("PROPTEST_MAX_SHRINK_ITERS", "0");
            command.env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1");
            let mut caught = None;
            let ending = self.attend(&mut command, deadline, |line| {
                tests += test_count(line).unwrap_or(0);
                caught = failed_test(line).map(str::to_owned);
                if caught.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            let outcome = match (ending, caught) {
                (_, Some(test)) => Outcome::Caught(test),
                (Ending::TimedOut, _) => Outcome::TimedOut,
                (Ending::Done(status), _) if status.success() => continue,
                (Ending::Done(status), _) => Outcome::Caught(format!("{}, which died ({status})", stem(program))),
                (Ending::Stopped, None) => continue,
            };
            return Ok((outcome, tests));
        }
        Ok((Outcome::Survived, tests))
    }

    /// Runs a command, showing its lines to `look`, until it ends, `look` has seen enough, or the deadline has come. It
    /// does not outlive this.
    fn attend(
        &self,
        command: &mut Command,
        deadline: Option<Instant>,
        mut look: impl FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Ending> {
        let (reader, writer) = std::io::pipe()?;
        process::tie_to_parent(command);
        command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
        let mut child = Guard(command.spawn().with_context(|| format!("cannot run `{}`", process::shown(command)))?);
        // The command holds the pipe's writing ends, which would keep it open.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    break;
                }
            }
        });
        loop {
            match lines.recv_timeout(TICK) {
                Ok(line) if look(&line).is_break() => return Ok(Ending::Stopped),
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let status = child.0.wait()?;
                    self.go_on()?;
                    return Ok(Ending::Done(status));
                }
            }
            self.go_on()?;
            if deadline.is_some_and(|deadline| Instant::now() > deadline) {
                return Ok(Ending::TimedOut);
            }
        }
    }

    fn go_on(&self) -> Result<()> {
        if self.interrupts.count() > 0 {
            bail!("interrupted");
        }
        Ok(())
    }
}

/// Why a command is no longer attended to.
enum Ending {
    Done(ExitStatus),
    Stopped,
    TimedOut,
}

/// Kills the child when dropped, whatever happened.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The test program that cargo says it has built.
fn test_program(message: &Value) -> Option<PathBuf> {
    let is_test = message["reason"] == "compiler-artifact" && message["profile"]["test"] == true;
    message["executable"].as_str().filter(|_| is_test).map(PathBuf::from)
}

/// What the compiler refuses.
fn compiler_error(message: &Value) -> Option<String> {
    let is_error = message["reason"] == "compiler-message" && message["message"]["level"] == "error";
    message["message"]["message"].as_str().filter(|_| is_error).map(str::to_owned)
}

/// The test of which a line says that it failed.
fn failed_test(line: &str) -> Option<&str> {
    let name = line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?;
    Some(name.strip_suffix(" - should panic").unwrap_or(name))
}

/// How many tests a program begins to run.
fn test_count(line: &str) -> Option<usize> {
    line.strip_prefix("running ")?
        .strip_suffix(" tests")
        .or(line.strip_prefix("running ")?.strip_suffix(" test"))?
        .parse()
        .ok()
}

/// `target/debug/deps/model-0123456789abcdef` is `model`.
fn stem(program: &Path) -> String {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    name.rsplit_once('-').map_or(name.as_ref(), |(stem, _)| stem).to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::subject::SUBJECTS;
    use super::*;

    #[test]
    fn the_test_that_failed_is_found_in_what_its_program_says() {
        assert_eq!(failed_test("test a::b ... FAILED"), Some("a::b"));
        assert_eq!(failed_test("test a - should panic ... FAILED"), Some("a"));
        for other in ["test a ... ok", "test a ... ignored", "test result: FAILED. 1 passed; 1 failed", "failures:", ""]
        {
            assert_eq!(failed_test(other), None, "{other}");
        }
    }

    #[test]
    fn tests_are_counted_program_by_program() {
        assert_eq!(
            ["running 40 tests", "running 1 test", "test running 3 tests"].map(test_count),
            [Some(40), Some(1), None]
        );
    }

    #[test]
    fn what_cargo_builds_and_what_the_compiler_refuses_is_read_from_its_messages() {
        let artifact = |test: bool| json!({"reason": "compiler-artifact", "profile": {"test": test}, "executable": "/t/debug/deps/muxer-01ab"});
        assert_eq!(test_program(&artifact(true)), Some(PathBuf::from("/t/debug/deps/muxer-01ab")));
        assert_eq!(test_program(&artifact(false)), None);
        let message = |level: &str| json!({"reason": "compiler-message", "message": {"level": level, "message": "no"}});
        assert_eq!(compiler_error(&message("error")).as_deref(), Some("no"));
        assert_eq!(compiler_error(&message("warning")), None);
        assert_eq!(stem(Path::new("/t/debug/deps/muxer-01ab")), "muxer");
    }

    #[test]
    fn a_program_is_stopped_at_the_first_failure_or_at_the_deadline() {
        let interrupts = Interrupts::none();
        let here = std::env::temp_dir();
        let trial = Trial { place: &here, target: &here, subject: &SUBJECTS[0], threads: 1, interrupts: &interrupts };
        let shell = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            command
        };
        let started = Instant::now();
        let mut seen = Vec::new();
        let ending = trial.attend(&mut shell("echo one; echo two; exec sleep 100"), None, |line| {
            seen.push(line.to_owned());
            if line == "two" { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(matches!(ending, Ok(Ending::Stopped)));
        assert_eq!(seen, ["one", "two"]);
        let deadline = Instant::now() + Duration::from_millis(50);
        let ending = trial.attend(&mut shell("exec sleep 100"), Some(deadline), |_| ControlFlow::Continue(()));
        assert!(matches!(ending, Ok(Ending::TimedOut)));
        assert!(started.elapsed() < Duration::from_secs(50));
        let ending = trial.attend(&mut shell("exit 3"), None, |_| ControlFlow::Continue(()));
        assert!(matches!(ending, Ok(Ending::Done(status)) if status.code() == Some(3)));
    }
}
