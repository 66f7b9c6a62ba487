//! A cluster from the view of each of its nodes, without comparing all pairs of nodes.
//!
//! A node's plan takes little from another node: families, AS, port, cluster ID, WireGuard, and the selectors that match it.
//! Nodes that agree in this, before and after the change, form a *class*, and one of them represents it: a node is planned with
//! itself, with one other member of each class, and with the nodes that resources name individually. A session with the
//! representative counts once per member of the class. So the work is proportional to the nodes times the classes, not to all
//! pairs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use bgp_core::types::{Asn, Family, RouterId};

use crate::plan::{Environment, NodeView, Plan, nodes};
use crate::resources::{BgpPeer, Kind, ObjectKey, Resource, ResourceSet};

/// The resources of a cluster, and its nodes.
pub(crate) struct Side<'a> {
    resources: &'a ResourceSet,
    nodes: BTreeMap<&'a str, NodeView<'a>>,
    /// Objects for all nodes.
    common: ResourceSet,
    /// Objects for one node alone, other than those with its name.
    own: BTreeMap<&'a str, Vec<ObjectKey>>,
    /// Nodes by their addresses.
    by_address: BTreeMap<IpAddr, &'a str>,
    /// Nodes that resources name individually.
    named: BTreeSet<&'a str>,
    /// BGPPeers that may be between nodes.
    inner: Vec<&'a BgpPeer>,
}

/// Both sides of a change, and the classes of their nodes.
pub(crate) struct Cluster<'a> {
    sides: [Side<'a>; 2],
    classes: Vec<Vec<&'a str>>,
    /// The class of each node, as an index into `classes`.
    class_of: BTreeMap<&'a str, usize>,
}

/// The properties of a node that other plans use.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Trait {
    addresses: [bool; 2],
    asn: Option<Asn>,
    cluster_id: Option<RouterId>,
    listen_port: Option<u16>,
    wireguard: [bool; 2],
    /// Which of the BGPPeers between nodes select it as one end or the other.
    chosen: Vec<[bool; 2]>,
}

/// The common properties of a class; with a name if there is only one member.
type Class<'a> = ([Option<Trait>; 2], [bool; 2], Option<&'a str>);

/// The resources for the plans of one node, before and after.
pub(super) struct Seen {
    /// `None` if the node is not in the cluster.
    pub(super) sets: [Option<ResourceSet>; 2],
}

impl<'a> Side<'a> {
    pub(super) fn new(resources: &'a ResourceSet, environment: &Environment) -> Self {
        let nodes = nodes(resources, environment);
        let mut by_address = BTreeMap::new();
        let mut named = BTreeSet::new();
        for (name, node) in &nodes {
            for address in Family::ALL
                .iter()
                .filter_map(|family| node.address(*family))
            {
                if let Some(other) = by_address.insert(address, *name) {
                    named.extend([other, *name]);
                }
            }
        }
        let mut inner = Vec::new();
        let mut own: BTreeMap<&str, Vec<ObjectKey>> = BTreeMap::new();
        for peer in resources.bgp_peers() {
            let spec = &peer.spec;
            let node = spec.node.as_deref();
            let target = spec.peer_address();
            let target = target.and_then(|peer| by_address.get(&peer.ip));
            if spec.peer_selector.is_some() || target.is_some() {
                inner.push(peer);
                named.extend(target.into_iter().chain(node.as_ref()));
            } else if let Some(node) = node.filter(|node| nodes.contains_key(node)) {
                let key = ObjectKey::cluster(Kind::BgpPeer, &peer.metadata.name);
                own.entry(node).or_default().push(key);
            }
        }
        for affinity in resources.block_affinities() {
            let key = ObjectKey::cluster(Kind::BlockAffinity, &affinity.metadata.name);
            own.entry(&affinity.spec.node).or_default().push(key);
        }
        let elsewhere: BTreeSet<&ObjectKey> = own.values().flatten().collect();
        let common = resources.filtered(|key, resource| {
            is_planned_from(resource)
                && !elsewhere.contains(key)
                && node_of(key).is_none_or(|name| !nodes.contains_key(name))
        });
        Self {
            resources,
            nodes,
            common,
            own,
            by_address,
            named,
            inner,
        }
    }

    fn view(&self, name: &str) -> Option<Trait> {
        let node = self.nodes.get(name)?;
        let chosen = self.inner.iter().map(|peer| {
            let selectors = [&peer.spec.node_selector, &peer.spec.peer_selector];
            selectors.map(|it| it.as_ref().is_some_and(|it| it.matches(&node.labels)))
        });
        Some(Trait {
            addresses: [node.ipv4.is_some(), node.ipv6.is_some()],
            asn: node.asn,
            cluster_id: node.cluster_id,
            listen_port: node.listen_port,
            wireguard: Family::ALL.map(|family| node.wireguard_address(family).is_some()),
            chosen: chosen.collect(),
        })
    }

    fn address(&self, name: &str, family: Family) -> Option<IpAddr> {
        self.nodes.get(name)?.address(family)
    }

    /// The resources for the plan of a node, with these other nodes.
    fn seen(&self, name: &str, others: &[&str]) -> Option<ResourceSet> {
        self.nodes.get(name)?;
        let mut set = self.common.clone();
        for key in self.own.get(name).into_iter().flatten() {
            set.share(self.resources, key);
        }
        for name in others.iter().chain([&name]) {
            for key in keys_of(name) {
                set.share(self.resources, &key);
            }
        }
        Some(set)
    }
}

impl<'a> Cluster<'a> {
    pub(crate) fn new(
        old: &'a ResourceSet,
        new: &'a ResourceSet,
        environment: &Environment,
    ) -> Self {
        let sides = [old, new].map(|side| Side::new(side, environment));
        let names: BTreeSet<&str> = sides
            .iter()
            .flat_map(|side| side.nodes.keys().copied())
            .collect();
        let mut members: BTreeMap<Class<'_>, Vec<&str>> = BTreeMap::new();
        for name in names {
            members.entry(class(&sides, name)).or_default().push(name);
        }
        let classes: Vec<Vec<&str>> = members.into_values().collect();
        let class_of = classes.iter().enumerate();
        let class_of = class_of.flat_map(|(class, names)| names.iter().map(move |it| (*it, class)));
        Self {
            class_of: class_of.collect(),
            classes,
            sides,
        }
    }

    /// All nodes before or after.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.class_of.keys().copied()
    }

    /// Whether a node exists before, and after.
    pub(super) fn is_there(&self, name: &str) -> [bool; 2] {
        [0, 1].map(|side| self.sides[side].nodes.contains_key(name))
    }

    /// Representatives of all nodes, two of each class; and their resources before, without those of other nodes.
    pub(crate) fn sample(&self) -> (Vec<&'a str>, ResourceSet) {
        let members = self.classes.iter().flat_map(|names| names.iter().take(2));
        let members: Vec<&str> = members.copied().collect();
        let side = &self.sides[0];
        let mut set = side.common.clone();
        for name in &members {
            let own = side.own.get(name).into_iter().flatten().cloned();
            for key in own.chain(keys_of(name)) {
                set.share(side.resources, &key);
            }
        }
        (members, set)
    }

    /// The resources for the plans of a node.
    pub(super) fn seen_by(&self, name: &str) -> Seen {
        let other = |members: &Vec<&'a str>| members.iter().find(|it| **it != name).copied();
        let others: Vec<&str> = self.classes.iter().filter_map(other).collect();
        Seen {
            sets: [0, 1].map(|side| self.sides[side].seen(name, &others)),
        }
    }

    /// The number of sessions that each peer of a node represents, by the names of the peers.
    pub(super) fn weights(&self, name: &str, plans: [Option<&Plan>; 2]) -> BTreeMap<String, usize> {
        let mut weights = BTreeMap::new();
        for (side, plan) in self.sides.iter().zip(plans) {
            for peer in plan.into_iter().flat_map(|plan| &plan.peers) {
                let other = side.by_address.get(&peer.address);
                let class = other.and_then(|other| self.class_of.get(other));
                let weight = class.map_or(1, |class| {
                    let members = self.classes[*class].len();
                    members - usize::from(self.class_of.get(name) == Some(class))
                });
                weights.insert(peer.name.clone(), weight.max(1));
            }
        }
        weights
    }
}

fn class<'a>(sides: &[Side<'a>; 2], name: &'a str) -> Class<'a> {
    let [old, new] = sides;
    let stays = Family::ALL.map(|family| old.address(name, family) == new.address(name, family));
    let is_named = sides.iter().any(|side| side.named.contains(name));
    (
        [old, new].map(|side| side.view(name)),
        stays,
        is_named.then_some(name),
    )
}

/// Whether plans use objects of the kind.
fn is_planned_from(resource: &Resource) -> bool {
    !matches!(
        resource,
        Resource::IpReservation(_)
            | Resource::IpamBlock(_)
            | Resource::CalicoNodeStatus(_)
            | Resource::Profile(_)
    )
}

/// The node that an object belongs to by its name.
fn node_of(key: &ObjectKey) -> Option<&str> {
    match key.kind {
        Kind::Node | Kind::KubernetesNode => Some(&key.name),
        Kind::BgpConfiguration => key.name.strip_prefix("node."),
        _ => None,
    }
}

fn keys_of(node: &str) -> [ObjectKey; 3] {
    [
        ObjectKey::cluster(Kind::Node, node),
        ObjectKey::cluster(Kind::KubernetesNode, node),
        ObjectKey::cluster(Kind::BgpConfiguration, format!("node.{node}")),
    ]
}
