//! Time that the RIB takes for one route: `cargo bench -p bgp-core --bench rib [-- WORD]`, only those with the word in their name.
//!
//! Prints the best of many batches in nanoseconds for each prefix; compare runs of one machine only.
#![expect(clippy::print_stdout, reason = "the numbers are the output")]
#![expect(clippy::disallowed_methods, reason = "measures real time")]

#[path = "../tests/rib_lab/mod.rs"]
mod rib_lab;

use std::time::{Duration, Instant};

use bgp_core::rib::{Input, Rib};
use bgp_core::types::{Asn, PeerId};
use bgp_core::wire::attribute::{AsPath, Community};
use bgp_core::wire::{Attributes, Update};
use rib_lab::{drain, rib};

const PREFIXES: u32 = 10_000;
const ROUNDS: u32 = 30;
/// Those who tell something have the first numbers.
const PEERS: u32 = 11;

/// All prefixes as a peer sends them, each `together` with the same attributes; another `salt` makes other attributes.
fn updates(peer: u32, together: usize, path: &[u32], salt: u32) -> Vec<Update> {
    rib_lab::updates(peer, PREFIXES, together, |first| Attributes {
        as_path: AsPath::sequence(path.iter().copied().map(Asn)),
        communities: vec![Community(salt), Community(first)],
        ..Attributes::default()
    })
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
        let mut rib = rib(now, PEERS);
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
