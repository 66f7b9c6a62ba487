//! BGPPeers: selectors, duplicates, settings without effect.

use std::collections::BTreeSet;
use std::time::Duration;

use bgp_core::types::Family;

use super::finding::Finding;
use super::subject::Subject;
use crate::plan::Annotations;
use crate::resources::{BgpPeer, Selector};

pub(super) fn look(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    for peer in subject.set.bgp_peers() {
        selectors(subject, peer, findings);
        times(subject, peer, findings);
        ways(peer, findings);
    }
    twice(subject, findings);
}

/// Whether a peer is in another AS than its nodes.
pub(super) fn is_external(subject: &Subject<'_>, peer: &BgpPeer) -> bool {
    let spec = &peer.spec;
    let global = subject.set.bgp_configuration("default");
    let global = global
        .and_then(|global| global.spec.as_number)
        .map_or(64512, |asn| asn.0);
    let own = spec
        .local_as_number
        .filter(|asn| asn.0 != 0)
        .map(|asn| asn.0);
    if spec.peer_selector.is_some() || spec.peer_ip.is_none() {
        return spec
            .as_number
            .is_some_and(|asn| asn.0 != own.unwrap_or(global));
    }
    let peer_as = spec.as_number.map_or(global, |asn| asn.0);
    let at = nodes_with(subject, peer);
    let of_nodes = at.iter().filter_map(|name| subject.nodes.get(name));
    let mut locals: BTreeSet<u32> = of_nodes
        .map(|node| own.unwrap_or_else(|| node.asn.map_or(global, |asn| asn.0)))
        .collect();
    if locals.is_empty() {
        locals.insert(own.unwrap_or(global));
    }
    locals.iter().any(|local| *local != peer_as)
}

fn selected<'a>(subject: &Subject<'a>, selector: &Selector) -> BTreeSet<&'a str> {
    let nodes = subject.nodes.iter();
    let nodes = nodes.filter(|(_, node)| selector.matches(&node.labels));
    nodes.map(|(name, _)| *name).collect()
}

/// The nodes of a BGPPeer.
pub(super) fn nodes_with<'a>(subject: &Subject<'a>, peer: &BgpPeer) -> BTreeSet<&'a str> {
    match (&peer.spec.node, &peer.spec.node_selector) {
        (Some(node), _) => {
            let node = subject.nodes.get_key_value(node.as_str());
            node.map(|(name, _)| *name).into_iter().collect()
        }
        (None, Some(selector)) => selected(subject, selector),
        (None, None) => subject.nodes.keys().copied().collect(),
    }
}

/// Without known nodes, there are no findings.
fn selectors(subject: &Subject<'_>, peer: &BgpPeer, findings: &mut Vec<Finding>) {
    if subject.nodes.is_empty() {
        return;
    }
    let object = format!("BGPPeer/{}", peer.metadata.name);
    let spec = &peer.spec;
    for (field, selector) in [
        ("spec.nodeSelector", &spec.node_selector),
        ("spec.peerSelector", &spec.peer_selector),
    ] {
        let Some(selector) = selector else { continue };
        if selected(subject, selector).is_empty() {
            let text = format!("{selector} matches none of {} nodes", subject.nodes.len());
            let fix = "correct the selector, or the labels of the nodes";
            let id = "selector-matches-nothing";
            findings.push(Finding::warning(id, &object, field, text, fix));
        }
    }
    if let Some(node) = &spec.node
        && !subject.nodes.contains_key(node.as_str())
    {
        let text = format!("Node/{node} does not exist");
        let fix = "correct the name, or delete the BGPPeer";
        findings.push(Finding::warning(
            "node-unknown",
            &object,
            "spec.node",
            text,
            fix,
        ));
    }
}

/// RFC 4271 §4.4 suggests three KEEPALIVEs within the hold time.
fn times(subject: &Subject<'_>, peer: &BgpPeer, findings: &mut Vec<Finding>) {
    let Some(keepalive) = peer.spec.keepalive_time else {
        return;
    };
    let family = peer
        .spec
        .peer_address()
        .map_or(Family::Ipv4Unicast, |it| Family::of(it.ip));
    let annotations = Annotations::read(&peer.metadata, "", &mut Vec::new());
    let hold = annotations
        .or(subject.defaults.clone())
        .options(family)
        .hold_time;
    if hold > Duration::ZERO && hold < keepalive.saturating_mul(3) {
        let text = format!(
            "the hold time of {} s is below three keepalives of {} s: KEEPALIVEs are sent more often than this says",
            hold.as_secs(),
            keepalive.as_secs_f64()
        );
        let fix = format!(
            "set keepaliveTime to at most {} s, or bgp-daemon.io/hold-time to at least {} s",
            hold.as_secs() / 3,
            keepalive.saturating_mul(3).as_secs()
        );
        let object = format!("BGPPeer/{}", peer.metadata.name);
        let id = "hold-time-below-keepalives";
        findings.push(Finding::warning(
            id,
            object,
            "spec.keepaliveTime",
            text,
            fix,
        ));
    }
}

fn ways(peer: &BgpPeer, findings: &mut Vec<Finding>) {
    let spec = &peer.spec;
    let object = format!("BGPPeer/{}", peer.metadata.name);
    if let Some((via, peer_ip)) = spec.reachable_by.zip(spec.peer_address())
        && via.is_ipv4() != peer_ip.ip.is_ipv4()
    {
        let text = format!(
            "{via} is not of the family of {} and is ignored",
            peer_ip.ip
        );
        let fix = "name a gateway of the same family";
        let id = "reachable-by-other-family";
        findings.push(Finding::warning(id, &object, "spec.reachableBy", text, fix));
    }
    if spec.keep_original_next_hop && spec.next_hop_mode.is_some() {
        let text = "keepOriginalNextHop has no effect beside nextHopMode";
        let fix = "delete keepOriginalNextHop";
        let field = "spec.keepOriginalNextHop";
        findings.push(Finding::warning(
            "next-hop-twice",
            &object,
            field,
            text,
            fix,
        ));
    }
}

/// Two BGPPeers for the same peer on one node, and BGPPeers between nodes of the mesh.
fn twice(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let peers: Vec<Scope<'_>> = subject
        .set
        .bgp_peers()
        .filter(|peer| peer.spec.local_workload_selector.is_none())
        .map(|peer| Scope::of(subject, peer))
        .collect();
    for (at, peer) in peers.iter().enumerate() {
        if let Some((other, node)) = peers[..at]
            .iter()
            .find_map(|it| Some((it, peer.meets(it)?)))
        {
            let node = node.map_or_else(|| "all nodes".to_owned(), |name| format!("Node/{name}"));
            let text = format!(
                "is the same peer as BGPPeer/{} on {node}: only one of the two counts",
                other.name()
            );
            let fix = "delete one of the two, or let their nodeSelectors exclude each other";
            let object = format!("BGPPeer/{}", peer.name());
            findings.push(Finding::warning("peer-twice", object, "", text, fix));
        }
    }
    let in_mesh = |name: &&&str| {
        let node = subject.nodes.get(**name);
        subject.is_mesh && node.is_some_and(|node| node.cluster_id.is_none())
    };
    for peer in &peers {
        let own = peer.nodes.iter().find(in_mesh);
        let others = peer.peers.iter().filter(in_mesh);
        if let Some((own, other)) =
            own.and_then(|own| Some((own, others.clone().find(|it| *it != own)?)))
        {
            let text = format!(
                "Node/{own} and Node/{other} have a session already: both are in the node-to-node mesh"
            );
            let fix = "switch the mesh off (nodeToNodeMeshEnabled: false), or delete the BGPPeer";
            let object = format!("BGPPeer/{}", peer.name());
            findings.push(Finding::warning("peer-in-mesh", object, "", text, fix));
        }
    }
}

/// The sessions of a BGPPeer.
struct Scope<'a> {
    peer: &'a BgpPeer,
    /// The nodes; all, known or not, if it selects none.
    nodes: BTreeSet<&'a str>,
    is_global: bool,
    /// The peer nodes.
    peers: BTreeSet<&'a str>,
}

impl<'a> Scope<'a> {
    fn of(subject: &Subject<'a>, peer: &'a BgpPeer) -> Self {
        let spec = &peer.spec;
        let by_selector = spec
            .peer_selector
            .iter()
            .flat_map(|it| selected(subject, it));
        let by_address = spec.peer_address().into_iter().flat_map(|peer_ip| {
            let nodes = subject.nodes.iter();
            let nodes = nodes.filter(move |(_, node)| node.has_address(peer_ip.ip));
            nodes.map(|(name, _)| *name)
        });
        Self {
            peer,
            nodes: nodes_with(subject, peer),
            is_global: spec.node.is_none() && spec.node_selector.is_none(),
            peers: by_selector.chain(by_address).collect(),
        }
    }

    fn name(&self) -> &str {
        &self.peer.metadata.name
    }

    /// A node on which both define the same session; an inner `None` is any node.
    fn meets(&self, other: &Self) -> Option<Option<&'a str>> {
        let (ours, theirs) = (&self.peer.spec, &other.peer.spec);
        let same_address = ours.peer_address().is_some()
            && ours.peer_address() == theirs.peer_address()
            && ours.peer_selector.is_none()
            && theirs.peer_selector.is_none();
        let common = self.nodes.intersection(&other.nodes).copied();
        if same_address {
            let is_everywhere = self.is_global && other.is_global;
            let same_node = ours.node.is_some() && ours.node == theirs.node;
            return match (is_everywhere, same_node, common.clone().next()) {
                (true, ..) => Some(None),
                (false, true, None) => Some(None),
                (false, _, node) => node.map(Some),
            };
        }
        if ours.peer_selector.is_none() && theirs.peer_selector.is_none() {
            return None;
        }
        let mut common = common;
        let peers: Vec<&str> = self.peers.intersection(&other.peers).copied().collect();
        common
            .find(|node| peers.iter().any(|peer| peer != node))
            .map(Some)
    }
}
