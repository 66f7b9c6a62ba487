//! What the forwarding task knows, for those who ask: the way that routes take, and what is in the kernel.

use std::net::IpAddr;

use bgp_core::rib::{Route, RouteSource};
use bgp_core::types::{Family, family_of};
use ipnet::IpNet;
use tokio::sync::{mpsc, oneshot};

use super::super::{DIRECT, KERNEL};
use super::{Order, State};
use crate::control::model::{Gateway, NextHops};
use crate::kernel::{ForeignHop, ForeignKind, Interface};

/// A question to the forwarding task.
pub(in crate::agent) type Question = Box<dyn FnOnce(&State) + Send>;

/// Lets a function look at what the forwarding task knows, if it runs. It holds the task up for as long as it runs.
pub(in crate::agent) async fn look<T: Send + 'static>(
    orders: Option<&mpsc::Sender<Order>>,
    look: impl FnOnce(&State) -> T + Send + 'static,
) -> Option<T> {
    let (reply, answer) = oneshot::channel();
    let question: Question = Box::new(move |state| {
        // Whoever asked may have gone.
        reply.send(look(state)).ok();
    });
    orders?.send(Order::Look(question)).await.ok()?;
    answer.await.ok()
}

impl State {
    /// All interfaces.
    pub(in crate::agent) fn interfaces(&self) -> impl Iterator<Item = &Interface> {
        self.interfaces.values()
    }

    /// Where packets of a route go.
    pub(in crate::agent) fn next_hops(&self, route: &Route) -> NextHops {
        if route.source == RouteSource::Local(KERNEL.id)
            && let Some(foreign) = self.resolver.foreign(route.prefix)
        {
            return NextHops::from(&foreign.kind);
        }
        match (route.next_hop, &route.interface) {
            (Some(next_hop), _) => self.gateways(next_hop.address()),
            (None, Some(interface)) => NextHops::Device(interface.clone()),
            (None, None) => NextHops::Blackhole,
        }
    }

    /// Whether the kernel has refused a route that was to stand in it.
    pub(in crate::agent) fn is_refused(&self, route: &Route) -> bool {
        is_for_the_kernel(route) && self.refused.contains(&route.prefix)
    }

    /// Whether a route is the one that stands in the kernel, if it is the first of its prefix for which this is asked.
    pub(in crate::agent) fn is_in_kernel(&self, route: &Route) -> bool {
        let from_peer = matches!(route.source, RouteSource::Peer(..));
        is_for_the_kernel(route)
            && from_peer == self.wanted.contains_key(&route.prefix)
            && self.stands(route.prefix)
    }

    /// How many routes stand in the kernel.
    pub(in crate::agent) fn kernel_count(&self, family: Family) -> usize {
        let own = self.plan.originated.keys();
        let hosts = self.plan.reachable_by.keys();
        let own = own.filter(|prefix| !self.wanted.contains_key(prefix));
        let hosts = hosts.filter(|prefix| {
            !self.wanted.contains_key(prefix) && !self.plan.originated.contains_key(prefix)
        });
        let all = self.wanted.keys().chain(own).chain(hosts);
        all.filter(|prefix| family_of(**prefix) == family && self.stands(**prefix))
            .count()
    }

    /// Where packets of a route that [`State::is_in_kernel`] go: of several equal ones, over all of them.
    pub(in crate::agent) fn next_hops_in_kernel(&self, route: &Route) -> NextHops {
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

    fn stands(&self, prefix: IpNet) -> bool {
        let rules = &self.plan.rules[family_of(prefix)];
        let wanted = match self.wanted.get(&prefix) {
            Some(route) => super::installed(rules, prefix, route).next().is_some(),
            None => self.own(rules, prefix).is_some(),
        };
        wanted && !self.refused.contains(&prefix)
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

/// Whether it is ours to write into the kernel; the others come from there.
fn is_for_the_kernel(route: &Route) -> bool {
    !matches!(route.source, RouteSource::Local(id) if id == KERNEL.id || id == DIRECT.id)
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
