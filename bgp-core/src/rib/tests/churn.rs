//! Random sequences of operations on a RIB: in the end every peer has the routes that it would have after a fresh start.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::view::ask_all;
use super::world::{Told, World, address_of, id, local, net, rib_config, route};
use crate::policy::{Action, Condition, Policy, PrefixMatch, Rule, Verdict};
use crate::rib::{Input, LocalRoute, NextHopMode, PeerKind, Query, View};
use crate::types::{Family, PathId};
use crate::wire::RefreshKind;
use crate::wire::attribute::{Attributes, Community};

pub(super) const KINDS: [PeerKind; 6] = [
    PeerKind::External,
    PeerKind::External,
    PeerKind::Internal,
    PeerKind::Internal,
    PeerKind::Client,
    PeerKind::Client,
];
pub(super) const PREFIXES: [&str; 5] = [
    "10.1.0.0/16",
    "10.2.0.0/16",
    "10.2.128.0/17",
    "10.3.0.0/16",
    "0.0.0.0/0",
];

#[derive(Clone, Debug)]
enum Step {
    Up(usize),
    Down(usize),
    /// Peer, prefix, path identifier, attributes, next hop.
    Announce(usize, usize, u32, usize, usize),
    Withdraw(usize, usize, u32),
    /// A prefix, and its attributes for single peers.
    Originate(usize, usize),
    Forget(usize),
    Policy(usize, usize),
    NextHopMode(usize, bool),
    Refresh(usize),
    Slow(usize, bool),
    /// Another process takes over.
    TakeOver,
    /// So many slices of work, and not more.
    Work(usize),
    Drain,
}

fn step() -> impl Strategy<Value = Step> {
    let peer = 0..KINDS.len();
    let prefix = 0..PREFIXES.len();
    prop_oneof![
        2 => peer.clone().prop_map(Step::Up),
        1 => peer.clone().prop_map(Step::Down),
        8 => (peer.clone(), prefix.clone(), 0u32..2, 0usize..6, peer.clone())
            .prop_map(|(peer, prefix, id, attributes, via)| Step::Announce(peer, prefix, id, attributes, via)),
        4 => (peer.clone(), prefix.clone(), 0u32..2).prop_map(|(peer, prefix, id)| Step::Withdraw(peer, prefix, id)),
        2 => (prefix.clone(), 0usize..3).prop_map(|(prefix, variant)| Step::Originate(prefix, variant)),
        1 => prefix.prop_map(Step::Forget),
        1 => (peer.clone(), 0usize..4).prop_map(|(peer, policy)| Step::Policy(peer, policy)),
        1 => (peer.clone(), any::<bool>()).prop_map(|(peer, own)| Step::NextHopMode(peer, own)),
        1 => peer.clone().prop_map(Step::Refresh),
        1 => (peer, any::<bool>()).prop_map(|(peer, slow)| Step::Slow(peer, slow)),
        3 => (1usize..4).prop_map(Step::Work),
        2 => Just(Step::Drain),
        1 => Just(Step::TakeOver),
    ]
}

pub(super) fn attributes(variant: usize) -> Attributes {
    match variant {
        0 => route(&[1]),
        1 => route(&[1, 2]),
        2 => Attributes {
            med: Some(5),
            ..route(&[1])
        },
        3 => Attributes {
            local_pref: Some(200),
            ..route(&[7])
        },
        4 => Attributes {
            communities: vec![Community::NO_EXPORT],
            ..route(&[7])
        },
        _ => Attributes {
            communities: vec![Community(9)],
            ..route(&[])
        },
    }
}

pub(super) fn policy(variant: usize) -> Policy {
    let rule = |conditions, actions, verdict| Rule {
        origin: String::new(),
        conditions,
        actions,
        verdict,
        ..Rule::default()
    };
    match variant {
        0 => Policy::ACCEPT,
        1 => Policy::REJECT,
        2 => {
            let within = [PrefixMatch::within(net("10.2.0.0/16"))]
                .into_iter()
                .collect();
            let reject = rule(
                vec![Condition::Prefix(within)],
                vec![],
                Some(Verdict::Reject),
            );
            Policy::new(vec![reject], Verdict::Accept)
        }
        _ => {
            let mark = rule(vec![], vec![Action::AddCommunity(Community(77))], None);
            Policy::new(vec![mark], Verdict::Accept)
        }
    }
}

/// A local route that is the same for all peers, or that some peers get with other attributes or not at all.
fn own(variant: usize) -> LocalRoute {
    let other = |community| Attributes {
        communities: vec![Community(community)],
        ..Attributes::default()
    };
    let for_peers = match variant {
        0 => vec![],
        1 => vec![(1, Some(other(1))), (2, Some(other(2)))],
        _ => vec![(1, None), (4, Some(other(1)))],
    };
    let for_peers = for_peers.into_iter();
    LocalRoute {
        for_peers: for_peers
            .map(|(peer, other)| (address_of(peer).into(), other))
            .collect(),
        ..local(0)
    }
}

/// What is true in the end, however it came about.
#[derive(Default)]
struct Facts {
    up: [bool; KINDS.len()],
    announced: BTreeMap<(usize, usize, u32), (usize, usize)>,
    local: [Option<usize>; PREFIXES.len()],
}

struct Life {
    world: World,
    facts: Facts,
    /// Something happened that makes repetition lawful.
    repeats: bool,
}

/// Every second peer exchanges path identifiers.
fn world() -> World {
    let mut world = World::new(rib_config(), &KINDS);
    for peer in (0..KINDS.len()).step_by(2) {
        world.receivers[peer].add_path = true;
    }
    world
}

impl Life {
    fn live(&mut self, step: &Step) {
        match *step {
            Step::Up(_) | Step::Down(_) | Step::Announce(..) | Step::Withdraw(..) => {
                self.session(step)
            }
            Step::Originate(..) | Step::Forget(_) => self.local(step),
            Step::Policy(peer, variant) => self.world.configure(peer, |config| {
                config.export = Arc::new(policy(variant));
                config.import = Arc::new(policy(variant / 2 * 2));
            }),
            Step::NextHopMode(peer, own) => self.world.configure(peer, |config| {
                config.next_hop_mode = if own {
                    NextHopMode::Own
                } else {
                    NextHopMode::Auto
                };
            }),
            Step::Refresh(peer) if self.facts.up[peer] => {
                self.repeats = true;
                self.world.refresh(peer, RefreshKind::REQUEST);
            }
            Step::Refresh(_) => {}
            Step::Slow(peer, slow) => {
                self.repeats = true;
                self.world.receivers[peer].slow = slow;
            }
            Step::Work(slices) => self.world.work(slices),
            Step::Drain => self.world.drain(),
            Step::TakeOver => {
                let local = PREFIXES.iter().zip(self.facts.local);
                let local = local.filter_map(|(prefix, variant)| Some((*prefix, own(variant?))));
                self.world
                    .take_over(rib_config(), &local.collect::<Vec<_>>());
            }
        }
    }

    /// What a peer does; one that is not up does nothing.
    fn session(&mut self, step: &Step) {
        let (world, facts) = (&mut self.world, &mut self.facts);
        let path_id = |world: &World, peer: usize, id| {
            if world.receivers[peer].add_path {
                id
            } else {
                0
            }
        };
        match *step {
            Step::Up(peer) if !facts.up[peer] => {
                facts.up[peer] = true;
                world.peer_up(peer);
            }
            Step::Down(peer) if facts.up[peer] => {
                facts.up[peer] = false;
                facts.announced.retain(|(of, _, _), _| *of != peer);
                world.peer_down(peer, None);
            }
            Step::Announce(peer, prefix, id, variant, via) if facts.up[peer] => {
                let id = path_id(world, peer, id);
                facts.announced.insert((peer, prefix, id), (variant, via));
                world.announce_path(
                    peer,
                    net(PREFIXES[prefix]),
                    id,
                    &attributes(variant),
                    address_of(via),
                );
            }
            Step::Withdraw(peer, prefix, id) if facts.up[peer] => {
                let id = path_id(world, peer, id);
                facts.announced.remove(&(peer, prefix, id));
                world.withdraw_path(peer, net(PREFIXES[prefix]), id);
            }
            _ => {}
        }
    }

    fn local(&mut self, step: &Step) {
        let (world, facts) = (&mut self.world, &mut self.facts);
        match *step {
            Step::Originate(prefix, variant) => {
                facts.local[prefix] = Some(variant);
                world.originate(PREFIXES[prefix], own(variant));
            }
            Step::Forget(prefix) => {
                facts.local[prefix] = None;
                let prefix = net(PREFIXES[prefix]);
                world
                    .rib
                    .handle(world.now, Input::Withdraw { prefix, id: 0 });
            }
            _ => {}
        }
    }

    /// The same facts, given to a new RIB at once.
    fn afresh(&self) -> World {
        let mut fresh = world();
        for (peer, config) in self.world.configs.iter().enumerate() {
            fresh.configure(peer, |fresh| *fresh = (**config).clone());
        }
        for (prefix, variant) in PREFIXES.iter().zip(self.facts.local) {
            if let Some(variant) = variant {
                fresh.originate(prefix, own(variant));
            }
        }
        for (peer, up) in self.facts.up.iter().enumerate() {
            if *up {
                fresh.peer_up(peer);
            }
        }
        for ((peer, prefix, id), (variant, via)) in &self.facts.announced {
            let prefix = net(PREFIXES[*prefix]);
            fresh.announce_path(*peer, prefix, *id, &attributes(*variant), address_of(*via));
        }
        fresh.drain();
        fresh
    }
}

/// The route that a view shows as sent to a peer.
fn asked(world: &World, peer: usize) -> BTreeMap<(ipnet::IpNet, PathId), Told> {
    let query = Query::new(View::Told, Family::Ipv4Unicast).of_peer(id(peer));
    let told = ask_all(world, &query).into_iter().map(|route| {
        let attributes = Attributes::clone(&route.attributes);
        let next_hop = route.next_hop.expect("no route is told without");
        let told = Told {
            attributes,
            next_hop,
        };
        ((route.prefix, route.path_id), told)
    });
    told.collect()
}

/// What a peer holds, without path identifiers: those are only the same within one life.
fn held(world: &World, peer: usize) -> Vec<(String, String)> {
    let held = &world.receivers[peer].held;
    let line = |((prefix, _), told): (&(ipnet::IpNet, PathId), &Told)| {
        (prefix.to_string(), format!("{told:?}"))
    };
    let mut lines: Vec<_> = held.iter().map(line).collect();
    lines.sort();
    lines
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Promise 16.8.
    #[test]
    fn in_the_end_every_peer_holds_what_a_fresh_start_would_tell_it(steps in prop::collection::vec(step(), 1..80)) {
        let mut life = Life { world: world(), facts: Facts::default(), repeats: false };
        for step in &steps {
            life.live(step);
        }
        for receiver in &mut life.world.receivers {
            receiver.slow = false;
        }
        life.world.drain();
        let fresh = life.afresh();
        for peer in 0..KINDS.len() {
            prop_assert_eq!(held(&life.world, peer), held(&fresh, peer), "peer {}", peer);
            prop_assert_eq!(&life.world.receivers[peer].held, &asked(&life.world, peer), "peer {}", peer);
            if !life.repeats {
                prop_assert_eq!(life.world.receivers[peer].needless, 0, "peer {} was told something needless", peer);
            }
            prop_assert_eq!(life.world.counts(peer), fresh.counts(peer));
        }
    }
}
