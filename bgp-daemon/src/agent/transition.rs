//! From one plan to the next: what a running speaker has to do for it, and in which order. Pure.
//!
//! Input: two [`Target`]s, made of plans. Output: [`Step`]s. The agent takes them with the speaker that runs; tests take them with
//! speakers under virtual time.
//!
//! What no session notices comes first, and all at once: routes, policies and the cluster ID go to the RIB together, so that no
//! neighbour is told of a state between two plans, and what both of them announce is never withdrawn. Sessions end and start
//! after that.

use std::collections::BTreeMap;
use std::sync::Arc;

use bgp_core::policy::Policy;
use bgp_core::rib::{Input, LocalRoute};
use bgp_core::types::{RouterId, family_of};
use ipnet::IpNet;

use super::local_kind::{HOST_ROUTE, STATIC};
use super::settings::{self, Policies, SettingsError};
use crate::plan::Plan;
use bgp_speaker::PeerSettings;
use bgp_speaker::pool::Pool;

/// A plan in the terms of the speaker. The default is a speaker that knows nobody and announces nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Target {
    pub(super) cluster_id: Option<RouterId>,
    /// What the plan has us announce, by prefix and number.
    pub(super) routes: BTreeMap<(IpNet, u32), LocalRoute>,
    pub(super) peers: BTreeMap<Arc<str>, PeerSettings>,
}

/// One thing to do.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// No session is touched, and nothing is decided before all of this is known.
    AtOnce {
        inputs: Vec<Input>,
        peers: Vec<(Arc<str>, PeerSettings)>,
    },
    /// The session ends, the peer is forgotten.
    Remove(Arc<str>),
    /// A session starts; if there is one of that name, it ends first.
    Start(Arc<str>, PeerSettings),
}

impl Target {
    /// What a plan means, and whom it names that cannot be spoken to. What equals the last target is the same object.
    pub(super) fn of<'a>(
        plan: &'a Plan,
        last: &Self,
        policies: &mut Pool<Policy>,
    ) -> (Self, Vec<(&'a str, SettingsError)>) {
        let mut policies = Policies::new(plan, policies);
        let (mut peers, mut unspeakable) = (BTreeMap::new(), Vec::new());
        for peer in &plan.peers {
            let name = peer.name.as_str();
            match settings::of_peer(plan, peer, &mut policies) {
                Ok(settings) => {
                    let last = last.peers.get_key_value(name);
                    let name = last.map_or_else(|| name.into(), |(name, _)| Arc::clone(name));
                    let last = last.map(|(_, last)| last).filter(|last| **last == settings);
                    peers.insert(name, last.cloned().unwrap_or(settings));
                }
                Err(error) => unspeakable.push((name, error)),
            }
        }
        let target = Self {
            cluster_id: plan.cluster_id,
            routes: local_routes(plan),
            peers,
        };
        (target, unspeakable)
    }
}

/// The steps from one target to another.
pub(super) fn steps(old: &Target, new: &Target) -> Vec<Step> {
    let mut steps = vec![at_once(old, new)];
    let gone = old
        .peers
        .keys()
        .filter(|name| !new.peers.contains_key(*name));
    steps.extend(gone.cloned().map(Step::Remove));
    let starts = |(name, settings): &(&Arc<str>, &PeerSettings)| {
        let old = old.peers.get(*name);
        old.is_none_or(|old| old.needs_new_session(settings))
    };
    let started = new.peers.iter().filter(starts);
    steps.extend(started.map(|(name, settings)| Step::Start(Arc::clone(name), settings.clone())));
    steps
}

fn at_once(old: &Target, new: &Target) -> Step {
    let mut inputs = Vec::new();
    if old.cluster_id != new.cluster_id {
        inputs.push(Input::ClusterId(new.cluster_id));
    }
    for (prefix, id) in old.routes.keys() {
        if !new.routes.contains_key(&(*prefix, *id)) {
            let (prefix, id) = (*prefix, *id);
            inputs.push(Input::Withdraw { prefix, id });
        }
    }
    for (key @ (prefix, _), route) in &new.routes {
        if old.routes.get(key) != Some(route) {
            let (prefix, route) = (*prefix, route.clone());
            inputs.push(Input::announce(prefix, route));
        }
    }
    let changes = |(name, settings): &(&Arc<str>, &PeerSettings)| {
        let old = old.peers.get(*name);
        old.is_some_and(|old| old != *settings && !old.needs_new_session(settings))
    };
    let changed = new.peers.iter().filter(changes);
    let peers = changed.map(|(name, settings)| (Arc::clone(name), settings.clone()));
    Step::AtOnce {
        inputs,
        peers: peers.collect(),
    }
}

fn local_routes(plan: &Plan) -> BTreeMap<(IpNet, u32), LocalRoute> {
    let local_pref = |prefix: IpNet| plan.kernel[family_of(prefix)].normal_priority.local_pref();
    let own = plan.originate.iter().map(|route| {
        let local = STATIC.route(local_pref(route.prefix), None, None);
        ((route.prefix, STATIC.id), local)
    });
    let hosts = plan.reachable_by.iter().map(|route| {
        let local = HOST_ROUTE.route(local_pref(route.prefix), Some(route.via.into()), None);
        ((route.prefix, HOST_ROUTE.id), local)
    });
    own.chain(hosts).collect()
}

#[cfg(test)]
mod measure;
#[cfg(test)]
mod tests;
