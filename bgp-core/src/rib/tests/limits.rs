//! Limits on what a peer can make the RIB store, and the reaction to more.

use std::sync::Arc;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};

use super::world::{World, address_of, id, net, rib_config, route};
use crate::policy::Policy;
use crate::rib::{Output, PeerKind, RibConfig};
use crate::types::Family;
use crate::wire::attribute::{Attributes, Community};

use PeerKind::External;

const FAMILY: Family = Family::Ipv4Unicast;

fn prefix(number: u32) -> IpNet {
    Ipv4Net::new_assert((0x0b00_0000 + number * 256).into(), 24).into()
}

fn announce(world: &mut World, peer: usize, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let via = address_of(peer);
        world.announce_path(peer, prefix(number), 0, &route(&[1]), via);
    }
}

fn stops(world: &World) -> Vec<&Output> {
    let outputs = world.other_outputs.iter();
    let is_stop = |output: &&Output| {
        matches!(
            output,
            Output::TooManyPrefixes { .. } | Output::OutOfResources(_)
        )
    };
    outputs.filter(is_stop).collect()
}

fn limited(limit: u32) -> World {
    let mut world = World::up(rib_config(), &[External, External]);
    world.configure(0, |config| config.max_prefixes[FAMILY] = Some(limit));
    world
}

/// R4486-4-01
#[test]
fn nothing_beyond_the_limit_is_ever_told() {
    let mut world = limited(100);
    announce(&mut world, 0, 0..90);
    announce(&mut world, 0, 0..90);
    world.drain();
    assert_eq!(stops(&world), Vec::<&Output>::new());
    announce(&mut world, 0, 90..180);
    world.drain();
    assert_eq!(world.receivers[1].held.len(), 100);
    assert_eq!(world.rib.prefix_count(FAMILY), 100);
    let stop = Output::TooManyPrefixes {
        peer: id(0),
        family: FAMILY,
        limit: 100,
    };
    assert_eq!(stops(&world), [&stop]);
}

#[test]
fn routes_that_policy_rejects_count() {
    let mut world = limited(10);
    world.configure(0, |config| config.import = Arc::new(Policy::REJECT));
    announce(&mut world, 0, 0..20);
    world.drain();
    assert_eq!(stops(&world).len(), 1);
    assert_eq!(world.rib.prefix_count(FAMILY), 10);
}

#[test]
fn a_stop_that_gets_lost_is_asked_for_again_and_a_new_session_is_listened_to() {
    let mut world = limited(10);
    announce(&mut world, 0, 0..20);
    world.drain();
    world.pass(Duration::from_millis(999));
    assert_eq!(stops(&world).len(), 1);
    assert!(world.rib.poll_timeout().is_some());
    world.pass(Duration::from_millis(1));
    assert_eq!(stops(&world).len(), 2);
    world.peer_down(0, None);
    world.drain();
    world.pass(Duration::from_secs(9));
    assert_eq!(stops(&world).len(), 2);
    world.peer_up(0);
    announce(&mut world, 0, 0..5);
    world.drain();
    assert_eq!(world.receivers[1].held.len(), 5);
}

/// What is left of routes of the last session does not count for the new one.
#[test]
fn a_session_begins_with_no_routes() {
    let mut world = limited(10);
    announce(&mut world, 0, 0..10);
    world.drain();
    world.peer_down(0, None);
    world.peer_up(0);
    announce(&mut world, 0, 100..110);
    assert_eq!(stops(&world).len(), 0);
    world.drain();
    assert_eq!(stops(&world).len(), 0);
    assert_eq!(world.rib.prefix_count(FAMILY), 10);
    assert_eq!(world.receivers[1].held.len(), 10);
}

fn unique(number: u32) -> Attributes {
    Attributes {
        communities: (0..50).map(|low| Community(number * 64 + low)).collect(),
        ..route(&[1])
    }
}

#[test]
fn whoever_holds_most_is_stopped_when_memory_runs_out() {
    let config = RibConfig {
        memory_limit: Some(1 << 20),
        ..rib_config()
    };
    let mut world = World::up(config, &[External, External, External]);
    world.configure(1, |config| config.import = Arc::new(Policy::REJECT));
    announce(&mut world, 0, 0..100);
    for number in 0..10_000 {
        let via = address_of(1);
        world.announce_path(1, prefix(1000 + number), 0, &unique(number), via);
        if !stops(&world).is_empty() {
            break;
        }
        if number % 64 == 0 {
            world.drain();
        }
    }
    world.drain();
    assert_eq!(stops(&world), [&Output::OutOfResources(id(1))]);
    let memory = world.rib.memory();
    assert!(memory.tables + memory.attributes < 3 << 20, "{memory:?}");
    world.peer_down(1, None);
    world.drain();
    assert_eq!(world.rib.prefix_count(FAMILY), 100);
    world.announce(0, "10.9.0.0/16", &route(&[1]));
    world.drain();
    assert_eq!(stops(&world).len(), 1, "one was enough");
    assert_eq!(world.receivers[2].held.len(), 101);
    assert!(!world.told(2, "10.9.0.0/16").is_empty());
    assert!(world.rib.best(net("10.9.0.0/16")).is_some());
}

/// They cannot be stopped, but their routes need not be kept after they left.
#[test]
fn stale_routes_go_first_when_they_are_most() {
    let config = RibConfig {
        memory_limit: Some(1 << 20),
        ..rib_config()
    };
    let mut world = World::up(config, &[External, External]);
    for number in 0..1000 {
        world.announce_path(0, prefix(number), 0, &unique(number), address_of(0));
    }
    world.drain();
    world.peer_down(0, Some(Duration::from_secs(120)));
    for number in 0..3000 {
        let attributes = unique(10_000 + number / 4);
        world.announce_path(1, prefix(2000 + number), 0, &attributes, address_of(1));
        world.drain();
    }
    assert_eq!(world.rib.prefix_count(FAMILY), 3000);
    assert_eq!(stops(&world).len(), 0);
}
