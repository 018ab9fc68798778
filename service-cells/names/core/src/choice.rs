//! Which server of a name is given.

use names_contract::{Node, Policy, Query};

use crate::registry::Registration;

/// The server of `servers`, which are those of one name, that `query` gets; `None` if all are to be avoided. The choice is
/// noted with the server as `turn`, a number that rises from lookup to lookup, so that it has to wait for its next turn.
pub(crate) fn choose<'servers>(
    servers: &'servers mut [Registration],
    query: &Query,
    turn: u64,
    distance: impl Fn(Node) -> u32,
) -> Option<&'servers Registration> {
    if let Some(kept) = servers
        .iter()
        .position(|candidate| query.keep == Some(candidate.server.id) && !query.avoid.contains(candidate.server.id))
    {
        return servers.get(kept);
    }
    let chosen = servers
        .iter_mut()
        .filter(|candidate| !query.avoid.contains(candidate.server.id))
        .min_by_key(|candidate| rank(candidate, query.policy, &distance))?;
    match query.policy {
        Policy::Any => chosen.given_at = turn,
        Policy::Nearest | Policy::LeastLoaded => chosen.preferred_at = turn,
    }
    Some(chosen)
}

/// The lower, the better. The turns of `Any` are counted apart from those that only break a tie: mixed, neither would
/// be even.
fn rank(candidate: &Registration, policy: Policy, distance: impl Fn(Node) -> u32) -> (u32, u32, u64) {
    let server = &candidate.server;
    match policy {
        Policy::Nearest => (distance(server.node), server.load, candidate.preferred_at),
        Policy::LeastLoaded => (server.load, distance(server.node), candidate.preferred_at),
        Policy::Any => (0, 0, candidate.given_at),
    }
}
