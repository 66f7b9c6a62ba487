//! The datastore: whether it answers, and has what this node needs.

use bgp_core::types::Family;

use crate::doctor::facts::{Facts, Store};
use crate::doctor::finding::{Finding, Id};

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let store = &facts.store;
    let mut findings = Vec::new();
    findings.extend(unread(&store.forbidden).map(|seen| Finding::error(Id::Forbidden, None, seen,
        "let the daemon read these: the ClusterRole of its service account needs get, list and watch of them (Kubernetes), or its user the role for Calico's keys (etcd)")));
    findings.extend(unread(&store.unread).map(|seen| Finding::error(Id::Datastore, None, seen,
        "look whether the datastore runs, is reached from this node, and is the one that is meant (--datastore, DATASTORE_TYPE, KUBECONFIG, ETCD_ENDPOINTS and their certificates)")));
    findings.extend(no_node(store).or_else(|| no_address(store)));
    findings.extend(foreign_address(store));
    findings
}

fn unread(parts: &[(String, String)]) -> Option<Vec<String>> {
    let seen = parts
        .iter()
        .map(|(what, reason)| format!("{what}: {reason}"));
    let seen: Vec<String> = seen.collect();
    (!seen.is_empty()).then_some(seen)
}

fn no_node(store: &Store) -> Option<Finding> {
    if store.node_exists != Some(false) {
        return None;
    }
    let name = store.node.as_deref().unwrap_or("this node");
    let seen = vec![format!("no Node is called {name} in the datastore")];
    let fix = "create the Node (calico/node does when it starts), or give the right name: --node, NODENAME, otherwise the host name";
    Some(Finding::error(Id::NoNode, None, seen, fix))
}

/// This machine does not have the source address of sessions.
fn foreign_address(store: &Store) -> Option<Finding> {
    let name = store.node.as_deref().unwrap_or("this node");
    let foreign = store.foreign.iter();
    let seen = foreign.map(|address| {
        format!("Node/{name} has the address {address}, which no interface here has")
    });
    let seen: Vec<String> = seen.collect();
    let fix = "correct the address of the Node, or put it on an interface; or let the kernel choose: spec.sourceAddress: None in the BGPPeers";
    (!seen.is_empty()).then(|| Finding::error(Id::WrongSource, None, seen, fix))
}

fn no_address(store: &Store) -> Option<Finding> {
    if store.node_exists != Some(true) {
        return None;
    }
    let name = store.node.as_deref().unwrap_or("this node");
    let mut seen = Vec::new();
    for (family, field) in [
        (Family::Ipv4Unicast, "ipv4Address"),
        (Family::Ipv6Unicast, "ipv6Address"),
    ] {
        let wanted = store
            .unaddressed
            .iter()
            .filter(|(_, peer)| Family::of(*peer) == family);
        let wanted: Vec<String> = wanted
            .map(|(object, peer)| format!("{object} ({peer})"))
            .collect();
        if !wanted.is_empty() {
            seen.push(format!(
                "Node/{name} has no spec.bgp.{field}, which sessions need: {}",
                wanted.join(", ")
            ));
        }
    }
    if !store.has_identifier {
        seen.push(format!(
            "Node/{name} has no spec.bgp.ipv4Address to take the BGP identifier from"
        ));
    }
    let fix = "give the Node its address (calico/node does with IP=autodetect, IP6=autodetect); without IPv4, set CALICO_ROUTER_ID to an identifier or to hash";
    let found = Finding::error(Id::NoAddress, None, seen, fix);
    let has_none =
        !store.has_identifier || (store.addresses.ipv4.is_none() && store.addresses.ipv6.is_none());
    match (found.evidence.is_empty(), has_none) {
        (true, _) => None,
        (false, true) => Some(found),
        (false, false) => Some(found.as_warning()),
    }
}
