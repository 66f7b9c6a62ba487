//! The forwarding task's knowledge: the next hops of a route, and which routes are in the kernel.

use std::net::IpAddr;
use std::sync::Arc;

use bgp_core::rib::{Route, RouteSource};
use bgp_core::types::{Family, family_of};
use ipnet::IpNet;

use super::state::State;
use crate::kernel::{ForeignHop, ForeignKind, ForeignRoute, InstallError, Interface};

/// Where the packets of a route go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextHops {
    /// To one of these routers.
    Via(Vec<Gateway>),
    /// To hosts on the link of this interface.
    Device(Arc<str>),
    /// Dropped silently.
    Blackhole,
    /// Dropped; the sender gets an ICMP error.
    Unreachable,
}

/// A router, and the interface through which it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// The router's address.
    pub address: IpAddr,
    /// The name of the interface.
    pub interface: Arc<str>,
}

impl State {
    /// All interfaces.
    pub fn interfaces(&self) -> impl Iterator<Item = &Interface> {
        self.interfaces.values()
    }

    /// Where the packets of a route go.
    pub fn next_hops(&self, route: &Route) -> NextHops {
        if let RouteSource::Local(id) = route.source
            && let Some(foreign) = self.learning.foreign(route.prefix, id)
        {
            return NextHops::from(&foreign.kind);
        }
        match (route.next_hop, &route.interface) {
            (Some(next_hop), _) => self.gateways(next_hop.address()),
            (None, Some(interface)) => NextHops::Device(interface.clone()),
            (None, None) => NextHops::Blackhole,
        }
    }

    /// Whether the kernel should have a route for a prefix.
    pub fn wants(&self, prefix: IpNet) -> bool {
        self.decide(prefix).is_some()
    }

    /// Whether the kernel refused a wanted route.
    pub fn is_refused(&self, route: &Route) -> bool {
        self.refusal(route).is_some()
    }

    /// Why a wanted route is not in the kernel.
    pub fn refusal(&self, route: &Route) -> Option<&InstallError> {
        let error = self.refused.get(&route.prefix)?;
        self.is_for_the_kernel(route).then_some(error)
    }

    /// The route of another program from which a local route was learned.
    pub fn learned_from(&self, route: &Route) -> Option<&ForeignRoute> {
        match route.source {
            RouteSource::Local(id) => self.learning.foreign(route.prefix, id),
            RouteSource::Peer(..) => None,
        }
    }

    /// Whether this route is the one in the kernel, provided that it is the first route of its prefix.
    pub fn is_in_kernel(&self, route: &Route) -> bool {
        let from_peer = matches!(route.source, RouteSource::Peer(..));
        self.is_for_the_kernel(route)
            && from_peer == self.wanted.contains_key(&route.prefix)
            && self.is_installed(route.prefix)
    }

    /// How many of our routes are in the kernel.
    pub fn kernel_count(&self, family: Family) -> usize {
        let own = self.plan.own.keys();
        let own = own.filter(|prefix| !self.wanted.contains_key(prefix));
        let all = self.wanted.keys().chain(own);
        all.filter(|prefix| family_of(**prefix) == family && self.is_installed(**prefix))
            .count()
    }

    /// Where the packets of a route that [`State::is_in_kernel`] go, with all next hops of equal routes (ECMP).
    pub fn next_hops_in_kernel(&self, route: &Route) -> NextHops {
        let Some(wanted) = self.wanted.get(&route.prefix) else {
            return self.next_hops(route);
        };
        let mut gateways = Vec::new();
        for next_hop in &wanted.next_hops {
            if let NextHops::Via(more) = self.gateways(next_hop.address()) {
                gateways.extend(more);
            }
        }
        match gateways.is_empty() {
            true => NextHops::Unreachable,
            false => NextHops::Via(gateways),
        }
    }

    fn is_installed(&self, prefix: IpNet) -> bool {
        let wanted = match self.wanted.get(&prefix) {
            Some(route) => self.installed(prefix, route).next().is_some(),
            None => self.plan.own.contains_key(&prefix),
        };
        wanted && !self.refused.contains_key(&prefix)
    }

    /// Whether we write the route into the kernel; other routes were learned from it.
    fn is_for_the_kernel(&self, route: &Route) -> bool {
        let learned = |id| self.learning.has_told(route.prefix, id);
        !matches!(route.source, RouteSource::Local(id) if learned(id))
    }

    fn gateways(&self, next_hop: IpAddr) -> NextHops {
        let Some(way) = self.path_to(next_hop) else {
            return NextHops::Unreachable;
        };
        let gateways = way.hops.into_iter().map(|hop| Gateway {
            address: hop.gateway.unwrap_or(next_hop),
            interface: hop.interface,
        });
        NextHops::Via(gateways.collect())
    }
}

impl From<&ForeignKind> for NextHops {
    fn from(kind: &ForeignKind) -> Self {
        let gateway = |hop: &ForeignHop| {
            Some(Gateway {
                address: hop.gateway?,
                interface: hop.interface.clone(),
            })
        };
        match kind {
            ForeignKind::Blackhole => Self::Blackhole,
            ForeignKind::Unreachable | ForeignKind::Prohibit => Self::Unreachable,
            ForeignKind::Unicast(hops) => match hops.iter().find(|hop| hop.gateway.is_none()) {
                Some(hop) => Self::Device(hop.interface.clone()),
                None => Self::Via(hops.iter().filter_map(gateway).collect()),
            },
        }
    }
}
