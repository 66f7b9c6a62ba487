//! What a route costs at rest: the octets that stay allocated per prefix, with one path and with ten. Bounds, not times: a
//! structure that grows fails here.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Instant;

use bgp_core::policy::Policy;
use bgp_core::rib::{Input, Output, PeerConfig, PeerUp, Rib, RibConfig};
use bgp_core::types::{Asn, PathId, PeerId, PerFamily, RouterId};
use bgp_core::wire::attribute::{AsPath, Community};
use bgp_core::wire::update::encode_reachable;
use bgp_core::wire::{AttributeView, Attributes, Context, Message, NextHop, frame};
use bytes::BytesMut;
use ipnet::Ipv4Net;

/// Just under a power of two, so that no list is half empty.
const PREFIXES: u32 = 4_000;
/// As in a full table, where about five prefixes share their attributes.
const PREFIXES_PER_UPDATE: usize = 5;

fn context() -> Context {
    Context {
        four_octet_as: true,
        ..Context::default()
    }
}

fn address(peer: u32) -> Ipv4Addr {
    Ipv4Addr::from(0xc000_0200 + peer)
}

/// A table as one peer would send it; no two UPDATEs have equal attributes.
fn table(peer: u32) -> BytesMut {
    let mut messages = BytesMut::new();
    let prefixes: Vec<u32> = (0..PREFIXES).collect();
    for chunk in prefixes.chunks(PREFIXES_PER_UPDATE) {
        let path = [65000 + peer, 1000, 2000 + chunk[0] / 4096, 7 + chunk[0]];
        let attributes = Attributes {
            as_path: AsPath::sequence(path.map(Asn)),
            communities: vec![Community(chunk[0]), Community(!chunk[0])],
            ..Attributes::default()
        };
        let mut octets = Vec::new();
        attributes.encode_canonical(&mut octets);
        let net = |index: &u32| {
            Ipv4Net::new(Ipv4Addr::from(0x0a00_0000 + index * 256), 24).expect("a length up to 32")
        };
        let routes: Vec<_> = chunk.iter().map(|index| (PathId(0), net(index))).collect();
        let view = AttributeView::new(&octets);
        let next_hop = NextHop::V4(address(peer));
        encode_reachable(&context(), view, next_hop, &routes, &mut messages).expect("it fits");
    }
    messages
}

fn drain(rib: &mut Rib, now: Instant) {
    while let Some(output) = rib.poll_output() {
        if let Output::Send { peer, messages } = output {
            let octets = messages.len();
            rib.handle(now, Input::Written { peer, octets });
        }
    }
}

/// Octets per prefix of a RIB that `senders` have told the same prefixes, and that has told one more peer the best of each.
fn octets_per_prefix(senders: u32) -> u64 {
    let mut rib = None;
    #[expect(clippy::disallowed_methods, reason = "no time passes here")]
    let now = Instant::now();
    let measured = allocation_counter::measure(|| {
        let config = RibConfig::new(RouterId(Ipv4Addr::new(10, 255, 0, 1)));
        rib = Some(filled(Rib::new(config, now), now, senders));
    });
    u64::try_from(measured.bytes_current).expect("more is taken than given back")
        / u64::from(PREFIXES)
}

fn filled(mut rib: Rib, now: Instant, senders: u32) -> Rib {
    let policy = Arc::new(Policy::ACCEPT);
    for peer in 0..=senders {
        let config = PeerConfig {
            import: Arc::clone(&policy),
            export: Arc::clone(&policy),
            ..PeerConfig::new(Asn(64512), address(peer).into(), Asn(65000 + peer))
        };
        let up = PeerUp {
            peer_id: RouterId(address(peer)),
            context: context(),
            own_next_hop: PerFamily {
                ipv4: Some(NextHop::V4(address(255))),
                ipv6: None,
            },
            sends_end_of_rib: false,
            long_lived_aware: false,
        };
        let (peer, config) = (PeerId(peer), Arc::new(config));
        rib.handle(now, Input::Configure { peer, config });
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
    for peer in 0..senders {
        let mut messages = table(peer);
        while let Some(frame) = frame::take(&mut messages, 4096).expect("good headers") {
            let Ok(Message::Update(update)) = Message::decode(frame, &context()) else {
                panic!("an UPDATE");
            };
            let peer = PeerId(peer);
            rib.handle(now, Input::Update { peer, update });
            drain(&mut rib, now);
        }
    }
    rib
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
