//! Import of routes from peers: loop checks and import policy (RFC 4271 §9.1.1, §9.1.2; RFC 4456 §8; RFC 9234 §5).

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Instant;

use ipnet::IpNet;

use super::attributes::{AttrId, AttrKey};
use super::path::{Path, Unusable};
use super::settings::{PEER_PREFERENCE, PeerConfig};
use super::shared::Shared;
use crate::policy::{Changes, Decision, Explanation, Outcomes, RouteView};
use crate::scoped::without_scope;
use crate::steps;
use crate::types::Role;
use crate::types::{PathId, PeerId, Prefix};
use crate::wire::attribute::{AttributeView, Attributes};
use crate::wire::{NextHop, Update};

/// The part of an UPDATE that all of its prefixes share.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) peer: PeerId,
    pub(crate) config: Arc<PeerConfig>,
    pub(crate) received: AttrId,
    /// With the OTC stamp of our role.
    pub(crate) stamped: AttrId,
    pub(crate) unusable: Option<Unusable>,
    pub(crate) since: u32,
    /// Cached results of the import policy for other prefixes.
    outcomes: Outcomes<(AttrId, Option<Unusable>)>,
}

impl Arrival {
    pub(crate) fn new(
        shared: &mut Shared,
        config: &Arc<PeerConfig>,
        peer: PeerId,
        now: Instant,
        next_hop: NextHop,
        octets: &[u8],
    ) -> Self {
        let key = AttrKey {
            next_hop: Some(config.with_scope(next_hop)),
            preference: PEER_PREFERENCE,
            interface: None,
            octets,
        };
        let received = shared.store.intern_tracked(key);
        Self {
            peer,
            config: Arc::clone(config),
            received,
            stamped: stamp_role(shared, config, received),
            unusable: find_fault(shared, config, peer, received),
            since: shared.seconds(now),
            outcomes: Outcomes::default(),
        }
    }
}

/// The imported path of a route: with the attributes that the import policy results in, or with the reason why it is unusable.
#[inline(always)]
pub(crate) fn import(
    shared: &mut Shared,
    arrival: &mut Arrival,
    prefix: IpNet,
    remote_id: PathId,
    epoch: u8,
) -> Path {
    let (attrs, unusable) = match arrival.unusable {
        Some(fault) => (arrival.stamped, Some(fault)),
        None if arrival.config.import.is_accept_all() => (arrival.stamped, None),
        None => apply_import_policy(shared, arrival, prefix),
    };
    Path {
        attrs,
        received: arrival.received,
        peer: arrival.peer,
        remote_id,
        since: arrival.since,
        local_id: 0,
        epoch,
        unusable,
    }
}

impl Arrival {
    /// Of routes that were received before.
    pub(crate) fn again(
        shared: &mut Shared,
        config: &Arc<PeerConfig>,
        peer: PeerId,
        received: AttrId,
        since: u32,
    ) -> Self {
        Self {
            peer,
            config: Arc::clone(config),
            received,
            stamped: stamp_role(shared, config, received),
            unusable: find_fault(shared, config, peer, received),
            since,
            outcomes: Outcomes::default(),
        }
    }
}

/// Imports a path again, from the received attributes.
pub(crate) fn import_again<P: Prefix>(
    shared: &mut Shared,
    path: Path,
    prefix: P,
    config: &Arc<PeerConfig>,
) -> Path {
    let mut arrival = Arrival::again(shared, config, path.peer, path.received, path.since);
    import_arrived(shared, &mut arrival, prefix, path.remote_id, path.epoch)
}

/// The imported path of a route that arrived before, perhaps in an earlier epoch.
pub(crate) fn import_arrived<P: Prefix>(
    shared: &mut Shared,
    arrival: &mut Arrival,
    prefix: P,
    remote_id: PathId,
    epoch: u8,
) -> Path {
    let mut imported = import(shared, arrival, prefix.into(), remote_id, epoch);
    if shared.is_last_resort::<P>(&imported) {
        imported.attrs = shared.store.with_llgr_stale(imported.attrs);
    }
    imported
}

/// RFC 9234 §5, ingress 3: a route from a provider, peer or route server is stamped with its AS. The received attributes stay
/// without the stamp, because our role may change.
fn stamp_role(shared: &mut Shared, config: &PeerConfig, received: AttrId) -> AttrId {
    match stamped(config, shared.store.view(received)) {
        Some(stamped) => shared.store.intern_edited(received, Some(&stamped), None),
        None => received,
    }
}

/// The attributes with the stamp, if it applies.
fn stamped(config: &PeerConfig, received: AttributeView<'_>) -> Option<Attributes> {
    let stamps = matches!(
        config.role,
        Some(Role::Customer | Role::Peer | Role::RsClient)
    );
    (stamps && received.otc().is_none()).then(|| Attributes {
        otc: Some(config.peer_as),
        ..received.to_attributes()
    })
}

fn apply_import_policy(
    shared: &mut Shared,
    arrival: &mut Arrival,
    prefix: IpNet,
) -> (AttrId, Option<Unusable>) {
    let received = arrival.stamped;
    if let Some(outcome) = arrival.outcomes.find(prefix) {
        return outcome;
    }
    steps::count_evaluation();
    let config = &arrival.config;
    let attributes = shared.store.view(received);
    let route = view(shared, config, arrival.peer, received, attributes, prefix);
    let (decision, asked) = config.import.evaluate_asking(route);
    let outcome = match decision {
        Decision::Reject => (received, Some(Unusable::Policy)),
        Decision::Accept(changes) => apply(shared, changes, received, arrival.peer),
    };
    arrival.outcomes.note(&asked, outcome);
    outcome
}

/// The policy's view of a route. `attributes` are the received ones, with the stamp of our role.
fn view<'a>(
    shared: &'a Shared,
    config: &PeerConfig,
    peer: PeerId,
    received: AttrId,
    attributes: AttributeView<'a>,
    prefix: IpNet,
) -> RouteView<'a> {
    let interface = shared.store.interface_of(received);
    let peer = config.view(peer);
    RouteView {
        peer: Some(peer),
        learned_from: Some(peer),
        source: config.kind.source(),
        next_hop: shared.store.next_hop(received),
        local_pref: Some(shared.store[received].local_pref),
        interface: interface.map(|name| &**name),
        ..RouteView::new(prefix, attributes)
    }
}

/// Runs the import policy on a path again; `None` if another rule decides first.
pub(crate) fn explain(
    shared: &Shared,
    config: &PeerConfig,
    path: &Path,
    prefix: IpNet,
) -> Option<Explanation> {
    let (peer, received) = (path.peer, path.received);
    if path.is_local() || find_fault(shared, config, peer, received).is_some() {
        return None;
    }
    let mut attributes = shared.store.view(received);
    let mut octets = Vec::new();
    if let Some(stamped) = stamped(config, attributes) {
        stamped.encode_canonical(&mut octets);
        attributes = AttributeView::new(&octets);
    }
    let route = view(shared, config, peer, received, attributes, prefix);
    Some(config.import.explain(route))
}

fn apply(
    shared: &mut Shared,
    changes: Changes,
    received: AttrId,
    peer: PeerId,
) -> (AttrId, Option<Unusable>) {
    let mut attrs = received;
    if changes.attributes.is_some() || changes.preference.is_some() {
        let (attributes, preference) = (changes.attributes.as_deref(), changes.preference);
        attrs = shared.store.intern_edited(received, attributes, preference);
    }
    let Some(next_hop) = changes.next_hop else {
        return (attrs, None);
    };
    let own = is_own_next_hop(shared, peer, next_hop);
    let attrs = shared.store.with_next_hop(attrs, next_hop, true);
    (attrs, own.then_some(Unusable::OwnNextHop))
}

/// Whether the next hop is our own, so that routes with it are unusable.
fn is_own_next_hop(shared: &Shared, peer: PeerId, next_hop: NextHop) -> bool {
    let peer = shared.peers.find(peer);
    !shared.config.use_unresolved
        && peer.is_some_and(|it| it.is_known_to_be_ours(without_scope(next_hop.address())))
}

/// Why the routes of an UPDATE are unusable, whatever their prefix.
fn find_fault(
    shared: &Shared,
    config: &PeerConfig,
    peer: PeerId,
    received: AttrId,
) -> Option<Unusable> {
    let view = shared.store.view(received);
    let own_id = shared.config.router_id;
    let cluster_id = shared.config.cluster_id.unwrap_or(own_id);
    let next_hop = shared.store.next_hop(received);
    let is_own = |next_hop| is_own_next_hop(shared, peer, next_hop);
    let forwards = shared.config.forwarding || shared.config.resolve_next_hops;
    let may_be_loopback = config.address.is_loopback() && !forwards;
    if view.as_path().occurrences(config.local_as) > config.allowed_local_as as usize {
        Some(Unusable::AsLoop)
    } else if shared.store.originator_id(received) == Some(own_id)
        || view.cluster_list().any(|id| id == cluster_id)
    {
        Some(Unusable::ReflectionLoop)
    } else if next_hop.is_some_and(is_own) {
        Some(Unusable::OwnNextHop)
    } else if !may_be_loopback && next_hop.is_some_and(NextHop::is_loopback) {
        Some(Unusable::LoopbackNextHop)
    } else if leaks(config, view) {
        Some(Unusable::RouteLeak)
    } else {
        None
    }
}

/// Whether our AS is in the received AS_PATH of an UPDATE, but not in its attributes, which hold the merged path of a peer with
/// two-octet AS numbers (RFC 6793 §4.2.3).
pub(crate) fn hides_loop(config: &PeerConfig, update: &Update, attributes: &[u8]) -> bool {
    let path = AttributeView::new(attributes).as_path();
    config.allowed_local_as == 0
        && path.occurrences(config.local_as) == 0
        && update.received_path_contains(config.local_as)
}

/// RFC 9234 §5, ingress 1 and 2.
fn leaks(config: &PeerConfig, view: AttributeView<'_>) -> bool {
    match config.role {
        Some(Role::Provider | Role::RsServer) => view.otc().is_some(),
        Some(Role::Peer) => view.otc().is_some_and(|otc| otc != config.peer_as),
        Some(Role::Customer | Role::RsClient) | None => false,
    }
}

/// Whether a prefix can be routed (RFC 4271 §6.3): not loopback, link-local, multicast or reserved space.
pub(crate) fn is_routable(prefix: IpNet) -> bool {
    if prefix.prefix_len() == 0 {
        return true;
    }
    match prefix {
        IpNet::V4(net) => {
            let address: Ipv4Addr = net.network();
            !(address.is_loopback() || address.is_link_local() || address.octets()[0] >= 224)
        }
        IpNet::V6(net) => {
            let address: Ipv6Addr = net.network();
            !(address.is_loopback() || address.is_unicast_link_local() || address.is_multicast())
        }
    }
}
