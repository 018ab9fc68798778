//! What holds of a directory between any two calls.

use crate::claims::Claim;
use crate::registry::Record;
use crate::sorted::within;
use crate::{Directory, Quotas};

/// What does not hold of a directory. Nothing a client says can bring this about; it would be a mistake in this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// A table is not sorted, or has an entry twice.
    Order,
    /// A name without a server, a server without a name, or two servers of a sole name.
    Names,
    /// A claim within another's claim, or a server registered within another's.
    Claims,
    /// A cell has more than it may.
    Quotas,
    /// A subscription's list is not in order.
    Subscriptions,
}

impl<const NAMES: usize, const SERVERS: usize, const CLAIMS: usize, const SUBSCRIPTIONS: usize>
    Directory<NAMES, SERVERS, CLAIMS, SUBSCRIPTIONS>
{
    /// Checks all that must hold between any two calls. Quadratic in the directory: for tests.
    ///
    /// # Errors
    ///
    /// The first thing that does not hold.
    pub fn check(&self) -> Result<(), Broken> {
        let (names, servers) = (&self.registry.names, &self.registry.servers);
        let (claims, subscriptions) = (&self.claims.list, &self.subscriptions.list);
        let sorted = names.is_sorted_by(|left, right| left.name < right.name)
            && servers.is_sorted_by(|left, right| (left.name, left.server.id) < (right.name, right.server.id))
            && claims.is_sorted_by(|left, right| left.namespace < right.namespace)
            && subscriptions.is_sorted_by(|left, right| (left.client, left.id) < (right.client, right.id));
        holds(sorted, Broken::Order)?;

        let served = |record: &Record| {
            let count = self.registry.servers_of(&record.name).len();
            record.version <= self.now && count > 0 && (count == 1 || record.kind != names_contract::Kind::Sole)
        };
        let total: usize = names.iter().map(|record| self.registry.servers_of(&record.name).len()).sum();
        holds(names.iter().all(served) && total == servers.len(), Broken::Names)?;

        let alone = |claim: &Claim| {
            within(claims, &claim.namespace).all(|other| other.owner == claim.owner)
                && within(servers, &claim.namespace).all(|other| other.owner == claim.owner)
        };
        holds(claims.iter().all(alone), Broken::Claims)?;

        let Quotas { names: of_names, servers: of_servers, claims: of_claims, subscriptions: of_subscriptions } =
            self.quotas;
        let within_quota = |count: usize, limit: u32| count <= limit as usize;
        let kept = servers.iter().all(|registration| {
            let owner = registration.owner;
            within_quota(self.registry.count_names(owner), of_names)
                && within_quota(servers.iter().filter(|other| other.owner == owner).count(), of_servers)
        }) && claims.iter().all(|claim| within_quota(self.claims.count(claim.owner), of_claims))
            && subscriptions.iter().all(|subscription| {
                let count = subscriptions.iter().filter(|other| other.client == subscription.client).count();
                within_quota(count, of_subscriptions)
            });
        holds(kept, Broken::Quotas)?;
        holds(subscriptions.iter().all(|subscription| subscription.is_consistent()), Broken::Subscriptions)
    }
}

fn holds(condition: bool, otherwise: Broken) -> Result<(), Broken> {
    if condition { Ok(()) } else { Err(otherwise) }
}
