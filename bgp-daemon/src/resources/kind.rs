//! The supported kinds of object, by their names in manifests and datastores.

use std::fmt;

use serde::Serialize;

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[expect(missing_docs, reason = "the names are the API's own")]
pub enum Kind {
    BgpConfiguration,
    BgpPeer,
    BgpFilter,
    /// Calico's own Node.
    Node,
    /// The Node of Kubernetes, with Calico's settings in annotations.
    KubernetesNode,
    IpPool,
    IpReservation,
    BlockAffinity,
    IpamBlock,
    Service,
    EndpointSlice,
    Secret,
    CalicoNodeStatus,
    BfdConfiguration,
    Profile,
}

/// The API's description of a kind.
struct Description {
    kind: Kind,
    name: &'static str,
    plural: &'static str,
    api_version: &'static str,
    namespaced: bool,
}

/// The API version of the kinds of our own that have the schema of Calico's, for clusters without Calico.
pub const OWN_VERSION: &str = "bgp-daemon.io/v1alpha1";

const CALICO: &str = "projectcalico.org/v3";
const CORE: &str = "v1";
const DISCOVERY: &str = "discovery.k8s.io/v1";

#[rustfmt::skip]
const DESCRIPTIONS: [Description; 15] = [
    Description { kind: Kind::BgpConfiguration, name: "BGPConfiguration", plural: "bgpconfigurations", api_version: CALICO, namespaced: false },
    Description { kind: Kind::BgpPeer, name: "BGPPeer", plural: "bgppeers", api_version: CALICO, namespaced: false },
    Description { kind: Kind::BgpFilter, name: "BGPFilter", plural: "bgpfilters", api_version: CALICO, namespaced: false },
    Description { kind: Kind::Node, name: "Node", plural: "nodes", api_version: CALICO, namespaced: false },
    Description { kind: Kind::KubernetesNode, name: "Node", plural: "nodes", api_version: CORE, namespaced: false },
    Description { kind: Kind::IpPool, name: "IPPool", plural: "ippools", api_version: CALICO, namespaced: false },
    Description { kind: Kind::IpReservation, name: "IPReservation", plural: "ipreservations", api_version: CALICO, namespaced: false },
    Description { kind: Kind::BlockAffinity, name: "BlockAffinity", plural: "blockaffinities", api_version: CALICO, namespaced: false },
    Description { kind: Kind::IpamBlock, name: "IPAMBlock", plural: "ipamblocks", api_version: CALICO, namespaced: false },
    Description { kind: Kind::Service, name: "Service", plural: "services", api_version: CORE, namespaced: true },
    Description { kind: Kind::EndpointSlice, name: "EndpointSlice", plural: "endpointslices", api_version: DISCOVERY, namespaced: true },
    Description { kind: Kind::Secret, name: "Secret", plural: "secrets", api_version: CORE, namespaced: true },
    Description { kind: Kind::CalicoNodeStatus, name: "CalicoNodeStatus", plural: "caliconodestatuses", api_version: CALICO, namespaced: false },
    Description { kind: Kind::BfdConfiguration, name: "BFDConfiguration", plural: "bfdconfigurations", api_version: CALICO, namespaced: false },
    Description { kind: Kind::Profile, name: "Profile", plural: "profiles", api_version: CALICO, namespaced: false },
];

/// Kinds of Calico, and of our own group, that are no input.
pub(super) const UNUSED: [&str; 18] = [
    "ClusterInformation",
    "FelixConfiguration",
    "GlobalNetworkPolicy",
    "GlobalNetworkSet",
    "HostEndpoint",
    "IPAMConfig",
    "IPAMConfiguration",
    "IPAMHandle",
    "KubeControllersConfiguration",
    "NetworkPolicy",
    "NetworkSet",
    "RemoteClusterConfiguration",
    "SpeakerStatus",
    "StagedGlobalNetworkPolicy",
    "StagedKubernetesNetworkPolicy",
    "StagedNetworkPolicy",
    "Tier",
    "WorkloadEndpoint",
];

/// Whose group an API version belongs to, in any version number: Calico's or ours; `None` for others.
pub(super) fn owner(api_version: &str) -> Option<&'static str> {
    match api_version.split('/').next() {
        Some("projectcalico.org" | "crd.projectcalico.org") => Some("Calico"),
        Some("bgp-daemon.io") => Some("bgp-daemon.io"),
        _ => None,
    }
}

impl Kind {
    /// Every kind.
    pub fn all() -> impl Iterator<Item = Self> {
        DESCRIPTIONS.iter().map(|description| description.kind)
    }

    /// The kind of a document; `None` if it is not supported.
    pub fn from_document(api_version: &str, kind: &str) -> Option<Self> {
        DESCRIPTIONS
            .iter()
            .filter(|description| description.name == kind)
            .map(|description| description.kind)
            .find(|kind| kind.api_versions().contains(&api_version))
    }

    /// The name used for `kind:` in a document; both kinds of node share one.
    pub fn name(self) -> &'static str {
        self.description().name
    }

    /// The name in paths of the API, and in etcd keys.
    pub fn plural(self) -> &'static str {
        self.description().plural
    }

    /// The API version of its documents.
    pub fn api_version(self) -> &'static str {
        self.description().api_version
    }

    /// All API versions that its documents may have, the usual one first.
    pub fn api_versions(self) -> &'static [&'static str] {
        match self.api_version() {
            CALICO if self.is_own() => &[CALICO, "crd.projectcalico.org/v1", OWN_VERSION],
            CALICO => &[CALICO, "crd.projectcalico.org/v1"],
            DISCOVERY => &[DISCOVERY, "discovery.k8s.io/v1beta1"],
            _ => &[CORE],
        }
    }

    /// Whether its objects are namespaced.
    pub fn is_namespaced(self) -> bool {
        self.description().namespaced
    }

    /// Whether the kind is Calico's, so that an unknown field is a mistake of the writer.
    pub fn is_calico(self) -> bool {
        self.description().api_version == CALICO
    }

    /// Whether our own group has the kind too.
    pub fn is_own(self) -> bool {
        matches!(
            self,
            Self::BgpConfiguration | Self::BgpPeer | Self::BgpFilter
        )
    }

    fn description(self) -> &'static Description {
        DESCRIPTIONS
            .iter()
            .find(|description| description.kind == self)
            .expect("every kind is in the table; a test counts them")
    }
}

/// The unique key of an object in a set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace; empty for kinds without namespaces.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ObjectKey {
    /// The key of an object of a kind without namespaces.
    pub fn cluster(kind: Kind, name: impl Into<String>) -> Self {
        Self {
            kind,
            namespace: String::new(),
            name: name.into(),
        }
    }
}

impl fmt::Display for ObjectKey {
    /// `BGPPeer/tor`, or with a namespace `Service/default/web`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        if !self.namespace.is_empty() {
            write!(f, "/{}", self.namespace)?;
        }
        write!(f, "/{}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise 1.1.
    #[test]
    fn every_kind_is_found_by_its_own_name() {
        assert_eq!(Kind::all().count(), Kind::Profile as usize + 1);
        for kind in Kind::all() {
            assert_eq!(
                Kind::from_document(kind.api_version(), kind.name()),
                Some(kind)
            );
        }
    }

    /// Promise 1.1.
    #[test]
    fn the_group_tells_the_two_nodes_apart() {
        let found = |version| Kind::from_document(version, "Node");
        assert_eq!(found("v1"), Some(Kind::KubernetesNode));
        assert_eq!(found("projectcalico.org/v3"), Some(Kind::Node));
        assert_eq!(found("crd.projectcalico.org/v1"), Some(Kind::Node));
        assert_eq!(found("example.org/v1"), None);
        assert_eq!(found(OWN_VERSION), None);
        assert_eq!(
            Kind::from_document("v1", "bgpPeer"),
            None,
            "old documents are another affair"
        );
    }
}
