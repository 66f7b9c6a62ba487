//! RFC 4271 §9.1.2.2 and RFC 4456 §9: each step decides when all before it are equal.

use super::world::{World, address_of, id, local, net, rib_config, route};
use crate::rib::Input;
use crate::rib::{
    Cursor, DecisionStep, ForwardRoute, LocalRoute, Output, PEER_PREFERENCE, PeerKind, Query,
    Resolution, RibConfig, RouteSource, Standing, View,
};
use crate::types::{PathId, RouterId};
use crate::wire::Attributes;
use crate::wire::attribute::Origin;

use PeerKind::{External, Internal};

const PREFIX: &str = "10.1.0.0/16";

fn best(world: &mut World) -> RouteSource {
    world.drain();
    world
        .rib
        .best(net(PREFIX))
        .expect("a route is chosen")
        .source
}

fn from(peer: usize) -> RouteSource {
    RouteSource::Peer(id(peer), PathId(0))
}

/// Peer 1 wins with `better` against peer 0 with `worse` at this step, in whatever order they come.
fn prefers(kinds: [PeerKind; 2], better: &Attributes, worse: &Attributes, step: DecisionStep) {
    for order in [[0, 1], [1, 0]] {
        let mut world = World::up(rib_config(), &kinds);
        for peer in order {
            world.announce(peer, PREFIX, if peer == 1 { better } else { worse });
        }
        assert_eq!(best(&mut world), from(1), "{better:?} against {worse:?}");
        let against = from(1);
        assert_eq!(standing(&world, 0), Standing::Lost { step, against });
        assert_eq!(standing(&world, 1), Standing::Best);
    }
}

/// What became of the route of a peer.
fn standing(world: &World, peer: usize) -> Standing {
    let query = Query::about(View::Accepted, net(PREFIX)).of_peer(id(peer));
    world.rib.ask(&query, Cursor::START, 1).routes[0].standing
}

/// R4271-9.1.2.2-01, R4456-9-01
/// Promise 9.4.
#[test]
fn each_step_of_the_decision_process() {
    let with_local_pref = |value, path: &[u32]| Attributes {
        local_pref: Some(value),
        ..route(path)
    };
    let with_med = |med| Attributes { med, ..route(&[1]) };
    let with_origin = |origin| Attributes {
        origin,
        ..route(&[1])
    };
    prefers(
        [Internal; 2],
        &with_local_pref(101, &[1, 2, 3]),
        &with_local_pref(100, &[1]),
        DecisionStep::LocalPref,
    );
    prefers(
        [External; 2],
        &route(&[9]),
        &route(&[1, 2]),
        DecisionStep::AsPathLength,
    );
    prefers(
        [External; 2],
        &with_origin(Origin::Igp),
        &with_origin(Origin::Incomplete),
        DecisionStep::Origin,
    );
    prefers(
        [External; 2],
        &with_med(None),
        &with_med(Some(1)),
        DecisionStep::Med,
    );
    prefers(
        [Internal, External],
        &route(&[1]),
        &route(&[1]),
        DecisionStep::External,
    );
    let reflected = |ids: &[u32], originator: u32| Attributes {
        originator_id: Some(RouterId::from_bits(originator)),
        cluster_list: ids.iter().map(|id| RouterId::from_bits(*id)).collect(),
        ..route(&[1])
    };
    prefers(
        [Internal; 2],
        &reflected(&[5], 1),
        &reflected(&[5], 2),
        DecisionStep::Identifier,
    );
    prefers(
        [Internal; 2],
        &reflected(&[5], 7),
        &reflected(&[5, 6], 7),
        DecisionStep::ClusterList,
    );
}

/// R4271-9.1.2.2-01: the last steps.
/// Promise 9.4.
#[test]
fn the_lower_identifier_wins_in_the_end() {
    let mut world = World::up(rib_config(), &[External; 3]);
    for peer in [2, 1, 0] {
        world.announce(peer, PREFIX, &route(&[1]));
    }
    assert_eq!(best(&mut world), from(0));
}

/// R4271-9.1.2.2-02
/// Promise 9.4.
#[test]
fn med_is_only_compared_inside_a_neighbouring_as_and_group_by_group() {
    for order in [
        [0, 1, 2],
        [2, 1, 0],
        [1, 0, 2],
        [1, 2, 0],
        [0, 2, 1],
        [2, 0, 1],
    ] {
        let mut world = World::up(rib_config(), &[Internal, External, Internal]);
        for peer in order {
            let (asn, med) = [(10, Some(10)), (20, Some(0)), (10, Some(5))][peer];
            world.announce(
                peer,
                PREFIX,
                &Attributes {
                    med,
                    ..route(&[asn])
                },
            );
        }
        // Peer 0 loses to peer 2 by MED; of 1 and 2, the external one wins although its MED is not better.
        assert_eq!(best(&mut world), from(1), "{order:?}");
    }
}

/// Promise 9.6.
#[test]
fn a_local_route_wins_by_its_preference() {
    let mut world = World::up(rib_config(), &[External]);
    world.announce(0, PREFIX, &route(&[1]));
    world.originate(PREFIX, local(3));
    assert_eq!(best(&mut world), RouteSource::Local(3));
}

fn resolving(use_unresolved: bool) -> World {
    World::up(
        RibConfig {
            resolve_next_hops: true,
            use_unresolved,
            forwarding: true,
            ..rib_config()
        },
        &[External; 2],
    )
}

fn resolve(world: &mut World, peer: usize, metric: Option<u32>) {
    let resolution = metric.map_or(Resolution::Unreachable, |metric| Resolution::Reachable {
        metric,
        interface: None,
    });
    world.rib.handle(
        world.now,
        Input::NextHop {
            address: address_of(peer).into(),
            resolution,
        },
    );
}

/// R4271-9.1.2-02
/// Promise 11.14.
#[test]
fn a_route_is_used_once_its_next_hop_resolves() {
    let mut world = resolving(false);
    world.announce(0, PREFIX, &route(&[1]));
    world.drain();
    assert_eq!(world.rib.best(net(PREFIX)), None);
    assert!(
        world
            .other_outputs
            .contains(&Output::Resolve(address_of(0).into()))
    );
    assert!(world.told(1, PREFIX).is_empty());
    resolve(&mut world, 0, Some(1));
    assert_eq!(best(&mut world), from(0));
    assert_eq!(world.told(1, PREFIX).len(), 1);
    resolve(&mut world, 0, None);
    world.drain();
    assert_eq!(world.rib.best(net(PREFIX)), None);
    assert!(world.told(1, PREFIX).is_empty());
}

#[test]
fn an_unresolved_next_hop_may_be_the_last_resort() {
    let mut world = resolving(true);
    world.announce(0, PREFIX, &route(&[1]));
    assert_eq!(best(&mut world), from(0));
    world.announce(1, PREFIX, &route(&[1, 2, 3]));
    resolve(&mut world, 1, Some(1));
    assert_eq!(best(&mut world), from(1));
}

/// Promise 11.8.
#[test]
fn the_nearer_next_hop_wins_and_equally_near_ones_share() {
    let mut world = resolving(false);
    for peer in 0..2 {
        world.announce(peer, PREFIX, &route(&[1]));
    }
    resolve(&mut world, 0, Some(20));
    resolve(&mut world, 1, Some(10));
    assert_eq!(best(&mut world), from(1));
    resolve(&mut world, 1, Some(20));
    assert_eq!(best(&mut world), from(0));
    let next_hops = forwarded(&world).expect("the route is forwarded").next_hops;
    assert_eq!(next_hops, [0, 1].map(super::world::via));
}

fn forwarded(world: &World) -> Option<ForwardRoute> {
    let mut outputs = world.other_outputs.iter().rev();
    outputs.find_map(|output| match output {
        Output::Forward { route, .. } => Some(route.clone()),
        _ => None,
    })?
}

/// Promise 9.7.
#[test]
fn beside_a_local_route_of_the_same_preference_that_of_the_peers_stands_by() {
    let config = RibConfig {
        forwarding: true,
        ..rib_config()
    };
    let mut world = World::up(config, &[External, External]);
    let own = LocalRoute {
        preference: PEER_PREFERENCE,
        ..local(0)
    };
    world.originate(PREFIX, own);
    for (peer, path) in [(0, &[1, 2][..]), (1, &[1])] {
        world.announce(peer, PREFIX, &route(path));
    }
    assert_eq!(best(&mut world), RouteSource::Local(0));
    let standby = forwarded(&world).expect("the route is forwarded");
    assert_eq!(standby.next_hops, [super::world::via(1)]);
    assert!(standby.standby);

    world.originate(PREFIX, local(0));
    world.drain();
    assert_eq!(forwarded(&world), None);
    let gone = Input::Withdraw {
        prefix: PREFIX.parse().unwrap(),
        id: 0,
    };
    world.rib.handle(world.now, gone);
    world.drain();
    assert!(!forwarded(&world).expect("the route is forwarded").standby);
}
