//! Cells and their harts.

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use abi::account::{CellState, CellStatus};
use abi::call::{Access, NAME_MAX};
use abi::layout::{DISPATCH_OFFSET, LOG_OFFSET, STACK_TOP_OFFSET, hart_area};
use abi::{Context, Error, ErrorKind, Handle, MAX_CELLS, MAX_HANDLES, Rights};
use kernel_core::console::Ring;
use kernel_core::handles::HandleTable;
use kernel_core::life::Life;
use kernel_core::quota::Quota;
use kernel_core::resize::Size;
use muxer::Instant;
use muxer::inputs::{Log, Reporter, Situation};
use spin::Mutex;

use crate::arch::features::features;
use crate::arch::firmware::MAX_THREADS;
use crate::arch::registers::{self, Bases};
use crate::arch::trap::VECTOR_WAKE;
use crate::channels::{self, End};
use crate::cpu::Cpu;
use crate::memory::frames;
use crate::memory::object::{self, Dispatch, FrameBox, Slot, VectorFrame};
use crate::memory::space::{Space, Taken};
use crate::resize;
use crate::start;

/// Frames that one call gives back at most when a cell is destroyed.
const DESTROY_STEP: usize = 256;

/// No hardware thread.
pub(crate) const NOWHERE: u32 = u32::MAX;

/// What a handle can name.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Object {
    Machine,
    Cell(&'static Cell),
    Channel(End),
}

/// A place for a cell.
pub(crate) struct Cell {
    pub(crate) slot: u16,
    pub(crate) life: Life,
    pub(crate) quota: Quota,
    name: Mutex<[u8; NAME_MAX]>,
    pub(crate) handles: Mutex<HandleTable<Object, MAX_HANDLES>>,
    /// Guards changes of the address space, and reads of it that must not see a page vanish.
    pub(crate) space: Mutex<()>,
    root: AtomicU64,
    harts: [Slot<Hart>; MAX_THREADS],
    pub(crate) size: Size,
    pub(crate) ring: Mutex<Option<FrameBox<Ring>>>,
    /// Lines that found the ring full.
    pub(crate) console_full: AtomicU64,
    /// Counts up when translations must be forgotten.
    pub(crate) flush_wanted: AtomicU64,
    /// What it says of itself to the muxers.
    pub(crate) inputs: Log,
    /// Whoever has this may write to `inputs`.
    pub(crate) reporter: Mutex<Reporter>,
    /// Periods in which a reserve did not get its budget although it had work.
    pub(crate) short_periods: AtomicU64,
    /// The muxers' count of them when it was looked at last.
    pub(crate) short_periods_seen: AtomicU32,
    /// Ends of channels that it has, those that are being taken down included.
    pub(crate) channel_ends: AtomicU32,
    /// Channels that it began and that are not whole yet.
    pub(crate) channels_begun: AtomicU32,
    /// Attempts that were refused for want of a handle or a right.
    pub(crate) refused: AtomicU64,
    /// Time of its activations in which harts of other cells ran that it had handed something to, in ns.
    pub(crate) lent: AtomicU64,
    /// Time in which its harts ran in others' activations, in ns.
    pub(crate) borrowed: AtomicU64,
    destroy: Mutex<Destroy>,
}

impl core::fmt::Debug for Cell {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "cell {}", self.slot)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Destroy {
    cursor: u64,
    returned: u64,
}

/// A hart as the kernel keeps it between activations.
pub(crate) struct Hart {
    pub(crate) number: u32,
    registers: Mutex<(Context, Bases)>,
    pub(crate) vector: Mutex<VectorFrame>,
    pub(crate) dispatch: Dispatch,
    pub(crate) dispatch_address: u64,
    pub(crate) log: object::Log,
    /// The hardware thread that has it loaded.
    running_on: AtomicU32,
    /// When its tick is due; 0: none.
    pub(crate) tick_at: AtomicU64,
    /// Until when it is parked; 0: it is not.
    pub(crate) parked_until: AtomicU64,
    /// The handle of the channel by which it waits to be handed something, plus 1; 0: none.
    pub(crate) waits_on: AtomicU64,
    /// It has not run since it was made, or since its context was adopted.
    pub(crate) is_fresh: AtomicBool,
    /// It has given itself back: it is parked, and events do not wake it.
    pub(crate) is_released: AtomicBool,
    /// The cell's `flush_wanted` that it has caught up with.
    pub(crate) flushed: AtomicU64,
    pub(crate) time: AtomicU64,
    pub(crate) activations: AtomicU64,
    pub(crate) missed: AtomicU64,
    /// The instant of its last activation; 0 before the first.
    pub(crate) last_activation: AtomicU64,
    pub(crate) calls: AtomicU64,
    pub(crate) upcalls: AtomicU64,
}

impl Hart {
    /// Takes the hart for a hardware thread; false while another one has it.
    pub(crate) fn claim(&self, thread: usize) -> bool {
        self.running_on.compare_exchange(NOWHERE, thread as u32, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    /// Gives the hart up, its registers stored.
    pub(crate) fn release(&self) {
        self.running_on.store(NOWHERE, Ordering::SeqCst);
    }

    /// Where it is loaded.
    pub(crate) fn place(&self) -> Option<usize> {
        let thread = self.running_on.load(Ordering::SeqCst);
        (thread != NOWHERE).then_some(thread as usize)
    }

    pub(crate) fn store_context(&self, context: &Context) {
        self.registers.lock().0 = *context;
    }

    pub(crate) fn store_bases(&self) {
        self.registers.lock().1 = Bases::read();
    }

    pub(crate) fn load(&self) -> (Context, Bases) {
        *self.registers.lock()
    }

    /// Makes the hart of a cell of one hart as it was before it began. What it did stays counted. The cell has ended, and the hart is not loaded.
    pub(crate) fn renew(&self) {
        let features = features();
        self.dispatch.renew(0, [1, 1], features.vector_mask, features.vector_bytes);
        self.vector.lock().area().reset();
        self.is_released.store(false, Ordering::SeqCst);
        for word in [&self.tick_at, &self.parked_until, &self.waits_on] {
            word.store(0, Ordering::SeqCst);
        }
    }

    /// Makes it begin at an instruction with a stack, as if it had never run. It is not loaded.
    pub(crate) fn begin_at(&self, entry: u64, stack: u64) {
        let context = Context { rip: entry, rdi: u64::from(self.number), rsp: stack, ..Context::default() };
        *self.registers.lock() = (context, Bases { fs: 0, gs: self.dispatch_address });
        self.is_fresh.store(true, Ordering::SeqCst);
    }

    /// Whether nothing runs on it that could be lost with it.
    pub(crate) fn is_vacant(&self) -> bool {
        self.is_fresh.load(Ordering::SeqCst) || self.is_released.load(Ordering::SeqCst)
    }

    /// Changes its registers while it is not loaded.
    pub(crate) fn change_context(&self, change: impl FnOnce(&mut Context)) {
        change(&mut self.registers.lock().0);
    }
}

static CELLS: [Cell; MAX_CELLS] = {
    let mut cells = [const {
        Cell {
            slot: 0,
            life: Life::new(),
            quota: Quota::new(),
            name: Mutex::new([0; NAME_MAX]),
            handles: Mutex::new(HandleTable::new()),
            space: Mutex::new(()),
            root: AtomicU64::new(0),
            harts: [const { Slot::empty() }; MAX_THREADS],
            size: Size::new(),
            ring: Mutex::new(None),
            console_full: AtomicU64::new(0),
            flush_wanted: AtomicU64::new(0),
            inputs: Log::new(),
            reporter: Mutex::new(Reporter::new()),
            short_periods: AtomicU64::new(0),
            short_periods_seen: AtomicU32::new(0),
            channel_ends: AtomicU32::new(0),
            channels_begun: AtomicU32::new(0),
            refused: AtomicU64::new(0),
            lent: AtomicU64::new(0),
            borrowed: AtomicU64::new(0),
            destroy: Mutex::new(Destroy { cursor: 0, returned: 0 }),
        }
    }; MAX_CELLS];
    let mut slot = 0;
    while slot < MAX_CELLS {
        cells[slot].slot = slot as u16;
        slot += 1;
    }
    cells
};

/// The cell at a place.
pub(crate) fn at(slot: usize) -> &'static Cell {
    &CELLS[slot]
}

/// Makes an empty cell, on its own account: root table, console ring, and for each hart its state, vector area, dispatch page and log. `harts` are those that it begins
/// with, and the most that it can have: so many are made.
pub(crate) fn create(cpu: &mut Cpu, name: [u8; NAME_MAX], harts: [u32; 2], quota: u64) -> Result<&'static Cell, Error> {
    let cell = CELLS.iter().find(|cell| cell.life.claim()).ok_or(Error::plain(ErrorKind::Full))?;
    cell.quota.open(quota);
    *cell.name.lock() = name;
    *cell.destroy.lock() = Destroy::default();
    cell.console_full.store(0, Ordering::Relaxed);
    // No plan has named the place since the last cell in it was destroyed, so nobody reads this.
    cell.inputs.clear();
    *cell.reporter.lock() = Reporter::new();
    for counter in [&cell.refused, &cell.lent, &cell.borrowed, &cell.short_periods] {
        counter.store(0, Ordering::Relaxed);
    }
    cell.short_periods_seen.store(0, Ordering::Relaxed);
    cell.size.open(harts[0], harts[1]);
    let result = build(cpu, cell, harts);
    if let Err(error) = result {
        while let Err(Error { kind: ErrorKind::Again, .. }) = destroy(cpu, cell) {}
        return Err(error);
    }
    Ok(cell)
}

fn build(cpu: &mut Cpu, cell: &'static Cell, harts: [u32; 2]) -> Result<(), Error> {
    let root = frames::take(cpu, &cell.quota)?;
    cell.root.store(Space::new(root).root(), Ordering::Release);
    let ring = frames::take(cpu, &cell.quota)?;
    *cell.ring.lock() = Some(FrameBox::new(ring, Ring::new()));
    let mut handles = cell.handles.lock();
    handles.clear();
    handles.set(Handle::OWN_CELL, Object::Cell(cell), Rights::OBSERVE);
    drop(handles);
    let features = features();
    for number in 0..harts[1] {
        let area = hart_area(number);
        let dispatch = frames::take(cpu, &cell.quota)?;
        let page = Dispatch::new(dispatch, number, harts, features.vector_mask, features.vector_bytes);
        if let Err(error) = map(cpu, cell, area + DISPATCH_OFFSET, dispatch, Access::ReadWrite) {
            frames::give(cpu, &cell.quota, dispatch);
            return Err(error);
        }
        let log = frames::take(cpu, &cell.quota)?;
        if let Err(error) = map(cpu, cell, area + LOG_OFFSET, log, Access::Read) {
            frames::give(cpu, &cell.quota, log);
            return Err(error);
        }
        let vector = frames::take(cpu, &cell.quota)?;
        let frame = match frames::take(cpu, &cell.quota) {
            Ok(frame) => frame,
            Err(error) => {
                frames::give(cpu, &cell.quota, vector);
                return Err(error);
            }
        };
        let hart = Hart {
            number,
            registers: Mutex::new((Context::default(), Bases { fs: 0, gs: area + DISPATCH_OFFSET })),
            vector: Mutex::new(VectorFrame::new(vector)),
            dispatch: page,
            dispatch_address: area + DISPATCH_OFFSET,
            log: object::Log::new(log),
            running_on: AtomicU32::new(NOWHERE),
            tick_at: AtomicU64::new(0),
            parked_until: AtomicU64::new(0),
            waits_on: AtomicU64::new(0),
            is_fresh: AtomicBool::new(true),
            is_released: AtomicBool::new(false),
            flushed: AtomicU64::new(0),
            time: AtomicU64::new(0),
            activations: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            last_activation: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            upcalls: AtomicU64::new(0),
        };
        cell.harts[number as usize].fill(FrameBox::new(frame, hart));
    }
    cell.flush_wanted.store(0, Ordering::Relaxed);
    Ok(())
}

/// Maps a frame into a cell; tables are paid by the cell.
pub(crate) fn map(
    cpu: &mut Cpu,
    cell: &Cell,
    address: u64,
    frame: kernel_core::frames::Frame,
    access: Access,
) -> Result<(), Error> {
    let _guard = cell.space.lock();
    cell.space().map(address, frame, access, false, || frames::take(cpu, &cell.quota))
}

impl Cell {
    /// Its address space. Whoever changes it, or relies on a page to stay, holds the lock `space`.
    pub(crate) fn space(&self) -> Space {
        Space::at(self.root.load(Ordering::Acquire))
    }

    /// Gives it another address space. The one before was taken apart.
    pub(crate) fn set_space(&self, space: Space) {
        self.root.store(space.root(), Ordering::Release);
    }

    /// Takes a page out of its address space whose frame is used on. No hardware thread has the space loaded, and the caller has locked it.
    pub(crate) fn unmap_kept(&self, page: u64) {
        if self.space().banish(page) {
            let _ = self.space().reap(page);
        }
    }

    /// A hart.
    pub(crate) fn hart(&self, number: usize) -> Option<&'static Hart> {
        self.harts.get(number)?.get()
    }

    /// Its harts, also those that no plan gives it now.
    pub(crate) fn harts(&self) -> impl Iterator<Item = &'static Hart> {
        self.harts.iter().take(self.hart_count()).filter_map(Slot::get)
    }

    pub(crate) fn hart_count(&self) -> usize {
        self.size.most()
    }

    /// Those that it has by the plan that was published last.
    pub(crate) fn present(&self) -> impl Iterator<Item = &'static Hart> {
        self.harts().take(self.size.present())
    }

    /// What its harts are doing.
    pub(crate) fn situation(&self) -> Situation {
        if self.slot == start::ROOT && !self.life.is_running() {
            // Its windows are needed to bring it back.
            return Situation::Busy;
        }
        let mut until = u64::MAX;
        for hart in self.present().filter(|hart| !resize::rests(self, hart)) {
            let parked = hart.parked_until.load(Ordering::SeqCst);
            if parked == 0 || hart.dispatch.pending() != 0 {
                return Situation::Busy;
            }
            let tick = hart.tick_at.load(Ordering::Relaxed);
            until = until.min(parked).min(if tick == 0 { u64::MAX } else { tick });
        }
        Situation::Idle { until: Instant::from_nanos(until) }
    }

    /// Its name, padded with zeroes.
    pub(crate) fn name(&self) -> [u8; NAME_MAX] {
        *self.name.lock()
    }

    /// Calls `visit` with its name.
    pub(crate) fn with_name<R>(&self, visit: impl FnOnce(&str) -> R) -> R {
        let name = self.name();
        let length = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
        visit(core::str::from_utf8(&name[..length]).unwrap_or("?"))
    }

    /// Makes every hart start at `entry`, when the plan says so.
    pub(crate) fn start(&self, entry: u64) -> Result<(), Error> {
        if !self.life.is_new() {
            return self.life.start();
        }
        for hart in self.harts() {
            hart.begin_at(entry, hart_area(hart.number) + STACK_TOP_OFFSET);
        }
        self.life.start()
    }

    /// Ends the cell: from here on no hart of it is activated, and those that run are stopped by an interrupt.
    pub(crate) fn end(&self, cpu: &mut Cpu, state: CellState, code: u64) {
        if self.life.end(state, code & 0xff_ffff_ffff_ffff).is_err() {
            return;
        }
        for hart in self.harts() {
            if let Some(thread) = hart.place().filter(|thread| *thread != cpu.thread) {
                cpu.interrupt(thread, VECTOR_WAKE);
            }
        }
        channels::cell_ended(cpu, self, state);
    }

    /// What is counted.
    pub(crate) fn status(&self) -> CellStatus {
        let (state, code) = self.life.get().unwrap_or((CellState::Exited, 0));
        let mut status = CellStatus {
            state: state as u32,
            harts: self.size.present() as u32,
            code,
            frames_used: self.quota.used(),
            frames_quota: self.quota.limit(),
            console_full: self.console_full.load(Ordering::Relaxed),
            missed: self.short_periods.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            place: u64::from(self.slot),
            lent_ns: self.lent.load(Ordering::Relaxed),
            borrowed_ns: self.borrowed.load(Ordering::Relaxed),
            console_waiting: self.ring.lock().as_ref().map_or(0, |ring| ring.waiting() as u64),
            most_harts: self.hart_count() as u32,
            wanted_harts: self.size.wanted() as u32,
            harts_deadline_ns: self.size.deadline(),
            released_harts: resize::to_go(self).filter(|hart| resize::is_given_back(self, hart)).count() as u32,
            taken_harts: resize::taken(self, self.size.present()).count_ones(),
            wanted_frames: self.hart(0).map_or(0, |hart| hart.dispatch.wanted_frames().load(Ordering::Relaxed)),
            ..CellStatus::default()
        };
        for (number, hart) in self.harts().enumerate() {
            let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            status.heartbeats = status.heartbeats.wrapping_add(read(hart.dispatch.heartbeats()));
            status.time_ns += read(&hart.time);
            status.missed += read(&hart.missed);
            status.calls += read(&hart.calls);
            status.upcalls += read(&hart.upcalls);
            if number == 0 {
                status.activations = read(&hart.activations);
            }
        }
        status
    }
}

/// Gives back what a cell has, a bounded piece at a time. Returns how many frames came back in all.
///
/// # Errors
/// [`ErrorKind::Again`] until all is done.
pub(crate) fn destroy(cpu: &mut Cpu, cell: &'static Cell) -> Result<u64, Error> {
    cell.life.destroy()?;
    channels::cell_destroyed(cpu, cell)?;
    let mut progress = cell.destroy.lock();
    let _guard = cell.space.lock();
    if let Some(ring) = cell.ring.lock().take() {
        progress.returned += 1;
        frames::give(cpu, &cell.quota, ring.into_frame());
    }
    for slot in &cell.harts {
        let Some(hart) = slot.get() else { continue };
        let vector = hart.vector.lock().frame();
        frames::give(cpu, &cell.quota, vector);
        if let Some(frame) = slot.take() {
            frames::give(cpu, &cell.quota, frame);
        }
        progress.returned += 2;
    }
    if cell.root.load(Ordering::Acquire) != 0 {
        for _ in 0..DESTROY_STEP {
            let mut cursor = progress.cursor;
            let taken = cell.space().take_apart(&mut cursor);
            progress.cursor = cursor;
            progress.returned += 1;
            match taken {
                Taken::Frame(frame) => frames::give(cpu, &cell.quota, frame),
                Taken::Root(frame) => {
                    cell.root.store(0, Ordering::Release);
                    frames::give(cpu, &cell.quota, frame);
                    break;
                }
            }
        }
        if cell.root.load(Ordering::Acquire) != 0 {
            return Err(Error { kind: ErrorKind::Again, argument: Error::NO_ARGUMENT, value: progress.returned });
        }
    }
    if cell.quota.used() != 0 {
        log::error!("cell {} is gone but {} frames are still on its account", cell.slot, cell.quota.used());
    }
    cell.handles.lock().clear();
    cell.size.open(0, 0);
    let returned = progress.returned;
    cell.life.free();
    Ok(returned)
}

/// Asks the hardware threads that have harts of a cell loaded to forget translations that were taken away. Returns what [`has_forgotten`] wants to know.
pub(crate) fn ask_to_forget(cpu: &mut Cpu, cell: &Cell) -> u64 {
    let wanted = cell.flush_wanted.fetch_add(1, Ordering::SeqCst) + 1;
    if let Some(current) = cpu.muxing.current.filter(|current| core::ptr::eq(current.cell, cell)) {
        registers::use_tables(cell.space());
        current.hart.flushed.store(wanted, Ordering::SeqCst);
    }
    for hart in cell.harts() {
        if let Some(thread) = hart.place().filter(|thread| *thread != cpu.thread) {
            cpu.interrupt(thread, VECTOR_WAKE);
        }
    }
    wanted
}

/// Whether all have. Harts that are not loaded forget when they are.
pub(crate) fn has_forgotten(cell: &Cell, wanted: u64) -> bool {
    cell.harts().all(|hart| hart.place().is_none() || hart.flushed.load(Ordering::SeqCst) >= wanted)
}

/// Whether some hardware thread could still have a hart of the cell loaded.
pub(crate) fn is_loaded(cell: &Cell) -> bool {
    cell.harts().any(|hart| hart.place().is_some())
}
