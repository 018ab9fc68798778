//! The root cell's next life. When it dies the plan stays in force, and all other cells run on. The kernel empties the root cell's memory, fills it again and starts it, in the
//! root cell's own windows and in small steps, so that nobody else's window pays. Its handles stay: they are how it finds out what there is.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use abi::Error;
use abi::call::Access;
use abi::layout::{DISPATCH_OFFSET, LOG_OFFSET, hart_area};
use spin::Mutex;

use super::FILLING;
use crate::arch::power;
use crate::cells::{self, Cell};
use crate::cpu::Cpu;
use crate::memory::frames;
use crate::memory::space::{Space, Taken};
use crate::{channels, console, say, start};

/// Steps that are done without looking at anything else: a few microseconds.
const STEPS: usize = 4;

/// A shorter life, in ns, is a failure.
const SHORT: u64 = 1_000_000_000;

/// So many failures in a row, and the machine is switched off: the next life would end in the same way.
const FAILURES_MAX: u32 = 8;

/// The exit code of a machine whose root cell cannot live.
const HOPELESS: u32 = 2;

/// How far the next life is prepared.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Its ends of channels are taken down.
    Channels,
    /// Its memory is taken, from here on.
    Emptying { cursor: u64 },
    /// It gets new tables.
    Tables,
    /// The pages that its hart shares with the kernel come into them.
    Own,
    /// Its memory is filled, from this page on.
    Filling { place: u64 },
}

static STAGE: Mutex<Stage> = Mutex::new(Stage::Channels);
static LIVES: AtomicU64 = AtomicU64::new(0);
static BEGAN: AtomicU64 = AtomicU64::new(0);
static DIED: AtomicU64 = AtomicU64::new(0);
static BEATS: AtomicU64 = AtomicU64::new(0);
static FAILURES: AtomicU32 = AtomicU32::new(0);

/// How many lives the root cell has begun.
pub(crate) fn lives() -> u64 {
    LIVES.load(Ordering::Relaxed)
}

/// When the last life ended; 0 if this is the first.
pub(crate) fn died_at() -> u64 {
    DIED.load(Ordering::Relaxed)
}

/// The heartbeats of the last life that ended.
pub(crate) fn beats() -> u64 {
    BEATS.load(Ordering::Relaxed)
}

/// A life begins.
pub(super) fn begins(now: u64) {
    LIVES.fetch_add(1, Ordering::Relaxed);
    BEGAN.store(now, Ordering::Relaxed);
}

/// Whether the root cell is dead, or not yet back.
pub(crate) fn is_dead() -> bool {
    !cells::at(start::ROOT.into()).life.is_running()
}

/// A cell has ended. If it is the root cell and it fails again and again, this is the machine's end.
pub(crate) fn died(cpu: &Cpu, cell: &Cell, why: &str) {
    if cell.slot != start::ROOT {
        return;
    }
    DIED.store(cpu.now(), Ordering::Relaxed);
    let lived = cpu.now().saturating_sub(BEGAN.load(Ordering::Relaxed));
    let failures = if lived < SHORT { FAILURES.load(Ordering::Relaxed) + 1 } else { 1 };
    FAILURES.store(failures, Ordering::Relaxed);
    if failures >= FAILURES_MAX {
        console::drain();
        console::go_direct();
        say!("kernel: error: the root cell is no more: {why}, {failures} times in a row");
        power::off(HOPELESS);
    }
    say!("kernel: warning: the root cell is no more: {why}; it is started again, and the plan stays in force");
}

/// Goes a few small steps towards the root cell's next life. True when it has begun.
pub(crate) fn revive(cpu: &mut Cpu) -> bool {
    let cell = cells::at(start::ROOT.into());
    let (Some(mut stage), false) = (STAGE.try_lock(), cells::is_loaded(cell)) else { return false };
    for _ in 0..STEPS {
        match step(cpu, cell, *stage) {
            Ok(Some(next)) => *stage = next,
            Ok(None) => {
                *stage = Stage::Channels;
                begins(cpu.now());
                return true;
            }
            // Something is not given back yet, or others took the memory: the next look tries again.
            Err(_) => break,
        }
    }
    false
}

/// One page, or one table. Returns the next stage; none after the last.
fn step(cpu: &mut Cpu, cell: &'static Cell, stage: Stage) -> Result<Option<Stage>, Error> {
    let own_pages = [hart_area(0) + DISPATCH_OFFSET, hart_area(0) + LOG_OFFSET];
    let (Some(hart), Some(filling)) = (cell.hart(0), FILLING.get()) else { return Ok(Some(stage)) };
    Ok(Some(match stage {
        Stage::Channels => {
            channels::cell_destroyed(cpu, cell)?;
            let _guard = cell.space.lock();
            // Their frames stay: other hardware threads may be posting events there.
            own_pages.iter().for_each(|page| cell.unmap_kept(*page));
            Stage::Emptying { cursor: 0 }
        }
        Stage::Emptying { mut cursor } => {
            let _guard = cell.space.lock();
            match cell.space().take_apart(&mut cursor) {
                Taken::Frame(frame) => {
                    frames::give(cpu, &cell.quota, frame);
                    Stage::Emptying { cursor }
                }
                Taken::Root(frame) => {
                    frames::give(cpu, &cell.quota, frame);
                    Stage::Tables
                }
            }
        }
        Stage::Tables => {
            let root = frames::take(cpu, &cell.quota)?;
            cell.set_space(Space::new(root));
            Stage::Own
        }
        Stage::Own => {
            let _guard = cell.space.lock();
            let pages = [(hart.dispatch.frame(), Access::ReadWrite), (hart.log.frame(), Access::Read)];
            for (page, (frame, access)) in own_pages.into_iter().zip(pages) {
                // An earlier try may have mapped one.
                cell.unmap_kept(page);
                cell.space().map(page, frame, access, false, || frames::take(cpu, &cell.quota))?;
            }
            BEATS.store(hart.dispatch.heartbeats().load(Ordering::Relaxed), Ordering::Relaxed);
            hart.renew();
            // Nobody else changes the life of a root cell that has ended.
            cell.life.renew()?;
            Stage::Filling { place: 0 }
        }
        Stage::Filling { place } => {
            if !filling.map_page(cpu, cell, place)? {
                cell.start(filling.entry())?;
                return Ok(None);
            }
            Stage::Filling { place: place + 1 }
        }
    }))
}
