//! The memory of a route at rest: octets that stay allocated per prefix, with one path and with ten. Bounds, not times: a
//! structure that grows fails here.

mod rib_lab;

use std::time::Instant;

use bgp_core::rib::{Input, Rib};
use bgp_core::types::{Asn, PeerId};
use bgp_core::wire::attribute::{AsPath, Community};
use bgp_core::wire::{Attributes, Update};
use rib_lab::{drain, rib};

/// Just under a power of two, so that no list is half empty.
const PREFIXES: u32 = 4_000;
/// As in a full table, where about five prefixes share their attributes.
const PREFIXES_PER_UPDATE: usize = 5;

/// A table as one peer would send it; no two UPDATEs have equal attributes.
fn table(peer: u32) -> Vec<Update> {
    rib_lab::updates(peer, PREFIXES, PREFIXES_PER_UPDATE, |first| Attributes {
        as_path: AsPath::sequence([65000 + peer, 1000, 2000 + first / 4096, 7 + first].map(Asn)),
        communities: vec![Community(first), Community(!first)],
        ..Attributes::default()
    })
}

/// Octets per prefix of a RIB with the same prefixes from `senders`, which has sent one more peer the best routes.
fn octets_per_prefix(senders: u32) -> u64 {
    let mut filled = None;
    #[expect(clippy::disallowed_methods, reason = "no time passes here")]
    let now = Instant::now();
    let measured = allocation_counter::measure(|| {
        let mut rib = rib(now, senders + 1);
        fill(&mut rib, now, senders);
        filled = Some(rib);
    });
    u64::try_from(measured.bytes_current).expect("more is taken than given back")
        / u64::from(PREFIXES)
}

fn fill(rib: &mut Rib, now: Instant, senders: u32) {
    for sender in 0..senders {
        for update in table(sender) {
            let peer = PeerId(sender);
            rib.handle(now, Input::Update { peer, update });
            drain(rib, now);
        }
    }
}

/// 32 octets of slot and path, 16 of Adj-RIB-Out, 5 to 10 of index; the rest is a fifth of the attributes, as received and as
/// sent.
#[test]
fn a_prefix_with_one_path() {
    let octets = octets_per_prefix(1);
    assert!((70..=120).contains(&octets), "{octets} octets");
}

#[test]
fn a_prefix_with_ten_paths() {
    let octets = octets_per_prefix(10);
    assert!((400..=720).contains(&octets), "{octets} octets");
}
