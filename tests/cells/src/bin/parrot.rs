//! Sends back what comes on the channel "talk", and does what tags ask for.

#![no_std]
#![no_main]

use cell::abi::channel::Role;
use cell::abi::layout::CHANNEL_PEER_OFFSET;
use cell::{calls, events, time};
use channels::cell as ends;
use test_cells::parrot::{CLOSE, EXIT, SCRIBBLE, SILENCE};

cell::entry!(main);

fn main(_: u32) {
    let own = ends::wait_for("talk", Role::Sender, None);
    let other = ends::wait_for("talk", Role::Receiver, None);
    let (Some(own), Some(other)) = (own, other) else { calls::exit(9) };
    let (Ok(mut sender), Ok(mut receiver)) = (ends::sender(&own), ends::receiver(&other)) else { calls::exit(8) };
    while let Ok(message) = receiver.receive_until(None) {
        match message.tag {
            EXIT => calls::exit(0),
            SCRIBBLE => {
                let peers = (own.address + CHANNEL_PEER_OFFSET) as *mut u64;
                // SAFETY: none: the page is mapped read-only, which is what is to be seen.
                unsafe { peers.write_volatile(1) };
                calls::exit(7)
            }
            CLOSE => {
                let handle = receiver.bell().handle();
                let _ = ends::close(handle);
                let handle = sender.bell().handle();
                let _ = ends::close(handle);
                loop {
                    let _ = calls::park(u64::MAX);
                }
            }
            SILENCE => loop {
                events::wait_for_channel(time::now() + 1_000_000_000);
            },
            _ => {
                if sender.send_until(&message, None).is_err() {
                    calls::exit(6)
                }
            }
        }
    }
    calls::exit(5)
}
