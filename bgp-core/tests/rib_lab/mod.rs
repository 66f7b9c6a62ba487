//! A RIB with peers and their UPDATEs, for measurements.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Instant;

use bgp_core::policy::Policy;
use bgp_core::rib::{Input, Output, PeerConfig, PeerUp, Rib, RibConfig};
use bgp_core::types::{Asn, PathId, PeerId, PerFamily, RouterId};
use bgp_core::wire::update::encode_reachable;
use bgp_core::wire::{AttributeView, Attributes, Context, Message, NextHop, Update, frame};
use bytes::BytesMut;
use ipnet::Ipv4Net;

fn context() -> Context {
    Context {
        four_octet_as: true,
        ..Context::default()
    }
}

fn address(peer: u32) -> Ipv4Addr {
    Ipv4Addr::from(0xc000_0200 + peer)
}

/// So many prefixes as a peer sends them, each `together` with the attributes that the first of them has.
pub(crate) fn updates(
    peer: u32,
    prefixes: u32,
    together: usize,
    attributes: impl Fn(u32) -> Attributes,
) -> Vec<Update> {
    let mut messages = BytesMut::new();
    let prefixes: Vec<u32> = (0..prefixes).collect();
    for chunk in prefixes.chunks(together) {
        let mut octets = Vec::new();
        attributes(chunk[0]).encode_canonical(&mut octets);
        let net = |index: &u32| Ipv4Net::new_assert((0x0a00_0000 + index * 256).into(), 24);
        let routes: Vec<_> = chunk.iter().map(|index| (PathId(0), net(index))).collect();
        let view = AttributeView::new(&octets);
        let next_hop = NextHop::V4(address(peer));
        encode_reachable(&context(), view, next_hop, &routes, &mut messages).expect("it fits");
    }
    let frames = std::iter::from_fn(|| frame::take(&mut messages, 4096).expect("good headers"));
    let decoded = frames.map(|frame| match Message::decode(frame, &context()) {
        Ok(Message::Update(update)) => update,
        other => panic!("not an UPDATE: {other:?}"),
    });
    decoded.collect()
}

/// Settings of a peer of another AS, with which everything is exchanged.
pub(crate) fn config(number: u32) -> PeerConfig {
    let policy = Arc::new(Policy::ACCEPT);
    let mut config = PeerConfig::new(Asn(64512), address(number).into(), Asn(65000 + number));
    config.import = Arc::clone(&policy);
    config.export = policy;
    config
}

/// A RIB with so many peers, which are up and have announced nothing.
pub(crate) fn rib(now: Instant, peers: u32) -> Rib {
    let config_of_rib = RibConfig::new(RouterId(Ipv4Addr::new(10, 255, 0, 1)));
    let mut rib = Rib::new(config_of_rib, now, 0);
    for number in 0..peers {
        let peer = PeerId(number);
        let config = Arc::new(config(number));
        rib.handle(now, Input::Configure { peer, config });
        let mut up = PeerUp::new(RouterId(address(number)), context());
        up.own_next_hop.ipv4 = Some(NextHop::V4(address(255)));
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

/// Takes all that the RIB has to say, and acknowledges what it sends.
pub(crate) fn drain(rib: &mut Rib, now: Instant) {
    while let Some(output) = rib.poll_output() {
        if let Output::Send { peer, messages } = output {
            let octets = messages.len();
            rib.handle(now, Input::Written { peer, octets });
        }
    }
}
