//! One server of a fleet: registers a name, says how busy it is, and digests what clients send that the names service connects to it.
//!
//! Arguments: `name=NAME` (default `fleet/digest`); `rounds=N`, how much work a request is (default 1000); `requests=N`, after so many it ends
//! (default 0: never).

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use cell::arguments::number;
use cell::{calls, hart, println, time};
use fleet::{Digests, DigestsServer, digest, name};
use names_client::Names;
use names_contract::Kind;
use service::cell::{CellLink, Doors};
use service::{FOR_EVER, Patience, Server, Terms, Wait};

cell::entry!(main);

/// How often it says how busy it is, in ns.
const REPORT_INTERVAL: u64 = 100_000_000;

struct Digester {
    rounds: u64,
    done: u64,
}

impl Digests for Digester {
    fn digest(&mut self, words: [u64; 6]) -> u64 {
        self.done += 1;
        hart::heartbeat(1);
        digest(words, self.rounds)
    }
}

fn main(number_of_hart: u32) {
    if number_of_hart != 0 {
        // One hart does it all.
        loop {
            let _ = calls::park(u64::MAX);
        }
    }
    let Some(name) = name() else {
        println!("the argument `name` is no name");
        calls::exit(1)
    };
    let registered =
        Names::open(None).map(|mut names| names.register(name, Kind::Interchangeable).map(|id| (names, id)));
    let (mut names, id) = match registered {
        Ok(Ok(registered)) => registered,
        Ok(Err(error)) => {
            println!("{name} cannot be registered: {error}");
            calls::exit(1)
        }
        Err(error) => {
            println!("there is no names service: {error}");
            calls::exit(1)
        }
    };
    let most = number("requests", 0);
    let digester = Digester { rounds: number("rounds", 1_000), done: 0 };
    let mut server: Server<_, CellLink> = Server::new(DigestsServer(digester));
    // Clients' channels have the first part of the name.
    let mut doors = Doors::new(name.as_str().split('/').next().unwrap_or_default());
    let (mut reported, mut report_at) = (0, time::now() + REPORT_INTERVAL);
    loop {
        // A share of one: nobody waits for long behind somebody else's requests.
        doors.admit(&mut server, Terms { share: 1, suspended: 0 });
        let round = server.turn();
        let done = server.service().0.done;
        if most != 0 && done >= most {
            println!("{done} requests are enough");
            calls::exit(0)
        }
        let now = time::now();
        if now >= report_at {
            // The load: requests since it said so last.
            let load = u32::try_from(done - reported).unwrap_or(u32::MAX);
            names.report_load_soon(name, id, load);
            (reported, report_at) = (done, now + REPORT_INTERVAL);
        }
        if !round.more {
            // With nothing to do there is nothing to report but once.
            let until = if done == reported { FOR_EVER } else { report_at };
            server.rest(&mut Until(&mut doors, until));
        }
    }
}

/// Waits at the doors, but not longer.
struct Until<'a>(&'a mut Doors, u64);

impl Wait for Until<'_> {
    fn wait(&mut self) -> Patience {
        self.wait_until(FOR_EVER)
    }

    fn is_woken(&self) -> bool {
        true
    }

    fn wait_until(&mut self, until_ns: u64) -> Patience {
        self.0.wait_until(until_ns.min(self.1))
    }
}
