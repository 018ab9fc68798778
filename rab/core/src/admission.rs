//! Who may start: a cell is admitted only if every promise can still be kept, its own included.
//!
//! What is promised to a cell is its minimum, what it takes to meet its deadline as far as that is known, and its contracts with services. What it desires beyond is not
//! promised. Windows and budgets in time are promised by the kernel's plan, which is admitted or refused by itself.

use core::fmt;

use heapless::Vec;

use crate::cell::{BadNeeds, CellId, Needs};
use crate::machine::Machine;
use crate::resource::{Amounts, Resource};

/// Names a service cell's service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId(pub u16);

/// A rate that a service promises a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contract {
    /// The service.
    pub service: ServiceId,
    /// In units of the service: requests, kilobytes, frames per second.
    pub per_s: u32,
}

/// A cell that would start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Request<'a> {
    /// Its name.
    pub cell: CellId,
    /// What it needs.
    pub needs: Needs,
    /// What it takes to meet its deadline, if that is known, from earlier runs or because its author says so.
    pub secure: Option<Amounts>,
    /// What it wants of services.
    pub contracts: &'a [Contract],
}

/// What was promised to a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Promise {
    cell: CellId,
    needs: Needs,
    secure: Amounts,
}

impl Promise {
    fn amounts(&self) -> Amounts {
        self.needs.minimum.most(self.secure.least(self.needs.desired))
    }
}

/// All promises: for at most so many cells, contracts and services.
#[derive(Clone, Debug, Default)]
pub struct Ledger<const CELLS: usize, const CONTRACTS: usize> {
    promises: Vec<Promise, CELLS>,
    contracts: Vec<(CellId, Contract), CONTRACTS>,
    /// What each service can deliver.
    offers: Vec<Contract, CONTRACTS>,
}

impl<const CELLS: usize, const CONTRACTS: usize> Ledger<CELLS, CONTRACTS> {
    /// Nothing is promised, no service is there.
    #[must_use]
    pub const fn new() -> Self {
        Self { promises: Vec::new(), contracts: Vec::new(), offers: Vec::new() }
    }

    /// A service says what it can deliver, to all its clients together.
    ///
    /// # Errors
    /// It has promised more than that already, or there is no room for another service.
    pub fn offer(&mut self, offer: Contract) -> Result<(), Reason> {
        let promised = self.promised(offer.service);
        if promised > offer.per_s {
            let Contract { service, per_s } = offer;
            return Err(Reason::Contract { service, wanted: promised, left: per_s });
        }
        if let Some(known) = self.offers.iter_mut().find(|known| known.service == offer.service) {
            *known = offer;
            return Ok(());
        }
        self.offers.push(offer).map_err(|_| Reason::NoRoom { most: CONTRACTS })
    }

    /// Promises the cell what it asks for. Costs a pass over all promises.
    ///
    /// # Errors
    /// A promise would be broken; nothing has changed then.
    pub fn admit(&mut self, machine: &Machine, request: &Request<'_>) -> Result<(), Refusal> {
        let refuse = |reason| Refusal { cell: request.cell, reason, fits: self.fits(machine, &request.needs) };
        let never = |reason| Refusal { cell: request.cell, reason, fits: None };
        request.needs.check().map_err(|mistake| never(Reason::Needs(mistake)))?;
        if self.promises.iter().any(|promise| promise.cell == request.cell) {
            return Err(never(Reason::Twice));
        }
        if self.promises.is_full() {
            return Err(never(Reason::NoRoom { most: CELLS }));
        }
        if self.contracts.capacity() - self.contracts.len() < request.contracts.len() {
            return Err(never(Reason::NoRoom { most: CONTRACTS }));
        }
        let secure = request.secure.unwrap_or(Amounts::NONE);
        let promise = Promise { cell: request.cell, needs: request.needs, secure };
        let before = self.amounts();
        is_kept(machine, &before, &promise.amounts()).map_err(refuse)?;
        for (place, contract) in request.contracts.iter().enumerate() {
            let of_this = request.contracts[..=place].iter().filter(|other| other.service == contract.service);
            let wanted = of_this.fold(0_u32, |sum, other| sum.saturating_add(other.per_s));
            let left = self.rate_left(contract.service).ok_or(Reason::NoService(contract.service)).map_err(refuse)?;
            if wanted > left {
                return Err(refuse(Reason::Contract { service: contract.service, wanted, left }));
            }
        }
        // There is room: it was looked at above.
        let _ = self.promises.push(promise);
        for contract in request.contracts {
            let _ = self.contracts.push((request.cell, *contract));
        }
        Ok(())
    }

    /// Promises an admitted cell what it takes to meet its deadline, as measurements have shown since. At most what it desires is promised.
    ///
    /// # Errors
    /// A promise would be broken, and the old one stands; or the cell was not admitted.
    pub fn secure(&mut self, machine: &Machine, cell: CellId, secure: Amounts) -> Result<(), Refusal> {
        let Some(place) = self.promises.iter().position(|promise| promise.cell == cell) else {
            return Err(Refusal { cell, reason: Reason::Unknown, fits: None });
        };
        let better = Promise { secure, ..self.promises[place] };
        let others = self.amounts().minus(self.promises[place].amounts());
        let fits = left(machine, &others).least(better.needs.desired);
        is_kept(machine, &others, &better.amounts()).map_err(|reason| Refusal { cell, reason, fits: Some(fits) })?;
        self.promises[place] = better;
        Ok(())
    }

    /// The cell is gone, and with it what was promised to it. Whether it was there.
    pub fn release(&mut self, cell: CellId) -> bool {
        self.contracts.retain(|(owner, _)| *owner != cell);
        let before = self.promises.len();
        self.promises.retain(|promise| promise.cell != cell);
        self.promises.len() < before
    }

    /// All that is promised.
    #[must_use]
    pub fn amounts(&self) -> Amounts {
        self.promises.iter().fold(Amounts::NONE, |sum, promise| sum.plus(promise.amounts()))
    }

    /// What a service has promised.
    #[must_use]
    pub fn promised(&self, service: ServiceId) -> u32 {
        let of_it = self.contracts.iter().filter(|(_, contract)| contract.service == service);
        of_it.fold(0, |sum, (_, contract)| sum.saturating_add(contract.per_s))
    }

    /// What a service can still promise; nothing if it is not there.
    #[must_use]
    pub fn rate_left(&self, service: ServiceId) -> Option<u32> {
        let offer = self.offers.iter().find(|offer| offer.service == service)?;
        Some(offer.per_s.saturating_sub(self.promised(service)))
    }

    /// The most that such a cell could be promised now; nothing if not even a hardware thread.
    fn fits(&self, machine: &Machine, needs: &Needs) -> Option<Amounts> {
        let before = self.amounts();
        let mut fits = left(machine, &before).least(needs.minimum.most(needs.desired));
        // Hardware threads go last: without them nothing fits.
        for resource in Resource::ALL.into_iter().rev() {
            let watts = machine.supply(resource).map_or(0.0, |supply| supply.watts);
            let over = machine.most_watts.map_or(0.0, |most| machine.watts(&before.plus(fits)) - most);
            if watts > 0.0 && over > 0.0 {
                fits[resource] = fits[resource].saturating_sub(libm::ceil(over / watts) as u32);
            }
        }
        (fits[Resource::Threads] > 0).then_some(fits)
    }
}

/// What is not promised.
fn left(machine: &Machine, promised: &Amounts) -> Amounts {
    machine.totals().minus(*promised)
}

fn is_kept(machine: &Machine, others: &Amounts, wanted: &Amounts) -> Result<(), Reason> {
    let left = left(machine, others);
    if let Some(resource) = wanted.beyond(&left) {
        let (wanted, left) = (wanted[resource], left[resource]);
        return Err(match machine.supply(resource) {
            Some(_) => Reason::Short { resource, wanted, left },
            None => Reason::NotThere(resource),
        });
    }
    let watts = machine.watts(&others.plus(*wanted));
    match machine.most_watts.filter(|most| watts > *most) {
        Some(most) => Err(Reason::Power { watts, most }),
        None => Ok(()),
    }
}

/// A cell is not admitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Refusal {
    /// Which.
    pub cell: CellId,
    /// Why.
    pub reason: Reason,
    /// The most that could be promised to it: with needs that ask for no more than this, and contracts for what is left, it would be admitted. Nothing if no needs would help.
    pub fits: Option<Amounts>,
}

/// Why a promise cannot be made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reason {
    /// The needs contradict themselves.
    Needs(BadNeeds),
    /// The cell was admitted before.
    Twice,
    /// The cell was never admitted.
    Unknown,
    /// The table is full.
    NoRoom {
        /// Its size.
        most: usize,
    },
    /// The machine cannot divide this.
    NotThere(Resource),
    /// Not enough is left.
    Short {
        /// Of this kind.
        resource: Resource,
        /// What the cell needs.
        wanted: u32,
        /// What is not promised to others.
        left: u32,
    },
    /// More power would be drawn than is allowed.
    Power {
        /// What would be drawn.
        watts: f64,
        /// What is allowed.
        most: f64,
    },
    /// There is no such service.
    NoService(ServiceId),
    /// The service has promised too much to others.
    Contract {
        /// The service.
        service: ServiceId,
        /// What the cell wants.
        wanted: u32,
        /// What is left.
        left: u32,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is refused: {}", self.cell, self.reason)?;
        match self.fits {
            Some(fits) => write!(f, "; {fits} would fit"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Needs(mistake) => write!(f, "{mistake}"),
            Self::Twice => f.write_str("it was admitted before"),
            Self::Unknown => f.write_str("it was never admitted"),
            Self::NoRoom { most } => write!(f, "the table has room for {most}"),
            Self::NotThere(resource) => write!(f, "this machine cannot divide {resource}, leave it out"),
            Self::Short { resource, wanted, left } => {
                write!(f, "it needs {wanted} {resource}, {left} are not promised to others")
            }
            Self::Power { watts, most } => write!(f, "{watts:.1} W would be drawn, {most:.1} W are allowed"),
            Self::NoService(service) => write!(f, "there is no service {}", service.0),
            Self::Contract { service, wanted, left } => {
                write!(f, "it wants {wanted} per second of service {}, {left} are left", service.0)
            }
        }
    }
}

#[cfg(test)]
mod tests;
