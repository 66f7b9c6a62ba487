//! Settings that change while sessions are up, and the effects.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::world::{OWN_ADDRESS, OWN_AS, World, address_of, id, local, net, rib_config, route};
use crate::rib::{Input, KeepStale, Output, PeerKind, RibConfig, Unusable};
use crate::types::{Asn, PerFamily, Role};
use crate::wire::attribute::Attributes;
use crate::wire::{NextHop, RefreshKind};

use PeerKind::{External, Internal};

const PREFIX: &str = "10.1.0.0/16";

fn unusable(world: &World) -> Option<Unusable> {
    world.rib.paths(net(PREFIX))[0].unusable
}

/// R9234-5-01
#[test]
fn another_role_judges_routes_anew() {
    let mut world = World::up(rib_config(), &[External, Internal]);
    let from_customer = Attributes {
        otc: Some(Asn(5)),
        ..route(&[1])
    };
    world.announce(0, PREFIX, &from_customer);
    world.drain();
    assert_eq!(unusable(&world), None);
    world.configure(0, |config| config.role = Some(Role::Provider));
    world.drain();
    assert_eq!(unusable(&world), Some(Unusable::RouteLeak));
    assert!(world.told(1, PREFIX).is_empty());
    world.configure(0, |config| config.role = None);
    world.drain();
    assert_eq!(world.told(1, PREFIX)[0].attributes.otc, Some(Asn(5)));
}

/// What one role stamps is no leak when another role looks at it.
#[test]
fn a_stamp_goes_with_the_role() {
    let mut world = World::up(rib_config(), &[External, Internal]);
    world.configure(0, |config| config.role = Some(Role::Customer));
    world.announce(0, PREFIX, &route(&[1]));
    world.drain();
    assert_eq!(world.told(1, PREFIX)[0].attributes.otc, Some(Asn(65000)));
    world.configure(0, |config| config.peer_as = Asn(7));
    world.drain();
    assert_eq!(world.told(1, PREFIX)[0].attributes.otc, Some(Asn(7)));
    world.configure(0, |config| config.role = Some(Role::Provider));
    world.drain();
    assert_eq!(unusable(&world), None);
    assert_eq!(world.told(1, PREFIX)[0].attributes.otc, None);
}

#[test]
fn another_as_number_of_ours_judges_routes_anew() {
    let mut world = World::up(rib_config(), &[External, External]);
    world.announce(0, PREFIX, &route(&[1, 64999]));
    world.drain();
    world.configure(0, |config| config.local_as = Asn(64999));
    world.drain();
    assert_eq!(unusable(&world), Some(Unusable::AsLoop));
    assert!(world.told(1, PREFIX).is_empty());
    world.configure(0, |config| config.local_as = OWN_AS);
    world.drain();
    assert_eq!(world.told(1, PREFIX).len(), 1);
}

#[test]
fn a_peer_with_another_address_may_hear_of_the_old_one() {
    let mut world = World::up(rib_config(), &[External, Internal]);
    world.announce_via(0, PREFIX, &route(&[1]), address_of(1));
    world.announce_via(0, "10.2.0.0/16", &route(&[1]), address_of(7));
    world.drain();
    assert!(world.told(1, PREFIX).is_empty());
    assert_eq!(world.told(1, "10.2.0.0/16").len(), 1);
    world.configure(1, |config| config.address = address_of(7).into());
    world.peer_down(1, None);
    world.peer_up(1);
    world.drain();
    assert_eq!(world.told(1, PREFIX).len(), 1);
    assert!(world.told(1, "10.2.0.0/16").is_empty());
}

#[test]
fn another_next_hop_of_ours_is_told() {
    let mut world = World::up(rib_config(), &[External, External]);
    world.announce(0, PREFIX, &route(&[1]));
    world.drain();
    let other = NextHop::V4(Ipv4Addr::new(10, 0, 0, 253));
    let own_next_hop = PerFamily {
        ipv4: Some(other),
        ipv6: None,
    };
    let peer = id(1);
    world
        .rib
        .handle(world.now, Input::OwnNextHop { peer, own_next_hop });
    world.drain();
    assert_eq!(world.told(1, PREFIX)[0].next_hop, other);
    assert_eq!(world.receivers[1].needless, 0);
    // From the other peer, it is a loop only in the session where it is ours.
    world.announce_via(0, PREFIX, &route(&[1]), OWN_ADDRESS);
    world.drain();
    assert_eq!(unusable(&world), Some(Unusable::OwnNextHop));
    let peer = id(0);
    world
        .rib
        .handle(world.now, Input::OwnNextHop { peer, own_next_hop });
    world.drain();
    assert_eq!(unusable(&world), None);
}

#[test]
fn forwarding_hears_of_changes_only() {
    let config = RibConfig {
        forwarding: true,
        ..rib_config()
    };
    let mut world = World::up(config, &[External, External, Internal]);
    world.announce(0, PREFIX, &route(&[1]));
    world.drain();
    let routes = |world: &World| world.other_outputs.len();
    assert_eq!(routes(&world), 1);
    // Nothing of these is of interest to who forwards.
    world.announce(1, PREFIX, &route(&[1, 2, 3]));
    let other = Attributes {
        med: Some(4),
        ..route(&[9])
    };
    world.announce(0, PREFIX, &other);
    world.set_cluster_id(9);
    world.drain();
    world.withdraw(1, PREFIX);
    world.originate("10.2.0.0/16", local(0));
    world.drain();
    assert_eq!(routes(&world), 1);
    world.peer_down(0, None);
    world.drain();
    assert_eq!(routes(&world), 2);
    let gone = Output::Forward {
        prefix: net(PREFIX),
        route: None,
    };
    assert_eq!(world.other_outputs[1], gone);
}

#[test]
fn times_may_be_longer_than_the_clock_can_tell() {
    let mut world = World::up(rib_config(), &[External, External]);
    world.announce(0, PREFIX, &route(&[1]));
    for (restart_time, long_lived) in [
        (Duration::MAX, Duration::MAX),
        (Duration::ZERO, Duration::MAX),
    ] {
        world.peer_away(
            0,
            Some(KeepStale {
                restart_time,
                long_lived,
                again: true,
            }),
        );
        world.pass(Duration::from_secs(1));
        assert_eq!(world.rib.paths(net(PREFIX)).len(), 1);
        world.peer_up_keeping(0, PerFamily::default());
        world.announce(0, PREFIX, &route(&[1]));
    }
}

/// Epochs have few numbers. However often a session flaps or a peer begins anew, what it has not repeated goes.
#[test]
fn many_sessions_while_nothing_is_done_leave_no_old_routes() {
    let mut world = World::up(rib_config(), &[External, External]);
    world.announce(0, PREFIX, &route(&[1]));
    for _ in 0..700 {
        world.peer_down(0, None);
        world.peer_up(0);
    }
    world.drain();
    assert!(world.rib.paths(net(PREFIX)).is_empty());
    world.announce(0, PREFIX, &route(&[1]));
    world.announce(0, "10.2.0.0/16", &route(&[1]));
    for _ in 0..700 {
        world.refresh(0, RefreshKind::BEGIN);
    }
    world.announce(0, PREFIX, &route(&[1]));
    world.refresh(0, RefreshKind::END);
    world.drain();
    assert_eq!(world.told(1, PREFIX).len(), 1);
    world.peer_down(0, Some(Duration::from_secs(9)));
    world.pass(Duration::from_secs(9));
    assert_eq!(world.rib.prefix_count(crate::types::Family::Ipv4Unicast), 0);
    assert_eq!(world.receivers[1].held.len(), 0);
}
