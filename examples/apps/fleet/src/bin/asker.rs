//! A client of a fleet: looks the name up, has itself connected, and asks again and again. When its server is gone it goes on with another one, and when
//! servers come it asks where to go now.
//!
//! Arguments: `name=NAME` (default `fleet/digest`); `policy=any|least`, which server it would like (default any); `rounds=N`, as the servers'
//! (default 1000); `window=N`, how many requests are under way at a time (default 4, at most 16); `calls=N`, after so many answers it ends (default 0: never); `time=NS`, after so long it ends (default 0: never); `servers=N`,
//! `at-least=N`, `at-most=N`: it ends with code 1 if it was not served by so many servers, or not answered so often.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use cell::arguments::{self, number};
use cell::{calls, hart, println, time};
use fleet::{DigestsEvents, DigestsReply, digest, name};
use names_client::Names;
use names_contract::{Interest, Name, Policy, ServerId};
use service::cell::{CellLink, Events};
use service::{CallError, FOR_EVER};

cell::entry!(main);

/// How long it waits for a server to come, in ns.
const PATIENCE: u64 = 2_000_000_000;

/// How long it waits for news before it tries again anyway, in ns.
const PAUSE: u64 = 100_000_000;

/// How long it waits for an answer before it looks whether its time is over, in ns.
const LOOK: u64 = 10_000_000;

/// One answer in so many is checked: it is as much work as the server's.
const CHECKED: u64 = 64;

fn main(number_of_hart: u32) {
    if number_of_hart != 0 {
        // One hart does it all.
        loop {
            let _ = calls::park(u64::MAX);
        }
    }
    let Some(name) = name() else { fail(format_args!("the argument `name` is no name")) };
    let policy = if arguments::get("policy") == Some("least") { Policy::LeastLoaded } else { Policy::Any };
    let (rounds, most, limit) = (number("rounds", 1_000), number("calls", u64::MAX), number("time", u64::MAX));
    let mut names = match Names::open(None) {
        Ok(names) => names,
        Err(error) => fail(format_args!("there is no names service: {error}")),
    };
    if let Err(error) = names.subscribe(Interest::Exactly(name)) {
        fail(format_args!("{name} cannot be watched: {error}"));
    }
    let window = number("window", 4).clamp(1, 16) as usize;
    let began = time::now();
    let (mut answered, mut servers) = (0_u64, 0_u64);
    let is_over = |answered| answered >= most || time::now() - began >= limit;
    while !is_over(answered) {
        let (server, link) = connect(&mut names, name, policy);
        servers += 1;
        let mut client = DigestsEvents::new(link);
        let gone = loop {
            if is_over(answered) {
                break None;
            }
            // News of the name: there may be more servers, or fewer. It is asked again when what is under way is answered.
            names.pump();
            let moves = !names.knows(&name, policy);
            if moves && client.caller().outstanding() == 0 {
                break None;
            }
            match ask(&mut client, if moves { 0 } else { window }, answered, rounds) {
                Ok(count) => {
                    answered += count;
                    hart::heartbeat(count);
                }
                Err(error) => break Some(error),
            }
        };
        if let Some(error) = gone {
            println!("{server} is gone after {answered} answers: {error}");
            names.stale(&name, server);
        }
    }
    println!("{answered} answers of {servers} servers in {} us", (time::now() - began) / 1_000);
    let (wanted, least, limit) = (number("servers", 0), number("at-least", 0), number("at-most", u64::MAX));
    if servers < wanted || answered < least || answered > limit {
        fail(format_args!("expected {least} to {limit} answers of at least {wanted} servers"));
    }
    calls::exit(0)
}

/// Fills the window and takes what is answered, waiting for it if there is nothing. Returns how many answers came.
fn ask(client: &mut DigestsEvents<CellLink>, window: usize, answered: u64, rounds: u64) -> Result<u64, CallError> {
    let mut may_send = true;
    while may_send && client.caller().outstanding() < window {
        match client.digest(QUESTION) {
            Ok(_) => {}
            Err(CallError::NoCredit) => may_send = false,
            Err(error) => return Err(error),
        }
    }
    let mut count = 0;
    while let Some((_, reply)) = client.poll() {
        let DigestsReply::Digest(seen) = reply?;
        if (answered + count).is_multiple_of(CHECKED) {
            let expected = digest(QUESTION, rounds);
            if seen != expected {
                fail(format_args!("the digest of {QUESTION:?} is {expected:#x}, the server said {seen:#x}"));
            }
        }
        count += 1;
    }
    if count == 0 {
        let mut events = Events { deadline_ns: time::now() + LOOK };
        let caller = client.caller();
        let _ = if may_send { caller.rest(&mut events) } else { caller.rest_for_credit(&mut events) };
    }
    Ok(count)
}

/// What it asks.
const QUESTION: [u64; 6] = [1, 2, 3, 5, 7, 11];

fn connect(names: &mut Names<CellLink, Events>, name: Name, policy: Policy) -> (ServerId, CellLink) {
    let deadline = time::now() + PATIENCE;
    loop {
        match names.connect(name, policy) {
            Ok((resolved, link)) => return (resolved.server.id, link),
            Err(error) if time::now() >= deadline => fail(format_args!("{name} cannot be reached: {error}")),
            Err(_) => {
                // News of the name say when there is another server. Not all that can go wrong is news.
                names.wait().deadline_ns = time::now() + PAUSE;
                let _ = names.rest();
                names.wait().deadline_ns = FOR_EVER;
            }
        }
    }
}

fn fail(why: core::fmt::Arguments<'_>) -> ! {
    println!("{why}");
    calls::exit(1)
}
