//! Running other programs: captured with progress, or handed the terminal; errors say which command failed and how.
//!
//! The only file of xtask with unsafe code: the hook between fork and exec that ties a child's life to ours.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

/// How much of a failed command's output is quoted.
const TAIL_LINES: usize = 15;

/// The command as it would be typed, without the environment.
pub(crate) fn shown(command: &Command) -> String {
    let quote = |word: &OsStr| {
        let word = word.to_string_lossy();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+./:,@%".contains(c);
        if !word.is_empty() && word.chars().all(plain) { word.into_owned() } else { format!("'{word}'") }
    };
    std::iter::once(command.get_program()).chain(command.get_args()).map(quote).collect::<Vec<_>>().join(" ")
}

/// The last lines of a command's output, indented, for an error message.
pub(crate) fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    all[all.len().saturating_sub(lines)..].iter().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

fn failure(command: &Command, status: ExitStatus, output: &str) -> anyhow::Error {
    let quoted = tail(output, TAIL_LINES);
    let quoted = if quoted.is_empty() { "    (it printed nothing)".to_owned() } else { quoted };
    anyhow!("`{}` failed ({status}):\n{quoted}", shown(command))
}

/// Runs a short command and returns its standard output. Prints nothing.
///
/// # Errors
/// The command cannot be started, or it fails.
pub(crate) fn query(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run `{}`", shown(command)))?;
    if !output.status.success() {
        return Err(failure(command, output.status, &String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a long command under a line that says what it is for. Its output goes to `log`; meanwhile the elapsed seconds
/// are shown (in place on a terminal, else a line every 15 seconds).
///
/// # Errors
/// The command cannot be started, or it fails; the error quotes the end of its output.
pub(crate) fn step(what: &str, command: &mut Command, log: &Path) -> Result<()> {
    if let Some(dir) = log.parent() {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    }
    let out = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let err = out.try_clone()?;
    let terminal = std::io::stderr().is_terminal();
    let started = Instant::now();
    eprint!("{what} ...{}", if terminal { "" } else { "\n" });
    tie_to_parent(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .spawn()
        .with_context(|| format!("cannot run `{}`", shown(command)))?;
    let mut said = 0;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(100));
        let seconds = started.elapsed().as_secs();
        if terminal && seconds > said {
            said = seconds;
            eprint!("\r{what} ... {seconds} s");
        } else if !terminal && seconds >= said + 15 {
            said = seconds;
            eprintln!("{what} ... {seconds} s");
        }
        let _ = std::io::stderr().flush();
    };
    let seconds = started.elapsed().as_secs_f32();
    let (start, end) = if terminal { ("\r", "\x1b[K") } else { ("", "") };
    if status.success() {
        eprintln!("{start}{what} ... done ({seconds:.0} s){end}");
        return Ok(());
    }
    eprintln!("{start}{what} ... failed ({seconds:.0} s){end}");
    let mut text = String::new();
    File::open(log)?.read_to_string(&mut text).context("the command's output is not text")?;
    Err(failure(command, status, &text))
}

/// Runs a command that talks to the user itself (cargo with its progress bar).
///
/// # Errors
/// The command cannot be started, or it fails.
pub(crate) fn attended(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("cannot run `{}`", shown(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status}); its messages are above", shown(command));
    }
    Ok(())
}

/// Whether a program of this name is in the search path.
pub(crate) fn find_program(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    // Root's package tools are not in every user's path.
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|dir| dir.join(name))
        .find(|candidate| candidate.is_file())
}

/// Has the kernel of the host kill the child when the thread that starts it ends, so that nothing is left behind even if
/// xtask itself is killed. The starting thread must therefore live as long as the child is wanted.
pub(crate) fn tie_to_parent(command: &mut Command) {
    let parent = std::process::id();
    let hook = move || {
        // SAFETY: prctl with these arguments reads and writes no memory of ours; the system call itself guarantees it.
        let result = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        if result != 0 {
            return Err(std::io::Error::last_os_error());
        }
        // The parent may have died before the call above: then nobody would ever kill us.
        if std::os::unix::process::parent_id() == parent { Ok(()) } else { Err(std::io::ErrorKind::NotFound.into()) }
    };
    // SAFETY: between fork and exec only async-signal-safe functions may run; the hook makes two system calls and
    // allocates nothing.
    unsafe { command.pre_exec(hook) };
}

/// Has the host prefer the command's threads to ordinary ones, where we are permitted to: for what is measured by the clock.
pub(crate) fn prefer(command: &mut Command) {
    let hook = || {
        // SAFETY: the system call reads and writes no memory of ours. Without the permission it changes nothing.
        let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -10) };
        Ok(())
    };
    // SAFETY: between fork and exec only async-signal-safe functions may run; the hook makes one system call and allocates nothing.
    unsafe { command.pre_exec(hook) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_command_can_be_pasted() {
        let mut command = Command::new("qemu");
        command.args(["-append", "log=info apic=x2apic", "-m", "256"]);
        assert_eq!(shown(&command), "qemu -append 'log=info apic=x2apic' -m 256");
    }

    #[test]
    fn a_failed_query_quotes_what_the_command_said() {
        let error = query(Command::new("sh").args(["-c", "echo broken >&2; exit 3"])).unwrap_err();
        assert!(error.to_string().contains("broken"), "{error}");
    }

    #[test]
    fn the_tail_keeps_the_last_lines() {
        assert_eq!(tail("a\n\nb\nc\n", 2), "    b\n    c");
    }
}
