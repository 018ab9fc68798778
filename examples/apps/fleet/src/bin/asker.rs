//! A client of a fleet: looks the name up, has itself connected, and asks again and again. When its server is gone it goes on with another one.
//!
//! Arguments: `name=NAME` (default `fleet/digest`); `policy=any|least`, which server it would like (default any); `rounds=N`, as the servers'
//! (default 1000); `calls=N`, after so many answers it ends (default 0: never); `time=NS`, after so long it ends (default 0: never); `servers=N`,
//! `at-least=N`, `at-most=N`: it ends with code 1 if it was not served by so many servers, or not answered so often.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use cell::arguments::{self, number};
use cell::{calls, hart, println, time};
use fleet::{DigestsSync, digest, name};
use names_client::Names;
use names_contract::{Interest, Name, Policy, ServerId};
use service::cell::{CellLink, Events};

cell::entry!(main);

/// How long it waits for a server to come, in ns.
const PATIENCE: u64 = 2_000_000_000;

/// How long it waits before it tries again, in ns.
const PAUSE: u64 = 1_000_000;

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
    let began = time::now();
    let (mut answered, mut servers) = (0_u64, 0_u64);
    while answered < most && time::now() - began < limit {
        let (server, mut client) = connect(&mut names, name, policy);
        servers += 1;
        while answered < most && time::now() - began < limit {
            let words = [answered, 2, 3, 5, 7, 11];
            match client.digest(words) {
                Ok(seen) => {
                    let expected = if answered.is_multiple_of(CHECKED) { digest(words, rounds) } else { seen };
                    if seen != expected {
                        fail(format_args!("the digest of {words:?} is {expected:#x}, the server said {seen:#x}"));
                    }
                    answered += 1;
                    hart::heartbeat(1);
                }
                Err(error) => {
                    println!("{server} is gone after {answered} answers: {error}");
                    names.stale(&name, server);
                    break;
                }
            }
        }
    }
    println!("{answered} answers of {servers} servers in {} us", (time::now() - began) / 1_000);
    let (wanted, least, limit) = (number("servers", 0), number("at-least", 0), number("at-most", u64::MAX));
    if servers < wanted || answered < least || answered > limit {
        fail(format_args!("expected {least} to {limit} answers of at least {wanted} servers"));
    }
    calls::exit(0)
}

fn connect(names: &mut Names<CellLink, Events>, name: Name, policy: Policy) -> (ServerId, DigestsSync<CellLink, Events>) {
    let deadline = time::now() + PATIENCE;
    loop {
        match names.connect(name, policy) {
            Ok((resolved, link)) => return (resolved.server.id, DigestsSync::new(link, Events::default())),
            Err(error) if time::now() >= deadline => fail(format_args!("{name} cannot be reached: {error}")),
            Err(_) => {
                let _ = calls::park(time::now() + PAUSE);
            }
        }
    }
}

fn fail(why: core::fmt::Arguments<'_>) -> ! {
    println!("{why}");
    calls::exit(1)
}
