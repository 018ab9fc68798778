//! Sends the names service what makes no sense, request by request, and then writes over its half of the ring. It is to be sent away, and to hurt nobody
//! else.
//!
//! Arguments: `messages=N`, `seed=N`.

#![no_std]
#![no_main]

use cell::abi::channel::Role;
use cell::arguments::number;
use cell::time;
use channels::{Message, WaitError, cell as ends};
use test_cells::{Random, check, finish};

cell::entry!(main);

/// How long it waits for a reply, or to be sent away, in ns.
const PATIENCE: u64 = 1_000_000_000;

fn main(_: u32) {
    let mut random = Random(number("seed", 5));
    let (out, back) = (ends::wait_for("names", Role::Sender, None), ends::wait_for("names", Role::Receiver, None));
    let (Some(out), Some(back)) = (out, back) else { finish() };
    let (Ok(mut sender), Ok(mut receiver)) = (ends::sender(&out), ends::receiver(&back)) else {
        check("both ends can be had", false, "one cannot");
        finish()
    };
    let mut answered = 0_u64;
    let messages = number("messages", 500);
    for _ in 0..messages {
        // Half of them have the version and the number of a method.
        let tag = match random.next_number() {
            tag if tag & 1 == 0 => tag as u32,
            tag => (1 << 24) | (((tag >> 8) as u32 % 12) << 16) | (tag >> 16) as u32 & 0xffff,
        };
        let words = core::array::from_fn(|_| random.next_number());
        if sender.send_until(&Message::new(tag, words), Some(time::now() + PATIENCE)).is_err() {
            check("nonsense is taken", false, "it is not");
            finish()
        }
        if receiver.receive_until(Some(time::now() + PATIENCE)).is_ok() {
            answered += 1;
        }
    }
    check("all nonsense is answered", answered == messages, format_args!("{answered} of {messages} messages were"));
    for word in 0..out.shape.sender_bytes() / 8 {
        let place = (out.address as *mut u64).wrapping_add(word as usize);
        // SAFETY: the kernel maps so many bytes there for this cell to write, for as long as the end is not closed; the peer reads them as atomic words. What is
        // written is for it to judge.
        unsafe { place.write_volatile(random.next_number()) };
    }
    // The wish to be woken is overwritten too: it does not matter who is told what.
    let _ = cell::calls::channel_notify(sender.bell().handle());
    let gone = receiver.receive_until(Some(time::now() + PATIENCE));
    check(
        "who breaks the ring is sent away",
        matches!(gone, Err(WaitError::Bell(_) | WaitError::Broken(_))),
        format_args!("{gone:?}"),
    );
    finish()
}
