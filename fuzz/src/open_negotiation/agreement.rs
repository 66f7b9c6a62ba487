//! The agreement of two configurations, derived from the RFCs alone, independent of the sessions.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use bgp_core::session::{Negotiated, SessionConfig};
use bgp_core::types::{Asn, Family, PathId, PerFamily, Prefix, Role};
use bgp_core::wire::attribute::AsPath;
use bgp_core::wire::update::{encode_reachable, encode_unreachable};
use bgp_core::wire::{
    AddPathDirection, AttributeView, Attributes, Context, Message, NextHop, Open, Update, frame,
};
use bytes::BytesMut;
use ipnet::{Ipv4Net, Ipv6Net};

/// Subcodes of OPEN errors (RFC 4271 §6.2, RFC 5492 §5, RFC 9234 §4.2).
const BAD_PEER_AS: u8 = 2;
const BAD_IDENTIFIER: u8 = 3;
const REQUIRED_CAPABILITY_MISSING: u8 = 7;
const ROLE_MISMATCH: u8 = 11;

/// Every reason of `own` to refuse `peer`, as subcodes.
pub(super) fn refusals(own: &SessionConfig, peer: &SessionConfig) -> Vec<u8> {
    let as_is_bad = peer.local_as != own.peer_as || [Asn(0), Asn::TRANS].contains(&peer.local_as);
    let id_is_bad =
        peer.router_id.to_bits() == 0 || (!is_external(own) && peer.router_id == own.router_id);
    let reasons = [
        (BAD_PEER_AS, as_is_bad),
        (BAD_IDENTIFIER, id_is_bad),
        (ROLE_MISMATCH, !roles_fit(own, peer)),
        (
            REQUIRED_CAPABILITY_MISSING,
            !Family::ALL
                .iter()
                .any(|family| both_offer(own, peer, *family)),
        ),
    ];
    reasons
        .into_iter()
        .filter_map(|(subcode, holds)| holds.then_some(subcode))
        .collect()
}

/// Asserts that `own` has negotiated with `peer` exactly what both support.
pub(super) fn check_agreement(own: &SessionConfig, peer: &SessionConfig, is: &Negotiated) {
    assert_eq!(is.peer_as, peer.local_as);
    assert_eq!(is.peer_id, peer.router_id);
    assert_eq!(is.hold_time, own.hold_time.min(peer.hold_time));
    check_keepalive_time(own, is);
    let families = per_family(|family| both_offer(own, peer, family));
    let extended = own.extended_messages && peer.extended_messages;
    let wanted = Context {
        four_octet_as: true,
        add_path_receive: per_family(|family| families[family] && receives(own) && sends(peer)),
        add_path_send: per_family(|family| families[family] && sends(own) && receives(peer)),
        families,
        extended_next_hop: families.ipv4 && own.extended_next_hop && peer.extended_next_hop,
        max_receive_len: if own.extended_messages { 65535 } else { 4096 },
        max_send_len: if extended { 65535 } else { 4096 },
        external: is_external(own),
        enhanced_refresh: true,
        opaque_families: false,
    };
    assert_eq!(is.context, wanted);
    assert!(is.route_refresh);
    check_restart(own, peer, is);
}

/// At most a third of the hold time, and not more than one KEEPALIVE a second unless the hold time requires it (RFC 4271 §4.4).
fn check_keepalive_time(own: &SessionConfig, is: &Negotiated) {
    let third = is.hold_time / 3;
    let wished = own
        .keepalive_time
        .unwrap_or(third)
        .max(Duration::from_secs(1));
    assert_eq!(is.keepalive_time, wished.min(third));
}

/// RFC 4724 §3, RFC 8538 §2, RFC 9494 §3.1.
fn check_restart(own: &SessionConfig, peer: &SessionConfig, is: &Negotiated) {
    let (Some(ours), Some(theirs)) = (own.graceful_restart, peer.graceful_restart) else {
        assert_eq!(is.graceful_restart, None);
        assert_eq!(is.long_lived, PerFamily::default());
        return;
    };
    let common = is.graceful_restart.expect("both sides restart gracefully");
    assert_eq!(common.restarting, theirs.restarting);
    assert_eq!(
        common.notification,
        ours.notification && theirs.notification
    );
    assert_eq!(
        common.restart_time.as_secs(),
        u64::from(theirs.restart_time.min(4095))
    );
    let seconds = |config: &SessionConfig| {
        let time = config.long_lived_stale_time.unwrap_or_default();
        time.as_secs().min(0xff_ffff)
    };
    for family in Family::ALL {
        let used = is.context.families[family];
        assert_eq!(common.families[family], used.then_some(theirs.restarting));
        let long_lived = is.long_lived[family].map(|long_lived| long_lived.stale_time.as_secs());
        let offered = seconds(peer);
        assert_eq!(
            long_lived,
            (used && seconds(own) > 0 && offered > 0).then_some(offered)
        );
    }
}

/// Asserts that `reader` has received the OPEN of `writer`, and reads the routes of `writer` as they were meant.
pub(super) fn check_routes(writer: &Negotiated, reader: &Negotiated) {
    assert_eq!(
        octets_of(&writer.sent_open),
        octets_of(&reader.received_open)
    );
    let next_hop_v6 = NextHop::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
    let next_hop_v4 = if writer.context.extended_next_hop {
        next_hop_v6
    } else {
        NextHop::V4(Ipv4Addr::new(192, 0, 2, 1))
    };
    let (v4, v6) = (Ipv4Net::default(), Ipv6Net::default());
    check_prefix(&writer.context, &reader.context, v4, next_hop_v4);
    check_prefix(&writer.context, &reader.context, v6, next_hop_v6);
}

fn check_prefix<P: Prefix>(writer: &Context, reader: &Context, prefix: P, next_hop: NextHop) {
    if !writer.families[P::FAMILY] {
        return;
    }
    let id = PathId(u32::from(writer.add_path_send[P::FAMILY]) * 7);
    let attributes = Attributes {
        as_path: AsPath::sequence([Asn(4_200_000_000)]),
        ..Attributes::default()
    };
    let (mut canonical, mut octets) = (Vec::new(), BytesMut::new());
    attributes.encode_canonical(&mut canonical);
    let view = AttributeView::new(&canonical);
    encode_reachable(writer, view, next_hop, &[(id, prefix)], &mut octets)
        .expect("one prefix fits any message");
    let update = read(&mut octets, reader);
    let told: Vec<_> = update
        .reachable()
        .flat_map(|reachable| {
            reachable
                .nlri
                .nets()
                .map(move |net| (reachable.next_hop, net))
        })
        .collect();
    assert_eq!(told, [(next_hop, (id, prefix.into()))]);
    assert_eq!(update.attributes(), attributes);
    encode_unreachable(writer, &[(id, prefix)], &mut octets);
    let update = read(&mut octets, reader);
    let gone: Vec<_> = update.unreachable().flat_map(|nlri| nlri.nets()).collect();
    assert_eq!(gone, [(id, prefix.into())]);
}

fn read(octets: &mut BytesMut, reader: &Context) -> Update {
    let frame = frame::take(octets, reader.max_receive_len);
    let frame = frame.expect("a good header").expect("a whole message");
    match Message::decode(frame, reader) {
        Ok(Message::Update(update)) => {
            assert_eq!(update.faults(), []);
            update
        }
        other => panic!("not an UPDATE: {other:?}"),
    }
}

/// RFC 9234 §4.2; roles apply only between different ASes.
fn roles_fit(own: &SessionConfig, peer: &SessionConfig) -> bool {
    let role_of = |config: &SessionConfig| config.role.filter(|_| is_external(config));
    let pairs = [
        (Role::Provider, Role::Customer),
        (Role::RsServer, Role::RsClient),
        (Role::Peer, Role::Peer),
    ];
    match (role_of(own), role_of(peer)) {
        (None, _) => true,
        (Some(own), None) => !own.strict,
        (Some(own), Some(peer)) => pairs
            .iter()
            .any(|&(a, b)| [(a, b), (b, a)].contains(&(own.role, peer.role))),
    }
}

fn octets_of(open: &Open) -> BytesMut {
    let mut octets = BytesMut::new();
    Message::Open(open.clone()).encode(&Context::default(), &mut octets);
    octets
}

fn both_offer(own: &SessionConfig, peer: &SessionConfig, family: Family) -> bool {
    own.families.contains(&family) && peer.families.contains(&family)
}

fn sends(config: &SessionConfig) -> bool {
    [Some(AddPathDirection::Send), Some(AddPathDirection::Both)].contains(&config.add_path)
}

fn receives(config: &SessionConfig) -> bool {
    [
        Some(AddPathDirection::Receive),
        Some(AddPathDirection::Both),
    ]
    .contains(&config.add_path)
}

fn is_external(config: &SessionConfig) -> bool {
    config.local_as != config.peer_as
}

fn per_family<T>(value: impl Fn(Family) -> T) -> PerFamily<T> {
    PerFamily {
        ipv4: value(Family::Ipv4Unicast),
        ipv6: value(Family::Ipv6Unicast),
    }
}
