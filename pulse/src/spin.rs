//! Data shared between harts: a lock that masks events while it is held, and a place per hart.

use core::ops::{Deref, DerefMut};

use crate::MAX_HARTS;
use crate::hart::Hart;
use crate::switch;

/// A lock for short sections, for schedulers' data. While it is held, events are masked on this hart, without a call: so its holder is never interrupted by
/// a callback that wants it too. Others spin. Never wait, yield, allocate or print while you hold it.
#[derive(Debug, Default)]
pub struct Spin<T>(spin::Mutex<T>);

impl<T> Spin<T> {
    /// A lock around a value.
    pub const fn new(value: T) -> Self {
        Self(spin::Mutex::new(value))
    }

    /// Takes the lock.
    pub fn lock(&self) -> SpinGuard<'_, T> {
        crate::point("lock");
        let masked = Masked::new();
        loop {
            if let Some(inner) = self.0.try_lock() {
                return SpinGuard { inner, _masked: masked };
            }
            match switch::current() {
                Some(hart) => hart.machine().home.relax(),
                None => core::hint::spin_loop(),
            }
        }
    }
}

/// Gives the lock back when it is dropped, then lets events through.
#[derive(Debug)]
pub struct SpinGuard<'a, T> {
    inner: spin::MutexGuard<'a, T>,
    _masked: Masked,
}

impl<T> Deref for SpinGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> DerefMut for SpinGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

/// Events are masked on this hart for as long as it lives.
#[derive(Debug)]
pub(crate) struct Masked(core::marker::PhantomData<*const ()>);

impl Masked {
    #[inline]
    pub(crate) fn new() -> Self {
        switch::mask();
        Self(core::marker::PhantomData)
    }
}

impl Drop for Masked {
    #[inline]
    fn drop(&mut self) {
        switch::unmask();
    }
}

/// A value for each hart, each on cache lines of its own.
#[derive(Debug)]
pub struct PerHart<T>([Line<T>; MAX_HARTS]);

#[derive(Debug)]
#[repr(align(128))]
struct Line<T>(T);

impl<T> PerHart<T> {
    /// One for each hart, made by its number.
    pub fn new(mut make: impl FnMut(usize) -> T) -> Self {
        Self(core::array::from_fn(|hart| Line(make(hart))))
    }

    /// This hart's.
    pub fn of(&self, hart: &Hart) -> &T {
        self.at(hart.number())
    }

    /// Another hart's; `number` below [`MAX_HARTS`].
    pub fn at(&self, number: usize) -> &T {
        &self.0[number].0
    }
}
