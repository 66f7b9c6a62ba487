//! The planner's input besides resources: Calico's environment variables and local workloads.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use bgp_core::types::Asn;
use serde::{Serialize, Serializer};

use super::workload::Workload;

/// Settings from Calico's environment variables, and the local workloads that Felix reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// `CALICO_ROUTER_ID`: an address, or `hash`.
    pub router_id: Option<String>,
    /// `BGP_DAEMON_STANDALONE`, `--standalone`: a cluster without Calico. Nodes without an address of Calico's have their
    /// `InternalIP`s, pod CIDRs are the blocks, the mesh is off unless a BGPConfiguration enables it, and the kernel's routes to
    /// the node's own pods are left to the CNI plugin.
    pub standalone: bool,
    /// `USE_POD_CIDR`: use the node's pod CIDRs instead of block affinities.
    pub use_pod_cidr: bool,
    /// `NAMESPACE`: where Secrets with passwords are.
    pub namespace: String,
    /// `CALICO_ADVERTISE_CLUSTER_IPS`: a range used instead of `serviceClusterIPs`.
    pub advertise_cluster_ips: Option<String>,
    /// `CALICO_ENDPOINT_STATUS_PATH_PREFIX`: the folder that holds `endpoint-status`.
    pub endpoint_status_prefix: PathBuf,
    /// `CALICO_K8S_NODE_REF`: the node's name in Kubernetes, if it differs.
    pub kubernetes_node: Option<String>,
    /// `--drain-on-taint`: a taint of the Node with this key drains it, as the annotation does.
    pub drain_on_taint: Option<String>,
    /// Service addresses of a drained node have had GRACEFUL_SHUTDOWN for long enough, and are withdrawn.
    pub drain_is_over: bool,
    /// The interfaces of this machine that have the node's own addresses, as far as known; for BFDConfigurations.
    pub interfaces: BTreeMap<IpAddr, String>,
    /// Workloads on this node that want to peer; see [`load_workloads`](super::load_workloads).
    pub workloads: Vec<Workload>,
    /// Peers that have connected from ranges, sorted by address.
    pub neighbours: Vec<Neighbour>,
    /// Gateways of this node's default routes; `None` if unknown.
    pub gateways: Option<Vec<Router>>,
    /// Routers that were heard on the links of [`Plan::searches`](super::Plan::searches); `None` if unknown.
    pub routers: Option<Vec<Router>>,
}

/// A router, and the link on which it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Router {
    /// Its address.
    pub address: IpAddr,
    /// The link.
    pub link: Link,
}

/// A link of this node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// Name of the interface.
    pub name: String,
    /// Index of the interface.
    pub index: u32,
}

impl Serialize for Link {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.name)
    }
}

/// A peer that has connected from a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Neighbour {
    /// Its address.
    pub address: IpAddr,
    /// Its AS.
    pub asn: Asn,
}

impl Default for Environment {
    fn default() -> Self {
        Self::from_lookup(|_| None)
    }
}

impl Environment {
    /// From the environment variables of this process, without workloads.
    pub fn from_env() -> Self {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// From variables in a map.
    pub fn from_map(variables: &BTreeMap<String, String>) -> Self {
        Self::from_lookup(|name| variables.get(name).cloned())
    }

    fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let text = |name| lookup(name).filter(|value| !value.is_empty());
        Self {
            router_id: text("CALICO_ROUTER_ID"),
            standalone: text("BGP_DAEMON_STANDALONE").is_some_and(|value| !is_falsey(&value)),
            use_pod_cidr: text("USE_POD_CIDR").is_some_and(|value| is_true(&value)),
            namespace: text("NAMESPACE").unwrap_or_else(|| "kube-system".into()),
            advertise_cluster_ips: text("CALICO_ADVERTISE_CLUSTER_IPS"),
            endpoint_status_prefix: text("CALICO_ENDPOINT_STATUS_PATH_PREFIX")
                .map_or_else(|| "/var/run/calico".into(), PathBuf::from),
            kubernetes_node: text("CALICO_K8S_NODE_REF"),
            drain_on_taint: None,
            drain_is_over: false,
            interfaces: BTreeMap::new(),
            workloads: Vec::new(),
            neighbours: Vec::new(),
            gateways: None,
            routers: None,
        }
    }

    /// Whether pod CIDRs are the blocks of nodes.
    pub fn has_pod_cidrs(&self) -> bool {
        self.use_pod_cidr || self.standalone
    }

    /// The folder with Felix' endpoint status files.
    pub fn endpoint_status_dir(&self) -> PathBuf {
        self.endpoint_status_prefix.join("endpoint-status")
    }
}

/// The spellings of "true" that Go accepts.
fn is_true(value: &str) -> bool {
    matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True")
}

/// The spellings of "false" of our own variables.
fn is_falsey(value: &str) -> bool {
    ["n", "no", "f", "false", "off", "0"].contains(&value.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_is_unset_and_defaults_are_calicos() {
        let empty = [("NAMESPACE", ""), ("USE_POD_CIDR", "")];
        let map = empty.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let environment = Environment::from_map(&map);
        assert_eq!(environment, Environment::default());
        assert_eq!(environment.namespace, "kube-system");
        assert_eq!(
            environment.endpoint_status_dir().to_str(),
            Some("/var/run/calico/endpoint-status")
        );
    }
}
