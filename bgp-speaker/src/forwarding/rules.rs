//! The owner's rules and plan for forwarding.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use bgp_core::rib::{ForwardRoute, LocalRoute};
use bgp_core::types::{PerFamily, family_of};
use ipnet::IpNet;

use crate::kernel::resolve::NextHopPath;
use crate::kernel::{Device, ForeignRoute, KernelRoute};

/// Which routes of the RIB are written into the kernel, and which routes the RIB learns from the kernel. The default methods
/// write every route of a peer and learn nothing.
///
/// An object must always give the same answers. To change rules, replace the object: all routes of the family are then decided
/// again.
pub trait ForwardingRules: fmt::Debug + Send + Sync {
    /// How a peer's route is written with one of its next hops; `None` means not at all.
    fn install(&self, prefix: IpNet, route: &ForwardRoute, next_hop: IpAddr) -> Option<Install> {
        let _ = (prefix, route, next_hop);
        Some(Install::default())
    }

    /// The local route made of another program's route in the kernel; `None` learns nothing.
    fn learn(&self, prefix: IpNet, route: &ForeignRoute) -> Option<LocalRoute> {
        let _ = (prefix, route);
        None
    }

    /// The local route made of a connected network. The interfaces of the network are asked in order, and the first answer
    /// counts.
    fn learn_connected(&self, prefix: IpNet, interface: &str) -> Option<LocalRoute> {
        let _ = (prefix, interface);
        None
    }

    /// Whether this path to a next hop counts even though a peer announces a route to the next hop. By default a next hop is
    /// unreachable if the best route to it came from BGP: otherwise two BGP routes could depend on each other.
    fn always_reaches(&self, way: &NextHopPath) -> bool {
        let _ = way;
        false
    }
}

/// How a route is written into the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Install {
    /// The metric; `None` is the kernel's default.
    pub metric: Option<u32>,
    /// The tunnel device of the route. All next hops are on-link there.
    pub tunnel: Option<Device>,
}

/// Writes every route of a peer into the kernel and learns nothing from there.
#[derive(Clone, Copy, Debug, Default)]
pub struct InstallAll;

impl ForwardingRules for InstallAll {}

/// The owner's plan for forwarding.
#[derive(Clone, Debug)]
pub struct ForwardingPlan {
    /// The rules of each family, compared by identity.
    pub rules: PerFamily<Arc<dyn ForwardingRules>>,
    /// Routes of the owner. A peer's route to the same prefix replaces one of them.
    pub own: BTreeMap<IpNet, KernelRoute>,
    /// Gateways of next hops, overriding the kernel.
    pub gateways: BTreeMap<IpAddr, IpAddr>,
}

impl Default for ForwardingPlan {
    /// Writes every route of a peer into the kernel.
    fn default() -> Self {
        let rules: Arc<dyn ForwardingRules> = Arc::new(InstallAll);
        Self {
            rules: PerFamily {
                ipv4: Arc::clone(&rules),
                ipv6: rules,
            },
            own: BTreeMap::new(),
            gateways: BTreeMap::new(),
        }
    }
}

impl ForwardingPlan {
    /// Whether both plans have the same rules for the family of a prefix.
    pub(super) fn has_rules_of(&self, other: &Self, prefix: IpNet) -> bool {
        let family = family_of(prefix);
        Arc::ptr_eq(&self.rules[family], &other.rules[family])
    }

    /// Prefixes whose own route differs between two plans, including prefixes whose rules differ.
    pub(super) fn own_changed_since(&self, old: &Self) -> BTreeSet<IpNet> {
        let all = self.own.keys().chain(old.own.keys()).copied();
        all.filter(|prefix| {
            self.own.get(prefix) != old.own.get(prefix) || !self.has_rules_of(old, *prefix)
        })
        .collect()
    }

    /// The next hops whose gateway differs.
    pub(super) fn gateways_changed_since(&self, old: &Self) -> BTreeSet<IpAddr> {
        let all = self.gateways.keys().chain(old.gateways.keys()).copied();
        all.filter(|next_hop| self.gateways.get(next_hop) != old.gateways.get(next_hop))
            .collect()
    }
}
