//! The cost of twice the input: about twice as many steps, whatever the input is.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use bytes::BytesMut;
use ipnet::Ipv4Net;

use super::world::*;
use crate::policy::{Action, Condition, Policy, PrefixMatch, Rule, Verdict};
use crate::rib::{MAX_PATHS_PER_PEER, Output, PeerKind, RibConfig};
use crate::steps;
use crate::types::{Asn, Family, PathId};
use crate::wire::attribute::{Attributes, Community};
use crate::wire::update::{encode_reachable, encode_unreachable};
use crate::wire::{AttributeView, NextHop};

/// Peers of other ASes, all of which send and get additional paths.
fn crowd(peers: usize) -> World {
    let mut world = World::new(rib_config(), &vec![PeerKind::External; peers]);
    for peer in 0..peers {
        world.receivers[peer].add_path = true;
        world.peer_up(peer);
    }
    world.drain();
    world
}

/// One UPDATE with so many paths of one prefix.
fn paths(
    world: &World,
    peer: usize,
    attributes: &Attributes,
    ids: impl Iterator<Item = u32>,
) -> BytesMut {
    let (mut canonical, mut octets) = (Vec::new(), BytesMut::new());
    attributes.encode_canonical(&mut canonical);
    let routes: Vec<_> = ids.map(|id| (PathId(id), prefix())).collect();
    let view = AttributeView::new(&canonical);
    let next_hop = NextHop::V4(address_of(peer));
    encode_reachable(&world.mirrored(peer), view, next_hop, &routes, &mut octets).unwrap();
    octets
}

fn prefix() -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(10, 1, 0, 0), 16)
}

fn assert_linear(name: &str, cost: impl Fn(u32) -> usize, once: u32) {
    let (one, two) = (cost(once), cost(2 * once));
    assert!(one > 0, "{name}: nothing is counted");
    assert!(
        two * 10 < one * 25,
        "{name}: {one} steps, twice as much {two}"
    );
}

/// Paths of as many peers as it takes, each with a MED of its own, then their withdrawals, then all again in another order.
fn cost_of_paths(count: u32) -> usize {
    let per_peer = u32::try_from(MAX_PATHS_PER_PEER).unwrap();
    let peers = count.div_ceil(per_peer);
    let mut world = crowd(peers as usize + 1);
    steps::of(|| {
        for round in 0..2 {
            for peer in 0..peers as usize {
                for id in 0..per_peer {
                    let id = if round == 0 { id } else { per_peer - 1 - id };
                    let attributes = Attributes {
                        med: Some(id + 1),
                        ..route(&[65000 + peer as u32, 7])
                    };
                    let octets = paths(&world, peer, &attributes, std::iter::once(id));
                    world.receive(peer, octets);
                }
            }
            world.drain();
            assert_eq!(world.rib.paths(prefix().into()).len(), count as usize);
            if round == 0 {
                for peer in 0..peers as usize {
                    let routes: Vec<_> = (0..per_peer).map(|id| (PathId(id), prefix())).collect();
                    let mut octets = BytesMut::new();
                    encode_unreachable(&world.mirrored(peer), &routes, &mut octets);
                    world.receive(peer, octets);
                }
                world.drain();
                assert!(world.rib.paths(prefix().into()).is_empty());
            }
        }
        assert_eq!(world.receivers[peers as usize].held.len(), count as usize);
    })
}

#[test]
fn paths_of_one_prefix_cost_the_same_each() {
    assert_linear("paths of one prefix", cost_of_paths, 1_024);
}

/// What a peer announces beyond the limit is not kept, is counted, and costs no more than what is kept.
#[test]
fn a_peer_has_a_limited_number_of_paths_of_a_prefix() {
    let limit = u32::try_from(MAX_PATHS_PER_PEER).unwrap();
    let mut world = crowd(2);
    let octets = paths(&world, 0, &route(&[65000]), 1..limit + 51);
    world.receive(0, octets);
    world.announce_path(1, prefix().into(), 9, &route(&[65001, 7]), address_of(1));
    world.drain();
    assert_eq!(
        world.rib.paths(prefix().into()).len(),
        MAX_PATHS_PER_PEER + 1
    );
    assert_eq!(world.receivers[1].held.len(), MAX_PATHS_PER_PEER);
    let stats = world.rib.stats(id(0), Family::Ipv4Unicast);
    assert_eq!(
        (stats.import_updates, stats.import_invalid),
        (u64::from(limit) + 50, 50)
    );

    // One that is known is replaced, one that was refused is unknown; after a withdrawal there is room for one.
    world.announce_path(0, prefix().into(), 1, &route(&[65000, 8]), address_of(0));
    world.withdraw_path(0, prefix().into(), limit + 1);
    world.withdraw_path(0, prefix().into(), 2);
    world.announce_path(
        0,
        prefix().into(),
        limit + 2,
        &route(&[65000]),
        address_of(0),
    );
    world.announce_path(
        0,
        prefix().into(),
        limit + 3,
        &route(&[65000]),
        address_of(0),
    );
    world.drain();
    assert_eq!(world.counts(0).imported, MAX_PATHS_PER_PEER);
    let stats = world.rib.stats(id(0), Family::Ipv4Unicast);
    assert_eq!(
        (stats.import_invalid, stats.import_withdraws_ignored),
        (51, 1)
    );
    assert_eq!(world.receivers[1].needless, 0);

    world.peer_down(0, None);
    world.drain();
    assert_eq!(world.rib.paths(prefix().into()).len(), 1);
    assert!(world.receivers[1].held.is_empty());
}

/// Many UPDATEs of one prefix, each with its own attributes, besides a table of `prefixes` and peers that get different routes.
fn cost_of_updates(prefixes: usize, updates: u32) -> usize {
    let mut world = World::up(rib_config(), &[PeerKind::External; 5]);
    for peer in 1..5 {
        world.configure(peer, |config| {
            config.local_as = Asn(1000 + u32::try_from(peer).unwrap())
        });
    }
    for number in 0..prefixes {
        let prefix = format!("20.{}.{}.0/24", number / 256, number % 256);
        world.announce(0, &prefix, &route(&[65000]));
    }
    world.drain();
    steps::of(|| {
        for med in 0..updates {
            let attributes = Attributes {
                med: Some(med),
                ..route(&[65000, med])
            };
            world.announce(0, "10.0.0.0/8", &attributes);
            world.drain();
        }
    })
}

/// A sweep walks over everything, so it waits until as much came as pays for it.
#[test]
fn small_updates_cost_the_same_beside_a_big_table() {
    let (beside_small, beside_big) = (cost_of_updates(4_000, 3_000), cost_of_updates(8_000, 3_000));
    assert!(
        beside_big * 2 < beside_small * 3,
        "{beside_small} steps, {beside_big} beside a big table"
    );
    assert_linear(
        "UPDATEs beside a table",
        |updates| cost_of_updates(1_000, updates),
        3_000,
    );
}

/// RFC 4271 §9.1.2.1: the owner is asked for the next hops that routes have, and for no others.
#[test]
fn next_hops_are_forgotten_with_their_routes() {
    let config = RibConfig {
        resolve_next_hops: true,
        ..rib_config()
    };
    let mut world = World::up(config, &[PeerKind::External; 2]);
    let before = world.rib.memory();
    let mut wanted = BTreeSet::new();
    let mut most = 0;
    for number in 0..20_000 {
        let next_hop = Ipv4Addr::from(0x0b00_0000 + number);
        world.announce_via(0, "10.0.0.0/8", &route(&[65000]), next_hop);
        world.drain();
        for output in world.other_outputs.drain(..) {
            match output {
                Output::Resolve(address) => assert!(wanted.insert(address)),
                Output::Forget(address) => assert!(wanted.remove(&address)),
                _ => {}
            }
        }
        assert!(wanted.contains(&next_hop.into()));
        assert!(
            world
                .rib
                .next_hops()
                .eq(world.rib.next_hops().filter(|known| wanted.contains(known)))
        );
        most = most.max(wanted.len());
    }
    assert!(most < 1_000, "{most} next hops for one route");
    let after = world.rib.memory();
    assert!(
        after.attributes < before.attributes + (256 << 10),
        "{after:?}"
    );

    // One that was forgotten is asked for again, and the old answer does not count.
    let first = Ipv4Addr::from(0x0b00_0000);
    assert!(!wanted.contains(&first.into()));
    world.announce_via(0, "10.0.0.0/8", &route(&[65000]), first);
    world.drain();
    assert!(world.other_outputs.contains(&Output::Resolve(first.into())));
    assert_eq!(world.rib.best(net("10.0.0.0/8")), None);
}

/// Memory of a peer is freed when the peer is gone, even if another one stays.
#[test]
fn attributes_of_a_peer_go_with_it() {
    let mut world = World::up(rib_config(), &[PeerKind::External; 2]);
    let fill = |world: &mut World, peer: usize, count: u32| {
        for number in 0..count {
            let prefix = format!("20.{peer}.{}.{}/32", number / 256, number % 256);
            let communities = (0..100).map(|low| Community(number << 8 | low)).collect();
            let attributes = Attributes {
                communities,
                ..route(&[65000 + peer as u32])
            };
            world.announce(peer, &prefix, &attributes);
        }
        world.drain();
    };
    fill(&mut world, 0, 100);
    let before = world.rib.memory();
    fill(&mut world, 1, 5_000);
    let full = world.rib.memory();
    assert!(full.attributes > before.attributes + 5_000 * 400);
    world.peer_down(1, None);
    world.drain();
    let after = world.rib.memory();
    assert!(
        after.attributes < 2 * before.attributes,
        "{before:?} {full:?} {after:?}"
    );
    assert_eq!(world.counts(0).imported, 100);
    assert_eq!(
        world.rib.paths(net("20.0.0.7/32"))[0]
            .attributes
            .communities
            .len(),
        100
    );
}

/// One UPDATE of many prefixes through policies that edit attributes, and tell some prefixes from others.
fn evaluations(prefixes: u32) -> usize {
    let marks = |low: u32| {
        let within =
            |text: &str| Condition::Prefix([PrefixMatch::within(net(text))].into_iter().collect());
        let rule = |conditions, actions| Rule {
            origin: String::new(),
            conditions,
            actions,
            verdict: None,
            ..Rule::default()
        };
        let half = Condition::Not(Box::new(within("20.128.0.0/9")));
        Arc::new(Policy::new(
            vec![
                rule(vec![half], vec![Action::AddCommunity(Community(low))]),
                rule(Vec::new(), vec![Action::AddCommunity(Community(low + 1))]),
            ],
            Verdict::Accept,
        ))
    };
    let mut world = World::up(rib_config(), &[PeerKind::External; 2]);
    world.configure(0, |config| config.import = marks(10));
    world.configure(1, |config| config.export = marks(20));
    let (mut canonical, mut octets) = (Vec::new(), BytesMut::new());
    route(&[65000]).encode_canonical(&mut canonical);
    // In turn from both halves.
    let net = |number: u32| {
        Ipv4Net::new_assert((0x1400_0000 | (number & 1) << 23 | number << 8).into(), 24)
    };
    let routes: Vec<_> = (0..prefixes)
        .map(|number| (PathId(0), net(number).trunc()))
        .collect();
    let next_hop = NextHop::V4(address_of(0));
    encode_reachable(
        &world.mirrored(0),
        AttributeView::new(&canonical),
        next_hop,
        &routes,
        &mut octets,
    )
    .unwrap();
    let before = world.rib.attribute_set_count();
    let evaluations = steps::evaluations_of(|| {
        world.receive(0, octets);
        world.drain();
    });
    assert!(world.rib.attribute_set_count() <= before + 9);
    let told = |prefix: &str| -> Vec<u32> {
        let told = world.told(1, prefix);
        told[0]
            .attributes
            .communities
            .iter()
            .map(|community| community.0)
            .collect()
    };
    assert_eq!(told("20.0.2.0/24"), [10, 11, 20, 21]);
    assert_eq!(told("20.128.1.0/24"), [11, 21]);
    evaluations
}

#[test]
fn a_policy_is_asked_once_for_each_result() {
    let (once, twice) = (evaluations(400), evaluations(800));
    assert!(once <= 4, "{once} evaluations for an UPDATE");
    assert!(twice - once <= 4);
}

/// What it costs that the policy of so many peers becomes another one.
fn cost_of_another_policy(peers: usize) -> u64 {
    let mut world = World::up(rib_config(), &vec![PeerKind::External; peers]);
    for i in 0..200 {
        world.originate(&format!("10.{i}.0.0/16"), local(0));
    }
    world.drain();
    let gone = "10.7.0.0/16";
    let policy = Arc::new(Policy::new(
        vec![Rule {
            origin: "one prefix less".into(),
            conditions: vec![Condition::Prefix(
                [PrefixMatch::exact(net(gone))].into_iter().collect(),
            )],
            actions: Vec::new(),
            verdict: Some(Verdict::Reject),
            ..Rule::default()
        }],
        Verdict::Accept,
    ));
    let before = world.rib.steps();
    for peer in 0..peers {
        world.configure(peer, |config| config.export = Arc::clone(&policy));
    }
    world.drain();
    for (peer, receiver) in world.receivers.iter().enumerate() {
        assert!(world.told(peer, gone).is_empty());
        assert_eq!((receiver.held.len(), receiver.needless), (199, 0));
    }
    world.rib.steps() - before
}

#[test]
fn another_policy_costs_the_same_for_one_peer_and_for_many_that_share_it() {
    let (few, many) = (cost_of_another_policy(10), cost_of_another_policy(20));
    assert!(
        few > 0 && many * 10 < few * 11,
        "{few} steps, for twice as many peers {many}"
    );
}
