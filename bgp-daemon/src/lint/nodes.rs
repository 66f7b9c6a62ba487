//! Nodes, route reflectors, and sessions in which both sides are passive. Of similar nodes, only some are examined.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use bgp_core::types::{Family, RouterId};

use super::finding::Finding;
use super::subject::Subject;
use crate::outlook::Cluster;
use crate::plan::{Environment, Peer, Plan, plan};

pub(super) fn look(subject: &Subject<'_>, environment: &Environment, findings: &mut Vec<Finding>) {
    addresses(subject, findings);
    reflectors(subject, findings);
    configurations(subject, findings);
    let cluster = Cluster::new(subject.set, subject.set, environment);
    let (names, set) = cluster.sample();
    let plans: Vec<Plan> = names
        .iter()
        .map(|name| plan(&set, name, environment))
        .collect();
    both_passive(&plans, findings);
    if subject.nodes.len() > 1 {
        without_sessions(&plans, findings);
    }
}

fn addresses(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let mut by_address: BTreeMap<IpAddr, &str> = BTreeMap::new();
    for (name, node) in &subject.nodes {
        let object = format!("Node/{name}");
        let addresses: Vec<IpAddr> = Family::ALL
            .iter()
            .filter_map(|it| node.address(*it))
            .collect();
        if addresses.is_empty() {
            let text = "has no BGP address, and so no session";
            let fix = "set spec.bgp.ipv4Address or ipv6Address; calico/node does so when it starts";
            findings.push(Finding::warning(
                "node-without-address",
                &object,
                "",
                text,
                fix,
            ));
        }
        for address in addresses {
            if let Some(other) = by_address.insert(address, name) {
                let text = format!("has the address {address}, which Node/{other} has too");
                let fix = "give each node an address of its own";
                let finding =
                    Finding::warning("node-address-twice", &object, "spec.bgp", text, fix);
                findings.push(finding.into_error());
            }
        }
    }
}

fn reflectors(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let mut clusters: BTreeMap<RouterId, Vec<&str>> = BTreeMap::new();
    for (name, node) in &subject.nodes {
        if let Some(id) = node.cluster_id {
            clusters.entry(id).or_default().push(name);
        }
    }
    for (id, nodes) in &clusters {
        if let [only] = nodes[..] {
            let text = format!(
                "is the only route reflector with the cluster ID {id}: without it, its clients have no routes"
            );
            let fix = "make a second node a route reflector with the same cluster ID";
            let field = "spec.bgp.routeReflectorClusterID";
            let object = format!("Node/{only}");
            findings.push(Finding::warning(
                "reflector-alone",
                object,
                field,
                text,
                fix,
            ));
        }
    }
}

fn configurations(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    if subject.nodes.is_empty() {
        return;
    }
    for configuration in subject.set.bgp_configurations() {
        let name = &configuration.metadata.name;
        let node = name.strip_prefix("node.");
        if let Some(node) = node.filter(|node| !subject.nodes.contains_key(node)) {
            let text = format!("Node/{node} does not exist");
            let fix = "correct the name, or delete the BGPConfiguration";
            let object = format!("BGPConfiguration/{name}");
            findings.push(Finding::warning(
                "node-unknown",
                object,
                "metadata.name",
                text,
                fix,
            ));
        }
    }
}

/// Neither side dials, so there is never a session.
fn both_passive(plans: &[Plan], findings: &mut Vec<Finding>) {
    let mut waiting: BTreeMap<(IpAddr, IpAddr), (&str, &Peer)> = BTreeMap::new();
    let mut dialling: BTreeSet<(IpAddr, IpAddr)> = BTreeSet::new();
    for plan in plans {
        for peer in &plan.peers {
            let Some(own) = plan.addresses[peer.family] else {
                continue;
            };
            match peer.passive {
                true => drop(waiting.insert((own, peer.address), (&plan.node, peer))),
                false => drop(dialling.insert((own, peer.address))),
            }
        }
    }
    let mut told = BTreeSet::new();
    for ((own, address), (node, peer)) in &waiting {
        let other_way = (*address, *own);
        let Some((other, _)) = waiting.get(&other_way) else {
            continue;
        };
        let is_dialled = dialling.contains(&other_way) || dialling.contains(&(*own, *address));
        if is_dialled || !told.insert(&peer.resource) {
            continue;
        }
        let object = match peer.resource.starts_with("BGPPeer/") {
            true => peer.resource.as_str(),
            false => "BGPConfiguration/default",
        };
        let text =
            format!("Node/{node} and Node/{other} wait for each other: both sides are passive");
        let fix = "let one side dial: delete bgp-daemon.io/passive, or set it to false on one side";
        let field = "metadata.annotations.bgp-daemon.io/passive";
        let finding = Finding::warning("both-passive", object, field, text, fix);
        findings.push(finding.into_error());
    }
}

fn without_sessions(plans: &[Plan], findings: &mut Vec<Finding>) {
    for plan in plans {
        let has_address = Family::ALL
            .iter()
            .any(|family| plan.addresses[*family].is_some());
        if plan.peers.is_empty() && has_address {
            let text = "has no session with anybody: no mesh, and no BGPPeer is for this node";
            let fix = "add a BGPPeer, or switch the node-to-node mesh on";
            let object = format!("Node/{}", plan.node);
            findings.push(Finding::warning(
                "node-without-sessions",
                object,
                "",
                text,
                fix,
            ));
        }
    }
}
