//! `cargo xtask run`: boots a system in this terminal.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::builder::{self, Profile};
use crate::machine::{self, Accel, Apic, Firmware, Machine, Mode};
use crate::process;
use crate::project::Project;
use crate::session::{self, Ending, Interrupts, Options, Outcome};
use crate::setup;
use crate::system::System;

/// Boot a system in QEMU, in this terminal.
///
/// Sets up what is missing, builds, boots, and shows the system's console. It ends after `--for`, on Ctrl-C, or on `quit`
/// at the console (`help` lists its commands); then the system prints its summary. A second Ctrl-C ends it at once.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The system to boot: a name in systems/, or the path of a manifest.
    #[arg(long, value_name = "NAME", default_value = "tour")]
    system: String,
    /// Hardware threads [default: as many as the host can run at once, at least 2, at most 4].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    smp: Option<u32>,
    /// End after this time [default: what the manifest says].
    #[arg(long = "for", value_name = "SECONDS", value_parser = seconds)]
    run_for: Option<Duration>,
    /// The machine's memory, as QEMU takes it: 256M, 1G.
    #[arg(long, value_name = "SIZE", default_value = machine::DEFAULT_MEMORY)]
    memory: String,
    /// Build optimised, with line numbers [the default].
    #[arg(long, conflicts_with = "debug")]
    release: bool,
    /// Build without optimisation.
    #[arg(long)]
    debug: bool,
    /// Wait for a debugger before the first instruction, and print the command that attaches one.
    #[arg(long)]
    gdb: bool,
    /// What executes the machine's instructions.
    #[arg(long, value_enum, default_value_t)]
    accel: Accel,
    /// How time passes: `deterministic` takes one virtual nanosecond for each instruction and repeats exactly.
    #[arg(long, value_enum, default_value = "parallel")]
    mode: Mode,
    /// The interrupt controller to use [default: the best there is].
    #[arg(long, value_enum)]
    apic: Option<Apic>,
    /// How much the kernel logs.
    #[arg(long, value_name = "LEVEL", value_parser = ["error", "warn", "info", "debug", "trace"])]
    log: Option<String>,
    /// The firmware that starts the kernel.
    #[arg(long, value_enum, default_value_t)]
    firmware: Firmware,
    /// Print QEMU's command line.
    #[arg(long)]
    show_command: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.trim_end_matches('s').trim().parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero()).ok_or_else(|| "must be above 0".to_owned())
}

pub(crate) fn run(project: &Project, arguments: &Arguments) -> Result<ExitCode> {
    let started = Instant::now();
    let mut system = System::load(project, &arguments.system)?;
    if let Some(run_for) = arguments.run_for {
        system.set_run_for(run_for);
    }
    let tools = setup::ensure(project)?;
    let profile = if arguments.debug { Profile::Debug } else { Profile::Release };
    let built = builder::build(project, &tools, profile, &system.programs())?;
    let archive = system.pack(project, &built)?;
    let machine = Machine {
        mode: arguments.mode,
        smp: arguments.smp.unwrap_or_else(machine::default_smp),
        memory: arguments.memory.clone(),
        accel: arguments.accel,
        apic: arguments.apic,
        firmware: arguments.firmware,
        log: arguments.log.clone(),
        gdb: arguments.gdb,
        kernel: built.kernel.clone(),
        archive: archive.path().to_owned(),
    };
    let symbols = system.symbols(project, &built);
    announce(project, &system, &machine, &tools, started.elapsed());
    if arguments.show_command {
        eprintln!("{}", process::shown(&machine.command(&tools.qemu)));
    }
    let interrupts = Interrupts::install()?;
    let outcome = session::run(
        &machine,
        &tools.qemu,
        Options {
            show: true,
            forward: true,
            limit: arguments.run_for.filter(|_| !arguments.gdb).map(|run_for| patience(run_for, machine.smp)),
            log: session::log_path(&project.logs(), "run", system.name()),
            symbols: &symbols,
            interrupts: &interrupts,
        },
    )?;
    conclude(project, &outcome)
}

/// How long a system that was to end after this time is waited for: it goes by its own clock, which may be much slower than ours, and one that hangs never ends.
/// In deterministic mode one processor of the host runs all hardware threads in turn, so the machine's time passes the slower the more there are.
fn patience(run_for: Duration, smp: u32) -> Duration {
    run_for.saturating_mul(20 * smp).saturating_add(Duration::from_secs(60))
}

/// Says what is about to be booted, on which machine, and what its times are worth.
fn announce(project: &Project, system: &System, machine: &Machine, tools: &setup::Tools, took: Duration) {
    let (_, why) = machine::choose_accel(machine.accel, machine.mode);
    eprintln!("Ready after {:.0} s: {}, QEMU {}", took.as_secs_f32(), tools.kernel.label, tools.qemu.label());
    let about = if system.about().is_empty() { String::new() } else { format!(": {}", system.about()) };
    eprintln!("System {} ({}){about}", system.name(), project.shown(&system.path));
    eprintln!("Machine: {} hardware threads, {} of memory, {why}", machine.smp, machine.memory);
    let host = machine::host_parallelism();
    if machine.mode == Mode::Parallel && machine.smp > host {
        eprintln!(
            "This host runs {host} of the {} hardware threads at once: do not trust the times shown.",
            machine.smp
        );
    }
    match system.run_for() {
        Some(time) => eprintln!("It ends after {} s, on Ctrl-C, or on `quit`.", time.as_secs_f32()),
        None => eprintln!("It ends on Ctrl-C or on `quit`."),
    }
    if machine.gdb {
        eprintln!("Waiting for a debugger. In another terminal:\n\n    {}\n", machine::gdb_command(&machine.kernel));
    }
    if std::io::stderr().is_terminal() {
        eprintln!();
    }
}

/// Turns the machine's end into ours.
fn conclude(project: &Project, outcome: &Outcome) -> Result<ExitCode> {
    let log = project.shown(&outcome.log);
    match outcome.ending {
        Ending::Code(0) => Ok(ExitCode::SUCCESS),
        Ending::Code(1) => bail!("the system's verdict is failure; its log is {log}"),
        Ending::Code(code) => bail!("the kernel gave up with code {code}; the log is {log}"),
        Ending::Killed => {
            eprintln!("Ended without a summary; the log is {log}");
            Ok(ExitCode::from(130))
        }
        Ending::TimedOut => bail!("the system took too long; the log is {log}"),
        Ending::Emulator(status) => {
            let status = status.map_or("by a signal".to_owned(), |status| format!("with status {status}"));
            let complaint = process::tail(&outcome.emulator, 10);
            let complaint = if complaint.is_empty() { outcome.tail() } else { complaint };
            Err(anyhow::anyhow!("QEMU ended {status}:\n{complaint}")).with_context(|| format!("the log is {log}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{patience, seconds};

    #[test]
    fn many_hardware_threads_are_waited_for_longer() {
        assert_eq!(patience(Duration::from_secs(3), 1), Duration::from_secs(120));
        assert_eq!(patience(Duration::from_secs(3), 64), Duration::from_secs(3_900));
        assert_eq!(patience(Duration::MAX, 64), Duration::MAX);
    }

    #[test]
    fn a_run_time_is_a_positive_number_of_seconds() {
        assert_eq!(seconds("10").unwrap().as_secs(), 10);
        assert_eq!(seconds("0.5s").unwrap().as_millis(), 500);
        for wrong in ["0", "-1", "ten", "", "inf", "NaN"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
