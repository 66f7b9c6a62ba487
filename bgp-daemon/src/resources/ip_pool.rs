//! IPPool and IPReservation: where the addresses of workloads come from.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;

use super::check::{Check, Tolerance};
use super::fault::Fault;
use super::metadata::Object;
use super::scalar;
use super::selector::Selector;

/// A range that workloads get addresses from.
pub type IpPool = Object<IpPoolSpec>;

/// What an [`IpPool`] says. Field names and meaning are those of Calico's API.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IpPoolSpec {
    /// The range. A document without one is refused.
    #[serde(deserialize_with = "scalar::optional")]
    pub cidr: Option<IpNet>,
    /// Whether traffic between nodes goes through VXLAN.
    pub vxlan_mode: EncapsulationMode,
    /// Whether traffic between nodes goes through IP-in-IP. Means nothing with VXLAN, and in an IPv6 pool.
    pub ipip_mode: EncapsulationMode,
    /// Whether what leaves the cluster is masqueraded.
    pub nat_outgoing: bool,
    /// No new addresses from it. Means nothing to BGP.
    pub disabled: bool,
    /// Nothing in it is announced.
    #[serde(rename = "disableBGPExport")]
    pub disable_bgp_export: bool,
    /// Length of the prefixes given to nodes.
    pub block_size: Option<u8>,
    /// Nodes that may use it.
    #[serde(deserialize_with = "scalar::optional")]
    pub node_selector: Option<Selector>,
    /// Namespaces that may use it.
    #[serde(deserialize_with = "scalar::optional")]
    pub namespace_selector: Option<Selector>,
    /// What it may be used for.
    pub allowed_uses: Vec<AllowedUse>,
    /// Who may take addresses from it.
    pub assignment_mode: Option<AssignmentMode>,
}

/// When traffic between nodes is encapsulated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum EncapsulationMode {
    /// Not at all.
    #[default]
    Never,
    /// All of it.
    Always,
    /// What goes to nodes of another network.
    CrossSubnet,
}

/// What a pool may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "the names are the API's own")]
pub enum AllowedUse {
    Workload,
    Tunnel,
    LoadBalancer,
}

/// Who may take addresses from a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "the names are the API's own")]
pub enum AssignmentMode {
    Automatic,
    Manual,
}

impl Check for IpPoolSpec {
    /// Without `disableBGPExport`, what must stay here could be announced.
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
    /// Means nothing to BGP, but to IPAM.
    fn check_block_size(&self, cidr: IpNet, faults: &mut Vec<Fault>) {
        let (least, most) = match cidr {
            IpNet::V4(_) => (20, 32),
            IpNet::V6(_) => (116, 128),
        };
        // Zero is as good as nothing.
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

/// Addresses that nobody gets.
pub type IpReservation = Object<IpReservationSpec>;

/// What an [`IpReservation`] says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct IpReservationSpec {
    /// The addresses.
    #[serde(rename = "reservedCIDRs")]
    pub reserved_cidrs: Vec<String>,
}

impl Check for IpReservationSpec {
    /// Means nothing to BGP, but to IPAM.
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
