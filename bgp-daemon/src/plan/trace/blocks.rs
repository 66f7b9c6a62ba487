//! Why this node announces a block of addresses or not, the pool of the block, and the owner of one of its addresses.

use std::net::IpAddr;

use ipnet::IpNet;

use super::super::blocks::Claim as Affinity;
use super::super::cluster::Cluster;
use super::super::services::is_single;
use super::claim::{Claim, ClaimKind, ClaimStanding, Obstacle};
use crate::resources::{BlockAffinity, IpPool, IpamBlock};

const USE_POD_CIDR: &str = "USE_POD_CIDR";

/// The claims of block affinities, of IPAM blocks without an affinity, and of pod CIDRs.
pub(super) fn claims(cluster: &Cluster<'_>, wanted: impl Fn(IpNet) -> bool) -> Vec<Claim> {
    let mut claims: Vec<Claim> = cluster
        .resources
        .block_affinities()
        .filter_map(|affinity| Some((affinity, affinity.spec.cidr?.trunc())))
        .filter(|(_, cidr)| wanted(*cidr))
        .map(|(affinity, cidr)| of_affinity(cluster, affinity, cidr))
        .collect();
    let blocks = cluster.resources.ipam_blocks();
    for block in blocks {
        let cidr = block.spec.cidr.map(|cidr| cidr.trunc());
        if let Some(cidr) = cidr.filter(|cidr| wanted(*cidr))
            && claims.iter().all(|claim| claim.prefix != cidr)
        {
            claims.push(of_ipam_block(cluster, block, cidr));
        }
    }
    if cluster.environment.has_pod_cidrs() {
        claims.extend(pod_cidrs(cluster, wanted));
    }
    claims
}

fn of_affinity(cluster: &Cluster<'_>, affinity: &BlockAffinity, cidr: IpNet) -> Claim {
    let object = format!("BlockAffinity/{}", affinity.metadata.name);
    let spec = &affinity.spec;
    let refused = |rule, text: String| {
        let obstacle = Obstacle::new(&object, rule, text);
        ClaimStanding::Refused(vec![obstacle])
    };
    let standing = match Affinity::of(spec, cluster.name) {
        Affinity::Virtual => refused(
            "spec.type",
            "the block is not for a node (type virtual)".to_owned(),
        ),
        Affinity::OfNode => refused(
            "spec.node",
            format!(
                "the block is node {}'s, which announces it; this node only passes on what it learns from peers",
                spec.node
            ),
        ),
        Affinity::Deleted => refused(
            "spec.deleted",
            "the affinity is void (deleted: true)".to_owned(),
        ),
        Affinity::Pending => refused(
            "spec.state",
            "the affinity is pending; the block is announced once it is confirmed".to_owned(),
        ),
        Affinity::Own | Affinity::Leaving if cluster.environment.has_pod_cidrs() => refused(
            USE_POD_CIDR,
            format!("{USE_POD_CIDR} is set: pod CIDRs are announced in place of block affinities"),
        ),
        Affinity::Own | Affinity::Leaving if is_single(&cidr) => refused(
            "spec.cidr",
            "a block of one address is announced by the route to its workload, and there is none"
                .to_owned(),
        ),
        Affinity::Own | Affinity::Leaving => ClaimStanding::Announced,
    };
    Claim {
        kind: ClaimKind::Block,
        prefix: cidr,
        text: format!("{cidr} is a block of node {} ({:?})", spec.node, spec.state),
        standing,
        object,
    }
}

fn of_ipam_block(cluster: &Cluster<'_>, block: &IpamBlock, cidr: IpNet) -> Claim {
    let object = format!("IPAMBlock/{}", block.metadata.name);
    let affinity = block.spec.affinity.as_deref();
    let text = match affinity.and_then(|affinity| affinity.strip_prefix("host:")) {
        Some(host) if host == cluster.name => {
            "the block is this node's by its affinity, but there is no BlockAffinity for it, and only those are announced".to_owned()
        }
        Some(host) => format!("the block is node {host}'s; this node only passes on what it learns from peers"),
        None => "the block belongs to no node".to_owned(),
    };
    Claim {
        kind: ClaimKind::Block,
        prefix: cidr,
        text: format!(
            "{cidr} is a block with affinity {}",
            affinity.unwrap_or("none")
        ),
        standing: ClaimStanding::Refused(vec![Obstacle::new(&object, "spec.affinity", text)]),
        object,
    }
}

fn pod_cidrs(cluster: &Cluster<'_>, wanted: impl Fn(IpNet) -> bool) -> Vec<Claim> {
    let nodes = cluster.resources.nodes();
    let nodes = nodes.chain(cluster.resources.kubernetes_nodes());
    let named = nodes.flat_map(|node| {
        let cidrs = node.status.pod_cidrs.iter();
        cidrs.map(|cidr| (node.metadata.name.as_str(), cidr.trunc()))
    });
    let wanted = named.filter(|(_, cidr)| wanted(*cidr));
    let mut claims: Vec<Claim> = wanted
        .map(|(name, cidr)| {
            let object = format!("Node/{name}");
            let text = format!("the pod CIDR is node {name}'s, which announces it");
            Claim {
                kind: ClaimKind::Block,
                prefix: cidr,
                text: format!("{cidr} is a pod CIDR of node {name}"),
                standing: match name == cluster.name {
                    true => ClaimStanding::Announced,
                    false => ClaimStanding::Refused(vec![Obstacle::new(&object, "podCIDRs", text)]),
                },
                object,
            }
        })
        .collect();
    // The same node may be in both APIs.
    claims.dedup();
    claims
}

/// The pools.
pub(super) fn pools(cluster: &Cluster<'_>, wanted: impl Fn(IpNet) -> bool) -> Vec<Claim> {
    let pools = cluster.resources.ip_pools();
    let pools = pools.filter_map(|pool| Some((pool, pool.spec.cidr?.trunc())));
    let pools = pools.filter(|(_, cidr)| wanted(*cidr));
    pools.map(|(pool, cidr)| of_pool(pool, cidr)).collect()
}

fn of_pool(pool: &IpPool, cidr: IpNet) -> Claim {
    let object = format!("IPPool/{}", pool.metadata.name);
    let (obstacle, exports) = match pool.spec.disable_bgp_export {
        true => (
            Obstacle::new(
                &object,
                "disableBGPExport",
                format!(
                    "{object} has disableBGPExport: true, and nothing in {cidr} is announced; false would let it out"
                ),
            ),
            ", disableBGPExport: true",
        ),
        false => (
            Obstacle {
                object: object.clone(),
                rule: None,
                text: format!(
                    "{object} ({cidr}) contains it, but a pool is not announced itself: nodes announce their blocks of it, and no such block or route is known here"
                ),
            },
            "",
        ),
    };
    Claim {
        kind: ClaimKind::Pool,
        prefix: cidr,
        text: format!("{cidr} is a pool{exports}"),
        standing: ClaimStanding::Refused(vec![obstacle]),
        object,
    }
}

/// The owner of an address according to IPAM; `None` for a longer range.
pub(super) fn workload(cluster: &Cluster<'_>, prefix: IpNet) -> Option<String> {
    if !is_single(&prefix) {
        return None;
    }
    let mut blocks = cluster.resources.ipam_blocks();
    let block = blocks.find(|block| block.spec.cidr.is_some_and(|cidr| cidr.contains(&prefix)))?;
    let place = place_in(block.spec.cidr?, prefix.addr())?;
    let owner = (*block.spec.allocations.get(place)?)?;
    let owner = block.spec.attributes.get(owner)?;
    let known = |key| owner.secondary.get(key).map(String::as_str);
    Some(match (known("pod"), known("namespace"), known("node")) {
        (Some(pod), namespace, node) => format!(
            "pod {}/{pod} on node {}",
            namespace.unwrap_or_default(),
            node.unwrap_or_default()
        ),
        (None, _, node) => format!(
            "{} on node {}",
            owner.handle_id.as_deref().unwrap_or("something"),
            node.unwrap_or_default()
        ),
    })
}

/// The index of an address in its block.
fn place_in(block: IpNet, address: IpAddr) -> Option<usize> {
    match (block.network(), address) {
        (IpAddr::V4(first), IpAddr::V4(address)) => {
            usize::try_from(address.to_bits().checked_sub(first.to_bits())?).ok()
        }
        (IpAddr::V6(first), IpAddr::V6(address)) => {
            usize::try_from(address.to_bits().checked_sub(first.to_bits())?).ok()
        }
        _ => None,
    }
}
