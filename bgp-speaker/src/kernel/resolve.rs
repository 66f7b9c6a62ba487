//! Resolves next hops: longest prefix match over connected prefixes and routes of other owners. Pure.
//!
//! Takes in every [`KernelEvent`], and never looks at our own routes, so a next hop is not resolved through a BGP route. RFC 4271
//! §9.1.2.1 requires that the next hop of a usable route resolves, and takes the metric of the resolving route as the interior
//! cost.
//!
//! Next hops in use are watched; [`Resolver::take_changed`] returns those that are now reached in another way. A link-local next
//! hop is reached over the interface in it ([`bgp_core::scoped`]), and not at all without one.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::sync::Arc;

use bgp_core::scoped::split_scope;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::PrefixMap;

use super::event::KernelEvent;
use super::interface::Interface;
use super::route::{ForeignHop, ForeignKind, ForeignRoute};

/// The path to a next hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextHopPath {
    /// The hops to send to, at least one; several if the kernel spreads the traffic (ECMP).
    pub hops: Vec<ResolvedHop>,
    /// Metric of the route that was used; 0 for a connected prefix.
    pub metric: u32,
    /// The prefix that matched.
    pub prefix: IpNet,
    /// The next hop is directly connected.
    pub direct: bool,
}

/// One hop of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedHop {
    /// The gateway; `None` if the next hop itself is on the link.
    pub gateway: Option<IpAddr>,
    /// Interface index.
    pub index: u32,
    /// Interface name.
    pub interface: Arc<str>,
}

/// The state needed to resolve next hops, and the watched next hops with the last answer for each.
#[derive(Debug, Default)]
pub struct Resolver {
    interfaces: HashMap<u32, Interface>,
    ipv4: PrefixMap<Ipv4Net, PrefixRoutes>,
    ipv6: PrefixMap<Ipv6Net, PrefixRoutes>,
    watched: BTreeMap<IpAddr, Option<NextHopPath>>,
}

/// Everything known about one prefix.
#[derive(Debug, Clone, Default)]
struct PrefixRoutes {
    direct: Vec<(u32, Arc<str>)>,
    /// By metric.
    routes: Vec<ForeignRoute>,
}

impl Resolver {
    /// Takes in an event; events that do not affect next hops are ignored.
    pub fn apply(&mut self, event: &KernelEvent) {
        match event {
            KernelEvent::Interface {
                index,
                interface: Some(interface),
            } => {
                self.interfaces.insert(*index, interface.clone());
            }
            KernelEvent::Interface {
                index,
                interface: None,
            } => {
                self.interfaces.remove(index);
            }
            KernelEvent::Direct { prefix, interfaces } => {
                self.edit(prefix, |ways| ways.direct.clone_from(interfaces));
            }
            KernelEvent::Routes { prefix, routes } => {
                self.edit(prefix, |ways| ways.routes.clone_from(routes));
            }
            KernelEvent::Synced
            | KernelEvent::RouteRejected { .. }
            | KernelEvent::RejectionCleared { .. } => {}
        }
    }

    /// The path to `next_hop`. `None` if there is none: no route, a route that drops, interfaces that are down, a link-local
    /// address without interface, or one of this node's own addresses (RFC 4271 §6.3: a next hop must not be the receiver itself).
    pub fn resolve(&self, next_hop: IpAddr) -> Option<NextHopPath> {
        if self.is_own(next_hop) {
            return None;
        }
        match next_hop {
            IpAddr::V4(address) => self.resolve_v4(address),
            IpAddr::V6(address) if address.is_unicast_link_local() => self.resolve_on_link(address),
            IpAddr::V6(address) => self.resolve_v6(address),
        }
    }

    /// The route of another owner for exactly this prefix that the kernel uses.
    pub fn foreign(&self, prefix: IpNet) -> Option<&ForeignRoute> {
        let ways = match prefix {
            IpNet::V4(prefix) => self.ipv4.get(&prefix),
            IpNet::V6(prefix) => self.ipv6.get(&prefix),
        };
        ways?.routes.first()
    }

    /// Whether an interface of this node has the address.
    pub fn is_own(&self, address: IpAddr) -> bool {
        self.interfaces
            .values()
            .any(|i| i.addresses.iter().any(|a| a.address == address))
    }

    /// Starts to watch a next hop; returns its current path.
    pub fn watch(&mut self, next_hop: IpAddr) -> Option<NextHopPath> {
        let resolution = self.resolve(next_hop);
        self.watched.insert(next_hop, resolution.clone());
        resolution
    }

    /// Stops watching a next hop.
    pub fn unwatch(&mut self, next_hop: &IpAddr) {
        self.watched.remove(next_hop);
    }

    /// The watched next hops in a range.
    pub fn watched(&self, range: RangeInclusive<IpAddr>) -> impl Iterator<Item = IpAddr> {
        self.watched.range(range).map(|(next_hop, _)| *next_hop)
    }

    /// The watched next hops whose path changed since the last call, or since they were watched. Call it after a burst of events,
    /// not after each event: it resolves every watched next hop.
    pub fn take_changed(&mut self) -> Vec<IpAddr> {
        let mut watched = std::mem::take(&mut self.watched);
        let mut changed = Vec::new();
        for (next_hop, known) in &mut watched {
            let resolution = self.resolve(*next_hop);
            if *known != resolution {
                *known = resolution;
                changed.push(*next_hop);
            }
        }
        self.watched = watched;
        changed
    }

    fn resolve_v4(&self, address: Ipv4Addr) -> Option<NextHopPath> {
        let covers = self.ipv4.cover(&Ipv4Net::from(address));
        covers
            .filter_map(|(prefix, ways)| self.usable(prefix.into(), ways))
            .last()?
    }

    fn resolve_v6(&self, address: Ipv6Addr) -> Option<NextHopPath> {
        let covers = self.ipv6.cover(&Ipv6Net::from(address));
        covers
            .filter_map(|(prefix, ways)| self.usable(prefix.into(), ways))
            .last()?
    }

    fn resolve_on_link(&self, scoped: Ipv6Addr) -> Option<NextHopPath> {
        let (address, index) = split_scope(scoped);
        let interface = self.interfaces.get(&index).filter(|i| i.up)?;
        let is_own = interface.addresses.iter().any(|own| own.address == address);
        let hop = ResolvedHop {
            gateway: Some(address.into()),
            index,
            interface: interface.name.clone(),
        };
        (!is_own).then(|| NextHopPath {
            hops: vec![hop],
            metric: 0,
            prefix: IpAddr::from(scoped).into(),
            direct: true,
        })
    }

    /// The best path for a prefix. `None`: no interface of it is up, so a shorter prefix applies; `Some(None)`: the kernel drops
    /// the packets.
    fn usable(&self, prefix: IpNet, ways: &PrefixRoutes) -> Option<Option<NextHopPath>> {
        let direct: Vec<ResolvedHop> = ways
            .direct
            .iter()
            .map(|(index, name)| on_link(*index, name))
            .collect();
        if !direct.is_empty() {
            return Some(Some(NextHopPath {
                hops: direct,
                metric: 0,
                prefix,
                direct: true,
            }));
        }
        ways.routes
            .iter()
            .find_map(|route| self.through(prefix, route))
    }

    /// As [`Self::usable`] for one route.
    fn through(&self, prefix: IpNet, route: &ForeignRoute) -> Option<Option<NextHopPath>> {
        let ForeignKind::Unicast(next_hops) = &route.kind else {
            return Some(None);
        };
        let up = |hop: &&ForeignHop| self.interfaces.get(&hop.index).is_some_and(|i| i.up);
        let hops: Vec<ResolvedHop> = next_hops.iter().filter(up).map(ResolvedHop::from).collect();
        let direct = hops.iter().all(|hop| hop.gateway.is_none());
        (!hops.is_empty()).then_some(Some(NextHopPath {
            hops,
            metric: route.metric,
            prefix,
            direct,
        }))
    }

    fn edit(&mut self, prefix: &IpNet, edit: impl FnOnce(&mut PrefixRoutes)) {
        match prefix {
            IpNet::V4(prefix) => edit_map(&mut self.ipv4, *prefix, edit),
            IpNet::V6(prefix) => edit_map(&mut self.ipv6, *prefix, edit),
        }
    }
}

impl From<&ForeignHop> for ResolvedHop {
    fn from(hop: &ForeignHop) -> Self {
        Self {
            gateway: hop.gateway,
            index: hop.index,
            interface: hop.interface.clone(),
        }
    }
}

fn on_link(index: u32, name: &Arc<str>) -> ResolvedHop {
    ResolvedHop {
        gateway: None,
        index,
        interface: name.clone(),
    }
}

fn edit_map<P: prefix_trie::Prefix>(
    map: &mut PrefixMap<P, PrefixRoutes>,
    prefix: P,
    edit: impl FnOnce(&mut PrefixRoutes),
) {
    let mut ways = map.remove(&prefix).unwrap_or_default();
    edit(&mut ways);
    if !(ways.direct.is_empty() && ways.routes.is_empty()) {
        map.insert(prefix, ways);
    }
}

#[cfg(test)]
mod tests;
