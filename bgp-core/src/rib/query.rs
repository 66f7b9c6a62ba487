//! Questions about the routes, for operators and tests. Nothing here changes anything.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnet::IpNet;

use super::family::FamilyRib;
use super::group::is_withheld;
use super::peer::PeerStats;
use super::table::{Path, Unusable};
use super::{Rib, Shared};
use crate::types::{Family, PathId, PeerId, Prefix};
use crate::wire::attribute::AttributeView;
use crate::wire::{Attributes, NextHop};

/// Where a route was learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouteSource {
    /// On this machine; the number of the local route.
    Local(u32),
    /// From a peer, with its path identifier.
    Peer(PeerId, PathId),
}

/// A path of a prefix, as it stands in the table or as a peer is told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its prefix.
    pub prefix: IpNet,
    /// Where it was learned.
    pub source: RouteSource,
    /// When.
    pub since: Instant,
    /// Where packets go; `None` for a local route without a gateway.
    pub next_hop: Option<NextHop>,
    /// The interface it leaves by, as far as known.
    pub interface: Option<Arc<str>>,
    /// Its attributes after policy.
    pub attributes: Attributes,
    /// Compared before anything of BGP.
    pub preference: u32,
    /// The cost of the way to its next hop; `None` if there is no way.
    pub igp_metric: Option<u32>,
    /// It is the one that is used.
    pub best: bool,
    /// Its peer restarts and has not announced it again (RFC 4724 §4.2).
    pub stale: bool,
    /// Why it cannot be used.
    pub unusable: Option<Unusable>,
}

/// Routes of one peer in one family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RouteCounts {
    /// In the table and usable.
    pub imported: usize,
    /// Told to it, or about to be.
    pub exported: usize,
    /// Used: the best of their prefixes.
    pub preferred: usize,
}

impl Rib {
    /// Prefixes that have at least one path.
    pub fn prefix_count(&self, family: Family) -> usize {
        match family {
            Family::Ipv4Unicast => self.ipv4.prefix_count(),
            Family::Ipv6Unicast => self.ipv6.prefix_count(),
        }
    }

    /// Sets of attributes that are stored.
    pub fn attribute_set_count(&self) -> usize {
        self.shared.store.len()
    }

    /// Every path of a prefix, the best one first.
    pub fn paths(&self, prefix: IpNet) -> Vec<Route> {
        match prefix {
            IpNet::V4(prefix) => self.ipv4.paths_of(&self.shared, prefix.trunc()),
            IpNet::V6(prefix) => self.ipv6.paths_of(&self.shared, prefix.trunc()),
        }
    }

    /// The used path of a prefix.
    pub fn best(&self, prefix: IpNet) -> Option<Route> {
        self.paths(prefix).into_iter().find(|route| route.best)
    }

    /// Routes in the order of the table, from a place on, at most about `limit` of them; and the place to go on from.
    pub fn routes(&self, family: Family, from: u32, limit: usize) -> (Vec<Route>, Option<u32>) {
        match family {
            Family::Ipv4Unicast => self.ipv4.routes(&self.shared, from, limit),
            Family::Ipv6Unicast => self.ipv6.routes(&self.shared, from, limit),
        }
    }

    /// Like [`Rib::routes`], of what a peer is told, with attributes as sent.
    pub fn exported(
        &self,
        peer: PeerId,
        family: Family,
        from: u32,
        limit: usize,
    ) -> (Vec<Route>, Option<u32>) {
        match family {
            Family::Ipv4Unicast => self.ipv4.exported(&self.shared, peer, from, limit),
            Family::Ipv6Unicast => self.ipv6.exported(&self.shared, peer, from, limit),
        }
    }

    /// Routes of a peer, counted; looks at the whole table of the family.
    pub fn counts(&self, peer: PeerId, family: Family) -> RouteCounts {
        match family {
            Family::Ipv4Unicast => self.ipv4.counts(&self.shared, peer),
            Family::Ipv6Unicast => self.ipv6.counts(&self.shared, peer),
        }
    }

    /// What happened between a peer and the RIB.
    pub fn stats(&self, peer: PeerId, family: Family) -> PeerStats {
        self.shared
            .peers
            .find(peer)
            .map(|peer| peer.families[family].stats)
            .unwrap_or_default()
    }

    /// Next hops that the owner was asked for.
    pub fn next_hops(&self) -> impl Iterator<Item = IpAddr> {
        self.shared.store.next_hops.addresses()
    }
}

impl<P: Prefix> FamilyRib<P> {
    fn prefix_count(&self) -> usize {
        self.table
            .slots()
            .filter(|(_, slot)| !slot.paths.as_slice().is_empty())
            .count()
    }

    fn paths_of(&self, shared: &Shared, prefix: P) -> Vec<Route> {
        self.table
            .find(prefix)
            .map(|at| self.routes_at(shared, at))
            .unwrap_or_default()
    }

    fn routes_at(&self, shared: &Shared, at: u32) -> Vec<Route> {
        let slot = &self.table[at];
        let routes = slot.paths.as_slice().iter().enumerate();
        routes
            .map(|(place, path)| shared.route(slot.prefix, path, slot.chosen && place == 0))
            .collect()
    }

    fn routes(&self, shared: &Shared, from: u32, limit: usize) -> (Vec<Route>, Option<u32>) {
        let mut routes = Vec::new();
        for at in from..self.table.end() {
            if routes.len() >= limit {
                return (routes, Some(at));
            }
            routes.extend(self.routes_at(shared, at));
        }
        (routes, None)
    }

    fn exported(
        &self,
        shared: &Shared,
        peer: PeerId,
        from: u32,
        limit: usize,
    ) -> (Vec<Route>, Option<u32>) {
        let mut routes = Vec::new();
        let group = shared
            .peers
            .find(peer)
            .and_then(|peer| peer.families[P::FAMILY].group);
        let Some(group) = group.map(|place| self.group(place)) else {
            return (routes, None);
        };
        for at in from..self.table.end() {
            if routes.len() >= limit {
                return (routes, Some(at));
            }
            let slot = &self.table[at];
            for entry in group
                .entries(at)
                .iter()
                .filter(|entry| !is_withheld(shared, peer, **entry))
            {
                let of_entry = |path: &&Path| {
                    path.peer == entry.source
                        && (entry.path_id == 0 || path.local_id == entry.path_id)
                };
                if let Some(path) = slot.paths.as_slice().iter().find(of_entry) {
                    let set = &shared.store[entry.attrs];
                    let (attributes, next_hop) = (
                        set.view().to_attributes(),
                        shared.store.next_hop(entry.attrs),
                    );
                    routes.push(Route {
                        attributes,
                        next_hop,
                        ..shared.route(slot.prefix, path, true)
                    });
                }
            }
        }
        (routes, None)
    }

    fn counts(&self, shared: &Shared, peer: PeerId) -> RouteCounts {
        let mut counts = RouteCounts::default();
        for (_, slot) in self.table.slots() {
            let of_peer = |path: &&Path| path.peer == peer && path.unusable.is_none();
            counts.imported += slot.paths.as_slice().iter().filter(of_peer).count();
            counts.preferred += usize::from(slot.best().is_some_and(|best| best.peer == peer));
        }
        let group = shared
            .peers
            .find(peer)
            .and_then(|peer| peer.families[P::FAMILY].group);
        if let Some(group) = group.map(|place| self.group(place)) {
            let entries = group.out.iter().flat_map(|entries| entries.as_slice());
            counts.exported = entries
                .filter(|entry| !is_withheld(shared, peer, **entry))
                .count();
        }
        counts
    }
}

impl Shared {
    fn route<P: Prefix>(&self, prefix: P, path: &Path, best: bool) -> Route {
        let set = &self.store[path.attrs];
        let view: AttributeView<'_> = set.view();
        let source = if path.is_local() {
            RouteSource::Local(path.remote_id.0)
        } else {
            RouteSource::Peer(path.peer, path.remote_id)
        };
        let epoch = self
            .peers
            .find(path.peer)
            .map(|peer| peer.families[P::FAMILY].epoch);
        Route {
            prefix: prefix.into(),
            source,
            since: self.start + Duration::from_secs(path.since.into()),
            next_hop: self.store.next_hop(path.attrs),
            interface: self.store.interface_of(path.attrs).cloned(),
            attributes: view.to_attributes(),
            preference: set.preference,
            igp_metric: self.store.igp_metric(path),
            best,
            stale: epoch.is_some_and(|epoch| epoch != path.epoch),
            unusable: path.unusable,
        }
    }
}
