//! BlockAffinity and IPAMBlock: which parts of a pool belong to which node.

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::Deserialize;

use super::check::Check;
use super::fault::Fault;
use super::metadata::Object;
use super::scalar;

/// A node's claim to a block.
pub type BlockAffinity = Object<BlockAffinitySpec>;

/// What a [`BlockAffinity`] says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct BlockAffinitySpec {
    /// How far the claim has come.
    pub state: AffinityState,
    /// The node.
    pub node: String,
    /// What it is claimed for.
    #[serde(rename = "type")]
    pub kind: AffinityType,
    /// The block. A document without one is refused.
    #[serde(deserialize_with = "scalar::optional")]
    pub cidr: Option<IpNet>,
    /// The claim is void. A text in the older API group, a boolean in the newer one.
    #[serde(deserialize_with = "scalar::boolean")]
    pub deleted: bool,
}

/// How far a claim has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AffinityState {
    /// The block is the node's; also what older versions meant by nothing.
    #[default]
    Confirmed,
    /// It is not yet.
    Pending,
    /// It is about to be given back.
    PendingDeletion,
}

/// What a block is claimed for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AffinityType {
    /// A node.
    #[default]
    Host,
    /// Something else, such as a load balancer.
    Virtual,
}

impl Check for BlockAffinitySpec {
    fn check(&self, faults: &mut Vec<Fault>) {
        if self.cidr.is_none() {
            faults.push(Fault::error("spec.cidr", "is required"));
        }
        if self.node.is_empty() {
            faults.push(Fault::error("spec.node", "is required"));
        }
    }
}

/// A block and who has its addresses.
pub type IpamBlock = Object<IpamBlockSpec>;

/// What an [`IpamBlock`] says; fields that only its writer needs are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IpamBlockSpec {
    /// The block. A document without one is refused.
    #[serde(deserialize_with = "scalar::optional")]
    pub cidr: Option<IpNet>,
    /// `host:NODE`, `virtual:NAME`, or nothing.
    pub affinity: Option<String>,
    /// For each address the place of its owner in `attributes`; `None` is free.
    pub allocations: Vec<Option<usize>>,
    /// Free addresses, by their places in the block.
    pub unallocated: Vec<usize>,
    /// Owners.
    pub attributes: Vec<BlockAttribute>,
    /// It is about to vanish.
    #[serde(deserialize_with = "scalar::boolean")]
    pub deleted: bool,
}

/// An owner of addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct BlockAttribute {
    /// Its handle.
    #[serde(alias = "primary")]
    pub handle_id: Option<String>,
    /// Pod, namespace, node and type.
    pub secondary: BTreeMap<String, String>,
}

impl Check for IpamBlockSpec {
    fn check(&self, faults: &mut Vec<Fault>) {
        if self.cidr.is_none() {
            faults.push(Fault::error("spec.cidr", "is required"));
        }
    }
}
