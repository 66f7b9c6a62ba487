//! `show route`: routes of the RIB in the form of the control sockets, a bounded number at a time.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use bgp_core::rib::{Exported, Rib, Route, RouteSource};
use bgp_core::scoped::without_scope;
use bgp_core::types::{Family, PeerId};
use bgp_core::wire::{Attributes, NextHop};
use ipnet::IpNet;
use tokio::sync::mpsc;

use super::super::running::Running;
use crate::clock::timestamp;
use crate::control::command::{RouteQuery, RouteSelection};
use crate::control::model::{BgpAttributes, BgpRouteSnapshot, IgpMetric, RouteSnapshot};
use crate::control::request::Answer;
use crate::desired::local_kind::{DIRECT, KERNEL};
use bgp_speaker::Routes;
use bgp_speaker::forwarding::{Forwarding, REMOTE_METRIC, State};
use bgp_speaker::forwarding::{Gateway, NextHops};
use bgp_speaker::tasks::Tasks;

/// Routes per chunk; the RIB is blocked for no longer than one chunk takes.
const CHUNK: usize = 1000;
/// Chunks that may wait for a slow client.
const CHUNKS: usize = 2;

/// Names used in routes.
struct Names {
    peers: BTreeMap<PeerId, (Arc<str>, IpAddr)>,
}

/// The receivers of exported routes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Export {
    Peer(PeerId),
    Kernel,
}

/// The search criteria.
struct Search {
    family: Family,
    query: RouteQuery,
    export: Option<Export>,
    names: Names,
}

/// Answers with a stream of chunks from a task of its own.
pub(super) fn answer(
    tasks: &Tasks,
    running: &Running,
    family: Family,
    query: RouteQuery,
) -> Answer {
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
        return Answer::NoProtocol;
    }
    let (chunks, receiver) = mpsc::channel(CHUNKS);
    let export = match query.export.as_deref() {
        None => None,
        Some("kernel1") => Some(Export::Kernel),
        Some(name) => match names.peer(name) {
            Some(peer) => Some(Export::Peer(peer)),
            // Nothing is exported to other protocols.
            None => return Answer::Routes(receiver),
        },
    };
    let search = Search {
        family,
        query,
        export,
        names,
    };
    let (routes, forwarding) = (running.speaker.routes(), running.forwarding.clone());
    tasks.errand(
        "answer",
        stream(routes, forwarding, Arc::new(search), chunks),
    );
    Answer::Routes(receiver)
}

async fn stream(
    routes: Routes,
    forwarding: Option<Forwarding>,
    search: Arc<Search>,
    chunks: mpsc::Sender<Vec<RouteSnapshot>>,
) {
    let mut from = Some(0);
    while let Some(start) = from {
        let slice = Arc::clone(&search);
        let Ok((found, next)) = routes.look(move |rib| slice.slice(rib, start)).await else {
            return;
        };
        from = next;
        let rows = match &forwarding {
            Some(forwarding) => {
                let search = Arc::clone(&search);
                let rows = move |state: &State| search.rows(found, Some(state));
                forwarding.look(rows).await
            }
            None => Ok(search.rows(found, None)),
        };
        let Ok(rows) = rows else { return };
        if !rows.is_empty() && chunks.send(rows).await.is_err() {
            return;
        }
    }
}

impl Search {
    fn slice(&self, rib: &Rib, from: u32) -> (Vec<Exported>, Option<u32>) {
        let prefix = match self.query.selection {
            RouteSelection::All => None,
            RouteSelection::Exact(prefix) => Some(prefix),
            RouteSelection::For(target) => match longest_match(rib, target) {
                Some(prefix) => Some(prefix),
                None => return (Vec::new(), None),
            },
        };
        let stored = |routes: Vec<Route>| routes.into_iter().map(Exported::from).collect();
        let (mut found, next) = match (prefix, self.export) {
            (None, Some(Export::Peer(peer))) => rib.exported(peer, self.family, from, CHUNK),
            (Some(prefix), Some(Export::Peer(peer))) => (rib.exported_paths(peer, prefix), None),
            (None, None | Some(Export::Kernel)) => {
                let (routes, next) = rib.routes(self.family, from, CHUNK);
                (stored(routes), next)
            }
            (Some(prefix), None | Some(Export::Kernel)) => (stored(rib.paths(prefix)), None),
        };
        found.retain(|found| self.wants(&found.route));
        (found, next)
    }

    fn wants(&self, route: &Route) -> bool {
        let from = self
            .query
            .protocol
            .as_deref()
            .is_none_or(|name| *self.names.of(route.source) == *name);
        from && (route.best || !self.query.primary) && route.unusable.is_none()
    }

    /// Without a forwarding task, nothing is in the kernel, and next hops are those of the routes.
    fn rows(&self, found: Vec<Exported>, forwarding: Option<&State>) -> Vec<RouteSnapshot> {
        let mut previous = None;
        let mut rows = Vec::new();
        for found in found {
            let route = &found.route;
            if self.export == Some(Export::Kernel) {
                let is_installed = forwarding.is_some_and(|state| state.is_in_kernel(route));
                // One route for each prefix: the best candidate.
                if !is_installed || previous.replace(route.prefix) == Some(route.prefix) {
                    continue;
                }
            }
            rows.push(self.snapshot(found, forwarding));
        }
        rows
    }

    fn snapshot(&self, found: Exported, forwarding: Option<&State>) -> RouteSnapshot {
        let route = &found.route;
        let sender = match route.source {
            RouteSource::Peer(peer, _) => self.names.peers.get(&peer).map(|(_, address)| *address),
            RouteSource::Local(_) => None,
        };
        let next_hops = match forwarding {
            Some(state) if self.export == Some(Export::Kernel) => state.next_hops_in_kernel(route),
            Some(state) => state.next_hops(route),
            None => unresolved(route),
        };
        let to_peer = matches!(self.export, Some(Export::Peer(_)));
        let with_attributes = self.query.all && (to_peer || sender.is_some());
        RouteSnapshot {
            prefix: route.prefix,
            protocol: self.names.of(route.source),
            since: timestamp(route.since),
            from: sender.filter(|sender| !leads_to(&next_hops, *sender)),
            next_hops,
            primary: route.best,
            refused: route.best && forwarding.is_some_and(|state| state.is_refused(route)),
            preference: match route.source {
                // Routes to workloads have the preference of peers' routes; the protocol has one preference.
                RouteSource::Local(id) if id == KERNEL.id => KERNEL.preference,
                RouteSource::Local(_) | RouteSource::Peer(..) => route.preference,
            },
            bgp: sender.is_some().then(|| bgp(route, &found.attributes)),
            attributes: with_attributes
                .then(|| Box::new(all_attributes(found.attributes, found.next_hop, to_peer))),
        }
    }
}

fn leads_to(next_hops: &NextHops, sender: IpAddr) -> bool {
    match next_hops {
        NextHops::Via(gateways) => matches!(&gateways[..], [only] if only.address == sender),
        NextHops::Device(_) | NextHops::Blackhole | NextHops::Unreachable => false,
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

/// The longest prefix that contains the target and has a selected route.
fn longest_match(rib: &Rib, target: IpNet) -> Option<IpNet> {
    let mut net = Some(target);
    while let Some(candidate) = net {
        if rib.best(candidate).is_some() {
            return net;
        }
        net = candidate.supernet();
    }
    None
}

/// The unresolved next hop of a route.
fn unresolved(route: &Route) -> NextHops {
    let interface = route.interface.clone();
    match (route.next_hop, interface) {
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

fn bgp(route: &Route, attributes: &Attributes) -> BgpRouteSnapshot {
    BgpRouteSnapshot {
        igp_metric: match route.igp_metric {
            None => IgpMetric::Unresolvable,
            Some(metric) if metric == REMOTE_METRIC => IgpMetric::Unknown,
            Some(metric) => IgpMetric::Known(metric),
        },
        origin: attributes.origin,
        origin_as: attributes.as_path.view().asns().last(),
    }
}

fn all_attributes(
    attributes: Attributes,
    next_hop: Option<NextHop>,
    as_sent: bool,
) -> BgpAttributes {
    let next_hop = match next_hop {
        None => Vec::new(),
        Some(NextHop::V6LinkLocal { global, link_local }) => vec![global.into(), link_local.into()],
        Some(next_hop) => vec![without_scope(next_hop.address())],
    };
    let default_local_pref = (!as_sent).then_some(100);
    BgpAttributes {
        origin: attributes.origin,
        as_path: attributes.as_path.to_string(),
        next_hop,
        med: attributes.med,
        local_pref: attributes.local_pref.or(default_local_pref),
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
