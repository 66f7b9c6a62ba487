//! A neighbour's task, step by step, with real connections.

use std::net::{Ipv4Addr, SocketAddr};

use bgp_core::rib::{PeerConfig, Rib, RibConfig};
use bgp_core::session::SessionConfig;
use bgp_core::types::{Asn, RouterId};
use bgp_core::wire::{Capability, Context, ErrorCode, Notification, Open};
use proptest::prelude::*;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::super::table::Table;
use super::*;
use crate::alarms::Alarms;
use crate::bfd::{Bfd, Watchdog};
use crate::reporter::Reporter;
use crate::tasks::Tasks;

const LOCAL_AS: Asn = Asn(64512);
const PEER_AS: Asn = Asn(64513);

/// A neighbour, the peer's ends of its connections, and the channels that keep it alive.
struct World {
    running: Running,
    listener: TcpListener,
    peer: Vec<TcpStream>,
    _table: Table,
    _commands: mpsc::Sender<NeighbourCommand>,
}

impl World {
    async fn new() -> Self {
        let router_id = RouterId(Ipv4Addr::new(10, 0, 0, 1));
        let (table, sender) = Table::new(
            Rib::new(RibConfig::new(router_id), Instant::now(), 0),
            None,
            None,
        );
        let remote = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 179);
        let mut session = SessionConfig::new(LOCAL_AS, router_id, remote.ip(), PEER_AS);
        session.passive = true;
        let routes = PeerConfig::new(LOCAL_AS, remote.ip(), PEER_AS);
        let (commands, receiver) = mpsc::channel(1);
        let bfd = Bfd::new(Tasks::default(), None, Alarms::default());
        let neighbour = Neighbour {
            peer: PeerId(0),
            config: NeighbourConfig::new(session, routes),
            dial: Dial::new(remote),
            is_dynamic: false,
            first: None,
            commands: receiver,
            accepted: mpsc::channel(1).1,
            guard: watch::Sender::new(Guard::Open).subscribe(),
            table: sender,
            reporter: Reporter {
                name: "peer".into(),
                events: tokio::sync::broadcast::Sender::new(16),
                established: Arc::default(),
                tap: None,
            },
            farewells: Farewells::new(Tasks::default()),
            namespace: None,
            opaque: None,
            meter: Meter::new(PeerId(0), now()),
            path: PathRule::new(Watchdog::new(bfd, "peer".into(), remote, None), false),
        };
        let mut running = Running::new(neighbour, 1);
        running.drain();
        Self {
            running,
            listener: TcpListener::bind("127.0.0.1:0").await.expect("a port"),
            peer: Vec::new(),
            _table: table,
            _commands: commands,
        }
    }

    /// The peer connects.
    async fn connect(&mut self) {
        let address = self.listener.local_addr().expect("an address");
        let (theirs, ours) = tokio::join!(TcpStream::connect(address), self.listener.accept());
        self.peer.push(theirs.expect("connected"));
        self.running
            .handle(Wake::Accepted(ours.expect("accepted").0));
        self.running.drain();
    }

    /// The peer sends on its nth connection.
    async fn say(&mut self, connection: usize, messages: &[Message]) {
        let mut octets = BytesMut::new();
        for message in messages {
            message.encode(&Context::default(), &mut octets);
        }
        self.say_octets(connection, &octets).await;
    }

    async fn say_octets(&mut self, connection: usize, octets: &[u8]) {
        // The connection may have ended.
        self.peer[connection].write_all(octets).await.ok();
        // Gives the runtime time to notice readable sockets.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    fn states(&self) -> Vec<State> {
        let status = self.running.status().session;
        status.connections.iter().map(|one| one.state).collect()
    }

    /// Invariants of the session and its driver when all work is done.
    fn check(&self) {
        let status = self.running.status().session;
        let of_session: Vec<ConnId> = status.connections.iter().map(|one| one.id).collect();
        assert_eq!(self.running.connections.ids(), of_session);
    }
}

fn open(identifier: u8) -> Message {
    Message::Open(Open {
        asn: PEER_AS,
        hold_time: 3,
        router_id: RouterId(Ipv4Addr::new(10, 0, 0, identifier)),
        capabilities: vec![Capability::FourOctetAs(PEER_AS)],
    })
}

fn farewell() -> Message {
    Message::Notification(Notification::new(ErrorCode::CEASE, 2))
}

/// The hold timer fires while the end of both connections waits to be read: an OPEN that wins the collision, and a NOTIFICATION
/// on the newer one.
#[tokio::test]
async fn both_connections_end_in_the_moment_of_a_timer() {
    let mut world = World::new().await;
    world.connect().await;
    world.say(0, &[open(2)]).await;
    world.running.deadline();
    world.running.drain();
    assert_eq!(world.states(), [State::OpenConfirm]);
    world.connect().await;
    world.say(1, &[open(2), farewell()]).await;
    world.running.deadline();
    world.running.drain();
    assert_eq!(world.states(), []);
    world.check();
}

/// An event of a neighbour.
#[derive(Clone, Debug)]
enum Happening {
    Connect,
    Say(usize, Vec<Word>),
    HangUp(usize),
    Ready { writable: bool },
    Timer,
    Stop(Stop),
    Start,
    FromTable(Vec<bool>),
}

#[derive(Clone, Copy, Debug)]
enum Word {
    Open(u8),
    Keepalive,
    Farewell,
    Refresh,
    Garbage,
    Half,
}

fn happening() -> impl Strategy<Value = Happening> {
    let word = prop_oneof![
        3 => prop_oneof![Just(0u8), Just(2u8)].prop_map(Word::Open),
        3 => Just(Word::Keepalive),
        1 => Just(Word::Farewell),
        1 => Just(Word::Refresh),
        1 => Just(Word::Garbage),
        1 => Just(Word::Half),
    ];
    prop_oneof![
        3 => Just(Happening::Connect),
        8 => (0..8usize, prop::collection::vec(word, 1..4)).prop_map(|(at, words)| Happening::Say(at, words)),
        1 => (0..8usize).prop_map(Happening::HangUp),
        4 => any::<bool>().prop_map(|writable| Happening::Ready { writable }),
        4 => Just(Happening::Timer),
        1 => prop_oneof![Just(Stop::Reset(None)), Just(Stop::Shutdown(None))].prop_map(Happening::Stop),
        2 => Just(Happening::Start),
        2 => prop::collection::vec(prop::bool::weighted(0.8), 1..4).prop_map(Happening::FromTable),
    ]
}

impl World {
    async fn perform(&mut self, happening: Happening) {
        let of_peer = self.peer.len().saturating_sub(1);
        match happening {
            Happening::Connect => self.connect().await,
            Happening::Say(..) | Happening::HangUp(_) if self.peer.is_empty() => {}
            // Mostly on one of the newest connections.
            Happening::Say(at, words) => {
                let octets: Vec<u8> = words.into_iter().flat_map(spelled).collect();
                self.say_octets(of_peer.saturating_sub(at), &octets).await;
            }
            Happening::HangUp(at) => drop(self.peer.remove(of_peer.saturating_sub(at))),
            Happening::Ready { writable } => {
                // Including connections that have ended.
                for id in (0..self.running.next_connection).map(ConnId) {
                    let ready = Ready {
                        read: true,
                        write: writable,
                    };
                    self.running.handle(Wake::Connection(id, Ok(ready)));
                    self.running.drain();
                }
            }
            Happening::Timer => self.running.handle(Wake::Deadline),
            Happening::Stop(why) => self.running.command(NeighbourCommand::Stop(why)),
            Happening::Start => self.running.command(NeighbourCommand::Start),
            Happening::FromTable(pieces) => {
                let piece = |routes| match routes {
                    true => ToNeighbour::Routes(spelled(Word::Refresh).into()),
                    false => ToNeighbour::Stop(Stop::Reset(None)),
                };
                let pieces = pieces.into_iter().map(piece);
                let received = Exchanged::Received(pieces.collect());
                self.running.handle(Wake::Exchange(received));
            }
        }
        self.running.drain();
        self.check();
    }
}

fn spelled(word: Word) -> Vec<u8> {
    let refresh = RouteRefresh {
        family: Family::Ipv4Unicast.afi_safi(),
        kind: RefreshKind::REQUEST,
    };
    let message = match word {
        Word::Open(identifier) => open(identifier),
        Word::Keepalive | Word::Half => Message::Keepalive,
        Word::Farewell => farewell(),
        Word::Refresh => Message::RouteRefresh(refresh),
        Word::Garbage => return vec![0; 19],
    };
    let mut octets = BytesMut::new();
    message.encode(&Context::default(), &mut octets);
    if matches!(word, Word::Half) {
        octets.truncate(10);
    }
    octets.to_vec()
}

proptest! {
    /// Whatever the order of events, session and driver have the same connections.
    #[test]
    fn no_order_of_events_breaks_a_neighbour(happenings in prop::collection::vec(happening(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut world = World::new().await;
            for happening in happenings {
                world.perform(happening).await;
            }
        });
    }
}
