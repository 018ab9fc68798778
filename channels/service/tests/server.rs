//! What a server promises its clients, and keeps from them.

#![forbid(unsafe_code)]

mod common;

use std::thread;

use common::{HouseEvents, HouseReply, join, keeper, keeper_and_link, received, request};
use service::{CallError, Link, Loopback, MOST_SUSPENDED, NoSeat, Refusal, Server, Tag, Terms, Wire, WireError};

const TERMS: Terms = Terms { share: 4, suspended: 2 };

fn refusal(message: &service::Message) -> Refusal {
    assert!(Tag::unpacked(message.tag).refused, "expected a refusal, saw {message:?}");
    Refusal::decode(&message.payload()).expect("a refusal")
}

#[test]
fn an_aggressive_client_gets_only_its_share_of_every_round() {
    let (mut server, greedy, mut flood) = keeper_and_link(1024, TERMS);
    let (modest, link) = join(&mut server, 8, TERMS);
    let mut client = HouseEvents::new(link);
    let mut sent = 0;
    for round in 1..=100 {
        // As much as the link takes, all the time.
        while flood.try_send(&request(3, 2, sent, [2; 56])).is_ok() {
            sent = sent.wrapping_add(1);
        }
        client.open(2, false).expect("there is credit");
        let seen = server.turn();
        assert_eq!((seen.requests, seen.more), (5, true), "round {round}");
        assert!(matches!(client.poll(), Some((_, Ok(HouseReply::Open(Ok(_)))))), "answered in round {round}");
        received(&mut flood);
    }
    assert_eq!(server.counts(greedy).expect("there").requests, 400);
    assert_eq!(server.counts(modest).expect("there").requests, 100);
}

#[test]
fn every_client_comes_first_in_its_turn() {
    let mut server = keeper();
    let mut clients: Vec<_> = (0..16).map(|_| join(&mut server, 8, TERMS)).collect();
    for round in 0..16 {
        for (_, link) in &mut clients {
            let mut arguments = [0; 56];
            arguments[0] = 2;
            link.try_send(&request(3, 2, 0, arguments)).expect("there is credit");
        }
        let _ = server.turn();
        assert_eq!(server.service().0.opened_by[round * 16], clients[round].0, "first in round {round}");
        clients.iter_mut().for_each(|(_, link)| drop(received(link)));
    }
}

#[test]
fn suspended_requests_are_answered_out_of_order_while_others_are_served() {
    let (mut server, id, link) = keeper_and_link(16, Terms { share: 8, suspended: 8 });
    let mut client = HouseEvents::new(link);
    let tokens: Vec<_> = [10, 20, 30].map(|value| client.wait_for(value).expect("sent")).into();
    let knock = client.knock().expect("sent");
    let _ = server.turn();
    assert!(matches!(client.poll(), Some((token, Ok(HouseReply::Knock(())))) if token == knock));
    assert_eq!(server.counts(id).expect("there").suspended, 3);
    for (value, token) in [(30, tokens[2]), (10, tokens[0]), (20, tokens[1])] {
        server.service_mut().0.answer(value);
        let _ = server.turn();
        let seen = client.poll();
        assert!(
            matches!(seen, Some((done, Ok(HouseReply::WaitFor(answered)))) if done == token && answered == value),
            "expected {value} for {token:?}, saw {seen:?}"
        );
    }
    assert_eq!(server.counts(id).expect("there").suspended, 0);
}

#[test]
fn a_request_that_the_service_drops_is_answered_with_an_error() {
    let (mut server, _, link) = keeper_and_link(8, TERMS);
    let mut client = HouseEvents::new(link);
    client.wait_for(1).expect("sent");
    let _ = server.turn();
    server.service_mut().0.waiting.clear();
    let _ = server.turn();
    let seen = client.poll();
    assert!(matches!(seen, Some((_, Err(CallError::Abandoned)))), "saw {seen:?}");
}

#[test]
fn a_request_may_be_answered_while_it_is_suspended() {
    let (mut server, _, link) = keeper_and_link(8, Terms { share: 8, suspended: 1 });
    let mut client = HouseEvents::new(link);
    client.echo(9).expect("sent");
    let _ = server.turn();
    assert!(matches!(client.poll(), Some((_, Ok(HouseReply::Echo(9))))));
}

#[test]
fn beyond_its_suspended_requests_a_client_is_told_busy_and_others_are_not() {
    let (mut server, _, link) = keeper_and_link(16, TERMS);
    let (_, other) = join(&mut server, 16, TERMS);
    let (mut client, mut other) = (HouseEvents::new(link), HouseEvents::new(other));
    for value in 1..=3 {
        client.wait_for(value).expect("sent");
    }
    other.wait_for(100).expect("sent");
    let _ = server.turn();
    assert!(matches!(client.poll(), Some((_, Err(CallError::Busy)))));
    assert!(other.poll().is_none());
    server.service_mut().0.answer(1);
    let _ = server.turn();
    assert!(matches!(client.poll(), Some((_, Ok(HouseReply::WaitFor(1))))));
    client.wait_for(4).expect("sent");
    let _ = server.turn();
    assert!(client.poll().is_none(), "there is room again");
}

#[test]
fn terms_are_clamped_to_what_a_server_can_do() {
    let (mut server, id, mut link) = keeper_and_link(256, Terms { share: 0, suspended: 255 });
    for number in 0..=u16::from(MOST_SUSPENDED) {
        link.try_send(&request(3, 3, number, [0; 56])).expect("there is credit");
        assert_eq!(server.turn().requests, 1);
    }
    assert_eq!(server.counts(id).expect("there").suspended, u32::from(MOST_SUSPENDED));
    assert_eq!(received(&mut link).iter().map(refusal).collect::<Vec<_>>(), [Refusal::Busy]);
}

#[test]
fn nonsense_is_refused_with_what_is_wrong_with_it() {
    let (mut server, id, mut link) = keeper_and_link(16, Terms { share: 16, suspended: 1 });
    let mut unclean = [0; 56];
    unclean[55] = 1;
    let mut not_bool = [0; 56];
    not_bool[1] = 2;
    link.try_send(&request(2, 1, 0, [0; 56])).expect("sent");
    link.try_send(&request(3, 0, 1, [0; 56])).expect("sent");
    link.try_send(&request(3, 6, 2, [0; 56])).expect("sent");
    link.try_send(&request(3, 1, 3, unclean)).expect("sent");
    link.try_send(&request(3, 2, 4, not_bool)).expect("sent");
    let mut reply = request(3, 1, 5, [0; 56]);
    reply.tag |= 0x0080_0000;
    link.try_send(&reply).expect("sent");
    let _ = server.turn();
    let refused = received(&mut link);
    let expected = [
        Refusal::Version { served: 3, asked: 2 },
        Refusal::UnknownMethod(0),
        Refusal::UnknownMethod(6),
        Refusal::Malformed(WireError::Unclean { byte: 1 }),
        Refusal::Malformed(WireError::BadBool(2)),
        Refusal::UnknownMethod(0x81),
    ];
    assert_eq!(refused.iter().map(refusal).collect::<Vec<_>>(), expected);
    let numbers: Vec<_> = refused.iter().map(|message| Tag::unpacked(message.tag).request).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
    assert_eq!(server.counts(id).expect("there").refused, 6);
    assert_eq!(server.service().0.knocks, 0);
}

#[test]
fn a_client_that_does_not_read_replies_stops_only_itself() {
    let (mut server, id, mut deaf) = keeper_and_link(4, TERMS);
    let (_, link) = join(&mut server, 4, TERMS);
    let mut client = HouseEvents::new(link);
    let mut sent = 0;
    for _ in 0..10 {
        while deaf.try_send(&request(3, 1, sent, [0; 56])).is_ok() {
            sent += 1;
        }
        client.knock().expect("sent");
        let _ = server.turn();
        assert!(matches!(client.poll(), Some((_, Ok(HouseReply::Knock(()))))));
    }
    // Four replies fill its link, a fifth is kept.
    assert_eq!(server.counts(id).expect("there").requests, 5);
    assert!(!server.turn().more, "nothing to do until it reads");
    // It hears: nothing was lost.
    let mut heard = 0;
    while heard < usize::from(sent) {
        let replies = received(&mut deaf);
        assert!(!replies.is_empty(), "{heard} of {sent} replies");
        heard += replies.len();
        let _ = server.turn();
    }
}

#[test]
fn answers_wait_for_credit_too() {
    let (mut server, id, mut deaf) = keeper_and_link(2, Terms { share: 8, suspended: 8 });
    for value in 1..=4_u8 {
        let mut arguments = [0; 56];
        arguments[0] = value;
        deaf.try_send(&request(3, 3, value.into(), arguments)).expect("sent");
        let _ = server.turn();
    }
    for value in 1..=4 {
        server.service_mut().0.answer(value);
    }
    let _ = server.turn();
    assert_eq!(server.counts(id).expect("there").suspended, 2);
    assert_eq!(received(&mut deaf).len(), 2);
    let _ = server.turn();
    assert_eq!(received(&mut deaf).len(), 2);
    assert_eq!(server.counts(id).expect("there").suspended, 0);
}

#[test]
fn an_answer_that_another_clients_request_brings_goes_out_in_the_same_round() {
    let (mut server, _, first) = keeper_and_link(8, TERMS);
    let (_, second) = join(&mut server, 8, TERMS);
    let (mut first, mut second) = (HouseEvents::new(first), HouseEvents::new(second));
    first.wait_for(1_001).expect("sent");
    assert_eq!(server.turn().requests, 1);
    second.knock().expect("sent");
    let round = server.turn();
    assert!(!round.more, "nothing else would wake the server");
    let seen = first.poll();
    assert!(matches!(seen, Some((_, Ok(HouseReply::WaitFor(1_001))))), "saw {seen:?}");
}

#[test]
fn who_leaves_is_reported_and_what_was_kept_for_it_knows() {
    let (mut server, id, link) = keeper_and_link(8, TERMS);
    let mut client = HouseEvents::new(link);
    client.wait_for(1).expect("sent");
    let _ = server.turn();
    assert!(!server.service().0.waiting[0].1.client_left());
    drop(client);
    assert_eq!(server.turn().left, 1);
    assert_eq!(server.service().0.left, [id]);
    assert!(server.service().0.waiting[0].1.client_left());
    server.service_mut().0.answer(1);
    assert_eq!(server.turn(), service::Round::default());
    let (next, _link) = join(&mut server, 8, TERMS);
    assert_eq!(next.seat(), id.seat());
    assert_ne!(next, id, "an id is not used again");
    assert_eq!(server.counts(id), None);
    assert!(!server.detach(id));
    assert!(server.detach(next));
}

#[test]
fn a_client_that_breaks_the_channel_is_sent_away() {
    let (mut server, id, link) = keeper_and_link(8, TERMS);
    link.break_protocol();
    assert_eq!(server.turn().left, 1);
    assert_eq!(server.service().0.left, [id]);
}

#[test]
fn a_full_server_gives_the_link_back() {
    let mut server: Server<_, Loopback, 1> = Server::with_seats(common::HouseServer(common::Keeper::default()));
    let (_here, there) = Loopback::pair(1);
    server.attach(there, TERMS).expect("there is a seat");
    let (mut here, there) = Loopback::pair(1);
    let Err(NoSeat(mut there)) = server.attach(there, TERMS) else { panic!("expected no seat") };
    there.try_send(&request(0, 0, 0, [0; 56])).expect("it is the same link");
    assert_eq!(received(&mut here).len(), 1);
}

#[test]
fn requests_are_answered_from_other_threads() {
    let (mut server, _, link) = keeper_and_link(64, Terms { share: 64, suspended: 64 });
    let mut client = HouseEvents::over(service::Caller::<_, 64>::new(link));
    for value in 0..64 {
        client.wait_for(value).expect("sent");
    }
    let _ = server.turn();
    let mut waiting = std::mem::take(&mut server.service_mut().0.waiting);
    let threads: Vec<_> = std::iter::from_fn(|| (!waiting.is_empty()).then(|| waiting.split_off(waiting.len() - 16)))
        .map(|part| thread::spawn(move || part.into_iter().for_each(|(value, answer)| answer.answer(value))))
        .collect();
    let mut seen = Vec::new();
    while seen.len() < 64 {
        let _ = server.turn();
        while let Some((_, result)) = client.poll() {
            let Ok(HouseReply::WaitFor(value)) = result else { panic!("saw {result:?}") };
            seen.push(value);
        }
        thread::yield_now();
    }
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    seen.sort_unstable();
    assert_eq!(seen, (0..64).collect::<Vec<_>>());
}
