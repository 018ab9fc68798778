use proptest::prelude::*;
use std::string::ToString;

use super::*;
use crate::machine::Supply;

type Small = Ledger<4, 4>;

fn request(cell: u16, threads: u32) -> Request<'static> {
    let needs = Needs::best_effort(Amounts::threads(threads), Amounts::threads(threads + 2));
    Request { cell: CellId(cell), needs, secure: None, contracts: &[] }
}

#[test]
fn a_cell_is_admitted_until_a_promise_would_break_and_told_what_fits() {
    let machine = Machine::new(8);
    let mut ledger = Small::new();
    ledger.admit(&machine, &request(1, 5)).unwrap();
    let refusal = ledger.admit(&machine, &request(2, 4)).unwrap_err();
    assert_eq!(refusal.reason, Reason::Short { resource: Resource::Threads, wanted: 4, left: 3 });
    assert_eq!(refusal.fits, Some(Amounts::threads(3)));
    assert_eq!(
        refusal.to_string(),
        "cell 2 is refused: it needs 4 threads, 3 are not promised to others; 3 threads would fit"
    );
    ledger.admit(&machine, &request(2, 3)).unwrap();
}

#[test]
fn what_a_removed_cell_was_promised_is_free_again() {
    let machine = Machine::new(8);
    let mut ledger = Small::new();
    ledger.offer(Contract { service: ServiceId(1), per_s: 100 }).unwrap();
    let contracts = [Contract { service: ServiceId(1), per_s: 80 }];
    ledger.admit(&machine, &Request { contracts: &contracts, ..request(1, 8) }).unwrap();
    assert!(ledger.admit(&machine, &request(2, 1)).is_err());
    assert!(ledger.release(CellId(1)));
    assert!(!ledger.release(CellId(1)));
    ledger.admit(&machine, &Request { contracts: &contracts, ..request(2, 8) }).unwrap();
}

#[test]
fn what_a_deadline_takes_is_promised_too() {
    let machine = Machine::new(8);
    let mut ledger = Small::new();
    ledger.admit(&machine, &request(1, 2)).unwrap();
    ledger.secure(&machine, CellId(1), Amounts::threads(4)).unwrap();
    let refusal = ledger.admit(&machine, &request(2, 5)).unwrap_err();
    assert_eq!(refusal.fits, Some(Amounts::threads(4)));
    ledger.admit(&machine, &request(2, 4)).unwrap();
    assert!(ledger.secure(&machine, CellId(2), Amounts::threads(5)).is_err());
    assert_eq!(ledger.amounts(), Amounts::threads(8));
}

#[test]
fn contracts_are_kept_to_what_the_service_offers() {
    let machine = Machine::new(8);
    let mut ledger = Small::new();
    let two = [Contract { service: ServiceId(1), per_s: 60 }; 2];
    let refusal = ledger.admit(&machine, &Request { contracts: &two, ..request(1, 1) }).unwrap_err();
    assert_eq!(refusal.reason, Reason::NoService(ServiceId(1)));
    ledger.offer(Contract { service: ServiceId(1), per_s: 100 }).unwrap();
    let refusal = ledger.admit(&machine, &Request { contracts: &two, ..request(1, 1) }).unwrap_err();
    assert_eq!(refusal.reason, Reason::Contract { service: ServiceId(1), wanted: 120, left: 100 });
    ledger.admit(&machine, &Request { contracts: &two[..1], ..request(1, 1) }).unwrap();
    assert_eq!(ledger.rate_left(ServiceId(1)), Some(40));
    assert!(ledger.offer(Contract { service: ServiceId(1), per_s: 50 }).is_err());
}

#[test]
fn what_the_machine_cannot_divide_is_named() {
    let mut ledger = Small::new();
    let minimum = Amounts::threads(1).with(Resource::Ways, 2);
    let asks = Request { needs: Needs::best_effort(minimum, minimum), ..request(1, 1) };
    let refusal = ledger.admit(&Machine::new(8), &asks).unwrap_err();
    assert_eq!(refusal.reason, Reason::NotThere(Resource::Ways));
    assert_eq!(refusal.fits, Some(Amounts::threads(1)));
}

fn needs() -> impl Strategy<Value = Needs> {
    (1..6_u32, 0..4_u32, 0..6_u32, 0..4_u32).prop_map(|(threads, ways, more_threads, more_ways)| {
        let minimum = Amounts::threads(threads).with(Resource::Ways, ways);
        Needs::best_effort(minimum, minimum.plus(Amounts::threads(more_threads).with(Resource::Ways, more_ways)))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn promises_are_never_more_than_there_is_and_what_fits_is_admitted(
        all in proptest::collection::vec((needs(), proptest::bool::ANY), 1..12),
        most_watts in proptest::option::of(30.0..80.0f64),
    ) {
        let supply = |total, watts| Supply { total, watts, price: 0.0 };
        let machine =
            Machine::default().with(Resource::Threads, supply(12, 5.0)).with(Resource::Ways, supply(8, 1.0));
        let machine = machine.with_power(20.0, most_watts);
        let mut ledger = Small::new();
        for (number, (needs, release)) in all.into_iter().enumerate() {
            let cell = CellId(number as u16);
            if release && number > 0 {
                ledger.release(CellId(number as u16 - 1));
            }
            let request = Request { cell, needs, secure: None, contracts: &[] };
            if let Err(refusal) = ledger.admit(&machine, &request) && let Some(fits) = refusal.fits {
                let needs = Needs::best_effort(fits, fits);
                let again = ledger.clone().admit(&machine, &Request { needs, ..request });
                prop_assert_eq!(again, Ok(()), "{}", refusal);
            }
            prop_assert_eq!(ledger.amounts().beyond(&machine.totals()), None);
            prop_assert!(most_watts.is_none_or(|most| ledger.amounts() == Amounts::NONE || machine.watts(&ledger.amounts()) <= most));
        }
    }
}
