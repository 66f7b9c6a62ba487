//! Watching: after rereading the named prefixes, a watcher knows at any time of rest what queries would return.

use std::collections::BTreeMap;
use std::time::Duration;

use ipnet::IpNet;
use proptest::prelude::*;

use super::churn::{KINDS, PREFIXES};
use super::slices::{play, step, world};
use super::view::ask_all;
use super::world::{World, id, local, net, rib_config};
use crate::rib::{Input, Output, PeerKind, Query, RouteSource, View, ViewedRoute};
use crate::types::{Family, PathId, PeerId};

const VIEWS: [View; 4] = [View::Received, View::Accepted, View::Best, View::Told];

type Key = (View, IpNet, RouteSource, Option<PeerId>, PathId);

/// What a watcher knows.
type Mirror = BTreeMap<Key, ViewedRoute>;

fn everything(world: &World) -> Mirror {
    let mut mirror = Mirror::new();
    for view in VIEWS {
        read(world, &Query::new(view, Family::Ipv4Unicast), &mut mirror);
    }
    mirror
}

fn read(world: &World, query: &Query, mirror: &mut Mirror) {
    for route in ask_all(world, query) {
        let key = (
            query.view,
            route.prefix,
            route.source,
            route.to,
            route.path_id,
        );
        mirror.insert(key, route);
    }
}

/// Takes in what the RIB names.
fn follow(world: &mut World, mirror: &mut Mirror) {
    for output in std::mem::take(&mut world.other_outputs) {
        match output {
            Output::Changed(prefix) => {
                mirror.retain(|(_, of, ..), _| *of != prefix);
                for view in VIEWS {
                    read(world, &Query::about(view, prefix), mirror);
                }
            }
            Output::ToldAnew(peer) => {
                mirror.retain(|(.., to, _), _| *to != Some(peer));
                let told = Query::new(View::Told, Family::Ipv4Unicast).of_peer(peer);
                read(world, &told, mirror);
            }
            _ => {}
        }
    }
}

/// The routes themselves, without what is no change of them.
fn same(one: &Mirror, other: &Mirror) -> bool {
    one.len() == other.len()
        && one
            .iter()
            .zip(other)
            .all(|((key, route), (other_key, other))| {
                key == other_key && route.is_same_route(other)
            })
}

fn defer(world: &mut World) {
    let defer = Input::Defer {
        expected: vec![(id(0), Family::Ipv4Unicast)],
        up_by: world.now + Duration::from_secs(10),
        until: world.now + Duration::from_secs(30),
    };
    world.rib.handle(world.now, defer);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn who_reads_what_is_named_knows_all_views(
        resolve: bool,
        deferred: bool,
        before in prop::collection::vec(step(), 0..40),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut world = world(resolve);
        if deferred {
            defer(&mut world);
        }
        before.iter().for_each(|step| play(&mut world, step));
        world.rib.watch(true);
        world.other_outputs.clear();
        let mut mirror = everything(&world);
        for step in &steps {
            play(&mut world, step);
            follow(&mut world, &mut mirror);
        }
        world.drain();
        follow(&mut world, &mut mirror);
        let asked = everything(&world);
        prop_assert!(same(&mirror, &asked), "{mirror:#?}\n{asked:#?}");
    }
}

#[test]
fn nothing_is_named_where_nobody_watches() {
    let named = |world: &World| {
        let named = |output: &&Output| matches!(output, Output::Changed(_) | Output::ToldAnew(_));
        world.other_outputs.iter().filter(named).count()
    };
    let mut world = World::up(rib_config(), &[PeerKind::External; KINDS.len()]);
    world.originate(PREFIXES[0], local(0));
    world.drain();
    assert_eq!(named(&world), 0);
    world.rib.watch(true);
    world.originate(PREFIXES[1], local(0));
    world.drain();
    assert!(
        world
            .other_outputs
            .contains(&Output::Changed(net(PREFIXES[1])))
    );
    world.rib.watch(false);
    world.other_outputs.clear();
    world.originate(PREFIXES[2], local(0));
    world.peer_down(0, None);
    world.drain();
    assert_eq!(named(&world), 0);
}
