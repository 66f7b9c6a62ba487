//! What twice the input costs: about twice as many steps, whatever the input is.

use std::net::Ipv4Addr;
use std::sync::Arc;

use bytes::BytesMut;
use ipnet::Ipv4Net;

use super::world::*;
use crate::policy::{Condition, Policy, PrefixMatch, Rule, Verdict};
use crate::rib::{MAX_PATHS_PER_PEER, PeerKind, steps};
use crate::types::{Family, PathId};
use crate::wire::attribute::Attributes;
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

/// What it costs that the policy of so many peers becomes another one.
fn cost_of_another_policy(peers: usize) -> u64 {
    let mut world = World::up(rib_config(), &vec![PeerKind::External; peers]);
    for i in 0..200 {
        world.originate(&format!("10.{i}.0.0/16"), local(0));
    }
    world.drain();
    let gone = "10.7.0.0/16";
    let policy = Arc::new(Policy {
        rules: vec![Rule {
            origin: "one prefix less".into(),
            conditions: vec![Condition::Prefix(
                [PrefixMatch::exact(net(gone))].into_iter().collect(),
            )],
            actions: Vec::new(),
            verdict: Some(Verdict::Reject),
        }],
        default: Verdict::Accept,
    });
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
