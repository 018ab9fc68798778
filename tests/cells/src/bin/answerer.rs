//! Answers what `requester` hands over: the words in reverse, the ends counted up.
//!
//! Arguments: `work=NS`: how much time an answer takes (default 0).

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use cell::abi::channel::Role;
use cell::abi::{ErrorKind, Handle};
use cell::arguments::number;
use cell::{calls, hart, time};
use channels::cell as ends;

cell::entry!(main);

fn main(_: u32) {
    let work = number("work", 0);
    let handle = |role| ends::wait_for("talk", role, None).and_then(|end| Handle::from_register(end.handle.into()));
    let (send, receive) = (handle(Role::Sender), handle(Role::Receiver));
    let mut answer: Option<[u64; 8]> = None;
    loop {
        let result = match (answer, send, receive) {
            (Some(answer), Some(send), Some(receive)) => calls::channel_answer(send, receive, answer),
            _ => calls::channel_hand_over(None, receive, [0; 8]),
        };
        match result {
            Ok([tag, a, b, c, d, e, f, g]) => {
                test_cells::work(work);
                hart::heartbeat(1);
                answer = Some([tag + 1, f, e, d, c, b, a, g + 1]);
            }
            // It has been told that what it said was taken.
            Err(error) if error.kind == ErrorKind::Interrupted => answer = None,
            // The requester is not waiting yet, because an event woke it: it will be.
            Err(error) if error.kind == ErrorKind::NotWaiting => {
                let _ = calls::park(time::now() + 50_000);
            }
            Err(error) if error.kind == ErrorKind::Again => {}
            Err(_) => calls::exit(0),
        }
    }
}
