//! The forwarding task's knowledge, for those who ask: where packets of a route go, and which routes are in the kernel.

use std::net::IpAddr;
use std::sync::Arc;

use bgp_core::rib::{Route, RouteSource};
use bgp_core::types::{Family, family_of};
use ipnet::IpNet;

use super::state::State;
use crate::kernel::{ForeignHop, ForeignKind, ForeignRoute, InstallError, Interface};

/// Where packets go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextHops {
    /// To one of these routers.
    Via(Vec<Gateway>),
    /// To whoever is on the link of this interface.
    Device(Arc<str>),
    /// Nowhere, without a word to the sender.
    Blackhole,
    /// Nowhere, and the sender is told.
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

    /// Where packets of a route go.
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

    /// Whether a route for a prefix is to be in the kernel.
    pub fn wants(&self, prefix: IpNet) -> bool {
        self.decide(prefix).is_some()
    }

    /// Whether the kernel has refused a route that was to be in it.
    pub fn is_refused(&self, route: &Route) -> bool {
        self.refusal(route).is_some()
    }

    /// Why a route that was to be in the kernel is not there.
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

    /// Whether a route is the one that is in the kernel, if it is the first of its prefix for which this is asked.
    pub fn is_in_kernel(&self, route: &Route) -> bool {
        let from_peer = matches!(route.source, RouteSource::Peer(..));
        self.is_for_the_kernel(route)
            && from_peer == self.wanted.contains_key(&route.prefix)
            && self.is_installed(route.prefix)
    }

    /// How many routes of ours are in the kernel.
    pub fn kernel_count(&self, family: Family) -> usize {
        let own = self.plan.own.keys();
        let own = own.filter(|prefix| !self.wanted.contains_key(prefix));
        let all = self.wanted.keys().chain(own);
        all.filter(|prefix| family_of(**prefix) == family && self.is_installed(**prefix))
            .count()
    }

    /// Where packets of a route that [`State::is_in_kernel`] go: of several equal ones, over all of them.
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

    /// Whether a route is ours to write into the kernel; the others come from there.
    fn is_for_the_kernel(&self, route: &Route) -> bool {
        let learned = |id| self.learning.has_told(route.prefix, id);
        !matches!(route.source, RouteSource::Local(id) if learned(id))
    }

    fn gateways(&self, next_hop: IpAddr) -> NextHops {
        let Some(way) = self.way_to(next_hop) else {
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
