//! A naive model of RFC 4271: the expected state of a network. Routes are plain values, nothing is cached, grouped or shared, and
//! the RIB is never asked.
//!
//! [`receive`] is import (RFC 4271 §9.1.1), [`best`] the decision process (§9.1.2.2), [`tell`] export (§9.1.3, §5).
//! [`stable_state`] combines them: every speaker chooses among its neighbours' routes, until no choice changes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ipnet::IpNet;

use super::filter::Filter;
use super::naive::NaiveRoute;
use super::network::{EndSpec, Network, node_of};
use crate::rib::{NextHopMode, PeerKind, Route, RouteSource};
use crate::types::Role;
use crate::types::family_of;
use crate::wire::attribute::Community;

/// LOCAL_PREF of routes without one.
const DEFAULT_LOCAL_PREF: u32 = 100;
/// The preference of routes from neighbours; local ones have more.
const PEER_PREFERENCE: u32 = 100;

/// The source of a path, in the order of the last tie-breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum From {
    Local,
    /// Node and path identifier.
    Peer(usize, u32),
}

/// A route in the table of a speaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NaivePath {
    pub(super) from: From,
    pub(super) preference: u32,
    pub(super) usable: bool,
    pub(super) route: NaiveRoute,
}

impl NaivePath {
    /// A local route.
    pub(super) fn local(route: NaiveRoute, preference: u32) -> Self {
        Self {
            from: From::Local,
            preference,
            usable: true,
            route,
        }
    }

    /// A path in the table of a speaker.
    pub(super) fn observed(route: &Route) -> Self {
        let from = match route.source {
            RouteSource::Local(_) => From::Local,
            RouteSource::Peer(peer, id) => From::Peer(node_of(peer), id.0),
        };
        Self {
            from,
            preference: route.preference,
            usable: route.unusable.is_none() && route.igp_metric.is_some(),
            route: NaiveRoute::observed(&route.attributes, route.next_hop),
        }
    }
}

/// The path that `node` makes of a route from `peer`; `id` is the path identifier.
pub(super) fn receive(
    network: &Network,
    node: usize,
    peer: usize,
    prefix: IpNet,
    id: u32,
    told: NaiveRoute,
) -> NaivePath {
    let from = From::Peer(peer, id);
    let unusable = |route| NaivePath {
        from,
        preference: PEER_PREFERENCE,
        usable: false,
        route,
    };
    let Some(end) = network.end(node, peer) else {
        return unusable(told);
    };
    let leaked = is_leaked(network, end, peer, &told);
    let mut route = told;
    if route.otc.is_none() && matches!(end.role, Some(Role::Customer | Role::Peer | Role::RsClient))
    {
        route.otc = Some(network.nodes[peer].asn.0);
    }
    if leaked || is_looped(network, node, end, &route) {
        return unusable(route);
    }
    match Filter::apply(
        &end.import,
        prefix,
        false,
        DEFAULT_LOCAL_PREF,
        route.clone(),
    ) {
        Some(route) => NaivePath {
            from,
            preference: PEER_PREFERENCE,
            usable: true,
            route,
        },
        None => unusable(route),
    }
}

/// RFC 9234 §5, ingress 1 and 2.
fn is_leaked(network: &Network, end: &EndSpec, peer: usize, told: &NaiveRoute) -> bool {
    match (end.role, told.otc) {
        (Some(Role::Provider | Role::RsServer), Some(_)) => true,
        (Some(Role::Peer), Some(otc)) => otc != network.nodes[peer].asn.0,
        _ => false,
    }
}

/// RFC 4271 §9.1.2 and §5.1.3, RFC 4456 §8.
fn is_looped(network: &Network, node: usize, end: &EndSpec, route: &NaiveRoute) -> bool {
    let own = &network.nodes[node];
    let occurrences = route
        .as_path
        .iter()
        .filter(|asn| **asn == own.asn.0)
        .count();
    occurrences > end.allowed_local_as as usize
        || route.originator_id == Some(own.router_id.to_bits())
        || route.cluster_list.contains(&cluster_of(network, node))
        || route.next_hop == Some(network.address(node))
}

fn cluster_of(network: &Network, node: usize) -> u32 {
    let own = &network.nodes[node];
    own.cluster_id.unwrap_or(own.router_id).to_bits()
}

/// The path that `node` uses: the comparisons of RFC 4271 §9.1.2.2 and RFC 4456 §9, one after the other.
pub(super) fn best<'a>(
    network: &Network,
    node: usize,
    paths: &'a [NaivePath],
) -> Option<&'a NaivePath> {
    let mut left = finalists(network, node, paths);
    keep_least(&mut left, |path| identifier(network, node, path));
    keep_least(&mut left, |path| path.route.cluster_list.len());
    keep_least(&mut left, |path| match path.from {
        From::Local => None,
        From::Peer(peer, _) => Some(network.address(peer)),
    });
    keep_least(&mut left, |path| path.from);
    left.first().copied()
}

/// The paths that equal the best one except for tie-breaks, and have the same MED.
pub(super) fn equal<'a>(
    network: &Network,
    node: usize,
    paths: &'a [NaivePath],
) -> Vec<&'a NaivePath> {
    let best = best(network, node, paths);
    let mut left = finalists(network, node, paths);
    left.retain(|path| best.is_some_and(|best| med(best) == med(path)));
    left
}

/// The paths left after all comparisons that matter for forwarding.
fn finalists<'a>(network: &Network, node: usize, paths: &'a [NaivePath]) -> Vec<&'a NaivePath> {
    let mut left: Vec<&NaivePath> = paths.iter().filter(|path| path.usable).collect();
    let local_pref = |path: &NaivePath| path.route.local_pref.unwrap_or(DEFAULT_LOCAL_PREF);
    keep_least(&mut left, |path| u32::MAX - path.preference);
    keep_least(&mut left, |path| {
        u32::from(path.route.has(Community::LLGR_STALE))
    });
    keep_least(&mut left, |path| u32::MAX - local_pref(path));
    keep_least(&mut left, |path| path.route.as_path.len());
    keep_least(&mut left, |path| path.route.origin);
    let all = left.clone();
    left.retain(|path| {
        !all.iter()
            .any(|other| same_neighbour(path, other) && med(other) < med(path))
    });
    keep_least(&mut left, |path| {
        sender(network, node, path).is_some_and(|end| end.kind.is_internal())
    });
    keep_least(&mut left, |path| {
        path.route
            .next_hop
            .map_or(0, |next_hop| network.metric(node, next_hop))
    });
    left
}

fn keep_least<K: Ord>(left: &mut Vec<&NaivePath>, key: impl Fn(&NaivePath) -> K) {
    if let Some(least) = left.iter().map(|path| key(path)).min() {
        left.retain(|path| key(path) == least);
    }
}

fn same_neighbour(one: &NaivePath, other: &NaivePath) -> bool {
    one.route.as_path.first() == other.route.as_path.first()
}

fn med(path: &NaivePath) -> u32 {
    path.route.med.unwrap_or(0)
}

fn identifier(network: &Network, node: usize, path: &NaivePath) -> u32 {
    let sender = match path.from {
        From::Local => node,
        From::Peer(peer, _) => peer,
    };
    path.route
        .originator_id
        .unwrap_or_else(|| network.nodes[sender].router_id.to_bits())
}

/// The configuration of `node` for the neighbour that a path came from.
fn sender<'a>(network: &'a Network, node: usize, path: &NaivePath) -> Option<&'a EndSpec> {
    match path.from {
        From::Local => None,
        From::Peer(peer, _) => network.end(node, peer),
    }
}

/// The route that `node` sends to `peer` for a path that it uses; `None` if it sends none.
pub(super) fn tell(
    network: &Network,
    node: usize,
    peer: usize,
    prefix: IpNet,
    path: &NaivePath,
) -> Option<NaiveRoute> {
    let end = network.end(node, peer)?;
    let source = sender(network, node, path).map(|end| end.kind);
    let from_peer = matches!(path.from, From::Peer(from, _) if from == peer);
    if from_peer || !may_be_told(end, source, &path.route) {
        return None;
    }
    let local = path.from == From::Local;
    let mut route = path.route.clone();
    if !end.export.is_empty() {
        // A policy sees a LOCAL_PREF even if none was received.
        route.local_pref.get_or_insert(DEFAULT_LOCAL_PREF);
    }
    let mut route = Filter::apply(&end.export, prefix, local, DEFAULT_LOCAL_PREF, route)?;
    let own = network.own_next_hop(node, family_of(prefix));
    route.next_hop = match (end.next_hop_mode, end.kind.is_internal()) {
        (NextHopMode::Own, _) | (NextHopMode::Auto, false) => Some(own),
        (NextHopMode::Auto, true) | (NextHopMode::Keep, _) => Some(route.next_hop.unwrap_or(own)),
    };
    if end.kind.is_internal() {
        rewrite_internal(network, node, source, path, &mut route);
    } else {
        rewrite_external(network, node, local, &mut route);
    }
    if matches!(end.role, Some(Role::Provider | Role::Peer | Role::RsServer)) {
        route.otc.get_or_insert(network.nodes[node].asn.0);
    }
    (route.next_hop != Some(network.address(peer))).then_some(route)
}

/// RFC 1997, RFC 4271 §9.2, RFC 4456 §6, RFC 9234 §5.
fn may_be_told(end: &EndSpec, source: Option<PeerKind>, route: &NaiveRoute) -> bool {
    if route.has(Community::NO_ADVERTISE) {
        return false;
    }
    if route.has(Community::NO_EXPORT) && !end.kind.is_internal() {
        return false;
    }
    if route.otc.is_some() && matches!(end.role, Some(Role::Customer | Role::Peer | Role::RsClient))
    {
        return false;
    }
    !(source == Some(PeerKind::Internal) && end.kind == PeerKind::Internal)
}

fn rewrite_internal(
    network: &Network,
    node: usize,
    source: Option<PeerKind>,
    path: &NaivePath,
    route: &mut NaiveRoute,
) {
    route.local_pref.get_or_insert(DEFAULT_LOCAL_PREF);
    if source.is_some_and(PeerKind::is_internal) {
        route.originator_id = Some(identifier(network, node, path));
        route.cluster_list.insert(0, cluster_of(network, node));
    }
}

fn rewrite_external(network: &Network, node: usize, local: bool, route: &mut NaiveRoute) {
    route.as_path.insert(0, network.nodes[node].asn.0);
    route.local_pref = None;
    route.originator_id = None;
    route.cluster_list.clear();
    if !local {
        route.med = None;
    }
}

/// The path that each speaker uses for each prefix.
pub(super) type State = Vec<BTreeMap<IpNet, NaivePath>>;

/// The stable state of a network with these local routes; the number is their preference.
///
/// # Errors
///
/// There is no stable state, or it is not found in reasonable time.
pub(super) fn stable_state(
    network: &Network,
    local: &[BTreeMap<IpNet, NaivePath>],
) -> Result<State, String> {
    let prefixes: BTreeSet<IpNet> = local
        .iter()
        .flat_map(|routes| routes.keys().copied())
        .collect();
    let neighbours: Vec<Vec<usize>> = (0..network.nodes.len())
        .map(|node| network.neighbours(node).collect())
        .collect();
    let mut state: State = vec![BTreeMap::new(); network.nodes.len()];
    for prefix in prefixes {
        settle(network, &neighbours, local, prefix, &mut state)?;
    }
    Ok(state)
}

fn settle(
    network: &Network,
    neighbours: &[Vec<usize>],
    local: &[BTreeMap<IpNet, NaivePath>],
    prefix: IpNet,
    state: &mut State,
) -> Result<(), String> {
    let mut waiting: VecDeque<usize> = (0..network.nodes.len()).collect();
    let mut patience = 200 * network.nodes.len() + 1000;
    while let Some(node) = waiting.pop_front() {
        let mut paths: Vec<NaivePath> = local[node].get(&prefix).cloned().into_iter().collect();
        for peer in &neighbours[node] {
            let told = state[*peer]
                .get(&prefix)
                .and_then(|path| tell(network, *peer, node, prefix, path));
            paths.extend(told.map(|told| receive(network, node, *peer, prefix, 0, told)));
        }
        let chosen = best(network, node, &paths);
        if chosen == state[node].get(&prefix) {
            continue;
        }
        match chosen.cloned() {
            Some(chosen) => state[node].insert(prefix, chosen),
            None => state[node].remove(&prefix),
        };
        patience = patience
            .checked_sub(1)
            .ok_or_else(|| format!("{prefix} has no stable state"))?;
        for peer in &neighbours[node] {
            if !waiting.contains(peer) {
                waiting.push_back(*peer);
            }
        }
    }
    Ok(())
}
