//! The machine to emulate: QEMU's command line, and the choices behind it, each of which can be said to the user.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::header::Header;
use crate::process;
use crate::setup::qemu::Qemu;

/// How time passes in the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// One instruction takes one virtual nanosecond; runs repeat exactly. For assertions about time.
    Deterministic,
    /// Hardware threads run in parallel on the host's. For distributions.
    Parallel,
}

/// What executes the machine's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Accel {
    /// The processor's virtualization where it really has it, else emulation.
    #[default]
    Auto,
    /// The processor's virtualization, through /dev/kvm.
    Kvm,
    /// Emulation.
    Tcg,
}

/// The interrupt controller that the kernel is told to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Apic {
    /// The older one, memory-mapped.
    Xapic,
    /// The newer one.
    X2apic,
}

/// The firmware that starts the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Firmware {
    /// The small one where QEMU brings it: the kernel is entered in half the time.
    #[default]
    Qboot,
    /// QEMU's ordinary one.
    Seabios,
}

/// A machine, ready to be started.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) mode: Mode,
    /// Hardware threads.
    pub(crate) smp: u32,
    /// As QEMU takes it: `256M`, `1G`.
    pub(crate) memory: String,
    pub(crate) accel: Accel,
    /// `None`: the best there is.
    pub(crate) apic: Option<Apic>,
    pub(crate) firmware: Firmware,
    /// The kernel's log level; `None`: the kernel's default.
    pub(crate) log: Option<String>,
    /// Wait for a debugger.
    pub(crate) gdb: bool,
    pub(crate) kernel: PathBuf,
    pub(crate) archive: PathBuf,
}

impl Machine {
    /// The machine that a test's or a benchmark's header asks for.
    pub(crate) fn from_header(header: &Header, kernel: &Path, archive: &Path) -> Self {
        Self {
            mode: header.mode,
            smp: header.smp,
            memory: header.memory.clone(),
            accel: Accel::Tcg,
            apic: header.apic,
            firmware: Firmware::default(),
            log: header.log.clone(),
            gdb: false,
            kernel: kernel.to_owned(),
            archive: archive.to_owned(),
        }
    }
}

/// Memory where nobody says how much.
pub(crate) const DEFAULT_MEMORY: &str = "256M";

/// How many hardware threads the host can run at once.
pub(crate) fn host_parallelism() -> u32 {
    std::thread::available_parallelism().map_or(1, |threads| u32::try_from(threads.get()).unwrap_or(u32::MAX))
}

/// As many hardware threads as the host can run at once, at least 2 and at most 4.
pub(crate) fn default_smp() -> u32 {
    host_parallelism().clamp(2, 4)
}

/// Decides what executes the instructions, and says why.
pub(crate) fn choose_accel(wanted: Accel, mode: Mode) -> (Accel, &'static str) {
    match (wanted, mode) {
        (Accel::Tcg, _) => (Accel::Tcg, "emulated, as asked for"),
        (_, Mode::Deterministic) => (Accel::Tcg, "emulated: only so one instruction is one virtual nanosecond"),
        (Accel::Kvm, _) => (Accel::Kvm, "virtualized, as asked for"),
        (Accel::Auto, _) if !processor_virtualizes() => {
            (Accel::Tcg, "emulated: the processor does not virtualize (neither vmx nor svm)")
        }
        (Accel::Auto, _) if !kvm_opens() => (Accel::Tcg, "emulated: /dev/kvm cannot be opened"),
        (Accel::Auto, _) => (Accel::Kvm, "virtualized by the processor"),
    }
}

/// Whether the processor has virtualization. The presence of /dev/kvm does not tell: nested hosts emulate it slowly.
fn processor_virtualizes() -> bool {
    std::fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| has_virtualization_flag(&text))
}

fn has_virtualization_flag(cpuinfo: &str) -> bool {
    let mut flags = cpuinfo.lines().filter(|line| line.starts_with("flags")).flat_map(str::split_whitespace);
    flags.any(|flag| flag == "vmx" || flag == "svm")
}

fn kvm_opens() -> bool {
    std::fs::OpenOptions::new().read(true).write(true).open("/dev/kvm").is_ok()
}

impl Machine {
    /// The processor to emulate. The kernel takes the best interrupt controller that the processor says it has, so an
    /// older one is chosen by leaving the newer one out.
    fn processor(&self, accel: Accel) -> String {
        let model = if accel == Accel::Kvm { "host" } else { "max" };
        // QEMU ends when an x2APIC's timer is read under icount.
        let old = self.mode == Mode::Deterministic || self.apic == Some(Apic::Xapic);
        format!("{model}{}", if old { ",-x2apic" } else { "" })
    }

    /// QEMU's command line.
    pub(crate) fn command(&self, qemu: &Qemu) -> Command {
        let (accel, _) = choose_accel(self.accel, self.mode);
        let mut command = Command::new(&qemu.program);
        command.args(["-machine", "q35", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"]);
        command.args(match (accel, self.mode) {
            (Accel::Kvm, _) => ["-accel", "kvm"],
            (_, Mode::Parallel) => ["-accel", "tcg,thread=multi"],
            (_, Mode::Deterministic) => ["-accel", "tcg,thread=single"],
        });
        if self.mode == Mode::Deterministic {
            command.args(["-icount", "shift=0,sleep=off"]);
        }
        command.args(["-cpu", &self.processor(accel)]);
        command.args(["-smp", &self.smp.to_string(), "-m", &self.memory]);
        // Named threads, so that they can be told apart.
        command.args(["-name", "tess,debug-threads=on"]);
        // signal=off: QEMU leaves the terminal's signals alone.
        command.args(["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"]);
        command.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]);
        if let (Firmware::Qboot, Some(rom)) = (self.firmware, &qemu.qboot) {
            command.arg("-bios").arg(rom);
        }
        if self.gdb {
            command.args(["-s", "-S"]);
        }
        command.arg("-kernel").arg(&self.kernel).arg("-initrd").arg(&self.archive);
        if let Some(level) = &self.log {
            command.args(["-append", &format!("log={level}")]);
        }
        command
    }

    /// Starts the machine with its console on pipes. It is killed when the calling thread ends.
    ///
    /// # Errors
    /// QEMU cannot be started.
    pub(crate) fn start(&self, qemu: &Qemu) -> Result<std::process::Child> {
        use std::os::unix::process::CommandExt;
        let mut command = self.command(qemu);
        // Its own process group: Ctrl-C is for us, we tell the machine in its own words.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        process::tie_to_parent(&mut command);
        if self.mode == Mode::Parallel {
            process::prefer(&mut command);
        }
        let child = command.spawn().with_context(|| format!("cannot run {}", qemu.program.display()))?;
        if self.mode == Mode::Parallel {
            prefer(child.id());
            if self.smp <= host_parallelism() {
                let (pid, smp) = (child.id(), self.smp);
                // QEMU makes its threads in its own time; who waits for them must not keep the console waiting.
                std::thread::spawn(move || pin(pid, smp));
            }
        }
        Ok(child)
    }
}

/// Has the host run QEMU's main thread (which delivers its timers) before others, where we are permitted to. The processors' threads, which it
/// makes later, must not inherit that: they would keep it from its timers.
fn prefer(pid: u32) {
    let mut command = Command::new("chrt");
    command.args(["--fifo", "--reset-on-fork", "--pid", "1", &pid.to_string()]);
    // Without the permission timers come later, which changes distributions, not results.
    let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
}

/// Gives each emulated hardware thread a host processor of its own. When two of them wake at once the host may put both on one processor, where the second
/// waits for milliseconds until the first is preempted.
fn pin(pid: u32, smp: u32) {
    let patience = Instant::now() + Duration::from_secs(2);
    let mut pinned = BTreeSet::new();
    while (pinned.len() as u32) < smp && Instant::now() < patience {
        let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return };
        for task in tasks.flatten() {
            // QEMU calls them "CPU 0/TCG", "CPU 1/TCG" and so on.
            let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            let number =
                name.strip_prefix("CPU ").and_then(|rest| rest.split_once('/')).map(|(number, _)| number.to_owned());
            let Some(number) = number.filter(|number| !pinned.contains(number)) else { continue };
            let mut command = Command::new("taskset");
            command.args(["--pid", "--cpu-list", &number]).arg(task.file_name());
            // Without it distributions have longer tails; results are the same.
            let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
            pinned.insert(number);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The command that attaches a debugger to a waiting machine.
pub(crate) fn gdb_command(kernel: &Path) -> String {
    format!("gdb {} -ex 'target remote localhost:1234'", kernel.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(mode: Mode) -> Machine {
        Machine {
            mode,
            smp: 2,
            memory: DEFAULT_MEMORY.into(),
            accel: Accel::Tcg,
            apic: None,
            firmware: Firmware::Qboot,
            log: Some("debug".into()),
            gdb: false,
            kernel: "kernel".into(),
            archive: "archive".into(),
        }
    }

    fn command_line(machine: &Machine) -> String {
        process::shown(&machine.command(&Qemu { program: "qemu".into(), version: (10, 0), qboot: None }))
    }

    #[test]
    fn the_deterministic_machine_counts_instructions_and_has_no_x2apic() {
        let line = command_line(&machine(Mode::Deterministic));
        assert!(line.contains("-icount shift=0,sleep=off -cpu max,-x2apic"), "{line}");
        assert!(line.contains("thread=single"), "{line}");
        assert!(line.contains("-append log=debug"), "{line}");
    }

    #[test]
    fn the_parallel_machine_lets_the_kernel_choose_its_interrupt_controller() {
        let line = command_line(&machine(Mode::Parallel));
        assert!(line.contains("thread=multi"), "{line}");
        assert!(!line.contains("apic"), "{line}");
        assert!(!line.contains("icount"), "{line}");
    }

    #[test]
    fn the_older_interrupt_controller_is_chosen_by_leaving_the_newer_one_out() {
        let machine = Machine { apic: Some(Apic::Xapic), ..machine(Mode::Parallel) };
        assert!(command_line(&machine).contains("-cpu max,-x2apic"));
    }

    #[test]
    fn virtualization_needs_the_processors_flag() {
        assert!(has_virtualization_flag("processor : 0\nflags\t\t: fpu vmx sse\n"));
        assert!(!has_virtualization_flag("processor : 0\nflags\t\t: fpu sse vmxoff\nbugs: vmx\n"));
    }

    #[test]
    fn deterministic_time_is_never_virtualized() {
        assert_eq!(choose_accel(Accel::Kvm, Mode::Deterministic).0, Accel::Tcg);
    }
}
