//! Objects that live in a cell's own frames, and pages that the kernel shares with a cell.

use core::marker::PhantomData;
use core::mem::offset_of;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

use abi::account::{ACTIVATION_LOG_ENTRIES, Activation, ActivationLog};
use abi::{Context, DispatchPage};
use kernel_core::frames::Frame;

use super::{PAGE, physical};
use crate::arch::vector::VectorArea;

/// A value in a frame of its own.
#[derive(Debug)]
pub(crate) struct FrameBox<T> {
    frame: Frame,
    value: PhantomData<T>,
}

impl<T: Send> FrameBox<T> {
    /// Puts a value into a frame that was just taken.
    pub(crate) fn new(frame: Frame, value: T) -> Self {
        const {
            assert!(
                size_of::<T>() <= PAGE as usize && align_of::<T>() <= PAGE as usize,
                "a value must fit into a frame"
            )
        };
        // SAFETY: the frame is the caller's alone, large enough and aligned (checked above), and in the direct map.
        unsafe { (physical::direct(frame.address()) as *mut T).write(value) };
        Self { frame, value: PhantomData }
    }

    /// The frame; the value is forgotten.
    pub(crate) fn into_frame(self) -> Frame {
        self.frame
    }
}

impl<T> Deref for FrameBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the frame holds a `T` since `new` and belongs to this box alone.
        unsafe { &*(physical::direct(self.frame.address()) as *const T) }
    }
}

impl<T> DerefMut for FrameBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and the box is borrowed for as long.
        unsafe { &mut *(physical::direct(self.frame.address()) as *mut T) }
    }
}

/// A place for a value in a frame that hardware threads read without a lock.
#[derive(Debug)]
pub(crate) struct Slot<T>(AtomicPtr<T>);

impl<T: Sync + Send + 'static> Slot<T> {
    pub(crate) const fn empty() -> Self {
        Self(AtomicPtr::new(core::ptr::null_mut()))
    }

    /// The value, if there is one. The reference must not be kept over a change of plan that removes its cell: then the frame is given back.
    /// Destruction waits until every hardware thread follows a plan without the cell, so none can have it loaded.
    pub(crate) fn get(&self) -> Option<&'static T> {
        // SAFETY: a pointer that is not null came from `fill`, whose frame stays a `T` until `take`.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }
    }

    /// Publishes a value.
    pub(crate) fn fill(&self, value: FrameBox<T>) {
        self.0.store(physical::direct(value.into_frame().address()) as *mut T, Ordering::Release);
    }

    /// Takes the value's frame back. The caller has made sure that nobody uses the value: see [`Slot::get`].
    pub(crate) fn take(&self) -> Option<Frame> {
        let pointer = self.0.swap(core::ptr::null_mut(), Ordering::AcqRel);
        (!pointer.is_null()).then(|| Frame::containing(pointer as u64 - super::DIRECT_MAP))
    }
}

/// A hart's vector state. Only the hardware thread that runs the hart touches it: see `Hart::claim`.
#[derive(Debug)]
pub(crate) struct VectorFrame(Frame);

impl VectorFrame {
    pub(crate) fn new(frame: Frame) -> Self {
        let mut vector = Self(frame);
        vector.area().reset();
        vector
    }

    /// The area, exclusively.
    pub(crate) fn area(&mut self) -> &mut VectorArea {
        // SAFETY: the frame was taken for this and is as large and aligned; it is borrowed exclusively with `self`.
        unsafe { &mut *(physical::direct(self.0.address()) as *mut VectorArea) }
    }

    pub(crate) fn frame(&self) -> Frame {
        self.0
    }
}

/// A hart's dispatch page as the kernel sees it. The cell may write to it at any time, so everything is read once, and believed only
/// after a check.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dispatch(Frame);

macro_rules! dispatch_words {
    ($($field:ident;)*) => {
        $(
            pub(crate) fn $field(self) -> &'static AtomicU64 {
                let word = self.field(offset_of!(DispatchPage, $field));
                // SAFETY: the page stays a dispatch page until its cell is destroyed; the field is atomic, so the cell may write to it
                // meanwhile.
                unsafe { &*word }
            }
        )*
    };
}

impl Dispatch {
    /// Writes the facts into a page that was just taken. `harts` are those that the cell begins with, and the most that it can have.
    pub(crate) fn new(frame: Frame, hart: u32, harts: [u32; 2], vector_mask: u64, vector_bytes: u64) -> Self {
        let dispatch = Self(frame);
        dispatch.mask();
        for (offset, value) in [
            (offset_of!(DispatchPage, version), abi::VERSION),
            (offset_of!(DispatchPage, hart), hart),
            (offset_of!(DispatchPage, harts), harts[0]),
            (offset_of!(DispatchPage, wanted_harts), harts[0]),
            (offset_of!(DispatchPage, most_harts), harts[1]),
        ] {
            // SAFETY: a field of the page, which is not mapped yet.
            unsafe { dispatch.field::<u32>(offset).write(value) };
        }
        for (offset, value) in [
            (offset_of!(DispatchPage, vector_mask), vector_mask),
            (offset_of!(DispatchPage, vector_bytes), vector_bytes),
        ] {
            // SAFETY: as above.
            unsafe { dispatch.field::<u64>(offset).write(value) };
        }
        dispatch
    }

    /// Makes the page what it is for a hart that has not begun.
    pub(crate) fn renew(self, hart: u32, harts: [u32; 2], vector_mask: u64, vector_bytes: u64) {
        physical::zero(self.0);
        Self::new(self.0, hart, harts, vector_mask, vector_bytes);
    }

    /// Its frame.
    pub(crate) fn frame(self) -> Frame {
        self.0
    }

    /// A field of the page, by its offset.
    fn field<T>(self, offset: usize) -> *mut T {
        (physical::direct(self.0.address()) as usize + offset) as *mut T
    }

    fn word(self, offset: usize) -> &'static AtomicU32 {
        let word = self.field(offset);
        // SAFETY: called for atomic fields only; as for the longer ones below.
        unsafe { &*word }
    }

    dispatch_words! {
        event_entry;
        event_stack;
        resume_start;
        resume_end;
        heartbeats;
        activation_at;
        activation_entered;
        activations;
        upcalls;
        resumes_interrupted;
        resume_interrupted_at;
        channels_ended;
        takes_faults;
        fault_vector;
        fault_error;
        fault_address;
        harts_deadline;
        taken;
        wanted_frames;
        frames_deadline;
    }

    /// How many harts the cell has, as this one is told.
    pub(crate) fn harts(self) -> &'static AtomicU32 {
        self.word(offset_of!(DispatchPage, harts))
    }

    /// How many harts the cell is to have.
    pub(crate) fn wanted_harts(self) -> &'static AtomicU32 {
        self.word(offset_of!(DispatchPage, wanted_harts))
    }

    /// Whether events only collect.
    pub(crate) fn is_masked(self) -> bool {
        self.word(offset_of!(DispatchPage, masked)).load(Ordering::SeqCst) != 0
    }

    /// Masks events: the kernel does so before an upcall.
    pub(crate) fn mask(self) {
        self.word(offset_of!(DispatchPage, masked)).store(1, Ordering::SeqCst);
    }

    /// Events that are pending.
    pub(crate) fn pending(self) -> u32 {
        self.word(offset_of!(DispatchPage, pending)).load(Ordering::SeqCst)
    }

    /// Adds an event. Returns whether it was pending already.
    pub(crate) fn post(self, event: abi::Event) -> bool {
        self.word(offset_of!(DispatchPage, pending)).fetch_or(event as u32, Ordering::SeqCst) & event as u32 != 0
    }

    /// Takes an event back.
    pub(crate) fn withdraw(self, event: abi::Event) {
        self.word(offset_of!(DispatchPage, pending)).fetch_and(!(event as u32), Ordering::SeqCst);
    }

    /// Saves the interrupted context.
    pub(crate) fn save(self, context: &Context) {
        let saved = self.field::<Context>(offset_of!(DispatchPage, saved));
        // SAFETY: a field of the page; volatile, because what the cell reads there meanwhile is its own affair.
        unsafe { saved.write_volatile(*context) };
    }

    /// The context that the hart has saved there, whatever it is.
    pub(crate) fn saved(self) -> Context {
        let saved = self.field::<Context>(offset_of!(DispatchPage, saved));
        // SAFETY: as above.
        unsafe { saved.read_volatile() }
    }

    /// Tells the hart where it runs and how to read the timebase there.
    pub(crate) fn place(self, thread: u32, timebase: abi::Timebase) {
        self.word(offset_of!(DispatchPage, hardware_thread)).store(thread, Ordering::Relaxed);
        let field = self.field::<abi::Timebase>(offset_of!(DispatchPage, timebase));
        // SAFETY: as above.
        unsafe { field.write_volatile(timebase) };
    }
}

/// A hart's activation log; only the hardware thread that runs the hart writes to it. Cells see it read-only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Log(Frame);

impl Log {
    pub(crate) fn new(frame: Frame) -> Self {
        Self(frame)
    }

    /// Its frame.
    pub(crate) fn frame(self) -> Frame {
        self.0
    }

    /// Appends.
    pub(crate) fn append(self, activation: Activation) {
        let page = physical::direct(self.0.address()) as usize;
        let written = (page + offset_of!(ActivationLog, written)) as *const AtomicU64;
        // SAFETY: the frame stays an activation log until the cell is destroyed; the field is atomic.
        let written = unsafe { &*written };
        let count = written.load(Ordering::Relaxed);
        let place = (count % ACTIVATION_LOG_ENTRIES as u64) as usize;
        let entry = (page + offset_of!(ActivationLog, entries) + place * size_of::<Activation>()) as *mut Activation;
        // SAFETY: the place is inside the array; volatile, because cells read meanwhile.
        unsafe { entry.write_volatile(activation) };
        written.store(count + 1, Ordering::Release);
    }

    /// The whole page, for an observer.
    pub(crate) fn copy(self, bytes: &mut [u8; PAGE as usize]) {
        physical::copy_from(self.0, 0, bytes);
    }
}
