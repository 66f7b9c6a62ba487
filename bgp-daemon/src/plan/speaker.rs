//! Settings of the speaker as a whole: router ID, listen addresses, interfaces, communities.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use bgp_core::types::{Family, PerFamily, RouterId, family_of};
use sha2::{Digest, Sha256};

use super::cluster::Cluster;
use super::model::AdvertisedCommunities;
use crate::resources::{
    BgpConfiguration, BindMode, CommunityValue, PrefixAdvertisement, Problem, is_ignorable,
};

/// The BGP identifier, for both families: from the environment, otherwise our IPv4 address.
pub(super) fn router_id(cluster: &Cluster<'_>, problems: &mut Vec<Problem>) -> Option<RouterId> {
    let own = cluster
        .me
        .as_ref()
        .and_then(|me| me.ipv4)
        .map(|net| net.addr());
    let id = match cluster.environment.router_id.as_deref() {
        None => own,
        Some("hash") => Some(hashed(cluster.name)),
        Some(text) => match text.parse() {
            Ok(id) => Some(id),
            Err(_) => {
                let reason =
                    format!("CALICO_ROUTER_ID: expected an IPv4 address or hash, found {text:?}");
                problems.push(Problem::error(format!("Node/{}", cluster.name), reason));
                own
            }
        },
    };
    if id.is_none() && cluster.me.is_some() {
        let reason = "has no IPv4 address to take the BGP identifier from; set CALICO_ROUTER_ID";
        problems.push(Problem::error(format!("Node/{}", cluster.name), reason));
    }
    id.map(RouterId)
}

/// The first octets of the SHA-256 of a node's name, limited to addresses below the multicast range.
fn hashed(name: &str) -> Ipv4Addr {
    let digest = Sha256::digest(name.as_bytes());
    let first = match digest[0] {
        octet @ 224.. => octet - 32,
        octet => octet,
    };
    Ipv4Addr::new(first, digest[1], digest[2], digest[3])
}

/// The address to listen on, if not any.
pub(super) fn listen_address(cluster: &Cluster<'_>) -> PerFamily<Option<IpAddr>> {
    if cluster.global().bind_mode != Some(BindMode::NodeIP) {
        return PerFamily::default();
    }
    addresses(cluster)
}

/// This node's own addresses.
pub(super) fn addresses(cluster: &Cluster<'_>) -> PerFamily<Option<IpAddr>> {
    PerFamily {
        ipv4: cluster.address(Family::Ipv4Unicast),
        ipv6: cluster.address(Family::Ipv6Unicast),
    }
}

/// Interfaces without direct routes: configured ones, workloads, kube-proxy.
pub(super) fn ignored_interfaces(cluster: &Cluster<'_>) -> Vec<String> {
    let global = cluster.global();
    let configured = global
        .ignored_interfaces
        .iter()
        .filter(|name| is_ignorable(name));
    let fixed = ["cali*", "kube-ipvs*"].map(str::to_owned);
    configured.cloned().chain(fixed).collect()
}

/// Communities to add on export. For each family this node's own configuration replaces the global one.
pub(super) fn communities(
    cluster: &Cluster<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<AdvertisedCommunities> {
    let mut all = Vec::new();
    for family in Family::ALL {
        let is_of_family = |entry: &&PrefixAdvertisement| family_of(entry.cidr) == family;
        let configuration = cluster.configurations().find(|c| {
            c.spec
                .prefix_advertisements
                .iter()
                .any(|entry| is_of_family(&entry))
        });
        if let Some(configuration) = configuration {
            let entries = configuration.spec.prefix_advertisements.iter();
            all.extend(
                entries
                    .filter(is_of_family)
                    .map(|entry| resolve(configuration, entry, problems)),
            );
        }
    }
    all.retain(|entry| !entry.communities.is_empty());
    all.sort();
    all.dedup();
    all
}

fn resolve(
    configuration: &BgpConfiguration,
    entry: &PrefixAdvertisement,
    problems: &mut Vec<Problem>,
) -> AdvertisedCommunities {
    let resource = format!("BGPConfiguration/{}", configuration.metadata.name);
    let names: BTreeMap<&str, CommunityValue> = configuration
        .spec
        .communities
        .iter()
        .map(|named| (named.name.as_str(), named.value))
        .collect();
    let mut values = BTreeSet::new();
    for community in &entry.communities {
        let named = names.get(community.as_str()).copied();
        match named.or_else(|| community.parse().ok()) {
            Some(value) => drop(values.insert(value)),
            None => {
                let reason = format!("{community} is neither a community nor the name of one");
                problems.push(
                    Problem::warning(&resource, reason).at_field("spec.prefixAdvertisements"),
                );
            }
        }
    }
    AdvertisedCommunities {
        cidr: entry.cidr.trunc(),
        communities: values.into_iter().collect(),
        resource,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise 2.1.
    #[test]
    fn the_hash_of_a_name_is_no_multicast_address() {
        assert_eq!(hashed("kube-master"), Ipv4Addr::new(25, 79, 212, 8));
        let names = (0..200).map(|n| format!("node-{n}"));
        assert!(
            names
                .map(|name| hashed(&name))
                .all(|id| id.octets()[0] < 224)
        );
    }
}
