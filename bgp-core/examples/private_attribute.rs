//! Two speakers under virtual time exchange a route with a private attribute, and a policy matches on it.
//! `cargo run --example private_attribute`
#![expect(clippy::disallowed_methods, reason = "the time of the start")]

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Instant;

use bgp_core::policy::{Action, Condition, Policy, Rule, Verdict};
use bgp_core::rib::{LocalRoute, PeerConfig, RibConfig};
use bgp_core::session::{ConnId, Direction, SessionConfig};
use bgp_core::speaker::{NeighbourConfig, Output, SansIoSpeaker};
use bgp_core::types::{Asn, PeerId, RouterId};
use bgp_core::wire::attribute::UnknownAttribute;
use bytes::BytesMut;

/// The type code of our attribute, whose value is the name of a zone.
const ZONE: u8 = 241;
const PEER: PeerId = PeerId(0);
const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)];

fn speaker(me: usize, now: Instant) -> SansIoSpeaker {
    let (id, peer, asn) = (
        RouterId(ADDRESSES[me]),
        ADDRESSES[1 - me].into(),
        Asn(65001),
    );
    let mut session = SessionConfig::new(asn, id, peer, asn);
    session.passive = me == 1;
    let mut routes = PeerConfig::new(asn, peer, asn);
    let zone = Rule::new("has a zone").when(Condition::Attribute(ZONE));
    let prefer = zone.then(Action::SetLocalPref(200));
    routes.import = Arc::new(Policy::new([prefer], Verdict::Accept));
    let mut speaker = SansIoSpeaker::new(RibConfig::new(id), now, me as u64);
    speaker.configure(now, PEER, NeighbourConfig::new(session, routes));
    speaker
}

/// Carries octets between the speakers until no work is left.
fn settle(speakers: &mut [SansIoSpeaker; 2], now: Instant) {
    let conn = ConnId(1);
    while let Some((me, output)) = (0..2).find_map(|me| Some((me, speakers[me].poll_output()?))) {
        if let Output::Connect(_) = output {
            for (at, direction) in [(me, Direction::Outgoing), (1 - me, Direction::Incoming)] {
                speakers[at].handle_connected(now, PEER, conn, direction, ADDRESSES[at].into());
            }
        } else if let Output::Transmit { bytes, .. } = output {
            speakers[1 - me].handle_bytes(now, PEER, conn, &mut BytesMut::from(&bytes[..]));
            speakers[me].handle_written(now, PEER, conn, bytes.len(), false);
        }
    }
}

pub(crate) fn main() {
    let mut now = Instant::now(); // From here on time passes only when the program says so.
    let mut speakers = [0, 1].map(|me| speaker(me, now));
    let (prefix, mut route) = (
        "198.51.100.0/24".parse().expect("a prefix"),
        LocalRoute::default(),
    );
    let zone = UnknownAttribute::new(ZONE, true, *b"a").expect("nobody else's code");
    route.attributes.set_unknown(zone);
    speakers[0].announce(now, prefix, route);
    while speakers[1].rib().best(prefix).is_none() {
        let timeouts = speakers.iter().map(SansIoSpeaker::poll_timeout);
        let next = timeouts.flatten().min();
        now = now.max(next.expect("they try to connect"));
        speakers
            .iter_mut()
            .for_each(|speaker| speaker.handle_timeout(now));
        settle(&mut speakers, now);
    }
    let best = speakers[1].rib().best(prefix).expect("it was told");
    assert_eq!(best.attributes.unknown[0].value(), b"a");
    assert_eq!(best.attributes.local_pref, Some(200));
}
