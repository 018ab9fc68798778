//! The names cell's program: serves every cell that has a two-way channel "names" to it, and has connections made over its channel
//! "connect" to the root cell, if the manifest gives it one.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use cell::{calls, hart, time};
use names_contract::protocol::{CHANNEL, CONNECT_CHANNEL, NamesServer};
use names_server::{Connections, Desk, SEATS, Table, table};
use service::cell::{CellLink, Doors, connect};
use service::{Server, Terms};
use spin::Mutex;

cell::entry!(main);

static DIRECTORY: Mutex<Table> = Mutex::new(table());

/// Requests of a client that are taken in one turn, and that may wait at a time: for news and for connections.
const TERMS: Terms = Terms { share: 8, suspended: 8 };

fn main(number: u32) {
    if number != 0 {
        // One hart does it all.
        loop {
            let _ = calls::park(u64::MAX);
        }
    }
    // The root cell makes its channels before anybody runs.
    let mut connections = Connections::new(connect(CONNECT_CHANNEL, Some(time::now())).ok());
    let mut directory = DIRECTORY.lock();
    let desk = NamesServer(Desk::new(&mut directory));
    let mut server: Server<_, CellLink, SEATS> = Server::with_seats(desk);
    let mut doors = Doors::new(CHANNEL);
    loop {
        // A place is below the number of cells, which is small.
        doors.admit_each(&mut server, TERMS, |desk, client, place, home| {
            desk.0.arrived(client, place as u16, names_server::node(home.thread, home.node));
        });
        let round = server.turn();
        hart::heartbeat(round.requests.into());
        connections.turn(&mut server.service_mut().0);
        if !round.more {
            server.rest(&mut connections.with(&mut doors));
        }
    }
}
