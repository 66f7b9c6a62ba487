//! The path of routes from one peer to another.

use bgp_core::rib::PeerConfig;
use bgp_core::types::{Asn, Family, PathId, PerFamily};
use bgp_core::wire::attribute::{Community, ExtendedCommunity};
use bgp_core::wire::{Capability, Frame, Message, NextHop, RefreshKind};

use crate::node::{Kind, Node, OWN_AS, OWN_HOST, PEER_AS, address, refresh};
use crate::wire_support::{IPV4, announcing, attribute, good, mandatory, next_hop, origin, update};

use Kind::{External, Internal};

const NET: &str = "10.1.0.0/16";

/// An announcement of [`NET`] with this path, and more attributes.
fn via(path: &[u32], more: &[Vec<u8>]) -> Frame {
    let asns = path.iter().flat_map(|asn| asn.to_be_bytes());
    let len = u8::try_from(path.len()).expect("a short path");
    let value: Vec<u8> = [2, len].into_iter().chain(asns).collect();
    let attributes = [&[origin(), good(2, &value), next_hop()], more].concat();
    update(&[], &attributes, &IPV4)
}

fn withdrawal() -> Frame {
    update(&IPV4, &[], &[])
}

fn holds(node: &Node, peer: usize) -> bool {
    !node.held(peer, NET).is_empty()
}

/// R4271-4.3-02: a prefix in both fields of an UPDATE stands for the announcement. RP-14: which is not told twice.
#[test]
fn a_prefix_that_is_withdrawn_and_announced_is_announced() {
    let mut node = Node::up(&[External, External]);
    let both = || update(&IPV4, &mandatory(), &IPV4);
    node.send_frame(0, both());
    assert_eq!(node.take(1).len(), 1);
    assert!(holds(&node, 1));
    node.send_frame(0, both());
    node.send_frame(0, announcing(&[]));
    assert_eq!(node.take(1), []);
}

/// R4271-5-02, R4271-5-03, R4271-5-04, R4271-5.1.6-01, R1997-02, R3765-01, R4360-2-01, R8092-3-01, RP-04: what is passed
/// on, and what is not.
#[test]
fn attributes_that_do_not_concern_us_go_through() {
    let mut node = Node::up(&[External, External, Internal]);
    let more = [
        good(6, &[]),
        good(7, &[0, 1, 0, 0, 10, 0, 0, 7]),
        good(8, &[0xff, 0xff, 0xff, 0x04, 0xfd, 0xe8, 0, 1]),
        good(16, &[0x3f, 0xff, 1, 2, 3, 4, 5, 6]),
        good(32, &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]),
        attribute(0xc0, 200, &[1, 2, 3]),
        attribute(0x80, 201, &[4]),
    ];
    node.send_frame(0, via(&[1], &more));
    for peer in [1, 2] {
        let attributes = &node.held(peer, NET)[&PathId(0)];
        assert!(attributes.atomic_aggregate);
        assert_eq!(attributes.aggregator.unwrap().asn, Asn(65536));
        let communities = [Community(0xfde8_0001), Community(0xffff_ff04)];
        assert_eq!(attributes.communities.len(), 2);
        assert!(
            communities
                .iter()
                .all(|c| attributes.communities.contains(c))
        );
        let ext = [ExtendedCommunity(0x3fff_0102_0304_0506)];
        assert_eq!(attributes.ext_communities, ext);
        assert_eq!(attributes.large_communities[0].to_string(), "1:2:3");
        let unknown = attributes
            .unknown
            .iter()
            .map(|u| (u.code(), u.flags(), u.value()));
        assert!(unknown.eq([(200, 0xe0, &[1, 2, 3][..])]));
    }
}

/// R4271-5.1.5-01, R4271-5.1.5-02: LOCAL_PREF from another AS counts for nothing, and ours stays inside.
#[test]
fn local_pref_means_something_in_one_as_only() {
    let mut node = Node::up(&[External, External, Internal, External]);
    node.send_frame(0, via(&[1, 2], &[good(5, &[0, 0, 3, 132])]));
    node.send_frame(1, via(&[1], &[]));
    let told = |peer| node.held(peer, NET)[&PathId(0)].clone();
    assert_eq!(told(2).as_path.to_string(), "1");
    assert_eq!((told(2).local_pref, told(3).local_pref), (Some(100), None));
    assert_eq!(told(3).as_path.to_string(), format!("{OWN_AS} 1"));
}

/// R7606-2-01, R7606-3-05, R4271-6.3-04: a fault that costs the route takes its earlier version away, and the session goes on.
#[test]
fn a_broken_announcement_withdraws_the_good_one_before_it() {
    for bad in [
        good(1, &[9]),
        good(2, &[9, 1, 0, 0, 0, 1]),
        good(3, &[0; 4]),
        good(3, &[10, 0, 0]),
        good(4, &[0]),
    ] {
        let mut node = Node::up(&[External, External]);
        node.send_frame(0, announcing(&[]));
        assert!(holds(&node, 1));
        let mut attributes = mandatory();
        attributes.retain(|other| other[1] != bad[1]);
        attributes.push(bad);
        node.send_frame(0, update(&[], &attributes, &IPV4));
        assert!(!holds(&node, 1), "{attributes:?}");
        assert!(node.is_connected(0));
        node.send_frame(0, announcing(&[]));
        assert!(holds(&node, 1));
    }
}

/// R7606-3-06: a fault that costs an attribute leaves the route.
#[test]
fn a_broken_aggregator_is_left_out() {
    let mut node = Node::up(&[External, External]);
    node.send_frame(0, announcing(&[good(6, &[1]), good(7, &[1, 2, 3])]));
    let told = &node.held(1, NET)[&PathId(0)];
    assert!(!told.atomic_aggregate && told.aggregator.is_none());
}

/// R4271-6.7-01, R4486-4-01, R4486-4-02: Cease is for what no other code names, such as a limit on prefixes, which the peer
/// is told; it may not come back at once.
#[test]
fn too_many_prefixes_end_the_session_with_cease() {
    let limit = |config: &mut PeerConfig| {
        config.max_prefixes = PerFamily {
            ipv4: Some(1),
            ipv6: None,
        }
    };
    let mut node = Node::new(&[External], false, limit);
    node.connect(0, &[]);
    node.send_frame(0, update(&[], &mandatory(), &[16, 10, 1, 16, 10, 2]));
    let cease = node.notification(0);
    assert_eq!((cease.code.0, cease.subcode), (6, 1));
    assert_eq!(cease.data, [0, 1, 1, 0, 0, 0, 1].as_slice());
    assert!(!node.is_connected(0));
    node.connect(0, &[]);
    assert!(!node.is_connected(0));
    assert_eq!(node.take(0), []);
}

/// R7911-5-01, R7911-5-03: prefix and path identifier are the key; the identifiers that are sent are unique, and stable
/// while a path lives.
#[test]
fn paths_have_identifiers_in_both_directions() {
    let mut node = Node::new(&[External, External, External], true, |_| {});
    (0..3).for_each(|peer| node.connect(peer, &[]));
    let with_id = |id: u8| [&[0, 0, 0, id], &IPV4[..]].concat();
    let announce = |asn: u8, id: u8| {
        let attributes = [origin(), good(2, &[2, 1, 0, 0, 0, asn]), next_hop()];
        update(&[], &attributes, &with_id(id))
    };
    let paths = |node: &Node| -> Vec<(PathId, String)> {
        let held = node.held(2, NET).into_iter();
        held.map(|(id, attributes)| (id, attributes.as_path.to_string()))
            .collect()
    };
    node.send_frame(0, announce(1, 0));
    node.send_frame(0, announce(2, 9));
    node.send_frame(1, announce(3, 0));
    let before = paths(&node);
    assert_eq!(before.len(), 3);

    node.send_frame(0, announce(4, 9));
    let after = paths(&node);
    let changed: Vec<_> = (before.iter().zip(&after))
        .filter(|(a, b)| a != b)
        .collect();
    let [((old_id, old), (new_id, new))] = changed[..] else {
        panic!("{before:?} {after:?}");
    };
    assert_eq!((old_id, &**old, &**new), (new_id, "65000 2", "65000 4"));

    node.take(2);
    node.send_frame(0, update(&with_id(77), &[], &[]));
    assert_eq!(node.take(2), []);
    node.send_frame(0, update(&with_id(0), &[], &[]));
    let left = paths(&node);
    assert_eq!(left.len(), 2);
    assert!(left.iter().all(|path| after.contains(path)));
}

/// R2918-2-01, R2918-4-01, R7313-4-01, R7313-4-04: the marks are for peers that know them, requests that pile up are
/// answered together, and we never ask ourselves.
#[test]
fn a_refresh_is_answered_as_the_peer_understands_it() {
    let mut node = Node::new(&[External, External, External], false, |_| {});
    node.connect(0, &[]);
    node.connect(1, &[Capability::RouteRefresh]);
    node.connect(
        2,
        &[Capability::RouteRefresh, Capability::EnhancedRouteRefresh],
    );
    node.send_frame(0, announcing(&[]));
    (0..3).for_each(|peer| drop(node.take(peer)));
    let kinds = |messages: &[Message]| -> Vec<Option<RefreshKind>> {
        let kind = |message: &Message| match message {
            Message::RouteRefresh(refresh) => Some(refresh.kind),
            _ => None,
        };
        messages.iter().map(kind).collect()
    };
    let marked = [Some(RefreshKind::BEGIN), None, Some(RefreshKind::END)];
    for (peer, expected) in [(1, &[None][..]), (2, &marked)] {
        for requests in [1, 50] {
            node.send(peer, &vec![refresh(RefreshKind::REQUEST); requests]);
            assert_eq!(kinds(&node.take(peer)), expected);
        }
    }
    assert_eq!(node.take(0), []);
}

/// R7313-4-03: our own marks never come before our End-of-RIB.
#[test]
fn a_refresh_within_the_first_table_has_no_marks() {
    let mut node = Node::new(&[External], false, |_| {});
    let announce = bgp_core::rib::LocalRoute::default();
    node.speaker
        .announce(node.now, NET.parse().unwrap(), announce);
    node.connect_and_send(
        0,
        &[Capability::EnhancedRouteRefresh],
        &[refresh(RefreshKind::REQUEST)],
    );
    let messages = node.take(0);
    let end_of_rib = messages.iter().position(|message| {
        matches!(message, Message::Update(update) if update.end_of_rib() == Some(Family::Ipv4Unicast))
    });
    let begin = messages
        .iter()
        .position(|m| *m == refresh(RefreshKind::BEGIN));
    assert!(
        end_of_rib.is_some() && begin.is_none_or(|begin| begin > end_of_rib.unwrap()),
        "{messages:?}"
    );
    assert!(holds(&node, 0));
}

/// R9494-4.3-02: a route that is stale elsewhere is the last choice, and keeps its mark towards who knows what it means.
#[test]
fn a_route_that_a_peer_calls_stale_is_the_last_choice() {
    let stale = good(8, &[0xff, 0xff, 0x00, 0x06]);
    let mut node = Node::new(&[External, External, External], false, |_| {});
    node.connect(0, &[]);
    node.connect(1, &[]);
    node.connect(2, &[Capability::LongLivedGracefulRestart(Vec::new())]);
    node.send_frame(0, via(&[1], std::slice::from_ref(&stale)));
    let told = |node: &Node| node.held(2, NET)[&PathId(0)].clone();
    assert_eq!(told(&node).communities, [Community::LLGR_STALE]);
    node.send_frame(1, via(&[1, 2, 3, 4], &[]));
    assert_eq!(told(&node).communities, []);
    assert!(holds(&node, 0));
    node.send_frame(1, withdrawal());
    assert_eq!(told(&node).communities, [Community::LLGR_STALE]);
    // R9494-4.3-01: the others are not told.
    assert!(!holds(&node, 1));
}

/// R5398-4-01: AS numbers for documentation are numbers as any other.
#[test]
fn documentation_as_numbers_are_not_special() {
    let mut node = Node::up(&[External, External]);
    node.send_frame(0, via(&[PEER_AS, 64496, 64511, 65536, 65551], &[]));
    assert!(holds(&node, 1));
}

/// R9687-P-01: what waits for a peer that takes nothing is bounded, and the others do not wait for it.
#[test]
fn a_stuck_peer_costs_little_and_delays_nobody() {
    let mut node = Node::up(&[External, External, External]);
    node.stick(1);
    let long = |octet| attribute(0xd0, 200, &[octet; 3000]);
    for octet in (0..=255).cycle().take(2000) {
        node.send_frame(0, via(&[1], &[long(octet)]));
        let told = &node.held(2, NET)[&PathId(0)];
        assert_eq!(told.unknown[0].value()[0], octet);
        assert!(node.octets(1) < (4 << 20) + 8192);
    }
    assert!(node.octets(2) > 6_000_000);
}

/// R9687-P-01: also not one that comes up while the stuck one has all it gets.
#[test]
fn a_peer_that_comes_up_beside_a_stuck_one_is_told_everything() {
    let mut node = Node::new(&[External, Internal, Internal], false, |_| {});
    node.connect(0, &[]);
    node.connect(1, &[]);
    node.stick(1);
    let long = |octet| attribute(0xd0, 200, &[octet; 3000]);
    for octet in (0..=255).cycle().take(500) {
        node.send_frame(0, via(&[1], &[long(octet)]));
    }
    assert!(node.octets(1) > 1 << 20);
    node.connect(2, &[]);
    for octet in 0..10 {
        node.send_frame(0, via(&[1], &[long(octet)]));
        let told = &node.held(2, NET)[&PathId(0)];
        assert_eq!(told.unknown[0].value()[0], octet);
    }
    node.send_frame(0, withdrawal());
    assert!(!holds(&node, 2));
}

/// RP-12: a peer that comes and goes, with other routes each time, leaves nothing behind.
#[test]
fn a_flapping_peer_leaves_nothing_behind() {
    let mut node = Node::new(&[External, External], false, |_| {});
    node.connect(1, &[]);
    for flap in 1..=50 {
        node.connect(0, &[]);
        for net in 1..=100 {
            let attributes = [mandatory(), vec![good(4, &[0, 0, flap, net])]].concat();
            node.send_frame(0, update(&[], &attributes, &[16, 10, net]));
        }
        assert!(holds(&node, 1));
        node.lose(0);
        assert!(!holds(&node, 1));
        let rib = node.speaker.rib();
        assert_eq!(rib.prefix_count(Family::Ipv4Unicast), 0);
        let stored = rib.attribute_set_count();
        assert!(
            stored < 1500,
            "{stored} sets of attributes after flap {flap}"
        );
    }
}

/// The next hops sent to a peer since the last call.
fn next_hops(node: &mut Node, peer: usize) -> Vec<NextHop> {
    let messages = node.take(peer);
    let updates = messages.iter().filter_map(|message| match message {
        Message::Update(update) => Some(update),
        _ => None,
    });
    let told = updates.flat_map(|update| update.reachable().map(|reach| reach.next_hop));
    told.collect()
}

/// However many connections come and go meanwhile, our address on the one that becomes the session is known.
#[test]
fn the_next_hop_is_our_address_on_the_connection() {
    let mut node = Node::new(&[External, External], false, |_| {});
    node.strangers = 20;
    node.connect(0, &[]);
    node.connect(1, &[]);
    node.send_frame(0, announcing(&[]));
    let own = NextHop::V4(address(OWN_HOST));
    assert_eq!(next_hops(&mut node, 1), [own]);
}

#[test]
fn a_new_next_hop_of_ours_needs_no_new_session() {
    let mut node = Node::up(&[External, External]);
    node.send_frame(0, announcing(&[]));
    node.take(1);
    let other = NextHop::V4(address(OWN_HOST + 1));
    node.tell_next_hop(1, other);
    assert_eq!(next_hops(&mut node, 1), [other]);
    assert!(node.is_connected(1));
}
