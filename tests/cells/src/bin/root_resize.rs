//! Root program: cells get and lose harts and memory while they run.
//!
//! Arguments: `scenario=` `release`, `adopt`, `back`, `lend`, `rest`, `storm`, `memory`, `refusals` or `destroy`; `small=BITS` and `large=BITS`, the hardware threads that the first cell has and gets; `rounds=N`
//! of growing and shrinking (default 4).

#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use core::sync::atomic::AtomicU64;

use cell::abi::account::{ACTIVATION_LOG_ENTRIES, Activation, ActivationLog, CellState, CellStatus};
use cell::abi::plan::{PlanEntry, PlanHeader, Refusal, RefusalReason};
use cell::abi::{Error, ErrorKind, Handle};
use cell::{calls, time};
use rab_cell::archive::Archive;
use test_cells::system::Loaded;
use test_cells::{check, check_equal, check_refused, finish_machine, pump};

cell::entry!(main);

/// No test waits longer for anything, in ns. Long, because the host may keep a hardware thread from running.
const PATIENCE: u64 = 20_000_000_000;

const MS: u64 = 1_000_000;

fn main(_: u32) {
    if let Err(why) = run() {
        check("the system starts", false, why);
    }
    pump();
    finish_machine()
}

fn run() -> Result<(), String> {
    let loaded = Loaded::from_manifest()?;
    let name = loaded.args.split_whitespace().find_map(|word| word.strip_prefix("scenario="));
    match name {
        Some("release") => release(loaded),
        Some("adopt") => adopt(loaded),
        Some("back") => back(loaded),
        Some("lend") => lend(loaded),
        Some("rest") => rest(loaded),
        Some("storm") => storm(loaded),
        Some("memory") => memory(loaded),
        Some("refusals") => refusals(loaded),
        Some("destroy") => destroy(loaded),
        _ => Err(format!("there is no scenario {name:?}")),
    }
}

/// The first cell of the manifest, and the plan.
struct Guest {
    loaded: Loaded,
    small: u64,
    large: u64,
}

impl Guest {
    fn new(loaded: Loaded) -> Result<Self, String> {
        let (small, large) = (loaded.number("small", 0b10), loaded.number("large", 0b110));
        let mut guest = Self { loaded, small, large };
        guest.set(small)?;
        Ok(guest)
    }

    fn cell(&self) -> Handle {
        self.loaded.cells[0]
    }

    fn status(&self) -> CellStatus {
        calls::cell_status(self.cell()).unwrap_or_default()
    }

    /// Commits a plan in which it has these hardware threads.
    fn commit(&mut self, threads: u64) -> Result<u64, Error> {
        let before = self.loaded.entries[1].threads;
        self.loaded.entries[1].threads = threads;
        let result = commit(self.loaded.header, &self.loaded.entries);
        if result.is_err() {
            self.loaded.entries[1].threads = before;
        }
        result
    }

    /// As above, and waits until it is in force.
    fn set(&mut self, threads: u64) -> Result<(), String> {
        self.commit(threads)
            .map_err(|error| format!("{threads:#b} is refused: {error}, {:?}", Refusal::unpack(error.value)))?;
        wait("the plan is in force", || calls::machine_info().is_ok_and(|info| info.commit_ns != 0))
    }

    fn refused(&mut self, name: &str, threads: u64, reason: RefusalReason) {
        let seen = self.commit(threads).map_err(|error| (error.kind, Refusal::unpack(error.value)));
        check_equal(name, Err((ErrorKind::PlanRefused, Some(Refusal { reason, entry: 1, other: 1 }))), seen);
    }

    fn notice(&self, harts: u32, deadline: u64) -> Result<(), String> {
        calls::cell_notice(self.cell(), harts, deadline).map(|_| ()).map_err(|error| format!("no notice: {error}"))
    }

    /// Takes a hart of which nobody releases anything, after its deadline.
    fn take(&mut self) -> Result<(), String> {
        wait("both harts work", || self.status().heartbeats > 20)?;
        self.notice(1, time::now() + PATIENCE)?;
        self.refused("nothing was released, and it is too early", self.small, RefusalReason::NotReleased);
        let deadline = time::now() + 5 * MS;
        self.notice(1, deadline)?;
        sleep_until(deadline);
        self.set(self.small)?;
        let CellStatus { harts, taken_harts, wanted_harts, .. } = self.status();
        check_equal(
            "harts that are left, are to be left, and were taken",
            (1, 1, 1),
            (harts, wanted_harts, taken_harts),
        );
        let beats = self.status().heartbeats;
        sleep_until(time::now() + 5 * MS);
        check_equal("progress of a hart that was taken", beats, self.status().heartbeats);
        Ok(())
    }

    fn tell(&self) -> Result<(), String> {
        calls::cell_notify(self.cell()).map(|_| ()).map_err(|error| format!("no notification: {error}"))
    }

    fn ends_well(&self) -> Result<(), String> {
        wait("the cell ends", || self.status().state != CellState::Running as u32)?;
        pump();
        let CellStatus { state, code, .. } = self.status();
        check_equal("how the cell ended", (CellState::Exited as u32, 0), (state, code));
        Ok(())
    }
}

fn commit(header: PlanHeader, entries: &[PlanEntry]) -> Result<u64, Error> {
    loop {
        match calls::plan_commit(header, entries) {
            Err(error) if error.kind == ErrorKind::Again || rab_cell::refusal::is_too_soon(&error) => {
                let _ = calls::park(time::now() + 50_000);
            }
            result => return result,
        }
    }
}

fn sleep_until(instant: u64) {
    while time::now() < instant {
        let _ = calls::park(instant);
    }
}

fn wait(what: &str, is_so: impl Fn() -> bool) -> Result<(), String> {
    let patience = time::now() + PATIENCE;
    while !is_so() {
        pump();
        if time::now() > patience {
            return Err(format!("waited in vain: {what}"));
        }
        let _ = calls::park(time::now() + 100_000);
    }
    Ok(())
}

/// Where the latest activation of each hart was, if they have been activated.
fn latest_activations(cell: Handle, harts: u32) -> Option<(u64, u64)> {
    let entries = [Activation::default(); ACTIVATION_LOG_ENTRIES];
    let mut log = Box::new(ActivationLog { written: AtomicU64::new(0), reserved: 0, entries });
    let mut latest = None;
    for hart in 0..harts {
        calls::cell_log(cell, hart, &mut log).ok()?;
        let written = log.written.load(core::sync::atomic::Ordering::Relaxed);
        let at = log.entries[written.checked_sub(1)? as usize % ACTIVATION_LOG_ENTRIES].at_ns;
        let (low, high) = latest.unwrap_or((at, at));
        latest = Some((at.min(low), at.max(high)));
    }
    latest
}

/// Grows and shrinks a cell that takes part, over and over.
fn release(loaded: Loaded) -> Result<(), String> {
    let rounds = loaded.number("rounds", 4);
    let mut guest = Guest::new(loaded)?;
    let (few, many) = (guest.small.count_ones(), guest.large.count_ones());
    for round in 0..rounds {
        let before = guest.status();
        guest.set(guest.large)?;
        wait("it works", || guest.status().heartbeats > before.heartbeats + 50)?;
        let CellStatus { harts, wanted_harts, taken_harts, .. } = guest.status();
        check_equal("harts after growing", (many, many, 0), (harts, wanted_harts, taken_harts));
        wait("all harts have an activation at the same instant", || {
            latest_activations(guest.cell(), many).is_some_and(|(low, high)| low == high)
        })?;
        if round % 3 == 1 {
            // Harts that were released go on when the notice is taken back.
            guest.notice(few, time::now() + PATIENCE)?;
            wait("all are released", || guest.status().released_harts == many - few)?;
            guest.notice(many, 0)?;
            check_equal("no hart is to go", 0, guest.status().released_harts);
            guest.refused("the notice was taken back", guest.small, RefusalReason::NoNotice);
        }
        // So late that it does not matter.
        guest.notice(few, time::now() + PATIENCE)?;
        wait("all are released", || guest.status().released_harts == many - few)?;
        guest.set(guest.small)?;
        let (shrunk, CellStatus { harts, taken_harts, .. }) = (guest.status(), guest.status());
        check_equal("harts after shrinking", (few, 0), (harts, taken_harts));
        wait("it works on", || guest.status().heartbeats > shrunk.heartbeats + 50)?;
        pump();
    }
    guest.tell()?;
    guest.ends_well()
}

/// The hart that is left adopts what ran on the one that was taken; that one begins anew when it is given back.
fn adopt(loaded: Loaded) -> Result<(), String> {
    let mut guest = Guest::new(loaded)?;
    guest.set(guest.large)?;
    guest.take()?;
    let beats = guest.status().heartbeats;
    guest.tell()?;
    wait("the context goes on", || guest.status().heartbeats > beats + 10)?;
    check_equal("contexts that nobody has", 0, guest.status().taken_harts);
    guest.set(guest.large)?;
    guest.ends_well()
}

/// Nobody adopts it, and the hart goes on when it is given back.
fn back(loaded: Loaded) -> Result<(), String> {
    let mut guest = Guest::new(loaded)?;
    guest.set(guest.large)?;
    guest.take()?;
    let beats = guest.status().heartbeats;
    guest.set(guest.large)?;
    wait("the context goes on", || guest.status().heartbeats > beats + 10)?;
    guest.ends_well()
}

/// A hart that had events masked goes on in another one's time until it releases itself.
fn lend(loaded: Loaded) -> Result<(), String> {
    let mut guest = Guest::new(loaded)?;
    guest.set(guest.large)?;
    guest.take()?;
    guest.tell()?;
    wait("it has released itself", || guest.status().taken_harts == 0)?;
    guest.set(guest.large)?;
    guest.ends_well()
}

/// A hart that is busy with events is taken at all kinds of instants.
fn storm(loaded: Loaded) -> Result<(), String> {
    let rounds = loaded.number("rounds", 4);
    let mut guest = Guest::new(loaded)?;
    for round in 0..rounds {
        let beats = guest.status().heartbeats;
        guest.set(guest.large)?;
        wait("hart 1 works", || guest.status().heartbeats > beats)?;
        sleep_until(time::now() + 1_000 + round * 37);
        guest.notice(1, 0)?;
        guest.set(guest.small)?;
        guest.tell()?;
        wait("it is adopted", || guest.status().taken_harts == 0)?;
    }
    guest.ends_well()
}

/// A cell that is idle is woken by what is done to it.
fn rest(loaded: Loaded) -> Result<(), String> {
    let mut guest = Guest::new(loaded)?;
    let (few, many) = (guest.small.count_ones(), guest.large.count_ones());
    wait("the first harts have begun", || guest.status().heartbeats == few.into())?;
    sleep_until(time::now() + 20 * MS);
    for _ in 0..3 {
        guest.set(guest.large)?;
        wait("all harts have begun", || guest.status().heartbeats == many.into())?;
        sleep_until(time::now() + 20 * MS);
        guest.notice(few, time::now() + PATIENCE)?;
        wait("they are released", || guest.status().released_harts == many - few)?;
        guest.set(guest.small)?;
    }
    guest.tell()?;
    guest.ends_well()
}

fn memory(loaded: Loaded) -> Result<(), String> {
    let guest = Guest::new(loaded)?;
    wait("it has its memory", || guest.status().heartbeats > 0)?;
    let CellStatus { frames_used, frames_quota, .. } = guest.status();
    let set = |frames| calls::cell_memory(guest.cell(), frames, time::now() + 50 * MS);
    check_equal("more at once", Ok(0), set(frames_quota + 100));
    check_equal("the quota", frames_quota + 100, guest.status().frames_quota);
    check_equal("less of what is free, at once", Ok(0), set(frames_used + 20));
    check_equal("the quota", (frames_used + 20, 0), (guest.status().frames_quota, guest.status().wanted_frames));
    let refused = set(frames_used - 30).map_err(|error| (error.kind, error.value));
    check_equal("less than it uses, with what is free", Err((ErrorKind::InUse, 20)), refused);
    check_equal("the notice", frames_used - 30, guest.status().wanted_frames);
    wait("it gives memory back", || guest.status().frames_used <= frames_used - 30)?;
    check_equal("now it can be taken", Ok(0), set(frames_used - 30));
    let CellStatus { frames_quota, wanted_frames, .. } = guest.status();
    check_equal("the quota", (frames_used - 30, 0), (frames_quota, wanted_frames));
    let impossible = set(1).map_err(|error| error.kind);
    check_equal("less than it can do with", Err(ErrorKind::InUse), impossible);
    check_equal("a wrong wish is corrected", Ok(0), set(frames_quota));
    check_refused("nothing at all", ErrorKind::OutOfRange, set(0));
    guest.tell()?;
    guest.ends_well()?;
    check_refused("memory of a cell that has ended", ErrorKind::WrongState, set(frames_quota + 1));
    check_refused("a notice to a cell that has ended", ErrorKind::WrongState, calls::cell_notice(guest.cell(), 1, 0));
    Ok(())
}

fn refusals(loaded: Loaded) -> Result<(), String> {
    let mut guest = Guest::new(loaded)?;
    let fixed = *guest.loaded.cells.get(1).ok_or("there is no second cell")?;
    check_refused("a notice to a cell of fixed size", ErrorKind::FixedSize, calls::cell_notice(fixed, 1, 0));
    check_refused("less memory for it", ErrorKind::FixedSize, calls::cell_memory(fixed, 10, 0));
    check_equal("more memory for it", Ok(0), calls::cell_memory(fixed, 10_000, 0));
    let mut entries = guest.loaded.entries.clone();
    for threads in [0b0110, 0] {
        entries[2].threads = threads;
        let seen = commit(guest.loaded.header, &entries).map_err(|error| Refusal::unpack(error.value));
        let expected = Refusal { reason: RefusalReason::WrongGangSize, entry: 2, other: 2 };
        check_equal("another size for it", Err(Some(expected)), seen);
    }
    guest.refused("more harts than it can have", 0b1111, RefusalReason::WrongGangSize);
    guest.refused("no hart", 0, RefusalReason::WrongGangSize);
    guest.set(guest.large)?;
    guest.refused("no notice was given", guest.small, RefusalReason::NoNotice);
    for wrong in [0, 3, u32::MAX] {
        let seen = calls::cell_notice(guest.cell(), wrong, 0);
        check_refused("a notice of a size that it does not have", ErrorKind::OutOfRange, seen);
    }
    check_refused("a notice to itself", ErrorKind::NoRight, calls::cell_notice(Handle::OWN_CELL, 1, 0));
    check_refused("a notice to nobody", ErrorKind::BadHandle, calls::cell_notice(Handle::from_parts(99, 0), 1, 0));
    check_refused("a notice to the machine", ErrorKind::BadHandle, calls::cell_notice(Handle::MACHINE, 1, 0));
    let odd = |harts, most| calls::cell_create_resizable("odd", harts, most, 100).map(Handle::register);
    check_refused("fewer at most than at the start", ErrorKind::OutOfRange, odd(2, 1));
    check_refused("more than any machine has", ErrorKind::OutOfRange, odd(1, 65));
    check_refused("a most that its quota cannot pay", ErrorKind::NoMemory, odd(1, 64));
    pump();
    Ok(())
}

/// Destroys a cell in each state of the protocol: every frame comes back.
fn destroy(loaded: Loaded) -> Result<(), String> {
    let archive = Archive::open(&calls::machine_info().map_err(|error| format!("{error}"))?)?;
    let specs = archive.manifest()?.cells;
    let (small, large) = (loaded.number("small", 0b10), loaded.number("large", 0b110));
    let Loaded { args, header, entries, cells } = loaded;
    for cell in cells {
        end(header, &entries[..1], cell)?;
    }
    let free = || calls::machine_info().map_or(0, |info| info.frames_free);
    // The first cell of the manifest, and in some stages the second or the third.
    let stages = [
        ("grown", 0),
        ("given notice", 0),
        ("taken", 0),
        ("adopted", 0),
        ("given back", 0),
        ("given memory", 0),
        ("lent time", 1),
        ("released in part", 2),
        ("released and taken", 2),
    ];
    for (stage, spec) in stages {
        let before = free();
        let spec = specs.get(spec).ok_or("there are not three cells")?;
        let cell = rab_cell::loader::load(&archive, spec, 1).map_err(|error| format!("{error}"))?;
        let mut entries: alloc::vec::Vec<PlanEntry> = entries[..2].into();
        entries[1].cell = cell.register() as u32;
        let mut guest =
            Guest { loaded: Loaded { args: args.clone(), header, entries, cells: [cell].into() }, small, large };
        guest.set(large)?;
        wait("both harts work", || guest.status().heartbeats > 5)?;
        if stage != "grown" {
            guest.notice(1, 0)?;
        }
        if stage.starts_with("released") {
            wait("it has released them", || guest.status().released_harts == large.count_ones() - 1)?;
        }
        if !["grown", "given notice", "released in part"].contains(&stage) {
            guest.set(small)?;
        }
        if stage == "adopted" {
            guest.tell()?;
            wait("it is adopted", || guest.status().taken_harts == 0)?;
        }
        if stage == "lent time" {
            let beats = guest.status().heartbeats;
            guest.tell()?;
            wait("it runs in the other one's time", || guest.status().heartbeats > beats + 10)?;
        }
        if stage == "given back" {
            guest.set(large)?;
        }
        if stage == "given memory" {
            let more = calls::cell_memory(cell, guest.status().frames_quota + 1_000, 0);
            check_equal("more memory", Ok(0), more);
        }
        end(header, &guest.loaded.entries[..1], cell)?;
        check_equal(&format!("free frames after a cell that was {stage}"), before, free());
        pump();
    }
    Ok(())
}

/// Takes a cell out of the plan and destroys it.
fn end(header: PlanHeader, entries: &[PlanEntry], cell: Handle) -> Result<(), String> {
    commit(header, entries).map_err(|error| format!("{error}"))?;
    let patience = time::now() + PATIENCE;
    loop {
        match calls::cell_destroy(cell) {
            Ok(_) => return Ok(()),
            Err(Error { kind: ErrorKind::Again | ErrorKind::WrongState, .. }) if time::now() < patience => {
                let _ = calls::park(time::now() + 200_000);
            }
            Err(error) => return Err(format!("it cannot be destroyed: {error}")),
        }
    }
}
