//! What is announced after a peer's filters: the same for every peer, except for interfaces that are withheld from internal ones.

use bgp_core::types::{Family, PerFamily, family_of};
use ipnet::IpNet;
use serde::{Serialize, Serializer};

use super::cluster::Cluster;
use super::kernel::programs_ipip;
use super::services::ServiceRoutes;

/// A prefix and the object it comes from. In JSON the prefix alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sourced {
    /// The prefix.
    pub prefix: IpNet,
    /// For people, such as `IPPool/default`.
    pub origin: String,
}

impl Serialize for Sourced {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.prefix.serialize(to)
    }
}

/// What is announced of one family, in this order: rejected prefixes, then (to internal peers) routes through rejected
/// interfaces, then own blocks, then accepted prefixes. The rest is not announced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportRules {
    /// Prefixes inside these are not announced.
    pub reject_prefixes: Vec<Sourced>,
    /// Prefixes inside these are announced.
    pub accept_prefixes: Vec<Sourced>,
    /// Routes through these are not announced to internal peers.
    pub internal_reject_interfaces: Vec<String>,
}

/// Devices of VXLAN and WireGuard: the other nodes have their own routes to those destinations.
const TUNNELS: [&str; 2] = ["*.cali", "*.calico"];
/// The device of IP-in-IP.
pub(super) const IPIP_DEVICE: &str = "tunl0";

/// The rules of both families.
pub(super) fn rules(cluster: &Cluster<'_>, services: &ServiceRoutes) -> PerFamily<ExportRules> {
    let mut all = PerFamily::<ExportRules>::default();
    for pool in cluster.resources.ip_pools() {
        let Some(cidr) = pool.spec.cidr.map(|cidr| cidr.trunc()) else {
            continue;
        };
        let name = &pool.metadata.name;
        let rules = &mut all[family_of(cidr)];
        match pool.spec.disable_bgp_export {
            true => rules.reject_prefixes.push(Sourced {
                prefix: cidr,
                origin: format!("IPPool/{name} disableBGPExport"),
            }),
            false => rules.accept_prefixes.push(Sourced {
                prefix: cidr,
                origin: format!("IPPool/{name}"),
            }),
        }
    }
    for prefix in &services.announced {
        let origin = "advertised service".to_owned();
        let prefix = *prefix;
        all[family_of(prefix)]
            .accept_prefixes
            .push(Sourced { prefix, origin });
    }
    if cluster.cluster_id().is_some() {
        reflected_services(cluster, &mut all);
    }
    let mut interfaces = TUNNELS.map(str::to_owned).to_vec();
    if !programs_ipip(cluster) {
        interfaces.push(IPIP_DEVICE.into());
    }
    for family in Family::ALL {
        let rules = &mut all[family];
        rules.internal_reject_interfaces.clone_from(&interfaces);
        for list in [&mut rules.reject_prefixes, &mut rules.accept_prefixes] {
            list.sort();
            list.dedup_by_key(|rule| rule.prefix);
        }
    }
    all
}

/// A route reflector passes on the service addresses of other nodes.
fn reflected_services(cluster: &Cluster<'_>, all: &mut PerFamily<ExportRules>) {
    let global = cluster.global();
    for (blocks, field) in [
        (&global.service_load_balancer_ips, "serviceLoadBalancerIPs"),
        (&global.service_external_ips, "serviceExternalIPs"),
    ] {
        for cidr in blocks.iter().filter_map(|block| block.cidr) {
            all[family_of(cidr)].accept_prefixes.push(Sourced {
                prefix: cidr.trunc(),
                origin: format!("BGPConfiguration/default {field} on a route reflector"),
            });
        }
    }
}
