//! The state on which decisions about the kernel's table are based.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use bgp_core::rib::ForwardRoute;
use bgp_core::types::{PerFamily, family_of};
use ipnet::IpNet;

use super::due::{Due, Step};
use super::learning::Learning;
use super::rules::{ForwardingPlan, Install};
use super::wanted::{ByPrefix, Wanted};
use crate::kernel::resolve::{NextHopPath, Resolver};
use crate::kernel::{Device, ForeignRoute, Hop, InstallError, Interface, KernelRoute, RouteKind};

/// The state of the forwarding task.
#[derive(Debug, Default)]
pub struct State {
    pub(super) plan: ForwardingPlan,
    pub(super) wanted: Wanted,
    pub(super) resolver: Resolver,
    pub(super) learning: Learning,
    pub(super) interfaces: BTreeMap<u32, Interface>,
    /// Default routes of other programs.
    pub(super) default_routes: PerFamily<Vec<ForeignRoute>>,
    pub(super) due: Due,
    /// Prefixes whose route is wanted but not in the kernel, with the reason.
    pub(super) refused: BTreeMap<IpNet, InstallError>,
    /// The initial state of the kernel is known. Nothing is decided earlier: routes of the last run still carry traffic and must
    /// not be replaced without full knowledge.
    pub(super) synced: bool,
}

impl State {
    /// Takes in routes of the RIB; returns the watched next hops that they cover.
    pub(super) fn take_in(
        &mut self,
        routes: ByPrefix<Option<Arc<ForwardRoute>>>,
    ) -> BTreeSet<IpAddr> {
        let mut covered = BTreeSet::new();
        for (prefix, route) in routes {
            covered.extend(self.watched_in(prefix));
            match route {
                Some(route) => self.wanted.insert(prefix, route),
                None => self.wanted.remove(&prefix),
            }
            self.due.push(Step::Route(prefix));
        }
        covered
    }

    /// Whether the initial state of the kernel is known, and what is learned from it was told to the RIB.
    pub fn is_synced(&self) -> bool {
        self.synced
    }

    /// The prefixes to decide again under this plan. If the rules of a family changed, all prefixes of the family.
    pub(super) fn prefixes_changed_since(&self, old: &ForwardingPlan) -> BTreeSet<IpNet> {
        let mut changed = self.plan.own_changed_since(old);
        let learned = self.wanted.keys().copied();
        changed.extend(learned.filter(|prefix| !self.plan.has_rules_of(old, *prefix)));
        changed
    }

    /// The route that a prefix should have in the kernel.
    pub(super) fn decide(&self, prefix: IpNet) -> Option<KernelRoute> {
        match self.wanted.get(&prefix) {
            Some(route) => self.learned(prefix, route),
            None => self.plan.own.get(&prefix).cloned(),
        }
    }

    fn learned(&self, prefix: IpNet, route: &ForwardRoute) -> Option<KernelRoute> {
        let (mut hops, mut metric, mut allowed) = (Vec::new(), None, false);
        for (next_hop, install) in self.installed(prefix, route) {
            allowed = true;
            metric = metric.or(install.metric);
            match install.tunnel {
                // The outer packet needs a route too.
                Some(tunnel) => hops.extend(
                    self.path_to(next_hop)
                        .map(|_| Hop::gateway(next_hop).dev(tunnel).onlink()),
                ),
                None => hops.extend(self.hops_towards(next_hop)),
            }
        }
        let kind = match (allowed, hops.is_empty()) {
            (false, _) => return None,
            // With a better metric the standby route would replace the active one.
            (true, true) if route.standby => return None,
            (true, true) => RouteKind::Unreachable,
            (true, false) => RouteKind::Unicast { next_hops: hops },
        };
        Some(KernelRoute { metric, kind })
    }

    /// The next hops with which the rules allow a peer's route into the kernel.
    pub(super) fn installed(
        &self,
        prefix: IpNet,
        route: &ForwardRoute,
    ) -> impl Iterator<Item = (IpAddr, Install)> {
        let rules = &self.plan.rules[family_of(prefix)];
        let next_hops = route.next_hops.iter().map(|next_hop| next_hop.address());
        next_hops
            .filter_map(move |next_hop| Some((next_hop, rules.install(prefix, route, next_hop)?)))
    }

    /// The path to a next hop. A gateway in the plan takes precedence.
    pub(super) fn path_to(&self, next_hop: IpAddr) -> Option<NextHopPath> {
        let Some(via) = self.plan.gateways.get(&next_hop).copied() else {
            return self.kernel_path_to(next_hop);
        };
        let mut way = self.kernel_path_to(via)?;
        for hop in &mut way.hops {
            hop.gateway.get_or_insert(via);
        }
        Some(NextHopPath {
            prefix: next_hop.into(),
            direct: false,
            ..way
        })
    }

    /// The kernel's path to a next hop. A path over a BGP route does not count, unless the rules allow it: the answer decides
    /// which BGP routes win, so it must not depend on which of them wins.
    fn kernel_path_to(&self, next_hop: IpAddr) -> Option<NextHopPath> {
        let way = self.resolver.resolve(next_hop)?;
        let address = IpNet::from(next_hop);
        if self.plan.rules[family_of(address)].always_reaches(&way) {
            return Some(way);
        }
        let mut covering = Some(address).filter(|_| !self.wanted.is_empty());
        while let Some(net) = covering.filter(|net| net.prefix_len() >= way.prefix.prefix_len()) {
            if self.wanted.contains_key(&net) {
                return None;
            }
            covering = net.supernet();
        }
        Some(way)
    }

    pub(super) fn watch(&mut self, next_hop: IpAddr, wanted: bool) {
        if wanted {
            self.resolver.watch(next_hop);
        } else {
            self.resolver.unwatch(&next_hop);
        }
    }

    /// The watched next hops inside a prefix.
    pub(super) fn watched_in(&self, prefix: IpNet) -> impl Iterator<Item = IpAddr> {
        self.resolver.watched(prefix.network()..=prefix.broadcast())
    }

    fn hops_towards(&self, next_hop: IpAddr) -> Vec<Hop> {
        let way = self.path_to(next_hop);
        let hops = way.into_iter().flat_map(|way| way.hops);
        hops.map(|hop| Hop {
            gateway: Some(hop.gateway.unwrap_or(next_hop)),
            device: Some(Device::Index(hop.index)),
            onlink: false,
            weight: 1,
        })
        .collect()
    }

    /// The interface of the first hop of a path.
    pub(super) fn interface_of(way: &NextHopPath) -> Option<Arc<str>> {
        way.hops.first().map(|hop| Arc::clone(&hop.interface))
    }
}
