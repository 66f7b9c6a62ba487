//! What goes from the BGP table into the kernel's routing table, and how.

use std::net::IpAddr;

use bgp_core::types::{Family, PerFamily, family_of};
use ipnet::IpNet;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::cluster::Cluster;
use super::services::ServiceRoutes;
use crate::resources::{EncapsulationMode, IpPoolSpec, ProgramClusterRoutes, RoutePriority};

/// The routes of one family to write into the kernel: everything except what these rules exclude.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelRules {
    /// Ranges of service addresses, which kube-proxy serves.
    pub reject_services: Vec<IpNet>,
    /// Next hops reached through WireGuard; Felix writes their routes.
    pub reject_next_hops: Vec<IpAddr>,
    /// Pools, ordered by their text; the first that contains a prefix decides.
    pub pools: Vec<PoolRule>,
    /// Our own network: other nodes in it need no tunnel in a pool with `CrossSubnet`.
    pub network: Option<IpNet>,
    /// Metric of routes without a priority.
    pub normal_priority: RoutePriority,
    /// Own blocks are pod CIDRs of a cluster without Calico: its CNI plugin has routes to all of them.
    pub leave_own_blocks: bool,
}

impl Default for KernelRules {
    fn default() -> Self {
        Self {
            reject_services: Vec::new(),
            reject_next_hops: Vec::new(),
            pools: Vec::new(),
            network: None,
            normal_priority: RoutePriority::NORMAL,
            leave_own_blocks: false,
        }
    }
}

/// Who writes routes of a pool into the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PoolRule {
    /// The pool.
    pub cidr: IpNet,
    /// Who writes the routes, and how.
    pub routing: PoolRouting,
}

/// Who writes routes of a pool into the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PoolRouting {
    /// Felix does.
    Felix,
    /// We do, without a tunnel.
    Direct,
    /// We do, through an IP-in-IP tunnel.
    Tunnel,
    /// We do, through an IP-in-IP tunnel if the next hop is outside our own network.
    TunnelAcrossSubnets,
}

/// A candidate route for the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CandidateRoute {
    /// Its prefix.
    pub prefix: IpNet,
    /// Its BGP next hop.
    pub next_hop: Option<IpAddr>,
    /// Its LOCAL_PREF.
    pub local_pref: Option<u32>,
    /// Where it comes from.
    pub source: CandidateSource,
}

/// Where a route comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CandidateSource {
    /// A peer.
    Peer,
    /// An own block, written as a blackhole.
    Block,
    /// An own service address. Never written: kube-proxy needs the packets.
    Service,
    /// The host route to a peer.
    ReachableBy,
}

/// Whether and how a route goes into the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KernelDecision {
    /// It does not.
    Skip,
    /// It does.
    Install {
        /// Its metric; `None` is the kernel's default.
        metric: Option<u32>,
        /// The tunnel device, if any.
        tunnel: Option<Tunnel>,
    },
}

/// Why a route does not go into the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeftOut {
    /// It is an own service address.
    Service,
    /// It lies in this range of service addresses.
    ServiceRange(IpNet),
    /// Its next hop is reached through WireGuard.
    WireGuard,
    /// It lies in this pool; Felix writes its routes.
    Pool(IpNet),
    /// It is a pod CIDR of this node; the CNI plugin writes its routes.
    PodCidr,
}

/// A tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tunnel {
    /// IP-in-IP, device `tunl0`; the next hop is on-link.
    Ipip,
}

impl KernelRules {
    /// Decides on a route.
    pub fn decide(&self, route: CandidateRoute) -> KernelDecision {
        if self.left_out(route).is_some() {
            return KernelDecision::Skip;
        }
        let tunnel = match self.pool_of(route.prefix).map(|pool| pool.routing) {
            Some(PoolRouting::Tunnel) => Some(Tunnel::Ipip),
            Some(PoolRouting::TunnelAcrossSubnets) if !self.is_near(route.next_hop) => {
                Some(Tunnel::Ipip)
            }
            Some(PoolRouting::TunnelAcrossSubnets | PoolRouting::Direct | PoolRouting::Felix)
            | None => None,
        };
        let is_learned = route.source == CandidateSource::Peer;
        KernelDecision::Install {
            metric: is_learned.then(|| self.metric(route.local_pref)),
            tunnel: tunnel.filter(|_| is_learned),
        }
    }

    /// Why a route does not go into the kernel; `None` if it does.
    pub fn left_out(&self, route: CandidateRoute) -> Option<LeftOut> {
        if route.source == CandidateSource::Service {
            return Some(LeftOut::Service);
        }
        if route.source == CandidateSource::Block && self.leave_own_blocks {
            return Some(LeftOut::PodCidr);
        }
        let mut services = self.reject_services.iter();
        if let Some(range) = services.find(|range| range.contains(&route.prefix)) {
            return Some(LeftOut::ServiceRange(*range));
        }
        let next_hop = route
            .next_hop
            .filter(|_| route.source == CandidateSource::Peer);
        if next_hop.is_some_and(|hop| self.reject_next_hops.contains(&hop)) {
            return Some(LeftOut::WireGuard);
        }
        let pool = self.pool_of(route.prefix)?;
        (pool.routing == PoolRouting::Felix).then_some(LeftOut::Pool(pool.cidr))
    }

    fn pool_of(&self, prefix: IpNet) -> Option<&PoolRule> {
        self.pools.iter().find(|pool| pool.cidr.contains(&prefix))
    }

    /// The metric for a LOCAL_PREF; values beyond those of any priority count as the best.
    fn metric(&self, local_pref: Option<u32>) -> u32 {
        match local_pref {
            Some(local_pref) => RoutePriority::MAX.saturating_sub(local_pref),
            None => self.normal_priority.0,
        }
    }

    fn is_near(&self, next_hop: Option<IpAddr>) -> bool {
        match (self.network, next_hop) {
            (Some(network), Some(hop)) => network.contains(&hop),
            _ => false,
        }
    }
}

/// Whether we write the routes of IP-in-IP pools.
pub(super) fn programs_ipip(cluster: &Cluster<'_>) -> bool {
    programs(cluster).0
}

/// Whether we write the routes of IP-in-IP pools, and those of pools without encapsulation.
fn programs(cluster: &Cluster<'_>) -> (bool, bool) {
    match cluster.global().program_cluster_routes.unwrap_or_default() {
        ProgramClusterRoutes::Enabled => (true, true),
        ProgramClusterRoutes::EnabledIPIPOnly => (true, false),
        ProgramClusterRoutes::EnabledNoEncapOnly => (false, true),
        ProgramClusterRoutes::Disabled => (false, false),
    }
}

/// The rules of both families.
pub(super) fn rules(cluster: &Cluster<'_>, services: &ServiceRoutes) -> PerFamily<KernelRules> {
    let of = |family| KernelRules {
        reject_services: services
            .ranges
            .iter()
            .copied()
            .filter(|net| family_of(*net) == family)
            .collect(),
        reject_next_hops: wireguard_nodes(cluster, family),
        pools: pools(cluster, family),
        network: match family {
            Family::Ipv4Unicast => cluster
                .me
                .as_ref()
                .and_then(|me| me.ipv4)
                .map(|net| net.trunc().into()),
            Family::Ipv6Unicast => None,
        },
        normal_priority: cluster.normal_priority(family),
        leave_own_blocks: cluster.environment.standalone,
    };
    PerFamily {
        ipv4: of(Family::Ipv4Unicast),
        ipv6: of(Family::Ipv6Unicast),
    }
}

/// Addresses of the other nodes that are reached through WireGuard.
fn wireguard_nodes(cluster: &Cluster<'_>, family: Family) -> Vec<IpAddr> {
    let me = cluster.me.as_ref();
    if me.and_then(|me| me.wireguard_address(family)).is_none() {
        return Vec::new();
    }
    let others = cluster
        .nodes()
        .iter()
        .filter(|(name, node)| **name != cluster.name && node.wireguard_address(family).is_some());
    let mut addresses: Vec<_> = others
        .filter_map(|(_, node)| node.address(family))
        .collect();
    addresses.sort();
    addresses
}

/// Who writes the routes of each pool. Without an IPv4 address near and far nodes cannot be told apart, so IPv4 is left alone.
fn pools(cluster: &Cluster<'_>, family: Family) -> Vec<PoolRule> {
    if family == Family::Ipv4Unicast && cluster.address(family).is_none() {
        return Vec::new();
    }
    let specs = cluster.resources.ip_pools().map(|pool| &pool.spec);
    let mut pools: Vec<PoolRule> = specs
        .filter_map(|spec| Some((spec, spec.cidr?.trunc())))
        .filter(|(_, cidr)| family_of(*cidr) == family)
        .map(|(spec, cidr)| PoolRule {
            cidr,
            routing: routing(spec, programs(cluster)),
        })
        // We have no IPv6 tunnels, so accepting an IPv6 pool would change nothing.
        .filter(|pool| family == Family::Ipv4Unicast || pool.routing == PoolRouting::Felix)
        .collect();
    pools.sort_by_cached_key(|pool| pool.cidr.to_string());
    pools
}

fn routing(pool: &IpPoolSpec, (ipip, no_encapsulation): (bool, bool)) -> PoolRouting {
    if pool.vxlan_mode != EncapsulationMode::Never {
        return PoolRouting::Felix;
    }
    let ipip_mode = match pool.cidr {
        Some(IpNet::V6(_)) => EncapsulationMode::Never,
        _ => pool.ipip_mode,
    };
    match ipip_mode {
        EncapsulationMode::Always if ipip => PoolRouting::Tunnel,
        EncapsulationMode::CrossSubnet if ipip => PoolRouting::TunnelAcrossSubnets,
        EncapsulationMode::Never if no_encapsulation => PoolRouting::Direct,
        EncapsulationMode::Always | EncapsulationMode::CrossSubnet | EncapsulationMode::Never => {
            PoolRouting::Felix
        }
    }
}

impl Serialize for KernelRules {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let rejected = self
            .pools
            .iter()
            .filter(|pool| pool.routing == PoolRouting::Felix);
        let accepted = self.pools.iter().filter_map(AcceptedPool::of);
        let mut object = to.serialize_struct("KernelRules", 5)?;
        object.serialize_field("rejectServicePrefixes", &self.reject_services)?;
        object.serialize_field(
            "rejectPools",
            &rejected.map(|pool| pool.cidr).collect::<Vec<_>>(),
        )?;
        object.serialize_field("acceptPools", &accepted.collect::<Vec<_>>())?;
        object.serialize_field("rejectNextHops", &self.reject_next_hops)?;
        object.serialize_field("normalRoutePriority", &self.normal_priority)?;
        object.end()
    }
}

#[derive(Serialize)]
struct AcceptedPool {
    cidr: IpNet,
    tunnel: &'static str,
}

impl AcceptedPool {
    fn of(pool: &PoolRule) -> Option<Self> {
        let tunnel = match pool.routing {
            PoolRouting::Felix => return None,
            PoolRouting::Direct => "none",
            PoolRouting::Tunnel => "always",
            PoolRouting::TunnelAcrossSubnets => "crossSubnet",
        };
        Some(Self {
            cidr: pool.cidr,
            tunnel,
        })
    }
}

#[cfg(test)]
mod tests;
