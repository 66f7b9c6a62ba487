//! Local routes: announced repeatedly, synchronised as a whole, and sent to single peers with other attributes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::view::ask_all;
use super::world::{World, address_of, id, local, net, rib_config, route};
use crate::rib::{Input, LocalRoute, Output, PeerKind, Query, Standing, Synced, View, Withheld};
use crate::wire::attribute::{Attributes, Community};

use PeerKind::{External, Internal};

const PREFIX: &str = "10.1.0.0/16";

fn marked(community: u32) -> Attributes {
    Attributes {
        communities: vec![Community(community)],
        ..Attributes::default()
    }
}

fn for_peers(peers: &[(usize, Option<Attributes>)]) -> BTreeMap<IpAddr, Option<Attributes>> {
    let peers = peers.iter().cloned();
    peers
        .map(|(peer, attributes)| (address_of(peer).into(), attributes))
        .collect()
}

fn own(peers: &[(usize, Option<Attributes>)]) -> LocalRoute {
    LocalRoute {
        for_peers: for_peers(peers),
        ..local(0)
    }
}

/// The route sent to a peer: its communities, if it is sent at all.
fn communities(world: &World, peer: usize) -> Option<Vec<Community>> {
    let told = world.told(peer, PREFIX);
    told.first().map(|told| told.attributes.communities.clone())
}

fn sync(world: &mut World, id: u32, wanted: &[(&str, LocalRoute)]) -> Synced {
    let wanted = wanted
        .iter()
        .map(|(prefix, route)| (net(prefix), route.clone()));
    let (inputs, synced) = world.rib.difference(id, wanted);
    for input in inputs {
        world.rib.handle(world.now, input);
    }
    synced
}

fn counts(announced: usize, withdrawn: usize, unchanged: usize) -> Synced {
    Synced {
        announced,
        withdrawn,
        unchanged,
    }
}

#[test]
fn to_announce_the_same_again_does_nothing() {
    let mut world = World::up(rib_config(), &[External]);
    let own = LocalRoute {
        for_peers: for_peers(&[(0, Some(marked(7)))]),
        ..local(3)
    };
    world.originate(PREFIX, own.clone());
    world.drain();
    world.rib.watch(true);
    world.other_outputs.clear();
    world.originate(PREFIX, own);
    world.drain();
    assert_eq!(world.other_outputs, []);
    assert_eq!(world.receivers[0].needless, 0);
}

#[test]
fn a_set_is_exchanged_at_once_and_by_what_differs() {
    let mut world = World::up(rib_config(), &[External]);
    let (plain, mark) = (
        local(0),
        LocalRoute {
            attributes: marked(1),
            ..local(0)
        },
    );
    let first = [
        ("10.1.0.0/16", plain.clone()),
        ("10.2.0.0/16", plain.clone()),
    ];
    assert_eq!(sync(&mut world, 5, &first), counts(2, 0, 0));
    world.originate("10.9.0.0/16", local(6));
    world.drain();
    assert_eq!(sync(&mut world, 5, &first), counts(0, 0, 2));
    // Another number is another owner, and a route that was announced by itself belongs to its owner.
    world.originate("10.3.0.0/16", local(5));
    let second = [("10.2.1.1/16", mark), ("10.4.0.0/16", plain)];
    assert_eq!(sync(&mut world, 5, &second), counts(2, 2, 0));
    world.rib.watch(true);
    world.drain();
    let held: Vec<IpNet> = world.receivers[0]
        .held
        .keys()
        .map(|(net, _)| *net)
        .collect();
    assert_eq!(held, ["10.2.0.0/16", "10.4.0.0/16", "10.9.0.0/16"].map(net));
    assert_eq!(world.receivers[0].needless, 0);
    assert_eq!(sync(&mut world, 5, &[]), counts(0, 2, 0));
    assert_eq!(sync(&mut world, 5, &[]), counts(0, 0, 0));
}

#[test]
fn a_difference_sees_every_part_of_a_route() {
    let base = LocalRoute {
        for_peers: for_peers(&[(0, Some(marked(1))), (1, None)]),
        ..local(0)
    };
    let with = |for_peers| LocalRoute {
        for_peers,
        ..base.clone()
    };
    let others = [
        LocalRoute {
            attributes: marked(9),
            ..base.clone()
        },
        LocalRoute {
            preference: 7,
            ..base.clone()
        },
        LocalRoute {
            interface: Some("eth0".into()),
            ..base.clone()
        },
        LocalRoute {
            next_hop: Some(super::world::via(0)),
            ..base.clone()
        },
        with(for_peers(&[])),
        with(for_peers(&[(0, Some(marked(1)))])),
        with(for_peers(&[(0, Some(marked(2))), (1, None)])),
        with(for_peers(&[(0, Some(marked(1))), (2, None)])),
        with(for_peers(&[(0, Some(marked(1))), (1, None), (2, None)])),
    ];
    for other in others {
        let mut world = World::up(rib_config(), &[External, External]);
        sync(&mut world, 0, &[(PREFIX, base.clone())]);
        world.drain();
        assert_eq!(
            sync(&mut world, 0, &[(PREFIX, base.clone())]),
            counts(0, 0, 1)
        );
        assert_eq!(
            sync(&mut world, 0, &[(PREFIX, other.clone())]),
            counts(1, 0, 0),
            "{other:?}"
        );
        assert_eq!(sync(&mut world, 0, &[(PREFIX, other)]), counts(0, 0, 1));
    }
}

#[test]
fn single_peers_are_told_in_their_own_way_or_not_at_all() {
    let mut world = World::up(rib_config(), &[External, External, External, Internal]);
    world.announce(2, "10.7.0.0/16", &route(&[1]));
    world.originate(PREFIX, own(&[(0, Some(marked(7))), (1, None)]));
    world.drain();
    assert_eq!(communities(&world, 0), Some(vec![Community(7)]));
    assert_eq!(communities(&world, 1), None);
    assert_eq!(communities(&world, 2), Some(vec![]));
    let query = Query::about(View::Told, net(PREFIX)).of_peer(id(1));
    let why = ask_all(&world, &query.with_left_out())[0].standing;
    assert_eq!(why, Standing::Withheld(Withheld::Owner));
    world.originate(PREFIX, own(&[(1, Some(marked(8)))]));
    world.drain();
    assert_eq!(communities(&world, 0), Some(vec![]));
    assert_eq!(communities(&world, 1), Some(vec![Community(8)]));
    let withdraw = Input::Withdraw {
        prefix: net(PREFIX),
        id: 0,
    };
    world.rib.handle(world.now, withdraw);
    world.drain();
    assert!((0..4).all(|peer| communities(&world, peer).is_none()));
    // Nothing was sent twice, and the other route not at all.
    assert!(
        world
            .receivers
            .iter()
            .all(|receiver| receiver.needless == 0)
    );
    assert!(
        world
            .other_outputs
            .iter()
            .all(|output| !matches!(output, Output::Changed(_)))
    );
}
