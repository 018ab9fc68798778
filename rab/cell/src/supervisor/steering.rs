//! The supervisor as the broker's hands: reads accounts for it, carries out what it decides, and tells it what the kernel said.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::abi::machine::MachineInfo;
use crate::abi::{Context, Error, ErrorKind, Handle};
use cell::{calls, events, hart, time};
use manifest::System;

use super::Supervisor;
use crate::broker::Broker;
use crate::command::Command;
use crate::measure::Reading;
use crate::member::{Member, Phase};
use crate::plugged::Find;
use crate::table::quoted;
use crate::{refusal, say};

/// How much of the root cell's own time a decision may take, in ns: far more than ours take, which is in the book.
const DECISION_NS: u64 = 100_000_000;

/// What the root cell had received when the present decision began, in ns.
static DECIDING_SINCE: AtomicU64 = AtomicU64::new(0);

/// Lets an optimizer decide, of which nothing is known. If it ends the root cell, or takes so long that this does, the next life of that knows by the heartbeats, which are odd meanwhile.
fn watched<R>(decide: impl FnOnce() -> R) -> R {
    DECIDING_SINCE.store(own_time(), Ordering::Relaxed);
    hart::heartbeat(1);
    events::on_tick(look_at_decision);
    events::set_tick(time::now() + DECISION_NS);
    let result = decide();
    events::set_tick(0);
    hart::heartbeat(1);
    result
}

/// On a tick. The root cell's own time counts: it has a part of its hardware thread only, and may be kept from that.
fn look_at_decision(_: &mut Context) {
    let taken = own_time().saturating_sub(DECIDING_SINCE.load(Ordering::Relaxed));
    assert!(taken < DECISION_NS, "the optimizer did not come to an end in {} ms", taken / 1_000_000);
    events::set_tick(time::now() + DECISION_NS - taken);
}

fn own_time() -> u64 {
    calls::cell_status(Handle::OWN_CELL).map_or(0, |status| status.time_ns)
}

/// Whether the last life of the root cell ended in the midst of a decision.
fn died_deciding(info: &MachineInfo) -> bool {
    info.root_lives > 1 && info.root_beats % 2 == 1
}

/// The broker that the manifest asks for, if it does. None after its optimizer has ended the root cell: then everything stays as it is.
///
/// # Errors
/// There is no such optimizer.
pub(super) fn broker(system: &System, info: &MachineInfo, optimizers: Find) -> Result<Option<Broker>, String> {
    let Some(spec) = &system.broker else { return Ok(None) };
    if died_deciding(info) {
        say!(
            "The optimizer `{}` ended the root cell by its last decision: the plan stays in force, and nothing is decided any more.",
            spec.optimizer
        );
        return Ok(None);
    }
    let optimizer = optimizers(&spec.optimizer)
        .ok_or_else(|| format!("the root cell's program has no optimizer `{}`", spec.optimizer))?;
    let threads = system.cells.iter().map(|cell| cell.threads.resolve(info.hardware_threads).unwrap_or(0));
    let pool = spec.threads.resolve(info.hardware_threads).map_err(|error| format!("the broker: {error}"))?;
    Ok(Some(Broker::new(system, spec, optimizer, &threads.collect::<Vec<u64>>(), pool, info.lead_ns)))
}

/// Whether the cell of this place may start.
///
/// # Errors
/// Why not, as part of a sentence.
pub(super) fn admit(broker: &mut Option<Broker>, place: usize) -> Result<(), String> {
    broker.as_mut().map_or(Ok(()), |broker| broker.admit(place))
}

/// The root cell was started again: what cells have is by the plan in force.
pub(super) fn found(broker: &mut Option<Broker>, members: &[Member]) {
    let Some(broker) = broker else { return };
    let running = members.iter().enumerate().filter(|(_, member)| member.is_running());
    broker.found(&running.map(|(place, member)| (place, member.claim)).collect::<Vec<_>>());
}

impl Supervisor {
    /// Lets the broker see and decide. What it decides is in the members' claims afterwards, and the plan is old.
    pub(super) fn steer(&mut self) {
        let Some(broker) = &mut self.broker else { return };
        let now = time::now();
        let readings: Vec<Reading> = self.members.iter().map(Member::reading).collect();
        for (place, member) in self.members.iter().enumerate() {
            broker.follow(place, member.is_running(), now, readings[place]);
        }
        broker.observe(now, |place| readings[place]);
        // One thing at a time: what is decided has to be in force before anything else is.
        if self.change.is_some() || !broker.is_due(now) {
            return;
        }
        let activation = hart::activation();
        let began = time::now();
        let (change, failure) = watched(|| broker.decide(now));
        if hart::activation() == activation {
            broker.reaction.cost(time::now() - began);
        }
        if let Some(failure) = failure {
            say!("The broker keeps what is in force: {failure}.");
        }
        let deadline = now.saturating_add(broker.notice_ns());
        for (place, claim) in change.iter().flat_map(|change| &change.claims) {
            let member = &mut self.members[*place];
            // Until it has released them, or the deadline is over, the kernel refuses the plan for now.
            if claim.threads.count_ones() < member.harts() {
                give_notice(member, claim.threads.count_ones(), deadline);
            }
            member.claim = *claim;
            self.plan_is_old = true;
        }
        self.change = change;
    }

    /// Commits a plan if the cells or what they are to have changed. Where it is refused the old one stays in force, and so does what cells had by it.
    pub(super) fn renew_plan(&mut self) {
        if !self.plan_is_old {
            return;
        }
        match self.commit() {
            Ok(()) => self.change_is_in_force(),
            Err((error, _)) if is_temporary(&error) => {}
            Err((error, header)) => {
                let refusal = self.describe_refusal(&error, &header);
                say!("{refusal}; the old plan stays in force.");
                self.plan_is_old = false;
                if let Some((broker, _)) = self.broker.as_mut().zip(self.change.take()) {
                    broker.refused();
                    for (place, member) in self.members.iter_mut().enumerate() {
                        let Some(claim) = broker.claim(place) else { continue };
                        if member.harts() < claim.threads.count_ones() {
                            give_notice(member, claim.threads.count_ones(), time::now());
                        }
                        member.claim = claim;
                    }
                }
                self.settle_threads(false);
            }
        }
    }

    /// Tells the broker that the kernel has accepted what it decided.
    pub(super) fn change_is_in_force(&mut self) {
        let Some((broker, change)) = self.broker.as_mut().zip(self.change.take()) else { return };
        let members = &self.members;
        let line = broker.in_force(&change, self.plan, time::now(), |place| members[place].reading());
        say!("{line}");
    }

    /// Whether the broker decides what this cell has.
    pub(super) fn is_brokered(&self, name: &str) -> bool {
        let place = self.members.iter().position(|member| member.spec.name == name);
        self.broker.as_ref().zip(place).is_some_and(|(broker, place)| broker.claim(place).is_some())
    }

    /// Answers what is asked of the broker.
    pub(super) fn explain(&self, command: &Command) {
        let Some(broker) = &self.broker else {
            say!("There is no broker in this system: its manifest has no [broker].");
            return;
        };
        let lines = if *command == Command::Why { broker.why() } else { broker.lines() };
        lines.iter().for_each(|line| say!("{line}"));
    }

    /// The broker's part of the summary, of the samples and of the checks. Returns whether what was asked of it holds.
    pub(super) fn account_for_broker(&self) -> bool {
        let Some(broker) = &self.broker else { return true };
        broker.lines().iter().for_each(|line| say!("  {line}"));
        if self.system.root.args.split_whitespace().any(|word| word == "samples") {
            give_samples(broker);
        }
        let checks = broker.reaction.checks(broker.period_ns(), broker.late_ns().map(|(_, late)| late).sum());
        for check in &checks {
            let (name, detail) = (quoted(check.name), quoted(&check.detail));
            say!("@tess check name={name} pass={} detail={detail}", check.holds);
        }
        checks.iter().all(|check| check.holds)
    }
}

/// Whether the plan may be accepted if it is tried again: one is on its way, harts have not been released, or the window is too near its end.
fn is_temporary(error: &Error) -> bool {
    error.kind == ErrorKind::Again || refusal::is_too_soon(error) || refusal::is_not_released(error)
}

/// Tells a running cell how many harts it is to have. As many as it has takes an earlier notice back.
fn give_notice(member: &Member, harts: u32, deadline_ns: u64) {
    let Phase::Running(handle) = member.phase else { return };
    if let Err(error) = calls::cell_notice(handle, harts, deadline_ns) {
        say!("{} cannot be given notice: {error}.", member.spec.name);
    }
}

fn give_samples(broker: &Broker) {
    let reaction = &broker.reaction;
    let period = broker.period_ns();
    for (name, values) in [
        ("rab.cell_decide_ns", reaction.costs().to_vec()),
        ("rab.reaction_ns", reaction.until_plan_ns().collect()),
        ("rab.reaction_periods", reaction.until_plan_ns().map(|ns| ns.div_ceil(period)).collect()),
        ("rab.settle_ns", reaction.until_settled_ns().collect()),
    ] {
        for values in values.chunks(16) {
            let words: Vec<String> = values.iter().map(ToString::to_string).collect();
            say!("@tess sample {name} {}", words.join(" "));
        }
    }
    for (name, late) in broker.late_ns() {
        say!("@tess sample rab.late_ns.{name} {late}");
    }
    say!("@tess sample rab.changes {}", broker.changes());
}
