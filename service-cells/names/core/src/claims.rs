//! Who has claimed which namespace.

use heapless::Vec;
use names_contract::{Cell, Name, Quantity, RefusedBecause};

use crate::quotas::{full, one_more};
use crate::sorted::{Named, within};

/// A claimed namespace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    pub(crate) namespace: Name,
    pub(crate) owner: Cell,
}

impl Named for Claim {
    fn name(&self) -> &Name {
        &self.namespace
    }
}

/// All claims, sorted by namespace. Claims within each other are of one owner.
pub(crate) struct Claims<const CLAIMS: usize> {
    pub(crate) list: Vec<Claim, CLAIMS>,
}

impl<const CLAIMS: usize> Claims<CLAIMS> {
    pub(crate) const fn new() -> Self {
        Self { list: Vec::new() }
    }

    /// Whether `cell` may register or claim `name`, as far as claims go.
    pub(crate) fn permit(&self, cell: Cell, name: &Name) -> Result<(), RefusedBecause> {
        // Claims within each other are of one owner, so the first one found speaks for all.
        let covering = name.namespaces().find_map(|namespace| self.exactly(&namespace).ok());
        match covering.and_then(|found| self.list.get(found)) {
            Some(claim) if claim.owner != cell => Err(RefusedBecause::NotYours { namespace: claim.namespace }),
            _ => Ok(()),
        }
    }

    /// Whether `owner` may claim `namespace`, as far as other claims go.
    pub(crate) fn may_claim(&self, owner: Cell, namespace: &Name) -> Result<(), RefusedBecause> {
        if let Some(same) = self.exactly(namespace).ok().and_then(|found| self.list.get(found)) {
            let by_owner = same.owner == owner;
            return Err(if by_owner { RefusedBecause::AlreadyYours } else { RefusedBecause::AlreadyClaimed });
        }
        self.permit(owner, namespace)?;
        match within(&self.list, namespace).find(|claim| claim.owner != owner) {
            Some(other) => Err(RefusedBecause::ClaimedBeneath { namespace: other.namespace }),
            None => Ok(()),
        }
    }

    /// Notes a claim that may be made, of an `owner` who is allowed `limit` claims.
    pub(crate) fn claim(&mut self, owner: Cell, namespace: Name, limit: u32) -> Result<(), RefusedBecause> {
        one_more(Quantity::Claims, self.count(owner), limit, self.list.len(), CLAIMS)?;
        let place = self.exactly(&namespace).unwrap_or_else(|place| place);
        self.list.insert(place, Claim { namespace, owner }).map_err(|_| full(Quantity::Claims, CLAIMS))
    }

    /// Gives `namespace` up.
    pub(crate) fn release(&mut self, owner: Cell, namespace: &Name) -> Result<(), RefusedBecause> {
        let place = self.exactly(namespace).map_err(|_| RefusedBecause::Unknown)?;
        if self.list.get(place).is_some_and(|claim| claim.owner != owner) {
            return Err(RefusedBecause::NotYours { namespace: *namespace });
        }
        self.list.remove(place);
        Ok(())
    }

    /// Gives all claims of a cell up and says how many they were.
    pub(crate) fn died(&mut self, cell: Cell) -> u32 {
        let before = self.list.len();
        self.list.retain(|claim| claim.owner != cell);
        (before - self.list.len()) as u32
    }

    pub(crate) fn count(&self, owner: Cell) -> usize {
        self.list.iter().filter(|claim| claim.owner == owner).count()
    }

    fn exactly(&self, namespace: &Name) -> Result<usize, usize> {
        self.list.binary_search_by(|claim| claim.namespace.cmp(namespace))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: Cell = Cell(1);
    const BOB: Cell = Cell(2);

    fn name(text: &str) -> Name {
        Name::new(text).expect("a name")
    }

    fn claims(claimed: &[(Cell, &str)]) -> Claims<4> {
        let mut claims = Claims::new();
        for (owner, namespace) in claimed {
            assert_eq!(claims.may_claim(*owner, &name(namespace)), Ok(()));
            assert_eq!(claims.claim(*owner, name(namespace), 3), Ok(()));
        }
        claims
    }

    #[test]
    fn a_claim_covers_itself_and_what_is_beneath_but_no_neighbour() {
        let claims = claims(&[(ALICE, "system/net")]);
        let refused = Err(RefusedBecause::NotYours { namespace: name("system/net") });
        assert_eq!(claims.permit(BOB, &name("system/net")), refused);
        assert_eq!(claims.permit(BOB, &name("system/net/card-0")), refused);
        assert_eq!(claims.permit(ALICE, &name("system/net/card-0")), Ok(()));
        for free in ["system", "system/network", "system/net-0", "net"] {
            assert_eq!(claims.permit(BOB, &name(free)), Ok(()), "{free}");
        }
    }

    #[test]
    fn a_claim_is_not_made_around_anothers() {
        let claims = claims(&[(ALICE, "system/net")]);
        let refused = RefusedBecause::ClaimedBeneath { namespace: name("system/net") };
        assert_eq!(claims.may_claim(BOB, &name("system")), Err(refused));
        assert_eq!(claims.may_claim(ALICE, &name("system")), Ok(()));
    }

    #[test]
    fn a_claim_beneath_ones_own_outlives_the_one_above() {
        let mut claims = claims(&[(ALICE, "system"), (ALICE, "system/net")]);
        assert_eq!(claims.release(BOB, &name("system")), Err(RefusedBecause::NotYours { namespace: name("system") }));
        assert_eq!(claims.release(ALICE, &name("system")), Ok(()));
        assert_eq!(claims.release(ALICE, &name("system")), Err(RefusedBecause::Unknown));
        assert!(claims.permit(BOB, &name("system/net/a")).is_err());
        assert_eq!(claims.permit(BOB, &name("system/block")), Ok(()));
    }

    #[test]
    fn the_claims_of_the_dead_are_free() {
        let mut claims = claims(&[(ALICE, "a"), (BOB, "b"), (ALICE, "c")]);
        assert_eq!(claims.died(ALICE), 2);
        assert_eq!(claims.permit(BOB, &name("a/x")), Ok(()));
        assert!(claims.permit(ALICE, &name("b/x")).is_err());
    }
}
