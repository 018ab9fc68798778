//! The root cell's main loop.

mod resizing;
mod steering;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::abi::machine::MachineInfo;
use crate::abi::plan::{FLAG_IPI_ACTIVATION, PlanEntry, PlanHeader, PolicyKind};
use crate::abi::{Error, ErrorKind, Handle};
use cell::{calls, hart, time};
use manifest::{Activation, Expect, Policy, System};

use crate::archive::Archive;
use crate::broker::{Broker, Change};
use crate::command::{Command, HELP, LineReader};
use crate::connector::Connector;
use crate::member::{LogBuffer, Member, Phase};
use crate::plugged::{self, Find};
use crate::recovery::Found;
use crate::report::{self, Live};
use crate::table::quoted;
use crate::verdict::{self, Fate};
use crate::{channels, console, counters, promise, refusal, say};

/// No pumping in the last part of a window, in ns: a call that runs over the window's end would take time from others.
const RESERVE: u64 = 200_000;

/// How long the root cell sleeps where its policy does not say, in ns.
const NAP: u64 = 5_000_000;

/// How long the first plan may be refused as too soon, in ns.
const PATIENCE: u64 = 2_000_000_000;

/// A cell is started at most once in this time, in ns.
const RESTART_INTERVAL: u64 = 1_000_000_000;

/// How long a test goes on after the last cell that was to end has ended, in ns: what a cell broke shows in the others.
const AFTERMATH: u64 = 200_000_000;

/// How long a dead cell may keep its last words, in ns: long, because the host may keep this cell from reading them.
const LAST_WORDS: u64 = 10_000_000_000;

/// Runs the system of the boot archive to its end, and switches the machine off.
pub fn run(_hart: u32) {
    run_with(plugged::shipped);
}

/// The same, for a root program that brings optimizers of its own.
pub fn run_with(optimizers: Find) {
    let code = match Supervisor::start(optimizers) {
        Ok(mut supervisor) => {
            supervisor.serve();
            u64::from(!supervisor.finish())
        }
        Err(reason) => {
            say!("The system cannot start: {reason}.");
            say!("@tess check name=\"the system starts\" pass=false detail={}", quoted(&reason));
            say!("@tess verdict pass=false");
            1
        }
    };
    while console::pump() {}
    let error = calls::power_off(code);
    say!("The machine does not switch off: {error}");
}

/// The system at work.
#[derive(Debug)]
pub struct Supervisor {
    system: System,
    archive: Archive,
    root: Member,
    members: Vec<Member>,
    /// The number of the last plan.
    plan: u64,
    /// The cells changed since.
    plan_is_old: bool,
    /// For the root cell and each member, the part of the time that the plan promises.
    shares: Vec<f64>,
    /// Until when promises are added up.
    accounted_ns: u64,
    started_ns: u64,
    next_status_ns: u64,
    live: Live,
    keyboard: LineReader,
    log_buffer: LogBuffer,
    connector: Connector,
    hardware_threads: u32,
    quitting: bool,
    broker: Option<Broker>,
    /// What the broker decided and the kernel has not accepted yet.
    change: Option<Change>,
}

impl Supervisor {
    /// Reads the archive, shows the machine and the cells, loads them and commits the first plan. A cell that cannot be loaded is reported and left out.
    ///
    /// # Errors
    /// A sentence, if there is no readable manifest, no cell can be started, the optimizer is unknown, or the plan is refused.
    pub fn start(optimizers: Find) -> Result<Self, String> {
        let info = calls::machine_info().map_err(|error| format!("the machine does not describe itself: {error}"))?;
        say!("@tess first-cell boot_ns={}", info.boot_ns);
        let archive = Archive::open(&info)?;
        let system = archive.manifest()?;
        say!("");
        say!("{}: {}", system.name, system.about);
        report::machine(&info).iter().for_each(|line| say!("{line}"));
        let root = Member::root(&system.root);
        let mut broker = steering::broker(&system, &info, optimizers)?;
        let found =
            if info.root_lives > 1 { Some(Found::look(&info).map_err(|error| error.to_string())?) } else { None };
        let mut members: Vec<Member> = Vec::new();
        let mut fresh: Vec<String> = Vec::new();
        for (place, cell) in system.cells.iter().enumerate() {
            let mask = cell.threads.resolve(info.hardware_threads);
            let mut member = Member::new(cell.clone(), mask.as_ref().copied().unwrap_or(0));
            let mut admit =
                || mask.as_ref().map_or_else(|error| Err(error.to_string()), |_| steering::admit(&mut broker, place));
            let began = match &found {
                None => member.begin(&archive, admit()),
                Some(found) => found.restore(&mut member, &archive, admit),
            };
            if began {
                fresh.push(member.spec.name.clone());
            }
            members.push(member);
        }
        if found.is_some() {
            let (started, running) = (fresh.len(), members.iter().filter(|member| member.is_running()).count());
            let kept = running.saturating_sub(started);
            say!(
                "The root cell was started again, for its life {}: {kept} cells were there, {started} are started.",
                info.root_lives
            );
            // The root cell's own channels ended with it.
            fresh.push(String::from("root"));
            steering::found(&mut broker, &members);
        }
        for failure in connect(&system, &members, found.is_some().then_some(fresh.as_slice())) {
            say!("{failure}.");
        }
        say!("");
        report::resources(&system, &root, &members).iter().for_each(|line| say!("{line}"));
        for member in &members {
            if let Fate::NotStarted(why) = &member.fate {
                say!("{} does not start: {why}.", member.spec.name);
            }
        }
        if !members.is_empty() && !members.iter().any(Member::is_running) {
            return Err(String::from("no cell could be started"));
        }
        say!("");
        while console::pump() {}
        let now = time::now();
        let mut supervisor = Self {
            shares: Vec::new(),
            system,
            archive,
            root,
            members,
            plan: 0,
            plan_is_old: true,
            accounted_ns: now,
            started_ns: now,
            next_status_ns: now,
            live: Live::new(now),
            keyboard: LineReader::default(),
            log_buffer: LogBuffer::default(),
            connector: Connector::default(),
            hardware_threads: info.hardware_threads,
            quitting: false,
            broker,
            change: None,
        };
        if info.root_lives > 1 {
            supervisor.resume(&info);
        } else {
            supervisor.steer();
            supervisor.commit_first_plan()?;
        }
        Ok(supervisor)
    }

    /// Goes on after the root cell was started again: by the same plan, until something is to change.
    fn resume(&mut self, info: &MachineInfo) {
        if let Err(reason) = self.commit_first_plan() {
            say!("{reason}; the old plan stays in force.");
        }
        self.started_ns = info.boot_ns;
        let gone_ns = time::now().saturating_sub(info.root_died_ns);
        say!("The root cell goes on {} ms after it died.", gone_ns / 1_000_000);
        say!("@tess sample root.recovery_ns {gone_ns}");
    }

    fn commit_first_plan(&mut self) -> Result<(), String> {
        let deadline = time::now() + PATIENCE;
        loop {
            match self.commit() {
                Ok(()) => break,
                Err((error, _)) if refusal::is_too_soon(&error) && time::now() < deadline => {
                    let _ = calls::park(time::now() + 1_000_000);
                }
                Err((error, header)) => return Err(self.describe_refusal(&error, &header)),
            }
        }
        self.change_is_in_force();
        self.root = Member::root(&self.system.root);
        self.started_ns = time::now();
        self.live = Live::new(self.started_ns);
        self.next_status_ns = self.started_ns + self.system.status_ns;
        Ok(())
    }

    /// Makes a plan of the root cell and the cells that run. If it is refused, the header says more.
    fn commit(&mut self) -> Result<(), (Error, PlanHeader)> {
        let entries: Vec<PlanEntry> = self.planned().filter_map(plan_entry).collect();
        let header = PlanHeader {
            entries: 0,
            flags: if self.system.activation == Activation::Ipi { FLAG_IPI_ACTIVATION } else { 0 },
            effective_ns: 0,
            slice_ns: self.system.slice_ns,
            tolerance_ns: self.system.tolerance_ns,
            ..PlanHeader::default()
        };
        self.plan = calls::plan_commit_explained(header, &entries)?;
        self.plan_is_old = false;
        self.account();
        self.settle_threads(true);
        let claims: Vec<promise::Claim> = self.planned().map(|member| member.claim).collect();
        let mut promised = promise::promised(&claims).into_iter();
        let all = core::iter::once(&self.root).chain(&self.members);
        self.shares =
            all.map(|member| if member.is_running() { promised.next().unwrap_or(0.0) } else { 0.0 }).collect();
        Ok(())
    }

    /// The members of the plan, in its order.
    fn planned(&self) -> impl Iterator<Item = &Member> {
        core::iter::once(&self.root).chain(&self.members).filter(|member| member.is_running())
    }

    fn describe_refusal(&self, error: &Error, header: &PlanHeader) -> String {
        refusal::describe(error, header, |entry| {
            let member = self.planned().nth(entry.into())?;
            Some((member.spec.name.as_str(), member.claim.policy))
        })
    }

    /// Adds up what was promised until now.
    fn account(&mut self) {
        let now = time::now();
        let elapsed = now.saturating_sub(self.accounted_ns) as f64;
        for (member, share) in core::iter::once(&mut self.root).chain(&mut self.members).zip(&self.shares) {
            member.promised_ns += share * elapsed * f64::from(member.planned_threads.count_ones());
        }
        self.accounted_ns = now;
    }

    /// The main loop: until someone quits, the time is over, or a test has seen all that it waits for.
    pub fn serve(&mut self) {
        while !self.quitting && !self.is_over() {
            self.listen();
            self.observe(false);
            self.bury();
            self.take_harts();
            self.steer();
            self.renew_plan();
            self.connector.turn(self.members.iter().filter_map(Member::at));
            self.show_status();
            let (end, next) = self.window();
            while time::now() + RESERVE < end && console::pump() {}
            let _ = calls::park(next);
        }
    }

    /// The end of the root cell's present window, and when it has something to do next.
    fn window(&self) -> (u64, u64) {
        let now = time::now();
        match self.root.claim.policy {
            Policy::TimeTriggered { period_ns, phase_ns, length_ns } if period_ns > 0 => {
                let (_, at, _) = hart::activation();
                let since = now.saturating_sub(phase_ns);
                let next = phase_ns.saturating_add((since / period_ns + 1).saturating_mul(period_ns));
                (at.saturating_add(length_ns), next)
            }
            _ => (now + NAP, now + NAP),
        }
    }

    fn is_over(&self) -> bool {
        let now = time::now();
        let time_is_up = self.system.run_for_ns.is_some_and(|limit| now.saturating_sub(self.started_ns) >= limit);
        let mut awaited =
            self.members.iter().filter(|member| matches!(member.spec.expect, Expect::Exit | Expect::Fault)).peekable();
        let is_test = awaited.peek().is_some();
        let all_seen = awaited.all(|member| {
            member.phase == Phase::Gone && !member.spec.restart && now.saturating_sub(member.ended_ns) >= AFTERMATH
        });
        time_is_up || (is_test && all_seen)
    }

    /// Reads what was typed and does what it says.
    fn listen(&mut self) {
        let mut typed = [0; 16];
        while let Ok(count @ 1..) = calls::console_read(&mut typed) {
            for byte in &typed[..count.min(typed.len())] {
                if let Some(command) = self.keyboard.push(*byte) {
                    self.obey(command);
                }
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Help => HELP.iter().for_each(|line| say!("  {line}")),
            Command::Cells => {
                self.observe(false);
                report::cells(&self.members).iter().for_each(|line| say!("{line}"));
            }
            Command::Plan => {
                report::plan(self.plan, &self.root, &self.members).iter().for_each(|line| say!("{line}"));
            }
            Command::Broker | Command::Why => self.explain(&command),
            Command::Kill(name) => self.kill(&name),
            Command::Notify(name) => self.notify(&name),
            Command::Resize(name, _) if self.is_brokered(&name) => say!("What {name} has is for the broker to say."),
            Command::Resize(name, harts) => self.resize(&name, harts),
            Command::Quit => self.quitting = true,
            Command::Mistake(answer) => say!("{answer}"),
        }
    }

    fn kill(&mut self, name: &str) {
        self.observe(true);
        if let Some(member) = self.members.iter_mut().find(|member| member.spec.name == name) {
            if member.kill() {
                member.ended_ns = time::now();
                self.plan_is_old = true;
            } else {
                say!("{name} does not run: it {}.", member.fate.describe());
            }
        } else if name == "root" {
            say!("The root cell ends, and the kernel starts it again.");
            while console::pump() {}
            calls::exit(0);
        } else {
            self.deny(name);
        }
    }

    fn notify(&mut self, name: &str) {
        self.observe(false);
        if let Some(member) = self.members.iter().find(|member| member.spec.name == name) {
            match member.phase {
                Phase::Running(handle) => match calls::cell_notify(handle) {
                    Ok(_) => say!("{name} is notified."),
                    Err(error) => say!("{name} cannot be notified: {error}."),
                },
                _ => say!("{name} does not run: it {}.", member.fate.describe()),
            }
        } else if name == "root" {
            say!("The root cell listens already.");
        } else {
            self.deny(name);
        }
    }

    /// Says that there is no such cell.
    fn deny(&self, name: &str) {
        let names: Vec<&str> = self.members.iter().map(|member| member.spec.name.as_str()).collect();
        say!("There is no cell `{}`; there are: {}.", name.escape_debug(), names.join(", "));
    }

    /// Sees how all cells do. A cell that ended is taken out of the plan.
    fn observe(&mut self, read_logs: bool) {
        for member in core::iter::once(&mut self.root).chain(&mut self.members) {
            let ended = member.observe();
            member.read_logs(&mut self.log_buffer, read_logs || ended);
            if ended {
                member.ended_ns = time::now();
                say!("{} {}.", member.spec.name, member.fate.describe());
                self.plan_is_old = true;
            }
        }
    }

    /// Takes back what ended cells had, and starts again those that are to be started again.
    fn bury(&mut self) {
        let now = time::now();
        let mut reborn: Vec<String> = Vec::new();
        for (place, member) in self.members.iter_mut().enumerate() {
            if let Phase::Ending(handle) = member.phase {
                let waited = now.saturating_sub(member.ended_ns) > LAST_WORDS;
                if self.plan_is_old || (member.console_waiting() > 0 && !waited) {
                    continue;
                }
                match calls::cell_destroy(handle) {
                    Ok(frames) => {
                        say!("{}: {frames} frames came back.", member.spec.name);
                        member.gone();
                    }
                    // Not all at once, or a muxer still follows the plan before.
                    Err(Error { kind: ErrorKind::Again | ErrorKind::WrongState, .. }) => {}
                    Err(error) => {
                        say!("{} cannot be destroyed: {error}.", member.spec.name);
                        member.gone();
                    }
                }
            }
            let again = member.spec.restart && matches!(member.fate, Fate::Exited(_) | Fate::Faulted(_));
            if again && member.phase == Phase::Gone && now >= member.started_ns.saturating_add(RESTART_INTERVAL) {
                match steering::admit(&mut self.broker, place) {
                    Ok(()) => member.load(&self.archive, now),
                    Err(reason) => member.fate = Fate::NotStarted(reason),
                }
                self.plan_is_old = true;
                let name = &member.spec.name;
                match &member.fate {
                    Fate::NotStarted(why) => say!("{name} cannot be started again: {why}."),
                    _ => {
                        say!("{name} is started again.");
                        reborn.push(name.clone());
                    }
                }
            }
        }
        if !reborn.is_empty() {
            self.connector.look();
            for failure in connect(&self.system, &self.members, Some(&reborn)) {
                say!("{failure}.");
            }
        }
    }

    fn show_status(&mut self) {
        let now = time::now();
        if self.system.status_ns == 0 || now < self.next_status_ns {
            return;
        }
        // The next one stays on its beat, however late this one is.
        let behind = (now - self.next_status_ns) / self.system.status_ns;
        self.next_status_ns += (behind + 1) * self.system.status_ns;
        let text = self.live.line(now, now.saturating_sub(self.started_ns), &self.members);
        say!("@tess status t_ns={now} text={}", quoted(&text));
    }

    /// The summary, the checks and the verdict. Returns whether all expectations were met.
    pub fn finish(&mut self) -> bool {
        self.observe(true);
        self.account();
        let elapsed = time::now().saturating_sub(self.started_ns);
        let info = calls::machine_info().unwrap_or_else(|_| MachineInfo::default());
        say!("");
        report::summary(&info, elapsed, &self.root, &self.members).iter().for_each(|line| say!("{line}"));
        self.connector.line().iter().for_each(|line| say!("{line}"));
        if self.system.root.args.split_whitespace().any(|word| word == "samples") {
            self.give_samples(&info, elapsed);
        }
        let mut passed = self.account_for_broker();
        for check in self.members.iter().flat_map(|member| verdict::checks(&member.outcome())) {
            passed &= check.pass;
            let (name, detail) = (quoted(&check.name), quoted(&check.detail));
            say!("@tess check name={name} pass={} detail={detail}", check.pass);
        }
        say!("@tess verdict pass={passed} {}", counters::words(&info));
        passed
    }

    /// What was measured, for a benchmark: `root.args = "samples"` asks for it.
    fn give_samples(&self, info: &MachineInfo, elapsed: u64) {
        say!("@tess sample elapsed_ns {elapsed}");
        for (name, value) in counters::named(info) {
            say!("@tess sample muxers.{name} {value}");
        }
        say!("@tess sample muxers.delay_ns {}", info.delay_ns);
        say!("@tess sample plan.commit_ns {}", info.commit_ns);
        for member in core::iter::once(&self.root).chain(&self.members) {
            let name = &member.spec.name;
            say!("@tess sample cell.heartbeats.{name} {}", member.heartbeats());
            say!("@tess sample cell.time_ns.{name} {}", member.time_ns());
            say!("@tess sample cell.promised_ns.{name} {}", member.promised_ns as u64);
            let skews = if member.harts() > 1 { member.log.samples() } else { &[] };
            for (what, samples) in [("gang.skew_ns", skews), ("cell.switch_ns", member.log.switches())] {
                for samples in samples.chunks(16) {
                    let words: Vec<String> = samples.iter().map(ToString::to_string).collect();
                    say!("@tess sample {what}.{name} {}", words.join(" "));
                }
            }
        }
    }
}

/// Makes the channels of the manifest between cells that run; only those of certain cells, if some are named. What could not be made is said in sentences.
fn connect(system: &System, members: &[Member], only: Option<&[String]>) -> Vec<String> {
    let concerns = |name: &String| only.is_none_or(|only| only.contains(name));
    let wanted = system.channels.iter().filter(|channel| concerns(&channel.from) || concerns(&channel.to));
    channels::connect(wanted, |name| match name {
        "root" => Some(Handle::OWN_CELL),
        name => running(members, name),
    })
}

fn running(members: &[Member], name: &str) -> Option<Handle> {
    match members.iter().find(|member| member.spec.name == name)?.phase {
        Phase::Running(handle) => Some(handle),
        _ => None,
    }
}

/// A running member's place in the plan.
fn plan_entry(member: &Member) -> Option<PlanEntry> {
    let Phase::Running(handle) = member.phase else { return None };
    Some(place_in_plan(handle, member.claim))
}

/// What the kernel is told of a cell in a plan.
#[must_use]
pub fn place_in_plan(handle: Handle, claim: promise::Claim) -> PlanEntry {
    let (policy, period_ns_or_weight, phase_ns, length_ns) = match claim.policy {
        Policy::Dedicated => (PolicyKind::Dedicated, 0, 0, 0),
        Policy::TimeTriggered { period_ns, phase_ns, length_ns } => {
            (PolicyKind::TimeTriggered, period_ns, phase_ns, length_ns)
        }
        Policy::EventTriggered { period_ns, budget_ns } => (PolicyKind::EventTriggered, period_ns, 0, budget_ns),
        Policy::BestEffort { weight } => (PolicyKind::BestEffort, weight.into(), 0, 0),
    };
    let cell = u32::try_from(handle.register()).unwrap_or(Handle::OWN_CELL.slot().into());
    PlanEntry { cell, policy: policy as u32, threads: claim.threads, period_ns_or_weight, phase_ns, length_ns }
}
