//! Graceful restart of peers and of ourselves (RFC 4724).

use std::time::Duration;

use super::world::{World, id, local, net, rib_config, route};
use crate::rib::{Input, KeepStale, Output, PeerKind, Preserved, RibConfig};
use crate::types::{Family, PerFamily};
use crate::wire::RefreshKind;

use PeerKind::External;

const PREFIX: &str = "10.1.0.0/16";
const OTHER: &str = "10.2.0.0/16";
const RESTART: Option<Duration> = Some(Duration::from_secs(120));
const KEEP: PerFamily<Preserved> = PerFamily {
    ipv4: PRESERVED,
    ipv6: PRESERVED,
};
const PRESERVED: Preserved = Preserved {
    restart: true,
    long_lived: false,
};

/// Peer 0 has announced two routes and went away to restart.
fn restarting() -> World {
    let mut world = World::up(rib_config(), &[External, External]);
    world.announce(0, PREFIX, &route(&[1]));
    world.announce(0, OTHER, &route(&[1]));
    world.drain();
    world.peer_down(0, RESTART);
    world.drain();
    world
}

fn told(world: &World) -> [usize; 2] {
    [PREFIX, OTHER].map(|prefix| world.told(1, prefix).len())
}

/// R4724-4.2-02, R4724-4.2-06, R4724-4.2-08
/// Promise 16.7.
#[test]
fn stale_routes_are_used_until_end_of_rib_and_nobody_notices() {
    let mut world = restarting();
    assert_eq!(told(&world), [1, 1]);
    assert!(world.rib.best(net(PREFIX)).unwrap().stale);
    world.peer_up_keeping(0, KEEP);
    world.announce(0, PREFIX, &route(&[1]));
    world.drain();
    assert!(!world.rib.best(net(PREFIX)).unwrap().stale);
    assert_eq!(told(&world), [1, 1]);
    world.end_of_rib(0);
    world.drain();
    assert_eq!(told(&world), [1, 0]);
    assert_eq!(world.receivers[1].needless, 0);
}

#[test]
fn a_peer_restarts_until_it_is_done_and_a_refresh_is_no_restart() {
    let mut world = restarting();
    assert!(world.rib.is_restarting(id(0)));
    assert!(!world.rib.is_restarting(id(1)), "it has been there");
    world.peer_up_keeping(0, KEEP);
    for family in Family::ALL {
        let peer = id(0);
        assert!(world.rib.is_restarting(peer));
        let done = Input::EndOfRib { peer, family };
        world.rib.handle(world.now, done);
    }
    assert!(!world.rib.is_restarting(id(0)));
    world.rib.handle(
        world.now,
        Input::Refresh {
            peer: id(0),
            family: Family::Ipv4Unicast,
            kind: RefreshKind::BEGIN,
        },
    );
    assert!(!world.rib.is_restarting(id(0)));
}

/// R4724-4.2-04
/// Promise 16.7.
#[test]
fn stale_routes_go_when_the_peer_does_not_come_back() {
    let mut world = restarting();
    world.pass(Duration::from_secs(119));
    assert_eq!(told(&world), [1, 1]);
    world.pass(Duration::from_secs(1));
    assert_eq!(told(&world), [0, 0]);
    assert_eq!(world.rib.poll_timeout(), None);
}

/// R4724-4.2-03
#[test]
fn what_was_stale_already_goes_when_the_peer_is_lost_again() {
    let mut world = restarting();
    world.peer_up_keeping(0, KEEP);
    world.announce(0, PREFIX, &route(&[1]));
    world.peer_down(0, RESTART);
    world.drain();
    assert_eq!(told(&world), [1, 0]);
}

/// R4724-4.2-03 is about restarts only.
#[test]
fn a_peer_that_is_lost_while_it_answers_a_refresh_keeps_its_routes() {
    let mut world = World::up(rib_config(), &[External, External]);
    world.announce(0, PREFIX, &route(&[1]));
    world.announce(0, OTHER, &route(&[1]));
    world.refresh(0, RefreshKind::BEGIN);
    world.announce(0, PREFIX, &route(&[1]));
    world.peer_down(0, RESTART);
    world.drain();
    assert_eq!(told(&world), [1, 1]);
    world.peer_up_keeping(0, KEEP);
    world.end_of_rib(0);
    world.drain();
    assert_eq!(told(&world), [0, 0]);
}

/// R8538-4.1-01
#[test]
fn it_stays_where_both_sides_said_that_it_does() {
    let mut world = restarting();
    world.peer_up_keeping(0, KEEP);
    world.announce(0, PREFIX, &route(&[1]));
    let keep = KeepStale {
        restart_time: Duration::from_secs(120),
        again: true,
        ..KeepStale::default()
    };
    world.peer_away(0, Some(keep));
    world.drain();
    assert_eq!(told(&world), [1, 1]);
}

/// R4724-4.2-05
#[test]
fn stale_routes_go_at_once_when_forwarding_was_not_preserved() {
    let mut world = restarting();
    world.peer_up(0);
    world.drain();
    assert_eq!(told(&world), [0, 0]);
}

/// R8538-4.1-01
#[test]
fn stale_routes_do_not_outlive_the_stale_timer_without_end_of_rib() {
    let mut world = restarting();
    world.peer_up_keeping(0, KEEP);
    world.pass(Duration::from_secs(179));
    assert_eq!(told(&world), [1, 1]);
    world.pass(Duration::from_secs(1));
    assert_eq!(told(&world), [0, 0]);
}

/// R7313-4-02
#[test]
fn what_is_not_repeated_between_the_marks_of_a_refresh_goes() {
    let mut world = World::up(rib_config(), &[External, External]);
    world.announce(0, PREFIX, &route(&[1]));
    world.announce(0, OTHER, &route(&[1]));
    world.refresh(0, RefreshKind::BEGIN);
    world.announce(0, OTHER, &route(&[1]));
    world.drain();
    assert_eq!(told(&world), [1, 1]);
    world.refresh(0, RefreshKind::END);
    world.drain();
    assert_eq!(told(&world), [0, 1]);
}

fn deferring(up_by: u64, until: u64) -> World {
    let config = RibConfig {
        forwarding: true,
        ..rib_config()
    };
    let mut world = World::new(config, &[External, External]);
    let after = |seconds| world.now + Duration::from_secs(seconds);
    let input = Input::Defer {
        expected: vec![(id(0), Family::Ipv4Unicast), (id(1), Family::Ipv4Unicast)],
        up_by: after(up_by),
        until: after(until),
    };
    world.rib.handle(world.now, input);
    world.originate(PREFIX, local(0));
    world.peer_up(0);
    world.drain();
    world
}

fn ended(world: &World) -> bool {
    world.other_outputs.contains(&Output::DeferralEnded)
}

/// R4724-4.1-01
/// Promise 16.5.
#[test]
fn after_a_restart_nothing_is_told_before_the_peers_have_spoken() {
    let mut world = deferring(30, 120);
    world.announce(0, OTHER, &route(&[1]));
    world.end_of_rib(0);
    world.drain();
    assert!(world.other_outputs.is_empty());
    assert_eq!(
        (world.told(0, PREFIX).len(), world.receivers[0].end_of_rib),
        (0, 0)
    );
    world.peer_up(1);
    world.end_of_rib(1);
    world.drain();
    assert!(ended(&world));
    assert_eq!(
        (world.told(0, PREFIX).len(), world.receivers[0].end_of_rib),
        (1, 1)
    );
    assert_eq!(told(&world), [1, 1]);
}

/// Promise 16.5.
#[test]
fn a_peer_that_stays_away_does_not_hold_the_others_up_for_long() {
    let mut world = deferring(30, 120);
    world.end_of_rib(0);
    world.pass(Duration::from_secs(29));
    assert!(!ended(&world));
    world.pass(Duration::from_secs(1));
    assert!(ended(&world));
    assert_eq!(world.told(0, PREFIX).len(), 1);
}

/// Promise 16.5.
#[test]
fn a_peer_that_never_finishes_does_not_hold_the_others_up_for_ever() {
    let mut world = deferring(30, 120);
    world.pass(Duration::from_secs(119));
    assert!(!ended(&world));
    world.pass(Duration::from_secs(1));
    assert!(ended(&world));
}

/// Promise 16.5.
#[test]
fn a_peer_that_is_lost_again_is_waited_for_only_while_peers_may_still_come_up() {
    let mut world = deferring(30, 120);
    world.end_of_rib(0);
    world.peer_up(1);
    world.peer_down(1, None);
    world.pass(Duration::from_secs(29));
    assert!(!ended(&world));
    world.peer_up(1);
    world.pass(Duration::from_secs(1));
    assert!(!ended(&world), "it is up");
    world.peer_down(1, None);
    world.drain();
    assert!(ended(&world));
}

#[test]
fn one_family_does_not_hold_the_other_up() {
    let mut world = World::new(
        RibConfig {
            forwarding: true,
            ..rib_config()
        },
        &[External],
    );
    let after = |seconds| world.now + Duration::from_secs(seconds);
    let expected = vec![(id(0), Family::Ipv6Unicast)];
    let input = Input::Defer {
        expected,
        up_by: after(30),
        until: after(120),
    };
    world.rib.handle(world.now, input);
    world.originate(PREFIX, local(0));
    assert_eq!(world.rib.awaited(), [id(0)].into());
    world.peer_up(0);
    assert_eq!(world.rib.awaited(), [].into());
    world.drain();
    assert_eq!(world.told(0, PREFIX).len(), 1);
    assert!(
        ended(&world),
        "a session without IPv6 has nothing to say about it"
    );
}
