//! Work done in slices, with other events in between, has the same result as work done at once; its cost grows with the table,
//! not with the number of requests.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::churn::{KINDS, PREFIXES, attributes, policy};
use super::world::{World, address_of, id, local, net, rib_config};
use crate::rib::{
    ForwardRoute, Input, KeepStale, Output, Preserved, Resolution, RibConfig, Route, RouteSource,
};
use crate::types::{Family, PerFamily, Role};
use crate::wire::RefreshKind;

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Peer, and whether it kept what it forwards.
    Up(usize, bool),
    /// Peer, and how long its routes stay as stale, and as the last resort, if they do.
    Down(usize, Option<(u64, u64)>),
    /// Peer, prefix, path identifier, attributes, next hop.
    Announce(usize, usize, u32, usize, usize),
    Withdraw(usize, usize, u32),
    Originate(usize),
    Forget(usize),
    /// Peer, import and export.
    Policy(usize, usize, usize),
    LocalAs(usize, u32),
    Role(usize, Option<Role>),
    Remove(usize),
    ClusterId(u32),
    NextHop(usize, Option<u32>),
    Refresh(usize),
    /// The peer begins or ends to announce everything again.
    Repeat(usize, bool),
    EndOfRib(usize),
    Pass(u64),
    Work(usize),
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let peer = 0..KINDS.len();
    let prefix = 0..PREFIXES.len();
    let role = prop_oneof![
        Just(None),
        Just(Some(Role::Customer)),
        Just(Some(Role::Provider))
    ];
    let keep = prop::option::of((0u64..30, prop_oneof![Just(0u64), 10u64..40]));
    prop_oneof![
        4 => (peer.clone(), any::<bool>()).prop_map(|(peer, kept)| Step::Up(peer, kept)),
        2 => (peer.clone(), keep).prop_map(|(peer, keep)| Step::Down(peer, keep)),
        12 => (peer.clone(), prefix.clone(), 0u32..2, 0usize..6, peer.clone())
            .prop_map(|(peer, prefix, id, attributes, via)| Step::Announce(peer, prefix, id, attributes, via)),
        4 => (peer.clone(), prefix.clone(), 0u32..2).prop_map(|(peer, prefix, id)| Step::Withdraw(peer, prefix, id)),
        1 => prefix.clone().prop_map(Step::Originate),
        1 => prefix.prop_map(Step::Forget),
        2 => (peer.clone(), 0usize..4, 0usize..4).prop_map(|(peer, import, export)| Step::Policy(peer, import, export)),
        1 => (peer.clone(), 1u32..3).prop_map(|(peer, asn)| Step::LocalAs(peer, asn)),
        1 => (peer.clone(), role).prop_map(|(peer, role)| Step::Role(peer, role)),
        1 => peer.clone().prop_map(Step::Remove),
        1 => (0u32..3).prop_map(Step::ClusterId),
        2 => (peer.clone(), prop::option::of(0u32..3)).prop_map(|(peer, metric)| Step::NextHop(peer, metric)),
        1 => peer.clone().prop_map(Step::Refresh),
        1 => (peer.clone(), any::<bool>()).prop_map(|(peer, begin)| Step::Repeat(peer, begin)),
        1 => peer.prop_map(Step::EndOfRib),
        1 => (0u64..20).prop_map(Step::Pass),
        10 => (1usize..4).prop_map(Step::Work),
    ]
}

pub(super) fn world(resolve_next_hops: bool) -> World {
    let config = RibConfig {
        resolve_next_hops,
        forwarding: true,
        ..rib_config()
    };
    let mut world = World::new(config, &KINDS);
    for peer in (0..KINDS.len()).step_by(2) {
        world.receivers[peer].add_path = true;
        world.receivers[peer].long_lived_aware = true;
    }
    world
}

pub(super) fn play(world: &mut World, step: &Step) {
    let path_id = |world: &World, peer: usize, id| id * u32::from(world.receivers[peer].add_path);
    let is_up = |world: &World, peer: usize| world.receivers[peer].up;
    match *step {
        Step::Up(peer, kept) if !is_up(world, peer) => {
            let kept = Preserved {
                restart: kept,
                long_lived: kept,
            };
            world.peer_up_keeping(
                peer,
                PerFamily {
                    ipv4: kept,
                    ipv6: kept,
                },
            );
        }
        Step::Down(peer, keep) if is_up(world, peer) => world.peer_away(
            peer,
            keep.map(|(restart_time, long_lived)| KeepStale {
                restart_time: Duration::from_secs(restart_time),
                long_lived: Duration::from_secs(long_lived),
                again: false,
            }),
        ),
        Step::Announce(peer, prefix, id, variant, via) if is_up(world, peer) => {
            let id = path_id(world, peer, id);
            let attributes = attributes(variant);
            world.announce_path(
                peer,
                net(PREFIXES[prefix]),
                id,
                &attributes,
                address_of(via),
            );
        }
        Step::Withdraw(peer, prefix, id) if is_up(world, peer) => {
            let id = path_id(world, peer, id);
            world.withdraw_path(peer, net(PREFIXES[prefix]), id);
        }
        Step::Refresh(peer) if is_up(world, peer) => world.refresh(peer, RefreshKind::REQUEST),
        Step::Repeat(peer, true) if is_up(world, peer) => world.refresh(peer, RefreshKind::BEGIN),
        Step::Repeat(peer, false) if is_up(world, peer) => world.refresh(peer, RefreshKind::END),
        Step::EndOfRib(peer) if is_up(world, peer) => world.end_of_rib(peer),
        Step::Pass(secs) => {
            world.now += Duration::from_secs(secs);
            world.rib.handle_timeout(world.now);
        }
        Step::Work(slices) => world.work(slices),
        _ => configure(world, step),
    }
}

fn configure(world: &mut World, step: &Step) {
    match *step {
        Step::Originate(prefix) => world.originate(PREFIXES[prefix], local(0)),
        Step::Forget(prefix) => {
            let prefix = net(PREFIXES[prefix]);
            let withdraw = Input::Withdraw { prefix, id: 0 };
            world.rib.handle(world.now, withdraw);
        }
        Step::Policy(peer, import, export) => world.configure(peer, |config| {
            config.import = Arc::new(policy(import));
            config.export = Arc::new(policy(export));
        }),
        Step::LocalAs(peer, asn) => world.configure(peer, |config| config.local_as.0 = asn),
        Step::Role(peer, role) => world.configure(peer, |config| config.role = role),
        Step::Remove(peer) => {
            world.rib.handle(world.now, Input::Remove(id(peer)));
            world.receivers[peer].go_down();
            world.configure(peer, |_| {});
        }
        Step::ClusterId(bits) => world.set_cluster_id(bits),
        Step::NextHop(peer, metric) => {
            let resolution =
                metric.map_or(Resolution::Unreachable, |metric| Resolution::Reachable {
                    metric,
                    interface: None,
                });
            let address = address_of(peer).into();
            let answer = Input::NextHop {
                address,
                resolution,
            };
            world.rib.handle(world.now, answer);
        }
        _ => {}
    }
}

/// Everything that can be seen of a RIB at rest, whatever the path identifiers.
fn seen(world: &World) -> Vec<String> {
    let mut seen = Vec::new();
    for (peer, receiver) in world.receivers.iter().enumerate() {
        let held = receiver.held.iter();
        let held = held.map(|((prefix, _), told)| format!("{peer} holds {prefix} {told:?}"));
        seen.extend(held);
        seen.push(format!("{peer} is counted {:?}", world.counts(peer)));
    }
    for prefix in PREFIXES.map(net) {
        let paths = world.rib.paths(prefix).into_iter();
        seen.extend(paths.map(|route| {
            let age = route.since - world.rib.tables.shared.start;
            format!(
                "{age:?} {:?}",
                (
                    route.source,
                    route.attributes,
                    route.best,
                    route.stale,
                    route.unusable
                )
            )
        }));
        seen.push(format!("{prefix} forwarded {:?}", forwarded(world, prefix)));
    }
    seen.push(format!("{}", world.rib.prefix_count(Family::Ipv4Unicast)));
    seen.push(format!(
        "{:?}",
        world.rib.local_counts(0, Family::Ipv4Unicast)
    ));
    seen.sort();
    seen
}

fn forwarded(world: &World, wanted: ipnet::IpNet) -> Option<&ForwardRoute> {
    let mut routes = world.other_outputs.iter().rev();
    routes.find_map(|output| match output {
        Output::Forward { prefix, route } if *prefix == wanted => Some(route.as_ref()),
        _ => None,
    })?
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn slices_come_to_the_same_as_work_that_is_done_at_once(
        resolve: bool,
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let (mut sliced, mut at_once) = (world(resolve), world(resolve));
        for step in &steps {
            play(&mut sliced, step);
            play(&mut at_once, step);
            at_once.drain();
        }
        sliced.drain();
        prop_assert_eq!(seen(&sliced), seen(&at_once));
        // Counted one by one, it is the same.
        for (peer, receiver) in sliced.receivers.iter().enumerate().filter(|(_, receiver)| receiver.up) {
            let counts = sliced.counts(peer);
            prop_assert_eq!(counts.exported, receiver.held.len());
            let of_peer = |route: &Route| matches!(route.source, RouteSource::Peer(source, _) if source == id(peer));
            let paths: Vec<_> = PREFIXES.iter().flat_map(|prefix| sliced.rib.paths(net(prefix))).filter(of_peer).collect();
            prop_assert_eq!(counts.imported, paths.iter().filter(|route| route.unusable.is_none()).count());
            prop_assert_eq!(counts.preferred, paths.iter().filter(|route| route.best).count());
        }
    }
}
