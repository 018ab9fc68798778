//! What the two ends of a channel promise, one step at a time.

#![forbid(unsafe_code)]

use channels::layout::HEAD_WORDS;
use channels::words::{ReadHalf, WriteHalf};
use channels::{Bell, Broken, Contract, Message, Receiver, SendError, Sender, WaitError, host};

fn message(number: u64) -> Message {
    Message::new(number as u32, std::array::from_fn(|index| number * 8 + index as u64))
}

/// A sender, and the receiver's half under the test's control.
fn sender_and_hand(capacity: u32) -> (Sender, WriteHalf, ReadHalf) {
    let ((senders, seen), (receivers, receivers_seen)) = (host::half(1024), host::half(512));
    (Sender::new(senders, receivers_seen, capacity).expect("it fits"), receivers, seen)
}

/// A receiver, and the sender's half under the test's control.
fn receiver_and_hand(capacity: u32) -> (Receiver, WriteHalf, ReadHalf) {
    let ((senders, senders_seen), (receivers, seen)) = (host::half(1024), host::half(512));
    (Receiver::new(receivers, senders_seen, capacity).expect("it fits"), senders, seen)
}

#[test]
fn messages_arrive_in_their_order_lap_after_lap() {
    for capacity in [1, 2, 3, 7, 64] {
        let (mut sender, mut receiver) = host::channel(capacity).expect("in range");
        for number in 0..200 {
            assert_eq!(sender.try_send(&message(number)), Ok(()), "capacity {capacity}");
            assert_eq!(receiver.try_receive(), Ok(Some(message(number))), "capacity {capacity}");
            assert_eq!(receiver.try_receive(), Ok(None), "capacity {capacity}");
        }
    }
}

#[test]
fn a_sender_without_credits_is_told_so() {
    let (mut sender, mut receiver) = host::channel(3).expect("in range");
    assert_eq!(sender.credits(), Ok(3));
    for number in 0..3 {
        assert_eq!(sender.try_send(&message(number)), Ok(()));
    }
    assert_eq!(sender.try_send(&message(3)), Err(SendError::NoCredit));
    assert_eq!(receiver.try_receive(), Ok(Some(message(0))));
    assert_eq!(sender.try_send(&message(3)), Ok(()));
    assert_eq!(sender.try_send(&message(4)), Err(SendError::NoCredit));
}

#[test]
fn a_channel_of_no_capacity_or_too_much_is_refused() {
    for capacity in [0, 65_537, u32::MAX] {
        assert!(host::channel(capacity).is_err(), "capacity {capacity}");
    }
    assert!(host::channel(65_536).is_ok());
}

#[test]
fn credits_are_granted_by_quarters_and_all_on_demand() {
    let (mut sender, mut receiver) = host::channel(8).expect("in range");
    let messages: Vec<_> = (0..8).map(message).collect();
    assert_eq!(sender.send_batch(&messages), Ok(8));
    assert!(receiver.try_receive().is_ok());
    assert_eq!(sender.credits(), Ok(0), "one of eight is less than a quarter");
    assert!(receiver.try_receive().is_ok());
    assert_eq!(sender.credits(), Ok(2));
    assert!(receiver.try_receive().is_ok());
    receiver.grant();
    assert_eq!(sender.credits(), Ok(3));
}

#[test]
fn batches_go_as_far_as_credits_and_room_do() {
    let (mut sender, mut receiver) = host::channel(5).expect("in range");
    let messages: Vec<_> = (0..9).map(message).collect();
    let mut received = [Message::default(); 4];
    assert_eq!(sender.send_batch(&messages), Ok(5));
    assert_eq!(sender.send_batch(&messages[5..]), Ok(0));
    assert_eq!(receiver.receive_batch(&mut received), Ok(4));
    assert_eq!(received, messages[..4]);
    assert_eq!(sender.send_batch(&messages[5..]), Ok(4));
    assert_eq!(receiver.receive_batch(&mut received), Ok(4));
    assert_eq!(received, messages[4..8]);
    assert_eq!(receiver.receive_batch(&mut received), Ok(1));
    assert_eq!(receiver.receive_batch(&mut received), Ok(0));
    assert_eq!(receiver.receive_batch(&mut []), Ok(0));
}

#[test]
fn no_message_is_made_that_cannot_be_sent() {
    let (mut sender, mut receiver) = host::channel(70).expect("in range");
    let mut made = 0;
    for round in 0..10 {
        let messages = std::iter::from_fn(|| {
            made += 1;
            Some(message(made - 1))
        });
        assert_eq!(sender.send_each(messages), Ok(70), "in round {round}");
        assert_eq!(made, 70 * (round + 1));
        let mut next = made - 70;
        let received = receiver.receive_each(100, |received| {
            assert_eq!(received, message(next));
            next += 1;
        });
        assert_eq!((received, next), (Ok(70), made));
    }
}

#[test]
fn what_was_made_before_a_panic_is_sent() {
    let (mut sender, mut receiver) = host::channel(8).expect("in range");
    let messages = (0..5).map(|number| if number < 3 { message(number) } else { panic!("on purpose") });
    let sending = std::panic::AssertUnwindSafe(|| sender.send_each(messages));
    assert!(std::panic::catch_unwind(sending).is_err());
    assert_eq!(sender.try_send(&message(3)), Ok(()));
    for number in 0..4 {
        assert_eq!(receiver.try_receive(), Ok(Some(message(number))));
    }
    assert_eq!(receiver.try_receive(), Ok(None));
}

#[test]
fn a_view_reads_each_word_once_and_gives_the_slot_back() {
    let (mut receiver, hand, _) = receiver_and_hand(2);
    hand.store(HEAD_WORDS + 1, 10);
    hand.store(HEAD_WORDS, 5 << 32 | 1);
    let mut view = receiver.peek().expect("honest so far").expect("it is there");
    assert_eq!((view.tag(), view.word(0), view.word(7)), (5, Some(10), None));
    hand.store(HEAD_WORDS + 1, 11);
    hand.store(HEAD_WORDS + 2, 12);
    assert_eq!((view.word(0), view.word(1)), (Some(10), Some(12)), "read before, and read now");
    assert_eq!(view.message(), Message::new(5, [10, 12, 0, 0, 0, 0, 0]));
    drop(view);
    assert!(receiver.peek().expect("the next slot is empty").is_none());
}

#[test]
fn a_sequence_that_cannot_be_breaks_the_receiver_for_good() {
    let (mut receiver, hand, _) = receiver_and_hand(2);
    hand.store(HEAD_WORDS, 3);
    let broken = Broken::Sequence { slot: 0, expected: 1, absent: 0, seen: 3 };
    assert_eq!(receiver.try_receive(), Err(broken));
    hand.store(HEAD_WORDS, 1);
    assert_eq!(receiver.try_receive(), Err(broken), "it does not recover");
    assert_eq!(receiver.receive_batch(&mut [Message::default()]), Err(broken));
    assert_eq!(receiver.peek().err(), Some(broken));
    assert!(receiver.is_ready(), "there is something to be said");
    assert_eq!(broken.to_string(), "the sender wrote sequence 3 into slot 0, where 1 comes next and 0 was before");
}

#[test]
fn what_was_sent_before_a_lie_is_received() {
    let (mut receiver, hand, _) = receiver_and_hand(4);
    hand.store(HEAD_WORDS, 1);
    hand.store(HEAD_WORDS + 8, 9);
    let mut received = [Message::default(); 4];
    assert_eq!(receiver.receive_batch(&mut received), Ok(1));
    let broken = Broken::Sequence { slot: 1, expected: 2, absent: 0, seen: 9 };
    assert_eq!(receiver.receive_batch(&mut received), Err(broken));
}

#[test]
fn a_slot_that_is_cleared_after_the_first_lap_is_a_lie() {
    let (mut receiver, hand, _) = receiver_and_hand(1);
    hand.store(HEAD_WORDS, 1);
    assert!(receiver.try_receive().is_ok_and(|message| message.is_some()));
    assert_eq!(receiver.try_receive(), Ok(None), "the last lap's sequence is no lie");
    hand.store(HEAD_WORDS, 0);
    assert_eq!(receiver.try_receive(), Err(Broken::Sequence { slot: 0, expected: 2, absent: 1, seen: 0 }));
}

#[test]
fn more_credits_than_the_channel_holds_break_the_sender_for_good() {
    for lie in [3, u64::from(u32::MAX), 1 << 32, u64::MAX] {
        let (mut sender, hand, _) = sender_and_hand(2);
        hand.store(0, lie);
        let broken = SendError::Broken(Broken::Granted { sent: 0, capacity: 2, seen: lie });
        assert_eq!(sender.try_send(&message(0)), Err(broken));
        hand.store(0, 2);
        assert_eq!(sender.try_send(&message(0)), Err(broken), "it does not recover");
        assert_eq!(sender.credits(), Err(broken));
        assert_eq!(sender.send_batch(&[message(0)]), Err(broken));
    }
}

#[test]
fn credits_that_are_taken_back_break_the_sender() {
    let (mut sender, hand, _) = sender_and_hand(4);
    hand.store(0, 4);
    assert_eq!(sender.try_send(&message(0)), Ok(()));
    hand.store(0, 3);
    let lie = Broken::Granted { sent: 1, capacity: 4, seen: 3 };
    assert_eq!(sender.credits(), Err(SendError::Broken(lie)));
}

#[test]
fn a_closed_sender_sends_nothing_more() {
    let (mut sender, mut receiver) = host::channel(4).expect("in range");
    assert_eq!(sender.try_send(&message(1)), Ok(()));
    sender.close();
    assert_eq!(sender.try_send(&message(2)), Err(SendError::Closed));
    assert_eq!(sender.send_batch(&[message(2)]), Err(SendError::Closed));
    assert_eq!(receiver.try_receive(), Ok(Some(message(1))));
    assert_eq!(receiver.try_receive(), Ok(None));
}

#[test]
fn a_waiting_receiver_is_to_be_notified_once() {
    let (mut sender, mut receiver) = host::channel(4).expect("in range");
    assert_eq!(sender.try_send(&message(0)), Ok(()));
    assert!(!sender.must_notify(), "it polls");
    for _ in 0..3 {
        receiver.raise();
        assert_eq!([sender.must_notify(), sender.must_notify()], [true, false]);
        receiver.lower();
        assert!(!sender.must_notify());
    }
}

#[test]
fn a_waiting_sender_is_to_be_notified_once() {
    let (mut sender, mut receiver) = host::channel(4).expect("in range");
    assert!(receiver.has_granted(), "from the start");
    assert!(!receiver.must_notify());
    assert!(!receiver.has_granted());
    sender.raise();
    assert_eq!([receiver.must_notify(), receiver.must_notify()], [true, false]);
}

#[test]
fn a_contract_bounds_what_is_granted() {
    let ((senders, senders_seen), (receivers, receivers_seen)) = (host::half(512), host::half(512));
    let contract = Contract { rate_per_s: 1_000, burst: 3 };
    let mut receiver = Receiver::with_contract(receivers, senders_seen, 8, contract, 0).expect("it fits");
    let mut sender = Sender::new(senders, receivers_seen, 8).expect("it fits");
    assert_eq!(sender.send_batch(&[message(0); 8]), Ok(3), "the burst");
    assert_eq!(receiver.receive_batch(&mut [Message::default(); 8]), Ok(3));
    receiver.renew(0);
    assert_eq!((sender.credits(), receiver.renews_at()), (Ok(0), Some(1_000_000)));
    receiver.renew(2_000_000);
    assert_eq!((sender.credits(), receiver.renews_at()), (Ok(2), Some(3_000_000)));
    receiver.renew(1_000_000_000);
    assert_eq!((sender.credits(), receiver.renews_at()), (Ok(3), None), "no more than the burst after a pause");
}

#[test]
fn waiting_ends_at_the_deadline() {
    let (mut sender, mut receiver) = host::blocking(1).expect("in range");
    let deadline = Some(receiver.bell().now());
    assert_eq!(receiver.receive_until(deadline), Err(WaitError::DeadlinePassed));
    assert_eq!(sender.send_until(&message(0), deadline), Ok(()), "it need not wait");
    assert_eq!(sender.send_until(&message(1), deadline), Err(WaitError::DeadlinePassed));
    let soon = sender.bell().now() + 1_000_000;
    assert_eq!(sender.send_until(&message(1), Some(soon)), Err(WaitError::DeadlinePassed));
    assert!(sender.bell().now() >= soon, "it waited");
    assert_eq!(receiver.receive_until(deadline), Ok(message(0)), "it is there, however late it is");
}

#[test]
fn a_peer_that_is_gone_is_noticed_after_what_it_sent() {
    let (mut sender, mut receiver) = host::blocking(4).expect("in range");
    assert_eq!(sender.send_all_until(&[message(0), message(1)], None), Ok(()));
    drop(sender);
    assert_eq!(receiver.receive_until(None), Ok(message(0)));
    assert_eq!(receiver.peek_until(None).map(|mut view| view.message()), Ok(message(1)));
    assert_eq!(receiver.receive_until(None), Err(WaitError::Bell(host::PeerGone)));

    let (mut sender, receiver) = host::blocking(1).expect("in range");
    drop(receiver);
    assert_eq!(sender.send_all_until(&[message(0), message(1)], None), Err((1, WaitError::Bell(host::PeerGone))));
}
