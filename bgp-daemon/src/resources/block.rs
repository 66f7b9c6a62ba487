//! BlockAffinity and IPAMBlock: which parts of a pool belong to which node.

use std::collections::BTreeMap;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;

use super::check::Check;
use super::fault::Fault;
use super::metadata::Object;
use super::scalar;
use super::value_schema;

/// A node's claim to a block.
pub type BlockAffinity = Object<BlockAffinitySpec>;

/// The spec of a [`BlockAffinity`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct BlockAffinitySpec {
    /// The state of the claim.
    pub state: AffinityState,
    /// The node.
    pub node: String,
    /// The kind of owner.
    #[serde(rename = "type")]
    pub kind: AffinityType,
    /// The block. A document without one is refused.
    #[serde(deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<IpNet>")]
    pub cidr: Option<IpNet>,
    /// The claim is deleted. A text in the older API group, a boolean in the newer one.
    #[serde(deserialize_with = "scalar::boolean")]
    #[schemars(schema_with = "value_schema::truth")]
    pub deleted: bool,
}

/// The state of a claim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AffinityState {
    /// The block is the node's. Older versions leave the state empty.
    #[default]
    Confirmed,
    /// The block is not yet the node's.
    Pending,
    /// The block is about to be released.
    PendingDeletion,
}

/// The kind of owner of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
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

/// A block and the owners of its addresses.
pub type IpamBlock = Object<IpamBlockSpec>;

/// The spec of an [`IpamBlock`], without fields that only its writer needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct IpamBlockSpec {
    /// The block. A document without one is refused.
    #[serde(deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<IpNet>")]
    pub cidr: Option<IpNet>,
    /// `host:NODE`, `virtual:NAME`, or nothing.
    pub affinity: Option<String>,
    /// For each address the index of its owner in `attributes`; `None` is free.
    pub allocations: Vec<Option<usize>>,
    /// Free addresses, by their index in the block.
    pub unallocated: Vec<usize>,
    /// Owners.
    pub attributes: Vec<BlockAttribute>,
    /// The block is about to be deleted.
    #[serde(deserialize_with = "scalar::boolean")]
    #[schemars(schema_with = "value_schema::truth")]
    pub deleted: bool,
}

/// An owner of addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
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
