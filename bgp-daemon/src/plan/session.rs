//! Turns peerings into sessions, with every setting.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use bgp_core::types::{Asn, Family, RouterId};
use ipnet::IpNet;

use super::annotations::{Annotations, PeerOptions};
use super::bfd;
use super::bfd_times;
use super::cluster::{BGP_PORT, Cluster, GLOBAL};
use super::mesh;
use super::model::{HostRoute, Peer, PeerType, PlannedNextHop, Search};
use super::password;
use super::peering::{Peering, Target};
use super::peers;
use super::searches;
use super::session_rules::{is_passive_towards, restart_seconds, session_name, whole_seconds};
use crate::resources::{
    BgpFilterSpec, BgpPeer, BgpPeerSpec, FilterRule, NextHopMode, Problem, SourceAddress,
    did_you_mean,
};

/// The sessions of this node.
pub(super) struct Sessions<'a> {
    /// By name.
    pub(super) peers: Vec<Peer>,
    /// Routes to their peers.
    pub(super) reachable_by: Vec<HostRoute>,
    /// BGPPeers without a session, because the node has no address of the family.
    pub(super) unaddressed: Vec<(String, IpAddr)>,
    /// BGPPeers whose peers are looked for.
    pub(super) searches: Vec<Search>,
    /// The annotations of each BGPPeer, by its name.
    pub(super) annotations: BTreeMap<&'a str, Annotations>,
}

/// All sessions: mesh, global, own, workloads.
pub(super) fn sessions<'a>(cluster: &Cluster<'a>, problems: &mut Vec<Problem>) -> Sessions<'a> {
    let annotations = read_annotations(cluster, problems);
    let peerings = peers::peerings(cluster, &annotations, problems);
    let searches = searches::searches(cluster, &annotations, problems);
    let mut peers = mesh::peers(cluster, problems);
    let (mut reachable_by, mut unaddressed) = (BTreeSet::new(), BTreeSet::new());
    for (scope, peerings) in [
        (PeerType::Global, &peerings.global),
        (PeerType::Node, &peerings.node),
    ] {
        for peering in peerings.values() {
            let name = peering.resource.metadata.name.as_str();
            let needs_address = peering.link.is_none();
            if needs_address && cluster.address(Family::of(peering.address)).is_none() {
                unaddressed.insert((format!("BGPPeer/{name}"), peering.address));
            }
            if let Some(peer) = peer(cluster, scope, peering, &annotations[name], problems) {
                reachable_by.extend(host_route(peering));
                peers.push(peer);
            }
        }
    }
    peers.sort_by(|a, b| (&a.name, a.family).cmp(&(&b.name, b.family)));
    note_passwords_beside_others(&peers, problems);
    note_missing_filters(cluster, problems);
    Sessions {
        peers,
        reachable_by: reachable_by.into_iter().collect(),
        unaddressed: unaddressed.into_iter().collect(),
        searches,
        annotations,
    }
}

/// The annotations of each BGPPeer by its name, including those for other nodes: their mistakes are reported on every node.
fn read_annotations<'a>(
    cluster: &Cluster<'a>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<&'a str, Annotations> {
    let mut read = |peer: &'a BgpPeer| {
        let name = peer.metadata.name.as_str();
        let own = Annotations::of_peer(peer, problems);
        (name, own.or(cluster.defaults.clone()))
    };
    cluster.resources.bgp_peers().map(&mut read).collect()
}

/// The session of a peering; `None` for a peering with ourselves, or of a family without an address of ours.
fn peer(
    cluster: &Cluster<'_>,
    scope: PeerType,
    peering: &Peering<'_>,
    annotations: &Annotations,
    problems: &mut Vec<Problem>,
) -> Option<Peer> {
    let own = match peering.link {
        // The kernel chooses the link-local address of the interface.
        Some(_) => peering.address,
        None => {
            let own = cluster.address(Family::of(peering.address));
            own.filter(|own| *own != peering.address)?
        }
    };
    session(cluster, scope, peering, own, annotations, problems)
}

/// The session of a peering, from our own address; `None` if its password is missing.
pub(super) fn session(
    cluster: &Cluster<'_>,
    scope: PeerType,
    peering: &Peering<'_>,
    own: IpAddr,
    annotations: &Annotations,
    problems: &mut Vec<Problem>,
) -> Option<Peer> {
    let family = Family::of(peering.address);
    // A workload's peering takes only filters and AS numbers from its BGPPeer.
    let (kind, spec) = match peering.target {
        Target::Workload => (PeerType::Local, &workload_spec(&peering.resource.spec)),
        Target::Address { .. } | Target::Node | Target::Link | Target::Range(_) => {
            (scope, &peering.resource.spec)
        }
    };
    let object = format!("BGPPeer/{}", peering.resource.metadata.name);
    let local_as = local_as(cluster, peering);
    let internal = local_as == peering.peer_as;
    let cluster_id = reflects_to(cluster, peering, local_as);
    let options = options(cluster, peering, kind, own, spec, annotations, problems);
    let (import_filters, export_filters) = filters(cluster, spec, &options.families);
    let unsigned = !annotations.require_password();
    let source = spec.password.as_ref();
    let password = password::find(
        cluster,
        source,
        unsigned,
        &object,
        "spec.password",
        problems,
    )
    .ok()?;
    let kernel_chooses = kind == PeerType::Local
        || peering.link.is_some()
        || spec.source_address == Some(SourceAddress::None);
    Some(Peer {
        name: session_name(kind, peering.address, peering.link_name(), peering.port),
        kind,
        family,
        address: peering.address,
        range: peering.target.range(),
        link: peering.link.cloned(),
        port: peering.port.unwrap_or(BGP_PORT),
        local_as,
        peer_as: peering.peer_as,
        internal,
        source_address: Some(own).filter(|_| !kernel_chooses),
        passive: is_passive(kind, peering, own, annotations.passive()),
        password,
        route_reflector_client: cluster_id.is_some(),
        cluster_id,
        next_hop: next_hop(spec, internal),
        ttl_security: spec.ttl_security.filter(|hops| *hops > 0),
        multihop: true,
        graceful_restart: true,
        graceful_restart_time: restart_seconds(
            spec.max_restart_time,
            &object,
            "spec.maxRestartTime",
            problems,
        ),
        keepalive_time: whole_seconds(
            spec.keepalive_time,
            u16::MAX,
            &object,
            "spec.keepaliveTime",
            problems,
        ),
        allowed_local_as: match peering.target {
            Target::Address { .. } | Target::Link | Target::Range(_) => spec.allowed_local_as(),
            Target::Node | Target::Workload => 0,
        },
        import_filters,
        export_filters,
        override_priority_below: cluster.normal_priority(family).0,
        options,
        resource: object,
    })
}

/// What the annotations set, and BFD: over a single hop to what is on a network of this node.
fn options(
    cluster: &Cluster<'_>,
    peering: &Peering<'_>,
    kind: PeerType,
    own: IpAddr,
    spec: &BgpPeerSpec,
    annotations: &Annotations,
    problems: &mut Vec<Problem>,
) -> PeerOptions {
    let mut options = match peering.target {
        Target::Link => annotations.options_on_link(),
        _ => annotations.options(Family::of(peering.address)),
    };
    let is_on_network = peering.link.is_some()
        || spec.reachable_by.is_none() && cluster.is_connected(peering.address);
    options.bfd = bfd::planned(
        annotations.bfd(),
        spec.failure_detection_mode,
        kind == PeerType::Local || is_on_network,
        annotations.bfd_strict(),
        || bfd_times::of_interface(cluster, own, problems),
    );
    options
}

/// The kernel cannot tell sessions with one address apart by the peer's source port, so it has one key for each address: that of
/// the first session by name.
fn note_passwords_beside_others(peers: &[Peer], problems: &mut Vec<Problem>) {
    let mut first: BTreeMap<IpAddr, &Peer> = BTreeMap::new();
    for peer in peers {
        let other = first.entry(peer.address).or_insert(peer);
        if other.password == peer.password {
            continue;
        }
        let (object, field) = match peer.kind {
            PeerType::Mesh => (
                &format!("BGPConfiguration/{GLOBAL}"),
                "spec.nodeMeshPassword",
            ),
            PeerType::Global | PeerType::Node | PeerType::Local => {
                (&peer.resource, "spec.password")
            }
        };
        let reason = format!(
            "does not hold for connections from {}, which are accepted as {} says: the kernel knows one password for each address",
            peer.address, other.resource
        );
        problems.push(Problem::warning(object, reason).at_field(field));
    }
}

/// Calico skips missing filters, and so do we. A filter is meant to exclude routes, so its absence is reported on every node.
fn note_missing_filters(cluster: &Cluster<'_>, problems: &mut Vec<Problem>) {
    let known = || {
        let filters = cluster.resources.bgp_filters();
        filters.map(|filter| filter.metadata.name.as_str())
    };
    for peer in cluster.resources.bgp_peers() {
        for (at, name) in peer.spec.filters.iter().enumerate() {
            if cluster.resources.bgp_filter(name).is_none() {
                let hint = did_you_mean(name, known());
                let reason = format!("BGPFilter/{name} does not exist and is skipped{hint}");
                let object = format!("BGPPeer/{}", peer.metadata.name);
                let field = format!("spec.filters[{at}]");
                problems.push(Problem::error(object, reason).at_field(field));
            }
        }
    }
}

/// Our AS on the session: `localASNumber`, except towards nodes, which expect the node's AS.
fn local_as(cluster: &Cluster<'_>, peering: &Peering<'_>) -> Asn {
    let configured = match peering.target {
        Target::Node => None,
        Target::Address { .. } | Target::Workload | Target::Link | Target::Range(_) => {
            peering.resource.spec.local_as_number
        }
    };
    configured
        .filter(|asn| asn.0 != 0)
        .unwrap_or_else(|| cluster.local_as())
}

/// Whether to wait for the peer: always for those that connect from a range; as an annotation says; for workloads; and for one of two nodes if a global BGPPeer names a node by its address,
/// so that both ends have the same session. All others connect, and RFC 4271 §6.8 resolves collisions.
fn is_passive(kind: PeerType, peering: &Peering<'_>, own: IpAddr, said: Option<bool>) -> bool {
    match (kind, peering.target) {
        (_, Target::Range(_)) => true,
        _ if said.is_some() => said == Some(true),
        (PeerType::Local, _) => true,
        (PeerType::Global, Target::Address { is_node: true }) => {
            is_passive_towards(own, peering.address)
        }
        _ => false,
    }
}

/// The fields of a BGPPeer that apply to workloads.
fn workload_spec(spec: &BgpPeerSpec) -> BgpPeerSpec {
    BgpPeerSpec {
        filters: spec.filters.clone(),
        as_number: spec.as_number,
        local_as_number: spec.local_as_number,
        ..BgpPeerSpec::default()
    }
}

/// Our cluster ID, if the peer is our client: in the same AS and not a reflector of the same cluster (RFC 4456 §7).
fn reflects_to(cluster: &Cluster<'_>, peering: &Peering<'_>, local_as: Asn) -> Option<RouterId> {
    cluster
        .cluster_id()
        .filter(|own| peering.peer_as == local_as && peering.peer_cluster_id != Some(*own))
}

fn next_hop(spec: &BgpPeerSpec, internal: bool) -> PlannedNextHop {
    match spec.next_hop_mode {
        Some(NextHopMode::Own) => PlannedNextHop::Own,
        Some(NextHopMode::Keep) => PlannedNextHop::Keep,
        Some(NextHopMode::Auto) => PlannedNextHop::None,
        None if spec.keep_original_next_hop && !internal => PlannedNextHop::Keep,
        None => PlannedNextHop::None,
    }
}

/// The names of the filters that have rules for the families, for import and for export.
fn filters(
    cluster: &Cluster<'_>,
    spec: &BgpPeerSpec,
    families: &[Family],
) -> (Vec<String>, Vec<String>) {
    let with_rules = |rules: fn(&BgpFilterSpec, Family) -> &[FilterRule]| {
        let has_rules = |name: &&String| {
            let filter = cluster.resources.bgp_filter(name);
            filter.is_some_and(|filter| {
                families
                    .iter()
                    .any(|family| !rules(&filter.spec, *family).is_empty())
            })
        };
        spec.filters.iter().filter(has_rules).cloned().collect()
    };
    (
        with_rules(BgpFilterSpec::import),
        with_rules(BgpFilterSpec::export),
    )
}

/// The filters that peers name.
pub(super) fn used_filters(
    cluster: &Cluster<'_>,
    peers: &[Peer],
) -> BTreeMap<String, BgpFilterSpec> {
    let names = peers
        .iter()
        .flat_map(|peer| peer.import_filters.iter().chain(&peer.export_filters));
    names
        .filter_map(|name| {
            Some((
                name.clone(),
                cluster.resources.bgp_filter(name)?.spec.clone(),
            ))
        })
        .collect()
}

fn host_route(peering: &Peering<'_>) -> Option<HostRoute> {
    let via = peering.resource.spec.reachable_by?;
    let wanted = peering.target != Target::Workload && via.is_ipv4() == peering.address.is_ipv4();
    wanted.then(|| HostRoute {
        prefix: IpNet::from(peering.address),
        via,
    })
}
