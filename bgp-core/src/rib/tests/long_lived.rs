//! Long-lived graceful restart of peers (RFC 9494).

use std::sync::Arc;
use std::time::Duration;

use super::world::{World, net, rib_config, route};
use crate::policy::Policy;
use crate::rib::{KeepStale, PeerKind, Preserved};
use crate::types::PerFamily;
use crate::wire::attribute::{Attributes, Community};

use PeerKind::External;

const PREFIX: &str = "10.1.0.0/16";
const UNKEPT: &str = "10.2.0.0/16";
const RESTART_TIME: Duration = Duration::from_secs(120);
const STALE_TIME: Duration = Duration::from_secs(3600);
const AWAY: Option<KeepStale> = Some(KeepStale {
    restart_time: RESTART_TIME,
    long_lived: STALE_TIME,
    again: false,
});
/// Receivers: one that knows the community, and one that does not.
const AWARE: usize = 1;
const UNAWARE: usize = 2;

/// Peer 0 has announced two routes, one of them not to be kept for long, and is away. Peer 3 has announced nothing yet.
fn away() -> World {
    let mut world = World::new(rib_config(), &[External; 4]);
    world.receivers[AWARE].long_lived_aware = true;
    for peer in 0..4 {
        world.peer_up(peer);
    }
    world.announce(0, PREFIX, &route(&[1]));
    let unkept = Attributes {
        communities: vec![Community::NO_LLGR],
        ..route(&[1])
    };
    world.announce(0, UNKEPT, &unkept);
    world.drain();
    world.peer_away(0, AWAY);
    world.drain();
    world
}

/// As [`away`], after the restart time.
fn long_away() -> World {
    let mut world = away();
    world.pass(RESTART_TIME);
    world
}

fn is_last_resort(world: &World, peer: usize) -> Vec<bool> {
    let told = world.told(peer, PREFIX);
    let marked = |attributes: &Attributes| attributes.communities.contains(&Community::LLGR_STALE);
    told.iter().map(|told| marked(&told.attributes)).collect()
}

fn back(world: &mut World, preserved: Preserved) {
    let preserved = PerFamily {
        ipv4: preserved,
        ipv6: preserved,
    };
    world.peer_up_keeping(0, preserved);
    world.drain();
}

/// R9494-4.2-01, R9494-4.2-02, R9494-4.3-01
#[test]
fn after_the_restart_time_routes_are_the_last_resort_for_those_who_know_what_that_is() {
    let mut world = away();
    world.pass(RESTART_TIME - Duration::from_secs(1));
    assert_eq!(is_last_resort(&world, AWARE), [false]);
    assert_eq!(is_last_resort(&world, UNAWARE), [false]);
    assert_eq!(world.told(AWARE, UNKEPT).len(), 1);
    world.pass(Duration::from_secs(1));
    assert_eq!(is_last_resort(&world, AWARE), [true]);
    assert_eq!(is_last_resort(&world, UNAWARE), []);
    assert!(world.told(AWARE, UNKEPT).is_empty());
    world.pass(STALE_TIME);
    assert_eq!(is_last_resort(&world, AWARE), []);
    assert_eq!(world.rib.poll_timeout(), None);
}

/// R9494-4.2-01
#[test]
fn a_restart_time_of_zero_makes_them_the_last_resort_at_once() {
    let mut world = away();
    back(&mut world, Preserved::default());
    world.announce(0, PREFIX, &route(&[1]));
    let keep = KeepStale {
        restart_time: Duration::ZERO,
        long_lived: STALE_TIME,
        again: false,
    };
    world.peer_away(0, Some(keep));
    world.pass(Duration::ZERO);
    assert_eq!(is_last_resort(&world, AWARE), [true]);
}

/// R9494-4.2-02, R9494-4.3-02
#[test]
fn any_other_path_is_better_than_the_last_resort() {
    let mut world = away();
    world.announce(3, PREFIX, &route(&[1, 2, 3, 4]));
    world.drain();
    let path_len = |world: &World| {
        let best = world.rib.best(net(PREFIX)).expect("a route");
        best.attributes.as_path.view().route_len()
    };
    assert_eq!(path_len(&world), 1);
    world.pass(RESTART_TIME);
    assert_eq!(path_len(&world), 4);
    assert_eq!(is_last_resort(&world, UNAWARE), [false]);
    world.withdraw(3, PREFIX);
    world.drain();
    assert_eq!(path_len(&world), 1);
}

/// R9494-4.2-03
#[test]
fn a_peer_that_comes_back_makes_them_good_again_one_by_one() {
    let mut world = long_away();
    let preserved = Preserved {
        restart: false,
        long_lived: true,
    };
    back(&mut world, preserved);
    assert_eq!(is_last_resort(&world, AWARE), [true]);
    world.announce(0, PREFIX, &route(&[1]));
    world.drain();
    assert_eq!(is_last_resort(&world, AWARE), [false]);
    assert_eq!(is_last_resort(&world, UNAWARE), [false]);
    world.end_of_rib(0);
    world.pass(2 * STALE_TIME);
    assert_eq!(is_last_resort(&world, AWARE), [false]);
}

/// R9494-4.2-03
#[test]
fn they_go_when_the_peer_comes_back_without_them() {
    let mut world = long_away();
    let preserved = Preserved {
        restart: true,
        long_lived: false,
    };
    back(&mut world, preserved);
    assert_eq!(is_last_resort(&world, AWARE), []);
}

/// R9494-4.2-02
#[test]
fn another_import_policy_does_not_make_them_good() {
    let mut world = long_away();
    world.configure(0, |config| config.import = Arc::new(Policy::REJECT));
    world.drain();
    assert_eq!(is_last_resort(&world, AWARE), []);
    world.configure(0, |config| config.import = Arc::new(Policy::ACCEPT));
    world.drain();
    assert_eq!(is_last_resort(&world, AWARE), [true]);
    assert_eq!(is_last_resort(&world, UNAWARE), []);
}
