//! What a client promises in its three forms.

#![forbid(unsafe_code)]

mod common;

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use common::{Alarm, DoorError, HouseAsync, HouseEvents, HouseReply, HouseSync, keeper_and_link, received};
use service::client::Ignored;
use service::{CallError, Caller, Link, Loopback, Message, Patience, Tag, Terms, WireError};

fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(waker))
}

/// The reply to a request, with what is changed in its tag.
fn reply_to(request: &Message, change: impl FnOnce(&mut Tag), payload: [u8; 56]) -> Message {
    let mut tag = Tag::unpacked(request.tag);
    change(&mut tag);
    Message::new(tag, &payload)
}

#[test]
fn a_synchronous_call_returns_what_the_service_returned() {
    let (server, _, link) = keeper_and_link(8, Terms::default());
    let server = RefCell::new(server);
    let mut client = HouseSync::new(link, || {
        let _ = server.borrow_mut().turn();
        Patience::Wait
    });
    assert_eq!(client.knock(), Ok(()));
    assert_eq!(client.open(0, true), Ok(Err(DoorError::NoDoor(0))));
    assert_eq!(client.open(1, false), Ok(Err(DoorError::Locked { seat: 7 })));
    assert_eq!(client.open(1, true).expect("answered").as_deref(), Ok("open"));
    assert_eq!(client.r#type(1, 2, 3, 4, 5), Ok([1, 2, 3, 4, 5]));
    assert_eq!(client.echo(77), Ok(77));
    assert_eq!(client.caller().outstanding(), 0);
}

#[test]
fn who_gives_up_is_told_so_and_the_late_reply_is_taken_for_nothing_else() {
    let (server, _, link) = keeper_and_link(8, Terms::default());
    let (server, mut patience) = (RefCell::new(server), 3);
    let mut client = HouseSync::new(link, || {
        let _ = server.borrow_mut().turn();
        patience -= 1;
        if patience % 3 == 0 { Patience::GiveUp } else { Patience::Wait }
    });
    assert_eq!(client.wait_for(1), Err(CallError::GaveUp));
    assert_eq!(client.caller().outstanding(), 1);
    server.borrow_mut().service_mut().0.answer(1);
    assert_eq!(client.wait_for(2), Err(CallError::GaveUp));
    assert_eq!(client.caller().outstanding(), 1, "the first one's place is free again");
    assert_eq!(client.caller().ignored(), Ignored::default());
}

#[test]
fn futures_are_ready_in_the_order_of_the_answers_and_each_wakes_its_own_task() {
    let (mut server, _, link) = keeper_and_link(8, Terms::default());
    let client = HouseAsync::new(link);
    let (mut first, mut second) = (client.wait_for(1), client.wait_for(2));
    let ((alarm_1, waker_1), (alarm_2, waker_2)) = (Alarm::set(), Alarm::set());
    assert!(poll(&mut first, &waker_1).is_pending());
    assert!(poll(&mut second, &waker_2).is_pending());
    let _ = server.turn();
    server.service_mut().0.answer(2);
    let _ = server.turn();
    client.caller().pump();
    assert_eq!((alarm_1.rang(), alarm_2.rang()), (0, 1));
    assert_eq!(poll(&mut second, &waker_2), Poll::Ready(Ok(2)));
    server.service_mut().0.answer(1);
    let _ = server.turn();
    assert_eq!(poll(&mut first, &waker_1), Poll::Ready(Ok(1)));
    assert_eq!(client.caller().outstanding(), 0);
}

#[test]
fn polling_one_future_wakes_the_others_whose_replies_came() {
    let (mut server, _, link) = keeper_and_link(8, Terms::default());
    let client = HouseAsync::new(link);
    let (mut knock, mut wait) = (client.knock(), client.wait_for(2));
    let (alarm, waker) = Alarm::set();
    assert!(poll(&mut knock, &waker).is_pending());
    let _ = server.turn();
    assert!(poll(&mut wait, Waker::noop()).is_pending());
    assert_eq!(alarm.rang(), 1);
    assert_eq!(poll(&mut knock, &waker), Poll::Ready(Ok(())));
}

#[test]
fn a_task_that_moves_is_woken_by_its_last_waker() {
    let (mut server, _, link) = keeper_and_link(8, Terms::default());
    let client = HouseAsync::new(link);
    let mut knock = client.knock();
    let ((old, old_waker), (new, new_waker)) = (Alarm::set(), Alarm::set());
    assert!(poll(&mut knock, &old_waker).is_pending());
    assert!(poll(&mut knock, &new_waker).is_pending());
    let _ = server.turn();
    client.caller().pump();
    assert_eq!((old.rang(), new.rang()), (0, 1));
}

#[test]
fn without_credit_an_event_based_client_is_told_and_a_future_waits() {
    let (here, mut there) = Loopback::pair(1);
    let mut client = HouseEvents::new(here);
    client.knock().expect("there is credit");
    assert_eq!(client.knock().map(drop), Err(CallError::NoCredit));
    assert_eq!(client.caller().outstanding(), 1, "a refused request leaves nothing behind");
    assert_eq!(received(&mut there).len(), 1);

    let (here, mut there) = Loopback::pair(1);
    let client = HouseAsync::new(here);
    let mut knocks = [client.knock(), client.knock(), client.knock()];
    for expected in 0..3 {
        knocks.iter_mut().for_each(|knock| assert!(poll(knock, Waker::noop()).is_pending()));
        let requests = received(&mut there);
        assert_eq!(requests.len(), 1);
        there.try_send(&reply_to(&requests[0], |_| {}, [0; 56])).expect("there is credit");
        client.caller().pump();
        assert_eq!(poll(&mut knocks[0], Waker::noop()), Poll::Ready(Ok(())), "knock {expected}");
        knocks.rotate_left(1);
        knocks[2] = client.knock();
    }
}

#[test]
fn a_full_table_is_told_and_has_room_again_after_a_reply() {
    let (mut server, _, link) = keeper_and_link(8, Terms::default());
    let client = HouseAsync::over(Caller::<_, 2>::new(link));
    let (mut first, _second, mut third) = (client.knock(), client.wait_for(1), client.knock());
    assert_eq!(poll(&mut third, Waker::noop()), Poll::Ready(Err(CallError::TooMany { capacity: 2 })));
    let _ = server.turn();
    assert_eq!(poll(&mut first, Waker::noop()), Poll::Ready(Ok(())));
    let mut fourth = client.knock();
    let _ = server.turn();
    assert_eq!(poll(&mut fourth, Waker::noop()), Poll::Ready(Ok(())));
}

#[test]
fn a_dropped_future_keeps_its_place_until_the_reply_came() {
    let (mut server, _, link) = keeper_and_link(8, Terms::default());
    let client = HouseAsync::over(Caller::<_, 1>::new(link));
    drop(client.wait_for(1));
    assert_eq!(client.caller().outstanding(), 1);
    let _ = server.turn();
    server.service_mut().0.answer(1);
    let _ = server.turn();
    client.caller().pump();
    assert_eq!(client.caller().outstanding(), 0);
    assert_eq!(client.caller().ignored(), Ignored::default());
}

#[test]
fn replies_to_nothing_are_ignored_and_counted() {
    let (here, mut there) = Loopback::pair(16);
    let mut client = HouseEvents::new(here);
    let token = client.echo(5).expect("sent");
    let request = received(&mut there)[0];
    let mut payload = [0; 56];
    payload[0] = 5;
    for forged in [
        reply_to(&request, |tag| tag.request ^= 0x0001, payload),
        reply_to(&request, |tag| tag.request ^= 0x0100, payload),
        reply_to(&request, |tag| tag.request = 0xFFFF, payload),
        reply_to(&request, |tag| tag.method += 1, payload),
        reply_to(&request, |tag| tag.version += 1, payload),
    ] {
        there.try_send(&forged).expect("there is credit");
    }
    assert!(client.poll().is_none());
    assert_eq!(client.caller().ignored(), Ignored { unknown_request: 3, wrong_method: 2 });
    there.try_send(&reply_to(&request, |_| {}, payload)).expect("there is credit");
    there.try_send(&reply_to(&request, |_| {}, payload)).expect("there is credit");
    assert!(matches!(client.poll(), Some((done, Ok(HouseReply::Echo(5)))) if done == token));
    assert!(client.poll().is_none(), "a second reply is none");
    assert_eq!(client.caller().ignored(), Ignored { unknown_request: 4, wrong_method: 2 });
}

#[test]
fn replies_that_make_no_sense_are_errors() {
    let (here, mut there) = Loopback::pair(16);
    let mut client = HouseEvents::new(here);
    client.echo(5).expect("sent");
    client.echo(6).expect("sent");
    let requests = received(&mut there);
    there.try_send(&reply_to(&requests[0], |_| {}, [1; 56])).expect("there is credit");
    there.try_send(&reply_to(&requests[1], |tag| tag.refused = true, [99; 56])).expect("there is credit");
    let seen = client.poll();
    assert!(matches!(seen, Some((_, Err(CallError::BadReply(WireError::Unclean { byte: 1 }))))), "saw {seen:?}");
    let seen = client.poll();
    assert!(matches!(seen, Some((_, Err(CallError::BadReply(WireError::BadVariant(99)))))), "saw {seen:?}");
}

#[test]
fn whoever_waits_is_told_when_the_server_goes_after_the_replies_that_it_sent() {
    let (here, mut there) = Loopback::pair(16);
    let client = HouseAsync::new(here);
    let (mut answered, mut unanswered) = (client.knock(), client.echo(1));
    let (alarm, waker) = Alarm::set();
    assert!(poll(&mut unanswered, &waker).is_pending());
    let request = received(&mut there)[0];
    there.try_send(&reply_to(&request, |_| {}, [0; 56])).expect("there is credit");
    drop(there);
    let mut late = client.knock();
    client.caller().pump();
    assert_eq!(alarm.rang(), 1);
    assert_eq!(poll(&mut answered, Waker::noop()), Poll::Ready(Ok(())));
    assert_eq!(poll(&mut unanswered, &waker), Poll::Ready(Err(CallError::Closed)));
    assert_eq!(poll(&mut late, &waker), Poll::Ready(Err(CallError::Closed)));
    assert_eq!(poll(&mut client.knock(), &waker), Poll::Ready(Err(CallError::Closed)));
    assert_eq!(client.caller().outstanding(), 0);
}

#[test]
fn a_broken_link_is_told_from_a_closed_one() {
    let (here, there) = Loopback::pair(16);
    let mut client = HouseSync::new(here, || {
        there.break_protocol();
        Patience::Wait
    });
    assert_eq!(client.knock(), Err(CallError::Broken));
    assert_eq!(client.knock(), Err(CallError::Broken));
}

#[test]
fn a_server_that_floods_cannot_hold_a_client_in_one_poll() {
    /// Has a message always.
    #[derive(Debug)]
    struct Flood;
    impl Link for Flood {
        fn try_send(&mut self, _: &Message) -> Result<(), service::SendError> {
            Ok(())
        }
        fn try_receive(&mut self) -> Result<Option<Message>, service::ReceiveError> {
            Ok(Some(Message { tag: 0, words: [0; 7] }))
        }
    }
    let mut client = HouseEvents::new(Flood);
    assert!(client.poll().is_none());
    assert_eq!(client.caller().ignored().unknown_request, 32);
}

#[test]
fn events_of_all_places_get_their_turn() {
    let (mut server, _, link) = keeper_and_link(64, Terms { share: 16, suspended: 8 });
    let mut client = HouseEvents::over(Caller::<_, 4>::new(link));
    let last = [1, 2, 3, 4].map(|value| client.echo(value).expect("sent"))[3];
    for poll in 1..=8 {
        let _ = server.turn();
        let (token, _) = client.poll().expect("one is done");
        if token == last {
            assert!(poll <= 4, "the last place waited for {poll} polls");
            return;
        }
        client.echo(0).expect("sent");
    }
    panic!("the last place never had its turn");
}

#[test]
fn whoever_waits_is_told_when_only_sending_fails() {
    /// Its peer takes nothing any more and says nothing.
    #[derive(Debug)]
    struct Deaf;
    impl Link for Deaf {
        fn try_send(&mut self, _: &Message) -> Result<(), service::SendError> {
            Err(service::SendError::Closed)
        }
        fn try_receive(&mut self) -> Result<Option<Message>, service::ReceiveError> {
            Ok(None)
        }
    }
    let client = HouseAsync::new(Deaf);
    assert_eq!(poll(&mut client.knock(), Waker::noop()), Poll::Ready(Err(CallError::Closed)));
    let mut client = HouseEvents::new(Deaf);
    assert_eq!(client.knock().map(drop), Err(CallError::Closed));
    assert_eq!(client.caller().outstanding(), 0);
}

#[test]
fn a_reply_that_was_taken_by_somebody_else_is_not_waited_for() {
    let (mut server, _, link) = keeper_and_link(8, Terms::default());
    let client = HouseAsync::new(link);
    let mut knock = client.knock();
    assert!(poll(&mut knock, Waker::noop()).is_pending());
    let _ = server.turn();
    client.caller().pump();
    assert!(client.caller().take_any().is_some());
    assert_eq!(poll(&mut knock, Waker::noop()), Poll::Ready(Err(CallError::GaveUp)));
}

#[test]
fn a_repeated_reply_is_not_taken_for_the_next_request_in_the_same_place() {
    let (here, mut there) = Loopback::pair(4);
    let mut client = HouseEvents::over(Caller::<_, 1>::new(here));
    let first = client.echo(1).expect("sent");
    let reply = reply_to(&received(&mut there)[0], |_| {}, [0; 56]);
    there.try_send(&reply).expect("there is credit");
    assert_eq!(client.poll().map(|(token, _)| token), Some(first));
    let second = client.echo(2).expect("sent");
    assert_ne!(first, second);
    there.try_send(&reply).expect("there is credit");
    assert!(client.poll().is_none());
    assert_eq!(client.caller().ignored(), Ignored { unknown_request: 1, wrong_method: 0 });
}

#[test]
fn a_future_that_is_dropped_before_there_was_credit_sends_nothing() {
    let (here, mut there) = Loopback::pair(1);
    let client = HouseAsync::new(here);
    let _sent = client.knock();
    drop(client.echo(1));
    let _queued = client.wait_for(2);
    assert_eq!(received(&mut there).len(), 1);
    client.caller().pump();
    let methods: Vec<_> = received(&mut there).iter().map(|message| Tag::unpacked(message.tag).method).collect();
    assert_eq!(methods, [3]);
    assert_eq!(client.caller().outstanding(), 2);
}
