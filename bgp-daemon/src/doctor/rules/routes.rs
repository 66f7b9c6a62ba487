//! Problems of an established session.

use bgp_core::types::Family;

use crate::doctor::facts::Peer;
use crate::doctor::finding::{Finding, Id};

pub(super) fn findings(peer: &Peer) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(family(peer));
    findings.extend(no_export(peer));
    findings.extend(next_hop(peer));
    findings
}

/// Not all configured families were negotiated.
fn family(peer: &Peer) -> Option<Finding> {
    let negotiated = peer.session.as_ref()?.status.negotiated.as_ref()?;
    let missing = peer
        .families
        .iter()
        .filter(|family| !negotiated.context.families[**family]);
    let missing: Vec<String> = missing.map(ToString::to_string).collect();
    if missing.is_empty() {
        return None;
    }
    let seen = vec![format!(
        "the session carries no {}: the peer has not announced it",
        missing.join(", ")
    )];
    let fix = format!(
        "switch {} on for this neighbour at the peer, or leave it out of bgp-daemon.io/families of {}",
        missing.join(", "),
        peer.resource
    );
    Some(Finding::error(Id::Family, Some(&peer.name), seen, fix).as_warning())
}

/// Policy withholds everything that this node originates.
fn no_export(peer: &Peer) -> Option<Finding> {
    let kept = each_family(peer).filter_map(|(family, routes)| {
        let (count, example) = &routes.filtered;
        let is_all = *count > 0 && routes.told == 0;
        is_all.then(|| format!(
            "none of the {count} {family} prefixes of this node is told: policy rejects them, such as {}",
            example.as_deref().unwrap_or("?")
        ))
    });
    let seen: Vec<String> = kept.collect();
    let fix = format!(
        "look at the filters (BGPFilter) that {} names and at the export rules of the pools (disableBGPExport); `explain PREFIX --peer {}` names the rule",
        peer.resource, peer.name
    );
    (!seen.is_empty())
        .then(|| Finding::error(Id::NoExport, Some(&peer.name), seen, fix).as_warning())
}

/// Routes without a usable next hop, in either direction.
fn next_hop(peer: &Peer) -> Option<Finding> {
    let mut seen = Vec::new();
    for (family, routes) in each_family(peer) {
        let of = |(count, example): &(usize, Option<String>), what: &str| {
            let example = example.as_deref().unwrap_or("?");
            (*count > 0).then(|| format!("{count} {family} routes {what}, such as {example}"))
        };
        seen.extend(of(
            &routes.unreachable,
            "of the peer are not used, because there is no way to their next hop",
        ));
        seen.extend(of(
            &routes.impossible,
            "of the peer are not used, because their next hop is this node or a loopback address",
        ));
        seen.extend(of(
            &routes.without_next_hop,
            "of this node are not told, because there is no next hop that the peer could use",
        ));
    }
    let fix = "let the peer announce itself as the next hop (next-hop-self), or see that this node has a route to the next hops that is not from BGP; for routes that are not told, give the Node an address of their family";
    (!seen.is_empty()).then(|| Finding::error(Id::NextHop, Some(&peer.name), seen, fix))
}

fn each_family(peer: &Peer) -> impl Iterator<Item = (Family, &crate::doctor::facts::Routes)> {
    Family::ALL
        .into_iter()
        .map(|family| (family, &peer.routes[family]))
}
