//! The desk and its connections, served over links in memory, with a connector that the test plays.

#![forbid(unsafe_code)]

use names_contract::protocol::{CHANNEL_NAME_MAX, Connector, ConnectorServer, NamesEvents, NamesReply, NamesServer};
use names_contract::{Interest, Kind, Name, News, NoChannel, Node, NotConnected, Policy, Query, RefusedBecause};
use names_server::{Connections, Desk, SEATS, Table, table};
use service::{CallError, ClientId, Loopback, Server, Terms, Text, Token};

type Client = NamesEvents<Loopback>;

/// Notes who is to be connected, and says yes, or no.
#[derive(Default)]
struct Root {
    asked: Vec<(String, u32, u32)>,
    refusal: Option<NoChannel>,
}

impl Connector for Root {
    fn connect(&mut self, _: ClientId, name: Text<CHANNEL_NAME_MAX>, one: u32, other: u32) -> Result<(), NoChannel> {
        self.asked.push((name.to_string(), one, other));
        self.refusal.map_or(Ok(()), Err)
    }
}

struct World {
    server: Server<NamesServer<Desk<'static>>, Loopback, SEATS>,
    connections: Connections<Loopback>,
    root: Server<ConnectorServer<Root>, Loopback>,
}

impl World {
    fn new(with_root: bool) -> Self {
        let directory: &'static mut Table = Box::leak(Box::new(table()));
        let mut root = Server::new(ConnectorServer(Root::default()));
        let link = with_root.then(|| {
            let (here, there) = Loopback::pair(8);
            root.attach(there, Terms::default()).expect("a seat is free");
            here
        });
        Self {
            server: Server::with_seats(NamesServer(Desk::new(directory))),
            connections: Connections::new(link),
            root,
        }
    }

    /// A client at this place.
    fn client(&mut self, place: u16) -> Client {
        let (here, there) = Loopback::pair(8);
        let id = self.server.attach(there, Terms::default()).expect("a seat is free");
        self.server.service_mut().0.arrived(id, place, Node(0));
        NamesEvents::new(here)
    }

    /// Everybody's turn, so often that all is done.
    fn turn(&mut self) {
        for _ in 0..4 {
            let _ = self.server.turn();
            self.connections.turn(&mut self.server.service_mut().0);
            let _ = self.root.turn();
        }
    }

    fn asked(&self) -> &[(String, u32, u32)] {
        &self.root.service().0.asked
    }

    /// The reply to the only request under way.
    fn reply(&mut self, client: &mut Client, token: Result<Token, CallError>) -> NamesReply {
        let token = token.expect("it can be sent");
        self.turn();
        match client.poll() {
            Some((done, Ok(reply))) if done == token => reply,
            other => panic!("expected the reply of {token:?}, saw {other:?}"),
        }
    }

    fn register(&mut self, client: &mut Client, text: &str, kind: Kind) {
        let token = client.register(name(text), kind);
        let reply = self.reply(client, token);
        assert!(matches!(reply, NamesReply::Register(Ok(_))), "{reply:?}");
    }

    fn connect(&mut self, client: &mut Client, text: &str) -> Result<u32, NotConnected> {
        let token = client.connect(Query::new(name(text), Policy::Any));
        match self.reply(client, token) {
            NamesReply::Connect(result) => result.map(|resolved| resolved.server.cell.place()),
            other => panic!("expected the reply of `connect`, saw {other:?}"),
        }
    }
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

#[test]
fn a_connection_is_made_between_the_places_of_the_two_cells_and_has_the_first_segments_name() {
    let mut world = World::new(true);
    let (mut serving, mut asking) = (world.client(3), world.client(9));
    world.register(&mut serving, "web/pages", Kind::Sole);
    assert_eq!(world.connect(&mut asking, "web/pages"), Ok(3));
    assert_eq!(world.asked(), [("web".to_string(), 9, 3)]);
}

#[test]
fn who_is_not_connected_is_told_why() {
    let mut world = World::new(true);
    let (mut serving, mut asking) = (world.client(3), world.client(9));
    assert_eq!(world.connect(&mut asking, "web"), Err(NotConnected::Refused(RefusedBecause::Unknown)));
    world.register(&mut serving, "web", Kind::Sole);
    assert_eq!(world.connect(&mut serving, "web"), Err(NotConnected::Yourself));
    let long = "a-segment-that-is-longer-than-32-bytes";
    world.register(&mut serving, long, Kind::Sole);
    assert_eq!(world.connect(&mut asking, long), Err(NotConnected::NameTooLong));
    world.root.service_mut().0.refusal = Some(NoChannel::NoCell { place: 3 });
    let refused = NotConnected::NoChannel(NoChannel::NoCell { place: 3 });
    assert_eq!(world.connect(&mut asking, "web"), Err(refused));
    let mut alone = World::new(false);
    let (mut serving, mut asking) = (alone.client(3), alone.client(9));
    alone.register(&mut serving, "web", Kind::Sole);
    assert_eq!(alone.connect(&mut asking, "web"), Err(NotConnected::NoConnector));
}

#[test]
fn a_client_cannot_ask_for_connections_without_end() {
    let mut world = World::new(true);
    let (mut serving, mut asking, mut other) = (world.client(3), world.client(9), world.client(4));
    world.register(&mut serving, "web", Kind::Sole);
    let made = (0..100).take_while(|_| world.connect(&mut asking, "web").is_ok()).count();
    assert_eq!((made, world.connect(&mut asking, "web")), (64, Err(NotConnected::TooMany)));
    assert_eq!(world.connect(&mut other, "web"), Ok(3));
}

#[test]
fn who_leaves_is_steered_away_from_and_watchers_are_told() {
    let mut world = World::new(true);
    let (mut serving, mut second, mut asking) = (world.client(3), world.client(4), world.client(9));
    world.register(&mut serving, "web", Kind::Interchangeable);
    world.register(&mut second, "web", Kind::Interchangeable);
    let token = asking.subscribe(Interest::Exactly(name("web")));
    let NamesReply::Subscribe(Ok(_)) = world.reply(&mut asking, token) else { panic!("it may subscribe") };
    let token = asking.next_notice();
    let NamesReply::NextNotice(first) = world.reply(&mut asking, token) else { panic!("it is told") };
    assert!(matches!(first.news, News::LookAgain { .. }), "{first:?}");
    let token = asking.next_notice().expect("it can be sent");
    world.turn();
    assert!(asking.poll().is_none(), "nothing happened");
    drop(serving);
    world.turn();
    let told = asking.poll();
    assert!(
        matches!(told, Some((done, Ok(NamesReply::NextNotice(notice)))) if done == token && matches!(notice.news, News::Changed { .. })),
        "{told:?}"
    );
    for _ in 0..4 {
        assert_eq!(world.connect(&mut asking, "web"), Ok(4));
    }
    assert_eq!(world.server.service().0.figures().servers_lost, 1);
    drop(second);
    assert_eq!(world.connect(&mut asking, "web"), Err(NotConnected::Refused(RefusedBecause::Unknown)));
}

#[test]
fn a_server_that_leaves_while_a_connection_is_wanted_is_not_connected() {
    let mut world = World::new(true);
    let (mut serving, mut asking) = (world.client(3), world.client(9));
    world.register(&mut serving, "web", Kind::Sole);
    let token = asking.connect(Query::new(name("web"), Policy::Any)).expect("it can be sent");
    let _ = world.server.turn();
    drop(serving);
    world.turn();
    let told = asking.poll();
    assert!(matches!(told, Some((done, Ok(NamesReply::Connect(Err(_))))) if done == token), "{told:?}");
    assert!(world.asked().is_empty(), "{:?}", world.asked());
}

#[test]
fn a_root_cell_that_leaves_makes_no_connections_and_breaks_nothing_else() {
    let mut world = World::new(true);
    let (mut serving, mut asking) = (world.client(3), world.client(9));
    world.register(&mut serving, "web", Kind::Sole);
    world.root = Server::new(ConnectorServer(Root::default()));
    assert_eq!(world.connect(&mut asking, "web"), Err(NotConnected::NoConnector));
    let token = asking.lookup(Query::new(name("web"), Policy::Any));
    assert!(matches!(world.reply(&mut asking, token), NamesReply::Lookup(Ok(_))));
}

#[test]
fn names_of_the_services_own_channels_are_nobodys() {
    let mut world = World::new(true);
    let mut client = world.client(3);
    for reserved in ["names", "names/a", "connect"] {
        let token = client.register(name(reserved), Kind::Sole);
        let reply = world.reply(&mut client, token);
        assert!(matches!(reply, NamesReply::Register(Err(RefusedBecause::NotYours { .. }))), "{reply:?}");
    }
}
