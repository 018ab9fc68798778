//! A call to a service over rings, between two threads on two processors.

use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::{Duration, Instant as Clock};

use channels::host::channel;
use channels::{Bell, BlockingReceiver, BlockingSender};
use service::{Patience, RingLink, Server, Terms, Wait, service};

use super::side_by_side;

/// Calls in a sample.
const CALLS: u64 = 500;

/// How long a client is silent so that the server goes to sleep.
const SILENCE: Duration = Duration::from_micros(100);

/// Calls in a sample with an idle server.
const IDLE_CALLS: u64 = 20;

/// The service.
#[service(version = 1)]
trait Echo {
    /// Returns what it gets.
    fn echo(&mut self, value: u64) -> u64;
    /// Says that it was the last call.
    fn leave(&mut self) -> bool;
}

#[derive(Default)]
struct Parrot {
    is_over: bool,
}

impl Echo for Parrot {
    fn echo(&mut self, value: u64) -> u64 {
        value
    }

    fn leave(&mut self) -> bool {
        self.is_over = true;
        true
    }
}

/// Wakes the peer's thread.
#[derive(Debug, Clone, Default)]
struct Unpark {
    peer: Arc<OnceLock<Thread>>,
}

impl Bell for Unpark {
    type Error = std::convert::Infallible;

    fn now(&mut self) -> u64 {
        0
    }

    fn ring(&mut self) -> Result<(), Self::Error> {
        if let Some(peer) = self.peer.get() {
            peer.unpark();
        }
        Ok(())
    }

    fn wait_until(&mut self, _: Option<u64>) -> Result<(), Self::Error> {
        std::thread::park();
        Ok(())
    }

    fn peer_gone(&mut self) -> Option<Self::Error> {
        None
    }
}

/// Sleeps until the client rings.
struct Sleep;

impl Wait for Sleep {
    fn wait(&mut self) -> Patience {
        std::thread::park();
        Patience::Wait
    }

    fn is_woken(&self) -> bool {
        true
    }

    fn wait_until(&mut self, _: u64) -> Patience {
        self.wait()
    }
}

/// What a call takes on average, in ns. `is_idle`: the client is silent before each.
fn time_of_calls(is_idle: bool, mut call: impl FnMut(u64)) -> f64 {
    let calls = if is_idle { IDLE_CALLS } else { CALLS };
    let mut spent = Duration::ZERO;
    for value in 0..calls {
        if is_idle {
            let silent = Clock::now();
            while silent.elapsed() < SILENCE {
                std::hint::spin_loop();
            }
        }
        let start = Clock::now();
        call(value);
        spent += start.elapsed();
    }
    spent.as_nanos() as f64 / calls as f64
}

/// The time of a call in ns, by a client that polls, to a server that polls or that sleeps when it is not called.
pub(super) fn call(processors: [usize; 2], is_idle: bool) -> Box<dyn FnMut() -> f64> {
    Box::new(move || {
        let ((asks, asked), (answers, answered)) = (channel(16).expect("in range"), channel(16).expect("in range"));
        let (to_server, to_client) = (Unpark::default(), Unpark::default());
        let server_thread = to_server.peer.clone();
        let client_link =
            RingLink::new(BlockingSender::new(asks, to_server.clone()), BlockingReceiver::new(answered, to_server));
        let server_link =
            RingLink::new(BlockingSender::new(answers, to_client.clone()), BlockingReceiver::new(asked, to_client));
        let client = move || {
            let mut echo = EchoSync::new(client_link, || Patience::Wait);
            let time = time_of_calls(is_idle, |value| assert_eq!(echo.echo(value), Ok(value)));
            assert_eq!(echo.leave(), Ok(true));
            time
        };
        let server = move || {
            let _ = server_thread.set(std::thread::current());
            let mut server: Server<_, _> = Server::new(EchoServer(Parrot::default()));
            server.attach(server_link, Terms::default()).expect("a seat is free");
            while !server.service().0.is_over {
                if !server.turn().more && is_idle && !server.service().0.is_over {
                    let _ = server.rest(&mut Sleep);
                }
            }
            // What was answered is made known.
            let _ = server.turn();
        };
        side_by_side(processors, client, server)
    })
}

/// The same by two of the standard library's channels, whose receivers sleep.
pub(super) fn mpsc(processors: [usize; 2], is_idle: bool) -> Box<dyn FnMut() -> f64> {
    Box::new(move || {
        let (asks, asked) = std::sync::mpsc::sync_channel::<u64>(16);
        let (answers, answered) = std::sync::mpsc::sync_channel::<u64>(16);
        let client = move || {
            time_of_calls(is_idle, |value| {
                asks.send(value).expect("the server is there");
                assert_eq!(answered.recv(), Ok(value));
            })
        };
        let server = move || {
            while let Ok(value) = asked.recv() {
                let _ = answers.send(value);
            }
        };
        side_by_side(processors, client, server)
    })
}
