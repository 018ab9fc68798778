//! Measures calls to a service in another cell, for `cargo xtask bench`.
//!
//! Arguments: `role=server` or `client`; `how=spin` or `wait`; `figure=NAME` of the calls, in ns; `rounds=N`.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

use cell::arguments::{get, number};
use cell::{println, time};
use service::cell::{CellLink, Events, connect};
use service::{Server, Spin, Terms, service};
use test_cells::{check, finish};

cell::entry!(main);

/// Calls that are not counted.
const WARM: u64 = 20;

/// The service.
#[service(version = 1)]
trait Echo {
    /// Returns what it gets.
    fn echo(&mut self, value: u64) -> u64;
}

struct Parrot;

impl Echo for Parrot {
    fn echo(&mut self, value: u64) -> u64 {
        value
    }
}

fn main(_: u32) {
    let Ok(link) = connect("calls", None) else { finish() };
    let spins = get("how") == Some("spin");
    if get("role") == Some("server") {
        serve(link, spins);
    } else if spins {
        call(&mut EchoSync::new(link, Spin));
    } else {
        call(&mut EchoSync::new(link, Events::default()));
    }
    finish()
}

fn serve(link: CellLink, spins: bool) {
    let mut server: Server<_, CellLink> = Server::new(EchoServer(Parrot));
    if server.attach(link, Terms::default()).is_err() {
        return check("there is a seat", false, "none");
    }
    loop {
        let round = server.turn();
        if round.left > 0 {
            return;
        }
        if !round.more && !spins {
            let _ = server.rest(&mut Events::default());
        }
    }
}

fn call<W: service::Wait>(echo: &mut EchoSync<CellLink, W>) {
    let figure = get("figure").unwrap_or("call");
    for value in 0..WARM + number("rounds", 1_000) {
        let start = time::now();
        let answer = echo.echo(value);
        let took = time::now() - start;
        if answer != Ok(value) {
            return check("a call is answered", false, format_args!("{answer:?}"));
        }
        if value >= WARM {
            println!("@tess sample {figure} {took}");
        }
    }
}
