//! The host tests: `cargo test`, with its results counted and shown one line for each test program.

use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};

use super::Tally;
use crate::process;
use crate::project::Project;

/// What is tested on the host: the workspace's default members, and the pure parts of the root cell and of the names cell (their programs link only for
/// a cell).
const TARGETS: [&[&str]; 3] = [
    &[],
    &["--package", "rab-cell", "--lib"],
    &["--package", "names-server", "--no-default-features", "--lib", "--tests"],
];

/// What tries all interleavings of small channels: a build of its own, whose atomic words are loom's. Link-time optimisation gains nothing for it.
const LOOM: [&str; 5] = ["--package", "channels", "--release", "--test", "loom"];
const LOOM_BUILD: [(&str, &str); 2] = [("RUSTFLAGS", "--cfg loom"), ("CARGO_PROFILE_RELEASE_LTO", "off")];

/// Runs the host tests.
///
/// # Errors
/// Cargo cannot be started.
pub(crate) fn run(project: &Project, filter: Option<&str>) -> Result<Tally> {
    let started = Instant::now();
    let mut tally = Tally::default();
    for targets in TARGETS {
        tally.add(run_targets(project, targets, filter, |_| {})?);
    }
    println!("channels under loom");
    let loom = |command: &mut Command| {
        command.envs(LOOM_BUILD).env("CARGO_TARGET_DIR", project.target("loom"));
    };
    tally.add(run_targets(project, &LOOM, filter, loom)?);
    println!(
        "host tests: {} passed, {} failed ({:.0} s)\n",
        tally.passed,
        tally.failed,
        started.elapsed().as_secs_f32()
    );
    Ok(tally)
}

fn run_targets(
    project: &Project,
    targets: &[&str],
    filter: Option<&str>,
    prepare: impl FnOnce(&mut Command),
) -> Result<Tally> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(project.root()).env_remove("CARGO_MANIFEST_DIR").args(["test", "--no-fail-fast"]).args(targets);
    if std::io::stderr().is_terminal() {
        command.args(["--color", "always"]);
    }
    command.args(filter);
    prepare(&mut command);
    let (reader, writer) = std::io::pipe()?;
    // Tests that start something must not outlive us, nor may cargo.
    process::tie_to_parent(&mut command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .spawn()
        .with_context(|| format!("cannot run `{}`", process::shown(&command)))?;
    // The command holds the pipe's writing ends, which would keep it open.
    drop(command);
    let mut reading = Reading::default();
    for line in BufReader::new(reader).split(b'\n') {
        let line = line?;
        reading.line(&String::from_utf8_lossy(&line), &mut std::io::stdout());
    }
    let status = child.wait()?;
    let mut tally = reading.tally;
    if !status.success() && tally.failed == 0 {
        // It did not build, or a test program died without a result.
        print!("{}", reading.pending);
        println!("FAILED  host tests ({status})");
        tally.failed += 1;
    }
    Ok(tally)
}

/// What `cargo test` has said so far.
#[derive(Debug, Default)]
struct Reading {
    tally: Tally,
    /// The test program that runs.
    program: String,
    /// Its output until its result is known.
    pending: String,
}

impl Reading {
    fn line(&mut self, line: &str, out: &mut impl Write) {
        let plain = without_colors(line);
        let words = plain.trim_start();
        // A closed pipe must not end the tests.
        if let Some(name) = words.strip_prefix("Running ").or_else(|| words.strip_prefix("Doc-tests ")) {
            self.program =
                if words.starts_with("Doc-tests") { format!("{name} (examples)") } else { program_name(name) };
            self.pending.clear();
        } else if let Some((passed, failed)) = result(words) {
            self.tally.passed += passed;
            self.tally.failed += failed;
            if failed > 0 {
                let _ = write!(out, "{}", self.pending);
                let _ = writeln!(out, "FAILED  {}: {passed} passed, {failed} failed", self.program);
            } else if passed > 0 {
                let _ = writeln!(out, "ok      {}: {passed} passed", self.program);
            }
            self.pending.clear();
        } else if is_progress(words) {
            let _ = writeln!(out, "{line}");
        } else {
            self.pending.push_str(line);
            self.pending.push('\n');
        }
    }
}

/// Whether cargo says that it builds something.
fn is_progress(words: &str) -> bool {
    ["Compiling ", "Finished ", "Downloaded ", "Downloading ", "Updating ", "Blocking ", "warning: unused"]
        .iter()
        .any(|beginning| words.starts_with(beginning))
}

/// `unittests src/lib.rs (target/debug/deps/muxer-0123456789abcdef)` is `muxer`; a test file's name is added.
fn program_name(running: &str) -> String {
    let (source, binary) = running.split_once(" (").unwrap_or((running, running));
    let stem = binary.trim_end_matches(')').rsplit('/').next().unwrap_or(binary);
    let stem = stem.rsplit_once('-').map_or(stem, |(name, _)| name);
    if source.starts_with("unittests") { stem.to_owned() } else { format!("{stem} ({source})") }
}

/// `test result: ok. 3 passed; 0 failed; ...` as `(3, 0)`.
fn result(words: &str) -> Option<(usize, usize)> {
    let counts = words.strip_prefix("test result: ")?;
    let count = |what: &str| -> Option<usize> {
        let before = counts.split(what).next().filter(|before| before.len() < counts.len())?;
        before.split_whitespace().last()?.parse().ok()
    };
    Some((count(" passed")?, count(" failed")?))
}

/// Takes the terminal's colour sequences out.
fn without_colors(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        if letter == '\x1b' {
            letters.by_ref().find(char::is_ascii_alphabetic);
        } else {
            text.push(letter);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_counted_and_only_failures_shown_in_full() {
        let mut reading = Reading::default();
        let mut out = Vec::new();
        for line in [
            "   Compiling muxer v0.1.0",
            "\x1b[1m     Running\x1b[0m unittests src/lib.rs (target/debug/deps/muxer-0123)",
            "test a ... ok",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured",
            "     Running tests/replicas.rs (target/debug/deps/replicas-0123)",
            "test b ... FAILED",
            "test result: FAILED. 1 passed; 2 failed; 0 ignored",
        ] {
            reading.line(line, &mut out);
        }
        assert_eq!(reading.tally, Tally { passed: 4, failed: 2 });
        let out = String::from_utf8(out).unwrap();
        assert!(out.contains("ok      muxer: 3 passed\n"), "{out}");
        assert!(out.contains("test b ... FAILED\n"), "{out}");
        assert!(!out.contains("test a"), "{out}");
        assert!(out.contains("FAILED  replicas (tests/replicas.rs): 1 passed, 2 failed"), "{out}");
    }

    #[test]
    fn what_is_no_result_is_not_counted() {
        assert_eq!(result("test result_is_read ... ok"), None);
        assert_eq!(result("test result: strange"), None);
    }
}
