//! The routes sent to peers, and their attributes.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::world::{
    OWN_ADDRESS, OWN_AS, World, address_of, id, local, net, rib_config, route, via,
};
use crate::policy::{Action, Condition, Policy, PrefixMatch, Rule, Verdict};
use crate::rib::{Input, LocalRoute, NextHopMode, PeerKind, Resolution, RibConfig, RouteCounts};
use crate::types::{Asn, Family, Role, RouterId};
use crate::wire::attribute::{AsPath, Attributes, Community, ExtendedCommunity};
use crate::wire::{NextHop, RefreshKind};

use PeerKind::{Client, External, Internal};

const PREFIX: &str = "10.1.0.0/16";

/// Peer 0 announces; the others are sent the route, or not.
fn told_from_first(kinds: &[PeerKind], attributes: &Attributes) -> Vec<bool> {
    let mut world = World::up(rib_config(), kinds);
    world.announce(0, PREFIX, attributes);
    world.drain();
    (0..kinds.len())
        .map(|peer| !world.told(peer, PREFIX).is_empty())
        .collect()
}

/// R4271-9.2-01, R4456-6-01
/// Promise 8.8.
#[test]
fn routes_from_inside_the_as_go_inside_only_by_reflection() {
    let plain = route(&[1]);
    assert_eq!(
        told_from_first(&[External, External, Internal, Client], &plain),
        [false, true, true, true]
    );
    assert_eq!(
        told_from_first(&[Internal, External, Internal, Client], &plain),
        [false, true, false, true]
    );
    assert_eq!(
        told_from_first(&[Client, External, Internal, Client], &plain),
        [false, true, true, true]
    );
}

/// R1997-01
/// Promise 8.9.
#[test]
fn well_known_communities_keep_routes_in() {
    let with = |community| Attributes {
        communities: vec![community],
        ..route(&[1])
    };
    let kinds = [External, External, Internal];
    assert_eq!(
        told_from_first(&kinds, &with(Community::NO_EXPORT)),
        [false, false, true]
    );
    assert_eq!(
        told_from_first(&kinds, &with(Community::NO_EXPORT_SUBCONFED)),
        [false, false, true]
    );
    assert_eq!(
        told_from_first(&kinds, &with(Community::NO_ADVERTISE)),
        [false, false, false]
    );
}

/// R4271-5.1.2-01, R4271-5.1.3-01, R4271-5.1.4-01, R4271-5.1.5-01, R4456-8-03, R4360-6-01
/// Promises 8.6, 8.7.
#[test]
fn to_another_as() {
    let mut world = World::up(rib_config(), &[Client, External]);
    let transitive = ExtendedCommunity(0x0002_fc00_0000_0001);
    let attributes = Attributes {
        med: Some(7),
        local_pref: Some(300),
        originator_id: Some(RouterId::from_bits(9)),
        cluster_list: vec![RouterId::from_bits(8)],
        communities: vec![Community(5)],
        ext_communities: vec![transitive, ExtendedCommunity(0x4000_0000_0000_0001)],
        ..route(&[1])
    };
    world.announce(0, PREFIX, &attributes);
    world.drain();
    let told = world.told(1, PREFIX).remove(0);
    assert_eq!(told.next_hop, NextHop::V4(OWN_ADDRESS));
    let expected = Attributes {
        communities: vec![Community(5)],
        ext_communities: vec![transitive],
        ..route(&[OWN_AS.0, 1])
    };
    assert_eq!(told.attributes, expected);
}

/// R4271-5.1.2-02, R4271-5.1.3-02, R4271-5.1.5-01
/// Promises 8.6, 8.7.
#[test]
fn inside_the_as() {
    let mut world = World::up(rib_config(), &[External, Internal]);
    let attributes = Attributes {
        med: Some(7),
        ..route(&[1])
    };
    world.announce(0, PREFIX, &attributes);
    world.originate("10.2.0.0/16", local(0));
    world.drain();
    let told = world.told(1, PREFIX).remove(0);
    assert_eq!(told.next_hop, via(0));
    assert_eq!(
        told.attributes,
        Attributes {
            local_pref: Some(100),
            ..attributes
        }
    );
    let own = world.told(1, "10.2.0.0/16").remove(0);
    assert_eq!(own.next_hop, NextHop::V4(OWN_ADDRESS));
    assert_eq!(
        own.attributes,
        Attributes {
            local_pref: Some(500),
            as_path: AsPath::default(),
            ..Attributes::default()
        }
    );
}

/// R4456-8-01, R4456-10-01
/// Promise 8.8.
#[test]
fn reflection_adds_originator_and_cluster_and_nothing_else() {
    let mut world = World::up(rib_config(), &[Client, Internal]);
    let attributes = Attributes {
        med: Some(3),
        local_pref: Some(150),
        ..route(&[1])
    };
    world.announce_via(0, PREFIX, &attributes, Ipv4Addr::new(192, 0, 2, 7));
    world.drain();
    let told = world.told(1, PREFIX).remove(0);
    assert_eq!(told.next_hop, NextHop::V4(Ipv4Addr::new(192, 0, 2, 7)));
    let expected = Attributes {
        originator_id: Some(RouterId(address_of(0))),
        cluster_list: vec![RouterId(OWN_ADDRESS)],
        ..attributes
    };
    assert_eq!(told.attributes, expected);
}

/// Promise 5.11.
#[test]
fn next_hop_modes() {
    let gateway = Ipv4Addr::new(192, 0, 2, 9);
    for (mode, kind, expected) in [
        (NextHopMode::Own, Internal, OWN_ADDRESS),
        (NextHopMode::Own, External, OWN_ADDRESS),
        (NextHopMode::Keep, Internal, gateway),
        (NextHopMode::Keep, External, gateway),
        (NextHopMode::Auto, Internal, gateway),
        (NextHopMode::Auto, External, OWN_ADDRESS),
    ] {
        let mut world = World::up(rib_config(), &[External, kind]);
        world.configure(1, |config| config.next_hop_mode = mode);
        world.announce_via(0, PREFIX, &route(&[1]), gateway);
        world.drain();
        assert_eq!(
            world.told(1, PREFIX)[0].next_hop,
            NextHop::V4(expected),
            "{mode:?} {kind:?}"
        );
    }
}

/// R8950-4-01
#[test]
fn an_ipv6_next_hop_of_an_ipv4_route_is_kept_from_peers_that_did_not_agree() {
    let mut world = World::up(rib_config(), &[Internal]);
    let gateway = NextHop::V6("fd00::9".parse().unwrap());
    world.originate(
        PREFIX,
        LocalRoute {
            next_hop: Some(gateway),
            ..local(0)
        },
    );
    world.drain();
    assert_eq!(world.told(0, PREFIX)[0].next_hop, NextHop::V4(OWN_ADDRESS));
}

/// RFC 2545 §3: a link-local address is no use to a peer that is on another link, and so is an IPv4 one.
#[test]
fn next_hops_of_one_link_stay_there() {
    let mut world = World::up(rib_config(), &[External, Internal]);
    let link_local = Ipv4Addr::new(169, 254, 0, 9);
    world.announce_via(0, PREFIX, &route(&[1]), link_local);
    world.drain();
    assert_eq!(world.told(1, PREFIX)[0].next_hop, NextHop::V4(OWN_ADDRESS));
    let [global, beside] = ["fd00::9", "fe80::9"].map(|text| text.parse().unwrap());
    let both = NextHop::V6LinkLocal {
        global,
        link_local: beside,
    };
    let told = super::super::export::without_link_local;
    assert_eq!(told(both), Some(NextHop::V6(global)));
    assert_eq!(told(NextHop::V6(beside)), None);
}

/// R4271-5.1.3-03
#[test]
fn a_peer_is_never_told_that_it_is_the_next_hop() {
    let mut world = World::up(rib_config(), &[External, Internal, Internal]);
    world.announce_via(0, PREFIX, &route(&[1]), address_of(1));
    world.drain();
    assert!(world.told(1, PREFIX).is_empty());
    assert_eq!(world.told(2, PREFIX).len(), 1);
    world.announce(0, PREFIX, &route(&[1]));
    world.drain();
    assert_eq!(world.told(1, PREFIX).len(), 1);
    world.announce_via(0, PREFIX, &route(&[1]), address_of(1));
    world.drain();
    assert!(world.told(1, PREFIX).is_empty(), "the old version must go");
}

/// R4271-5.1.3-03, for a neighbour that is spoken to twice, at different ports.
#[test]
fn no_session_with_a_next_hop_is_told_of_it() {
    let mut world = World::new(rib_config(), &[External, Internal, Internal]);
    world.configure(2, |config| config.address = address_of(1).into());
    (0..3).for_each(|peer| world.peer_up(peer));
    world.announce_via(0, PREFIX, &route(&[1]), address_of(1));
    world.drain();
    assert!(world.told(1, PREFIX).is_empty());
    assert!(world.told(2, PREFIX).is_empty());
}

/// R4456-8-01, R4456-8-02
#[test]
fn a_new_cluster_id_is_told_and_looked_for() {
    let mut world = World::up(rib_config(), &[Client, Client]);
    let attributes = Attributes {
        cluster_list: vec![RouterId::from_bits(7)],
        ..route(&[])
    };
    world.announce(0, PREFIX, &attributes);
    world.drain();
    let list = |world: &World| world.told(1, PREFIX)[0].attributes.cluster_list.clone();
    assert_eq!(
        list(&world),
        [RouterId(OWN_ADDRESS), RouterId::from_bits(7)]
    );
    world.set_cluster_id(8);
    world.drain();
    assert_eq!(list(&world), [8, 7].map(RouterId::from_bits));
    world.set_cluster_id(7);
    world.drain();
    assert!(world.told(1, PREFIX).is_empty());
}

/// R4456-6-01
#[test]
fn the_routes_of_a_peer_that_becomes_a_client_are_reflected() {
    let mut world = World::up(rib_config(), &[Internal, Internal]);
    world.announce(0, PREFIX, &route(&[1]));
    world.drain();
    assert!(world.told(1, PREFIX).is_empty());
    world.configure(0, |config| config.kind = Client);
    world.drain();
    assert_eq!(world.told(1, PREFIX).len(), 1);
    world.configure(0, |config| config.kind = Internal);
    world.drain();
    assert!(world.told(1, PREFIX).is_empty());
}

/// R4456-8-01
#[test]
fn the_originator_is_who_the_peer_is_now() {
    let mut world = World::up(rib_config(), &[Client, Client]);
    for identifier in [77, 78] {
        world.peer_down(0, None);
        world.peer_up_as(0, RouterId::from_bits(identifier));
        world.announce(0, PREFIX, &route(&[1]));
        world.drain();
        let originator = world.told(1, PREFIX)[0].attributes.originator_id;
        assert_eq!(originator, Some(RouterId::from_bits(identifier)));
    }
}

/// R4271-9.2-02, R4271-9.2-03
#[test]
fn when_the_best_route_moves_its_new_source_is_told_to_forget_the_old_one() {
    let mut world = World::up(rib_config(), &[External; 3]);
    world.announce(0, PREFIX, &route(&[1, 2]));
    world.drain();
    assert_eq!([1, 2].map(|peer| world.told(peer, PREFIX).len()), [1, 1]);
    world.announce(1, PREFIX, &route(&[1]));
    world.drain();
    assert_eq!(
        [0, 1, 2].map(|peer| world.told(peer, PREFIX).len()),
        [1, 0, 1]
    );
    world.withdraw(1, PREFIX);
    world.drain();
    assert_eq!(
        [0, 1, 2].map(|peer| world.told(peer, PREFIX).len()),
        [0, 1, 1]
    );
    world.withdraw(0, PREFIX);
    world.drain();
    assert_eq!(
        [0, 1, 2].map(|peer| world.told(peer, PREFIX).len()),
        [0, 0, 0]
    );
    assert!(
        world
            .receivers
            .iter()
            .all(|receiver| receiver.needless == 0)
    );
    assert_eq!(world.rib.prefix_count(Family::Ipv4Unicast), 0);
}

/// R7911-5-04
/// Promise 8.10.
#[test]
fn additional_paths_are_all_told_the_best_one_among_them() {
    let mut world = World::new(rib_config(), &[External; 3]);
    world.receivers[2].add_path = true;
    (0..3).for_each(|peer| world.peer_up(peer));
    world.announce(0, PREFIX, &route(&[1]));
    world.announce(1, PREFIX, &route(&[1, 2]));
    world.drain();
    assert_eq!(world.told(2, PREFIX).len(), 2);
    world.withdraw(0, PREFIX);
    world.drain();
    let left = world.told(2, PREFIX);
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].attributes, route(&[OWN_AS.0, 1, 2]));
}

/// R4271-9.1.2-02
#[test]
fn an_additional_path_without_a_way_to_its_next_hop_is_not_told() {
    let config = RibConfig {
        resolve_next_hops: true,
        ..rib_config()
    };
    let mut world = World::new(config, &[External; 3]);
    world.receivers[2].add_path = true;
    (0..3).for_each(|peer| world.peer_up(peer));
    world.announce(0, PREFIX, &route(&[1]));
    world.announce(1, PREFIX, &route(&[1, 2]));
    world.drain();
    let mut resolve = |resolution: Resolution| {
        let address = address_of(1).into();
        let input = Input::NextHop {
            address,
            resolution,
        };
        world.rib.handle(world.now, input);
        world.drain();
        world.told(2, PREFIX).len()
    };
    let reachable = Resolution::Reachable {
        metric: 0,
        interface: None,
    };
    assert_eq!(resolve(Resolution::Unreachable), 0);
    assert_eq!(resolve(reachable), 1);
}

/// R4271-5.1.4-01
#[test]
fn a_med_that_our_policy_sets_is_told_to_another_as() {
    let mut world = World::up(rib_config(), &[External, External]);
    let rule = Rule {
        origin: "test".to_owned(),
        conditions: Vec::new(),
        actions: vec![Action::SetMed(50)],
        verdict: Some(Verdict::Accept),
        ..Rule::default()
    };
    let policy = Policy::new(vec![rule], Verdict::Reject);
    world.configure(1, |config| config.export = Arc::new(policy));
    let with_med = Attributes {
        med: Some(7),
        ..route(&[1])
    };
    world.announce(0, PREFIX, &with_med);
    world.drain();
    assert_eq!(world.told(1, PREFIX)[0].attributes.med, Some(50));
    world.configure(1, |config| config.export = Arc::new(Policy::ACCEPT));
    world.drain();
    assert_eq!(world.told(1, PREFIX)[0].attributes.med, None);
}

/// R4271-5.1.4-01: also where another route comes to have the same attributes, with the MED that another AS said.
#[test]
fn a_med_that_our_policy_sets_is_not_taken_for_one_that_came() {
    const OTHER: &str = "10.2.0.0/16";
    let rule = |conditions, action| Rule {
        origin: "test".to_owned(),
        conditions,
        actions: vec![action],
        verdict: None,
        ..Rule::default()
    };
    let only = [PrefixMatch::exact(OTHER.parse().unwrap())];
    let only = Condition::Prefix(only.into_iter().collect());
    let policy = Policy::new(
        vec![
            rule(vec![], Action::AddCommunity(Community(5))),
            rule(vec![only], Action::SetMed(50)),
        ],
        Verdict::Accept,
    );
    let mut world = World::up(rib_config(), &[External, External]);
    world.configure(1, |config| config.export = Arc::new(policy));
    for (prefix, med) in [(PREFIX, 50), (OTHER, 7)] {
        let attributes = Attributes {
            med: Some(med),
            ..route(&[1])
        };
        world.announce(0, prefix, &attributes);
    }
    world.drain();
    let told = [PREFIX, OTHER].map(|prefix| world.told(1, prefix)[0].attributes.med);
    assert_eq!(told, [None, Some(50)]);
}

/// R4271-5.1.2-01
/// Promise 7.5.
#[test]
fn what_a_policy_prepends_stands_before_our_as() {
    let mut world = World::up(rib_config(), &[External, External, Internal]);
    let prepend = |asns: &[u32]| Rule {
        origin: "test".to_owned(),
        conditions: Vec::new(),
        actions: vec![Action::PrependAsPath(
            asns.iter().copied().map(Asn).collect(),
        )],
        verdict: None,
        ..Rule::default()
    };
    let policy = Arc::new(Policy::new(
        vec![prepend(&[9]), prepend(&[7, 8])],
        Verdict::Accept,
    ));
    for peer in [1, 2] {
        world.configure(peer, |config| config.export = Arc::clone(&policy));
    }
    world.announce(0, PREFIX, &route(&[1]));
    world.originate("10.2.0.0/16", local(0));
    world.drain();
    let path = |peer, prefix| world.told(peer, prefix).remove(0).attributes.as_path;
    let sequence = |asns: &[u32]| AsPath::sequence(asns.iter().copied().map(Asn));
    assert_eq!(path(1, PREFIX), sequence(&[7, 8, 9, OWN_AS.0, 1]));
    assert_eq!(path(1, "10.2.0.0/16"), sequence(&[7, 8, 9, OWN_AS.0]));
    assert_eq!(path(2, PREFIX), sequence(&[7, 8, 9, 1]));
}

/// R4271-5.1.2-01
#[test]
fn our_as_is_put_in_front_once_whatever_a_policy_changed() {
    let mut world = World::up(rib_config(), &[Client, External]);
    let rule = Rule {
        origin: "test".to_owned(),
        conditions: vec![Condition::Prefix(
            [PrefixMatch::exact(PREFIX.parse().unwrap())]
                .into_iter()
                .collect(),
        )],
        actions: vec![Action::AddCommunity(Community(5))],
        verdict: None,
        ..Rule::default()
    };
    let policy = Policy::new(vec![rule], Verdict::Accept);
    world.configure(1, |config| config.export = Arc::new(policy));
    let received = Attributes {
        as_path: "(65001) 1".parse().unwrap(),
        communities: vec![Community(5)],
        ..Attributes::default()
    };
    // The same attributes, edited and not.
    world.announce(0, PREFIX, &received);
    world.announce(0, "10.2.0.0/16", &received);
    world.drain();
    for prefix in [PREFIX, "10.2.0.0/16"] {
        let told = world.told(1, prefix).remove(0).attributes;
        assert_eq!(told.as_path, AsPath::sequence([OWN_AS, Asn(1)]), "{prefix}");
        assert_eq!(told.communities, [Community(5)]);
    }
}

/// R2918-4-01, R7313-4-01
#[test]
fn a_refresh_is_answered_with_everything_between_marks() {
    let mut world = World::up(rib_config(), &[External, External]);
    world.announce(0, PREFIX, &route(&[1]));
    world.drain();
    world.receivers[1].held.clear();
    world.refresh(1, RefreshKind::REQUEST);
    world.drain();
    assert_eq!(world.told(1, PREFIX).len(), 1);
    assert_eq!(
        world.receivers[1].refresh_marks,
        [RefreshKind::BEGIN, RefreshKind::END]
    );
}

/// R4724-2-01
#[test]
fn end_of_rib_follows_the_initial_table_once_even_if_it_is_empty() {
    let mut world = World::up(rib_config(), &[External]);
    assert_eq!(world.receivers[0].end_of_rib, 1);
    world.originate(PREFIX, local(0));
    world.drain();
    assert_eq!(world.receivers[0].end_of_rib, 1);
}

/// RP-13
#[test]
fn a_new_export_policy_sends_only_what_differs() {
    let mut world = World::up(rib_config(), &[External, External]);
    world.announce(0, PREFIX, &route(&[1]));
    world.drain();
    world.configure(1, |config| config.export = Arc::new(Policy::REJECT));
    world.drain();
    assert!(world.told(1, PREFIX).is_empty());
    world.configure(1, |config| config.export = Arc::new(Policy::ACCEPT));
    world.drain();
    assert_eq!(world.told(1, PREFIX).len(), 1);
    let equal = Policy::new(Vec::new(), Verdict::Accept);
    world.configure(1, |config| config.export = Arc::new(equal));
    world.drain();
    assert_eq!(
        (world.receivers[1].needless, world.receivers[1].end_of_rib),
        (0, 1)
    );
}

/// R4271-9.2-04, R8654-4-02, RP-06
#[test]
fn a_route_too_big_for_a_message_is_withdrawn() {
    let mut world = World::up(rib_config(), &[External, External]);
    let communities = |count: u32| Attributes {
        communities: (0..count).map(Community).collect(),
        ..route(&[1])
    };
    world.announce(0, PREFIX, &communities(3));
    world.drain();
    assert_eq!(world.told(1, PREFIX).len(), 1);
    // One more AS in front makes it too long.
    let longest = (4096 - 19 - 4 - 3 - 4 - 9 - 7 - 4) / 4;
    world.announce(0, PREFIX, &communities(longest));
    world.drain();
    assert!(world.told(1, PREFIX).is_empty());
}

/// R9234-5-02, R9234-5-03
#[test]
fn roles_keep_leaks_in() {
    let mut world = World::new(rib_config(), &[External; 4]);
    for (peer, role) in [Role::Provider, Role::Customer, Role::Peer, Role::Provider]
        .into_iter()
        .enumerate()
    {
        world.configure(peer, |config| config.role = Some(role));
        world.peer_up(peer);
    }
    // From a provider: stamped, and sent only to customers.
    world.announce(1, PREFIX, &route(&[65001]));
    world.drain();
    assert_eq!(
        [0, 1, 2, 3].map(|peer| world.told(peer, PREFIX).len()),
        [1, 0, 0, 1]
    );
    assert_eq!(world.told(0, PREFIX)[0].attributes.otc, Some(Asn(65001)));
    // From a customer: sent to everyone; to customers and peers with our stamp.
    world.announce(0, "10.2.0.0/16", &route(&[65000]));
    world.drain();
    let stamps = [1, 2, 3].map(|peer| world.told(peer, "10.2.0.0/16")[0].attributes.otc);
    assert_eq!(stamps, [None, Some(OWN_AS), Some(OWN_AS)]);
}

#[test]
fn what_is_told_stands_beside_what_is_in_the_table() {
    let mut world = World::up(rib_config(), &[External]);
    world.originate(PREFIX, local(0));
    world.drain();
    let [told] = &world.rib.exported_paths(id(0), net(PREFIX))[..] else {
        panic!("one path");
    };
    assert_eq!(told.route.next_hop, None, "of our own");
    assert_eq!(told.next_hop, Some(NextHop::V4(OWN_ADDRESS)));
    assert_eq!(told.attributes.as_path, AsPath::sequence([OWN_AS]));
    assert_eq!(told.route.attributes.as_path, AsPath::default());
    let family = Family::Ipv4Unicast;
    let all = world.rib.exported(id(0), family, 0, usize::MAX).0;
    assert_eq!(all.len(), 1);
    let counts = world.rib.local_counts(0, family);
    assert_eq!((counts.imported, counts.preferred), (1, 1));
    assert_eq!(world.rib.local_counts(1, family), RouteCounts::default());
}

#[test]
fn routes_take_up_memory() {
    let mut world = World::up(rib_config(), &[External]);
    let before = world.rib.memory();
    world.originate(PREFIX, local(0));
    world.drain();
    let after = world.rib.memory();
    assert!(after.tables > before.tables, "{after:?}");
    assert!(after.attributes > before.attributes, "{after:?}");
    assert_eq!(after.messages, 0, "all of them are written");
}
