//! Time that the RIB takes for one route: `cargo bench -p bgp-core --bench rib [-- WORD]`, only those with the word in their name.
//!
//! Prints the best of many batches in nanoseconds for each prefix; compare runs of one machine only.
#![expect(clippy::print_stdout, reason = "the numbers are the output")]
#![expect(clippy::disallowed_methods, reason = "measures real time")]

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp_core::policy::Policy;
use bgp_core::rib::{Input, Output, PeerConfig, PeerUp, Rib, RibConfig};
use bgp_core::types::{Asn, PathId, PeerId, PerFamily, RouterId};
use bgp_core::wire::attribute::{AsPath, Community};
use bgp_core::wire::update::encode_reachable;
use bgp_core::wire::{AttributeView, Attributes, Context, Message, NextHop, Update, frame};
use bytes::BytesMut;
use ipnet::Ipv4Net;

const PREFIXES: u32 = 10_000;
const ROUNDS: u32 = 30;
/// Who is told; the senders have the numbers below.
const LISTENER: u32 = 10;

fn context() -> Context {
    Context {
        four_octet_as: true,
        ..Context::default()
    }
}

fn address(peer: u32) -> Ipv4Addr {
    Ipv4Addr::from(0xc000_0200 + peer)
}

/// All prefixes as a peer sends them, each `together` with the same attributes; another `salt` makes other attributes.
fn updates(peer: u32, together: usize, path: &[u32], salt: u32) -> Vec<Update> {
    let mut messages = BytesMut::new();
    let prefixes: Vec<u32> = (0..PREFIXES).collect();
    for (index, chunk) in (0..).zip(prefixes.chunks(together)) {
        let attributes = Attributes {
            as_path: AsPath::sequence(path.iter().copied().map(Asn)),
            communities: vec![Community(salt), Community(index)],
            ..Attributes::default()
        };
        let mut octets = Vec::new();
        attributes.encode_canonical(&mut octets);
        let net = |index: &u32| Ipv4Net::new_assert((0x0a00_0000 + index * 256).into(), 24);
        let routes: Vec<_> = chunk.iter().map(|index| (PathId(0), net(index))).collect();
        let next_hop = NextHop::V4(address(peer));
        let view = AttributeView::new(&octets);
        encode_reachable(&context(), view, next_hop, &routes, &mut messages).expect("it fits");
    }
    let frames = std::iter::from_fn(|| frame::take(&mut messages, 4096).expect("good headers"));
    let decoded = frames.map(|frame| match Message::decode(frame, &context()) {
        Ok(Message::Update(update)) => update,
        other => panic!("not an UPDATE: {other:?}"),
    });
    decoded.collect()
}

/// A RIB whose peers are up and have told nothing.
fn rib(now: Instant) -> Rib {
    let mut rib = Rib::new(RibConfig::new(RouterId(Ipv4Addr::new(10, 255, 0, 1))), now);
    let policy = Arc::new(Policy::ACCEPT);
    for number in 0..=LISTENER {
        let peer = PeerId(number);
        let config = Arc::new(PeerConfig {
            import: Arc::clone(&policy),
            export: Arc::clone(&policy),
            ..PeerConfig::new(Asn(64512), address(number).into(), Asn(65000 + number))
        });
        rib.handle(now, Input::Configure { peer, config });
        let up = PeerUp {
            peer_id: RouterId(address(number)),
            context: context(),
            own_next_hop: PerFamily {
                ipv4: Some(NextHop::V4(address(255))),
                ipv6: None,
            },
            sends_end_of_rib: false,
            long_lived_aware: false,
        };
        let preserved = PerFamily::default();
        rib.handle(
            now,
            Input::Up {
                peer,
                up,
                preserved,
            },
        );
    }
    drain(&mut rib, now);
    rib
}

fn drain(rib: &mut Rib, now: Instant) {
    while let Some(output) = rib.poll_output() {
        if let Output::Send { peer, messages } = output {
            let octets = messages.len();
            rib.handle(now, Input::Written { peer, octets });
        }
    }
}

fn tell(rib: &mut Rib, now: Instant, peer: u32, updates: &[Update]) {
    for update in updates {
        let (peer, update) = (PeerId(peer), update.clone());
        rib.handle(now, Input::Update { peer, update });
    }
}

/// Prints the best time of `run` over all rounds, each with a RIB that `prepare` has filled.
fn measure(name: &str, prepare: impl Fn(&mut Rib, Instant), run: impl Fn(&mut Rib, Instant)) {
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    if wanted.is_some_and(|word| !name.contains(&word)) {
        return;
    }
    let round = |_| -> Duration {
        let now = Instant::now();
        let mut rib = rib(now);
        prepare(&mut rib, now);
        drain(&mut rib, now);
        let start = Instant::now();
        run(&mut rib, now);
        start.elapsed()
    };
    let best = (0..ROUNDS).map(round).min().unwrap_or_default();
    println!(
        "{name:<44} {:>8} ns",
        best.as_nanos() / u128::from(PREFIXES)
    );
}

fn main() {
    let path = |peer: u32| [65000 + peer, 1000, 2000];
    let shared = updates(0, 500, &path(0), 0);
    let distinct = updates(0, 1, &path(0), 0);
    measure(
        "intern, 500 alike",
        |_, _| {},
        |rib, now| {
            tell(rib, now, 0, &shared);
        },
    );
    measure(
        "intern, 1 alike",
        |_, _| {},
        |rib, now| {
            tell(rib, now, 0, &distinct);
        },
    );
    for (together, updates) in [(500, &shared), (1, &distinct)] {
        let name = format!("intern, decide and pack, {together} alike");
        measure(
            &name,
            |_, _| {},
            |rib, now| {
                tell(rib, now, 0, updates);
                drain(rib, now);
            },
        );
    }
    let others: Vec<Vec<Update>> = (0..9)
        .map(|peer| updates(peer, 500, &path(peer), 0))
        .collect();
    let (shorter, longer) = (
        updates(9, 500, &[65009], 1),
        updates(9, 500, &[65009, 1, 2, 3, 4], 2),
    );
    let fill = |rib: &mut Rib, now: Instant| {
        for (peer, updates) in (0..).zip(&others) {
            tell(rib, now, peer, updates);
        }
        tell(rib, now, 9, &longer);
    };
    measure("best path, the tenth becomes the best", fill, |rib, now| {
        tell(rib, now, 9, &shorter);
        drain(rib, now);
    });
    measure("best path, the tenth stays behind", fill, |rib, now| {
        tell(rib, now, 9, &longer);
        drain(rib, now);
    });
}
