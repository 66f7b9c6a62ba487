//! The cost of a route in the RIB alone, without sockets: nanoseconds per received route, best of a few rounds.
//!
//! The routes are those of the comparison with other daemons. `cargo bench -p bgp-bench`; an argument selects cases by name.

use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp_bench::traffic::{Sender, Table};
use bgp_core::policy::Policy;
use bgp_core::rib::{Input, Output, PeerConfig, PeerKind, PeerUp, Rib, RibConfig};
use bgp_core::types::{Asn, PeerId, PerFamily, RouterId};
use bgp_core::wire::{Context, Message, NextHop, Update, frame};
use bytes::{Bytes, BytesMut};

const ROUTES: u32 = 50_000;
const ROUNDS: usize = 5;
const OWN: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
const OWN_AS: Asn = Asn(64512);

fn main() -> io::Result<()> {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    for (name, case) in CASES {
        if wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str())) {
            let best = (0..ROUNDS).map(|_| case()).min().unwrap_or_default();
            let nanoseconds = best.as_nanos() as f64 / f64::from(ROUTES);
            writeln!(io::stdout(), "{name:<48}{nanoseconds:>10.1} ns/route")?;
        }
    }
    Ok(())
}

/// A name, and a function that measures the time for `ROUTES` received routes.
type Case = (&'static str, fn() -> Duration);

const CASES: [Case; 7] = [
    ("decode", decode),
    ("announce, to nobody", || announce(0)),
    ("announce, to 1 peer", || announce(1)),
    ("announce, to 20 peers", || announce(20)),
    ("announce, to 500 peers", || announce(500)),
    ("announce again, unchanged, to 20 peers", announce_again),
    ("best of 10 paths, to 20 peers", best_path),
];

fn decode() -> Duration {
    let stream = Table::internet(0..ROUTES, 0).announce(sender(0));
    let start = Instant::now();
    let updates = decoded(&stream);
    let routes: usize = updates
        .iter()
        .flat_map(Update::reachable)
        .map(|routes| routes.nlri.count())
        .sum();
    assert_eq!(routes, ROUTES as usize);
    start.elapsed()
}

fn announce(receivers: u32) -> Duration {
    let mut world = World::new(1, receivers);
    let updates = decoded(&Table::internet(0..ROUTES, 0).announce(sender(0)));
    world.play(vec![(PeerId(0), updates)])
}

fn announce_again() -> Duration {
    let mut world = World::new(1, 20);
    let updates = decoded(&Table::internet(0..ROUTES, 0).announce(sender(0)));
    world.play(vec![(PeerId(0), updates.clone())]);
    world.play(vec![(PeerId(0), updates)])
}

fn best_path() -> Duration {
    const SENDERS: u32 = 10;
    let mut world = World::new(SENDERS, 20);
    let table = Table::internet(0..ROUTES / SENDERS, 0);
    let streams = (0..SENDERS).map(|index| {
        let stream = table.compete(sender(index), SENDERS);
        (PeerId(index), decoded(&stream))
    });
    world.play(streams.collect())
}

/// A RIB whose peers read everything at once.
struct World {
    rib: Rib,
    now: Instant,
}

impl World {
    /// The first peers send, the others only receive; all are in other ASes.
    fn new(senders: u32, receivers: u32) -> Self {
        let now = Instant::now();
        let mut world = Self {
            rib: Rib::new(RibConfig::new(RouterId(OWN)), now, 0),
            now,
        };
        for index in 0..senders + receivers {
            world.add(sender(index));
        }
        world.drain();
        world
    }

    fn add(
        &mut self,
        Sender {
            index,
            asn,
            address,
        }: Sender,
    ) {
        let peer = PeerId(index);
        let mut config = PeerConfig::new(OWN_AS, address.into(), asn.unwrap_or(OWN_AS));
        config.kind = PeerKind::External;
        config.import = Arc::new(Policy::ACCEPT);
        config.export = Arc::new(Policy::ACCEPT);
        let mut up = PeerUp::new(RouterId(address), context());
        up.own_next_hop.ipv4 = Some(NextHop::V4(OWN));
        self.rib.handle(
            self.now,
            Input::Configure {
                peer,
                config: Arc::new(config),
            },
        );
        self.rib.handle(
            self.now,
            Input::Up {
                peer,
                up,
                preserved: PerFamily::default(),
            },
        );
    }

    /// One UPDATE of each sender in turn; outputs are drained after every 64 UPDATEs.
    fn play(&mut self, streams: Vec<(PeerId, Vec<Update>)>) -> Duration {
        const BATCH: usize = 64;
        let longest = streams
            .iter()
            .map(|(_, updates)| updates.len())
            .max()
            .unwrap_or(0);
        let start = Instant::now();
        for at in 0..longest {
            for (peer, updates) in &streams {
                if let Some(update) = updates.get(at) {
                    self.rib.handle(
                        self.now,
                        Input::Update {
                            peer: *peer,
                            update: update.clone(),
                        },
                    );
                }
            }
            if at % BATCH == 0 {
                self.drain();
            }
        }
        self.drain();
        start.elapsed()
    }

    fn drain(&mut self) {
        while let Some(output) = self.rib.poll_output() {
            if let Output::Send { peer, messages } = output {
                self.rib.handle(
                    self.now,
                    Input::Written {
                        peer,
                        octets: messages.len(),
                    },
                );
            }
        }
    }
}

fn sender(index: u32) -> Sender {
    let address = Ipv4Addr::from_bits(OWN.to_bits() + 1 + index);
    Sender {
        index,
        asn: Some(Asn(64601 + index)),
        address,
    }
}

fn context() -> Context {
    Context {
        four_octet_as: true,
        ..Context::default()
    }
}

fn decoded(stream: &Bytes) -> Vec<Update> {
    let mut rest = BytesMut::from(&stream[..]);
    let mut updates = Vec::new();
    while let Some(frame) =
        frame::take(&mut rest, context().max_receive_len).expect("our own stream")
    {
        match Message::decode(frame, &context()).expect("our own stream") {
            Message::Update(update) => updates.push(update),
            other => unreachable!("the stream has UPDATEs only, not {other}"),
        }
    }
    updates
}
