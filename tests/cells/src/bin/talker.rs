//! Sends numbered messages on the channel "words", alone and in batches, with pauses at random, and waits for the listener's word that all came.
//!
//! Arguments: `messages=N`, `seed=N`, `pause=N`: one message in so many is followed by a pause (0: none), `polls=N`: looks before it waits.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use cell::abi::channel::Role;
use cell::arguments::number;
use cell::{calls, hart, time};
use channels::{Message, cell as ends};
use test_cells::{Random, check, check_equal, finish};

cell::entry!(main);

/// The longest batch.
const BATCH: usize = 16;

fn main(_: u32) {
    let messages = number("messages", 10_000);
    let pause = number("pause", 0);
    let mut random = Random(number("seed", 7));
    let sender = ends::wait_for("words", Role::Sender, None).map(|end| ends::sender(&end));
    let receiver = ends::wait_for("words", Role::Receiver, None).map(|end| ends::receiver(&end));
    let (Some(Ok(sender)), Some(Ok(mut receiver))) = (sender, receiver) else {
        check("both ends can be had", false, "one cannot");
        finish()
    };
    let mut sender = sender.polling(number("polls", 0) as u32);
    let mut sent = 0;
    let mut batch = [Message::default(); BATCH];
    while sent < messages {
        let count = (1 + random.next_number() % BATCH as u64).min(messages - sent) as usize;
        for message in &mut batch[..count] {
            *message = Message::new(sent as u32, [sent; 7]);
            sent += 1;
        }
        let result = if count == 1 {
            sender.send_until(&batch[0], None)
        } else {
            sender.send_all_until(&batch[..count], None).map_err(|(_, error)| error)
        };
        if let Err(error) = result {
            check("messages can be sent", false, error);
            finish()
        }
        hart::heartbeat(count as u64);
        if pause != 0 && random.next_number() % pause < count as u64 {
            let _ = calls::park(time::now() + random.next_number() % 200_000);
        }
    }
    match receiver.receive_until(None) {
        Ok(message) => check_equal("messages that the listener got", messages, message.words[0]),
        Err(error) => check("the listener says how many it got", false, error),
    }
    finish()
}
