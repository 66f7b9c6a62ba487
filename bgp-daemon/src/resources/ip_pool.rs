//! IPPool and IPReservation: the sources of workload addresses.

use std::net::IpAddr;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;

use super::check::{Check, Tolerance};
use super::fault::Fault;
use super::metadata::Object;
use super::scalar;
use super::selector::Selector;
use super::value_schema;

/// A range of workload addresses.
pub type IpPool = Object<IpPoolSpec>;

/// The spec of an [`IpPool`]. Field names and meaning are those of Calico's API.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct IpPoolSpec {
    /// The range. A document without one is rejected.
    #[serde(deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<IpNet>")]
    pub cidr: Option<IpNet>,
    /// Whether traffic between nodes goes through VXLAN.
    pub vxlan_mode: EncapsulationMode,
    /// Whether traffic between nodes goes through IP-in-IP. Ignored with VXLAN, and in an IPv6 pool.
    pub ipip_mode: EncapsulationMode,
    /// Whether traffic leaving the cluster is masqueraded.
    pub nat_outgoing: bool,
    /// No new addresses are assigned from it. BGP ignores this.
    pub disabled: bool,
    /// Prefixes inside it are not announced.
    #[serde(rename = "disableBGPExport")]
    pub disable_bgp_export: bool,
    /// Length of the blocks assigned to nodes.
    pub block_size: Option<u8>,
    /// Selects the nodes that may use it.
    #[serde(deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<Selector>")]
    pub node_selector: Option<Selector>,
    /// Selects the namespaces that may use it.
    #[serde(deserialize_with = "scalar::optional")]
    #[schemars(schema_with = "value_schema::one::<Selector>")]
    pub namespace_selector: Option<Selector>,
    /// What it may be used for.
    pub allowed_uses: Vec<AllowedUse>,
    /// How addresses are assigned from it.
    pub assignment_mode: Option<AssignmentMode>,
}

/// When traffic between nodes is encapsulated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum EncapsulationMode {
    /// Not at all.
    #[default]
    Never,
    /// All of it.
    Always,
    /// Traffic to nodes of another network.
    CrossSubnet,
}

/// What a pool may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names are the API's own")]
pub enum AllowedUse {
    Workload,
    Tunnel,
    LoadBalancer,
}

/// How addresses are assigned from a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names are the API's own")]
pub enum AssignmentMode {
    Automatic,
    Manual,
}

impl Check for IpPoolSpec {
    /// Without `disableBGPExport`, routes that must not leave the node could be announced.
    const TOLERANCE: Tolerance = Tolerance::PerField {
        vital: &["cidr", "disableBGPExport"],
        unused: &[
            "natOutgoing",
            "disabled",
            "blockSize",
            "nodeSelector",
            "namespaceSelector",
            "allowedUses",
            "assignmentMode",
        ],
    };

    fn check(&self, faults: &mut Vec<Fault>) {
        let Some(cidr) = self.cidr else {
            faults.push(Fault::error("spec.cidr", "is required"));
            return;
        };
        faults.extend(Fault::unmasked("spec.cidr", cidr));
        self.check_block_size(cidr, faults);
        let never = EncapsulationMode::Never;
        if self.vxlan_mode != never && self.ipip_mode != never {
            faults.push(Fault::field_error(
                "spec.ipipMode",
                "ipipMode and vxlanMode cannot both be on",
            ));
        }
        if self.ipip_mode != never && matches!(cidr, IpNet::V6(_)) {
            faults.push(Fault::field_error(
                "spec.ipipMode",
                "IP-in-IP is for IPv4 pools only",
            ));
        }
    }
}

impl IpPoolSpec {
    /// Only IPAM uses the block size, BGP does not.
    fn check_block_size(&self, cidr: IpNet, faults: &mut Vec<Fault>) {
        let (least, most) = match cidr {
            IpNet::V4(_) => (20, 32),
            IpNet::V6(_) => (116, 128),
        };
        // Zero counts as unset.
        let reason = match self.block_size.filter(|size| *size != 0) {
            Some(size) if !(least..=most).contains(&size) => {
                format!("expected {least} to {most}, found {size}")
            }
            Some(size) if size < cidr.prefix_len() && !self.disabled => {
                format!("a block of length {size} is larger than the pool {cidr}")
            }
            _ => return,
        };
        faults.push(Fault::warning("spec.blockSize", &reason));
    }
}

/// Addresses that are never assigned.
pub type IpReservation = Object<IpReservationSpec>;

/// The spec of an [`IpReservation`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct IpReservationSpec {
    /// The addresses.
    #[serde(rename = "reservedCIDRs")]
    pub reserved_cidrs: Vec<String>,
}

impl Check for IpReservationSpec {
    /// Only IPAM uses it, BGP does not.
    fn check(&self, faults: &mut Vec<Fault>) {
        for (at, cidr) in self.reserved_cidrs.iter().enumerate() {
            if cidr.parse::<IpNet>().is_err() && cidr.parse::<IpAddr>().is_err() {
                let field = format!("spec.reservedCIDRs[{at}]");
                let reason = format!("expected an address or a prefix, found {cidr:?}");
                faults.push(Fault::warning(&field, &reason));
            }
        }
    }
}
