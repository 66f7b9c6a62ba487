//! The interfaces that have the node's own addresses, as the kernel says.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bgp_speaker::kernel::query::KernelQuery;
use ipnet::IpNet;

use crate::plan::{Environment, node_named};
use crate::resources::ResourceSet;

/// By own address. Addresses that the kernel does not have, and those of networks without another address, are left out.
pub(super) async fn of_own_addresses(
    resources: &ResourceSet,
    node: &str,
    environment: &Environment,
) -> BTreeMap<IpAddr, String> {
    let mut found = BTreeMap::new();
    let me = node_named(resources, environment, node);
    let (Some(me), Ok(mut query)) = (me, KernelQuery::open()) else {
        return found;
    };
    let networks = [me.ipv4.map(IpNet::V4), me.ipv6.map(IpNet::V6)];
    for network in networks.into_iter().flatten() {
        let own = network.addr();
        // The way to another address of the network goes by the interface.
        let Some(other) = network.hosts().find(|other| *other != own) else {
            continue;
        };
        if let Ok(way) = query.path(other, Some(own)).await
            && way.gateway.is_none()
            && let Some(interface) = way.interface
        {
            found.insert(own, interface.to_string());
        }
    }
    found
}
