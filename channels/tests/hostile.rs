//! A peer that scribbles over all that it can write, at any time. The other end does not panic, does not hang, and says what is wrong.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};

use channels::bulk::{BulkReceiver, BulkSender, Descriptor, Shape};
use channels::layout::{HEAD_WORDS, sender_half_words};
use channels::words::{ReadHalf, WriteHalf};
use channels::{BlockingReceiver, BlockingSender, Message, Receiver, Sender, WaitError, host};

/// How often an honest end is set up and used against a scribbler.
const TRIALS: u32 = 300;
/// Steps of the honest end in each.
const STEPS: u32 = 2_000;

/// Numbers that look random (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Plausible values are worse than random ones: they get further.
    fn value(&mut self) -> u64 {
        let number = self.next();
        match number >> 60 {
            0..=8 => (number >> 8) % 9,
            9..=11 => ((number & 0xff) << 32) | ((number >> 8) % 9),
            12 => (number as u32).into(),
            13 => u64::from(u32::MAX) - (number >> 8) % 9,
            _ => number,
        }
    }
}

/// Runs what an honest end does beside a thread that misbehaves.
fn beside(seed: u32, mut misbehave: impl FnMut(&mut Numbers) + Send, honest: impl FnOnce(&mut Numbers)) {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut numbers = Numbers(0x9e37_79b9 + u64::from(seed));
            while !is_over.load(Ordering::Relaxed) {
                misbehave(&mut numbers);
            }
        });
        honest(&mut Numbers(0x1234_5678 + u64::from(seed)));
        is_over.store(true, Ordering::Relaxed);
    });
}

/// Writes any value anywhere, mostly where it matters.
fn scribble(half: &WriteHalf, numbers: &mut Numbers) {
    let index = match numbers.next() % 4 {
        0 => 0,
        1 => HEAD_WORDS + numbers.next() as usize % 32,
        _ => numbers.next() as usize % half.len(),
    };
    half.store_release(index, numbers.value());
}

/// A sender that follows the protocol, but writes into messages at any time, and now and then anywhere: it gets far.
fn sly_sender(half: &WriteHalf, receivers: &ReadHalf, capacity: u32) -> impl FnMut(&mut Numbers) {
    let mut sent = 0;
    move |numbers| {
        let slot = |message: u64| HEAD_WORDS + 8 * (message % u64::from(capacity)) as usize;
        match numbers.next() % 1_024 {
            0 => scribble(half, numbers),
            1..400 => half.store(slot(numbers.next()) + 1 + numbers.next() as usize % 7, numbers.next()),
            // It claims to wait.
            400..500 => half.store(0, numbers.value()),
            _ if sent < receivers.load(0) => {
                half.store_release(slot(sent), numbers.next() << 32 | (sent + 1));
                sent += 1;
            }
            _ => std::hint::spin_loop(),
        }
    }
}

/// A receiver that grants at once what is sent, or what is not, and now and then writes anything.
fn sly_receiver(half: &WriteHalf, senders: &ReadHalf, capacity: u32) -> impl FnMut(&mut Numbers) {
    let mut received = 0;
    half.store_release(0, u64::from(capacity));
    move |numbers| {
        let slot = HEAD_WORDS + 8 * (received % u64::from(capacity)) as usize;
        match numbers.next() % 1_024 {
            0 => scribble(half, numbers),
            1..100 => half.store(16, numbers.value()),
            _ if senders.load_acquire(slot) as u32 == received as u32 + 1 => {
                received += 1;
                half.store_release(0, received + u64::from(capacity));
            }
            _ => std::hint::spin_loop(),
        }
    }
}

#[test]
fn a_receiver_survives_a_sender_that_scribbles() {
    let mut received = 0;
    for seed in 0..TRIALS {
        let capacity = 1 + seed % 9;
        let (senders, senders_seen) = host::half(sender_half_words(capacity));
        let (receivers, receivers_seen) = host::half(512);
        let mut receiver = Receiver::new(receivers, senders_seen, capacity).expect("it fits");
        let mut messages = [Message::default(); 5];
        beside(seed, sly_sender(&senders, &receivers_seen, capacity), |numbers| {
            for _ in 0..STEPS {
                received += match numbers.next() % 4 {
                    0 => receiver.try_receive().map_or(0, |message| usize::from(message.is_some())),
                    1 => receiver.receive_batch(&mut messages).unwrap_or(0),
                    2 => receiver.peek().map_or(0, |view| usize::from(view.map(|mut view| view.message()).is_some())),
                    _ => {
                        receiver.raise();
                        receiver.grant();
                        let _ = receiver.must_notify();
                        receiver.lower();
                        0
                    }
                };
            }
        });
    }
    println!("{received} messages were taken for true");
}

#[test]
fn a_sender_survives_a_receiver_that_scribbles() {
    let mut sent = 0;
    for seed in 0..TRIALS {
        let capacity = 1 + seed % 9;
        let (senders, senders_seen) = host::half(sender_half_words(capacity));
        let (receivers, receivers_seen) = host::half(512);
        let mut sender = Sender::new(senders, receivers_seen, capacity).expect("it fits");
        beside(seed, sly_receiver(&receivers, &senders_seen, capacity), |numbers| {
            for _ in 0..STEPS {
                sent += match numbers.next() % 4 {
                    0 => usize::from(sender.try_send(&Message::default()).is_ok()),
                    1 => sender.send_batch(&[Message::default(); 5]).unwrap_or(0),
                    2 => sender.credits().map_or(0, |credits| {
                        assert!(credits <= capacity, "{credits} credits of {capacity}");
                        0
                    }),
                    _ => {
                        sender.raise();
                        let _ = sender.must_notify();
                        sender.lower();
                        0
                    }
                };
            }
        });
    }
    println!("{sent} messages were sent");
}

/// The peer's bell rings as well, so that waiting ends at once and for nothing.
#[test]
fn ends_that_wait_come_back_by_their_deadline() {
    const WAITS: u32 = 20;
    for seed in 0..40 {
        let ((senders, senders_seen), (receivers, _)) = (host::half(512), host::half(512));
        let (bell, mut hostile) = host::bells();
        let end = Receiver::new(receivers, senders_seen, 4).expect("it fits");
        let mut receiver = BlockingReceiver::new(end, bell);
        beside(
            seed,
            |numbers| scribble(&senders, numbers),
            |_| {
                for _ in 0..WAITS {
                    let deadline = channels::Bell::now(receiver.bell()) + 100_000;
                    let _ = channels::Bell::ring(&mut hostile);
                    if let Err(error) = receiver.receive_until(Some(deadline)) {
                        assert!(matches!(error, WaitError::DeadlinePassed | WaitError::Broken(_)), "{error}");
                    }
                }
            },
        );

        let ((senders, _), (receivers, receivers_seen)) = (host::half(512), host::half(512));
        let (bell, mut hostile) = host::bells();
        let end = Sender::new(senders, receivers_seen, 4).expect("it fits");
        let mut sender = BlockingSender::new(end, bell);
        beside(
            seed,
            |numbers| scribble(&receivers, numbers),
            |_| {
                for _ in 0..WAITS {
                    let deadline = channels::Bell::now(sender.bell()) + 100_000;
                    let _ = channels::Bell::ring(&mut hostile);
                    if let Err(error) = sender.send_until(&Message::default(), Some(deadline)) {
                        assert!(matches!(error, WaitError::DeadlinePassed | WaitError::Broken(_)), "{error}");
                    }
                }
            },
        );
    }
}

#[test]
fn bulk_ends_survive_peers_that_scribble() {
    const SHAPE: Shape = Shape { blocks: 4, block_words: 8 };
    for seed in 0..TRIALS {
        // The receiver, with descriptors from a hostile sender.
        let ((region, region_seen), (returns, _)) = (host::half(SHAPE.region_words()), host::half(4));
        let receiver = BulkReceiver::new(region_seen, returns, SHAPE).expect("it fits");
        beside(
            seed,
            |numbers| scribble(&region, numbers),
            |numbers| {
                let mut bytes = [0; 80];
                for _ in 0..STEPS {
                    let descriptor = Descriptor::from_words([numbers.value(), numbers.value()]);
                    if let Ok(bulk) = receiver.accept(descriptor) {
                        let offset = numbers.value() as u32;
                        assert!(bulk.read(offset, &mut bytes) <= 64, "no more than a block");
                        let _ = bulk.word(offset);
                    }
                }
            },
        );
        // The sender, whose blocks are given back at random.
        let ((region, _), (receivers, receivers_seen)) = (host::half(32), host::half(HEAD_WORDS + 4));
        let mut sender = BulkSender::<4>::new(region, receivers_seen, SHAPE).expect("it fits");
        beside(
            seed,
            |numbers| scribble(&receivers, numbers),
            |numbers| {
                for _ in 0..STEPS {
                    if let Ok(Some(mut block)) = sender.take() {
                        let _ = block.write(numbers.value() as u32, &[1; 40]);
                        let _ = block.hand_over(numbers.value() as u32, numbers.value() as u32);
                    }
                }
            },
        );
    }
}
