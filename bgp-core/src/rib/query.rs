//! Queries about the routes of one family, for operators and tests. Read-only.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnet::IpNet;

use super::adj_out::is_withheld;
use super::family::FamilyRib;
use super::group::Group;
use super::path::{Path, RouteSource, Unusable};
use super::settings::PEER_PREFERENCE;
use super::shared::Shared;
use super::tables::Tables;
use crate::types::{PeerId, Prefix};
use crate::wire::{Attributes, NextHop};

/// A path of a prefix, as stored or as advertised.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Route {
    /// The prefix.
    pub prefix: IpNet,
    /// The source.
    pub source: RouteSource,
    /// When it was learned.
    pub since: Instant,
    /// The next hop; `None` for a local route without a gateway.
    pub next_hop: Option<NextHop>,
    /// The outgoing interface, if known.
    pub interface: Option<Arc<str>>,
    /// The attributes after policy.
    pub attributes: Attributes,
    /// Compared before all BGP attributes.
    pub preference: u32,
    /// The cost of the path to the next hop; `None` if unreachable.
    pub igp_metric: Option<u32>,
    /// The path is the best one.
    pub best: bool,
    /// The peer restarts and has not announced the route again (RFC 4724 §4.2).
    pub stale: bool,
    /// Why the path is unusable.
    pub unusable: Option<Unusable>,
}

impl Route {
    /// A best route without attributes, for tests.
    pub fn new(prefix: IpNet, source: RouteSource, since: Instant) -> Self {
        Self {
            prefix,
            source,
            since,
            next_hop: None,
            interface: None,
            attributes: Attributes::default(),
            preference: PEER_PREFERENCE,
            igp_metric: None,
            best: true,
            stale: false,
            unusable: None,
        }
    }
}

/// A path as advertised to a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exported {
    /// The path as stored.
    pub route: Route,
    /// The attributes as sent.
    pub attributes: Attributes,
    /// The next hop as sent.
    pub next_hop: Option<NextHop>,
}

impl From<Route> for Exported {
    /// A route advertised unchanged.
    fn from(mut route: Route) -> Self {
        Self {
            attributes: std::mem::take(&mut route.attributes),
            next_hop: route.next_hop,
            route,
        }
    }
}

/// Memory of the RIB in octets, without allocator overhead and small objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryUse {
    /// Prefixes, their paths, and Adj-RIB-Outs.
    pub tables: usize,
    /// Path attributes.
    pub attributes: usize,
    /// Messages in flight to peers.
    pub messages: usize,
}

/// Every path of a prefix, the best one first.
pub(super) fn paths(tables: &Tables, prefix: IpNet) -> Vec<Route> {
    let Tables { shared, ipv4, ipv6 } = tables;
    match prefix {
        IpNet::V4(prefix) => paths_of(ipv4, shared, prefix.trunc()),
        IpNet::V6(prefix) => paths_of(ipv6, shared, prefix.trunc()),
    }
}

fn paths_of<P: Prefix>(family: &FamilyRib<P>, shared: &Shared, prefix: P) -> Vec<Route> {
    family
        .paths
        .table
        .find(prefix)
        .map(|at| routes_at(family, shared, at))
        .unwrap_or_default()
}

fn routes_at<P: Prefix>(family: &FamilyRib<P>, shared: &Shared, at: u32) -> Vec<Route> {
    let slot = &family.paths.table[at];
    let routes = slot.paths.as_slice().iter().enumerate();
    routes
        .filter(|(_, path)| !shared.peers.is_dead(P::FAMILY, path))
        .map(|(place, path)| route(shared, slot.prefix, path, slot.chosen && place == 0))
        .collect()
}

/// Routes in table order, starting at a slot, about `limit` of them; and the slot to continue from.
pub(super) fn routes<P: Prefix>(
    family: &FamilyRib<P>,
    shared: &Shared,
    from: u32,
    limit: usize,
) -> (Vec<Route>, Option<u32>) {
    let mut routes = Vec::new();
    for at in from..family.paths.table.end() {
        if routes.len() >= limit {
            return (routes, Some(at));
        }
        routes.extend(routes_at(family, shared, at));
    }
    (routes, None)
}

/// Like [`routes`], for the routes advertised to a peer.
pub(super) fn exported<P: Prefix>(
    family: &FamilyRib<P>,
    shared: &Shared,
    peer: PeerId,
    from: u32,
    limit: usize,
) -> (Vec<Exported>, Option<u32>) {
    let mut routes = Vec::new();
    let Some(group) = family.groups.of_peer::<P>(shared, peer) else {
        return (routes, None);
    };
    for at in from..family.paths.table.end() {
        if routes.len() >= limit {
            return (routes, Some(at));
        }
        routes.extend(exported_at(family, shared, group, peer, at));
    }
    (routes, None)
}

/// The routes of a prefix advertised to a peer.
pub(super) fn exported_paths(tables: &Tables, peer: PeerId, prefix: IpNet) -> Vec<Exported> {
    let Tables { shared, ipv4, ipv6 } = tables;
    match prefix {
        IpNet::V4(prefix) => exported_of(ipv4, shared, peer, prefix.trunc()),
        IpNet::V6(prefix) => exported_of(ipv6, shared, peer, prefix.trunc()),
    }
}

fn exported_of<P: Prefix>(
    family: &FamilyRib<P>,
    shared: &Shared,
    peer: PeerId,
    prefix: P,
) -> Vec<Exported> {
    let group = family.groups.of_peer::<P>(shared, peer);
    let place = group.zip(family.paths.table.find(prefix));
    place
        .map(|(group, at)| exported_at(family, shared, group, peer, at).collect())
        .unwrap_or_default()
}

fn exported_at<'a, P: Prefix>(
    family: &'a FamilyRib<P>,
    shared: &'a Shared,
    group: &'a Group,
    peer: PeerId,
    at: u32,
) -> impl Iterator<Item = Exported> + 'a {
    let slot = &family.paths.table[at];
    let entries = group.out.get(at).iter();
    let told = entries.filter(move |entry| !is_withheld(shared, peer, **entry));
    let paths = slot.paths.as_slice();
    let mut by_id: Vec<(u16, usize)> = Vec::new();
    if group.key().context.add_path_send[P::FAMILY] {
        by_id.extend(paths.iter().map(|path| path.local_id).zip(0..));
        by_id.sort_unstable();
    }
    told.filter_map(move |entry| {
        let place = match entry.path_id {
            0 => paths.iter().position(|path| path.peer == entry.source),
            id => {
                let found = by_id.binary_search_by_key(&id, |(id, _)| *id);
                found.ok().map(|found| by_id[found].1)
            }
        };
        let place = place.filter(|place| paths[*place].peer == entry.source)?;
        let best = slot.chosen && place == 0;
        Some(Exported {
            route: route(shared, slot.prefix, &paths[place], best),
            attributes: shared.store.view(entry.attrs).to_attributes(),
            next_hop: shared.store.next_hop(entry.attrs),
        })
    })
}

fn route<P: Prefix>(shared: &Shared, prefix: P, path: &Path, best: bool) -> Route {
    let set = &shared.store[path.attrs];
    let view = shared.store.view(path.attrs);
    let epoch = shared
        .peers
        .find(path.peer)
        .map(|peer| peer.families[P::FAMILY].epoch);
    Route {
        prefix: prefix.into(),
        source: path.source(),
        since: shared.start + Duration::from_secs(path.since.into()),
        next_hop: shared.store.next_hop(path.attrs),
        interface: shared.store.interface_of(path.attrs).cloned(),
        attributes: view.to_attributes(),
        preference: set.preference,
        igp_metric: shared.store.igp_metric(path.attrs),
        best,
        stale: epoch.is_some_and(|epoch| epoch != path.epoch),
        unusable: path.unusable,
    }
}
