//! The broker: who is admitted, how the cells with needs do, and who gets what. It knows the kernel only by what it is told and makes no call: the supervisor reads the
//! cells' accounts, carries out what is decided, and says whether the kernel accepted it.
//!
//! Decisions are `rab_core`'s: an optimizer under a [`Controller`], which filters, damps and holds it to what must be. Neighbours: [`crate::measure`] makes measurements of accounts,
//! [`crate::allocate`] makes places in the plan of shares, [`crate::reaction`] keeps how fast that was.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use manifest::{Nanoseconds, Policy, System};
use rab_core::admission::{Contract, Ledger, Reason, Refusal, Request, ServiceId};
use rab_core::control::{Controller, Outcome};
use rab_core::{Amounts, CellId, Goals, Machine, Needs, Resource};

use crate::allocate::{self, Candidate};
use crate::measure::{Meter, Reading, Share};
use crate::plugged::Plugged;
use crate::promise::Claim;
use crate::reaction::Reaction;
use crate::table::{Align, Table, duration, threads};

/// Cells with needs, at most.
const CELLS: usize = manifest::limits::NEEDS_MAX;

/// Contracts and services, at most.
const CONTRACTS: usize = 64;

/// A cell with needs.
#[derive(Debug)]
struct Part {
    name: String,
    /// Among the cells of the manifest.
    place: usize,
    spec: manifest::Needs,
    needs: Needs,
    contracts: Vec<Contract>,
    pool: u64,
    most_harts: u32,
    claim: Claim,
    /// While it is admitted.
    id: Option<CellId>,
    /// While it runs.
    meter: Option<Meter>,
    /// What it has, in quanta: at first, and when it starts again, as much as its policy and the others' say.
    share: u32,
    late_ns: u64,
}

/// What is to come into force.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The new claim of each cell, by its place in the manifest.
    pub claims: Vec<(usize, Claim)>,
    shares: Vec<(CellId, u32)>,
    number: u32,
    text: String,
}

/// The broker at work.
#[derive(Debug)]
pub struct Broker {
    spec: manifest::Broker,
    controller: Controller<Plugged, CELLS>,
    ledger: Ledger<CELLS, CONTRACTS>,
    parts: Vec<Part>,
    /// The cells' names, by their places.
    names: Vec<String>,
    goals: Goals,
    capacity: u32,
    /// Quanta that the kernel did not let be given out.
    withheld: u32,
    next_id: u16,
    /// The decision that is in force.
    under: u32,
    next_sample_ns: u64,
    next_decision_ns: u64,
    something_happened: bool,
    decisions: u64,
    changes: u64,
    refusals: u64,
    failures: u64,
    last_change: String,
    last_failure: Option<String>,
    /// How fast it is.
    pub reaction: Reaction,
}

impl Broker {
    /// The broker of a system, with an optimizer. `threads` are the hardware threads of each cell and `pool` those that cells can grow onto, as bits; a lead is what a switch takes at most. Nobody is
    /// admitted yet.
    #[must_use]
    pub fn new(
        system: &System,
        spec: &manifest::Broker,
        optimizer: Box<dyn rab_core::Optimizer>,
        threads: &[u64],
        pool: u64,
        lead_ns: u64,
    ) -> Self {
        let claim = |place: usize| Claim {
            threads: threads.get(place).copied().unwrap_or(0),
            policy: system.cells[place].policy,
        };
        let (with, without): (Vec<usize>, Vec<usize>) =
            (0..system.cells.len()).partition(|place| system.cells[*place].needs.is_some());
        let mut others: Vec<Claim> = without.into_iter().map(claim).collect();
        others.push(Claim { threads: 1, policy: system.root.policy });
        let claims: Vec<Claim> = with.iter().map(|place| claim(*place)).collect();
        let is_elastic = |place: &usize| system.cells[*place].most_harts.is_some();
        let used = claims.iter().fold(0, |used, claim| used | claim.threads);
        let pool = if with.iter().any(is_elastic) { used | pool } else { used };
        let capacity = allocate::capacity(pool, spec.quanta, &others, &claims, lead_ns);
        let mut ledger = Ledger::new();
        for (place, cell) in system.cells.iter().enumerate().filter(|(_, cell)| cell.offers_per_s > 0) {
            // The manifest's limits leave room; a service without it would be one that nobody has a contract with.
            let _ = ledger.offer(Contract { service: ServiceId(place as u16), per_s: cell.offers_per_s });
        }
        let rivals = claims.clone();
        let parts = with.into_iter().zip(claims).filter_map(|(place, claim)| {
            let cell = &system.cells[place];
            let spec_needs = cell.needs.clone()?;
            let service = |name: &str| system.cells.iter().position(|cell| cell.name == name);
            let contracts = spec_needs.contracts.iter().filter_map(|rate| {
                Some(Contract { service: ServiceId(service(&rate.service)? as u16), per_s: rate.per_s })
            });
            let (pool, most_harts) = match cell.most_harts {
                Some(most) => (pool, most.min(pool.count_ones())),
                None => (claim.threads, claim.threads.count_ones()),
            };
            let most = most_harts * spec.quanta;
            let share = initial(&claim, &rivals, capacity, most);
            Some(Part {
                name: cell.name.clone(),
                place,
                needs: needs(&spec_needs, spec.quanta, most),
                contracts: contracts.collect(),
                spec: spec_needs,
                pool,
                most_harts,
                claim,
                id: None,
                meter: None,
                share,
                late_ns: 0,
            })
        });
        Self {
            controller: Controller::new(Plugged(optimizer)),
            ledger,
            parts: parts.collect(),
            names: system.cells.iter().map(|cell| cell.name.clone()).collect(),
            goals: Goals { watt_penalty: 0.0, margin: f64::from(spec.margin_permille) / 1000.0 },
            capacity,
            withheld: 0,
            next_id: 1,
            under: 0,
            next_sample_ns: 0,
            next_decision_ns: 0,
            something_happened: false,
            decisions: 0,
            changes: 0,
            refusals: 0,
            failures: 0,
            last_change: String::new(),
            last_failure: None,
            reaction: Reaction::new(&system.root.args),
            spec: spec.clone(),
        }
    }

    fn machine(&self) -> Machine {
        Machine::new(self.capacity.saturating_sub(self.withheld))
    }

    /// Decides whether a cell may start. One without needs always may.
    ///
    /// # Errors
    /// Why not, and what would fit, as part of a sentence.
    pub fn admit(&mut self, place: usize) -> Result<(), String> {
        let machine = self.machine();
        let Some(part) = self.parts.iter_mut().find(|part| part.place == place) else { return Ok(()) };
        if part.id.is_some() {
            return Ok(());
        }
        let id = CellId(self.next_id);
        let request = Request { cell: id, needs: part.needs, secure: None, contracts: &part.contracts };
        if let Err(refusal) = self.ledger.admit(&machine, &request) {
            return Err(self.refusal_text(&refusal));
        }
        part.id = Some(id);
        self.next_id = self.next_id.wrapping_add(1);
        Ok(())
    }

    /// What cells have by a plan that is in force already: the broker before this one has committed it.
    pub fn found(&mut self, claims: &[(usize, Claim)]) {
        for part in &mut self.parts {
            if let Some((_, claim)) = claims.iter().find(|(place, _)| *place == part.place) {
                part.claim = *claim;
                part.share = allocate::share(claim, self.spec.quanta).unwrap_or(part.share);
            }
        }
    }

    /// A refusal in the words of the manifest.
    fn refusal_text(&self, refusal: &Refusal) -> String {
        let fits = refusal.fits.map(|fits| fits[Resource::Threads]).filter(|fits| *fits > 0);
        match refusal.reason {
            Reason::Short { resource: Resource::Threads, wanted, left } => {
                let (wanted, left) = (self.amount(wanted), self.amount(left));
                let fits = fits.map_or_else(
                    || String::from("nothing would fit"),
                    |fits| format!("a minimum of {} would fit", self.amount(fits)),
                );
                format!("it needs {wanted} hardware threads, and {left} are not promised to others; {fits}")
            }
            Reason::Contract { service, wanted, left } => {
                let name = self.names.get(usize::from(service.0)).map_or("?", String::as_str);
                format!("it wants {wanted} requests per second of `{name}`, which has {left} left; {left}/s would fit")
            }
            ref reason => format!("{reason}"),
        }
    }

    /// Follows a cell's life: one that began takes part, one that ended gives back what it had. Says whether anything changed.
    pub fn follow(&mut self, place: usize, is_running: bool, now_ns: u64, reading: Reading) {
        let Some(part) = self.parts.iter_mut().find(|part| part.place == place) else { return };
        match (is_running, part.id, part.meter) {
            (true, Some(id), None) => {
                let has = Amounts::threads(part.share).most(part.needs.minimum).least(part.needs.desired);
                part.share = has[Resource::Threads];
                // It was admitted, so its needs are consistent, it is new, and there is room.
                if self.controller.join(id, part.needs, has).is_ok() {
                    part.meter = Some(Meter::new(part.spec.target, now_ns, reading));
                    self.something_happened = true;
                }
            }
            (false, Some(id), meter) => {
                self.controller.leave(id);
                self.ledger.release(id);
                part.late_ns += meter.map_or(0, |meter| meter.late_ns);
                (part.id, part.meter) = (None, None);
                self.something_happened |= meter.is_some();
            }
            _ => {}
        }
    }

    /// Measures, if it is time to.
    pub fn observe(&mut self, now_ns: u64, readings: impl Fn(usize) -> Reading) {
        if now_ns < self.next_sample_ns {
            return;
        }
        let interval = (self.spec.period_ns / u64::from(self.spec.samples)).max(1);
        self.next_sample_ns = (now_ns / interval + 1) * interval;
        for part in &mut self.parts {
            let (Some(id), Some(meter)) = (part.id, &mut part.meter) else { continue };
            let share = Share {
                threads: f64::from(part.share) / f64::from(self.spec.quanta),
                harts: part.claim.threads.count_ones(),
                under: self.under,
            };
            let before = meter.late_ns;
            if let Some(sample) = meter.measure(now_ns, readings(part.place), share) {
                self.controller.sample(id, &sample);
            }
            if meter.late_ns > before {
                self.reaction.late(now_ns);
            }
        }
    }

    /// Whether a decision is due.
    #[must_use]
    pub fn is_due(&self, now_ns: u64) -> bool {
        self.something_happened || now_ns >= self.next_decision_ns
    }

    /// Decides. Costs what the optimizer takes, which its steps bound. What changes, if anything does, and why the optimizer failed, if it did and not in the same way as last time.
    pub fn decide(&mut self, now_ns: u64) -> (Option<Change>, Option<String>) {
        self.next_decision_ns = (now_ns / self.spec.period_ns + 1) * self.spec.period_ns;
        self.something_happened = false;
        self.decisions += 1;
        let machine = self.machine();
        let decision = self.controller.decide(&machine, &self.goals);
        let failure = match decision.outcome {
            Outcome::Impossible(reason) => Some(self.named(&format!("{reason}"))),
            _ => decision.failure.map(|reason| self.named(&format!("{reason}"))),
        };
        self.failures += u64::from(failure.is_some());
        // The same failure again is counted and not told.
        let is_known = core::mem::replace(&mut self.last_failure, failure.clone()) == failure;
        let failure = failure.filter(|_| !is_known);
        if decision.outcome != Outcome::Changed {
            return (None, failure);
        }
        let shares: Vec<(CellId, u32)> =
            self.controller.shares().map(|(id, share)| (id, share[Resource::Threads])).collect();
        let share = |part: &Part| shares.iter().find(|(id, _)| part.id == Some(*id)).map(|(_, share)| *share);
        let running: Vec<&Part> = self.parts.iter().filter(|part| share(part).is_some()).collect();
        let candidates: Vec<Candidate> = running
            .iter()
            .map(|part| Candidate {
                claim: part.claim,
                pool: part.pool,
                most_harts: part.most_harts,
                share: share(part).unwrap_or(0),
            })
            .collect();
        let claims = allocate::claims(&candidates, self.spec.quanta);
        let claims: Vec<(usize, Claim)> = running.iter().map(|part| part.place).zip(claims).collect();
        let moves: Vec<String> = running
            .iter()
            .zip(&candidates)
            .zip(&claims)
            .filter(|((part, candidate), (_, claim))| {
                part.share != candidate.share || part.claim.threads != claim.threads
            })
            .map(|((part, candidate), (_, claim))| {
                let moved = match (part.claim.threads, claim.threads) {
                    (before, after) if before == after => String::new(),
                    (before, after) => format!(" (@{} -> @{})", threads(before), threads(after)),
                };
                format!("{} {} -> {}{moved}", part.name, self.amount(part.share), self.amount(candidate.share))
            })
            .collect();
        let why = self.named(&format!("{}", self.controller.why()));
        let text = format!("{}; {}", why.lines().next().unwrap_or_default(), moves.join(", "));
        self.last_change = why;
        (Some(Change { claims, shares, number: decision.number, text }), failure)
    }

    /// The kernel has accepted the change, as plan `plan`. Returns the line that says so.
    pub fn in_force(&mut self, change: &Change, plan: u64, now_ns: u64, readings: impl Fn(usize) -> Reading) -> String {
        self.changes += 1;
        self.under = change.number;
        for part in &mut self.parts {
            if let Some((_, share)) = change.shares.iter().find(|(id, _)| part.id == Some(*id)) {
                part.share = *share;
            }
            if let Some((_, claim)) = change.claims.iter().find(|(place, _)| *place == part.place) {
                part.claim = *claim;
            }
            if let Some(meter) = &mut part.meter {
                meter.restart(now_ns, readings(part.place));
            }
        }
        self.reaction.changed(now_ns);
        format!("broker: {}; plan {plan}", change.text)
    }

    /// The kernel has refused the change. A quantum less is given out from now on, and another decision is due.
    pub fn refused(&mut self) {
        self.refusals += 1;
        self.withheld = (self.withheld + 1).min(self.capacity);
        self.something_happened = true;
    }

    /// What a cell has, and its place in the plan in force; none if it does not take part.
    #[must_use]
    pub fn claim(&self, place: usize) -> Option<Claim> {
        self.parts.iter().find(|part| part.place == place && part.meter.is_some()).map(|part| part.claim)
    }

    /// Quanta as hardware threads.
    fn amount(&self, quanta: u32) -> String {
        format!("{:.2}", f64::from(quanta) / f64::from(self.spec.quanta))
    }

    /// A text of `rab_core`, with the cells' names for their numbers.
    fn named(&self, text: &str) -> String {
        with_names(text, |id| self.parts.iter().find(|part| part.id == Some(id)).map(|part| part.name.as_str()))
    }

    /// Why the cells have what they have: the last change, and the last decision if that was another one.
    #[must_use]
    pub fn why(&self) -> Vec<String> {
        let now = self.named(&format!("{}", self.controller.why()));
        let mut lines: Vec<String> = Vec::new();
        if !self.last_change.is_empty() && self.last_change != now {
            lines.push(String::from("the last change:"));
            lines.extend(self.last_change.lines().map(|line| format!("  {line}")));
            lines.push(String::from("the last decision:"));
        }
        lines.extend(now.lines().map(|line| format!("  {line}")));
        if self.spec.quanta > 1 {
            lines.push(format!("  (threads are counted in parts of 1/{} of a hardware thread)", self.spec.quanta));
        }
        lines
    }

    /// How it works and what it has done, and how each cell does.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::from([
            format!(
                "broker: optimizer {}, every {}, {} measurements in each period",
                rab_core::Optimizer::name(self.controller.optimizer()),
                Nanoseconds(self.spec.period_ns),
                self.spec.samples
            ),
            format!(
                "  {} decisions, {} changes, {} plans refused, {} failures of the optimizer",
                self.decisions, self.changes, self.refusals, self.failures
            ),
            format!(
                "  {} hardware threads to divide, in parts of 1/{}",
                self.amount(self.capacity.saturating_sub(self.withheld)),
                self.spec.quanta
            ),
        ]);
        let columns = [
            ("cell", Align::Left),
            ("threads", Align::Left),
            ("minimum", Align::Right),
            ("has", Align::Right),
            ("desired", Align::Right),
            ("target", Align::Right),
            ("late for", Align::Right),
        ];
        let mut table = Table::new(&columns);
        for part in &self.parts {
            let is_there = part.meter.is_some();
            table.row(Vec::from([
                part.name.clone(),
                if is_there { threads(part.claim.threads) } else { String::from("-") },
                self.amount(part.needs.minimum[Resource::Threads]),
                if is_there { self.amount(part.share) } else { String::from("-") },
                self.amount(part.needs.desired[Resource::Threads]),
                part.spec.target.map_or_else(|| String::from("-"), |target| target.to_string()),
                part.spec.target.map_or_else(|| String::from("-"), |_| duration(Some(self.late_of(part)))),
            ]));
        }
        lines.extend(table.lines());
        lines
    }

    fn late_of(&self, part: &Part) -> u64 {
        part.late_ns + part.meter.map_or(0, |meter| meter.late_ns)
    }

    /// For each cell with a target, the time in which it was late, in ns.
    pub fn late_ns(&self) -> impl Iterator<Item = (&str, u64)> {
        self.parts.iter().filter(|part| part.spec.target.is_some()).map(|part| (part.name.as_str(), self.late_of(part)))
    }

    /// How long a cell has time to release harts, in ns.
    #[must_use]
    pub fn notice_ns(&self) -> u64 {
        self.spec.notice_ns
    }

    /// From decision to decision, in ns.
    #[must_use]
    pub fn period_ns(&self) -> u64 {
        self.spec.period_ns
    }

    /// Changes in force so far.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }
}

/// What a policy alone gives a cell, in quanta, of which it can have at most so many.
fn initial(claim: &Claim, rivals: &[Claim], capacity: u32, most: u32) -> u32 {
    let weight = |claim: &Claim| if let Policy::BestEffort { weight } = claim.policy { u64::from(weight) } else { 0 };
    let (of, whole, all) = match claim.policy {
        Policy::EventTriggered { period_ns, budget_ns } => (budget_ns, period_ns, most),
        _ => (weight(claim), rivals.iter().map(weight).sum(), capacity),
    };
    let quanta = u128::from(of) * u128::from(all) / u128::from(whole.max(1));
    u32::try_from(quanta).unwrap_or(u32::MAX).min(most)
}

/// What a cell needs, in quanta, of which it can use at most so many.
fn needs(spec: &manifest::Needs, quanta: u32, most: u32) -> Needs {
    let in_quanta = |milli: u32| u64::from(milli) * u64::from(quanta);
    let minimum = in_quanta(spec.minimum_milli).div_ceil(1000).max(1) as u32;
    let desired = spec.desired_milli.map_or(most, |milli| in_quanta(milli).div_ceil(1000) as u32).max(minimum);
    let slope = spec.slope_milli as f64 / 1000.0;
    let needs = Needs::best_effort(Amounts::threads(minimum), Amounts::threads(desired));
    let needs = Needs { slope, weight: spec.weight, ..needs };
    match spec.target {
        Some(target) => needs.with_deadline(target.deadline_ns() as f64 / 1e9, slope),
        None => needs,
    }
}

/// The text with names in the place of `cell N`.
fn with_names<'a>(text: &str, name: impl Fn(CellId) -> Option<&'a str>) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("cell ") {
        let digits = rest[at + 5..].bytes().take_while(u8::is_ascii_digit).count();
        let end = at + 5 + digits;
        let known = rest[at + 5..end].parse().ok().and_then(|id| name(CellId(id)));
        result += &rest[..at];
        result += known.unwrap_or(&rest[at..end]);
        rest = &rest[end..];
    }
    result + rest
}

#[cfg(test)]
mod tests;
