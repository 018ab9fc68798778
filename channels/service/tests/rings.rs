//! A service and its clients over real rings, each in a thread of its own that sleeps when it has nothing to do, as a cell does:
//! one event for all of a thread's channels.

#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use channels::host::channel;
use channels::{Bell, BlockingReceiver, BlockingSender};
use service::{
    Awaited, CallError, Link, Patience, Pending, ReceiveError, RingLink, SendError, Server, Terms, Wait, service,
};

/// Adds numbers.
#[service(version = 1)]
trait Sums {
    /// Adds and returns the sum.
    fn add(&mut self, amount: u64) -> u64;
    /// Returns when the sum is that large.
    #[suspends]
    fn reach(&mut self, sum: u64, answer: Pending<u64>);
}

#[derive(Default)]
struct Tally {
    sum: u64,
    waiting: Vec<(u64, Pending<u64>)>,
}

impl Sums for Tally {
    fn add(&mut self, amount: u64) -> u64 {
        self.sum += amount;
        let sum = self.sum;
        self.waiting.extract_if(.., |(wanted, _)| *wanted <= sum).for_each(|(_, answer)| answer.answer(sum));
        sum
    }

    fn reach(&mut self, sum: u64, answer: Pending<u64>) {
        if self.sum >= sum { answer.answer(self.sum) } else { self.waiting.push((sum, answer)) }
    }
}

/// What stands for a hart: the one event of all its channels.
#[derive(Debug)]
struct Hart {
    is_rung: Mutex<bool>,
    changed: Condvar,
    start: Instant,
}

impl Hart {
    fn new() -> Arc<Self> {
        Arc::new(Self { is_rung: Mutex::new(false), changed: Condvar::new(), start: Instant::now() })
    }

    fn ring(&self) {
        *self.is_rung.lock().expect("nobody panics") = true;
        self.changed.notify_all();
    }

    fn wait(&self, until_ns: u64) {
        let rest = Duration::from_nanos(until_ns).saturating_sub(self.start.elapsed()).min(Duration::from_secs(60));
        let is_rung = self.is_rung.lock().expect("nobody panics");
        let (mut is_rung, timeout) =
            self.changed.wait_timeout_while(is_rung, rest, |is_rung| !*is_rung).expect("nobody panics");
        assert!(until_ns < u64::MAX || !timeout.timed_out(), "a wake-up was lost");
        *is_rung = false;
    }
}

/// One end's bell: both ends of a channel share `gone`.
#[derive(Debug)]
struct HartBell {
    mine: Arc<Hart>,
    peers: Arc<Hart>,
    gone: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Gone;

impl Bell for HartBell {
    type Error = Gone;

    fn now(&mut self) -> u64 {
        u64::try_from(self.mine.start.elapsed().as_nanos()).expect("not that long")
    }

    fn ring(&mut self) -> Result<(), Gone> {
        self.peers.ring();
        if self.gone.load(Ordering::SeqCst) { Err(Gone) } else { Ok(()) }
    }

    fn wait_until(&mut self, deadline: Option<u64>) -> Result<(), Gone> {
        self.mine.wait(deadline.unwrap_or(u64::MAX));
        Ok(())
    }

    fn peer_gone(&mut self) -> Option<Gone> {
        self.gone.load(Ordering::SeqCst).then_some(Gone)
    }
}

impl Drop for HartBell {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::SeqCst);
        self.peers.ring();
    }
}

type HartLink = RingLink<HartBell>;

/// Two links that are each other's peer, of these harts.
fn pair(one: &Arc<Hart>, other: &Arc<Hart>, capacity: u32) -> (HartLink, HartLink) {
    let ((there, arrives), (back, returns)) =
        (channel(capacity).expect("it fits"), channel(capacity).expect("it fits"));
    let gone = Arc::new(AtomicBool::new(false));
    let bell =
        |mine: &Arc<Hart>, peers: &Arc<Hart>| HartBell { mine: mine.clone(), peers: peers.clone(), gone: gone.clone() };
    let sends = |end, mine, peers| BlockingSender::new(end, bell(mine, peers));
    let receives = |end, mine, peers| BlockingReceiver::new(end, bell(mine, peers));
    (
        RingLink::new(sends(there, one, other), receives(returns, one, other)),
        RingLink::new(sends(back, other, one), receives(arrives, other, one)),
    )
}

/// Waits for the event of a hart.
struct Sleep(Arc<Hart>);

impl Wait for Sleep {
    fn wait(&mut self) -> Patience {
        self.wait_until(u64::MAX)
    }

    fn is_woken(&self) -> bool {
        true
    }

    fn wait_until(&mut self, until_ns: u64) -> Patience {
        self.0.wait(until_ns);
        Patience::Wait
    }
}

/// Serves these until all have left, and returns the sum.
fn serve(hart: &Arc<Hart>, links: Vec<HartLink>) -> u64 {
    let mut server: Server<_, _> = Server::new(SumsServer(Tally::default()));
    let mut there = links.len();
    for link in links {
        server.attach(link, Terms::default()).expect("a seat is free");
    }
    let mut sleep = Sleep(hart.clone());
    loop {
        let round = server.turn();
        there -= usize::from(round.left);
        if there == 0 {
            return server.service().0.sum;
        }
        if !round.more {
            assert_eq!(server.rest(&mut sleep), Patience::Wait);
        }
    }
}

#[test]
fn a_service_and_clients_that_sleep_lose_no_wake_up() {
    for capacity in [1, 4, 64] {
        let hart = Hart::new();
        let (links, clients): (Vec<_>, Vec<_>) = (0..3)
            .map(|_| {
                let own = Hart::new();
                let (here, there) = pair(&own, &hart, capacity);
                (there, (own, here))
            })
            .unzip();
        let clients: Vec<_> = clients
            .into_iter()
            .map(|(own, link)| {
                thread::spawn(move || {
                    let mut client = SumsSync::new(link, Sleep(own));
                    for _ in 0..2_000 {
                        client.add(1).expect("the server is there");
                    }
                    // Only when all have added is this answered.
                    client.reach(6_000)
                })
            })
            .collect();
        assert_eq!(serve(&hart, links), 6_000);
        for client in clients {
            assert_eq!(client.join().expect("it does not panic"), Ok(6_000));
        }
    }
}

#[test]
fn many_requests_at_once_are_answered_where_few_messages_fit() {
    let (hart, own) = (Hart::new(), Hart::new());
    let (here, there) = pair(&own, &hart, 2);
    let serving = thread::spawn(move || serve(&hart, vec![there]));
    let mut sleep = Sleep(own);
    let client = SumsAsync::<_, 16>::new(here);
    let tokens: Vec<_> = (0..16_u64)
        .map(|amount| client.caller().begin(METHOD_ADD, &payload(amount)).expect("the table has room"))
        .collect();
    let mut sums = Vec::new();
    for token in tokens {
        loop {
            client.caller().pump();
            if let Some(reply) = client.caller().take(token) {
                break sums.push(u64::from_le_bytes(reply.expect("it is answered")[..8].try_into().expect("8 bytes")));
            }
            assert_eq!(client.caller().rest(&mut sleep), Patience::Wait);
        }
    }
    let expected: Vec<u64> = (0..16).map(|amount| amount * (amount + 1) / 2).collect();
    assert_eq!(sums, expected);
    drop(client);
    assert_eq!(serving.join().expect("the server does not panic"), 120);
}

const METHOD_ADD: service::client::Method = service::client::Method { version: 1, number: 1 };

fn payload(amount: u64) -> service::Payload {
    let mut payload = [0; 56];
    payload[..8].copy_from_slice(&amount.to_le_bytes());
    payload
}

#[test]
fn what_was_sent_before_the_end_is_received_before_the_end() {
    let (hart, own) = (Hart::new(), Hart::new());
    let (mut here, mut there) = pair(&own, &hart, 4);
    let message = service::Message { tag: 7, words: [1; 7] };
    assert_eq!(here.try_send(&message), Ok(()));
    assert_eq!(there.raise(Awaited { message: true, credit: false }), None, "there is a message");
    drop(here);
    assert_eq!(there.try_receive(), Ok(Some(message)));
    assert_eq!(there.try_receive(), Err(ReceiveError::Closed));
    assert_eq!(there.raise(Awaited { message: true, credit: false }), None, "nobody waits for who is gone");
}

#[test]
fn a_client_whose_server_leaves_is_told() {
    let (hart, own) = (Hart::new(), Hart::new());
    let (here, there) = pair(&own, &hart, 4);
    let leaving = thread::spawn(move || {
        let mut there = there;
        while there.try_receive() == Ok(None) {
            thread::yield_now();
        }
    });
    let mut client = SumsSync::new(here, Sleep(own));
    assert_eq!(client.add(1), Err(CallError::Closed));
    leaving.join().expect("it does not panic");
}

#[test]
fn who_breaks_the_ring_is_sent_away_and_the_others_are_served() {
    let (hart, own) = (Hart::new(), Hart::new());
    let (good, there) = pair(&own, &hart, 4);
    // A ring whose sender says that a message of a lap to come is there.
    let (memory, seen) = channels::host::half(channels::layout::sender_half_words(4));
    memory.store(channels::layout::HEAD_WORDS, 77);
    let (back, _) = channels::host::half(channels::layout::receiver_half_words(0));
    let broken = channels::Receiver::new(back, seen, 4).expect("it fits");
    let (lost, _keep) = channel(4).expect("it fits");
    let bell = || HartBell { mine: hart.clone(), peers: own.clone(), gone: Arc::new(AtomicBool::new(false)) };
    let mut evil = RingLink::new(BlockingSender::new(lost, bell()), BlockingReceiver::new(broken, bell()));
    assert_eq!(evil.try_receive(), Err(ReceiveError::Broken));
    assert_eq!(evil.raise(Awaited { message: true, credit: false }), None, "there is nothing to wait for");
    let mut server: Server<_, _> = Server::new(SumsServer(Tally::default()));
    server.attach(evil, Terms::default()).expect("a seat is free");
    server.attach(there, Terms::default()).expect("a seat is free");
    assert_eq!(server.turn().left, 1);
    let mut client = SumsSync::new(good, || {
        let _ = server.turn();
        Patience::Wait
    });
    assert_eq!(client.add(5), Ok(5));
}

#[test]
fn nothing_is_told_to_a_peer_that_does_not_wait() {
    let (hart, own) = (Hart::new(), Hart::new());
    let (mut here, mut there) = pair(&own, &hart, 4);
    let message = service::Message { tag: 7, words: [1; 7] };
    for _ in 0..4 {
        assert_eq!(here.try_send(&message), Ok(()));
    }
    assert_eq!(here.try_send(&message), Err(SendError::NoCredit));
    here.flush();
    assert!(!*hart.is_rung.lock().expect("nobody panics"), "it did not ask for it");
    assert_eq!(here.raise(Awaited { message: false, credit: true }), Some(u64::MAX));
    while there.try_receive() == Ok(Some(message)) {}
    there.flush();
    assert!(*own.is_rung.lock().expect("nobody panics"), "it asked for it");
    here.lower();
    assert_eq!(here.try_send(&message), Ok(()));
}
