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

#[cfg(test)]
mod tests {
    use super::*;
    use names_contract::{Avoid, Cell, Name, Server, ServerId};

    /// Servers 1, 2, 3 at places 10, 20, 30 with loads 9, 5, 5.
    fn fleet() -> [Registration; 3] {
        [(1, 10, 9), (2, 20, 5), (3, 30, 5)].map(|(id, node, load)| Registration {
            name: Name::new("a").expect("a name"),
            server: Server { id: ServerId(id), cell: Cell(0), node: Node(node), load },
            owner: Cell(0),
            given_at: 0,
            preferred_at: 0,
        })
    }

    fn chosen(servers: &mut [Registration], query: &Query, turn: u64) -> Option<u32> {
        choose(servers, query, turn, |node| node.0.abs_diff(12)).map(|chosen| chosen.server.id.0)
    }

    fn query(policy: Policy) -> Query {
        Query::new(Name::new("a").expect("a name"), policy)
    }

    #[test]
    fn the_nearest_is_nearest_however_loaded_and_the_least_loaded_however_far() {
        assert_eq!(chosen(&mut fleet(), &query(Policy::Nearest), 1), Some(1));
        let mut servers = fleet();
        servers[2].server.load = 4;
        assert_eq!(chosen(&mut servers, &query(Policy::LeastLoaded), 1), Some(3));
    }

    #[test]
    fn of_the_least_loaded_the_nearest_is_given_every_time() {
        let mut servers = fleet();
        for turn in 1..5 {
            assert_eq!(chosen(&mut servers, &query(Policy::LeastLoaded), turn), Some(2));
        }
    }

    #[test]
    fn a_newcomer_is_given_next_and_then_waits_its_turn() {
        let mut servers = fleet();
        servers[0].given_at = 7;
        servers[1].given_at = 8;
        let given = [9, 10, 11, 12].map(|turn| chosen(&mut servers, &query(Policy::Any), turn));
        assert_eq!(given, [Some(3), Some(1), Some(2), Some(3)]);
    }

    #[test]
    fn keeping_costs_nobody_a_turn_and_does_not_outdo_avoiding() {
        let mut servers = fleet();
        let keeping = Query { keep: Some(ServerId(3)), ..query(Policy::Any) };
        assert_eq!(chosen(&mut servers, &keeping, 1), Some(3));
        assert_eq!(servers[2].given_at, 0);
        let mut both = keeping;
        both.avoid.add(ServerId(3));
        assert_eq!(chosen(&mut servers, &both, 2), Some(1));
        let gone = Query { keep: Some(ServerId(9)), avoid: Avoid::NONE, ..keeping };
        assert_eq!(chosen(&mut servers, &gone, 3), Some(2));
    }
}
