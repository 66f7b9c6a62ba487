//! A plan's routes in the kernel: the node's own, and the treatment of learned ones.

use std::collections::{BTreeMap, BTreeSet};

use bgp_core::types::Family;
use bgp_speaker::kernel::{KernelRoute, RouteKind};
use ipnet::IpNet;
use serde::Serialize;

use crate::desired::kernel_rules::RulesInForce;
use crate::plan::{Plan, PoolRouting};

/// A change in the kernel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KernelChange {
    /// The prefix.
    pub prefix: IpNet,
    /// The subject.
    pub subject: KernelSubject,
    /// The change.
    pub change: KernelAction,
    /// The value before; `None` if there was none.
    pub was: Option<String>,
    /// The value after; `None` if there is none.
    pub becomes: Option<String>,
}

/// The subject of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KernelSubject {
    /// A route of exactly this prefix, written by the node itself.
    Route,
    /// How learned routes inside the prefix are written.
    LearnedRoutes,
    /// How routes with this next hop are written.
    NextHop,
    /// The node's own network: next hops inside need no tunnel across subnets.
    Network,
    /// The default metric of learned routes of the family.
    Metric,
}

/// The change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KernelAction {
    /// Added.
    Added,
    /// Removed.
    Removed,
    /// Changed.
    Changed,
}

type State = BTreeMap<(IpNet, KernelSubject), String>;

/// The changes from one plan to another.
pub(super) fn changes(old: &Plan, new: &Plan) -> Vec<KernelChange> {
    let [before, after] = [old, new].map(state);
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).copied().collect();
    let both = keys.into_iter().filter_map(|key| {
        let (was, becomes) = (before.get(&key), after.get(&key));
        let change = match (was, becomes) {
            (None, _) => KernelAction::Added,
            (_, None) => KernelAction::Removed,
            (Some(was), Some(becomes)) if was != becomes => KernelAction::Changed,
            (Some(_), Some(_)) => return None,
        };
        let (prefix, subject) = key;
        Some(KernelChange {
            prefix,
            subject,
            change,
            was: was.cloned(),
            becomes: becomes.cloned(),
        })
    });
    both.collect()
}

fn state(plan: &Plan) -> State {
    use KernelSubject::{LearnedRoutes, Metric, Network, NextHop, Route};
    let mut state = State::new();
    let own = RulesInForce::default().follow(plan).own;
    state.extend(
        own.iter()
            .map(|(prefix, route)| ((*prefix, Route), text(route))),
    );
    for family in Family::ALL {
        let rules = &plan.kernel[family];
        for pool in &rules.pools {
            let entry = state.entry((pool.cidr, LearnedRoutes));
            entry.or_insert_with(|| routing(pool.routing).to_owned());
        }
        for prefix in &rules.reject_services {
            let refused = "not written: addresses of services".to_owned();
            state.insert((*prefix, LearnedRoutes), refused);
        }
        for next_hop in &rules.reject_next_hops {
            let refused = "left to Felix: WireGuard".to_owned();
            state.insert((IpNet::from(*next_hop), NextHop), refused);
        }
        if let Some(network) = rules.network {
            state.insert((network, Network), "near".into());
        }
        let all = super::default_route::default_route(family);
        state.insert((all, Metric), rules.normal_priority.0.to_string());
    }
    state
}

fn text(route: &KernelRoute) -> String {
    match &route.kind {
        RouteKind::Blackhole => "blackhole".into(),
        RouteKind::Unreachable => "unreachable".into(),
        RouteKind::Prohibit => "prohibit".into(),
        RouteKind::Unicast { next_hops } => {
            let gateways = next_hops.iter().filter_map(|hop| hop.gateway);
            let gateways: Vec<String> = gateways.map(|via| format!("via {via}")).collect();
            gateways.join(" ")
        }
    }
}

fn routing(routing: PoolRouting) -> &'static str {
    match routing {
        PoolRouting::Felix => "left to Felix",
        PoolRouting::Direct => "written without a tunnel",
        PoolRouting::Tunnel => "written through tunl0",
        PoolRouting::TunnelAcrossSubnets => "written through tunl0 to other networks",
    }
}
