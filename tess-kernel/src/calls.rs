//! The calls: arguments checked, rights checked, work bounded.

use core::mem::offset_of;
use core::sync::atomic::Ordering;

use abi::account::{CellState, CellStatus};
use abi::call::{Access, CONSOLE_PUMP_MAX, CONSOLE_WRITE_MAX, Call, CellRequest, HandleInfo, HandleKind, MAP_MAX};
use abi::channel::{ChannelInfo, ChannelRequest, Shape};
use abi::layout::{EVENT_STACK_SIZE, EVENT_STACK_TOP_OFFSET, HART_AREA_SIZE, HART_AREAS, USER_BOTTOM, USER_TOP};
use abi::machine::MachineInfo;
use abi::plan::{PlanEntry, PlanHeader};
use abi::{Error, ErrorKind, Event, Handle, MAX_CELLS, Rights};
use heapless::Vec;
use kernel_core::range::UserRange;

use crate::arch::features::features;
use crate::arch::frame::Frame;
use crate::arch::{power, serial};
use crate::cells::{self, Cell, Hart, Object};
use crate::cpu::{self, Cpu};
use crate::memory::{PAGE, frames, image, physical, space};
use crate::{channels, console, events, handover, inputs, plans, resize, root, start};

/// Serves the call in the frame and writes its result there.
pub(crate) fn serve(cpu: &mut Cpu, frame: &mut Frame) {
    let Some(current) = cpu.muxing.current else { return };
    current.hart.calls.fetch_add(1, Ordering::Relaxed);
    let arguments = [frame.rdi, frame.rsi, frame.rdx, frame.r10, frame.r8];
    let result = match Call::from_number(frame.rax) {
        Some(Call::ChannelHandOver) => match handover::serve(cpu, frame) {
            Ok(()) => return,
            Err(error) => Err(error),
        },
        Some(Call::HartLend) => match resize::lend(cpu, frame) {
            Ok(()) => return,
            Err(error) => Err(error),
        },
        Some(call) => Caller { cpu, cell: current.cell, hart: current.hart }.serve(call, arguments),
        None => Err(Error { kind: ErrorKind::UnknownCall, argument: Error::NO_ARGUMENT, value: frame.rax }),
    };
    if let Err(error) = result {
        refuse(current.cell, error);
    }
    (frame.rax, frame.rdx) = Error::encode(result);
}

/// Counts attempts for which a cell has no handle or no right, and logs the first, the second, the fourth and so on.
#[cold]
fn refuse(cell: &Cell, error: Error) {
    if matches!(error.kind, ErrorKind::BadHandle | ErrorKind::NoRight) {
        let count = cell.refused.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_power_of_two() {
            cell.with_name(|name| log::warn!("cell {name} was refused something: {error} ({count} times in all)"));
        }
    }
}

/// The windows of channels are the kernel's.
fn not_channels(range: UserRange, argument: u8) -> Result<(), Error> {
    match range.each_page().find(|page| channels::is_window(*page)) {
        Some(page) => Err(Error::new(ErrorKind::Occupied, argument, page)),
        None => Ok(()),
    }
}

struct Caller<'a> {
    cpu: &'a mut Cpu,
    cell: &'static Cell,
    hart: &'static Hart,
}

impl Caller<'_> {
    fn serve(&mut self, call: Call, [a, b, c, d, e]: [u64; 5]) -> Result<u64, Error> {
        match call {
            Call::Null => Ok(0),
            Call::Exit => {
                self.cell.end(self.cpu, CellState::Exited, a);
                root::died(self.cpu, self.cell, "it ended itself");
                Ok(0)
            }
            Call::Park => {
                self.hart.parked_until.store(a.max(1), Ordering::SeqCst);
                Ok(0)
            }
            Call::TimerSet => {
                self.hart.tick_at.store(a, Ordering::Relaxed);
                Ok(0)
            }
            Call::ConsoleWrite => self.console_write(a, b),
            Call::MemoryMap => self.memory_map(a, b, c),
            Call::MemoryUnmap => self.memory_unmap(a, b),
            Call::MachineInfo => self.machine_info(a, b),
            Call::CellStatus => self.cell_status(a, b),
            Call::CellLog => self.cell_log(a, b, c),
            Call::CellCreate => self.cell_create(a, b),
            Call::CellMap => self.cell_map(a, b, c, d, e),
            Call::CellStart => self.cell_start(a, b),
            Call::CellDestroy => self.cell_destroy(a),
            Call::PlanCommit => self.plan_commit(a, b, c),
            Call::ConsoleRead => self.console_read(a, b, c),
            Call::ConsolePump => {
                self.machine(a, Rights::CONSOLE)?;
                Ok(console::pump(CONSOLE_PUMP_MAX as usize) as u64)
            }
            Call::PowerOff => {
                self.machine(a, Rights::POWER)?;
                console::drain();
                power::off(b.min(0xff) as u32)
            }
            Call::CellNotify => self.cell_notify(a),
            Call::ChannelCreate => self.channel_create(a, b, c),
            Call::ChannelBuild => channels::build(self.cpu, self.cell, a),
            Call::ChannelInfo => self.channel_info(a, b),
            Call::ChannelNotify => channels::notify(self.cpu, self.cell, a),
            Call::ChannelBind => channels::bind(self.cell, a, b),
            Call::ChannelClose => channels::close(self.cpu, self.cell, a),
            Call::HartWake => {
                let hart = usize::try_from(a).ok().filter(|hart| *hart < self.cell.hart_count());
                events::post(self.cpu, self.cell, hart.ok_or(Error::new(ErrorKind::OutOfRange, 0, a))?, Event::Wake);
                Ok(0)
            }
            Call::CellNotice => {
                let target = self.target(a, Rights::CONTROL)?;
                resize::notice(self.cpu, target, b, c)
            }
            Call::CellMemory => {
                let target = self.target(a, Rights::CONTROL)?;
                resize::memory(self.cpu, target, b, c)
            }
            Call::HartRelease => resize::release(self.cell, self.hart),
            Call::HartAdopt => self.hart_adopt(a, b, c, d),
            Call::HandleInfo => self.handle_info(a, b),
            Call::PlanRead => self.plan_read(a, b, c),
            // They have their own way, because they change more than the result.
            Call::ChannelHandOver | Call::HartLend => Err(Error::plain(ErrorKind::UnknownCall)),
        }
    }

    #[inline(never)]
    fn handle_info(&self, slot: u64, address: u64) -> Result<u64, Error> {
        let first = usize::try_from(slot).unwrap_or(usize::MAX);
        let Some((place, handle, object)) = self.cell.handles.lock().next(first) else { return Ok(0) };
        let (kind, name) = match object {
            Object::Machine => (HandleKind::Machine, [0; abi::call::NAME_MAX]),
            Object::Cell(cell) => (HandleKind::Cell, cell.name()),
            Object::Channel(_) => (HandleKind::Channel, [0; abi::call::NAME_MAX]),
        };
        let mut bytes = [0; size_of::<HandleInfo>()];
        bytes[..8].copy_from_slice(&(handle.register() | (kind as u64) << 32).to_le_bytes());
        bytes[offset_of!(HandleInfo, name)..].copy_from_slice(&name);
        self.write(address, &bytes, 1)?;
        Ok(place as u64 + 1)
    }

    #[inline(never)]
    fn plan_read(&self, handle: u64, address: u64, length: u64) -> Result<u64, Error> {
        self.machine(handle, Rights::PLAN)?;
        let room = length.checked_sub(size_of::<PlanHeader>() as u64);
        let room = room.ok_or(Error::new(ErrorKind::OutOfRange, 2, length))? / size_of::<PlanEntry>() as u64;
        let (header, entries) = plans::describe(self.cell);
        self.write_words(address, &[header.entries.into(), 0, header.slice_ns, header.tolerance_ns, 0, 0], 1)?;
        let mut at = address + size_of::<PlanHeader>() as u64;
        for entry in entries.iter().take(usize::try_from(room).unwrap_or(usize::MAX)) {
            let PlanEntry { cell, policy, threads, period_ns_or_weight, phase_ns, length_ns } = *entry;
            let names = u64::from(cell) | u64::from(policy) << 32;
            self.write_words(at, &[names, threads, period_ns_or_weight, phase_ns, length_ns], 1)?;
            at += size_of::<PlanEntry>() as u64;
        }
        Ok(header.entries.into())
    }

    #[inline(never)]
    fn hart_adopt(&mut self, number: u64, address: u64, entry: u64, stack: u64) -> Result<u64, Error> {
        for (argument, value) in [(2, entry), (3, stack)] {
            if !(USER_BOTTOM..USER_TOP).contains(&value) {
                return Err(Error::new(ErrorKind::OutOfRange, argument, value));
            }
        }
        let held = resize::hold(self.cpu, self.cell, self.hart, number)?;
        let result = held.context().and_then(|bytes| self.write(address, &bytes, 1));
        held.give_up(result.is_ok().then_some((entry, stack)));
        result.map(|()| 0)
    }

    fn machine(&self, handle: u64, rights: Rights) -> Result<(), Error> {
        match self.cell.handles.lock().get(handle, rights, 0)? {
            Object::Machine => Ok(()),
            Object::Cell(_) | Object::Channel(_) => Err(Error::new(ErrorKind::BadHandle, 0, handle)),
        }
    }

    fn target(&self, handle: u64, rights: Rights) -> Result<&'static Cell, Error> {
        match self.cell.handles.lock().get(handle, rights, 0)? {
            Object::Cell(cell) => Ok(cell),
            Object::Machine | Object::Channel(_) => Err(Error::new(ErrorKind::BadHandle, 0, handle)),
        }
    }

    #[inline(never)]
    fn channel_create(&self, sender: u64, receiver: u64, address: u64) -> Result<u64, Error> {
        let mut cells = [self.cell; 2];
        for (argument, (place, handle)) in cells.iter_mut().zip([sender, receiver]).enumerate() {
            let argument = argument as u8;
            *place = self.target(handle, Rights::CONNECT).map_err(|error| Error { argument, ..error })?;
        }
        if core::ptr::eq(cells[0], cells[1]) {
            return Err(Error::new(ErrorKind::OutOfRange, 1, receiver));
        }
        let mut bytes = [0; size_of::<ChannelRequest>()];
        self.read(address, &mut bytes, 2)?;
        let (name, rest) = bytes.split_at(abi::call::NAME_MAX);
        let name = <[u8; abi::call::NAME_MAX]>::try_from(name).map_err(|_| Error::plain(ErrorKind::Malformed))?;
        let text = core::str::from_utf8(&name).map_err(|_| Error::new(ErrorKind::Malformed, 2, address))?;
        let shape = Shape {
            capacity: word(rest, 0),
            blocks: word(rest, 4),
            block_bytes: word(rest, 8),
            reserved: word(rest, 12),
        };
        let (rate_per_s, burst, pair) = (long(rest, 16), word(rest, 24), word(rest, 28));
        if text.trim_end_matches('\0').contains(char::is_control) || !shape.is_valid() {
            return Err(Error::new(ErrorKind::Malformed, 2, address));
        }
        let request = ChannelRequest { name, shape, rate_per_s, burst, pair };
        channels::create(self.cell, cells, &request).map_err(|error| {
            // It knows which cell is to blame, but not by which handle the caller does.
            let value = [sender, receiver].get(usize::from(error.argument)).copied().unwrap_or(error.value);
            Error { value, ..error }
        })
    }

    #[inline(never)]
    fn channel_info(&self, slot: u64, address: u64) -> Result<u64, Error> {
        let Some((info, next)) = channels::describe(self.cpu, self.cell, slot) else { return Ok(0) };
        self.write(address, &channel_info_bytes(&info), 1)?;
        Ok(next)
    }

    fn read(&self, address: u64, bytes: &mut [u8], argument: u8) -> Result<(), Error> {
        let range = UserRange::new(address, bytes.len() as u64, argument)?;
        let _guard = self.cell.space.lock();
        self.cell.space().read(range, bytes, argument)
    }

    fn write(&self, address: u64, bytes: &[u8], argument: u8) -> Result<(), Error> {
        let range = UserRange::new(address, bytes.len() as u64, argument)?;
        let _guard = self.cell.space.lock();
        self.cell.space().write(range, bytes, argument)
    }

    /// At most eight words.
    fn write_words(&self, address: u64, words: &[u64], argument: u8) -> Result<(), Error> {
        let mut bytes = [0; 64];
        let length = bytes.len().min(8 * words.len());
        for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        self.write(address, &bytes[..length], argument)
    }

    fn console_write(&self, address: u64, length: u64) -> Result<u64, Error> {
        if length > CONSOLE_WRITE_MAX {
            return Err(Error::new(ErrorKind::OutOfRange, 1, length));
        }
        let mut text = [0; CONSOLE_WRITE_MAX as usize];
        let text = &mut text[..length as usize];
        self.read(address, text, 0)?;
        let trusted = self.cell.slot == start::ROOT;
        let mut ring = self.cell.ring.lock();
        let ring = ring.as_mut().ok_or(Error::plain(ErrorKind::WrongState))?;
        ring.write(text, trusted).map_err(|_| {
            self.cell.console_full.fetch_add(1, Ordering::Relaxed);
            Error::plain(ErrorKind::Full)
        })?;
        Ok(length)
    }

    /// Maps fresh pages into a cell; what was mapped before an error stays, and the error names the page.
    fn map_fresh(
        &mut self,
        target: &'static Cell,
        range: UserRange,
        access: Access,
        mut fill: impl FnMut(&mut Self, u64, kernel_core::frames::Frame) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        for (done, address) in range.each_page().enumerate() {
            let frame = frames::take(self.cpu, &target.quota)?;
            let result = fill(self, done as u64 * PAGE, frame)
                .and_then(|()| cells::map(self.cpu, target, address, frame, access));
            if let Err(error) = result {
                frames::give(self.cpu, &target.quota, frame);
                return Err(error);
            }
        }
        Ok(0)
    }

    fn memory_map(&mut self, address: u64, length: u64, access: u64) -> Result<u64, Error> {
        let range = UserRange::pages(address, length, MAP_MAX, 0)?;
        not_channels(range, 0)?;
        let access = Access::from_number(access).ok_or(Error::new(ErrorKind::OutOfRange, 2, access))?;
        self.map_fresh(self.cell, range, access, |_, _, _| Ok(()))
    }

    /// In two steps, so that nobody waits for another hardware thread: take the access away and ask the cell's other hardware threads to
    /// forget it; when they have, give the frames back.
    fn memory_unmap(&mut self, address: u64, length: u64) -> Result<u64, Error> {
        let range = UserRange::pages(address, length, MAP_MAX, 0)?;
        not_channels(range, 0)?;
        // A hart's dispatch page and log stay: the kernel writes to them.
        let kernels_too = |page: u64| {
            let offset = page.wrapping_sub(HART_AREAS);
            offset / HART_AREA_SIZE < self.cell.hart_count() as u64
                && offset % HART_AREA_SIZE < EVENT_STACK_TOP_OFFSET - EVENT_STACK_SIZE
        };
        if let Some(page) = range.each_page().find(|page| kernels_too(*page)) {
            return Err(Error::new(ErrorKind::Occupied, 0, page));
        }
        let _guard = self.cell.space.lock();
        let space = self.cell.space();
        let banished = range.each_page().filter(|page| space.banish(*page)).count();
        let wanted = if banished > 0 {
            cells::ask_to_forget(self.cpu, self.cell)
        } else {
            self.cell.flush_wanted.load(Ordering::SeqCst)
        };
        if !cells::has_forgotten(self.cell, wanted) {
            return Err(Error::plain(ErrorKind::Again));
        }
        for page in range.each_page() {
            if let Some(frame) = space.reap(page) {
                frames::give(self.cpu, &self.cell.quota, frame);
            }
        }
        Ok(0)
    }

    fn machine_info(&self, handle: u64, address: u64) -> Result<u64, Error> {
        self.machine(handle, Rights::OBSERVE)?;
        let (frames_total, frames_free, nodes) = frames::counts();
        let boot = start::boot_report();
        let info = MachineInfo {
            hardware_threads: cpu::count() as u32,
            nodes: nodes as u32,
            features: features().bits(),
            frames_total,
            frames_free,
            tsc_hz: boot.counter_hz,
            timebase_error_ns: plans::clock_error(),
            lead_ns: plans::lead(),
            archive_bytes: boot.archive.end - boot.archive.start,
            plan: plans::number(),
            ipis: cpu::ipis(),
            boot_ns: boot.boot_ns,
            writable_executable_pages: image::audit().0 + space::audit(self.cell.space()),
            unguarded_stacks: image::audit().1,
            delay_ns: plans::timing().delay.as_nanos(),
            inputs: inputs::PUBLISHED.load(Ordering::Relaxed),
            late_inputs: plans::LATE.load(Ordering::Relaxed),
            divergences: inputs::DIVERGENCES.load(Ordering::Relaxed),
            repairs: plans::REPAIRS.load(Ordering::Relaxed),
            commit_ns: plans::commit_time(),
            timers: cpu::timers(),
            root_lives: root::lives(),
            root_died_ns: root::died_at(),
            root_beats: root::beats(),
            processor: features().name,
        };
        self.write(address, &machine_info_bytes(&info), 1)?;
        Ok(0)
    }

    fn cell_status(&self, handle: u64, address: u64) -> Result<u64, Error> {
        let target = self.target(handle, Rights::OBSERVE)?;
        let mut status = target.status();
        status.time_ns += crate::muxing::time_so_far(self.cpu, target);
        self.write(address, &status_bytes(&status), 1)?;
        Ok(0)
    }

    fn cell_log(&self, handle: u64, hart: u64, address: u64) -> Result<u64, Error> {
        let target = self.target(handle, Rights::OBSERVE)?;
        let bad = Error::new(ErrorKind::OutOfRange, 1, hart);
        let hart = usize::try_from(hart).ok().and_then(|hart| target.hart(hart)).ok_or(bad)?;
        let mut page = [0; PAGE as usize];
        hart.log.copy(&mut page);
        self.write(address, &page, 2)?;
        Ok(0)
    }

    fn cell_create(&mut self, handle: u64, address: u64) -> Result<u64, Error> {
        self.machine(handle, Rights::CREATE)?;
        let mut bytes = [0; size_of::<CellRequest>()];
        self.read(address, &mut bytes, 1)?;
        let (name, rest) = bytes.split_at(abi::call::NAME_MAX);
        let name: [u8; abi::call::NAME_MAX] = name.try_into().map_err(|_| Error::plain(ErrorKind::Malformed))?;
        let harts = word(rest, 0);
        let quota = long(rest, 8);
        let (most, reserved) = (word(rest, 16), word(rest, 20));
        let length = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
        let text = core::str::from_utf8(&name[..length]).map_err(|_| Error::new(ErrorKind::Malformed, 1, address))?;
        if text.is_empty() || text.contains(|letter: char| letter.is_control() || letter.is_whitespace()) {
            return Err(Error::new(ErrorKind::Malformed, 1, address));
        }
        if harts == 0 || harts as usize > abi::MAX_HARDWARE_THREADS {
            return Err(Error::new(ErrorKind::OutOfRange, 1, u64::from(harts)));
        }
        if !(harts..=abi::MAX_HARDWARE_THREADS as u32).contains(&most) {
            return Err(Error::new(ErrorKind::OutOfRange, 1, u64::from(most)));
        }
        if reserved != 0 {
            return Err(Error::new(ErrorKind::Malformed, 1, address));
        }
        let cell = cells::create(self.cpu, name, [harts, most], quota)?;
        let handle =
            self.cell.handles.lock().insert(Object::Cell(cell), Rights::OBSERVE | Rights::CONTROL | Rights::CONNECT);
        if handle.is_err() {
            while let Err(Error { kind: ErrorKind::Again, .. }) = cells::destroy(self.cpu, cell) {}
        }
        handle.map(Handle::register)
    }

    fn cell_map(&mut self, handle: u64, address: u64, length: u64, access: u64, source: u64) -> Result<u64, Error> {
        let target = self.target(handle, Rights::CONTROL)?;
        if !target.life.is_new() {
            return Err(Error::new(ErrorKind::WrongState, 0, handle));
        }
        let range = UserRange::pages(address, length, MAP_MAX, 1)?;
        not_channels(range, 1)?;
        let access = Access::from_number(access).ok_or(Error::new(ErrorKind::OutOfRange, 3, access))?;
        if source == 0 {
            return self.map_fresh(target, range, access, |_, _, _| Ok(()));
        }
        UserRange::new(source, length, 4)?;
        self.map_fresh(target, range, access, |caller, offset, frame| {
            let mut page = [0; PAGE as usize];
            caller.read(source + offset, &mut page, 4)?;
            physical::copy_to(frame, 0, &page);
            Ok(())
        })
    }

    fn cell_start(&self, handle: u64, entry: u64) -> Result<u64, Error> {
        let target = self.target(handle, Rights::CONTROL)?;
        if !(USER_BOTTOM..USER_TOP).contains(&entry) {
            return Err(Error::new(ErrorKind::OutOfRange, 1, entry));
        }
        target.start(entry).map(|()| 0)
    }

    fn cell_destroy(&mut self, handle: u64) -> Result<u64, Error> {
        let target = self.target(handle, Rights::CONTROL)?;
        if target.slot == self.cell.slot || !plans::has_let_go(target) {
            return Err(Error::new(ErrorKind::WrongState, 0, handle));
        }
        let returned = cells::destroy(self.cpu, target)?;
        if let Some(handle) = Handle::from_register(handle) {
            self.cell.handles.lock().remove(handle);
        }
        Ok(returned)
    }

    fn cell_notify(&mut self, handle: u64) -> Result<u64, Error> {
        let target = self.target(handle, Rights::CONTROL)?;
        target.hart(0).ok_or(Error::new(ErrorKind::WrongState, 0, handle))?;
        events::post(self.cpu, target, 0, Event::Notification);
        Ok(0)
    }

    fn plan_commit(&mut self, handle: u64, address: u64, length: u64) -> Result<u64, Error> {
        self.machine(handle, Rights::PLAN)?;
        let mut bytes = [0; size_of::<PlanHeader>()];
        self.read(address, &mut bytes, 1)?;
        let mut header = PlanHeader {
            entries: word(&bytes, 0),
            flags: word(&bytes, 4),
            effective_ns: long(&bytes, 8),
            slice_ns: long(&bytes, 16),
            tolerance_ns: long(&bytes, 24),
            conflict_at_ns: 0,
            fits_ns: 0,
        };
        let expected = size_of::<PlanHeader>() as u64 + u64::from(header.entries) * size_of::<PlanEntry>() as u64;
        if header.entries as usize > MAX_CELLS || length != expected {
            return Err(Error::new(ErrorKind::OutOfRange, 2, length));
        }
        let mut entries: Vec<PlanEntry, MAX_CELLS> = Vec::new();
        for index in 0..u64::from(header.entries) {
            let mut bytes = [0; size_of::<PlanEntry>()];
            let place = size_of::<PlanHeader>() as u64 + index * size_of::<PlanEntry>() as u64;
            self.read(address + place, &mut bytes, 1)?;
            let entry = PlanEntry {
                cell: word(&bytes, 0),
                policy: word(&bytes, 4),
                threads: long(&bytes, 8),
                period_ns_or_weight: long(&bytes, 16),
                phase_ns: long(&bytes, 24),
                length_ns: long(&bytes, 32),
            };
            entries.push(entry).map_err(|_| Error::plain(ErrorKind::Full))?;
        }
        let result = plans::commit(self.cpu, self.cell, &mut header, &entries);
        if let Err(Error { kind: ErrorKind::PlanRefused, .. }) = result {
            let mut answer = [0; 16];
            answer[..8].copy_from_slice(&header.conflict_at_ns.to_le_bytes());
            answer[8..].copy_from_slice(&header.fits_ns.to_le_bytes());
            self.write(address + offset_of!(PlanHeader, conflict_at_ns) as u64, &answer, 1)?;
        }
        result
    }

    fn console_read(&self, handle: u64, address: u64, length: u64) -> Result<u64, Error> {
        self.machine(handle, Rights::CONSOLE)?;
        let mut typed: Vec<u8, 16> = Vec::new();
        // Nothing typed may be lost on a bad pointer.
        self.write(address, &[0; 16][..length.min(16) as usize], 1)?;
        while typed.len() < length.min(16) as usize {
            let Some(byte) = serial::read_byte() else { break };
            let _ = typed.push(byte);
        }
        self.write(address, &typed, 1)?;
        Ok(typed.len() as u64)
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from(word(bytes, at)) | u64::from(word(bytes, at + 4)) << 32
}

/// The bytes of a structure of the contract, field by field: no padding is ever shown.
fn machine_info_bytes(info: &MachineInfo) -> [u8; size_of::<MachineInfo>()] {
    let mut bytes = [0; size_of::<MachineInfo>()];
    let words = [
        u64::from(info.hardware_threads) | u64::from(info.nodes) << 32,
        info.features,
        info.frames_total,
        info.frames_free,
        info.tsc_hz,
        info.timebase_error_ns,
        info.lead_ns,
        info.archive_bytes,
        info.plan,
        info.ipis,
        info.boot_ns,
        info.writable_executable_pages,
        info.unguarded_stacks,
        info.delay_ns,
        info.inputs,
        info.late_inputs,
        info.divergences,
        info.repairs,
        info.commit_ns,
        info.timers,
        info.root_lives,
        info.root_died_ns,
        info.root_beats,
    ];
    for (place, word) in words.iter().enumerate() {
        bytes[place * 8..place * 8 + 8].copy_from_slice(&word.to_le_bytes());
    }
    bytes[words.len() * 8..].copy_from_slice(&info.processor);
    bytes
}

fn channel_info_bytes(info: &ChannelInfo) -> [u8; size_of::<ChannelInfo>()] {
    let mut bytes = [0; size_of::<ChannelInfo>()];
    let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    let words = [
        pair(info.shape.capacity, info.shape.blocks),
        pair(info.shape.block_bytes, info.shape.reserved),
        info.rate_per_s,
        pair(info.burst, info.role),
        pair(info.handle, info.ended),
        pair(info.peer_cell, info.is_whole),
        pair(info.peer_thread, info.peer_node),
        info.address,
        pair(info.pair, info.reserved),
    ];
    let (names, numbers) = bytes.split_at_mut(2 * abi::call::NAME_MAX);
    names[..abi::call::NAME_MAX].copy_from_slice(&info.name);
    names[abi::call::NAME_MAX..].copy_from_slice(&info.peer);
    for (place, word) in numbers.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

fn status_bytes(status: &CellStatus) -> [u8; size_of::<CellStatus>()] {
    let mut bytes = [0; size_of::<CellStatus>()];
    let words = [
        u64::from(status.state) | u64::from(status.harts) << 32,
        status.code,
        status.frames_used,
        status.frames_quota,
        status.heartbeats,
        status.time_ns,
        status.activations,
        status.missed,
        status.calls,
        status.upcalls,
        status.console_full,
        status.console_waiting,
        status.refused,
        status.lent_ns,
        status.borrowed_ns,
        status.place,
        u64::from(status.most_harts) | u64::from(status.wanted_harts) << 32,
        u64::from(status.released_harts) | u64::from(status.taken_harts) << 32,
        status.harts_deadline_ns,
        status.wanted_frames,
    ];
    for (place, word) in words.iter().enumerate() {
        bytes[place * 8..place * 8 + 8].copy_from_slice(&word.to_le_bytes());
    }
    bytes
}
