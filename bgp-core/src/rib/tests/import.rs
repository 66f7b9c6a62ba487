//! The processing of received routes.

use std::net::Ipv4Addr;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};

use super::world::{OWN_ADDRESS, OWN_AS, World, config, id, net, rib_config, route};
use crate::policy::{Action, Policy, Rule, Verdict};
use crate::rib::{Input, LocalRoute, Output, PeerConfig, PeerKind, RibConfig, Unusable};
use crate::types::Role;
use crate::types::{Asn, Family, PeerId, PerFamily, RouterId};
use crate::wire::attribute::UnknownAttribute;
use crate::wire::{Attributes, Context};

use PeerKind::{External, Internal};

const PREFIX: &str = "10.1.0.0/16";

fn unusable(world: &World) -> Option<Unusable> {
    world.rib.paths(net(PREFIX)).remove(0).unusable
}

/// R4271-9.1.2-01
/// Promises 5.10, 9.3.
#[test]
fn our_own_as_in_the_path_is_a_loop_as_often_as_it_is_not_allowed() {
    let mut world = World::up(rib_config(), &[External]);
    world.announce(0, PREFIX, &route(&[1, OWN_AS.0]));
    world.drain();
    assert_eq!(unusable(&world), Some(Unusable::AsLoop));
    world.configure(0, |config| config.allowed_local_as = 1);
    world.drain();
    assert_eq!(unusable(&world), None);
    world.announce(0, PREFIX, &route(&[1, OWN_AS.0, 2, OWN_AS.0]));
    world.drain();
    assert_eq!(unusable(&world), Some(Unusable::AsLoop));
}

/// R6793-4.2.3-03: the path put together of AS_PATH (1 and ours) and AS4_PATH (65536 8) is the latter alone.
#[test]
fn r6793_4_2_3_03_a_loop_that_only_the_received_path_shows() {
    let mut octets = BytesMut::from(&[0xff; 16][..]);
    let [high, low] = (OWN_AS.0 as u16).to_be_bytes();
    octets.put_slice(&[0, 59, 2, 0, 0, 0, 33]);
    octets.put_slice(&[0x40, 1, 1, 0, 0x40, 2, 6, 2, 2, 0, 1, high, low]);
    octets.put_slice(&[0x40, 3, 4, 10, 0, 0, 1]);
    octets.put_slice(&[0xc0, 17, 10, 2, 2, 0, 1, 0, 0, 0, 0, 0, 8, 16, 10, 1]);
    let mut world = World::up(rib_config(), &[External]);
    world.announce(0, PREFIX, &route(&[1]));
    let context = Context {
        four_octet_as: false,
        ..world.context(0)
    };
    world.receive_in(&context, 0, octets);
    assert_eq!(world.rib.paths(net(PREFIX)), []);
}

/// R4456-8-02
/// Promise 9.3.
#[test]
fn our_own_identifier_or_cluster_is_a_loop() {
    let own = RouterId(OWN_ADDRESS);
    for looped in [
        Attributes {
            originator_id: Some(own),
            ..route(&[1])
        },
        Attributes {
            cluster_list: vec![RouterId::from_bits(1), own],
            ..route(&[1])
        },
    ] {
        let mut world = World::up(rib_config(), &[Internal]);
        world.announce(0, PREFIX, &looped);
        assert_eq!(unusable(&world), Some(Unusable::ReflectionLoop));
    }
}

/// R4271-5.1.3-04, R4271-6.3-05
#[test]
fn our_own_address_as_next_hop_is_not_used() {
    let mut world = World::up(rib_config(), &[External]);
    world.announce_via(0, PREFIX, &route(&[1]), OWN_ADDRESS);
    assert_eq!(unusable(&world), Some(Unusable::OwnNextHop));
}

/// R4271-6.3-04
#[test]
fn a_loopback_next_hop_leads_somewhere_only_on_one_host_without_forwarding() {
    let next_hop = Ipv4Addr::LOCALHOST;
    let judged = |address: Ipv4Addr, forwarding| {
        let settings = RibConfig {
            forwarding,
            ..rib_config()
        };
        let mut world = World::new(settings, &[]);
        world.add(PeerConfig {
            address: address.into(),
            ..config(0, External)
        });
        world.peer_up(0);
        world.announce_via(0, PREFIX, &route(&[1]), next_hop);
        world.drain();
        unusable(&world)
    };
    let here = Ipv4Addr::new(127, 0, 0, 2);
    assert_eq!(judged(here, false), None);
    assert_eq!(judged(here, true), Some(Unusable::LoopbackNextHop));
    let elsewhere = Ipv4Addr::new(10, 0, 0, 1);
    assert_eq!(judged(elsewhere, false), Some(Unusable::LoopbackNextHop));
}

/// R4271-9-01
#[test]
fn a_newer_route_replaces_the_old_one_even_if_it_cannot_be_used() {
    let mut world = World::up(rib_config(), &[External, External]);
    world.announce(0, PREFIX, &route(&[1]));
    world.drain();
    assert_eq!(world.told(1, PREFIX).len(), 1);
    world.announce(0, PREFIX, &route(&[1, OWN_AS.0]));
    world.drain();
    assert!(world.told(1, PREFIX).is_empty());
    assert_eq!(world.rib.best(net(PREFIX)), None);
}

/// R4271-6.3-07
/// Promise 9.5.
#[test]
fn prefixes_that_nobody_can_route_are_ignored() {
    let mut world = World::up(rib_config(), &[External]);
    for odd in [
        "127.0.0.0/8",
        "169.254.1.0/24",
        "224.0.0.0/4",
        "240.0.0.0/8",
        "255.255.255.255/32",
    ] {
        world.announce(0, odd, &route(&[1]));
        assert!(world.rib.paths(net(odd)).is_empty(), "{odd}");
    }
    world.announce(0, "0.0.0.0/0", &route(&[1]));
    assert_eq!(world.rib.paths(net("0.0.0.0/0")).len(), 1);
}

/// RP-13, R8212-3-01
#[test]
fn a_new_import_policy_judges_the_routes_at_hand() {
    let mut world = World::up(rib_config(), &[External, External]);
    world.configure(0, |config| config.import = Arc::new(Policy::REJECT));
    world.announce(0, PREFIX, &route(&[1]));
    world.drain();
    assert_eq!(unusable(&world), Some(Unusable::Policy));
    assert!(world.told(1, PREFIX).is_empty());
    let prefer = Rule {
        origin: "test".into(),
        conditions: vec![],
        actions: vec![Action::SetLocalPref(300), Action::SetPreference(150)],
        verdict: Some(Verdict::Accept),
        ..Rule::default()
    };
    let policy = Policy::new(vec![prefer], Verdict::Reject);
    world.configure(0, |config| config.import = Arc::new(policy));
    world.drain();
    let best = world.rib.best(net(PREFIX)).unwrap();
    assert_eq!(
        (best.preference, best.attributes.local_pref),
        (150, Some(300))
    );
    assert_eq!(world.told(1, PREFIX).len(), 1);
}

/// R4486-4-01
#[test]
fn more_prefixes_than_allowed_stop_the_session_once() {
    let mut world = World::up(rib_config(), &[External]);
    world.configure(0, |config| {
        config.max_prefixes = PerFamily {
            ipv4: Some(2),
            ipv6: None,
        }
    });
    for prefix in ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16", "10.4.0.0/16"] {
        world.announce(0, prefix, &route(&[1]));
    }
    world.drain();
    let family = Family::Ipv4Unicast;
    assert_eq!(
        world.other_outputs,
        [Output::TooManyPrefixes {
            peer: id(0),
            family,
            limit: 2
        }]
    );
}

/// R4486-4-01
#[test]
fn a_lower_limit_counts_at_once() {
    let mut world = World::up(rib_config(), &[External]);
    for prefix in ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"] {
        world.announce(0, prefix, &route(&[1]));
    }
    for limit in [3, 2] {
        world.configure(0, |config| config.max_prefixes.ipv4 = Some(limit));
        world.drain();
        assert_eq!(world.other_outputs.len(), usize::from(limit < 3));
    }
}

/// R9234-5-01
#[test]
fn leaked_routes_are_not_used() {
    for (role, otc, expected) in [
        (Role::Provider, Some(1), Some(Unusable::RouteLeak)),
        (Role::RsServer, Some(1), Some(Unusable::RouteLeak)),
        (Role::Peer, Some(1), Some(Unusable::RouteLeak)),
        (Role::Peer, Some(65000), None),
        (Role::Customer, Some(1), None),
        (Role::Provider, None, None),
    ] {
        let mut world = World::new(rib_config(), &[External]);
        world.configure(0, |config| config.role = Some(role));
        world.peer_up(0);
        world.announce(
            0,
            PREFIX,
            &Attributes {
                otc: otc.map(Asn),
                ..route(&[65000])
            },
        );
        assert_eq!(unusable(&world), expected, "{role:?} {otc:?}");
    }
}

/// Numbers of peers need not be small, and the one that represents this speaker belongs to no peer.
#[test]
fn peers_may_have_great_numbers() {
    let mut world = World::up(rib_config(), &[External]);
    for number in [PeerId::MAX, PeerId(u32::MAX)] {
        let config = Arc::new(config(0, External));
        world.rib.handle(
            world.now,
            Input::Configure {
                peer: number,
                config,
            },
        );
    }
    assert_eq!(world.rib.tables.shared.peers.iter().count(), 2);
}

/// Whoever builds attributes need not sort those that have no field of their own.
#[test]
fn the_order_of_unknown_attributes_does_not_matter() {
    let unknown = |codes: [u8; 3]| {
        let attribute = |code| UnknownAttribute::new(code, true, [code]).unwrap();
        Attributes {
            unknown: codes.map(attribute).into(),
            ..route(&[65000])
        }
    };
    let mut world = World::up(rib_config(), &[External]);
    let announce = |world: &mut World, id, codes| {
        let attributes = unknown(codes);
        world.originate(
            "10.0.0.0/8",
            LocalRoute {
                id,
                attributes,
                ..LocalRoute::default()
            },
        );
    };
    announce(&mut world, 0, [11, 201, 250]);
    let one = world.rib.attribute_set_count();
    announce(&mut world, 1, [250, 11, 201]);
    assert_eq!(world.rib.attribute_set_count(), one);
    let routes = world.rib.paths(net("10.0.0.0/8"));
    assert_eq!(routes[0].attributes, unknown([11, 201, 250]));
    assert_eq!(routes[1].attributes, unknown([11, 201, 250]));
}
