//! Any change of the resources, from plan over steps to running speakers under virtual time: the result is that of a fresh start,
//! no session restarts without need, and no route is missing that exists before and after.
//!
//! `resources` generates clusters and changes of them, `world` is the node with its neighbours, `neighbour` one of those.

mod neighbour;
pub(crate) mod resources;
mod world;

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::Earlier;
use crate::plan::{Environment, Peer, Plan, Planner, plan};
use crate::resources::ResourceSet;
use bgp_speaker::Desired;
use bgp_speaker::pool::Pool;
use resources::{Documents, NODE, Story, object};
use world::{Prefixes, Routes, World};

/// The plan for a cluster. The router ID is given: a change of it restarts all sessions.
pub(crate) fn plan_of(documents: &Documents) -> Plan {
    let environment = Environment {
        router_id: Some("9.9.9.9".into()),
        ..Environment::default()
    };
    plan(&resources::set(documents), NODE, &environment)
}

fn target_of(plan: &Plan) -> Desired {
    let (target, unspeakable) = super::of(
        plan,
        &world::speaker_config(),
        &mut Pool::default(),
        &mut Earlier::default(),
    );
    assert!(unspeakable.is_empty(), "{unspeakable:?}");
    target
}

/// A node that has just started with a plan and has sent everything to its neighbours.
fn fresh(plan: &Plan) -> World {
    let mut world = World::new();
    world.move_to(target_of(plan));
    world.settle();
    world
}

/// What both sides of a session agree on, or need to connect.
fn terms(plan: &Plan, peer: &Peer) -> impl PartialEq + use<> {
    let options = &peer.options;
    let beside = options
        .families
        .iter()
        .filter(|family| **family != peer.family);
    let addresses: Vec<_> = beside.map(|family| plan.addresses[*family]).collect();
    let identity = (
        plan.router_id,
        peer.local_as,
        peer.peer_as,
        peer.address,
        peer.port,
    );
    let connection = (
        peer.source_address,
        peer.passive,
        peer.password.clone(),
        peer.ttl_security,
        peer.multihop,
    );
    let timers = (
        options.hold_time,
        options.connect_retry_time,
        peer.keepalive_time,
        peer.graceful_restart.then_some(peer.graceful_restart_time),
        options.long_lived_stale_time,
    );
    let capabilities = (
        options.families.clone(),
        options.add_path,
        options.extended_messages,
        options.extended_next_hop,
        options.graceful_restart_notification,
        options.role,
        addresses,
    );
    (identity, connection, timers, capabilities)
}

/// The sessions of the old plan that cannot continue under the new one: those of removed peers, and those with changed
/// parameters.
fn ending(old: &Plan, new: &Plan) -> BTreeSet<Arc<str>> {
    let ends = |was: &&Arc<Peer>| {
        let is = new.peers.iter().find(|is| is.name == was.name);
        is.is_none_or(|is| terms(new, is) != terms(old, was))
    };
    let ended = old.peers.iter().filter(ends);
    ended.map(|peer| peer.name.as_str().into()).collect()
}

/// What each neighbour holds before and after, and comes by the same way: it must never miss that.
fn kept(before: &World, after: &World, ending: &BTreeSet<Arc<str>>) -> Prefixes {
    let lasting = |name: &&Arc<str>| !ending.contains(*name);
    let mut kept = Prefixes::new();
    for name in before.names().filter(lasting) {
        let (old, new) = (before.told(name), after.told(name));
        let both = old.intersection(&new);
        let kept_by =
            both.filter(|(_, source)| !source.as_ref().is_some_and(|name| ending.contains(name)));
        kept.insert(
            Arc::clone(name),
            kept_by.map(|(prefix, _)| *prefix).collect(),
        );
    }
    kept
}

/// What each neighbour may hold on the way: nothing that it does not hold before or after.
fn allowed(before: &World, after: &World) -> Routes {
    let mut allowed = before.held();
    for (name, routes) in after.held() {
        allowed.entry(name).or_default().extend(routes);
    }
    allowed
}

/// What is true of one and not of the other.
fn differences(world: &World, after: &World) -> Vec<String> {
    let (running, fresh) = (world.state(), after.state());
    let only = |some: &[String], others: &[String], whose: &str| {
        let missing = some.iter().filter(|line| !others.contains(line));
        missing
            .map(|line| format!("only {whose}: {line}"))
            .collect()
    };
    let mut differences: Vec<String> = only(&running, &fresh, "running");
    differences.extend(only(&fresh, &running, "fresh"));
    differences
}

fn check(story: Story) {
    let (mut documents, edits) = story;
    let mut old = plan_of(&documents);
    let mut world = fresh(&old);
    for edit in edits {
        documents.extend(edit);
        let new = plan_of(&documents);
        let after = fresh(&new);
        let ending = ending(&old, &new);
        let same_peers = ending.is_empty() && old.peers.len() == new.peers.len();
        world.watch(
            kept(&world, &after, &ending),
            same_peers.then(|| allowed(&world, &after)),
        );
        world.move_to(target_of(&new));
        world.settle();
        assert_eq!(world.take_losses(), ending, "sessions that ended");
        assert_eq!(world.take_violations(), Vec::<String>::new());
        assert_eq!(differences(&world, &after), Vec::<String>::new());
        old = new;
    }
}

fn documents<const N: usize>(documents: [(&'static str, serde_json::Value); N]) -> Documents {
    documents
        .map(|(slot, document)| (slot, Some(document)))
        .into()
}

/// The priority belongs to the route, the community to the policy.
/// Promise 16.9.
#[test]
fn routes_and_policies_change_at_once() {
    let block =
        json!({"cidr": "10.1.5.0/26", "state": "confirmed", "node": "a", "deleted": "false"});
    let before = documents([
        (
            "node a",
            object("Node", "a", json!({"bgp": {"ipv4Address": "10.0.0.9/24"}})),
        ),
        (
            "peer p",
            object(
                "BGPPeer",
                "p",
                json!({"peerIP": "192.0.2.1", "asNumber": 64512}),
            ),
        ),
        ("block 1", object("BlockAffinity", "block", block)),
    ]);
    let communities = json!([{"cidr": "10.1.0.0/16", "communities": ["65000:7"]}]);
    let spec = json!({"ipv4NormalRoutePriority": 2000, "prefixAdvertisements": communities});
    let edit = documents([("default", object("BGPConfiguration", "default", spec))]);
    let back = Documents::from([("default", None)]);
    check((before, vec![edit, back]));
}

/// Promise 16.10.
#[test]
fn a_route_reflector_takes_another_cluster_id_without_a_flap() {
    let reflector = |cluster: &str| {
        let bgp = json!({"ipv4Address": "10.0.0.9/24", "routeReflectorClusterID": cluster});
        ("node a", object("Node", "a", json!({"bgp": bgp})))
    };
    let client = |name, address: &str| {
        object(
            "BGPPeer",
            name,
            json!({"peerIP": address, "asNumber": 64512}),
        )
    };
    let mut before = documents([
        ("peer p", client("p", "192.0.2.1")),
        ("peer q", client("q", "192.0.2.2")),
    ]);
    let pool = object("IPPool", "x", json!({"cidr": "10.1.0.0/16"}));
    before.extend(documents([reflector("1.1.1.1"), ("pool x", pool)]));
    let edits = ["2.2.2.2", "1.1.1.1"].map(|cluster| documents([reflector(cluster)]));
    check((before, edits.into()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Promises 16.1, 16.2, 16.8, 16.9, 16.10.
    #[test]
    fn a_change_leads_where_a_fresh_start_leads_without_a_flap(story in resources::story()) {
        check(story);
    }

    /// What is kept from plan to plan changes neither the next plan nor its desired state.
    #[test]
    fn successive_plans_are_those_from_nothing(
        (mut documents, changes) in resources::story(),
        environments in prop::collection::vec(environment(), 4),
    ) {
        let (mut planner, mut policies, mut earlier) =
            (Planner::default(), Pool::default(), Earlier::default());
        let mut last = ResourceSet::default();
        let steps = std::iter::once(Documents::new()).chain(changes);
        for (change, environment) in steps.zip(&environments) {
            documents.extend(change);
            let mut set = resources::set(&documents);
            set.share_unchanged(&last);
            let planned = planner.plan(&set, NODE, environment);
            prop_assert_eq!(&planned, &plan(&set, NODE, environment));
            let speaker = world::speaker_config();
            let target = super::of(&planned, &speaker, &mut policies, &mut earlier);
            let anew = super::of(&planned, &speaker, &mut Pool::default(), &mut Earlier::default());
            prop_assert_eq!(target, anew);
            last = set;
        }
    }
}

/// Mostly the same one, so that what depends on it is kept.
fn environment() -> impl Strategy<Value = Environment> {
    let changed = (any::<bool>(), prop::option::of(Just("hash".to_owned())));
    prop_oneof![
        3 => Just(Environment::default()),
        1 => changed.prop_map(|(drain_is_over, router_id)| Environment {
            drain_is_over,
            router_id,
            ..Environment::default()
        }),
    ]
}

#[test]
fn a_changed_service_leaves_every_session_alone() {
    let documents = |cluster_ip: &str| {
        let node = object("Node", NODE, json!({"bgp": {"ipv4Address": "10.0.0.9/24"}}));
        let peer = object(
            "BGPPeer",
            "p",
            json!({"peerIP": "192.0.2.1", "asNumber": 65001}),
        );
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "d"}, "spec": {"clusterIP": cluster_ip}});
        Documents::from([
            ("node a", Some(node)),
            ("peer p", Some(peer)),
            ("service s", Some(service)),
        ])
    };
    let [old, mut new] = ["10.96.0.1", "10.96.0.2"].map(|ip| resources::set(&documents(ip)));
    new.share_unchanged(&old);
    let (mut planner, mut policies, mut earlier) =
        (Planner::default(), Pool::default(), Earlier::default());
    let mut desired = |set| {
        let planned = planner.plan(set, NODE, &Environment::default());
        super::of(
            &planned,
            &world::speaker_config(),
            &mut policies,
            &mut earlier,
        )
        .0
    };
    let [old, new] = [desired(&old), desired(&new)];
    assert_eq!(old.peers.len(), 1);
    for (old, new) in old.peers.values().zip(new.peers.values()) {
        assert!(Arc::ptr_eq(old, new));
    }
}
