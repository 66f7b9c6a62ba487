//! What the owner of a speaker says of forwarding.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use bgp_core::rib::{ForwardRoute, LocalRoute};
use bgp_core::types::{PerFamily, family_of};
use ipnet::IpNet;

use crate::kernel::resolve::Resolution;
use crate::kernel::{Device, ForeignRoute, KernelRoute};

/// What of the RIB is written into the kernel, and what the RIB learns from there. The defaults write every route of a peer and learn
/// nothing.
///
/// Rules do not change: other rules are another object, and the routes of their family are decided again.
pub trait ForwardingRules: fmt::Debug + Send + Sync {
    /// How a route of a peer is written by one of its next hops; `None`: not at all.
    fn install(&self, prefix: IpNet, route: &ForwardRoute, next_hop: IpAddr) -> Option<Install> {
        let _ = (prefix, route, next_hop);
        Some(Install::default())
    }

    /// The local route that a route of another program in the kernel becomes; `None`: none.
    fn learn(&self, prefix: IpNet, route: &ForeignRoute) -> Option<LocalRoute> {
        let _ = (prefix, route);
        None
    }

    /// The local route that a connected network becomes, on the first of its interfaces for which there is one.
    fn learn_connected(&self, prefix: IpNet, interface: &str) -> Option<LocalRoute> {
        let _ = (prefix, interface);
        None
    }

    /// Whether this way to a next hop counts though a peer announces a route to the next hop. Otherwise a next hop is out of reach
    /// where the best route to it is one that BGP brought: routes must not come to lean on each other.
    fn always_reaches(&self, way: &Resolution) -> bool {
        let _ = way;
        false
    }
}

/// How a route goes into the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Install {
    /// Its metric; `None` is the kernel's default.
    pub metric: Option<u32>,
    /// The tunnel that it goes through, on which every next hop is on-link.
    pub tunnel: Option<Device>,
}

/// Writes every route of a peer into the kernel and learns nothing from there.
#[derive(Clone, Copy, Debug, Default)]
pub struct InstallAll;

impl ForwardingRules for InstallAll {}

/// What the owner of a speaker wants of forwarding.
#[derive(Clone, Debug)]
pub struct ForwardingPlan {
    /// The rules of each family, compared by identity.
    pub rules: PerFamily<Arc<dyn ForwardingRules>>,
    /// Routes of the owner. That of a peer to the same prefix takes the place of one.
    pub own: BTreeMap<IpNet, KernelRoute>,
    /// Next hops that are reached by a gateway, whatever the kernel says.
    pub gateways: BTreeMap<IpAddr, IpAddr>,
}

impl Default for ForwardingPlan {
    /// Every route of a peer is written into the kernel.
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
    /// Whether both have the same rules for the family of a prefix.
    pub(super) fn has_rules_of(&self, other: &Self, prefix: IpNet) -> bool {
        let family = family_of(prefix);
        Arc::ptr_eq(&self.rules[family], &other.rules[family])
    }

    /// The prefixes of which only one of two plans has an own route, or of which the routes differ; those whose rules differ
    /// included.
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
