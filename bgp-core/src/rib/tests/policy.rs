//! Policies that look at peers, choose next hops or ask a hook, and their cached results.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ipnet::IpNet;

use super::world::*;
use crate::policy::{
    Action, Answer, Condition, Direction, Hook, NextHopChoice, PeerMatch, Policy, PrefixMatch,
    RouteView, Rule, Source, Verdict,
};
use crate::rib::{Input, NextHopMode, Output, PeerKind, RibConfig, Unusable};
use crate::steps;
use crate::types::{Asn, Family, PeerId};
use crate::wire::NextHop;
use crate::wire::attribute::{Attributes, Community};

use PeerKind::{Client, External, Internal};

const PREFIX: &str = "10.1.0.0/16";
const OTHER: &str = "10.2.0.0/16";

fn accepting(rules: impl IntoIterator<Item = Rule>) -> Arc<Policy> {
    Arc::new(Policy::new(rules, Verdict::Accept))
}

fn set_next_hop(choice: NextHopChoice) -> Arc<Policy> {
    accepting([Rule::new("next hop").then(Action::SetNextHop(choice))])
}

fn mark(low: u32) -> Action {
    Action::AddCommunity(Community(low))
}

fn told(world: &World, peer: usize, prefix: &str) -> Option<Vec<u32>> {
    let told = world.told(peer, prefix).pop()?;
    let communities = told.attributes.communities.iter();
    Some(communities.map(|community| community.0).collect())
}

/// R4271-5.1.3-01
#[test]
fn an_export_policy_chooses_the_next_hop() {
    let other = NextHop::V4([192, 0, 2, 7].into());
    for (choice, expected) in [
        (NextHopChoice::Unchanged, via(0)),
        (NextHopChoice::Address(other), other),
        (NextHopChoice::Own, NextHop::V4(OWN_ADDRESS)),
        // No peer here can be sent an IPv6 next hop, or one that is not shared by all.
        (
            NextHopChoice::Address(NextHop::V6("2001:db8::1".parse().unwrap())),
            NextHop::V4(OWN_ADDRESS),
        ),
        (
            NextHopChoice::Address(NextHop::V4([169, 254, 0, 1].into())),
            NextHop::V4(OWN_ADDRESS),
        ),
    ] {
        let mut world = World::up(rib_config(), &[External, External, Internal]);
        for peer in [1, 2] {
            world.configure(peer, |config| config.export = set_next_hop(choice));
        }
        world.announce(0, PREFIX, &route(&[1]));
        world.drain();
        for peer in [1, 2] {
            let told = world.told(peer, PREFIX).remove(0);
            assert_eq!(told.next_hop, expected, "{choice:?}");
        }
        let path = world.told(1, PREFIX).remove(0).attributes.as_path;
        assert_eq!(path.to_string(), format!("{OWN_AS} 1"));
    }
}

/// R4271-5.1.3-04
#[test]
fn a_peer_is_not_told_that_it_is_the_next_hop_that_a_policy_chose() {
    let mut world = World::up(rib_config(), &[External, External, External]);
    let next_hop = NextHopChoice::Address(via(2));
    for peer in [1, 2] {
        world.configure(peer, |config| config.export = set_next_hop(next_hop));
    }
    world.announce(0, PREFIX, &route(&[1]));
    world.drain();
    assert_eq!(world.told(1, PREFIX)[0].next_hop, via(2));
    assert!(world.told(2, PREFIX).is_empty());
    // Each peer is itself the next hop of every route it could be sent.
    world.configure(1, |config| {
        config.export = set_next_hop(NextHopChoice::Peer)
    });
    world.drain();
    assert!(world.told(1, PREFIX).is_empty());
    world.configure(1, |config| config.export = Arc::new(Policy::ACCEPT));
    world.drain();
    assert_eq!(world.told(1, PREFIX).len(), 1);
    assert_eq!(
        world.receivers.iter().map(|it| it.needless).sum::<usize>(),
        0
    );
}

#[test]
fn the_next_hop_that_an_import_policy_chose_is_the_one_that_counts() {
    let config = RibConfig {
        resolve_next_hops: true,
        forwarding: true,
        ..rib_config()
    };
    let mut world = World::up(config, &[External]);
    let other = NextHop::V4([192, 0, 2, 7].into());
    world.configure(0, |config| {
        config.import = set_next_hop(NextHopChoice::Address(other))
    });
    world.announce(0, PREFIX, &route(&[1]));
    world.drain();
    assert!(
        world
            .other_outputs
            .contains(&Output::Resolve(other.address()))
    );
    assert_eq!(world.rib.paths(net(PREFIX))[0].next_hop, Some(other));
    let own = NextHopChoice::Address(NextHop::V4(OWN_ADDRESS));
    world.configure(0, |config| config.import = set_next_hop(own));
    world.drain();
    let unusable = world.rib.paths(net(PREFIX))[0].unusable;
    assert_eq!(unusable, Some(Unusable::OwnNextHop));
}

#[test]
fn a_med_is_ours_even_if_it_is_what_another_as_said() {
    let mut world = World::up(rib_config(), &[External, External]);
    let keep = Rule::new("MED")
        .when(Condition::MedAbove(0))
        .then(Action::AddMed(0));
    world.configure(1, |config| config.export = accepting([keep]));
    let attributes = Attributes {
        med: Some(7),
        ..route(&[1])
    };
    world.announce(0, PREFIX, &attributes);
    world.drain();
    assert_eq!(world.told(1, PREFIX)[0].attributes.med, Some(7));
}

#[test]
fn a_policy_that_all_share_tells_each_peer_what_is_for_it() {
    let mut world = World::up(rib_config(), &[External; 4]);
    let to = |peer: usize| Condition::Peer(PeerMatch::Id(id(peer)));
    let policy = accepting([
        Rule::new("one").when(to(1)).then(mark(1)),
        Rule::new("two")
            .when(Condition::Peer(PeerMatch::Address(address_of(2).into())))
            .then(mark(2)),
        Rule::new("three")
            .when(Condition::Peer(PeerMatch::Asn(Asn(65003))))
            .reject(),
    ]);
    world.announce(0, PREFIX, &route(&[1]));
    world.drain();
    for peer in 1..4 {
        world.configure(peer, |config| config.export = Arc::clone(&policy));
    }
    world.drain();
    assert_eq!(told(&world, 1, PREFIX), Some(vec![1]));
    assert_eq!(told(&world, 2, PREFIX), Some(vec![2]));
    assert_eq!(told(&world, 3, PREFIX), None);
    assert_eq!(
        world.receivers.iter().map(|it| it.needless).sum::<usize>(),
        0
    );
    // As many groups as peers, and one again for those that are alike.
    let groups = |world: &World| world.rib.tables.ipv4.groups.iter().count();
    assert_eq!(groups(&world), 4);
    for peer in 1..4 {
        world.configure(peer, |config| config.export = Arc::new(Policy::ACCEPT));
    }
    world.drain();
    assert_eq!(groups(&world), 1);
}

/// The same attributes from several peers: a cached result for one must not be used for another.
#[test]
fn a_policy_tells_apart_where_routes_were_learned() {
    let mut world = World::up(
        rib_config(),
        &[External, Internal, Client, External, Client],
    );
    let from = |source| Condition::Source(source);
    let policy = accepting([
        Rule::new("external")
            .when(from(Source::External))
            .then(mark(1)),
        Rule::new("internal")
            .when(from(Source::Internal))
            .then(mark(2)),
        Rule::new("client").when(from(Source::Client)).then(mark(3)),
        Rule::new("local").when(from(Source::Local)).then(mark(4)),
        Rule::new("peer 2")
            .when(Condition::LearnedFrom(PeerMatch::Id(id(2))))
            .then(mark(5)),
    ]);
    world.configure(3, |config| config.export = Arc::clone(&policy));
    for peer in [0, 1, 2, 4] {
        world.announce_via(
            peer,
            &format!("10.{peer}.0.0/16"),
            &route(&[1]),
            address_of(9),
        );
    }
    world.originate("10.9.0.0/16", local(0));
    world.drain();
    for (prefix, expected) in [(0, &[1][..]), (1, &[2]), (2, &[3, 5]), (4, &[3]), (9, &[4])] {
        let told = told(&world, 3, &format!("10.{prefix}.0.0/16"));
        assert_eq!(told.as_deref(), Some(expected), "10.{prefix}.0.0/16");
    }
}

/// Rejects some prefixes, which may become others, and counts how often it is asked.
#[derive(Default)]
struct Blocklist {
    blocked: Mutex<BTreeSet<IpNet>>,
    asked: AtomicUsize,
    /// Whether on export, and for which peer.
    seen: Mutex<BTreeSet<(bool, Option<PeerId>)>>,
}

impl Blocklist {
    fn block(&self, prefixes: &[&str]) {
        *self.blocked.lock().unwrap() = prefixes.iter().copied().map(net).collect();
    }

    fn take_asked(&self) -> usize {
        self.asked.swap(0, Ordering::Relaxed)
    }
}

impl Hook for Blocklist {
    fn decide(&self, route: &RouteView<'_>) -> Answer {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let export = route.direction == Direction::Export;
        let peer = route.peer.map(|peer| peer.id);
        self.seen.lock().unwrap().insert((export, peer));
        match self.blocked.lock().unwrap().contains(&route.prefix) {
            true => Answer::Reject("blocked".into()),
            false => Answer::Next,
        }
    }
}

fn asking(hook: &Arc<impl Hook + 'static>) -> Arc<Policy> {
    accepting([Rule::new("hook").ask(Arc::clone(hook))])
}

#[test]
fn a_hook_is_asked_for_each_prefix_and_again_when_told() {
    let mut world = World::up(rib_config(), &[External, External, External]);
    let hook = Arc::new(Blocklist::default());
    hook.block(&[OTHER]);
    world.configure(0, |config| config.import = asking(&hook));
    for prefix in [PREFIX, OTHER] {
        world.announce(0, prefix, &route(&[1]));
    }
    world.drain();
    let used = |world: &World| [PREFIX, OTHER].map(|prefix| world.rib.best(net(prefix)).is_some());
    assert_eq!(used(&world), [true, false]);
    assert_eq!(
        world.rib.paths(net(OTHER))[0].unusable,
        Some(Unusable::Policy)
    );
    assert!(world.told(1, OTHER).is_empty());

    hook.block(&[PREFIX]);
    world.drain();
    assert_eq!(
        used(&world),
        [true, false],
        "nobody has said that it changed"
    );
    world.rib.handle(world.now, Input::Reevaluate(id(0)));
    world.drain();
    assert_eq!(used(&world), [false, true]);
    assert!(world.told(1, PREFIX).is_empty());
    assert_eq!(world.told(1, OTHER).len(), 1);
    assert_eq!(*hook.seen.lock().unwrap(), [(false, Some(id(0)))].into());
    assert_eq!(world.receivers[1].needless, 0);
}

#[test]
fn what_a_hook_lets_out_changes_when_told() {
    let mut world = World::up(rib_config(), &[External, External, External]);
    let hook = Arc::new(Blocklist::default());
    for peer in [1, 2] {
        world.configure(peer, |config| config.export = asking(&hook));
    }
    for prefix in [PREFIX, OTHER] {
        world.announce(0, prefix, &route(&[1]));
    }
    world.drain();
    let held = |world: &World| {
        [1, 2].map(|peer| [PREFIX, OTHER].map(|prefix| world.told(peer, prefix).len()))
    };
    assert_eq!(held(&world), [[1, 1]; 2]);
    hook.block(&[OTHER]);
    world.rib.handle(world.now, Input::Reevaluate(id(1)));
    world.drain();
    assert_eq!(held(&world), [[1, 0], [1, 1]], "only what was asked for");
    world.rib.handle(world.now, Input::Reevaluate(id(2)));
    world.drain();
    assert_eq!(held(&world), [[1, 0]; 2]);
    let seen = hook.seen.lock().unwrap();
    assert_eq!(*seen, [(true, Some(id(1))), (true, Some(id(2)))].into());
    assert_eq!(
        world.receivers.iter().map(|it| it.needless).sum::<usize>(),
        0
    );
}

/// A reevaluation of a lagging peer, while others do not wait.
#[test]
fn a_slow_peer_is_told_in_the_end_what_a_hook_decided_last() {
    let mut world = World::up(rib_config(), &[External, External]);
    let hook = Arc::new(Blocklist::default());
    world.configure(1, |config| config.export = asking(&hook));
    world.receivers[1].slow = true;
    for number in 0..20 {
        world.announce(0, &format!("10.{number}.0.0/16"), &route(&[1]));
    }
    world.work(3);
    hook.block(&["10.3.0.0/16", "10.17.0.0/16"]);
    world.rib.handle(world.now, Input::Reevaluate(id(1)));
    world.work(2);
    hook.block(&["10.3.0.0/16", "10.4.0.0/16"]);
    world.rib.handle(world.now, Input::Reevaluate(id(1)));
    world.receivers[1].slow = false;
    world.drain();
    let missing: Vec<u32> = (0..20)
        .filter(|number| world.told(1, &format!("10.{number}.0.0/16")).is_empty())
        .collect();
    assert_eq!(missing, [3, 4]);
}

/// Like the other, but it looks at nothing that differs between prefixes or peers.
#[derive(Default)]
struct OfAttributes(Blocklist);

impl Hook for OfAttributes {
    fn decide(&self, route: &RouteView<'_>) -> Answer {
        self.0.asked.fetch_add(1, Ordering::Relaxed);
        match self.0.blocked.lock().unwrap().is_empty() || route.attributes.med().is_none() {
            true => Answer::Next,
            false => Answer::Edit(vec![mark(1)]),
        }
    }

    fn looks_at_prefix(&self) -> bool {
        false
    }

    fn looks_at_peer(&self) -> bool {
        false
    }
}

#[test]
fn a_hook_that_looks_at_attributes_only_is_asked_once_for_each_result() {
    let mut world = World::up(rib_config(), &[External, External, External]);
    let hook = Arc::new(OfAttributes::default());
    for peer in [1, 2] {
        world.configure(peer, |config| config.export = asking(&hook));
    }
    let attributes = Attributes {
        med: Some(5),
        ..route(&[1])
    };
    for number in 0..50 {
        world.announce(0, &format!("10.{number}.0.0/16"), &attributes);
    }
    world.drain();
    assert_eq!(hook.0.take_asked(), 1, "both are in one group");
    assert_eq!(told(&world, 2, PREFIX), Some(vec![]));
    hook.0.block(&[PREFIX]);
    world.rib.handle(world.now, Input::Reevaluate(id(1)));
    world.drain();
    assert_eq!(hook.0.take_asked(), 1);
    assert_eq!(told(&world, 1, PREFIX), Some(vec![1]));
    assert_eq!(
        told(&world, 2, PREFIX),
        Some(vec![1]),
        "who is in its group is told the same"
    );
}

/// A rule before the hook that keeps most prefixes from it: those are remembered, the others are not.
#[test]
fn only_prefixes_that_reach_a_hook_are_not_remembered() {
    let mut world = World::up(rib_config(), &[External, External]);
    let hook = Arc::new(Blocklist::default());
    let inside = Condition::Prefix(
        [PrefixMatch::within(net("10.0.0.0/12"))]
            .into_iter()
            .collect(),
    );
    let policy = accepting([
        Rule::new("not asked").when(!inside).accept(),
        Rule::new("hook").ask(Arc::clone(&hook)),
    ]);
    world.configure(1, |config| config.export = policy);
    let evaluations = steps::evaluations_of(|| {
        for number in 0..64 {
            world.announce(0, &format!("10.{number}.0.0/16"), &route(&[1]));
        }
        world.drain();
    });
    assert_eq!(hook.take_asked(), 16);
    assert_eq!(evaluations, 17);
}

/// Beyond the table, nothing grows with what a reevaluation is asked for.
#[test]
fn a_reevaluation_costs_what_the_table_does() {
    let cost = |prefixes: u32, times: usize| {
        let mut world = World::up(rib_config(), &[External, External]);
        let hook = Arc::new(Blocklist::default());
        world.configure(0, |config| config.import = asking(&hook));
        world.configure(1, |config| config.export = asking(&hook));
        for number in 0..prefixes {
            world.announce(0, &format!("10.{number}.0.0/16"), &route(&[1]));
        }
        world.drain();
        let before = world.rib.steps();
        for peer in [0, 1] {
            for _ in 0..times {
                world.rib.handle(world.now, Input::Reevaluate(id(peer)));
            }
        }
        world.drain();
        assert_eq!(
            world.rib.counts(id(1), Family::Ipv4Unicast).exported,
            prefixes as usize
        );
        assert_eq!(world.receivers[1].needless, 0);
        world.rib.steps() - before
    };
    let once = cost(100, 1);
    assert!(cost(200, 1) < 3 * once);
    assert_eq!(cost(100, 50), once);
}

#[test]
fn another_hook_is_another_policy() {
    let mut world = World::up(rib_config(), &[External, External]);
    let [open, closed] = [(), ()].map(|()| Arc::new(Blocklist::default()));
    closed.block(&[PREFIX]);
    world.configure(0, |config| config.import = asking(&open));
    world.announce(0, PREFIX, &route(&[1]));
    world.drain();
    assert_eq!(world.told(1, PREFIX).len(), 1);
    open.take_asked();
    world.configure(0, |config| config.import = asking(&open));
    world.drain();
    assert_eq!(open.take_asked(), 0, "an equal policy changes nothing");
    world.configure(0, |config| config.import = asking(&closed));
    world.drain();
    assert!(world.told(1, PREFIX).is_empty());
    // Next hops stay unchanged for peers that get them unchanged.
    world.configure(1, |config| config.next_hop_mode = NextHopMode::Keep);
    world.configure(0, |config| config.import = asking(&open));
    world.drain();
    assert_eq!(world.told(1, PREFIX)[0].next_hop, via(0));
}
