//! The status of an object, made from the snapshots of the control sockets. Pure.
//!
//! Every value is one that the API allows: a state such as `Passive` would make the API server refuse the whole object.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bgp_core::types::{PerFamily, RouterId};
use serde::Serialize;

use crate::control::VERSION;
use crate::control::model::{
    BgpState, ProtocolKind, ProtocolSnapshot, ProtocolState, RouteSnapshot, StatusSnapshot,
};
use crate::control::render::Clock;
use crate::control::session_name::{self, PeerType};
use crate::resources::StatusClass;
use bgp_speaker::forwarding::NextHops;

/// A snapshot of one control socket.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The speaker; `None` if it does not answer.
    pub status: Option<StatusSnapshot>,
    /// All protocols of the family.
    pub protocols: Vec<ProtocolSnapshot>,
    /// Routes of the family.
    pub routes: Vec<RouteSnapshot>,
}

/// The `status` of a CalicoNodeStatus, without `lastUpdated`, which the writer adds. Classes that were not requested are absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NodeStatus {
    /// The speaker as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentStatus>,
    /// Sessions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bgp: Option<BgpStatus>,
    /// Routes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routes: Option<RoutesStatus>,
}

/// The speaker as a whole, by family.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are the API's own")]
pub struct AgentStatus {
    pub bird_v4: DaemonStatus,
    pub bird_v6: DaemonStatus,
}

/// One family of the speaker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are the API's own")]
pub struct DaemonStatus {
    pub state: DaemonState,
    pub version: String,
    #[serde(rename = "routerID")]
    pub router_id: String,
    pub last_boot_time: String,
    pub last_reconfiguration_time: String,
}

/// Whether a family is served. It is not without a router ID, as no session can be opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names are the API's own")]
pub enum DaemonState {
    Ready,
    #[default]
    NotReady,
}

/// Sessions of both families.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names are the API's own")]
pub struct BgpStatus {
    #[serde(rename = "numberEstablishedV4")]
    pub established_v4: usize,
    #[serde(rename = "numberNotEstablishedV4")]
    pub not_established_v4: usize,
    #[serde(rename = "numberEstablishedV6")]
    pub established_v6: usize,
    #[serde(rename = "numberNotEstablishedV6")]
    pub not_established_v6: usize,
    #[serde(rename = "peersV4")]
    pub peers_v4: Vec<PeerStatus>,
    #[serde(rename = "peersV6")]
    pub peers_v6: Vec<PeerStatus>,
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PeerStatus {
    /// The neighbour's address, without a port.
    #[serde(rename = "peerIP")]
    pub address: IpAddr,
    /// `NodeMesh`, `NodePeer` or `GlobalPeer`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// One of the six states of RFC 4271 §8.2.2, or `Close`.
    pub state: &'static str,
    /// When the state began, as in `show protocols`.
    pub since: String,
}

/// Routes of both families, at most [`MAX_ROUTES`] of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names are the API's own")]
pub struct RoutesStatus {
    #[serde(rename = "routesV4")]
    pub routes_v4: Vec<RouteStatus>,
    #[serde(rename = "routesV6")]
    pub routes_v6: Vec<RouteStatus>,
}

/// One next hop of a prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteStatus {
    /// `FIB` for the best route of its prefix, if the kernel has not refused it; otherwise `RIB`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The prefix.
    pub destination: String,
    /// An address, or `N/A`.
    pub gateway: String,
    /// A device, or `blackhole` or `unreachable`.
    pub interface: String,
    /// The source.
    pub learned_from: LearnedFrom,
}

/// The source of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LearnedFrom {
    /// `Kernel`, `Static`, `Direct`, `NodeMesh` or `BGPPeer`.
    pub source_type: &'static str,
    /// The neighbour, for the last two.
    #[serde(rename = "peerIP", skip_serializing_if = "Option::is_none")]
    pub peer: Option<IpAddr>,
}

/// Routes of a family in a status. More would exceed the size limit of an API server; the rest is left out.
pub const MAX_ROUTES: usize = 3000;

/// The status of an object that requests these classes.
pub fn build(classes: &[StatusClass], seen: &PerFamily<Seen>, clock: &Clock) -> NodeStatus {
    let (v4, v6) = (&seen.ipv4, &seen.ipv6);
    let asked = |class| classes.contains(&class);
    NodeStatus {
        agent: asked(StatusClass::Agent).then(|| AgentStatus {
            bird_v4: daemon(v4, clock),
            bird_v6: daemon(v6, clock),
        }),
        bgp: asked(StatusClass::BGP).then(|| {
            let ((up_v4, peers_v4), (up_v6, peers_v6)) = (peers(v4, clock), peers(v6, clock));
            BgpStatus {
                established_v4: up_v4,
                not_established_v4: peers_v4.len() - up_v4,
                established_v6: up_v6,
                not_established_v6: peers_v6.len() - up_v6,
                peers_v4,
                peers_v6,
            }
        }),
        routes: asked(StatusClass::Routes).then(|| RoutesStatus {
            routes_v4: routes(v4),
            routes_v6: routes(v6),
        }),
    }
}

fn daemon(seen: &Seen, clock: &Clock) -> DaemonStatus {
    let Some(status) = &seen.status else {
        return DaemonStatus::default();
    };
    DaemonStatus {
        state: if status.router_id == RouterId::from_bits(0) {
            DaemonState::NotReady
        } else {
            DaemonState::Ready
        },
        version: VERSION.to_owned(),
        router_id: status.router_id.to_string(),
        last_boot_time: clock.long(status.boot),
        last_reconfiguration_time: clock.long(status.reconfigured),
    }
}

/// The sessions, and the number of established ones. The API has no type for sessions with local workloads.
fn peers(seen: &Seen, clock: &Clock) -> (usize, Vec<PeerStatus>) {
    let mut established = 0;
    let mut peers = Vec::new();
    for protocol in &seen.protocols {
        let (Some(bgp), Some(kind)) = (&protocol.bgp, peer_kind(&protocol.name)) else {
            continue;
        };
        established += usize::from(protocol.state == ProtocolState::Up);
        peers.push(PeerStatus {
            address: bgp.neighbor_address,
            kind,
            state: state_word(bgp.state),
            since: clock.short(protocol.since),
        });
    }
    (established, peers)
}

fn peer_kind(session: &str) -> Option<&'static str> {
    // The family does not affect the type.
    let (peer_type, _) = session_name::parse(session, bgp_core::types::Family::Ipv4Unicast)?;
    Some(match peer_type {
        PeerType::Mesh => "NodeMesh",
        PeerType::Node => "NodePeer",
        PeerType::Global => "GlobalPeer",
    })
}

/// The nearest state that the API knows.
const fn state_word(state: BgpState) -> &'static str {
    match state {
        BgpState::Passive => BgpState::Active.word(),
        BgpState::Down => BgpState::Idle.word(),
        state => state.word(),
    }
}

fn routes(seen: &Seen) -> Vec<RouteStatus> {
    let neighbours: BTreeMap<&str, IpAddr> = seen
        .protocols
        .iter()
        .filter_map(|protocol| Some((&*protocol.name, protocol.bgp.as_ref()?.neighbor_address)))
        .collect();
    let kinds: BTreeMap<&str, ProtocolKind> = seen
        .protocols
        .iter()
        .map(|protocol| (&*protocol.name, protocol.kind))
        .collect();
    let mut rows = Vec::new();
    for route in &seen.routes {
        let kind = kinds.get(&*route.protocol).copied();
        let neighbour = neighbours.get(&*route.protocol).copied();
        // A session that ended in the meantime has taken its routes with it.
        if let Some(learned_from) = learned_from(&route.protocol, kind, neighbour) {
            rows.extend(ways(route, &learned_from));
        }
    }
    rows.truncate(MAX_ROUTES);
    rows
}

fn learned_from(
    protocol: &str,
    kind: Option<ProtocolKind>,
    peer: Option<IpAddr>,
) -> Option<LearnedFrom> {
    let source_type = match kind? {
        ProtocolKind::Kernel => "Kernel",
        ProtocolKind::Static => "Static",
        ProtocolKind::Direct | ProtocolKind::Device => "Direct",
        ProtocolKind::Bgp if peer_kind(protocol) == Some("NodeMesh") => "NodeMesh",
        ProtocolKind::Bgp => "BGPPeer",
    };
    Some(LearnedFrom { source_type, peer })
}

/// One row per gateway.
fn ways(route: &RouteSnapshot, learned_from: &LearnedFrom) -> Vec<RouteStatus> {
    let used = route.primary && !route.refused;
    let row = |gateway: String, interface: &str| RouteStatus {
        kind: if used { "FIB" } else { "RIB" },
        destination: route.prefix.to_string(),
        gateway,
        interface: interface.to_owned(),
        learned_from: learned_from.clone(),
    };
    let nowhere = || "N/A".to_owned();
    match &route.next_hops {
        NextHops::Via(gateways) => gateways
            .iter()
            .map(|gateway| row(gateway.address.to_string(), &gateway.interface))
            .collect(),
        NextHops::Device(interface) => vec![row(nowhere(), interface)],
        NextHops::Blackhole => vec![row(nowhere(), "blackhole")],
        NextHops::Unreachable => vec![row(nowhere(), "unreachable")],
    }
}

#[cfg(test)]
mod tests;
