use alloc::boxed::Box;
use std::collections::BTreeMap;

use manifest::{Cell, Expect, Rate, Root, Target, Threads};
use rab_core::optimizer::{NoAllocation, Optimizer, Situation, Steps};

use super::*;
use crate::plugged::shipped;

const MS: u64 = 1_000_000;

fn cell(name: &str, needs: Option<manifest::Needs>) -> Cell {
    Cell {
        name: name.to_string(),
        program: name.to_string(),
        threads: Threads::List([0].to_vec()),
        most_harts: None,
        memory_bytes: 1 << 20,
        stack_bytes: 1 << 16,
        policy: Policy::EventTriggered { period_ns: 20 * MS, budget_ns: 4 * MS },
        args: String::new(),
        expect: Expect::Run,
        no_missed: false,
        restart: false,
        needs,
        offers_per_s: 0,
    }
}

fn wants(per_s: u64, minimum_milli: u32) -> Option<manifest::Needs> {
    Some(manifest::Needs {
        minimum_milli,
        desired_milli: None,
        target: Some(Target::Heartbeats { milli_per_s: per_s * 1000 }),
        slope_milli: 100_000,
        weight: 1,
        contracts: Vec::new(),
    })
}

fn system(cells: Vec<Cell>, optimizer: &str) -> System {
    let broker = manifest::Broker {
        optimizer: optimizer.to_string(),
        period_ns: 100 * MS,
        samples: 5,
        quanta: 32,
        threads: Threads::All,
        notice_ns: 20 * MS,
        margin_permille: 50,
    };
    System {
        name: "s".to_string(),
        about: String::new(),
        slice_ns: MS,
        tolerance_ns: MS,
        run_for_ns: None,
        status_ns: 0,
        activation: manifest::Activation::Hold,
        root: Root {
            policy: Policy::TimeTriggered { period_ns: 10 * MS, phase_ns: 0, length_ns: MS / 2 },
            ..Root::default()
        },
        broker: Some(broker),
        cells,
        channels: Vec::new(),
    }
}

fn broker_with(system: &System, optimizer: Box<dyn Optimizer>) -> Broker {
    let spec = system.broker.clone().expect("it has one");
    Broker::new(system, &spec, optimizer, &std::vec![1; system.cells.len()], 1, 5_000)
}

fn broker(system: &System) -> Broker {
    let name = &system.broker.as_ref().expect("it has one").optimizer;
    broker_with(system, shipped(name).expect("it is shipped"))
}

/// Cells that always have work, under a broker, with a kernel that gives each its budget to the nanosecond.
struct World {
    broker: Broker,
    now_ns: u64,
    /// Hardware-thread time of a heartbeat, and what was counted.
    cells: BTreeMap<usize, (u64, Reading)>,
    plan: u64,
    log: Vec<String>,
    refuse: bool,
}

impl World {
    fn new(broker: Broker, works_ns: &[u64]) -> Self {
        let mut broker = broker;
        let places = 0..works_ns.len();
        let admitted: Vec<usize> = places.filter(|place| broker.admit(*place).is_ok()).collect();
        let cells = admitted.into_iter().map(|place| (place, (works_ns[place], Reading::default()))).collect();
        Self { broker, now_ns: 0, cells, plan: 0, log: Vec::new(), refuse: false }
    }

    fn share(&self, place: usize) -> u32 {
        self.broker.parts[place].share
    }

    fn run(&mut self, ms: u64) {
        for _ in 0..ms / 10 {
            let places = 0..self.broker.parts.len();
            for place in places {
                let reading = self.cells.get(&place).map(|cell| cell.1);
                self.broker.follow(place, reading.is_some(), self.now_ns, reading.unwrap_or_default());
            }
            let cells = self.cells.clone();
            let reading = |place: usize| cells.get(&place).map_or(Reading::default(), |cell| cell.1);
            self.broker.observe(self.now_ns, reading);
            if self.broker.is_due(self.now_ns) {
                let (change, failure) = self.broker.decide(self.now_ns);
                self.log.extend(failure);
                match change {
                    Some(_) if self.refuse => self.broker.refused(),
                    Some(change) => {
                        self.plan += 1;
                        self.log.push(self.broker.in_force(&change, self.plan, self.now_ns, reading));
                    }
                    None => {}
                }
            }
            self.now_ns += 10 * MS;
            for (place, (work_ns, reading)) in &mut self.cells {
                reading.used_ns += 10 * MS * u64::from(self.broker.parts[*place].share) / 32;
                reading.heartbeats = reading.used_ns / *work_ns;
                reading.activations += 1;
            }
        }
    }
}

fn four(optimizer: &str) -> World {
    let cells = ["a", "b", "c", "d"].map(|name| cell(name, wants(1000, 0)));
    World::new(broker(&system(cells.to_vec(), optimizer)), &[100_000; 4])
}

#[test]
fn what_a_cell_needs_in_a_new_phase_is_moved_to_it() {
    let mut world = four("pacora");
    world.run(600);
    let late: u64 = world.broker.late_ns().map(|(_, late)| late).sum();
    assert_eq!(late, 0, "everyone has enough");
    world.cells.get_mut(&1).expect("it runs").0 = 450_000;
    let before = world.now_ns;
    world.run(400);
    assert!(world.share(1) >= 15, "it needs 45 percent and has {} of 32", world.share(1));
    world.run(400);
    let late: u64 = world.broker.late_ns().map(|(_, late)| late).sum();
    assert!((1..=200 * MS).contains(&late), "{} ms late since {before}", late / MS);
    assert!(world.log.iter().any(|line| line.contains("broker: pacora (decision")), "{:?}", world.log);
}

#[test]
fn every_optimizer_that_ships_keeps_within_the_capacity() {
    for name in manifest::OPTIMIZERS {
        let mut world = four(name);
        world.run(300);
        world.cells.get_mut(&2).expect("it runs").0 = 800_000;
        world.run(600);
        let sum: u32 = (0..4).map(|place| world.share(place)).sum();
        assert!(sum <= world.broker.capacity, "{name}: {sum} of {}", world.broker.capacity);
        assert!((0..4).all(|place| world.share(place) >= 1), "{name}");
    }
}

#[test]
fn static_shares_are_those_of_the_manifest() {
    let mut world = four("static");
    world.run(300);
    world.cells.get_mut(&2).expect("it runs").0 = 800_000;
    world.run(600);
    // 4 ms of 20 ms in parts of 1/32.
    assert_eq!([0, 1, 2, 3].map(|place| world.share(place)), [6; 4]);
}

#[test]
fn a_cell_that_ends_gives_back_its_share_with_the_next_decision() {
    let mut world = four("fair");
    world.run(300);
    let before = world.share(0);
    world.cells.remove(&3);
    world.run(20);
    assert!(world.share(0) > before, "{before} before, {} after", world.share(0));
    assert_eq!(world.broker.admit(3), Ok(()), "there is room for it again");
}

#[test]
fn a_cell_that_does_not_fit_is_refused_with_what_would_fit() {
    let cells = [cell("a", wants(10, 600)), cell("b", wants(10, 500)), cell("c", wants(10, 250)), cell("d", None)];
    let mut broker = broker(&system(cells.to_vec(), "fair"));
    assert_eq!(broker.admit(0), Ok(()));
    let refusal = broker.admit(1).expect_err("there is not enough");
    assert_eq!(
        refusal,
        "it needs 0.50 hardware threads, and 0.09 are not promised to others; a minimum of 0.09 would fit"
    );
    assert_eq!(broker.admit(3), Ok(()), "it needs nothing of the broker");
    broker.follow(0, false, 0, Reading::default());
    assert_eq!(broker.admit(1), Ok(()));
}

#[test]
fn a_contract_that_a_service_cannot_keep_is_refused() {
    let mut first = cell("first", wants(10, 0));
    let rate = |per_s| Vec::from([Rate { service: "disk".to_string(), per_s }]);
    first.needs.as_mut().expect("it has").contracts = rate(800);
    let mut second = cell("second", wants(10, 0));
    second.needs.as_mut().expect("it has").contracts = rate(300);
    let disk = Cell { offers_per_s: 1000, ..cell("disk", None) };
    let mut broker = broker(&system([first, second, disk].to_vec(), "fair"));
    assert_eq!(broker.admit(0), Ok(()));
    let refusal = broker.admit(1).expect_err("it is too much");
    assert_eq!(refusal, "it wants 300 requests per second of `disk`, which has 200 left; 200/s would fit");
}

#[test]
fn a_refused_plan_keeps_what_is_in_force_and_less_is_given_out_next() {
    let mut world = four("fair");
    world.run(100);
    let before = [0, 1, 2, 3].map(|place| world.share(place));
    world.cells.remove(&3);
    world.refuse = true;
    world.run(30);
    assert_eq!([0, 1, 2].map(|place| world.share(place)), before[..3]);
    assert!(world.broker.withheld > 0 && world.broker.refusals > 0);
    world.refuse = false;
    world.run(100);
    let sum: u32 = (0..3).map(|place| world.share(place)).sum();
    assert!(sum > before[..3].iter().sum() && sum <= world.broker.capacity - world.broker.withheld, "{sum}");
}

/// Gives everything to everyone.
struct Generous;

impl Optimizer for Generous {
    fn name(&self) -> &'static str {
        "generous"
    }

    fn allocate(
        &mut self,
        situation: &Situation<'_>,
        _: &mut Steps,
        shares: &mut [Amounts],
    ) -> Result<(), NoAllocation> {
        shares.fill(situation.machine().totals());
        Ok(())
    }

    fn expects(&self, _: CellId, _: &Amounts) -> Option<f64> {
        Some(f64::NAN)
    }
}

#[test]
fn a_wrong_optimizer_changes_nothing_and_is_reported_once() {
    let cells = ["a", "b"].map(|name| cell(name, wants(1000, 0)));
    let mut world = World::new(broker_with(&system(cells.to_vec(), "generous"), Box::new(Generous)), &[100_000; 2]);
    world.run(500);
    assert_eq!([0, 1].map(|place| world.share(place)), [6; 2]);
    assert!(world.broker.failures >= 5);
    assert_eq!(world.log, ["the optimizer's answer must not be: 58 threads are given out, there are 29"]);
}

#[test]
fn why_names_the_cells_and_what_they_were_late_for() {
    let mut world = four("pacora");
    world.run(600);
    world.cells.get_mut(&1).expect("it runs").0 = 450_000;
    world.run(300);
    let why = world.broker.why().join("\n");
    assert!(why.contains("\n  b: ") || why.contains("  b: "), "{why}");
    assert!(!why.contains("cell "), "{why}");
    let lines = world.broker.lines().join("\n");
    assert!(lines.contains("optimizer pacora, every 100 ms") && lines.contains("1000/s"), "{lines}");
}

#[test]
fn names_stand_for_numbers_and_other_words_stay() {
    let name = |id: CellId| (id.0 == 3).then_some("net");
    assert_eq!(with_names("cell 3: 5; cell 31; a cell is; cell 3", name), "net: 5; cell 31; a cell is; net");
    assert_eq!(with_names("", name), "");
}
