//! Random use by honest ends, against a queue that is plainly right; and contracts.

#![forbid(unsafe_code)]

use std::collections::VecDeque;

use channels::credits::{Bucket, Contract};
use channels::{Message, Receiver, SendError, Sender, host};
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Send,
    SendBatch(usize),
    Receive,
    ReceiveBatch(usize),
    Peek(usize),
    Grant,
    Credits,
    Wait,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Send),
        2 => (0..12_usize).prop_map(Step::SendBatch),
        4 => Just(Step::Receive),
        2 => (0..12_usize).prop_map(Step::ReceiveBatch),
        2 => (0..9_usize).prop_map(Step::Peek),
        1 => Just(Step::Grant),
        1 => Just(Step::Credits),
        1 => Just(Step::Wait),
    ]
}

/// The ends, and what is known to be under way.
struct Pair {
    sender: Sender,
    receiver: Receiver,
    capacity: usize,
    queue: VecDeque<Message>,
    next: u64,
}

impl Pair {
    fn new(capacity: u32) -> Self {
        let (sender, receiver) = host::channel(capacity).expect("in range");
        Self { sender, receiver, capacity: capacity as usize, queue: VecDeque::new(), next: 0 }
    }

    fn messages(&mut self, count: usize) -> Vec<Message> {
        let first = self.next;
        (first..first + count as u64).map(|number| Message::new(number as u32, [number; 7])).collect()
    }

    fn sent(&mut self, messages: &[Message]) {
        self.next += messages.len() as u64;
        self.queue.extend(messages);
        assert!(self.queue.len() <= self.capacity, "{} under way of {}", self.queue.len(), self.capacity);
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Send => {
                let messages = self.messages(1);
                match self.sender.try_send(&messages[0]) {
                    Ok(()) => self.sent(&messages),
                    Err(SendError::NoCredit) => assert!(!self.queue.is_empty(), "an empty channel has credits"),
                    Err(error) => panic!("{error}"),
                }
            }
            Step::SendBatch(count) => {
                let messages = self.messages(count);
                let count = self.sender.send_batch(&messages).expect("an honest receiver");
                self.sent(&messages[..count]);
            }
            Step::Receive => {
                assert_eq!(self.receiver.try_receive(), Ok(self.queue.pop_front()));
            }
            Step::ReceiveBatch(count) => {
                let mut messages = vec![Message::default(); count];
                let count = self.receiver.receive_batch(&mut messages).expect("an honest sender");
                assert_eq!(count, messages.len().min(self.queue.len()));
                assert!(self.queue.drain(..count).eq(messages.into_iter().take(count)));
            }
            Step::Peek(index) => {
                let expected = self.queue.pop_front().map(|message| message.words.get(index).copied());
                let view = self.receiver.peek().expect("an honest sender");
                assert_eq!(view.map(|mut view| view.word(index)), expected);
            }
            Step::Grant => self.receiver.grant(),
            Step::Credits => {
                let credits = self.sender.credits().expect("an honest receiver") as usize;
                let room = self.capacity - self.queue.len();
                // The receiver holds back less than a quarter.
                assert!(credits <= room && room - credits < (self.capacity / 4).max(1), "{credits} of {room}");
            }
            Step::Wait => {
                self.receiver.raise();
                assert_eq!(self.receiver.is_ready(), !self.queue.is_empty());
                self.receiver.lower();
            }
        }
    }
}

proptest! {
    #[test]
    fn a_channel_is_a_bounded_queue(capacity in 1..20_u32, steps in vec(step(), 0..300)) {
        let mut pair = Pair::new(capacity);
        for step in steps {
            pair.take(step);
        }
    }

    /// In no window do more messages come than the burst and the rate allow, whenever credits are used and however seldom the receiver looks.
    #[test]
    fn a_contract_holds_in_every_window(
        rate_per_s in 0..2_000_000_u32,
        burst in 0..20_u32,
        capacity in 1..30_u32,
        steps in vec((0..5_000_000_u64, 0..30_usize), 1..60),
    ) {
        let ((senders, senders_seen), (receivers, receivers_seen)) = (host::half(512), host::half(512));
        let contract = Contract { rate_per_s, burst };
        let mut receiver = Receiver::with_contract(receivers, senders_seen, capacity, contract, 0).expect("it fits");
        let mut sender = Sender::new(senders, receivers_seen, capacity).expect("it fits");
        let mut now = 0;
        let mut history: Vec<(u64, u64)> = Vec::new();
        for (pause, wanted) in steps {
            now += pause;
            let sent = sender.send_batch(&vec![Message::default(); wanted]).expect("honest");
            prop_assert_eq!(receiver.receive_batch(&mut [Message::default(); 30]), Ok(sent));
            history.push((now, sent as u64));
            receiver.renew(now);
        }
        for first in 0..history.len() {
            let mut total = 0;
            for &(at, sent) in &history[first..] {
                total += sent;
                let rated = u128::from(at - history[first].0) * u128::from(rate_per_s) / 1_000_000_000;
                prop_assert!(u128::from(total) <= rated + u128::from(burst), "{} by {}", total, at);
            }
        }
    }

    /// Who always asks in time gets exactly what was promised.
    #[test]
    fn nothing_is_lost_to_rounding(rate_per_s in 1..1_000_000_u32, steps in vec(1..1_000_u64, 1..200)) {
        let mut bucket = Bucket::new(Contract { rate_per_s, burst: 1_000_000 }, 0);
        let mut taken = u64::from(bucket.take(u32::MAX)) - 1_000_000;
        bucket.refill(0, 0);
        let mut now = 0;
        for pause in steps {
            now += pause;
            bucket.refill(now, 0);
            taken += u64::from(bucket.take(u32::MAX));
            prop_assert_eq!(taken, now * u64::from(rate_per_s) / 1_000_000_000);
        }
    }
}
