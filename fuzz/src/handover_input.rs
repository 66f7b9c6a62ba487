//! What another process hands over: any octets are refused or taken in, and the RIB goes on with what it has by then.
//!
//! The first octet is the number of chunks, into which the rest is cut; the whole rest is also read as a session.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bgp_core::handover::{Reader, Writer};
use bgp_core::policy::Policy;
use bgp_core::rib::{Input, PeerConfig, PeerUp, Rib, RibConfig};
use bgp_core::session::{ConnId, Handover, Session, SessionConfig};
use bgp_core::types::{Asn, PeerId, PerFamily, RouterId};
use bgp_core::wire::{Context, NextHop};

use super::choices::time_zero;

const OWN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 254);

/// Takes over whatever it is.
pub fn handover_input(data: &[u8]) {
    let Some((count, data)) = data.split_first() else {
        return;
    };
    take_session(data);
    let now = time_zero();
    let mut rib = Rib::new(RibConfig::new(RouterId(OWN)), now, 1);
    rib.hold(now);
    let mut peers = BTreeMap::new();
    for number in 0..2 {
        let peer = PeerId(number);
        let address = IpAddr::from([192, 0, 2, number as u8 + 1]);
        let accept = Arc::new(Policy::ACCEPT);
        let config = PeerConfig::new(Asn(64512), address, Asn(64512 + number));
        let config = Arc::new(config.with_policies(Arc::clone(&accept), accept));
        rib.handle(now, Input::Configure { peer, config });
        let context = Context {
            four_octet_as: true,
            families: PerFamily {
                ipv4: true,
                ipv6: true,
            },
            external: number > 0,
            ..Context::default()
        };
        let mut up = PeerUp::new(RouterId([192, 0, 2, number as u8 + 1].into()), context);
        up.own_next_hop.ipv4 = Some(NextHop::V4(OWN));
        peers.insert(peer, (peer, Some(up)));
    }
    rib.begin_take_over(peers);
    let chunk = data.len() / (usize::from(*count) + 1) + 1;
    let taken = data
        .chunks(chunk)
        .all(|chunk| rib.take_over(now, chunk).is_ok());
    rib.finish_take_over(now);
    rib.go_on(now);
    while rib.poll_output().is_some() {}
    // What was taken in can be handed over again.
    let mut cursor = bgp_core::rib::HandoverCursor::default();
    let mut octets = 0;
    while let Some(chunk) = rib.hand_over(now, &mut cursor, 100) {
        octets += chunk.len();
    }
    assert!(octets > 0 || !taken);
}

fn take_session(data: &[u8]) {
    let mut input = Reader::new(data);
    let Ok(session) = Handover::decode(&mut input) else {
        return;
    };
    let mut octets = Writer::default();
    session.encode(&mut octets);
    let octets = octets.finish();
    assert_eq!(
        Handover::decode(&mut Reader::new(&octets)),
        Ok(session.clone())
    );
    let (own, peer) = (&session.sent_open, &session.received_open);
    let mut config = SessionConfig::new(own.asn, own.router_id, OWN.into(), peer.asn);
    config.hold_time = std::time::Duration::from_secs(own.hold_time.into());
    let now = time_zero();
    let taken = Session::take_over(Arc::new(config), 1, now, ConnId(1), &session);
    if let Ok(mut taken) = taken {
        taken.handle_timeout(now);
        while taken.poll_output().is_some() {}
    }
}
