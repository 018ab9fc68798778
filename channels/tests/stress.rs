//! Two threads and very many messages, with waiting at random.

#![forbid(unsafe_code)]

use std::time::Duration;

use channels::bulk::{Descriptor, Shape};
use channels::{BlockingReceiver, BlockingSender, Message, SendError, host};

/// Numbers that look random (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    /// Sometimes a little while, sometimes long enough for the other end to have to wait.
    fn dawdle(&mut self) {
        match self.below(4_096) {
            0 => std::thread::sleep(Duration::from_micros(self.below(100))),
            1..100 => std::thread::yield_now(),
            100..500 => (0..self.below(200)).for_each(|_| std::hint::spin_loop()),
            _ => {}
        }
    }
}

fn message(number: u64) -> Message {
    Message::new(number as u32, std::array::from_fn(|index| number.wrapping_mul(index as u64 + 1)))
}

/// Sends and receives so many messages one way, each end in all the ways that it can.
fn stream(capacity: u32, count: u64, polls: u32) {
    let (sender, receiver) = host::blocking(capacity).expect("in range");
    let (mut sender, mut receiver) = (sender.polling(polls), receiver.polling(polls));
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let (mut numbers, mut next, mut batch) = (Numbers(count), 0, Vec::new());
            while next < count {
                numbers.dawdle();
                let size = numbers.below(9).min(count - next);
                batch.clear();
                batch.extend((next..next + size).map(message));
                match size {
                    1 => sender.send_until(&batch[0], None).expect("the receiver stays"),
                    _ => sender.send_all_until(&batch, None).expect("the receiver stays"),
                }
                next += size;
            }
        });
        let (mut numbers, mut next) = (Numbers(count + 1), 0);
        let mut batch = [Message::default(); 8];
        while next < count {
            numbers.dawdle();
            match numbers.below(3) {
                0 => {
                    assert_eq!(receiver.receive_until(None), Ok(message(next)));
                    next += 1;
                }
                1 => {
                    let view = receiver.peek_until(None);
                    assert_eq!(view.map(|mut view| view.message()), Ok(message(next)));
                    next += 1;
                }
                _ => {
                    let size = 1 + numbers.below(8) as usize;
                    let received = receiver.receive_batch_until(&mut batch[..size], None).expect("an honest sender");
                    for received in &batch[..received] {
                        assert_eq!(*received, message(next));
                        next += 1;
                    }
                }
            }
        }
    });
}

#[test]
fn a_million_messages_arrive_in_order() {
    for (capacity, count) in [(1, 50_000), (3, 150_000), (64, 400_000), (1_000, 400_000)] {
        stream(capacity, count, 0);
        stream(capacity, count / 10, 100);
    }
}

#[test]
#[ignore = "takes a minute"]
fn ten_million_messages_arrive_in_order() {
    for (capacity, count) in [(1, 1_000_000), (5, 3_000_000), (64, 6_000_000)] {
        stream(capacity, count, 0);
    }
}

/// A message there and one back, each end waiting for the other.
#[test]
fn questions_and_answers_alternate() {
    const ROUNDS: u64 = 20_000;
    let (mut questions, mut asked) = host::blocking(1).expect("in range");
    let (mut answers, mut answered) = host::blocking(1).expect("in range");
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for number in 0..ROUNDS {
                assert_eq!(asked.receive_until(None), Ok(message(number)));
                assert_eq!(answers.send_until(&message(number + 1), None), Ok(()));
            }
        });
        for number in 0..ROUNDS {
            assert_eq!(questions.send_until(&message(number), None), Ok(()));
            assert_eq!(answered.receive_until(None), Ok(message(number + 1)));
        }
    });
}

/// Blocks go and come back, more of them than there are, and what is in them is what was written.
#[test]
fn blocks_go_round() {
    const ROUNDS: u64 = 30_000;
    let shape = Shape { blocks: 3, block_words: 16 };
    let ((sender, mut bulk_sender), (receiver, bulk_receiver)) = host::bulk::<3>(4, shape).expect("it fits");
    let (first, second) = host::bells();
    let (mut sender, mut receiver) = (BlockingSender::new(sender, first), BlockingReceiver::new(receiver, second));
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for number in 0..ROUNDS {
                let descriptor = sender.wait_for(None, |_| {
                    let mut block = bulk_sender.take().expect("an honest receiver").ok_or(SendError::NoCredit)?;
                    block.write(0, &[number as u8; 128]).expect("it fits");
                    Ok(block.hand_over(3, 100).expect("it is inside"))
                });
                let [first, second] = descriptor.expect("the receiver stays").to_words();
                let message = Message::new(0, [first, second, 0, 0, 0, 0, 0]);
                sender.send_until(&message, None).expect("the receiver stays");
            }
        });
        let mut numbers = Numbers(1);
        for number in 0..ROUNDS {
            let [first, second, ..] = receiver.receive_until(None).expect("an honest sender").words;
            numbers.dawdle();
            let bulk = bulk_receiver.accept(Descriptor::from_words([first, second])).expect("an honest sender");
            let mut bytes = [0; 100];
            assert_eq!(bulk.read(0, &mut bytes), 100);
            assert_eq!(bytes, [number as u8; 100], "in block {number}");
            drop(bulk);
            // The last ones are given back to nobody.
            let _ = receiver.notify();
        }
    });
}
