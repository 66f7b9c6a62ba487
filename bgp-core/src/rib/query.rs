//! Questions about the routes, for operators and tests. Nothing here changes anything.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnet::IpNet;

use super::family::FamilyRib;
use super::group::{Group, is_withheld};
use super::peer::{Peer, PeerStats};
use super::restart::Deferral;
use super::stale::Stale;
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

/// What a peer is told of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// As it stands in the table.
    pub route: Route,
    /// The attributes as sent.
    pub attributes: Attributes,
    /// The next hop as sent.
    pub next_hop: Option<NextHop>,
}

/// Routes of one peer in one family, or of one kind of local routes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RouteCounts {
    /// In the table and usable.
    pub imported: usize,
    /// Told to it and not withdrawn; nobody tells local routes anything.
    pub exported: usize,
    /// Used: the best of their prefixes.
    pub preferred: usize,
}

/// Octets that the RIB takes up. What the allocator adds, and small things, are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// Prefixes, their paths, and what peers are told of them.
    pub tables: usize,
    /// Path attributes.
    pub attributes: usize,
    /// Messages on their way to peers.
    pub messages: usize,
}

impl Rib {
    /// What the RIB takes up.
    pub fn memory(&self) -> MemoryUse {
        let peers = self.shared.peers.iter();
        MemoryUse {
            tables: self.ipv4.octets() + self.ipv6.octets(),
            attributes: self.shared.store.octets(),
            messages: peers.map(|(_, peer)| peer.in_flight).sum(),
        }
    }

    /// Prefixes that have at least one path.
    pub fn prefix_count(&self, family: Family) -> usize {
        match family {
            Family::Ipv4Unicast => self.ipv4.prefixes,
            Family::Ipv6Unicast => self.ipv6.prefixes,
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

    /// Like [`Rib::routes`], of what a peer is told.
    pub fn exported(
        &self,
        peer: PeerId,
        family: Family,
        from: u32,
        limit: usize,
    ) -> (Vec<Exported>, Option<u32>) {
        match family {
            Family::Ipv4Unicast => self.ipv4.exported(&self.shared, peer, from, limit),
            Family::Ipv6Unicast => self.ipv6.exported(&self.shared, peer, from, limit),
        }
    }

    /// What a peer is told of a prefix.
    pub fn exported_paths(&self, peer: PeerId, prefix: IpNet) -> Vec<Exported> {
        match prefix {
            IpNet::V4(prefix) => self.ipv4.exported_paths(&self.shared, peer, prefix.trunc()),
            IpNet::V6(prefix) => self.ipv6.exported_paths(&self.shared, peer, prefix.trunc()),
        }
    }

    /// Routes of a peer, counted as they came and went.
    pub fn counts(&self, peer: PeerId, family: Family) -> RouteCounts {
        let state = self.shared.peers.find(peer);
        let state = state.map(|peer| &peer.families[family]);
        let counts = state.map(|state| RouteCounts {
            imported: state.imported as usize,
            exported: state.group.map_or(0, |_| state.exported as usize),
            preferred: state.preferred as usize,
        });
        counts.unwrap_or_default()
    }

    /// Local routes of one number, counted as they came and went.
    pub fn local_counts(&self, id: u32, family: Family) -> RouteCounts {
        let local = match family {
            Family::Ipv4Unicast => &self.ipv4.local,
            Family::Ipv6Unicast => &self.ipv6.local,
        };
        local.get(&id).copied().unwrap_or_default()
    }

    /// Slots and paths of tables that were looked at since the start: what all inputs together have cost.
    pub fn steps(&self) -> u64 {
        self.shared.steps
    }

    /// The peers that decisions wait for after our own restart (RFC 4724 §4.1).
    pub fn awaited(&self) -> BTreeSet<PeerId> {
        let deferral = self.shared.deferral.as_ref();
        deferral.map(Deferral::awaited).unwrap_or_default()
    }

    /// Whether routes of a peer are kept because it restarts (RFC 4724 §4.2, RFC 9494 §4.2).
    pub fn is_restarting(&self, peer: PeerId) -> bool {
        let stale = |peer: &Peer| Family::ALL.map(|family| peer.families[family].stale);
        let stale = self.shared.peers.find(peer).map(stale);
        stale.into_iter().flatten().flatten().any(Stale::is_restart)
    }

    /// What happened between a peer and the RIB.
    pub fn stats(&self, peer: PeerId, family: Family) -> PeerStats {
        let Some(known) = self.shared.peers.find(peer) else {
            return PeerStats::default();
        };
        let state = &known.families[family];
        let kept = state.group.and_then(|group| match family {
            Family::Ipv4Unicast => self.ipv4.group(group).kept_from(peer),
            Family::Ipv6Unicast => self.ipv6.group(group).kept_from(peer),
        });
        let mut stats = state.stats;
        stats.count_kept(kept.unwrap_or_default());
        stats
    }

    /// Next hops that the owner was asked for.
    pub fn next_hops(&self) -> impl Iterator<Item = IpAddr> {
        self.shared.store.next_hops.addresses()
    }
}

impl<P: Prefix> FamilyRib<P> {
    fn octets(&self) -> usize {
        self.table.octets()
            + self.spilled
            + self.forwarded.octets()
            + self
                .groups
                .iter()
                .flatten()
                .map(Group::octets)
                .sum::<usize>()
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
            .filter(|(_, path)| !shared.peers.is_dead(P::FAMILY, path))
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
    ) -> (Vec<Exported>, Option<u32>) {
        let mut routes = Vec::new();
        let Some(group) = self.group_of(shared, peer) else {
            return (routes, None);
        };
        for at in from..self.table.end() {
            if routes.len() >= limit {
                return (routes, Some(at));
            }
            routes.extend(self.exported_at(shared, group, peer, at));
        }
        (routes, None)
    }

    fn exported_paths(&self, shared: &Shared, peer: PeerId, prefix: P) -> Vec<Exported> {
        let group = self.group_of(shared, peer);
        let place = group.zip(self.table.find(prefix));
        place
            .map(|(group, at)| self.exported_at(shared, group, peer, at).collect())
            .unwrap_or_default()
    }

    fn group_of(&self, shared: &Shared, peer: PeerId) -> Option<&Group> {
        let peer = shared.peers.find(peer)?;
        Some(self.group(peer.families[P::FAMILY].group?))
    }

    fn exported_at<'a>(
        &'a self,
        shared: &'a Shared,
        group: &'a Group,
        peer: PeerId,
        at: u32,
    ) -> impl Iterator<Item = Exported> + 'a {
        let slot = &self.table[at];
        let entries = group.entries(at).iter();
        let told = entries.filter(move |entry| !is_withheld(shared, peer, **entry));
        let paths = slot.paths.as_slice();
        let mut by_id: Vec<(u16, usize)> = Vec::new();
        if group.key.context.add_path_send[P::FAMILY] {
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
                route: shared.route(slot.prefix, &paths[place], best),
                attributes: shared.store[entry.attrs].view().to_attributes(),
                next_hop: shared.store.next_hop(entry.attrs),
            })
        })
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
