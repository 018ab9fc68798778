//! Hands numbers over to `answerer`, which shares its hardware thread, and checks the answers. Each answer is a heartbeat.
//!
//! Arguments: `rounds=N` (0: for ever).

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use cell::abi::channel::Role;
use cell::abi::{ErrorKind, Handle};
use cell::arguments::number;
use cell::{calls, hart, println, time};
use channels::cell as ends;
use test_cells::{check, finish};

cell::entry!(main);

fn main(_: u32) {
    let rounds = number("rounds", 0);
    let handle = |role| ends::wait_for("talk", role, None).and_then(|end| Handle::from_register(end.handle.into()));
    let (send, receive) = (handle(Role::Sender), handle(Role::Receiver));
    let (mut answered, mut not_waiting, mut interrupted) = (0_u64, 0_u64, 0_u64);
    let mut is_waiting = false;
    while rounds == 0 || answered < rounds {
        let message = [answered, 1, 2, 3, 4, 5, 6, answered * 3];
        let result = if is_waiting {
            calls::channel_hand_over(None, receive, [0; 8])
        } else {
            calls::channel_hand_over(send, receive, message)
        };
        match result.map_err(|error| error.kind) {
            Ok(answer) => {
                let expected = [answered + 1, 6, 5, 4, 3, 2, 1, answered * 3 + 1];
                if answer != expected {
                    check(
                        "an answer is what was computed",
                        false,
                        format_args!("expected {expected:?}, saw {answer:?}"),
                    );
                    finish()
                }
                answered += 1;
                is_waiting = false;
                hart::heartbeat(1);
            }
            // It works on its own, or has not begun: it is let go on.
            Err(ErrorKind::NotWaiting) => {
                not_waiting += 1;
                let _ = calls::park(time::now() + 100_000);
            }
            Err(ErrorKind::Interrupted) => {
                interrupted += 1;
                is_waiting = true;
            }
            Err(ErrorKind::Again) => {}
            Err(error) => {
                check("a message can be handed over", false, error.describe());
                finish()
            }
        }
    }
    println!(
        "[requester] {answered} answers; {not_waiting} times nobody waited, {interrupted} times an event came first"
    );
    check("every answer came", true, "");
    finish()
}
