//! All interleavings and all allowed memory orders of small channels:
//! `RUSTFLAGS="--cfg loom" cargo test -p channels --release --test loom`.

#![forbid(unsafe_code)]
#![cfg(loom)]

use std::convert::Infallible;

use channels::bulk::{Descriptor, Shape};
use channels::{Bell, BlockingReceiver, BlockingSender, Message, Receiver, SendError, Sender, host};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

fn message(number: u64) -> Message {
    Message::new(number as u32, [number + 1; 7])
}

/// One thread's flag that it was rung for.
#[derive(Default)]
struct Chime {
    is_rung: Mutex<bool>,
    changed: Condvar,
}

/// A bell that never ends waiting by itself: what is lost is a deadlock, which loom reports.
struct LoomBell {
    mine: Arc<Chime>,
    peers: Arc<Chime>,
}

fn bells() -> (LoomBell, LoomBell) {
    let (first, second) = (Arc::new(Chime::default()), Arc::new(Chime::default()));
    let other = LoomBell { mine: second.clone(), peers: first.clone() };
    (LoomBell { mine: first, peers: second }, other)
}

impl Bell for LoomBell {
    type Error = Infallible;

    fn now(&mut self) -> u64 {
        0
    }

    fn ring(&mut self) -> Result<(), Infallible> {
        *self.peers.is_rung.lock().expect("nobody panics") = true;
        self.peers.changed.notify_one();
        Ok(())
    }

    fn peer_gone(&mut self) -> Option<Self::Error> {
        None
    }

    fn wait_until(&mut self, _: Option<u64>) -> Result<(), Infallible> {
        let mut is_rung = self.mine.is_rung.lock().expect("nobody panics");
        while !*is_rung {
            is_rung = self.mine.changed.wait(is_rung).expect("nobody panics");
        }
        *is_rung = false;
        Ok(())
    }
}

fn blocking(capacity: u32) -> (BlockingSender<LoomBell>, BlockingReceiver<LoomBell>) {
    let (sender, receiver) = host::channel(capacity).expect("in range");
    let (first, second) = bells();
    (BlockingSender::new(sender, first), BlockingReceiver::new(receiver, second))
}

/// At most so many preemptions where it says so; else all there are.
fn check(preemptions: Option<usize>, body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(body);
}

/// Polls until there is a message.
fn receive(receiver: &mut Receiver) -> Message {
    loop {
        if let Some(message) = receiver.try_receive().expect("an honest sender") {
            return message;
        }
        thread::yield_now();
    }
}

/// Polls until there is a credit.
fn send(sender: &mut Sender, message: &Message) {
    loop {
        match sender.try_send(message) {
            Ok(()) => return,
            Err(SendError::NoCredit) => thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn polled_messages_arrive_whole_and_in_order() {
    for capacity in [1, 2] {
        check(None, move || {
            let (mut sender, mut receiver) = host::channel(capacity).expect("in range");
            let thread = thread::spawn(move || (0..3).for_each(|number| send(&mut sender, &message(number))));
            (0..3).for_each(|number| assert_eq!(receive(&mut receiver), message(number)));
            thread.join().expect("it sends");
        });
    }
}

#[test]
fn credits_are_never_exceeded_and_a_look_is_never_wrong() {
    check(None, || {
        let (mut sender, mut receiver) = host::channel(2).expect("in range");
        let thread = thread::spawn(move || {
            let mut sent = 0;
            for _ in 0..4 {
                match sender.try_send(&message(sent)) {
                    Ok(()) => sent += 1,
                    Err(SendError::NoCredit) => thread::yield_now(),
                    Err(error) => panic!("{error}"),
                }
            }
            sent
        });
        let mut received = 0;
        for _ in 0..3 {
            if let Some(seen) = receiver.try_receive().expect("an honest sender") {
                assert_eq!(seen, message(received));
                received += 1;
            }
        }
        let sent = thread.join().expect("it sends");
        assert!(sent >= 2 && sent <= received + 2, "{sent} sent, {received} received");
        while let Some(seen) = receiver.try_receive().expect("an honest sender") {
            assert_eq!(seen, message(received));
            received += 1;
        }
        assert_eq!(received, sent);
    });
}

#[test]
fn batches_arrive_whole_and_in_order() {
    check(None, || {
        let (mut sender, mut receiver) = host::channel(2).expect("in range");
        let thread = thread::spawn(move || {
            let messages: Vec<_> = (0..3).map(message).collect();
            let mut sent = 0;
            while sent < 3 {
                match sender.send_batch(&messages[sent..]).expect("an honest receiver") {
                    0 => thread::yield_now(),
                    count => sent += count,
                }
            }
        });
        let (mut next, mut messages) = (0, [Message::default(); 2]);
        while next < 3 {
            let count = receiver.receive_batch(&mut messages).expect("an honest sender");
            for seen in &messages[..count] {
                assert_eq!(*seen, message(next));
                next += 1;
            }
            if count == 0 {
                thread::yield_now();
            }
        }
        thread.join().expect("it sends");
    });
}

#[test]
fn a_slot_is_not_reused_while_it_is_viewed() {
    check(None, || {
        let (mut sender, mut receiver) = host::channel(1).expect("in range");
        let thread = thread::spawn(move || (0..2).for_each(|number| send(&mut sender, &message(number))));
        for number in 0..2 {
            loop {
                if let Some(mut view) = receiver.peek().expect("an honest sender") {
                    assert_eq!(
                        (view.tag(), view.word(0), view.word(6)),
                        (number as u32, Some(number + 1), Some(number + 1))
                    );
                    break;
                }
                thread::yield_now();
            }
        }
        thread.join().expect("it sends");
    });
}

#[test]
fn a_receiver_that_waits_for_a_message_is_woken() {
    check(None, || {
        let (mut sender, mut receiver) = blocking(2);
        let thread = thread::spawn(move || {
            sender.send_until(&message(0), None).expect("a credit is there");
            sender
        });
        assert_eq!(receiver.receive_until(None), Ok(message(0)));
        thread.join().expect("it sends");
    });
}

#[test]
fn a_receiver_that_waits_again_is_woken_again() {
    check(None, || {
        let (mut sender, mut receiver) = blocking(2);
        let thread = thread::spawn(move || {
            sender.send_until(&message(0), None).expect("a credit is there");
            sender.send_until(&message(1), None).expect("a credit is there");
            sender
        });
        assert_eq!(receiver.receive_until(None), Ok(message(0)));
        assert_eq!(receiver.receive_until(None), Ok(message(1)));
        thread.join().expect("it sends");
    });
}

#[test]
fn both_ends_wait_and_both_are_woken() {
    check(Some(3), || {
        let (mut sender, mut receiver) = blocking(1);
        let thread = thread::spawn(move || {
            for number in 0..2 {
                sender.send_until(&message(number), None).expect("the receiver stays");
            }
            sender
        });
        for number in 0..2 {
            assert_eq!(receiver.receive_until(None), Ok(message(number)));
        }
        thread.join().expect("it sends");
    });
}

#[test]
fn a_sender_that_waits_for_credits_of_a_polling_receiver_is_woken() {
    check(None, || {
        let (mut sender, mut receiver) = blocking(1);
        let thread = thread::spawn(move || {
            sender.send_all_until(&[message(0), message(1)], None).expect("the receiver stays");
            sender
        });
        for number in 0..2 {
            assert_eq!(receive(receiver.end()), message(number));
            receiver.notify().expect("it cannot fail");
        }
        thread.join().expect("it sends");
    });
}

#[test]
fn a_block_is_given_back_whole_and_its_sender_is_woken() {
    check(Some(3), || {
        let shape = Shape { blocks: 1, block_words: 1 };
        let ((sender, mut bulk_sender), (receiver, bulk_receiver)) = host::bulk::<1>(2, shape).expect("it fits");
        let (first, second) = bells();
        let (mut sender, mut receiver) = (BlockingSender::new(sender, first), BlockingReceiver::new(receiver, second));
        let thread = thread::spawn(move || {
            for number in 0..2 {
                let descriptor = sender.wait_for(None, |_| {
                    let mut block = bulk_sender.take().expect("an honest receiver").ok_or(SendError::NoCredit)?;
                    block.store(0, number + 10).expect("it fits");
                    Ok(block.hand_over(0, 8).expect("it fits"))
                });
                let [first, second] = descriptor.expect("it comes back").to_words();
                sender.send_until(&Message::new(0, [first, second, 0, 0, 0, 0, 0]), None).expect("a credit is there");
            }
            sender
        });
        for number in 0..2 {
            let [first, second, ..] = receiver.receive_until(None).expect("an honest sender").words;
            let bulk = bulk_receiver.accept(Descriptor::from_words([first, second])).expect("it is true");
            assert_eq!(bulk.word(0), Some(number + 10));
            drop(bulk);
            receiver.notify().expect("it cannot fail");
        }
        thread.join().expect("it sends");
    });
}
