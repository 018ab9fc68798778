//! The real decision code, as the model asks it: replicas that are kept once and shared by all states that have them, and answers that are remembered.
//!
//! A replica takes 12 KB, and most steps of the model change one replica or none. A replica is told from another by a hash of all of it, as stateright tells
//! states from each other.

use std::cell::Cell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use muxer::inputs::{Found, Input, Inputs};
use muxer::{CellId, Decision, Instant, Plan, Repair, Replica};

use super::config::Config;

/// A hash that is cheap where nothing is optimised: a multiplication for each word, and the finaliser of splitmix64 at the end.
#[derive(Default)]
struct Mixer(u64);

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(u64::from(value));
    }

    fn write_u16(&mut self, value: u16) {
        self.write_u64(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = ((self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15)).rotate_left(29);
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn finish(&self) -> u64 {
        let value = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ value >> 31
    }
}

/// A hash of anything, the same in each run.
fn hash_of(value: impl Hash) -> u64 {
    let mut hasher = Mixer::default();
    value.hash(&mut hasher);
    hasher.finish()
}

/// A replica in a state.
#[derive(Clone)]
pub(crate) struct Kept(Arc<(u64, Box<Replica>)>);

impl Kept {
    pub(crate) fn new(replica: Box<Replica>) -> Self {
        Self(Arc::new((hash_of(&replica), replica)))
    }

    pub(crate) fn replica(&self) -> &Replica {
        &self.0.1
    }
}

impl Hash for Kept {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.0);
    }
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        self.0.0 == other.0.0
    }
}

impl Eq for Kept {}

/// A plan that was published, and what it repairs.
#[derive(Clone)]
pub(crate) struct Published {
    /// Which of the configuration's plans.
    pub(crate) shape: usize,
    pub(crate) plan: Arc<Plan>,
    pub(crate) repair: Option<Arc<Repair>>,
    /// Whose state the repair was taken from: what tells it from others.
    source: u64,
}

impl Published {
    pub(crate) fn new(shape: usize, plan: Arc<Plan>, repair: Option<(Repair, &Kept)>) -> Self {
        let source = repair.as_ref().map_or(0, |(repair, kept)| hash_of((kept, repair.checkpoint.is_some())));
        Self { shape, plan, repair: repair.map(|(repair, _)| Arc::new(repair)), source }
    }

    pub(crate) fn number(&self) -> u64 {
        self.plan.number()
    }

    pub(crate) fn effective(&self) -> Instant {
        self.plan.effective()
    }

    /// Forgets what was repaired, once everybody has gone over: states that differ in nothing else are one.
    pub(crate) fn forget_repair(&mut self) {
        self.repair = None;
        self.source = 0;
    }

    fn key(&self) -> (usize, u64, Instant, u64) {
        (self.shape, self.number(), self.effective(), self.source)
    }
}

impl Hash for Published {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl PartialEq for Published {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Published {}

/// An input that comes into sight in the middle of a look, after so many accesses to the logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Glimpse {
    /// Whose log, by number.
    pub(crate) cell: usize,
    pub(crate) after: usize,
}

/// What a hardware thread sees of the logs.
pub(crate) struct Sight<'a> {
    pub(crate) cells: &'a [CellId],
    pub(crate) logs: &'a [Vec<Input>],
    /// How much of each.
    pub(crate) visible: &'a [usize],
    pub(crate) glimpse: Option<Glimpse>,
    accesses: Cell<usize>,
}

impl<'a> Sight<'a> {
    pub(crate) fn new(
        cells: &'a [CellId],
        logs: &'a [Vec<Input>],
        visible: &'a [usize],
        glimpse: Option<Glimpse>,
    ) -> Self {
        Self { cells, logs, visible, glimpse, accesses: Cell::new(0) }
    }

    /// What can be seen of a cell's log at this access.
    fn log(&self, cell: CellId) -> &[Input] {
        let Some(number) = self.cells.iter().position(|other| *other == cell) else { return &[] };
        let access = self.accesses.replace(self.accesses.get() + 1);
        let glimpses = self.glimpse.is_some_and(|glimpse| glimpse.cell == number && access >= glimpse.after);
        &self.logs[number][..self.visible[number] + usize::from(glimpses)]
    }

    /// All that an answer may depend on.
    fn key(&self) -> u64 {
        let mut hasher = Mixer::default();
        for (number, (log, visible)) in self.logs.iter().zip(self.visible).enumerate() {
            log[..*visible].hash(&mut hasher);
            if self.glimpse.is_some_and(|glimpse| glimpse.cell == number) {
                log[*visible].hash(&mut hasher);
            }
        }
        self.glimpse.hash(&mut hasher);
        hasher.finish()
    }
}

impl Inputs for Sight<'_> {
    fn read(&self, cell: CellId, position: u64) -> Found {
        self.log(cell).get(position as usize).map_or(Found::Nothing, |input| Found::Input(*input))
    }

    fn end(&self, cell: CellId) -> u64 {
        self.log(cell).len() as u64
    }
}

/// What came of a question.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) kept: Kept,
    /// None: it only went over to another plan.
    pub(crate) decision: Option<Decision>,
    /// How often it looked into the logs.
    pub(crate) accesses: usize,
}

/// An answer for as long as some state has its replica.
struct Memory {
    replica: Weak<(u64, Box<Replica>)>,
    decision: Option<Decision>,
    accesses: usize,
}

/// Plans and answers that were made before.
#[derive(Default)]
pub(crate) struct Desk {
    plans: Mutex<HashMap<(usize, u64, Instant), Arc<Plan>>>,
    answers: Mutex<HashMap<u64, Memory, BuildHasherDefault<Mixer>>>,
    /// How many answers there may be before those that no state has any more are forgotten.
    limit: AtomicUsize,
}

impl Desk {
    /// A plan under a number, from an instant on.
    pub(crate) fn plan(&self, config: &Config, shape: usize, number: u64, effective: Instant) -> Arc<Plan> {
        let key = (shape, number, effective);
        locked(&self.plans).entry(key).or_insert_with(|| Arc::new(config.plan(shape, number, effective))).clone()
    }

    /// Asks a replica what runs, and has it look that many boundaries ahead for the next change.
    pub(crate) fn decide(
        &self,
        kept: &Kept,
        plan: &Published,
        instant: Instant,
        boundaries: usize,
        sight: &Sight<'_>,
    ) -> Answer {
        self.ask(hash_of((kept, plan, instant, boundaries, sight.key())), sight, || {
            let mut replica = Box::new(kept.replica().clone());
            let mut decision = replica.decide_within(&plan.plan, instant, 1, sight);
            for _ in 1..boundaries {
                let Some(until) = replica.look_further(&plan.plan, sight) else { break };
                decision.until = until;
            }
            (replica, Some(decision))
        })
    }

    /// Has a replica go over to another plan.
    pub(crate) fn adopt(&self, kept: &Kept, old: &Published, new: &Published, sight: &Sight<'_>) -> Answer {
        self.ask(hash_of(("adopt", kept, old, new, sight.key())), sight, || {
            let mut replica = Box::new(kept.replica().clone());
            replica.adopt(&old.plan, &new.plan, new.repair.as_deref(), sight);
            (replica, None)
        })
    }

    /// Has a replica prepare for that.
    pub(crate) fn prepare(&self, kept: &Kept, old: &Published, new: &Published, sight: &Sight<'_>) -> Answer {
        self.ask(hash_of(("prepare", kept, old, new, sight.key())), sight, || {
            let mut replica = Box::new(kept.replica().clone());
            replica.prepare(&old.plan, &new.plan, new.repair.as_deref(), sight);
            (replica, None)
        })
    }

    fn ask(&self, key: u64, sight: &Sight<'_>, ask: impl FnOnce() -> (Box<Replica>, Option<Decision>)) -> Answer {
        let mut answers = locked(&self.answers);
        if let Some(Memory { replica, decision, accesses }) = answers.get(&key)
            && let Some(replica) = replica.upgrade()
        {
            return Answer { kept: Kept(replica), decision: *decision, accesses: *accesses };
        }
        if answers.len() > self.limit.load(Ordering::Relaxed) {
            answers.retain(|_, answer| answer.replica.strong_count() > 0);
            self.limit.store(answers.len() * 2 + 10_000, Ordering::Relaxed);
        }
        let (replica, decision) = ask();
        let (kept, accesses) = (Kept::new(replica), sight.accesses.get());
        answers.insert(key, Memory { replica: Arc::downgrade(&kept.0), decision, accesses });
        Answer { kept, decision, accesses }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics while holding it")
}
