//! A forecast of the routes advertised to each peer: the agent's own path from a plan to a RIB, within this process and without a
//! network.
//!
//! Every session counts as up, with everything that our settings offer. The plan knows no routes of peers or of the kernel: only
//! its own routes are advertised.
//!
//! Peers that are sent the same routes are represented by one. The cost is that of the plan (each peer is visited once), plus
//! that of the routes for each kind of peers, of which there are few.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use bgp_core::policy::Policy;
use bgp_core::rib::{
    Cursor, Input, Output, PeerConfig, PeerUp, Query, Rib, Standing, View, ViewedRoute,
};
use bgp_core::session::{self, ConnId};
use bgp_core::speaker::{NeighbourConfig, SessionAdapter};
use bgp_core::types::{Asn, Family, PeerId, PerFamily, RouterId};
use bgp_speaker::pool::Pool;
use bgp_speaker::{Desired, PeerSpec, SpeakerConfig};
use ipnet::IpNet;

use super::attributes::WireAttributes;
use crate::desired::{self, Earlier};
use crate::plan::Plan;

/// Routes per query.
const PAGE: usize = 1024;

/// A plan, and the routes advertised to its peers.
#[derive(Debug, Default)]
pub struct Forecast {
    desired: Desired,
    unspeakable: BTreeMap<String, String>,
    /// The kind of each peer: an index into `told`.
    kinds: BTreeMap<Arc<str>, usize>,
    /// The routes advertised to peers of each kind.
    told: Vec<BTreeMap<IpNet, Prospect>>,
}

/// The forecast of a local prefix towards one peer.
#[derive(Clone, Debug, PartialEq)]
pub enum Prospect {
    /// Advertised, with these attributes.
    Told(Arc<WireAttributes>),
    /// Not advertised, for this reason.
    Withheld(Standing),
}

impl Prospect {
    /// The advertised attributes.
    pub fn attributes(&self) -> Option<&Arc<WireAttributes>> {
        match self {
            Self::Told(attributes) => Some(attributes),
            Self::Withheld(_) => None,
        }
    }
}

impl Forecast {
    /// The forecast of a plan. Empty without a router ID, or without the node. Policies that equal some of `policies` are the
    /// same object.
    ///
    /// ```
    /// use bgp_daemon::outlook::Forecast;
    /// use bgp_daemon::plan::{Environment, plan};
    /// use bgp_daemon::resources::{ResourceSet, parse};
    /// use bgp_speaker::pool::Pool;
    ///
    /// let documents = "
    /// {apiVersion: projectcalico.org/v3, kind: Node, metadata: {name: a}, spec: {bgp: {ipv4Address: 192.0.2.2/24}}}
    /// ---
    /// {apiVersion: projectcalico.org/v3, kind: BGPConfiguration, metadata: {name: default}, spec: {serviceClusterIPs: [{cidr: 10.96.0.0/12}]}}
    /// ---
    /// {apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: tor}, spec: {peerIP: 192.0.2.1, asNumber: 65001}}
    /// ";
    /// let set = ResourceSet::from_documents(parse("cluster.yaml", documents).documents).set;
    /// let plan = plan(&set, "a", &Environment::default());
    /// let forecast = Forecast::new(&plan, &mut Pool::default());
    /// let told = forecast.towards("Global_192_0_2_1").expect("a peer");
    /// let prospect = &told[&"10.96.0.0/12".parse()?];
    /// assert_eq!(prospect.attributes().expect("told").as_path, "64512");
    /// # Ok::<(), ipnet::AddrParseError>(())
    /// ```
    pub fn new(plan: &Plan, policies: &mut Pool<Policy>) -> Self {
        let Some(model) = Model::new(plan, policies) else {
            return Self::default();
        };
        Self {
            told: told(&model.rib, model.kinds),
            kinds: model.peers,
            desired: model.desired,
            unspeakable: model.unspeakable,
        }
    }

    /// The desired state of the speaker.
    pub fn desired(&self) -> &Desired {
        &self.desired
    }

    /// Peers of the plan that cannot be configured, with reasons.
    pub fn unspeakable(&self) -> &BTreeMap<String, String> {
        &self.unspeakable
    }

    /// The names of the configured peers, in ascending order.
    pub fn peers(&self) -> impl Iterator<Item = &Arc<str>> {
        self.kinds.keys()
    }

    /// The forecast of each local prefix towards a peer; `None` if it cannot be configured.
    pub fn towards(&self, peer: &str) -> Option<&BTreeMap<IpNet, Prospect>> {
        self.kind(peer).map(|kind| &self.told[kind])
    }

    /// The kind of a peer: peers of one kind are sent the same routes. Kinds are numbers from 0.
    pub fn kind(&self, peer: &str) -> Option<usize> {
        self.kinds.get(peer).copied()
    }
}

/// A plan as a RIB that has advertised everything to all its peers.
#[derive(Debug)]
pub(crate) struct Model {
    /// The RIB, with one peer of each kind, whose number is that of the kind.
    pub(crate) rib: Rib,
    /// The kind of each peer.
    pub(crate) peers: BTreeMap<Arc<str>, usize>,
    kinds: usize,
    desired: Desired,
    /// Peers of the plan that cannot be configured, with reasons.
    pub(crate) unspeakable: BTreeMap<String, String>,
}

impl Model {
    /// `None` without a router ID, or without the node.
    pub(crate) fn new(plan: &Plan, policies: &mut Pool<Policy>) -> Option<Self> {
        let router_id = plan.router_id.filter(|_| plan.node_exists)?;
        let speaker = SpeakerConfig::new(plan.local_as, router_id);
        let (desired, unspeakable) = desired::of(plan, &speaker, policies, &mut Earlier::default());
        let mut audience = Audience::new(&speaker, &desired);
        let peers = desired.peers.iter().map(|(name, spec)| {
            let family = Family::of(spec.remote.ip());
            let own = spec.source.or_else(|| plan.addresses[family]);
            (Arc::clone(name), audience.kind_of(spec, own))
        });
        Some(Self {
            peers: peers.collect(),
            kinds: audience.kinds.len(),
            rib: audience.settled(),
            desired,
            unspeakable,
        })
    }

    /// The RIB's number of a kind of peers.
    pub(crate) fn id(kind: usize) -> PeerId {
        PeerId(u32::try_from(kind).unwrap_or(u32::MAX))
    }
}

/// The kinds of peers, each with one member in a RIB.
struct Audience<'a> {
    speaker: &'a SpeakerConfig,
    rib: Rib,
    now: Instant,
    /// Next hops of local routes: a peer with such an address is not sent them.
    gateways: BTreeSet<IpAddr>,
    kinds: Vec<Kind>,
}

/// Everything that affects the routes advertised to a peer.
#[derive(PartialEq)]
struct Kind {
    routes: PeerConfig,
    up: Option<PeerUp>,
}

impl<'a> Audience<'a> {
    fn new(speaker: &'a SpeakerConfig, desired: &Desired) -> Self {
        // All routes have the same age.
        let now = Instant::now();
        let mut rib = Rib::new(speaker.rib.clone(), now, 0);
        rib.handle(now, Input::ClusterId(desired.cluster_id));
        let routes = desired.routes.iter();
        for ((prefix, _), route) in routes.clone() {
            rib.handle(now, Input::announce(*prefix, route.clone()));
        }
        let gateways = routes.filter_map(|(_, route)| route.next_hop);
        Self {
            speaker,
            rib,
            now,
            gateways: gateways.map(|gateway| gateway.address()).collect(),
            kinds: Vec::new(),
        }
    }

    /// The kind of a peer to which we have this address. The first one of its kind is brought up.
    fn kind_of(&mut self, spec: &PeerSpec, own: Option<IpAddr>) -> usize {
        let neighbour = spec.settings(self.speaker).neighbour;
        let place = self.kinds.len();
        let id = Model::id(place);
        let up = up(id, &neighbour, own);
        let kind = self.kind(&neighbour.routes, up.as_ref());
        if let Some(known) = self.kinds.iter().position(|known| *known == kind) {
            return known;
        }
        self.kinds.push(kind);
        let config = neighbour.routes;
        let peer = Input::Configure { peer: id, config };
        self.rib.handle(self.now, peer);
        if let Some(up) = up {
            let preserved = PerFamily::default();
            let peer = id;
            let up = Input::Up {
                peer,
                up,
                preserved,
            };
            self.rib.handle(self.now, up);
        }
        place
    }

    /// Without the differences between members of one kind. No policy of a plan depends on the peer.
    fn kind(&self, routes: &PeerConfig, up: Option<&PeerUp>) -> Kind {
        let address = match self.gateways.contains(&routes.address) {
            true => routes.address,
            false => Ipv4Addr::UNSPECIFIED.into(),
        };
        Kind {
            routes: {
                let mut config = routes.clone();
                config.address = address;
                config.peer_as = Asn(0);
                config.import = Arc::clone(&routes.export);
                config.allowed_local_as = 0;
                config.max_prefixes = PerFamily::default();
                config
            },
            up: up.map(|up| {
                let mut changed = up.clone();
                changed.peer_id = RouterId::from_bits(0);
                changed
            }),
        }
    }

    /// The RIB, after all routes were advertised.
    fn settled(mut self) -> Rib {
        while let Some(output) = self.rib.poll_output() {
            if let Output::Send { peer, messages } = output {
                let octets = messages.len();
                self.rib.handle(self.now, Input::Written { peer, octets });
            }
        }
        self.rib
    }
}

/// The routes advertised to each kind of peers.
fn told(rib: &Rib, kinds: usize) -> Vec<BTreeMap<IpNet, Prospect>> {
    let mut shared = Shared::default();
    let told = (0..kinds).map(|kind| {
        let families = Family::ALL.into_iter();
        let routes = families.flat_map(|family| ask(rib, Model::id(kind), family));
        let mut told = BTreeMap::new();
        for route in routes {
            let prospect = shared.prospect(&route);
            // Of several routes the best advertised one counts, otherwise the best one.
            let known = told.get(&route.prefix).map(Prospect::attributes);
            if known.is_none_or(|known| known.is_none() && prospect.attributes().is_some()) {
                told.insert(route.prefix, prospect);
            }
        }
        told
    });
    told.collect()
}

/// The best route of each prefix comes first.
fn ask(rib: &Rib, peer: PeerId, family: Family) -> Vec<ViewedRoute> {
    let query = Query::new(View::Told, family).of_peer(peer).with_left_out();
    let (mut from, mut routes) = (Some(Cursor::START), Vec::new());
    while let Some(cursor) = from {
        let page = rib.ask(&query, cursor, PAGE);
        routes.extend(page.routes);
        from = page.next;
    }
    routes
}

/// Shares equal attributes of consecutive routes.
#[derive(Default)]
struct Shared(Option<(ViewedRoute, Arc<WireAttributes>)>);

impl Shared {
    fn prospect(&mut self, route: &ViewedRoute) -> Prospect {
        if route.standing != Standing::Told {
            return Prospect::Withheld(route.standing);
        }
        if let Some((last, attributes)) = &self.0
            && Arc::ptr_eq(&last.attributes, &route.attributes)
            && last.next_hop == route.next_hop
        {
            return Prospect::Told(Arc::clone(attributes));
        }
        let attributes = Arc::new(WireAttributes::from(route));
        self.0 = Some((route.clone(), Arc::clone(&attributes)));
        Prospect::Told(attributes)
    }
}

/// The negotiation with a peer that accepts everything; `None` if it fails.
fn up(id: PeerId, neighbour: &NeighbourConfig, own: Option<IpAddr>) -> Option<PeerUp> {
    const CONN: ConnId = ConnId(0);
    let peer_id = match neighbour.session.peer_address {
        IpAddr::V4(address) => RouterId(address),
        IpAddr::V6(_) => RouterId(Ipv4Addr::UNSPECIFIED),
    };
    let negotiated = neighbour.session.negotiated_with_willing_peer(peer_id);
    let negotiated = negotiated.ok()?;
    let mut link = SessionAdapter::new(id);
    if let Some(own) = own {
        link.connected(CONN, own);
    }
    let is_up = session::Output::Up {
        conn: CONN,
        negotiated,
    };
    match link.split(neighbour, is_up) {
        (Some(Input::Up { up, .. }), _) => Some(up),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
