//! Own blocks, announced instead of the single addresses of workloads.

use bgp_core::types::family_of;
use ipnet::IpNet;

use super::cluster::Cluster;
use super::export::Sourced;
use super::originated::{Originated, RouteOrigin};
use crate::resources::{AffinityState, AffinityType, BlockAffinitySpec};

/// The blocks of this node.
pub(super) struct Blocks {
    /// Announced and aggregated, by prefix.
    pub(super) aggregated: Vec<Sourced>,
    /// Announced but about to be released, so that each prefix inside is announced or not by itself.
    leaving: Vec<IpNet>,
}

impl Blocks {
    /// Prefixes to originate, without single addresses: the workload has its own route.
    pub(super) fn originated(&self) -> impl Iterator<Item = Originated> {
        let aggregated = self.aggregated.iter().map(|block| block.prefix);
        aggregated
            .chain(self.leaving.iter().copied())
            .filter(|prefix| prefix.prefix_len() < family_of(*prefix).max_prefix_len())
            .map(|prefix| Originated {
                prefix,
                origin: RouteOrigin::Block,
            })
    }
}

/// The blocks of this node: its affinities, or its pod CIDRs if those are used instead.
pub(super) fn own_blocks(cluster: &Cluster<'_>) -> Blocks {
    let mut blocks = match cluster.environment.has_pod_cidrs() {
        true => pod_cidrs(cluster),
        false => affinities(cluster),
    };
    blocks.aggregated.sort();
    blocks.aggregated.dedup_by_key(|block| block.prefix);
    let aggregated = &blocks.aggregated;
    blocks
        .leaving
        .retain(|leaving| !aggregated.iter().any(|block| block.prefix == *leaving));
    blocks.leaving.sort();
    blocks.leaving.dedup();
    blocks
}

fn affinities(cluster: &Cluster<'_>) -> Blocks {
    let mut blocks = Blocks {
        aggregated: Vec::new(),
        leaving: Vec::new(),
    };
    for affinity in cluster.resources.block_affinities() {
        let Some(prefix) = affinity.spec.cidr.map(|cidr| cidr.trunc()) else {
            continue;
        };
        match Claim::of(&affinity.spec, cluster.name) {
            Claim::Own => blocks.aggregated.push(Sourced {
                prefix,
                origin: "own block".into(),
            }),
            Claim::Leaving => blocks.leaving.push(prefix),
            Claim::OfNode | Claim::Virtual | Claim::Deleted | Claim::Pending => {}
        }
    }
    blocks
}

/// What a BlockAffinity means to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// The block is the node's.
    Own,
    /// The node's, but about to be released.
    Leaving,
    /// Not yet the node's.
    Pending,
    /// Another node's.
    OfNode,
    /// Not a node's.
    Virtual,
    /// Deleted.
    Deleted,
}

impl Claim {
    pub(super) fn of(spec: &BlockAffinitySpec, node: &str) -> Self {
        match spec.state {
            _ if spec.kind == AffinityType::Virtual => Self::Virtual,
            _ if spec.node != node => Self::OfNode,
            _ if spec.deleted => Self::Deleted,
            AffinityState::Confirmed => Self::Own,
            AffinityState::PendingDeletion => Self::Leaving,
            AffinityState::Pending => Self::Pending,
        }
    }
}

fn pod_cidrs(cluster: &Cluster<'_>) -> Blocks {
    let calico = cluster.resources.node(cluster.name);
    let kubernetes = cluster.resources.kubernetes_node(cluster.name);
    let cidrs = [calico, kubernetes]
        .into_iter()
        .flatten()
        .flat_map(|node| &node.status.pod_cidrs);
    Blocks {
        aggregated: cidrs
            .map(|cidr| Sourced {
                prefix: cidr.trunc(),
                origin: "own block".into(),
            })
            .collect(),
        leaving: Vec::new(),
    }
}
