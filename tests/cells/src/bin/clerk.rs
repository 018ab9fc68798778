//! A client of the names service that checks what it answers.
//!
//! Arguments: `role=owner`: claims `sys`, registers `sys/log` and ends after `life=NS`; `role=guest`: finds that out, tries what it may not do, and sees the
//! owner end.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use cell::{arguments, calls, time};
use names_client::{Names, NamesError};
use names_contract::{Interest, Kind, Name, NotConnected, Policy, RefusedBecause, ServerId};
use service::FOR_EVER;
use service::cell::{CellLink, Events};
use test_cells::{check, check_equal, finish};

cell::entry!(main);

/// How long it waits for what has to come, in ns.
const PATIENCE: u64 = 2_000_000_000;

type Handle = Names<CellLink, Events>;

fn main(_: u32) {
    let mut names = match Names::open(Some(time::now() + PATIENCE)) {
        Ok(names) => names,
        Err(error) => {
            check("there is a names service", false, error);
            finish()
        }
    };
    match arguments::get("role") {
        Some("owner") => own(&mut names),
        _ => visit(&mut names),
    }
    finish()
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap_or_else(|_| calls::exit(9))
}

fn refused(because: RefusedBecause) -> NamesError {
    NamesError::Refused(because)
}

fn own(names: &mut Handle) {
    check_equal("a namespace can be claimed", Ok(()), names.claim(name("sys")));
    let registered = names.register(name("sys/log"), Kind::Sole);
    check("its owner registers in it", registered.is_ok(), format_args!("{registered:?}"));
    if let Ok(id) = registered {
        check_equal("a server reports its load", Ok(()), names.report_load(name("sys/log"), id, 7));
    }
    let again = names.register(name("sys/log"), Kind::Sole);
    check("not twice", matches!(again, Err(NamesError::Refused(_))), format_args!("{again:?}"));
    let until = time::now() + arguments::number("life", 100_000_000);
    while time::now() < until {
        let _ = calls::park(until);
    }
}

/// Waits for news until this holds.
fn wait(names: &mut Handle, what: &str, mut holds: impl FnMut(&mut Handle) -> bool) {
    let deadline = time::now() + PATIENCE;
    while !holds(names) {
        if time::now() >= deadline {
            return check(what, false, "it did not come");
        }
        names.wait().deadline_ns = deadline;
        let _ = names.rest();
        names.wait().deadline_ns = FOR_EVER;
    }
    check(what, true, "");
}

fn visit(names: &mut Handle) {
    let (sys, log, mine) = (name("sys"), name("sys/log"), name("guest/desk"));
    let subscribed = names.subscribe(Interest::Within(sys));
    check("a namespace can be watched", subscribed.is_ok(), format_args!("{subscribed:?}"));
    let unknown = refused(RefusedBecause::Unknown);
    check_equal("a name that nobody serves is unknown", Err(unknown), names.find(name("no/body"), Policy::Any));
    let unconnected = NamesError::NotConnected(NotConnected::Refused(RefusedBecause::Unknown));
    let connected = names.connect(name("no/body"), Policy::Any).map(|_| ());
    check_equal("nobody is connected to it", Err(unconnected), connected);
    wait(names, "a name that comes is news", |names| names.find(log, Policy::Any).is_ok());
    check("an answer is remembered", names.knows(&log, Policy::Any), "it is not");
    let owner = names.find(log, Policy::LeastLoaded).map(|server| server.id).unwrap_or(ServerId(0));

    let not_yours = refused(RefusedBecause::NotYours { namespace: sys });
    let registered = names.register(name("sys/mine"), Kind::Sole);
    check_equal("beneath someone else's claim nobody registers", Err(not_yours), registered);
    check_equal("nor claims", Err(not_yours), names.claim(name("sys/mine")));
    check_equal("nobody claims it again", Err(refused(RefusedBecause::AlreadyClaimed)), names.claim(sys));
    check_equal("nor releases it", Err(not_yours), names.release(sys));
    let not_your_server = Err(refused(RefusedBecause::NotYourServer));
    check_equal("nor deletes its names", not_your_server, names.delete(log));
    check_equal("nor one of its servers", not_your_server, names.delete_specific(log, owner));
    let loaded = names.report_load(log, owner, 9);
    check_equal("nor reports its load", Err(refused(RefusedBecause::NotYourServer)), loaded);
    let reserved = names.register(name("connect/me"), Kind::Sole);
    check("names of the service's own channels are reserved", reserved.is_err(), format_args!("{reserved:?}"));

    let registered = names.register(mine, Kind::Sole);
    check("elsewhere it may", registered.is_ok(), format_args!("{registered:?}"));
    let connected = names.connect(mine, Policy::Any).map(|_| ());
    check_equal("nobody is connected to itself", Err(NamesError::NotConnected(NotConnected::Yourself)), connected);
    check("it may delete that again", names.delete(mine).is_ok(), "it may not");
    check_equal("then it is gone", Err(unknown), names.find(mine, Policy::Any));

    wait(names, "that a server has ended is news", |names| !names.knows(&log, Policy::Any));
    check_equal("lookups do not give it any more", Err(unknown), names.find(log, Policy::Any));
    check_equal("what it had claimed is free", Ok(()), names.claim(sys));
}
