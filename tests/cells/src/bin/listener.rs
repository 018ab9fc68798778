//! Receives what `talker` sends, checks that every message comes once and in order, with pauses at random, and says in the end how many came.
//!
//! Arguments: as `talker`'s; `lasts=NS`: it must take so long, because of a contract; `figure=NAME`: prints the rate as a
//! sample, per second.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use cell::abi::channel::Role;
use cell::arguments::number;
use cell::{calls, hart, println, time};
use channels::{Message, cell as ends};
use test_cells::{Random, check, finish};

cell::entry!(main);

/// How long it waits for a message before it takes it for lost, in ns.
const PATIENCE: u64 = 60_000_000_000;

fn main(_: u32) {
    let messages = number("messages", 10_000);
    let pause = number("pause", 0);
    let mut random = Random(number("seed", 11));
    let sender = ends::wait_for("words", Role::Sender, None).map(|end| ends::sender(&end));
    let receiver = ends::wait_for("words", Role::Receiver, None).map(|end| ends::receiver(&end));
    let (Some(Ok(mut sender)), Some(Ok(receiver))) = (sender, receiver) else {
        check("both ends can be had", false, "one cannot");
        finish()
    };
    let mut receiver = receiver.polling(number("polls", 0) as u32);
    let mut received = 0;
    let mut batch = [Message::default(); 8];
    let began = time::now();
    while received < messages {
        let until = Some(time::now() + PATIENCE);
        let result = match random.next_number() % 3 {
            0 => receiver.receive_until(until).map(|message| {
                batch[0] = message;
                1
            }),
            1 => receiver.receive_batch_until(&mut batch, until),
            _ => receiver.peek_until(until).map(|mut view| {
                batch[0] = view.message();
                1
            }),
        };
        let count = match result {
            Ok(count) => count,
            Err(error) => {
                check("messages come", false, format_args!("{error}, after {received} of {messages}"));
                finish()
            }
        };
        for message in &batch[..count] {
            if *message != Message::new(received as u32, [received; 7]) {
                check(
                    "every message comes once and in order",
                    false,
                    format_args!("expected {received}, saw {message:?}"),
                );
                finish()
            }
            received += 1;
        }
        hart::heartbeat(count as u64);
        if pause != 0 && random.next_number() % pause < count as u64 {
            let _ = calls::park(time::now() + random.next_number() % 200_000);
        }
    }
    let took = time::now() - began;
    println!("[listener] {received} messages in {took} ns");
    if let Some(figure) = cell::arguments::get("figure") {
        println!("@tess sample {figure} {}", received * 1_000_000_000 / took.max(1));
    }
    let lasts = number("lasts", 0);
    check("the contract was kept", took >= lasts, format_args!("expected {lasts} ns at least, saw {took}"));
    check("every message came once and in order", true, "");
    let result = sender.send_until(&Message::new(0, [received; 7]), None);
    check("the talker can be told", result.is_ok(), "it cannot");
    finish()
}
