//! Measures channels from inside a cell, for `cargo xtask bench`, with `ponger` at the other end. In the deterministic mode a tick of the counter is an instruction.
//!
//! Arguments: `how=spin`, `wait` or `hand-over`; `figure=NAME` of the round trips, in ns; `rounds=N`; `costs=yes`: also what sending, receiving and notifying cost alone;
//! `bulk=NAME`: also how long blocks of bulk memory take, in bytes per ms.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use cell::abi::channel::Role;
use cell::abi::{ErrorKind, Handle};
use cell::arguments::{get, number};
use cell::{calls, println, time};
use channels::bulk::BulkSender;
use channels::cell as ends;
use channels::{Bell, BlockingReceiver, BlockingSender, Message, SendError};
use test_cells::{check, finish};

cell::entry!(main);

type Sending = BlockingSender<ends::KernelBell>;
type Receiving = BlockingReceiver<ends::KernelBell>;

/// Rounds that are not counted.
const WARM: u64 = 20;

/// Blocks of bulk memory, at most.
const BLOCKS: usize = 8;

fn main(_: u32) {
    let (how, figure) = (get("how").unwrap_or("wait"), get("figure").unwrap_or("rtt"));
    let rounds = number("rounds", 1_000);
    let send = ends::wait_for("talk", Role::Sender, None);
    let receive = ends::wait_for("talk", Role::Receiver, None);
    let (Some(send), Some(receive)) = (send, receive) else { finish() };
    if how == "hand-over" {
        let handle = |end: u32| Handle::from_register(end.into());
        return hand_over(handle(send.handle), handle(receive.handle), rounds, figure);
    }
    let polls = if how == "spin" { u32::MAX } else { 0 };
    if let Some(name) = get("bulk") {
        return match (ends::bulk_sender::<BLOCKS>(&send), ends::receiver(&receive)) {
            (Ok((mut sender, mut blocks)), Ok(_)) => bulk(&mut sender, &mut blocks, rounds, name),
            _ => check("both ends can be had", false, "one cannot"),
        };
    }
    let (Ok(sender), Ok(receiver)) = (ends::sender(&send), ends::receiver(&receive)) else {
        check("both ends can be had", false, "one cannot");
        finish()
    };
    let (mut sender, mut receiver) = (sender.polling(polls), receiver.polling(polls));
    round_trips(&mut sender, &mut receiver, rounds, figure);
    if get("costs").is_some() {
        costs(&mut sender, &mut receiver, rounds);
    }
    finish()
}

fn round_trips(sender: &mut Sending, receiver: &mut Receiving, rounds: u64, figure: &str) {
    for round in 0..WARM + rounds {
        let message = Message::new(7, [round; 7]);
        let start = time::now();
        let answer = sender.send_until(&message, None).and_then(|()| receiver.receive_until(None));
        let took = time::now() - start;
        if answer != Ok(message) {
            return check("what is sent comes back", false, format_args!("{answer:?}"));
        }
        if round >= WARM {
            println!("@tess sample {figure} {took}");
        }
    }
}

/// What each step costs by itself.
fn costs(sender: &mut Sending, receiver: &mut Receiving, rounds: u64) {
    // What reading the clock twice costs, to be taken off.
    let empty = (0..64).map(|_| lap(|| {})).min().unwrap_or(0);
    for round in 0..WARM + rounds {
        let message = Message::new(7, [round; 7]);
        let mut sent = Ok(());
        let send = lap(|| sent = sender.end().try_send(&message));
        let notify = lap(|| _ = sender.bell().ring());
        while !receiver.end().is_ready() {
            core::hint::spin_loop();
        }
        let mut received = Ok(None);
        let receive = lap(|| received = receiver.end().try_receive());
        if sent.is_err() || received != Ok(Some(message)) {
            return check("what is sent comes back", false, format_args!("{sent:?}, {received:?}"));
        }
        let _ = receiver.notify();
        if round >= WARM {
            for (name, taken) in [("channel.send", send), ("kernel.notify", notify), ("channel.receive", receive)] {
                println!("@tess sample {name}_instr {}", taken.saturating_sub(empty));
            }
        }
    }
}

fn hand_over(send: Option<Handle>, receive: Option<Handle>, rounds: u64, figure: &str) {
    let (mut done, mut is_waiting) = (0, false);
    while done < WARM + rounds {
        let start = time::now();
        let answer = calls::channel_hand_over(if is_waiting { None } else { send }, receive, [done; 8]);
        let took = time::now() - start;
        match answer {
            Ok(_) => {
                if done >= WARM {
                    println!("@tess sample {figure} {took}");
                }
                done += 1;
                is_waiting = false;
            }
            Err(error) if error.kind == ErrorKind::Interrupted => is_waiting = true,
            Err(_) => {
                let _ = calls::park(time::now() + 100_000);
            }
        }
    }
    finish()
}

fn bulk(sender: &mut Sending, blocks: &mut BulkSender<BLOCKS>, rounds: u64, figure: &str) {
    let bytes = [0x5a; 4096];
    let size = number("block", 65_536) as u32;
    let mut started = (0, time::now());
    for round in 1..=rounds {
        let free = sender.wait_for(None, |_| match blocks.take() {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(SendError::NoCredit),
            Err(_) => Err(SendError::Closed),
        });
        let Ok(Some(mut block)) = blocks.take() else {
            return check("blocks come back", false, format_args!("{free:?}"));
        };
        for offset in (0..size).step_by(bytes.len()) {
            let _ = block.write(offset, &bytes);
        }
        let descriptor = match block.hand_over(0, size) {
            Ok(descriptor) => descriptor,
            Err(error) => return check("a block can be handed over", false, error),
        };
        let [first, second] = descriptor.to_words();
        if let Err(error) = sender.send_until(&Message::new(8, [first, second, 0, 0, 0, 0, 0]), None) {
            return check("blocks can be handed over", false, error);
        }
        if round % 64 == 0 {
            let now = time::now();
            let moved = (round - started.0) * u64::from(descriptor.length);
            println!("@tess sample {figure} {}", moved * 1_000_000 / (now - started.1).max(1));
            started = (round, now);
        }
    }
    finish()
}

fn lap(work: impl FnOnce()) -> u64 {
    let start = time::now();
    work();
    time::now() - start
}
