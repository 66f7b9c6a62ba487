//! What the objects of a cluster say about one prefix: the rules of `services` and `blocks`, with reasons. Computed only on
//! request, not for each plan.

mod blocks;
mod claim;
mod peerings;
mod services;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

use bgp_core::types::{Family, family_of};
use ipnet::IpNet;

use super::cluster::Cluster;
use super::environment::Environment;
use crate::resources::ResourceSet;

pub use claim::{Claim, ClaimKind, ClaimStanding, Obstacle};

/// How many claims inside a prefix are listed.
const INSIDE: usize = 10;
/// How many objects are listed if none has a claim.
const NEAREST: usize = 3;

/// Everything that the objects of a cluster say about a prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// Claims to the prefix itself or to one that contains it; longest prefixes first.
    pub covering: Vec<Claim>,
    /// Claims to prefixes inside, up to a limit.
    pub inside: Vec<Claim>,
    /// How many prefixes inside are claimed.
    pub inside_count: usize,
    /// Objects with similar prefixes, the nearest first.
    pub nearest: Vec<(String, IpNet)>,
    /// The workload that has the address, if IPAM knows it.
    pub workload: Option<String>,
    /// For each object that gives nodes sessions, whom it selects.
    pub peerings: BTreeMap<String, String>,
    /// No range of service addresses is configured; a datastore may then omit services.
    pub without_services: bool,
}

/// The claims of a cluster's objects to a prefix, seen from a node.
pub fn claims(
    resources: &ResourceSet,
    node: &str,
    environment: &Environment,
    prefix: IpNet,
) -> Claims {
    let cluster = Cluster::new(resources, node, environment, &mut Vec::new());
    let overlaps = |other: IpNet| other.contains(&prefix) || prefix.contains(&other);
    let mut all = services::claims(&cluster, overlaps);
    all.extend(blocks::claims(&cluster, overlaps));
    all.extend(nodes(&cluster, overlaps));
    all.extend(blocks::pools(&cluster, overlaps));
    let (mut covering, mut inside): (Vec<Claim>, Vec<Claim>) = all
        .into_iter()
        .partition(|claim| claim.prefix.contains(&prefix));
    covering.sort_by_key(|claim| {
        let refused = matches!(claim.standing, ClaimStanding::Refused(_));
        (Reverse(claim.prefix.prefix_len()), claim.kind, refused)
    });
    inside.sort_by_key(|claim| (claim.kind, claim.prefix));
    let inside_count = inside.len();
    inside.truncate(INSIDE);
    Claims {
        nearest: match covering.is_empty() {
            true => nearest(&cluster, prefix),
            false => Vec::new(),
        },
        workload: blocks::workload(&cluster, prefix),
        peerings: peerings::peerings(resources),
        without_services: services::are_off(&cluster),
        covering,
        inside,
        inside_count,
    }
}

/// Addresses of nodes, which are never announced.
fn nodes(cluster: &Cluster<'_>, overlaps: impl Fn(IpNet) -> bool) -> Vec<Claim> {
    let named = cluster.nodes().iter().flat_map(|(name, node)| {
        let addresses = Family::ALL.into_iter();
        addresses.filter_map(move |family| Some((*name, node.address(family)?)))
    });
    let about = named.filter(|(_, address)| overlaps(IpNet::from(*address)));
    about
        .map(|(name, address)| node_claim(name, address))
        .collect()
}

fn node_claim(name: &str, address: IpAddr) -> Claim {
    let object = format!("Node/{name}");
    let text =
        "addresses of nodes are not announced: they are reached by the network between the nodes";
    Claim {
        kind: ClaimKind::Node,
        prefix: address.into(),
        text: format!("is the address of node {name}"),
        standing: ClaimStanding::Refused(vec![Obstacle::new(&object, "spec.bgp", text)]),
        object,
    }
}

/// The objects whose prefixes share the most bits with this one.
fn nearest(cluster: &Cluster<'_>, prefix: IpNet) -> Vec<(String, IpNet)> {
    let all = |_| true;
    let mut claims = services::claims(cluster, all);
    claims.extend(blocks::claims(cluster, all));
    claims.extend(blocks::pools(cluster, all));
    claims.retain(|claim| family_of(claim.prefix) == family_of(prefix));
    claims.sort_by_key(|claim| (Reverse(common_bits(claim.prefix, prefix)), claim.kind));
    let named = claims.into_iter().map(|claim| (claim.object, claim.prefix));
    named.take(NEAREST).collect()
}

fn common_bits(a: IpNet, b: IpNet) -> u32 {
    let shorter = u32::from(a.prefix_len().min(b.prefix_len()));
    let same = match (a.network(), b.network()) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        _ => 0,
    };
    same.min(shorter)
}
