//! The counts of a peer's session, as BIRD shows them in `show protocols all`.

use std::sync::Arc;
use std::time::Duration;

use super::world::{World, id, local, net, rib_config, route};
use crate::policy::{Condition, Policy, PrefixMatch, Rule, Verdict};
use crate::rib::{KeepStale, PeerKind, PeerStats, Preserved};
use crate::types::{Family, PerFamily};
use crate::wire::RefreshKind;

use PeerKind::External;

const PREFIX: &str = "10.1.0.0/16";
const OTHER: &str = "10.2.0.0/16";

fn stats(world: &World, peer: usize) -> PeerStats {
    world.rib.stats(id(peer), Family::Ipv4Unicast)
}

/// Announced, ignored, filtered, invalid.
fn updates(world: &World) -> [u64; 4] {
    let stats = stats(world, 0);
    [
        stats.import_updates,
        stats.import_ignored,
        stats.import_filtered,
        stats.import_invalid,
    ]
}

/// Withdrawn, ignored.
fn withdraws(world: &World) -> [u64; 2] {
    let stats = stats(world, 0);
    [stats.import_withdraws, stats.import_withdraws_ignored]
}

/// Sent, rejected by policy, withdrawn, gone.
fn exports(world: &World) -> [u64; 4] {
    let stats = stats(world, 1);
    [
        stats.export_updates,
        stats.export_filtered,
        stats.export_withdraws,
        stats.export_gone,
    ]
}

fn two() -> World {
    World::up(rib_config(), &[External, External])
}

#[test]
fn what_comes_again_as_it_was_is_ignored() {
    let mut world = two();
    for (path, expected) in [
        (&[1][..], [1, 0, 0, 0]),
        (&[1], [2, 1, 0, 0]),
        (&[1, 2], [3, 1, 0, 0]),
        (&[1, 2], [4, 2, 0, 0]),
    ] {
        world.announce(0, PREFIX, &route(path));
        world.drain();
        assert_eq!(updates(&world), expected);
    }
    world.withdraw(0, PREFIX);
    world.announce(0, PREFIX, &route(&[1, 2]));
    world.drain();
    assert_eq!(updates(&world), [5, 2, 0, 0], "it was away");
    world.refresh(0, RefreshKind::BEGIN);
    world.announce(0, PREFIX, &route(&[1, 2]));
    world.refresh(0, RefreshKind::END);
    world.drain();
    assert_eq!(updates(&world), [6, 3, 0, 0], "a refresh repeats");
}

/// Only what is used counts as ignored: what cannot be used is counted for that each time, and its withdrawal changes nothing.
#[test]
fn the_withdrawal_of_what_was_not_used_is_ignored() {
    let mut world = two();
    world.configure(0, |config| config.import = rejecting(PREFIX));
    for _ in 0..2 {
        world.announce(0, PREFIX, &route(&[1]));
        world.announce(0, OTHER, &route(&[1, super::world::OWN_AS.0]));
    }
    world.drain();
    assert_eq!(updates(&world), [4, 0, 2, 2]);
    for prefix in [PREFIX, OTHER, "10.3.0.0/16"] {
        world.withdraw(0, prefix);
    }
    assert_eq!(withdraws(&world), [3, 3]);
    world.announce(0, OTHER, &route(&[1]));
    world.withdraw(0, OTHER);
    assert_eq!(withdraws(&world), [4, 3]);
    world.withdraw(0, OTHER);
    assert_eq!(withdraws(&world), [5, 4]);
}

fn rejecting(prefix: &str) -> Arc<Policy> {
    let only = [PrefixMatch::exact(net(prefix))].into_iter().collect();
    let rule = Rule::new("unwanted").when(Condition::Prefix(only));
    Arc::new(Policy::new([rule.reject()], Verdict::Accept))
}

#[test]
fn a_route_that_policy_kept_back_is_gone_all_the_same() {
    let mut world = two();
    world.configure(1, |config| config.export = rejecting(PREFIX));
    for prefix in [PREFIX, OTHER] {
        world.announce(0, prefix, &route(&[1]));
    }
    world.drain();
    assert_eq!(exports(&world), [1, 1, 0, 0]);
    world.withdraw(0, PREFIX);
    world.drain();
    assert_eq!(exports(&world), [1, 1, 0, 1]);
    world.withdraw(0, OTHER);
    world.drain();
    assert_eq!(exports(&world), [1, 1, 1, 2]);
}

/// A prefix stays while another route is left, and earlier withdrawals do not count for a new peer.
#[test]
fn only_the_last_route_of_a_prefix_is_gone() {
    let mut world = World::up(rib_config(), &[External, External, External]);
    world.announce(0, PREFIX, &route(&[1]));
    world.announce(2, PREFIX, &route(&[1, 2]));
    world.drain();
    world.withdraw(0, PREFIX);
    world.drain();
    assert_eq!(stats(&world, 1).export_gone, 0);
    world.peer_down(0, None);
    world.withdraw(2, PREFIX);
    world.drain();
    assert_eq!(stats(&world, 1).export_gone, 1);
    assert_eq!(stats(&world, 2).export_gone, 1, "its own");
    world.peer_up(0);
    world.originate(OTHER, local(0));
    world.drain();
    assert_eq!(stats(&world, 0).export_gone, 0);
}

#[test]
fn each_session_is_counted_anew() {
    let mut world = two();
    world.announce(0, PREFIX, &route(&[1]));
    world.announce(0, PREFIX, &route(&[1]));
    world.withdraw(0, OTHER);
    world.originate(OTHER, local(0));
    world.drain();
    let before = stats(&world, 0);
    assert_eq!((before.import_updates, before.export_updates), (2, 1));
    world.peer_down(0, None);
    world.drain();
    assert_eq!(stats(&world, 0), before, "it can be read until then");
    world.peer_up(0);
    world.drain();
    let anew = PeerStats {
        export_updates: 1,
        ..PeerStats::default()
    };
    assert_eq!(stats(&world, 0), anew);
    world.announce(0, PREFIX, &route(&[1]));
    assert_eq!(updates(&world), [1, 0, 0, 0], "nothing was left of it");
}

/// A session that the peer's many routes end has been counted as far as they were taken; the next one begins with nothing.
#[test]
fn a_session_that_ended_for_its_many_routes_is_counted_anew() {
    let mut world = two();
    world.configure(0, |config| {
        config.max_prefixes[Family::Ipv4Unicast] = Some(1);
    });
    for prefix in [PREFIX, PREFIX, OTHER, PREFIX] {
        world.announce(0, prefix, &route(&[1]));
    }
    world.withdraw(0, PREFIX);
    world.drain();
    assert_eq!(updates(&world), [2, 1, 0, 0]);
    assert_eq!(withdraws(&world), [0, 0], "nothing more is looked at");
    world.peer_down(0, None);
    world.drain();
    assert_eq!(exports(&world), [1, 0, 1, 1]);
    world.peer_up(0);
    world.announce(0, PREFIX, &route(&[1]));
    world.drain();
    assert_eq!(updates(&world), [1, 0, 0, 0]);
    assert_eq!(exports(&world), [2, 0, 1, 1]);
}

/// Its session goes on, for those who count: what it repeats is ignored, and what it does not repeat was not withdrawn.
#[test]
fn a_graceful_restart_goes_on_counting() {
    let mut world = two();
    for prefix in [PREFIX, OTHER] {
        world.announce(0, prefix, &route(&[1]));
    }
    world.drain();
    world.peer_away(0, Some(away()));
    let preserved = Preserved {
        restart: true,
        long_lived: false,
    };
    world.peer_up_keeping(
        0,
        PerFamily {
            ipv4: preserved,
            ipv6: preserved,
        },
    );
    world.announce(0, PREFIX, &route(&[1]));
    world.end_of_rib(0);
    world.drain();
    assert_eq!(updates(&world), [3, 1, 0, 0]);
    assert_eq!(withdraws(&world), [0, 0]);
    assert_eq!(exports(&world), [2, 0, 1, 1]);
    assert_eq!(world.counts(0).imported, 1);

    // Routes that were not preserved are gone, and are announced again.
    world.peer_away(0, Some(away()));
    world.peer_up(0);
    world.announce(0, PREFIX, &route(&[1]));
    world.drain();
    assert_eq!(updates(&world), [4, 1, 0, 0]);

    // Who stays away for too long has no session any more.
    world.peer_away(0, Some(away()));
    world.pass(Duration::from_secs(120));
    world.peer_up(0);
    world.announce(0, PREFIX, &route(&[1]));
    world.drain();
    assert_eq!(updates(&world), [1, 0, 0, 0]);
}

fn away() -> KeepStale {
    KeepStale {
        restart_time: Duration::from_secs(120),
        ..KeepStale::default()
    }
}
