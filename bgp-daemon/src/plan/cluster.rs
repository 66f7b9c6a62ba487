//! The cluster as the planner sees it: nodes of both APIs as one list, and settings with their defaults.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use bgp_core::types::{Asn, Family, RouterId};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::annotations::Annotations;
use super::environment::Environment;
use crate::resources::{
    BgpConfiguration, BgpConfigurationSpec, LogSeverity, Node, Problem, ResourceSet, RoutePriority,
    Selector, ServiceBlock,
};

/// The AS of a cluster without a configured one.
const DEFAULT_AS: Asn = Asn(64512);
/// The port of BGP (RFC 4271 §8).
pub const BGP_PORT: u16 = 179;
/// The BGPConfiguration for all nodes.
pub(super) const GLOBAL: &str = "default";

pub(super) struct Cluster<'a> {
    pub(super) resources: &'a ResourceSet,
    pub(super) environment: &'a Environment,
    /// This node's name.
    pub(super) name: &'a str,
    /// This node, if it exists.
    pub(super) me: Option<NodeView<'a>>,
    /// Every node, including this one; made when it is first asked for.
    nodes: OnceCell<BTreeMap<&'a str, NodeView<'a>>>,
    /// The names of the nodes by address.
    by_address: OnceCell<HashMap<IpAddr, Vec<&'a str>>>,
    /// `BGPConfiguration/default`.
    global: Option<&'a BgpConfiguration>,
    /// `BGPConfiguration/node.<this>`.
    mine: Option<&'a BgpConfiguration>,
    /// Annotations that hold for every session of this node.
    pub(super) defaults: Annotations,
}

/// A node, as far as BGP is concerned.
#[derive(Clone)]
pub(crate) struct NodeView<'a> {
    pub(crate) node: &'a Node,
    pub(crate) labels: Cow<'a, BTreeMap<String, String>>,
    pub(crate) ipv4: Option<Ipv4Net>,
    pub(crate) ipv6: Option<Ipv6Net>,
    pub(crate) asn: Option<Asn>,
    /// Set for a route reflector.
    pub(crate) cluster_id: Option<RouterId>,
    /// From its own BGPConfiguration.
    pub(crate) listen_port: Option<u16>,
}

impl<'a> NodeView<'a> {
    fn new(
        node: &'a Node,
        environment: &Environment,
        configuration: impl Fn(&'a str) -> Option<&'a BgpConfiguration>,
    ) -> Self {
        let bgp = node.spec.bgp.as_ref();
        let internal = match environment.standalone {
            true => node.internal_addresses(),
            false => (None, None),
        };
        Self {
            node,
            labels: Cow::Borrowed(&node.metadata.labels),
            ipv4: bgp
                .and_then(|bgp| bgp.ipv4_address)
                .or_else(|| internal.0.map(Ipv4Net::from)),
            ipv6: bgp
                .and_then(|bgp| bgp.ipv6_address)
                .or_else(|| internal.1.map(Ipv6Net::from)),
            asn: bgp.and_then(|bgp| bgp.as_number),
            cluster_id: bgp
                .and_then(|bgp| bgp.route_reflector_cluster_id)
                .map(RouterId),
            listen_port: configuration(&node.metadata.name)
                .and_then(|configuration| configuration.spec.listen_port)
                .map(u16::from),
        }
    }

    /// Adds the labels that the node has in Kubernetes.
    fn add_labels(&mut self, kubernetes: &Node) {
        let labels = kubernetes.metadata.labels.clone();
        if !labels.is_empty() {
            self.labels.to_mut().extend(labels);
        }
    }

    pub(crate) fn address(&self, family: Family) -> Option<IpAddr> {
        match family {
            Family::Ipv4Unicast => self.ipv4.map(|net| net.addr().into()),
            Family::Ipv6Unicast => self.ipv6.map(|net| net.addr().into()),
        }
    }

    pub(crate) fn has_address(&self, address: IpAddr) -> bool {
        self.address(Family::of(address)) == Some(address)
    }

    pub(crate) fn wireguard_address(&self, family: Family) -> Option<IpAddr> {
        let (ipv4, ipv6) = self.node.wireguard_addresses();
        match family {
            Family::Ipv4Unicast => ipv4,
            Family::Ipv6Unicast => ipv6,
        }
    }
}

impl<'a> Cluster<'a> {
    pub(super) fn new(
        resources: &'a ResourceSet,
        name: &'a str,
        environment: &'a Environment,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let me = node_named(resources, environment, name);
        if me.is_none() {
            problems.push(Problem::error(format!("Node/{name}"), "does not exist"));
        }
        let global = resources.bgp_configuration(GLOBAL);
        let mine = resources.bgp_configuration(&format!("node.{name}"));
        for configuration in resources.bgp_configurations() {
            check_name(configuration, problems);
        }
        let mut read = |configuration: Option<&BgpConfiguration>| {
            configuration.map_or_else(Annotations::default, |configuration| {
                Annotations::of_configuration(configuration, problems)
            })
        };
        let defaults = read(mine).or(read(global));
        Self {
            resources,
            environment,
            name,
            me,
            nodes: OnceCell::new(),
            by_address: OnceCell::new(),
            global,
            mine,
            defaults,
        }
    }

    /// Every node, including this one.
    pub(super) fn nodes(&self) -> &BTreeMap<&'a str, NodeView<'a>> {
        self.nodes
            .get_or_init(|| nodes(self.resources, self.environment))
    }

    /// The nodes that have an address.
    pub(super) fn nodes_at(&self, address: IpAddr) -> impl Iterator<Item = &NodeView<'a>> {
        let by_address = self.by_address.get_or_init(|| {
            let mut by_address: HashMap<IpAddr, Vec<&'a str>> = HashMap::new();
            for (name, node) in self.nodes() {
                for address in Family::ALL
                    .iter()
                    .filter_map(|family| node.address(*family))
                {
                    by_address.entry(address).or_default().push(name);
                }
            }
            by_address
        });
        let names = by_address.get(&address).into_iter().flatten();
        names.filter_map(|name| self.nodes().get(name))
    }

    /// This node's name in Kubernetes, which endpoints use.
    pub(super) fn kubernetes_name(&self) -> &'a str {
        let named = self.environment.kubernetes_node.as_deref();
        named.unwrap_or(self.name)
    }

    /// `BGPConfiguration/default`, or an empty one.
    pub(super) fn global(&self) -> Cow<'a, BgpConfigurationSpec> {
        match self.global {
            Some(global) => Cow::Borrowed(&global.spec),
            None => Cow::Owned(BgpConfigurationSpec::default()),
        }
    }

    /// The configurations that apply to this node: its own, then the global one.
    pub(super) fn configurations(&self) -> impl Iterator<Item = &'a BgpConfiguration> {
        self.mine.into_iter().chain(self.global)
    }

    pub(super) fn global_as(&self) -> Asn {
        self.global
            .and_then(|global| global.spec.as_number)
            .unwrap_or(DEFAULT_AS)
    }

    /// The AS of a node: its own, or the global one.
    pub(super) fn as_of(&self, node: &NodeView<'_>) -> Asn {
        node.asn.unwrap_or_else(|| self.global_as())
    }

    pub(super) fn local_as(&self) -> Asn {
        self.me
            .as_ref()
            .map_or_else(|| self.global_as(), |me| self.as_of(me))
    }

    pub(super) fn cluster_id(&self) -> Option<RouterId> {
        self.me.as_ref().and_then(|me| me.cluster_id)
    }

    /// Whether this node is cordoned; only the Kubernetes Node tells.
    pub(super) fn is_leaving(&self) -> bool {
        let node = self.resources.kubernetes_node(self.name);
        node.is_some_and(|node| node.spec.cordoned)
    }

    /// Our address of a family; `None`: no sessions of that family.
    pub(super) fn address(&self, family: Family) -> Option<IpAddr> {
        self.me.as_ref().and_then(|me| me.address(family))
    }

    /// This node's own network of a family.
    pub(super) fn network(&self, family: Family) -> Option<IpNet> {
        let me = self.me.as_ref()?;
        match family {
            Family::Ipv4Unicast => me.ipv4.map(|net| net.trunc().into()),
            Family::Ipv6Unicast => me.ipv6.map(|net| net.trunc().into()),
        }
    }

    /// Whether an address is on a network of this node, by the node's own addresses.
    pub(super) fn is_connected(&self, address: IpAddr) -> bool {
        let network = self.network(Family::of(address));
        network.is_some_and(|network| network.contains(&address))
    }

    pub(super) fn global_listen_port(&self) -> Option<u16> {
        self.global
            .and_then(|global| global.spec.listen_port)
            .map(u16::from)
    }

    /// The port that a node listens on according to its own configuration or the global one.
    pub(super) fn listen_port_of(&self, node: &NodeView<'_>) -> Option<u16> {
        node.listen_port.or_else(|| self.global_listen_port())
    }

    pub(super) fn listen_port(&self) -> u16 {
        self.configurations()
            .find_map(|configuration| configuration.spec.listen_port)
            .map_or(BGP_PORT, u16::from)
    }

    pub(super) fn log_severity(&self) -> LogSeverity {
        self.configurations()
            .find_map(|configuration| configuration.spec.log_severity_screen)
            .unwrap_or(LogSeverity::Info)
    }

    /// The priority of ordinary routes.
    pub(super) fn normal_priority(&self, family: Family) -> RoutePriority {
        let global = self.global.map(|global| &global.spec);
        let configured = global.and_then(|global| match family {
            Family::Ipv4Unicast => global.ipv4_normal_route_priority,
            Family::Ipv6Unicast => global.ipv6_normal_route_priority,
        });
        configured.unwrap_or(RoutePriority::NORMAL)
    }

    /// The nodes that a selector selects.
    pub(super) fn selected<'s>(
        &'s self,
        selector: &'s Selector,
    ) -> impl Iterator<Item = (&'a str, &'s NodeView<'a>)> {
        self.nodes()
            .iter()
            .filter(|(_, node)| selector.matches(&node.labels))
            .map(|(name, node)| (*name, node))
    }
}

fn check_name(configuration: &BgpConfiguration, problems: &mut Vec<Problem>) {
    let name = &configuration.metadata.name;
    if name != GLOBAL && !name.starts_with("node.") {
        let reason = "is ignored: its name is neither default nor node.<name of a node>";
        problems.push(Problem::warning(format!("BGPConfiguration/{name}"), reason));
    }
    if name == GLOBAL {
        return;
    }
    let spec = &configuration.spec;
    let has_blocks = |blocks: &[ServiceBlock]| !blocks.is_empty();
    for (field, is_set) in [
        (
            "nodeToNodeMeshEnabled",
            spec.node_to_node_mesh_enabled.is_some(),
        ),
        ("asNumber", spec.as_number.is_some()),
        ("serviceClusterIPs", has_blocks(&spec.service_cluster_ips)),
        ("serviceExternalIPs", has_blocks(&spec.service_external_ips)),
        (
            "serviceLoadBalancerIPs",
            has_blocks(&spec.service_load_balancer_ips),
        ),
        ("nodeMeshPassword", spec.node_mesh_password.is_some()),
        (
            "nodeMeshMaxRestartTime",
            spec.node_mesh_max_restart_time.is_some(),
        ),
    ] {
        if is_set {
            let reason = "has no effect: only BGPConfiguration/default may say it";
            let problem = Problem::warning(format!("BGPConfiguration/{name}"), reason);
            problems.push(problem.at_field(format!("spec.{field}")));
        }
    }
}

/// The nodes of both APIs. If a node is in both, Calico's counts; its labels are those of both, and Kubernetes' win.
pub(crate) fn nodes<'a>(
    resources: &'a ResourceSet,
    environment: &Environment,
) -> BTreeMap<&'a str, NodeView<'a>> {
    let configurations = resources.bgp_configurations().filter_map(|configuration| {
        let node = configuration.metadata.name.strip_prefix("node.")?;
        Some((node, configuration))
    });
    let configurations: HashMap<&str, &BgpConfiguration> = configurations.collect();
    let view = |node| NodeView::new(node, environment, |name| configurations.get(name).copied());
    let mut nodes: BTreeMap<&str, NodeView<'_>> = resources
        .nodes()
        .map(|node| (node.metadata.name.as_str(), view(node)))
        .collect();
    for node in resources.kubernetes_nodes() {
        nodes
            .entry(&node.metadata.name)
            .and_modify(|calico| calico.add_labels(node))
            .or_insert_with(|| view(node));
    }
    nodes
}

/// One of [`nodes`].
pub(crate) fn node_named<'a>(
    resources: &'a ResourceSet,
    environment: &Environment,
    name: &str,
) -> Option<NodeView<'a>> {
    let kubernetes = resources.kubernetes_node(name);
    let configuration = |name: &str| resources.bgp_configuration(&format!("node.{name}"));
    let Some(calico) = resources.node(name) else {
        return kubernetes.map(|node| NodeView::new(node, environment, configuration));
    };
    let mut view = NodeView::new(calico, environment, configuration);
    if let Some(node) = kubernetes {
        view.add_labels(node);
    }
    Some(view)
}
