//! `show route`: routes of the RIB in the shape of the control sockets, a bounded number at a time.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use bgp_core::rib::{Rib, Route, RouteSource};
use bgp_core::types::{Family, PeerId};
use bgp_core::wire::NextHop;
use ipnet::IpNet;
use tokio::sync::{mpsc, oneshot};

use super::super::{DIRECT, KERNEL, Running};
use super::send;
use crate::control::command::{RouteQuery, RouteSelection};
use crate::control::model::{
    BgpAttributes, BgpRouteSnapshot, Gateway, IgpMetric, NextHops, RouteSnapshot,
};
use crate::control::server::Answer;
use crate::net::Routes;

/// Routes looked at in one go: the RIB is held up for no longer.
const CHUNK: usize = 1000;
/// Chunks waiting for a slow client.
const CHUNKS: usize = 2;

/// Everything that a route is named by.
#[derive(Clone)]
struct Names {
    peers: BTreeMap<PeerId, (Arc<str>, IpAddr)>,
}

/// What is looked for.
#[derive(Clone)]
struct Search {
    family: Family,
    query: RouteQuery,
    /// The peer of `query.export`.
    export: Option<PeerId>,
    names: Names,
}

/// Answers with a stream of chunks from a task of its own.
pub(super) fn answer(
    running: &Running,
    family: Family,
    query: RouteQuery,
    reply: oneshot::Sender<Answer>,
) {
    let peers = running
        .plan
        .peers
        .iter()
        .filter(|peer| peer.options.families.contains(&family))
        .filter_map(|peer| {
            let id = running.speaker.peer_id(&peer.name)?;
            Some((id, (Arc::from(peer.name.as_str()), peer.address)))
        });
    let names = Names {
        peers: peers.collect(),
    };
    let unknown = |name: &Option<String>| name.as_deref().is_some_and(|name| !names.knows(name));
    if unknown(&query.export) || unknown(&query.protocol) {
        return send(reply, Answer::NoProtocol);
    }
    let export = query.export.as_deref().map(|name| names.peer(name));
    let (chunks, receiver) = mpsc::channel(CHUNKS);
    send(reply, Answer::Routes(receiver));
    if export == Some(None) {
        // Nothing is exported to the protocols that are not peers.
        return;
    }
    let search = Search {
        family,
        query,
        export: export.flatten(),
        names,
    };
    tokio::spawn(stream(running.speaker.routes(), search, chunks));
}

async fn stream(routes: Routes, search: Search, chunks: mpsc::Sender<Vec<RouteSnapshot>>) {
    let mut from = Some(0);
    while let Some(start) = from {
        let search = search.clone();
        let Ok((found, next)) = routes.look(move |rib| search.slice(rib, start)).await else {
            return;
        };
        from = next;
        if !found.is_empty() && chunks.send(found).await.is_err() {
            return;
        }
    }
}

impl Search {
    fn slice(&self, rib: &Rib, from: u32) -> (Vec<RouteSnapshot>, Option<u32>) {
        let (routes, next) = match (self.query.selection, self.export) {
            (RouteSelection::All, None) => rib.routes(self.family, from, CHUNK),
            (_, Some(peer)) => rib.exported(peer, self.family, from, CHUNK),
            (RouteSelection::Exact(prefix), None) => (rib.paths(prefix), None),
            (RouteSelection::For(target), None) => (longest_match(rib, target), None),
        };
        let wanted = routes.iter().filter(|route| self.wants(route));
        (wanted.map(|route| self.snapshot(route)).collect(), next)
    }

    fn wants(&self, route: &Route) -> bool {
        let selected = match self.query.selection {
            RouteSelection::All => true,
            RouteSelection::Exact(prefix) => route.prefix == prefix,
            RouteSelection::For(target) => route.prefix.contains(&target),
        };
        let from = self
            .query
            .protocol
            .as_deref()
            .is_none_or(|name| *self.names.of(route.source) == *name);
        selected && from && (route.best || !self.query.primary) && route.unusable.is_none()
    }

    fn snapshot(&self, route: &Route) -> RouteSnapshot {
        let sender = match route.source {
            RouteSource::Peer(peer, _) => self.names.peers.get(&peer).map(|(_, address)| *address),
            RouteSource::Local(_) => None,
        };
        RouteSnapshot {
            prefix: route.prefix,
            next_hops: next_hops(route),
            protocol: self.names.of(route.source),
            since: super::super::timestamp(route.since),
            from: sender.filter(|sender| route.next_hop.map(NextHop::address) != Some(*sender)),
            primary: route.best,
            refused: false,
            preference: route.preference,
            bgp: sender.is_some().then(|| bgp(route, self.query.all)),
        }
    }
}

impl Names {
    fn knows(&self, name: &str) -> bool {
        self.peer(name).is_some() || ["static1", "kernel1", "direct1", "device1"].contains(&name)
    }

    fn peer(&self, name: &str) -> Option<PeerId> {
        self.peers
            .iter()
            .find(|(_, (known, _))| **known == *name)
            .map(|(id, _)| *id)
    }

    fn of(&self, source: RouteSource) -> Arc<str> {
        match source {
            RouteSource::Local(id) if id == KERNEL.id => "kernel1".into(),
            RouteSource::Local(id) if id == DIRECT.id => "direct1".into(),
            RouteSource::Local(_) => "static1".into(),
            RouteSource::Peer(peer, _) => self
                .peers
                .get(&peer)
                .map_or_else(|| "static1".into(), |(name, _)| Arc::clone(name)),
        }
    }
}

fn longest_match(rib: &Rib, target: IpNet) -> Vec<Route> {
    let mut net = Some(target);
    while let Some(candidate) = net {
        let found = rib.paths(candidate);
        if found.iter().any(|route| route.best) {
            return found;
        }
        net = candidate.supernet();
    }
    Vec::new()
}

fn next_hops(route: &Route) -> NextHops {
    let interface = route.interface.clone();
    match (route.next_hop, interface) {
        (Some(_), _) if route.igp_metric.is_none() => NextHops::Unreachable,
        (Some(next_hop), interface) => {
            let interface = interface.unwrap_or_else(|| "?".into());
            NextHops::Via(vec![Gateway {
                address: next_hop.address(),
                interface,
            }])
        }
        (None, Some(interface)) => NextHops::Device(interface),
        (None, None) => NextHops::Blackhole,
    }
}

fn bgp(route: &Route, all: bool) -> BgpRouteSnapshot {
    let attributes = &route.attributes;
    BgpRouteSnapshot {
        igp_metric: match route.igp_metric {
            None => IgpMetric::Unresolvable,
            Some(metric) if metric == super::super::forwarding::REMOTE_METRIC => IgpMetric::Unknown,
            Some(metric) => IgpMetric::Known(metric),
        },
        origin: attributes.origin,
        origin_as: attributes.as_path.view().asns().last(),
        attributes: all.then(|| Box::new(all_attributes(route))),
    }
}

fn all_attributes(route: &Route) -> BgpAttributes {
    let attributes = route.attributes.clone();
    let next_hop = match route.next_hop {
        None => Vec::new(),
        Some(NextHop::V6LinkLocal { global, link_local }) => vec![global.into(), link_local.into()],
        Some(next_hop) => vec![next_hop.address()],
    };
    BgpAttributes {
        as_path: attributes.as_path.to_string(),
        next_hop,
        med: attributes.med,
        local_pref: Some(attributes.local_pref.unwrap_or(100)),
        atomic_aggregate: attributes.atomic_aggregate,
        aggregator: attributes.aggregator,
        communities: attributes.communities,
        originator_id: attributes.originator_id,
        cluster_list: attributes.cluster_list,
        ext_communities: attributes.ext_communities,
        large_communities: attributes.large_communities,
        otc: attributes.otc,
        unknown: attributes.unknown,
    }
}
