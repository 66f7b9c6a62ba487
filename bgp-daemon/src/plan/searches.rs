//! Peers that are looked for on this node: the gateways of its default routes, and the router on a link.

use std::collections::BTreeMap;

use super::annotations::{Annotations, Whom, field_of};
use super::cluster::Cluster;
use super::environment::Router;
use super::model::{PeerType, Search, SearchPlace};
use super::peering::{Peering, Target, as_of_peer, is_global, is_on_this_node};
use super::session_rules::in_name;
use crate::resources::{BgpPeer, Problem};

impl Search {
    /// Whether a session that was found could have this name.
    pub(crate) fn is_name(&self, name: &str) -> bool {
        let prefix = if self.kind == PeerType::Global {
            "Global_"
        } else {
            "Node_"
        };
        let is_there = match &self.place {
            SearchPlace::DefaultGateway => true,
            SearchPlace::Interface(link) => name.ends_with(&format!("_dev_{}", in_name(link))),
        };
        name.starts_with(prefix) && is_there
    }
}

/// The peerings of a BGPPeer whose peers are looked for.
pub(super) fn found<'a>(
    cluster: &Cluster<'a>,
    resource: &'a BgpPeer,
    whom: &Whom,
) -> Vec<Peering<'a>> {
    let environment = cluster.environment;
    let gateways = environment
        .gateways
        .iter()
        .flatten()
        .filter(|_| whom.default_gateway);
    let mut routers: Vec<&Router> = on_link(cluster, whom).collect();
    if routers.len() > 1 {
        routers.clear();
    }
    let peering = |router: &'a Router, target| Peering {
        resource,
        address: router.address,
        link: Some(&router.link).filter(|_| is_link_local(router)),
        port: None,
        peer_as: as_of_peer(cluster, resource),
        peer_cluster_id: None,
        target,
    };
    let gateways = gateways.map(|gateway| {
        let is_node = cluster.nodes_at(gateway.address).next().is_some();
        peering(gateway, Target::Address { is_node })
    });
    let routers = routers
        .into_iter()
        .map(|router| peering(router, Target::Link));
    gateways.chain(routers).collect()
}

/// What this node looks for. Reports searches that have found nobody, or several where one is wanted.
pub(super) fn searches(
    cluster: &Cluster<'_>,
    annotations: &BTreeMap<&str, Annotations>,
    problems: &mut Vec<Problem>,
) -> Vec<Search> {
    let own = cluster.resources.bgp_peers();
    let own = own.filter(|resource| is_global(resource) || is_on_this_node(cluster, resource));
    let mut searches: Vec<Search> = Vec::new();
    for resource in own {
        let annotations = &annotations[resource.metadata.name.as_str()];
        let whom = annotations.whom();
        let kind = if is_global(resource) {
            PeerType::Global
        } else {
            PeerType::Node
        };
        let (place, families) = match &whom.interface {
            Some(link) => (
                SearchPlace::Interface(link.clone()),
                annotations.options_on_link().families,
            ),
            None if whom.default_gateway => (
                SearchPlace::DefaultGateway,
                annotations.families().unwrap_or_default(),
            ),
            None => continue,
        };
        let object = format!("BGPPeer/{}", resource.metadata.name);
        let fault = twice(&searches, &place).or_else(|| fault(cluster, whom));
        if let Some((reason, severity)) = fault {
            let field = match (resource.spec.is_auto_gateway(), whom.default_gateway) {
                (true, _) => "spec.peerIP".to_owned(),
                (false, true) => field_of("peer"),
                (false, false) => field_of("interface"),
            };
            problems.push(severity(object.clone(), reason).at_field(field));
        }
        searches.push(Search {
            place,
            kind,
            families,
            resource: object,
        });
    }
    searches
}

type Fault = (String, fn(String, String) -> Problem);

/// An earlier BGPPeer looks in the same place.
fn twice(searches: &[Search], place: &SearchPlace) -> Option<Fault> {
    let other = searches.iter().find(|other| other.place == *place)?;
    let reason = format!("{} names the same peer", other.resource);
    Some((reason, Problem::error))
}

fn fault(cluster: &Cluster<'_>, whom: &Whom) -> Option<Fault> {
    let environment = cluster.environment;
    if whom.default_gateway {
        let gateways = environment.gateways.as_ref()?;
        let nobody = "this node has no default route with a gateway";
        return gateways
            .is_empty()
            .then(|| (nobody.into(), Problem::warning as _));
    }
    let link = whom
        .interface
        .as_ref()
        .filter(|_| environment.routers.is_some())?;
    let routers: Vec<_> = on_link(cluster, whom)
        .map(|router| router.address.to_string())
        .collect();
    match &routers[..] {
        [] => Some((
            format!("no router was heard on {link} so far"),
            Problem::warning,
        )),
        [_] => None,
        several => {
            let reason = format!(
                "several routers are on {link}, and a peering takes one: {}",
                several.join(", ")
            );
            Some((reason, Problem::error))
        }
    }
}

/// The routers on the link that a BGPPeer names.
fn on_link<'a>(cluster: &Cluster<'a>, whom: &Whom) -> impl Iterator<Item = &'a Router> {
    let routers = cluster.environment.routers.iter().flatten();
    routers.filter(|router| Some(&router.link.name) == whom.interface.as_ref())
}

fn is_link_local(router: &Router) -> bool {
    matches!(router.address, std::net::IpAddr::V6(address) if address.is_unicast_link_local())
}

#[cfg(test)]
mod tests;
